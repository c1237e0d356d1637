"""PlanHolds, and what PlaceHolds and ConfirmHolds make of the plan."""

import json
from collections.abc import Sequence
from copy import deepcopy
from datetime import timedelta

import pytest

from holdfast.contracts.steps import HoldsPlanned
from holdfast.domain.ids import ConversationId
from holdfast.domain.reconciliation import Reason
from holdfast.domain.states import BatchState, PlatformHold, RequestState
from holdfast.errors import LedgerRuleBroken, PermissionMissing, PlatformThrottled
from holdfast.ports import Counter, RefusalKind
from holdfast.steps import plan_holds as planning
from holdfast.steps.plan_holds import SPARE
from tests.fakes.house import DEADLINE, JOB_DEADLINE, House, Patience, at
from tests.fakes.story import conversation_id, deliver, end_job, exported, planned, reconciled

DAY = timedelta(days=1)
LEAD = JOB_DEADLINE + DEADLINE


def _ids(*numbers: int) -> list[ConversationId]:
    return [conversation_id(number) for number in numbers]


def _plan(house: House, *, early: bool = False) -> HoldsPlanned:
    """Call as the workflow does."""
    planned = house.plan_holds(early=early)
    while planned.status == "MORE":
        planned = house.plan_holds(planned, early=early)
    return planned


def _apply(house: House, *, early: bool = False) -> HoldsPlanned:
    """Run the whole machine."""
    planned = _plan(house, early=early)
    if planned.status == "PLANNED":
        for step in (house.place_holds, house.confirm_holds):
            progress = step(None, plan_key=planned.plan_key, early=early)
            while not progress.done:
                progress = step(progress, plan_key=planned.plan_key, early=early)
    return planned


def _standing(house: House, *numbers: int) -> list[str | None]:
    """Tell the state of each, or the reason of its refusal."""
    holds = house.conversations.platform_holds(_ids(*numbers), None)
    return [(hold.reason or hold.state) if hold else None for hold in holds.values()]


def _listed(house: House, planned: HoldsPlanned) -> list[list[ConversationId]]:
    lists = json.loads(house.files.files[planned.plan_key])["lists"]
    return [one["conversation_ids"] for one in lists]


def _others_protect(house: House, count: int) -> None:
    """Let others protect conversations of which we know nothing."""
    house.holds.protected |= {ConversationId(f"another-{number}") for number in range(count)}


def _deleted_in(house: House, *dated: tuple[int, timedelta]) -> None:
    now = house.clock.now()
    house.deletions.delete_dates = sorted(
        ((conversation_id(number), now + after) for number, after in dated), key=lambda one: one[1]
    )


def _short(house: House) -> None:
    """Let conversations 1 to 5 be exported, of which 4 fails."""
    end_job(house, total=5, failed=[(4, 0)])
    for number in (1, 2, 3, 5):
        deliver(house, number)
    assert house.reconcile().done


def test_where_there_is_room_everyone_is_held_and_nobody_asks_for_delete_dates() -> None:
    house = reconciled(1, 2, 3)

    plan = _apply(house)

    assert _standing(house, 1, 2, 3) == [PlatformHold.HELD] * 3
    assert house.deletions.queries == []
    assert _listed(house, plan)[0] == _ids(1, 2, 3)
    assert house.request.state is RequestState.HELD


def test_where_no_cap_is_known_there_is_no_plan_and_nothing_is_early() -> None:
    house = reconciled(1, 2)
    house.holds.cap, house.holds.is_per_matter = None, True
    _deleted_in(house, (1, DAY))

    plans = [_plan(house, early=early) for early in (False, True)]
    _apply(house)

    assert [(plan.status, plan.plan_key) for plan in plans] == [("PLANNED", ""), ("NOTHING", "")]
    assert house.deletions.queries == []
    assert house.holds.placed == [_ids(1, 2)]


