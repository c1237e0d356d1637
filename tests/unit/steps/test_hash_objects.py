import hashlib
import json

import pytest

from holdfast.contracts.arrivals import QueuedMessage, UnreadableMessage, write_hash_request
from holdfast.domain.reconciliation import Reason, pair_up
from holdfast.errors import ObjectUnreadable
from holdfast.ports import Counter, ParkedKind
from tests.fakes.house import House
from tests.fakes.story import ORGANIZATION, conversation_id, key_of, messages, recording_id


def _waiting() -> tuple[House, list[QueuedMessage]]:
    house = House()
    media = house.evidence.put(key_of(1, f"{recording_id(1)}.webm"), b"large" * 100, size_bytes=10_000)
    sidecar = house.evidence.put(key_of(1, f"{recording_id(1)}.webm_metadata.json"), b"{}")
    house.secure_objects(messages(house, media, sidecar))
    return house, [
        QueuedMessage(f"hash-{place}", write_hash_request(version))
        for place, version in enumerate(house.hash_queue.waiting)
    ]


def test_the_digest_is_added_as_an_event_and_completes_the_recording() -> None:
    house, waiting = _waiting()
    dossier = house.conversations.dossier(conversation_id(1))
    (delivery,) = pair_up(dossier.receipts, dossier.digested)
    assert delivery.flaw is Reason.HASH_PENDING

    house.hash_objects(waiting)

    dossier = house.conversations.dossier(conversation_id(1))
    (delivery,) = pair_up(dossier.receipts, dossier.digested)
    assert delivery.flaw is None
    (event,) = [
        json.loads(entry.canonical) for entry in dossier.entries if b"digest_added" in entry.canonical
    ]
    assert event["details"]["sha256"] == hashlib.sha256(b"large" * 100).hexdigest()
    assert house.telemetry.events() == ["digest_added"]


def test_a_repeat_keeps_the_first_digest_and_its_entry() -> None:
    house, waiting = _waiting()
    house.hash_objects(waiting)
    before = house.observable()

    house.hash_objects(waiting * 2)

    assert house.observable() == before
    assert house.telemetry.events() == ["digest_added"]


def test_a_message_that_is_no_request_for_a_digest_goes_to_the_dead_letters() -> None:
    with pytest.raises(UnreadableMessage, match="request for a digest"):
        House().hash_objects([QueuedMessage("m", "{}")])


@pytest.mark.parametrize(
    "key", ["large.bin", "_holdfast/canary/1", f"{ORGANIZATION}/manifests/{recording_id(1)}.json"]
)
def test_what_names_no_conversation_gets_its_digest_where_its_receipt_is(key: str) -> None:
    house = House()
    version = house.evidence.put(key, b"large" * 100, size_bytes=10_000)
    house.secure_objects(messages(house, version))
    (asked,) = house.hash_queue.waiting

    house.hash_objects([QueuedMessage("hash", write_hash_request(asked))] * 2)

    assert house.conversations.digested([version]) == {version.fingerprint}
    (folder,) = [one for one in house.conversations.folders.values() if one.receipts]
    kinds = sorted(json.loads(entry.canonical)["kind"] for entry in folder.entries.values())
    assert kinds == ["event", "receipt"]


def test_what_s3_does_not_let_read_is_parked_at_once_with_the_reason_and_holds_up_nobody() -> None:
    house, waiting = _waiting()
    other = house.evidence.put("other.bin", b"other" * 100, size_bytes=10_000)
    media = house.hash_queue.waiting[0]
    house.evidence.broken[media.key] = ObjectUnreadable("it is archived; restore it, then redrive")

    for _ in range(2):
        house.hash_objects([*waiting, QueuedMessage("other", write_hash_request(other))])

    (parked,) = house.parking.parked()
    assert (parked.kind, parked.version, parked.conversation_id) == (
        ParkedKind.DIGEST,
        media,
        conversation_id(1),
    )
    assert parked.reason == "it is archived; restore it, then redrive"
    assert house.telemetry.counts[Counter.PARKED] == 1
    assert house.conversations.digested([media, other]) == {other.fingerprint}
