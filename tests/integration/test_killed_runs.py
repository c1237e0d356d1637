"""A run that is killed between any two of its steps, and sent again: nothing is lost, nothing is doubled."""

from collections.abc import Callable

import pytest

from holdfast.domain.custody import EventType
from holdfast.domain.ids import attempt_of
from holdfast.domain.states import RequestState
from holdfast.ports import SlotOwner
from tests.fakes.effects import Killed
from tests.integration import test_compliance_runs, test_platform_runs
from tests.integration.rehearsal import Ended, Rehearsal

type Making = Callable[[], Rehearsal]


def platform() -> Rehearsal:
    us = test_platform_runs.run_of(
        test_platform_runs.group("calls", 5),
        test_platform_runs.group("poisoned", 3),
        faults={"recordings": [{"group": "poisoned", "poison": 1}]},
    )
    us.house.batch_size = 4
    return us


def compliance() -> Rehearsal:
    calls = test_compliance_runs.group("calls", 4, "voice")
    chats = test_compliance_runs.group("chats", 3, "chat")
    return test_compliance_runs.rehearsal(calls, chats)


def kill_after(us: Rehearsal, steps: int) -> Ended | None:
    """Run until so many steps have had their effect; None if the run was killed."""
    left = steps

    def die_in_time() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    us.after_step = die_in_time
    try:
        return us.run()
    except Killed:
        standing = us.house.requests.find(us.house.run.matter_id, us.house.run.request_id)
        us.house.runs.broken_off.add(standing.execution_arn if standing else "")
        return None
    finally:
        us.after_step = lambda: None


def steps_of(make: Making) -> int:
    """Count the steps of a run that nobody kills."""
    for steps in range(1, 500):
        if kill_after(make(), steps) is not None:
            return steps - 1
    raise AssertionError("expected a run of fewer than 500 steps")


def check(us: Rehearsal, end: Ended, *, missing: int) -> None:
    """The account is what it would have been, and the world is in order."""
    house = us.house
    expected = len(us.simulator.platform.organisation.conversations)
    assert end.summary["recordings"]["secured"] == expected - missing
    assert end.summary["recordings"]["missing"] == missing
    assert end.summary["conversations"]["expected"] == expected
    assert end.summary["conversations"]["missing"] == 0
    assert all(stored.is_locked for stored in house.evidence.stored.values())
    request = house.requests.read(house.run.matter_id, house.run.request_id)
    assert request.state.is_terminal
    # What a dead attempt holds is taken by whoever needs it.
    holders = [attempt_of(SlotOwner.from_text(slot.owner).batch_id) for slot in house.slots.held()]
    assert request.attempt not in holders
    for conversation_id in us.simulator.platform.organisation.conversations:
        dossier = house.conversations.dossier(conversation_id)  # type: ignore[arg-type] # a UUID
        events = [entry.canonical for entry in dossier.entries]
        for kind in (EventType.CLAIMED, EventType.HELD_AT_PLATFORM):
            assert sum(f'"type":"{kind}"'.encode() in event for event in events) == 1


@pytest.mark.parametrize(("make", "missing"), [(platform, 1), (compliance, 0)])
def test_a_run_that_is_killed_after_any_step_is_taken_over_by_the_same_request(
    make: Making, missing: int
) -> None:
    steps = steps_of(make)
    for killed_after in range(1, steps + 1):
        us = make()
        assert kill_after(us, killed_after) is None

        end = us.run()

        check(us, end, missing=missing)
    assert steps > 20


def test_a_run_that_is_killed_again_and_again_gets_there() -> None:
    us = compliance()
    for killed_after in (2, 9, 14, 20):
        assert kill_after(us, killed_after) is None

    end = us.run()

    assert end.verdict == "PRESERVED"
    check(us, end, missing=0)
    assert us.house.request.state is RequestState.PRESERVED
