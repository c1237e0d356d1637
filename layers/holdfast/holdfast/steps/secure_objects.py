"""Secure everything that arrives: lock, hash, tag, receipt. It never asks whether anyone claims it.

The order is the promise. The whole batch is locked before anything is hashed, and the receipt comes last, so
a crash between any two effects leaves an object that is safer than its record says, and a redelivery finishes
the rest.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.contracts.arrivals import QueuedMessage, UnreadableMessage, read_arrivals
from holdfast.domain.custody import Arrival, ObjectVersion, Receipt
from holdfast.domain.evidence_key import EvidenceKey, Role
from holdfast.domain.media import Medium, medium_of
from holdfast.domain.tags import own_tags, plan_tags
from holdfast.errors import ObjectUnreadable
from holdfast.ports import (
    Clock,
    Counter,
    EvidenceBucket,
    HashQueue,
    OpenedObject,
    ParkedMessage,
    Parking,
    ReceiptBook,
    Telemetry,
)
from holdfast.steps.pool import for_each

# A sidecar is a few hundred bytes; what is larger is not read as one.
SIDECAR_LIMIT_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Securing:
    """What the arrival path works with; `hash_limit_bytes` is the size from which on a digest comes later."""

    bucket: EvidenceBucket
    receipts: ReceiptBook
    parking: Parking
    hash_queue: HashQueue
    evidence_bucket_name: str
    hash_limit_bytes: int
    has_time: Callable[[], bool]
    clock: Clock
    telemetry: Telemetry

    def secure(self, messages: Sequence[QueuedMessage]) -> list[str]:
        """Secure every version that the messages name; answers the ids of messages to be delivered again.

        A message that can never be handled is parked at once; it would only fail a few times more.
        """
        arrivals: dict[str, Arrival] = {}
        bearers: dict[str, list[str]] = {}
        for message in messages:
            for arrival in self._read(message):
                arrivals[arrival.version.fingerprint] = arrival
                bearers.setdefault(arrival.version.fingerprint, []).append(message.message_id)
        receipted = self.receipts.have([arrival.version for arrival in arrivals.values()])
        waiting = [arrival for fingerprint, arrival in arrivals.items() if fingerprint not in receipted]

        locked = [arrival for arrival, is_locked in self._try_each(waiting, self._lock) if is_locked]
        done = {
            arrival.version.fingerprint
            for arrival, is_done in self._try_each(locked, self._record)
            if is_done
        }

        failed = [arrival for arrival in waiting if arrival.version.fingerprint not in done]
        return sorted({bearer for arrival in failed for bearer in bearers[arrival.version.fingerprint]})

    def _read(self, message: QueuedMessage) -> Sequence[Arrival]:
        try:
            return read_arrivals(message.body, self.evidence_bucket_name)
        except UnreadableMessage as unreadable:
            was_parked = self.parking.park(
                ParkedMessage(message.message_id, str(unreadable), self.clock.now(), message.body)
            )
            self.telemetry.count(Counter.PARKED, was_parked)
            self.telemetry.warn("message_parked", message_id=message.message_id)
            return ()

    def _try_each(
        self, arrivals: Sequence[Arrival], act: Callable[[Arrival], None]
    ) -> list[tuple[Arrival, bool]]:
        def attempt(arrival: Arrival) -> bool:
            try:
                act(arrival)
            except Exception as failure:  # noqa: BLE001 - one bad object must not fail its neighbours
                self.telemetry.warn(
                    "object_not_secured",
                    object_key=arrival.version.key,
                    version_id=arrival.version.version_id,
                    failure=type(failure).__name__,
                )
                return False
            return True

        return list(zip(arrivals, for_each(arrivals, attempt), strict=True))

    def _lock(self, arrival: Arrival) -> None:
        self.bucket.lock(arrival.version)

    def _record(self, arrival: Arrival) -> None:
        if not self.has_time():
            raise TimeoutError("locked; the rest is left to the redelivery")
        version, key = arrival.version, EvidenceKey.parse(arrival.version.key)
        sha256, head, may_have_tags = self._read_object(version)
        plan = plan_tags(self.bucket.foreign_tags(version) if may_have_tags else {}, own_tags(key))
        self.bucket.tag(version, plan)
        if sha256 is None:
            self.hash_queue.send(version)
        now = self.clock.now()
        was_written = self.receipts.write(
            Receipt(
                version=version,
                role=key.role,
                arrived_at=arrival.arrived_at,
                secured_at=now,
                sha256=sha256,
                conversation_id=key.conversation_id,
                recording_id=key.recording_id,
                medium=_medium(head) if key.role is Role.SIDECAR else None,
                omitted_tags=plan.omitted,
            )
        )
        if was_written:
            self._report(version, key, (now - arrival.arrived_at).total_seconds())

    def _read_object(self, version: ObjectVersion) -> tuple[str | None, bytes, bool]:
        """Hash what can be hashed now: give its digest, how it begins, and whether it may have tags.

        Lock, tag and receipt need no byte of it: what S3 keeps to itself is left to the hash queue.
        """
        try:
            with self.bucket.open(version) as opened:
                if version.size_bytes > self.hash_limit_bytes:
                    return None, b"", opened.has_tags
                return *_digest(opened), opened.has_tags
        except ObjectUnreadable:
            self.telemetry.warn("object_unreadable", object_key=version.key, version_id=version.version_id)
            return None, b"", True

    def _report(self, version: ObjectVersion, key: EvidenceKey, lag_s: float) -> None:
        self.telemetry.count(Counter.OBJECTS_SECURED)
        self.telemetry.hold_lag(max(lag_s, 0))
        if key.role in (Role.STRAY, Role.OTHER):
            self.telemetry.count(Counter.EXCEPTIONS)
            self.telemetry.warn("object_unattributed", object_key=version.key, version_id=version.version_id)


def _digest(opened: OpenedObject) -> tuple[str, bytes]:
    digest, head = hashlib.sha256(), b""
    for chunk in opened.chunks:
        digest.update(chunk)
        if len(head) <= SIDECAR_LIMIT_BYTES:
            head += chunk
    return digest.hexdigest(), head


def _medium(sidecar: bytes) -> Medium | None:
    """Read the medium out of a sidecar; one that cannot be read is evidence all the same."""
    try:
        document: Any = json.loads(sidecar)
    except (ValueError, RecursionError):
        return None
    return medium_of(str(document.get("mediaType", ""))) if isinstance(document, Mapping) else None
