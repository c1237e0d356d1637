from holdfast.contracts.arrivals import QueuedMessage, write_hash_request
from holdfast.domain.ids import ConversationId
from holdfast.ports import Counter, ParkedKind
from tests.events import load_event
from tests.fakes.buckets import EvidenceInMemory
from tests.fakes.house import House
from tests.fakes.story import conversation_id, messages, notification, upload


def test_a_dead_letter_is_written_down_with_what_can_be_read_of_it() -> None:
    house = House()
    (media, sidecar) = upload(house, 1)
    stray = house.evidence.put("stray.bin")

    house.park_messages(
        [
            *messages(house, media, stray),
            QueuedMessage("both", notification(house, media, sidecar)),
            QueuedMessage("hash", write_hash_request(media)),
            QueuedMessage("junk", "junk"),
        ]
    )

    parked = list(house.parking.parked())
    assert {(one.message_id, one.kind, one.version, one.conversation_id) for one in parked} == {
        ("both", ParkedKind.ARRIVAL, media, conversation_id(1)),  # the last that bore it
        ("both", ParkedKind.ARRIVAL, sidecar, conversation_id(1)),
        ("message-1", ParkedKind.ARRIVAL, stray, None),
        ("hash", ParkedKind.DIGEST, media, conversation_id(1)),
        ("junk", ParkedKind.UNREADABLE, None, None),
    }
    assert next(one.body for one in parked if one.message_id == "junk") == "junk"
    assert house.telemetry.counts[Counter.PARKED] == 6
    assert "junk" not in repr([ids for _, _, ids in house.telemetry.lines if ids.get("message_id") != "junk"])


def test_a_test_event_says_nothing_that_could_be_lost() -> None:
    house = House()

    house.park_messages([QueuedMessage("test", '{"Event": "s3:TestEvent"}')])

    assert house.parking.messages == {}


def test_a_repeat_parks_nothing_twice() -> None:
    house = House()
    batch = [QueuedMessage("m", "junk")]
    house.park_messages(batch)
    before = house.observable()

    house.park_messages(batch)

    assert house.observable() == before
    assert house.telemetry.counts[Counter.PARKED] == 1


def test_the_real_payload_is_read() -> None:
    house = House()
    house.evidence = EvidenceInMemory(name="holdfast-evidence-111122223333-eu-central-1")

    house.park_messages(QueuedMessage.all_in(load_event("park_messages")))

    named = {message.kind: message.conversation_id for message in house.parking.parked()}
    conversation = ConversationId("7c3a9e52-14d8-4f6b-8a27-b90c1d2e3f40")
    assert named == {
        ParkedKind.ARRIVAL: conversation,
        ParkedKind.DIGEST: conversation,
        ParkedKind.UNREADABLE: None,
    }
