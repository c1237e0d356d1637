"""What a release let go, or somebody else unlocked, is locked again, and counts once that is so."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from holdfast.contracts.arrivals import read_relock, write_relock
from holdfast.domain.custody import EventType, ObjectVersion, Relock, RelockCause
from holdfast.domain.ids import ReleaseId
from holdfast.domain.promise import Promise
from holdfast.domain.states import HoldState
from holdfast.errors import LedgerRuleBroken
from holdfast.ports import ParkedKind, ParkedMessage
from tests.events import load_event
from tests.fakes.clock import NOON
from tests.fakes.effects import Killed
from tests.fakes.house import House, Patience
from tests.fakes.story import (
    conversation_id,
    deliver,
    end_job,
    exported,
    let_go,
    messages,
    opened,
    plan,
    planned,
    relock_messages,
    upload,
)

ONE = conversation_id(1)


def _let_go() -> House:
    """A house in which one conversation was secured for a matter and let go; another matter asks for it."""
    house = exported(1)
    let_go(house, ONE)
    event = load_event("discovery_requested")
    event["detail"] |= {"matter_id": "M-2", "request_id": "R-2"}
    other = house.for_request("M-2", "R-2")
    assert other.open_request(event, "arn:execution:2").outcome == "OPENED"
    return other


def _asked(house: House) -> list[Relock]:
    asked = [read_relock(body, house.evidence.name) for body in house.arrival_queue.bodies]
    return [relock for relock in asked if relock]


def _locks(house: House) -> list[bool]:
    return [stored.is_locked for _, stored in sorted(house.evidence.stored.items())]


def _types(house: House) -> list[str]:
    entries = [json.loads(entry.canonical) for entry in house.conversations.dossier(ONE).entries]
    return [entry["type"] for entry in entries if entry["kind"] == "event"]


def test_a_claim_on_what_was_let_go_sends_all_of_it_to_be_locked_again() -> None:
    house = _let_go()

    plan(house, (1,))

    promise = house.conversations.hold(ONE).promise
    assert promise == Promise(HoldState.RELOCKING, 1, 2)
    receipts = house.conversations.dossier(ONE).receipts
    assert {relock.version for relock in _asked(house)} == {receipt.version for receipt in receipts}
    assert {(relock.cause, relock.epoch) for relock in _asked(house)} == {(RelockCause.CLAIMED, 2)}
    assert _locks(house) == [False, False]


def test_it_is_kept_when_the_last_lock_is_read_back_and_not_before() -> None:
    house = _let_go()
    plan(house, (1,))
    first, second = relock_messages(*_asked(house))
    receipts = house.conversations.all_receipts()

    assert house.secure_objects([first]) == []
    assert sum(_locks(house)) == 1
    assert not house.conversations.hold(ONE).promise.is_kept
    assert house.secure_objects([second]) == []

    assert _locks(house) == [True, True]
    assert house.conversations.hold(ONE).promise == Promise(HoldState.HELD, 1, 2)
    assert house.conversations.all_receipts() == receipts, "receipts never change"
    assert _types(house)[-1] == EventType.RELOCKED
    before = house.observable()
    assert house.secure_objects([first, second]) == []
    assert house.observable() == before


def test_nothing_of_it_counts_until_then() -> None:
    house = _let_go()
    plan(house, (1,))
    end_job(house, total=1)
    deliver(house, 1)

    waiting = house.reconcile()
    house.secure_objects(relock_messages(*_asked(house)))
    done = house.reconcile(waiting)

    assert (waiting.done, waiting.outstanding) == (False, 1)
    assert done.done


def test_what_is_never_locked_again_is_missing_in_the_end() -> None:
    house = _let_go()
    plan(house, (1,))
    end_job(house, total=1)
    house.clock.forward(timedelta(days=2))
    assert house.reconcile().done
    house.plan_holds()
    house.place_holds()
    house.confirm_holds()

    sealed = house.seal_custody()

    assert sealed.verdict == "INCOMPLETE"
    assert sealed.summary["by_reason"] == {"lock_pending": 2}, "a recording and its conversation"


def test_a_conversation_without_objects_needs_no_lock() -> None:
    house = opened()
    lift = house.conversations.begin_lift(ONE, lease_until=NOON)
    assert lift
    house.conversations.lifted(ONE, lift.promise.epoch, ReleaseId("L-1"), NOON)

    plan(house, (1,))

    assert house.arrival_queue.bodies == []
    assert house.conversations.hold(ONE).promise == Promise(HoldState.HELD, 1, 2)


def test_killed_before_any_effect_the_repeat_asks_again_and_the_promise_is_kept() -> None:
    for step in count(1):
        house = _let_go()
        house.effects.crash_before = len(house.effects.log) + step
        was_killed = False
        try:
            plan(house, (1,))
            house.secure_objects(relock_messages(*_asked(house)))
        except Killed:
            was_killed = True
        house.effects.crash_before = None
        assert not house.conversations.hold(ONE).promise.is_kept or _locks(house) == [True, True]

        house.batches.records.clear()
        plan(house, (1,))
        house.secure_objects(relock_messages(*_asked(house)))

        assert house.conversations.hold(ONE).promise.is_kept
        assert _locks(house) == [True, True]
        if not was_killed:
            break
    assert step > 6


def test_what_could_not_be_locked_or_read_back_is_delivered_again() -> None:
    house = _let_go()
    plan(house, (1,))
    asked = _asked(house)
    gone = replace(asked[0].version, version_id="v9")
    bodies = relock_messages(*asked, replace(asked[0], version=gone))
    house.patience = Patience(0)

    in_no_time = house.secure_objects(bodies)
    house.patience = Patience()
    in_time = house.secure_objects(bodies)

    assert in_no_time == ["relock-0", "relock-1", "relock-2"]
    assert in_time == ["relock-2"]
    assert house.conversations.hold(ONE).promise.is_kept


def test_a_lock_that_somebody_took_off_between_is_not_read_back_as_on() -> None:
    house = _let_go()
    plan(house, (1,))
    first, second = _asked(house)
    house.secure_objects(relock_messages(first))
    house.evidence.at(first.version).is_locked = False

    house.secure_objects(relock_messages(second))

    assert not house.conversations.hold(ONE).promise.is_kept
    assert house.secure_objects(relock_messages(first)) == []
    assert house.conversations.hold(ONE).promise.is_kept


def test_a_message_of_an_earlier_epoch_locks_and_promises_nothing() -> None:
    house = _let_go()
    plan(house, (1,))
    stale = [replace(relock, epoch=relock.epoch - 1) for relock in _asked(house)]

    assert house.secure_objects(relock_messages(*stale)) == []

    assert _locks(house) == [True, True]
    assert house.conversations.hold(ONE).promise.state is HoldState.RELOCKING


def test_a_drift_is_repaired_with_one_event_though_the_receipt_is_there() -> None:
    house = planned((1,))
    deliver(house, 1)
    version = house.conversations.all_receipts()[0].version
    house.evidence.at(version).is_locked = False
    drift = Relock(version, RelockCause.DRIFT, 0, NOON)

    assert house.secure_objects(relock_messages(drift)) == []
    before = house.observable()
    assert house.secure_objects(relock_messages(drift, drift)) == []

    assert _locks(house) == [True, True]
    assert house.observable() == before
    assert _types(house).count("drift_repaired") == 1


def test_a_stray_is_locked_again_like_everything_else() -> None:
    house = House()
    stray = house.evidence.put("what is this")
    house.secure_objects(messages(house, stray))
    house.evidence.at(stray).is_locked = False

    claimed = Relock(stray, RelockCause.CLAIMED, 0, NOON)
    assert house.secure_objects(relock_messages(claimed)) == []

    assert house.evidence.at(stray).is_locked


def test_arrivals_and_relocks_share_a_batch_and_a_bad_one_stops_nobody() -> None:
    house = _let_go()
    plan(house, (1,))
    arrived = upload(house, 2)
    broken = Relock(ObjectVersion(house.evidence.name, "gone", "v1", 1), RelockCause.DRIFT, 0, NOON)

    failed = house.secure_objects([*messages(house, *arrived), *relock_messages(broken, *_asked(house))])

    assert failed == ["relock-0"]
    assert all(_locks(house))
    assert house.conversations.hold(ONE).promise.is_kept
    assert len(house.conversations.dossier(conversation_id(2)).receipts) == 2


# --- parked


def _parked(house: House, *relocks: Relock) -> list[ParkedMessage]:
    house.park_messages(relock_messages(*relocks))
    return list(house.parking.parked())


def test_a_lock_that_was_never_set_is_parked_and_stands_against_its_matter() -> None:
    house = _let_go()
    plan(house, (1,))
    (first, second) = _asked(house)
    (message,) = _parked(house, first)
    end_job(house, total=1)
    house.secure_objects(relock_messages(second))
    house.clock.forward(timedelta(days=2))
    assert house.reconcile().done

    assert message.kind is ParkedKind.RELOCK
    assert message.conversation_id == ONE
    redriven = house.redrive_parked()
    assert redriven.redriven == 1
    assert house.arrival_queue.bodies[-1] == write_relock(first)
    assert house.secure_objects(relock_messages(first)) == []
    assert house.redrive_parked().closed == 1


def test_a_drift_that_comes_again_is_parked_again_beside_the_one_that_is_done() -> None:
    house = planned((1,))
    deliver(house, 1)
    version = house.conversations.all_receipts()[0].version
    first, second = (Relock(version, RelockCause.DRIFT, 0, NOON + timedelta(hours=hour)) for hour in (0, 1))
    _parked(house, first)
    house.secure_objects(relock_messages(first))
    house.redrive_parked()

    (message,) = _parked(house, second)

    assert message.body == write_relock(second)
    assert house.redrive_parked().redriven == 1


def test_what_is_parked_as_a_lock_and_asks_for_none_is_a_defect() -> None:
    house = House()
    version = ObjectVersion("b", "k", "v", 1)
    house.parking.park(ParkedMessage("1", "why", NOON, "{}", ParkedKind.RELOCK, version))

    with pytest.raises(LedgerRuleBroken, match="expected RELOCK#"):
        house.redrive_parked()