def test_beyond_the_cap_what_s3_lacks_comes_first_then_what_is_deleted_soonest_then_the_rest() -> None:
    house = planned((1, 2, 3, 4, 5))
    _short(house)
    house.holds.cap = 3
    _deleted_in(house, (5, 20 * DAY), (3, 200 * DAY))

    plan = _apply(house)

    assert _listed(house, plan)[:2] == [_ids(4, 5, 3), _ids(1, 2)]
    assert _standing(house, 1, 2, 3, 4, 5) == [
        Reason.PLATFORM_CAP,
        Reason.PLATFORM_CAP,
        PlatformHold.HELD,
        PlatformHold.HELD,
        PlatformHold.HELD,
    ]
    assert house.holds.placed == [_ids(4, 5, 3), _ids(1, 2)]


def test_where_others_protect_more_than_we_know_the_best_are_protected_all_the_same() -> None:
    house = planned((1, 2, 3, 4, 5))
    _short(house)
    house.holds.cap = 7
    _others_protect(house, 6)

    _apply(house)

    assert _standing(house, 4) == [PlatformHold.HELD]
    assert _standing(house, 1, 2, 3, 5) == [Reason.PLATFORM_CAP] * 4


def test_the_verdict_says_how_many_stand_on_the_lock_alone_and_lists_each() -> None:
    house = reconciled(1, 2, 3)
    house.holds.cap = 1
    _apply(house)

    sealed = house.seal_custody()

    assert sealed.verdict == "PRESERVED"
    assert sealed.summary["by_reason"] == {"platform_cap": 2}
    assert sealed.headline.endswith(" 2 of the conversations stand on the S3 lock alone.")
    lines = house.records.files[str(sealed.summary["exceptions"]["key"])].splitlines()  # type: ignore[index] # it is a mapping
    assert [json.loads(line)["conversation_id"] for line in lines] == _ids(2, 3)


def test_what_we_hold_already_is_counted_once_and_leaves_less_room() -> None:
    house = reconciled(1, 2, 3)
    house.holds.cap = 2
    house.conversations.mark_platform_hold(_ids(3), None, PlatformHold.PLACING)
    house.holds.protected.update(_ids(3))
    for _ in range(2):
        house.conversations.confirm_platform_hold(conversation_id(3), None, house.clock.now())

    plan = _apply(house)

    assert house.conversations.held_for_all() == {conversation_id(3), conversation_id(1)}
    assert _listed(house, plan)[0] == _ids(1)
    assert house.telemetry.counts[Counter.PROTECTION_CAP_USED] == 50
    assert _standing(house, 1, 2, 3) == [PlatformHold.HELD, Reason.PLATFORM_CAP, PlatformHold.HELD]


def test_a_full_platform_is_asked_for_one_chunk_more_and_then_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(planning, "SPARE", 2)
    house = planned(tuple(range(1, 10)))
    end_job(house, total=9)
    for number in range(1, 10):
        deliver(house, number)
    house.reconcile()
    house.holds.cap, house.holds.chunk_size = 2, 2

    _apply(house)

    assert house.holds.placed == [_ids(1, 2), _ids(3, 4)]
    assert _standing(house, 1, 2) == [PlatformHold.HELD] * 2
    assert _standing(house, *range(3, 10)) == [Reason.PLATFORM_CAP] * 7
    assert house.telemetry.counts[Counter.EXCEPTIONS] == 7


def test_without_a_plan_too_nothing_new_is_asked_once_the_platform_is_full() -> None:
    house = reconciled(1, 2, 3, 4)
    house.holds.cap, house.holds.chunk_size = 1, 1
    house.holds.protected.update(_ids(4))
    house.patience = Patience(0)

    progress = house.place_holds()
    while not progress.done:
        progress = house.place_holds(progress)

    assert house.holds.placed == [_ids(1)]
    assert _standing(house, 2, 3) == [Reason.PLATFORM_CAP] * 2
    assert _standing(house, 4) == [PlatformHold.PRE_EXISTING]


