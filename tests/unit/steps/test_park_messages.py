from holdfast.contracts.arrivals import QueuedMessage, write_large_object
from holdfast.domain.ids import ConversationId
from holdfast.ports import Counter, LargeObject
from tests.events import load_event
from tests.fakes.buckets import EvidenceInMemory
from tests.fakes.house import House
from tests.fakes.story import conversation_id, messages, upload


def test_a_dead_letter_is_written_down_with_what_can_be_read_of_it() -> None:
    house = House()
    (media, _) = upload(house, 1)
    large = LargeObject(media, conversation_id(1), house.clock.now())
    stray = house.evidence.put("stray.bin")

    house.park_messages(
        [
            *messages(house, media, stray),
            QueuedMessage("hash", write_large_object(large)),
            QueuedMessage("junk", "junk"),
            QueuedMessage("test", '{"Event": "s3:TestEvent"}'),
        ]
    )

    parked = {message.message_id: message for message in house.parking.parked()}
    about = {name: (message.conversation_id, message.fingerprint) for name, message in parked.items()}
    assert about == {
        "message-0": (conversation_id(1), media.fingerprint),
        "message-1": (None, stray.fingerprint),
        "hash": (conversation_id(1), media.fingerprint),
        "junk": (None, None),
        "test": (None, None),
    }
    assert parked["junk"].body == "junk"
    assert house.telemetry.counts[Counter.PARKED] == 5
    assert "junk" not in repr([ids for _, _, ids in house.telemetry.lines if ids.get("message_id") != "junk"])


def test_a_repeat_parks_nothing_twice() -> None:
    house = House()
    batch = [QueuedMessage("m", "junk")]
    house.park_messages(batch)
    before = house.observable()

    house.park_messages(batch)

    assert house.observable() == before


def test_the_real_payload_is_read() -> None:
    house = House()
    house.evidence = EvidenceInMemory(name="holdfast-evidence-111122223333-eu-central-1")

    house.park_messages(QueuedMessage.all_in(load_event("park_messages")))

    named = [message.conversation_id for message in house.parking.parked()]
    assert named == [ConversationId("7c3a9e52-14d8-4f6b-8a27-b90c1d2e3f40")] * 2 + [None]
