"""Secure everything that arrives: lock, hash, tag, receipt. It never asks whether anyone claims it.

What has its receipt is locked again on demand: because its conversation is claimed after its locks were
lifted, or because somebody else lifted its lock. Receipts never change.

The order is the promise. The whole batch is locked before anything is hashed, and the receipt comes last, so
a crash between any two effects leaves an object that is safer than its record says, and a redelivery finishes
the rest.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.contracts.arrivals import QueuedMessage, UnreadableMessage, read_arrivals, read_relock
from holdfast.domain.custody import Arrival, DriftKind, ObjectVersion, Receipt, Relock, RelockCause
from holdfast.domain.evidence_key import EvidenceKey, Role
from holdfast.domain.ids import ConversationId
from holdfast.domain.media import Medium, medium_of
from holdfast.domain.tags import own_tags, plan_tags
from holdfast.errors import AwsRefused, ObjectUnreadable
from holdfast.ports import (
    Clock,
    Counter,
    EvidenceBucket,
    HashQueue,
    MarkBook,
    OpenedObject,
    ParkedMessage,
    Parking,
    ReceiptBook,
    RelockBook,
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
    relocks: RelockBook
    marks: MarkBook
    parking: Parking
    hash_queue: HashQueue
    evidence_bucket_name: str
    hash_limit_bytes: int
    has_time: Callable[[], bool]
    clock: Clock
    telemetry: Telemetry

    def secure(self, messages: Sequence[QueuedMessage]) -> list[str]:
        """Secure every version that the messages name, and lock again what they ask for; answers the ids of
        messages to be delivered again.

        A message that can never be handled is parked at once; it would only fail a few times more.
        """
        arrivals: dict[str, Arrival] = {}
        bearers: dict[str, list[str]] = {}
        relocks: dict[str, Relock] = {}
        for message in messages:
            asked = self._read(message)
            if isinstance(asked, Relock):
                relocks[message.message_id] = asked
                continue
            for arrival in asked:
                arrivals[arrival.version.fingerprint] = arrival
                bearers.setdefault(arrival.version.fingerprint, []).append(message.message_id)
        receipted = self.receipts.have([arrival.version for arrival in arrivals.values()])
        waiting = [arrival for fingerprint, arrival in arrivals.items() if fingerprint not in receipted]

        stale = self._stale(list(relocks.values()))
        relocked = self._try_each([one for one in relocks.values() if one not in stale], self._lock_again)
        locked = self._try_each(waiting, self._lock)
        mended = self._try_each(_drifts(relocked), self._mend)
        answered = [*stale, *mended, *self._read_back(relocked)]
        done = {arrival.version.fingerprint for arrival in self._try_each(locked, self._record)}

        failed = [arrival for arrival in waiting if arrival.version.fingerprint not in done]
        unheard = {bearer for arrival in failed for bearer in bearers[arrival.version.fingerprint]}
        return sorted(unheard | {bearer for bearer, relock in relocks.items() if relock not in answered})

    def _read(self, message: QueuedMessage) -> Sequence[Arrival] | Relock:
        try:
            relock = read_relock(message.body, self.evidence_bucket_name)
            return relock or read_arrivals(message.body, self.evidence_bucket_name)
        except UnreadableMessage as unreadable:
            was_parked = self.parking.park(
                ParkedMessage(message.message_id, str(unreadable), self.clock.now(), message.body)
            )
            self.telemetry.count(Counter.PARKED, was_parked)
            self.telemetry.warn("message_parked", message_id=message.message_id)
            return ()

    def _try_each[Asked: (Arrival, Relock)](
        self, asked: Sequence[Asked], act: Callable[[Asked], object]
    ) -> list[Asked]:
        """Do it for each; answer those with which it went well."""

        def attempt(one: Asked) -> bool:
            try:
                act(one)
            except Exception as failure:  # noqa: BLE001 - one bad object must not fail its neighbours
                self.telemetry.warn(
                    "object_not_secured",
                    object_key=one.version.key,
                    version_id=one.version.version_id,
                    failure=type(failure).__name__,
                )
                return False
            return True

        return [one for one, is_done in zip(asked, for_each(asked, attempt), strict=True) if is_done]

    def _lock(self, arrival: Arrival) -> None:
        self.bucket.lock(arrival.version)

    def _lock_again(self, relock: Relock) -> None:
        """Set a lock again, and after it take back a mark for disposal.

        What was disposed of before it was claimed again is not there to be locked, and that is an answer.

        Raises:
            AwsRefused: the version is gone, and nobody marked it; the sentinel says so, and then that is all.
        """
        version, now = relock.version, self.clock.now()
        if self.bucket.lock(version):
            if self.marks.is_marked(version):
                self._tag_as_ours(version)
                self.marks.take_back(version, now)
        elif relock.cause is not RelockCause.CLAIMED or not self.marks.disposed(version, now):
            raise AwsRefused(f"expected {version.key} in the bucket, found it gone")

    def _tag_as_ours(self, version: ObjectVersion) -> None:
        """Write our tags, and keep those of others; a mark for disposal is left out."""
        ours = own_tags(EvidenceKey.parse(version.key))
        self.bucket.tag(version, plan_tags(self.bucket.foreign_tags(version), ours))

    def _stale(self, relocks: Sequence[Relock]) -> list[Relock]:
        """Name the drifts that nobody may mend any more: a release has taken the locks over since."""
        drifts = _drifts(relocks)
        are_wanted = self.relocks.are_wanted(drifts)
        return [relock for relock, is_wanted in zip(drifts, are_wanted, strict=True) if not is_wanted]

    def _mend(self, relock: Relock) -> None:
        """Write down that a lock is set again, or set our tags again first; foreign ones are kept."""
        version = relock.version
        if relock.drift is DriftKind.TAGS_CHANGED:
            self._tag_as_ours(version)
        self.relocks.note_repair(relock, self.clock.now())

    def _read_back(self, relocked: Sequence[Relock]) -> list[Relock]:
        """Keep the promise anew where all locks of a conversation are on: who sets the last one sees it."""
        groups: dict[tuple[ConversationId | None, int], list[Relock]] = defaultdict(list)
        for relock in relocked:
            if relock.cause is RelockCause.CLAIMED:
                groups[EvidenceKey.parse(relock.version.key).conversation_id, relock.epoch].append(relock)
        heard = self._try_each([group[0] for group in groups.values()], self._keep_again)
        return [relock for group in groups.values() if group[0] in heard for relock in group]

    def _keep_again(self, relock: Relock) -> None:
        if not self.has_time():
            raise TimeoutError("locked; reading back is left to the redelivery")
        conversation_id = EvidenceKey.parse(relock.version.key).conversation_id
        versions = self.relocks.awaiting(conversation_id, relock.epoch) if conversation_id else ()
        # None: all that there was is disposed of, or the promise has moved on.
        if conversation_id and all(self.bucket.is_locked(version) for version in versions):
            self.relocks.relocked(conversation_id, relock.epoch, self.clock.now())

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


def _drifts(relocks: Sequence[Relock]) -> list[Relock]:
    return [relock for relock in relocks if relock.cause is RelockCause.DRIFT]


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
