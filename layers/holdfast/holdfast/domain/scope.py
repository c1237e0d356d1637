"""Which conversations a matter wants."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from holdfast.domain.ids import ConversationId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval

# New conversations may take this long to become searchable, and a job finds no more of them than that (the
# vendor's SDK, conversationQuery).
DATA_LAG = timedelta(hours=48)
_MINUTE = timedelta(minutes=1)
_LAST_MINUTE = datetime.max.replace(tzinfo=UTC) - _MINUTE


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything that must hold at once; an empty tuple or None does not restrict.

    `interval` selects conversations with activity in it. `custodians` and `queues` are the platform's ids.
    """

    interval: Interval
    custodians: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    media_types: tuple[Medium, ...] = ()
    external_tag: str | None = None
    conversation_ids: tuple[ConversationId, ...] = ()
    include_screen: bool = True
    include_sensitive: bool = False


@dataclass(frozen=True, slots=True)
class Conversation:
    """One conversation in scope, as a batch's list carries it."""

    conversation_id: ConversationId
    started_at: datetime
    ended_at: datetime | None
    medium: Medium


def covering(conversations: Iterable[Conversation], within: Interval) -> Interval:
    """Choose a short interval, to the minute, in which each of these conversations has activity.

    `within` is an interval in which they have. A conversation is active at its start and at its end; of one
    that began before `within` it is only known that it was active in there at some time before its end.
    """
    starts, ends = [], []
    for one in conversations:
        starts.append(max(one.started_at, within.start))
        began_before = one.started_at < within.start
        ends.append(one.ended_at or (within.end if began_before else one.started_at))
    start = min(starts, default=within.start).replace(second=0, microsecond=0)
    end = max(start, min(max(ends, default=within.end), within.end, _LAST_MINUTE))
    return Interval(start, end.replace(second=0, microsecond=0) + _MINUTE)
