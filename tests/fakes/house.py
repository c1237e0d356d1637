"""All the fakes together, and every step called with them, as `bootstrap` would."""

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from holdfast.contracts.arrivals import QueuedMessage
from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import (
    ApprovalRecorded,
    BatchRun,
    DisposalsMarked,
    ExceptionDecided,
    ExportRound,
    Failing,
    FailureRecorded,
    HoldCursor,
    HoldPlanning,
    HoldProgress,
    HoldsPlanned,
    JobChecked,
    JobStarted,
    MatterSealed,
    MatterSealing,
    Opened,
    Opening,
    Packed,
    Packing,
    Preflighted,
    PreflightFinding,
    Preflighting,
    Reconciled,
    Reconciling,
    Redrive,
    Redriven,
    ReleaseBegun,
    ReleaseCursor,
    ReleaseFinished,
    ReleaseOpened,
    ReleasePlanned,
    ReleasePlanning,
    ReleaseProgress,
    ReleaseRun,
    ReleaseWaiting,
    RoundPlanned,
    Run,
    ScopeRead,
    ScopeReading,
    Sealed,
    Sealing,
    SlotAnswer,
    SlotWanted,
    StandingRecorded,
    StandingRuns,
    Sweep,
    Swept,
    Watched,
)
from holdfast.domain.ids import MatterId, ReleaseId, RequestId, batch_id
from holdfast.domain.slices import planned_length_s
from holdfast.ports import BatchRecord, RequestRecord, SweepSource
from holdfast.steps.acquire_job_slot import acquire_job_slot
from holdfast.steps.begin_release import begin_release
from holdfast.steps.check_export_job import check_export_job
from holdfast.steps.comparison import Comparison
from holdfast.steps.confirm_holds import confirm_holds
from holdfast.steps.end_claims import end_claims
from holdfast.steps.execute_export_job import execute_export_job
from holdfast.steps.explain_failure import explain_failure
from holdfast.steps.finish_release import finish_release
from holdfast.steps.hash_objects import hash_objects
from holdfast.steps.lift_holds import lift_holds
from holdfast.steps.mark_disposable import mark_disposable
from holdfast.steps.open_release import open_release
from holdfast.steps.open_request import open_request
from holdfast.steps.package_matter import package_matter
from holdfast.steps.park_messages import park_messages
from holdfast.steps.place_holds import place_holds
from holdfast.steps.plan_export_round import plan_export_round
from holdfast.steps.plan_holds import plan_holds
from holdfast.steps.plan_release import plan_release
from holdfast.steps.preflight import Check, preflight
from holdfast.steps.read_scope_pages import read_scope_pages
from holdfast.steps.reconcile import reconcile
from holdfast.steps.record_approval import record_approval
from holdfast.steps.record_batch_failure import record_batch_failure
from holdfast.steps.record_failure import record_failure
from holdfast.steps.record_standing_matter import record_standing_matter
from holdfast.steps.redrive_parked import redrive_parked
from holdfast.steps.release_platform_holds import release_platform_holds
from holdfast.steps.resolve_exception import resolve_exception
from holdfast.steps.seal_custody import seal_custody
from holdfast.steps.seal_matter import seal_matter
from holdfast.steps.secure_objects import Securing
from holdfast.steps.start_export_job import start_export_job
from holdfast.steps.start_scope_query import start_scope_query
from holdfast.steps.start_standing_runs import start_standing_runs
from holdfast.steps.sweep_evidence import Sources, sweep_evidence
from holdfast.steps.watch_protection import Watch, watch_protection
from tests.events import load_event
from tests.fakes.buckets import (
    ArrivalQueueInMemory,
    CanariesInMemory,
    EvidenceInMemory,
    HashQueueInMemory,
    InventoryInMemory,
    LocksInMemory,
    RecordFilesInMemory,
    WorkFilesInMemory,
)
from tests.fakes.clock import HandDrivenClock
from tests.fakes.decisions import ResolutionsInMemory
from tests.fakes.disposals import DisposalsInMemory, MarkerInMemory
from tests.fakes.effects import Effects
from tests.fakes.ledger import (
    BatchesInMemory,
    ConversationsInMemory,
    ParkingInMemory,
    ReleasesInMemory,
    RequestsInMemory,
    SlotsInMemory,
    StandingInMemory,
    SweepsInMemory,
)
from tests.fakes.platform import (
    CatalogueInMemory,
    DeletionsInMemory,
    ExportJobsInMemory,
    HoldRunsInMemory,
    ManifestsInMemory,
    PlatformHoldsInMemory,
    RequestBusInMemory,
    RunsInMemory,
    ScopeInMemory,
)
from tests.fakes.seals import SealsInMemory, SignerInMemory
from tests.fakes.telemetry import RecordedTelemetry
from tests.fakes.wiring import WiringInMemory

