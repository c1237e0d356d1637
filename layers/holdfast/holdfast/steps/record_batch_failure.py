"""Write down why the export of a batch ends in failure."""

from dataclasses import replace
from datetime import timedelta

from holdfast import errors
from holdfast.contracts.steps import Failing, FailureRecorded
from holdfast.domain.ids import BATCH_ID_PATTERN, BatchId, MatterId, RequestId
from holdfast.domain.states import BatchState
from holdfast.ports import BatchBook, Clock, Telemetry
from holdfast.steps.explain_failure import explain_failure, id_in

# Trouble between Step Functions and a function, or a function that took too long.
_PASSING = ("Lambda.", "Sandbox.", "States.Timeout", "States.TaskTimedOut")


def record_batch_failure(
    failing: Failing,
    *,
    batches: BatchBook,
    job_deadline: timedelta,
    clock: Clock,
    telemetry: Telemetry,
) -> FailureRecorded:
    """Explain the failure, and fail the one batch that the workflow worked for; its siblings go on.

    What may pass by itself leaves the batch open, for as long as a job may run: the next round of exports
    goes on with it. A workflow that worked for no batch fails none.
    """
    told = explain_failure(failing, telemetry=telemetry)
    matter_id, request_id = MatterId(told.matter_id), RequestId(told.request_id)
    batch_id = id_in(failing.input, "batch_id", BATCH_ID_PATTERN)
    if not (request_id and batch_id):
        return told
    batch, now = batches.read(matter_id, request_id, BatchId(batch_id)), clock.now()
    if batch.state.is_terminal:
        return told
    since = batch.interrupted_at or now
    if may_pass(told.error) and now - since < job_deadline:
        telemetry.warn("batch_interrupted", batch_id=batch_id, request_id=request_id, error=told.error)
        left = replace(batch, interrupted_at=since)
    else:
        left = replace(batch, state=BatchState.FAILED, ended_at=now, explanation=told.explanation)
    batches.advance(left)
    return told


def may_pass(error: str) -> bool:
    """Tell from an error's name whether the same work may succeed later."""
    ours = getattr(errors, error, None)
    return (isinstance(ours, type) and issubclass(ours, errors.TransientError)) or error.startswith(_PASSING)
