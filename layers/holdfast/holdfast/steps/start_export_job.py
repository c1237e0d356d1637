"""Create the export job of a batch."""

from dataclasses import replace

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import BatchRun, JobStarted
from holdfast.domain.states import BatchState
from holdfast.domain.waits import MIN_WAIT_S, bounded
from holdfast.errors import PlatformThrottled, RefusedError, TooManyJobs
from holdfast.ports import (
    BatchBook,
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

NO_SLOT_WAIT_S = 60


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

    Raises:
        PlatformAnswerLost: no answer came; the repeat looks the job up.
        RefusedError: the platform will not have it; the slot is given back if no job can be running in it.
    """
    batch = batches.read(run.matter_id, run.request_id, run.batch_id)
    job_id = batch.job_id
    if job_id is None:
        request = DiscoveryRequest.model_validate_json(requests.read(run.matter_id, run.request_id).body)
        conversations = BatchFiles(files, run.matter_id, run.request_id, run.batch_id).conversations()
        selection = ExportSelection(
            [one.conversation_id for one in conversations],
            request.scope.to_domain(),
            frozenset(one.medium for one in conversations),
        )
        was_tried = batch.state is BatchState.STARTING
        try:
            job_id = jobs.find(selection, batch.job_created_at or clock.now()) if was_tried else None
            if job_id is None:
                batch = replace(
                    batch, state=BatchState.STARTING, job_created_at=batch.job_created_at or clock.now()
                )
                batches.advance(batch)
                job_id = jobs.create(selection)
        except TooManyJobs:
            telemetry.note("no_job_slot_at_platform", batch_id=run.batch_id, request_id=run.request_id)
            return JobStarted(started=False, wait_s=NO_SLOT_WAIT_S)
        except PlatformThrottled as throttled:
            telemetry.count(Counter.THROTTLES)
            return JobStarted(started=False, wait_s=bounded(throttled.retry_after_s))
        except RefusedError:
            if not was_tried:  # no job can have come of it, and others wait for the slot
                slots.free(str(run.owner))
            raise
        batch = replace(batch, state=BatchState.PENDING, job_id=job_id)
        batches.advance(batch)
        telemetry.count(Counter.JOBS_STARTED)
        telemetry.note(
            "export_job_created", export_job_id=job_id, batch_id=run.batch_id, request_id=run.request_id
        )
    slots.run(run.owner, job_id)
    return JobStarted(started=True, wait_s=MIN_WAIT_S)
