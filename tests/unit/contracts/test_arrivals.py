from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contracts.arrivals import (
    UnreadableMessage,
    read_arrivals,
    read_hash_request,
    write_hash_request,
)
from holdfast.domain.custody import ObjectVersion
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
