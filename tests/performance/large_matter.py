"""One large matter from request to verdict in one process: the real workflows and steps, the world in memory.

`python -m tests.performance.large_matter 10000 100000` plays one matter for each number of recordings and
compares what the steps needed. Every invocation of a step works in a few rounds and is then called again, as
on Lambda. What a step allocates and lets go again is its own; what stays is the fakes' storage.
"""

import sys
import tracemalloc
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from hashlib import sha256
from itertools import batched
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryFile, mkdtemp
from time import perf_counter
from typing import Any
from uuid import UUID
from weakref import finalize
from zlib import crc32

from holdfast.domain.custody import ObjectVersion
from holdfast.domain.ids import ConversationId, ExportJobId
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import PlatformRecording
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState
from holdfast.ports import RecordFile, ScopePage
from tests.fakes.buckets import RecordFilesInMemory
from tests.fakes.effects import Effects
from tests.fakes.house import House, Patience
from tests.fakes.platform import CatalogueInMemory, ScopeInMemory
from tests.fakes.story import conversation_id, conversations, messages, recording_id, upload
from tests.fakes.telemetry import RecordedTelemetry
from tests.integration.rehearsal import Ended, Rehearsal

PAGE = 500  # conversations, as bootstrap has it
MESSAGES_A_BATCH = 100
LOOKS = 8  # at the clock, in one invocation
TRACED_EVERY = 5  # calls of a step, after its first five: tracing costs more than the step itself
MIB = 1 << 20


class Fate(Enum):
    """What becomes of one recording. Whatever is wrong at first is mended within the delivery deadline."""

    DELIVERED = auto()
    TWICE = auto()
    LATE = auto()
    EMPTY_FIRST = auto()
    SIDECAR_LATE = auto()
    FAILED = auto()
    SKIPPED = auto()


PER_MILLE = {
    Fate.FAILED: 20,
    Fate.TWICE: 15,
    Fate.LATE: 15,
    Fate.SKIPPED: 10,
    Fate.EMPTY_FIRST: 5,
    Fate.SIDECAR_LATE: 5,
}
_FATES = [fate for fate, count in PER_MILLE.items() for _ in range(count)]


def recordings_of(conversation: int) -> range:
    """Every fourth conversation has two."""
    return range(2 if conversation % 4 == 0 else 1)


def fate_of(conversation: int, number: int) -> Fate:
    place = crc32(f"{conversation}.{number}".encode()) % 1_000
    fate = _FATES[place] if place < len(_FATES) else Fate.DELIVERED
    # A skip beside a delivery is looked for in every conversation: that is another measurement.
    return Fate.DELIVERED if fate is Fate.SKIPPED and len(recordings_of(conversation)) > 1 else fate


def _number(of: ConversationId) -> int:
    return UUID(of).int


