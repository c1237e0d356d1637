"""The events that open and close a standing matter, as EventBridge delivers them; as strict as a request."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

import rfc8785
from pydantic import AfterValidator, Field, ValidationError, model_validator

from holdfast.contracts.request import (
    Asserted,
    DiscoveryRequest,
    MatterIdText,
    Moment,
    RequestedSelection,
    Strict,
    Title,
    faults_of,
)
from holdfast.domain.ids import MatterId, standing_request_id
from holdfast.domain.moments import Interval, to_text
from holdfast.domain.standing import LONGEST, SHORTEST
from holdfast.errors import RequestRefused

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)


def _whole_second(at: datetime) -> datetime:
    if at.microsecond:
        raise ValueError("expected a whole second: the names of the intervals' requests have no fractions")
    return at


type WholeSecond = Annotated[Moment, AfterValidator(_whole_second)]


class IntervalLength(Strict):
    """How long each interval is, in hours or in days of 24 hours."""

    hours: Annotated[int, Field(ge=SHORTEST // _HOUR, le=LONGEST // _HOUR)] | None = None
    days: Annotated[int, Field(ge=1, le=LONGEST // _DAY)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if (self.hours is None) == (self.days is None):
            raise ValueError("expected either hours or days")
        return self

    def to_domain(self) -> timedelta:
        """Translate into a duration."""
        return timedelta(hours=self.hours or 0, days=self.days or 0)


class StandingMatterOpened(Strict):
    """Preserve new conversations of a scope from `starts_at` on, interval by interval.

    `requested_by` is recorded as asserted, as in a discovery request.
    """

    matter_id: MatterIdText
    title: Title
    requested_by: Asserted
    scope: RequestedSelection
    starts_at: WholeSecond
    interval: IntervalLength = IntervalLength(days=1)
    ends_at: WholeSecond | None = None

    @model_validator(mode="after")
    def _ends_later(self) -> Self:
        if self.ends_at is not None and not self.starts_at < self.ends_at:
            raise ValueError("expected ends_at later than starts_at")
        return self

    def canonical(self) -> bytes:
        """Write the event as canonical JSON (RFC 8785): what is stored, and what two deliveries are compared
        by.
        """
        return rfc8785.dumps(self.model_dump(mode="json"))

    @property
    def body_sha256(self) -> str:
        """Identify the body; hex."""
        return hashlib.sha256(self.canonical()).hexdigest()

    def request_for(self, interval: Interval) -> DiscoveryRequest:
        """Compose the discovery request for one interval; the same interval gives the same request."""
        ends = {"start": to_text(interval.start), "end": to_text(interval.end)}
        return DiscoveryRequest.model_validate(
            {
                "matter_id": self.matter_id,
                "request_id": standing_request_id(MatterId(self.matter_id), interval.start),
                "title": self.title,
                "requested_by": self.requested_by,
                "scope": {"interval": ends, **self.scope.model_dump(mode="json")},
            }
        )


class StandingMatterClosed(Strict):
    """Preserve nothing of a standing matter that comes after `ends_at`."""

    matter_id: MatterIdText
    requested_by: Asserted
    ends_at: WholeSecond


type StandingMatterEvent = StandingMatterOpened | StandingMatterClosed

_EVENTS: Mapping[str, type[StandingMatterOpened] | type[StandingMatterClosed]] = {
    model.__name__: model for model in (StandingMatterOpened, StandingMatterClosed)
}
_FIELD_NAMES = frozenset(name for model in (*_EVENTS.values(), IntervalLength) for name in model.model_fields)


def read_standing_event(event: Any) -> StandingMatterEvent:
    """Read the opening or closing out of an EventBridge event.

    A closing that names no `ends_at` ends the matter when the event was sent: a delivery that comes late, or
    twice, means the same.

    Raises:
        RequestRefused: names every fault by field and says what was expected; never repeats a value.
    """
    model = _EVENTS.get(str(event.get("detail-type"))) if isinstance(event, dict) else None
    if model is None:
        raise RequestRefused([f"detail-type: expected {' or '.join(_EVENTS)}"])
    detail = event.get("detail")
    if model is StandingMatterClosed and isinstance(detail, dict) and detail.get("ends_at") is None:
        detail = detail | {"ends_at": event.get("time")}
    try:
        return model.model_validate(detail)
    except ValidationError as invalid:
        raise RequestRefused(faults_of(invalid, _FIELD_NAMES)) from None
