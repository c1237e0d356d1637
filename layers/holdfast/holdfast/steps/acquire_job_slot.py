"""Take one of the organisation's job slots, which all runs share."""

from datetime import timedelta

from holdfast.contracts.steps import BatchRun, SlotAnswer
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.errors import PlatformNotFound, UnknownPlatformState
from holdfast.ports import Clock, ExportJobs, HeldSlot, JobSlots, Telemetry

LEASE = timedelta(minutes=30)
WAIT_S = 30


def acquire_job_slot(
    run: BatchRun,
    *,
    slots: JobSlots,
    jobs: ExportJobs,
    job_deadline: timedelta,
    clock: Clock,
    telemetry: Telemetry,
) -> SlotAnswer:
    """Take a free slot, or one whose owner is gone.

    A slot with an expired lease is given up only after the platform says that its job is terminal, so that a
    slow job is never doubled. A slot in which no job was ever noted is given up with its lease: if a job does
    run there, the platform's own limit answers `TooManyJobs` and this batch waits. A job that outlives its
    deadline has lost its owner, who would have ended it: it is cancelled, and its slot is free once it is
    read as terminal.
    """
    now = clock.now()
    lease_until = now + LEASE
    if slots.acquire(run.owner, lease_until):
        return SlotAnswer(acquired=True, wait_s=MIN_WAIT_S)
    expired = [held for held in slots.held() if held.lease_until < now]
    overdue = {held.owner for held in expired if held.lease_until + job_deadline < now}
    abandoned = [held for held in expired if _has_ended(held, jobs, is_overdue=held.owner in overdue)]
    for held in abandoned:
        slots.free(held.owner)
        telemetry.warn("slot_taken_over", slot_owner=held.owner)
    for held in expired:
        if held.job_id and held.owner in overdue and held not in abandoned:
            jobs.cancel(held.job_id)
            telemetry.warn("export_job_abandoned", export_job_id=held.job_id, slot_owner=held.owner)
    acquired = bool(abandoned) and slots.acquire(run.owner, lease_until)
    return SlotAnswer(acquired=acquired, wait_s=MIN_WAIT_S if acquired else WAIT_S)


def _has_ended(held: HeldSlot, jobs: ExportJobs, *, is_overdue: bool) -> bool:
    """Read the job as terminal; one in a state nobody knows counts as ended once it is overdue.

    Otherwise it would keep its slot for ever. If it still runs, the platform's own limit says so.
    """
    try:
        return held.job_id is None or jobs.read(held.job_id).state.is_terminal
    except PlatformNotFound:
        return True
    except UnknownPlatformState:
        return is_overdue
