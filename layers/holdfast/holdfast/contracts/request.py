"""The event that starts everything: `DiscoveryRequested`, as EventBridge delivers it.

Strict on purpose. A legal hold placed on a misread scope is worse than one refused: unknown fields, numbers
in place of text, naive times and free text in the place of an id are all faults, and all are named at once.
"""

import hashlib
import re
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Annotated, Any, Literal, Self

import rfc8785
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from holdfast.domain.ids import MATTER_ID_PATTERN, REQUEST_ID_PATTERN, UUID_PATTERN, ConversationId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval, from_text
from holdfast.domain.scope import Scope
from holdfast.errors import RequestRefused

EVENT_DETAIL_TYPE = "DiscoveryRequested"
MAX_LISTED_IDS = 1_000
MAX_NAMED_FAULTS = 100
# Half a character (a lone surrogate), which JSON can carry, has no bytes: it could not be stored.
_NOT_PLAIN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_RFC_3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})")


def _plain_text(text: str) -> str:
    if _NOT_PLAIN.search(text):
        raise ValueError("expected plain text, found control or broken characters")
    return text


def _with_offset(text: Any) -> datetime:
    if not isinstance(text, str) or not _RFC_3339.fullmatch(text):
        raise ValueError("expected an RFC 3339 time with an offset, for example 2026-03-01T00:00:00Z")
    return from_text(text)


def _unique[Id: str](ids: tuple[Id, ...]) -> tuple[Id, ...]:
    if len(set(ids)) != len(ids):
        raise ValueError("expected every id once, found repetitions")
    return ids


type Moment = Annotated[datetime, BeforeValidator(_with_offset)]
type PlainText = Annotated[str, AfterValidator(_plain_text)]
type UuidText = Annotated[str, Field(pattern=rf"^{UUID_PATTERN}$")]
type UuidList = Annotated[tuple[UuidText, ...], Field(max_length=MAX_LISTED_IDS), AfterValidator(_unique)]
# What a scope may ask for: the screen is not a conversation's medium but an extra of any (`include_screen`).
type ScopeMedium = Literal["voice", "chat", "email", "message", "callback"]


class Strict(BaseModel):
    """What comes from outside: no unknown field, no conversion of types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class RequestedInterval(Strict):
    """``[start, end)``; both are RFC 3339 times with an offset."""

    start: Moment
    end: Moment

    @model_validator(mode="after")
    def _end_is_later(self) -> Self:
        if not self.start < self.end:
            raise ValueError("expected an end later than the start")
        return self


class RequestedSelection(Strict):
    """What a scope selects by besides its interval; a list that is left out does not restrict."""

    custodians: UuidList = Field(default=(), strict=False)
    queues: UuidList = Field(default=(), strict=False)
    media_types: Annotated[tuple[ScopeMedium, ...], AfterValidator(_unique)] = Field(default=(), strict=False)
    external_tag: Annotated[PlainText, Field(min_length=1, max_length=256)] | None = None
    conversation_ids: UuidList = Field(default=(), strict=False)
    include_screen: bool = True
    include_sensitive: bool = False

    @model_validator(mode="after")
    def _restricts_something(self) -> Self:
        if not (
            self.custodians or self.queues or self.external_tag or self.conversation_ids or self.media_types
        ):
            raise ValueError(
                "expected at least one of custodians, queues, media_types, external_tag, conversation_ids:"
                " a scope without any would hold the whole organisation"
            )
        return self


class _WithInterval(Strict):
    interval: RequestedInterval


class RequestedScope(RequestedSelection, _WithInterval):
    """The scope as the legal team writes it."""

    def to_domain(self) -> Scope:
        """Translate into the domain's words."""
        return Scope(
            interval=Interval(self.interval.start, self.interval.end),
            custodians=self.custodians,
            queues=self.queues,
            media_types=tuple(Medium(medium) for medium in self.media_types),
            external_tag=self.external_tag,
            conversation_ids=tuple(ConversationId(text) for text in self.conversation_ids),
            include_screen=self.include_screen,
            include_sensitive=self.include_sensitive,
        )


type MatterIdText = Annotated[str, Field(pattern=rf"^{MATTER_ID_PATTERN}$")]
type RequestIdText = Annotated[str, Field(pattern=rf"^{REQUEST_ID_PATTERN}$")]
type Title = Annotated[PlainText, Field(min_length=1, max_length=200)]
type Asserted = Annotated[PlainText, Field(min_length=1, max_length=200)]


class DiscoveryRequest(Strict):
    """One request to preserve a scope for a matter (the event's `detail`).

    `requested_by` is recorded as asserted: an event cannot prove who wrote it.
    """

    matter_id: MatterIdText
    request_id: RequestIdText
    title: Title
    requested_by: Asserted
    scope: RequestedScope

    def canonical(self) -> bytes:
        """Write the request as canonical JSON (RFC 8785): what is stored, and what two deliveries are
        compared by.
        """
        return rfc8785.dumps(self.model_dump(mode="json"))

    @property
    def body_sha256(self) -> str:
        """Identify the body; hex."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @classmethod
    def from_event(cls, event: Any) -> Self:
        """Read the request out of an EventBridge event.

        Raises:
            RequestRefused: names every fault by field and says what was expected; never repeats a value.
        """
        if not isinstance(event, dict) or event.get("detail-type") != EVENT_DETAIL_TYPE:
            raise RequestRefused([f"detail-type: expected {EVENT_DETAIL_TYPE}"])
        try:
            return cls.model_validate(event.get("detail"))
        except ValidationError as invalid:
            raise RequestRefused(faults_of(invalid)) from None


def faults_of(invalid: ValidationError, known: AbstractSet[str] = frozenset()) -> list[str]:
    """List what is wrong; `known` are field names of ours besides those of a discovery request."""
    return _bounded(list(dict.fromkeys(name_faults(invalid, known))))


def _bounded(faults: list[str]) -> list[str]:
    """Name no more than a person would read: the answer travels through a workflow, which takes 256 KB."""
    rest = len(faults) - MAX_NAMED_FAULTS
    return [*faults[:MAX_NAMED_FAULTS], *([f"and {rest} more"] if rest > 0 else [])]


def name_faults(invalid: ValidationError, known: AbstractSet[str] = frozenset()) -> Iterable[str]:
    """Turn a validation error into one line per fault: the field's path and what was expected, without
    values.
    """
    for fault in invalid.errors(include_url=False, include_input=False, include_context=False):
        # A field name that is not ours comes from outside: it may be hostile, so only its position is kept.
        ours = _FIELD_NAMES | known
        place = [str(part) if isinstance(part, int) or part in ours else "?" for part in fault["loc"]]
        yield f"{'.'.join(place) or 'detail'}: {fault['msg'].removeprefix('Value error, ')}"


_FIELD_NAMES = {
    name for model in (DiscoveryRequest, RequestedScope, RequestedInterval) for name in model.model_fields
}
