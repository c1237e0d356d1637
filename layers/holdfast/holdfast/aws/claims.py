"""Everything that is filed under a conversation: claims, the HOLD item, receipts and custody events.

Items: `CONV#c`/`CLAIM#m`, `CONV#c`/`HOLD`, `CONV#c`/`SECURED`, `CONV#c`/`OBJ#fingerprint`,
`CONV#c`/`EVENT#ulid`; a matter's list of claims, in sixteen parts, `MATTER#m#CLAIMED#0`/`c`. The manifest
of an export job lies under `JOB#j`, objects whose key names neither under `STRAY`, Preflight's probes under
`CANARY`, each with its digest. The platform's side of a hold stands in the HOLD item, or in the claim of
the matter whose it is; the first kind, confirmed, is listed under `HELD#PLATFORM`, because the platform
protects no more than so many. Entries are stored as the bytes that are hashed; the attributes beside them are
copies to search by, never the truth.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from holdfast.aws.table import Item, Table, one_of
from holdfast.domain.custody import (
    CustodyEvent,
    DriftKind,
    EventType,
    ObjectVersion,
    Receipt,
    digest_event_id,
)
from holdfast.domain.drift import revocation_of
from holdfast.domain.evidence_key import EvidenceKey, Role
from holdfast.domain.ids import (
    BatchId,
    ConversationId,
    ExportJobId,
    MatterId,
    RecordingId,
    ReleaseId,
    RequestId,
)
from holdfast.domain.media import Medium
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.promise import UNCLAIMED, Promise, PromiseBroken
from holdfast.domain.reuse import ExportTerms, SecuredExport
from holdfast.domain.states import PLATFORM_HOLD_MOVES, DisposalState, HoldState, PlatformHold, sources
from holdfast.domain.ulid import ulid
from holdfast.errors import ConversationLifting, LedgerContention
from holdfast.evidence.entries import NONCE_BYTES, entry_bytes
from holdfast.ports import (
    Claim,
    Claimed,
    ClaimRecord,
    ClaimsPage,
    DisposalMark,
    Dossier,
    Entry,
    HoldOwner,
    ListedClaim,
    PlatformHoldRecord,
)

type Entropy = Callable[[int], bytes]

PLATFORM_LIST = "HELD#PLATFORM"
# A matter's list lies in sixteen partitions, since one takes a thousand writes a second.
SHARDS = "0123456789abcdef"
MOST_TRIES = 5
# Where a matter's own hold stands so, the platform is still to let go before the matter may claim again.
_TO_BE_LET_GO = sources(PLATFORM_HOLD_MOVES, PlatformHold.RELEASING)
_OF_PROMISE = ("sk", "state", "active_claims", "epoch", "ended_at", "platform", "marking_until")


def conversation_key(conversation_id: ConversationId) -> str:
    """Name the partition of everything that is filed under a conversation."""
    return f"CONV#{conversation_id}"


def hold_key(conversation_id: ConversationId, owner: HoldOwner) -> tuple[str, str]:
    """Name the item that has the platform's side of a hold: the conversation's, or a matter's claim."""
    return conversation_key(conversation_id), "HOLD" if owner is None else f"CLAIM#{owner}"


def object_key(version: ObjectVersion) -> tuple[str, str]:
    """Name the item of a version's receipt."""
    key = EvidenceKey.parse(version.key)
    if key.conversation_id:
        return conversation_key(key.conversation_id), f"OBJ#{version.fingerprint}"
    if key.job_id:
        return f"JOB#{key.job_id}", f"OBJ#{version.fingerprint}"
    return key.role.upper(), f"OBJ#{version.fingerprint}"


def list_key(matter_id: MatterId, conversation_id: ConversationId) -> str:
    """Name the partition of a matter's list that a conversation belongs to."""
    shard = hashlib.sha256(conversation_id.encode()).hexdigest()[0]
    return f"MATTER#{matter_id}#CLAIMED#{shard}"


def read_promise(hold: Item) -> Promise | None:
    """Read the promise out of a HOLD item; None if there is none."""
    if "state" not in hold:
        return None
    return Promise(HoldState(hold["state"]), hold["active_claims"], hold["epoch"])


