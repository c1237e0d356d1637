import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contracts.steps import Failing
from holdfast.domain.states import RequestState
from holdfast.ports import Counter
from holdfast.steps.record_failure import record_failure
from tests.events import load_event
from tests.fakes.house import EXECUTION, MATTER, REQUEST, House
from tests.fakes.story import held, opened


def _failing(failure: object, execution_arn: str = EXECUTION, **input: Any) -> Failing:  # noqa: A002 - its name
    state = {"matter_id": MATTER, "request_id": REQUEST} | input
    return Failing(
        input=state | {"failure": failure}, execution_arn=execution_arn, workflow="preserve_matter"
    )


def _function_error(kind: str, message: str) -> dict[str, str]:
    return {"Error": kind, "Cause": json.dumps({"errorType": kind, "errorMessage": message})}


def test_the_error_its_layer_and_its_remedy_are_said_and_the_request_fails() -> None:
    house = opened()

    answer = house.record_failure(_failing(_function_error("CredentialsRefused", "POST token: 401")))

    assert answer.error == "CredentialsRefused"
    assert answer.explanation.startswith(
        "CredentialsRefused: POST token: 401 [layer: oauth_token] What to do:"
    )
    assert (answer.matter_id, answer.request_id) == (MATTER, REQUEST)
    assert house.request.state is RequestState.FAILED
    assert house.requests.explanations[MATTER, REQUEST] == answer.explanation
    assert house.telemetry.counts[Counter.RUNS_FAILED] == 1


def test_a_repeat_says_the_same_and_changes_nothing() -> None:
    house = opened()
    failing = _failing(_function_error("AwsRefused", "PutItem: AccessDenied"))
    first = house.record_failure(failing)
    before = house.observable()

    assert house.record_failure(failing) == first
    assert house.observable() == before


def test_the_request_of_another_execution_is_left_alone() -> None:
    house = opened()

    answer = house.record_failure(_failing(_function_error("AwsRefused", "x"), "arn:execution:nested"))

    assert house.request.state is RequestState.OPEN
    assert answer.error == "AwsRefused"


def test_a_verdict_is_never_taken_back_by_a_failure_that_follows_it() -> None:
    house = held(1)
    house.seal_custody()

    house.record_failure(_failing(_function_error("States.TaskFailed", "the announcement failed")))

    assert house.request.state is RequestState.PRESERVED


@given(
    st.recursive(
        st.none() | st.text() | st.integers(),
        lambda inner: (
            st.dictionaries(st.sampled_from(["Error", "Cause", "errorType", "errorMessage"]), inner).map(
                json.dumps
            )
            | st.dictionaries(st.sampled_from(["Error", "Cause", "errorType", "errorMessage"]), inner)
        ),
    )
)
def test_no_failure_whatsoever_breaks_its_own_recording(failure: object) -> None:
    house = opened()

    answer = house.record_failure(_failing(failure))

    assert answer.error
    assert house.request.state is RequestState.FAILED


def test_when_the_first_step_fails_the_ids_are_read_from_the_event() -> None:
    house = opened()
    event = load_event("discovery_requested")

    answer = house.record_failure(
        Failing(
            input=event | {"failure": _function_error("AwsUnavailable", "x")},
            execution_arn=EXECUTION,
            workflow="preserve_matter",
        )
    )

    assert (answer.matter_id, answer.request_id) == (MATTER, REQUEST)
    assert house.request.state is RequestState.FAILED


@pytest.mark.parametrize(
    "hostile", [{"matter_id": "M/../x"}, {"request_id": "R\n"}, {"matter_id": None}, {"request_id": 7}]
)
def test_ids_that_nobody_checked_are_not_believed(hostile: dict[str, Any]) -> None:
    house = opened()

    answer = house.record_failure(_failing(_function_error("AwsRefused", "x"), **hostile))

    assert (answer.matter_id, answer.request_id) == ("", "")
    assert house.request.state is RequestState.OPEN


def test_without_ids_to_believe_the_ledger_is_not_asked() -> None:
    house = House()
    failing = _failing(_function_error("AwsRefused", "x"), request_id=None)

    told = record_failure(failing, requests=None, telemetry=house.telemetry)  # type: ignore[arg-type]  # the point

    assert told.request_id == ""


def test_the_real_payload_is_read() -> None:
    answer = House().record_failure(Failing.model_validate(load_event("record_failure")))

    assert answer.error == "PermissionMissing"
    assert "recording:job:add" in answer.explanation
