"""Check a custody package of Holdfast offline: nothing is asked of anybody, nothing is changed.

    python verify.py DIR [--key PUBLIC-KEY.PEM] [--seal SHA256] [--json]
    python verify.py DIR --prove KEY > proof.json
    python verify.py proof.json [--key PUBLIC-KEY.PEM] [--recording FILE] [--json]

The second shows for one object that it is in the log, and tells nothing of the others; the third checks that.

It needs Python 3.11 or later and the library `cryptography` (pip install cryptography). What it looks at, in
this order; the first thing that is wrong is named first:

 1. the folder: plain files only
 2. the bag (RFC 8493), from above: package.json is signed; the list of the lists has the SHA-256 that it
    says, the lists have what that says, and every file what the lists say; none too many, none missing
 3. the seals: numbered 1, 2, 3 ...; each names the SHA-256 of the one before, and is signed
 4. the segments: every entry is canonical JSON (RFC 8785) and stands there once; each segment is what its
    seal says, and the Merkle root (RFC 9162) over all entries so far is the seal's: so the log only grew
 5. the requests: their files are those that the log names; their counts add up, agree with the lists of
    recordings and exceptions, and what counts as secured has its receipts in the log
 6. the media, if they are here: they are what the receipts say

What no check of a folder can show: that the key is the right one (get it another way and give it with
--key: without that, a package only shows that it agrees with itself); that there is no later package (a
whole earlier one is genuine: give the digest of the newest seal that you know with --seal); that this
program is the right one, if it came with the package (get it another way, too).

Exit code 0: intact. 1: something is wrong. 2: the command line.
"""

import argparse
import base64
import hashlib
import json
import os
import re
import stat
import sys
import unicodedata
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
DECLARATION, INFO, FETCH, MANIFEST = "bagit.txt", "bag-info.txt", "fetch.txt", "manifest-sha256.txt"
TAG_MANIFEST, PACKAGE, PACKAGE_SIGNATURE = "tagmanifest-sha256.txt", "package.json", "package.sig"
LISTED_TAGS = {DECLARATION, INFO, FETCH, MANIFEST}
ROOT = LISTED_TAGS | {TAG_MANIFEST, PACKAGE, PACKAGE_SIGNATURE}
PUBLIC_KEY, MEDIA = "data/public-key.pem", "data/media/"
SEAL_FIELDS = {
    "accounts", "format", "key", "kinds", "matter_id", "previous", "sealed_at", "segment", "sequence", "tree",
}  # fmt: skip
PACKAGE_FIELDS = {"format", "key", "matter_id", "packaged_at", "seal", "tagmanifest_sha256"}
KINDS = {"receipt", "event", "account", "release"}
LONGEST_LINE, LARGEST_STATEMENT = 16 << 20, 64 << 20
CHUNK = 1 << 20
MOST_FAULTS = 10_000  # that are kept; all are counted
LARGEST_INTEGER = 2**53 - 1
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

Advance = Callable[[int], object]
"""Told how many bytes more have been read."""


class Unreadable(Exception):
    """A document is not what it must be; the message says why."""


# --- canonical JSON, RFC 8785, for what entries are made of: no fractions


def read_json(content: bytes) -> dict[str, Any]:
    """Read an object that is written in canonical form, the only one there is for it."""
    try:
        document = json.loads(
            content.decode(), parse_float=_refused, parse_constant=_refused, parse_int=_integer
        )
        is_canonical = canonical(document) == content
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"is no JSON of ours ({type(error).__name__})") from None
    if not isinstance(document, dict):
        raise Unreadable("is no JSON object")
    if not is_canonical:
        raise Unreadable("is not canonical JSON (RFC 8785)")
    return document


