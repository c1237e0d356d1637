"""Changes to a custody package, as somebody would make them who wants another truth.

`python -m tests.tampering 10000` makes so many, each drawn by its number: a change, and how far it is covered
up (the manifest written anew, the list of tag files too, the package signed with another key). Every one must
be found. What is named first must be something that was changed; what the log vouches for must be named
itself. Between them, the untouched package must be intact.
"""

import json
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Any

from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from holdfast.domain.merkle import Tree, leaf_hash
from holdfast.evidence.verifier import P256_ORDER, Report, verify
from tests.fakes.seals import SignerInMemory
from tests.packages import canonical, manifest, put, sealed_matter, sha256, write_package

OURS, THEIRS = SignerInMemory(), SignerInMemory(secret=2)
MANIFEST, TAG_MANIFEST, INFO = "manifest-sha256.txt", "tagmanifest-sha256.txt", "bag-info.txt"
VOUCHED = ("data/segments/", "data/seals/", "data/requests/", "data/public-key.pem")

type Files = dict[str, bytes]
type Change = Callable[[Files, Random], object]
"""Changes the files of a package; a change that leaves them as they are is drawn again."""


def _some(files: Iterable[str], chance: Random, *parts: str) -> str:
    return chance.choice(sorted(one for one in files if not parts or any(part in one for part in parts)))


def _segment(files: Files, chance: Random) -> tuple[str, list[bytes]]:
    path = _some(files, chance, "data/segments/")
    return path, files[path].splitlines()


def _put_lines(files: Files, path: str, lines: Iterable[bytes]) -> None:
    files[path] = b"".join(line + b"\n" for line in lines)


# --- any file


def flip_a_bit(files: Files, chance: Random) -> None:
    path = _some((one for one in files if files[one]), chance)
    content = bytearray(files[path])
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    files[path] = bytes(content)


def cut_a_file(files: Files, chance: Random) -> None:
    path = _some((one for one in files if files[one]), chance)
    files[path] = files[path][: chance.randrange(len(files[path]))]


def add_to_a_file(files: Files, chance: Random) -> None:
    files[_some(files, chance)] += chance.choice([b"\n", b" ", b"\0", b"{}\n", b"x", b"\xef\xbb\xbf"])


def drop_a_file(files: Files, chance: Random) -> None:
    del files[_some(files, chance)]


def add_a_file(files: Files, chance: Random) -> None:
    folder = chance.choice(
        [
            "",
            "data/",
            "data/seals/",
            "data/segments/",
            "data/requests/0001/",
            "data/requests/0009/",
            "data/media/x/",
        ]
    )
    name = chance.choice(["more.txt", "000009.json", "000009.jsonl", ".hidden", "report.html ", "ü.txt"])
    files[folder + name] = b"more\n"


def rename_a_file(files: Files, chance: Random) -> None:
    path = _some(files, chance)
    files[path + chance.choice([".bak", " ", "~"])] = files.pop(path)


def swap_two_files(files: Files, chance: Random) -> None:
    kind = chance.choice(["data/segments/", ".sig", "data/seals/", "data/requests/", "data/"])
    one, two = _some(files, chance, kind), _some(files, chance, kind)
    files[one], files[two] = files[two], files[one]


def end_lines_otherwise(files: Files, chance: Random) -> None:
    path = _some((one for one in files if b"\n" in files[one]), chance)
    files[path] = files[path].replace(b"\n", b"\r\n")


def write_json_otherwise(files: Files, chance: Random) -> None:
    path = _some((one for one in files if one.endswith(".json")), chance)
    document = json.loads(files[path])
    how: dict[str, Any] = chance.choice([{"indent": 1}, {"ensure_ascii": True}, {"separators": (", ", ": ")}])
    files[path] = json.dumps(document, sort_keys=True, **how).encode() + chance.choice([b"", b"\n"])


# --- entries


def edit_an_entry(files: Files, chance: Random) -> None:
    path, lines = _segment(files, chance)
    place = chance.randrange(len(lines))
    entry = json.loads(lines[place])
    name = chance.choice([one for one, value in entry.items() if isinstance(value, str | int)])
    value = entry[name]
    entry[name] = value + 1 if isinstance(value, int) else _another_text(value, chance)
    lines[place] = canonical(entry)
    _put_lines(files, path, lines)


def _another_text(text: str, chance: Random) -> str:
    place = chance.randrange(len(text))
    return text[:place] + chance.choice("0123456789abcdefM-") + text[place + 1 :]


