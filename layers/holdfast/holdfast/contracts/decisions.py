"""The event by which a person settles an exception, as EventBridge delivers it; as strict as a request."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import rfc8785
from pydantic import Field, ValidationError, model_validator

from holdfast.contracts.request import (
    Asserted,
    MatterIdText,
    PlainText,
    RequestIdText,
    Strict,
    UuidText,
    faults_of,
)
from holdfast.domain.decisions import Decision, Resolution
from holdfast.domain.ids import ConversationId, MatterId, RecordingId, RequestId, ResolutionId
from holdfast.domain.reconciliation import Reason
from holdfast.errors import RequestRefused

EVENT_DETAIL_TYPE = "ExceptionResolved"

type Resolvable = Literal[
    "zero_bytes",
    "unpaired_media",
    "unpaired_sidecar",
    "unattributed",
    "manifest_v1",
    "parked",
    "version_gone",
]
# What an exception is named by: these must be there, those may.
_NAMED_BY: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "zero_bytes": (frozenset({"conversation_id", "recording_id"}), frozenset()),
    "unpaired_media": (frozenset({"conversation_id", "recording_id"}), frozenset()),
    "unpaired_sidecar": (frozenset({"conversation_id", "recording_id"}), frozenset()),
    "unattributed": (frozenset({"conversation_id"}), frozenset()),
    "manifest_v1": (frozenset(), frozenset({"conversation_id", "recording_id"})),
    "parked": (frozenset({"message_id"}), frozenset()),
    "version_gone": (frozenset({"conversation_id"}), frozenset({"recording_id"})),
}


class NamedException(Strict):
    """Which exception: its reason, and what it is about."""

    reason: Resolvable
    conversation_id: UuidText | None = None
    recording_id: UuidText | None = None
    message_id: Annotated[PlainText, Field(min_length=1, max_length=128)] | None = None

    @model_validator(mode="after")
    def _is_named_by_what_its_reason_takes(self) -> Self:
        must, may = _NAMED_BY[self.reason]
        given = {name for name in ("conversation_id", "recording_id", "message_id") if getattr(self, name)}
        lacking, superfluous = sorted(must - given), sorted(given - must - may)
        if lacking or superfluous:
            raise ValueError(
                f"expected {', '.join(sorted(must)) or 'no id'} with this reason; lacking"
                f" {', '.join(lacking) or 'nothing'}, beyond it {', '.join(superfluous) or 'nothing'}"
            )
        if self.recording_id and not self.conversation_id:
            raise ValueError("expected the conversation of the recording too")
        return self


class ExceptionResolved(Strict):
    """One decision about one exception; `decided_by` is recorded as asserted."""

    resolution_id: RequestIdText
    matter_id: MatterIdText
    request_id: RequestIdText
    exception: NamedException
    decision: Literal["accepted", "not_evidence", "obtained_elsewhere"]
    decided_by: Asserted
    explanation: Annotated[PlainText, Field(min_length=1, max_length=1_000)]

    @property
    def body_sha256(self) -> str:
        """Identify the decision, whoever delivers it how often; hex."""
        return hashlib.sha256(rfc8785.dumps(self.model_dump(mode="json"))).hexdigest()

    def to_domain(self, at: datetime) -> Resolution:
        """Translate into the domain's words."""
        named = self.exception
        return Resolution(
            resolution_id=ResolutionId(self.resolution_id),
            matter_id=MatterId(self.matter_id),
            request_id=RequestId(self.request_id),
            reason=Reason(named.reason),
            decision=Decision(self.decision),
            decided_by=self.decided_by,
            explanation=self.explanation,
            at=at,
            conversation_id=ConversationId(named.conversation_id) if named.conversation_id else None,
            recording_id=RecordingId(named.recording_id) if named.recording_id else None,
            message_id=named.message_id,
        )


_FIELD_NAMES = frozenset(name for model in (ExceptionResolved, NamedException) for name in model.model_fields)


def read_decision_event(event: Any) -> ExceptionResolved:
    """Read the decision out of an EventBridge event.

    Raises:
        RequestRefused: names every fault by field and says what was expected; never repeats a value.
    """
    if not isinstance(event, dict) or event.get("detail-type") != EVENT_DETAIL_TYPE:
        raise RequestRefused([f"detail-type: expected {EVENT_DETAIL_TYPE}"])
    try:
        return ExceptionResolved.model_validate(event.get("detail"))
    except ValidationError as invalid:
        raise RequestRefused(faults_of(invalid, _FIELD_NAMES)) from None
