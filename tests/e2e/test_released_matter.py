"""The scenario of overlapping matters with IAM enforced: one role alone can lift, and does nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from rich.console import Console

from local.demo import play
from local.display import Lines
from local.genesys.scenario import SCENARIOS, load_scenario, unmet
from local.releases import summarise_releases
from local.world import World
from tests.e2e.runs import send, versions
from tests.e2e.test_scenarios import RELEASED

pytestmark = pytest.mark.world

SCENARIO = SCENARIOS / f"{RELEASED}.json"
LIFTER = "LiftHoldsRole"


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    out: Path = tmp_path_factory.mktemp("strict-release")
    with World(SCENARIO, out, caller="test", enforce_iam=True) as running:
        play(running, load_scenario(SCENARIO), Lines(Console(quiet=True)))
        yield running


def test_the_release_ends_as_it_expects_with_every_role_confined_to_its_policy(released: World) -> None:
    found = summarise_releases(released)
    expected = {name: one for name, one in load_scenario(SCENARIO).expect.items() if name in found}

    assert expected.keys() == found.keys()
    assert unmet(expected, found) == []


def _as_role(world: World, role: str) -> Any:
    """Give S3 as a role sees it; it trusts Lambda alone, so it is told to trust the test as well."""
    iam, name = world.client("iam"), world.stack.resources[role]
    described = iam.get_role(RoleName=name)["Role"]
    document = described["AssumeRolePolicyDocument"]
    trust = json.loads(document) if isinstance(document, str) else document
    trust["Statement"].append(
        {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
            "Action": "sts:AssumeRole",
        }
    )
    iam.update_assume_role_policy(RoleName=name, PolicyDocument=json.dumps(trust))
    given = world.client("sts").assume_role(RoleArn=described["Arn"], RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name="eu-central-1"
    )
    return session.client("s3", endpoint_url=world.emulator.url)


def _locked(world: World) -> dict[str, str]:
    """Name a version that is locked still."""
    s3, bucket = world.client("s3"), world.outputs["EvidenceBucket"]
    for version in versions(world):
        named = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
        if s3.get_object_legal_hold(**named)["LegalHold"]["Status"] == "ON":
            return named
    raise AssertionError("expected a locked version, found none")


def test_no_other_role_can_lift(released: World) -> None:
    named = _locked(released)
    roles = [name for name in released.stack.resources if name.endswith("Role") and name != LIFTER]
    assert len(roles) > 30

    for role in sorted(roles):
        with pytest.raises(ClientError, match="AccessDenied"):
            _as_role(released, role).put_object_legal_hold(**named, LegalHold={"Status": "OFF"})

    status = released.client("s3").get_object_legal_hold(**named)["LegalHold"]["Status"]
    assert status == "ON"


def test_the_role_that_lifts_can_do_nothing_else_to_evidence(released: World) -> None:
    named, lifter = _locked(released), _as_role(released, LIFTER)
    attempts: dict[str, dict[str, Any]] = {
        "put_object_legal_hold": {"LegalHold": {"Status": "ON"}},
        "delete_object": {},
        "get_object": {},
        "put_object_tagging": {"Tagging": {"TagSet": []}},
        "get_object_tagging": {},
    }

    for operation, parameters in attempts.items():
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(lifter, operation)(**named, **parameters)
    for bucket in ("EvidenceBucket", "RecordsBucket", "WorkBucket"):
        with pytest.raises(ClientError, match="AccessDenied"):
            lifter.put_object(Bucket=released.outputs[bucket], Key="x", Body=b"x")

    assert lifter.get_object_legal_hold(**named)["LegalHold"]["Status"] == "ON"


def test_a_claim_on_what_was_let_go_locks_it_again(released: World) -> None:
    let_go = _not_locked(released)
    of_the_released_matter = load_scenario(SCENARIO).events[1].detail

    ended = send(released, {**of_the_released_matter, "matter_id": "M-2026-003", "request_id": "R-3"})

    assert (ended.status, ended.output["verdict"]) == ("SUCCEEDED", "PRESERVED")
    assert len(let_go) == 4
    assert not _not_locked(released)


def _not_locked(world: World) -> list[dict[str, str]]:
    s3, bucket = world.client("s3"), world.outputs["EvidenceBucket"]
    named = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions(world)]
    return [
        one for one in named if s3.get_object_legal_hold(Bucket=bucket, **one)["LegalHold"]["Status"] != "ON"
    ]
