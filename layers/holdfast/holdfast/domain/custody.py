"""What the ledger remembers for ever: receipts and custody events.

Both become *entries*: canonical bytes, written once, hashed as stored, and later sealed. The documents
composed here are what those bytes say, so a change of a field's name or form is a change of the evidence's
format: raise `ENTRY_FORMAT` and keep reading the old one.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import ConversationId, MatterId, RecordingId, ReleaseId, RequestId
from holdfast.domain.media import Medium
from holdfast.domain.moments import to_text
from holdfast.domain.ulid import ulid

ENTRY_FORMAT = 1

_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)

type Scalar = str | int | bool
type Document = dict[str, Scalar | list[str] | dict[str, Scalar]]


class Fact(Protocol):
    """What becomes an entry."""

    def document(self, nonce: str) -> Mapping[str, Any]:
        """Compose the entry's document."""


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One version of one evidence object, as S3 names it; `size_bytes` as S3 reported it."""

    bucket: str
    key: str
    version_id: str
    size_bytes: int

    @property
    def fingerprint(self) -> str:
        """Identify the version in the ledger: SHA-256 over key, a zero byte, version (hex)."""
        return hashlib.sha256(f"{self.key}\0{self.version_id}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Arrival:
    """One object version came into being; `arrived_at` is S3's time."""

    version: ObjectVersion
    arrived_at: datetime


@dataclass(frozen=True, slots=True)
class Receipt:
    """One version arrived and was secured.

    `sha256` (hex) is None when the object was too large to hash on arrival: a DIGEST event follows.
    `omitted_tags` names those of our tags for which the object had no room.
    `medium` is known from sidecars only.
    """

    version: ObjectVersion
    role: Role
    arrived_at: datetime
    secured_at: datetime
    sha256: str | None
    conversation_id: ConversationId | None = None
    recording_id: RecordingId | None = None
    medium: Medium | None = None
    omitted_tags: tuple[str, ...] = ()

    def document(self, nonce: str) -> Document:
        """Compose the entry's document; fields that are not known are left out."""
        document: Document = {
            "format": ENTRY_FORMAT,
            "kind": "receipt",
            "nonce": nonce,
            "bucket": self.version.bucket,
            "key": self.version.key,
            "version_id": self.version.version_id,
            "size_bytes": self.version.size_bytes,
            "role": self.role.value,
            "legal_hold": "ON",
            "arrived_at": to_text(self.arrived_at),
            "secured_at": to_text(self.secured_at),
        }
        optional: Document = {
            "sha256": self.sha256 or "",
            "conversation_id": self.conversation_id or "",
            "recording_id": self.recording_id or "",
            "medium": self.medium.value if self.medium else "",
            "omitted_tags": list(self.omitted_tags),
        }
        return document | {name: value for name, value in optional.items() if value}


class EventType(StrEnum):
    """What can happen to a conversation."""

    CLAIMED = "claimed"
    HELD_AT_PLATFORM = "held_at_platform"
    RELEASED_AT_PLATFORM = "released_at_platform"
    DIGEST_ADDED = "digest_added"
    RELEASED = "released"
    LIFTED = "lifted"
    RELOCKED = "relocked"
    DRIFT_FOUND = "drift_found"
    DRIFT_REPAIRED = "drift_repaired"
    EXCEPTION_RESOLVED = "exception_resolved"
    DISPOSAL_DUE = "disposal_due"
    DISPOSAL_TAKEN_BACK = "disposal_taken_back"
    DISPOSED = "disposed"


@dataclass(frozen=True, slots=True)
class CustodyEvent:
    """One append-only fact about a conversation.

    An event with a `matter_id` concerns that matter alone; one without concerns every matter that claims the
    conversation. `event_id` is a ULID, the events' order. `conversation_id` is None for what happens to an
    object whose key names none.
    """

    event_id: str
    type: EventType
    conversation_id: ConversationId | None
    at: datetime
    matter_id: MatterId | None = None
    request_id: RequestId | None = None
    details: Mapping[str, Scalar] = field(default_factory=dict)

    def document(self, nonce: str) -> Document:
        """Compose the entry's document; fields that are not known are left out."""
        document: Document = {
            "format": ENTRY_FORMAT,
            "kind": "event",
            "nonce": nonce,
            "event_id": self.event_id,
            "type": self.type.value,
            "at": to_text(self.at),
        }
        optional: Document = {
            "conversation_id": self.conversation_id or "",
            "matter_id": self.matter_id or "",
            "request_id": self.request_id or "",
            "details": dict(self.details),
        }
        return document | {name: value for name, value in optional.items() if value}


