"""What cannot be exported whole is exported in halves, down to the one conversation that breaks a job."""

from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from holdfast.contracts.steps import BatchRun
from holdfast.domain.ids import BatchId, ConversationId
from holdfast.domain.reconciliation import Reason
from holdfast.domain.states import BatchState
from holdfast.errors import PayloadTooLarge, SensitiveNotPermitted
from holdfast.ports import BatchRecord
from holdfast.steps import halving
from holdfast.steps.files import BatchFiles
from tests.events import load_event
from tests.fakes.effects import Killed
from tests.fakes.house import MATTER, REQUEST, House, batch_run
from tests.fakes.story import conversation_id, deliver, end_job, plan, planned, start_job

TOO_LARGE = PayloadTooLarge("POST jobs: 413", status=413, code="request.entity.too.large")
type Fate = Callable[[Collection[ConversationId]], BatchState]


def run_of(batch: BatchRecord) -> BatchRun:
    return BatchRun(matter_id=MATTER, request_id=REQUEST, batch_id=batch.batch_id)


def export(house: House, fate: Fate) -> int:
    """Run rounds until nothing is open, every job ending as `fate` says; answers the number of rounds."""
    for number in range(40):
        if not house.plan_export_round(number).batches:
            return number
        for batch in list(house.batches.of_request(house.request)):
            if not batch.state.is_terminal:
                _export_one(house, run_of(batch), fate)
    raise AssertionError("expected exporting to come to an end")


def _export_one(house: House, run: BatchRun, fate: Fate) -> None:
    assert house.acquire_job_slot(run).acquired
    if house.start_export_job(run).next == "END":
        return
    job_id = house.batches.read(MATTER, REQUEST, run.batch_id).job_id
    assert job_id is not None
    listed = house.jobs.selections[job_id].conversation_ids
    house.jobs.move(job_id, state=fate(listed), total=len(listed))
    assert house.check_export_job(run).next == "END"


def standing(house: House) -> dict[int, BatchState]:
    """Tell in which state the batch of each conversation ended, by the conversation's number."""
    return {
        UUID(one.conversation_id).int: batch.state
        for batch in house.batches.of_request(house.request)
        for one in BatchFiles(house.files, MATTER, REQUEST, batch.batch_id).conversations()
    }


def fails_with(*numbers: int) -> Fate:
    poison = {conversation_id(number) for number in numbers}
    return lambda listed: BatchState.FAILED if poison & set(listed) else BatchState.FULFILLED


@pytest.mark.parametrize("poison", [(1,), (13,), (50,), (7, 8), (1, 25, 50)])
def test_only_the_conversations_that_break_a_job_are_left_behind(poison: tuple[int, ...]) -> None:
    house = planned(range(1, 51))

    rounds = export(house, fails_with(*poison))

    expected = dict.fromkeys(range(1, 51), BatchState.FULFILLED)
    assert standing(house) == expected | dict.fromkeys(poison, BatchState.FAILED)
    assert rounds <= 8
    assert house.slots.held() == []


def test_where_everything_fails_the_jobs_come_to_an_end() -> None:
    house = planned(range(1, 501))

    export(house, lambda _: BatchState.FAILED)

    assert set(standing(house)) == set(range(1, 501))
    assert set(standing(house).values()) == {BatchState.FAILED}
    assert len(house.jobs.jobs) <= halving.MOST_PIECES + 2


def test_one_batch_that_fails_leaves_the_pieces_of_another_alone() -> None:
    house = planned(range(1, 11), range(11, 21))

    export(house, fails_with(3))

    assert [state for number, state in standing(house).items() if number > 10] == [BatchState.FULFILLED] * 10
    assert house.batches.pieces_of(house.batch(1)) == 1


def test_a_batch_that_is_too_large_shrinks_until_the_platform_takes_it() -> None:
    house = planned(range(1, 31))
    house.jobs.takes = 8

    export(house, fails_with())

    assert set(standing(house)) == set(range(1, 31))
    assert set(standing(house).values()) == {BatchState.FULFILLED}
    assert all(len(one.conversation_ids) <= 8 for one in house.jobs.selections.values())
    assert house.slots.held() == []


def test_one_conversation_that_is_too_large_is_refused_with_the_slot_given_back() -> None:
    house = planned((1,))
    house.jobs.failures = [TOO_LARGE]
    house.acquire_job_slot(batch_run())

    with pytest.raises(PayloadTooLarge):
        house.start_export_job(batch_run())

    assert house.slots.held() == []