def canonical(document: Any) -> bytes:
    """Write a document in canonical form."""
    ordered = _ordered(document)
    return json.dumps(ordered, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _ordered(value: Any) -> Any:
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return {name: _ordered(value[name]) for name in names}
    return [_ordered(one) for one in value] if isinstance(value, list) else value


def _refused(text: str) -> Any:
    raise ValueError(text)


def _integer(text: str) -> int:
    if abs(number := int(text)) > LARGEST_INTEGER:
        raise ValueError(text)
    return number


# --- the Merkle tree, RFC 9162, section 2.1


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees as their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows leaf by leaf and remembers the roots of its complete subtrees alone."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Append a leaf: like adding one to a binary number, each carry a parent."""
        full, self.size = self.size, self.size + 1
        while full & 1:
            leaf, full = node_hash(self._peaks.pop(), leaf), full >> 1
        self._peaks.append(leaf)

    @property
    def root(self) -> bytes:
        """Give the root over all leaves so far."""
        if not self._peaks:
            return hashlib.sha256().digest()
        *others, root = self._peaks
        for peak in reversed(others):
            root = node_hash(peak, root)
        return root


def siblings(index: int, start: int, end: int) -> list[tuple[int, int]]:
    """Name the subtrees beside the way from a leaf to the root of leaves start..end, from below."""
    if end - start == 1:
        return []
    middle = start + (1 << ((end - start - 1).bit_length() - 1))
    if index < middle:
        return [*siblings(index, start, middle), (middle, end)]
    return [*siblings(index, middle, end), (start, middle)]


def root_of(index: int, size: int, leaf: bytes, path: list[bytes]) -> bytes | None:
    """Compute the root that an inclusion path leads to; None if such a tree has no such path."""
    beside = siblings(index, 0, size) if 0 <= index < size else None
    if beside is None or len(beside) != len(path):
        return None
    for (start, _), node in zip(beside, path, strict=True):
        leaf = node_hash(node, leaf) if start < index else node_hash(leaf, node)
    return leaf


# --- keys and signatures


@dataclass(frozen=True)
class PublicKey:
    """A key for ECDSA on P-256; `sha256` is over its DER."""

    key: Any
    sha256: str
    pem: bytes

    @classmethod
    def read(cls, content: bytes) -> "PublicKey":
        """Read a key in PEM or DER."""
        # Imported where it is needed, so that whoever lacks it is told what to do.
        try:
            from cryptography.hazmat.primitives import serialization  # noqa: PLC0415
            from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        except ImportError:  # pragma: no cover
            sys.exit("this program needs the library cryptography: pip install cryptography")
        is_pem = content.lstrip().startswith(b"-----")
        load = serialization.load_pem_public_key if is_pem else serialization.load_der_public_key
        try:
            key = load(content)
        except Exception:  # noqa: BLE001 - whatever the library says of other people's bytes
            raise Unreadable("is no public key") from None
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise Unreadable("is no key for ECDSA on P-256")
        form = serialization.PublicFormat.SubjectPublicKeyInfo
        der, pem = (
            key.public_bytes(one, form) for one in (serialization.Encoding.DER, serialization.Encoding.PEM)
        )
        return cls(key, hashlib.sha256(der).hexdigest(), pem)

    def has_signed(self, content: bytes, signature: bytes) -> bool:
        """Tell whether a signature (DER) over the SHA-256 of some bytes is this key's."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature  # noqa: PLC0415

        try:
            self.key.verify(signature, content, ec.ECDSA(hashes.SHA256()))
            # Of a signature's two forms, one is ours: else it could be changed into the other.
            return bool(decode_dss_signature(signature)[1] <= P256_ORDER // 2)
        except InvalidSignature:
            return False


# --- many digests in little memory


def _digest_of(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class Digests:
    """A set of digests that takes eight bytes for each: their first nine bytes, sorted when asked.

    Two that differ and share these are as likely as one in 10^9 among a million million; then something
    would be called double that is not, and looking closer would show it.
    """

    def __init__(self) -> None:
        self._buckets = [array("Q") for _ in range(256)]
        self._is_sorted = True

    def add(self, digest: bytes) -> None:
        """Put a digest in, of 32 bytes."""
        self._buckets[digest[0]].append(int.from_bytes(digest[1:9]))
        self._is_sorted = False

    def add_text(self, text: str) -> None:
        """Put the digest of a text in."""
        self.add(_digest_of(text))

    def __contains__(self, digest: bytes) -> bool:
        self._sort()
        bucket, wanted = self._buckets[digest[0]], int.from_bytes(digest[1:9])
        place = bisect_left(bucket, wanted)
        return place < len(bucket) and bucket[place] == wanted

    def has_text(self, text: str) -> bool:
        """Tell whether the digest of a text is in."""
        return _digest_of(text) in self

    def doubles(self) -> set[bytes]:
        """Give the first nine bytes of whatever was put in more than once."""
        self._sort()
        return {
            bytes([first]) + one.to_bytes(8)
            for first, bucket in enumerate(self._buckets)
            for one, next_one in pairwise(bucket)
            if one == next_one
        }

    def _sort(self) -> None:
        if not self._is_sorted:
            self._buckets = [array("Q", sorted(bucket)) for bucket in self._buckets]
            self._is_sorted = True


# --- what is found


@dataclass(frozen=True)
class Fault:
    """Something that is wrong: where (a path in the package, perhaps with a line), and what."""

    place: str
    problem: str


@dataclass
class Report:
    """What the verifier has found."""

    faults: list[Fault] = field(default_factory=list)
    fault_count: int = 0
    notes: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def is_intact(self) -> bool:
        """Tell whether nothing is wrong."""
        return self.fault_count == 0

    def fault(self, place: str, problem: str, line: int | None = None) -> None:
        """Note something that is wrong."""
        self.fault_count += 1
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(printable(place if line is None else f"{place}:{line}"), problem))

    def document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {
            "intact": self.is_intact,
            **self.facts,
            "fault_count": self.fault_count,
            "faults": [{"place": fault.place, "problem": fault.problem} for fault in self.faults],
            "notes": self.notes,
        }


def printable(text: str) -> str:
    """Write names so that they cannot play tricks on a terminal or a reader."""
    return "".join(
        one if one.isascii() and one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


# --- the folder


def _no_advance(_: int) -> None:
    pass


class Folder:
    """The files of a package, none of them opened unless it is a plain file inside."""

    def __init__(self, root: Path, report: Report) -> None:
        self.root, self.report = root, report
        self.advance: Advance = _no_advance
        self.sizes: dict[str, int] = {}
        self._list()

    def _list(self) -> None:
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            for found in sorted(os.scandir(self.root / folder), key=lambda one: one.name):
                path = f"{folder}{found.name}"
                mode = found.stat(follow_symlinks=False).st_mode
                if stat.S_ISDIR(mode):
                    waiting.append(f"{path}/")
                elif stat.S_ISREG(mode):
                    self.sizes[path] = found.stat(follow_symlinks=False).st_size
                else:
                    self.report.fault(path, "is no plain file: a link or a device has no place in a package")

    def __contains__(self, path: str) -> bool:
        return path in self.sizes

    def under(self, prefix: str) -> list[str]:
        """Name the files whose paths begin with a prefix, in order."""
        return sorted(path for path in self.sizes if path.startswith(prefix))

    def open(self, path: str) -> BinaryIO:
        """Open a file that is known to be plain."""
        return (self.root / path).open("rb")

    def chunks(self, path: str) -> Iterator[bytes]:
        """Read a file piece by piece."""
        with self.open(path) as file:
            while chunk := file.read(CHUNK):
                self.advance(len(chunk))
                yield chunk

    def small(self, path: str) -> bytes | None:
        """Read a small file whole; None, and a fault, if it is missing or too large to be one of ours."""
        if path not in self.sizes:
            self.report.fault(path, "is missing")
            return None
        if self.sizes[path] > LARGEST_STATEMENT:
            self.report.fault(path, f"is larger than {LARGEST_STATEMENT} bytes, which no such file is")
            return None
        return b"".join(self.chunks(path))

    def sha256(self, path: str) -> str:
        """Hash a file."""
        digest = hashlib.sha256()
        for chunk in self.chunks(path):
            digest.update(chunk)
        return digest.hexdigest()

    def lines(self, path: str) -> Iterator[tuple[int, bytes]]:
        """Read a file line by line, numbered from 1, without the newlines; every line must have one."""
        with self.open(path) as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                self.advance(len(line))
                if not line.endswith(b"\n"):
                    self.report.fault(path, "is too long a line, or has no newline at its end", number)
                    while len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                        line = file.readline(LONGEST_LINE)
                    continue
                yield number, line[:-1]


# --- the bag


_MANIFEST_LINE = re.compile(r"([0-9a-f]{64})  (\S.*)")
_FETCH_LINE = re.compile(r"(s3://\S+) (\d{1,15}) (\S.*)")
_ENCODED = re.compile(r"%(25|0A|0D)")


def _decoded(path: str) -> str:
    return _ENCODED.sub(lambda found: chr(int(found[1], 16)), path)


def _plain_name(path: str) -> str:
    """Write a path so that two which some system takes for one are one."""
    return unicodedata.normalize("NFC", path).casefold()


def is_inside(path: str) -> bool:
    """Tell whether a path stays inside the folder, on any system."""
    parts = path.split("/")
    return not ("\\" in path or ":" in parts[0] or "\0" in path or {"", ".", ".."} & set(parts))


class Bag:
    """Step 2: the manifests, and whether every file is what they say."""

    def __init__(self, folder: Folder) -> None:
        self._folder, self._report = folder, folder.report
        self.media_here = self.media_away = 0
        self._files = self._size_bytes = 0
        self._names = Digests()

    def check(self, signed_sha256: str | None) -> None:
        """Check the bag, from the list that was signed down to every file."""
        folder, report = self._folder, self._report
        for path in sorted(ROOT - folder.sizes.keys()):
            report.fault(path, "is missing")
        for path in folder.sizes:
            if path not in ROOT and not path.startswith("data/"):
                report.fault(path, "is not part of a package, and nothing vouches for it")
        is_signed = signed_sha256 is not None and TAG_MANIFEST in folder
        if is_signed and folder.sha256(TAG_MANIFEST) != signed_sha256:
            problem = f"is not the list that was signed with {PACKAGE}: files were changed, and the lists too"
            report.fault(TAG_MANIFEST, problem)
        if DECLARATION in folder and folder.small(DECLARATION) != BAGIT:
            report.fault(DECLARATION, "does not declare a bag of version 1.0 in UTF-8")
        if TAG_MANIFEST in folder:
            self._check_tags()
        if MANIFEST in folder:
            self._check_payload()

    def _check_tags(self) -> None:
        listed: dict[str, str] = {}
        for number, sha256, path in self._entries(TAG_MANIFEST):
            if path in listed or path not in LISTED_TAGS:
                self._report.fault(TAG_MANIFEST, f"lists {printable(path)}, which has no place here", number)
            listed[path] = sha256
        for path in sorted(LISTED_TAGS):
            if path not in listed:
                self._report.fault(TAG_MANIFEST, f"does not list {path}")
            elif path in self._folder and self._folder.sha256(path) != listed[path]:
                self._report.fault(path, f"is not what {TAG_MANIFEST} says: it was changed")

    def _check_payload(self) -> None:
        folder, report = self._folder, self._report
        fetched = self._fetched() if FETCH in folder else iter(())
        unlisted = {path for path in folder.sizes if path.startswith("data/")}
        away: list[str] = []
        for number, sha256, path in self._entries(MANIFEST):
            self._files += 1
            self._names.add_text(_plain_name(path))
            if not path.startswith("data/") or not is_inside(path):
                report.fault(MANIFEST, f"names {printable(path)}, which is not inside data/", number)
                continue
            size_bytes = self._fetched_size(path, fetched) if path.startswith(MEDIA) else 0
            if path in folder:
                unlisted.discard(path)
                size_bytes = folder.sizes[path]
                self.media_here += path.startswith(MEDIA)
                if folder.sha256(path) != sha256:
                    report.fault(path, f"is not what {MANIFEST} says: it was changed")
            elif path.startswith(MEDIA):
                self.media_away += 1
                away = [*away[:4], path]
            else:
                report.fault(path, f"is missing: {MANIFEST} lists it")
            self._size_bytes += size_bytes
        for wanted, _ in fetched:
            report.fault(FETCH, f"names {printable(wanted)}, which {MANIFEST} does not list as media")
        for path in sorted(unlisted):
            report.fault(path, f"is not listed in {MANIFEST}: it was added")
        for path in away if self.media_here else ():
            report.fault(path, f"is missing, while other media are here ({self.media_away} in all)")
        self._check_doubles()
        self._check_info()

    def _fetched_size(self, path: str, fetched: Iterator[tuple[str, int]]) -> int:
        """Take the next line of fetch.txt, which names the media in the manifest's order."""
        wanted, size_bytes = next(fetched, ("", 0))
        if wanted != path:
            self._report.fault(FETCH, f"does not name {printable(path)} where {MANIFEST} does")
        return size_bytes

    def _check_doubles(self) -> None:
        doubles = self._names.doubles()
        for number, _, path in self._entries(MANIFEST) if doubles else ():
            if _digest_of(_plain_name(path))[:9] in doubles:
                self._report.fault(MANIFEST, f"names {printable(path)} more than once, or nearly", number)

    def _check_info(self) -> None:
        content = (self._folder.small(INFO) or b"") if INFO in self._folder else b""
        said = re.findall(rb"^Payload-Oxum: (\d+\.\d+)$", content, re.MULTILINE)
        if INFO in self._folder and said != [f"{self._size_bytes}.{self._files}".encode()]:
            self._report.fault(INFO, "does not give the size and the number of the files in data/")

    def _entries(self, manifest: str) -> Iterator[tuple[int, str, str]]:
        for number, line in self._folder.lines(manifest):
            try:
                found = _MANIFEST_LINE.fullmatch(line.decode())
            except UnicodeDecodeError:
                found = None
            if found is None:
                self._report.fault(manifest, "is no line of a SHA-256 and a path", number)
            else:
                yield number, found[1], _decoded(found[2])

    def _fetched(self) -> Iterator[tuple[str, int]]:
        for number, line in self._folder.lines(FETCH):
            found = _FETCH_LINE.fullmatch(line.decode("utf-8", "replace"))
            if found is None:
                self._report.fault(FETCH, "is no line of an address in S3, a size and a path", number)
            else:
                yield _decoded(found[3]), int(found[2])


# --- seals and segments


@dataclass
class Log:
    """What the log says, as far as later checks need it."""

    matter_id: str | None = None
    tree: Tree = field(default_factory=Tree)
    accounts: list[dict[str, Any]] = field(default_factory=list)
    releases: list[dict[str, Any]] = field(default_factory=list)
    seal_sha256s: list[str] = field(default_factory=list)
    last_seal: dict[str, Any] = field(default_factory=dict)
    is_readable: bool = True  # no segment is broken: roots can be computed, and counts mean something
    leaves: Digests = field(default_factory=Digests)
    object_sha256s: Digests = field(default_factory=Digests)
    recordings: Digests = field(default_factory=Digests)  # "media {id}" and "sidecar {id}"
    claimed: Digests = field(default_factory=Digests)

    def take(self, entry: dict[str, Any]) -> None:
        """Take note of an entry."""
        if entry["kind"] == "receipt":
            self._take_digest(entry.get("sha256"))
            self.recordings.add_text(f"{entry.get('role')} {entry.get('recording_id')}")
        elif entry["kind"] == "event":
            self._take_digest(_member(entry.get("details"), "sha256"))
            if entry.get("type") == "claimed":
                self.claimed.add_text(str(entry.get("conversation_id")))
        elif entry["kind"] == "account":
            self.accounts.append(entry)
        else:
            self.releases.append(entry)

    def _take_digest(self, sha256: object) -> None:
        if isinstance(sha256, str) and re.fullmatch(r"[0-9a-f]{64}", sha256):
            self.object_sha256s.add(bytes.fromhex(sha256))


class Chain:
    """Steps 3 and 4: the seals one after the other, each with its segment."""

    def __init__(self, folder: Folder, key: PublicKey | None) -> None:
        self._folder, self._report, self._key = folder, folder.report, key
        self.log = Log()

    def check(self, signed_seals: int) -> Log:
        """Check every seal and segment; what is signed may say how many there are."""
        seals = [path for path in self._folder.under("data/seals/") if path.endswith(".json")]
        count = max(len(seals), signed_seals)
        expected = {
            f"data/seals/{number:06d}{end}" for number in range(1, count + 1) for end in (".json", ".sig")
        }
        expected |= {f"data/segments/{number:06d}.jsonl" for number in range(1, count + 1)}
        there = {*self._folder.under("data/seals/"), *self._folder.under("data/segments/")}
        for path in sorted(expected - there):
            self._report.fault(path, "is missing: seals and segments are numbered without a gap")
        for path in sorted(there - expected):
            self._report.fault(path, "belongs to no chain of seals 1, 2, 3 ...")
        if not count:
            self._report.fault("data/seals/000001.json", "is missing: a package has a seal at least")
        previous: str | None = None
        for number in range(1, count + 1):
            statement = self._seal(number, previous)
            self._segment(number, statement)
            previous = self.log.seal_sha256s[-1]
        doubles = self.log.leaves.doubles()
        for number in range(1, count + 1) if doubles else ():
            self._name_doubles(f"data/segments/{number:06d}.jsonl", doubles)
        return self.log

    def _seal(self, number: int, previous: str | None) -> dict[str, Any]:
        path = f"data/seals/{number:06d}.json"
        self.log.seal_sha256s.append(self._folder.sha256(path) if path in self._folder else "")
        statement, _ = signed_statement(self._folder, path, self._key, "holdfast-seal/1", SEAL_FIELDS)
        if not statement:
            return {}
        if statement["sequence"] != number:
            self._report.fault(path, f"says that it is seal {printable(str(statement['sequence']))}")
        if statement["previous"] != previous:
            self._report.fault(path, "does not follow on the seal before it: it names another digest")
        if self.log.matter_id not in (None, statement["matter_id"]):
            self._report.fault(path, f"is a seal of another matter, {printable(str(statement['matter_id']))}")
        self.log.matter_id = self.log.matter_id or statement["matter_id"]
        self.log.last_seal = statement
        return statement

    def _segment(self, number: int, statement: dict[str, Any]) -> None:
        """Read a segment's entries, and hold them to the seal."""
        path, log = f"data/segments/{number:06d}.jsonl", self.log
        if path not in self._folder:
            log.is_readable = False
            return
        kinds: Counter[str] = Counter()
        accounts = len(log.accounts)
        digest = hashlib.sha256()
        for line_number, line in self._folder.lines(path):
            digest.update(line + b"\n")
            leaf = leaf_hash(line)
            log.tree.add(leaf)
            log.leaves.add(leaf)
            try:
                entry = self._entry(line)
            except Unreadable as unreadable:
                self._report.fault(path, str(unreadable), line_number)
                continue
            kinds[entry["kind"]] += 1
            log.take(entry)
        said = {
            "entries": kinds.total(),
            "sha256": digest.hexdigest(),
            "size_bytes": self._folder.sizes[path],
        }
        if not statement:
            log.is_readable = False
        elif statement["segment"] != said:
            log.is_readable = False
            self._report.fault(path, f"is not the segment that seal {number} was put on: it was changed")
        else:
            self._hold_to(f"data/seals/{number:06d}.json", statement, kinds, log.accounts[accounts:])

    def _hold_to(
        self, path: str, statement: dict[str, Any], kinds: Counter[str], accounts: list[dict[str, Any]]
    ) -> None:
        if statement["kinds"] != dict(kinds):
            self._report.fault(path, "counts other kinds of entries than its segment has")
        named = [
            {
                "request_id": account.get("request_id"),
                "verdict": account.get("verdict"),
                "conversations": _member(account.get("summary"), "conversations"),
                "recordings": _member(account.get("summary"), "recordings"),
            }
            for account in accounts
        ]
        if statement["accounts"] != named:
            self._report.fault(path, "gives other counts of its requests than its segment")
        tree = {"size": self.log.tree.size, "root": self.log.tree.root.hex()}
        if self.log.is_readable and statement["tree"] != tree:
            self._report.fault(path, "has a Merkle root that is not over the entries up to here")

    def _entry(self, line: bytes) -> dict[str, Any]:
        entry = read_json(line)
        if not (isinstance(entry.get("nonce"), str) and str(entry.get("kind")) in KINDS):
            raise Unreadable("is no entry of a kind that this program knows")
        if entry.get("matter_id", self.log.matter_id) != self.log.matter_id:
            raise Unreadable("is an entry of another matter")
        return entry

    def _name_doubles(self, path: str, doubles: set[bytes]) -> None:
        for number, line in self._folder.lines(path) if path in self._folder else ():
            if leaf_hash(line)[:9] in doubles:
                self._report.fault(path, "is an entry that stands in the log more than once", number)


def signed_statement(
    folder: Folder, path: str, key: PublicKey | None, form: str, fields: set[str]
) -> tuple[dict[str, Any], bool]:
    """Read a statement, empty if it cannot be read, and tell whether the key has signed it."""
    report, signature_path = folder.report, path.removesuffix("json") + "sig"
    content = (folder.small(path) if path in folder else None) or b""
    signature = folder.small(signature_path) if signature_path in folder else None
    is_signed = key is not None and signature is not None and key.has_signed(content, signature)
    if key and content and signature is not None and not is_signed:
        report.fault(signature_path, f"is not the key's signature over {path}: one of the two was changed")
    try:
        statement = _statement(content, form, fields)
    except Unreadable as unreadable:
        if path in folder:
            report.fault(path, str(unreadable))
        return {}, False
    if key and _member(statement["key"], "public_key_sha256") != key.sha256:
        report.fault(path, "names another key than the one that it is checked with")
    return statement, is_signed


def _statement(content: bytes, form: str, fields: set[str]) -> dict[str, Any]:
    if not content.endswith(b"\n"):
        raise Unreadable("does not end with a newline")
    statement = read_json(content[:-1])
    if statement.get("format") != form or statement.keys() != fields:
        raise Unreadable(f"is no statement of the form {form}")
    return statement


def _member(document: object, name: str) -> Any:
    return document.get(name) if isinstance(document, dict) else None


# --- the requests


class Requests:
    """Step 5: every request's files are those of its account, and the counts agree."""

    def __init__(self, folder: Folder, log: Log) -> None:
        self._folder, self._report, self._log = folder, folder.report, log

    def check(self) -> None:
        """Check the files of all requests and releases."""
        vouched: set[str] = set()
        for kind, entries in (("requests", self._log.accounts), ("releases", self._log.releases)):
            for number, entry in enumerate(entries, 1):
                stem = f"data/{kind}/{number:04d}/"
                files = self._files(stem, entry)
                vouched |= {f"{stem}{name}" for name in files}
                if kind == "requests":
                    vouched.add(f"{stem}summary.json")
                    self._check_account(stem, entry, files)
        for path in [*self._folder.under("data/requests/"), *self._folder.under("data/releases/")]:
            if path not in vouched and self._log.is_readable:
                self._report.fault(path, "is no file that the log names")

    def _files(self, stem: str, entry: dict[str, Any]) -> list[str]:
        """Hold the files of an entry to it, and name them; of a list of parts, the parts as well."""
        names: list[str] = []
        listed = entry.get("files")
        for file in listed if isinstance(listed, list) else ():
            name, sha256 = _member(file, "name"), _member(file, "sha256")
            if not isinstance(name, str) or not is_inside(name) or "/" in name:
                self._report.fault(stem, "has an entry in the log that names its files in no way we know")
                continue
            names.append(name)
            if self._is_file(f"{stem}{name}", sha256) and name.endswith(".sha256"):
                for _, line in self._folder.lines(f"{stem}{name}"):
                    part_sha256, _, part = line.decode("utf-8", "replace").partition("  ")
                    if is_inside(part) and "/" not in part:
                        names.append(part)
                        self._is_file(f"{stem}{part}", part_sha256)
        return names

    def _is_file(self, path: str, sha256: object) -> bool:
        if path not in self._folder:
            self._report.fault(path, "is missing: the log names it")
            return False
        if self._folder.sha256(path) != sha256:
            self._report.fault(path, "is not the file that the log names: it was changed")
            return False
        return True

    def _check_account(self, stem: str, account: dict[str, Any], files: list[str]) -> None:
        summary = account.get("summary")
        if not isinstance(summary, dict):
            self._report.fault(stem, "has an account in the log without a summary")
            return
        content = self._folder.small(f"{stem}summary.json")
        if content is not None and content != canonical(summary) + b"\n":
            self._report.fault(f"{stem}summary.json", "is not the summary that the log has")
        body = self._folder.small(f"{stem}request.json") if f"{stem}request.json" in self._folder else None
        if body is not None and hashlib.sha256(body.rstrip(b"\n")).hexdigest() != account.get(
            "request_sha256"
        ):
            self._report.fault(f"{stem}request.json", "is not the request that the account is of")
        for problem in self._miscounts(stem, account, summary, files):
            self._report.fault(stem, problem)

    def _miscounts(
        self, stem: str, account: dict[str, Any], summary: dict[str, Any], files: list[str]
    ) -> Iterator[str]:
        counted, unproven = self._count_lines(stem, [one for one in files if _is_part(one, "account")])
        reasons = Counter[str]()
        missing = 0
        for line in self._documents(stem, [one for one in files if _is_part(one, "exceptions")]):
            reasons[str(line.get("reason"))] += 1
            missing += line.get("standing") == "missing"
        recordings, conversations = summary.get("recordings"), summary.get("conversations")
        for what, said, columns in (
            ("recording", recordings, ("secured", "explained", "missing")),
            ("conversation", conversations, ("held_at_platform", "explained", "missing")),
        ):
            told = {name: _member(said, name) for name in columns}
            if told != {name: counted[what, name] for name in columns}:
                yield f"counts other {what}s in the log than account.jsonl lists"
            if _member(said, "expected") != sum(counted[what, name] for name in columns):
                yield f"expects another number of {what}s than it accounts for"
        if summary.get("by_reason") != dict(sorted(reasons.items())):
            yield "counts other exceptions in the log than exceptions.jsonl lists"
        if (account.get("verdict") == "PRESERVED") == bool(missing):
            yield "has a verdict that its exceptions do not bear out"
        if unproven:
            yield f"counts {unproven} recordings or conversations whose entries are not in the log"

    def _count_lines(self, stem: str, files: list[str]) -> tuple[Counter[tuple[str, str]], int]:
        counted = Counter[tuple[str, str]]()
        unproven = 0
        for line in self._documents(stem, files):
            kind, standing = str(line.get("kind")), str(line.get("standing"))
            counted[kind, standing] += 1
            if kind == "recording" and standing == "secured":
                recording = line.get("recording_id")
                both = (f"media {recording}", f"sidecar {recording}")
                unproven += not all(map(self._log.recordings.has_text, both))
            elif kind == "conversation" and standing == "held_at_platform":
                unproven += not self._log.claimed.has_text(str(line.get("conversation_id")))
        return counted, unproven

    def _documents(self, stem: str, files: list[str]) -> Iterator[dict[str, Any]]:
        for name in files:
            path = f"{stem}{name}"
            for number, line in self._folder.lines(path) if path in self._folder else ():
                try:
                    document = json.loads(line)
                except (ValueError, RecursionError):
                    document = None
                if isinstance(document, dict):
                    yield document
                else:
                    self._report.fault(path, "is no JSON object", number)


def _is_part(name: str, of: str) -> bool:
    return re.fullmatch(rf"{of}(-\d+)?\.jsonl", name) is not None


# --- everything


def verify(
    root: Path,
    *,
    key: bytes | None = None,
    seal: str | None = None,
    started: Callable[[int], Advance] = lambda _: _no_advance,
) -> Report:
    """Check a package.

    Args:
        root: the folder.
        key: the public key that is known another way, in PEM or DER.
        seal: the digest (hex) of a seal that is known another way; it must be in the chain.
        started: told how many bytes will be read, about; answers whom to tell how many were.
    """
    report = Report()
    folder = Folder(root, report)
    segments = sum(folder.sizes[path] for path in folder.under("data/segments/"))
    folder.advance = started(sum(folder.sizes.values()) + segments)
    own_key = _own_key(folder)
    pinned = PublicKey.read(key) if key is not None else None
    if pinned and own_key and pinned.sha256 != own_key.sha256:
        report.fault(PUBLIC_KEY, f"is not the key that was given; it is {own_key.sha256}")
    used = pinned or own_key
    package, is_signed = signed_statement(folder, PACKAGE, used, "holdfast-package/1", PACKAGE_FIELDS)
    bag = Bag(folder)
    bag.check(package.get("tagmanifest_sha256"))
    signed_seals = _member(package.get("seal"), "sequence") if is_signed else 0
    log = Chain(folder, used).check(signed_seals if isinstance(signed_seals, int) else 0)
    _hold_together(report, package, log)
    if log.is_readable:
        Requests(folder, log).check()
        _check_media(folder, log)
    if seal is not None and seal.lower() not in log.seal_sha256s:
        report.fault("data/seals/", f"has no seal with the digest that was given, {printable(seal)}")
    report.facts = {
        "matter_id": log.matter_id,
        "key_sha256": used.sha256 if used else None,
        "key_is_pinned": pinned is not None,
        "seals": len(log.seal_sha256s),
        "last_seal_sha256": log.seal_sha256s[-1] if log.seal_sha256s else None,
        "last_sealed_at": log.last_seal.get("sealed_at"),
        "entries": log.tree.size,
        "root": log.tree.root.hex(),
        "requests": len(log.accounts),
        "media_here": bag.media_here,
        "media_left_in_s3": bag.media_away,
    }
    report.notes = list(_notes(bag, pinned, seal, log))
    return report


def _own_key(folder: Folder) -> PublicKey | None:
    content = folder.small(PUBLIC_KEY)
    if content is None:
        return None
    try:
        key = PublicKey.read(content)
    except Unreadable as unreadable:
        folder.report.fault(PUBLIC_KEY, str(unreadable))
        return None
    if content != key.pem:
        folder.report.fault(PUBLIC_KEY, "is not written as every such key is: it was changed")
    return key


def _hold_together(report: Report, package: dict[str, Any], log: Log) -> None:
    if not package or not log.seal_sha256s:
        return
    said = {"sequence": len(log.seal_sha256s), "sha256": log.seal_sha256s[-1]}
    if package["seal"] != said:
        report.fault(
            PACKAGE, f"is of another last seal than {said['sequence']}: seals are missing or changed"
        )
    if package["matter_id"] != log.matter_id:
        report.fault(PACKAGE, "is of another matter than the seals")


def _check_media(folder: Folder, log: Log) -> None:
    for number, line in folder.lines(MANIFEST) if MANIFEST in folder else ():
        found = _MANIFEST_LINE.fullmatch(line.decode("utf-8", "replace"))
        if found and found[2].startswith(MEDIA) and bytes.fromhex(found[1]) not in log.object_sha256s:
            folder.report.fault(
                MANIFEST, f"has a digest for {printable(found[2])} that no receipt has", number
            )


def _notes(bag: Bag, pinned: PublicKey | None, seal: str | None, log: Log) -> Iterator[str]:
    if pinned is None:
        yield (
            "No key was given: this shows that the package agrees with the key inside it, and not whose key"
            " that is. Get the public key, or its fingerprint, another way, and give it with --key."
        )
    if seal is None:
        yield (
            "No seal was given: an earlier package of the same matter, whole, would pass as well. Give the"
            " digest of the newest seal that you know with --seal."
        )
    elif log.seal_sha256s and seal.lower() != log.seal_sha256s[-1] and seal.lower() in log.seal_sha256s:
        yield "The log has grown since the seal that was given."
    if bag.media_away and not bag.media_here:
        yield f"{bag.media_away} media files are not here: they stay in S3, where fetch.txt says."


# --- a proof for one object


def prove(root: Path, key: str) -> dict[str, Any]:
    """Show that the entries of one object are in the log, by hashes that tell nothing of the others.

    Raises:
        Unreadable: there is no such object, or the package is not intact.
    """
    report = Report()
    folder = Folder(root, report)
    segments = folder.under("data/segments/")
    seal_path = (folder.under("data/seals/") or ["data/seals/000001.json"])[-1].removesuffix(".sig")
    seal_path = seal_path.removesuffix(".json") + ".json"
    seal, signature = folder.small(seal_path), folder.small(seal_path.removesuffix("json") + "sig")
    public_key = folder.small(PUBLIC_KEY)
    found = {index: line for index, line in enumerate(_all_lines(folder, segments)) if _is_about(line, key)}
    if seal is None or signature is None or public_key is None:
        raise Unreadable(f"{report.faults[0].place} {report.faults[0].problem}")
    if not found:
        raise Unreadable(
            "the log has no receipt of such an object; give its key exactly as the receipt has it"
        )
    tree = _statement(seal, "holdfast-seal/1", SEAL_FIELDS)["tree"]
    size = _member(tree, "size") if isinstance(_member(tree, "size"), int) else 0
    spans = {index: siblings(index, 0, size) for index in found if index < size}
    roots = _roots({span for one in spans.values() for span in one}, _all_lines(folder, segments))
    proof = {
        "format": "holdfast-proof/1",
        "object": key,
        "entries": [
            {
                "entry": line.decode(),
                "index": index,
                "path": [roots[span].hex() for span in spans.get(index, [])],
            }
            for index, line in found.items()
        ],
        "seal": seal.decode(),
        "signature": base64.b64encode(signature).decode(),
        "public_key": public_key.decode(),
    }
    if faults := verify_proof(proof).faults:
        raise Unreadable(f"the package is not intact ({faults[0].place} {faults[0].problem}): check it first")
    return proof


def _all_lines(folder: Folder, segments: Iterable[str]) -> Iterator[bytes]:
    for path in segments:
        for _, line in folder.lines(path):
            yield line


def _is_about(line: bytes, key: str) -> bool:
    """Tell whether an entry is the receipt of an object, or adds its digest."""
    if canonical(key) not in line:
        return False
    try:
        entry = read_json(line)
    except Unreadable:
        return False
    return key in (entry.get("key"), _member(entry.get("details"), "key"))


def _roots(spans: set[tuple[int, int]], lines: Iterable[bytes]) -> dict[tuple[int, int], bytes]:
    """Compute the roots of some subtrees in one reading."""
    trees = {span: Tree() for span in spans}
    beginning: dict[int, list[tuple[int, int]]] = {}
    for span in spans:
        beginning.setdefault(span[0], []).append(span)
    growing: list[tuple[int, int]] = []
    for number, line in enumerate(lines):
        growing = [span for span in growing if span[1] > number] + beginning.get(number, [])
        leaf = leaf_hash(line) if growing else b""
        for span in growing:
            trees[span].add(leaf)
    return {span: tree.root for span, tree in trees.items()}


def verify_proof(proof: object, *, key: bytes | None = None, recording: Path | None = None) -> Report:
    """Check a proof: its entries are in the log under the seal, and the seal is the key's.

    Args:
        proof: the document.
        key: the public key that is known another way, in PEM or DER.
        recording: a file that must be what a receipt of the proof says.
    """
    report = Report()
    try:
        _check_proof(report, proof, key, recording)
    except (Unreadable, KeyError, TypeError, ValueError, AttributeError) as error:
        said = str(error) if isinstance(error, Unreadable) else "is no proof of the form holdfast-proof/1"
        report.fault("proof", said)
    return report


def _check_proof(report: Report, document: object, key: bytes | None, recording: Path | None) -> None:
    fields = {"format", "object", "entries", "seal", "signature", "public_key"}
    proof: Mapping[str, Any] = document if isinstance(document, dict) else {}
    if proof.get("format") != "holdfast-proof/1" or proof.keys() != fields or not proof["entries"]:
        raise Unreadable("is no proof of the form holdfast-proof/1")
    own = PublicKey.read(proof["public_key"].encode())
    used = PublicKey.read(key) if key is not None else own
    if own.sha256 != used.sha256:
        report.fault("public_key", f"is not the key that was given; it is {own.sha256}")
    content = proof["seal"].encode()
    if not used.has_signed(content, base64.b64decode(proof["signature"], validate=True)):
        report.fault("signature", "is not the key's signature over the seal")
    seal = read_json(content.removesuffix(b"\n"))
    if seal.get("format") != "holdfast-seal/1" or seal.keys() != SEAL_FIELDS:
        report.fault("seal", "is no statement of the form holdfast-seal/1")
    sha256s = set[str]()
    for number, one in enumerate(proof["entries"]):
        entry = read_json(one["entry"].encode())
        sha256s |= {entry.get("sha256"), _member(entry.get("details"), "sha256")} - {None}
        for problem in _wrong_with(one, entry, proof["object"], seal["tree"]):
            report.fault(f"entries[{number}]", problem)
    if recording is not None and _sha256_of(recording) not in sha256s:
        report.fault(str(recording), "is not the object that was received: its SHA-256 is another")
    report.facts = {
        "object": proof["object"],
        "matter_id": seal["matter_id"],
        "seal": seal["sequence"],
        "seal_sha256": hashlib.sha256(content).hexdigest(),
        "sealed_at": seal["sealed_at"],
        "key_sha256": used.sha256,
        "key_is_pinned": key is not None,
        "sha256s": sorted(sha256s),
    }
    if key is None:
        report.notes.append(
            "No key was given: this shows that the proof agrees with the key inside it, no more."
        )


def _wrong_with(
    one: dict[str, Any], entry: dict[str, Any], about: object, tree: dict[str, Any]
) -> Iterator[str]:
    if about not in (entry.get("key"), _member(entry.get("details"), "key")):
        yield "is about another object"
    path = [bytes.fromhex(node) for node in one["path"]]
    root = root_of(one["index"], tree["size"], leaf_hash(one["entry"].encode()), path)
    if root is None or root.hex() != tree["root"]:
        yield "is not in the log that was sealed: its path does not lead to the root"


def _sha256_of(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


# --- the command line


def text_of(report: Report) -> str:
    """Write a report for a person."""
    lines = [f"{'INTACT' if report.is_intact else 'NOT INTACT'}"]
    lines += [f"  {name.replace('_', ' ')}: {printable(str(fact))}" for name, fact in report.facts.items()]
    for number, fault in enumerate(report.faults):
        lines.append(f"{'First' if number == 0 else 'Also'}: {fault.place} {fault.problem}")
    if report.fault_count > len(report.faults):
        lines.append(f"... and {report.fault_count - len(report.faults)} more")
    return "\n".join(lines + [f"Note: {note}" for note in report.notes])


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; answers the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", type=Path, help="a package's folder, or the file of a proof")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the public key that you know another way")
    parser.add_argument("--seal", metavar="SHA256", help="the digest of a seal that you know another way")
    parser.add_argument("--prove", metavar="KEY", help="write a proof for one object of the package")
    parser.add_argument("--recording", type=Path, metavar="FILE", help="the object that a proof is for")
    parser.add_argument("--json", action="store_true", help="answer in JSON")
    asked = parser.parse_args(arguments)
    try:
        if asked.prove is not None:
            sys.stdout.write(json.dumps(prove(asked.what, asked.prove), indent=2) + "\n")
            return 0
        key = asked.key.read_bytes() if asked.key else None
        if asked.what.is_dir():
            report = verify(asked.what, key=key, seal=asked.seal, started=_on_a_terminal)
        else:
            report = verify_proof(read_document(asked.what), key=key, recording=asked.recording)
    except (OSError, Unreadable) as error:
        sys.stderr.write(f"cannot be checked: {printable(str(error))}\n")
        return 1
    sys.stdout.write((json.dumps(report.document(), indent=2) if asked.json else text_of(report)) + "\n")
    return 0 if report.is_intact else 1


def _on_a_terminal(total: int) -> Advance:
    """Show progress where somebody looks on."""
    read = 0

    def advance(count: int) -> None:
        nonlocal read
        before, read = read, read + count
        if sys.stderr.isatty() and before >> 22 != read >> 22:
            sys.stderr.write(f"\r{min(99, 100 * read // max(1, total))} % ")

    return advance


def read_document(path: Path) -> object:
    """Read a proof from a file, in any layout, but with no name twice."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a name twice")
        return dict(pairs)

    try:
        return json.loads(path.read_bytes(), object_pairs_hook=unique)
    except (ValueError, RecursionError):
        raise Unreadable(f"{path.name} is no JSON document of ours") from None


if __name__ == "__main__":
    sys.exit(main())
