"""The three buckets and the hash queue, in memory."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from holdfast.domain.custody import Arrival, ObjectVersion
from holdfast.domain.drift import Sighting
from holdfast.domain.tags import MAX_TAGS, TagPlan
from holdfast.errors import AwsRefused
from holdfast.ports import (
    ListingMark,
    OpenedObject,
    RecordFile,
    VersionPage,
)
from tests.fakes.clock import NOON
from tests.fakes.effects import Effects

CHUNK_BYTES = 64


@dataclass(slots=True)
class StoredVersion:
    """One version as the bucket keeps it."""

    content: bytes
    tags: dict[str, str]
    is_locked: bool = False


class EvidenceInMemory:
    """Implements `ports.EvidenceBucket`, `EvidenceSight` and `EvidenceListing`.

    What cannot be opened is in `broken`. `outsider` is told of every look, before it sees anything.
    """

    def __init__(self, effects: Effects | None = None, *, name: str = "holdfast-evidence") -> None:
        self.name = name
        self.effects = effects or Effects()
        self.stored: dict[tuple[str, str], StoredVersion] = {}
        self._versions: Counter[str] = Counter()
        self.broken: dict[str, Exception] = {}
        self.page_size = 1000
        self._arrivals: dict[tuple[str, str], Arrival] = {}
        self.markers: dict[tuple[str, str], Arrival] = {}
        self.outsider: Callable[[ObjectVersion], object] = lambda _: None

    def put(
        self,
        key: str,
        content: bytes = b"x",
        *,
        tags: Mapping[str, str] | None = None,
        size_bytes: int | None = None,
        at: datetime = NOON,
    ) -> ObjectVersion:
        """Upload, as the vendor does; a `size_bytes` may be claimed for content too large to make."""
        self._versions[key] += 1
        version_id = f"v{self._versions[key]}"
        self.stored[key, version_id] = StoredVersion(content, dict(tags or {}))
        version = ObjectVersion(
            self.name, key, version_id, len(content) if size_bytes is None else size_bytes
        )
        self._arrivals[key, version_id] = Arrival(version, at)
        return version

    def page(self, prefix: str, after: ListingMark | None) -> VersionPage:
        # By key, the newest version of each first.
        ordered = sorted(self._arrivals, key=lambda named: (named[0].encode(), -int(named[1][1:])))
        start = ordered.index((after.key, after.version_id)) + 1 if after else 0
        listed = [named for named in ordered[start:] if named[0].startswith(prefix)]
        page = list(islice(listed, self.page_size))
        return VersionPage(
            [self._arrivals[named] for named in page],
            ListingMark(*page[-1]) if len(listed) > len(page) else None,
            markers=[marker for (key, _), marker in sorted(self.markers.items()) if key.startswith(prefix)],
        )

    # --- what others do

    def unlock(self, version: ObjectVersion) -> None:
        """Lift a lock, as only somebody with other rights can."""
        self.at(version).is_locked = False

    def remove(self, version: ObjectVersion) -> None:
        """Delete a version for good."""
        del self.stored[version.key, version.version_id]
        self._arrivals.pop((version.key, version.version_id))

    def hide(self, key: str) -> ObjectVersion:
        """Put a delete marker over a key."""
        marker = ObjectVersion(self.name, key, f"m{len(self.markers)}", 0)
        self.markers[key, marker.version_id] = Arrival(marker, NOON)
        return marker

    # --- what can be seen

    def look(self, version: ObjectVersion) -> Sighting | None:
        self.outsider(version)
        stored = self.stored.get((version.key, version.version_id))
        return Sighting(stored.is_locked, dict(stored.tags)) if stored else None

    def is_hidden(self, marker: ObjectVersion) -> bool:
        return (marker.key, marker.version_id) in self.markers

    def at(self, version: ObjectVersion) -> StoredVersion:
        """Look at a version."""
        return self.stored[version.key, version.version_id]

    def lock(self, version: ObjectVersion) -> bool:
        stored = self.stored.get((version.key, version.version_id))
        if stored is None:
            return False
        self.effects.happen("lock", _subject(version))
        stored.is_locked = True
        return True

    def is_locked(self, version: ObjectVersion) -> bool:
        return self.at(version).is_locked

    @contextmanager
    def open(self, version: ObjectVersion) -> Iterator[OpenedObject]:
        if version.key in self.broken:
            raise self.broken[version.key]
        stored = self.at(version)
        self.effects.happen("read", _subject(version))
        content = stored.content
        chunks = (content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES))
        yield OpenedObject(bool(stored.tags), chunks)

    def foreign_tags(self, version: ObjectVersion) -> Mapping[str, str]:
        return dict(self.at(version).tags)

    def tag(self, version: ObjectVersion, plan: TagPlan) -> None:
        stored = self.at(version)
        if len(plan.tags) > MAX_TAGS:
            raise ValueError(f"S3 takes {MAX_TAGS} tags, found {len(plan.tags)}")
        self.effects.happen("tag", _subject(version))
        stored.tags = dict(plan.tags)


@dataclass(slots=True)
class InventoryInMemory:
    """Implements `ports.EvidenceListing`: whatever a test says, in pages."""

    pages: list[VersionPage] = field(default_factory=list)

    def page(self, prefix: str, after: ListingMark | None) -> VersionPage:
        number = int(after.version_id) if after else 0
        if number >= len(self.pages):
            return VersionPage((), after, is_last=True)
        is_last = number + 1 == len(self.pages)
        return replace(self.pages[number], after=ListingMark("inventory", str(number + 1)), is_last=is_last)


class LocksInMemory:
    """Implements `ports.EvidenceRelease` on an evidence bucket.

    What cannot be unlocked is in `broken`; what says so and stays locked is in `stuck`.
    """

    def __init__(self, evidence: EvidenceInMemory) -> None:
        self._evidence = evidence
        self.broken: dict[str, Exception] = {}
        self.stuck: set[str] = set()

    def unlock(self, version: ObjectVersion) -> None:
        if version.key in self.broken:
            raise self.broken[version.key]
        stored = self._evidence.stored.get((version.key, version.version_id))
        if stored is not None and version.key not in self.stuck:
            self._evidence.effects.happen("unlock", _subject(version))
            stored.is_locked = False

    def is_locked(self, version: ObjectVersion) -> bool | None:
        stored = self._evidence.stored.get((version.key, version.version_id))
        return None if stored is None else stored.is_locked


def _subject(version: ObjectVersion) -> str:
    return f"{version.key}@{version.version_id}"


@dataclass(slots=True)
class CanariesInMemory:
    """Implements `ports.Canaries`; whoever wants what S3 does then, says so."""

    bucket: EvidenceInMemory
    notify: Callable[[ObjectVersion], object] = lambda _: None
    refusal: str = ""

    def put_once(self, key: str, content: bytes) -> None:
        if self.refusal:
            raise AwsRefused(self.refusal)
        if (key, "v1") not in self.bucket.stored:
            self.notify(self.bucket.put(key, content))


@dataclass(slots=True)
class WorkFilesInMemory:
    """Implements `ports.WorkFiles`."""

    files: dict[str, bytes] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)

    def write(self, key: str, content: bytes) -> None:
        self.effects.happen("work file", key)
        self.files[key] = content

    def read(self, key: str) -> bytes | None:
        return self.files.get(key)


@dataclass(slots=True)
class RecordFilesInMemory:
    """Implements `ports.RecordFiles` and `ports.RecordShelf`."""

    files: dict[str, bytes] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)

    def write_once(self, key: str, lines: Iterable[bytes]) -> RecordFile:
        return self.put_once(key, (line + b"\n" for line in lines))

    def put_once(self, key: str, chunks: Iterable[bytes]) -> RecordFile:
        content = b"".join(chunks)
        self.effects.happen("record", key)
        standing = self.files.setdefault(key, content)
        return RecordFile(key, hashlib.sha256(standing).hexdigest(), len(standing))

    def read(self, key: str) -> Iterator[bytes] | None:
        content = self.files.get(key)
        if content is None:
            return None
        return (content[start : start + CHUNK_BYTES] for start in range(0, len(content), CHUNK_BYTES))


class ArrivalQueueInMemory:
    """Implements `ports.ArrivalQueue`."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.effects = effects or Effects()
        self.bodies: list[str] = []

    def send(self, body: str) -> None:
        self.effects.happen("sent", body)
        self.bodies.append(body)


class HashQueueInMemory:
    """Implements `ports.HashQueue`."""

    def __init__(self, effects: Effects | None = None) -> None:
        self.effects = effects or Effects()
        self.waiting: list[ObjectVersion] = []

    def send(self, version: ObjectVersion) -> None:
        self.effects.happen("hash request", _subject(version))
        self.waiting.append(version)
