"""Put together what the legal team takes away, in the records bucket: a BagIt folder, signed."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from holdfast.contracts.steps import Packed, Packing
from holdfast.domain.ids import MatterId, RequestId
from holdfast.errors import LedgerRuleBroken
from holdfast.evidence.bag import TAG_MANIFEST
from holdfast.evidence.package import (
    AccountedRequest,
    Matter,
    PackedFile,
    SealFiles,
    lines_tapped,
    made_files,
    parts_named,
    read_document,
    summary_bytes,
    tag_files,
    tag_manifest,
)
from holdfast.evidence.register import Register, temporary_register
from holdfast.evidence.seal import package_statement
from holdfast.ports import Clock, Counter, RecordShelf, Signer, Telemetry
from holdfast.steps.files import request_folder

_STATEMENT, _SIGNATURE = "package.json", "package.sig"


def package_folder(matter_id: MatterId, sequence: int) -> str:
    """Name the folder of a matter's package as of a seal, in the records bucket."""
    return f"packages/{matter_id}/{sequence:06d}"


@dataclass(slots=True)
class _Bag:
    """The folder being filled; `files` are those that stand there, in the order of their writing."""

    shelf: RecordShelf
    folder: str
    files: list[PackedFile] = field(default_factory=list)

    def put(self, path: str, chunks: Iterable[bytes]) -> PackedFile:
        """Write a file, unless it stands from an earlier time."""
        written = self.shelf.put_once(f"{self.folder}/{path}", chunks)
        self.files.append(PackedFile(path, written.sha256, written.size_bytes))
        return self.files[-1]

    def copy(
        self, source: str, path: str, sha256: str, take: Callable[[bytes], object] = lambda _: None
    ) -> None:
        """Copy a sealed file whose digest is known, and look at its lines on the way.

        Raises:
            LedgerRuleBroken: it is not there, or not what was sealed.
        """
        chunks = self.shelf.read(source)
        if chunks is None:
            raise LedgerRuleBroken(f"expected the sealed file {source}, found nothing")
        found = self.put(path, lines_tapped(chunks, take))
        if found.sha256 != sha256:
            raise LedgerRuleBroken(f"expected {source} to have SHA-256 {sha256}, found {found.sha256}")


def package_matter(
    run: Packing, *, shelf: RecordShelf, signer: Signer, clock: Clock, telemetry: Telemetry
) -> Packed:
    """Write a matter's package as of its last seal.

    Every file is written once, the signature last: where that stands, the package is whole, and a repeat
    changes nothing.

    Raises:
        LedgerRuleBroken: the matter has no seal, or a sealed file is not what was sealed.
    """
    seals = list(_seals(shelf, run.matter_id))
    if not seals:
        raise LedgerRuleBroken(f"expected a seal of matter {run.matter_id}, found none")
    sequence = int(seals[-1].says["sequence"])
    bag = _Bag(shelf, package_folder(run.matter_id, sequence))
    if shelf.read(f"{bag.folder}/{_SIGNATURE}") is None:
        with temporary_register() as register:
            matter = Matter(run.matter_id, seals, register)
            _fill(bag, matter)
        _sign(bag, matter, signer, clock)
        telemetry.count(Counter.PACKAGES_WRITTEN)
        telemetry.note("matter_packaged", matter_id=run.matter_id, sequence=sequence)
    return Packed(matter_id=run.matter_id, package_key=bag.folder, sequence=sequence)


def _seals(shelf: RecordShelf, matter_id: MatterId) -> Iterator[SealFiles]:
    number = 1
    while statement := shelf.read(f"matters/{matter_id}/seals/{number:06d}.json"):
        signature = shelf.read(f"matters/{matter_id}/seals/{number:06d}.sig")
        if signature is None:
            return  # it is being sealed right now
        yield SealFiles(b"".join(statement), b"".join(signature))
        number += 1


def _fill(bag: _Bag, matter: Matter) -> None:
    """Write everything but the signature."""
    register = matter.register
    accounts: list[Mapping[str, Any]] = []
    releases: list[Mapping[str, Any]] = []
    taken = {"account": accounts, "release": releases}

    def take(line: bytes) -> None:
        document = register.add_entry(line)
        if document.get("kind") in taken:
            taken[document["kind"]].append(document)

    for seal in matter.seals:
        name = f"{seal.says['sequence']:06d}"
        bag.put(f"data/seals/{name}.json", [seal.statement])
        bag.put(f"data/seals/{name}.sig", [seal.signature])
        source = f"matters/{matter.matter_id}/segments/{name}.jsonl"
        bag.copy(source, f"data/segments/{name}.jsonl", seal.says["segment"]["sha256"], take)
    key = bag.shelf.read(f"keys/{matter.last_seal['key']['public_key_sha256']}.pem")
    if key is None:
        raise LedgerRuleBroken("expected the public key of the seals in the records bucket, found nothing")
    bag.put("data/public-key.pem", key)
    matter.requests = [_add_request(bag, register, n, account) for n, account in enumerate(accounts, 1)]
    matter.releases = releases
    for number, release in enumerate(releases, 1):
        folder = f"releases/{matter.matter_id}/{release['release_id']}"
        for file in release["files"]:
            bag.copy(f"{folder}/{file['name']}", f"data/releases/{number:04d}/{file['name']}", file["sha256"])
    register.complete()
    for path, chunks in made_files(matter):
        bag.put(path, chunks)
    payload = list(bag.files)
    tags = [bag.put(path, chunks) for path, chunks in tag_files(matter, payload)]
    bag.put(TAG_MANIFEST, [tag_manifest(tags)])


def _add_request(bag: _Bag, register: Register, number: int, account: Mapping[str, Any]) -> AccountedRequest:
    """Copy a request's files, and take the lines of its account and its exceptions in."""
    matter_id, request_id = MatterId(account["matter_id"]), RequestId(account["request_id"])
    source = request_folder(matter_id, request_id)
    if account["attempt"] > 1:
        source += f"/attempt-{account['attempt']}"
    target = f"data/requests/{number:04d}"
    body: list[bytes] = []
    takers: Mapping[str, Callable[[bytes], object]] = {
        "account": lambda line: register.add_account(number, line),
        "exceptions": lambda line: register.add_exception(number, line),
        "request": body.append,
    }

    def copy(name: str, sha256: str) -> None:
        parts: list[bytes] = []
        stem = name.partition(".")[0].partition("-")[0]
        take = parts.append if name.endswith(".sha256") else takers[stem]
        bag.copy(f"{source}/{name}", f"{target}/{name}", sha256, take)
        for part, part_sha256 in parts_named(parts):
            copy(part, part_sha256)

    for file in account["files"]:
        copy(file["name"], file["sha256"])
    bag.put(f"{target}/summary.json", [summary_bytes(account)])
    return AccountedRequest(number, read_document(b"".join(body)), account)


def _sign(bag: _Bag, matter: Matter, signer: Signer, clock: Clock) -> None:
    """Sign what stands there: a statement that was written before is the one that counts."""
    statement = package_statement(
        matter_id=matter.matter_id,
        packaged_at=clock.now(),
        sequence=int(matter.last_seal["sequence"]),
        seal_sha256=matter.seals[-1].sha256,
        tagmanifest_sha256=bag.files[-1].sha256,
        key=signer.public_key(),
    )
    bag.put(_STATEMENT, [statement])
    standing = b"".join(bag.shelf.read(f"{bag.folder}/{_STATEMENT}") or ())
    bag.put(_SIGNATURE, [signer.sign(standing)])
