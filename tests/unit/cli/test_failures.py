"""`holdfast failures`: runs that failed are told with their reason, and their events are sent again."""

from datetime import timedelta
from typing import Any

import pytest

from cli.executions import FailedRun
from cli.exits import Exit
from holdfast.domain.ids import MatterId
from holdfast.domain.states import RequestState
from tests.events import load_event
from tests.fakes.clock import NOON
from tests.fakes.house import MATTER, REQUEST, House
from tests.unit.cli.deployment import HouseDeployment, run

WHY = "PermissionMissing: the client lacks recording:recording:view [layer: platform permission]"


def failed_run(
    name: str, event: dict[str, Any], error: str = "PermissionMissing", **changes: Any
) -> FailedRun:
    told: dict[str, Any] = {"status": "FAILED", "stopped_at": NOON, "cause": WHY}
    return FailedRun(name=name, started_at=NOON, error=error, event=event, **told | changes)


EVENT = {
    "source": "legal.discovery",
    "detail-type": "DiscoveryRequested",
    "detail": {"matter_id": MATTER, "request_id": REQUEST, "requested_by": "legal-7"},
}


@pytest.fixture
def deployment() -> HouseDeployment:
    made = HouseDeployment(House())
    made.executions.failures["PreserveMatterArn"] = [failed_run("run-1", EVENT)]
    return made


def test_no_failure_is_good_news() -> None:
    shown = run(House(), "failures")

    assert (shown.exit_code, shown.page) == (Exit.DONE, "No run has failed.\n")


def test_a_failed_run_is_told_with_its_matter_its_layer_and_its_event(deployment: HouseDeployment) -> None:
    shown = run(deployment, "failures")

    assert shown.exit_code == Exit.NO
    assert WHY in shown.page
    assert f"{MATTER}  {REQUEST}" in shown.page
    assert "legal-7" in shown.page
    (told,) = shown.document["failures"]
    assert told | {"run": "run-1", "workflow": "preserve_matter", "explanation": WHY} == told
    assert (told["event"], told["state_now"], told["is_over"]) == (EVENT, None, False)


@pytest.mark.parametrize(
    ("now", "exit_code"), [(RequestState.PRESERVED, Exit.DONE), (RequestState.FAILED, Exit.NO)]
)
def test_a_failure_is_over_once_the_request_has_its_verdict(now: RequestState, exit_code: Exit) -> None:
    house = House()
    house.open_request(load_event("discovery_requested"), "arn")
    (request,) = house.requests.of_matter(MatterId(MATTER))
    if now is RequestState.FAILED:
        house.requests.fail(request.matter_id, request.request_id, "arn", WHY)
    else:
        for reached in (RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD, now):
            house.requests.advance(request, reached)
    deployment = HouseDeployment(house)
    event = EVENT | {"detail": {"matter_id": request.matter_id, "request_id": request.request_id}}
    deployment.executions.failures["PreserveMatterArn"] = [failed_run("run-1", event)]

    shown = run(deployment, "failures")

    assert (shown.exit_code, shown.document["failures"][0]["state_now"]) == (exit_code, now)


def test_every_workflow_that_an_event_starts_is_looked_at_and_the_youngest_failure_comes_first() -> None:
    deployment = HouseDeployment(House())
    outputs = (
        "PreserveMatterArn", "ApplyLegalHoldArn", "KeepStandingMatterArn", "SettleExceptionArn",
        "ReleaseHoldArn",
        "ApproveReleaseArn",
    )  # fmt: skip
    for age, output in enumerate(outputs):
        ended = NOON - timedelta(minutes=age)
        deployment.executions.failures[output] = [failed_run(output, {}, stopped_at=ended)]

    shown = run(deployment, "failures")

    assert [one["run"] for one in shown.document["failures"]] == list(outputs)


@pytest.mark.parametrize("event", [{}, {"detail": "nonsense"}])
def test_an_event_that_says_nothing_is_told_all_the_same(event: dict[str, Any]) -> None:
    deployment = HouseDeployment(House())
    deployment.executions.failures["ApproveReleaseArn"] = [failed_run("run-1", event)]

    (told,) = run(deployment, "failures").document["failures"]

    assert (told["workflow"], told["asserted_by"], told["state_now"]) == ("approve_release", None, None)


def test_only_the_last_day_is_looked_at_unless_more_is_asked_for(deployment: HouseDeployment) -> None:
    old = failed_run("old", EVENT, stopped_at=NOON - timedelta(days=2))
    deployment.executions.failures["PreserveMatterArn"] = [old]

    assert run(deployment, "failures").document["failures"] == []
    assert len(run(deployment, "failures", "--days", "3").document["failures"]) == 1


def test_the_event_of_a_run_is_sent_again_as_it_was(deployment: HouseDeployment) -> None:
    deployment.executions.failures["PreserveMatterArn"].append(failed_run("another", EVENT))

    shown = run(deployment, "failures", "run-", "--again")

    assert shown.exit_code == Exit.DONE
    assert deployment.sent_again == [EVENT] * 2  # once for people, once for programs
    assert shown.document["sent"].keys() == {"run-1"}


@pytest.mark.parametrize("error", ["RequestRefused", "RequestIdConflict"])
def test_an_event_that_is_itself_at_fault_is_not_sent_again(error: str) -> None:
    deployment = HouseDeployment(House())
    deployment.executions.failures["PreserveMatterArn"] = [failed_run("run-1", EVENT, error)]

    shown = run(deployment, "failures", "run-1", "--again")

    assert shown.exit_code == Exit.REFUSED
    assert "correct it" in shown.errors
    assert deployment.sent_again == []


def test_a_run_that_protects_is_told_with_its_matter_and_begun_again_with_what_it_was_given() -> None:
    deployment = HouseDeployment(House())
    given = {"matter_id": MATTER, "request_id": REQUEST, "early": True}
    deployment.executions.failures["ApplyLegalHoldArn"] = [failed_run("hold-1", given)]

    told = run(deployment, "failures")
    again = run(deployment, "failures", "hold-1", "--again")

    assert f"{MATTER}  {REQUEST}" in told.page
    assert again.exit_code == Exit.DONE
    assert deployment.executions.started == [("ApplyLegalHoldArn", given)] * 2
    assert deployment.sent_again == []


def test_nothing_is_sent_again_that_nobody_named(deployment: HouseDeployment) -> None:
    assert run(deployment, "failures", "--again").exit_code == Exit.REFUSED
    assert run(deployment, "failures", "unknown", "--again").exit_code == Exit.NOT_FOUND
    assert deployment.sent_again == []
