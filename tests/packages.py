"""A custody package of a matter that was preserved with everything in memory, written to a folder.

Written here once more, from the description alone, so that what the program packs and what the verifier
expects are not the same mistake.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from holdfast.domain.seals import PublicKey
from holdfast.evidence.seal import package_statement
from holdfast.ports import RefusalKind
from tests.events import load_event
from tests.fakes.house import MATTER, House
from tests.fakes.story import conversation_id, conversations, deliver, end_job, key_of, messages, planned

VERIFIER = Path(__file__).parents[1] / "layers/holdfast/holdfast/evidence/verifier.py"
# Files that the verifier knows nothing about but that they are in the manifest.
PAPERS: Mapping[str, bytes] = {
    "data/report.html": b"<!doctype html><title>Report</title>",
    "data/loadfile/objects.dat": b"\xfeBEGDOC\xfe\n",
    "data/exceptions.csv": b"reason\nno_recording\n",
    "data/CERTIFICATION-DRAFT.txt": b"Draft. A person completes this.\n",
}
TAGS = ("bagit.txt", "bag-info.txt", "fetch.txt", "manifest-sha256.txt")


def sealed_matter(first: int = 1) -> House:
    """Preserve a matter in three seals: a request, what came late, and a second request.

    Its six conversations are numbered from the first.
    """
    one, two, three, four, five, six = range(first, first + 6)
    house = planned((one, two), (three, four))
    end_job(house, 0, total=2)
    end_job(house, 1, total=2, failed=[(four, 0)])
    for number in (one, two, three):
        deliver(house, number, media=f"media {number}".encode())
    house.holds.refusing = {conversation_id(two): RefusalKind.CAP_REACHED}
    conclude(house)
    deliver(house, one, 7)
    house.secure_objects(messages(house, house.evidence.put(key_of(three, "notes.txt"))))
    assert house.seal_matter().done
    second = house.for_request(MATTER, "R-2:20260301T000000Z")
    second.clock.forward(timedelta(days=1))
    event = load_event("discovery_requested")
    event["detail"]["request_id"] = second.run.request_id
    assert second.open_request(event).outcome == "OPENED"
    second.scope_source.pages = [conversations(five, six)]
    second.batch_size = 2
    assert second.read_scope_pages().status == "DONE"
    end_job(second, total=2)
    for number in (five, six):
        deliver(second, number)
    conclude(second)
    return house


def conclude(house: House) -> None:
    """Reconcile, hold, judge and seal."""
    house.clock.forward(timedelta(minutes=5))
    assert house.reconcile().done
    assert house.place_holds().done
    assert house.confirm_holds().done
    judged = house.seal_custody()
    assert (judged.done, judged.verdict) == (True, "PRESERVED")
    assert house.seal_matter().done


def write_package(house: House, folder: Path, *, with_media: bool = False) -> Path:
    """Write the package of the matter as of its last seal."""
    records = house.records.files
    log = house.seals.log(MATTER)
    files = dict(PAPERS) | {"data/verify.py": VERIFIER.read_bytes()}
    entries: list[dict[str, Any]] = []
    for sequence in range(1, log.sequence + 1):
        for kind, end in (("segments", "jsonl"), ("seals", "json"), ("seals", "sig")):
            name = f"{kind}/{sequence:06d}.{end}"
            files[f"data/{name}"] = records[f"matters/{MATTER}/{name}"]
        entries += map(json.loads, files[f"data/segments/{sequence:06d}.jsonl"].splitlines())
    files["data/public-key.pem"] = house.signer.public_key().pem
    for number, account in enumerate((one for one in entries if one["kind"] == "account"), 1):
        source, stem = f"matters/{MATTER}/requests/{account['request_id']}", f"data/requests/{number:04d}"
        files[f"{stem}/summary.json"] = canonical(account["summary"]) + b"\n"
        for file in account["files"]:
            files[f"{stem}/{file['name']}"] = records[f"{source}/{file['name']}"]
            if file["name"].endswith(".sha256"):
                for line in records[f"{source}/{file['name']}"].decode().splitlines():
                    part = line.split("  ")[1]
                    files[f"{stem}/{part}"] = records[f"{source}/{part}"]
    media = {
        _media_path(receipt): receipt
        for receipt in entries
        if receipt["kind"] == "receipt" and "sha256" in receipt and "conversation_id" in receipt
    }
    for path, content in files.items():
        put(folder / path, content)
    for path, receipt in media.items():
        if with_media:
            put(folder / path, house.evidence.stored[receipt["key"], receipt["version_id"]].content)
    put(
        folder / "fetch.txt",
        b"".join(f"{_address(one)} {one['size_bytes']} {path}\n".encode() for path, one in media.items()),
    )
    digests = {path: sha256(content) for path, content in files.items()}
    listed = digests | {path: one["sha256"] for path, one in media.items()}
    size_bytes = sum(map(len, files.values())) + sum(one["size_bytes"] for one in media.values())
    put(folder / "bagit.txt", b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    put(
        folder / "bag-info.txt",
        f"External-Identifier: {MATTER}\nPayload-Oxum: {size_bytes}.{len(listed)}\n".encode(),
    )
    put(folder / "manifest-sha256.txt", manifest(listed))
    sign_package(house, folder)
    return folder


def _media_path(receipt: Mapping[str, Any]) -> str:
    name = receipt["key"].rpartition("/")[2]
    return f"data/media/{receipt['conversation_id']}/{receipt['version_id']}-{name}"


def _address(receipt: Mapping[str, Any]) -> str:
    return f"s3://{receipt['bucket']}/{receipt['key']}?versionId={receipt['version_id']}"


def sign_package(house: House, folder: Path) -> None:
    """List the tag files, and sign the list."""
    retag(folder)
    key: PublicKey = house.signer.public_key()
    log = house.seals.log(MATTER)
    statement = package_statement(
        matter_id=MATTER,
        packaged_at=house.clock.now(),
        sequence=log.sequence,
        seal_sha256=log.digest,
        tagmanifest_sha256=sha256((folder / "tagmanifest-sha256.txt").read_bytes()),
        key=key,
    )
    put(folder / "package.json", statement)
    put(folder / "package.sig", house.signer.sign(statement))


def remanifest(folder: Path) -> None:
    """Write the payload's manifest anew, as somebody does who has changed a file; media keep their lines."""
    path = folder / "manifest-sha256.txt"
    old = {line.split("  ")[1]: line.split("  ")[0] for line in path.read_text().splitlines()}
    there = {
        file.relative_to(folder).as_posix(): sha256(file.read_bytes())
        for file in sorted((folder / "data").rglob("*"))
        if file.is_file()
    }
    kept = {name: digest for name, digest in old.items() if name.startswith("data/media/") or name in there}
    path.write_bytes(manifest(kept | {n: d for n, d in there.items() if n not in kept} | there))


def retag(folder: Path) -> None:
    """Write the list of the tag files anew."""
    digests = {name: sha256((folder / name).read_bytes()) for name in TAGS if (folder / name).exists()}
    put(folder / "tagmanifest-sha256.txt", manifest(digests))


def manifest(digests: Mapping[str, str]) -> bytes:
    """Write a manifest."""
    return b"".join(f"{digest}  {path}\n".encode() for path, digest in digests.items())


def put(path: Path, content: bytes) -> None:
    """Write a file, and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def copy(package: Path, folder: Path) -> Path:
    """Copy a package, to do something to it."""
    shutil.copytree(package, folder)
    return folder


def sha256(content: bytes) -> str:
    """Hash some bytes; hex."""
    return hashlib.sha256(content).hexdigest()


def canonical(document: Any) -> bytes:
    """Write JSON in the one form that these documents have; they have no names but plain ones."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def lines(content: bytes) -> Iterable[Any]:
    """Read JSON Lines."""
    return map(json.loads, content.splitlines())