def promise_move(
    conversation_id: ConversationId,
    standing: Promise | None,
    promise: Promise,
    *,
    lease_until: datetime | None = None,
    marking_until: datetime | None = None,
    condition: str = "",
    values: Mapping[str, Any] | None = None,
) -> tuple[str, str, str, str, dict[str, Any]]:
    """Compose a move of a promise, on condition that it is still the one that was read (None: there was
    none), and on a further one: key, update, condition and values.
    """
    leases = {"lease_until": lease_until, "marking_until": marking_until}
    running = {name: to_text(until) for name, until in leases.items() if until}
    set_lease = "".join(f", {name} = :{name}" for name in running)
    lease = {f":{name}": until for name, until in running.items()}
    was, is_same = {}, "attribute_not_exists(#state)"
    if standing:
        is_same = "#state = :was_state AND active_claims = :was_claims AND epoch = :was_epoch"
        was = {
            ":was_state": standing.state,
            ":was_claims": standing.active_claims,
            ":was_epoch": standing.epoch,
        }
    now = {":state": promise.state, ":claims": promise.active_claims, ":epoch": promise.epoch}
    return (
        conversation_key(conversation_id),
        "HOLD",
        f"SET #state = :state, active_claims = :claims, epoch = :epoch{set_lease}",
        is_same + condition,
        {**now, **lease, **was, **(values or {})},
    )