class _Scope(ScopeInMemory):
    """Makes its pages when they are read."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def read_page(self, query_id: str, cursor: str | None) -> ScopePage:
        first = int(cursor or 1)
        last = min(first + PAGE, self._count + 1)
        page: Sequence[Conversation] = conversations(*range(first, last))
        return ScopePage(page, str(last) if last <= self._count else None)


class _Catalogue(CatalogueInMemory):
    """Knows every recording, and which were exported."""

    def recordings_of(self, conversation_id: ConversationId) -> Sequence[PlatformRecording]:
        self.reads.append(conversation_id)
        of = _number(conversation_id)
        at = conversations(of)[0].started_at
        return [
            PlatformRecording(
                recording_id(of, number),
                Medium.VOICE,
                exported_at=None if fate_of(of, number) is Fate.SKIPPED else at,
            )
            for number in recordings_of(of)
        ]


@dataclass
class _Delivery:
    """What the platform does while the workflows wait: jobs go on, and recordings arrive."""

    house: House
    _waiting: dict[datetime, list[tuple[int, int, Fate]]] = field(default_factory=lambda: defaultdict(list))

    def go_on(self) -> None:
        self.house.patience = Patience()  # the arrival path has its own time
        for job_id, job in self.house.jobs.jobs.items():
            if job.state is BatchState.PENDING:
                self.house.jobs.move(job_id, state=BatchState.READY)
            elif job.state is BatchState.PROCESSING:
                self._deliver(job_id)
        now = self.house.clock.now()
        for at in [at for at in self._waiting if at <= now]:
            self._secure(self._upload_late(*one) for one in self._waiting.pop(at))

    def _deliver(self, job_id: ExportJobId) -> None:
        numbers = [_number(of) for of in self.house.jobs.selections[job_id].conversation_ids]
        fates = [(of, number, fate_of(of, number)) for of in numbers for number in recordings_of(of)]
        counted = Counter(fate for _, _, fate in fates)
        self._secure(self._upload(*one) for one in fates)
        self.house.jobs.failed[job_id] = {
            recording_id(of, number): conversation_id(of) for of, number, fate in fates if fate is Fate.FAILED
        }
        self.house.jobs.move(
            job_id,
            state=BatchState.FULFILLED,
            total=len(fates),
            failed=counted[Fate.FAILED],
            skipped=counted[Fate.SKIPPED],
        )
        for minutes, mended in ((5, {Fate.EMPTY_FIRST, Fate.SIDECAR_LATE}), (10, {Fate.LATE})):
            at = self.house.clock.now() + timedelta(minutes=minutes)
            self._waiting[at] += [one for one in fates if one[2] in mended]

    def _upload(self, of: int, number: int, fate: Fate) -> Sequence[ObjectVersion]:
        if fate in {Fate.FAILED, Fate.SKIPPED, Fate.LATE}:
            return []
        versions = upload(self.house, of, number, media=b"" if fate is Fate.EMPTY_FIRST else b"media")
        if fate is Fate.TWICE:
            return [*versions, *upload(self.house, of, number)]
        return versions[:1] if fate is Fate.SIDECAR_LATE else versions

    def _upload_late(self, of: int, number: int, fate: Fate) -> Sequence[ObjectVersion]:
        versions = upload(self.house, of, number)
        return versions[1:] if fate is Fate.SIDECAR_LATE else versions

    def _secure(self, uploaded: Iterable[Sequence[ObjectVersion]]) -> None:
        versions = (version for some in uploaded for version in some)
        for batch in batched(versions, MESSAGES_A_BATCH, strict=False):
            assert self.house.secure_objects(messages(self.house, *batch)) == []


class _Quiet(RecordedTelemetry):
    """Counts, and keeps no lines."""

    def hold_lag(self, seconds: float) -> None:
        pass

    def _log(self, level: str, event: str, ids: dict[str, str | int]) -> None:
        pass


class _Forgetful(Effects):
    """Keeps no log."""

    def happen(self, kind: str, subject: str) -> None:
        pass


class _OnDisk(RecordFilesInMemory):
    """Keeps files on disk, and passes their bytes on as they come."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(mkdtemp())
        finalize(self, rmtree, self._folder)
        self.standing: dict[str, RecordFile] = {}

    def put_once(self, key: str, chunks: Iterable[bytes]) -> RecordFile:
        digest, size_bytes = sha256(), 0
        with TemporaryFile() as unless_it_is_new:
            is_new = key not in self.standing
            with self._path(key).open("wb") if is_new else unless_it_is_new as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size_bytes += file.write(chunk)
        return self.standing.setdefault(key, RecordFile(key, digest.hexdigest(), size_bytes))

    def read(self, key: str) -> Iterator[bytes] | None:
        return self._chunks(key) if key in self.standing else None

    def _chunks(self, key: str) -> Iterator[bytes]:
        with self._path(key).open("rb") as file:
            while chunk := file.read(1 << 16):
                yield chunk

    def _path(self, key: str) -> Path:
        return self._folder / sha256(key.encode()).hexdigest()


class _Largest(list[str]):
    """Keeps no payload but the size of the largest."""

    def __init__(self) -> None:
        super().__init__()
        self.size_bytes = 0

    def append(self, payload: str, /) -> None:
        self.size_bytes = max(self.size_bytes, len(payload.encode()))


@dataclass
class LargeMatter(Rehearsal):
    """One matter of so many recordings; `peaks` is what a step held at most, beyond what it left behind."""

    recordings: int = 1_000
    peaks: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    ended: Ended = field(init=False)

    def __post_init__(self) -> None:
        self.house = House(
            clock=self.clock,
            telemetry=_Quiet(),
            effects=_Forgetful(),
            records=_OnDisk(),
            catalogue=_Catalogue(),
            batch_size=self.batch_size,
            scope_source=_Scope(round(self.recordings * 4 / 5)),
        )
        self.clock.meanwhile = _Delivery(self.house).go_on
        self.house.canaries.notify = lambda version: self.house.secure_objects(messages(self.house, version))
        self.payloads = _Largest()
        self.began_at = self.clock.now()

    def _call(self, name: str, given: dict[str, Any]) -> Any:
        self.house.patience = Patience(LOOKS)
        self.calls[name] += 1
        if self.calls[name] > TRACED_EVERY and self.calls[name] % TRACED_EVERY:
            return self._answer(name, given)
        tracemalloc.start()
        try:
            return self._answer(name, given)
        finally:
            left, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            self.peaks[name] = max(self.peaks[name], peak - left)

    def _answer(self, name: str, given: dict[str, Any]) -> Any:
        return self.house.preflight() if name == "Preflight" else super()._call(name, given)


def main(sizes: Sequence[int]) -> None:
    """Play a matter of each size, and say what it took."""
    for recordings in sizes:
        began = perf_counter()
        matter = LargeMatter({}, recordings=recordings, batch_size=2_000)
        matter.ended = ended = matter.run()
        print(f"\n{recordings} recordings: {ended.verdict} in {perf_counter() - began:.0f} s of this machine")
        print(f"  {dict(ended.summary['recordings'])}")
        print(f"  {dict(ended.summary['conversations'])}")
        print(f"  {dict(ended.reasons)}; largest payload {matter.payloads.size_bytes} bytes")  # type: ignore[attr-defined]
        for name, peak in matter.peaks.most_common(8):
            print(f"  {name:18} {matter.calls[name]:5} calls, {peak / MIB:6.1f} MiB at most of its own")


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [10_000, 100_000])
