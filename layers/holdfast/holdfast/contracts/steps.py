"""What the workflows pass to the steps, and what the steps answer.

Ids, counts and pointers; never a list that grows with the matter. `wait_s` is the number of seconds a
workflow waits before it calls again. Whatever is answered is bounded, because a workflow carries 256 KB: what
is said to people is cut to fit, what programs go by is refused if it is too long.
"""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from holdfast.contracts.request import MAX_NAMED_FAULTS
from holdfast.domain.ids import BatchId, MatterId, ReleaseId, RequestId
from holdfast.ports import SlotOwner, SweepSource

MAX_FINDING, MAX_FINDINGS = 400, 16
MAX_ERROR, MAX_FAULT, MAX_EXPLANATION, MAX_HEADLINE = 256, 200, 2_000, 6_000
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def _told(text: object, longest: int) -> object:
    """Cut what is said to people; without control characters, none takes more than four bytes."""
    return _NOT_TEXT.sub(" ", text)[:longest] if isinstance(text, str) else text


@dataclass(frozen=True, slots=True)
class MaxJson:
    """How many bytes of JSON a field of free shape may have; used as an `AfterValidator`."""

    max_bytes: int

    def __call__[Free](self, value: Free) -> Free:
        """Check the bound."""
        size_bytes = len(json.dumps(value, ensure_ascii=False).encode())
        if size_bytes > self.max_bytes:
            raise ValueError(f"expected at most {self.max_bytes} bytes of JSON, found {size_bytes}")
        return value


ASCII = r"^[ -~]*$"
Fault = Annotated[
    str,
    BeforeValidator(lambda text: str(_told(text, MAX_FAULT)).encode("ascii", "replace").decode()),
    Field(max_length=MAX_FAULT, pattern=ASCII),
]
Explanation = Annotated[
    str, BeforeValidator(partial(_told, longest=MAX_EXPLANATION)), Field(max_length=MAX_EXPLANATION)
]
Headline = Annotated[
    str, BeforeValidator(partial(_told, longest=MAX_HEADLINE)), Field(max_length=MAX_HEADLINE)
]
ErrorName = Annotated[str, BeforeValidator(partial(_told, longest=MAX_ERROR)), Field(max_length=MAX_ERROR)]
MatterName = Annotated[MatterId, Field(max_length=64, pattern=ASCII)]
RequestName = Annotated[RequestId, Field(max_length=128, pattern=ASCII)]
ReleaseName = Annotated[ReleaseId, Field(max_length=64, pattern=ASCII)]
Sha256 = Annotated[str, Field(max_length=64, pattern=ASCII)]
ObjectKey = Annotated[str, Field(max_length=1_024)]  # as S3 has it
Cursor = Annotated[str, Field(max_length=2_048)]  # the platform's; one longer than a URL is none


class _Message(BaseModel):
    # An error about a message must not quote it.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Run(_Message):
    """Which request a step works for."""

    matter_id: MatterName
    request_id: RequestName


class BatchRun(Run):
    """Which batch of a request a step works for."""

    batch_id: BatchId

    @property
    def owner(self) -> SlotOwner:
        """Name this batch as the owner of a job slot."""
        return SlotOwner(self.matter_id, self.request_id, self.batch_id)


class Sweep(_Message):
    """Which part of the evidence bucket to sweep, by default all of it, and what to go by."""

    # What the ledger's sort key has room for, in UTF-8.
    prefix: str = Field(default="", max_length=250)
    source: SweepSource = SweepSource.BUCKET


class Watched(_Message):
    """`done`: every claim was seen; otherwise the next look goes on. `revoked` were newly found unprotected,
    and `asked` conversations are to be protected again.
    """

    done: bool
    claims: int
    revoked: int
    asked: int


class DisposalsMarked(_Message):
    """`done`: every plan that is due was walked through; otherwise the next run goes on. `marked` versions
    bear their mark now, `disposed` ones are gone since it was set, and of `unsettled` conversations something
    is left.
    """

    done: bool
    marked: int
    disposed: int
    unsettled: int


class Swept(_Message):
    """`done`: the pass has seen the end; otherwise the next sweep goes on. `sent` were found lost, `drifted`
    changed by somebody else, which nobody knew before.
    """

    done: bool
    versions: int
    sent: int
    drifted: int = 0