class ClaimLedger:
    """Implements `ports.ClaimBook`."""

    def __init__(self, table: Table, *, entropy: Entropy = os.urandom) -> None:
        self._table = table
        self._entropy = entropy

    def claim(self, claim: Claim) -> Claimed:
        """Put the claim, count it, list it and add its event, all or nothing; most conversations are new."""
        conversation_id, standing, is_being_marked = claim.conversation.conversation_id, None, False
        for _ in range(MOST_TRIES):
            try:
                promise = (standing or UNCLAIMED).claimed(is_being_marked=is_being_marked)
            except PromiseBroken:
                break
            if self._table.transact(*self._claiming(claim, standing, promise)):
                return Claimed(is_new=True, promise=promise)
            items = {item["sk"]: item for item in self._table.get_many(_claim_keys(claim), _OF_PROMISE)}
            standing = read_promise(items.get("HOLD", {}))
            is_being_marked = items.get("HOLD", {}).get("marking_until", "") > to_text(claim.claimed_at)
            if (mine := items.get(f"CLAIM#{claim.matter_id}")) is None:
                continue
            if "ended_at" not in mine:
                return Claimed(is_new=False, promise=standing or UNCLAIMED)
            if (hold := platform_hold(mine)) and hold.state in _TO_BE_LET_GO:
                break
        else:
            raise LedgerContention(f"conversation {conversation_id} changed {MOST_TRIES} times while claimed")
        raise ConversationLifting(f"conversation {conversation_id} is being released; claim it again later")

    def _claiming(self, claim: Claim, standing: Promise | None, promise: Promise) -> list[dict[str, Any]]:
        conversation = claim.conversation
        pk, claimed_at = conversation_key(conversation.conversation_id), to_text(claim.claimed_at)
        event = CustodyEvent(
            event_id=ulid(claim.claimed_at, self._entropy(10)),
            type=EventType.CLAIMED,
            conversation_id=conversation.conversation_id,
            at=claim.claimed_at,
            matter_id=claim.matter_id,
            request_id=claim.request_id,
        )
        return [
            self._table.putting(
                {
                    "pk": pk,
                    "sk": f"CLAIM#{claim.matter_id}",
                    "request_id": claim.request_id,
                    "batch_id": claim.batch_id,
                    "claimed_at": claimed_at,
                    "medium": conversation.medium,
                    "started_at": to_text(conversation.started_at),
                    "gsi_matter": f"MATTER#{claim.matter_id}",
                    "gsi_batch": f"BATCH#{claim.request_id}#{claim.batch_id}#{conversation.conversation_id}",
                },
                "attribute_not_exists(pk) OR attribute_exists(ended_at)",
            ),
            self._table.updating(*promise_move(conversation.conversation_id, standing, promise)),
            self._table.putting(
                {
                    "pk": list_key(claim.matter_id, conversation.conversation_id),
                    "sk": conversation.conversation_id,
                    "claimed_at": claimed_at,
                }
            ),
            self._table.putting_new(event_item(pk, event, self._entropy)),
        ]

    def claims_of(self, matter_id: MatterId, cursor: str | None) -> ClaimsPage:
        """Read a page of one of the shards that the list lies in; they follow each other."""
        shard, _, after = (cursor or f"{SHARDS[0]}#").partition("#")
        items, more = self._table.page(f"MATTER#{matter_id}#CLAIMED#{shard}", after)
        following = SHARDS[SHARDS.index(shard) + 1 :]
        ahead = f"{shard}#{more}" if more else f"{following[0]}#" if following else None
        return ClaimsPage(
            [
                ListedClaim(
                    ConversationId(item["sk"]),
                    from_text(item["claimed_at"]),
                    from_text(item["ended_at"]) if "ended_at" in item else None,
                )
                for item in items
            ],
            ahead,
        )

    def dossier(self, conversation_id: ConversationId) -> Dossier:
        """Read the conversation's whole partition."""
        receipts: list[Receipt] = []
        digested: set[str] = set()
        claims: list[ClaimRecord] = []
        filed: dict[str, list[Item]] = {"DRIFT": [], "DISPOSAL": []}
        entries: list[Entry] = []
        platform_holds: dict[HoldOwner, PlatformHoldRecord] = {}
        hold: Item = {}
        secured: Item = {}
        for item in self._table.query(conversation_key(conversation_id)):
            kind, _, name = item["sk"].partition("#")
            if kind == "OBJ":
                receipts.append(read_receipt(item["entry"]))
                entries.append(Entry(item["entry"], None))
            elif kind == "EVENT":
                matter_id = MatterId(item["matter_id"]) if "matter_id" in item else None
                entries.append(Entry(item["entry"], matter_id))
                if item["type"] == EventType.DIGEST_ADDED:
                    digested.add(item["fingerprint"])
            elif kind == "CLAIM":
                claims.append(claim_record(conversation_id, MatterId(name), item))
            elif kind == "HOLD":
                hold = item
            elif kind == "SECURED":
                secured = item
            elif kind in filed:
                filed[kind].append(item)
            if "ended_at" not in item and (held := platform_hold(item)):
                platform_holds[MatterId(name) if name else None] = held
        drifts, marks = filed["DRIFT"], [disposal_mark(one) for one in filed["DISPOSAL"]]
        gone = {one["fingerprint"] for one in drifts if one["drift"] == DriftKind.VERSION_GONE}
        covered = {one["key"] for one in drifts if one["drift"] == DriftKind.DELETE_MARKER}
        disposed = {one.version.fingerprint for one in marks if one.state is DisposalState.DISPOSED}
        return Dossier(
            conversation_id=conversation_id,
            receipts=[one for one in receipts if one.version.fingerprint not in gone | disposed],
            digested=frozenset(digested),
            platform_holds=platform_holds,
            claimed_by=frozenset(one.matter_id for one in claims if one.ended_at is None),
            entries=entries,
            promise=read_promise(hold) or UNCLAIMED,
            secured=None if gone else _secured(conversation_id, secured, hold),
            claims=claims,
            gone=[one for one in receipts if one.version.fingerprint in gone],
            hidden=[one for one in receipts if one.version.key in covered],
            disposed=[one for one in receipts if one.version.fingerprint in disposed],
            marks=marks,
        )

    def secured_exports(
        self, conversation_ids: Sequence[ConversationId]
    ) -> Mapping[ConversationId, SecuredExport]:
        """Read the SECURED and HOLD items of many conversations at once."""
        keys = [(conversation_key(one), kind) for one in conversation_ids for kind in ("SECURED", "HOLD")]
        found = {(item["pk"], item["sk"]): item for item in self._table.get_many(keys, _OF_SECURED)}
        read = {
            one: _secured(
                one,
                found.get((conversation_key(one), "SECURED"), {}),
                found.get((conversation_key(one), "HOLD"), {}),
            )
            for one in conversation_ids
        }
        return {one: export for one, export in read.items() if export}

    def note_secured(self, export: SecuredExport) -> None:
        """Put the item, on condition that it says at least what the standing one does, of the same holds."""
        terms = export.terms
        self._table.put(
            {
                "pk": conversation_key(export.conversation_id),
                "sk": "SECURED",
                "epoch": export.epoch,
                "recordings": dict(export.recordings),
                "screen": terms.include_screen,
                "sensitive": terms.include_sensitive,
                "job_created_at": to_text(terms.job_created_at),
                "matter_id": terms.matter_id,
                "request_id": terms.request_id,
            },
            "attribute_not_exists(pk) OR epoch < :epoch OR (epoch = :epoch"
            " AND job_created_at <= :job_created_at"
            " AND #screen IN (:no, :screen) AND #sensitive IN (:no, :sensitive))",
            {
                ":epoch": export.epoch,
                ":job_created_at": to_text(terms.job_created_at),
                ":no": False,
                ":screen": terms.include_screen,
                ":sensitive": terms.include_sensitive,
            },
        )

    def manifest_entries(self, job_id: ExportJobId) -> Sequence[Entry]:
        """Read the job's partition."""
        return [Entry(item["entry"], None) for item in self._table.query(f"JOB#{job_id.lower()}")]

    def platform_holds(
        self, conversation_ids: Sequence[ConversationId], owner: HoldOwner
    ) -> Mapping[ConversationId, PlatformHoldRecord | None]:
        """Read many HOLD items, or claims, at once."""
        keys = [hold_key(conversation_id, owner) for conversation_id in conversation_ids]
        items = self._table.get_many(keys, ("pk", "platform", "ended_at"))
        found = {item["pk"]: platform_hold(item) for item in items if "ended_at" not in item}
        return {cid: found.get(conversation_key(cid)) for cid in conversation_ids}

    def mark_platform_hold(
        self,
        conversation_ids: Sequence[ConversationId],
        owner: HoldOwner,
        state: PlatformHold,
        *,
        reason: str | None = None,
    ) -> None:
        """Write the platform's side of each, on condition that it may move there."""
        condition, values = may_become(state)
        condition = f"({condition}) AND attribute_not_exists(ended_at)"
        for conversation_id in conversation_ids:
            self._table.update(
                *hold_key(conversation_id, owner),
                "SET platform = :platform",
                condition,
                values | {":platform": {"state": state, "reason": reason}},
            )

    def confirm_platform_hold(self, conversation_id: ConversationId, owner: HoldOwner, at: datetime) -> bool:
        """Write HELD and the event, all or nothing."""
        event = CustodyEvent(
            event_id=ulid(at, self._entropy(10)),
            type=EventType.HELD_AT_PLATFORM,
            conversation_id=conversation_id,
            at=at,
            matter_id=owner,
        )
        pk, sk = hold_key(conversation_id, owner)
        writes = [self._table.putting_new(event_item(pk, event, self._entropy))]
        if owner is None:
            listed = {"pk": PLATFORM_LIST, "sk": conversation_id, "held_at": to_text(at)}
            writes.append(self._table.putting_new(listed))
        return self._table.transact(self._holding(pk, sk), *writes) or self._repair(
            conversation_id, owner, at, writes
        )

    def _holding(self, pk: str, sk: str, revoked_as: str | None = None) -> dict[str, Any]:
        """Compose the move to HELD: of what was never revoked, or was, in this way."""
        was_revoked = "revoked_as = :kind" if revoked_as else "attribute_not_exists(revoked_as)"
        return self._table.updating(
            pk,
            sk,
            "SET platform = :platform" + (" REMOVE revoked_as" if revoked_as else ""),
            f"platform.#state = :placing AND attribute_not_exists(ended_at) AND {was_revoked}",
            {
                ":platform": {"state": PlatformHold.HELD},
                ":placing": PlatformHold.PLACING,
                ":kind": revoked_as,
            },
        )

    def _repair(
        self, conversation_id: ConversationId, owner: HoldOwner, at: datetime, writes: list[dict[str, Any]]
    ) -> bool:
        """Write HELD and the events of what was revoked by somebody else, all or nothing."""
        pk, sk = hold_key(conversation_id, owner)
        revoked_as = (self._table.get(pk, sk) or {}).get("revoked_as")
        if revoked_as is None:
            return False
        event = self._drift_event(EventType.DRIFT_REPAIRED, conversation_id, owner, DriftKind(revoked_as), at)
        repaired = self._table.putting_new(event_item(pk, event, self._entropy))
        return self._table.transact(self._holding(pk, sk, revoked_as), *writes, repaired)

    def _drift_event(
        self, of: EventType, conversation_id: ConversationId, owner: HoldOwner, kind: DriftKind, at: datetime
    ) -> CustodyEvent:
        return CustodyEvent(
            event_id=ulid(at, self._entropy(10)),
            type=of,
            conversation_id=conversation_id,
            at=at,
            matter_id=owner,
            details={"drift": kind.value},
        )

    def note_revoked(
        self, conversation_id: ConversationId, owner: HoldOwner, was: PlatformHold, at: datetime
    ) -> bool:
        """Write REVOKED and the event, and take it off the list, all or nothing."""
        pk, sk = hold_key(conversation_id, owner)
        kind = revocation_of(was)
        event = self._drift_event(EventType.DRIFT_FOUND, conversation_id, owner, kind, at)
        condition = "platform.#state = :was AND attribute_not_exists(ended_at)"
        values: dict[str, str | int] = {":was": was}
        if owner is None:
            condition += " AND active_claims > :none AND #state <> :lifting"
            values |= {":none": 0, ":lifting": HoldState.LIFTING}
        writes = [
            self._table.updating(
                pk,
                sk,
                "SET platform = :platform, revoked_as = :kind",
                condition,
                {**values, ":platform": {"state": PlatformHold.REVOKED}, ":kind": kind},
            ),
            self._table.putting_new(event_item(pk, event, self._entropy)),
        ]
        if owner is None and was is PlatformHold.HELD:
            writes.append(self._table.deleting(PLATFORM_LIST, conversation_id))
        return self._table.transact(*writes)

    def held_for_all(self) -> frozenset[ConversationId]:
        """List what was confirmed."""
        return frozenset(ConversationId(item["sk"]) for item in self._table.query(PLATFORM_LIST))

    def claimed_among(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> frozenset[ConversationId]:
        """Look for the claims, a hundred a call."""
        keys = [
            (conversation_key(conversation_id), f"CLAIM#{matter_id}") for conversation_id in conversation_ids
        ]
        items = self._table.get_many(keys, ("pk", "ended_at"))
        found = {item["pk"] for item in items if "ended_at" not in item}
        return frozenset(cid for cid in conversation_ids if conversation_key(cid) in found)


class ReceiptLedger:
    """Implements `ports.ReceiptBook`."""

    def __init__(self, table: Table, *, entropy: Entropy = os.urandom) -> None:
        self._table = table
        self._entropy = entropy

    def conversation_of(self, recording_id: RecordingId) -> ConversationId | None:
        """Ask the sparse index of recordings."""
        found = next(self._table.look_up("by-recording", "gsi_recording", recording_id), None)
        return ConversationId(found["pk"].removeprefix("CONV#")) if found else None

    def have(self, versions: Sequence[ObjectVersion]) -> frozenset[str]:
        """Look all versions up by their keys, a hundred a call."""
        found = self._table.get_many((object_key(version) for version in versions), ("sk",))
        return frozenset(item["sk"].removeprefix("OBJ#") for item in found)

    def read(self, versions: Sequence[ObjectVersion]) -> Mapping[str, Receipt]:
        """Read all items by their keys, a hundred a call."""
        found = self._table.get_many((object_key(version) for version in versions), ("entry",))
        receipts = [read_receipt(item["entry"]) for item in found]
        return {receipt.version.fingerprint: receipt for receipt in receipts}

    def write(self, receipt: Receipt) -> bool:
        """Write the item unless it exists."""
        pk, sk = object_key(receipt.version)
        return self._table.put_new(
            {
                "pk": pk,
                "sk": sk,
                "entry": entry_bytes(receipt, self._entropy(NONCE_BYTES)),
                "gsi_recording": receipt.recording_id,
            }
        )

    def add_digest(self, version: ObjectVersion, sha256: str, at: datetime) -> bool:
        """Write the one DIGEST event a version can have, unless it exists."""
        event = CustodyEvent(
            event_id=digest_event_id(version),
            type=EventType.DIGEST_ADDED,
            conversation_id=EvidenceKey.parse(version.key).conversation_id,
            at=at,
            details={"key": version.key, "version_id": version.version_id, "sha256": sha256},
        )
        pk, _ = object_key(version)
        item = event_item(pk, event, self._entropy)
        return self._table.put_new(item | {"fingerprint": version.fingerprint})

    def digested(self, versions: Sequence[ObjectVersion]) -> frozenset[str]:
        """Look all events up by their keys, a hundred a call."""
        keys = ((object_key(one)[0], f"EVENT#{digest_event_id(one)}") for one in versions)
        return frozenset(item["fingerprint"] for item in self._table.get_many(keys, ("fingerprint",)))

    def of_canaries(self, prefix: str) -> Sequence[Receipt]:
        """Read the partition of the probes, which has some hundreds a year."""
        receipts = (read_receipt(item["entry"]) for item in self._table.query(Role.CANARY.upper(), "OBJ#"))
        return [receipt for receipt in receipts if receipt.version.key.startswith(prefix)]


def read_receipt(entry: bytes) -> Receipt:
    """Read a receipt back from its entry."""
    document = json.loads(entry)
    return Receipt(
        version=ObjectVersion(
            document["bucket"], document["key"], document["version_id"], document["size_bytes"]
        ),
        role=Role(document["role"]),
        arrived_at=from_text(document["arrived_at"]),
        secured_at=from_text(document["secured_at"]),
        sha256=document.get("sha256"),
        conversation_id=ConversationId(document["conversation_id"])
        if "conversation_id" in document
        else None,
        recording_id=RecordingId(document["recording_id"]) if "recording_id" in document else None,
        medium=Medium(document["medium"]) if "medium" in document else None,
        omitted_tags=tuple(document.get("omitted_tags", ())),
    )


def disposal_mark(item: Item) -> DisposalMark:
    """Read the item of a version that was marked for disposal."""
    return DisposalMark(
        ObjectVersion(item["bucket"], item["key"], item["version_id"], item["size_bytes"]),
        ReleaseId(item["release_id"]),
        DisposalState(item["state"]),
        from_text(item["at"]),
    )


def event_item(pk: str, event: CustodyEvent, entropy: Entropy) -> Item:
    """Compose the item of a custody event."""
    return {
        "pk": pk,
        "sk": f"EVENT#{event.event_id}",
        "type": event.type,
        "matter_id": event.matter_id,
        "entry": entry_bytes(event, entropy(NONCE_BYTES)),
    }


def _claim_keys(claim: Claim) -> list[tuple[str, str]]:
    pk = conversation_key(claim.conversation.conversation_id)
    return [(pk, "HOLD"), (pk, f"CLAIM#{claim.matter_id}")]


def claim_record(conversation_id: ConversationId, matter_id: MatterId, item: Item) -> ClaimRecord:
    """Read a claim's item."""
    return ClaimRecord(
        matter_id,
        conversation_id,
        RequestId(item["request_id"]),
        BatchId(item["batch_id"]),
        from_text(item["claimed_at"]),
        from_text(item["ended_at"]) if "ended_at" in item else None,
        ReleaseId(item["release_id"]) if "release_id" in item else None,
        item.get("ended_by"),
    )


_OF_SECURED = (
    "pk",
    "sk",
    "state",
    "epoch",
    "recordings",
    "screen",
    "sensitive",
    "job_created_at",
    "matter_id",
    "request_id",
)


def _secured(conversation_id: ConversationId, secured: Item, hold: Item) -> SecuredExport | None:
    """Read a SECURED item; without locks that are held, and have been since, it says nothing."""
    if not secured or hold.get("state") != HoldState.HELD or hold["epoch"] != secured["epoch"]:
        return None
    return SecuredExport(
        conversation_id,
        {RecordingId(one): Medium(medium) for one, medium in secured["recordings"].items()},
        ExportTerms(
            MatterId(secured["matter_id"]),
            RequestId(secured["request_id"]),
            include_screen=secured["screen"],
            include_sensitive=secured["sensitive"],
            job_created_at=from_text(secured["job_created_at"]),
        ),
        secured["epoch"],
    )


def platform_hold(item: Item) -> PlatformHoldRecord | None:
    """Read the platform's side of a HOLD item, or of a claim."""
    if "platform" not in item:
        return None
    return PlatformHoldRecord(PlatformHold(item["platform"]["state"]), item["platform"].get("reason"))


def may_become(state: PlatformHold) -> tuple[str, dict[str, str]]:
    """Compose the condition under which the platform's side of a hold may move there, and its values."""
    before: Iterable[PlatformHold | None] = sources(PLATFORM_HOLD_MOVES, state)
    condition, values = one_of("platform.#state", [one for one in before if one is not None])
    if None in before:
        condition = f"attribute_exists(pk) AND (attribute_not_exists(platform) OR {condition})"
    return condition, values
