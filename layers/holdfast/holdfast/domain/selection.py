"""Gathering the scope's conversations, page by page and slice by slice, into batches.

A conversation with activity in two slices is found by both of their queries; it belongs to the first that
found it. Only one that had not ended before the first slice did can be found again, so only those are
remembered.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Self

from holdfast.domain.ids import ConversationId
from holdfast.domain.moments import Interval
from holdfast.domain.scope import Conversation


@dataclass(frozen=True, slots=True)
class Lot:
    """Conversations of one batch; those of a lot `is_reused` are not exported again."""

    conversations: list[Conversation]
    is_reused: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """How far selecting has come after a page; the page at `cursor` is the next, None after a slice's last.

    `waiting` are conversations that are in no batch yet. `may_return` maps a conversation that a later page
    or slice may show again to its end, as far as known. `reused` are those among the waiting that earlier
    exports have secured.
    """

    cursor: str | None = None
    next_batch: int = 0
    conversations: int = 0
    waiting: tuple[Conversation, ...] = ()
    may_return: Mapping[ConversationId, datetime | None] = field(default_factory=dict)
    reused: frozenset[ConversationId] = frozenset()

    def with_page(
        self,
        found: Iterable[Conversation],
        cursor: str | None,
        within: Interval,
        reused: Collection[ConversationId] = (),
    ) -> Self:
        """Add what a page of the query for the slice `within` shows, without what is selected already."""
        known = {one.conversation_id for one in self.waiting} | self.may_return.keys()
        new = {one.conversation_id: one for one in found if one.conversation_id not in known}
        may_return = {one: end for one, end in self.may_return.items() if _is_active_from(end, within.start)}
        may_return |= {
            one.conversation_id: one.ended_at
            for one in new.values()
            if _is_active_from(one.ended_at, within.end)
        }
        return replace(
            self,
            cursor=cursor,
            conversations=self.conversations + len(new),
            waiting=(*self.waiting, *new.values()),
            may_return=may_return,
            reused=self.reused | (new.keys() & reused),
        )

    def batched(self, lot_of: Callable[[Conversation], str], *, at_least: int, at_most: int) -> list[Lot]:
        """Give the batches that are due: lots that are large enough, or all at the end of a slice."""
        lots: dict[tuple[bool, str], list[Conversation]] = {}
        for one in self.waiting:
            is_reused = one.conversation_id in self.reused
            lots.setdefault((is_reused, "" if is_reused else lot_of(one)), []).append(one)
        return [
            Lot(lot[start : start + at_most], is_reused)
            for (is_reused, _), lot in sorted(lots.items())
            if self.cursor is None or len(lot) >= at_least
            for start in range(0, len(lot), at_most)
        ]

    def without(self, batches: list[Lot]) -> Self:
        """Take out what is in batches now."""
        gone = {one.conversation_id for batch in batches for one in batch.conversations}
        waiting = tuple(one for one in self.waiting if one.conversation_id not in gone)
        return replace(
            self, next_batch=self.next_batch + len(batches), waiting=waiting, reused=self.reused - gone
        )


def _is_active_from(ended_at: datetime | None, moment: datetime) -> bool:
    return ended_at is None or ended_at >= moment
