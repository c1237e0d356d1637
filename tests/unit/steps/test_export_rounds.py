"""Which batches a round of export jobs has."""

import json
from datetime import timedelta

from holdfast.contracts.steps import Failing
from holdfast.domain.ids import batch_id
from holdfast.domain.states import BatchState
from holdfast.domain.waits import MAX_WAIT_S, MIN_WAIT_S
from holdfast.steps.plan_export_round import MAX_ROUNDS
from tests.fakes.house import House, batch_run
from tests.fakes.story import end_job, planned, start_job


def listed(house: House, key: str) -> list[str]:
    return [entry["batch_id"] for entry in json.loads(house.files.files[key])]


def test_the_first_round_has_every_batch() -> None:
    house = planned((1,), (2,))

    answer = house.plan_export_round()

    assert (answer.number, answer.batches, answer.wait_s) == (1, 2, MIN_WAIT_S)
    assert listed(house, answer.batches_key) == [batch_id(1, 0), batch_id(1, 1)]


def test_a_scope_without_conversations_needs_no_round() -> None:
    house = planned(())

    assert house.plan_export_round().batches == 0


def test_what_has_ended_is_in_no_later_round() -> None:
    house = planned((1,), (2,), (3,))
    end_job(house, 0, total=1)
    end_job(house, 1, state=BatchState.CANCELLED)

    answer = house.plan_export_round(1)

    assert listed(house, answer.batches_key) == [batch_id(1, 2)]


def interrupt(house: House, index: int = 0) -> None:
    failure = {"Error": "PlatformUnavailable", "Cause": "503"}
    given = batch_run(index).model_dump() | {"failure": failure}
    house.record_batch_failure(Failing(input=given, execution_arn="arn:child", workflow="export_recordings"))


def test_what_was_interrupted_waits_the_longer_the_longer_its_trouble_lasts() -> None:
    house = planned((1,))
    waits = []
    for hours in (0, 1, 5, 20):
        house.clock.forward(timedelta(hours=hours))
        interrupt(house)
        waits.append(house.plan_export_round(1).wait_s)

    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (20, MAX_WAIT_S)


def test_what_is_new_does_not_wait_for_what_was_interrupted() -> None:
    house = planned((1,), (2,))
    interrupt(house)
    house.clock.forward(timedelta(hours=5))

    assert house.plan_export_round(1).wait_s == MIN_WAIT_S


def test_trouble_that_has_passed_is_forgotten() -> None:
    house = planned((1,), (2,))
    for index in (0, 1):
        interrupt(house, index)
    start_job(house, 0)
    start_job(house, 1)
    interrupt(house, 1)
    house.check_export_job(batch_run(1))

    assert [house.batch(index).interrupted_at for index in (0, 1)] == [None, None]


def test_rounds_come_to_an_end() -> None:
    house = planned((1,))

    assert house.plan_export_round(MAX_ROUNDS - 1).batches == 1
    assert house.plan_export_round(MAX_ROUNDS).batches == 0
    assert "export_rounds_spent" in house.telemetry.events()


def test_a_repeated_plan_is_the_same_plan() -> None:
    house = planned((1,), (2,))
    house.plan_export_round()
    before = house.observable()

    house.plan_export_round()

    assert house.observable() == before
