"""The promise over a conversation's locks, kept in its HOLD item: `CONV#c`/`HOLD`.

Every move is one transaction, on condition that the promise is still the one that was read; `domain.promise`
says which moves there are.
"""

import os
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from holdfast.aws.claims import (
    MOST_TRIES,
    PLATFORM_LIST,
    Entropy,
    conversation_key,
    event_item,
    hold_key,
    list_key,
    may_become,
    object_key,
    platform_hold,
    promise_move,
    read_promise,
    read_receipt,
)
from holdfast.aws.table import Item, Table
from holdfast.domain.custody import CustodyEvent, DriftKind, EventType, ObjectVersion, Relock, RelockCause
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, ReleaseId
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.promise import UNCLAIMED, Promise, PromiseBroken
from holdfast.domain.release import NOBODY
from holdfast.domain.states import DisposalState, HoldState, PlatformHold
from holdfast.domain.ulid import ulid
from holdfast.errors import LedgerContention
from holdfast.ports import ClaimEnding, HoldOwner, HoldRecord

type Move = Callable[[Promise], Promise]


class ReleaseLedger:
    """Implements `ports.ReleaseBook`."""

    def __init__(self, table: Table, *, entropy: Entropy = os.urandom) -> None:
        self._table = table
        self._entropy = entropy

    def hold(self, conversation_id: ConversationId) -> HoldRecord:
        """Read the item."""
        return _record(conversation_id, self._table.get(conversation_key(conversation_id), "HOLD") or {})

    def end_claim(self, ending: ClaimEnding) -> HoldRecord:
        """End the claim and its line in the list, count it off and add the event, all or nothing."""
        pk = conversation_key(ending.conversation_id)
        for _ in range(MOST_TRIES):
            claim = self._table.get(pk, f"CLAIM#{ending.matter_id}")
            standing = self.hold(ending.conversation_id)
            is_due = claim and "ended_at" not in claim and claim["claimed_at"] <= to_text(ending.planned_at)
            if not is_due:
                return standing
            promise = standing.promise.unclaimed()
            is_last = promise.state is HoldState.LIFTING
            lease_until = ending.lease_until if is_last else None
            move = self._table.updating(
                *promise_move(ending.conversation_id, standing.promise, promise, lease_until=lease_until)
            )
            if self._table.transact(move, *self._ending(ending)):
                return HoldRecord(ending.conversation_id, promise, lease_until, standing.platform)
        raise LedgerContention(
            f"conversation {ending.conversation_id} changed {MOST_TRIES} times while a claim was ended"
        )

    def _ending(self, ending: ClaimEnding) -> list[dict[str, object]]:
        pk, ended_at = conversation_key(ending.conversation_id), to_text(ending.at)
        event = CustodyEvent(
            event_id=ulid(ending.at, self._entropy(10)),
            type=EventType.RELEASED,
            conversation_id=ending.conversation_id,
            at=ending.at,
            matter_id=ending.matter_id,
            details={"release_id": ending.release_id, "requested_by": ending.ended_by},
        )
        return [
            self._table.updating(
                pk,
                f"CLAIM#{ending.matter_id}",
                "SET ended_at = :at, release_id = :release, ended_by = :by REMOVE gsi_matter, gsi_batch",
                "attribute_exists(pk) AND attribute_not_exists(ended_at)",
                {
                    ":at": ended_at,
                    ":release": ending.release_id,
                    ":by": ending.ended_by,
                },
            ),
            self._table.updating(
                list_key(ending.matter_id, ending.conversation_id),
                ending.conversation_id,
                "SET ended_at = :at",
                "attribute_exists(pk)",
                {":at": ended_at},
            ),
            self._table.putting_new(event_item(pk, event, self._entropy)),
        ]

    def begin_lift(self, conversation_id: ConversationId, *, lease_until: datetime) -> HoldRecord | None:
        """Move the promise of what nobody claims, which may have none yet, and list it as let go, all or
        nothing.
        """
        item, at = self._table.get(conversation_key(conversation_id), "HOLD") or {}, to_text(lease_until)
        listed = {
            "pk": list_key(NOBODY, conversation_id),
            "sk": conversation_id,
            "claimed_at": at,
            "ended_at": at,
        }
        return self._take(conversation_id, item, Promise.let_go, lease_until, self._table.putting(listed))

    def resume_lift(
        self, conversation_id: ConversationId, *, now: datetime, lease_until: datetime
    ) -> HoldRecord | None:
        """Move the promise on if its lease is over; of two that try, one is late."""
        item = self._table.get(conversation_key(conversation_id), "HOLD") or {}
        is_expired = item.get("lease_until", "") <= to_text(now)
        return self._take(
            conversation_id, item, lambda one: one.resumed(is_lease_expired=is_expired), lease_until
        )

    def _take(
        self,
        conversation_id: ConversationId,
        item: Item,
        move: Move,
        lease_until: datetime,
        *others: dict[str, Any],
    ) -> HoldRecord | None:
        standing = read_promise(item)
        try:
            promise = move(standing or UNCLAIMED)
        except PromiseBroken:
            return None
        move_it = promise_move(conversation_id, standing, promise, lease_until=lease_until)
        was_taken = self._table.transact(self._table.updating(*move_it), *others)
        return HoldRecord(conversation_id, promise, lease_until, platform_hold(item)) if was_taken else None

    def may_lift(self, conversation_id: ConversationId, epoch: int) -> bool:
        """Read the item."""
        return self.hold(conversation_id).promise.may_lift(epoch)

    def begin_platform_release(
        self, conversation_id: ConversationId, owner: HoldOwner, epoch: int | None
    ) -> bool:
        """Write RELEASING, on condition that the locks are being lifted, or that the claim has ended."""
        condition, values = may_become(PlatformHold.RELEASING)
        if owner is None:
            condition += " AND #state = :lifting AND epoch = :epoch"
            values = values | {":lifting": HoldState.LIFTING}
        else:
            condition += " AND attribute_exists(ended_at)"
        return self._table.update(
            *hold_key(conversation_id, owner),
            "SET platform = :platform",
            condition,
            {**values, ":epoch": epoch, ":platform": {"state": PlatformHold.RELEASING}},
        )

    def end_platform_release(self, conversation_id: ConversationId, owner: HoldOwner, at: datetime) -> bool:
        """Write RELEASED, the event and the list, all or nothing."""
        pk, sk = hold_key(conversation_id, owner)
        event = CustodyEvent(
            event_id=ulid(at, self._entropy(10)),
            type=EventType.RELEASED_AT_PLATFORM,
            conversation_id=conversation_id,
            at=at,
            matter_id=owner,
        )
        update = self._table.updating(
            pk,
            sk,
            "SET platform = :platform",
            "platform.#state = :releasing",
            {":platform": {"state": PlatformHold.RELEASED}, ":releasing": PlatformHold.RELEASING},
        )
        writes = [update, self._table.putting_new(event_item(pk, event, self._entropy))]
        if owner is None:
            writes.append(self._table.deleting(PLATFORM_LIST, conversation_id))
        return self._table.transact(*writes)

    def platform_kept(self, conversation_id: ConversationId, owner: HoldOwner) -> None:
        """Write HELD where RELEASING stands."""
        self._table.update(
            *hold_key(conversation_id, owner),
            "SET platform = :platform",
            "platform.#state = :releasing",
            {":platform": {"state": PlatformHold.HELD}, ":releasing": PlatformHold.RELEASING},
        )

    def lifted(
        self, conversation_id: ConversationId, epoch: int, release_id: ReleaseId, at: datetime
    ) -> bool:
        """Write LIFTED and the event, all or nothing."""
        standing = self.hold(conversation_id).promise
        try:
            promise = standing.lifted(epoch)
        except PromiseBroken:
            return False
        pk = conversation_key(conversation_id)
        event = CustodyEvent(
            event_id=ulid(at, self._entropy(10)),
            type=EventType.LIFTED,
            conversation_id=conversation_id,
            at=at,
            details={"release_id": release_id, "epoch": epoch},
        )
        return self._table.transact(
            self._table.updating(
                *promise_move(
                    conversation_id,
                    standing,
                    promise,
                    condition=" AND (attribute_not_exists(platform) OR platform.#state <> :releasing)",
                    values={":releasing": PlatformHold.RELEASING},
                )
            ),
            self._table.putting_new(event_item(pk, event, self._entropy)),
        )


