"""docs/operations.md is about this template: each alarm has its runbook, and each runbook its alarm."""

import json
import re
from pathlib import Path

import botocore.session
import pytest

from cli.cost_page import SIZES, drawn
from local.retained import import_template, main, retained, to_import
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


def test_every_event_that_is_looked_for_in_the_logs_is_logged() -> None:
    program = "".join(path.read_text() for path in (ROOT / "layers/holdfast/holdfast").rglob("*.py"))

    looked_for = set(re.findall(r"^logs (\w+)", TEXT, re.MULTILINE))

    assert looked_for
    assert [event for event in looked_for if f'"{event}"' not in program] == []


def test_the_shell_is_prepared_before_anything_is_typed() -> None:
    prepared = preparation(TEXT)

    assert all(f"{name}() {{" in prepared for name in ("resource", "logs", "alarms"))


# --- what stays when the stack is deleted, and how it is adopted


def test_what_stays_is_what_the_page_says() -> None:
    told = {row[0].strip("`"): row[2] for row in _table("retained")}

    assert told.keys() == retained(TEMPLATE).keys()
    for name, new_name in told.items():
        is_named = "BucketName" in TEMPLATE["Resources"][name]["Properties"] or name.endswith("Policy")
        assert new_name.startswith("the same" if is_named else "another")


def test_everything_that_keeps_evidence_stays() -> None:
    """Whatever holds objects, entries or keys stays, and so does the policy that forbids to delete them."""
    resources = TEMPLATE["Resources"]
    keep = {
        name
        for name, one in resources.items()
        if one["Type"] in {"AWS::S3::Bucket", "AWS::KMS::Key"} or "NobodyDeletes" in json.dumps(one)
    }

    assert keep | {"Ledger"} == retained(TEMPLATE).keys()
    assert all(resources[name]["UpdateReplacePolicy"] == "Retain" for name in keep)


DESCRIBED = {
    "StackResources": [
        {"LogicalResourceId": name, "PhysicalResourceId": f"holdfast-{name.lower()}"}
        for name in TEMPLATE["Resources"]
    ]
}


def test_an_import_holds_what_stays_and_refers_to_nothing_else() -> None:
    adopted = import_template(TEMPLATE)

    assert adopted["Resources"].keys() == retained(TEMPLATE).keys()
    assert "Transform" not in adopted
    written = json.dumps(adopted)
    referred = set(re.findall(r'"(?:Ref|Fn::GetAtt)": \[?"([A-Za-z]+)', written))
    referred |= set(re.findall(r"\$\{([A-Za-z]+)[.}]", written))
    referred -= {"AWS"}
    assert referred <= adopted["Resources"].keys() | adopted["Parameters"].keys()
    assert adopted["Parameters"].keys() == {"SealRetentionDays"}  # the page gives it to the change set
    policy = adopted["Resources"]["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
    assert [one["Sid"] for one in policy] == ["TlsOnly", "NobodyDeletes"]
    assert "ObjectLockEnabled" in adopted["Resources"]["EvidenceBucket"]["Properties"]
    assert "NotificationConfiguration" not in adopted["Resources"]["EvidenceBucket"]["Properties"]


def test_a_resource_is_named_by_what_cloudformation_knows_it_by() -> None:
    asked = {one["LogicalResourceId"]: one for one in to_import(TEMPLATE, DESCRIBED)}

    assert asked.keys() == retained(TEMPLATE).keys()
    assert asked["Ledger"]["ResourceIdentifier"] == {"TableName": "holdfast-ledger"}
    assert asked["EvidenceBucketPolicy"]["ResourceIdentifier"] == {"Bucket": "holdfast-evidencebucketpolicy"}
    assert asked["SealKey"]["ResourceIdentifier"] == {"KeyId": "holdfast-sealkey"}


def test_the_files_of_an_import_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    described = tmp_path / "resources.json"
    described.write_text(json.dumps(DESCRIBED))
    monkeypatch.setattr("sys.argv", ["retained", str(described), "--out", str(tmp_path / "adoption")])

    main()

    assert json.loads((tmp_path / "adoption/template.json").read_text()) == import_template(TEMPLATE)
    assert json.loads((tmp_path / "adoption/resources.json").read_text()) == to_import(TEMPLATE, DESCRIBED)


# --- what it costs


def test_the_costs_are_those_of_a_quote() -> None:
    assert drawn(TEXT) == TEXT, "run python -m cli.cost_page"
    assert [f"{size:,}" for size in SIZES] == re.findall(
        r"\d[\d,]+", TEXT.split("<!-- costs -->\n| Recordings")[1]
    )[:3]


def _table(name: str) -> list[list[str]]:
    rows = TEXT.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->")[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


# --- the AWS CLI's commands, which no test types where they would delete a stack


CONTINUED = re.compile(r"\\\n\s*")
AWS = re.compile(r"\baws (?!--)([a-z0-9]+) ([a-z0-9-]+)(.*)")
# Options of the AWS CLI itself, and the switches that stand for a field's true or false.
GLOBAL = {"--query", "--output"}
SHORTHANDS = {"--max-items"}


def aws_commands() -> list[tuple[str, str, str]]:
    blocks = "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL))
    return sorted({(match[1], match[2], match[3]) for match in AWS.finditer(CONTINUED.sub(" ", blocks))})


@pytest.mark.parametrize(("service", "operation", "rest"), aws_commands(), ids=lambda part: part[:40])
def test_every_command_of_the_aws_cli_is_one_with_options_that_it_has(
    service: str, operation: str, rest: str
) -> None:
    if service == "s3":
        assert operation in {"ls", "cp", "sync"}  # commands of the CLI's own, over several operations
        return
    service = {"s3api": "s3"}.get(service, service)
    model = botocore.session.get_session().get_service_model(service)
    outside_strings = re.sub(r"'[^']*'|\"[^\"]*\"", "", rest)
    options = set(re.findall(r"(--[a-z-]+)", outside_strings)) - GLOBAL - SHORTHANDS

    if operation == "wait":
        waiter, *_ = rest.split()
        waiters = botocore.session.get_session().create_client(
            service, region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-"
        )
        assert waiter.replace("-", "_") in waiters.waiter_names
        return
    known = {botocore.xform_name(name, "-"): name for name in model.operation_names}
    assert operation in known
    shape = model.operation_model(known[operation]).input_shape
    members = shape.members if shape else {}
    taken = {f"--{botocore.xform_name(name, '-')}" for name in members}
    taken |= {f"--no-{botocore.xform_name(name, '-')}" for name in members}

    assert options <= taken
