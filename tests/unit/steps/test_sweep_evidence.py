import json
from datetime import timedelta

import pytest
from pydantic import ValidationError

from holdfast.contracts.arrivals import QueuedMessage
from holdfast.contracts.steps import Sweep, Swept
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.evidence_key import CANARY_PREFIX
from holdfast.domain.reconciliation import pair_up
from holdfast.ports import Counter
from tests.events import load_event
from tests.fakes.effects import Killed
from tests.fakes.house import SWEEP_AGE, House, Patience
from tests.fakes.story import (
    conversation_id,
    deliver,
    end_job,
    exported,
    key_of,
    planned,
    recording_id,
    upload,
)


def _later(house: House) -> House:
    house.clock.forward(SWEEP_AGE)
    return house


def _swept_messages(house: House) -> list[QueuedMessage]:
    return [QueuedMessage(f"swept-{place}", body) for place, body in enumerate(house.arrival_queue.bodies)]


def test_what_arrived_without_its_event_is_secured_as_if_it_had_one() -> None:
    house = House()
    versions = upload(house, 1)
    arrived_at = house.clock.now()
    _later(house)

    swept = house.sweep_evidence()

    assert swept == Swept(done=True, versions=2, sent=2)
    assert house.secure_objects(_swept_messages(house)) == []
    assert house.conversations.have(versions) == {version.fingerprint for version in versions}
    assert {receipt.arrived_at for receipt in house.conversations.all_receipts()} == {arrived_at}
    (delivery,) = pair_up(house.conversations.dossier(conversation_id(1)).receipts)
    assert delivery.flaw is None
    assert house.telemetry.counts[Counter.ARRIVALS_SWEPT] == 2
    assert house.parking.messages == {}


def test_what_has_its_receipt_is_left_alone_version_by_version() -> None:
    house = House()
    deliver(house, 1)
    newer = house.evidence.put(key_of(1, f"{recording_id(1)}.wav"), b"a second version")
    _later(house)

    assert house.sweep_evidence() == Swept(done=True, versions=3, sent=1)

    (body,) = house.arrival_queue.bodies
    assert json.loads(body)["Records"][0]["s3"]["object"]["versionId"] == newer.version_id


def test_what_may_still_be_on_its_way_is_left_alone_and_a_canary_is_swept_like_everything() -> None:
    house = House()
    house.clock.forward(SWEEP_AGE)
    house.evidence.put("just/arrived.wav", at=house.clock.now() - SWEEP_AGE + timedelta(milliseconds=1))
    canary = house.evidence.put(CANARY_PREFIX + "1", at=house.clock.now() - SWEEP_AGE)
    due = house.evidence.put("_holdfast/no canary.wav", at=house.clock.now() - SWEEP_AGE)

    assert house.sweep_evidence() == Swept(done=True, versions=3, sent=2)

    assert house.secure_objects(_swept_messages(house)) == []
    assert {receipt.version for receipt in house.conversations.all_receipts()} == {canary, due}


@pytest.mark.parametrize(
    "key", ["a//b/", "100% + x=ä&b \N{CLAPPER BOARD}", "control\x01\x7f\n", "a/../b", "ü" * 512, " ", "+"]
)
def test_any_key_survives_the_way_through_the_queue(key: str) -> None:
    house = House()
    version = house.evidence.put(key)

    _later(house).sweep_evidence()

    assert house.secure_objects(_swept_messages(house)) == []
    assert house.conversations.have([version]) == {version.fingerprint}


def _many(house: House, count: int = 10) -> list[ObjectVersion]:
    house.evidence.page_size = 3
    return [house.evidence.put(f"prefix-{number % 2}/{number:02}", b"x") for number in range(count)]


def test_a_sweep_that_has_no_more_time_goes_on_where_it_stopped_and_a_finished_one_starts_over() -> None:
    house = _later(House())
    versions = _many(house)
    _later(house)

    answers = []
    for _ in range(3):
        house.patience = Patience(1)  # which makes two pages
        answers.append(house.sweep_evidence())
    sent = list(house.arrival_queue.bodies)

    assert answers == [
        Swept(done=False, versions=6, sent=6),
        Swept(done=True, versions=4, sent=4),
        Swept(done=False, versions=6, sent=6),
    ]
    assert len(set(sent)) == len(versions)
    assert set(sent[10:]) == set(sent[:6]), "the next pass sends what is still without a receipt"


def test_one_page_is_made_however_little_time_there_is() -> None:
    house = House(patience=Patience(0))
    _many(house)

    assert _later(house).sweep_evidence() == Swept(done=False, versions=3, sent=3)
    assert house.telemetry.counts[Counter.ARRIVAL_SWEEPS] == 1
    assert Counter.SENTINEL_LOOKS not in house.telemetry.counts


def test_a_sweep_of_a_prefix_has_a_mark_of_its_own() -> None:
    house = House(patience=Patience(0))
    _many(house)
    _later(house).sweep_evidence()

    house.patience = Patience()
    assert house.sweep_evidence("prefix-1/") == Swept(done=True, versions=5, sent=5)
    assert house.sweep_evidence() == Swept(done=True, versions=7, sent=7)


def test_of_two_sweeps_at_once_one_leaves_the_field_to_the_other() -> None:
    house = House()
    _many(house)
    _later(house)
    other = house.sweeps.read("")
    house.arrival_queue.send = lambda _: house.sweeps.move(other, None, house.clock.now())  # type: ignore[method-assign,assignment] # the other sweep ends meanwhile

    assert house.sweep_evidence() == Swept(done=False, versions=3, sent=3)
    assert house.sweeps.read("").revision == 1
    assert "sweep_overtaken" in house.telemetry.events()
    assert Counter.ARRIVAL_SWEEPS not in +house.telemetry.counts


def test_killed_anywhere_nothing_is_passed_over() -> None:
    for place in range(1, 11):
        house = House()
        versions = _many(house)
        _later(house)
        house.effects.crash_before = place
        with pytest.raises(Killed):
            house.sweep_evidence()
        house.effects.crash_before = None

        house.sweep_evidence()

        assert house.secure_objects(_swept_messages(house)) == []
        assert house.conversations.have(versions) == {version.fingerprint for version in versions}
        assert house.effects.tally()["receipt"] == len(versions)


def test_a_repeat_changes_nothing_once_all_is_secured_and_writes_nothing_where_one_page_is_all() -> None:
    house = exported()
    _later(house)
    before = house.observable()

    for _ in range(3):
        assert house.sweep_evidence() == Swept(done=True, versions=4, sent=0)

    assert house.observable() == before
    assert house.sweeps.marks == {}


def test_a_request_whose_events_were_lost_is_reconciled_after_the_sweep() -> None:
    house = planned((1,))
    end_job(house, total=1)
    upload(house, 1)  # S3 said so, and nobody heard it
    _later(house)
    assert house.reconcile().outstanding == 1

    house.sweep_evidence()

    assert house.secure_objects(_swept_messages(house)) == []
    assert house.reconcile().done


def test_the_schedules_payload_asks_for_everything_and_a_prefix_must_fit_the_ledgers_key() -> None:
    assert Sweep.model_validate(load_event("sweep_evidence")) == Sweep()

    with pytest.raises(ValidationError):
        Sweep(prefix="ü" * 251)
