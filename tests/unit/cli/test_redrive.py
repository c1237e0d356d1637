"""`holdfast redrive`: what is parked is shown, and sent again only when somebody says so."""

import pytest

from cli.exits import Exit
from cli.terminal import Terminal
from holdfast.ports import ParkedMessage
from tests.fakes.clock import NOON
from tests.fakes.house import House
from tests.unit.cli.deployment import HouseDeployment, run

ANSWER = {"done": True, "redriven": 0, "closed": 0, "in_flight": 0, "unreadable": 0}


@pytest.fixture
def deployment() -> HouseDeployment:
    house = House()
    for name in ("m-1", "m-2"):
        house.parking.park(ParkedMessage(name, "its key is denied", NOON, "body"))
    return HouseDeployment(house)


def test_nothing_parked_is_good_news() -> None:
    shown = run(House(), "redrive")

    assert (shown.exit_code, shown.page) == (Exit.DONE, "Nothing is parked.\n")


def test_what_is_parked_is_listed_with_its_reason_and_nothing_is_sent(deployment: HouseDeployment) -> None:
    shown = run(deployment, "redrive")

    assert shown.exit_code == Exit.NO
    assert [one["message_id"] for one in shown.document["parked"]] == ["m-1", "m-2"]
    assert "its key is denied" in shown.page
    assert "holdfast redrive --yes" in shown.page
    assert deployment.invoked == []


def test_it_is_sent_again_until_all_is_done(deployment: HouseDeployment) -> None:
    halves = [ANSWER | {"done": False, "redriven": 1}, ANSWER | {"closed": 1}]
    deployment.answers["RedriveParkedName"] = halves * 2  # once for people, once for programs

    shown = run(deployment, "redrive", "--yes")

    assert shown.exit_code == Exit.DONE
    assert shown.document["outcomes"] == {"redriven": 1, "closed": 1, "in_flight": 0, "unreadable": 0}
    assert deployment.invoked[0] == ("RedriveParkedName", {"message_ids": []})
    assert len(deployment.invoked) == 4
    assert "done meanwhile" in shown.page


def test_what_nobody_can_read_stays_parked_and_is_the_exit_code(deployment: HouseDeployment) -> None:
    deployment.answers["RedriveParkedName"] = [ANSWER | {"unreadable": 2}] * 2

    assert run(deployment, "redrive", "--yes").exit_code == Exit.NO


def test_single_messages_or_those_of_a_matter_are_chosen(deployment: HouseDeployment) -> None:
    deployment.answers["RedriveParkedName"] = [ANSWER | {"redriven": 1}] * 2

    shown = run(deployment, "redrive", "m-2", "--matter", "M-1", "--yes")

    assert [one["message_id"] for one in shown.document["parked"]] == ["m-2"]
    assert deployment.invoked[0][1] == {"matter_id": "M-1", "message_ids": ["m-2"]}


@pytest.mark.parametrize(("typed", "sent"), [("y", True), ("n", False)])
def test_a_person_is_asked_before_anything_is_sent(
    deployment: HouseDeployment, monkeypatch: pytest.MonkeyPatch, typed: str, sent: bool
) -> None:
    monkeypatch.setattr(Terminal, "is_interactive", property(lambda terminal: True))
    deployment.answers["RedriveParkedName"] = [ANSWER | {"redriven": 2}] * 2

    shown = run(deployment, "redrive", answers=f"{typed}\n")

    assert bool(deployment.invoked) is sent
    assert shown.exit_code == (Exit.DONE if sent else Exit.NO)
    assert "its key is denied" in shown.errors