MATTER, REQUEST = MatterId("M-2026-001"), RequestId("R-1")
RUN = Run(matter_id=MATTER, request_id=REQUEST)
EXECUTION = "arn:execution:1"
DEADLINE = timedelta(hours=24)
SWEEP_AGE = timedelta(minutes=15)
JOB_DEADLINE = timedelta(hours=72)
RELEASE = ReleaseRun(matter_id=MATTER, release_id=ReleaseId("REL-1"))
RELEASE_EXECUTION = "arn:release:1"
APPROVAL_DEADLINE = timedelta(days=7)
COOL_OFF = timedelta(hours=24)
KEPT_FOR = timedelta(days=30)


@dataclass
class Patience:
    """Answers `has_time`: yes for so many times, then no."""

    times: int = 1_000_000

    def __call__(self) -> bool:
        self.times -= 1
        return self.times >= 0


@dataclass
class House:
    """The program with a world in memory."""

    run: Run = RUN
    clock: HandDrivenClock = field(default_factory=HandDrivenClock)
    telemetry: RecordedTelemetry = field(default_factory=RecordedTelemetry)
    effects: Effects = field(default_factory=Effects)
    requests: RequestsInMemory = field(default_factory=RequestsInMemory)
    batches: BatchesInMemory = field(default_factory=BatchesInMemory)
    standing: StandingInMemory = field(default_factory=StandingInMemory)
    slots: SlotsInMemory = field(default_factory=SlotsInMemory)
    sweeps: SweepsInMemory = field(default_factory=SweepsInMemory)
    parking: ParkingInMemory = field(default_factory=ParkingInMemory)
    files: WorkFilesInMemory = field(default_factory=WorkFilesInMemory)
    records: RecordFilesInMemory = field(default_factory=RecordFilesInMemory)
    scope_source: ScopeInMemory = field(default_factory=ScopeInMemory)
    catalogue: CatalogueInMemory = field(default_factory=CatalogueInMemory)
    manifests: ManifestsInMemory = field(default_factory=ManifestsInMemory)
    holds: PlatformHoldsInMemory = field(default_factory=PlatformHoldsInMemory)
    deletions: DeletionsInMemory = field(default_factory=DeletionsInMemory)
    runs: RunsInMemory = field(default_factory=RunsInMemory)
    hold_runs: HoldRunsInMemory = field(default_factory=HoldRunsInMemory)
    bus: RequestBusInMemory = field(default_factory=RequestBusInMemory)
    release_runs: RunsInMemory = field(default_factory=RunsInMemory)
    patience: Patience = field(default_factory=Patience)
    inventory: InventoryInMemory = field(default_factory=InventoryInMemory)
    batch_size: int = 2
    hash_limit_bytes: int = 1_000
    data_wait: timedelta = timedelta()
    release: ReleaseRun = RELEASE
    cool_off: timedelta = COOL_OFF
    kept_for: timedelta = KEPT_FOR
    conversations: ConversationsInMemory = field(init=False)
    resolutions: ResolutionsInMemory = field(init=False)
    releases: ReleasesInMemory = field(init=False)
    disposals: DisposalsInMemory = field(init=False)
    marker: MarkerInMemory = field(init=False)
    evidence: EvidenceInMemory = field(init=False)
    wiring: WiringInMemory = field(default_factory=WiringInMemory)
    canaries: CanariesInMemory = field(init=False)
    locks: LocksInMemory = field(init=False)
    arrival_queue: ArrivalQueueInMemory = field(init=False)
    hash_queue: HashQueueInMemory = field(init=False)
    jobs: ExportJobsInMemory = field(init=False)
    seals: SealsInMemory = field(init=False)
    signer: SignerInMemory = field(init=False)

    def __post_init__(self) -> None:
        self.conversations = ConversationsInMemory(self.effects)
        self.seals = SealsInMemory(self.conversations, self.effects)
        self.signer = SignerInMemory(effects=self.effects)
        self.resolutions = ResolutionsInMemory(self.conversations)
        self.releases = ReleasesInMemory(self.requests, self.standing, self.effects)
        self.evidence = EvidenceInMemory(self.effects)
        self.disposals = DisposalsInMemory(self.conversations, self.releases)
        self.marker = MarkerInMemory(self.evidence)
        self.canaries = CanariesInMemory(self.evidence)
        self.locks = LocksInMemory(self.evidence)
        self.arrival_queue = ArrivalQueueInMemory(self.effects)
        self.hash_queue = HashQueueInMemory(self.effects)
        self.jobs = ExportJobsInMemory(self.clock)

    def observable(self) -> object:
        """Copy all that anybody can see of the world, logs and metrics apart."""
        return deepcopy(
            (
                self.requests.titles,
                self.requests.records,
                self.requests.matters_by_id,
                self.requests.explanations,
                self.releases.records,
                self.disposals.walked,
                self.batches.records,
                self.standing.matters,
                self.bus.sent,
                self.conversations.folders,
                self.resolutions.records,
                list(self.slots.held()),
                self.parking.messages,
                self.files.files,
                self.records.files,
                self.evidence.stored,
                self.arrival_queue.bodies,
                self.hash_queue.waiting,
                self.jobs.jobs,
                self.holds.protected,
                self.hold_runs.started,
            )
        )

    @property
    def request(self) -> RequestRecord:
        """Read the request that most tests work with."""
        return self.requests.read(self.run.matter_id, self.run.request_id)

    def batch(self, index: int = 0, attempt: int = 1) -> BatchRecord:
        """Read a batch of it."""
        return self.batches.read(self.run.matter_id, self.run.request_id, batch_id(attempt, index))

    def open_request(self, event: Any = None, execution_arn: str = EXECUTION) -> Opened:
        return open_request(
            Opening(event=event or load_event("discovery_requested"), execution_arn=execution_arn),
            requests=self.requests,
            runs=self.runs,
            files=self.files,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def record_standing_matter(self, event: Any = None) -> StandingRecorded:
        return record_standing_matter(
            Opening(event=event or load_event("standing_matter_opened"), execution_arn=EXECUTION),
            standing=self.standing,
            files=self.files,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def resolve_exception(self, event: Any = None, execution_arn: str = EXECUTION) -> ExceptionDecided:
        return resolve_exception(
            Opening(event=event or load_event("exception_resolved"), execution_arn=execution_arn),
            requests=self.requests,
            resolutions=self.resolutions,
            claims=self.conversations,
            parking=self.parking,
            files=self.files,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def start_standing_runs(self) -> StandingRuns:
        return start_standing_runs(
            standing=self.standing,
            requests=self.requests,
            runs=self.runs,
            bus=self.bus,
            scope_source=self.scope_source,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def preflight(
        self,
        *checks: Check,
        so_far: Preflighted | None = None,
        execution_arn: str = EXECUTION,
        report_only: bool = False,
    ) -> Preflighted:
        carried = so_far.model_dump(exclude={"done", "wait_s"}) if so_far else {}
        return preflight(
            Preflighting.model_validate(
                self.run.model_dump() | carried | {"execution_arn": execution_arn, "report_only": report_only}
            ),
            checks=checks,
            wiring=self.wiring,
            canaries=self.canaries,
            receipts=self.conversations,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def start_scope_query(self) -> ScopeRead:
        return start_scope_query(
            self.run,
            requests=self.requests,
            scope_source=self.scope_source,
            data_wait=self.data_wait,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def scope_asked(self) -> ScopeRead:
        """Say what StartScopeQuery does, without calling it."""
        interval = DiscoveryRequest.model_validate_json(self.request.body).scope.to_domain().interval
        return ScopeRead(
            status="PENDING",
            query_id="query-1",
            began_at=self.request.opened_at,
            asked_at=self.request.opened_at,
            slice_start=interval.start,
            slice_s=planned_length_s(interval),
            wait_s=1,
        )

    def read_scope_pages(self, reading: ScopeRead | None = None) -> ScopeRead:
        so_far = (reading or self.scope_asked()).model_dump()
        return read_scope_pages(
            ScopeReading.model_validate(so_far | self.run.model_dump()),
            requests=self.requests,
            batches=self.batches,
            claims=self.conversations,
            relocks=self.conversations,
            arrival_queue=self.arrival_queue,
            scope_source=self.scope_source,
            jobs=self.jobs,
            files=self.files,
            batch_size=self.batch_size,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def plan_export_round(self, number: int = 0) -> RoundPlanned:
        return plan_export_round(
            ExportRound.model_validate(self.run.model_dump() | {"number": number}),
            requests=self.requests,
            batches=self.batches,
            files=self.files,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def acquire_job_slot(self, run: BatchRun, since: datetime | None = None) -> SlotAnswer:
        return acquire_job_slot(
            SlotWanted(since=since or self.clock.now(), **run.model_dump()),
            requests=self.requests,
            slots=self.slots,
            jobs=self.jobs,
            job_deadline=JOB_DEADLINE,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def start_export_job(self, run: BatchRun) -> JobStarted:
        return start_export_job(
            run,
            requests=self.requests,
            batches=self.batches,
            slots=self.slots,
            jobs=self.jobs,
            files=self.files,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def execute_export_job(self, run: BatchRun) -> JobChecked:
        return execute_export_job(run, batches=self.batches, jobs=self.jobs, telemetry=self.telemetry)

    def check_export_job(self, run: BatchRun) -> JobChecked:
        return check_export_job(
            run,
            batches=self.batches,
            slots=self.slots,
            jobs=self.jobs,
            files=self.files,
            job_deadline=JOB_DEADLINE,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def secure_objects(self, messages: Sequence[QueuedMessage]) -> list[str]:
        securing = Securing(
            bucket=self.evidence,
            receipts=self.conversations,
            relocks=self.conversations,
            marks=self.disposals,
            parking=self.parking,
            hash_queue=self.hash_queue,
            evidence_bucket_name=self.evidence.name,
            hash_limit_bytes=self.hash_limit_bytes,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )
        return securing.secure(messages)

    def hash_objects(self, messages: Sequence[QueuedMessage]) -> None:
        hash_objects(
            messages,
            bucket=self.evidence,
            receipts=self.conversations,
            parking=self.parking,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def park_messages(self, messages: Sequence[QueuedMessage]) -> None:
        park_messages(
            messages,
            evidence_bucket_name=self.evidence.name,
            parking=self.parking,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def redrive_parked(self, **chosen: Any) -> Redriven:
        return redrive_parked(
            Redrive.model_validate(chosen),
            parking=self.parking,
            receipts=self.conversations,
            relocks=self.conversations,
            claims=self.conversations,
            arrival_queue=self.arrival_queue,
            hash_queue=self.hash_queue,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def watch_protection(self) -> Watched:
        return watch_protection(
            claimed=self.conversations,
            watch=Watch(
                claims=self.conversations,
                requests=self.requests,
                holds=self.holds,
                hold_runs=self.hold_runs,
                files=self.files,
                clock=self.clock,
                telemetry=self.telemetry,
            ),
            sweeps=self.sweeps,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def sweep_evidence(self, prefix: str = "", source: SweepSource = SweepSource.BUCKET) -> Swept:
        return sweep_evidence(
            Sweep(prefix=prefix, source=source),
            sources=Sources(
                bucket_listing=self.evidence,
                receipt_listing=self.conversations,
                inventory_listing=self.inventory,
            ),
            comparison=Comparison(
                receipts=self.conversations,
                claims=self.conversations,
                promises=self.conversations,
                drifts=self.conversations,
                marks=self.disposals,
                sight=self.evidence,
                arrival_queue=self.arrival_queue,
                least_age=SWEEP_AGE,
                clock=self.clock,
                telemetry=self.telemetry,
            ),
            sweeps=self.sweeps,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def reconcile(self, standing: Reconciled | None = None) -> Reconciled:
        return reconcile(
            Reconciling.model_validate(self.run.model_dump() | (standing.model_dump() if standing else {})),
            requests=self.requests,
            batches=self.batches,
            claims=self.conversations,
            catalogue=self.catalogue,
            manifests=self.manifests,
            files=self.files,
            delivery_deadline=DEADLINE,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def plan_holds(
        self, planned: HoldsPlanned | None = None, *, early: bool = False, plan_key: str = ""
    ) -> HoldsPlanned:
        so_far = planned.model_dump() if planned else {}
        return plan_holds(
            HoldPlanning.model_validate(
                self.run.model_dump() | so_far | {"early": early, "plan_key": plan_key}
            ),
            requests=self.requests,
            batches=self.batches,
            claims=self.conversations,
            deletions=self.deletions,
            files=self.files,
            cap=self.holds.cap,
            lead=JOB_DEADLINE + DEADLINE,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def place_holds(
        self, progress: HoldProgress | None = None, *, plan_key: str = "", early: bool = False
    ) -> HoldProgress:
        return place_holds(
            self._cursor(progress, plan_key=plan_key, early=early),
            requests=self.requests,
            batches=self.batches,
            claims=self.conversations,
            holds=self.holds,
            files=self.files,
            has_time=self.patience,
            telemetry=self.telemetry,
        )

    def confirm_holds(
        self, progress: HoldProgress | None = None, *, plan_key: str = "", early: bool = False
    ) -> HoldProgress:
        return confirm_holds(
            self._cursor(progress, plan_key=plan_key, early=early),
            requests=self.requests,
            batches=self.batches,
            claims=self.conversations,
            holds=self.holds,
            files=self.files,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def seal_custody(
        self,
        early_failure: Mapping[str, object] | None = None,
        warnings: Sequence[PreflightFinding] = (),
    ) -> Sealed:
        return seal_custody(
            Sealing(
                **self.run.model_dump(), early_failure=dict(early_failure or {}), warnings=list(warnings)
            ),
            requests=self.requests,
            batches=self.batches,
            claims=self.conversations,
            receipts=self.conversations,
            relocks=self.conversations,
            resolutions=self.resolutions,
            parking=self.parking,
            files=self.files,
            records=self.records,
            seals=self.seals,
            clock=self.clock,
            has_time=self.patience,
            telemetry=self.telemetry,
        )

    def package_matter(self) -> Packed:
        return package_matter(
            Packing(matter_id=self.run.matter_id),
            shelf=self.records,
            signer=self.signer,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def seal_matter(self, cursor: str = "") -> MatterSealed:
        return seal_matter(
            MatterSealing(matter_id=self.run.matter_id, cursor=cursor),
            batches=self.batches,
            claims=self.conversations,
            seals=self.seals,
            records=self.records,
            signer=self.signer,
            clock=self.clock,
            has_time=self.patience,
            telemetry=self.telemetry,
        )

    def open_release(self, event: Any = None, execution_arn: str = RELEASE_EXECUTION) -> ReleaseOpened:
        return open_release(
            Opening(event=event or load_event("hold_release_requested"), execution_arn=execution_arn),
            releases=self.releases,
            requests=self.requests,
            standing=self.standing,
            release_runs=self.release_runs,
            files=self.files,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def plan_release(self, part: int = 0) -> ReleasePlanned:
        return plan_release(
            ReleasePlanning(**self.release.model_dump(), part=part),
            releases=self.releases,
            claims=self.conversations,
            listing=self.evidence,
            locks=self.locks,
            records=self.records,
            approval_deadline=APPROVAL_DEADLINE,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def record_approval(self, event: Any = None) -> ApprovalRecorded:
        return record_approval(
            Opening(event=event or load_event("hold_release_approved"), execution_arn=EXECUTION),
            releases=self.releases,
            files=self.files,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def begin_release(self, since: datetime | None = None) -> ReleaseBegun:
        return begin_release(
            ReleaseWaiting(**self.release.model_dump(), since=since or self.clock.now()),
            releases=self.releases,
            requests=self.requests,
            cool_off=self.cool_off,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def end_claims(self, progress: ReleaseProgress | None = None) -> ReleaseProgress:
        return end_claims(
            self._release_cursor(progress),
            releases=self.releases,
            promises=self.conversations,
            records=self.records,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def release_platform_holds(self, progress: ReleaseProgress | None = None) -> ReleaseProgress:
        return release_platform_holds(
            self._release_cursor(progress),
            releases=self.releases,
            promises=self.conversations,
            holds=self.holds,
            records=self.records,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def lift_holds(self, progress: ReleaseProgress | None = None) -> ReleaseProgress:
        return lift_holds(
            self._release_cursor(progress),
            releases=self.releases,
            promises=self.conversations,
            locks=self.locks,
            records=self.records,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def finish_release(self, progress: ReleaseFinished | None = None) -> ReleaseFinished:
        return finish_release(
            self._release_cursor(progress),
            releases=self.releases,
            claims=self.conversations,
            records=self.records,
            seals=self.seals,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def mark_disposable(self) -> DisposalsMarked:
        return mark_disposable(
            disposals=self.disposals,
            releases=self.releases,
            claims=self.conversations,
            records=self.records,
            sight=self.evidence,
            marker=self.marker,
            wait=self.kept_for,
            has_time=self.patience,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def _release_cursor(self, progress: ReleaseProgress | ReleaseFinished | None) -> ReleaseCursor:
        so_far = progress.model_dump() if progress else {}
        return ReleaseCursor.model_validate(so_far | self.release.model_dump())

    def explain_failure(self, failing: Failing) -> FailureRecorded:
        return explain_failure(failing, telemetry=self.telemetry)

    def record_failure(self, failing: Failing) -> FailureRecorded:
        return record_failure(failing, requests=self.requests, telemetry=self.telemetry)

    def record_batch_failure(self, failing: Failing) -> FailureRecorded:
        return record_batch_failure(
            failing,
            batches=self.batches,
            job_deadline=JOB_DEADLINE,
            clock=self.clock,
            telemetry=self.telemetry,
        )

    def for_request(self, matter_id: str, request_id: str) -> Self:
        """Turn to another request in the same world."""
        other = copy(self)
        other.run = Run(matter_id=MatterId(matter_id), request_id=RequestId(request_id))
        return other

    def batch_run(self, index: int = 0, attempt: int = 1) -> BatchRun:
        """Name one batch of the request."""
        return BatchRun.model_validate(self.run.model_dump() | {"batch_id": batch_id(attempt, index)})

    def _cursor(self, progress: HoldProgress | None, **cursor: object) -> HoldCursor:
        so_far = progress.model_dump() if progress else {}
        return HoldCursor.model_validate(self.run.model_dump() | so_far | cursor)


def batch_run(index: int = 0, attempt: int = 1) -> BatchRun:
    """Name one batch of the request that most tests work with."""
    return BatchRun(matter_id=MATTER, request_id=REQUEST, batch_id=batch_id(attempt, index))


def at(text: str) -> datetime:
    """Read a time."""
    return datetime.fromisoformat(text)
