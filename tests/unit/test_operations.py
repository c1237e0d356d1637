"""docs/operations.md is about this template: each alarm has its runbook, and each runbook its alarm."""

import re
from pathlib import Path

import pytest

from local.template import read_template
from tests.runbooks import PAGE, PARTS, preparation, runbooks

ROOT = Path(__file__).parents[2]
TEMPLATE = read_template(ROOT / "template.yaml")
TEXT = PAGE.read_text()
RUNBOOKS = runbooks(TEXT)
ALARMS = {
    name
    for name, resource in TEMPLATE["Resources"].items()
    if resource["Type"] in {"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"}
}
# What the commands may rest on besides the outputs: what commands before them showed.
SHOWN = {"MATTER", "RELEASE", "RUN", "KEY", "HOLDFAST_STACK", "SINCE", "1", "name"}


def test_every_alarm_has_its_runbook_and_every_runbook_its_alarm() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \|", TEXT, re.MULTILINE)

    assert RUNBOOKS.keys() == ALARMS
    assert {alarm for alarm, _ in rows} == ALARMS
    assert [anchor for alarm, anchor in rows if anchor != alarm.lower()] == []


@pytest.mark.parametrize("alarm", sorted(RUNBOOKS))
def test_every_runbook_says_what_is_at_risk_how_to_look_what_to_do_and_when_it_is_over(alarm: str) -> None:
    runbook = RUNBOOKS[alarm]

    assert tuple(runbook.parts) == PARTS
    assert all(len(text) > 20 for text in runbook.parts.values())
    assert runbook.commands("Look")


@pytest.mark.parametrize("alarm", sorted(RUNBOOKS))
def test_the_commands_of_a_runbook_rest_on_outputs_and_on_what_was_shown(alarm: str) -> None:
    outputs = {re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper() for name in TEMPLATE["Outputs"]}
    commands = "\n".join(line for part in PARTS for line in RUNBOOKS[alarm].commands(part))

    assert set(re.findall(r"\$\{?(\w+)", commands)) - SHOWN <= outputs


def test_every_resource_that_a_runbook_names_is_in_the_template() -> None:
    events = {
        f"{function}{event}"
        for function, resource in TEMPLATE["Resources"].items()
        for event in resource.get("Properties", {}).get("Events", {})
    }

    named = set(re.findall(r"\$\(resource (\w+)\)", TEXT))

    assert named
    assert named <= TEMPLATE["Resources"].keys() | events


def test_the_shell_is_prepared_before_anything_is_typed() -> None:
    prepared = preparation(TEXT)

    assert all(f"{name}() {{" in prepared for name in ("resource", "logs", "alarms"))
