"""What was lost or given up comes back, with IAM enforced; named to come after those who count everything."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote_plus

import pytest

from local.world import World
from tests.e2e.runs import ledger, wait_for

pytestmark = pytest.mark.world


@contextmanager
def unheard(world: World) -> Iterator[None]:
    """Let S3 tell nobody what arrives."""
    s3, bucket = world.client("s3"), world.outputs["EvidenceBucket"]
    wiring = s3.get_bucket_notification_configuration(Bucket=bucket)
    del wiring["ResponseMetadata"]
    s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration={})
    try:
        yield
    finally:
        s3.put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=wiring)


def put(world: World, name: str, **how: str) -> dict[str, str]:
    """Write an object as the vendor would; answers what names its version."""
    folder = f"{uuid.uuid4()}/year=2026/month=3/day=2/hour=5/conversation_id={uuid.uuid4()}"
    named = {"Bucket": world.outputs["EvidenceBucket"], "Key": f"{folder}/{name}"}
    answer = world.client("s3").put_object(**named, Body=b"evidence", **how)
    return {**named, "VersionId": answer["VersionId"]}


def invoke(world: World, function: str, event: Mapping[str, Any]) -> Any:
    answer = world.client("lambda").invoke(
        FunctionName=world.stack.resources[function], Payload=json.dumps(event).encode()
    )
    said = answer["Payload"].read()
    assert "FunctionError" not in answer, said
    return json.loads(said)


def entries(world: World, kind: str, key: str) -> list[dict[str, Any]]:
    found = [json.loads(bytes(item["entry"])) for item in ledger(world) if "entry" in item]
    return [
        one
        for one in found
        if one["kind"] == kind and key in (one.get("key"), one.get("details", {}).get("key"))
    ]


def parked(world: World, key: str) -> list[dict[str, Any]]:
    items = [item for item in ledger(world) if item["pk"] == "PARKED#MESSAGES"]
    return [item for item in items if item.get("version", {}).get("key") == key]


def is_held(world: World, named: Mapping[str, str]) -> bool:
    hold = world.client("s3").get_object_legal_hold(**named)
    return bool(hold["LegalHold"]["Status"] == "ON")


def test_what_s3_told_nobody_is_found_by_the_sweep_and_only_once(strict_world: World) -> None:
    with unheard(strict_world):
        named = put(strict_world, f"{uuid.uuid4()} grüße+50%=a&b.wav")

    first = invoke(strict_world, "SweepEvidence", {"prefix": named["Key"][:36]})
    wait_for(lambda: entries(strict_world, "receipt", named["Key"]))
    again = invoke(strict_world, "SweepEvidence", {"prefix": named["Key"][:36]})

    assert (first, again) == (
        {"done": True, "versions": 1, "sent": 1, "drifted": 0},
        {"done": True, "versions": 1, "sent": 0, "drifted": 0},
    )
    assert is_held(strict_world, named)
    assert len(entries(strict_world, "receipt", named["Key"])) == 1


def test_what_was_given_up_is_secured_by_a_redrive_and_more_of_them_change_nothing(
    strict_world: World,
) -> None:
    with unheard(strict_world):
        named = put(strict_world, f"{uuid.uuid4()}.wav")
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-20T12:00:00.000Z",
        "s3": {
            "bucket": {"name": named["Bucket"]},
            "object": {"key": quote_plus(named["Key"], safe="/"), "size": 8, "versionId": named["VersionId"]},
        },
    }
    for _ in range(2):  # two messages about one version
        strict_world.client("sqs").send_message(
            QueueUrl=strict_world.stack.resources["DeadLetters"],
            MessageBody=json.dumps({"Records": [record]}),
        )
    wait_for(lambda: parked(strict_world, named["Key"]))

    sent = invoke(strict_world, "RedriveParked", {})
    wait_for(lambda: entries(strict_world, "receipt", named["Key"]))
    after = [invoke(strict_world, "RedriveParked", {}) for _ in range(2)]

    assert sent["redriven"] == 1
    assert [answer["closed"] for answer in after] == [1, 0]
    assert [item["state"] for item in parked(strict_world, named["Key"])] == ["CLOSED"]
    assert is_held(strict_world, named)
    assert len(entries(strict_world, "receipt", named["Key"])) == 1


def test_an_archived_object_is_held_at_once_and_hashed_when_it_has_been_restored(strict_world: World) -> None:
    s3 = strict_world.client("s3")
    named = put(strict_world, f"{uuid.uuid4()}.wav", StorageClass="GLACIER", Tagging="owner=them")

    (item,) = wait_for(lambda: parked(strict_world, named["Key"]))

    (receipt,) = entries(strict_world, "receipt", named["Key"])
    assert "sha256" not in receipt
    assert is_held(strict_world, named)
    assert {tag["Key"] for tag in s3.get_object_tagging(**named)["TagSet"]} >= {"owner", "legal-hold"}
    assert (item["kind"], item["state"]) == ("digest", "PARKED")
    assert "restore it, then redrive" in item["reason"]

    newest = {"Bucket": named["Bucket"], "Key": named["Key"]}  # the emulator tells of no other's restoration
    s3.restore_object(**newest, RestoreRequest={"Days": 1})
    wait_for(lambda: 'ongoing-request="false"' in s3.head_object(**newest).get("Restore", ""))
    assert invoke(strict_world, "RedriveParked", {})["redriven"] == 1

    (digest,) = wait_for(lambda: entries(strict_world, "event", named["Key"]))
    assert digest["type"] == "digest_added"
    assert invoke(strict_world, "RedriveParked", {})["closed"] == 1
