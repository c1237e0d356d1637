import json
from datetime import timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.custody import EventType
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import ConversationId, RecordingId
from holdfast.domain.media import Medium
from holdfast.evidence.bag import fetch_list
from holdfast.evidence.load_file import dat_lines
from holdfast.evidence.register import Register, temporary_register
from tests.unit.evidence.sealed import CLAIMED, MATTER, Story

ONE = ConversationId("c0000000-0000-4000-8000-000000000001")
RECORDING = RecordingId("e0000000-0000-4000-8000-000000000001")


def _empty() -> Story:
    story = Story(recordings=0)
    story._began = "o/year=2026/month=3/day=2/hour=1"
    return story


def test_every_receipt_becomes_a_row() -> None:
    story = Story(recordings=30)
    receipts = [json.loads(one) for one in story.entries if json.loads(one)["kind"] == "receipt"]

    rows = list(story.register().rows())

    assert {(row.key, row.version_id, row.sha256, row.size_bytes) for row in rows} == {
        (one["key"], one["version_id"], one["sha256"], one["size_bytes"]) for one in receipts
    }
    assert [row.number for row in rows] == list(range(1, len(receipts) + 1))


@settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_lines_does_not_matter(chance: Random) -> None:
    story = Story(recordings=12)
    in_order = list(story.register().rows())

    chance.shuffle(story.entries)

    assert list(story.register().rows()) == in_order


def test_an_entry_that_comes_again_counts_once() -> None:
    story = Story(recordings=4)
    rows = list(story.register().rows())

    story.entries += [one for one in story.entries if b'"receipt"' in one]

    assert list(story.register().rows()) == rows


def test_media_have_the_medium_that_their_sidecar_names() -> None:
    story = _empty()
    story.receipt(ONE, f"{RECORDING}.webm", Role.MEDIA, RECORDING)
    story.receipt(ONE, f"{RECORDING}.webm_metadata.json", Role.SIDECAR, RECORDING, Medium.SCREEN)

    assert [row.medium for row in story.register().rows()] == ["screen", "screen"]


def test_without_a_sidecar_the_account_names_the_medium() -> None:
    story = Story(recordings=1)
    story.entries = [one for one in story.entries if b"_metadata.json" not in one]

    assert [row.medium for row in story.register().rows()] == ["voice"]


def test_a_digest_that_came_later_is_filled_in() -> None:
    story = _empty()
    receipt = story.receipt(ONE, f"{RECORDING}.opus", Role.MEDIA, RECORDING, sha256=None)
    version = receipt.version
    story.event(
        EventType.DIGEST_ADDED, ONE, CLAIMED, key=version.key, version_id=version.version_id, sha256="ab" * 32
    )

    (row,) = story.register().rows()

    assert row.sha256 == "ab" * 32


def test_what_was_let_go_is_known_until_it_is_locked_again() -> None:
    story = _empty()
    story.receipt(ONE, f"{RECORDING}.opus", Role.MEDIA, RECORDING)
    story.event(EventType.LIFTED, ONE, CLAIMED + timedelta(days=1))

    let_go = [row.is_let_go for row in story.register().rows()]
    story.event(EventType.RELOCKED, ONE, CLAIMED + timedelta(days=2))

    assert let_go == [True]
    assert [row.is_let_go for row in story.register().rows()] == [False]


def test_what_somebody_deleted_is_told_and_not_promised() -> None:
    story = _empty()
    receipt = story.receipt(ONE, f"{RECORDING}.opus", Role.MEDIA, RECORDING)
    story.receipt(ONE, f"{RECORDING}.opus_metadata.json", Role.SIDECAR, RECORDING)
    named = {"key": receipt.version.key, "version_id": receipt.version.version_id}
    story.event(EventType.DRIFT_FOUND, ONE, CLAIMED, drift="version_gone", **named)
    register = story.register()

    media, sidecar = register.rows()

    assert (media.is_gone, media.is_listed, sidecar.is_gone, sidecar.is_listed) == (True, False, False, True)
    assert (register.media_files(), register.media_size_bytes()) == (1, sidecar.size_bytes)
    assert [line.split(b" ")[2] for line in fetch_list([media, sidecar])] == [sidecar.path.encode() + b"\n"]
    assert b"GONE" in list(dat_lines(MATTER, [media]))[1]


