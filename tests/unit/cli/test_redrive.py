"""`holdfast redrive`: what is parked is shown, and sent again only when somebody says so."""

import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.lost_events import LostEvent
from cli.main import app
from cli.terminal import Terminal
from holdfast.errors import AwsRefused
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

    assert (shown.exit_code, shown.page) == (Exit.DONE, "Nothing is parked, and no event was lost.\n")


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
    assert {name: count for name, count in shown.document["outcomes"].items() if count} == {
        "redriven": 1,
        "closed": 1,
    }
    assert all(f"{text}  " in shown.page for text in ("sent again", "done meanwhile"))
    assert deployment.invoked[0] == ("RedriveParkedName", {"message_ids": []})
    assert len(deployment.invoked) == 4


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


# --- events that could not start their run

LOST = LostEvent(
    "l-1",
    "handle",
    {
        "source": "legal.discovery",
        "detail-type": "DiscoveryRequested",
        "time": "2026-03-01T00:00:00Z",
        "detail": {"matter_id": "M-1"},
    },
    "NO_PERMISSIONS: not authorized to perform: states:StartExecution",
)


@pytest.fixture
def bereft() -> HouseDeployment:
    deployment = HouseDeployment(House())
    deployment.lost_events.waiting.append(LOST)
    return deployment


def test_a_lost_event_is_listed_with_what_went_wrong_and_stays_where_it_is(bereft: HouseDeployment) -> None:
    shown = run(bereft, "redrive")

    assert shown.exit_code == Exit.NO
    assert shown.document["lost_events"] == [{"message_id": "l-1", "error": LOST.error, "event": LOST.event}]
    assert "NO_PERMISSIONS" in shown.page
    assert "DiscoveryRequested" in shown.page
    assert (bereft.lost_events.waiting, bereft.sent_again) == ([LOST], [])


def test_a_lost_event_is_sent_again_as_it_was_and_then_taken_out_of_the_queue(
    bereft: HouseDeployment,
) -> None:
    shown = run(bereft, "redrive", "--yes")

    assert shown.exit_code == Exit.DONE
    assert bereft.sent_again == [LOST.event]
    assert (bereft.lost_events.waiting, bereft.lost_events.taken) == ([], [])


def test_an_event_that_the_bus_does_not_take_stays_in_the_queue(
    bereft: HouseDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(event: object) -> str:
        raise AwsRefused("PutEvents: AccessDenied")

    monkeypatch.setattr(bereft, "send_again", refused)

    shown = CliRunner().invoke(app, ["redrive", "--yes"], obj=lambda *_: bereft)

    assert shown.exit_code == Exit.NOT_CONNECTED
    assert bereft.lost_events.taken == [LOST]  # not removed: it is seen again when its time is over


def test_what_is_no_event_stays_in_the_queue_and_is_the_exit_code(bereft: HouseDeployment) -> None:
    bereft.lost_events.waiting = [LostEvent("l-2", "handle", {}, "")]

    shown = run(bereft, "redrive", "--yes")

    assert shown.exit_code == Exit.NO
    assert shown.document["outcomes"]["unreadable_events"] == 1
    assert len(bereft.lost_events.waiting) == 1


@pytest.mark.parametrize("chosen", [("another",), ("--matter", "M-2")])
def test_only_what_was_chosen_is_sent_again(bereft: HouseDeployment, chosen: tuple[str, ...]) -> None:
    shown = run(bereft, "redrive", *chosen, "--yes")

    assert shown.document["lost_events"] == []
    assert bereft.lost_events.waiting == [LOST]
