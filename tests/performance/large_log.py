"""A log of so many entries, sealed across invocations and verified: what it takes in memory and time.

`python -m tests.performance.large_log 100000 1000000` makes entries as they are asked for, keeps the records
on disk and of the ledger a number for each conversation, so that what is measured is the sealing's own.
"""

import json
import sys
import tempfile
import tracemalloc
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from time import process_time

from holdfast.contracts.steps import MatterSealing
from holdfast.domain.custody import Fact, ObjectVersion, Receipt
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, ExportJobId, MatterId
from holdfast.domain.seals import Folder, FolderKind, SealedLog
from holdfast.evidence.entries import entry_bytes
from holdfast.evidence.seal import package_statement
from holdfast.evidence.verifier import Report, verify
from holdfast.ports import ClaimsPage, ListedClaim, RecordFile
from holdfast.steps.seal_matter import seal_matter
from tests.fakes.clock import NOON, HandDrivenClock
from tests.fakes.house import Patience
from tests.fakes.seals import SignerInMemory
from tests.fakes.story import conversation_id, key_of, recording_id
from tests.fakes.telemetry import RecordedTelemetry
from tests.packages import manifest, put

MATTER = MatterId("M-2026-001")
ENTRIES_A_CONVERSATION, PAGE = 4, 10_000
LOOKS = 3  # at the clock, in one invocation
MIB = 1 << 20


@dataclass
class _Ledger:
    """So many conversations, each with the same number of entries; `sealed` has the seal of each."""

    conversations: int
    log_of: SealedLog = field(default_factory=SealedLog)

    def __post_init__(self) -> None:
        self.sealed = bytearray(self.conversations + 1)

    def claims_of(self, _: MatterId, cursor: str | None) -> ClaimsPage:
        first = int(cursor or 1)
        last = min(first + PAGE, self.conversations + 1)
        page = [ListedClaim(conversation_id(number), NOON) for number in range(first, last)]
        return ClaimsPage(page, str(last) if last <= self.conversations else None)

    def jobs_of(self, _: MatterId) -> Iterator[ExportJobId]:
        return iter(())

    def log(self, _: MatterId) -> SealedLog:
        return self.log_of

    def extend(self, _: MatterId, log: SealedLog) -> bool:
        self.log_of = log
        return True

    def unsealed(self, _: MatterId, folder: Folder) -> Sequence[bytes]:
        if folder.kind is not FolderKind.CONVERSATION or self.sealed[_number(folder.name)]:
            return []
        return list(_entries(_number(folder.name)))

    def mark(self, _: MatterId, sequence: int, folder: Folder, leaves: Sequence[bytes]) -> None:
        self.sealed[_number(folder.name)] += len(leaves)

    def add_fact(self, matter_id: MatterId, name: str, fact: Fact) -> bool:
        raise NotImplementedError

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"sealing asks for {name}")


def _number(of: str) -> int:
    return int(of.replace("-", ""), 16)


def _entries(number: int) -> Iterator[bytes]:
    for place in range(ENTRIES_A_CONVERSATION):
        key = key_of(number, f"{recording_id(number % 900_000, place)}.wav")
        parsed = EvidenceKey.parse(key)
        version = ObjectVersion("holdfast-evidence", key, "v1", 1_000 + place)
        digest = sha256(key.encode()).hexdigest()
        receipt = Receipt(version, parsed.role, NOON, NOON, digest, ConversationId(conversation_id(number)))
        yield entry_bytes(receipt, (number * ENTRIES_A_CONVERSATION + place).to_bytes(16))


@dataclass
class _OnDisk:
    """Implements `ports.RecordShelf` in a folder."""

    folder: Path

    def read(self, key: str) -> Iterator[bytes] | None:
        path = self.folder / key
        return self._chunks(path) if path.exists() else None

    @staticmethod
    def _chunks(path: Path) -> Iterator[bytes]:
        with path.open("rb") as file:
            while chunk := file.read(1 << 16):
                yield chunk

    def put_once(self, key: str, chunks: Iterable[bytes]) -> RecordFile:
        path, digest = self.folder / key, sha256()
        if path.exists():
            for chunk in chunks:
                digest.update(chunk)
            return RecordFile(key, _sha256(path), path.stat().st_size)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            for chunk in chunks:
                file.write(chunk)
                digest.update(chunk)
        return RecordFile(key, digest.hexdigest(), path.stat().st_size)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = sha256()
        while chunk := file.read(MIB):
            digest.update(chunk)
        return digest.hexdigest()


