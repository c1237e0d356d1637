"""Write down why a workflow ends in failure, in words a person can act on."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from holdfast import errors
from holdfast.contracts.steps import Failing, FailureRecorded
from holdfast.doctor.explain import explain_error
from holdfast.domain.ids import (
    BATCH_ID_PATTERN,
    MATTER_ID_PATTERN,
    REQUEST_ID_PATTERN,
    BatchId,
    MatterId,
    RequestId,
)
from holdfast.domain.states import BatchState
from holdfast.ports import BatchBook, Clock, Counter, RequestBook, Telemetry

MAX_EXPLANATION = 2_000
# Trouble between Step Functions and a function, or a function that took too long.
_PASSING = ("Lambda.", "Sandbox.", "States.Timeout", "States.TaskTimedOut")


def record_failure(
    failing: Failing,
    *,
    requests: RequestBook,
    batches: BatchBook,
    job_deadline: timedelta,
    clock: Clock,
    telemetry: Telemetry,
) -> FailureRecorded:
    """Name the error, its layer and its remedy.

    Fails the request that this execution owns, and no other; or the one batch that the workflow worked for,
    whose siblings go on. What may pass by itself leaves the batch open, for as long as a job may run: the
    next round of exports goes on with it.
    """
    error, message = innermost_error(failing.input.get("failure"))
    told = explain_error(error, message)
    # A nested workflow that failed has explained itself already.
    is_explained = message.startswith(f"{error}: ")
    advice = f"{error}: {message} [layer: {told.layer}] What to do: {told.advice}."
    explanation = (message if is_explained else advice)[:MAX_EXPLANATION]
    # When the very first step fails, the ids are still where the event has them, and unchecked.
    ids = {**_mapping(failing.input.get("detail")), **failing.input}
    matter_id = _id(ids.get("matter_id"), MATTER_ID_PATTERN)
    request_id = _id(ids.get("request_id"), REQUEST_ID_PATTERN)
    release_id = _id(ids.get("release_id"), MATTER_ID_PATTERN)
    if not (matter_id and request_id):
        # A release that broke off goes on when its event comes again: nothing is failed.
        request_id = ""
        matter_id = matter_id if release_id else ""
    is_ours = bool(request_id) and requests.fail(
        MatterId(matter_id), RequestId(request_id), failing.execution_arn, explanation
    )
    batch_id = _id(ids.get("batch_id"), BATCH_ID_PATTERN)
    if request_id and batch_id:
        batch, now = batches.read(MatterId(matter_id), RequestId(request_id), BatchId(batch_id)), clock.now()
        if not batch.state.is_terminal:
            since = batch.interrupted_at or now
            if may_pass(error) and now - since < job_deadline:
                telemetry.warn("batch_interrupted", batch_id=batch_id, request_id=request_id, error=error)
                left = replace(batch, interrupted_at=since)
            else:
                left = replace(batch, state=BatchState.FAILED, ended_at=now, explanation=explanation)
            batches.advance(left)
    telemetry.count(Counter.RUNS_FAILED)
    telemetry.warn("run_failed", workflow=failing.workflow, error=error, layer=told.layer, is_ours=is_ours)
    return FailureRecorded(
        matter_id=matter_id,
        request_id=request_id,
        release_id=release_id,
        error=error,
        explanation=explanation,
    )


def may_pass(error: str) -> bool:
    """Tell from an error's name whether the same work may succeed later."""
    ours = getattr(errors, error, None)
    return (isinstance(ours, type) and issubclass(ours, errors.TransientError)) or error.startswith(_PASSING)


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


def _id(value: object, pattern: str) -> str:
    return value if isinstance(value, str) and re.fullmatch(pattern, value) else ""


def _mapping(value: Any) -> Mapping[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return {}
    return value if isinstance(value, Mapping) else {}
