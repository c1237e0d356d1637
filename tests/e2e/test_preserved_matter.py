"""One matter, end to end, with IAM enforced; and what a second, a changed or an invalid request does then."""

import base64
import hashlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from typer.testing import CliRunner

from cli.connection import embedded
from cli.main import app
from local.interference import drift_of, interfere, locks_of
from local.world import World, description_of
from tests.e2e.runs import Ended, genesys_requests, ledger, request_of, send, started_by, versions

pytestmark = pytest.mark.world


@pytest.fixture(scope="session")
def preserved(strict_world: World) -> Ended:
    """The scenario's request, sent once."""
    return send(strict_world, request_of(strict_world))


def test_the_verdict_is_preserved_with_every_role_confined_to_its_policy(preserved: Ended) -> None:
    assert (preserved.status, preserved.error, preserved.cause) == ("SUCCEEDED", "", "")
    assert preserved.output["verdict"] == "PRESERVED"
    assert preserved.output["summary"]["recordings"] == {
        "expected": 5,
        "delivered": 5,
        "secured": 5,
        "explained": 0,
        "missing": 0,
    }


def test_every_version_is_locked_tagged_and_receipted_with_its_true_digest(
    preserved: Ended, strict_world: World
) -> None:
    s3 = strict_world.client("s3")
    receipts = [
        json.loads(bytes(item["entry"])) for item in ledger(strict_world) if item["sk"].startswith("OBJ#")
    ]
    by_version = {(receipt["key"], receipt["version_id"]): receipt for receipt in receipts}

    found = versions(strict_world)

    assert len(found) == len(by_version) == 10
    for version in found:
        named = {
            "Bucket": strict_world.outputs["EvidenceBucket"],
            "Key": version["Key"],
            "VersionId": version["VersionId"],
        }
        receipt = by_version[version["Key"], version["VersionId"]]
        tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**named)["TagSet"]}
        body = s3.get_object(**named)["Body"].read()
        assert s3.get_object_legal_hold(**named)["LegalHold"]["Status"] == "ON"
        assert tags == {
            "legal-hold": "on",
            "conversation-id": receipt["conversation_id"],
            "recording-id": receipt["recording_id"],
        }
        assert receipt["sha256"] == hashlib.sha256(body).hexdigest()
        assert receipt["size_bytes"] == len(body)


def test_the_canary_that_showed_the_way_is_locked_and_counts_nowhere(
    preserved: Ended, strict_world: World
) -> None:
    s3, bucket = strict_world.client("s3"), strict_world.outputs["EvidenceBucket"]
    listed = s3.list_object_versions(Bucket=bucket, Prefix="_holdfast/canary/")["Versions"]
    query = {":pk": {"S": "CANARY"}}
    receipts = strict_world.client("dynamodb").query(
        TableName=strict_world.outputs["LedgerTable"],
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues=query,
    )["Items"]

    holds = [
        s3.get_object_legal_hold(Bucket=bucket, Key=one["Key"], VersionId=one["VersionId"])["LegalHold"]
        for one in listed
    ]

    assert holds == [{"Status": "ON"}] * len(listed)
    assert 0 < len(receipts) == len(listed)
    assert preserved.output["summary"]["warnings"] == []


def _record(world: World, key: str) -> bytes:
    content: bytes = (
        world.client("s3").get_object(Bucket=world.outputs["RecordsBucket"], Key=key)["Body"].read()
    )
    return content


def test_the_log_is_the_ledger_s_entries_byte_by_byte(preserved: Ended, strict_world: World) -> None:
    seal = preserved.output["log"]["seal"]

    written = _record(strict_world, seal["key"].replace("/seals/", "/segments/") + "l")

    entries = [bytes(item["entry"]) for item in ledger(strict_world) if "entry" in item]
    assert sorted(written.splitlines()) == sorted(entries)
    assert len(entries) == 10 + 5 + 5 + 1  # receipts, claims, holds at the platform, and the account


