"""Rule 4: however often a step is repeated, the repeat changes nothing observable."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from holdfast.contracts.steps import Failing
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.seals import segment_key
from holdfast.domain.states import BatchState
from tests.fakes.house import EXECUTION, MATTER, House, batch_run
from tests.fakes.story import (
    conversation_id,
    conversations,
    end_job,
    exported,
    held,
    messages,
    opened,
    planned,
    reconciled,
    start_job,
    upload,
)


@dataclass(frozen=True)
class Repeat:
    """A step, and the house in which it runs."""

    step: str
    house: Callable[[], House]
    call: Callable[[House], object]

    def __str__(self) -> str:
        return self.step


def _with_pages() -> House:
    house = opened()
    house.scope_source.pages = [conversations(1, 2), conversations(3)]
    return house


def _ready() -> House:
    house = planned()
    house.jobs.move(start_job(house), state=BatchState.READY)
    return house


def _ended() -> House:
    house = planned()
    house.jobs.move(start_job(house), state=BatchState.FULFILLED, total=2)
    return house


def _threatened() -> House:
    """Let the platform be about to delete what has not been exported."""
    house = planned()
    house.deletions.delete_dates = [(conversation_id(1), house.clock.now() + timedelta(days=1))]
    return house


def _placed() -> House:
    house = reconciled()
    house.place_holds()
    return house


def _fail(house: House) -> object:
    failure = {"Error": "AwsRefused", "Cause": "x"}
    state: dict[str, object] = {"matter_id": "M-2026-001", "request_id": "R-1", "failure": failure}
    return house.record_failure(Failing(input=state, execution_arn=EXECUTION, workflow="preserve_matter"))


REPEATS = [
    Repeat("open_request", House, lambda house: house.open_request()),
    Repeat("preflight", opened, lambda house: house.preflight()),
    Repeat("start_scope_query", opened, lambda house: house.start_scope_query().status),
    Repeat("read_scope_pages", _with_pages, lambda house: house.read_scope_pages()),
    Repeat("acquire_job_slot", planned, lambda house: house.acquire_job_slot(batch_run())),
    Repeat("start_export_job", planned, lambda house: house.start_export_job(batch_run())),
    Repeat("execute_export_job", _ready, lambda house: house.execute_export_job(batch_run())),
    Repeat("check_export_job", _ended, lambda house: house.check_export_job(batch_run())),
    Repeat("reconcile", exported, lambda house: house.reconcile()),
    Repeat("plan_holds", reconciled, lambda house: house.plan_holds()),
    Repeat("plan_holds early", _threatened, lambda house: house.plan_holds(early=True)),
    Repeat("place_holds", reconciled, lambda house: house.place_holds()),
    Repeat("confirm_holds", _placed, lambda house: house.confirm_holds()),
    Repeat("seal_custody", held, lambda house: house.seal_custody()),
    Repeat("record_failure", opened, _fail),
]


@pytest.mark.parametrize("repeat", REPEATS, ids=str)
def test_a_repeated_step_answers_the_same_and_changes_nothing(repeat: Repeat) -> None:
    house = repeat.house()
    first = repeat.call(house)
    before, counted = house.observable(), house.telemetry.counts.copy()

    again = [repeat.call(house) for _ in range(2)]

    assert again == [first] * 2
    assert house.observable() == before
    # Nothing is counted twice, but that a request was opened or a run failed is said each time.
    assert {name for name in house.telemetry.counts if house.telemetry.counts[name] != counted[name]} <= {
        "RequestsOpened",
        "RunsFailed",
    }


def _steps_in_order(versions: list[ObjectVersion]) -> list[Callable[[House], object]]:
    return [
        lambda house: house.open_request(),
        lambda house: house.preflight(),
        lambda house: house.start_scope_query(),
        lambda house: house.read_scope_pages(),
        lambda house: house.acquire_job_slot(batch_run()),
        lambda house: house.start_export_job(batch_run()),
        lambda house: house.jobs.move(start_job(house), state=BatchState.READY, total=2),
        lambda house: house.check_export_job(batch_run()),
        lambda house: house.execute_export_job(batch_run()),
        lambda house: house.jobs.move(start_job(house), state=BatchState.FULFILLED),
        lambda house: house.clock.forward(timedelta(minutes=1)),
        lambda house: house.secure_objects(messages(house, *versions)),
        lambda house: house.check_export_job(batch_run()),
        lambda house: house.reconcile(),
        lambda house: house.place_holds(plan_key=house.plan_holds().plan_key),
        lambda house: house.confirm_holds(plan_key=house.plan_holds().plan_key),
        lambda house: house.seal_custody(),
    ]


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_run_whose_every_step_is_repeated_ends_as_one_without(times: int) -> None:
    house = House()
    house.scope_source.pages = [conversations(1, 2)]
    versions = [*upload(house, 1), *upload(house, 2)]

    for step in _steps_in_order(versions):
        for _ in range(times):
            step(house)

    sealed = house.seal_custody()
    assert sealed.verdict == "PRESERVED"
    assert len(house.jobs.jobs) == 1
    assert house.effects.tally()["receipt"] == 4
    for _ in range(times):
        assert house.seal_matter().done
    assert house.seals.log(MATTER).sequence == 1
    entries = house.records.files[segment_key(MATTER, 1)].splitlines()
    kinds = [line.split(b'"type":')[1].split(b'"')[1] for line in entries if b'"kind":"event"' in line]
    assert sorted(kinds) == [b"claimed"] * 2 + [b"held_at_platform"] * 2


def test_a_terminal_batch_stays_as_it_was_when_exporting_is_repeated() -> None:
    house = planned()
    end_job(house, total=2)
    before = house.observable()

    house.start_export_job(batch_run())
    house.execute_export_job(batch_run())
    house.check_export_job(batch_run())

    assert house.observable() == before