def test_what_was_split_is_accounted_for_by_its_halves_alone() -> None:
    house = planned((1, 2))
    export(house, fails_with(2))
    house.clock.forward(timedelta(minutes=1))
    deliver(house, 1)

    assert house.reconcile().done
    assert house.place_holds().done
    assert house.confirm_holds().done
    sealed = house.seal_custody()

    assert sealed.summary["recordings"] == {
        "expected": 2,
        "delivered": 1,
        "secured": 1,
        "explained": 0,
        "missing": 1,
    }
    assert sealed.summary["by_reason"] == {Reason.EXPORT_JOB_FAILED: 1}
    assert sealed.verdict == "INCOMPLETE"


def test_a_repeated_start_of_a_split_batch_ends() -> None:
    house = planned((1, 2))
    house.jobs.failures = [TOO_LARGE]
    house.start_export_job(batch_run())
    before = house.observable()

    assert house.start_export_job(batch_run()).next == "END"
    assert house.observable() == before


def test_a_repeated_check_of_a_split_batch_ends() -> None:
    house = planned((1, 2))
    house.jobs.move(start_job(house), state=BatchState.FAILED)
    house.check_export_job(batch_run())
    before = house.observable()
    house.clock.forward(timedelta(minutes=1))

    assert house.check_export_job(batch_run()).next == "END"
    assert house.observable() == before


def test_a_split_that_was_interrupted_is_finished_by_the_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    house = planned((1, 2, 3))
    house.jobs.move(start_job(house), state=BatchState.FAILED)
    advance = house.batches.advance

    def die(_record: BatchRecord) -> None:
        raise Killed

    monkeypatch.setattr(house.batches, "advance", die)
    with pytest.raises(Killed):
        house.check_export_job(batch_run())
    monkeypatch.setattr(house.batches, "advance", advance)

    assert house.check_export_job(batch_run()).next == "END"
    assert [batch.batch_id for batch in house.batches.of_request(house.request)] == [
        BatchId("a01-b000000.1"),
        BatchId("a01-b000000.2"),
    ]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        ("Out of luck.", "Out of luck."),
        (
            "Integration disabled.",
            (
                "Integration disabled. [layer: integration_role] What to do: activate the integration, and "
                "look at its state: role, trust and bucket are tried then."
            ),
        ),
    ],
)
def test_what_a_job_died_of_is_in_the_explanation_and_whose_no_it_was(error: str, told: str) -> None:
    house = planned((1,))
    house.jobs.move(start_job(house), state=BatchState.FAILED, error=error)

    house.check_export_job(batch_run())

    batch = house.batch()
    assert batch.explanation == f"Export job {batch.job_id} FAILED at the platform: {told}"


def test_a_job_that_died_silently_says_so() -> None:
    house = planned((1,))

    end_job(house, state=BatchState.FAILED)

    batch = house.batch()
    assert batch.explanation == f"Export job {batch.job_id} FAILED at the platform, without saying why."


def test_somebody_elses_cancellation_is_told_from_our_own() -> None:
    house = planned((1,), (2,))
    end_job(house, 0, state=BatchState.CANCELLED)
    start_job(house, 1)
    house.clock.forward(timedelta(hours=73))
    house.check_export_job(batch_run(1))
    house.check_export_job(batch_run(1))

    theirs, ours = house.batch(0), house.batch(1)
    assert (theirs.state, ours.state) == (BatchState.CANCELLED, BatchState.CANCELLED)
    assert "not by Holdfast" in (theirs.explanation or "")
    assert "was still PENDING after its deadline, so Holdfast cancelled it" in (ours.explanation or "")


def test_what_the_client_may_not_export_is_left_out_and_missing_with_its_reason() -> None:
    event = load_event("discovery_requested")
    event["detail"]["scope"]["include_sensitive"] = True
    house = House()
    house.open_request(event)
    plan(house, (1, 2))
    house.jobs.failures = [SensitiveNotPermitted("POST jobs: 403", permissions=("recording:x:y",))]
    house.acquire_job_slot(batch_run())

    refused = house.start_export_job(batch_run())
    started = house.start_export_job(batch_run())

    assert (refused.next, started.next) == ("WAIT", "CHECK")
    (selection,) = house.jobs.selections.values()
    assert not selection.scope.include_sensitive
    end_job(house, total=2, skipped=1)
    deliver(house, 1)
    assert house.reconcile().done
    findings = BatchFiles(house.files, MATTER, REQUEST, house.batch().batch_id).findings()
    assert [finding.reason for finding in findings] == [None, Reason.SENSITIVE_NOT_PERMITTED]


@pytest.mark.parametrize("state", [BatchState.FAILED, BatchState.FULFILLED])
def test_the_halves_of_what_may_not_be_exported_leave_it_out_too(state: BatchState) -> None:
    house = planned((1, 2))
    house.batches.records = {
        key: replace(batch, without_sensitive=True) for key, batch in house.batches.records.items()
    }

    export(house, lambda listed: state if len(listed) == 1 else BatchState.FAILED)

    assert [batch.without_sensitive for batch in house.batches.of_request(house.request)] == [True, True]
