"""What operators see: run as Lambda runs it, in a process of its own, and read from its output."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ProxyConnectionError,
    ReadTimeoutError,
    SSLError,
)

from holdfast.errors import AwsRefused, AwsUnavailable, PlatformThrottled
from holdfast.observability import LOGGED_KEYS, PowertoolsTelemetry, observed
from holdfast.ports import Counter

REPOSITORY = Path(__file__).resolve().parents[2]
CANARY = "canary +13175550123"
URL = "https://canary.example"
IN_REACH = """
from holdfast.observability import PowertoolsTelemetry, observed
from holdfast.ports import Counter
telemetry = PowertoolsTelemetry()
"""


@dataclass(frozen=True)
class Output:
    """What a function wrote: log lines and embedded metrics, parsed; and everything, as it stands."""

    lines: list[dict[str, Any]]
    metrics: list[dict[str, Any]]
    text: str

    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines]


def run(story: str) -> Output:
    """Run a story in a process of its own, where warnings are errors."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{IN_REACH}\n{story}"],
        env={
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY / "layers/holdfast"),
            "POWERTOOLS_SERVICE_NAME": "the-stack",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    documents = [json.loads(line) for line in done.stdout.splitlines()]
    return Output(
        [document for document in documents if "_aws" not in document],
        [document for document in documents if "_aws" in document],
        done.stdout + done.stderr,
    )


def failing(failure: Exception) -> Exception:
    """Let a step fail, and give what comes out of its function."""

    @observed
    def handler(_event: Any, _context: Any) -> None:
        raise failure

    try:
        handler({}, None)
    except Exception as raised:  # noqa: BLE001 - whatever it became
        return raised
    raise AssertionError("expected an error, found none")


def aws_error(code: str, status: int = 400) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": "who may not do what on which resource"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "PutObjectLegalHold")


# --- AWS's errors in our words


@pytest.mark.parametrize(
    "code",
    [
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "SlowDown",
        "RequestLimitExceeded",
        "TransactionConflictException",
        "InternalError",
        "ServiceUnavailable",
        "TooManyRequestsException",
    ],
)
def test_aws_in_trouble_is_unavailable_which_a_workflow_repeats(code: str) -> None:
    assert type(failing(aws_error(code))) is AwsUnavailable


@pytest.mark.parametrize("status", [500, 502, 503, 599])
def test_any_server_error_is_unavailable_whatever_its_code(status: int) -> None:
    assert type(failing(aws_error("Surprise", status))) is AwsUnavailable


@pytest.mark.parametrize(
    "code", ["AccessDenied", "AccessDeniedException", "ValidationException", "NoSuchKey"]
)
def test_anything_else_is_refused_with_operation_code_and_words(code: str) -> None:
    refused = failing(aws_error(code, 403))

    assert type(refused) is AwsRefused
    assert str(refused) == f"PutObjectLegalHold: {code}: who may not do what on which resource"


def test_an_error_without_a_word_is_refused_all_the_same() -> None:
    assert str(failing(ClientError({"Error": {}}, "GetObject"))) == "GetObject: unknown: "


@pytest.mark.parametrize(
    "failure",
    [
        EndpointConnectionError(endpoint_url=URL),
        ConnectTimeoutError(endpoint_url=URL),
        ReadTimeoutError(endpoint_url=URL),
        ConnectionClosedError(endpoint_url=URL),
        SSLError(endpoint_url=URL, error=ValueError("handshake")),
        ProxyConnectionError(proxy_url=URL),
    ],
)
def test_aws_without_an_answer_is_unavailable(failure: Exception) -> None:
    unavailable = failing(failure)

    assert type(unavailable) is AwsUnavailable
    assert str(unavailable) == f"an AWS service did not answer ({type(failure).__name__})"


def test_a_translated_error_does_not_drag_the_original_along() -> None:
    refused = failing(aws_error("AccessDenied"))

    assert refused.__cause__ is None
    assert refused.__suppress_context__


@pytest.mark.parametrize("failure", [PlatformThrottled("GET /: 429", retry_after_s=7), KeyError("x")])
def test_our_own_errors_and_defects_stay_what_they_are(failure: Exception) -> None:
    cause = ValueError("the reason")
    failure.__cause__ = cause

    raised = failing(failure)

    assert raised is failure
    assert raised.__cause__ is cause


def test_an_answer_passes_through_and_the_handler_keeps_its_name() -> None:
    @observed
    def handler(event: Any, _context: Any) -> Any:
        """Answer."""
        return event["n"] + 1

    assert handler({"n": 1}, None) == 2
    assert (handler.__name__, handler.__doc__) == ("handler", "Answer.")


# --- logs


def test_a_line_carries_the_services_name_its_event_and_the_ids() -> None:
    output = run("telemetry.note('job_created', export_job_id='j', outstanding=3); telemetry.warn('odd')")

    assert output.messages() == ["job_created", "odd"]
    assert [line["level"] for line in output.lines] == ["INFO", "WARNING"]
    assert output.lines[0]["service"] == "the-stack"
    assert (output.lines[0]["export_job_id"], output.lines[0]["outstanding"]) == ("j", 3)
    assert "export_job_id" not in output.lines[1]


