"""Seal what is new in a matter's log.

1. A segment's name is the number of the seal to come, and it can be written once: whoever writes first has
   the place, everybody else helps to finish that seal and comes after it. So there is one chain, without a
   lease, and what was begun and killed is finished by whoever comes next.
2. What is sealed follows from the segment and the seal before it alone, so that all who finish a seal write
   the same. Of statement and signature, too, the first to be written stands.
3. The entries of a segment are marked as sealed before the head of the log names the seal, and new entries
   are looked for only after that. So no entry is sealed twice.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain

from holdfast.contracts.steps import MatterSealed, MatterSealing, SealNamed
from holdfast.domain.ids import MatterId
from holdfast.domain.merkle import Tree, leaf_hash
from holdfast.domain.seals import Folder, SealedLog, seal_key, segment_key, signature_key
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.errors import LedgerRuleBroken
from holdfast.evidence.seal import Segment, seal_statement
from holdfast.ports import BatchBook, ClaimBook, Clock, RecordShelf, SealBook, Signer, Telemetry
from holdfast.steps.pool import for_each

# A segment takes no more once it has so many; what one page of conversations brings, it takes whole.
SEGMENT_ENTRIES = 50_000


@dataclass(slots=True)
class _Walk:
    """A way through everything that is filed for a matter, and how far it has come; `cursor` None: to its
    end.
    """

    cursor: str | None
    is_done: bool = False
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)


@dataclass(frozen=True, slots=True)
class _Sealing:
    matter_id: MatterId
    batches: BatchBook
    claims: ClaimBook
    seals: SealBook
    records: RecordShelf
    signer: Signer
    clock: Clock
    telemetry: Telemetry

    def finish_begun(self) -> None:
        """Finish the seal of whoever was killed, or is about to."""
        self._finish(self.seals.log(self.matter_id))

    def seal_some(self, cursor: str | None, has_time: Callable[[], bool]) -> _Walk:
        """Seal the new entries on a stretch of the way, as one segment; answers how far that led."""
        log = self.seals.log(self.matter_id)
        walk = _Walk(cursor)
        entries = self._new_entries(walk, has_time)
        first = next(entries, None)
        if first is None:
            return walk
        key = segment_key(self.matter_id, log.sequence + 1)
        standing = self.records.put_once(key, (entry + b"\n" for entry in chain([first], entries)))
        self._finish(log)
        # Somebody else's segment has the place: ours comes after it, without what that one took in.
        return walk if standing.sha256 == walk.digest.hexdigest() else _Walk(cursor)

    def _new_entries(self, walk: _Walk, has_time: Callable[[], bool]) -> Iterator[bytes]:
        """Go on until the segment is full or time has run out, but for a page at least."""
        taken = 0
        for folders, cursor in self._pages(walk.cursor):
            walk.cursor = cursor
            for entries in for_each(folders, lambda folder: self.seals.unsealed(self.matter_id, folder)):
                for entry in entries:
                    walk.digest.update(entry + b"\n")
                    taken += 1
                    yield entry
            if taken >= SEGMENT_ENTRIES or not has_time():
                break
        walk.is_done = walk.cursor is None

    def _pages(self, cursor: str | None) -> Iterator[tuple[list[Folder], str | None]]:
        """Give the matter's folders: its jobs', its conversations', and its own, which says what became of
        them, last.
        """
        folders = [] if cursor else [Folder.of_job(job_id) for job_id in self.batches.jobs_of(self.matter_id)]
        is_over = False
        while not is_over:
            page = self.claims.claims_of(self.matter_id, cursor)
            folders += [Folder.of_conversation(claim.conversation_id) for claim in page.claims]
            cursor, is_over = page.cursor, page.cursor is None
            yield folders + [Folder.of_matter(self.matter_id)] * is_over, cursor
            folders = []

    def _finish(self, log: SealedLog) -> None:
        """Seal the segment that stands after a log's last seal, if there is one."""
        sequence = log.sequence + 1
        chunks = self.records.read(segment_key(self.matter_id, sequence))
        if chunks is None:
            return
        tree = Tree(log.size, log.peaks)
        kinds: Counter[str] = Counter()
        accounts: list[dict[str, object]] = []
        leaves: dict[Folder, list[bytes]] = {}
        digest, size_bytes = hashlib.sha256(), 0
        for line in lines_of(chunks):
            digest.update(line + b"\n")
            size_bytes += len(line) + 1
            document, leaf = json.loads(line), leaf_hash(line)
            tree.add(leaf)
            kinds[document["kind"]] += 1
            if document["kind"] == "account":
                accounts.append(document)
            leaves.setdefault(Folder.of_entry(document, self.matter_id), []).append(leaf)
        key = self.signer.public_key()
        statement = self._keep(
            seal_key(self.matter_id, sequence),
            seal_statement(
                matter_id=self.matter_id,
                sequence=sequence,
                sealed_at=self.clock.now(),
                previous=log.digest,
                segment=Segment(kinds.total(), digest.hexdigest(), size_bytes),
                kinds=kinds,
                accounts=accounts,
                tree_size=tree.size,
                root=tree.root.hex(),
                key=key,
            ),
        )
        self._check(json.loads(statement), tree, log, sequence)
        self._keep(key.record_key, key.pem)
        self._keep(signature_key(self.matter_id, sequence), self.signer.sign(statement))
        for_each(
            leaves.items(),
            lambda marked: self.seals.mark(self.matter_id, sequence, *marked),
        )
        sealed = SealedLog(
            sequence, tree.size, tuple(tree.peaks), tree.root.hex(), hashlib.sha256(statement).hexdigest()
        )
        if self.seals.extend(self.matter_id, sealed):
            self.telemetry.note(
                "seal_written", matter_id=self.matter_id, sequence=sequence, entries=kinds.total()
            )

    def _keep(self, key: str, content: bytes) -> bytes:
        """Write a small file unless it exists; answers what stands there."""
        self.records.put_once(key, [content])
        return b"".join(self.records.read(key) or ())

    def _check(self, standing: dict[str, object], tree: Tree, log: SealedLog, sequence: int) -> None:
        """Look whether the statement that stands says of the log what we found.

        Raises:
            LedgerRuleBroken: it does not.
        """
        expected = ({"size": tree.size, "root": tree.root.hex()}, log.digest or None)
        if (standing["tree"], standing["previous"]) != expected:
            raise LedgerRuleBroken(
                f"seal {sequence} of matter {self.matter_id} stands over another log than the ledger's; "
                "verify the matter's package, and compare it with earlier ones"
            )


