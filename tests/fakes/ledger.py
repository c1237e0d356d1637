"""The ledger in memory: conditional moves by the tables of `domain.states`, entries that never change."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from threading import RLock
from typing import Any

from holdfast.domain.custody import (
    CustodyEvent,
    DriftKind,
    EventType,
    ObjectVersion,
    Receipt,
    Relock,
    RelockCause,
    digest_event_id,
    repair_event_id,
)
from holdfast.domain.drift import revocation_of
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import (
    BatchId,
    ConversationId,
    ExportJobId,
    MatterId,
    RecordingId,
    ReleaseId,
    RequestId,
    batch_prefix,
    origin_of,
)
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.promise import UNCLAIMED, Promise, PromiseBroken
from holdfast.domain.release import NOBODY
from holdfast.domain.reuse import SecuredExport
from holdfast.domain.states import (
    BATCH_MOVES,
    PLATFORM_HOLD_MOVES,
    RELEASE_MOVES,
    REQUEST_MOVES,
    STANDING_MOVES,
    BatchState,
    DisposalState,
    HoldState,
    MatterStatus,
    ParkedState,
    PlatformHold,
    ReleaseState,
    RequestState,
    StandingState,
    has_passed,
    sources,
)
from holdfast.domain.ulid import ulid
from holdfast.errors import ConversationLifting, LedgerRuleBroken, MatterReleasing
from holdfast.evidence.entries import NONCE_BYTES, entry_bytes
from holdfast.ports import (
    BatchRecord,
    Claim,
    Claimed,
    ClaimedPage,
    ClaimEnding,
    ClaimRecord,
    ClaimsPage,
    DisposalMark,
    Dossier,
    DriftFound,
    Entry,
    HeldSlot,
    HoldOwner,
    HoldRecord,
    ListedClaim,
    ListingMark,
    MatterRecord,
    ParkedMessage,
    PlatformHoldRecord,
    ReleaseRecord,
    RequestRecord,
    SlotOwner,
    StandingMatter,
    SweepMark,
    SweepSource,
    VersionPage,
)
from tests.fakes.effects import Effects


class RequestsInMemory:
    """Implements `ports.RequestBook`."""

    def __init__(self) -> None:
        self.titles: dict[MatterId, str] = {}
        self.matters_by_id: dict[MatterId, MatterRecord] = {}
        self.records: dict[tuple[MatterId, RequestId], RequestRecord] = {}
        self.explanations: dict[tuple[MatterId, RequestId], str] = {}

    def matters(self) -> Iterator[MatterRecord]:
        for matter_id in sorted(self.titles):
            yield self.matters_by_id[matter_id]

    def matter(self, matter_id: MatterId) -> MatterRecord | None:
        return self.matters_by_id.get(matter_id)

    def _count(self, matter_id: MatterId, more: int, **changes: Any) -> None:
        matter = self.matters_by_id[matter_id]
        self.matters_by_id[matter_id] = replace(matter, open_requests=matter.open_requests + more, **changes)

    def of_matter(self, matter_id: MatterId) -> Sequence[RequestRecord]:
        theirs = [record for record in self.records.values() if record.matter_id == matter_id]
        return sorted(theirs, key=lambda record: record.opened_at)

    def open(self, record: RequestRecord, title: str, *, instead_of: str | None = None) -> RequestRecord:
        self.titles.setdefault(record.matter_id, title)
        first = MatterRecord(record.matter_id, title, MatterStatus.OPEN, record.opened_at)
        matter = self.matters_by_id.setdefault(record.matter_id, first)
        standing = self.records.get((record.matter_id, record.request_id))
        if standing is not None:
            is_same = standing.body_sha256 == record.body_sha256
            is_mine = standing.execution_arn == record.execution_arn
            is_free = standing.state is RequestState.FAILED or standing.execution_arn == instead_of
            if is_mine or not is_same or not is_free:
                return standing
            record = replace(record, attempt=standing.attempt + 1)
        if matter.status is MatterStatus.RELEASING:
            raise MatterReleasing(f"matter {record.matter_id} is being released")
        self.records[record.matter_id, record.request_id] = record
        is_open_already = standing is not None and not standing.state.is_terminal
        more = 0 if is_open_already else 1
        self._count(record.matter_id, more, requests=matter.requests + 1, status=MatterStatus.OPEN)
        return record

    def read(self, matter_id: MatterId, request_id: RequestId) -> RequestRecord:
        if (matter_id, request_id) not in self.records:
            raise LedgerRuleBroken(f"expected request {request_id} of matter {matter_id}, found none")
        return self.records[matter_id, request_id]

    def find(self, matter_id: MatterId, request_id: RequestId) -> RequestRecord | None:
        return self.records.get((matter_id, request_id))

    def advance(
        self,
        record: RequestRecord,
        state: RequestState,
        *,
        exceptions: Sequence[str] = (),
        summary: Mapping[str, object] | None = None,
    ) -> None:
        standing = self.read(record.matter_id, record.request_id)
        if standing.state is state and state.is_terminal:
            return
        if standing.state in sources(REQUEST_MOVES, state):
            if state.is_terminal:
                self._count(record.matter_id, -1)
            self.records[record.matter_id, record.request_id] = replace(
                standing,
                state=state,
                exceptions=tuple(exceptions) or standing.exceptions,
                summary=standing.summary if summary is None else dict(summary),
            )
        elif standing.state is RequestState.FAILED or not has_passed(REQUEST_MOVES, standing.state, state):
            raise LedgerRuleBroken(f"request {record.request_id}: {standing.state} may not become {state}")

    def fail(self, matter_id: MatterId, request_id: RequestId, execution_arn: str, explanation: str) -> bool:
        standing = self.records.get((matter_id, request_id))
        if standing is None or standing.execution_arn != execution_arn:
            return False
        if standing.state is RequestState.FAILED:
            return True
        if standing.state not in sources(REQUEST_MOVES, RequestState.FAILED):
            return False
        self._count(matter_id, -1)
        self.records[matter_id, request_id] = replace(
            standing, state=RequestState.FAILED, explanation=explanation
        )
        self.explanations[matter_id, request_id] = explanation
        return True


class ReleasesInMemory:
    """Implements `ports.ReleaseRequests`; matters are those of the requests."""

    def __init__(
        self, requests: RequestsInMemory, standing: "StandingInMemory", effects: Effects | None = None
    ) -> None:
        self.records: dict[tuple[MatterId, ReleaseId], ReleaseRecord] = {}
        self._requests = requests
        self._standing = standing
        self.effects = effects or Effects()

    def find(self, matter_id: MatterId, release_id: ReleaseId) -> ReleaseRecord | None:
        return self.records.get((matter_id, release_id))

    def of_matter(self, matter_id: MatterId) -> Sequence[ReleaseRecord]:
        found = [one for one in self.records.values() if one.matter_id == matter_id]
        return sorted(found, key=lambda one: one.opened_at)

    def read(self, matter_id: MatterId, release_id: ReleaseId) -> ReleaseRecord:
        if (matter_id, release_id) not in self.records:
            raise LedgerRuleBroken(f"expected release {release_id} of matter {matter_id}, found none")
        return self.records[matter_id, release_id]

    def open(self, record: ReleaseRecord) -> bool:
        if record.matter_id == NOBODY:
            first = MatterRecord(NOBODY, "What nobody claims", MatterStatus.OPEN, record.opened_at)
            self._requests.matters_by_id.setdefault(NOBODY, first)
        matter = self._requests.matter(record.matter_id)
        is_known = self.find(record.matter_id, record.release_id) is not None
        if is_known or matter is None or matter.release_id or matter.requests != record.requests:
            return False
        self._write(record, release_id=record.release_id)
        return True

    def advance(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        if not self._may_follow(before, after):
            return False
        self.effects.happen("release", f"{after.release_id} {after.state}")
        self.records[after.matter_id, after.release_id] = after
        return True

    def begin(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        matter, standing = self._matter(before), self._standing.find(before.matter_id)
        goes_on = standing is not None and standing.course.state is not StandingState.CLOSED
        is_as_planned = matter.release_id == before.release_id and matter.requests == before.requests
        if not self._may_follow(before, after) or matter.open_requests or goes_on or not is_as_planned:
            return False
        self._write(after, status=MatterStatus.RELEASING)
        return True

    def end(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        if not self._may_follow(before, after) or self._matter(before).release_id != before.release_id:
            return False
        was_released = after.state is ReleaseState.RELEASED and after.matter_id != NOBODY
        status = MatterStatus.RELEASED if was_released else MatterStatus.OPEN
        self._write(after, status=status, release_id=None)
        return True

    def _matter(self, record: ReleaseRecord) -> MatterRecord:
        return self._requests.matters_by_id[record.matter_id]

    def _may_follow(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        if after.state is not before.state and after.state not in RELEASE_MOVES[before.state]:
            raise LedgerRuleBroken(
                f"release {before.release_id}: {before.state} may not become {after.state}"
            )
        standing = self.read(before.matter_id, before.release_id)
        return (standing.state, standing.execution_arn) == (before.state, before.execution_arn)

    def _write(self, record: ReleaseRecord, **of_matter: Any) -> None:
        self.effects.happen("release", f"{record.release_id} {record.state}")
        self.records[record.matter_id, record.release_id] = record
        self._requests.matters_by_id[record.matter_id] = replace(self._matter(record), **of_matter)


class StandingInMemory:
    """Implements `ports.StandingBook`."""

    def __init__(self) -> None:
        self.matters: dict[MatterId, StandingMatter] = {}
        self._lock = RLock()

    def open_matters(self) -> Sequence[MatterId]:
        return [
            matter_id
            for matter_id, matter in sorted(self.matters.items())
            if matter.course.state is not StandingState.CLOSED
        ]

    def find(self, matter_id: MatterId) -> StandingMatter | None:
        return self.matters.get(matter_id)

    def open(self, matter: StandingMatter) -> bool:
        return self._write(matter, frozenset({None} if matter.version == 1 else {StandingState.CLOSED}))

    def advance(self, matter: StandingMatter) -> bool:
        before = sources(STANDING_MOVES, matter.course.state)
        return self._write(matter, frozenset({*before}))

    def _write(self, matter: StandingMatter, may_come_from: frozenset[StandingState | None]) -> bool:
        with self._lock:
            standing = self.matters.get(matter.matter_id)
            version, state = (standing.version, standing.course.state) if standing else (0, None)
            if version != matter.version - 1 or state not in may_come_from:
                return False
            self.matters[matter.matter_id] = matter
            return True


type BatchKey = tuple[MatterId, RequestId, BatchId]


class BatchesInMemory:
    """Implements `ports.BatchBook`."""

    def __init__(self) -> None:
        self.records: dict[BatchKey, BatchRecord] = {}

    def plan(self, record: BatchRecord) -> None:
        self.records.setdefault(_key(record), record)

    def read(self, matter_id: MatterId, request_id: RequestId, batch_id: BatchId) -> BatchRecord:
        if (matter_id, request_id, batch_id) not in self.records:
            raise LedgerRuleBroken(f"expected batch {batch_id} of request {request_id}, found none")
        return self.records[matter_id, request_id, batch_id]

    def of_request(self, request: RequestRecord) -> Iterator[BatchRecord]:
        for matter_id, request_id, batch_id in sorted(self.records):
            is_theirs = (matter_id, request_id) == (request.matter_id, request.request_id)
            record = self.records[matter_id, request_id, batch_id]
            is_standing = record.state is not BatchState.SPLIT
            if is_theirs and is_standing and batch_id.startswith(batch_prefix(request.attempt)):
                yield record

    def jobs_of(self, matter_id: MatterId) -> Iterator[ExportJobId]:
        for key, record in sorted(self.records.items()):
            if key[0] == matter_id and record.job_id:
                yield record.job_id

    def pieces_of(self, record: BatchRecord) -> int:
        origin = origin_of(record.batch_id)
        theirs = (record.matter_id, record.request_id)
        return sum(key[:2] == theirs and origin_of(key[2]) == origin for key in self.records)

    def advance(self, record: BatchRecord) -> None:
        standing = self.read(*_key(record))
        if standing.state in sources(BATCH_MOVES, record.state) and standing.result_key is None:
            self.records[_key(record)] = record
        elif standing.state is not record.state and not has_passed(BATCH_MOVES, standing.state, record.state):
            raise LedgerRuleBroken(f"batch {record.batch_id}: {standing.state} may not become {record.state}")

    def settle(self, record: BatchRecord, result_key: str) -> None:
        standing = self.records.get(_key(record))
        if standing is not None and standing.result_key is None:
            self.records[_key(record)] = replace(standing, result_key=result_key)


def _key(record: BatchRecord) -> BatchKey:
    return record.matter_id, record.request_id, record.batch_id


@dataclass(slots=True)
class Folder:
    """Everything filed under one conversation; `entries` by the ledger's sort keys."""

    claims: dict[MatterId, ClaimRecord] = field(default_factory=dict)
    promise: Promise | None = None
    lease_until: datetime | None = None
    platform: dict[HoldOwner, PlatformHoldRecord] = field(default_factory=dict)
    revoked: dict[HoldOwner, DriftKind] = field(default_factory=dict)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    digested: set[str] = field(default_factory=set)
    entries: dict[str, Entry] = field(default_factory=dict)
    drifts: dict[tuple[ObjectVersion, DriftKind], tuple[datetime, int]] = field(default_factory=dict)
    secured: SecuredExport | None = None
    marking_until: datetime | None = None
    disposals: dict[ObjectVersion, DisposalMark] = field(default_factory=dict)

    def drifted(self, kind: DriftKind) -> set[ObjectVersion]:
        """Which versions were found changed in one way."""
        return {version for version, found in self.drifts if found is kind}

    @property
    def disposed(self) -> set[ObjectVersion]:
        """Which versions were disposed of."""
        return {version for version, one in self.disposals.items() if one.state is DisposalState.DISPOSED}

    @property
    def standing(self) -> Promise:
        """The promise, or what it is before anybody claims."""
        return self.promise or UNCLAIMED

    @property
    def active(self) -> frozenset[MatterId]:
        """The matters that claim it now."""
        return frozenset(matter_id for matter_id, claim in self.claims.items() if claim.ended_at is None)

    @property
    def standing_export(self) -> SecuredExport | None:
        """What is secured and still held."""
        is_held = self.promise and self.promise.state is HoldState.HELD
        return (
            self.secured if is_held and self.secured and self.secured.epoch == self.standing.epoch else None
        )


