"""The custody package: what the legal team takes away, file by file.

A package is of a matter as of one seal. Every file is made from sealed files alone, so whoever makes it again
from the same seals makes the same bytes; only the statement that is signed at the end has a time of its own.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import rfc8785

from holdfast.domain.ids import MatterId
from holdfast.evidence import bag
from holdfast.evidence.load_file import csv_lines, dat_lines, exception_lines
from holdfast.evidence.papers import paper
from holdfast.evidence.register import Register
from holdfast.evidence.report import report_chunks

type Chunks = Iterable[bytes]


@dataclass(frozen=True, slots=True)
class SealFiles:
    """One seal as it lies in the records bucket: the statement's bytes, and the signature over them."""

    statement: bytes
    signature: bytes

    @property
    def says(self) -> Mapping[str, Any]:
        """Read the statement."""
        said: Mapping[str, Any] = json.loads(self.statement)
        return said

    @property
    def sha256(self) -> str:
        """Identify the seal; hex."""
        return sha256(self.statement).hexdigest()


@dataclass(frozen=True, slots=True)
class AccountedRequest:
    """One request as the log accounts for it: its body, and the `account` entry; numbered from 1."""

    number: int
    body: Mapping[str, Any]
    account: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Name its folder in the package."""
        return f"data/requests/{self.number:04d}"


@dataclass(slots=True)
class PackedFile:
    """A file of the package that is written."""

    path: str
    sha256: str
    size_bytes: int


@dataclass(slots=True)
class Matter:
    """All that a package is made from."""

    matter_id: MatterId
    seals: Sequence[SealFiles]
    register: Register
    requests: Sequence[AccountedRequest] = ()
    releases: Sequence[Mapping[str, Any]] = ()

    @property
    def last_seal(self) -> Mapping[str, Any]:
        """Give the statement of the seal that the package is as of."""
        return self.seals[-1].says

    @property
    def titles(self) -> list[str]:
        """Name the matter as its requests do, the last first, each once."""
        return list(dict.fromkeys(str(request.body["title"]) for request in reversed(self.requests)))


def made_files(matter: Matter) -> Iterator[tuple[str, Chunks]]:
    """Give every file that is made rather than copied: path and content."""
    matter_id, register = matter.matter_id, matter.register
    yield "data/loadfile/objects.dat", dat_lines(matter_id, register.rows())
    yield "data/loadfile/objects.csv", csv_lines(matter_id, register.rows())
    yield "data/exceptions.csv", exception_lines(register.exceptions())
    for name in ("HOW-TO-VERIFY.md", "CERTIFICATION-DRAFT.txt", "loadfile/FIELDS.md"):
        yield f"data/{name}", [paper(name, matter)]
    yield "data/report.html", report_chunks(matter)
    yield "data/verify.py", [Path(__file__).with_name("verifier.py").read_bytes()]


def tag_files(matter: Matter, payload: Sequence[PackedFile]) -> Iterator[tuple[str, Chunks]]:
    """Give the bag's tag files but the list of them; `payload` is every file but the media."""
    register = matter.register
    octets = sum(one.size_bytes for one in payload) + register.media_size_bytes()
    files = len(payload) + register.media_files()
    yield bag.DECLARATION, [bag.BAGIT]
    yield (
        bag.BAG_INFO,
        [
            bag.bag_info(
                {
                    "Bag-Software-Agent": "Holdfast",
                    "Bagging-Date": str(matter.last_seal["sealed_at"])[:10],
                    "External-Identifier": matter.matter_id,
                    "External-Description": "; ".join(matter.titles[:10]),
                    "Internal-Sender-Identifier": f"seal {matter.last_seal['sequence']}"
                    f" sha256 {matter.seals[-1].sha256}",
                    "Internal-Sender-Description": "Custody package of the matter as of this seal."
                    " fetch.txt names the media; they are all here, or all still in S3.",
                    "Payload-Oxum": f"{octets}.{files}",
                }
            )
        ],
    )
    yield bag.FETCH, bag.fetch_list(register.rows())
    written = (bag.manifest_line(one.path, one.sha256) for one in payload)
    yield bag.MANIFEST, _one_after_the_other(written, bag.media_manifest(register.rows()))


def tag_manifest(tags: Iterable[PackedFile]) -> bytes:
    """List the tag files."""
    return b"".join(bag.manifest_line(one.path, one.sha256) for one in tags)


def lines_tapped(chunks: Chunks, take: Callable[[bytes], object]) -> Iterator[bytes]:
    """Pass chunks on, and hand every line, without its end, to somebody who is interested."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            take(line)
        yield chunk
    if rest:
        take(rest)


def parts_named(lines: Iterable[bytes]) -> list[tuple[str, str]]:
    """Read a list of parts as `sha256sum` writes it: name and digest of each."""
    pairs = (line.decode().partition("  ") for line in lines)
    return [(name, digest) for digest, _, name in pairs]


def read_document(content: bytes) -> Mapping[str, Any]:
    """Read a JSON document."""
    document: Mapping[str, Any] = json.loads(content)
    return document


def summary_bytes(account: Mapping[str, Any]) -> bytes:
    """Write a request's summary as a file of its own."""
    return rfc8785.dumps(account["summary"]) + b"\n"


def _one_after_the_other(*streams: Iterable[bytes]) -> Iterator[bytes]:
    for stream in streams:
        yield from stream