def test_the_seal_is_signed_with_the_stack_s_key(preserved: Ended, strict_world: World) -> None:
    seal = preserved.output["log"]["seal"]
    statement = _record(strict_world, seal["key"])
    named = json.loads(statement)
    public_key = load_pem_public_key(_record(strict_world, f"keys/{named['key']['public_key_sha256']}.pem"))

    signature = _record(strict_world, seal["key"].removesuffix("json") + "sig")

    assert isinstance(public_key, EllipticCurvePublicKey)
    public_key.verify(signature, statement, ECDSA(SHA256()))
    assert seal["sha256"] == hashlib.sha256(statement).hexdigest()
    assert (named["sequence"], named["tree"]["root"]) == (1, seal["root"])
    assert named["key"]["key_id"] == strict_world.outputs["SealKeyArn"]


def test_every_conversation_is_protected_at_the_platform_after_its_upload(
    preserved: Ended, strict_world: World
) -> None:
    claimed = {
        item["pk"].removeprefix("CONV#") for item in ledger(strict_world) if item["sk"].startswith("CLAIM#")
    }
    asked = genesys_requests(strict_world)
    protections = [
        one
        for one in asked
        if (one["method"], one["path"]) == ("PUT", "/api/v2/recordings/deletionprotection")
    ]
    executed = [
        one for one in asked if one["method"] == "PUT" and one["path"].startswith("/api/v2/recording/jobs/")
    ]

    assert {cid for one in protections for cid in one["body"]["conversationIds"]} == claimed
    assert max(one["at"] for one in executed) < min(one["at"] for one in protections)


def test_no_token_and_no_secret_is_in_any_log_or_history(preserved: Ended, strict_world: World) -> None:
    shared = strict_world.client("dynamodb").scan(TableName=strict_world.stack.resources["Credentials"])
    (token_row,) = (row for row in shared["Items"] if row["pk"]["S"] == "TOKEN")
    token = (
        strict_world.client("kms")
        .decrypt(
            CiphertextBlob=base64.b64decode(token_row["ciphertext"]["S"]),
            EncryptionContext={"purpose": "genesys-token"},
        )["Plaintext"]
        .decode()
    )
    secrets = [token, *(client["secret"] for client in strict_world.genesys.clients.values())]
    states = strict_world.client("stepfunctions")

    said = [path.read_text() for path in strict_world.collect_logs().iterdir()]
    for machine in ("PreserveMatterArn", "ExportRecordingsArn", "ApplyLegalHoldArn"):
        for execution in states.list_executions(stateMachineArn=strict_world.outputs[machine])["executions"]:
            history = states.get_execution_history(executionArn=execution["executionArn"], maxResults=1000)
            said.append(json.dumps(history["events"], default=str))

    assert len(said) > 10
    assert not [secret for secret in secrets for text in said if secret in text]
    assert token not in str(ledger(strict_world)) + str(token_row)


def test_a_second_delivery_starts_nothing_and_points_to_the_first(
    preserved: Ended, strict_world: World
) -> None:
    before = len(genesys_requests(strict_world))

    again = send(strict_world, request_of(strict_world))

    assert again.status == "SUCCEEDED"
    assert again.output["outcome"] == "DUPLICATE"
    assert ":execution:" in again.output["points_to"]
    assert len(genesys_requests(strict_world)) == before


def test_another_body_under_a_known_id_is_a_conflict_that_changes_nothing(
    preserved: Ended, strict_world: World
) -> None:
    before = ledger(strict_world)

    conflict = send(strict_world, request_of(strict_world, title="Another title"))

    assert (conflict.status, conflict.error) == ("FAILED", "RequestIdConflict")
    assert "use a new request id" in conflict.cause
    assert _sorted(ledger(strict_world)) == _sorted(before)