class ConversationsInMemory:
    """Implements `ports.ClaimBook`, `ReleaseBook`, `RelockBook` and `ReceiptBook`: each conversation's
    partition.
    """

    def __init__(self, effects: Effects | None = None) -> None:
        self.folders: dict[str, Folder] = {}
        self.effects = effects or Effects()
        self.page_size = 1_000
        self.let_go_of: dict[ConversationId, datetime] = {}
        self._drawn = 0
        self._lock = RLock()

    def claim(self, claim: Claim) -> Claimed:
        with self._lock:
            conversation_id, matter_id = claim.conversation.conversation_id, claim.matter_id
            folder = self._folder(conversation_id)
            if matter_id in folder.active:
                return Claimed(is_new=False, promise=folder.standing)
            own = folder.platform.get(matter_id)
            if own and own.state in sources(PLATFORM_HOLD_MOVES, PlatformHold.RELEASING):
                raise ConversationLifting(f"conversation {conversation_id} is being released")
            try:
                is_being_marked = folder.marking_until is not None and folder.marking_until > claim.claimed_at
                promise = folder.standing.claimed(is_being_marked=is_being_marked)
            except PromiseBroken:
                raise ConversationLifting(f"conversation {conversation_id} is being released") from None
            self.effects.happen("claim", f"{conversation_id} by {matter_id}")
            folder.promise = promise
            folder.platform.pop(matter_id, None)
            folder.claims[matter_id] = ClaimRecord(
                matter_id, conversation_id, claim.request_id, claim.batch_id, claim.claimed_at
            )
            self._happened(
                EventType.CLAIMED,
                conversation_id,
                claim.claimed_at,
                matter_id=matter_id,
                request_id=claim.request_id,
            )
            return Claimed(is_new=True, promise=promise)

    def claims_of(self, matter_id: MatterId, cursor: str | None) -> ClaimsPage:
        with self._lock:
            lines = [
                (claim.conversation_id, claim.claimed_at, claim.ended_at)
                for folder in self.folders.values()
                if (claim := folder.claims.get(matter_id))
            ]
            lines += [(cid, at, at) for cid, at in self.let_go_of.items()] if matter_id == NOBODY else []
            listed = sorted(line for line in lines if line[0] > (cursor or ""))
        page = [ListedClaim(*line) for line in listed[: self.page_size]]
        return ClaimsPage(page, page[-1].conversation_id if len(listed) > len(page) else None)

    def hold(self, conversation_id: ConversationId) -> HoldRecord:
        with self._lock:
            folder = self.folders.get(f"CONV#{conversation_id}", Folder())
            return HoldRecord(conversation_id, folder.standing, folder.lease_until, folder.platform.get(None))

    def end_claim(self, ending: ClaimEnding) -> HoldRecord:
        with self._lock:
            folder = self._folder(ending.conversation_id)
            claim = folder.claims.get(ending.matter_id)
            if claim and claim.ended_at is None and claim.claimed_at <= ending.planned_at:
                promise = folder.standing.unclaimed()
                self.effects.happen("claim ended", f"{ending.conversation_id} by {ending.matter_id}")
                folder.promise = promise
                if promise.state is HoldState.LIFTING:
                    folder.lease_until = ending.lease_until
                folder.claims[ending.matter_id] = replace(
                    claim, ended_at=ending.at, release_id=ending.release_id, ended_by=ending.ended_by
                )
                self._happened(
                    EventType.RELEASED,
                    ending.conversation_id,
                    ending.at,
                    matter_id=ending.matter_id,
                    details={"release_id": ending.release_id, "requested_by": ending.ended_by},
                )
            return self.hold(ending.conversation_id)

    def begin_lift(self, conversation_id: ConversationId, *, lease_until: datetime) -> HoldRecord | None:
        taken = self._take(conversation_id, Promise.let_go, lease_until)
        if taken:
            self.let_go_of[conversation_id] = lease_until
        return taken

    def resume_lift(
        self, conversation_id: ConversationId, *, now: datetime, lease_until: datetime
    ) -> HoldRecord | None:
        lease = self._folder(conversation_id).lease_until
        is_expired = lease is None or lease <= now
        return self._take(conversation_id, lambda one: one.resumed(is_lease_expired=is_expired), lease_until)

    def _take(
        self, conversation_id: ConversationId, move: Callable[[Promise], Promise], lease_until: datetime
    ) -> HoldRecord | None:
        with self._lock:
            folder = self._folder(conversation_id)
            try:
                promise = move(folder.standing)
            except PromiseBroken:
                return None
            self.effects.happen("lift begun", conversation_id)
            folder.promise, folder.lease_until = promise, lease_until
            return self.hold(conversation_id)

    def may_lift(self, conversation_id: ConversationId, epoch: int) -> bool:
        return self.hold(conversation_id).promise.may_lift(epoch)

    def begin_platform_release(
        self, conversation_id: ConversationId, owner: HoldOwner, epoch: int | None
    ) -> bool:
        with self._lock:
            folder = self._folder(conversation_id)
            standing = folder.platform.get(owner)
            if standing is None or standing.state not in sources(PLATFORM_HOLD_MOVES, PlatformHold.RELEASING):
                return False
            if owner is None:
                may_let_go = (folder.standing.state, folder.standing.epoch) == (HoldState.LIFTING, epoch)
            else:
                may_let_go = owner in folder.claims and owner not in folder.active
            if may_let_go:
                self.effects.happen("platform release begun", conversation_id)
                folder.platform[owner] = PlatformHoldRecord(PlatformHold.RELEASING)
            return may_let_go

    def end_platform_release(self, conversation_id: ConversationId, owner: HoldOwner, at: datetime) -> bool:
        with self._lock:
            if not self._is_releasing(conversation_id, owner):
                return False
            self.effects.happen("platform release ended", conversation_id)
            self._folder(conversation_id).platform[owner] = PlatformHoldRecord(PlatformHold.RELEASED)
            self._happened(EventType.RELEASED_AT_PLATFORM, conversation_id, at, matter_id=owner)
            return True

    def platform_kept(self, conversation_id: ConversationId, owner: HoldOwner) -> None:
        with self._lock:
            if self._is_releasing(conversation_id, owner):
                self._folder(conversation_id).platform[owner] = PlatformHoldRecord(PlatformHold.HELD)

    def _is_releasing(self, conversation_id: ConversationId, owner: HoldOwner) -> bool:
        hold = self._folder(conversation_id).platform.get(owner)
        return hold is not None and hold.state is PlatformHold.RELEASING

    def lifted(
        self, conversation_id: ConversationId, epoch: int, release_id: ReleaseId, at: datetime
    ) -> bool:
        with self._lock:
            folder = self._folder(conversation_id)
            if self._is_releasing(conversation_id, None) or not folder.standing.may_lift(epoch):
                return False
            self.effects.happen("lifted", f"{conversation_id} by {release_id}")
            folder.promise = folder.standing.lifted(epoch)
            self._happened(
                EventType.LIFTED, conversation_id, at, details={"release_id": release_id, "epoch": epoch}
            )
            return True

    def awaiting(self, conversation_id: ConversationId, epoch: int) -> Sequence[ObjectVersion]:
        with self._lock:
            folder = self._folder(conversation_id)
            if not _is_relocking(folder, epoch):
                return []
            gone = folder.drifted(DriftKind.VERSION_GONE) | folder.disposed
            versions = (receipt.version for _, receipt in sorted(folder.receipts.items()))
            return [version for version in versions if version not in gone]

    def relocked(self, conversation_id: ConversationId, epoch: int, at: datetime) -> bool:
        with self._lock:
            folder = self._folder(conversation_id)
            if not _is_relocking(folder, epoch):
                return False
            self.effects.happen("relocked", conversation_id)
            folder.promise = folder.standing.relocked(epoch)
            self._happened(EventType.RELOCKED, conversation_id, at, details={"epoch": epoch})
            return True

    def note_repair(self, relock: Relock, at: datetime) -> bool:
        with self._lock:
            version = relock.version
            folder = self.folders.setdefault(_shelf(version), Folder())
            event = CustodyEvent(
                event_id=relock.event_id,
                type=EventType.DRIFT_REPAIRED,
                conversation_id=EvidenceKey.parse(version.key).conversation_id,
                at=at,
                details={"drift": relock.drift.value, "key": version.key, "version_id": version.version_id},
            )
            return self._file(folder, f"EVENT#{event.event_id}", event, None)

    def are_answered(self, relocks: Sequence[Relock]) -> Sequence[bool]:
        def is_answered(relock: Relock) -> bool:
            folder = self.folders.get(_shelf(relock.version), Folder())
            if relock.version in folder.drifted(DriftKind.VERSION_GONE) | folder.disposed:
                return True
            if relock.cause is RelockCause.DRIFT:
                return f"EVENT#{relock.event_id}" in folder.entries or not _is_held(folder, relock.epoch)
            return not _is_relocking(folder, relock.epoch)

        return [is_answered(relock) for relock in relocks]

    def are_wanted(self, drifts: Sequence[Relock]) -> Sequence[bool]:
        with self._lock:
            return [_is_held(self.folders.get(_shelf(one.version), Folder()), one.epoch) for one in drifts]

    def found(self, version: ObjectVersion, kind: DriftKind, epoch: int, at: datetime) -> DriftFound:
        with self._lock:
            at = from_text(to_text(at))
            folder = self.folders.setdefault(_shelf(version), Folder())
            standing = folder.drifts.get((version, kind))
            if standing and standing[1] == epoch:
                repair = repair_event_id(version, kind, standing[0])
                if f"EVENT#{repair}" not in folder.entries:
                    return DriftFound(standing[0], is_new=False)
            self.effects.happen("drift found", f"{version.key}@{version.version_id}")
            folder.drifts[version, kind] = (at, epoch)
            event = CustodyEvent(
                event_id=ulid(at, self._entropy(10)),
                type=EventType.DRIFT_FOUND,
                conversation_id=EvidenceKey.parse(version.key).conversation_id,
                at=at,
                details={"drift": kind.value, "key": version.key, "version_id": version.version_id},
            )
            self._file(folder, f"EVENT#{event.event_id}", event, None)
            return DriftFound(at, is_new=True)

    def dossier(self, conversation_id: ConversationId) -> Dossier:
        with self._lock:
            folder = self.folders.get(f"CONV#{conversation_id}", Folder())
            receipts = [receipt for _, receipt in sorted(folder.receipts.items())]
            gone = folder.drifted(DriftKind.VERSION_GONE)
            covered = {version.key for version in folder.drifted(DriftKind.DELETE_MARKER)}
            return Dossier(
                conversation_id=conversation_id,
                receipts=[one for one in receipts if one.version not in gone | folder.disposed],
                gone=[one for one in receipts if one.version in gone],
                hidden=[one for one in receipts if one.version.key in covered],
                disposed=[one for one in receipts if one.version in folder.disposed],
                marks=[
                    one for _, one in sorted(folder.disposals.items(), key=lambda named: named[0].fingerprint)
                ],
                digested=frozenset(folder.digested),
                platform_holds={
                    owner: hold
                    for owner, hold in folder.platform.items()
                    if owner is None or owner in folder.active
                },
                claimed_by=folder.active,
                entries=[entry for _, entry in sorted(folder.entries.items())],
                promise=folder.standing,
                secured=None if gone else folder.standing_export,
                claims=[claim for _, claim in sorted(folder.claims.items())],
            )

    def secured_exports(
        self, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, SecuredExport]:
        found = {one: self.dossier(one).secured for one in conversation_ids}
        return {one: export for one, export in found.items() if export}

    def note_secured(self, export: SecuredExport) -> None:
        with self._lock:
            folder = self._folder(export.conversation_id)
            new, old = export.terms, folder.secured.terms if folder.secured else None
            says_as_much = old is None or (
                old.job_created_at <= new.job_created_at
                and new.include_screen >= old.include_screen
                and new.include_sensitive >= old.include_sensitive
            )
            epoch = folder.secured.epoch if folder.secured else -1
            if epoch < export.epoch or (epoch == export.epoch and says_as_much):
                folder.secured = export

    def manifest_entries(self, job_id: ExportJobId) -> Sequence[Entry]:
        with self._lock:
            folder = self.folders.get(f"JOB#{job_id.lower()}", Folder())
            return [entry for _, entry in sorted(folder.entries.items())]

    def platform_holds(
        self, conversation_ids: Sequence[ConversationId], owner: HoldOwner
    ) -> Mapping[ConversationId, PlatformHoldRecord | None]:
        return {cid: self.dossier(cid).platform_holds.get(owner) for cid in conversation_ids}

    def mark_platform_hold(
        self,
        conversation_ids: Sequence[ConversationId],
        owner: HoldOwner,
        state: PlatformHold,
        *,
        reason: str | None = None,
    ) -> None:
        for conversation_id in conversation_ids:
            folder = self._folder(conversation_id)
            hold = folder.platform.get(owner)
            # Without a HOLD item, or without the owner's claim, there is nothing to mark.
            is_claimed = folder.promise is not None if owner is None else owner in folder.active
            if is_claimed and (hold.state if hold else None) in sources(PLATFORM_HOLD_MOVES, state):
                folder.platform[owner] = PlatformHoldRecord(state, reason)

    def confirm_platform_hold(self, conversation_id: ConversationId, owner: HoldOwner, at: datetime) -> bool:
        with self._lock:
            folder = self._folder(conversation_id)
            hold = folder.platform.get(owner)
            is_ended = owner is not None and owner not in folder.active
            if hold is None or hold.state is not PlatformHold.PLACING or is_ended:
                return False
            folder.platform[owner] = PlatformHoldRecord(PlatformHold.HELD)
            self._happened(EventType.HELD_AT_PLATFORM, conversation_id, at, matter_id=owner)
            if kind := folder.revoked.pop(owner, None):
                details = {"drift": kind.value}
                self._happened(
                    EventType.DRIFT_REPAIRED, conversation_id, at, matter_id=owner, details=details
                )
            return True

    def note_revoked(
        self, conversation_id: ConversationId, owner: HoldOwner, was: PlatformHold, at: datetime
    ) -> bool:
        with self._lock:
            folder = self._folder(conversation_id)
            hold = folder.platform.get(owner)
            is_claimed = bool(folder.active) if owner is None else owner in folder.active
            if hold is None or hold.state is not was or not is_claimed:
                return False
            self.effects.happen("revoked", conversation_id)
            folder.platform[owner] = PlatformHoldRecord(PlatformHold.REVOKED)
            folder.revoked[owner] = revocation_of(was)
            details = {"drift": folder.revoked[owner].value}
            self._happened(EventType.DRIFT_FOUND, conversation_id, at, matter_id=owner, details=details)
            return True

    def claimed(self, after: ListingMark | None) -> ClaimedPage:
        with self._lock:
            everything = sorted(
                (
                    claim
                    for folder in self.folders.values()
                    for matter_id, claim in folder.claims.items()
                    if matter_id in folder.active
                ),
                key=lambda one: (one.conversation_id, one.matter_id),
            )
            start = (after.key, after.version_id) if after else ("", "")
            ahead = [one for one in everything if (one.conversation_id, one.matter_id) > start]
            page = ahead[: self.page_size]
            end = (
                ListingMark(page[-1].conversation_id, page[-1].matter_id) if len(ahead) > len(page) else None
            )
            return ClaimedPage(page, end)

    def held_for_all(self) -> frozenset[ConversationId]:
        return frozenset(
            ConversationId(name.removeprefix("CONV#"))
            for name, folder in self.folders.items()
            if (hold := folder.platform.get(None))
            and hold.state in (PlatformHold.HELD, PlatformHold.RELEASING)
        )

    def claimed_among(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> frozenset[ConversationId]:
        return frozenset(cid for cid in conversation_ids if matter_id in self.dossier(cid).claimed_by)

    def conversation_of(self, recording_id: RecordingId) -> ConversationId | None:
        found = (one for one in self.all_receipts() if one.recording_id == recording_id)
        return next((receipt.conversation_id for receipt in found), None)

    def have(self, versions: Sequence[ObjectVersion]) -> frozenset[str]:
        return frozenset(
            version.fingerprint
            for version in versions
            if (folder := self.folders.get(_shelf(version))) and version.fingerprint in folder.receipts
        )

    def read(self, versions: Sequence[ObjectVersion]) -> Mapping[str, Receipt]:
        with self._lock:
            found = (
                self.folders.get(_shelf(one), Folder()).receipts.get(one.fingerprint) for one in versions
            )
            return {one.version.fingerprint: one for one in found if one}

    def page(self, prefix: str, after: ListingMark | None) -> VersionPage:
        """List the receipts, as `ports.EvidenceListing`."""
        with self._lock:
            versions = sorted(
                (one.version for one in self.all_receipts()), key=lambda one: (one.key, one.version_id)
            )
            start = (after.key, after.version_id) if after else ("", "")
            ahead = [one for one in versions if (one.key, one.version_id) > start]
            page = ahead[: self.page_size]
            end = ListingMark(page[-1].key, page[-1].version_id) if len(ahead) > len(page) else None
            return VersionPage((), end, suspects=[one for one in page if one.key.startswith(prefix)])

    def write(self, receipt: Receipt) -> bool:
        with self._lock:
            version = receipt.version
            folder = self.folders.setdefault(_shelf(version), Folder())
            if version.fingerprint in folder.receipts:
                return False
            self.effects.happen("receipt", f"{version.key}@{version.version_id}")
            folder.receipts[version.fingerprint] = receipt
            self._file(folder, f"OBJ#{version.fingerprint}", receipt, None)
            return True

    def add_digest(self, version: ObjectVersion, sha256: str, at: datetime) -> bool:
        with self._lock:
            folder = self.folders.setdefault(_shelf(version), Folder())
            event = CustodyEvent(
                event_id=digest_event_id(version),
                type=EventType.DIGEST_ADDED,
                conversation_id=EvidenceKey.parse(version.key).conversation_id,
                at=at,
                details={"key": version.key, "version_id": version.version_id, "sha256": sha256},
            )
            was_added = self._file(folder, f"EVENT#{event.event_id}", event, None)
            folder.digested.add(version.fingerprint)
            return was_added

    def digested(self, versions: Sequence[ObjectVersion]) -> frozenset[str]:
        digested = {fingerprint for folder in self.folders.values() for fingerprint in folder.digested}
        return frozenset(version.fingerprint for version in versions) & digested

    def of_canaries(self, prefix: str) -> Sequence[Receipt]:
        canaries = self.folders.get("CANARY", Folder()).receipts.values()
        return [receipt for receipt in canaries if receipt.version.key.startswith(prefix)]

    def all_receipts(self) -> list[Receipt]:
        """List every receipt there is."""
        return [receipt for folder in self.folders.values() for receipt in folder.receipts.values()]

    def _folder(self, conversation_id: ConversationId) -> Folder:
        return self.folders.setdefault(f"CONV#{conversation_id}", Folder())

    def _happened(
        self,
        kind: EventType,
        conversation_id: ConversationId,
        at: datetime,
        *,
        matter_id: MatterId | None = None,
        request_id: RequestId | None = None,
        details: Mapping[str, str | int] | None = None,
    ) -> None:
        event = CustodyEvent(
            ulid(at, self._entropy(10)), kind, conversation_id, at, matter_id, request_id, details or {}
        )
        self._file(self._folder(conversation_id), f"EVENT#{event.event_id}", event, matter_id)

    def event_id(self, at: datetime) -> str:
        """Draw an event's id."""
        return ulid(at, self._entropy(10))

    def file_fact(
        self, shelf: str, sort_key: str, fact: Receipt | CustodyEvent, matter_id: MatterId | None
    ) -> bool:
        """File an entry wherever it belongs."""
        with self._lock:
            return self._file(self.folders.setdefault(shelf, Folder()), sort_key, fact, matter_id)

    def _file(
        self, folder: Folder, sort_key: str, fact: Receipt | CustodyEvent, matter_id: MatterId | None
    ) -> bool:
        """File an entry under a key that is free; what is filed never changes."""
        if sort_key in folder.entries:
            return False
        folder.entries[sort_key] = Entry(entry_bytes(fact, self._entropy(NONCE_BYTES)), matter_id)
        return True

    def _entropy(self, size: int) -> bytes:
        self._drawn += 1
        return self._drawn.to_bytes(size)


def _is_held(folder: Folder, epoch: int) -> bool:
    return folder.standing.state is HoldState.HELD and folder.standing.epoch == epoch


def _is_relocking(folder: Folder, epoch: int) -> bool:
    return folder.standing.state is HoldState.RELOCKING and folder.standing.epoch == epoch


def _shelf(version: ObjectVersion) -> str:
    key = EvidenceKey.parse(version.key)
    if key.conversation_id:
        return f"CONV#{key.conversation_id}"
    return f"JOB#{key.job_id}" if key.job_id else key.role.upper()


class SlotsInMemory:
    """Implements `ports.JobSlots`."""

    def __init__(self, count: int = 2) -> None:
        self._taken: dict[int, HeldSlot] = {}
        self._numbers = range(1, count + 1)

    def acquire(self, owner: SlotOwner, lease_until: datetime) -> bool:
        if any(slot.owner == str(owner) for slot in self._taken.values()):
            return True
        free = next((number for number in self._numbers if number not in self._taken), None)
        if free is None:
            return False
        self._taken[free] = HeldSlot(free, str(owner), lease_until, None)
        return True

    def held(self) -> Sequence[HeldSlot]:
        return [slot for _, slot in sorted(self._taken.items())]

    def run(self, owner: SlotOwner, job_id: ExportJobId) -> None:
        for number, slot in self._taken.items():
            if slot.owner == str(owner):
                self._taken[number] = replace(slot, job_id=job_id)

    def free(self, owner: str) -> None:
        self._taken = {number: slot for number, slot in self._taken.items() if slot.owner != owner}


class SweepsInMemory:
    """Implements `ports.SweepBook`."""

    def __init__(self) -> None:
        self.marks: dict[tuple[str, SweepSource], SweepMark] = {}

    def read(self, prefix: str, source: SweepSource = SweepSource.BUCKET) -> SweepMark:
        return self.marks.get((prefix, source), SweepMark(prefix, source=source))

    def move(self, mark: SweepMark, after: ListingMark | None, at: datetime) -> SweepMark | None:
        name = mark.prefix, mark.source
        if self.read(*name).revision != mark.revision:
            return None
        self.marks[name] = replace(mark, after=after, revision=mark.revision + 1)
        return self.marks[name]


class ParkingInMemory:
    """Implements `ports.Parking`."""

    def __init__(self) -> None:
        self.messages: dict[str, ParkedMessage] = {}

    def park(self, message: ParkedMessage) -> bool:
        standing = self.messages.get(message.name)
        if standing is None:
            self.messages[message.name] = message
        elif standing.message_id == message.message_id or standing.state is ParkedState.CLOSED:
            return False
        else:
            self.messages[message.name] = replace(
                standing,
                state=ParkedState.PARKED,
                message_id=message.message_id,
                reason=message.reason,
                body=message.body,
            )
        return True

    def parked(self) -> Iterator[ParkedMessage]:
        for _, message in sorted(self.messages.items()):
            if message.state is not ParkedState.CLOSED:
                yield message

    def redriven(self, message: ParkedMessage, at: datetime) -> bool:
        standing = self.messages[message.name]
        if standing.message_id != message.message_id or standing.state is ParkedState.CLOSED:
            return False
        self.messages[message.name] = replace(standing, state=ParkedState.REDRIVEN, redriven_at=at)
        return True

    def close(self, message: ParkedMessage, at: datetime) -> None:
        self.messages[message.name] = replace(self.messages[message.name], state=ParkedState.CLOSED)
