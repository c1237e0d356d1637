import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contracts.steps import Failing
from holdfast.domain.states import BatchState, RequestState
from holdfast.ports import Counter
from holdfast.steps.record_failure import MAX_EXPLANATION, innermost_error
from tests.events import load_event
from tests.fakes.house import EXECUTION, JOB_DEADLINE, MATTER, REQUEST, House
from tests.fakes.story import exported, held, opened, planned, start_job


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


def test_what_aws_said_through_us_is_explained_as_aws_meant_it() -> None:
    house = opened()
    said = (
        "PutObject: AccessDenied: User: arn:aws:sts::111122223333:assumed-role/holdfast-Preflight/x is not "
        "authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-central-1:111122223333:key/1 "
        "because no resource-based policy allows the kms:GenerateDataKey action"
    )

    answer = house.record_failure(_failing(_function_error("AwsRefused", said)))

    assert "[layer: kms] What to do: allow the one action that was denied" in answer.explanation


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


def test_an_error_is_dug_out_of_nested_executions() -> None:
    inner = _function_error("ScopeQueryFailed", "query: FAILED")
    nested: dict[str, str] = inner
    for _ in range(3):
        nested = {"Error": "States.TaskFailed", "Cause": json.dumps({**nested, "Status": "FAILED"})}

    assert innermost_error(nested) == ("ScopeQueryFailed", "query: FAILED")


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        ({"Error": "States.Timeout", "Cause": ""}, ("States.Timeout", "")),
        ({"Error": "States.Timeout"}, ("States.Timeout", "")),
        ({"Error": "X", "Cause": "plain words"}, ("X", "plain words")),
        ({"Error": "X", "Cause": "[1, 2]"}, ("X", "[1, 2]")),
        ({"Cause": json.dumps({"errorMessage": "killed"})}, ("unknown", "killed")),
        (None, ("unknown", "no error was reported")),
        ({}, ("unknown", "no error was reported")),
        ("no JSON", ("unknown", "no error was reported")),
        (json.dumps({"Error": "X", "Cause": "y"}), ("X", "y")),
    ],
)
def test_whatever_step_functions_reports_is_read(failure: object, expected: tuple[str, str]) -> None:
    assert innermost_error(failure) == expected


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


def test_an_explanation_has_a_bounded_length() -> None:
    answer = House().record_failure(_failing(_function_error("AwsRefused", "x" * 10_000)))

    assert len(answer.explanation) == MAX_EXPLANATION


def test_an_error_without_a_remedy_is_an_honest_unknown() -> None:
    answer = House().record_failure(_failing({"Error": "KeyError", "Cause": "x"}))

    assert "[layer: unknown]" in answer.explanation


def test_the_real_payload_is_read() -> None:
    answer = House().record_failure(Failing.model_validate(load_event("record_failure")))

    assert answer.error == "PermissionMissing"
    assert "recording:job:add" in answer.explanation


def test_a_batch_whose_workflow_failed_says_why_and_its_request_and_siblings_go_on() -> None:
    house = planned([1], [2])
    failure = _failing(_function_error("PermissionMissing", "403"), "arn:child", batch_id="a01-b000000")

    answer = house.record_failure(failure)
    again = house.record_failure(failure)

    failed, sibling = house.batch(0), house.batch(1)
    assert again == answer
    assert (failed.state, failed.explanation) == (BatchState.FAILED, answer.explanation)
    assert failed.ended_at == house.clock.now()
    assert (sibling.state, sibling.explanation) == (BatchState.PLANNED, None)
    assert house.request.state is RequestState.OPEN


def test_a_batch_that_has_ended_stays_as_it_ended() -> None:
    house = exported(1)

    house.record_failure(_failing(_function_error("AwsRefused", "x"), "arn:child", batch_id="a01-b000000"))

    assert house.batch().state is BatchState.FULFILLED


@pytest.mark.parametrize("error", ["PlatformUnavailable", "TokenRefreshPending", "Lambda.ServiceException"])
def test_what_may_pass_leaves_the_batch_open_for_the_next_round(error: str) -> None:
    house = planned([1])

    house.record_failure(_failing(_function_error(error, "503"), "arn:child", batch_id="a01-b000000"))

    assert house.batch().state is BatchState.PLANNED
    assert house.plan_export_round(1).batches == 1


@pytest.mark.parametrize("is_tried", [False, True])
def test_what_has_not_passed_for_as_long_as_a_job_may_run_ends_the_batch(is_tried: bool) -> None:
    house = planned([1])
    if is_tried:
        start_job(house)
    failure = _failing(_function_error("PlatformUnavailable", "503"), "arn:child", batch_id="a01-b000000")
    house.clock.forward(5 * JOB_DEADLINE)  # it has waited for its turn
    house.record_failure(failure)
    house.clock.forward(JOB_DEADLINE - timedelta(seconds=1))
    house.record_failure(failure)
    still_open = house.batch().state
    house.clock.forward(timedelta(seconds=1))

    house.record_failure(failure)

    assert not still_open.is_terminal
    assert house.batch().state is BatchState.FAILED
    assert "PlatformUnavailable" in (house.batch().explanation or "")


def test_an_ended_batch_is_not_interrupted() -> None:
    house = exported(1)

    house.record_failure(
        _failing(_function_error("PlatformUnavailable", "503"), "arn:child", batch_id="a01-b000000")
    )

    assert house.batch().state is BatchState.FULFILLED
    assert house.plan_export_round(1).batches == 0
