"""The second field report's matter in the dialect `compliance`, end to end, with IAM enforced."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.genesys.compliance import BULK_EXPORT, HOLDS, JOBS
from local.genesys.scenario import SCENARIOS, load_scenario, unmet
from local.world import World
from tests.e2e.runs import Ended, genesys_requests, ledger, request_of, send, versions
from tests.e2e.test_scenarios import HOLD_FLAGS, STRICT

pytestmark = pytest.mark.world

SCENARIO = SCENARIOS / f"{STRICT}.json"


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    out: Path = tmp_path_factory.mktemp("strict-compliance")
    with World(SCENARIO, out, caller="test", enforce_iam=True) as running:
        yield running


@pytest.fixture(scope="module")
def preserved(strict: World) -> Ended:
    return send(strict, request_of(strict))


def test_the_scenario_ends_as_it_expects_with_every_role_confined_to_its_policy(
    preserved: Ended, strict: World
) -> None:
    assert (preserved.status, preserved.error, preserved.cause) == ("SUCCEEDED", "", "")
    assert unmet(load_scenario(SCENARIO).expect, preserved.output["summary"]) == []


def test_every_version_manifests_included_is_locked_and_in_the_log(preserved: Ended, strict: World) -> None:
    s3, found = strict.client("s3"), versions(strict)
    key = preserved.output["log"]["seal"]["key"].replace("/seals/", "/segments/") + "l"
    segment = s3.get_object(Bucket=strict.outputs["RecordsBucket"], Key=key)["Body"].read()
    receipted = {json.loads(line).get("version_id") for line in segment.splitlines()}

    manifests = [one for one in found if "/manifests/" in one["Key"]]

    assert len(manifests) == sum(item["sk"].startswith("BATCH#") for item in ledger(strict))
    assert {one["VersionId"] for one in found} == receipted - {None}
    for one in found:
        named = {"Bucket": strict.outputs["EvidenceBucket"], "Key": one["Key"], "VersionId": one["VersionId"]}
        assert s3.get_object_legal_hold(**named)["LegalHold"]["Status"] == "ON"


def test_data_moves_first_and_is_held_second(preserved: Ended, strict: World) -> None:
    asked = genesys_requests(strict)
    exports = [one for one in asked if one["path"].startswith((BULK_EXPORT, JOBS))]
    holds = [one for one in asked if one["path"] == HOLDS]

    assert max(one["at"] for one in exports) < min(one["at"] for one in holds)
    assert not [flag for flag in HOLD_FLAGS for one in exports if f'"{flag}"' in json.dumps(one)]


def test_no_token_and_no_secret_is_in_any_log_or_history(preserved: Ended, strict: World) -> None:
    shared = strict.client("dynamodb").scan(TableName=strict.stack.resources["Credentials"])["Items"]
    (row,) = (one for one in shared if one["pk"]["S"] == "TOKEN")
    opened = strict.client("kms").decrypt(
        CiphertextBlob=base64.b64decode(row["ciphertext"]["S"]),
        EncryptionContext={"purpose": "genesys-token"},
    )
    secrets = [opened["Plaintext"].decode(), *(one["secret"] for one in strict.genesys.clients.values())]
    states = strict.client("stepfunctions")

    said = [path.read_text() for path in strict.collect_logs().iterdir()]
    for machine in states.list_state_machines()["stateMachines"]:
        for execution in states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]:
            history = states.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)
            said.append(json.dumps(history["events"], default=str))

    assert len(said) > 10
    assert not [secret for secret in secrets for text in said if secret in text]
