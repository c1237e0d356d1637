"""PlaceHolds and ConfirmHolds."""

import json

import pytest

from holdfast.domain.ids import ConversationId, MatterId, RequestId, batch_id
from holdfast.domain.reconciliation import Reason
from holdfast.domain.states import PlatformHold, RequestState
from holdfast.errors import PlatformAnswerLost, PlatformThrottled
from holdfast.ports import Claim, Counter, PlatformHoldRecord, RefusalKind
from holdfast.steps.confirm_holds import LOOK_AGAIN_S, MAX_LOOKS
from holdfast.steps.hold_chunks import ALL_DONE
from holdfast.steps.place_holds import MAX_CHUNKS, MAX_CONFLICTS, MOST_CONFLICT_PAUSES
from tests.fakes.effects import Killed
from tests.fakes.house import MATTER, House, Patience
from tests.fakes.story import (
    conversation_id,
    conversations,
    deliver,
    end_job,
    held,
    let_go,
    planned,
    reconciled,
)

ANOTHER = MatterId("M-another")
ONE, TWO, THREE = (conversation_id(number) for number in (1, 2, 3))


def _standing(house: House, cid: ConversationId) -> tuple[PlatformHold | None, str | None]:
    hold = house.conversations.dossier(cid).hold_for(MATTER)
    return (hold.state, hold.reason) if hold else (None, None)


def _place_all(house: House) -> list[int]:
    """Call as the workflow does; answers the waits."""
    waits, progress = [], house.place_holds()
    while not progress.done:
        waits.append(progress.wait_s)
        progress = house.place_holds(progress)
    return waits


def _confirm_all(house: House) -> list[int]:
    waits, progress = [], house.confirm_holds()
    while not progress.done:
        waits.append(progress.wait_s)
        progress = house.confirm_holds(progress)
    return waits


def test_every_conversation_is_placed_and_only_what_is_read_back_is_held() -> None:
    house = reconciled(1, 2)

    assert house.place_holds().done
    assert _standing(house, ONE) == (PlatformHold.PLACING, None)
    asked = house.request.state
    assert house.confirm_holds().done

    assert house.holds.protected == {ONE, TWO}
    assert _standing(house, ONE) == (PlatformHold.HELD, None)
    assert (asked, house.request.state) == (RequestState.RECONCILED, RequestState.HELD)
    assert house.telemetry.counts[Counter.CONVERSATIONS_HELD] == 2
    entries = [json.loads(entry.canonical) for entry in house.conversations.dossier(ONE).entries]
    assert [entry["type"] for entry in entries if entry["kind"] == "event"] == ["claimed", "held_at_platform"]


def test_what_was_protected_before_we_asked_is_never_ours() -> None:
    house = reconciled(1, 2)
    house.holds.protected.add(ONE)

    _place_all(house)
    _confirm_all(house)

    assert _standing(house, ONE) == (PlatformHold.PRE_EXISTING, None)
    assert _standing(house, TWO) == (PlatformHold.HELD, None)
    assert house.holds.placed == [[TWO]]


def test_the_intent_is_written_before_the_platform_is_asked() -> None:
    house = reconciled(1)
    house.holds.failures = [None, Killed("before the call")]

    with pytest.raises(Killed):
        house.place_holds()

    assert _standing(house, ONE) == (PlatformHold.PLACING, None)
    assert house.holds.protected == set()


def test_a_crash_after_asking_does_not_make_our_own_hold_look_pre_existing() -> None:
    house = reconciled(1)
    house.holds.failures = [None, Killed("before the call")]
    with pytest.raises(Killed):
        house.place_holds()
    house.holds.protected.add(ONE)  # the call had arrived all the same

    _place_all(house)
    _confirm_all(house)

    assert _standing(house, ONE) == (PlatformHold.HELD, None)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (RefusalKind.CAP_REACHED, Reason.PLATFORM_CAP),
        (RefusalKind.OTHER, Reason.HOLD_REFUSED),
        (RefusalKind.NOT_FOUND, Reason.HOLD_REFUSED),
    ],
)
def test_a_refusal_is_recorded_for_its_conversation_alone(kind: RefusalKind, reason: Reason) -> None:
    house = reconciled(1, 2)
    house.holds.refusing = {ONE: kind}

    _place_all(house)
    _confirm_all(house)

    assert _standing(house, ONE) == (PlatformHold.REFUSED, reason)
    assert _standing(house, TWO) == (PlatformHold.HELD, None)
    assert house.telemetry.counts[Counter.EXCEPTIONS] == 1


