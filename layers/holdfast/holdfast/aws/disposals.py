"""Disposal after release: `CONV#c`/`DISPOSAL#fingerprint`, beside the receipts, and how far each release has
come, in its own item.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from holdfast.aws.claims import (
    Entropy,
    conversation_key,
    event_item,
    object_key,
    promise_move,
    read_promise,
)
from holdfast.aws.table import Item, Table
from holdfast.domain.custody import CustodyEvent, EventType, ObjectVersion
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, MatterId, ReleaseId
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.promise import UNCLAIMED, Promise, PromiseBroken
from holdfast.domain.release import NOBODY
from holdfast.domain.states import DisposalState, HoldState, ReleaseState
from holdfast.domain.ulid import ulid
from holdfast.ports import DisposalWalk


class DisposalLedger:
    """Implements `ports.DisposalBook` and `ports.MarkBook`."""

    def __init__(self, table: Table, *, entropy: Entropy = os.urandom) -> None:
        self._table = table
        self._entropy = entropy

    def walks(self) -> Iterator[DisposalWalk]:
        """Go through the list of matters, and each one's releases."""
        listed = (MatterId(item["sk"]) for item in self._table.query("MATTERS"))
        for matter_id in (NOBODY, *listed):
            for item in self._table.query(f"MATTER#{matter_id}", "RELEASE#"):
                walk = _walk(matter_id, item)
                if item["state"] == ReleaseState.RELEASED and not walk.is_settled:
                    yield walk

    def move(self, walk: DisposalWalk, moved: DisposalWalk) -> DisposalWalk | None:
        """Write the attribute, on condition that nobody has since it was read."""
        moved = replace(moved, revision=walk.revision + 1)
        is_same = "disposal.revision = :read" if walk.revision else "attribute_not_exists(disposal)"
        was_moved = self._table.update(
            f"MATTER#{walk.matter_id}",
            f"RELEASE#{walk.release_id}",
            "SET disposal = :moved",
            f"#state = :released AND {is_same}",
            {
                ":released": ReleaseState.RELEASED,
                ":moved": {
                    "number": moved.number,
                    "sha256": moved.sha256,
                    "offset": moved.offset,
                    "unsettled": moved.unsettled,
                    "walked_at": to_text(moved.walked_at) if moved.walked_at else None,
                    "is_settled": moved.is_settled,
                    "revision": moved.revision,
                },
                **({":read": walk.revision} if walk.revision else {}),
            },
        )
        return moved if was_moved else None

    def begin_marking(
        self, conversation_id: ConversationId, promise: Promise, *, now: datetime, lease_until: datetime
    ) -> int | None:
        """Move the promise on, with the lease."""
        item = self._table.get(conversation_key(conversation_id), "HOLD") or {}
        try:
            marking = promise.marking(is_lease_expired=item.get("marking_until", "") <= to_text(now))
        except PromiseBroken:
            return None
        standing = read_promise(item) or UNCLAIMED
        move = promise_move(conversation_id, promise, marking, marking_until=lease_until)
        return marking.epoch if standing == promise and self._table.update(*move) else None

    def mark(self, version: ObjectVersion, release_id: ReleaseId, epoch: int, at: datetime) -> bool:
        """Write item and event, all or nothing, under the epoch."""
        pk, _ = object_key(version)
        item = {
            "pk": pk,
            "sk": _sort_key(version),
            "fingerprint": version.fingerprint,
            "bucket": version.bucket,
            "key": version.key,
            "version_id": version.version_id,
            "size_bytes": version.size_bytes,
            "release_id": release_id,
            "state": DisposalState.MARKED,
            "at": to_text(at),
        }
        return self._table.transact(
            self._table.checking(
                pk,
                "HOLD",
                "#state = :lifted AND epoch = :epoch AND active_claims = :none",
                {":lifted": HoldState.LIFTED, ":epoch": epoch, ":none": 0},
            ),
            self._table.putting(
                item,
                "attribute_not_exists(pk) OR #state = :taken_back",
                {":taken_back": DisposalState.TAKEN_BACK},
            ),
            self._table.putting_new(self._event(EventType.DISPOSAL_DUE, version, release_id, at)),
        )

    def end_marking(self, conversation_id: ConversationId, epoch: int) -> None:
        """Take the lease off, unless the promise has moved on."""
        self._table.update(
            conversation_key(conversation_id),
            "HOLD",
            "REMOVE marking_until",
            "#state = :lifted AND epoch = :epoch",
            {":lifted": HoldState.LIFTED, ":epoch": epoch},
        )

    def is_marked(self, version: ObjectVersion) -> bool:
        """Read the item."""
        return self._state(version) is DisposalState.MARKED

    def take_back(self, version: ObjectVersion, at: datetime) -> None:
        """Write the state and the event, all or nothing."""
        self._end(version, DisposalState.TAKEN_BACK, EventType.DISPOSAL_TAKEN_BACK, at)

    def disposed(self, version: ObjectVersion, at: datetime) -> bool:
        """Write the state and the event, all or nothing."""
        self._end(version, DisposalState.DISPOSED, EventType.DISPOSED, at)
        return self._state(version) is DisposalState.DISPOSED

    def covers(self, marker: ObjectVersion) -> bool:
        """Read the marks beside the marker's key."""
        return any(
            item["key"] == marker.key and item["state"] != DisposalState.TAKEN_BACK
            for item in self._table.query(object_key(marker)[0], "DISPOSAL#")
        )

    def _end(self, version: ObjectVersion, state: DisposalState, kind: EventType, at: datetime) -> None:
        pk, _ = object_key(version)
        item = self._table.get(pk, _sort_key(version))
        if item is None or item["state"] != DisposalState.MARKED:
            return
        self._table.transact(
            self._table.putting(
                item | {"state": state, "at": to_text(at)},
                "#state = :marked",
                {":marked": DisposalState.MARKED},
            ),
            self._table.putting_new(self._event(kind, version, ReleaseId(item["release_id"]), at)),
        )

    def _state(self, version: ObjectVersion) -> DisposalState | None:
        item = self._table.get(object_key(version)[0], _sort_key(version))
        return DisposalState(item["state"]) if item else None

    def _event(self, kind: EventType, version: ObjectVersion, release_id: ReleaseId, at: datetime) -> Item:
        event = CustodyEvent(
            event_id=ulid(at, self._entropy(10)),
            type=kind,
            conversation_id=EvidenceKey.parse(version.key).conversation_id,
            at=at,
            details={"key": version.key, "version_id": version.version_id, "release_id": release_id},
        )
        return event_item(object_key(version)[0], event, self._entropy)


def _sort_key(version: ObjectVersion) -> str:
    return f"DISPOSAL#{version.fingerprint}"


def _walk(matter_id: MatterId, item: Item) -> DisposalWalk:
    walk = DisposalWalk(
        matter_id, ReleaseId(item["sk"].removeprefix("RELEASE#")), from_text(item["opened_at"])
    )
    if "disposal" not in item:
        return walk
    told = item["disposal"]
    walked_at = from_text(told["walked_at"]) if "walked_at" in told else None
    return replace(walk, **{**told, "walked_at": walked_at})