def test_an_invalid_request_is_refused_by_field_kept_and_moves_nothing(
    preserved: Ended, strict_world: World
) -> None:
    before, asked = ledger(strict_world), len(genesys_requests(strict_world))
    hostile = request_of(
        strict_world, matter_id="../../etc", request_id=f"R-{uuid.uuid4()}", surprise="<script>"
    )
    hostile["scope"] = {**hostile["scope"], "interval": {"start": "2026-03-02T00:00:00", "end": 7}}

    refused = send(strict_world, hostile)

    assert (refused.status, refused.error) == ("FAILED", "RequestRefused")
    for field in ("matter_id", "scope.interval.start", "scope.interval.end"):
        assert f"{field}:" in refused.cause
    assert "etc" not in refused.cause
    assert "script" not in refused.cause
    assert _sorted(ledger(strict_world)) == _sorted(before)
    assert len(genesys_requests(strict_world)) == asked
    kept = strict_world.client("s3").list_objects_v2(
        Bucket=strict_world.outputs["WorkBucket"], Prefix="quarantine/"
    )
    bodies = [
        strict_world.client("s3")
        .get_object(Bucket=strict_world.outputs["WorkBucket"], Key=one["Key"])["Body"]
        .read()
        for one in kept["Contents"]
    ]
    assert any(json.loads(body)["detail"] == hostile for body in bodies)


def test_the_vendor_s_role_can_write_and_nothing_else(preserved: Ended, strict_world: World) -> None:
    bucket = strict_world.outputs["EvidenceBucket"]
    version = versions(strict_world)[0]
    named = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
    vendor = _assume_writer(strict_world)

    attempts: dict[str, dict[str, Any]] = {
        "delete_object": {},
        "get_object": {},
        "put_object_legal_hold": {"LegalHold": {"Status": "OFF"}},
        "put_object_tagging": {"Tagging": {"TagSet": []}},
    }

    # That it can write is seen by what it has delivered.
    with pytest.raises(ClientError, match="AccessDenied"):
        vendor.put_object(Bucket=bucket, Key=f"_holdfast/canary/{uuid.uuid4()}", Body=b"not its own")
    for operation, parameters in attempts.items():
        with pytest.raises(ClientError, match="AccessDenied"):
            getattr(vendor, operation)(**named, **parameters)


def test_the_vendor_s_role_is_not_given_to_another_organisation(strict_world: World) -> None:
    with pytest.raises(ClientError, match="AccessDenied"):
        _assume_writer(strict_world, external_id=str(uuid.uuid4()))


def _assume_writer(world: World, external_id: str = "") -> Any:
    organization = json.loads(world.scenario_path.read_text())["organization"]["id"]
    # A user of the vendor's account, since the root-like key of the emulator may do everything.
    iam = world.client("iam")
    user = f"vendor-{uuid.uuid4().hex[:8]}"
    iam.create_user(UserName=user)
    iam.put_user_policy(
        UserName=user,
        PolicyName="assume",
        PolicyDocument=json.dumps(
            {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}],
            }
        ),
    )
    key = iam.create_access_key(UserName=user)["AccessKey"]
    vendor = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name="eu-central-1")
    sts = vendor.client("sts", endpoint_url=world.emulator.url)
    given = sts.assume_role(
        RoleArn=world.outputs["GenesysWriterRoleArn"],
        RoleSessionName="vendor",
        ExternalId=external_id or organization,
    )["Credentials"]
    writer = boto3.Session(
        given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"], region_name="eu-central-1"
    )
    return writer.client("s3", endpoint_url=world.emulator.url)