def drop_an_entry(files: Files, chance: Random) -> None:
    path, lines = _segment(files, chance)
    del lines[chance.randrange(len(lines))]
    _put_lines(files, path, lines)


def repeat_an_entry(files: Files, chance: Random) -> None:
    path, lines = _segment(files, chance)
    lines.insert(chance.randrange(len(lines) + 1), chance.choice(lines))
    _put_lines(files, path, lines)


def reorder_entries(files: Files, chance: Random) -> None:
    path, lines = _segment(files, chance)
    one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[two] = lines[two], lines[one]
    _put_lines(files, path, lines)


def move_an_entry(files: Files, chance: Random) -> None:
    path, lines = _segment(files, chance)
    entry = lines.pop(chance.randrange(len(lines)))
    _put_lines(files, path, lines)
    other, others = _segment(files, chance)
    others.insert(chance.randrange(len(others) + 1), entry)
    _put_lines(files, other, others)


def make_up_an_entry(files: Files, chance: Random) -> None:
    path, lines = _segment(files, chance)
    entry = json.loads(chance.choice(lines)) | {"nonce": f"{chance.getrandbits(128):032x}"}
    lines.insert(chance.randrange(len(lines) + 1), canonical(entry))
    _put_lines(files, path, lines)


# --- seals, signatures, keys


def fork_a_seal(files: Files, chance: Random) -> None:
    path = _some((one for one in files if one.endswith(".json")), chance, "data/seals/", "package.json")
    statement = json.loads(files[path])
    _edit_within(statement, chance)
    files[path] = canonical(statement) + b"\n"
    if chance.random() < 0.5:
        files[path.removesuffix("json") + "sig"] = THEIRS.sign(files[path])


def _edit_within(document: Any, chance: Random) -> None:
    """Change one value, however deep."""
    name = chance.choice(list(document) if isinstance(document, dict) else range(len(document)))
    value = document[name]
    if isinstance(value, dict | list) and value:
        _edit_within(value, chance)
    elif isinstance(value, int):
        document[name] = value + chance.choice([-1, 1, 100])
    else:
        document[name] = _another_text(value, chance) if isinstance(value, str) and value else "x"


def swap_signatures(files: Files, chance: Random) -> None:
    one, two = _some(files, chance, ".sig"), _some(files, chance, ".sig")
    files[one], files[two] = files[two], files[one]


def sign_with_another_key(files: Files, chance: Random) -> None:
    path = _some(files, chance, ".sig")
    files[path] = THEIRS.sign(files[path.removesuffix("sig") + "json"])


def write_a_signature_otherwise(files: Files, chance: Random) -> None:
    """What is as valid: the other of the two forms that every signature has."""
    path = _some(files, chance, ".sig")
    r, s = decode_dss_signature(files[path])
    files[path] = encode_dss_signature(r, P256_ORDER - s)


def swap_the_key(files: Files, _: Random) -> None:
    files["data/public-key.pem"] = THEIRS.public_key().pem


def cut_the_chain(files: Files, chance: Random) -> None:
    last = max(one for one in files if one.startswith("data/seals/") and one.endswith(".json"))
    number = last[-11:-5]
    for path in [one for one in files if f"/{number}." in one]:
        del files[path]
    if chance.random() < 0.5:
        for path in [one for one in files if one.startswith("data/requests/0002/")]:
            del files[path]


def take_from_another_package(files: Files, chance: Random) -> None:
    """Signed with the very key, but of another story."""
    path = _some(_other_package().keys() & files.keys(), chance, "data/segments/", "data/seals/", "package.")
    files[path] = _other_package()[path]


_OTHER: Files = {}


def _other_package() -> Files:
    if not _OTHER:
        with tempfile.TemporaryDirectory() as folder:
            house = sealed_matter(first=11)
            _OTHER.update(read(write_package(house, Path(folder) / "other")))
    return _OTHER


# --- counts


def change_a_count(files: Files, chance: Random) -> None:
    path = _some(files, chance, "summary.json", "data/seals/0", INFO)
    if path.endswith(".sig"):
        path = path.removesuffix("sig") + "json"
    digits = [place for place, one in enumerate(files[path]) if chr(one).isdigit()]
    content = bytearray(files[path])
    place = chance.choice(digits)
    content[place] = ord(chance.choice("0123456789"))
    files[path] = bytes(content)


def change_a_list_that_is_counted(files: Files, chance: Random) -> None:
    path = _some((one for one in files if files[one]), chance, "exceptions.jsonl", "account.jsonl")
    lines = files[path].splitlines()
    place = chance.randrange(len(lines))
    changed = [lines[:place] + lines[place + 1 :], [lines[place], *lines]]
    _put_lines(files, path, chance.choice(changed))


