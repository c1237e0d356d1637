"""The pictures of the template show what it starts and grants, and nothing of it is missing."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest

from local.template import Template, read_template
from local.wiring_pictures import Wiring

ROOT = Path(__file__).parents[2]
TEMPLATE = read_template(ROOT / "template.yaml")
WIRING = Wiring(TEMPLATE)


@pytest.fixture
def template() -> Template:
    return copy.deepcopy(TEMPLATE)


def _arrows(name: str, template: Template) -> str:
    return Wiring(template).drawing(name)


def test_every_function_and_workflow_is_in_exactly_one_picture_and_drawn_there() -> None:
    programs = {
        name
        for name, resource in TEMPLATE["Resources"].items()
        if resource["Type"] in {"AWS::Serverless::Function", "AWS::Serverless::StateMachine"}
    }
    members = WIRING.members()

    assert sorted(name for names in members.values() for name in names) == sorted(programs)
    for picture, names in members.items():
        drawn = set(re.findall(r"\w+", WIRING.drawing(picture).replace("<br>", " ")))
        assert names <= drawn, picture


def test_every_bus_queue_and_table_that_somebody_writes_is_drawn() -> None:
    kinds = {"AWS::Events::EventBus", "AWS::SQS::Queue", "AWS::S3::Bucket", "AWS::DynamoDB::Table"}
    stores = {name for name, resource in TEMPLATE["Resources"].items() if resource["Type"] in kinds}

    drawn = "".join(WIRING.drawing(name) for name in ("overview", *WIRING.members()))

    # The token's table stands for "calls Genesys"; what rules cannot deliver is for people.
    assert {name for name in stores if name not in drawn} == {"Credentials", "LostEvents"}


def test_the_pictures_say_who_locks_and_who_lifts() -> None:
    whole = "".join(WIRING.drawing(name) for name in WIRING.members())

    assert re.findall(r'(\w+) -- "[^"]*\blifts\b[^"]*" --> (\w+)', whole) == [("LiftHolds", "EvidenceBucket")]
    assert re.findall(r'(\w+) -- "[^"]*\blocks\b[^"]*" --> (\w+)', whole) == [
        ("SecureObjects", "EvidenceBucket")
    ]
    assert "GenesysCloud --> EvidenceBucket" in whole


def _statements(template: Template, role: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = template["Resources"][role]["Properties"]["Policies"][0]["PolicyDocument"][
        "Statement"
    ]
    return found


def test_a_new_grant_is_a_new_arrow(template: Template) -> None:
    grant = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": {"Fn::GetAtt": ["HashQueue", "Arn"]}}
    _statements(template, "PlanHoldsRole").append(grant)

    assert 'PlanHolds -- "sends" --> HashQueue' in _arrows("exports_and_holds", template)


def test_a_lost_condition_makes_a_lock_a_lift(template: Template) -> None:
    del _statements(template, "SecureObjectsRole")[0]["Condition"]

    assert '"lifts, ' in _arrows("arrivals", template)


def test_a_new_schedule_a_new_event_and_a_lost_redrive_are_seen(template: Template) -> None:
    resources = template["Resources"]
    event = {"Type": "Schedule", "Properties": {"Schedule": "rate(2 days)"}}
    resources["RedriveParked"]["Properties"]["Events"] = {"Schedule": event}
    rule = resources["ApproveRelease"]["Properties"]["Events"].popitem()[1]
    rule["Properties"]["Pattern"] = {"detail-type": ["Waved"]}
    resources["SettleException"]["Properties"]["Events"]["Waved"] = rule
    del resources["HashQueue"]["Properties"]["RedrivePolicy"]

    overview = _arrows("overview", template)

    assert "rate_2_days --> RedriveParked" in overview
    assert 'ApprovalBus -- "Waved" --> SettleException' in overview
    assert "HashQueue -. given up .->" not in overview
    assert "Operator" not in overview


def test_what_does_alike_shares_a_box_and_what_differs_does_not(template: Template) -> None:
    assert "ConfirmHolds<br>PlaceHolds" in WIRING.drawing("exports_and_holds").replace(
        "PlaceHolds<br>ConfirmHolds", "ConfirmHolds<br>PlaceHolds"
    )

    _statements(template, "PlaceHoldsRole").append(
        {"Effect": "Allow", "Action": "s3:PutObject", "Resource": {"Fn::Sub": "${WorkBucket.Arn}/x/*"}}
    )

    drawn = _arrows("exports_and_holds", template)
    assert "PlaceHolds<br>ConfirmHolds" not in drawn
    assert "PlaceHolds --> WorkBucket" in drawn