def _sorted(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(items, key=lambda item: (item["pk"], item["sk"]))


# --- the command line, on the same world


@pytest.fixture(scope="module")
def holdfast(strict_world: World, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Any]:
    """Run a command against the world, as `make up` would describe it, and give its JSON and exit code."""
    described = tmp_path_factory.mktemp("up") / "world.json"
    described.write_text(json.dumps(description_of(strict_world)))

    def run(*arguments: str) -> tuple[Any, int]:
        shown = CliRunner().invoke(app, [*arguments, "--json"], obj=lambda *_: embedded(described))
        return json.loads(shown.stdout or shown.stderr), shown.exit_code

    return run


def test_the_command_line_says_that_we_are_done(preserved: Ended, holdfast: Callable[..., Any]) -> None:
    matter_id = preserved.output["matter_id"]

    listed, _ = holdfast("matters")
    told, exit_code = holdfast("status", matter_id)

    assert matter_id in [matter["matter_id"] for matter in listed["matters"]]
    assert exit_code == 0
    (request,) = [
        one for one in told["matters"][0]["requests"] if one["request_id"] == preserved.output["request_id"]
    ]
    assert request["state"] == "PRESERVED"
    assert request["execution"]["status"] == "SUCCEEDED"
    assert request["held_at_platform"] == 5


def test_it_brings_the_package_that_the_run_has_written_and_nothing_in_it_is_wrong(
    preserved: Ended, holdfast: Callable[..., Any], tmp_path: Path
) -> None:
    matter_id, folder = preserved.output["matter_id"], str(tmp_path / "package")

    brought, _ = holdfast("package", matter_id, "-o", folder, "--with-media")
    verified, exit_code = holdfast("verify", folder)

    assert brought["seal"] == preserved.output["log"]["seal"]["sequence"]
    assert brought["media"]["files"] == 2 * preserved.output["summary"]["recordings"]["secured"]
    assert (verified["intact"], exit_code) == (True, 0)


def test_it_says_why_something_is_held_by_any_of_its_names(
    preserved: Ended, strict_world: World, holdfast: Callable[..., Any]
) -> None:
    receipts = [
        json.loads(bytes(item["entry"])) for item in ledger(strict_world) if item["sk"].startswith("OBJ#")
    ]
    receipt = next(receipt for receipt in receipts if "recording_id" in receipt)

    told = {name: holdfast("why", receipt[name]) for name in ("key", "recording_id", "conversation_id")}

    for document, exit_code in told.values():
        assert exit_code == 0
        assert document["conversation_id"] == receipt["conversation_id"]
        assert document["claims"][0]["matter_id"] == preserved.output["matter_id"]
        assert {version["legal_hold"] for version in document["versions"]} == {"ON"}
        assert receipt["sha256"] in {version["sha256"] for version in document["versions"]}
    assert len(told["recording_id"][0]["versions"]) == 2
    assert [one["version_id"] for one in told["key"][0]["versions"]] == [receipt["version_id"]]


def test_it_sends_a_request_that_the_stack_takes(
    preserved: Ended, strict_world: World, holdfast: Callable[..., Any], tmp_path: Path
) -> None:
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request_of(strict_world)))
    told: list[Any] = []

    ended = started_by(strict_world, lambda: told.append(holdfast("request", str(file))))

    document, exit_code = told[0]
    assert (exit_code, document["sent"]) == (0, True)
    assert "known and PRESERVED" in document["notes"][0]
    assert ended.status == "SUCCEEDED"


def test_a_decision_about_nothing_is_refused_and_kept(preserved: Ended, strict_world: World) -> None:
    told = {
        "resolution_id": "X-1",
        "matter_id": "M-2026-001",
        "request_id": "R-1",
        "exception": {"reason": "unattributed", "conversation_id": str(uuid.uuid4())},
        "decision": "accepted",
        "decided_by": "legal-7",
        "explanation": "There is no such thing.",
    }

    refused = started_by(
        strict_world,
        lambda: strict_world.send(told, source="legal.discovery", detail_type="ExceptionResolved"),
        "SettleExceptionArn",
    )

    assert (refused.status, refused.error) == ("FAILED", "RequestRefused")
    assert "a conversation that the matter claims" in refused.cause


# The last of this world: what it leaves in the ledger is in no seal yet.
def test_what_somebody_else_changes_is_found_and_put_right_by_roles_that_are_confined(
    preserved: Ended, strict_world: World
) -> None:
    for what in ("lift_lock", "change_tags", "remove_tags"):
        interfere(strict_world, {"what": what, "watch": False}, seed=7)

    interfere(strict_world, {"what": "revoke_protection", "count": 2}, seed=7)

    drift = drift_of(strict_world)
    assert drift["open"] == {}
    assert drift["found"] == drift["repaired"]
    assert drift["found"]["lock_lifted"] == 1
    assert drift["found"]["protection_revoked"] == 2
    assert drift["found"]["tags_changed"] in {1, 2}, "both may have met the same recording"
    assert locks_of(strict_world) == {"versions": 10, "locked": 10, "tagged": 10}