class SlotWanted(BatchRun):
    """Which batch wants a job slot, and since when."""

    since: datetime


class Redrive(_Message):
    """Which parked messages to send again: those that may belong to a matter, or these; all by default."""

    matter_id: MatterId | None = None
    message_ids: list[str] = Field(default=[], max_length=1000)


class Redriven(_Message):
    """What became of them; `done` is False if time ran out, and a repeat goes on.

    `closed` were done meanwhile, `in_flight` were sent earlier, `unreadable` nobody can send anywhere.
    """

    done: bool
    redriven: int
    closed: int
    in_flight: int
    unreadable: int


class Opening(_Message):
    """An EventBridge event as it came, and the execution it started."""

    event: object
    execution_arn: str


class Opened(_Message):
    """OPENED: go on. DUPLICATE: `points_to` is the run that has the request. REFUSED: `faults` says why.

    JUDGED: it has its verdict, and the run that gave it broke off before everybody was told.
    """

    outcome: Literal["OPENED", "DUPLICATE", "REFUSED", "JUDGED"]
    matter_id: MatterName = MatterId("")
    request_id: RequestName = RequestId("")
    points_to: Annotated[str, Field(max_length=512)] = ""
    faults: Annotated[list[Fault], Field(max_length=MAX_NAMED_FAULTS + 1)] = []
    explanation: Explanation = ""


class StandingRecorded(_Message):
    """OPENED, CLOSING: written down. KNOWN: it was before, and nothing changed. REFUSED: see `faults`."""

    outcome: Literal["OPENED", "CLOSING", "KNOWN", "REFUSED"]
    matter_id: MatterName = MatterId("")
    faults: Annotated[list[Fault], Field(max_length=MAX_NAMED_FAULTS + 1)] = []
    explanation: Explanation = ""


class ExceptionDecided(_Message):
    """RECORDED: written down. KNOWN: it was before, and nothing changed. REFUSED: see `faults`."""

    outcome: Literal["RECORDED", "KNOWN", "REFUSED"]
    matter_id: MatterName = MatterId("")
    request_id: RequestName = RequestId("")
    resolution_id: Annotated[str, Field(max_length=128, pattern=ASCII)] = ""
    faults: Annotated[list[Fault], Field(max_length=MAX_NAMED_FAULTS + 1)] = []
    explanation: Explanation = ""


class StandingRuns(_Message):
    """How many matters are open; of these, how many asked for a run just now, wait for one, or are stuck."""

    matters: int
    asked: int
    under_way: int
    stuck: int


class PreflightFinding(_Message):
    """What a check of `doctor.checks` found."""

    check: Annotated[str, Field(max_length=40, pattern=ASCII)]
    message: Annotated[
        str,
        BeforeValidator(lambda text: str(_told(text, MAX_FINDING)).encode("ascii", "replace").decode()),
        Field(max_length=MAX_FINDING, pattern=ASCII),
    ]
    is_blocking: bool


PreflightFindings = list[PreflightFinding]


class Preflighting(Run):
    """Where Preflight stands: how often it has looked for its canary, and what it found before that.

    `report_only`: findings are answered, and none stops anything.
    """

    execution_arn: str
    looks: int = 0
    canary_key: str = ""
    findings: PreflightFindings = []
    report_only: bool = False


class Preflighted(_Message):
    """Call again from here after `wait_s`, unless `done`."""

    done: bool
    looks: int
    wait_s: int
    canary_key: ObjectKey
    findings: Annotated[PreflightFindings, Field(max_length=MAX_FINDINGS)]


class ScopeReading(Run):
    """Where reading the scope stands: in the slice from `slice_start` of `slice_s` seconds, after `pages` of
    all slices. Its query was asked for at `asked_at`, the first slice's at `began_at`; without a `query_id`
    it has yet to be.
    """

    query_id: str
    began_at: datetime
    asked_at: datetime
    slice_start: datetime
    slice_s: int
    pages: int = 0
    next_batch: int = 0
    conversations: int = 0


class ScopeRead(_Message):
    """WAIT: the scope's end cannot be searched yet. PENDING: the query runs. MORE: call again from here.
    DONE: every batch is planned.
    """

    status: Literal["WAIT", "PENDING", "MORE", "DONE"]
    query_id: Annotated[str, Field(max_length=256, pattern=ASCII)]
    began_at: datetime
    asked_at: datetime
    slice_start: datetime
    slice_s: int
    pages: int = 0
    next_batch: int = 0
    conversations: int = 0
    wait_s: int


