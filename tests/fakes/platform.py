"""The platform and the workflow service, in memory. `failures` are raised by the next calls, one each."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from math import inf
from typing import Any
from uuid import UUID

from holdfast.domain.ids import ConversationId, ExportJobId, MatterId, RecordingId, RequestId
from holdfast.domain.manifest import Manifest
from holdfast.domain.reconciliation import PlatformRecording
from holdfast.domain.scope import Conversation, Scope
from holdfast.domain.states import BatchState
from holdfast.errors import (
    PayloadTooLarge,
    PlatformAnswerLost,
    PlatformConflict,
    PlatformNotFound,
    ScopeQueryFailed,
    TooManyJobs,
)
from holdfast.ports import (
    Clock,
    DeletionPage,
    ExportJob,
    ExportSelection,
    Finding,
    HoldRefusal,
    RefusalKind,
    ScopePage,
)
from tests.fakes.clock import NOON

MAX_BUSY_JOBS = 2


class _Failing:
    def __init__(self) -> None:
        self.failures: list[Exception] = []

    def _called(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


class ScopeInMemory(_Failing):
    """Implements `ports.ScopeSource`; `looks_until_done` is how often a query is still running.

    Every query finds `pages`, or, where there is an `archive`, what of it has activity in its interval, in
    pages of `page_size`. Queries for more than `most_at_once` are given up on.
    """

    def __init__(self, pages: Sequence[Sequence[Conversation]] = ((),)) -> None:
        super().__init__()
        self.pages = pages
        self.archive: Sequence[Conversation] = ()
        self.page_size = 2
        self.most_at_once = timedelta.max
        self.searchable_until = NOON
        self.looks_until_done = 0
        self.is_given_up = False
        self.queries: list[Scope] = []
        self.refused_queries: list[Exception] = []

    def available_until(self) -> datetime:
        self._called()
        return self.searchable_until

    def start_query(self, scope: Scope) -> str:
        self._called()
        if self.refused_queries:
            raise self.refused_queries.pop(0)
        self.queries.append(scope)
        return f"query-{len(self.queries)}"

    def is_query_done(self, query_id: str) -> bool:
        self._called()
        interval = self._scope(query_id).interval if self.queries else None
        if self.is_given_up or (interval and interval.end - interval.start > self.most_at_once):
            raise ScopeQueryFailed(f"query {query_id}: FAILED")
        self.looks_until_done -= 1
        return self.looks_until_done < 0

    def read_page(self, query_id: str, cursor: str | None) -> ScopePage:
        self._called()
        place, pages = int(cursor or 0), self._found(query_id) if self.archive else self.pages
        return ScopePage(pages[place], str(place + 1) if place + 1 < len(pages) else None)

    def _scope(self, query_id: str) -> Scope:
        return self.queries[int(query_id.removeprefix("query-")) - 1]

    def _found(self, query_id: str) -> Sequence[Sequence[Conversation]]:
        interval = self._scope(query_id).interval
        found = [
            one
            for one in self.archive
            if one.started_at < interval.end and (one.ended_at is None or one.ended_at >= interval.start)
        ]
        starts = range(0, max(1, len(found)), self.page_size)
        return [found[start : start + self.page_size] for start in starts]


class ExportJobsInMemory(_Failing):
    """Implements `ports.ExportJobs`; jobs move only when a test moves them.

    `lots` tells who may not share a job, `takes` how many conversations fit into a request.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.jobs: dict[ExportJobId, ExportJob] = {}
        self.selections: dict[ExportJobId, ExportSelection] = {}
        self.failed: dict[ExportJobId, dict[RecordingId, ConversationId]] = {}
        self.executed: list[ExportJobId] = []
        self.loses_answers = False
        self.most_conversations = 4_000
        self.takes = 4_000
        self.lots: dict[ConversationId, str] = {}
        self._clock = clock

    def lot_of(self, conversation: Conversation) -> str:
        return self.lots.get(conversation.conversation_id, "all")

    def create(self, selection: ExportSelection) -> ExportJobId:
        self._called()
        busy = [job for job in self.jobs.values() if job.state in (BatchState.PENDING, BatchState.PROCESSING)]
        if len(selection.conversation_ids) > self.takes:
            raise PayloadTooLarge("POST jobs: 413", status=413, code="request.entity.too.large")
        if len(busy) >= MAX_BUSY_JOBS:
            raise TooManyJobs("POST jobs: 400", status=400, code="bad.request")
        job_id = ExportJobId(str(UUID(int=1 + len(self.jobs))))
        self.jobs[job_id] = ExportJob(job_id, BatchState.PENDING, self._clock.now())
        self.selections[job_id] = selection
        if self.loses_answers:
            raise PlatformAnswerLost("POST jobs: no answer")
        return job_id

    def find(self, selection: ExportSelection, created_since: datetime) -> ExportJobId | None:
        self._called()
        for job_id, job in self.jobs.items():
            is_recent = job.created_at is None or job.created_at >= created_since
            if self.selections[job_id] == selection and is_recent:
                return job_id
        return None

    def execute(self, job_id: ExportJobId) -> None:
        self._called()
        self.executed.append(job_id)
        self.move(job_id, state=BatchState.PROCESSING)

    def read(self, job_id: ExportJobId) -> ExportJob:
        self._called()
        if job_id not in self.jobs:
            raise PlatformNotFound("GET job: 404", status=404, code="not.found")
        return self.jobs[job_id]

    def cancel(self, job_id: ExportJobId) -> None:
        if self.read(job_id).state.is_terminal:
            raise PlatformConflict("DELETE job: 409")
        self.move(job_id, state=BatchState.CANCELLED)

    def failed_recordings(self, job_id: ExportJobId) -> Mapping[RecordingId, ConversationId]:
        self._called()
        return self.failed.get(job_id, {})

    def move(self, job_id: ExportJobId, **changes: Any) -> None:
        """Let the platform's side of a job change."""
        self.jobs[job_id] = replace(self.jobs[job_id], **changes)