def test_a_conversation_of_which_nothing_ever_arrived_has_no_recording_to_protect() -> None:
    house = planned((1, 2))
    end_job(house, total=1)
    deliver(house, 1)
    house.reconcile()
    house.holds.refusing = {TWO: RefusalKind.NOT_FOUND}

    _place_all(house)

    assert _standing(house, TWO) == (PlatformHold.REFUSED, Reason.NO_RECORDING)


def test_the_cap_leaves_the_others_to_the_lock_alone() -> None:
    house = reconciled(1, 2, 3)
    house.holds.cap = 2

    _place_all(house)
    _confirm_all(house)

    assert _standing(house, THREE) == (PlatformHold.REFUSED, Reason.PLATFORM_CAP)
    assert len(house.holds.protected) == 2


def test_a_conflict_that_goes_away_is_tried_again() -> None:
    house = reconciled(1, 2)
    house.holds.conflicts = {ONE: 2}

    waits = _place_all(house)
    _confirm_all(house)

    assert waits == [5, 10]
    assert _standing(house, ONE) == (PlatformHold.HELD, None)


def test_a_conflict_that_stays_is_bounded_and_recorded() -> None:
    house = reconciled(1, 2)
    house.holds.conflicts = {ONE: 1_000}

    waits = _place_all(house)

    assert waits == [5, 10, 20, 40, 80]
    assert len(waits) == MAX_CONFLICTS
    assert _standing(house, ONE) == (PlatformHold.REFUSED, Reason.HOLD_CONFLICT)
    assert _standing(house, TWO) == (PlatformHold.PLACING, None)


def test_a_throttled_chunk_comes_again_and_keeps_its_attempts() -> None:
    house = reconciled(1)
    house.holds.conflicts = {ONE: 1}
    conflicted = house.place_holds()
    house.holds.failures = [PlatformThrottled("PUT", retry_after_s=33)]

    throttled = house.place_holds(conflicted)

    assert (throttled.done, throttled.attempt, throttled.wait_s) == (False, 1, 33)
    assert (throttled.batch, throttled.offset) == (0, 0)
    assert house.place_holds(throttled).done


def test_chunks_are_no_larger_than_the_platform_takes_and_go_on_over_batches() -> None:
    house = planned((1, 2, 3), (4, 5), ())
    house.holds.chunk_size = 2

    _place_all(house)

    assert [len(chunk) for chunk in house.holds.placed] == [2, 1, 2]


def test_when_time_runs_out_the_next_call_goes_on_at_its_chunk() -> None:
    house = planned((1, 2, 3), (4, 5))
    house.holds.chunk_size = 1
    house.patience = Patience(0)
    cursors, progress = [], house.place_holds()
    while not progress.done:
        cursors.append((progress.batch, progress.offset))
        progress = house.place_holds(progress)

    assert cursors == [(0, 1), (0, 2), (1, 0), (1, 1)]
    assert len(house.holds.placed) == 5


def test_one_call_places_and_confirms_a_bounded_number_of_chunks() -> None:
    house = planned(range(1, MAX_CHUNKS + 2))
    house.holds.chunk_size = 1

    assert (house.place_holds().offset, len(house.holds.placed)) == (MAX_CHUNKS, MAX_CHUNKS)
    _place_all(house)
    assert house.confirm_holds().offset == MAX_CHUNKS


def test_what_another_request_holds_already_is_not_placed_again() -> None:
    house = held(1, 2)
    placed = len(house.holds.placed)

    house.place_holds()
    house.confirm_holds()

    assert len(house.holds.placed) == placed


