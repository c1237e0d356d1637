import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.ids import batch_id
from holdfast.domain.states import RequestState
from holdfast.errors import RequestIdConflict
from holdfast.ports import Counter
from tests.events import load_event
from tests.fakes.house import EXECUTION, MATTER, REQUEST, House
from tests.fakes.story import opened, plan

OTHER = "arn:execution:2"
CANARY = "Jane-Roe-0151"


def _event(**changes: Any) -> Any:
    event = load_event("discovery_requested")
    event["detail"] |= changes
    return event


def test_a_valid_request_is_opened_and_written_once() -> None:
    house = House()

    answer = house.open_request()

    assert (answer.outcome, answer.matter_id, answer.request_id) == ("OPENED", MATTER, REQUEST)
    assert house.request.state is RequestState.OPEN
    assert house.request.execution_arn == EXECUTION
    assert house.requests.titles[MATTER] == "Complaint about a disputed order"
    assert house.telemetry.counts[Counter.REQUESTS_OPENED] == 1
    assert house.files.files == {}


def test_the_same_execution_may_open_it_again() -> None:
    house = opened()
    before = house.observable()

    assert house.open_request().outcome == "OPENED"
    assert house.observable() == before


def test_a_second_delivery_starts_nothing_and_points_at_the_run_that_lives() -> None:
    house = opened()
    house.runs.alive.add(EXECUTION)
    before = house.observable()

    answer = house.open_request(execution_arn=OTHER)

    assert (answer.outcome, answer.points_to) == ("DUPLICATE", EXECUTION)
    assert (answer.matter_id, answer.request_id) == (MATTER, REQUEST)
    assert house.observable() == before


@pytest.mark.parametrize("verdict", [RequestState.PRESERVED, RequestState.INCOMPLETE])
def test_a_request_that_has_its_verdict_is_never_run_again(verdict: RequestState) -> None:
    house = opened()
    for state in (RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD, verdict):
        house.requests.advance(house.request, state)

    assert house.open_request(execution_arn=OTHER).outcome == "DUPLICATE"
    assert house.request.state is verdict


def test_the_order_of_fields_makes_no_other_body() -> None:
    house = opened()
    house.runs.alive.add(EXECUTION)
    event = _event()
    event["detail"] = dict(reversed(event["detail"].items()))
    event["id"] = "another delivery"

    assert house.open_request(event, OTHER).outcome == "DUPLICATE"


def test_a_known_id_with_another_body_is_a_conflict_and_the_event_is_kept() -> None:
    house = opened()
    before = house.request
    event = _event(title="Another")

    with pytest.raises(RequestIdConflict, match="use a new request id") as conflict:
        house.open_request(event, OTHER)

    (kept,) = house.files.files.items()
    assert kept[0] in str(conflict.value)
    assert json.loads(kept[1]) == event
    assert house.request == before


def test_a_failed_run_is_taken_over_with_batches_of_its_own() -> None:
    house = opened()
    plan(house, (1, 2))
    house.requests.fail(MATTER, REQUEST, EXECUTION, "why")

    answer = house.open_request(execution_arn=OTHER)
    plan(house, (3,))

    assert answer.outcome == "OPENED"
    assert (house.request.attempt, house.request.execution_arn) == (2, OTHER)
    assert house.request.state is RequestState.OPEN
    assert [batch.batch_id for batch in house.batches.of_request(house.request)] == [batch_id(2, 0)]
    assert house.batch(0, attempt=1).conversations == 2


def test_a_dead_run_is_taken_over_and_a_living_one_is_not() -> None:
    house = opened()
    house.runs.alive.add(EXECUTION)
    assert house.open_request(execution_arn=OTHER).outcome == "DUPLICATE"

    house.runs.alive.clear()

    assert house.open_request(execution_arn=OTHER).outcome == "OPENED"
    assert house.request.attempt == 2


def test_two_that_would_take_over_the_same_dead_run_do_not_both_get_it() -> None:
    house = opened()
    house.runs.alive.add("arn:execution:3")
    assert house.open_request(execution_arn="arn:execution:3").outcome == "OPENED"

    late = house.open_request(execution_arn=OTHER)

    assert (late.outcome, late.points_to) == ("DUPLICATE", "arn:execution:3")