def lines_of(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Give the lines of a file whose every line has its newline, without it."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


def seal_matter(
    run: MatterSealing,
    *,
    batches: BatchBook,
    claims: ClaimBook,
    seals: SealBook,
    records: RecordShelf,
    signer: Signer,
    clock: Clock,
    has_time: Callable[[], bool],
    telemetry: Telemetry,
) -> MatterSealed:
    """Seal all entries of a matter that are not sealed, segment by segment; name the last seal.

    Raises:
        LedgerRuleBroken: a seal that stands in the records does not fit the ledger.
    """
    sealing = _Sealing(run.matter_id, batches, claims, seals, records, signer, clock, telemetry)
    sealing.finish_begun()
    walk = sealing.seal_some(run.cursor or None, has_time)
    while not walk.is_done and has_time():
        walk = sealing.seal_some(walk.cursor, has_time)
    log = seals.log(run.matter_id)
    return MatterSealed(
        done=walk.is_done,
        wait_s=MIN_WAIT_S,
        matter_id=run.matter_id,
        cursor=walk.cursor or "",
        seal=SealNamed(
            sequence=log.sequence,
            tree_size=log.size,
            root=log.root,
            sha256=log.digest,
            key=seal_key(run.matter_id, log.sequence),
        ),
        headline=(
            f"Seal {log.sequence} of matter {run.matter_id} covers {log.size} entries;"
            f" its SHA-256 is {log.digest}."
        ),
    )
