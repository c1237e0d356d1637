"""Lift the locks of what nobody claims any more. Nothing else does, and this does nothing else.

Only in LIFTING, only under an epoch of its own, only the versions that the approved plan names; and LIFTED is
written after every one was read back. What arrived after the plan stays locked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.contracts.steps import ReleaseCursor, ReleaseProgress
from holdfast.domain.ids import ReleaseId
from holdfast.domain.release import PlannedConversation
from holdfast.domain.states import HoldState
from holdfast.domain.waits import bounded
from holdfast.errors import AwsUnavailable
from holdfast.ports import (
    Clock,
    Counter,
    EvidenceRelease,
    RecordFiles,
    ReleaseBook,
    ReleaseRequests,
    Telemetry,
)
from holdfast.steps.pool import for_each
from holdfast.steps.release_parts import Walk

CHUNK = 100
# Longer than this function may run: who takes an expired lease over never meets who held it.
LEASE = timedelta(seconds=960)


def lift_holds(
    cursor: ReleaseCursor,
    *,
    releases: ReleaseRequests,
    promises: ReleaseBook,
    locks: EvidenceRelease,
    records: RecordFiles,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> ReleaseProgress:
    """Lift what is to be lifted of one part of the plan, or as much as time allows.

    What another lifter has a lease on is waited for; it may be dead, and is resumed when the lease has ended.

    Raises:
        AwsUnavailable: S3 shows a hold that was just taken off; the workflow repeats.
    """
    walk = Walk.at(cursor, releases, records)
    lifter = _Lifter(walk.release.release_id, promises, locks, clock, telemetry)
    for number, (offset, chunk) in enumerate(walk.chunks(CHUNK)):
        if number and not has_time():
            return walk.again(offset)
        leases = [until for until in for_each(chunk, lifter.lift) if until]
        if leases:
            return walk.again(offset, bounded((max(leases) - clock.now()).total_seconds()))
    return walk.onward()


@dataclass(frozen=True, slots=True)
class _Lifter:
    release_id: ReleaseId
    promises: ReleaseBook
    locks: EvidenceRelease
    clock: Clock
    telemetry: Telemetry

    def lift(self, planned: PlannedConversation) -> datetime | None:
        """Lift one conversation; if somebody else has the lease, say until when."""
        conversation_id, now = planned.conversation_id, self.clock.now()
        standing = self.promises.hold(conversation_id)
        if standing.promise.state is not HoldState.LIFTING:
            return None  # another matter claims it, or it is done
        taken = self.promises.resume_lift(conversation_id, now=now, lease_until=now + LEASE)
        if taken is None:
            return standing.lease_until or now
        self._unlock(planned)
        epoch = taken.promise.epoch
        if not self.promises.lifted(conversation_id, epoch, self.release_id, self.clock.now()):
            return now
        self.telemetry.count(Counter.CONVERSATIONS_LET_GO)
        self.telemetry.count(Counter.OBJECTS_LET_GO, len(planned.versions))
        return None

    def _unlock(self, planned: PlannedConversation) -> None:
        for version in planned.versions:
            self.locks.unlock(version)
        still = [version for version in planned.versions if self.locks.is_locked(version)]
        if still:
            raise AwsUnavailable(f"expected the hold of {still[0].key} to be off, found it on")
