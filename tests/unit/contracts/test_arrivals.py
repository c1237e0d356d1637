import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contracts.arrivals import (
    UnreadableMessage,
    read_arrivals,
    read_hash_request,
    read_relock,
    write_hash_request,
    write_relock,
)
from holdfast.domain.custody import ObjectVersion, Relock, RelockCause
from tests.fakes.house import House
from tests.fakes.story import notification

TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)
AT = datetime(2026, 4, 1, 12, 30, 0, 512_000, tzinfo=UTC)


@given(TEXT, TEXT, st.integers(0, 2**40))
def test_a_notification_survives_whatever_the_key_is_made_of(key: str, version_id: str, size: int) -> None:
    version = ObjectVersion("holdfast-evidence", key, version_id, size)

    (arrival,) = read_arrivals(notification(House(), version, arrived_at=AT), "holdfast-evidence")

    assert (arrival.version, arrival.arrived_at) == (version, AT)


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b.wav", "a b.wav"),
        ("a%2Bb.wav", "a+b.wav"),
        ("100%25.wav", "100%.wav"),
        ("conversation_id%3D7/x", "conversation_id=7/x"),
        ("%C3%A4rger.wav", "ärger.wav"),
        ("%F0%9F%8E%AC", "\N{CLAPPER BOARD}"),
    ],
)
def test_keys_are_decoded_as_s3_encodes_them(encoded: str, key: str) -> None:
    version = ObjectVersion("holdfast-evidence", "PLACE", "v1", 1)
    body = notification(House(), version).replace("PLACE", encoded)

    (arrival,) = read_arrivals(body, "holdfast-evidence")

    assert arrival.version.key == key


def test_a_request_for_a_digest_survives_its_message() -> None:
    version = ObjectVersion("evidence", "ä+ %.webm", "v1", 2**33)

    assert read_hash_request(write_hash_request(version)) == version


@given(TEXT, st.integers(0), st.sampled_from(RelockCause))
def test_a_wish_for_a_lock_survives_its_message(key: str, epoch: int, cause: RelockCause) -> None:
    relock = Relock(ObjectVersion("evidence", key, "v1", 7), cause, epoch, AT)

    assert read_relock(write_relock(relock), "evidence") == relock


def test_a_wish_for_a_lock_is_told_from_what_else_comes() -> None:
    version = ObjectVersion("holdfast-evidence", "k", "v1", 7)
    relock = write_relock(Relock(version, RelockCause.DRIFT, 1, AT))

    assert read_relock(notification(House(), version), version.bucket) is None
    assert read_relock(write_hash_request(version), version.bucket) is None
    for read in (lambda: read_arrivals(relock, version.bucket), lambda: read_hash_request(relock)):
        with pytest.raises(UnreadableMessage):
            read()


@pytest.mark.parametrize(
    "changes",
    [
        {"cause": "whim"},
        {"epoch": "soon"},
        {"asked_at": "2026-04-01"},
        {"asked_at": 7},
        {"key": ""},
        {"bucket": "another"},
        {"size_bytes": None},
    ],
)
def test_a_wish_that_is_none_is_unreadable_and_not_quoted(changes: dict[str, object]) -> None:
    document = json.loads(write_relock(Relock(ObjectVersion("b", "k", "v1", 7), RelockCause.DRIFT, 1, AT)))
    document["relock"] |= changes

    with pytest.raises(UnreadableMessage, match="expected") as unreadable:
        read_relock(json.dumps(document), "b")

    assert "whim" not in str(unreadable.value)


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "{}",
        '{"bucket": "b"}',
        write_hash_request(ObjectVersion("", "k", "v", 1)),
        '{"bucket":"b","key":"k","version_id":"v","size_bytes":Infinity}',
        "[" * 100_000,
    ],
)
def test_any_other_message_is_unreadable_and_not_quoted(body: str) -> None:
    with pytest.raises(UnreadableMessage) as unreadable:
        read_hash_request(body)

    assert '"b"' not in str(unreadable.value)
