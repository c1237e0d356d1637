"""The first day of a new user: `sam build`, `sam deploy --guided`, and what `holdfast doctor check` says."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.exits import Exit
from local.build import SAM_ENVIRONMENT, build, machine_architecture
from local.deploy import Stack, restore
from local.emulator.process import ACCOUNT_ID, REGION, ROOT
from local.genesys.scenario import load_scenario
from local.template import read_template
from local.world import World
from tests.e2e.terminal import answered

pytestmark = pytest.mark.world

NAME = "first-day"


@pytest.fixture
def environment(world: World, tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a new user has: a home of their own, and credentials."""
    yield {
        "PATH": f"{SAM_ENVIRONMENT / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "COLUMNS": "160",
        "AWS_ENDPOINT_URL": world.emulator.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
        "SAM_CLI_TELEMETRY": "0",
    }
    world.client("cloudformation").delete_stack(StackName=NAME)


def checked(command: str, environment: dict[str, str]) -> tuple[int, dict[str, Any]]:
    program, *arguments = shlex.split(command)
    assert program == "holdfast"
    finished = subprocess.run(
        [sys.executable, "-m", "cli", *arguments, "--json"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return finished.returncode, json.loads(finished.stdout or finished.stderr)


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {one["check"]: one["status"] for one in document["checks"]}


def test_a_new_user_deploys_by_answering_five_questions_and_is_told_all_that_is_left(
    world: World, environment: dict[str, str], tmp_path: Path
) -> None:
    template, config = build(), tmp_path / "samconfig.toml"
    shutil.copy(ROOT / "samconfig.toml", config)
    organization = load_scenario(world.scenario_path).organization
    chosen = {
        "Stack Name": NAME,
        "AWS Region": REGION,
        "Parameter GenesysRegion": organization.region,
        "Parameter GenesysOrganizationId": organization.id,
        "Parameter GenesysIntegrationId": organization.integration_id,
        "Parameter SealRetentionDays": "1",
        "Parameter AlarmEmail": "legal-holds@example.org",
        # Of the embedded world; a new user would press Enter.
        "Parameter GenesysAccountId": ACCOUNT_ID,
        "Parameter GenesysBaseUrl": world.genesys.url,
        "Parameter Architecture": machine_architecture(),
        "Parameter SecureObjectsConcurrency": "0",
        "Deploy this changeset?": "y",
    }

    sam, options = SAM_ENVIRONMENT / "bin/sam", ("--template-file", template, "--config-file", config)
    code, said, questions = answered(
        [sam, "deploy", "--guided", *options],
        lambda question: chosen.get(re.sub(r" \[.*", "", question), ""),
        cwd=ROOT,
        environment=environment,
    )

    assert code == 0, said[-3000:]
    assert [re.sub(r" \[.*", "", question) for question in questions[:7]] == list(chosen)[:7]
    described = world.client("cloudformation").describe_stacks(StackName=NAME)["Stacks"][0]
    outputs = {one["OutputKey"]: one["OutputValue"] for one in described["Outputs"]}
    kept = re.search(r'^parameter_overrides = "(.*)"$', config.read_text(), re.MULTILINE)
    assert kept is not None
    assert r"SealRetentionDays=\"1\"" in kept[1]
    assert "guided" not in config.read_text()

    # What the emulator drops of a template, AWS does not.
    resources = world.client("cloudformation").describe_stack_resources(StackName=NAME)["StackResources"]
    stack = Stack(NAME, outputs, {one["LogicalResourceId"]: one["PhysicalResourceId"] for one in resources})
    restore(world.client("s3"), read_template(template), stack, {"SealRetentionDays": "1"})

    code, told = checked(outputs["NextStep"], environment)

    assert code == Exit.NO
    found = statuses(told)
    assert {name for name, status in found.items() if status == "blocking"} == {"settings", "OAuth client"}
    assert found["version"] == found["arrival mapping"] == "ok"
    assert outputs["GenesysSecretArn"] in told["next"][0]
    assert outputs["EvidenceBucket"] in told["next"][1]

    client = world.genesys.clients["full"]
    world.client("secretsmanager").put_secret_value(
        SecretId=outputs["GenesysSecretArn"],
        SecretString=json.dumps({"client_id": client["id"], "client_secret": client["secret"]}),
    )
    code, told = checked(outputs["NextStep"], environment)

    assert code == Exit.DONE, told
    assert set(statuses(told).values()) == {"ok"}
    assert told["next"] == ["Send a request: holdfast request my-request.json"]
