"""AcquireJobSlot, StartExportJob, ExecuteExportJob, CheckExportJob."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from holdfast.domain.ids import ExportJobId, batch_id
from holdfast.domain.states import BatchState
from holdfast.errors import (
    LedgerRuleBroken,
    PermissionMissing,
    PlatformAnswerLost,
    PlatformNotFound,
    PlatformThrottled,
    PlatformUnavailable,
    UnknownPlatformState,
)
from holdfast.ports import Counter
from holdfast.steps.acquire_job_slot import LEASE
from holdfast.steps.acquire_job_slot import WAIT_S as SLOT_WAIT_S
from holdfast.steps.files import BatchFiles
from holdfast.steps.start_export_job import NO_SLOT_WAIT_S
from tests.fakes.house import EXECUTION, JOB_DEADLINE, MATTER, REQUEST, House, batch_run
from tests.fakes.story import conversation_id, end_job, planned, recording_id, start_job

THROTTLED = PlatformThrottled("POST", retry_after_s=30)
FIRST_JOB, SECOND_JOB = (ExportJobId(str(UUID(int=number))) for number in (1, 2))


def _three_batches() -> House:
    return planned((1,), (2,), (3,))


# --- slots


def test_the_longer_a_slot_is_waited_for_the_rarer_it_is_asked_for() -> None:
    house = planned((1,), (2,), (3,))
    since = house.clock.now()
    for index in range(2):
        assert house.acquire_job_slot(batch_run(index)).acquired
    house.clock.forward(timedelta(minutes=20))

    assert house.acquire_job_slot(batch_run(2), since).wait_s == 120


def test_two_batches_get_slots_and_the_third_waits() -> None:
    house = _three_batches()

    answers = [house.acquire_job_slot(batch_run(index)) for index in range(3)]

    assert [answer.acquired for answer in answers] == [True, True, False]
    assert answers[2].wait_s == SLOT_WAIT_S


def test_who_has_a_slot_keeps_it() -> None:
    house = _three_batches()
    house.acquire_job_slot(batch_run(0))

    assert house.acquire_job_slot(batch_run(0)).acquired
    assert len(house.slots.held()) == 1


def test_an_expired_slot_is_taken_over_only_when_its_job_has_ended() -> None:
    house = _three_batches()
    job_id = start_job(house, 0)
    start_job(house, 1)
    house.clock.forward(LEASE + timedelta(seconds=1))

    refused = house.acquire_job_slot(batch_run(2))
    house.jobs.move(job_id, state=BatchState.FAILED)
    acquired = house.acquire_job_slot(batch_run(2))

    assert (refused.acquired, acquired.acquired) == (False, True)
    assert house.telemetry.events().count("slot_taken_over") == 1


def test_a_slot_whose_lease_runs_is_left_alone_even_if_its_job_has_ended() -> None:
    house = _three_batches()
    job_id = start_job(house, 0)
    start_job(house, 1)
    house.jobs.move(job_id, state=BatchState.FULFILLED)

    assert not house.acquire_job_slot(batch_run(2)).acquired


def test_a_job_that_outlives_its_deadline_is_cancelled_and_frees_its_slot() -> None:
    """Its owner died before it was executed: nobody else would ever end it, and two such end all exports."""
    house = _three_batches()
    job_id = start_job(house, 0)
    other_id = start_job(house, 1)
    house.jobs.move(job_id, state=BatchState.READY)
    house.jobs.move(other_id, state=BatchState.FULFILLED)
    house.clock.forward(LEASE + timedelta(seconds=1))
    house.acquire_job_slot(batch_run(1))
    still_young = house.jobs.read(job_id).state
    house.clock.forward(JOB_DEADLINE)

    house.acquire_job_slot(batch_run(2))
    again = house.acquire_job_slot(batch_run(2))

    assert still_young is BatchState.READY
    assert house.jobs.read(job_id).state is BatchState.CANCELLED
    assert again.acquired
    assert "export_job_abandoned" in house.telemetry.events()


@pytest.mark.parametrize("state", [BatchState.PENDING, BatchState.READY])
def test_the_slot_of_an_attempt_that_was_taken_over_is_free_without_waiting(state: BatchState) -> None:
    """Its run was stopped: nobody will execute its job, and the new run must not wait for the lease."""
    house = _three_batches()
    start_job(house, 0)
    house.jobs.move(FIRST_JOB, state=state)
    start_job(house, 1)
    house.jobs.move(SECOND_JOB, state=BatchState.PROCESSING)
    house.open_request(execution_arn="arn:execution:2")
    run = batch_run(0, attempt=2)

    first = house.acquire_job_slot(run)
    second = house.acquire_job_slot(run)

    assert (first.acquired, second.acquired) == (False, True)
    assert house.jobs.read(FIRST_JOB).state is BatchState.CANCELLED
    assert house.jobs.read(SECOND_JOB).state is BatchState.PROCESSING


def test_the_slots_of_a_run_that_failed_are_free_once_their_jobs_have_ended() -> None:
    house = _three_batches()
    start_job(house, 0)
    start_job(house, 1)
    house.jobs.move(FIRST_JOB, state=BatchState.PROCESSING)
    house.jobs.move(SECOND_JOB, state=BatchState.PROCESSING)
    house.requests.fail(MATTER, REQUEST, EXECUTION, "killed")
    while_moving = house.acquire_job_slot(batch_run(2))
    house.jobs.move(SECOND_JOB, state=BatchState.FULFILLED)

    once_ended = house.acquire_job_slot(batch_run(2))

    assert (while_moving.acquired, once_ended.acquired) == (False, True)
    assert [slot.owner for slot in house.slots.held()] == [str(batch_run(0).owner), str(batch_run(2).owner)]


def test_a_job_the_platform_has_forgotten_keeps_no_slot() -> None:
    house = _three_batches()
    start_job(house, 0)
    start_job(house, 1)
    house.clock.forward(LEASE + timedelta(seconds=1))
    house.jobs.failures = [PlatformNotFound("GET: 404", status=404, code="not.found")] * 2

    assert house.acquire_job_slot(batch_run(2)).acquired


def test_a_job_in_a_state_nobody_knows_keeps_its_slot_until_it_is_overdue_and_stops_nobody_else() -> None:
    house = _three_batches()
    start_job(house, 0)
    start_job(house, 1)
    house.clock.forward(LEASE + timedelta(seconds=1))
    house.jobs.failures = [UnknownPlatformState("job: ARCHIVING")] * 2
    while_young = house.acquire_job_slot(batch_run(2))
    house.clock.forward(JOB_DEADLINE)
    house.jobs.failures = [UnknownPlatformState("job: ARCHIVING")] * 2

    once_overdue = house.acquire_job_slot(batch_run(2))

    assert (while_young.acquired, once_overdue.acquired) == (False, True)


def test_an_expired_slot_in_which_no_job_ever_ran_is_free() -> None:
    house = _three_batches()
    house.acquire_job_slot(batch_run(0))
    house.acquire_job_slot(batch_run(1))
    house.clock.forward(LEASE + timedelta(seconds=1))

    assert house.acquire_job_slot(batch_run(2)).acquired


# --- starting


def test_a_job_is_created_for_exactly_the_conversations_of_the_batch() -> None:
    house = planned((1, 2), (3,))

    job_id = start_job(house)

    selection = house.jobs.selections[job_id]
    assert selection.conversation_ids == [conversation_id(1), conversation_id(2)]
    assert selection.scope.include_screen
    assert str(selection.scope.interval) == "2026-03-04T09:00:00.000Z/2026-03-04T09:06:00.000Z"
    assert house.batch().state is BatchState.PENDING
    assert [slot.job_id for slot in house.slots.held()] == [job_id]
    assert house.telemetry.counts[Counter.JOBS_STARTED] == 1


def test_the_intent_is_written_before_the_platform_is_asked() -> None:
    house = planned()
    house.jobs.failures = [PlatformUnavailable("POST: 503")]

    with pytest.raises(PlatformUnavailable):
        house.start_export_job(batch_run())

    assert house.batch().state is BatchState.STARTING
    assert house.batch().job_created_at == house.clock.now()


def test_a_job_whose_answer_was_lost_is_found_and_not_created_again() -> None:
    house = planned()
    house.acquire_job_slot(batch_run())
    house.jobs.loses_answers = True
    with pytest.raises(PlatformAnswerLost):
        house.start_export_job(batch_run())
    house.jobs.loses_answers = False
    house.clock.forward(timedelta(seconds=40))

    answer = house.start_export_job(batch_run())

    assert answer.next == "CHECK"
    assert len(house.jobs.jobs) == 1
    assert house.batch().job_id == FIRST_JOB
    assert [slot.job_id for slot in house.slots.held()] == [FIRST_JOB]


def test_a_repeat_after_the_job_is_known_only_notes_it_in_the_slot() -> None:
    house = planned()
    start_job(house)
    before = house.observable()

    assert house.start_export_job(batch_run()).next == "CHECK"
    assert house.observable() == before


def test_a_refused_job_gives_its_slot_back_at_once() -> None:
    house = planned()
    house.acquire_job_slot(batch_run())
    house.jobs.failures = [PermissionMissing("POST: 403")]

    with pytest.raises(PermissionMissing):
        house.start_export_job(batch_run())

    assert house.slots.held() == []


def test_a_refusal_keeps_the_slot_in_which_a_job_may_be_running() -> None:
    house = planned()
    house.acquire_job_slot(batch_run())
    house.jobs.loses_answers = True
    with pytest.raises(PlatformAnswerLost):
        house.start_export_job(batch_run())
    house.jobs.failures = [PermissionMissing("GET: 403")]

    with pytest.raises(PermissionMissing):
        house.start_export_job(batch_run())

    assert len(house.slots.held()) == 1


def test_one_job_too_many_waits_and_is_created_later() -> None:
    house = _three_batches()
    first = start_job(house, 0)
    start_job(house, 1)

    refused = house.start_export_job(batch_run(2))
    house.jobs.move(first, state=BatchState.FULFILLED)
    started = house.start_export_job(batch_run(2))

    assert (refused.next, refused.wait_s) == ("WAIT", NO_SLOT_WAIT_S)
    assert started.next == "CHECK"
    assert len(house.jobs.jobs) == 3


@pytest.mark.parametrize("was_tried", [False, True])
def test_a_throttled_start_waits_as_long_as_it_is_told(was_tried: bool) -> None:
    house = planned()
    house.jobs.failures = [THROTTLED] * (1 + was_tried)
    if was_tried:
        house.start_export_job(batch_run())

    answer = house.start_export_job(batch_run())

    assert (answer.next, answer.wait_s) == ("WAIT", 30)
    assert house.start_export_job(batch_run()).next == "CHECK"
    assert len(house.jobs.jobs) == 1


# --- executing


def test_a_ready_job_is_executed_once() -> None:
    house = planned()
    job_id = start_job(house)
    house.jobs.move(job_id, state=BatchState.READY)

    assert house.check_export_job(batch_run()).next == "EXECUTE"
    first, second = house.execute_export_job(batch_run()), house.execute_export_job(batch_run())

    assert (first.next, second.next) == ("WAIT", "WAIT")
    assert house.jobs.executed == [job_id]


def test_a_throttled_execution_is_checked_again() -> None:
    house = planned()
    start_job(house)
    house.jobs.failures = [THROTTLED]

    answer = house.execute_export_job(batch_run())

    assert (answer.next, answer.wait_s) == ("WAIT", 30)
    assert house.jobs.executed == []


def test_a_batch_without_a_job_is_neither_executed_nor_checked() -> None:
    house = planned()

    with pytest.raises(LedgerRuleBroken, match="found none"):
        house.execute_export_job(batch_run())
    with pytest.raises(LedgerRuleBroken, match="found none"):
        house.check_export_job(batch_run())


# --- checking


def test_a_job_that_runs_is_checked_again_at_its_own_pace() -> None:
    house = planned()
    job_id = start_job(house)
    house.jobs.move(job_id, state=BatchState.PROCESSING, percent=50)
    house.clock.forward(timedelta(minutes=10))

    answer = house.check_export_job(batch_run())

    assert (answer.next, answer.wait_s) == ("WAIT", 300)
    assert house.batch().state is BatchState.PROCESSING
    assert house.batch().ended_at is None


def test_the_end_of_a_job_is_written_down_with_what_it_could_not_export() -> None:
    house = planned()

    end_job(house, total=5, skipped=1, failed=[(1, 3)])

    batch = house.batch()
    assert (batch.state, batch.total, batch.skipped, batch.failed) == (BatchState.FULFILLED, 5, 1, 1)
    assert batch.ended_at == house.clock.now()
    failed = BatchFiles(house.files, MATTER, REQUEST, batch_id(1, 0)).failed()
    assert failed == {recording_id(1, 3): conversation_id(1)}
    assert house.slots.held() == []
    assert house.telemetry.counts[Counter.JOBS_FULFILLED] == 1


@pytest.mark.parametrize("state", [BatchState.FAILED, BatchState.CANCELLED])
def test_a_job_that_broke_off_frees_its_slot_too(state: BatchState) -> None:
    house = planned((1,))

    end_job(house, state=state)

    assert house.slots.held() == []
    assert house.telemetry.counts[Counter.JOBS_BROKEN_OFF] == 1
    assert house.batch().state is state


def test_an_ended_batch_keeps_its_end_whatever_the_platform_says_later() -> None:
    house = planned()
    end_job(house, total=5)
    house.jobs.move(FIRST_JOB, state=BatchState.PROCESSING, total=6)
    house.clock.forward(timedelta(hours=1))
    before = house.batch()

    house.check_export_job(batch_run())

    assert house.batch() == before


def test_a_throttled_check_is_repeated_and_writes_nothing() -> None:
    house = planned()
    job_id = start_job(house)
    house.jobs.move(job_id, state=BatchState.FULFILLED)
    house.jobs.failures = [THROTTLED]

    answer = house.check_export_job(batch_run())

    assert (answer.next, answer.wait_s) == ("WAIT", 30)
    assert house.batch().state is BatchState.PENDING


def test_a_state_nobody_knows_is_an_error_and_never_a_loop() -> None:
    house = planned()
    start_job(house)
    house.jobs.failures = [UnknownPlatformState("job-1: unknown state")]

    with pytest.raises(UnknownPlatformState):
        house.check_export_job(batch_run())


def test_a_job_without_a_time_of_its_own_has_the_time_of_the_intent() -> None:
    house = planned()
    job_id = start_job(house)
    intended_at = house.batch().job_created_at
    house.jobs.move(job_id, created_at=None)
    house.clock.forward(timedelta(minutes=5))

    house.check_export_job(batch_run())

    assert house.batch().job_created_at == intended_at


def test_a_job_that_does_not_end_is_cancelled_and_then_read_as_ended() -> None:
    house = planned()
    job_id = start_job(house)
    house.jobs.move(job_id, state=BatchState.PROCESSING)
    house.clock.forward(JOB_DEADLINE)
    assert house.check_export_job(batch_run()).next == "WAIT"
    assert house.jobs.jobs[job_id].state is BatchState.PROCESSING

    house.clock.forward(timedelta(seconds=1))
    cancelled = house.check_export_job(batch_run())

    assert cancelled.next == "WAIT"
    assert "export_job_overdue" in house.telemetry.events()
    assert house.check_export_job(batch_run()).next == "END"
    assert house.batch().state is BatchState.CANCELLED


def test_batches_move_forward_or_not_at_all() -> None:
    house = planned()
    end_job(house)

    house.batches.advance(replace(house.batch(), state=BatchState.PENDING))

    assert house.batch().state is BatchState.FULFILLED
    with pytest.raises(LedgerRuleBroken):
        house.batches.advance(replace(house.batch(), state=BatchState.CANCELLED))
