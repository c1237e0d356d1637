"""`holdfast release` and `approve`: a plan that both have seen; nothing is sent that would be refused."""

import json
from datetime import timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.main import app
from cli.terminal import Terminal
from holdfast.contracts.release import HoldReleaseApproved, HoldReleaseRequested, read_release_event
from holdfast.domain.ids import MatterId, ReleaseId, RequestId, batch_id
from holdfast.domain.states import RequestState
from holdfast.ports import Claim
from tests.events import load_event
from tests.fakes.house import APPROVAL_DEADLINE, MATTER, RELEASE_EXECUTION
from tests.fakes.story import conversation_id, conversations, deliver, planned
from tests.unit.cli.deployment import HouseDeployment, run

WHY = ("--reason", "The matter was settled.")


@pytest.fixture
def deployment() -> HouseDeployment:
    """A matter that is preserved: two conversations, each with one recording."""
    house = planned((1,), (2,))
    for number in (1, 2):
        deliver(house, number)
    for state in (RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD, RequestState.PRESERVED):
        house.requests.advance(house.request, state)
    return HouseDeployment(house)


@pytest.fixture
def asked(deployment: HouseDeployment) -> HouseDeployment:
    """The same, of which a release was asked for and is planned."""
    return planned_release(deployment)


def planned_release(deployment: HouseDeployment) -> HouseDeployment:
    house = deployment.house
    assert house.open_release().outcome == "OPENED"
    house.release_runs.alive.add(RELEASE_EXECUTION)
    answer = house.plan_release()
    while answer.status == "MORE":
        answer = house.plan_release(answer.part)
    assert answer.status == "PLANNED"
    return deployment


def plan_of(deployment: HouseDeployment) -> Any:
    plan = deployment.house.releases.read(MATTER, ReleaseId("REL-1")).plan
    assert plan
    return plan


def test_a_release_is_asked_for_on_its_own_bus_and_says_who_must_approve(deployment: HouseDeployment) -> None:
    shown = run(deployment, "release", MATTER, *WHY, "--by", "counsel")

    assert shown.exit_code == Exit.DONE
    bus, detail_type, detail = deployment.sent[0]
    assert (bus, detail_type) == ("ReleaseBus", "HoldReleaseRequested")
    wanted = read_release_event({"detail-type": detail_type, "detail": dict(detail)}, HoldReleaseRequested)
    assert (wanted.matter_id, wanted.release_id, wanted.requested_by) == (MATTER, "REL-1", "counsel")
    assert f"another person: holdfast approve {MATTER} REL-1" in shown.page


def test_what_nobody_claims_is_released_under_a_dash(deployment: HouseDeployment) -> None:
    shown = run(deployment, "release", "-", *WHY, "--conversation", conversation_id(7))

    assert shown.exit_code == Exit.DONE
    detail = deployment.sent[0][2]
    assert detail["scope"] == "unclaimed"
    assert "matter_id" not in detail
    assert detail["conversation_ids"] == [conversation_id(7)]


def test_the_next_id_that_is_free_is_taken(asked: HouseDeployment) -> None:
    run(asked, "release", MATTER, *WHY)

    assert asked.sent[0][2]["release_id"] == "REL-2"


def test_a_known_id_with_other_words_is_refused_before_it_is_sent(asked: HouseDeployment) -> None:
    shown = run(asked, "release", MATTER, "--reason", "Another", "--release-id", "REL-1")

    assert shown.exit_code == Exit.REFUSED
    assert asked.sent == []


def test_a_matter_is_released_whole(deployment: HouseDeployment) -> None:
    shown = run(deployment, "release", MATTER, *WHY, "--conversation", conversation_id(1))

    assert shown.exit_code == Exit.REFUSED
    assert "a matter is released whole" in shown.errors
    assert deployment.sent == []


def test_an_unknown_matter_has_nothing_to_release(deployment: HouseDeployment) -> None:
    assert run(deployment, "release", "M-404", *WHY).exit_code == Exit.NOT_FOUND


def test_the_plan_is_shown_with_its_hash_and_nothing_is_sent(asked: HouseDeployment) -> None:
    shown = run(asked, "approve", MATTER, "REL-1", "--by", "partner")

    assert shown.exit_code == Exit.NO
    assert asked.sent == []
    sha256 = plan_of(asked).sha256
    assert shown.document["plan_sha256"] == sha256
    assert shown.document["plan"]["counts"]["let_go"] == 2
    for told in (
        sha256,
        "2 conversations, 4 object versions",
        "The matter was settled.",
        f"--plan-sha256 {sha256}",
    ):
        assert told in shown.page


