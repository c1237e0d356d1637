"""Let a READY export job move its recordings."""

from holdfast.contracts.steps import BatchRun, JobChecked
from holdfast.domain.states import BatchState
from holdfast.domain.waits import bounded, poll_wait_s
from holdfast.errors import LedgerRuleBroken, PlatformThrottled
from holdfast.ports import BatchBook, Counter, ExportJobs, Telemetry


def execute_export_job(
    run: BatchRun, *, batches: BatchBook, jobs: ExportJobs, telemetry: Telemetry
) -> JobChecked:
    """Start the job, if it still waits for that: after a lost answer it may already be moving.

    Raises:
        LedgerRuleBroken: the batch has no job; the workflow executes only what it started.
    """
    batch = batches.read(run.matter_id, run.request_id, run.batch_id)
    if batch.job_id is None:
        raise LedgerRuleBroken(f"expected batch {run.owner} to have an export job, found none")
    try:
        if jobs.read(batch.job_id).state is BatchState.READY:
            jobs.execute(batch.job_id)
            telemetry.note("export_job_executed", export_job_id=batch.job_id, batch_id=run.batch_id)
    except PlatformThrottled as throttled:
        telemetry.count(Counter.THROTTLES)
        return JobChecked(next="WAIT", wait_s=bounded(throttled.retry_after_s))
    return JobChecked(next="WAIT", wait_s=poll_wait_s(0))