def test_another_interference_takes_nothing_out_of_the_package() -> None:
    story = _empty()
    receipt = story.receipt(ONE, f"{RECORDING}.opus", Role.MEDIA, RECORDING)
    named = {"key": receipt.version.key, "version_id": receipt.version.version_id}
    story.event(EventType.DRIFT_FOUND, ONE, CLAIMED, drift="lock_lifted", **named)

    (media,) = story.register().rows()

    assert media.is_listed


def test_paths_are_safe_and_each_is_used_once() -> None:
    odd = [
        "../../etc/passwd".replace("/", "\\"),
        ".hidden",
        "a b",
        "a\nb",
        "CON",
        "x" * 200,
        "Same.json",
        "same.json",
    ]
    story = Story(recordings=2, odd_names=odd)
    story.receipt(story._conversation(0), "Same.json", Role.OTHER, None)  # another version

    paths = [row.path for row in story.register().rows()]

    assert len({path.lower() for path in paths}) == len(paths)
    for path in paths:
        data, media, folder, name = path.split("/")
        assert (data, media) == ("data", "media")
        assert len(folder) == 36
        assert name.replace("-", "").replace(".", "").replace("_", "").isalnum()
        assert not name.startswith(".")
    assert sum(path.endswith("ame.json") for path in paths) == 3


def test_what_belongs_to_no_conversation_lies_in_a_folder_of_its_own() -> None:
    story = _empty()
    story.receipt(ONE, "job.json", Role.MANIFEST, None, conversation_id=None)

    (row,) = story.register().rows()

    assert row.path == "data/media/jobs/job.json"


def test_a_recording_that_two_requests_account_for_counts_once_as_the_last_found_it() -> None:
    line = {
        "kind": "recording", "conversation_id": ONE, "recording_id": RECORDING, "medium": "voice",
        "day": "2026-03-02", "standing": "missing", "reason": "not_arrived",
    }  # fmt: skip
    with Register() as register:
        register.add_account(1, json.dumps(line).encode())
        register.add_account(2, json.dumps(line | {"standing": "secured", "reason": None}).encode())
        register.complete()

        assert register.standings("recording", "medium") == [("voice", {"secured": 1})]
        assert register.standings("recording", "day") == [("2026-03-02", {"secured": 1})]


def test_recordings_without_a_name_all_count() -> None:
    line = {
        "kind": "recording", "conversation_id": None, "recording_id": None, "medium": "unknown",
        "day": None, "standing": "missing", "reason": "unknown",
    }  # fmt: skip

    register = Story(recordings=0, account=[line, line]).register()

    assert register.standings("recording", "day") == [("", {"missing": 2})]


def test_counts_by_medium_and_by_day_are_those_of_the_account() -> None:
    story = Story(recordings=500)
    register = story.register()

    for kind, count in (("recording", 500), ("conversation", 250)):
        for by in ("medium", "day"):
            assert sum(counts.total() for _, counts in register.standings(kind, by)) == count
    assert sum(counts["missing"] for _, counts in register.standings("recording", "medium")) == 1


def test_a_register_in_a_file_answers_as_one_in_memory() -> None:
    story = Story(recordings=10)

    with temporary_register() as register:
        for entry in story.entries:
            register.add_entry(entry)
        register.complete()
        rows = [row.key for row in register.rows()]

    assert sorted(rows) == sorted(row.key for row in story.register().rows())


def test_what_was_disposed_of_after_its_release_is_told_apart_from_what_is_gone() -> None:
    story = _empty()
    receipt = story.receipt(ONE, f"{RECORDING}.opus", Role.MEDIA, RECORDING)
    named = {"key": receipt.version.key, "version_id": receipt.version.version_id, "release_id": "REL-1"}
    for kind in (EventType.LIFTED, EventType.DISPOSAL_DUE, EventType.DISPOSED):
        story.event(kind, ONE, CLAIMED, **named)
    register = story.register()

    (media,) = register.rows()

    assert (media.is_disposed, media.is_gone, media.is_listed) == (True, True, False)
    assert (register.media_files(), register.media_size_bytes()) == (0, 0)
    assert b"DISPOSED" in list(dat_lines(MATTER, [media]))[1]
