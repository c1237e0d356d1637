"""`holdfast resolve`: what only a person can settle is listed, and a decision names who, what and why."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.main import app
from holdfast.contracts.decisions import read_decision_event
from tests.fakes.house import DEADLINE, MATTER, House
from tests.fakes.story import conversation_id, deliver, end_job, held, opened, planned, recording_id
from tests.unit.cli.deployment import HouseDeployment, run

ONE, RECORDING = conversation_id(1), recording_id(1)
NAMED = ("--reason", "zero_bytes", "--conversation", ONE, "--recording", RECORDING)
DECIDED = ("--decision", "accepted", "--because", "The call was cut off.", "--by", "counsel")


@pytest.fixture
def deployment() -> HouseDeployment:
    """A matter that ended incomplete: of three recordings, one arrived empty and one failed."""
    house = planned((1, 2))
    end_job(house, total=3, failed=[(2, 1)])
    deliver(house, 1, media=b"")
    deliver(house, 2)
    house.clock.forward(2 * DEADLINE)
    assert house.reconcile().done
    house.place_holds()
    house.confirm_holds()
    house.seal_custody()
    return HouseDeployment(house)


def test_what_can_be_settled_is_listed_with_its_ids_and_nothing_else(deployment: HouseDeployment) -> None:
    shown = run(deployment, "resolve", MATTER)

    assert shown.exit_code == Exit.NO
    (one,) = shown.document["exceptions"]
    assert (one["reason"], one["conversation_id"], one["recording_id"]) == ("zero_bytes", ONE, RECORDING)
    assert RECORDING in shown.page
    assert "the recording arrived empty" in shown.page


def test_a_decision_is_sent_with_who_and_why(deployment: HouseDeployment) -> None:
    shown = run(deployment, "resolve", MATTER, *NAMED, *DECIDED)

    assert shown.exit_code == Exit.DONE
    bus, detail_type, detail = deployment.sent[0]
    assert (bus, detail_type) == ("RequestBus", "ExceptionResolved")
    decided = read_decision_event({"detail-type": detail_type, "detail": json.loads(json.dumps(detail))})
    assert (decided.decided_by, decided.decision, decided.request_id) == ("counsel", "accepted", "R-1")
    assert decided.exception.recording_id == RECORDING
    assert "counsel (asserted)" in shown.page


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (NAMED, Exit.REFUSED),
        (DECIDED, Exit.REFUSED),
        (("--reason", "zero_bytes", *DECIDED), Exit.REFUSED),
        (("--reason", "platform_cap", *DECIDED), Exit.USAGE),
        ((*NAMED, "--decision", "ignored", "--because", "x"), Exit.USAGE),
    ],
)
def test_half_a_decision_and_one_that_nobody_can_take_are_not_sent(
    deployment: HouseDeployment, arguments: Any, exit_code: Exit
) -> None:
    shown = CliRunner().invoke(app, ["resolve", MATTER, *arguments], obj=lambda *_: deployment)

    assert shown.exit_code == exit_code
    assert deployment.sent == []


def test_nothing_left_to_settle_is_good_news() -> None:
    house = held()
    house.seal_custody()

    shown = run(house, "resolve", MATTER)

    assert (shown.exit_code, shown.document["exceptions"]) == (Exit.DONE, [])


def test_exceptions_in_parts_are_read_from_all_of_them(deployment: HouseDeployment) -> None:
    house = deployment.house
    summary: Any = house.request.summary
    key = summary["exceptions"]["key"]
    folder, lines = key.rpartition("/")[0], house.records.files[key].splitlines(keepends=True)
    house.records.files[f"{folder}/exceptions-000001.jsonl"] = b"".join(lines[:1])
    house.records.files[f"{folder}/exceptions-000002.jsonl"] = b"".join(lines[1:])
    listed = "".join(f"{'0' * 64}  exceptions-00000{number}.jsonl\n" for number in (1, 2))
    house.records.files[f"{folder}/exceptions.sha256"] = listed.encode()
    summary["exceptions"] = {"key": f"{folder}/exceptions.sha256", "parts": 2}

    assert len(run(deployment, "resolve", MATTER).document["exceptions"]) == 1


def test_a_request_without_a_verdict_has_nothing_to_settle() -> None:
    for house in (House(), opened()):
        assert run(house, "resolve", MATTER).exit_code == Exit.NOT_FOUND