def test_a_refusal_of_long_ago_is_asked_for_again() -> None:
    house = reconciled(1)
    house.holds.refusing = {ONE: RefusalKind.CAP_REACHED}
    _place_all(house)
    house.holds.refusing = {}

    _place_all(house)
    _confirm_all(house)

    assert _standing(house, ONE) == (PlatformHold.HELD, None)


def test_what_does_not_show_after_three_looks_is_refused() -> None:
    house = reconciled(1, 2)
    house.holds.invisible = {ONE}
    house.place_holds()

    waits = _confirm_all(house)

    assert waits == [LOOK_AGAIN_S] * (MAX_LOOKS - 1)
    assert _standing(house, ONE) == (PlatformHold.REFUSED, Reason.HOLD_NOT_CONFIRMED)
    assert _standing(house, TWO) == (PlatformHold.HELD, None)
    assert house.telemetry.counts[Counter.CONVERSATIONS_HELD] == 1


def test_what_shows_late_is_held() -> None:
    house = reconciled(1)
    house.holds.invisible = {ONE}
    house.place_holds()
    progress = house.confirm_holds()
    house.holds.invisible = set()

    assert house.confirm_holds(progress).done
    assert _standing(house, ONE) == (PlatformHold.HELD, None)


def test_an_accepted_hold_on_nothing_is_no_reason_to_look_again() -> None:
    house = planned((1,))
    house.holds.invisible = {ONE}
    house.place_holds()
    end_job(house)
    house.reconcile()

    assert house.confirm_holds().done
    assert _standing(house, ONE) == (PlatformHold.REFUSED, Reason.NO_RECORDING)


def test_confirming_goes_on_where_time_ran_out_and_where_it_was_throttled() -> None:
    house = reconciled(1, 2, 3)
    house.holds.chunk_size = 1
    _place_all(house)
    house.patience = Patience(0)
    first = house.confirm_holds()
    house.holds.failures = [PlatformThrottled("POST", retry_after_s=20)]

    throttled = house.confirm_holds(first)
    house.patience = Patience()
    done = house.confirm_holds(throttled)

    assert (first.offset, throttled.offset, throttled.wait_s) == (1, 1, 20)
    assert done.done
    assert house.telemetry.counts[Counter.CONVERSATIONS_HELD] == 3


def test_after_a_lost_answer_the_holds_are_read_back_before_they_are_placed_again() -> None:
    house = reconciled(1, 2)
    house.holds.failures = [None, PlatformAnswerLost("POST holds: no answer")]
    with pytest.raises(PlatformAnswerLost):
        house.place_holds()
    house.holds.protected.add(ONE)  # one took effect all the same

    _place_all(house)
    _confirm_all(house)

    assert house.holds.placed == [[TWO]]
    assert _standing(house, ONE) == _standing(house, TWO) == (PlatformHold.HELD, None)


def _held_for_another(house: House) -> None:
    """Let another matter's hold on the first conversation stand, confirmed."""
    house.holds.is_per_matter = True
    house.conversations.claim(
        Claim(ANOTHER, RequestId("R-9"), batch_id(1, 0), conversations(1)[0], house.clock.now())
    )
    house.holds.protected.add(ONE)
    house.holds.references.add((ONE, ANOTHER))
    house.conversations.mark_platform_hold([ONE], ANOTHER, PlatformHold.PLACING)
    assert house.conversations.confirm_platform_hold(ONE, ANOTHER, house.clock.now())


def test_where_holds_are_per_matter_a_second_one_is_placed_and_confirmed_for_itself() -> None:
    house = reconciled(1, 2)
    _held_for_another(house)

    _place_all(house)
    intent = house.conversations.dossier(ONE).hold_for(MATTER)
    _confirm_all(house)

    assert house.holds.placed == [[ONE, TWO]]
    assert (ONE, MATTER) in house.holds.references
    assert intent == PlatformHoldRecord(PlatformHold.PLACING)
    assert _standing(house, ONE) == _standing(house, TWO) == (PlatformHold.HELD, None)
    dossier = house.conversations.dossier(ONE)
    events = [json.loads(entry.canonical) for entry in dossier.entries if b"held_at" in entry.canonical]
    assert {event["matter_id"] for event in events} == {ANOTHER, MATTER}
    assert house.telemetry.counts[Counter.CONVERSATIONS_HELD] == 2


