"""Choosing conversations: conversation-details jobs of the analytics API."""

from datetime import UTC, datetime

from holdfast.contracts.genesys import (
    ConversationDocument,
    DataAvailability,
    QueryPage,
    QueryProgress,
    QuerySubmitted,
)
from holdfast.domain.ids import ConversationId
from holdfast.domain.media import medium_of, principal_medium
from holdfast.domain.scope import Conversation, Scope
from holdfast.errors import ScopeQueryFailed, UnknownPlatformState
from holdfast.genesys.platform.query import scope_query
from holdfast.genesys.transport import Transport
from holdfast.ports import ScopePage

_JOBS = "/api/v2/analytics/conversations/details/jobs"
_RUNNING = frozenset({"QUEUED", "PENDING"})
_ENDED_WITHOUT_RESULT = frozenset({"FAILED", "CANCELLED", "EXPIRED"})


class AnalyticsScope:
    """Implements `ports.ScopeSource`."""

    def __init__(self, transport: Transport, *, page_size: int) -> None:
        self._transport = transport
        self._page_size = page_size

    def available_until(self) -> datetime:
        """Read the platform's dataAvailabilityDate."""
        return _aware(
            self._transport.get(f"{_JOBS}/availability").read(DataAvailability).data_availability_date
        )

    def start_query(self, scope: Scope) -> str:
        """Start a conversation-details job; one too many harms nobody."""
        return self._transport.post(_JOBS, scope_query(scope), is_repeatable=True).read(QuerySubmitted).job_id

    def is_query_done(self, query_id: str) -> bool:
        """Read the job's state."""
        progress = self._transport.get(f"{_JOBS}/{query_id}").read(QueryProgress)
        if progress.state in _RUNNING:
            return False
        if progress.state in _ENDED_WITHOUT_RESULT:
            raise ScopeQueryFailed(f"the platform ended the scope query {query_id} as {progress.state}")
        if progress.state != "FULFILLED":
            raise UnknownPlatformState(f"scope query {query_id}: unknown state {progress.state[:40]!r}")
        return True

    def read_page(self, query_id: str, cursor: str | None) -> ScopePage:
        """Read one page of the job's results."""
        query: dict[str, str | int] = {"pageSize": self._page_size} | ({"cursor": cursor} if cursor else {})
        page = self._transport.get(f"{_JOBS}/{query_id}/results", query).read(QueryPage)
        return ScopePage([_conversation(document) for document in page.conversations], page.cursor or None)


def _conversation(document: ConversationDocument) -> Conversation:
    media = [
        medium_of(session.media_type)
        for participant in document.participants
        for session in participant.sessions
    ]
    return Conversation(
        conversation_id=ConversationId(document.conversation_id.lower()),
        started_at=_aware(document.conversation_start),
        ended_at=_aware(document.conversation_end) if document.conversation_end else None,
        medium=principal_medium(media),
    )


def _aware(at: datetime) -> datetime:
    """Read a time of the platform, which speaks UTC even where it leaves the offset out."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
