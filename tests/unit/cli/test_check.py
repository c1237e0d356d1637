"""`holdfast doctor check`: what a run would be stopped by, without a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from cli.exits import Exit
from holdfast.contracts.steps import Preflighting
from holdfast.doctor.checks import CHECKS
from holdfast.ports import Finding, ParkedMessage, Reading
from holdfast.steps.preflight import preflight
from tests.fakes.clock import NOON
from tests.fakes.house import House
from tests.fakes.story import messages
from tests.unit.cli.deployment import HouseDeployment, run


@dataclass
class Deployed(HouseDeployment):
    """Its Preflight is the real one; `found` is what the platform's side finds."""

    found: tuple[Finding, ...] = ()

    def invoke(self, function: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.invoked.append((function, payload))
        house = self.house
        answer = preflight(
            Preflighting.model_validate(payload),
            checks=[lambda: self.found],
            wiring=house.wiring,
            canaries=house.canaries,
            receipts=house.conversations,
            clock=house.clock,
            telemetry=house.telemetry,
        )
        document: dict[str, Any] = answer.model_dump(mode="json")
        return document


@pytest.fixture
def deployed() -> Deployed:
    house = House()
    house.canaries.notify = lambda version: house.secure_objects(messages(house, version))
    return Deployed(house)


def _statuses(document: Mapping[str, Any]) -> dict[str, str]:
    return {one["check"]: one["status"] for one in document["checks"]}


def test_a_stack_that_is_well_has_every_check_passed_and_its_canary_secured(deployed: Deployed) -> None:
    shown = run(deployed, "doctor", "check")

    assert shown.exit_code == Exit.DONE
    assert shown.document["clear"] is True
    assert _statuses(shown.document) == dict.fromkeys([*CHECKS, "parked messages", "version"], "ok")
    assert shown.page.endswith("Send a request: holdfast request my-request.json\n")
    assert [function for function, _ in deployed.invoked] == ["PreflightName"] * 3
    assert len(deployed.house.conversations.all_receipts()) == 1


def test_what_would_stop_a_run_is_named_with_its_remedy_and_is_the_exit_code(deployed: Deployed) -> None:
    deployed.house.wiring.documents[Reading.KEY] = {"KeyState": "Disabled"}

    shown = run(deployed, "doctor", "check")

    assert shown.exit_code == Exit.NO
    (key,) = (one for one in shown.document["checks"] if one["check"] == "key")
    assert (key["status"], key["layer"]) == ("blocking", "kms")
    assert key["remedy"] == CHECKS["key"].remedy
    assert "the stack's key is Disabled" in shown.page
    assert shown.document["next"] == []  # its remedy says it all
    assert _statuses(shown.document)["canary"] == "unseen"
    assert _statuses(shown.document)["bucket policy"] == "ok"


def test_what_cannot_be_seen_without_a_token_is_not_called_well(deployed: Deployed) -> None:
    deployed.found = (Finding("OAuth client", "its secret is refused"),)

    statuses = _statuses(run(deployed, "doctor", "check").document)

    assert statuses["OAuth client"] == "blocking"
    assert {statuses[name] for name, check in CHECKS.items() if check.needs == "OAuth client"} == {"unseen"}
    assert statuses["object lock"] == "ok"


def test_warnings_are_shown_and_the_answer_is_yes(deployed: Deployed) -> None:
    deployed.found = (Finding("permissions", "nobody says", is_blocking=False),)

    shown = run(deployed, "doctor", "check")

    assert (shown.exit_code, shown.document["clear"]) == (Exit.DONE, True)
    assert _statuses(shown.document)["permissions"] == "warning"
    assert "nobody says" in shown.page  # and still after waiting for the canary


def test_a_canary_that_never_comes_is_waited_for_and_blocks(deployed: Deployed) -> None:
    deployed.house.canaries.notify = lambda _: None
    pauses = []
    deployed.meanwhile = lambda: pauses.append(1)

    shown = run(deployed, "doctor", "check")

    assert shown.exit_code == Exit.NO
    assert _statuses(shown.document)["canary"] == "blocking"
    assert pauses


def test_what_is_parked_is_shown_beside_it(deployed: Deployed) -> None:
    deployed.house.parking.park(ParkedMessage("m-1", "its key is denied", NOON, "body"))

    shown = run(deployed, "doctor", "check")

    assert shown.exit_code == Exit.DONE
    assert "1 messages could not be handled" in shown.page
    assert "holdfast redrive" in shown.page


def test_on_the_first_day_the_commands_that_are_left_are_shown_with_the_names_of_this_stack(
    deployed: Deployed,
) -> None:
    deployed.found = (Finding("OAuth client", "the secret holds no client"),)

    shown = run(deployed, "doctor", "check")

    put, enter = shown.document["next"]
    assert f"put-secret-value --secret-id {deployed.outputs['GenesysSecretArn']} " in put
    assert deployed.outputs["EvidenceBucket"] in enter
    assert deployed.outputs["GenesysWriterRoleArn"] in enter
    assert put in shown.page
    assert "1 check would stop a run." in shown.page


def test_a_stack_of_another_version_is_a_warning(deployed: Deployed) -> None:
    deployed.version = "0.0.9"

    shown = run(deployed, "doctor", "check")

    assert shown.exit_code == Exit.DONE
    assert _statuses(shown.document)["version"] == "warning"
    assert "the stack is 0.0.9, this command line" in shown.page
