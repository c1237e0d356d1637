"""The arrival path by itself: objects nobody asked for, repeated events, functions that die half-way."""

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest

from holdfast.aws.buckets import EvidenceS3
from holdfast.aws.claims import ReceiptLedger
from holdfast.aws.disposals import DisposalLedger
from holdfast.aws.parking import ParkingLedger
from holdfast.aws.promises import RelockLedger
from holdfast.aws.table import Table
from holdfast.contracts.arrivals import QueuedMessage
from holdfast.steps.secure_objects import Securing
from local.world import World
from tests.e2e.runs import ledger, request_of, send, versions, wait_until_secured
from tests.fakes.clock import HandDrivenClock
from tests.fakes.telemetry import RecordedTelemetry

pytestmark = pytest.mark.world

WRITES = ("s3:PutObjectLegalHold", "s3:PutObjectVersionTagging", "dynamodb:PutItem")


def put_recording(world: World, *, organization: str = "") -> list[str]:
    """Write a recording and its sidecar as the vendor would; answers their keys."""
    recording = uuid.uuid4()
    folder = f"{organization or uuid.uuid4()}/year=2026/month=3/day=2/hour=5/conversation_id={uuid.uuid4()}"
    media, sidecar = f"{folder}/{recording}.opus", f"{folder}/{recording}.opus_metadata.json"
    for key, body in ((media, os.urandom(2000)), (sidecar, json.dumps({"mediaType": "Call"}).encode())):
        put(world, key, body)
    return [media, sidecar]


def put(world: World, key: str, body: bytes = b"evidence") -> None:
    world.client("s3").put_object(Bucket=world.outputs["EvidenceBucket"], Key=key, Body=body)


def notification(world: World, keys: list[str]) -> dict[str, Any]:
    """The SQS event that Lambda would get for all versions of these keys, one message each."""
    records = [
        {
            "messageId": str(uuid.uuid4()),
            "body": json.dumps(
                {
                    "Records": [
                        {
                            "eventName": "ObjectCreated:Put",
                            "eventTime": "2026-11-20T12:00:00.000Z",
                            "s3": {
                                "bucket": {"name": world.outputs["EvidenceBucket"]},
                                "object": {
                                    "key": quote_plus(version["Key"], safe="/"),
                                    "size": version["Size"],
                                    "versionId": version["VersionId"],
                                },
                            },
                        }
                    ]
                }
            ),
        }
        for version in versions(world)
        if version["Key"] in keys
    ]
    return {"Records": records}


def invoke(world: World, event: Mapping[str, Any]) -> Any:
    answer = world.client("lambda").invoke(
        FunctionName=world.stack.resources["SecureObjects"], Payload=json.dumps(event).encode()
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    return json.loads(answer["Payload"].read())


def standing(world: World, key: str) -> dict[str, Any]:
    """What S3 and the ledger have of the newest version of a key."""
    s3, bucket = world.client("s3"), world.outputs["EvidenceBucket"]
    version = next(one for one in versions(world) if one["Key"] == key and one["IsLatest"])
    named = {"Bucket": bucket, "Key": key, "VersionId": version["VersionId"]}
    entries = [json.loads(bytes(item["entry"])) for item in ledger(world) if item["sk"].startswith("OBJ#")]
    receipts = [one for one in entries if (one["key"], one["version_id"]) == (key, version["VersionId"])]
    return {
        "lock": s3.get_object_legal_hold(**named)["LegalHold"]["Status"],
        "tags": {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**named)["TagSet"]},
        "receipts": receipts,
    }


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("a/key/nobody knows.bin", "stray"),
        ("ungewöhnlich/große Datei+50%=a&b.bin", "stray"),
        ("/empty//segments/./and/../dots/", "stray"),
        ("%2F+%20 ?#&<>\\'\"\t\N{CLAPPER BOARD}", "stray"),
        ("ü" * 490, "stray"),
    ],
)
def test_whatever_arrives_is_locked_and_receipted_though_nobody_claims_it(
    world: World, name: str, role: str
) -> None:
    key = f"{name}-{uuid.uuid4()}"

    put(world, key)
    wait_until_secured(world)

    found = standing(world, key)
    assert found["lock"] == "ON"
    assert found["tags"] == {"legal-hold": "on"}
    assert [receipt["role"] for receipt in found["receipts"]] == [role]


def test_a_new_version_is_secured_like_the_first(world: World) -> None:
    media, _ = put_recording(world)
    wait_until_secured(world)

    put(world, media, b"another version")
    wait_until_secured(world)

    locks = [
        world.client("s3").get_object_legal_hold(
            Bucket=world.outputs["EvidenceBucket"], Key=media, VersionId=version["VersionId"]
        )["LegalHold"]["Status"]
        for version in versions(world)
        if version["Key"] == media
    ]
    assert locks == ["ON", "ON"]


def test_every_event_delivered_twice_more_changes_nothing_and_writes_nothing(world: World) -> None:
    keys = put_recording(world)
    wait_until_secured(world)
    event, before = notification(world, keys), ledger(world)
    writes = _writes(world)

    answers = [invoke(world, event), invoke(world, event)]

    assert answers == [{"batchItemFailures": []}] * 2
    assert sorted(map(str, ledger(world))) == sorted(map(str, before))
    assert _writes(world) == writes