def change_a_manifest(files: Files, chance: Random) -> None:
    path = chance.choice([MANIFEST, TAG_MANIFEST, "fetch.txt"])
    lines = files[path].splitlines()
    one, two = chance.randrange(len(lines)), chance.randrange(len(lines))
    if chance.random() < 0.5:
        lines[one], lines[two] = lines[two], lines[one]
    else:
        del lines[one]
    _put_lines(files, path, lines)


def forge_everything(files: Files, chance: Random) -> None:
    """Change entries, then make every root, chain, signature and manifest anew, with a key of one's own."""
    chance.choice([edit_an_entry, drop_an_entry, repeat_an_entry, reorder_entries])(files, chance)
    tree, previous = Tree(), None
    for path in sorted(one for one in files if one.startswith("data/seals/") and one.endswith(".json")):
        statement = json.loads(files[path])
        segment = files[path.replace("seals", "segments") + "l"]
        lines = segment.splitlines()
        for line in lines:
            tree.add(leaf_hash(line))
        statement |= {
            "segment": {"entries": len(lines), "sha256": sha256(segment), "size_bytes": len(segment)},
            "kinds": Counter(json.loads(line)["kind"] for line in lines),
            "tree": {"root": tree.root.hex(), "size": tree.size},
            "previous": previous,
        }
        statement["key"]["public_key_sha256"] = THEIRS.public_key().sha256
        files[path] = canonical(statement) + b"\n"
        files[path.removesuffix("json") + "sig"] = THEIRS.sign(files[path])
        previous = sha256(files[path])
    swap_the_key(files, chance)


CHANGES: tuple[Change, ...] = (
    flip_a_bit, cut_a_file, add_to_a_file, drop_a_file, add_a_file, rename_a_file, swap_two_files,
    end_lines_otherwise, write_json_otherwise, edit_an_entry, drop_an_entry, repeat_an_entry, reorder_entries,
    move_an_entry, make_up_an_entry, fork_a_seal, swap_signatures, sign_with_another_key,
    write_a_signature_otherwise, swap_the_key, cut_the_chain, take_from_another_package, change_a_count,
    change_a_list_that_is_counted, change_a_manifest, forge_everything,
)  # fmt: skip


# --- covering up


def leave_it(_: Files) -> None:
    """Hope that nobody looks."""


def write_the_manifest_anew(files: Files) -> None:
    old = [line.decode("utf-8", "replace").partition("  ") for line in files.get(MANIFEST, b"").splitlines()]
    digests = {
        path: sha256(files[path]) if path in files else digest
        for digest, _, path in old
        if path in files or path.startswith("data/media/")
    }
    digests |= {path: sha256(files[path]) for path in sorted(files) if path.startswith("data/")}
    files[MANIFEST] = manifest(digests)


def write_all_lists_anew(files: Files) -> None:
    write_the_manifest_anew(files)
    sizes = {path: len(content) for path, content in files.items() if path.startswith("data/")}
    for line in files.get("fetch.txt", b"").decode("utf-8", "replace").splitlines():
        parts = line.split(" ", 2)
        if len(parts) == 3 and parts[1].isdigit():
            sizes.setdefault(parts[2], int(parts[1]))
    info = [line for line in files.get(INFO, b"").splitlines() if not line.startswith(b"Payload-Oxum")]
    _put_lines(files, INFO, [*info, f"Payload-Oxum: {sum(sizes.values())}.{len(sizes)}".encode()])
    tags = ("bagit.txt", INFO, "fetch.txt", MANIFEST)
    files[TAG_MANIFEST] = manifest({path: sha256(files[path]) for path in tags if path in files})


def sign_the_package_anew(files: Files) -> None:
    write_all_lists_anew(files)
    seals = sorted(one for one in files if one.startswith("data/seals/") and one.endswith(".json"))
    statement = {
        "format": "holdfast-package/1",
        "key": {"key_id": "k", "public_key_sha256": OURS.public_key().sha256},
        "matter_id": "M-2026-001",
        "packaged_at": "2026-04-02T12:40:00.000Z",
        "seal": {"sequence": len(seals), "sha256": sha256(files[seals[-1]]) if seals else ""},
        "tagmanifest_sha256": sha256(files[TAG_MANIFEST]),
    }
    files["package.json"] = canonical(statement) + b"\n"
    files["package.sig"] = THEIRS.sign(files["package.json"])


COVERS: tuple[Callable[[Files], None], ...] = (
    leave_it,
    write_the_manifest_anew,
    write_all_lists_anew,
    sign_the_package_anew,
)


