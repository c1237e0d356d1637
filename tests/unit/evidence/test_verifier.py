"""The verifier on packages that are whole, and on what only somebody who means harm would write."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bagit
import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain import merkle
from holdfast.evidence import verifier
from holdfast.evidence.verifier import Digests, Report, Unreadable, main, prove, verify, verify_proof
from tests.fakes.house import MATTER, House
from tests.fakes.seals import SignerInMemory
from tests.packages import (
    VERIFIER,
    canonical,
    copy,
    manifest,
    put,
    remanifest,
    retag,
    sealed_matter,
    sha256,
    write_package,
)

SOURCE = VERIFIER.read_text()
KEY = SignerInMemory().public_key().pem


@pytest.fixture(scope="module")
def house() -> House:
    return sealed_matter()


@pytest.fixture(scope="module")
def original(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_package(house, tmp_path_factory.mktemp("package") / "original")


@pytest.fixture
def package(original: Path, tmp_path: Path) -> Path:
    return copy(original, tmp_path / "package")


def _places(report: Report) -> list[str]:
    return [fault.place for fault in report.faults]


# --- what is whole


@pytest.mark.filterwarnings("ignore:.count. is passed as positional:DeprecationWarning")  # bagit's own
@pytest.mark.parametrize("with_media", [False, True])
def test_a_whole_package_is_intact_and_a_bag(house: House, tmp_path: Path, *, with_media: bool) -> None:
    package = write_package(house, tmp_path / "package", with_media=with_media)

    report = verify(package, key=KEY, seal=house.seals.log(MATTER).digest)

    assert report.faults == []
    assert report.facts["entries"] == house.seals.log(MATTER).size
    assert (report.facts["seals"], report.facts["requests"]) == (3, 2)
    assert (report.facts["root"], report.facts["last_seal_sha256"]) == (
        house.seals.log(MATTER).root,
        house.seals.log(MATTER).digest,
    )
    assert report.notes == ([] if with_media else [report.notes[0]])
    if with_media:
        bagit.Bag(str(package)).validate()


def test_a_package_of_accounts_in_parts_is_intact(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("holdfast.steps.seal_custody.PART_CONVERSATIONS", 1)

    package = write_package(sealed_matter(), tmp_path / "package")

    assert (package / "data/requests/0001/account.sha256").exists()
    assert verify(package, key=KEY).faults == []
    put(package / "data/requests/0001/account-000002.jsonl", b"")
    assert "data/requests/0001/account-000002.jsonl" in _places(verify(package, key=KEY))


def test_without_a_key_and_a_seal_it_says_what_it_cannot_show(package: Path) -> None:
    report = verify(package)

    assert report.is_intact
    assert report.facts["key_is_pinned"] is False
    assert [note[:14] for note in report.notes[:2]] == ["No key was giv", "No seal was gi"]


def test_progress_counts_the_bytes_that_are_read(package: Path) -> None:
    read: list[int] = []
    totals: list[int] = []

    def started(total: int) -> Callable[[int], None]:
        totals.append(total)
        return read.append

    verify(package, started=started)

    assert sum(read) >= totals[0] > 0


# --- what only shows with what is known another way


def test_another_key_is_found_though_all_is_signed_anew_with_it(package: Path) -> None:
    other = SignerInMemory(secret=2)
    _sign_anew(package, other)

    assert verify(package).is_intact
    report = verify(package, key=KEY)
    assert report.faults[0].place == "data/public-key.pem"
    assert {f"data/seals/{number:06d}.sig" for number in (1, 2, 3)} | {"package.sig"} <= set(_places(report))


def _sign_anew(
    package: Path,
    signer: SignerInMemory,
    change: Callable[[list[bytes]], None] | None = None,
    mistake: Callable[[int, dict[str, Any]], object] = lambda *_: None,
) -> None:
    """Sign the whole package anew, after changing the first segment, and with a mistake in the seals."""
    segment = package / "data/segments/000001.jsonl"
    lines = segment.read_bytes().splitlines()
    if change:
        change(lines)
    segment.write_bytes(b"".join(line + b"\n" for line in lines))
    tree, previous = merkle.Tree(), None
    for number in (1, 2, 3):
        content = (package / f"data/segments/{number:06d}.jsonl").read_bytes()
        for line in content.splitlines():
            tree.add(merkle.leaf_hash(line))
        path = package / f"data/seals/{number:06d}.json"
        statement = json.loads(path.read_bytes())
        statement["key"]["public_key_sha256"] = signer.public_key().sha256
        entries = [json.loads(line) for line in content.splitlines()]
        statement["segment"] = {
            "entries": len(entries),
            "sha256": sha256(content),
            "size_bytes": len(content),
        }
        statement["kinds"] = Counter(entry["kind"] for entry in entries)
        statement["tree"] = {"size": tree.size, "root": tree.root.hex()}
        statement["previous"] = previous
        mistake(number, statement)
        put(path, canonical(statement) + b"\n")
        put(path.with_suffix(".sig"), signer.sign(path.read_bytes()))
        previous = sha256(path.read_bytes())
    put(package / "data/public-key.pem", signer.public_key().pem)
    _package_anew(package, signer, previous)


def _package_anew(package: Path, signer: SignerInMemory, last_seal: str | None = None) -> None:
    oxum = _oxum(package)
    info = (package / "bag-info.txt").read_text().splitlines()
    put(package / "bag-info.txt", "".join(f"{oxum if 'Oxum' in one else one}\n" for one in info).encode())
    remanifest(package)
    retag(package)
    statement = json.loads((package / "package.json").read_bytes())
    statement["key"]["public_key_sha256"] = signer.public_key().sha256
    statement["tagmanifest_sha256"] = sha256((package / "tagmanifest-sha256.txt").read_bytes())
    if last_seal:
        statement["seal"]["sha256"] = last_seal
    put(package / "package.json", canonical(statement) + b"\n")
    put(package / "package.sig", signer.sign((package / "package.json").read_bytes()))


def _oxum(package: Path) -> str:
    here = [file.stat().st_size for file in (package / "data").rglob("*") if file.is_file()]
    away = [int(line.split(" ")[1]) for line in (package / "fetch.txt").read_text().splitlines()]
    return f"Payload-Oxum: {sum(here) + sum(away)}.{len(here) + len(away)}"


def test_a_whole_earlier_package_is_genuine_and_the_newest_seal_tells(house: House, tmp_path: Path) -> None:
    newest = house.seals.log(MATTER).digest
    earlier = sealed_matter()
    # The same matter, as it was before its last seal: the head is put back, and the third seal is not there.
    folder = f"matters/{MATTER}"
    for name in ("segments/000003.jsonl", "seals/000003.json", "seals/000003.sig"):
        del earlier.records.files[f"{folder}/{name}"]
    statement = earlier.records.files[f"{folder}/seals/000002.json"]
    said = json.loads(statement)
    log = earlier.seals.logs[MATTER]
    earlier.seals.logs[MATTER] = type(log)(
        2, said["tree"]["size"], (), said["tree"]["root"], sha256(statement)
    )
    package = write_package(earlier, tmp_path / "package")

    assert verify(package, key=KEY).is_intact
    report = verify(package, key=KEY, seal=newest)
    assert _places(report) == ["data/seals/"]


def test_a_log_that_grew_since_the_known_seal_is_intact_and_says_so(package: Path) -> None:
    known = sha256((package / "data/seals/000001.json").read_bytes())

    report = verify(package, key=KEY, seal=known.upper())

    assert report.is_intact
    assert "The log has grown since the seal that was given." in report.notes


# --- what only somebody who means harm would write; the signature over the bag is good in each


def _with(package: Path, path: str, content: bytes) -> None:
    put(package / path, content)
    _package_anew(package, SignerInMemory())


def _manifest_names(name: str) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        path = package / "manifest-sha256.txt"
        put(path, path.read_bytes() + manifest({name: "ab" * 32}))
        retag(package)

    return change


def _link(package: Path) -> None:
    """What it leads to is the very file."""
    moved = package.parent / "elsewhere.html"
    (package / "data/report.html").rename(moved)
    (package / "data/report.html").symlink_to(moved)


def _linked_folder(package: Path) -> None:
    (package / "data/more").symlink_to(package / "data/seals")


def _pipe(package: Path) -> None:
    os.mkfifo(package / "data/pipe")


def _append(path: str, content: bytes) -> Callable[[Path], None]:
    return lambda package: put(package / path, (package / path).read_bytes() + content)


def _replace(path: str, old: bytes, new: bytes) -> Callable[[Path], None]:
    def change(package: Path) -> None:
        content = (package / path).read_bytes()
        assert old in content
        put(package / path, content.replace(old, new, 1))

    return change


SEGMENT, SEAL = "data/segments/000001.jsonl", "data/seals/000001.json"
HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "a link in the place of a file": (_link, "data/report.html"),
    "a link to a folder": (_linked_folder, "data/more"),
    "a pipe": (_pipe, "data/pipe"),
    "a file that nobody lists": (lambda one: put(one / "data/more.txt", b"x"), "data/more.txt"),
    "a file in the root": (lambda one: put(one / "README.md", b"x"), "README.md"),
    "a name that leads out": (_manifest_names("data/../../etc/passwd"), "manifest-sha256.txt:37"),
    "an absolute name": (_manifest_names("/etc/passwd"), "manifest-sha256.txt:37"),
    "a name with a backslash": (_manifest_names("data\\..\\x"), "manifest-sha256.txt:37"),
    "a name twice, but for its case": (_manifest_names("data/REPORT.html"), "manifest-sha256.txt:37"),
    "a name twice, in another form of Unicode": (
        lambda one: [_manifest_names(name)(one) for name in ("data/\u00e9", "data/e\u0301")],
        "manifest-sha256.txt:37",
    ),
    "a line that is too long": (_append(SEGMENT, b"x" * (17 << 20) + b"\n"), f"{SEGMENT}:13"),
    "a last line without its end": (_append(SEGMENT, b"{}"), f"{SEGMENT}:13"),
    "a carriage return": (_replace(SEGMENT, b"}\n", b"}\r\n"), f"{SEGMENT}:1"),
    "a space": (_replace(SEGMENT, b'{"at":', b'{ "at":'), f"{SEGMENT}:1"),
    "a name twice in an entry": (_replace(SEGMENT, b'{"at":', b'{"at":"x","at":'), f"{SEGMENT}:1"),
    "a fraction": (_replace(SEGMENT, b'"format":1', b'"format":1.0'), f"{SEGMENT}:1"),
    "an endless number": (_replace(SEGMENT, b'"format":1', b'"format":' + b"9" * 5_000), f"{SEGMENT}:1"),
    "no number": (_replace(SEGMENT, b'"format":1', b'"format":NaN'), f"{SEGMENT}:1"),
    "a deep nest": (_replace(SEGMENT, b'"format":1', b'"format":' + b"[" * 100_000), f"{SEGMENT}:1"),
    "bytes that are no UTF-8": (_replace(SEGMENT, b'"format"', b'"\xff"'), f"{SEGMENT}:1"),
    "half a character": (_replace(SEGMENT, b'"kind":"event"', b'"kind":"\\ud800"'), f"{SEGMENT}:1"),
    "an escape that is not needed": (
        _replace(SEGMENT, b'"kind":"event"', b'"kind":"\\u0065vent"'),
        f"{SEGMENT}:1",
    ),
    "an unknown kind": (_replace(SEGMENT, b'"kind":"event"', b'"kind":"thing"'), f"{SEGMENT}:1"),
    "a kind that is no text": (_replace(SEGMENT, b'"kind":"event"', b'"kind":[]'), f"{SEGMENT}:1"),
    "an entry of another matter": (
        _replace(SEGMENT, b'"matter_id":"M-2026', b'"matter_id":"M-2027'),
        f"{SEGMENT}:1",
    ),
    "something after a seal": (_append(SEAL, b"{}\n"), SEAL),
    "a seal without its newline": (lambda one: put(one / SEAL, (one / SEAL).read_bytes()[:-1]), SEAL),
    "one more word in a seal": (_replace(SEAL, b'{"accounts"', b'{"a":1,"accounts"'), SEAL),
    "a seal that is a list": (lambda one: put(one / SEAL, b"[]\n"), SEAL),
    "a huge seal": (lambda one: put(one / SEAL, b" " * (65 << 20)), SEAL),
    "an empty signature": (lambda one: put(one / "data/seals/000001.sig", b""), "data/seals/000001.sig"),
    "a key of another kind": (
        lambda one: put(
            one / "data/public-key.pem", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
        ),
        "data/public-key.pem",
    ),
    "a seal too many": (lambda one: put(one / "data/seals/000005.json", b"{}\n"), "data/seals/000005.json"),
    "a manifest line of another form": (_append("manifest-sha256.txt", b"x y\n"), "manifest-sha256.txt:37"),
    "bytes in a manifest": (_append("manifest-sha256.txt", b"\xff\n"), "manifest-sha256.txt:37"),
    "an address elsewhere": (_replace("fetch.txt", b"s3://", b"https://"), "fetch.txt:1"),
    "one fetch too many": (
        lambda one: _append("fetch.txt", (one / "fetch.txt").read_bytes().splitlines()[0] + b"\n")(one),
        "fetch.txt",
    ),
    "no declaration of a bag": (lambda one: put(one / "bagit.txt", b"BagIt-Version: 0.97\n"), "bagit.txt"),
    "no count of files": (_replace("bag-info.txt", b"Payload-Oxum", b"Oxum"), "bag-info.txt"),
    "a list of tags with more": (
        _append("tagmanifest-sha256.txt", manifest({"data/x": "ab" * 32})),
        "tagmanifest-sha256.txt:5",
    ),
    "a list of tags with less": (
        lambda one: put(one / "tagmanifest-sha256.txt", b""),
        "tagmanifest-sha256.txt",
    ),
}


@pytest.mark.parametrize("harm", HARM)
def test_harm_is_found_in_its_place(package: Path, harm: str) -> None:
    act, place = HARM[harm]

    act(package)

    report = verify(package, key=KEY)
    assert place in _places(report), report.faults
    assert all(place.isascii() and place.isprintable() for place in _places(report))


def test_a_line_without_its_end_is_named_as_that(package: Path) -> None:
    put(package / SEGMENT, (package / SEGMENT).read_bytes()[:-1])

    faults = [(fault.place, fault.problem) for fault in verify(package, key=KEY).faults]

    assert (f"{SEGMENT}:12", "is too long a line, or has no newline at its end") in faults


@pytest.mark.parametrize(
    ("path", "act"),
    [
        ("data/requests/0001/summary.json", lambda content: content.replace(b'"secured":3', b'"secured":9')),
        ("data/requests/0001/exceptions.jsonl", lambda content: b"".join(content.splitlines(True)[1:])),
        ("data/requests/0001/account.jsonl", lambda content: content + content.splitlines(True)[0]),
        ("data/requests/0001/account.jsonl", lambda _: b"[]\n"),
        ("data/requests/0002/request.json", lambda content: content.replace(b"R-2", b"R-3")),
    ],
)
def test_a_requests_file_is_held_to_the_log_even_by_who_can_sign_packages(
    package: Path, path: str, act: Callable[[bytes], bytes]
) -> None:
    before = (package / path).read_bytes()
    _with(package, path, act(before))

    report = verify(package, key=KEY)

    assert (package / path).read_bytes() != before
    assert report.faults[0].place == path


@pytest.mark.parametrize("path", ["data/requests/0003/request.json", "data/requests/0001/more.txt"])
def test_a_file_that_the_log_does_not_name_has_no_place_among_the_requests(package: Path, path: str) -> None:
    _with(package, path, b"{}\n")

    assert _places(verify(package, key=KEY)) == [path]


COUNTS: list[tuple[dict[str, Any], str]] = [
    ({"recordings": {"secured": 9}}, "counts other recordings in the log than account.jsonl lists"),
    ({"recordings": {"expected": 9}}, "expects another number of recordings than it accounts for"),
    ({"conversations": {"missing": 1}}, "counts other conversations in the log than account.jsonl lists"),
    ({"by_reason": {"unknown": 1}}, "counts other exceptions in the log than exceptions.jsonl lists"),
]


@pytest.mark.parametrize(("changes", "problem"), COUNTS)
def test_counts_that_do_not_agree_are_found_though_they_are_sealed(
    tmp_path: Path, changes: dict[str, dict[str, int]], problem: str
) -> None:
    """Whoever seals may be wrong, too."""
    house = sealed_matter()
    package = write_package(house, tmp_path / "package")
    _seal_other_accounts(
        package, lambda account: [account["summary"][name].update(more) for name, more in changes.items()]
    )

    report = verify(package)

    assert (report.faults[0].place, report.faults[0].problem) == ("data/requests/0001/", problem)


SECOND = "data/seals/000002.json"
MISTAKES: dict[str, tuple[Callable[[dict[str, Any]], object], str, str]] = {
    "another seal before": (
        lambda seal: seal.update(previous="ab" * 32),
        SECOND,
        "does not follow on the seal before it: it names another digest",
    ),
    "another number": (lambda seal: seal.update(sequence=7), SECOND, "says that it is seal 7"),
    "another matter": (
        lambda seal: seal.update(matter_id="M-9"), SECOND, "is a seal of another matter, M-9"
    ),
    "another key": (
        lambda seal: seal["key"].update(public_key_sha256="ab" * 32),
        SECOND,
        "names another key than the one that it is checked with",
    ),
    "another segment": (
        lambda seal: seal["segment"].update(sha256="ab" * 32),
        "data/segments/000002.jsonl",
        "is not the segment that seal 2 was put on: it was changed",
    ),
    "another root": (
        lambda seal: seal["tree"].update(root="ab" * 32),
        SECOND,
        "has a Merkle root that is not over the entries up to here",
    ),
    "another size": (
        lambda seal: seal["tree"].update(size=99),
        SECOND,
        "has a Merkle root that is not over the entries up to here",
    ),
    "other kinds": (
        lambda seal: seal["kinds"].update(event=99),
        SECOND,
        "counts other kinds of entries than its segment has",
    ),
    "other accounts": (
        lambda seal: seal.update(accounts=[1]),
        SECOND,
        "gives other counts of its requests than its segment",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_signed_is_not_believed_for_that(package: Path, mistake: str) -> None:
    """Each check stands for itself: here every signature is good."""
    make, place, problem = MISTAKES[mistake]
    _sign_anew(package, SignerInMemory(), mistake=lambda number, seal: make(seal) if number == 2 else None)

    report = verify(package, key=KEY)

    assert [(fault.place, fault.problem) for fault in report.faults] == [(place, problem)]


@pytest.mark.parametrize(("name", "value"), [("sequence", 2), ("sha256", "ab" * 32)])
def test_a_package_of_another_last_seal_is_found_though_it_is_signed(
    package: Path, name: str, value: object
) -> None:
    statement = json.loads((package / "package.json").read_bytes())
    statement["seal"][name] = value
    put(package / "package.json", canonical(statement) + b"\n")
    put(package / "package.sig", SignerInMemory().sign((package / "package.json").read_bytes()))

    problems = [(fault.place, fault.problem) for fault in verify(package, key=KEY).faults]

    assert problems == [("package.json", "is of another last seal than 3: seals are missing or changed")]


def test_a_verdict_that_its_exceptions_do_not_bear_out_is_found(package: Path) -> None:
    _seal_other_accounts(package, lambda account: account.update(verdict="INCOMPLETE"))

    report = verify(package)

    assert [fault.problem for fault in report.faults] == ["has a verdict that its exceptions do not bear out"]


@pytest.mark.parametrize(("kind", "unproven"), [(b'"role":"sidecar"', 1), (b'"type":"claimed"', 1)])
def test_what_counts_as_secured_has_its_entries_in_the_log(package: Path, kind: bytes, unproven: int) -> None:
    _sign_anew(
        package, SignerInMemory(), lambda lines: lines.remove(next(one for one in lines if kind in one))
    )

    problems = [fault.problem for fault in verify(package).faults]

    assert f"counts {unproven} recordings or conversations whose entries are not in the log" in problems


def test_an_entry_that_is_sealed_twice_is_named_in_both_places(package: Path) -> None:
    _sign_anew(package, SignerInMemory(), lambda lines: lines.insert(0, lines[3]))

    doubled = [fault.place for fault in verify(package).faults if "more than once" in fault.problem]

    assert doubled == [f"{SEGMENT}:1", f"{SEGMENT}:5"]


def test_media_whose_digest_no_receipt_has_are_found(package: Path) -> None:
    put(package / "data/media/more.wav", b"more")
    line = b"s3://b/k?versionId=v 4 data/media/more.wav\n"
    put(package / "fetch.txt", (package / "fetch.txt").read_bytes() + line)
    path = package / "manifest-sha256.txt"
    put(path, path.read_bytes() + manifest({"data/media/more.wav": sha256(b"more")}))

    report = verify(package, key=KEY)

    assert "has a digest for data/media/more.wav that no receipt has" in [
        one.problem for one in report.faults
    ]


def test_of_media_that_are_here_none_may_be_missing(house: House, tmp_path: Path) -> None:
    package = write_package(house, tmp_path / "package", with_media=True)
    gone = next((package / "data/media").rglob("*.wav"))
    gone.unlink()

    report = verify(package, key=KEY)

    assert _places(report) == [gone.relative_to(package).as_posix()]


def _seal_other_accounts(package: Path, change: Callable[[dict[str, Any]], object]) -> None:
    def changed(lines: list[bytes]) -> None:
        place = next(number for number, line in enumerate(lines) if b'"kind":"account"' in line)
        account = json.loads(lines[place])
        change(account)
        lines[place] = rfc8785.dumps(account)
        summary = rfc8785.dumps(account["summary"]) + b"\n"
        put(package / "data/requests/0001/summary.json", summary)
        seal = package / SEAL
        statement = json.loads(seal.read_bytes())
        statement["accounts"][0] |= {
            "verdict": account["verdict"],
            "recordings": account["summary"]["recordings"],
            "conversations": account["summary"]["conversations"],
        }
        put(seal, canonical(statement) + b"\n")

    _sign_anew(package, SignerInMemory(), changed)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="shows what the README says, where OpenSSL is")
@pytest.mark.parametrize("statement", ["data/seals/000001.json", "data/seals/000003.json", "package.json"])
def test_openssl_alone_verifies_a_signature_and_refuses_another(package: Path, statement: str) -> None:
    signature = str(Path(statement).with_suffix(".sig"))
    command = [
        "openssl", "dgst", "-sha256", "-verify", "data/public-key.pem", "-signature", signature, statement
    ]  # fmt: skip

    good = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)
    put(package / statement, (package / statement).read_bytes().replace(b"M-2026", b"M-2027"))
    bad = subprocess.run(command, cwd=package, capture_output=True, text=True, check=False)

    assert (good.returncode, good.stdout.strip()) == (0, "Verified OK")
    assert bad.returncode == 1


# --- proofs


@pytest.fixture
def proof(original: Path, house: House) -> dict[str, Any]:
    return prove(original, _key_of_an_object(house))


def _key_of_an_object(house: House) -> str:
    return next(one.version.key for one in house.conversations.all_receipts() if one.recording_id)


def test_every_object_of_the_log_can_be_proven(original: Path, house: House) -> None:
    for receipt in house.conversations.all_receipts():
        proof = prove(original, receipt.version.key)

        report = verify_proof(proof, key=KEY)

        assert report.faults == []
        assert report.facts["seal_sha256"] == house.seals.log(MATTER).digest


def test_a_proof_tells_nothing_of_other_conversations(proof: dict[str, Any], house: House) -> None:
    (one, *_) = house.conversations.all_receipts()
    written = json.dumps(proof)

    others = {other.conversation_id for other in house.conversations.all_receipts()} - {one.conversation_id}

    assert str(one.conversation_id) in written
    assert not [other for other in others if str(other) in written]
    assert len(written) < 10_000


def test_a_proof_has_the_digest_that_came_later(house: House, tmp_path: Path) -> None:
    house = sealed_matter()
    version = house.conversations.all_receipts()[0].version
    house.conversations.add_digest(version, "ab" * 32, house.clock.now())
    assert house.seal_matter().done
    package = write_package(house, tmp_path / "package")

    proof = prove(package, version.key)

    assert len(proof["entries"]) == 2
    assert verify_proof(proof, key=KEY).is_intact


def test_the_recording_itself_is_held_to_its_receipt(
    proof: dict[str, Any], house: House, tmp_path: Path
) -> None:
    version = next(
        one for one in house.conversations.all_receipts() if one.version.key == proof["object"]
    ).version
    recording = tmp_path / "recording.wav"
    recording.write_bytes(house.evidence.at(version).content)

    assert verify_proof(proof, key=KEY, recording=recording).is_intact
    recording.write_bytes(b"another")
    assert _places(verify_proof(proof, key=KEY, recording=recording)) == [str(recording)]


PROOF_HARM: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another entry": (lambda one: one["entries"][0].update(entry='{"key":"x"}'), "entries[0]"),
    "another place": (lambda one: one["entries"][0].update(index=0), "entries[0]"),
    "a shorter path": (lambda one: one["entries"][0]["path"].pop(), "entries[0]"),
    "another path": (lambda one: one["entries"][0]["path"].reverse(), "entries[0]"),
    "another object": (lambda one: one.update(object="x"), "entries[0]"),
    "another seal": (
        lambda one: one.update(seal=one["seal"].replace('"sequence":3', '"sequence":2')),
        "signature",
    ),
    "another signature": (lambda one: one.update(signature="MEUC"), "signature"),
    "another key": (
        lambda one: one.update(public_key=SignerInMemory(secret=2).public_key().pem.decode()),
        "public_key",
    ),
    "no key": (lambda one: one.update(public_key=""), "proof"),
    "no entries": (lambda one: one.update(entries=[]), "proof"),
    "another form": (lambda one: one.update(format="holdfast-proof/2"), "proof"),
    "one more word": (lambda one: one.update(more=1), "proof"),
    "numbers for texts": (lambda one: one.update(entries=[1]), "proof"),
    "a seal of nothing": (lambda one: one.update(seal="{}\n"), "signature"),
}


@pytest.mark.parametrize("harm", PROOF_HARM)
def test_a_proof_that_was_changed_proves_nothing(proof: dict[str, Any], harm: str) -> None:
    act, place = PROOF_HARM[harm]
    changed = json.loads(json.dumps(proof))

    act(changed)

    assert _places(verify_proof(changed, key=KEY))[0] == place
    assert not verify_proof(None).is_intact


def test_of_what_is_not_in_the_log_there_is_no_proof(original: Path) -> None:
    with pytest.raises(Unreadable, match="no receipt of such an object"):
        prove(original, "media")


@pytest.mark.parametrize("path", [SEGMENT, "data/seals/000003.sig"])
def test_of_a_package_that_is_not_intact_there_is_no_proof(package: Path, house: House, path: str) -> None:
    content = (package / path).read_bytes()
    put(package / path, content.replace(b"claimed", b"Claimed", 1) if path == SEGMENT else content[:-1])

    with pytest.raises(Unreadable, match="is not intact"):
        prove(package, _key_of_an_object(house))


@pytest.mark.parametrize("path", ["data/seals/000003.sig", "data/public-key.pem"])
def test_of_a_package_that_lacks_something_there_is_no_proof(package: Path, house: House, path: str) -> None:
    (package / path).unlink()

    with pytest.raises(Unreadable, match="is missing"):
        prove(package, _key_of_an_object(house))


# --- the file as a program of its own


def test_it_imports_nothing_but_the_standard_library_and_cryptography() -> None:
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(SOURCE))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }

    assert imported - sys.stdlib_module_names == {"cryptography"}


def test_it_is_written_for_the_python_that_others_have() -> None:
    assert "It needs Python 3.11 or later" in SOURCE

    ast.parse(SOURCE, feature_version=(3, 11))


def test_the_file_that_ships_in_a_package_runs_alone(package: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(KEY)
    command = [
        sys.executable,
        "-I",
        "-W",
        "error",
        str(package / "data/verify.py"),
        str(package),
        "--key",
        str(key),
    ]

    whole = subprocess.run([*command, "--json"], capture_output=True, text=True, check=False, cwd=tmp_path)
    put(package / "data/report.html", b"<title>Another</title>")
    broken = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert (whole.returncode, json.loads(whole.stdout)["intact"]) == (0, True)
    assert broken.returncode == 1
    assert "First: data/report.html is not what manifest-sha256.txt says" in broken.stdout


def test_its_command_line_proves_and_checks_proofs(
    package: Path, house: House, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(package), "--prove", _key_of_an_object(house)]) == 0
    written = tmp_path / "proof.json"
    written.write_text(capsys.readouterr().out)

    assert main([str(written)]) == 0
    assert capsys.readouterr().out.startswith("INTACT")
    assert main([str(package), "--prove", "nothing"]) == 1
    assert "no receipt of such an object" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere")]) == 1
    written.write_text('{"a":1,"a":2}')
    assert main([str(written)]) == 1


# --- its parts against others that do the same


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), DOCUMENTS, max_size=5))
def test_canonical_is_what_another_library_calls_so(document: dict[str, Any]) -> None:
    try:
        expected = rfc8785.dumps(document)
    except rfc8785.CanonicalizationError:
        return  # half a character

    assert verifier.canonical(document) == expected
    assert verifier.read_json(expected) == document


@given(st.integers(1, 200), st.data())
def test_its_tree_is_the_programs(size: int, data: st.DataObject) -> None:
    leaves = [merkle.leaf_hash(str(number).encode()) for number in range(size)]
    ours, theirs = verifier.Tree(), merkle.Tree()
    for leaf in leaves:
        ours.add(leaf)
        theirs.add(leaf)
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_path(index, leaves, size)

    assert ours.root == theirs.root
    assert verifier.root_of(index, size, leaves[index], path) == theirs.root
    assert verifier.root_of(size, size, leaves[index], path) is None


@given(st.lists(st.binary(min_size=32, max_size=32)), st.binary(min_size=32, max_size=32))
def test_many_digests_are_a_set_that_knows_its_doubles(put_in: list[bytes], other: bytes) -> None:
    digests = Digests()
    for one in [*put_in, *put_in[:2]]:
        digests.add(one)

    assert all(one in digests for one in put_in)
    assert (other in digests) == (other in put_in)
    assert {one[:9] for one in put_in[:2]} <= digests.doubles()
    assert len(digests.doubles()) <= len(put_in)
