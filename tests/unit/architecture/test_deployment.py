"""Who deploys is asked what they must know, told what went wrong, and shown what comes next."""

import copy
import re
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local.template import Template, read_template
from tests.unit.architecture import stack

ROOT = Path(__file__).parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
LONGEST_REGION = "ap-southeast-1"


def faults(template: Template) -> list[str]:
    return [
        *stack.parameters(template),
        *stack.capabilities(template),
        *stack.outputs(template, VERSION),
    ]


def test_the_template_tells_what_a_person_needs_to_deploy_it() -> None:
    assert faults(TEMPLATE) == []


def required_last(template: dict[str, Any]) -> None:
    parameters = template["Parameters"]
    parameters["SealRetentionDays"] = parameters.pop("SealRetentionDays")


@pytest.mark.parametrize(
    ("mutate", "said"),
    [
        (required_last, "those without a default come first"),
        (lambda t: t["Parameters"]["BatchSize"].pop("Description"), "BatchSize: does not say what it is for"),
        (
            lambda t: t["Parameters"]["GenesysIntegrationId"].pop("ConstraintDescription"),
            "GenesysIntegrationId: refuses without saying what was expected",
        ),
        (
            lambda t: t["Resources"]["PlaceHoldsRole"]["Properties"].update(RoleName="place-holds"),
            "PlaceHoldsRole: has a RoleName",
        ),
        (
            lambda t: t["Outputs"].update(NextStep=t["Outputs"].pop("NextStep")),
            "Outputs: NextStep is the first",
        ),
        (lambda t: t["Outputs"]["Version"].update(Value="0.0.9"), "Version: must be"),
        (
            lambda t: t["Outputs"]["LedgerTable"].pop("Description"),
            "LedgerTable: does not say what it is for",
        ),
    ],
)
def test_a_template_that_leaves_a_person_alone_is_found(
    mutate: Callable[[dict[str, Any]], object], said: str
) -> None:
    broken = copy.deepcopy(TEMPLATE)

    mutate(broken)

    assert any(said in fault for fault in faults(broken))


def test_a_later_deployment_asks_nothing_and_changes_no_parameter_by_itself() -> None:
    deploy = tomllib.loads((ROOT / "samconfig.toml").read_text())["default"]["deploy"]["parameters"]

    # Asked again from another checkout, who presses Enter sets all that was chosen back to its default.
    assert "guided" not in deploy
    assert "parameter_overrides" not in deploy
    assert deploy["confirm_changeset"] is True
    assert deploy["fail_on_empty_changeset"] is False
    assert deploy["capabilities"] == "CAPABILITY_IAM"


def test_the_longest_name_of_a_stack_still_makes_names_of_buckets() -> None:
    said = re.search(r"up to (\d+) characters", (ROOT / "docs/deploy.md").read_text())
    values = {"AWS::StackName": "", "AWS::AccountId": "0" * 12, "AWS::Region": LONGEST_REGION}

    longest = max(
        len(re.sub(r"\$\{([\w:]+)\}", lambda name: values[name[1]], one["BucketName"]["Fn::Sub"]))
        for one in stack.of_type(TEMPLATE, "S3::Bucket").values()
    )

    assert said is not None
    assert int(said[1]) == 63 - longest


def test_the_newest_version_of_the_changelog_is_the_one_that_is_built() -> None:
    versions = re.findall(
        r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d{2}-\d{2}$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )

    assert versions[0] == VERSION
    assert versions == sorted(versions, key=lambda one: [int(part) for part in one.split(".")], reverse=True)
