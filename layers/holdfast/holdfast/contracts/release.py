"""The events that ask for a release and approve it, as EventBridge delivers them; as strict as a request.

The names in them are recorded as asserted: an event cannot prove who wrote it. What proves it is who may
write to which bus.
"""

import hashlib
from typing import Annotated, Any, Literal, Self

import rfc8785
from pydantic import Field, ValidationError, model_validator

from holdfast.contracts.request import (
    Asserted,
    MatterIdText,
    PlainText,
    Strict,
    UuidList,
    faults_of,
)
from holdfast.domain.ids import MATTER_ID_PATTERN, ConversationId, MatterId, ReleaseId
from holdfast.domain.release import NOBODY
from holdfast.errors import RequestRefused

type ReleaseIdText = Annotated[str, Field(pattern=rf"^{MATTER_ID_PATTERN}$")]


class _OfRelease(Strict):
    release_id: ReleaseIdText
    matter_id: MatterIdText | None = None

    @property
    def place(self) -> MatterId:
        """Name the matter, or NOBODY."""
        return MatterId(self.matter_id) if self.matter_id else NOBODY

    @property
    def key(self) -> ReleaseId:
        """Name the release."""
        return ReleaseId(self.release_id)


class HoldReleaseRequested(_OfRelease):
    """Ask to end a matter's claims, or to let go what nobody claims."""

    scope: Literal["matter", "unclaimed"] = "matter"
    requested_by: Asserted
    reason: Annotated[PlainText, Field(min_length=1, max_length=1_000)]
    conversation_ids: UuidList = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _names_what_its_scope_needs(self) -> Self:
        if (self.scope == "matter") is (self.matter_id is None):
            raise ValueError("expected a matter_id with scope matter, and none with scope unclaimed")
        if self.conversation_ids and self.scope == "matter":
            raise ValueError(
                "expected conversation_ids with scope unclaimed only: a matter is released whole"
            )
        return self

    @property
    def chosen(self) -> tuple[ConversationId, ...]:
        """Name the conversations that are asked for; empty: all."""
        return tuple(ConversationId(text) for text in self.conversation_ids)

    def canonical(self) -> bytes:
        """Write the event as canonical JSON (RFC 8785): what is stored, and what two deliveries are compared
        by.
        """
        return rfc8785.dumps(self.model_dump(mode="json"))

    @property
    def body_sha256(self) -> str:
        """Identify the body; hex."""
        return hashlib.sha256(self.canonical()).hexdigest()


class HoldReleaseApproved(_OfRelease):
    """Say yes to one plan of one release."""

    plan_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    approved_by: Asserted


_FIELD_NAMES = frozenset(
    name for model in (HoldReleaseRequested, HoldReleaseApproved) for name in model.model_fields
)


def read_release_event[Model: (HoldReleaseRequested, HoldReleaseApproved)](
    event: Any, model: type[Model]
) -> Model:
    """Read the request or the approval out of an EventBridge event.

    Raises:
        RequestRefused: names every fault by field and says what was expected; never repeats a value.
    """
    if not isinstance(event, dict) or event.get("detail-type") != model.__name__:
        raise RequestRefused([f"detail-type: expected {model.__name__}"])
    try:
        return model.model_validate(event.get("detail"))
    except ValidationError as invalid:
        raise RequestRefused(faults_of(invalid, _FIELD_NAMES)) from None
