"""Opening and closing standing matters, and the runs of their intervals."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import StandingRuns
from holdfast.domain.ids import MatterId, RequestId
from holdfast.domain.states import RequestState, StandingState
from holdfast.errors import AwsUnavailable, LedgerContention, PlatformUnavailable, StandingMatterConflict
from holdfast.ports import Counter, RequestRecord, StandingMatter
from tests.events import load_event
from tests.fakes.house import MATTER, House

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
OTHER = MatterId("M-2026-002")
CANARY = "Jane-Roe-0151"


def _opening(**changes: Any) -> Any:
    event = load_event("standing_matter_opened")
    event["detail"] |= changes
    return event


def _closing(**changes: Any) -> Any:
    event = load_event("standing_matter_closed")
    event["detail"] |= changes
    return event


def _standing(house: House, matter_id: MatterId = MATTER) -> StandingMatter:
    matter = house.standing.find(matter_id)
    assert matter is not None
    return matter


def _house(*, days_since_start: float = 2.5, **changes: Any) -> House:
    """Open a standing matter; the clock stands so many days after its start."""
    house = House()
    house.clock.at = START + days_since_start * DAY
    assert house.record_standing_matter(_opening(**changes)).outcome == "OPENED"
    return house


def _names(house: House) -> list[str]:
    return [detail["request_id"] for detail in house.bus.sent]


def _run(house: House, *, until: RequestState = RequestState.PRESERVED) -> RequestRecord:
    """Let the request that was sent last have its run, up to a state."""
    detail = house.bus.sent[-1]
    matter_id, request_id = MatterId(detail["matter_id"]), RequestId(detail["request_id"])
    arn = f"arn:execution:{request_id}:{len(house.bus.sent)}"
    event = {"detail-type": "DiscoveryRequested", "detail": detail}
    assert house.open_request(event, arn).outcome == "OPENED"
    if until is RequestState.FAILED:
        house.requests.fail(matter_id, request_id, arn, "why")
    else:
        way = [RequestState.OPEN, RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD]
        for state in [*way[: way.index(until)], until] if until in way else [*way, until]:
            house.requests.advance(house.requests.read(matter_id, request_id), state)
    request = house.requests.read(matter_id, request_id)
    if not request.state.is_terminal:
        house.runs.alive.add(arn)
    return request


def _tick(house: House, *, after: timedelta = timedelta(hours=1)) -> StandingRuns:
    house.clock.forward(after)
    return house.start_standing_runs()


# --- opening


def test_an_opening_is_written_down_once() -> None:
    house = _house()
    before = house.observable()

    again = house.record_standing_matter(_opening())

    assert again.outcome == "KNOWN"
    assert house.observable() == before
    assert _standing(house).course.high_water == START
    assert house.standing.open_matters() == [MATTER]


def test_an_invalid_event_is_refused_naming_every_fault_and_kept() -> None:
    house = House()
    event = _opening(title="", interval={"days": 0}, **{CANARY: CANARY})

    answer = house.record_standing_matter(event)

    assert answer.outcome == "REFUSED"
    assert [fault.split(":")[0] for fault in answer.faults] == ["title", "interval.days", "?"]
    ((key, kept),) = house.files.files.items()
    assert json.loads(kept) == event
    assert answer.explanation.startswith(f"standing matter refused: {'; '.join(answer.faults)}. ")
    assert key in answer.explanation
    assert CANARY not in answer.model_dump_json() + repr(house.telemetry.lines)
    assert house.standing.matters == {}
    assert house.telemetry.counts[Counter.REQUESTS_REFUSED] == 1


def test_a_start_that_the_platform_cannot_reach_any_more_is_refused() -> None:
    house = House()

    answer = house.record_standing_matter(_opening(starts_at="2021-03-20T00:00:00Z"))

    assert [fault.split(":")[0] for fault in answer.faults] == ["starts_at"]
    assert house.record_standing_matter(_opening(starts_at="2021-04-01T00:00:00Z")).outcome == "OPENED"


def test_an_open_matter_is_never_changed_by_another_body_and_the_event_is_kept() -> None:
    house = _house()
    before = _standing(house)
    event = _opening(title="Another")

    with pytest.raises(StandingMatterConflict, match="open with another body") as conflict:
        house.record_standing_matter(event)

    ((key, kept),) = house.files.files.items()
    assert key in str(conflict.value)
    assert json.loads(kept) == event
    assert _standing(house) == before


def test_whoever_is_overtaken_while_writing_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house()
    seen = _standing(house)
    house.record_standing_matter(_closing())
    monkeypatch.setattr(house.standing, "find", lambda _: seen)

    with pytest.raises(LedgerContention):
        house.record_standing_matter(_closing(ends_at="2026-03-20T00:00:00Z"))


# --- closing


def test_a_closing_is_written_down_once_with_who_asked_for_it() -> None:
    house = _house()

    first = house.record_standing_matter(_closing(requested_by="legal-user-18"))
    before = house.observable()
    again = house.record_standing_matter(_closing(requested_by="legal-user-18"))

    assert (first.outcome, again.outcome) == ("CLOSING", "KNOWN")
    assert house.observable() == before
    closing = _standing(house)
    assert (closing.course.state, closing.closed_by) == (StandingState.CLOSING, "legal-user-18")
    assert closing.course.ends_at == datetime(2026, 4, 4, tzinfo=UTC)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_of_several_closings_the_earliest_end_stands_in_whatever_order_they_come(
    order: tuple[int, int],
) -> None:
    house = _house()
    conflicts = 0

    for day in order:
        try:
            house.record_standing_matter(_closing(ends_at=f"2026-04-0{day}T00:00:00Z"))
        except StandingMatterConflict:
            conflicts += 1

    assert _standing(house).course.ends_at == datetime(2026, 4, 1, tzinfo=UTC)
    assert conflicts == (order == (1, 2))


def test_a_matter_that_was_opened_with_an_end_may_be_closed_earlier_and_not_later() -> None:
    house = _house(ends_at="2026-04-04T00:00:00Z")

    with pytest.raises(StandingMatterConflict, match="expected no later ends_at"):
        house.record_standing_matter(_closing(ends_at="2026-04-05T00:00:00Z"))
    assert house.record_standing_matter(_closing()).outcome == "CLOSING"
    assert house.record_standing_matter(_closing(ends_at="2026-04-03T00:00:00Z")).outcome == "CLOSING"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (_closing(matter_id=OTHER), "found none"),
        (_closing(ends_at="2026-03-01T00:00:00Z"), "expected ends_at later than that"),
    ],
)
def test_a_closing_that_fits_no_course_is_a_conflict_and_changes_nothing(event: Any, said: str) -> None:
    house = _house()
    before = _standing(house)

    with pytest.raises(StandingMatterConflict, match=said):
        house.record_standing_matter(event)

    assert _standing(house) == before
    assert len(house.files.files) == 1


# --- the runs


def test_a_tick_asks_for_the_first_interval_once_it_can_be_found() -> None:
    house = _house(days_since_start=2.5)

    early = house.start_standing_runs()
    due = _tick(house, after=DAY / 2)

    assert early == StandingRuns(matters=1, asked=0, under_way=0, stuck=0)
    assert due == StandingRuns(matters=1, asked=1, under_way=0, stuck=0)
    (sent,) = house.bus.sent
    request = DiscoveryRequest.model_validate(sent)
    assert request.request_id == "M-2026-001:20260301T000000Z"
    assert str(request.scope.to_domain().interval) == "2026-03-01T00:00:00.000Z/2026-03-02T00:00:00.000Z"
    assert house.telemetry.counts[Counter.STANDING_RUNS_ASKED_FOR] == 1


def test_nothing_is_begun_that_the_platform_cannot_search_yet() -> None:
    house = _house(days_since_start=30)
    house.scope_source.searchable_until = START + 1.9 * DAY

    house.start_standing_runs()
    _run(house)
    behind = _tick(house)
    house.scope_source.searchable_until = START + 2 * DAY
    caught_up = _tick(house)

    assert (behind.asked, _standing(house).course.high_water) == (0, START + DAY)
    assert caught_up.asked == 1
    assert len(house.bus.sent) == 2


def test_while_the_platform_does_not_answer_nothing_changes_and_without_matters_it_is_not_asked() -> None:
    house = _house(days_since_start=30)
    house.scope_source.failures = [PlatformUnavailable("503")]
    before = house.observable()

    with pytest.raises(PlatformUnavailable):
        house.start_standing_runs()

    assert house.observable() == before
    idle = House()
    idle.scope_source.failures = [PlatformUnavailable("503")]
    assert idle.start_standing_runs().matters == 0
    assert idle.telemetry.counts[Counter.STANDING_LOOKS] == 1


@pytest.mark.parametrize(
    "state", [RequestState.OPEN, RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD]
)
def test_while_a_run_is_on_its_way_nothing_else_of_the_matter_is_asked_for(state: RequestState) -> None:
    house = _house(days_since_start=10)
    house.start_standing_runs()
    _run(house, until=state)
    before = _standing(house)

    answers = [_tick(house, after=DAY) for _ in range(3)]

    assert answers == [StandingRuns(matters=1, asked=0, under_way=1, stuck=0)] * 3
    assert len(house.bus.sent) == 1
    assert _standing(house) == before


@pytest.mark.parametrize("verdict", [RequestState.PRESERVED, RequestState.INCOMPLETE])
def test_an_outage_is_caught_up_in_order_whatever_the_verdicts(verdict: RequestState) -> None:
    house = _house(days_since_start=7.5)

    for _ in range(7):
        house.start_standing_runs()
        house.start_standing_runs()
        if len(house.bus.sent) > len(house.requests.records):
            _run(house, until=verdict)

    assert _names(house) == [f"M-2026-001:2026030{day}T000000Z" for day in (1, 2, 3, 4, 5)]
    assert _standing(house).course.high_water == START + 5 * DAY
    assert house.start_standing_runs() == StandingRuns(matters=1, asked=0, under_way=0, stuck=0)


def _broken_off(house: House) -> None:
    _run(house, until=RequestState.FAILED)


def _died(house: House) -> None:
    house.runs.alive.discard(_run(house, until=RequestState.EXPORTED).execution_arn)


def _never_began(_: House) -> None:
    pass


@pytest.mark.parametrize("breaking", [_broken_off, _died, _never_began])
def test_a_run_that_breaks_off_is_asked_for_again_after_a_pause_and_nothing_is_skipped(
    breaking: Callable[[House], None],
) -> None:
    house = _house(days_since_start=10)
    house.start_standing_runs()
    breaking(house)

    paused = _tick(house, after=timedelta(minutes=20))
    asked = _tick(house, after=timedelta(minutes=10))
    _run(house)
    _tick(house)

    assert (paused.asked, paused.under_way) == (0, 1)
    assert asked.asked == 1
    assert house.bus.sent[0] == house.bus.sent[1]
    assert _names(house)[1:] == ["M-2026-001:20260301T000000Z", "M-2026-001:20260302T000000Z"]


def test_a_matter_whose_runs_fail_again_and_again_is_reported_with_its_ids_until_one_succeeds() -> None:
    house = _house(days_since_start=10)
    house.start_standing_runs()

    answers = []
    for _ in range(4):
        _run(house, until=RequestState.FAILED)
        answers.append(_tick(house, after=DAY))
    _run(house, until=RequestState.EXPORTED)
    hopeful = _tick(house)
    house.runs.alive.clear()
    _run(house)
    recovered = _tick(house)

    assert [answer.stuck for answer in answers] == [0, 1, 1, 1]
    assert (hopeful.stuck, hopeful.under_way) == (0, 1)
    assert [answer.asked for answer in answers] == [1, 0, 0, 0]
    assert house.telemetry.counts[Counter.STANDING_MATTERS_STUCK] == 3
    stuck = [
        ids for level, event, ids in house.telemetry.lines if (level, event) == ("warn", "standing_run_stuck")
    ]
    assert stuck[0] == {"matter_id": MATTER, "request_id": "M-2026-001:20260301T000000Z", "attempt": 3}
    assert set(_names(house)[:5]) == {"M-2026-001:20260301T000000Z"}
    assert recovered == StandingRuns(matters=1, asked=1, under_way=0, stuck=0)


def test_another_request_under_the_interval_s_name_is_not_taken_for_it() -> None:
    house = _house(days_since_start=10)
    foreign = load_event("discovery_requested")
    foreign["detail"]["request_id"] = "M-2026-001:20260301T000000Z"
    house.open_request(foreign)
    record = house.requests.read(MATTER, RequestId("M-2026-001:20260301T000000Z"))
    for state in (RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD, RequestState.PRESERVED):
        house.requests.advance(record, state)

    for _ in range(5):
        _tick(house, after=DAY)

    assert _standing(house).course.high_water == START
    assert house.telemetry.counts[Counter.STANDING_MATTERS_STUCK] == 3


def test_two_ticks_at_once_ask_once(monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(days_since_start=10)
    seen = _standing(house)
    house.start_standing_runs()
    after_the_first = house.observable()
    monkeypatch.setattr(house.standing, "find", lambda _: seen)

    second = house.start_standing_runs()

    assert second == StandingRuns(matters=1, asked=0, under_way=1, stuck=0)
    assert house.observable() == after_the_first


def test_one_matter_s_trouble_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(days_since_start=10)
    house.record_standing_matter(_opening(matter_id=OTHER))
    house.standing.matters[MATTER] = replace(_standing(house), body=b"broken")

    answer = house.start_standing_runs()

    assert answer == StandingRuns(matters=2, asked=1, under_way=0, stuck=1)
    assert _names(house) == [f"{OTHER}:20260301T000000Z"]
    assert ("warn", "standing_matter_not_moved", {"matter_id": MATTER, "error": "ValidationError"}) in (
        house.telemetry.lines
    )


def test_a_request_that_the_bus_did_not_take_is_sent_again_after_the_pause() -> None:
    house = _house(days_since_start=10)
    house.bus.failures = [AwsUnavailable("PutEvents: InternalFailure")]

    lost = house.start_standing_runs()
    again = _tick(house)

    assert (lost.stuck, again.asked) == (1, 1)
    assert _names(house) == ["M-2026-001:20260301T000000Z"]


def test_a_matter_that_is_gone_when_it_is_looked_at_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    house = _house(days_since_start=10)
    monkeypatch.setattr(house.standing, "find", lambda _: None)

    assert house.start_standing_runs() == StandingRuns(matters=1, asked=0, under_way=0, stuck=0)


# --- to the end, and again


def _lived_to_the_end(house: House) -> None:
    for _ in range(20):
        house.start_standing_runs()
        if len(house.bus.sent) > len(house.requests.records):
            _run(house)


def test_a_closed_matter_is_preserved_up_to_its_end_and_then_closed() -> None:
    house = _house(days_since_start=20)
    house.start_standing_runs()

    house.record_standing_matter(_closing(ends_at="2026-03-03T06:00:00Z"))
    _run(house)
    _lived_to_the_end(house)

    intervals = [
        str(DiscoveryRequest.model_validate(detail).scope.to_domain().interval) for detail in house.bus.sent
    ]
    assert intervals == [
        "2026-03-01T00:00:00.000Z/2026-03-02T00:00:00.000Z",
        "2026-03-02T00:00:00.000Z/2026-03-03T00:00:00.000Z",
        "2026-03-03T00:00:00.000Z/2026-03-03T06:00:00.000Z",
    ]
    assert _standing(house).course.state is StandingState.CLOSED
    assert house.standing.open_matters() == []
    assert house.start_standing_runs() == StandingRuns(matters=0, asked=0, under_way=0, stuck=0)


def test_an_interval_that_was_begun_is_finished_as_it_was_begun() -> None:
    house = _house(days_since_start=20)
    house.start_standing_runs()
    _run(house, until=RequestState.FAILED)

    house.record_standing_matter(_closing(ends_at="2026-03-01T06:00:00Z"))
    _tick(house)

    assert house.bus.sent[1] == house.bus.sent[0]
    _run(house)
    _tick(house)
    assert _standing(house).course.state is StandingState.CLOSED
    assert _standing(house).course.high_water == START + DAY


def _closed_house() -> House:
    house = _house(days_since_start=20)
    house.record_standing_matter(_closing(ends_at="2026-03-03T00:00:00Z"))
    _lived_to_the_end(house)
    return house


def test_a_closed_matter_is_opened_again_from_where_it_is_preserved_or_later() -> None:
    house = _closed_house()

    with pytest.raises(StandingMatterConflict, match="preserved until 2026-03-03T00:00:00"):
        house.record_standing_matter(_opening(starts_at="2026-03-02T23:59:59Z"))
    reopened = house.record_standing_matter(_opening(starts_at="2026-03-03T00:00:00Z"))
    _lived_to_the_end(house)

    assert reopened.outcome == "OPENED"
    names = _names(house)
    assert names == sorted(set(names))
    assert names[2] == "M-2026-001:20260303T000000Z"
    assert house.standing.open_matters() == [MATTER]


def test_what_was_told_before_a_matter_was_opened_again_changes_nothing_when_it_is_told_once_more() -> None:
    house = _closed_house()
    assert house.record_standing_matter(_opening()).outcome == "KNOWN"
    assert house.record_standing_matter(_closing(ends_at="2026-03-03T00:00:00Z")).outcome == "KNOWN"
    with pytest.raises(StandingMatterConflict, match="is closed"):
        house.record_standing_matter(_closing(ends_at="2026-03-02T00:00:00Z"))
    house.record_standing_matter(_opening(starts_at="2026-03-03T00:00:00Z"))
    before = _standing(house)

    for event in (_opening(), _closing(ends_at="2026-03-03T00:00:00Z")):
        with pytest.raises(StandingMatterConflict):
            house.record_standing_matter(event)

    assert _standing(house) == before