def test_where_holds_are_per_matter_a_refusal_is_not_covered_by_the_hold_of_another() -> None:
    house = reconciled(1, 2)
    _held_for_another(house)
    house.holds.refusing = {ONE: RefusalKind.OTHER}

    _place_all(house)
    _confirm_all(house)

    assert _standing(house, ONE) == (PlatformHold.REFUSED, Reason.HOLD_REFUSED)
    sealed = house.seal_custody()
    assert (sealed.verdict, sealed.summary["by_reason"]) == ("INCOMPLETE", {"hold_refused": 1})


def test_where_holds_are_per_matter_what_does_not_show_under_our_reference_is_not_held() -> None:
    house = reconciled(1)
    _held_for_another(house)
    _place_all(house)
    house.holds.references.remove((ONE, MATTER))

    _confirm_all(house)

    assert _standing(house, ONE) == (PlatformHold.REFUSED, Reason.HOLD_NOT_CONFIRMED)


def test_where_holds_are_per_matter_what_stands_is_not_placed_again() -> None:
    house = reconciled(1)
    house.holds.is_per_matter = True
    _place_all(house)
    _confirm_all(house)

    _place_all(house)
    _confirm_all(house)

    assert house.holds.placed == [[ONE]]
    assert house.telemetry.counts[Counter.CONVERSATIONS_HELD] == 1


# --- a run's patience


def test_a_run_that_met_many_conflicts_waits_for_no_more() -> None:
    house = reconciled(1, 2)
    house.holds.conflicts = {ONE: 1_000}
    spent = ALL_DONE.model_copy(update={"conflicts": MOST_CONFLICT_PAUSES})

    assert house.place_holds(spent).done
    assert _standing(house, ONE) == (PlatformHold.REFUSED, Reason.HOLD_CONFLICT)


def test_the_pauses_for_conflicts_are_counted_through_the_whole_run() -> None:
    house = planned((1, 2))
    house.holds.chunk_size = 1
    house.holds.conflicts = {ONE: 1, TWO: 1}

    first = house.place_holds()
    house.holds.failures = [PlatformThrottled("PUT", retry_after_s=33)]
    throttled = house.place_holds(first)
    house.patience = Patience(0)
    cut_off = house.place_holds(throttled)
    second = house.place_holds(cut_off)

    assert [one.conflicts for one in (first, throttled, cut_off, second)] == [1, 1, 1, 2]


def test_a_pause_for_one_chunk_is_a_pause_for_all_that_were_placed() -> None:
    house = reconciled(1, 2)
    house.holds.chunk_size = 1
    house.holds.invisible = {ONE, TWO}
    _place_all(house)

    waits = _confirm_all(house)

    assert waits == [LOOK_AGAIN_S] * (MAX_LOOKS - 1)
    for conversation in (ONE, TWO):
        assert _standing(house, conversation) == (PlatformHold.REFUSED, Reason.HOLD_NOT_CONFIRMED)


def test_a_run_that_has_waited_and_is_cut_off_does_not_wait_again() -> None:
    house = reconciled(1, 2)
    house.holds.chunk_size = 1
    house.holds.invisible = {ONE, TWO}
    _place_all(house)
    waited = ALL_DONE.model_copy(update={"attempt": MAX_LOOKS - 1})
    house.patience = Patience(0)

    cut_off = house.confirm_holds(waited)

    assert (cut_off.done, cut_off.offset, cut_off.attempt) == (False, 1, MAX_LOOKS - 1)
    assert house.confirm_holds(cut_off).done


def test_a_run_that_comes_after_a_release_asks_for_nothing_that_was_let_go() -> None:
    house = reconciled(1, 2)
    let_go(house, ONE)

    _place_all(house)

    assert house.holds.placed == [[TWO]]
    assert house.conversations.hold(ONE).platform is None
