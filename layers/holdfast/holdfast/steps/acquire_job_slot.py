"""Take one of the organisation's job slots, which all runs share."""

from datetime import timedelta
from enum import Enum, auto

from holdfast.contracts.steps import SlotAnswer, SlotWanted
from holdfast.domain.ids import attempt_of
from holdfast.domain.states import BatchState
from holdfast.domain.waits import MIN_WAIT_S, poll_wait_s
from holdfast.errors import PlatformNotFound, UnknownPlatformState
from holdfast.ports import Clock, ExportJobs, HeldSlot, JobSlots, RequestBook, SlotOwner, Telemetry

LEASE = timedelta(minutes=30)
WAIT_S = 30


def acquire_job_slot(
    run: SlotWanted,
    *,
    requests: RequestBook,
    slots: JobSlots,
    jobs: ExportJobs,
    job_deadline: timedelta,
    clock: Clock,
    telemetry: Telemetry,
) -> SlotAnswer:
    """Take a free slot, or one whose owner is gone.

    An owner is gone when its lease has expired, or when its request has ended or begun anew. Its slot is
    given up only after the platform says that its job is terminal, so that a slow job is never doubled. A
    slot in which no job was ever noted is given up at once: if a job does run there, the platform's own
    limit answers `TooManyJobs` and this batch waits. A job that nobody will ever execute, or that outlives
    its deadline, is cancelled, and its slot is free once it is read as terminal.
    """
    now = clock.now()
    lease_until = now + LEASE
    if slots.acquire(run.owner, lease_until):
        return SlotAnswer(acquired=True, wait_s=MIN_WAIT_S)
    freed = False
    for held in slots.held():
        is_superseded = _is_superseded(held, requests)
        if not is_superseded and held.lease_until >= now:
            continue
        is_overdue, job = held.lease_until + job_deadline < now, _job_in(held, jobs)
        if job is _Job.ENDED or (job is _Job.UNKNOWN and is_overdue):
            slots.free(held.owner)
            telemetry.warn("slot_taken_over", slot_owner=held.owner)
            freed = True
        elif held.job_id and (is_overdue or (is_superseded and job is _Job.IDLE)):
            jobs.cancel(held.job_id)
            telemetry.warn("export_job_abandoned", export_job_id=held.job_id, slot_owner=held.owner)
    acquired = freed and slots.acquire(run.owner, lease_until)
    return SlotAnswer(acquired=acquired, wait_s=MIN_WAIT_S if acquired else slot_wait_s(now - run.since))


def slot_wait_s(waited: timedelta) -> int:
    """Choose the pause before a slot is asked for again: the longer it has been waited for, the longer."""
    return max(WAIT_S, poll_wait_s(waited.total_seconds()))


def _is_superseded(held: HeldSlot, requests: RequestBook) -> bool:
    """Tell whether the owner's request has ended, or a later attempt has taken it over."""
    owner = SlotOwner.from_text(held.owner)
    request = requests.read(owner.matter_id, owner.request_id)
    return request.state.is_terminal or attempt_of(owner.batch_id) < request.attempt


class _Job(Enum):
    """What has become of the job in a slot."""

    ENDED = auto()
    IDLE = auto()  # it waits for an order that an owner who is gone cannot give
    MOVING = auto()
    UNKNOWN = auto()  # in a state nobody knows: it must not keep its slot for ever


def _job_in(held: HeldSlot, jobs: ExportJobs) -> _Job:
    try:
        if held.job_id is None:
            return _Job.ENDED
        state = jobs.read(held.job_id).state
    except PlatformNotFound:
        return _Job.ENDED
    except UnknownPlatformState:
        return _Job.UNKNOWN
    if state.is_terminal:
        return _Job.ENDED
    return _Job.MOVING if state is BatchState.PROCESSING else _Job.IDLE
