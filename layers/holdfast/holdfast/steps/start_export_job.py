"""Create the export job of a batch."""

from dataclasses import replace
from datetime import timedelta

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import BatchRun, JobStarted
from holdfast.domain.scope import covering
from holdfast.domain.states import BatchState
from holdfast.domain.waits import MIN_WAIT_S, bounded, poll_wait_s
from holdfast.errors import (
    PayloadTooLarge,
    PlatformThrottled,
    RefusedError,
    SensitiveNotPermitted,
    TooManyJobs,
)
from holdfast.ports import (
    BatchBook,
    BatchRecord,
    Clock,
    Counter,
    ExportJobs,
    ExportSelection,
    JobSlots,
    RequestBook,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import BatchFiles
from holdfast.steps.halving import halve

NO_SLOT_WAIT_S = 60
_END = JobStarted(next="END", wait_s=MIN_WAIT_S)


def start_export_job(
    run: BatchRun,
    *,
    requests: RequestBook,
    batches: BatchBook,
    slots: JobSlots,
    jobs: ExportJobs,
    files: WorkFiles,
    clock: Clock,
    telemetry: Telemetry,
) -> JobStarted:
    """Create the job, unless it exists.

    The intent is written before the platform is asked. Where an intent is found without a job, an earlier
    answer may have been lost: the platform's own list is read first, because creating is not idempotent.
    A batch the platform finds too large is split. What the client may not export is left out, and missing
    with its reason.

    Raises:
        PlatformAnswerLost: no answer came; the repeat looks the job up.
        RefusedError: the platform will not have it; the slot is given back if no job can be running in it.
    """
    batch = batches.read(run.matter_id, run.request_id, run.batch_id)
    if batch.state is BatchState.SPLIT:
        slots.free(str(run.owner))
        return _END
    job_id = batch.job_id
    if job_id is None:
        selection = _selection(batch, requests, files)
        was_tried = batch.state is BatchState.STARTING
        tried_at = batch.job_created_at or clock.now()
        try:
            job_id = jobs.find(selection, tried_at) if was_tried else None
            if job_id is None:
                batch = replace(batch, state=BatchState.STARTING, job_created_at=tried_at)
                batches.advance(batch)
                job_id = jobs.create(selection)
        except TooManyJobs:
            telemetry.note("no_job_slot_at_platform", batch_id=run.batch_id, request_id=run.request_id)
            return JobStarted(next="WAIT", wait_s=platform_slot_wait_s(clock.now() - tried_at))
        except PlatformThrottled as throttled:
            telemetry.count(Counter.THROTTLES)
            return JobStarted(next="WAIT", wait_s=bounded(throttled.retry_after_s))
        except SensitiveNotPermitted:
            telemetry.warn("sensitive_not_permitted", batch_id=run.batch_id, request_id=run.request_id)
            batches.advance(replace(batch, without_sensitive=True))
            return JobStarted(next="WAIT", wait_s=MIN_WAIT_S)
        except RefusedError as refused:
            if not was_tried:  # no job can have come of it, and others wait for the slot
                slots.free(str(run.owner))
            is_too_large = isinstance(refused, PayloadTooLarge)
            if is_too_large and halve(batch, batches=batches, files=files, clock=clock, telemetry=telemetry):
                slots.free(str(run.owner))
                return _END
            raise
        batch = replace(batch, state=BatchState.PENDING, job_id=job_id, interrupted_at=None)
        batches.advance(batch)
        telemetry.count(Counter.JOBS_STARTED)
        telemetry.note(
            "export_job_created", export_job_id=job_id, batch_id=run.batch_id, request_id=run.request_id
        )
    slots.run(run.owner, job_id)
    return JobStarted(next="CHECK", wait_s=MIN_WAIT_S)


def platform_slot_wait_s(tried: timedelta) -> int:
    """Choose the pause before a job is asked for again that the platform has no room for."""
    return max(NO_SLOT_WAIT_S, poll_wait_s(tried.total_seconds()))


def _selection(batch: BatchRecord, requests: RequestBook, files: WorkFiles) -> ExportSelection:
    request = DiscoveryRequest.model_validate_json(requests.read(batch.matter_id, batch.request_id).body)
    conversations = BatchFiles(files, batch.matter_id, batch.request_id, batch.batch_id).conversations()
    scope = request.scope.to_domain()
    wanted = replace(
        scope,
        interval=covering(conversations, scope.interval),
        include_sensitive=scope.include_sensitive and not batch.without_sensitive,
    )
    return ExportSelection(
        [one.conversation_id for one in conversations],
        wanted,
        frozenset(one.medium for one in conversations),
    )
