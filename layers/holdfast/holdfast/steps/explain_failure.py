"""Say why a workflow ends in failure, in words a person can act on."""

import json
import re
from collections.abc import Mapping
from typing import Any

from holdfast.contracts.steps import Failing, FailureRecorded
from holdfast.doctor.explain import explain_error
from holdfast.domain.ids import MATTER_ID_PATTERN, REQUEST_ID_PATTERN
from holdfast.ports import Counter, Telemetry

MAX_EXPLANATION = 2_000


def explain_failure(failing: Failing, *, telemetry: Telemetry) -> FailureRecorded:
    """Name the error, its layer and its remedy, and whom it concerns.

    A release that broke off goes on when its event comes again: it names no request.
    """
    error, message = innermost_error(failing.input.get("failure"))
    told = explain_error(error, message)
    # A nested workflow that failed has explained itself already.
    is_explained = message.startswith(f"{error}: ")
    advice = f"{error}: {message} [layer: {told.layer}] What to do: {told.advice}."
    # When the very first step fails, the ids are still where the event has them, and unchecked.
    ids = {**_mapping(failing.input.get("detail")), **failing.input}
    matter_id = id_in(ids, "matter_id", MATTER_ID_PATTERN)
    request_id = id_in(ids, "request_id", REQUEST_ID_PATTERN)
    release_id = id_in(ids, "release_id", MATTER_ID_PATTERN)
    if not (matter_id and request_id):
        request_id = ""
        matter_id = matter_id if release_id else ""
    telemetry.count(Counter.RUNS_FAILED)
    telemetry.warn("run_failed", workflow=failing.workflow, error=error, layer=told.layer)
    return FailureRecorded(
        matter_id=matter_id,
        request_id=request_id,
        release_id=release_id,
        error=error,
        explanation=(message if is_explained else advice)[:MAX_EXPLANATION],
    )


def innermost_error(failure: object) -> tuple[str, str]:
    """Follow an error through nested executions and functions down to the class and message that began it.

    Step Functions reports ``{"Error", "Cause"}``; the cause of a function is JSON with `errorType` and
    `errorMessage`, the cause of a nested execution is JSON with `Error` and `Cause` again.
    """
    error, message = "unknown", "no error was reported"
    while failure := _mapping(failure):
        error = str(failure.get("Error") or failure.get("errorType") or error)
        cause = failure.get("Cause", failure.get("errorMessage", ""))
        message, failure = str(cause), _mapping(cause)
    return error, message


def id_in(ids: Mapping[str, Any], name: str, pattern: str) -> str:
    """Give an id if it looks like one; otherwise nothing."""
    value = ids.get(name)
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}
