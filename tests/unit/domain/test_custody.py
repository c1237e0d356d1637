from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.custody import CustodyEvent, EventType, ObjectVersion, Receipt, digest_event_id
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import ConversationId, MatterId, RecordingId, RequestId
from holdfast.domain.media import Medium
from holdfast.domain.ulid import ulid

ARRIVED = datetime(2026, 4, 1, 12, 30, 0, 512_000, tzinfo=UTC)
VERSION = ObjectVersion("evidence", "a/b.wav", "v1", 7)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, TEXT, TEXT)
def test_two_versions_share_a_fingerprint_only_if_key_and_version_are_the_same(
    key: str, version: str, other_key: str, other_version: str
) -> None:
    one = ObjectVersion("evidence", key.replace("\0", ""), version.replace("\0", ""), 1)
    other = ObjectVersion("evidence", other_key.replace("\0", ""), other_version.replace("\0", ""), 2)

    is_same = (one.key, one.version_id) == (other.key, other.version_id)
    assert (one.fingerprint == other.fingerprint) == is_same


def test_a_receipt_says_everything_it_knows() -> None:
    receipt = Receipt(
        VERSION,
        Role.MEDIA,
        ARRIVED,
        ARRIVED + timedelta(seconds=1),
        "ab" * 32,
        ConversationId("c"),
        RecordingId("r"),
        Medium.VOICE,
        ("recording-id",),
    )

    assert receipt.document("00") == {
        "format": 1,
        "kind": "receipt",
        "nonce": "00",
        "bucket": "evidence",
        "key": "a/b.wav",
        "version_id": "v1",
        "size_bytes": 7,
        "role": "media",
        "legal_hold": "ON",
        "arrived_at": "2026-04-01T12:30:00.512Z",
        "secured_at": "2026-04-01T12:30:01.512Z",
        "sha256": "ab" * 32,
        "conversation_id": "c",
        "recording_id": "r",
        "medium": "voice",
        "omitted_tags": ["recording-id"],
    }


def test_a_receipt_leaves_out_what_is_not_known_and_never_a_size_of_zero() -> None:
    stray = Receipt(ObjectVersion("evidence", "k", "v", 0), Role.STRAY, ARRIVED, ARRIVED, None)

    document = stray.document("00")

    assert document.keys().isdisjoint({"sha256", "conversation_id", "recording_id", "medium", "omitted_tags"})
    assert document["size_bytes"] == 0


def test_an_event_names_its_matter_only_if_it_concerns_one() -> None:
    claimed = CustodyEvent(
        "01", EventType.CLAIMED, ConversationId("c"), ARRIVED, MatterId("M"), RequestId("R"), {"note": 1}
    )
    held = CustodyEvent("02", EventType.HELD_AT_PLATFORM, ConversationId("c"), ARRIVED)

    assert claimed.document("00") == {
        "format": 1,
        "kind": "event",
        "nonce": "00",
        "event_id": "01",
        "type": "claimed",
        "conversation_id": "c",
        "at": "2026-04-01T12:30:00.512Z",
        "matter_id": "M",
        "request_id": "R",
        "details": {"note": 1},
    }
    assert held.document("00").keys().isdisjoint({"matter_id", "request_id", "details"})


def test_a_version_has_one_digest_event_whoever_computes_it() -> None:
    again = ObjectVersion("evidence", "a/b.wav", "v1", 7)
    newer = ObjectVersion("evidence", "a/b.wav", "v2", 7)

    assert digest_event_id(VERSION) == digest_event_id(again)
    assert digest_event_id(VERSION) != digest_event_id(newer)
    assert digest_event_id(VERSION) < ulid(ARRIVED, bytes(10)), "it comes before what has a time"


def test_an_event_of_an_object_that_names_no_conversation_names_none() -> None:
    added = CustodyEvent("01", EventType.DIGEST_ADDED, None, ARRIVED, details={"sha256": "00"})

    assert "conversation_id" not in added.document("00")
