"""What the steps need from the world.

Each Protocol is one room of it, as small as its users allow. `genesys` and `aws` implement them; the tests'
fakes do too, and one contract suite runs against both.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from holdfast.domain.custody import Arrival, DriftKind, EventType, Fact, ObjectVersion, Receipt, Relock
from holdfast.domain.decisions import Resolution
from holdfast.domain.drift import Sighting
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import (
    BatchId,
    ConversationId,
    ExportJobId,
    MatterId,
    RecordingId,
    ReleaseId,
    RequestId,
    ResolutionId,
)
from holdfast.domain.manifest import Manifest
from holdfast.domain.media import Medium
from holdfast.domain.moments import from_text
from holdfast.domain.promise import UNCLAIMED, Promise
from holdfast.domain.reconciliation import PlatformRecording
from holdfast.domain.release import Approval
from holdfast.domain.reuse import SecuredExport
from holdfast.domain.scope import Conversation, Scope
from holdfast.domain.seals import Folder, PublicKey, SealedLog
from holdfast.domain.standing import Course
from holdfast.domain.states import (
    BatchState,
    DisposalState,
    MatterStatus,
    ParkedState,
    PlatformHold,
    ReleaseState,
    RequestState,
)
from holdfast.domain.tags import TagPlan


class Clock(Protocol):
    """The time."""

    def now(self) -> datetime:
        """Tell the time, aware, in UTC."""


class Counter(StrEnum):
    """What is counted; the names are those of the CloudWatch metrics."""

    REQUESTS_OPENED = "RequestsOpened"
    REQUESTS_REFUSED = "RequestsRefused"
    RUNS_FAILED = "RunsFailed"
    CONVERSATIONS_CLAIMED = "ConversationsClaimed"
    CONVERSATIONS_REUSED = "ConversationsReused"
    JOBS_STARTED = "JobsStarted"
    JOBS_FULFILLED = "JobsFulfilled"
    JOBS_BROKEN_OFF = "JobsBrokenOff"
    RECORDINGS_SECURED = "RecordingsSecured"
    RECORDINGS_EXPLAINED = "RecordingsExplained"
    RECORDINGS_MISSING = "RecordingsMissing"
    OBJECTS_SECURED = "ObjectsSecured"
    CONVERSATIONS_HELD = "ConversationsHeldAtPlatform"
    VERDICTS_PRESERVED = "VerdictsPreserved"
    VERDICTS_INCOMPLETE = "VerdictsIncomplete"
    EXCEPTIONS = "Exceptions"
    THROTTLES = "Throttles"
    PARKED = "Parked"
    ARRIVALS_SWEPT = "ArrivalsSwept"
    PACKAGES_WRITTEN = "PackagesWritten"
    DRIFT_FOUND = "DriftFound"
    # Looks that came to their end in good order, whatever they found: where none does, somebody is to know.
    ARRIVAL_SWEEPS = "ArrivalSweeps"
    SENTINEL_LOOKS = "SentinelLooks"
    INVENTORIES_READ = "InventoriesRead"
    PROTECTION_LOOKS = "ProtectionLooks"
    STANDING_LOOKS = "StandingLooks"
    # In hundredths of the cap: what counts is the largest.
    PROTECTION_CAP_USED = "ProtectionCapUsed"
    STANDING_RUNS_ASKED_FOR = "StandingRunsAskedFor"
    STANDING_MATTERS_STUCK = "StandingMattersStuck"
    RELEASES_PLANNED = "ReleasesPlanned"
    RELEASES_REFUSED = "ReleasesRefused"
    APPROVALS_REFUSED = "ApprovalsRefused"
    CONVERSATIONS_LET_GO = "ConversationsLetGo"
    OBJECTS_LET_GO = "ObjectsLetGo"
    OBJECTS_MARKED = "ObjectsMarkedForDisposal"
    OBJECTS_DISPOSED = "ObjectsDisposedOf"


class Telemetry(Protocol):
    """What operators see. Ids and numbers only: no payloads, no names."""

    def count(self, counter: Counter, value: float = 1) -> None:
        """Add to a counter."""

    def hold_lag(self, seconds: float) -> None:
        """Record the time between an object's arrival and its receipt."""

    def note(self, event: str, **ids: str | int) -> None:
        """Log a constant event name with its ids."""

    def warn(self, event: str, **ids: str | int) -> None:
        """Log something an operator should look at."""


# --- the platform
# -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ScopePage:
    """One page of the scope's conversations; `cursor` is None on the last."""

    conversations: Sequence[Conversation]
    cursor: str | None


class ScopeSource(Protocol):
    """Choosing conversations at the platform. Every call may raise the platform's errors."""

    def available_until(self) -> datetime:
        """Tell until when conversations can be searched for."""

    def start_query(self, scope: Scope) -> str:
        """Ask for the scope's conversations; the answer is the query's id."""

    def is_query_done(self, query_id: str) -> bool:
        """Tell whether pages can be read.

        Raises:
            ScopeQueryFailed: the platform ended the query without a result.
        """

    def read_page(self, query_id: str, cursor: str | None) -> ScopePage:
        """Read the page at a cursor (None: the first)."""


@dataclass(frozen=True, slots=True)
class ExportSelection:
    """What one export job is to export: these conversations, with the extras the scope asks for.

    `media` are those of the conversations; they belong to one lot.
    """

    conversation_ids: Sequence[ConversationId]
    scope: Scope
    media: frozenset[Medium] = frozenset()


@dataclass(frozen=True, slots=True)
class ExportJob:
    """What the platform says of an export job; `error` in its own words."""

    job_id: ExportJobId
    state: BatchState
    created_at: datetime | None = None
    total: int = 0
    skipped: int = 0
    failed: int = 0
    percent: int | None = None
    error: str = ""