@dataclass(frozen=True, slots=True)
class NamedFile:
    """A file of a request or release, by its last name; `sha256` is hex."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Account:
    """What became of a request: its verdict, the counts it stands on, and the files that name each case."""

    matter_id: MatterId
    request_id: RequestId
    attempt: int
    at: datetime
    verdict: str
    request_sha256: str
    files: Sequence[NamedFile]
    summary: Mapping[str, Any]

    def document(self, nonce: str) -> Mapping[str, Any]:
        """Compose the entry's document."""
        return {
            "format": ENTRY_FORMAT,
            "kind": "account",
            "nonce": nonce,
            "matter_id": self.matter_id,
            "request_id": self.request_id,
            "attempt": self.attempt,
            "at": to_text(self.at),
            "verdict": self.verdict,
            "request_sha256": self.request_sha256,
            "files": [asdict(file) for file in self.files],
            "summary": dict(self.summary),
        }


@dataclass(frozen=True, slots=True)
class Released:
    """What became of a release, by its certificate: who asked and approved, as they assert, and its files."""

    matter_id: MatterId
    release_id: ReleaseId
    at: datetime
    requested_by: str
    approved_by: str
    plan_sha256: str
    files: Sequence[NamedFile]
    counts: Mapping[str, int]

    def document(self, nonce: str) -> Mapping[str, Any]:
        """Compose the entry's document."""
        return {
            "format": ENTRY_FORMAT,
            "kind": "release",
            "nonce": nonce,
            "matter_id": self.matter_id,
            "release_id": self.release_id,
            "at": to_text(self.at),
            "requested_by": self.requested_by,
            "approved_by": self.approved_by,
            "plan_sha256": self.plan_sha256,
            "files": [asdict(file) for file in self.files],
            "counts": dict(self.counts),
        }


def digest_event_id(version: ObjectVersion) -> str:
    """Name the one DIGEST event a version can have, so that adding a digest twice is the same write.

    Whoever asks for the digest may have another time of arrival (S3's event, or a listing), so the id has
    none: it sorts before all that have one.
    """
    return ulid(_NO_TIME, bytes.fromhex(version.fingerprint)[:10])


class DriftKind(StrEnum):
    """What somebody outside of Holdfast did."""

    LOCK_LIFTED = "lock_lifted"
    TAGS_CHANGED = "tags_changed"
    DELETE_MARKER = "delete_marker"  # hides the versions of a key, and changes none
    VERSION_GONE = "version_gone"
    PROTECTION_REVOKED = "protection_revoked"
    PRE_EXISTING_ENDED = "pre_existing_ended"  # it was there before us, and was not ours to keep


MENDED_BY_ARRIVAL = frozenset({DriftKind.LOCK_LIFTED, DriftKind.TAGS_CHANGED})
"""What the arrival path puts right. What was deleted nobody can, and no marker is deleted by us."""


class RelockCause(StrEnum):
    """Why a version that has its receipt must be locked once more."""

    CLAIMED = "claimed"  # its conversation is claimed again, after its locks were lifted
    DRIFT = "drift"  # somebody else has lifted its lock, or changed its tags


@dataclass(frozen=True, slots=True)
class Relock:
    """The wish that one version be locked again; `epoch` is that of its conversation's hold as it was asked.

    The conversation is the one that the version's key names.
    """

    version: ObjectVersion
    cause: RelockCause
    epoch: int
    asked_at: datetime
    drift: DriftKind = DriftKind.LOCK_LIFTED

    @property
    def event_id(self) -> str:
        """Name the one event that answers a drift, however often it is asked for."""
        return repair_event_id(self.version, self.drift, self.asked_at)


def repair_event_id(version: ObjectVersion, drift: DriftKind, found_at: datetime) -> str:
    """Name the one event of a repair of a version: of this drift, found at this time."""
    named = hashlib.sha256(f"{version.fingerprint}\0{drift}".encode()).digest()
    return ulid(found_at, named[:10])
