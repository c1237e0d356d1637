import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import bagit
import pytest

from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import ConversationId, RecordingId
from holdfast.evidence import bag
from holdfast.evidence.package import PackedFile, made_files, tag_files, tag_manifest
from tests.unit.evidence.sealed import Story

# The Library of Congress's own validator, which is older than this Python.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:bagit")
CONVERSATION = ConversationId("c0000000-0000-4000-8000-000000000001")
RECORDING = RecordingId("e0000000-0000-4000-8000-000000000001")
HOSTILE = "per%25cent \"quote\" 'tick' <b> &amp; ä 録音 \u202e\U0001f600.json"


def write(folder: Path, path: str, chunks: Iterable[bytes]) -> PackedFile:
    content = b"".join(chunks)
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return PackedFile(path, hashlib.sha256(content).hexdigest(), len(content))


def packed(story: Story, folder: Path) -> Path:
    """Write a package without its media; what stands in for a medium's content is its key."""
    matter = story.matter()
    payload = [write(folder, path, chunks) for path, chunks in made_files(matter)]
    payload.append(write(folder, "data/segments/000001.jsonl", (one + b"\n" for one in story.entries)))
    tags = [write(folder, path, chunks) for path, chunks in tag_files(matter, payload)]
    write(folder, bag.TAG_MANIFEST, [tag_manifest(tags)])
    return folder


def with_small_media(story: Story) -> Story:
    """Let every size be that of the key, which stands in for the content."""
    story.entries = [_sized(entry) for entry in story.entries]
    return story


def _sized(entry: bytes) -> bytes:
    document = json.loads(entry)
    if document["kind"] == "receipt":
        document["size_bytes"] = len(document["key"].encode())
    return json.dumps(document).encode()


def fetch(folder: Path) -> None:
    """Fill the holes as `fetch.txt` says."""
    for line in (folder / bag.FETCH).read_text().splitlines():
        url, size_bytes, path = line.split(" ", 2)
        content = unquote(urlsplit(url).path[1:]).encode()
        assert len(content) == int(size_bytes)
        write(folder, path, [content])


def test_a_package_with_its_media_is_what_bagit_calls_valid(tmp_path: Path) -> None:
    folder = packed(with_small_media(Story(recordings=20, odd_names=[HOSTILE, "plain.txt"])), tmp_path)

    fetch(folder)

    assert bagit.Bag(str(folder)).validate()


def test_a_package_whose_media_are_in_s3_has_holes_and_no_other_fault(tmp_path: Path) -> None:
    folder = packed(Story(recordings=20), tmp_path)
    # Octets and files of the whole payload: bagit would stop there, and not name what is not here.
    tag = folder / bag.BAG_INFO
    tag.write_text(re.sub(r"Payload-Oxum.*\n", "", tag.read_text()))
    write(folder, bag.TAG_MANIFEST, [])

    with pytest.raises(bagit.BagValidationError) as refused:
        bagit.Bag(str(folder)).validate()

    to_fetch = {line.split(" ", 2)[2] for line in (folder / bag.FETCH).read_text().splitlines()}
    assert to_fetch
    assert {fault.path for fault in refused.value.details} == to_fetch


@pytest.mark.parametrize("name", ["data/report.html", "data/loadfile/objects.dat", bag.BAG_INFO, bag.FETCH])
def test_a_file_that_is_changed_makes_the_bag_invalid(name: str, tmp_path: Path) -> None:
    folder = packed(with_small_media(Story(recordings=4)), tmp_path)
    fetch(folder)
    changed = folder / name
    changed.write_bytes(changed.read_bytes().replace(b"2026", b"2027", 1))

    assert not bagit.Bag(str(folder)).is_valid()


def test_the_bag_describes_itself(tmp_path: Path) -> None:
    folder = packed(with_small_media(Story(recordings=4, title="Größe\u2028 and: colon")), tmp_path)
    fetch(folder)

    found = bagit.Bag(str(folder))

    assert found.version == "1.0"
    assert found.info["External-Identifier"] == "M-2026-001"
    assert found.info["External-Description"] == "Größe and: colon"
    octets, files = found.info["Payload-Oxum"].split(".")
    here = [path for path in (folder / "data").rglob("*") if path.is_file()]
    assert (int(octets), int(files)) == (sum(path.stat().st_size for path in here), len(here))


def test_fetch_names_the_very_version_whatever_the_key_looks_like() -> None:
    story = Story(recordings=2, odd_names=[HOSTILE])
    rows = list(story.register().rows())

    lines = [line.decode() for line in bag.fetch_list(rows)]

    read = [
        (urlsplit(url).netloc, unquote(urlsplit(url).path[1:]), parse_qs(urlsplit(url).query)["versionId"][0])
        for url in (line.split(" ", 1)[0] for line in lines)
    ]
    assert read == [(row.bucket, row.key, row.version_id) for row in rows]
    assert all(line.isascii() and line.count("\n") == 1 for line in lines)


def test_what_has_no_digest_yet_is_not_promised() -> None:
    story = Story(recordings=0)
    story._began = "somewhere"
    story.receipt(CONVERSATION, f"{RECORDING}.opus", Role.MEDIA, RECORDING, sha256=None)

    rows = list(story.register().rows())

    assert len(rows) == 1
    assert list(bag.fetch_list(rows)) == []
    assert list(bag.media_manifest(rows)) == []


def test_paths_in_manifests_are_encoded_as_the_rfc_asks() -> None:
    assert bag.manifest_line("data/50%\r\n.txt", "ab") == b"ab  data/50%25%0D%0A.txt\n"


def test_a_value_of_the_description_keeps_to_its_line() -> None:
    assert bag.bag_info({"Title": "one\r\nPayload-Oxum: 1.1"}) == b"Title: one Payload-Oxum: 1.1\n"
