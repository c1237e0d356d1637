"""Take one of the organisation's job slots, which all runs share."""

from datetime import timedelta

from holdfast.contracts.steps import BatchRun, SlotAnswer
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.ports import Clock, ExportJobs, HeldSlot, JobSlots, Telemetry

LEASE = timedelta(minutes=30)
WAIT_S = 30


def acquire_job_slot(
    run: BatchRun, *, slots: JobSlots, jobs: ExportJobs, clock: Clock, telemetry: Telemetry
) -> SlotAnswer:
    """Take a free slot, or one whose owner is gone.

    A slot with an expired lease is given up only after the platform says that its job is terminal, so that a
    slow job is never doubled. A slot in which no job was ever noted is given up with its lease: if a job does
    run there, the platform's own limit answers `TooManyJobs` and this batch waits.
    """
    lease_until = clock.now() + LEASE
    if slots.acquire(run.owner, lease_until):
        return SlotAnswer(acquired=True, wait_s=MIN_WAIT_S)
    abandoned = [held for held in slots.held() if held.lease_until < clock.now() and _has_ended(held, jobs)]
    for held in abandoned:
        slots.free(held.owner)
        telemetry.warn("slot_taken_over", slot_owner=held.owner)
    acquired = bool(abandoned) and slots.acquire(run.owner, lease_until)
    return SlotAnswer(acquired=acquired, wait_s=MIN_WAIT_S if acquired else WAIT_S)


def _has_ended(held: HeldSlot, jobs: ExportJobs) -> bool:
    return held.job_id is None or jobs.read(held.job_id).state.is_terminal
