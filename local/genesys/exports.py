"""What export jobs have in common in either dialect: the few places, the faults, the objects that follow."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from local.genesys.delivery import files_of, folder_of
from local.genesys.errors import PlatformError
from local.genesys.ids import digest_of, uuid_for
from local.genesys.jobs import BUSY, TERMINAL, RecordingJob, outcome_of
from local.genesys.media import MediaFile
from local.genesys.organisation import Conversation, Organisation, Recording
from local.genesys.scenario import Fate, JobFault, Scenario


@dataclass(frozen=True, slots=True)
class Delivery:
    """Objects that belong together, due at a time. No recording: one file that belongs to none.

    The `last` of a job waits until all others of that job are written.
    """

    due_at: datetime
    job_id: str
    folder: str
    conversation: Conversation | None = None
    recording: Recording | None = None
    file: MediaFile | None = None
    last: bool = False


@dataclass(slots=True)
class Exports:
    scenario: Scenario
    organisation: Organisation
    jobs: list[RecordingJob] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    export_dates: dict[str, datetime] = field(default_factory=dict)
    exported_at: dict[str, datetime] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    _jobs_of: dict[str, list[RecordingJob]] = field(default_factory=dict)
    _uploaded_at: dict[str, datetime] = field(default_factory=dict)
    _in_hand: Counter[str] = field(default_factory=Counter)
    _failures: dict[str, int] = field(default_factory=dict)
    _fault_uses: dict[JobFault, int] = field(default_factory=dict)
    _strays_planned: bool = False

    # --- jobs -------------------------------------------------------------------------------------

    def check_busy(self, now: datetime) -> None:
        """Raises: PlatformError 429 or 400, when as many jobs are in progress as there may be."""
        most = self.scenario.organization.max_concurrent_jobs
        if sum(job.state(now) in BUSY for job in self.jobs) < most:
            return
        raise PlatformError(
            self.scenario.organization.third_job_error,
            "The organization has reached the limit of {limit} recording jobs in progress",
            params={"limit": str(most)},
            limit={"key": "concurrent.jobs", "namespace": "recording", "value": str(most)},
        )

    def create(
        self,
        client_id: str,
        query: Mapping[str, Any],
        conversations: Sequence[Conversation],
        now: datetime,
        *,
        sensitive: bool,
        screen: bool,
        action_at: datetime | None = None,
    ) -> RecordingJob:
        """Raises: PlatformError 429 or 400, as `check_busy`."""
        self.check_busy(now)
        number, found = len(self.jobs) + 1, tuple(conversations)
        job = RecordingJob(
            id=uuid_for(self.scenario.seed, "recording job", number),
            number=number,
            client_id=client_id,
            query=dict(query),
            created_at=now,
            conversations=found,
            outcome=outcome_of(found, self._failures, self.deleted, sensitive=sensitive, screen=screen),
            timing=self.scenario.organization.timing,
            fault=self._fault_for(number, found),
            action_at=action_at,
        )
        self.jobs.append(job)
        return job

    def start(self, job: RecordingJob, now: datetime, fault: JobFault | None = None) -> None:
        """Raises: PlatformError 429 or 400, as `check_busy`; 409, when the job is not READY."""
        state = job.state(now)
        if state != "READY":
            raise PlatformError(
                409, "Job {id} is {state}, expected READY", params={"id": job.id, "state": state}
            )
        self.check_busy(now)
        job.started_at, job.fault = now, fault or job.fault
        for recording in job.outcome.failed:
            self._failures[recording.id] = self._failures.get(recording.id, 0) + 1
        for one in job.conversations:
            self._jobs_of.setdefault(one.id, []).append(job)
        self._plan(job)

    def cancel(self, job: RecordingJob, now: datetime) -> None:
        """Raises: PlatformError 409, when the job has ended."""
        state = job.state(now)
        if state in TERMINAL:
            raise PlatformError(409, "Job {id} is {state} already", params={"id": job.id, "state": state})
        done = len(job.outcome.exported) * job.percent(now) // 100
        kept = {recording.id for recording in job.outcome.exported[:done]}
        self.deliveries = [
            one
            for one in self.deliveries
            if one.job_id != job.id or (one.recording is not None and one.recording.id in kept)
        ]
        job.cancelled_at = now

    def delete(self, recordings: Sequence[Recording]) -> None:
        """What is gone is in no later job, and comes from none that has not written it."""
        gone = {one.id for one in recordings}
        self.deleted |= gone
        self.deliveries = [
            one for one in self.deliveries if one.recording is None or one.recording.id not in gone
        ]

    def _fault_for(self, number: int, conversations: Sequence[Conversation]) -> JobFault | None:
        for fault in self.scenario.job_faults:
            over = fault.more_conversations_than
            fits = fault.nth == number if fault.nth else number >= fault.from_nth
            used = self._fault_uses.get(fault, 0)
            if (
                fits
                and (over is None or len(conversations) > over)
                and (fault.times is None or used < fault.times)
            ):
                self._fault_uses[fault] = used + 1
                return fault
        poisoned = [one.id for one in conversations if one.poison]
        if not poisoned:
            return None
        return JobFault("failed", "PROCESSING", error_message="The job failed.")

    def _plan(self, job: RecordingJob) -> None:
        finishes_at = job.finishes_at
        assert finishes_at is not None  # noqa: S101 -- it was started a line ago
        timing, organization = self.scenario.organization.timing, self.scenario.organization
        due_at = max(finishes_at + timedelta(seconds=timing.delivery_delay_s), job.action_at or finishes_at)
        share = job.outcome.exported[: int(len(job.outcome.exported) * job.delivered_share)]
        for recording in share:
            one = self.organisation.conversations[recording.conversation_id]
            due = due_at + timedelta(seconds=recording.late_s)
            self.export_dates[recording.id] = due
            if recording.fate is not Fate.NEVER_DELIVERED and recording.id not in self.deleted:
                self.deliveries.append(Delivery(due, job.id, folder_of(organization.id, one), one, recording))
        if share and not self._strays_planned:
            self._strays_planned = True
            for key in self.organisation.stray_keys:
                folder, _, name = f"{organization.id}/{key}".rpartition("/")
                file = MediaFile(name, "text/plain", digest_of(self.scenario.seed, "stray", key))
                self.deliveries.append(Delivery(due_at, job.id, folder, file=file))

    # --- objects ----------------------------------------------------------------------------------

    def add_last(self, job: RecordingJob, folder: str, file: MediaFile, after_s: float = 0.0) -> None:
        """A file that follows all others of a job that was started."""
        others = [one.due_at for one in self.deliveries if one.job_id == job.id]
        due_at = max([*others, job.finishes_at or job.created_at]) + timedelta(seconds=after_s)
        self.deliveries.append(Delivery(due_at, job.id, folder, file=file, last=True))

    def due(self, now: datetime) -> list[Delivery]:
        """The deliveries whose time has come; each is given out once."""
        ripe = [one for one in self.deliveries if one.due_at <= now]
        if not ripe:
            return []
        open_jobs = {one.job_id for one in self.deliveries if not one.last}
        due = [
            one for one in ripe if not (one.last and (one.job_id in open_jobs or self._in_hand[one.job_id]))
        ]
        given = set(map(id, due))
        self.deliveries = [one for one in self.deliveries if id(one) not in given]
        self._in_hand.update(one.job_id for one in due)
        self._in_hand.update(one.conversation.id for one in due if one.conversation)
        return due

    def files(self, delivery: Delivery) -> list[MediaFile]:
        if delivery.file is not None:
            return [delivery.file]
        if delivery.conversation is None or delivery.recording is None:
            return []
        return files_of(self.scenario.seed, delivery.conversation, delivery.recording)

    def finished(self, delivery: Delivery, now: datetime, *, written: bool) -> None:
        """To be told of each delivery that `due` gave out."""
        self._in_hand[delivery.job_id] -= 1
        if delivery.conversation is not None:
            self._in_hand[delivery.conversation.id] -= 1
            self._uploaded_at[delivery.conversation.id] = now
        if delivery.recording is not None and written:
            self.exported_at[delivery.recording.id] = now

    def uploaded_at(self, conversation_id: str, now: datetime) -> datetime | None:
        """When the conversation's last object was written; None while one is to come, or no job is done."""
        ends = [
            job.finishes_at
            for job in self._jobs_of.get(conversation_id, [])
            if job.state(now) == "FULFILLED" and job.finishes_at
        ]
        to_come = self._in_hand[conversation_id] or any(
            one.conversation is not None and one.conversation.id == conversation_id for one in self.deliveries
        )
        if not ends or to_come:
            return None
        return max(min(ends), self._uploaded_at.get(conversation_id, min(ends)))