def test_a_throttled_or_conflicting_chunk_does_not_forget_that_the_platform_is_full() -> None:
    house = reconciled(1, 2, 3)
    house.holds.cap, house.holds.chunk_size = 1, 1
    house.holds.refusing = {conversation_id(1): RefusalKind.CAP_REACHED}
    house.holds.failures = [None, None, PlatformThrottled("POST", retry_after_s=3)]

    throttled = house.place_holds()
    house.conversations.mark_platform_hold(_ids(2), None, PlatformHold.PLACING)
    house.holds.conflicts = {conversation_id(2): 1}
    conflicting = house.place_holds(throttled)

    assert (throttled.is_full, conflicting.is_full, conflicting.attempt) == (True, True, 1)


def test_an_intent_that_stands_is_always_followed_by_the_question() -> None:
    house = reconciled(1, 2, 3)
    house.holds.cap = 1
    house.conversations.mark_platform_hold(_ids(3), None, PlatformHold.PLACING)

    _apply(house)

    assert _standing(house, 1, 2, 3) == [PlatformHold.HELD, Reason.PLATFORM_CAP, Reason.PLATFORM_CAP]
    assert house.holds.placed[-1] == _ids(2, 3)


def test_beyond_the_plan_what_is_protected_by_chance_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SPARE", 0)
    house = reconciled(1, 2, 3)
    house.holds.cap = 2
    house.holds.protected.update(_ids(3))

    _apply(house)

    assert _standing(house, 1, 2, 3) == [PlatformHold.HELD, Reason.PLATFORM_CAP, PlatformHold.PRE_EXISTING]


def test_beyond_the_plan_nobody_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SPARE", 0)
    house = reconciled(1, 2, 3)
    house.holds.cap = 2

    _apply(house)

    assert house.holds.placed == [_ids(1, 2)]
    assert _standing(house, 3) == [Reason.PLATFORM_CAP]


def test_of_a_batch_without_an_account_nobody_is_left_out() -> None:
    house = planned((1, 2))
    house.holds.cap = 1

    plan = _plan(house)

    assert _listed(house, plan)[:2] == [_ids(1), _ids(2)]


def test_of_very_many_beyond_the_plan_it_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planning, "SPARE", 0)
    monkeypatch.setattr(planning, "READ_BACK_MOST", 2)
    house = reconciled(1, 2, 3)
    house.holds.cap = 1
    house.holds.protected.update(_ids(3))

    _apply(house)

    assert _standing(house, 2, 3) == [Reason.PLATFORM_CAP] * 2
    assert _standing(house, 1) == [Reason.PLATFORM_CAP], "somebody else has the only place"


def test_a_conversation_without_a_recording_takes_nobodys_place() -> None:
    house = planned((1, 2, 3))
    end_job(house, total=2)
    for number in (2, 3):
        deliver(house, number)
    assert house.reconcile().done
    house.holds.cap = 1

    plan = _apply(house)

    assert _listed(house, plan)[:2] == [_ids(2), _ids(3)]
    assert _standing(house, 1, 2, 3) == [Reason.NO_RECORDING, PlatformHold.HELD, Reason.PLATFORM_CAP]
    assert conversation_id(1) not in [cid for chunk in house.holds.placed for cid in chunk]


def test_where_there_is_room_the_platform_itself_says_that_there_is_nothing_to_protect() -> None:
    house = planned((1, 2))
    end_job(house, total=1)
    deliver(house, 2)
    assert house.reconcile().done
    house.holds.refusing = {conversation_id(1): RefusalKind.NOT_FOUND}

    _apply(house)

    assert _standing(house, 1, 2) == [Reason.NO_RECORDING, PlatformHold.HELD]
    assert house.holds.placed == [_ids(2), _ids(1)]


def test_batches_whose_jobs_broke_off_come_first() -> None:
    house = planned((1, 2), (3, 4))
    end_job(house, 0, total=2)
    for number in (1, 2):
        deliver(house, number)
    end_job(house, 1, state=BatchState.FAILED)
    house.clock.forward(DEADLINE)
    assert house.reconcile().done
    house.holds.cap = 2

    _apply(house)

    assert _standing(house, 1, 2, 3, 4) == [Reason.PLATFORM_CAP] * 2 + [PlatformHold.HELD] * 2


