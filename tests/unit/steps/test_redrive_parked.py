from datetime import timedelta

import pytest

from holdfast.contracts.arrivals import QueuedMessage, write_hash_request
from holdfast.contracts.steps import Redrive, Redriven
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.states import ParkedState
from holdfast.errors import ObjectUnreadable
from holdfast.ports import ParkedKind
from holdfast.steps.redrive_parked import IN_FLIGHT
from tests.events import load_event
from tests.fakes.effects import Killed
from tests.fakes.house import MATTER, House, Patience
from tests.fakes.story import end_job, exported, messages, planned, upload

NOTHING = Redriven(done=True, redriven=0, closed=0, in_flight=0, unreadable=0)


def _redriven(**outcomes: int) -> Redriven:
    return NOTHING.model_copy(update=outcomes)


def _states(house: House) -> dict[str, ParkedState]:
    return {name: message.state for name, message in house.parking.messages.items()}


def _arrive(house: House, name: str = "again") -> list[str]:
    """Have everything that waits in the arrival queue secured; answer what failed."""
    bodies, house.arrival_queue.bodies = house.arrival_queue.bodies, []
    return house.secure_objects([QueuedMessage(f"{name}-{place}", body) for place, body in enumerate(bodies)])


def _parked(*conversations: int) -> tuple[House, list[ObjectVersion]]:
    """A request whose objects arrived and could not be handled."""
    house = planned(conversations)
    end_job(house, total=len(conversations))
    versions = [version for number in conversations for version in upload(house, number)]
    house.park_messages(messages(house, *versions))
    return house, versions


def test_what_was_parked_is_secured_after_a_redrive_and_stands_against_nobody_any_more() -> None:
    house, versions = _parked(1)
    assert house.reconcile().outstanding == 1

    assert house.redrive_parked() == _redriven(redriven=2)

    assert set(_states(house).values()) == {ParkedState.REDRIVEN}
    assert _arrive(house) == []
    assert house.conversations.have(versions) == {version.fingerprint for version in versions}
    assert house.reconcile().done
    house.place_holds()
    house.confirm_holds()
    assert house.seal_custody().verdict == "PRESERVED"


def test_redriving_three_times_sends_once_and_what_is_done_is_closed_not_sent() -> None:
    house, versions = _parked(1)
    house.redrive_parked()
    before = house.observable()

    for _ in range(2):
        assert house.redrive_parked() == _redriven(in_flight=2)

    assert house.observable() == before
    _arrive(house)
    assert house.redrive_parked() == _redriven(closed=2)
    assert house.arrival_queue.bodies == []
    assert list(house.parking.parked()) == []
    assert house.redrive_parked() == NOTHING
    assert house.effects.tally()["receipt"] == len(versions)


def test_what_was_handled_without_a_redrive_is_closed() -> None:
    house, versions = _parked(1)
    house.secure_objects(messages(house, versions[0]))

    assert house.redrive_parked() == _redriven(redriven=1, closed=1)

    assert len(house.arrival_queue.bodies) == 1


def test_what_fails_again_is_parked_again_and_may_be_redriven_again() -> None:
    house, _ = _parked(1)
    house.redrive_parked()
    parked_at = {message.parked_at for message in house.parking.messages.values()}
    house.clock.forward(timedelta(hours=3))

    again = [QueuedMessage(f"m-{place}", body) for place, body in enumerate(house.arrival_queue.bodies)]
    for _ in range(2):
        house.park_messages(again)

    assert set(_states(house).values()) == {ParkedState.PARKED}
    assert {message.parked_at for message in house.parking.messages.values()} == parked_at
    assert house.redrive_parked(message_ids=["m-0"]) == _redriven(redriven=1)
    assert house.redrive_parked() == _redriven(redriven=1, in_flight=1)


def test_what_is_parked_again_while_it_is_being_redriven_does_not_pass_for_sent() -> None:
    house, _ = _parked(1)
    send = house.arrival_queue.send

    def send_and_fail(body: str) -> None:
        send(body)
        house.park_messages([QueuedMessage(f"failed-{len(house.arrival_queue.bodies)}", body)])

    house.arrival_queue.send = send_and_fail  # type: ignore[method-assign] # a queue that is very quick
    house.redrive_parked()

    assert set(_states(house).values()) == {ParkedState.PARKED}


