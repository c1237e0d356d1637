"""Recording jobs: the state is what the clock says of the job's times. Create, start and cancel set those.

PENDING -> READY -> (start) -> PROCESSING -> FULFILLED
PENDING, PROCESSING -> FAILED, CANCELLED, or a state that nobody knows, when the scenario says so
PENDING, READY, PROCESSING -> (cancel) -> CANCELLED
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from local.genesys.organisation import Conversation, Recording
from local.genesys.scenario import Fate, JobFault, Timing

TERMINAL = frozenset({"FULFILLED", "FAILED", "CANCELLED"})
BUSY = frozenset({"PENDING", "PROCESSING"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a job does to each recording that it covers."""

    exported: tuple[Recording, ...]
    failed: tuple[Recording, ...]
    skipped: tuple[Recording, ...]

    @property
    def total(self) -> int:
        return len(self.exported) + len(self.failed) + len(self.skipped)


@dataclass(slots=True)
class RecordingJob:
    id: str
    number: int
    client_id: str
    query: dict[str, Any]
    created_at: datetime
    conversations: tuple[Conversation, ...]
    outcome: Outcome
    timing: Timing
    fault: JobFault | None = None
    action_at: datetime | None = None
    started_at: datetime | None = None
    cancelled_at: datetime | None = None

    @property
    def ready_at(self) -> datetime:
        return self.created_at + timedelta(seconds=self.timing.pending_s)

    @property
    def finishes_at(self) -> datetime | None:
        return self.started_at and self.started_at + timedelta(seconds=self.timing.processing_s)

    def state(self, now: datetime) -> str:
        if self.cancelled_at is not None:
            return "CANCELLED"
        if self.started_at is None or self.finishes_at is None:
            return self._from("PENDING", "READY", self.ready_at, now)
        return self._from("PROCESSING", "FULFILLED", self.finishes_at, now)

    def _from(self, busy: str, done: str, ends_at: datetime, now: datetime) -> str:
        if now < ends_at:
            return busy
        if self.fault is None or self.fault.at != busy:
            return done
        return {
            "failed": "FAILED",
            "cancelled": "CANCELLED",
            "stuck": busy,
            "unknown_state": self.fault.state,
        }[self.fault.outcome]

    def percent(self, now: datetime) -> int:
        state = self.state(now)
        if state == "FULFILLED":
            return 100
        if self.started_at is None:
            return 0
        passed_s = (now - self.started_at).total_seconds()
        return min(99, int(100 * passed_s / max(self.timing.processing_s, 0.001)))

    @property
    def delivered_share(self) -> float:
        """Which part of the exported recordings is written in the end, if nobody cancels."""
        return 1.0 if self.fault is None or self.fault.at == "PENDING" else self.fault.delivered_share


def outcome_of(
    conversations: tuple[Conversation, ...],
    failures: dict[str, int],
    deleted: set[str],
    *,
    sensitive: bool,
    screen: bool,
) -> Outcome:
    """`failures` counts, by recording, the jobs in which it has failed before; `deleted` are gone by now."""
    exported, failed, skipped = [], [], []
    for one in conversations:
        for recording in one.recordings:
            is_gone = recording.fate is Fate.DELETED or recording.id in deleted
            if is_gone or (recording.subtype == "Screen" and not screen):
                continue
            recovers = recording.recovers_after_jobs
            if recording.fate is Fate.SKIP or (recording.sensitive and not sensitive):
                skipped.append(recording)
            elif recording.fate is Fate.FAIL and (
                recovers is None or failures.get(recording.id, 0) < recovers
            ):
                failed.append(recording)
            else:
                exported.append(recording)
    return Outcome(tuple(exported), tuple(failed), tuple(skipped))
