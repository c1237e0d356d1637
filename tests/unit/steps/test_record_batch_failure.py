import json
from datetime import timedelta
from typing import Any

import pytest

from holdfast.contracts.steps import Failing
from holdfast.domain.states import BatchState, RequestState
from tests.events import load_event
from tests.fakes.house import EXECUTION, JOB_DEADLINE, MATTER, REQUEST
from tests.fakes.story import exported, planned, start_job


def _failing(failure: object, execution_arn: str = EXECUTION, **input: Any) -> Failing:  # noqa: A002 - its name
    state = {"matter_id": MATTER, "request_id": REQUEST} | input
    return Failing(
        input=state | {"failure": failure}, execution_arn=execution_arn, workflow="export_recordings"
    )


def _function_error(kind: str, message: str) -> dict[str, str]:
    return {"Error": kind, "Cause": json.dumps({"errorType": kind, "errorMessage": message})}


def test_a_batch_whose_workflow_failed_says_why_and_its_request_and_siblings_go_on() -> None:
    house = planned([1], [2])
    failure = _failing(_function_error("PermissionMissing", "403"), "arn:child", batch_id="a01-b000000")

    answer = house.record_batch_failure(failure)
    again = house.record_batch_failure(failure)

    failed, sibling = house.batch(0), house.batch(1)
    assert again == answer
    assert (failed.state, failed.explanation) == (BatchState.FAILED, answer.explanation)
    assert failed.ended_at == house.clock.now()
    assert (sibling.state, sibling.explanation) == (BatchState.PLANNED, None)
    assert house.request.state is RequestState.OPEN


def test_a_batch_that_has_ended_stays_as_it_ended() -> None:
    house = exported(1)

    house.record_batch_failure(
        _failing(_function_error("AwsRefused", "x"), "arn:child", batch_id="a01-b000000")
    )

    assert house.batch().state is BatchState.FULFILLED


@pytest.mark.parametrize("error", ["PlatformUnavailable", "TokenRefreshPending", "Lambda.ServiceException"])
def test_what_may_pass_leaves_the_batch_open_for_the_next_round(error: str) -> None:
    house = planned([1])

    house.record_batch_failure(_failing(_function_error(error, "503"), "arn:child", batch_id="a01-b000000"))

    assert house.batch().state is BatchState.PLANNED
    assert house.plan_export_round(1).batches == 1


@pytest.mark.parametrize("is_tried", [False, True])
def test_what_has_not_passed_for_as_long_as_a_job_may_run_ends_the_batch(is_tried: bool) -> None:
    house = planned([1])
    if is_tried:
        start_job(house)
    failure = _failing(_function_error("PlatformUnavailable", "503"), "arn:child", batch_id="a01-b000000")
    house.clock.forward(5 * JOB_DEADLINE)  # it has waited for its turn
    house.record_batch_failure(failure)
    house.clock.forward(JOB_DEADLINE - timedelta(seconds=1))
    house.record_batch_failure(failure)
    still_open = house.batch().state
    house.clock.forward(timedelta(seconds=1))

    house.record_batch_failure(failure)

    assert not still_open.is_terminal
    assert house.batch().state is BatchState.FAILED
    assert "PlatformUnavailable" in (house.batch().explanation or "")


def test_an_ended_batch_is_not_interrupted() -> None:
    house = exported(1)

    house.record_batch_failure(
        _failing(_function_error("PlatformUnavailable", "503"), "arn:child", batch_id="a01-b000000")
    )

    assert house.batch().state is BatchState.FULFILLED
    assert house.plan_export_round(1).batches == 0


def test_a_workflow_that_worked_for_no_batch_fails_none() -> None:
    house = planned([1])
    before = house.observable()

    answer = house.record_batch_failure(_failing(_function_error("AwsRefused", "x"), "arn:child"))

    assert answer.error == "AwsRefused"
    assert house.observable() == before


def test_the_real_payload_is_read() -> None:
    house = planned([1])

    answer = house.record_batch_failure(Failing.model_validate(load_event("record_batch_failure")))

    assert answer.error == "PermissionMissing"
    assert house.batch(0).state is BatchState.FAILED