def test_what_was_sent_and_never_came_back_is_sent_again_when_it_cannot_be_in_flight_any_more() -> None:
    house, _ = _parked(1)
    house.redrive_parked()
    house.arrival_queue.bodies.clear()

    house.clock.forward(IN_FLIGHT - timedelta(milliseconds=1))
    assert house.redrive_parked() == _redriven(in_flight=2)
    house.clock.forward(timedelta(milliseconds=1))
    assert house.redrive_parked() == _redriven(redriven=2)


def test_a_message_that_nobody_can_read_stays_parked_with_its_reason() -> None:
    house = House()
    house.secure_objects([QueuedMessage("junk", "junk")])
    before = house.observable()

    for _ in range(2):
        assert house.redrive_parked() == _redriven(unreadable=1)

    assert house.observable() == before
    (message,) = house.parking.parked()
    assert (message.kind, message.state) == (ParkedKind.UNREADABLE, ParkedState.PARKED)
    assert message.reason == "expected JSON"


def test_a_request_for_a_digest_goes_back_to_its_own_queue() -> None:
    house = exported(1)
    media = house.evidence.put("archived.bin", b"x" * 5_000)
    house.evidence.broken[media.key] = ObjectUnreadable("archived")
    house.secure_objects(messages(house, media))
    request = QueuedMessage("hash", write_hash_request(house.hash_queue.waiting.pop()))
    house.hash_objects([request])

    assert house.redrive_parked() == _redriven(redriven=1)

    assert house.arrival_queue.bodies == []
    assert house.hash_queue.waiting == [media]
    house.evidence.broken.clear()
    house.hash_objects([request])
    assert house.redrive_parked() == _redriven(closed=1)


def test_a_matters_own_are_redriven_and_what_cannot_be_told_whose_it_is() -> None:
    house, versions = _parked(1)
    stray = house.evidence.put("stray.bin")
    others = upload(house, 2)
    house.park_messages([QueuedMessage("stray", messages(house, stray)[0].body)])
    house.park_messages(
        [QueuedMessage(f"other-{place}", one.body) for place, one in enumerate(messages(house, *others))]
    )

    assert house.redrive_parked(matter_id=MATTER) == _redriven(redriven=3)

    _arrive(house)
    assert house.conversations.have([*versions, *others, stray]) == {
        version.fingerprint for version in (*versions, stray)
    }
    assert house.redrive_parked(matter_id="M-ANOTHER") == _redriven(closed=1)
    assert house.redrive_parked(matter_id=MATTER, message_ids=["other-0"]) == NOTHING


def test_a_redrive_that_has_no_more_time_says_so_and_a_repeat_goes_on() -> None:
    house = House()
    strays = [house.evidence.put(f"stray-{number}") for number in range(150)]
    house.park_messages(messages(house, *strays))
    house.patience = Patience(1)

    assert house.redrive_parked() == _redriven(done=False, redriven=100)
    house.patience = Patience()
    assert house.redrive_parked() == _redriven(redriven=50, in_flight=100)
    assert len(set(house.arrival_queue.bodies)) == 150


def test_killed_before_any_send_nothing_passes_for_sent_that_was_not() -> None:
    for place in range(1, 5):
        house, versions = _parked(1, 2)
        house.effects.crash_before = len(house.effects.log) + place
        with pytest.raises(Killed):
            house.redrive_parked()
        house.effects.crash_before = None

        house.redrive_parked()

        assert _arrive(house) == []
        assert house.conversations.have(versions) == {version.fingerprint for version in versions}
        assert house.effects.tally()["receipt"] == len(versions)


def test_the_payload_names_a_matter_and_messages() -> None:
    redrive = Redrive.model_validate(load_event("redrive_parked"))

    assert redrive.matter_id == MATTER
    assert len(redrive.message_ids) == 1
    assert Redrive.model_validate({}) == Redrive(matter_id=None, message_ids=[])
