"""Whom the platform protects first when it will not protect everyone.

What S3 does not hold in full has nothing but the platform's copy: it comes first. Then what the platform
would delete soonest, then the rest by their start. Conversations without a recording have nothing to protect.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from holdfast.domain.ids import ConversationId
from holdfast.domain.reconciliation import BROKEN_OFF, Finding, Reason
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState

_SLACK = 1_000  # sorting now and then is cheaper than always
_NEVER = datetime.max.replace(tzinfo=UTC)
# Of these the bucket has everything there is, or nothing is left that could be protected.
_SETTLED = frozenset({None, Reason.TAGS_OMITTED, Reason.NOT_IN_MANIFEST, Reason.DELETED_AT_PLATFORM})


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A conversation's place in the order: the smaller, the sooner it is protected."""

    is_secured: bool
    delete_at: datetime
    started_at: datetime
    conversation_id: ConversationId


class Evidence(StrEnum):
    """What S3 has of a conversation, by the account of its batch."""

    SECURED = "secured"
    SHORT = "short"  # failed, skipped, not delivered, or not known to be whole
    SILENT = "silent"  # it has no recording


def evidence_of(
    conversations: Iterable[Conversation], state: BatchState, findings: Sequence[Finding] | None
) -> Iterator[tuple[Conversation, Evidence]]:
    """Judge a batch's conversations by its account; without one (None) nothing is known to be whole."""
    is_secured: dict[ConversationId, bool] = {}
    for finding in findings or ():
        if finding.conversation_id is not None:
            so_far = is_secured.get(finding.conversation_id, True)
            is_secured[finding.conversation_id] = so_far and finding.reason in _SETTLED
    # One that was counted and never named may belong to any of the conversations that none is named of.
    is_whole = findings is not None and all(finding.conversation_id for finding in findings)
    unnamed = Evidence.SILENT if is_whole and (findings or state not in BROKEN_OFF) else Evidence.SHORT
    for conversation in conversations:
        match is_secured.get(conversation.conversation_id):
            case None:
                yield conversation, unnamed
            case secured:
                yield conversation, Evidence.SECURED if secured else Evidence.SHORT


def place_of(
    conversation: Conversation, evidence: Evidence, delete_dates: Mapping[ConversationId, datetime]
) -> Place:
    """Give a conversation its place; one whose delete date is unknown comes after those that have one."""
    return Place(
        is_secured=evidence is Evidence.SECURED,
        delete_at=delete_dates.get(conversation.conversation_id, _NEVER),
        started_at=conversation.started_at,
        conversation_id=conversation.conversation_id,
    )


def first(places: Iterable[Place], count: int) -> list[Place]:
    """Choose the first so many, in order; it takes their room alone, however long the stream is.

    A conversation that stands in two batches counts once, at the earlier of its places.
    """
    best: dict[ConversationId, Place] = {}
    for place in places:
        standing = best.get(place.conversation_id, place)
        best[place.conversation_id] = min(standing, place)
        if len(best) >= 2 * count + _SLACK:
            best = {one.conversation_id: one for one in heapq.nsmallest(count, best.values())}
    return heapq.nsmallest(count, best.values())


def soonest(
    delete_dates: Mapping[ConversationId, datetime],
    more: Iterable[tuple[ConversationId, datetime]],
    count: int,
) -> dict[ConversationId, datetime]:
    """Add delete dates to those that are known, and keep the earliest of so many conversations, in order."""
    merged = dict(delete_dates)
    for conversation_id, delete_at in more:
        merged[conversation_id] = min(delete_at, merged.get(conversation_id, delete_at))
    return dict(heapq.nsmallest(count, merged.items(), key=lambda dated: (dated[1], dated[0])))