class ExportRound(Run):
    """The round of export jobs that was planned last; 0 before the first."""

    number: int = 0


class RoundPlanned(_Message):
    """How many batches the round has, and where they are listed; without any, exporting is over."""

    number: int
    batches: int
    batches_key: ObjectKey
    wait_s: int


class SlotAnswer(_Message):
    """Whether the batch may start its job."""

    acquired: bool
    wait_s: int


class JobStarted(_Message):
    """CHECK the job; WAIT and try again; END, the batch was split."""

    next: Literal["CHECK", "WAIT", "END"]
    wait_s: int


class JobChecked(_Message):
    """WAIT and check again; EXECUTE the job, which is ready; END, it is terminal."""

    next: Literal["WAIT", "EXECUTE", "END"]
    wait_s: int


class Reconciling(Run):
    """Where a pass over the batches stands: the next one, what those before it owe, the looks it took."""

    batch: int = 0
    outstanding: int = 0
    looks: int = 0


class Reconciled(_Message):
    """How many recordings are outstanding so far, and where to go on; `done` when every batch is settled."""

    done: bool
    outstanding: int
    wait_s: int
    batch: int = 0
    looks: int = 0


class HoldPlanning(Run):
    """Where planning holds stands; `early`: only what the platform is about to delete. A `plan_key` names
    what somebody else has planned.

    `page` says how far the platform's deletions are read, `are_read` whether all are, `batch` which batch is
    next.
    """

    early: bool = False
    are_read: bool = False
    page: str = ""
    batch: int = 0
    plan_key: str = ""


class HoldsPlanned(_Message):
    """MORE: call again from here after `wait_s`. PLANNED: `plan_key` names the plan, if the platform has a
    cap. NOTHING: nobody needs protection.
    """

    status: Literal["MORE", "PLANNED", "NOTHING"]
    are_read: bool = False
    page: Cursor = ""
    batch: int = 0
    wait_s: int
    plan_key: ObjectKey = ""


class HoldCursor(Run):
    """Where placing or confirming holds stands: the list's index and the place in it.

    Without a `plan_key` the lists are those of the batches. `is_full`: the platform has said that it
    protects no more. `conflicts` counts the pauses that conflicts have cost so far.
    """

    early: bool = False
    plan_key: str = ""
    batch: int = 0
    offset: int = 0
    attempt: int = 0
    is_full: bool = False
    conflicts: int = 0


class HoldProgress(_Message):
    """Call again from here after `wait_s`, unless `done`."""

    done: bool
    batch: int
    offset: int
    attempt: int
    is_full: bool
    conflicts: int = 0
    wait_s: int


class Sealing(Run):
    """Which request gets its verdict; `early_failure` is the error that early protection ended with,
    `warnings` what Preflight found and nothing stopped for.
    """

    early_failure: dict[str, object] = {}
    warnings: PreflightFindings = []


class Sealed(_Message):
    """Call again after `wait_s`, unless `done`; then the verdict."""

    done: bool
    wait_s: int
    matter_id: MatterName
    request_id: RequestName
    verdict: Literal["PRESERVED", "INCOMPLETE", ""] = ""
    announcement: Literal["MatterPreserved", "MatterIncomplete", ""] = ""
    headline: Headline = ""
    summary: Annotated[dict[str, object], AfterValidator(MaxJson(60_000))] = {}


class Packing(_Message):
    """Which matter's package to write."""

    matter_id: MatterName


class Packed(_Message):
    """Where a matter's package lies in the records bucket, and as of which seal."""

    matter_id: MatterName
    package_key: ObjectKey
    sequence: int


PlaceInList = Annotated[str, Field(max_length=64, pattern=ASCII)]  # the ledger's own


class MatterSealing(_Message):
    """Which matter is to be sealed, and from where on; from the beginning by default."""

    matter_id: MatterName
    cursor: PlaceInList = ""


Digest = Annotated[str, Field(max_length=64, pattern=ASCII)]


class SealNamed(_Message):
    """A seal: its place in the matter's chain, what it is over, and where it lies; `sha256` is its digest."""

    sequence: int
    tree_size: int
    root: Digest
    sha256: Digest
    key: Annotated[str, Field(max_length=128, pattern=ASCII)]


