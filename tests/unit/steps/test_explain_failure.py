import json
from typing import Any

import pytest

from holdfast.contracts.steps import Failing
from holdfast.ports import Counter
from holdfast.steps.explain_failure import MAX_EXPLANATION, innermost_error
from tests.events import load_event
from tests.fakes.house import EXECUTION, MATTER, REQUEST, House


def _failing(failure: object, **ids: Any) -> Failing:
    state = {"matter_id": MATTER, "request_id": REQUEST} | ids
    return Failing(input=state | {"failure": failure}, execution_arn=EXECUTION, workflow="apply_legal_hold")


def _function_error(kind: str, message: str) -> dict[str, str]:
    return {"Error": kind, "Cause": json.dumps({"errorType": kind, "errorMessage": message})}


def test_the_error_its_layer_and_its_remedy_are_said_and_nothing_is_written() -> None:
    house = House()
    before = house.observable()

    answer = house.explain_failure(_failing(_function_error("CredentialsRefused", "POST token: 401")))

    assert answer.explanation.startswith(
        "CredentialsRefused: POST token: 401 [layer: oauth_token] What to do:"
    )
    assert (answer.matter_id, answer.request_id, answer.error) == (MATTER, REQUEST, "CredentialsRefused")
    assert house.telemetry.counts[Counter.RUNS_FAILED] == 1
    assert house.observable() == before


def test_what_aws_said_through_us_is_explained_as_aws_meant_it() -> None:
    house = House()
    said = (
        "PutObject: AccessDenied: User: arn:aws:sts::111122223333:assumed-role/holdfast-Preflight/x is not "
        "authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-central-1:111122223333:key/1 "
        "because no resource-based policy allows the kms:GenerateDataKey action"
    )

    answer = house.explain_failure(_failing(_function_error("AwsRefused", said)))

    assert "[layer: kms] What to do: allow the one action that was denied" in answer.explanation


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


def test_an_explanation_has_a_bounded_length() -> None:
    answer = House().explain_failure(_failing(_function_error("AwsRefused", "x" * 10_000)))

    assert len(answer.explanation) == MAX_EXPLANATION


def test_an_error_without_a_remedy_is_an_honest_unknown() -> None:
    answer = House().explain_failure(_failing({"Error": "KeyError", "Cause": "x"}))

    assert "[layer: unknown]" in answer.explanation


def test_the_real_payload_is_read() -> None:
    answer = House().explain_failure(Failing.model_validate(load_event("explain_failure")))

    assert (answer.matter_id, answer.release_id, answer.request_id) == ("M-2026-001", "REL-1", "")
    assert answer.error == "AwsUnavailable"