class ExportJobs(Protocol):
    """Moving recordings. There is no hold in here, and no way to express one."""

    @property
    def most_conversations(self) -> int:
        """Tell how many conversations one job takes at most."""

    def lot_of(self, conversation: Conversation) -> str:
        """Name the lot a conversation belongs to: those of different lots never share a job."""

    def create(self, selection: ExportSelection) -> ExportJobId:
        """Create a job; it does nothing until executed.

        Raises:
            TooManyJobs: the organisation's slots are taken.
            PayloadTooLarge: the platform takes fewer conversations at once than `most_conversations`.
            SensitiveNotPermitted: what the scope asks for includes what the client may not export.
            PlatformAnswerLost: the job may exist; look with `find` before creating again.
        """

    def find(self, selection: ExportSelection, created_since: datetime) -> ExportJobId | None:
        """Find a job of our own that was created for this very selection."""

    def execute(self, job_id: ExportJobId) -> None:
        """Let a READY job move its recordings."""

    def cancel(self, job_id: ExportJobId) -> None:
        """End a job that does not end by itself; what it has moved stays."""

    def read(self, job_id: ExportJobId) -> ExportJob:
        """Read a job.

        Raises:
            UnknownPlatformState: the platform said a word we do not know.
        """

    def failed_recordings(self, job_id: ExportJobId) -> Mapping[RecordingId, ConversationId]:
        """List all recordings that the job could not export."""


class RecordingCatalogue(Protocol):
    """What recordings the platform has."""

    def recordings_of(self, conversation_id: ConversationId) -> Sequence[PlatformRecording]:
        """List a conversation's recordings; empty if it has none, or the platform does not know it."""


class Manifests(Protocol):
    """What the platform itself says that a job did, as a file in the evidence bucket."""

    @property
    def is_expected(self) -> bool:
        """Tell whether a FULFILLED job leaves a manifest."""

    def of_job(self, job_id: ExportJobId) -> Manifest | None:
        """Read a job's manifest; None if it is not there."""


class RefusalKind(StrEnum):
    """Why the platform would not protect a conversation, in one vocabulary for every dialect."""

    NOT_FOUND = "not_found"  # the platform knows no such conversation, or none with a recording
    CAP_REACHED = "cap_reached"
    CONFLICT = "conflict"  # somebody else is changing it: worth another try
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class HoldRefusal:
    """One conversation the platform would not protect."""

    conversation_id: ConversationId
    kind: RefusalKind


