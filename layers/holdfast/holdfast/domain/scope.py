"""Which conversations a matter wants."""

from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.ids import ConversationId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval


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