def test_a_batch_of_a_thousand_records_is_handled_in_one_invocation(world: World) -> None:
    keys = put_recording(world)
    wait_until_secured(world)
    event = notification(world, keys)
    thousand = [{**record, "messageId": f"m-{n}"} for n in range(500) for record in event["Records"]]

    assert invoke(world, {"Records": thousand}) == {"batchItemFailures": []}


def test_a_poison_message_is_parked_and_fails_none_of_its_neighbours(world: World) -> None:
    keys = put_recording(world)
    event = notification(world, keys)
    poison = {
        "messageId": f"poison-{uuid.uuid4()}",
        "body": '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
    }

    answer = invoke(world, {"Records": [*event["Records"], poison]})

    assert answer == {"batchItemFailures": []}
    parked = [item for item in ledger(world) if item["pk"] == "PARKED#MESSAGES"]
    assert [item["body"] for item in parked if item["sk"] == poison["messageId"]] == [poison["body"]]
    assert standing(world, keys[0])["lock"] == "ON"


class Killed(BaseException):
    """The function's process died here."""


class Mortal:
    """A client whose process dies before its n-th call takes effect, or right after it."""

    def __init__(self, client: Any, calls: Iterator[int], dies_at: int, *, after: bool) -> None:
        self._client, self._calls, self._dies_at, self._after = client, calls, dies_at, after

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(**parameters: Any) -> Any:
            number = next(self._calls)
            if number == self._dies_at and not self._after:
                raise Killed
            answer = getattr(self._client, operation)(**parameters)
            if number == self._dies_at:
                if "Body" in answer:
                    answer["Body"].close()  # what nobody reads any more holds its connection open
                raise Killed
            return answer

        return call


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("dies_at", range(8))
def test_a_function_killed_at_any_effect_leaves_the_rest_to_the_redelivery(
    world: World, dies_at: int, after: bool
) -> None:
    # The real queue must not secure these behind the test's back: they lie in a bucket of their own.
    s3, bucket = world.client("s3"), f"killed-{uuid.uuid4()}"
    s3.create_bucket(
        Bucket=bucket,
        ObjectLockEnabledForBucket=True,
        CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name},
    )
    key = f"{uuid.uuid4()}/year=2026/month=3/day=2/hour=5/conversation_id={uuid.uuid4()}/{uuid.uuid4()}.opus"
    version_id = s3.put_object(Bucket=bucket, Key=key, Body=b"evidence")["VersionId"]
    named = {"Bucket": bucket, "Key": key, "VersionId": version_id}
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-20T12:00:00.000Z",
        "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 8, "versionId": version_id}},
    }
    message = QueuedMessage("m-1", json.dumps({"Records": [record]}))

    try:
        _securing(world, bucket, dies_at=dies_at, after=after).secure([message])
    except Killed:
        receipted = _receipt_of(world, key)
        assert not receipted or _lock_of(s3, named) == "ON"  # never a receipt without its lock
    assert _securing(world, bucket).secure([message]) == []

    assert _lock_of(s3, named) == "ON"
    assert {tag["Key"] for tag in s3.get_object_tagging(**named)["TagSet"]} >= {"legal-hold", "recording-id"}
    assert len(_receipt_of(world, key)) == 1


def test_objects_that_arrive_before_their_claim_count_once_they_are_claimed(world: World) -> None:
    request = request_of(world, matter_id="M-early", request_id="R-early")

    first = send(world, request)
    early = send(world, {**request, "matter_id": "M-late", "request_id": "R-late"})

    assert first.output["verdict"] == early.output["verdict"] == "PRESERVED"
    assert early.output["summary"]["recordings"]["secured"] == 5


def _securing(world: World, bucket: str, *, dies_at: int = -1, after: bool = False) -> Securing:
    calls = iter(range(1_000))
    s3 = Mortal(world.client("s3"), calls, dies_at, after=after)
    table = Table(Mortal(world.client("dynamodb"), calls, dies_at, after=after), world.outputs["LedgerTable"])
    return Securing(
        bucket=EvidenceS3(s3),
        receipts=ReceiptLedger(table),
        relocks=RelockLedger(table),
        marks=DisposalLedger(table),
        parking=ParkingLedger(table),
        hash_queue=None,  # type: ignore[arg-type] # nothing here is large
        evidence_bucket_name=bucket,
        hash_limit_bytes=1 << 20,
        has_time=lambda: True,
        clock=HandDrivenClock(datetime(2026, 11, 20, 12, tzinfo=UTC)),
        telemetry=RecordedTelemetry(),
    )


def _receipt_of(world: World, key: str) -> list[dict[str, Any]]:
    entries = [json.loads(bytes(item["entry"])) for item in ledger(world) if item["sk"].startswith("OBJ#")]
    return [entry for entry in entries if entry["key"] == key]


def _lock_of(s3: Any, named: Mapping[str, str]) -> str:
    try:
        return str(s3.get_object_legal_hold(**named)["LegalHold"]["Status"])
    except s3.exceptions.ClientError:
        return "OFF"


def _writes(world: World) -> int:
    calls = world.emulator.calls()["functions"]
    return sum(calls[operation] for operation in WRITES)