def test_another_person_approves_the_plan_by_its_hash_on_another_bus(asked: HouseDeployment) -> None:
    sha256 = plan_of(asked).sha256

    shown = run(asked, "approve", MATTER, "REL-1", "--by", "partner", "--plan-sha256", sha256)

    assert (shown.exit_code, shown.document["sent"]) == (Exit.DONE, True)
    bus, detail_type, detail = asked.sent[0]
    assert (bus, detail_type) == ("ApprovalBus", "HoldReleaseApproved")
    event = load_event("hold_release_approved") | {"detail": dict(detail)}
    assert read_release_event(event, HoldReleaseApproved).plan_sha256 == sha256
    assert asked.house.record_approval(event).outcome == "RECORDED"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["--by", "legal-user-17"], "expected another person"),
        (["--by", "Legal-User-17 "], "expected another person"),
        (["--by", "partner", "--plan-sha256", "0" * 64], "not the hash of the plan that was announced"),
    ],
)
def test_what_the_stack_would_refuse_is_not_sent(
    asked: HouseDeployment, changes: list[str], said: str
) -> None:
    shown = run(asked, "approve", MATTER, "REL-1", *changes)

    assert shown.exit_code == Exit.REFUSED
    assert said in shown.errors
    assert asked.sent == []


def test_a_late_approval_is_not_sent(asked: HouseDeployment) -> None:
    asked.house.clock.forward(APPROVAL_DEADLINE + timedelta(seconds=1))

    shown = run(asked, "approve", MATTER, "REL-1", "--by", "partner")

    assert shown.exit_code == Exit.REFUSED
    assert "after the deadline" in shown.errors


def test_a_plan_that_was_changed_in_the_bucket_is_never_approved(asked: HouseDeployment) -> None:
    plan = plan_of(asked)
    changed = json.loads(asked.house.records.files[plan.key])
    changed["counts"]["let_go"] = 0
    asked.house.records.files[plan.key] = json.dumps(changed).encode()

    shown = run(asked, "approve", MATTER, "REL-1", "--by", "partner", "--plan-sha256", plan.sha256)

    assert shown.exit_code == Exit.REFUSED
    assert "not the one that was announced" in shown.errors
    assert asked.sent == []


def test_a_plan_that_is_not_complete_is_waited_for(deployment: HouseDeployment) -> None:
    assert deployment.house.open_release().outcome == "OPENED"

    shown = run(deployment, "approve", MATTER, "REL-1", "--by", "partner")

    assert shown.exit_code == Exit.TRY_AGAIN


def test_an_unknown_release_cannot_be_approved(deployment: HouseDeployment) -> None:
    assert run(deployment, "approve", MATTER, "REL-9").exit_code == Exit.NOT_FOUND


def test_what_stays_is_said_with_the_matter_it_stays_for(deployment: HouseDeployment) -> None:
    house, (claimed_too,) = deployment.house, conversations(1)
    claim = Claim(MatterId("M-7"), RequestId("R-7"), batch_id(1, 0), claimed_too, house.clock.now())
    assert house.conversations.claim(claim).is_new

    shown = run(planned_release(deployment), "approve", MATTER, "REL-1", "--by", "partner")

    assert shown.document["plan"]["stays_for"] == {"M-7": 1}
    assert "1 conversations, because other matters claim them too" in shown.page
    assert "M-7" in shown.page


@pytest.fixture
def somebody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a person sit at the terminal."""
    monkeypatch.setattr(Terminal, "is_interactive", property(lambda terminal: True))


@pytest.mark.usefixtures("somebody_there")
def test_a_person_approves_by_typing_how_the_hash_begins(asked: HouseDeployment) -> None:
    shown = run(
        asked, "approve", MATTER, "REL-1", "--by", "partner", answers=plan_of(asked).sha256[:8] + "\n"
    )

    assert shown.exit_code == Exit.DONE
    assert asked.sent[0][2]["plan_sha256"] == plan_of(asked).sha256
    assert "The matter was settled." in shown.errors  # the plan, before the question


@pytest.mark.usefixtures("somebody_there")
@pytest.mark.parametrize("typed", ["yes", "", "00000000"])
def test_whoever_types_anything_else_approves_nothing(asked: HouseDeployment, typed: str) -> None:
    told = CliRunner().invoke(
        app, ["approve", MATTER, "REL-1", "--by", "partner"], obj=lambda *_: asked, input=f"{typed}\n"
    )

    assert told.exit_code != Exit.DONE
    assert asked.sent == []
