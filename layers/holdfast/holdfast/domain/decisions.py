"""What people decide about exceptions that no program can settle: who, when, why, and what it settles."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from holdfast.domain.ids import ConversationId, MatterId, RecordingId, RequestId, ResolutionId
from holdfast.domain.reconciliation import Reason

RESOLVABLE = frozenset(
    {
        Reason.ZERO_BYTES,
        Reason.UNPAIRED_MEDIA,
        Reason.UNPAIRED_SIDECAR,
        Reason.UNATTRIBUTED,
        Reason.MANIFEST_V1,
        Reason.PARKED,
        Reason.VERSION_GONE,
    }
)
"""Everything else has another cure: a new request, a permission, a redrive."""


class Decision(StrEnum):
    """What was decided."""

    ACCEPTED = "accepted"  # it is as it is, and the account closes with it
    NOT_EVIDENCE = "not_evidence"  # the matter does not need it
    OBTAINED_ELSEWHERE = "obtained_elsewhere"  # it was had in another way, outside of Holdfast


@dataclass(frozen=True, slots=True)
class Resolution:
    """One decision; the person's name is asserted, as every name in an event.

    Without a `recording_id` it covers every recording of the conversation, without a `conversation_id` every
    one of the matter, that has this reason. `message_id` names what is parked.
    """

    resolution_id: ResolutionId
    matter_id: MatterId
    request_id: RequestId
    reason: Reason
    decision: Decision
    decided_by: str
    explanation: str
    at: datetime
    conversation_id: ConversationId | None = None
    recording_id: RecordingId | None = None
    message_id: str | None = None

    def covers(
        self,
        reason: Reason,
        conversation_id: str | None,
        recording_id: str | None,
        message_id: str | None = None,
    ) -> bool:
        """Tell whether this is about an exception; what is not named by it, it does not restrict."""
        return (
            self.reason is reason
            and self.conversation_id in (None, conversation_id)
            and self.recording_id in (None, recording_id)
            and self.message_id in (None, message_id)
        )


def resolution_of(
    resolutions: Iterable[Resolution],
    reason: Reason,
    conversation_id: str | None,
    recording_id: str | None,
    message_id: str | None = None,
) -> Resolution | None:
    """Find the last decision about an exception."""
    covering = (one for one in resolutions if one.covers(reason, conversation_id, recording_id, message_id))
    return max(covering, key=lambda one: (one.at, one.resolution_id), default=None)