class RelockLedger:
    """Implements `ports.RelockBook`."""

    def __init__(self, table: Table, *, entropy: Entropy = os.urandom) -> None:
        self._table = table
        self._entropy = entropy

    def awaiting(self, conversation_id: ConversationId, epoch: int) -> Sequence[ObjectVersion]:
        """Read the promise, then the receipts, but of what is known to be gone."""
        pk = conversation_key(conversation_id)
        if not _is_relocking(read_promise(self._table.get(pk, "HOLD") or {}) or UNCLAIMED, epoch):
            return []
        gone = {item["fingerprint"] for item in self._table.query(pk, f"DRIFT#{DriftKind.VERSION_GONE}#")}
        gone |= {
            item["fingerprint"]
            for item in self._table.query(pk, "DISPOSAL#")
            if item["state"] == DisposalState.DISPOSED
        }
        versions = (read_receipt(item["entry"]).version for item in self._table.query(pk, "OBJ#"))
        return [version for version in versions if version.fingerprint not in gone]

    def relocked(self, conversation_id: ConversationId, epoch: int, at: datetime) -> bool:
        """Write HELD and the event, all or nothing."""
        pk = conversation_key(conversation_id)
        event = CustodyEvent(
            event_id=ulid(at, self._entropy(10)),
            type=EventType.RELOCKED,
            conversation_id=conversation_id,
            at=at,
            details={"epoch": epoch},
        )
        # Others may claim it meanwhile: their number is not asked.
        update = self._table.updating(
            pk,
            "HOLD",
            "SET #state = :held",
            "#state = :relocking AND epoch = :epoch",
            {":held": HoldState.HELD, ":relocking": HoldState.RELOCKING, ":epoch": epoch},
        )
        return self._table.transact(update, self._table.putting_new(event_item(pk, event, self._entropy)))

    def note_repair(self, relock: Relock, at: datetime) -> bool:
        """Write the event unless it exists."""
        version = relock.version
        event = CustodyEvent(
            event_id=relock.event_id,
            type=EventType.DRIFT_REPAIRED,
            conversation_id=EvidenceKey.parse(version.key).conversation_id,
            at=at,
            details={"drift": relock.drift.value, "key": version.key, "version_id": version.version_id},
        )
        return self._table.put_new(event_item(object_key(version)[0], event, self._entropy))

    def are_answered(self, relocks: Sequence[Relock]) -> Sequence[bool]:
        """Look for the events of drifts, for what is gone, and for what has become of the promises."""
        events = [(object_key(relock.version)[0], f"EVENT#{relock.event_id}") for relock in relocks]
        gone = [
            (pk, f"DRIFT#{DriftKind.VERSION_GONE}#{relock.version.fingerprint}")
            for relock, (pk, _) in zip(relocks, events, strict=True)
        ]
        disposed = [
            (pk, f"DISPOSAL#{relock.version.fingerprint}")
            for relock, (pk, _) in zip(relocks, events, strict=True)
        ]
        items = self._table.get_many([*events, *gone, *disposed], ("pk", "sk", "state"))
        found = {
            (item["pk"], item["sk"]) for item in items if item.get("state") in (None, DisposalState.DISPOSED)
        }
        return [
            lost in found
            or no_more in found
            or (
                event in found or not _is_held(promise, relock.epoch)
                if relock.cause is RelockCause.DRIFT
                else not _is_relocking(promise, relock.epoch)
            )
            for relock, event, lost, no_more, promise in zip(
                relocks, events, gone, disposed, self._promises(relocks), strict=True
            )
        ]

    def are_wanted(self, drifts: Sequence[Relock]) -> Sequence[bool]:
        """Read the HOLD items, a hundred a call."""
        return [
            _is_held(promise, relock.epoch)
            for relock, promise in zip(drifts, self._promises(drifts), strict=True)
        ]

    def _promises(self, relocks: Sequence[Relock]) -> list[Promise]:
        keys = [object_key(relock.version)[0] for relock in relocks]
        items = self._table.get_many([(pk, "HOLD") for pk in keys], ("pk", "state", "active_claims", "epoch"))
        found = {item["pk"]: read_promise(item) for item in items}
        return [found.get(pk) or UNCLAIMED for pk in keys]


def _record(conversation_id: ConversationId, item: Item) -> HoldRecord:
    return HoldRecord(
        conversation_id,
        read_promise(item) or UNCLAIMED,
        from_text(item["lease_until"]) if "lease_until" in item else None,
        platform_hold(item),
    )


def _is_relocking(promise: Promise, epoch: int) -> bool:
    return promise.state is HoldState.RELOCKING and promise.epoch == epoch


def _is_held(promise: Promise, epoch: int) -> bool:
    return promise.state is HoldState.HELD and promise.epoch == epoch