class MatterSealed(_Message):
    """Call again after `wait_s` with `cursor`, unless `done`; then the last seal covers all there is."""

    done: bool
    wait_s: int
    matter_id: MatterName
    cursor: PlaceInList
    seal: SealNamed
    headline: Annotated[str, Field(max_length=300, pattern=ASCII)]


class ReleaseRun(_Message):
    """Which release a step works for; `matter_id` is ``-`` where what nobody claims is let go."""

    matter_id: MatterName
    release_id: ReleaseName


class ReleaseOpened(_Message):
    """OPENED: go on, wherever it stands. DUPLICATE: `points_to` is the run that has it. REFUSED: `faults`
    says why.
    """

    outcome: Literal["OPENED", "DUPLICATE", "REFUSED"]
    matter_id: MatterName = MatterId("")
    release_id: ReleaseName = ReleaseId("")
    points_to: Annotated[str, Field(max_length=512)] = ""
    faults: Annotated[list[Fault], Field(max_length=MAX_NAMED_FAULTS + 1)] = []
    explanation: Explanation = ""


class ReleasePlanning(ReleaseRun):
    """Which part of the plan is next."""

    part: int = 0


class ReleasePlanned(_Message):
    """MORE: call again for `part` after `wait_s`. PLANNED: who approves `plan_sha256` by `approve_by` lets it
    begin. APPROVED: that was done before.
    """

    status: Literal["MORE", "PLANNED", "APPROVED"]
    part: int
    wait_s: int
    plan_key: ObjectKey = ""
    plan_sha256: Sha256 = ""
    approve_by: Annotated[str, Field(max_length=40)] = ""
    counts: Annotated[dict[str, int], AfterValidator(MaxJson(1_000))] = {}
    headline: Headline = ""


class ReleaseWaiting(ReleaseRun):
    """Since when a release waits for its approval."""

    since: datetime


class ReleaseBegun(_Message):
    """WAIT: ask again after `wait_s`. BEGUN: claims may end. ENDED: they did. REFUSED: `explanation` says
    why.
    """

    status: Literal["WAIT", "BEGUN", "ENDED", "REFUSED"]
    wait_s: int
    explanation: Explanation = ""


class ReleaseCursor(ReleaseRun):
    """Where letting go stands: in the part `number` of the plan, whose hash is `sha256`, after `offset` of
    its conversations. A `number` of -1 is the last part: parts are walked backwards, as each names the hash
    of the one before. `attempt` counts the looks at this place.
    """

    number: int = -1
    sha256: str = ""
    offset: int = 0
    attempt: int = 0


class ReleaseProgress(_Message):
    """MORE: call again from here after `wait_s`. PART: go on with this part. DONE: there are no more."""

    status: Literal["MORE", "PART", "DONE"]
    number: int
    sha256: Sha256
    offset: int
    attempt: int
    wait_s: int


class ReleaseFinished(_Message):
    """MORE: call again from here after `wait_s`. DONE: where the certificate lies, and what it says."""

    status: Literal["MORE", "DONE"]
    number: int
    sha256: Sha256
    wait_s: int
    certificate_key: ObjectKey = ""
    certificate_sha256: Sha256 = ""
    counts: Annotated[dict[str, int], AfterValidator(MaxJson(1_000))] = {}
    headline: Headline = ""


class ApprovalRecorded(_Message):
    """RECORDED: it counts. KNOWN: it was recorded before, and nothing changed. REFUSED: see `faults`."""

    outcome: Literal["RECORDED", "KNOWN", "REFUSED"]
    matter_id: MatterName = MatterId("")
    release_id: ReleaseName = ReleaseId("")
    faults: Annotated[list[Fault], Field(max_length=MAX_NAMED_FAULTS + 1)] = []
    explanation: Explanation = ""


class Failing(_Message):
    """What a workflow caught: its state at that moment, and the error as Step Functions has it."""

    input: dict[str, object]
    execution_arn: str
    workflow: str


class FailureRecorded(_Message):
    """What the execution's error shall say."""

    matter_id: Annotated[str, Field(max_length=64)]
    request_id: Annotated[str, Field(max_length=128)]
    release_id: Annotated[str, Field(max_length=64)] = ""
    error: ErrorName
    explanation: Explanation