def test_an_invalid_event_is_refused_naming_every_fault_and_kept() -> None:
    house = House()
    event = load_event("discovery_refused")

    answer = house.open_request(event)

    assert answer.outcome == "REFUSED"
    fields = [fault.split(":")[0] for fault in answer.faults]
    assert fields == ["matter_id", "request_id", "title", "scope.interval.start", "scope.custodians.0"]
    (quarantine_key,) = house.files.files
    assert json.loads(house.files.files[quarantine_key]) == event
    assert quarantine_key in answer.explanation
    assert house.requests.records == {}
    assert house.telemetry.counts[Counter.REQUESTS_REFUSED] == 1


def test_the_same_invalid_event_is_kept_once() -> None:
    house = House()
    event = load_event("discovery_refused")

    house.open_request(event)
    house.open_request(dict(reversed(event.items())), OTHER)

    assert len(house.files.files) == 1


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(CANARY),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8) | st.just(CANARY), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ["matter_id", "request_id", "title", "requested_by", "scope"]
SCOPE_FIELDS = [
    "interval", "custodians", "queues", "media_types", "external_tag", "conversation_ids", "include_screen",
    "include_sensitive",
]  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS) | st.just(CANARY), JUNK, max_size=3),
       st.dictionaries(st.sampled_from(SCOPE_FIELDS) | st.just(CANARY), JUNK, max_size=3))  # fmt: skip
def test_whatever_an_event_says_no_value_of_it_reaches_the_answer_or_the_logs(
    changes: dict[str, Any], scope_changes: dict[str, Any]
) -> None:
    house = House()
    event = _event()
    event["detail"]["scope"] |= scope_changes
    event["detail"] |= changes
    event[CANARY] = CANARY

    answer = house.open_request(event)

    said = answer.model_dump_json() + repr(house.telemetry.lines)
    assert CANARY not in said
    assert (answer.outcome == "REFUSED") == bool(house.files.files) == (not house.requests.records)


@given(JUNK)
def test_no_event_at_all_is_refused_as_well(event: Any) -> None:
    house = House()

    answer = house.open_request(event or "nothing")

    assert answer.outcome == "REFUSED"
    assert CANARY not in answer.model_dump_json()


HOSTILE = [
    "../M-1", "M/1", "M#1", "M 1", "M\n", "M%2F1", "M\u202e1", "Ｍ-1", "-M", "", ".", "x" * 65, "M*", "M;1",
]  # fmt: skip


@pytest.mark.parametrize("hostile", HOSTILE)
def test_an_id_that_could_escape_is_refused(hostile: str) -> None:
    house = House()

    answer = house.open_request(_event(matter_id=hostile, request_id=hostile + "\0" * 65))

    assert [fault.split(":")[0] for fault in answer.faults] == ["matter_id", "request_id"]
    assert not house.requests.records


@pytest.mark.parametrize("state", [RequestState.PRESERVED, RequestState.INCOMPLETE])
def test_a_verdict_whose_run_broke_off_is_announced_again(state: RequestState) -> None:
    house = House()
    house.open_request()
    record = house.request
    house.requests.records[MATTER, REQUEST] = replace(record, state=state)
    house.runs.broken_off.add(EXECUTION)
    before = house.observable()

    answer = house.open_request(execution_arn="arn:execution:2")

    assert (answer.outcome, answer.matter_id, answer.request_id) == ("JUDGED", MATTER, REQUEST)
    assert house.observable() == before


def test_a_verdict_whose_run_told_everybody_is_a_duplicate() -> None:
    house = House()
    house.open_request()
    house.requests.records[MATTER, REQUEST] = replace(house.request, state=RequestState.PRESERVED)

    assert house.open_request(execution_arn="arn:execution:2").outcome == "DUPLICATE"


def test_a_run_that_broke_off_before_its_verdict_is_taken_over() -> None:
    house = House()
    house.open_request()
    house.runs.broken_off.add(EXECUTION)

    assert house.open_request(execution_arn="arn:execution:2").outcome == "OPENED"