def test_the_runs_ids_are_on_every_line_of_an_invocation_and_on_none_of_the_next() -> None:
    output = run("""
@observed
def handler(event, context):
    telemetry.note("first")
    telemetry.warn("second")
handler({"matter_id": "M-1", "request_id": "R-1", "batch_id": "b-1", "title": "T"}, None)
handler({"request_id": "R-2"}, None)
handler([], None)
""")

    ids = [
        {key: line[key] for key in ("matter_id", "request_id", "batch_id", "title") if key in line}
        for line in output.lines
    ]
    whole = {"matter_id": "M-1", "request_id": "R-1", "batch_id": "b-1"}
    assert ids == [whole, whole, {"request_id": "R-2"}, {"request_id": "R-2"}, {}, {}]
    assert {line["service"] for line in output.lines} == {"the-stack"}


@pytest.mark.parametrize("key", ["token", "title", "ani", "body", "message", "requested_by"])
def test_a_key_that_is_not_on_the_list_cannot_be_logged(key: str) -> None:
    extra: dict[str, Any] = {key: "x"}

    with pytest.raises(ValueError, match=f"not on the list: {key}"):
        PowertoolsTelemetry().note("event", **extra)
    with pytest.raises(ValueError, match=f"not on the list: {key}"):
        PowertoolsTelemetry().warn("event", conversation_id="c", **extra)


def test_the_list_has_ids_and_states_and_no_room_for_a_person() -> None:
    personal = {"name", "title", "phone", "ani", "dnis", "address", "email", "token", "secret", "payload"}

    assert not LOGGED_KEYS & personal
    assert {"matter_id", "request_id", "export_job_id", "conversation_id", "object_key", "version_id"} <= (
        LOGGED_KEYS
    )


def test_a_failing_step_logs_its_class_and_nothing_of_what_it_said_or_was_given() -> None:
    output = run(f"""
class StepFailed(Exception):
    pass
@observed
def handler(event, context):
    local = event["title"]
    raise StepFailed(local) from ValueError(local)
try:
    handler({{"matter_id": "M-1", "title": {CANARY!r}}}, None)
except StepFailed:
    pass
""")

    (line,) = output.lines
    assert (line["message"], line["level"], line["error"]) == ("step_failed", "WARNING", "StepFailed")
    assert line["matter_id"] == "M-1"
    assert "canary" not in output.text
    assert "3175550123" not in output.text


def test_libraries_do_not_log_what_they_ask_or_send() -> None:
    output = run(f"""
import logging, httpx
logging.basicConfig(level=logging.DEBUG)  # as a runtime may be told to
door = httpx.MockTransport(lambda request: httpx.Response(200))
with httpx.Client(transport=door) as client:
    client.get("https://api.example/canary", headers={{"Authorization": {CANARY!r}}})
""")

    assert output.text == ""


# --- metrics


def values(metrics: list[dict[str, Any]], name: str) -> list[float]:
    return [value for document in metrics if name in document for value in document[name]]


def test_counters_are_flushed_once_per_invocation_as_embedded_metrics() -> None:
    output = run("""
@observed
def handler(event, context):
    telemetry.count(Counter.PARKED)
    telemetry.count(Counter.PARKED, 2)
    telemetry.count(Counter.THROTTLES, 0)
    telemetry.hold_lag(1.5)
handler({}, None)
@observed
def another(event, context):
    telemetry.count(Counter.EXCEPTIONS)
another({}, None)
""")

    first, second = output.metrics
    assert (first["service"], first["Parked"], first["HoldLag"]) == ("the-stack", [1.0, 2.0], [1.5])
    (directive,) = first["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "Holdfast"
    assert directive["Dimensions"] == [["service"]]
    assert directive["Metrics"] == [
        {"Name": "Parked", "Unit": "Count"},
        {"Name": "HoldLag", "Unit": "Seconds"},
    ]
    assert second["Exceptions"] == [1.0]
    assert "Parked" not in second
    assert "Throttles" not in output.text


def test_what_was_counted_before_a_failure_is_flushed() -> None:
    output = run("""
@observed
def handler(event, context):
    telemetry.count(Counter.PARKED)
    raise ValueError
try:
    handler({}, None)
except ValueError:
    pass
""")

    assert values(output.metrics, "Parked") == [1.0]


def test_an_invocation_that_counted_nothing_writes_nothing() -> None:
    assert run("observed(lambda event, context: None)({}, None)").text == ""


def test_no_count_of_many_threads_is_lost() -> None:
    output = run("""
import sys
from concurrent.futures import ThreadPoolExecutor
sys.setswitchinterval(1e-6)
@observed
def handler(event, context):
    def secure(n):
        telemetry.count(Counter.OBJECTS_SECURED)
        telemetry.hold_lag(n)
    with ThreadPoolExecutor(32) as pool:
        list(pool.map(secure, range(5000)))
handler({}, None)
""")

    assert sum(values(output.metrics, "ObjectsSecured")) == 5000
    assert sorted(values(output.metrics, "HoldLag")) == list(range(5000))
    assert all(len(document.get(name, ())) <= 100 for document in output.metrics for name in document)


def test_every_counter_has_a_name_of_its_own() -> None:
    names: Mapping[str, Counter] = {counter.value: counter for counter in Counter}

    assert len(names) == len(Counter)
    assert all(name.isalnum() and name[0].isupper() for name in names)