@dataclass
class Sealed:
    """What sealing came to."""

    log: SealedLog
    invocations: int
    seconds: float
    peak_bytes: int  # of the invocation that held most, if somebody looked on


def seal(entries: int, folder: Path, *, is_traced: bool) -> Sealed:
    """Seal a log of so many entries, a few looks at the clock an invocation."""
    ledger = _Ledger(entries // ENTRIES_A_CONVERSATION)
    cursor, invocations, peak, is_done, began = "", 0, 0, False, process_time()
    while not is_done:
        if is_traced:
            tracemalloc.start()
        answer = seal_matter(
            MatterSealing(matter_id=MATTER, cursor=cursor),
            batches=ledger,  # type: ignore[arg-type] # what sealing asks of it
            claims=ledger,  # type: ignore[arg-type] # likewise
            seals=ledger,
            records=_OnDisk(folder),
            signer=SignerInMemory(),
            clock=HandDrivenClock(),
            has_time=Patience(LOOKS),
            telemetry=RecordedTelemetry(),
        )
        if is_traced:
            peak = max(peak, tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        cursor, is_done = answer.cursor, answer.done
        invocations += 1
    assert set(ledger.sealed[1:]) == {ENTRIES_A_CONVERSATION}
    return Sealed(ledger.log_of, invocations, process_time() - began, peak)


def package(folder: Path, out: Path, log: SealedLog) -> Path:
    """Put the seals and segments into a package."""
    key, data = SignerInMemory().public_key(), out / "data"
    data.mkdir(parents=True)
    for kind in ("segments", "seals"):
        (folder / f"matters/{MATTER}" / kind).rename(data / kind)
    put(data / "public-key.pem", key.pem)
    listed = {path.relative_to(out).as_posix(): path for path in sorted(data.rglob("*")) if path.is_file()}
    size_bytes = sum(path.stat().st_size for path in listed.values())
    put(out / "bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    put(out / "bag-info.txt", f"Payload-Oxum: {size_bytes}.{len(listed)}\n".encode())
    put(out / "fetch.txt", b"")
    put(out / "manifest-sha256.txt", manifest({name: _sha256(path) for name, path in listed.items()}))
    tags = ("bagit.txt", "bag-info.txt", "fetch.txt", "manifest-sha256.txt")
    put(out / "tagmanifest-sha256.txt", manifest({name: _sha256(out / name) for name in tags}))
    statement = package_statement(
        matter_id=MATTER,
        packaged_at=NOON,
        sequence=log.sequence,
        seal_sha256=log.digest,
        tagmanifest_sha256=_sha256(out / "tagmanifest-sha256.txt"),
        key=key,
    )
    put(out / "package.json", statement)
    put(out / "package.sig", SignerInMemory().sign(statement))
    return out


def verified(out: Path, *, is_traced: bool) -> tuple[Report, float, int]:
    """Verify; answers the report, seconds and, if somebody looked on, bytes."""
    if is_traced:
        tracemalloc.start()
    began, peak = process_time(), 0
    report = verify(out, key=SignerInMemory().public_key().pem)
    seconds = process_time() - began
    if is_traced:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return report, seconds, peak


def trial(entries: int, *, is_traced: bool) -> tuple[Sealed, float, int]:
    """Seal and verify."""
    with tempfile.TemporaryDirectory() as folder:
        sealed = seal(entries, Path(folder), is_traced=is_traced)
        out = package(Path(folder), Path(folder) / "package", sealed.log)
        report, seconds, peak = verified(out, is_traced=is_traced)
    assert report.is_intact, json.dumps(report.document())[:2_000]
    return sealed, seconds, peak


def main(sizes: Sequence[int]) -> None:
    """Say what logs of these sizes took; looking on takes long, and is done with the first alone."""
    first = sizes[0]
    sealed, _, peak = trial(first, is_traced=True)
    print(
        f"{first:,} entries: {sealed.peak_bytes / MIB:.1f} MiB to seal, {peak / MIB:.1f} to verify, at most"
    )
    for entries in sizes:
        sealed, seconds, _ = trial(entries, is_traced=False)
        print(
            f"{sealed.log.size:,} entries: {sealed.log.sequence} seals in {sealed.invocations} invocations,"
            f" {sealed.seconds:.0f} s of processor; verified in {seconds:.0f} s"
        )


if __name__ == "__main__":
    main([int(text) for text in sys.argv[1:]] or [100_000, 1_000_000])
