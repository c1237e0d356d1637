"""See how far a batch's export job has come."""

from dataclasses import replace
from datetime import timedelta

from holdfast.contracts.steps import BatchRun, JobChecked
from holdfast.doctor.explain import explain
from holdfast.doctor.explanation import Layer
from holdfast.doctor.refusal import Refusal
from holdfast.domain.states import BatchState
from holdfast.domain.waits import MIN_WAIT_S, bounded, poll_wait_s
from holdfast.errors import LedgerRuleBroken, PlatformThrottled
from holdfast.ports import BatchBook, Clock, Counter, ExportJob, ExportJobs, JobSlots, Telemetry, WorkFiles
from holdfast.steps.files import BatchFiles
from holdfast.steps.halving import halve


def check_export_job(
    run: BatchRun,
    *,
    batches: BatchBook,
    slots: JobSlots,
    jobs: ExportJobs,
    files: WorkFiles,
    job_deadline: timedelta,
    clock: Clock,
    telemetry: Telemetry,
) -> JobChecked:
    """Read the job and write down what it says; a terminal job gives its slot back.

    What a job FAILED to export is tried again in halves, as long as there are any. A job that has not ended
    by its deadline is cancelled, so that nobody waits for it for ever.

    Raises:
        UnknownPlatformState: the platform said a word we do not know; never a loop.
        LedgerRuleBroken: the batch has no job; the workflow checks only what it started.
    """
    batch = batches.read(run.matter_id, run.request_id, run.batch_id)
    if batch.job_id is None:
        raise LedgerRuleBroken(f"expected batch {run.owner} to have an export job, found none")
    try:
        job = jobs.read(batch.job_id)
        if job.state.is_terminal and not batch.state.is_terminal:
            failed = jobs.failed_recordings(batch.job_id)
            BatchFiles(files, run.matter_id, run.request_id, run.batch_id).write_failed(failed)
    except PlatformThrottled as throttled:
        telemetry.count(Counter.THROTTLES)
        return JobChecked(next="WAIT", wait_s=bounded(throttled.retry_after_s))
    now = clock.now()
    may_split = job.state is BatchState.FAILED and not batch.state.is_terminal
    if may_split and halve(batch, batches=batches, files=files, clock=clock, telemetry=telemetry):
        telemetry.count(Counter.JOBS_BROKEN_OFF)
        slots.free(str(run.owner))
        return JobChecked(next="END", wait_s=MIN_WAIT_S)
    if not batch.state.is_terminal:
        batch = replace(
            batch,
            state=job.state,
            job_created_at=job.created_at or batch.job_created_at,
            ended_at=now if job.state.is_terminal else None,
            total=job.total,
            skipped=job.skipped,
            failed=job.failed,
            explanation=batch.explanation or _explanation(job),
            interrupted_at=None,
        )
        batches.advance(batch)
        if job.state.is_terminal:
            is_fulfilled = job.state is BatchState.FULFILLED
            telemetry.count(Counter.JOBS_FULFILLED if is_fulfilled else Counter.JOBS_BROKEN_OFF)
            telemetry.note(
                "export_job_ended", export_job_id=job.job_id, batch_id=run.batch_id, state=job.state
            )
    if job.state.is_terminal:
        slots.free(str(run.owner))
        return JobChecked(next="END", wait_s=MIN_WAIT_S)
    if job.state is BatchState.READY:
        return JobChecked(next="EXECUTE", wait_s=MIN_WAIT_S)
    elapsed = now - (batch.job_created_at or now)
    if elapsed > job_deadline:
        said = f"export job {job.job_id} was still {job.state} after its deadline, so Holdfast cancelled it"
        batches.advance(replace(batch, explanation=f"{said}; ask the vendor why, then send a new request."))
        jobs.cancel(job.job_id)
        telemetry.warn("export_job_overdue", export_job_id=job.job_id, batch_id=run.batch_id, state=job.state)
    return JobChecked(next="WAIT", wait_s=poll_wait_s(elapsed.total_seconds(), job.percent))


def _explanation(job: ExportJob) -> str | None:
    """Say what a person must know of a job that broke off."""
    if job.state is BatchState.CANCELLED:
        return (
            f"Export job {job.job_id} was cancelled at the platform, and not by Holdfast; ask its"
            " administrators, then send a new request."
        )
    if job.state is BatchState.FAILED:
        if not job.error:
            return f"Export job {job.job_id} FAILED at the platform, without saying why."
        said = f"Export job {job.job_id} FAILED at the platform: {job.error.rstrip('.')}."
        told = explain(Refusal(source="genesys", body={"errorMessage": job.error}))
        # A layer that is not known helps nobody who reads a verdict.
        return (
            said
            if told.layer is Layer.UNKNOWN
            else f"{said} [layer: {told.layer}] What to do: {told.advice}."
        )
    return None
