import hashlib
import json

import pytest

from holdfast.contracts.arrivals import QueuedMessage, UnreadableMessage, write_large_object
from holdfast.domain.reconciliation import Reason, pair_up
from tests.fakes.house import House
from tests.fakes.story import conversation_id, key_of, messages, recording_id


def _waiting() -> tuple[House, list[QueuedMessage]]:
    house = House()
    media = house.evidence.put(key_of(1, f"{recording_id(1)}.webm"), b"large" * 100, size_bytes=10_000)
    sidecar = house.evidence.put(key_of(1, f"{recording_id(1)}.webm_metadata.json"), b"{}")
    house.secure_objects(messages(house, media, sidecar))
    return house, [
        QueuedMessage(f"hash-{place}", write_large_object(large))
        for place, large in enumerate(house.hash_queue.waiting)
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