class PlatformHolds(Protocol):
    """The platform's own protection; at most `chunk_size` conversations a call.

    Where it is per matter, the holds of several matters stand side by side, and a matter sees its own alone.
    """

    @property
    def cap(self) -> int | None:
        """Tell how many conversations the platform protects at once, whoever asked; None: no cap is known."""

    @property
    def chunk_size(self) -> int:
        """Tell how many conversations one call takes."""

    @property
    def is_per_matter(self) -> bool:
        """Tell whether every matter places a hold of its own."""

    def held_among(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> frozenset[ConversationId]:
        """Read back which of these are protected."""

    def place(self, conversation_ids: Sequence[ConversationId], matter_id: MatterId) -> Sequence[HoldRefusal]:
        """Protect; what is not refused was accepted, which `held_among` must confirm."""

    def release(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> Sequence[HoldRefusal]:
        """Let go; what is not refused is not protected any more, or never was."""


@dataclass(frozen=True, slots=True)
class DeletionPage:
    """When the platform deletes some recordings, by conversation; `cursor` is None on the last page."""

    delete_dates: Sequence[tuple[ConversationId, datetime]]
    cursor: str | None


class DeletionSchedule(Protocol):
    """When the platform's own retention deletes what, in the whole organisation."""

    def page(self, retained_days: int, cursor: str | None) -> DeletionPage:
        """Read the page at a cursor (None: the first) of what is retained for more than so many days."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check of `doctor.checks` found; a blocking one stops the run."""

    check: str
    message: str
    is_blocking: bool = True


class PlatformSetup(Protocol):
    """Whether the platform is set up for us."""

    def findings(self, matter_id: MatterId) -> Sequence[Finding]:
        """Check credentials, organisation, permissions and integration; all findings at once."""


# --- the ledger
# -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A discovery request as the ledger knows it.

    `body` is the canonical JSON as it was accepted. `attempt` grows when a new run takes a failed request
    over; each attempt has batches of its own, so that nothing is read from a list that was written for
    another. `explanation` says why a request failed.
    """

    matter_id: MatterId
    request_id: RequestId
    state: RequestState
    body: bytes
    body_sha256: str
    execution_arn: str
    opened_at: datetime
    attempt: int = 1
    exceptions: tuple[str, ...] = ()
    summary: Mapping[str, object] | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class MatterRecord:
    """A matter as the ledger knows it, from its first request on.

    `requests` were opened in all, and `open_requests` of them have not ended; `release_id` is the release
    that is under way.
    """

    matter_id: MatterId
    title: str
    status: MatterStatus
    opened_at: datetime
    open_requests: int = 0
    requests: int = 0
    release_id: ReleaseId | None = None


class RequestBook(Protocol):
    """Matters and requests."""

    def matters(self) -> Iterator[MatterRecord]:
        """List the matters in the order of their ids, strongly consistent."""

    def matter(self, matter_id: MatterId) -> MatterRecord | None:
        """Read a matter that may not exist, strongly consistent."""

    def of_matter(self, matter_id: MatterId) -> Sequence[RequestRecord]:
        """List a matter's requests, the oldest first, strongly consistent."""

    def open(self, record: RequestRecord, title: str, *, instead_of: str | None = None) -> RequestRecord:
        """Write the request once, and count it as open in its matter; answer what now stands.

        The write succeeds if the request is absent, belongs to the same execution or to the execution
        `instead_of`, or failed with the same body. Otherwise the record that stands is answered, and the
        caller compares.

        Raises:
            MatterReleasing: the matter's claims are being ended; the request comes again after.
        """

    def read(self, matter_id: MatterId, request_id: RequestId) -> RequestRecord:
        """Read a request, strongly consistent.

        Raises:
            LedgerRuleBroken: it does not exist; a step ran for a request nobody opened.
        """

    def find(self, matter_id: MatterId, request_id: RequestId) -> RequestRecord | None:
        """Read a request that may not exist yet, strongly consistent."""

    def advance(
        self,
        record: RequestRecord,
        state: RequestState,
        *,
        exceptions: Sequence[str] = (),
        summary: Mapping[str, object] | None = None,
    ) -> None:
        """Move a request on; a state it is in, or has passed, changes nothing: a step was repeated.

        Raises:
            LedgerRuleBroken: the move is not in the table of `domain.states`.
        """

    def fail(self, matter_id: MatterId, request_id: RequestId, execution_arn: str, explanation: str) -> bool:
        """Mark as FAILED the request of this very execution; answer whether it was its request."""


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch as the ledger knows it.

    `result_key` points at its reconciliation, once settled. `explanation` says why it failed.
    `without_sensitive`: its job leaves out what the client may not see. `interrupted_at`: since when trouble
    that may pass keeps its workflow from going on.
    """

    matter_id: MatterId
    request_id: RequestId
    batch_id: BatchId
    state: BatchState
    conversations: int
    job_id: ExportJobId | None = None
    job_created_at: datetime | None = None
    ended_at: datetime | None = None
    total: int = 0
    skipped: int = 0
    failed: int = 0
    explanation: str | None = None
    result_key: str | None = None
    without_sensitive: bool = False
    interrupted_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StandingMatter:
    """A standing matter as the ledger knows it.

    `body` is the canonical JSON of the opening; `closed_by` is asserted, as `requested_by` is. `version`
    grows by one with every write; a matter that is not in the ledger yet is written as version 1.
    """

    matter_id: MatterId
    body: bytes
    body_sha256: str
    course: Course
    version: int = 1
    closed_by: str | None = None


class StandingBook(Protocol):
    """Standing matters. Every write is on condition that nobody has written since the matter was read."""

    def open_matters(self) -> Sequence[MatterId]:
        """List the matters that are not CLOSED, strongly consistent, in the order of their ids."""

    def find(self, matter_id: MatterId) -> StandingMatter | None:
        """Read a standing matter, strongly consistent."""

    def open(self, matter: StandingMatter) -> bool:
        """Write a matter that is new, or was CLOSED in the version before; answers whether it was written."""

    def advance(self, matter: StandingMatter) -> bool:
        """Write how far a matter has come; answers whether it was written.

        False if somebody else has written since, or if the move is not in the table of `domain.states`.
        """


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """The plan of a release: where it lies in the records bucket, its SHA-256 (hex), and what it says."""

    key: str
    sha256: str
    approve_by: datetime
    parts: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """A release as the ledger knows it.

    `matter_id` is UNCLAIMED where what nobody claims is let go. `body` is the canonical JSON as it was
    accepted. `requests` are those that the matter had when the release was asked for. `explanation` says why
    it was refused.
    """

    matter_id: MatterId
    release_id: ReleaseId
    state: ReleaseState
    body: bytes
    body_sha256: str
    execution_arn: str
    opened_at: datetime
    requests: int = 0
    plan: PlanRecord | None = None
    approval: Approval | None = None
    explanation: str = ""
    certificate: "RecordFile | None" = None


class ReleaseRequests(Protocol):
    """Releases, and what they mean to their matter. Every write is on condition of what was read before."""

    def find(self, matter_id: MatterId, release_id: ReleaseId) -> ReleaseRecord | None:
        """Read a release that may not exist yet, strongly consistent."""

    def of_matter(self, matter_id: MatterId) -> Sequence[ReleaseRecord]:
        """List all releases of a matter, from the oldest to the newest, strongly consistent."""

    def read(self, matter_id: MatterId, release_id: ReleaseId) -> ReleaseRecord:
        """Read a release, strongly consistent.

        Raises:
            LedgerRuleBroken: it does not exist; a step ran for a release nobody opened.
        """

    def open(self, record: ReleaseRecord) -> bool:
        """Write a new release, and note in its matter that it is under way, in one transaction.

        False, and nothing changes, if it is known, the matter is not, another release of it is under way, or
        a request was opened since it was read.
        """

    def advance(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        """Write how far a release has come, or who runs it now; False if somebody else has written since.

        Raises:
            LedgerRuleBroken: the move is not in the table of `domain.states`.
        """

    def begin(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        """Write RELEASING, of release and matter, in one transaction.

        On condition that no request of the matter is open, none was opened since the release was asked for,
        and it is no standing matter that goes on.
        """

    def end(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        """Write that a release is over, and let its matter take others, in one transaction."""


class RequestBus(Protocol):
    """Where discovery requests arrive, whoever sends them."""

    def request(self, body: bytes) -> None:
        """Send a `DiscoveryRequested` event; `body` is its detail, as JSON."""


class Runs(Protocol):
    """Executions of the conductor."""

    def is_alive(self, execution_arn: str) -> bool:
        """Tell whether an execution is still running; one that nobody remembers is not."""

    def has_broken_off(self, execution_arn: str) -> bool:
        """Tell whether an execution ended, and not well; one that nobody remembers is long past caring."""


class BatchBook(Protocol):
    """The batches of a request."""

    def plan(self, record: BatchRecord) -> None:
        """Write a batch down as planned; a repeat changes nothing."""

    def read(self, matter_id: MatterId, request_id: RequestId, batch_id: BatchId) -> BatchRecord:
        """Read one batch, strongly consistent."""

    def of_request(self, request: RequestRecord) -> Iterator[BatchRecord]:
        """List the batches of a request's attempt in order, strongly consistent; of a split one, its halves
        alone.
        """

    def jobs_of(self, matter_id: MatterId) -> Iterator[ExportJobId]:
        """List the export jobs of all of a matter's requests, strongly consistent."""

    def pieces_of(self, record: BatchRecord) -> int:
        """Count what has become of the batch of the scope that this one came from: all that it was ever split
        into, itself included.
        """

    def advance(self, record: BatchRecord) -> None:
        """Write the batch as it is now; the move must be in the table of `domain.states`.

        Raises:
            LedgerRuleBroken: it is not.
        """

    def settle(self, record: BatchRecord, result_key: str) -> None:
        """Point at the batch's reconciliation; the first writer wins, a repeat changes nothing."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One matter's right over one conversation."""

    matter_id: MatterId
    request_id: RequestId
    batch_id: BatchId
    conversation: Conversation
    claimed_at: datetime


@dataclass(frozen=True, slots=True)
class Claimed:
    """What became of a claim: whether it is new, and the promise over the locks as it stands then."""

    is_new: bool
    promise: Promise


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A claim as the ledger knows it; one that has ended says when, by which release, and who asked for it.

    `ended_by` is asserted, as every name in an event is.
    """

    matter_id: MatterId
    conversation_id: ConversationId
    request_id: RequestId
    batch_id: BatchId
    claimed_at: datetime
    ended_at: datetime | None = None
    release_id: ReleaseId | None = None
    ended_by: str | None = None


@dataclass(frozen=True, slots=True)
class ListedClaim:
    """A line of a matter's list of claims; `ended_at` is None while it claims the conversation."""

    conversation_id: ConversationId
    claimed_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ClaimsPage:
    """Some lines of a matter's list; `cursor` is None on the last page."""

    claims: Sequence[ListedClaim]
    cursor: str | None


type HoldOwner = MatterId | None
"""Whose the platform's hold is: a matter's, where every matter places one of its own; else the
conversation's.
"""


@dataclass(frozen=True, slots=True)
class PlatformHoldRecord:
    """The platform's side of a hold; `reason` says why it was refused."""

    state: PlatformHold
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class DisposalMark:
    """What became of a version that was marked for disposal after a release, and since when."""

    version: ObjectVersion
    release_id: ReleaseId
    state: DisposalState
    at: datetime


@dataclass(frozen=True, slots=True)
class Dossier:
    """One query's answer to: what do we have of this conversation, who needs it, what happened to it.

    `entries` are the canonical bytes of its receipts and events, in the order of the ledger's keys.
    `claimed_by` are the matters that claim it now, `claims` those that ever did. What the `promise` does not
    keep is not secured, whatever its receipts say. `secured` is None where no export is known whose objects
    are still held. A version that was found gone has its receipt among `gone`, and in no account; `hidden`
    are those over which a delete marker was found. Likewise what was `disposed` of after a release; `marks`
    tells of every version that was ever marked for that.
    """

    conversation_id: ConversationId
    receipts: Sequence[Receipt]
    digested: frozenset[str]
    platform_holds: Mapping[HoldOwner, PlatformHoldRecord]
    claimed_by: frozenset[MatterId]
    entries: Sequence["Entry"]
    promise: Promise = UNCLAIMED
    secured: SecuredExport | None = None
    claims: Sequence[ClaimRecord] = ()
    gone: Sequence[Receipt] = ()
    hidden: Sequence[Receipt] = ()
    disposed: Sequence[Receipt] = ()
    marks: Sequence[DisposalMark] = ()

    @property
    def lifted_at(self) -> datetime | None:
        """Say when its locks were lifted last, if ever."""
        return max(self._lifts().values(), default=None)

    def lifted_by(self, release_id: ReleaseId) -> datetime | None:
        """Say when a release had lifted its locks, if it did."""
        return self._lifts().get(release_id)

    def _lifts(self) -> Mapping[ReleaseId, datetime]:
        documents = (json.loads(entry.canonical) for entry in self.entries)
        lifts = sorted(
            (one["at"], one["details"]["release_id"])
            for one in documents
            if one.get("type") == EventType.LIFTED
        )
        return {ReleaseId(release_id): from_text(at) for at, release_id in lifts}

    def hold_for(self, matter_id: MatterId) -> PlatformHoldRecord | None:
        """Give the hold that a matter stands on: its own, or the one that all matters share."""
        return self.platform_holds.get(matter_id) or self.platform_holds.get(None)


@dataclass(frozen=True, slots=True)
class Entry:
    """A custody entry: the canonical bytes as stored; `matter_id` is None where it concerns every matter."""

    canonical: bytes
    matter_id: MatterId | None


class ClaimBook(Protocol):
    """Claims, and everything else that is filed under a conversation."""

    def claim(self, claim: Claim) -> Claimed:
        """Put the claim, count it in the HOLD item, list it and add its event, in one transaction.

        A claim on what was lifted makes it RELOCKING: its objects must be sent to be locked again. A claim
        that stands is not new; it tells all the same whether that is still to be done.

        Raises:
            ConversationLifting: its last other claim is being released; the workflow repeats.
            LedgerContention: others were faster too often.
        """

    def claims_of(self, matter_id: MatterId, cursor: str | None) -> ClaimsPage:
        """Read a page (None: the first) of all claims a matter has or had; complete, strongly consistent."""

    def dossier(self, conversation_id: ConversationId) -> Dossier:
        """Read everything about a conversation, strongly consistent."""

    def secured_exports(
        self, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, SecuredExport]:
        """Read which of these have an export that is secured and whose objects are still held, strongly
        consistent.
        """

    def note_secured(self, export: SecuredExport) -> None:
        """Write down that all of a conversation is secured, unless what stands there says more."""

    def manifest_entries(self, job_id: ExportJobId) -> Sequence[Entry]:
        """Read the receipts of the manifest that an export job left, strongly consistent."""

    def platform_holds(
        self, conversation_ids: Sequence[ConversationId], owner: HoldOwner
    ) -> Mapping[ConversationId, PlatformHoldRecord | None]:
        """Read the platform's side of an owner's holds, strongly consistent."""

    def mark_platform_hold(
        self,
        conversation_ids: Sequence[ConversationId],
        owner: HoldOwner,
        state: PlatformHold,
        *,
        reason: str | None = None,
    ) -> None:
        """Move the platform's side of holds on; a move not in the table is left as it stands."""

    def confirm_platform_hold(self, conversation_id: ConversationId, owner: HoldOwner, at: datetime) -> bool:
        """Mark as HELD and add the event, in one transaction; False, and nothing changes, if it was held
        before. The event names the matter whose the hold is.
        """

    def note_revoked(
        self, conversation_id: ConversationId, owner: HoldOwner, was: PlatformHold, at: datetime
    ) -> bool:
        """Mark as REVOKED what was protecting, and add the event, in one transaction; False, and nothing
        changes, if it is not so any more, or nobody claims the conversation, or it is being let go.
        """

    def held_for_all(self) -> frozenset[ConversationId]:
        """Name the conversations of which a hold that all matters share is confirmed; no more than the
        platform's cap, strongly consistent.
        """

    def claimed_among(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> frozenset[ConversationId]:
        """Name those of some conversations that a matter claims, strongly consistent."""


@dataclass(frozen=True, slots=True)
class HoldRecord:
    """The HOLD item; `lease_until` is set by whoever lifts, `platform` is the hold that all matters share."""

    conversation_id: ConversationId
    promise: Promise
    lease_until: datetime | None = None
    platform: PlatformHoldRecord | None = None


@dataclass(frozen=True, slots=True)
class ClaimEnding:
    """The end of one claim by a release; claims made after `planned_at` are not this release's.

    `lease_until`: until when whoever ends the last claim may lift; `at`, if somebody else shall.
    """

    matter_id: MatterId
    conversation_id: ConversationId
    release_id: ReleaseId
    ended_by: str
    planned_at: datetime
    at: datetime
    lease_until: datetime


class ReleaseBook(Protocol):
    """Ending claims, and letting go of what nobody claims. Every write is one conditional transaction."""

    def hold(self, conversation_id: ConversationId) -> HoldRecord:
        """Read the HOLD item, strongly consistent."""

    def end_claim(self, ending: ClaimEnding) -> HoldRecord:
        """End a claim, with its event; the last one's end makes the conversation LIFTING, under a new epoch
        and the lease. Answers the hold as it is then; where there is nothing to end, nothing changes.

        Raises:
            LedgerContention: others were faster too often.
        """

    def begin_lift(self, conversation_id: ConversationId, *, lease_until: datetime) -> HoldRecord | None:
        """Make LIFTING what nobody claims, and list it as let go among the claims of `NOBODY`, so that what
        happened to it is sealed; None if somebody claims it, or it is being lifted already.
        """

    def resume_lift(
        self, conversation_id: ConversationId, *, now: datetime, lease_until: datetime
    ) -> HoldRecord | None:
        """Take over a lift whose lease has expired, under a new epoch; None if there is none."""

    def may_lift(self, conversation_id: ConversationId, epoch: int) -> bool:
        """Tell, strongly consistent, whether the holder of an epoch may take locks off now."""

    def begin_platform_release(
        self, conversation_id: ConversationId, owner: HoldOwner, epoch: int | None
    ) -> bool:
        """Write the intent to let go at the platform; False if no hold of ours may be let go.

        The hold that all share: only while its locks are being lifted under this epoch. A matter's own: only
        once its claim has ended (`epoch` is None).
        """

    def end_platform_release(self, conversation_id: ConversationId, owner: HoldOwner, at: datetime) -> bool:
        """Mark as RELEASED, add the event and take it off the list of what is held; False if it was not being
        let go.
        """

    def platform_kept(self, conversation_id: ConversationId, owner: HoldOwner) -> None:
        """Note that the platform would not let go, and holds still."""

    def lifted(
        self, conversation_id: ConversationId, epoch: int, release_id: ReleaseId, at: datetime
    ) -> bool:
        """Mark as LIFTED, with its event, after every lock was read back as off.

        False, and nothing changes, if somebody else lifts, or the platform is still being asked to let go.
        """


@dataclass(frozen=True, slots=True)
class DisposalWalk:
    """How far disposal has come in the plan of a release that is done.

    `number`, `sha256` and `offset` are the place in it, as of `ReleaseCursor`. `unsettled` conversations were
    met on this walk of which something is still to be marked, or to go; `walked_at` is when the last walk
    ended. `revision` counts the moves, so that of two at once one is overtaken.
    """

    matter_id: MatterId
    release_id: ReleaseId
    opened_at: datetime
    number: int = -1
    sha256: str = ""
    offset: int = 0
    unsettled: int = 0
    walked_at: datetime | None = None
    is_settled: bool = False
    revision: int = 0


class DisposalBook(Protocol):
    """What is marked for disposal after a release. Every write is conditional."""

    def walks(self) -> Iterator[DisposalWalk]:
        """List the releases that are done and not settled, strongly consistent."""

    def move(self, walk: DisposalWalk, moved: DisposalWalk) -> DisposalWalk | None:
        """Write how far a walk has come; None if somebody else has moved it since it was read."""

    def begin_marking(
        self, conversation_id: ConversationId, promise: Promise, *, now: datetime, lease_until: datetime
    ) -> int | None:
        """Take the lease to mark, under a new epoch, on condition that the promise is still the one that was
        read; None if it is not, or somebody else is at it. No claim is taken until the lease ends.
        """

    def mark(self, version: ObjectVersion, release_id: ReleaseId, epoch: int, at: datetime) -> bool:
        """Write that a version is marked, with its event, before it is; False, and nothing changes, if the
        epoch is another by now, or the version is marked or disposed of.
        """

    def end_marking(self, conversation_id: ConversationId, epoch: int) -> None:
        """Give the lease back."""

    def disposed(self, version: ObjectVersion, at: datetime) -> bool:
        """Write down, with its event, that a marked version is not there any more, once; False if it bears no
        mark, and something else became of it.
        """


class MarkBook(Protocol):
    """What is marked for disposal, from the side that looks after versions."""

    def is_marked(self, version: ObjectVersion) -> bool:
        """Tell whether a version is marked, and nobody took that back, strongly consistent."""

    def take_back(self, version: ObjectVersion, at: datetime) -> None:
        """Write down, with its event, that a version bears no mark any more; unless it bore none."""

    def disposed(self, version: ObjectVersion, at: datetime) -> bool:
        """As `DisposalBook.disposed`."""

    def covers(self, marker: ObjectVersion) -> bool:
        """Tell whether a delete marker lies over a version that is marked, or was disposed of: it is the
        rule's own.
        """


class RelockBook(Protocol):
    """Locks that are set again."""

    def awaiting(self, conversation_id: ConversationId, epoch: int) -> Sequence[ObjectVersion]:
        """Name the versions that must be read back, strongly consistent; none if the conversation is not
        RELOCKING under this epoch.
        """

    def relocked(self, conversation_id: ConversationId, epoch: int, at: datetime) -> bool:
        """Mark as HELD, with its event, after every lock was read back as on; False if it is not RELOCKING
        under this epoch.
        """

    def are_wanted(self, drifts: Sequence[Relock]) -> Sequence[bool]:
        """Tell of each whether its hold is HELD, under the epoch it was found in, strongly consistent."""

    def note_repair(self, relock: Relock, at: datetime) -> bool:
        """Add the event that a drift was repaired, unless it is there."""

    def are_answered(self, relocks: Sequence[Relock]) -> Sequence[bool]:
        """Tell of each whether nothing is left of it to do, strongly consistent."""


class ReceiptBook(Protocol):
    """Receipts; immutable."""

    def conversation_of(self, recording_id: RecordingId) -> ConversationId | None:
        """Look up where a recording's receipts are filed; one that was written just now may be overlooked."""

    def have(self, versions: Sequence[ObjectVersion]) -> frozenset[str]:
        """Name the fingerprints of those versions that have their receipt, strongly consistent."""

    def read(self, versions: Sequence[ObjectVersion]) -> Mapping[str, Receipt]:
        """Read the receipts of those versions that have one, by fingerprint, strongly consistent."""

    def write(self, receipt: Receipt) -> bool:
        """Write a receipt unless it is there; answers whether it was written."""

    def add_digest(self, version: ObjectVersion, sha256: str, at: datetime) -> bool:
        """Add a DIGEST event where the receipt is, unless it is there; answers whether it was written."""

    def digested(self, versions: Sequence[ObjectVersion]) -> frozenset[str]:
        """Name the fingerprints of those versions whose digest was added, strongly consistent."""

    def of_canaries(self, prefix: str) -> Sequence[Receipt]:
        """Read the receipts of those of Preflight's probes whose keys begin so, strongly consistent."""


@dataclass(frozen=True, slots=True)
class DriftFound:
    """What was found changed: since when that is known, and whether nobody knew it before."""

    found_at: datetime
    is_new: bool


class DriftBook(Protocol):
    """What somebody else did to evidence; kept for good, beside the receipts."""

    def found(self, version: ObjectVersion, kind: DriftKind, epoch: int, at: datetime) -> DriftFound:
        """Write down what was found, with its event, once: again only after it was repaired, or under another
        epoch of the hold.
        """


@dataclass(frozen=True, slots=True)
class ResolutionRecord:
    """A decision as the ledger knows it, and the execution that wrote it down."""

    resolution: Resolution
    body_sha256: str
    execution_arn: str


class ResolutionBook(Protocol):
    """What people decided about exceptions."""

    def find(self, matter_id: MatterId, resolution_id: ResolutionId) -> ResolutionRecord | None:
        """Read a decision, strongly consistent."""

    def record(self, record: ResolutionRecord) -> ResolutionRecord:
        """Write a decision and its event, once; answer what stands under its id."""

    def of_matter(self, matter_id: MatterId) -> Sequence[Resolution]:
        """List a matter's decisions, strongly consistent."""


@dataclass(frozen=True, slots=True)
class ClaimedPage:
    """Some claims that have not ended, of whatever matters; `after` is None on the last page."""

    claims: Sequence[ClaimRecord]
    after: "ListingMark | None"


class ClaimListing(Protocol):
    """Everything that anybody claims."""

    def claimed(self, after: "ListingMark | None") -> ClaimedPage:
        """Read the next page, strongly consistent and complete, in no order."""


class HoldRuns(Protocol):
    """Runs of apply_legal_hold beside the conductor's."""

    def start(self, name: str, matter_id: MatterId, request_id: RequestId, plan_key: str) -> bool:
        """Have the platform protect what a plan names; False if a run of this name was started before."""


@dataclass(frozen=True, slots=True)
class ListingMark:
    """Where a listing goes on: behind this place. Each kind of listing has two words of its own for one."""

    key: str
    version_id: str


class SweepSource(StrEnum):
    """Where a sweep takes its candidates from."""

    BUCKET = "bucket"
    RECEIPTS = "receipts"
    INVENTORY = "inventory"
    CLAIMS = "claims"  # of WatchProtection


@dataclass(frozen=True, slots=True)
class SweepMark:
    """How far a sweep of a source has come under a prefix; `after` is None where a pass begins.

    `revision` counts the moves, so that of two sweeps at once one is overtaken.
    """

    prefix: str
    after: ListingMark | None = None
    revision: int = 0
    source: SweepSource = SweepSource.BUCKET


class SweepBook(Protocol):
    """How far the sweeps have come."""

    def read(self, prefix: str, source: SweepSource = SweepSource.BUCKET) -> SweepMark:
        """Read the mark, strongly consistent; of a prefix that was never swept, the beginning."""

    def move(self, mark: SweepMark, after: ListingMark | None, at: datetime) -> SweepMark | None:
        """Move a mark on (None: the pass is over); None if another sweep has moved it since it was read."""


@dataclass(frozen=True, slots=True)
class SlotOwner:
    """Who may run a job: one batch of one request."""

    matter_id: MatterId
    request_id: RequestId
    batch_id: BatchId

    def __str__(self) -> str:
        return f"{self.matter_id}/{self.request_id}/{self.batch_id}"

    @classmethod
    def from_text(cls, text: str) -> "SlotOwner":
        """Read what `str` wrote; no id has a slash."""
        matter_id, request_id, batch_id = text.split("/")
        return cls(MatterId(matter_id), RequestId(request_id), BatchId(batch_id))


@dataclass(frozen=True, slots=True)
class HeldSlot:
    """A slot somebody holds; `job_id` is None until a job runs in it."""

    slot: int
    owner: str
    lease_until: datetime
    job_id: ExportJobId | None


class JobSlots(Protocol):
    """The organisation's job slots, shared by all runs."""

    def acquire(self, owner: SlotOwner, lease_until: datetime) -> bool:
        """Take a free slot, or keep the one this owner has."""

    def held(self) -> Sequence[HeldSlot]:
        """List the slots that are taken."""

    def run(self, owner: SlotOwner, job_id: ExportJobId) -> None:
        """Note which job runs in the owner's slot."""

    def free(self, owner: str) -> None:
        """Give the owner's slot back; without one, nothing happens."""


class ParkedKind(StrEnum):
    """What a parked message asked for."""

    ARRIVAL = "arrival"
    DIGEST = "digest"
    RELOCK = "relock"
    UNREADABLE = "unreadable"  # nobody can tell; it stays parked


@dataclass(frozen=True, slots=True)
class ParkedMessage:
    """A message that could not be handled.

    `message_id` is the last that bore it, `parked_at` when it was parked first. `body` is kept as it came.
    """

    message_id: str
    reason: str
    parked_at: datetime
    body: str
    kind: ParkedKind = ParkedKind.UNREADABLE
    version: ObjectVersion | None = None
    state: ParkedState = ParkedState.PARKED
    redriven_at: datetime | None = None

    @property
    def name(self) -> str:
        """Name what is parked: however many messages ask the same of a version, it is parked once.

        A lock that is to be set again is asked for anew each time.
        """
        if not self.version:
            return self.message_id
        name = f"{self.kind.upper()}#{self.version.fingerprint}"
        is_repeatable = self.kind is ParkedKind.RELOCK
        return f"{name}#{hashlib.sha256(self.body.encode()).hexdigest()[:16]}" if is_repeatable else name

    @property
    def conversation_id(self) -> ConversationId | None:
        """Tell which conversation the version belongs to; None if nobody can tell, or it is a stray."""
        return EvidenceKey.parse(self.version.key).conversation_id if self.version else None


class Parking(Protocol):
    """Messages that could not be handled, kept for good; the moves are those of `domain.states`."""

    def park(self, message: ParkedMessage) -> bool:
        """Write a message down, or park again what was redriven; answers False if that was known."""

    def parked(self) -> Iterator[ParkedMessage]:
        """List what is not closed."""

    def redriven(self, message: ParkedMessage, at: datetime) -> bool:
        """Note that it was sent again; False, and nothing changes, if it was parked anew meanwhile."""

    def close(self, message: ParkedMessage, at: datetime) -> None:
        """Note that what it asked for is done."""


class SealBook(Protocol):
    """What is sealed of a matter. All reads are strongly consistent; entries and markers never change."""

    def log(self, matter_id: MatterId) -> SealedLog:
        """Tell how far a matter's log is sealed."""

    def extend(self, matter_id: MatterId, log: SealedLog) -> bool:
        """Note that the log has its next seal; False, and nothing changes, if the seal before is not the
        last one.
        """

    def unsealed(self, matter_id: MatterId, folder: Folder) -> Sequence[bytes]:
        """Read the entries of a folder that concern the matter and that no seal of its has taken in."""

    def mark(self, matter_id: MatterId, sequence: int, folder: Folder, leaves: Sequence[bytes]) -> None:
        """Note which entries of a folder a seal has taken in, by their leaf hashes; a repeat changes
        nothing.
        """

    def add_fact(self, matter_id: MatterId, name: str, fact: Fact) -> bool:
        """Write an entry that concerns a matter as a whole, unless its name is taken."""


class Signer(Protocol):
    """The sealing key: ECDSA on P-256."""

    def public_key(self) -> PublicKey:
        """Give the public half."""

    def sign(self, message: bytes) -> bytes:
        """Sign the SHA-256 of a message; the answer is DER, its second number in the lower half."""


# --- the buckets
# ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenedObject:
    """An object being read: whether it has tags, and its bytes, which can be read once."""

    has_tags: bool
    chunks: Iterator[bytes]


class EvidenceBucket(Protocol):
    """The evidence bucket, from the side that secures."""

    def lock(self, version: ObjectVersion) -> bool:
        """Put the version under legal hold; on one that is held, nothing changes. False if it is gone."""

    def is_locked(self, version: ObjectVersion) -> bool:
        """Read back whether the version is under legal hold."""

    def open(self, version: ObjectVersion) -> AbstractContextManager[OpenedObject]:
        """Start to read a version.

        Raises:
            ObjectUnreadable: it is there, and S3 does not give its bytes: archived, or its key denied.
        """

    def foreign_tags(self, version: ObjectVersion) -> Mapping[str, str]:
        """Read a version's tags."""

    def tag(self, version: ObjectVersion, plan: TagPlan) -> None:
        """Write the whole set of tags."""


class EvidenceSight(Protocol):
    """The evidence bucket, from the side that only looks."""

    def look(self, version: ObjectVersion) -> Sighting | None:
        """Read what can be seen of a version, not its bytes; None if it is not there."""

    def is_hidden(self, marker: ObjectVersion) -> bool:
        """Tell whether a delete marker is there."""


@dataclass(frozen=True, slots=True)
class VersionPage:
    """Some candidates of a listing; `after` is where the next page begins, None at the beginning.

    `arrivals` should have a receipt, `markers` should not be there, and `suspects` are to be looked at, if
    they have a receipt.
    """

    arrivals: Sequence[Arrival]
    after: ListingMark | None
    markers: Sequence[Arrival] = ()
    suspects: Sequence[ObjectVersion] = ()
    is_last: bool = False


class EvidenceListing(Protocol):
    """What should be compared: what lies in the evidence bucket, or what the ledger says that lies there."""

    def page(self, prefix: str, after: ListingMark | None) -> VersionPage:
        """List up to a thousand candidates whose keys begin with the prefix."""


type Document = Mapping[str, Any]
"""A configuration or policy, as AWS gives it."""


class Reading(StrEnum):
    """What is read of the way that evidence takes into the stack."""

    OBJECT_LOCK = "object_lock"
    VERSIONING = "versioning"
    ENCRYPTION = "encryption"
    NOTIFICATION = "notification"
    BUCKET_POLICY = "bucket_policy"
    KEY = "key"
    KEY_POLICY = "key_policy"
    ARRIVAL_QUEUE = "arrival_queue"
    ARRIVAL_MAPPING = "arrival_mapping"  # from the queue to the function that secures
    SECURER = "securer"
    SECURER_POLICIES = "securer_policies"
    WRITER_ROLE = "writer_role"
    WRITER_POLICIES = "writer_policies"


@dataclass(frozen=True, slots=True)
class Unread:
    """A reading that AWS denies us, in its own words."""

    said: str


@dataclass(frozen=True, slots=True)
class StackNames:
    """What the stack calls its own: ARNs, a bucket's name; and who the vendor is."""

    evidence_bucket: str
    key_arn: str
    arrival_queue_arn: str
    securer_arn: str
    securer_role_arn: str
    writer_role_arn: str
    genesys_account_id: str
    organization_id: str


@dataclass(frozen=True, slots=True)
class Wiring:
    """What should be there, and what AWS says of it, and when by its own clock.

    Policies are read as ``{"inline": {name: document}, "attached": [ARN]}``.
    """

    names: StackNames
    documents: Mapping[Reading, Document | Unread]
    told_at: datetime | None = None


class WiringSource(Protocol):
    """What AWS says of the stack."""

    def read(self) -> Wiring:
        """Read everything there is to know; a reading that is denied does not hide the others."""

    def backlog(self) -> int:
        """Tell how many arrivals wait to be secured, about."""


class Canaries(Protocol):
    """Preflight's probes: the only objects in the evidence bucket that the vendor has not written."""

    def put_once(self, key: str, content: bytes) -> None:
        """Put a probe, unless it is there; it then takes the way of all evidence.

        Raises:
            AwsRefused: S3 does not take it.
        """


class EvidenceRelease(Protocol):
    """The evidence bucket, from the side that lets go: locks come off here and nowhere else."""

    def unlock(self, version: ObjectVersion) -> None:
        """Take the legal hold off; on a version that has none, or is not there, nothing changes."""

    def is_locked(self, version: ObjectVersion) -> bool | None:
        """Read the legal hold back; None if the version is not there."""


class EvidenceMarker(Protocol):
    """The evidence bucket, from the side that marks for disposal: it may set one tag, and do nothing else."""

    def mark(self, version: ObjectVersion, tags: Mapping[str, str]) -> None:
        """Write the whole set of tags, the mark among them."""


class WorkFiles(Protocol):
    """The work bucket: batch lists, findings, quarantined events. Expires; never evidence."""

    def write(self, key: str, content: bytes) -> None:
        """Write a file; a repeat overwrites it with the same content."""

    def read(self, key: str) -> bytes | None:
        """Read a file; None if it does not exist."""


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file in the records bucket; `sha256` is hex."""

    key: str
    sha256: str
    size_bytes: int


class RecordFiles(Protocol):
    """The records bucket: write once."""

    def write_once(self, key: str, lines: Iterable[bytes]) -> RecordFile:
        """Write a file line by line, each ended by a newline, unless it exists; answer what stands there."""

    def read(self, key: str) -> Iterator[bytes] | None:
        """Read a file chunk by chunk; None if it does not exist."""


class RecordShelf(Protocol):
    """The records bucket, from the side that seals and packs: read all, write once."""

    def read(self, key: str) -> Iterator[bytes] | None:
        """Read a file chunk by chunk; None if it does not exist."""

    def put_once(self, key: str, chunks: Iterable[bytes]) -> RecordFile:
        """Write a file, unless it exists; answer what stands there. The chunks are read in any case."""


class ArrivalQueue(Protocol):
    """Where arrivals wait to be secured; S3 sends them, and whoever finds one that was lost."""

    def send(self, body: str) -> None:
        """Send a notification."""


class HashQueue(Protocol):
    """Where versions wait that cannot be hashed on arrival: too large, or not to be read yet."""

    def send(self, version: ObjectVersion) -> None:
        """Ask for a digest."""