def test_planning_goes_on_batch_by_batch_and_page_by_page_where_time_ran_out() -> None:
    house = planned((1, 2), (3, 4), (5,))
    _three_batches(house)
    house.holds.cap = 2
    _deleted_in(house, (5, DAY), (9, DAY), (4, 2 * DAY), (1, 3 * DAY))
    at_once = _listed(house, _plan(house))
    house.patience = Patience(0)
    house.deletions.queries.clear()

    statuses, plan = ["MORE"], house.plan_holds()
    while plan.status == "MORE":
        statuses.append(plan.status)
        plan = house.plan_holds(plan)

    assert _listed(house, plan) == at_once
    assert at_once[0] == _ids(5, 4)
    assert len(statuses) > 3
    assert [cursor for _, cursor in house.deletions.queries] == [None, "2"]


def _three_batches(house: House) -> None:
    for index, numbers in enumerate(((1, 2), (3, 4), (5,))):
        end_job(house, index, total=len(numbers))
        for number in numbers:
            deliver(house, number)
    assert house.reconcile().done


@pytest.mark.parametrize(
    ("now", "days"),
    [("2026-04-09T00:00:00+00:00", 1), ("2026-04-08T23:59:59+00:00", 0), ("2026-03-05T00:00:00+00:00", 0)],
)
def test_what_is_younger_than_anything_in_scope_need_not_be_read(now: str, days: int) -> None:
    """The scope ends on 8 March; a conversation in it may last for a month."""
    house = planned((1,))
    house.clock.forward(at(now) - house.clock.now())

    house.plan_holds(early=True)

    assert house.deletions.queries == [(days, None)]


def test_planning_that_is_throttled_waits_as_it_is_told_and_loses_nothing() -> None:
    house = reconciled(1, 2, 3)
    house.holds.cap = 1
    _deleted_in(house, (2, DAY), (1, 2 * DAY), (3, 3 * DAY))
    house.patience = Patience(0)
    first = house.plan_holds()
    house.deletions.failures = [PlatformThrottled("GET", retry_after_s=42)]

    throttled = house.plan_holds(first)
    house.patience = Patience()
    plan = house.plan_holds(throttled)

    assert (throttled.status, throttled.wait_s, throttled.page) == ("MORE", 42, first.page)
    assert _listed(house, plan)[0] == _ids(2)
    assert house.telemetry.counts[Counter.THROTTLES] == 1


def test_a_platform_that_tells_no_delete_dates_is_asked_to_protect_all_the_same() -> None:
    house = reconciled(1, 2, 3)
    house.holds.cap = 2
    house.deletions.failures = [PermissionMissing("GET: 403", permissions=("recording:recording:view",))]

    _apply(house)

    assert _standing(house, 1, 2, 3) == [PlatformHold.HELD] * 2 + [Reason.PLATFORM_CAP]
    assert len(house.deletions.queries) == 1
    assert "delete_dates_unknown" in house.telemetry.events()


def test_a_machine_that_runs_again_changes_nothing() -> None:
    house = reconciled(1, 2, 3)
    house.holds.cap = 2
    first = _apply(house)
    plan, folders = _listed(house, first), deepcopy(house.conversations.folders)

    second = _apply(house)

    assert second.plan_key == first.plan_key
    assert plan[0] == _ids(1, 2)
    assert _listed(house, second) == [[], _ids(3)], "what is held already needs no place"
    assert house.conversations.folders == folders


def test_a_plan_that_is_not_there_is_an_error_and_no_empty_plan() -> None:
    house = reconciled(1)

    with pytest.raises(LedgerRuleBroken, match=r"holds/nowhere\.json"):
        house.place_holds(None, plan_key="holds/nowhere.json")


# --- early


