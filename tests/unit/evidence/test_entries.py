import json
from datetime import UTC, datetime

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.custody import CustodyEvent, EventType, ObjectVersion, Receipt
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import ConversationId
from holdfast.evidence.entries import NONCE_BYTES, entry_bytes

AT = datetime(2026, 4, 1, 12, tzinfo=UTC)
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT, st.integers(0, 2**53 - 1), st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
def test_an_entry_is_canonical_json_that_says_what_its_document_says(
    key: str, version_id: str, size_bytes: int, nonce: bytes
) -> None:
    receipt = Receipt(ObjectVersion("evidence", key, version_id, size_bytes), Role.STRAY, AT, AT, None)

    entry = entry_bytes(receipt, nonce)

    assert json.loads(entry) == receipt.document(nonce.hex())
    assert rfc8785.dumps(json.loads(entry)) == entry
    assert b"\n" not in entry, "one entry is one line of the custody file"


def test_the_bytes_of_an_entry_are_fixed() -> None:
    event = CustodyEvent("01ARYZ6S410000000000000000", EventType.HELD_AT_PLATFORM, ConversationId("c"), AT)

    assert entry_bytes(event, bytes(range(16))) == (
        b'{"at":"2026-04-01T12:00:00.000Z","conversation_id":"c","event_id":"01ARYZ6S410000000000000000",'
        b'"format":1,"kind":"event","nonce":"000102030405060708090a0b0c0d0e0f","type":"held_at_platform"}'
    )


@pytest.mark.parametrize("size", [0, 15, 17])
def test_an_entry_takes_16_random_bytes(size: int) -> None:
    event = CustodyEvent("01", EventType.CLAIMED, ConversationId("c"), AT)

    with pytest.raises(ValueError, match="16 random bytes"):
        entry_bytes(event, bytes(size))