class CatalogueInMemory(_Failing):
    """Implements `ports.RecordingCatalogue`; `reads` tells who was asked about."""

    def __init__(self) -> None:
        super().__init__()
        self.recordings: dict[ConversationId, list[PlatformRecording]] = {}
        self.reads: list[ConversationId] = []

    def recordings_of(self, conversation_id: ConversationId) -> Sequence[PlatformRecording]:
        self._called()
        self.reads.append(conversation_id)
        return self.recordings.get(conversation_id, [])


@dataclass(slots=True)
class ManifestsInMemory:
    """Implements `ports.Manifests`; expects none unless told."""

    is_expected: bool = False
    manifests: dict[ExportJobId, Manifest] = field(default_factory=dict)

    def of_job(self, job_id: ExportJobId) -> Manifest | None:
        return self.manifests.get(job_id)


@dataclass(slots=True)
class DeletionsInMemory:
    """Implements `ports.DeletionSchedule`; everything is old enough. `queries` are the days and cursors asked
    for.
    """

    delete_dates: list[tuple[ConversationId, datetime]] = field(default_factory=list)
    page_size: int = 2
    failures: list[Exception] = field(default_factory=list)
    queries: list[tuple[int, str | None]] = field(default_factory=list)

    def page(self, retained_days: int, cursor: str | None) -> DeletionPage:
        self.queries.append((retained_days, cursor))
        if self.failures:
            raise self.failures.pop(0)
        start = int(cursor or 0)
        end = start + self.page_size
        return DeletionPage(self.delete_dates[start:end], str(end) if end < len(self.delete_dates) else None)


@dataclass(slots=True)
class PlatformHoldsInMemory:
    """Implements `ports.PlatformHolds`.

    `refusing` says what is refused, and `conflicts` how often a conversation conflicts before it is
    accepted; `invisible` are those whose protection is accepted and never listed. Where holds
    are per matter, `references` says whose they are.
    """

    chunk_size: int = 100
    is_per_matter: bool = False
    cap: int | None = 1_000
    protected: set[ConversationId] = field(default_factory=set)
    refusing: dict[ConversationId, RefusalKind] = field(default_factory=dict)
    conflicts: dict[ConversationId, int] = field(default_factory=dict)
    invisible: set[ConversationId] = field(default_factory=set)
    placed: list[list[ConversationId]] = field(default_factory=list)
    failures: list[BaseException | None] = field(default_factory=list)
    references: set[tuple[ConversationId, MatterId]] = field(default_factory=set)

    def held_among(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> frozenset[ConversationId]:
        self._called(conversation_ids)
        if self.is_per_matter:
            return frozenset(cid for cid in conversation_ids if (cid, matter_id) in self.references)
        return frozenset(conversation_ids) & (self.protected - self.invisible)

    def release(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> Sequence[HoldRefusal]:
        self._called(conversation_ids)
        for cid in conversation_ids:
            self.references.discard((cid, matter_id))
            if not (self.is_per_matter and any(held == cid for held, _ in self.references)):
                self.protected.discard(cid)
        return []

    def place(self, conversation_ids: Sequence[ConversationId], matter_id: MatterId) -> Sequence[HoldRefusal]:
        self._called(conversation_ids)
        self.placed.append(list(conversation_ids))
        kinds = {cid: self._place(cid) for cid in conversation_ids}
        self.references |= {(cid, matter_id) for cid, kind in kinds.items() if kind is None}
        return [HoldRefusal(cid, kind) for cid, kind in kinds.items() if kind]

    def _place(self, conversation_id: ConversationId) -> RefusalKind | None:
        if self.conflicts.get(conversation_id, 0) > 0:
            self.conflicts[conversation_id] -= 1
            return RefusalKind.CONFLICT
        if conversation_id in self.refusing:
            return self.refusing[conversation_id]
        if conversation_id not in self.protected and len(self.protected) >= (self.cap or inf):
            return RefusalKind.CAP_REACHED
        self.protected.add(conversation_id)
        return None

    def _called(self, conversation_ids: Sequence[ConversationId]) -> None:
        if len(conversation_ids) > self.chunk_size:
            raise ValueError(f"one call takes {self.chunk_size}, found {len(conversation_ids)}")
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure


@dataclass(slots=True)
class PlatformSetupInMemory:
    """Implements `ports.PlatformSetup`."""

    found: list[Finding] = field(default_factory=list)

    def findings(self) -> Sequence[Finding]:
        return list(self.found)


@dataclass(slots=True)
class RunsInMemory:
    """Implements `ports.Runs`."""

    alive: set[str] = field(default_factory=set)
    broken_off: set[str] = field(default_factory=set)

    def is_alive(self, execution_arn: str) -> bool:
        return execution_arn in self.alive

    def has_broken_off(self, execution_arn: str) -> bool:
        return execution_arn in self.broken_off


@dataclass(slots=True)
class HoldRunsInMemory:
    """Implements `ports.HoldRuns`; `started` are the runs, by name."""

    started: dict[str, tuple[MatterId, RequestId, str]] = field(default_factory=dict)

    def start(self, name: str, matter_id: MatterId, request_id: RequestId, plan_key: str) -> bool:
        is_new = name not in self.started
        self.started.setdefault(name, (matter_id, request_id, plan_key))
        return is_new


class RequestBusInMemory(_Failing):
    """Implements `ports.RequestBus`; `sent` are the details, as they were sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def request(self, body: bytes) -> None:
        self._called()
        self.sent.append(json.loads(body))