# --- the trial


@dataclass
class Outcome:
    """What became of some changes."""

    tried: int = 0
    found: int = 0
    complaints: list[str] = field(default_factory=list)
    by_change: Counter[str] = field(default_factory=Counter)


def read(folder: Path) -> Files:
    """Read a package."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass(frozen=True)
class Tampered:
    """A package that was changed: what was changed first, and all that differs after covering up."""

    change: str
    cover: str
    itself: set[str]
    differs: set[str]
    files: Files

    @property
    def is_vouched_for(self) -> bool:
        """Tell whether anything left says how the changed files were.

        A seal that was cut off is only missed by the package's statement, which another has replaced.
        """
        return (self.change, self.cover) != ("cut_the_chain", "sign_the_package_anew")


def tampered(original: Mapping[str, bytes], number: int) -> Tampered:
    """Make the change of a number."""
    chance = Random(number)
    change, cover = CHANGES[number % len(CHANGES)], chance.choice(COVERS)
    files, itself = dict(original), set[str]()
    while files == original:  # some covers undo some changes
        change(files, chance)
        itself = _differing(original, files)
        cover(files)
    return Tampered(change.__name__, cover.__name__, itself, _differing(original, files), files)


def _differing(original: Mapping[str, bytes], files: Files) -> set[str]:
    return {path for path in original.keys() | files.keys() if original.get(path) != files.get(path)}


def wrong_about(report: Report, made: Tampered) -> str | None:
    """Say what is wrong with what was found, if anything."""
    if report.is_intact:
        return "not found"
    places = [_path(fault.place) for fault in report.faults]
    if not any(_belongs(places[0], path) for path in made.differs):
        first = report.faults[0]
        return f"named first: {first.place} {first.problem}; changed: {sorted(made.differs)}"
    vouched = [path for path in made.itself if path.startswith(VOUCHED)]
    if (
        vouched
        and made.is_vouched_for
        and not any(_belongs(place, path) for place in places for path in vouched)
    ):
        return f"never named: {sorted(vouched)}; named: {sorted(set(places))}"
    return None


def _path(place: str) -> str:
    name, _, line = place.rpartition(":")
    return name if line.isdigit() else place


def _belongs(place: str, path: str) -> bool:
    """A statement and its signature are one thing: which of them was changed, nobody can tell."""
    plain = path.encode("unicode_escape").decode()
    stems = {plain, plain.removesuffix(".sig") + ".json", plain.removesuffix(".json") + ".sig"}
    return place in stems


def trial(numbers: Iterable[int], folder: Path, *, with_media: bool = False) -> Outcome:
    """Make changes to a package, and have each looked for."""
    house = sealed_matter()
    package = write_package(house, folder / "package", with_media=with_media)
    original, key, outcome = read(package), OURS.public_key().pem, Outcome()
    for number in numbers:
        made = tampered(original, number)
        _write(package, made.files, made.differs)
        report = verify(package, key=key)
        _write(package, original, made.differs)
        outcome.tried += 1
        outcome.by_change[f"{made.change}, {made.cover}"] += 1
        outcome.found += not report.is_intact
        if complaint := wrong_about(report, made):
            outcome.complaints.append(f"{number} ({made.change}, {made.cover}): {complaint}")
        if outcome.tried % 100 == 0 and not verify(package, key=key).is_intact:
            outcome.complaints.append(f"{number}: the untouched package is called changed")
    return outcome


def _write(package: Path, files: Mapping[str, bytes], paths: Iterable[str]) -> None:
    for path in paths:
        if path in files:
            put(package / path, files[path])
        else:
            (package / path).unlink(missing_ok=True)


def main(count: int) -> int:
    """Try so many changes, half of them to a package with its media; print what was found."""
    began, outcomes = perf_counter(), []
    for with_media in (False, True):
        numbers = range(count * with_media // 2, count * (1 + with_media) // 2)
        with tempfile.TemporaryDirectory() as folder:
            outcomes.append(trial(numbers, Path(folder), with_media=with_media))
    tried, found = sum(one.tried for one in outcomes), sum(one.found for one in outcomes)
    complaints = [one for outcome in outcomes for one in outcome.complaints]
    kinds = len({name for outcome in outcomes for name in outcome.by_change})
    print(f"{tried:,} changes of {kinds} kinds in {perf_counter() - began:.0f} s: {found:,} found,", end=" ")
    print(f"{len(complaints)} not found, not in their place, or found where nothing was")
    for complaint in complaints[:50]:
        print(f"  {complaint}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000))
