import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.standing import StandingMatterClosed, StandingMatterOpened, read_standing_event
from holdfast.domain.moments import Interval
from holdfast.errors import RequestRefused
from tests.events import load_event

CANARY = "Jane-Roe-0151"
START = datetime(2026, 3, 1, tzinfo=UTC)
A_DAY = Interval(START, START + timedelta(days=1))


def _opening(**changes: Any) -> Any:
    event = load_event("standing_matter_opened")
    event["detail"] |= changes
    return event


def _opened(**changes: Any) -> StandingMatterOpened:
    opened = read_standing_event(_opening(**changes))
    assert isinstance(opened, StandingMatterOpened)
    return opened


def _closed(time: Any = "2026-04-03T16:45:00Z", **changes: Any) -> StandingMatterClosed:
    event = load_event("standing_matter_closed") | {"time": time}
    event["detail"] |= changes
    closed = read_standing_event(event)
    assert isinstance(closed, StandingMatterClosed)
    return closed


def _faults(event: Any) -> list[str]:
    with pytest.raises(RequestRefused) as refused:
        read_standing_event(event)
    assert CANARY not in str(refused.value)
    return list(refused.value.faults)


def test_a_matter_s_interval_becomes_a_discovery_request_like_any_other() -> None:
    request = _opened().request_for(A_DAY)

    wanted = load_event("discovery_requested")
    wanted["detail"]["request_id"] = "M-2026-001:20260301T000000Z"
    wanted["detail"]["scope"]["interval"] = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"}
    assert request == DiscoveryRequest.from_event(wanted)


def test_what_is_stored_is_canonical_and_reads_back_as_the_same_opening() -> None:
    opened = _opened(ends_at="2026-06-01T00:00:00+02:00")

    stored = opened.canonical()

    assert rfc8785.dumps(json.loads(stored)) == stored
    assert StandingMatterOpened.model_validate_json(stored) == opened
    assert StandingMatterOpened.model_validate_json(stored).body_sha256 == opened.body_sha256


def test_what_is_left_out_is_one_day_without_an_end() -> None:
    event = load_event("standing_matter_opened")
    del event["detail"]["interval"]

    opened = read_standing_event(event)

    assert opened == _opened()
    assert isinstance(opened, StandingMatterOpened)
    assert (opened.interval.to_domain(), opened.ends_at) == (timedelta(days=1), None)


@pytest.mark.parametrize(
    ("interval", "length"),
    [
        ({"hours": 1}, timedelta(hours=1)),
        ({"hours": 744}, timedelta(days=31)),
        ({"days": 31}, timedelta(days=31)),
    ],
)
def test_an_interval_is_told_in_hours_or_days(interval: Any, length: timedelta) -> None:
    assert _opened(interval=interval).interval.to_domain() == length


@pytest.mark.parametrize(
    ("path", "value", "field"),
    [
        (("matter_id",), "M/1", "matter_id"),
        (("title",), "", "title"),
        (("requested_by",), "a\nb", "requested_by"),
        (("request_id",), "R-1", "request_id"),
        (("scope",), {}, "scope"),
        (("scope", "interval"), {"start": "2026-03-01T00:00:00Z", "end": "2026-03-02T00:00:00Z"},
         "scope.interval"),
        (("scope", "custodians"), ["somebody"], "scope.custodians.0"),
        (("scope", CANARY), 1, "scope.?"),
        (("starts_at",), "2026-03-01T00:00:00", "starts_at"),
        (("starts_at",), "2026-03-01T00:00:00.5Z", "starts_at"),
        (("starts_at",), None, "starts_at"),
        (("ends_at",), "2026-03-01T00:00:00Z", "detail"),
        (("ends_at",), "2026-06-01T00:00:00.001Z", "ends_at"),
        (("interval",), {}, "interval"),
        (("interval",), {"hours": 24, "days": 1}, "interval"),
        (("interval",), {"hours": 0}, "interval.hours"),
        (("interval",), {"hours": 745}, "interval.hours"),
        (("interval",), {"days": 0}, "interval.days"),
        (("interval",), {"days": 32}, "interval.days"),
        (("interval",), {"days": True}, "interval.days"),
        (("interval",), {"days": "1"}, "interval.days"),
        (("interval",), {"weeks": 1}, "interval.?"),
        (("interval",), "P1D", "interval"),
        ((CANARY,), 1, "?"),
    ],
    ids=str,
)  # fmt: skip
def test_a_fault_of_an_opening_is_named_by_its_field(path: tuple[str, ...], value: Any, field: str) -> None:
    event = load_event("standing_matter_opened")
    place = event["detail"]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value

    faults = _faults(event)

    assert field in [fault.split(": ")[0] for fault in faults]
    assert len(faults) == 1


@pytest.mark.parametrize("ends_at", [{}, {"ends_at": None}])
def test_a_closing_without_an_end_ends_the_matter_when_it_was_sent(ends_at: Any) -> None:
    event = load_event("standing_matter_closed")
    event["detail"] = {"matter_id": "M-2026-001", "requested_by": "legal-user-17", **ends_at}

    closed = read_standing_event(event)

    assert isinstance(closed, StandingMatterClosed)
    assert closed.ends_at == datetime(2026, 4, 3, 16, 45, tzinfo=UTC)


def test_a_closing_keeps_the_end_it_names() -> None:
    assert _closed().ends_at == datetime(2026, 4, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ends_at": "2026-04-04"}, "ends_at"),
        ({"ends_at": "2026-04-04T00:00:00.5Z"}, "ends_at"),
        ({"requested_by": ""}, "requested_by"),
        ({"title": "x"}, "title"),
        ({"starts_at": "2026-04-04T00:00:00Z"}, "starts_at"),
        ({CANARY: 1}, "?"),
    ],
)
def test_a_fault_of_a_closing_is_named_by_its_field(changes: Any, field: str) -> None:
    event = load_event("standing_matter_closed")
    event["detail"] |= changes

    assert [fault.split(": ")[0] for fault in _faults(event)] == [field]


@pytest.mark.parametrize("time", [None, 7, "yesterday"])
def test_a_closing_that_no_clock_has_seen_needs_an_end(time: Any) -> None:
    event = load_event("standing_matter_closed") | {"time": time}
    del event["detail"]["ends_at"]

    assert [fault.split(": ")[0] for fault in _faults(event)] == ["ends_at"]


@given(st.none() | st.text() | st.lists(st.none()) | st.dictionaries(st.just("detail-type"), st.text()))
def test_another_event_is_refused_by_its_type(event: Any) -> None:
    assert _faults(event) == ["detail-type: expected StandingMatterOpened or StandingMatterClosed"]


@pytest.mark.parametrize("kind", ["StandingMatterOpened", "StandingMatterClosed"])
@pytest.mark.parametrize("detail", [None, [], "x", 7])
def test_a_detail_that_is_no_object_is_refused(kind: str, detail: Any) -> None:
    (fault,) = _faults({"detail-type": kind, "detail": detail, "time": "2026-04-03T16:45:00Z"})

    assert fault.startswith("detail: ")