def test_what_would_be_deleted_before_it_can_be_delivered_is_held_before_the_export() -> None:
    house = planned((1, 2, 3))
    _deleted_in(house, (3, LEAD), (1, LEAD + timedelta(seconds=1)), (8, DAY))

    plan = _apply(house, early=True)

    assert _listed(house, plan)[0] == _ids(3)
    assert _standing(house, 1, 2, 3) == [None, None, PlatformHold.HELD]
    assert house.request.state is RequestState.OPEN
    assert [cursor for _, cursor in house.deletions.queries] == [None, "2"]
    assert house.jobs.jobs == {}
    entries = [json.loads(one.canonical) for one in house.conversations.dossier(conversation_id(3)).entries]
    assert [one["type"] for one in entries] == ["claimed", "held_at_platform"]


def test_the_run_after_the_export_finds_what_was_held_early() -> None:
    house = planned((1, 2))
    _deleted_in(house, (2, DAY))
    _apply(house, early=True)
    end_job(house, total=2)
    for number in (1, 2):
        deliver(house, number)
    house.reconcile()

    _apply(house)

    assert house.holds.placed == [_ids(2), _ids(1)]
    assert _standing(house, 1, 2) == [PlatformHold.HELD] * 2
    assert house.seal_custody().verdict == "PRESERVED"


@pytest.mark.parametrize("dated", [[], [(7, DAY)], [(1, 30 * DAY)]])
def test_when_nothing_is_threatened_nothing_is_planned(dated: Sequence[tuple[int, timedelta]]) -> None:
    house = planned((1, 2))
    _deleted_in(house, *dated)

    plan = house.plan_holds(early=True)

    assert plan.status == "NOTHING"
    assert not [key for key in house.files.files if key.startswith("holds/")]


def test_what_is_held_already_is_not_threatened() -> None:
    house = exported(1, 2)
    _deleted_in(house, (1, DAY))
    _apply(house, early=True)

    assert _plan(house, early=True).status == "NOTHING"


def test_early_too_the_earliest_come_first_when_there_is_not_room_for_all() -> None:
    house = planned((1, 2, 3))
    house.holds.cap = 2
    _deleted_in(house, (1, 3 * DAY), (2, DAY), (3, 2 * DAY))

    _apply(house, early=True)

    assert _standing(house, 1, 2, 3) == [Reason.PLATFORM_CAP, PlatformHold.HELD, PlatformHold.HELD]


def test_early_a_hold_that_does_not_show_at_once_is_looked_for_again() -> None:
    """Nothing has arrived yet, which does not mean that there is nothing."""
    house = planned((1,))
    _deleted_in(house, (1, DAY))
    house.holds.invisible = set(_ids(1))
    plan = _plan(house, early=True)
    house.place_holds(None, plan_key=plan.plan_key, early=True)

    looked = house.confirm_holds(None, plan_key=plan.plan_key, early=True)
    house.holds.invisible = set()
    done = house.confirm_holds(looked, plan_key=plan.plan_key, early=True)

    assert (looked.done, done.done) == (False, True)
    assert _standing(house, 1) == [PlatformHold.HELD]


def test_an_early_run_that_cannot_know_what_is_threatened_fails_and_says_so() -> None:
    house = planned((1,))
    house.deletions.failures = [PermissionMissing("GET: 403", permissions=())]

    with pytest.raises(PermissionMissing):
        house.plan_holds(early=True)


def test_an_early_failure_is_said_in_the_verdict_and_is_nothing_missing() -> None:
    house = reconciled(1, 2)
    _apply(house)

    cause = json.dumps({"Error": "PermissionMissing", "Cause": "PermissionMissing: GET: 403"})
    sealed = house.seal_custody({"Error": "States.TaskFailed", "Cause": cause})

    assert sealed.verdict == "PRESERVED"
    assert sealed.summary["by_reason"] == {"early_protection_failed": 1}
    assert "Early protection failed: PermissionMissing: GET: 403" in sealed.headline


def test_without_an_early_failure_nothing_is_said() -> None:
    house = reconciled(1, 2)
    _apply(house)

    sealed = house.seal_custody({"Error": "", "Cause": ""})

    assert sealed.summary["by_reason"] == {}
    assert sealed.summary["explanations"] == []


def test_one_chunk_more_than_is_left_is_what_a_call_takes() -> None:
    assert House().holds.chunk_size == SPARE
