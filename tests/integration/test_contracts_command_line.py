"""How the command line reaches a stack, and what it reads of S3 and of Step Functions."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from cli import connection
from cli.connection import Deployment, connect, embedded
from cli.executions import Executions
from cli.exits import Exit
from cli.failures import CommandFailed, NotConnected, explain
from cli.locks import Locks
from cli.lost_events import LostEvents
from holdfast.domain.custody import ObjectVersion
from holdfast.errors import AwsRefused
from tests.fakes.buckets import EvidenceInMemory
from tests.fakes.clock import NOON
from tests.unit.cli.deployment import LocksInMemory

REGION = "eu-central-1"


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "-")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "-")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with mock_aws():
        yield


# --- reaching a stack


@pytest.fixture(autouse=True)
def stacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let CloudFormation know one stack, `holdfast`; the rest of AWS is moto's."""
    client_of: Any = boto3.Session.client

    def client(session: Any, service: str, **options: Any) -> Any:
        return _CloudFormation() if service == "cloudformation" else client_of(session, service, **options)

    monkeypatch.setattr(boto3.Session, "client", client)


class _CloudFormation:
    def describe_stacks(self, *, StackName: str) -> Any:  # noqa: N803 - AWS's spelling
        if StackName != "holdfast":
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [{"Outputs": [{"OutputKey": "RequestBus", "OutputValue": "requests"}]}]}


def test_a_deployed_stack_is_known_by_its_outputs_and_takes_events() -> None:
    boto3.client("events", region_name=REGION).create_event_bus(Name="requests")

    deployment = connect("holdfast", REGION, None)

    assert deployment.output("RequestBus") == "requests"
    assert deployment.send("RequestBus", "DiscoveryRequested", {"matter_id": "M-1"})


def test_an_output_that_a_stack_does_not_have_makes_it_another_stack() -> None:
    with pytest.raises(NotConnected, match="no Holdfast stack") as failure:
        connect("holdfast", REGION, None).output("LedgerTable")

    assert "RequestBus" in failure.value.refusal.found


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (("gone", REGION, None), "there is no stack gone in eu-central-1"),
        (("holdfast", None, None), "the region of stack holdfast is not known"),
        ((None, REGION, None), "no stack was named"),
        ((None, None, None), "no embedded world is up"),
    ],
)
def test_a_stack_that_cannot_be_reached_is_said_with_what_to_do(
    target: tuple[str | None, str | None, str | None],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "WORLD", tmp_path / "world.json")

    with pytest.raises(NotConnected, match=said) as failure:
        connect(*target)

    assert failure.value.refusal.advice


def test_a_profile_that_is_not_there_is_a_sentence() -> None:
    with pytest.raises(Exception, match="nobody") as failure:
        connect("holdfast", REGION, "nobody")

    assert explain(failure.value).exit_code == Exit.NOT_CONNECTED


def test_the_embedded_world_is_found_by_its_description(tmp_path: Path) -> None:
    described = tmp_path / "world.json"
    described.write_text(
        json.dumps(
            {
                "environment": {
                    "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
                    "AWS_ACCESS_KEY_ID": "test",
                    "AWS_SECRET_ACCESS_KEY": "test",
                    "AWS_DEFAULT_REGION": REGION,
                },
                "outputs": {"LedgerTable": "ledger"},
            }
        )
    )

    deployment = embedded(described)

    assert deployment.output("LedgerTable") == "ledger"
    assert deployment.client("s3").meta.endpoint_url == "http://127.0.0.1:1"
    assert deployment.client("s3") is deployment.client("s3")


def test_an_event_that_the_bus_does_not_take_is_no_event() -> None:
    deployment = Deployment("a stack", {"RequestBus": "requests"}, boto3.Session(region_name=REGION))
    with Stubber(deployment.client("events")) as stub:
        stub.add_response(
            "put_events", {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure"}]}
        )

        with pytest.raises(CommandFailed, match="the bus did not take the event") as failure:
            deployment.send("RequestBus", "DiscoveryRequested", {})

    assert failure.value.refusal.exit_code == Exit.TRY_AGAIN


@pytest.mark.parametrize(
    ("detail_type", "output"),
    [
        ("DiscoveryRequested", "RequestBus"),
        ("StandingMatterClosed", "RequestBus"),
        ("HoldReleaseRequested", "ReleaseBus"),
        ("HoldReleaseApproved", "ApprovalBus"),
    ],
)
def test_an_event_is_sent_again_as_it_was_to_the_bus_of_its_type(detail_type: str, output: str) -> None:
    outputs = {name: name.lower() for name in ("RequestBus", "ReleaseBus", "ApprovalBus")}
    deployment = Deployment("a stack", outputs, boto3.Session(region_name=REGION))
    event = {
        "source": "legal",
        "detail-type": detail_type,
        "detail": {"a": 1},
        "time": "2026-03-01T00:00:00Z",
    }
    entry = {
        "EventBusName": output.lower(),
        "Source": "legal",
        "DetailType": detail_type,
        "Detail": '{"a": 1}',
        "Time": datetime(2026, 3, 1, tzinfo=UTC),
    }
    with Stubber(deployment.client("events")) as stub:
        stub.add_response(
            "put_events", {"FailedEntryCount": 0, "Entries": [{"EventId": "1"}]}, {"Entries": [entry]}
        )

        assert deployment.send_again(event) == "1"


def test_lost_events_are_read_once_and_stay_in_the_queue_until_they_are_removed() -> None:
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName="lost")["QueueUrl"]
    event = {"source": "legal", "detail-type": "DiscoveryRequested", "detail": {"matter_id": "M-1"}}
    told: Any = {"ERROR_CODE": {"DataType": "String", "StringValue": "NO_PERMISSIONS"}}
    for body in (json.dumps(event), "nonsense", '{"source": "another"}'):
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=told)
    queue = LostEvents(sqs, url=url)

    taken = list(queue.take())
    for lost in taken:
        (queue.remove if lost.event else queue.put_back)(lost)
    left = list(queue.take())

    assert sorted((lost.matter_id, lost.error) for lost in taken) == [
        ("", "NO_PERMISSIONS"),
        ("", "NO_PERMISSIONS"),
        ("M-1", "NO_PERMISSIONS"),
    ]
    assert [lost.event for lost in taken if lost.event] == [event]
    assert [lost.event for lost in left] == [{}, {}]


def test_what_is_put_back_while_the_queue_is_read_is_not_read_again() -> None:
    sqs = boto3.client("sqs", region_name=REGION)
    url = sqs.create_queue(QueueName="lost")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="nonsense")
    queue, seen = LostEvents(sqs, url=url), 0

    for lost in queue.take():
        queue.put_back(lost)
        seen += 1

    assert seen == 1


def _answered(error: str | None, told: object) -> Any:
    body = StreamingBody(BytesIO(content := json.dumps(told).encode()), len(content))
    return {"StatusCode": 200, "Payload": body} | ({"FunctionError": error} if error else {})


def test_a_function_is_invoked_and_gives_its_answer() -> None:
    deployment = Deployment("a stack", {"RedriveParkedName": "f"}, boto3.Session(region_name=REGION))
    with Stubber(deployment.client("lambda")) as stub:
        stub.add_response("invoke", _answered(None, {"done": True}), {"FunctionName": "f", "Payload": b"{}"})

        assert deployment.invoke("RedriveParkedName", {}) == {"done": True}


def test_a_function_that_fails_is_a_sentence_with_what_it_said() -> None:
    deployment = Deployment("a stack", {"RedriveParkedName": "f"}, boto3.Session(region_name=REGION))
    failed = _answered("Unhandled", {"errorType": "AwsUnavailable", "errorMessage": "no answer"})
    with Stubber(deployment.client("lambda")) as stub:
        stub.add_response("invoke", failed)

        with pytest.raises(CommandFailed, match="RedriveParked failed: AwsUnavailable") as failure:
            deployment.invoke("RedriveParkedName", {})

    assert (failure.value.refusal.found, failure.value.refusal.exit_code) == ("no answer", Exit.TRY_AGAIN)


def test_a_stack_that_was_built_for_another_architecture_says_so() -> None:
    deployment = Deployment("a stack", {"PreflightName": "f"}, boto3.Session(region_name=REGION))
    said = {"errorType": "Runtime.ImportModuleError", "errorMessage": "No module named 'pydantic_core'"}
    with Stubber(deployment.client("lambda")) as stub:
        stub.add_response("invoke", _answered("Unhandled", said), {"FunctionName": "f", "Payload": b"{}"})

        with pytest.raises(CommandFailed, match="Preflight failed") as failure:
            deployment.invoke("PreflightName", {})

    assert failure.value.refusal.exit_code == Exit.REFUSED
    assert "Architecture" in failure.value.refusal.advice


@pytest.mark.parametrize(
    ("code", "exit_code"),
    [
        ("AccessDenied", Exit.NOT_CONNECTED),
        ("ThrottlingException", Exit.TRY_AGAIN),
        ("SlowDown", Exit.TRY_AGAIN),
    ],
)
def test_what_aws_refuses_is_a_sentence_and_an_exit_code(code: str, exit_code: Exit) -> None:
    refusal = explain(ClientError({"Error": {"Code": code, "Message": "no"}}, "GetItem"))

    assert (refusal.name, refusal.exit_code) == (code, exit_code)
    assert refusal.advice


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("ExpiredToken", "log in to AWS again"),
        ("UnrecognizedClientException", "give --profile"),
        ("RequestTimeTooSkewed", "set this machine's clock"),
        ("AccessDenied", "read who was denied which action on what"),
    ],
)
def test_who_asks_without_valid_credentials_is_told_to_log_in_and_not_to_ask_for_permissions(
    code: str, advice: str
) -> None:
    at_once = explain(ClientError({"Error": {"Code": code, "Message": "no"}}, "DescribeStacks"))
    on_the_way = explain(AwsRefused(f"Query: {code}: no"))

    assert at_once.exit_code == on_the_way.exit_code == Exit.NOT_CONNECTED
    assert advice in at_once.advice
    assert advice in on_the_way.advice or code == "AccessDenied"  # which the doctor explains


# --- the locks: one suite for the fake and the real one


@dataclass(frozen=True)
class Bucket:
    """A bucket with locks; `put` uploads, `lock` locks, `remove` deletes for good."""

    locks: Locks | LocksInMemory
    put: Callable[[str], ObjectVersion]
    lock: Callable[[ObjectVersion], object]
    remove: Callable[[ObjectVersion], object]


def _in_memory() -> Bucket:
    evidence = EvidenceInMemory()
    return Bucket(
        LocksInMemory(evidence),
        evidence.put,
        evidence.lock,
        lambda version: evidence.stored.pop((version.key, version.version_id)),
    )


def _on_moto() -> Bucket:
    s3 = boto3.client("s3", region_name=REGION)
    where: Any = {"LocationConstraint": REGION}
    s3.create_bucket(Bucket="evidence", ObjectLockEnabledForBucket=True, CreateBucketConfiguration=where)

    def put(key: str) -> ObjectVersion:
        return ObjectVersion(
            "evidence", key, s3.put_object(Bucket="evidence", Key=key, Body=b"x")["VersionId"], 1
        )

    def named(version: ObjectVersion) -> Any:
        return {"Bucket": "evidence", "Key": version.key, "VersionId": version.version_id}

    return Bucket(
        Locks(s3, bucket="evidence"),
        put,
        lambda version: s3.put_object_legal_hold(**named(version), LegalHold={"Status": "ON"}),
        lambda version: s3.delete_object(**named(version)),
    )


@pytest.fixture(params=[_in_memory, _on_moto], ids=["fake", "S3"])
def bucket(request: pytest.FixtureRequest) -> Bucket:
    made: Bucket = request.param()
    return made


def test_a_lock_is_on_off_or_gone(bucket: Bucket) -> None:
    locked, open_, gone = bucket.put("a/one.wav"), bucket.put("a/two.wav"), bucket.put("a/three.wav")
    bucket.lock(locked)
    bucket.remove(gone)

    assert [bucket.locks.of(version) for version in (locked, open_, gone)] == ["ON", "OFF", "GONE"]


def test_the_versions_of_a_key_are_its_own_alone(bucket: Bucket) -> None:
    first, second = bucket.put("a/one.wav"), bucket.put("a/one.wav")
    bucket.put("a/one.wav_metadata.json")
    bucket.put("a/on")

    found = {arrival.version.version_id for arrival in bucket.locks.versions_of("a/one.wav")}

    assert found == {first.version_id, second.version_id}
    assert list(bucket.locks.versions_of("a/none.wav")) == []


def test_who_may_not_look_is_told_so() -> None:
    s3 = boto3.client("s3", region_name=REGION)
    with Stubber(s3) as stub:
        stub.add_client_error("get_object_legal_hold", "AccessDenied")
        stub.add_client_error("list_object_versions", "AccessDenied")

        assert Locks(s3, bucket="evidence").of(ObjectVersion("evidence", "k", "v", 1)) == "DENIED"
        assert list(Locks(s3, bucket="evidence").versions_of("k")) == []


def test_what_s3_refuses_for_another_reason_is_no_lock() -> None:
    s3 = boto3.client("s3", region_name=REGION)
    with Stubber(s3) as stub:
        stub.add_client_error("get_object_legal_hold", "SlowDown")

        with pytest.raises(ClientError, match="SlowDown"):
            Locks(s3, bucket="evidence").of(ObjectVersion("evidence", "k", "v", 1))


# --- executions

ARN = "arn:aws:states:eu-central-1:123456789012:execution:holdfast-preserve-matter:1"


def test_an_execution_says_in_which_state_it_stands() -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    with Stubber(client) as stub:
        stub.add_response("describe_execution", {**_DESCRIBED, "status": "RUNNING"})
        stub.add_response("get_execution_history", {"events": _HISTORY})

        execution = Executions(client).of(ARN)

    assert (execution.status, execution.state, execution.is_running) == ("RUNNING", "Reconcile", True)


def test_an_execution_that_ended_stands_nowhere_and_one_that_nobody_remembers_is_unknown() -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    with Stubber(client) as stub:
        stub.add_response(
            "describe_execution", {**_DESCRIBED, "status": "FAILED", "error": "PreflightBlocked"}
        )
        stub.add_client_error("describe_execution", "ExecutionDoesNotExist")

        ended, forgotten = Executions(client).of(ARN), Executions(client).of(ARN)

    assert (ended.status, ended.state, ended.error) == ("FAILED", None, "PreflightBlocked")
    assert (forgotten.status, forgotten.is_running) == ("UNKNOWN", False)


def test_failed_executions_are_listed_with_the_event_that_started_them_unless_they_are_old() -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    # Started long ago, and ended just now: a run may last for days.
    young = {**_LISTED, "startDate": NOON - timedelta(days=5), "stopDate": NOON}
    old = {
        **_LISTED,
        "name": "2",
        "startDate": NOON - timedelta(days=1),
        "stopDate": NOON - timedelta(hours=9),
    }
    described = {
        **_DESCRIBED, "name": "1", "status": "FAILED", "stopDate": NOON,
        "error": "PreflightBlocked", "cause": "because", "input": json.dumps({"detail": {}}),
    }  # fmt: skip
    with Stubber(client) as stub:
        for status in ("FAILED", "TIMED_OUT", "ABORTED"):
            executions = [old, young] if status == "FAILED" else []
            asked = {"stateMachineArn": "machine", "statusFilter": status}
            stub.add_response("list_executions", {"executions": executions}, asked)
            if executions:
                stub.add_response("describe_execution", described, {"executionArn": ARN})

        (run,) = Executions(client).failed("machine", NOON - timedelta(hours=1))

    assert (run.name, run.error, run.cause, run.event) == ("1", "PreflightBlocked", "because", {"detail": {}})


def test_an_execution_is_started_with_what_another_was_given() -> None:
    client = boto3.client("stepfunctions", region_name=REGION)
    with Stubber(client) as stub:
        stub.add_response(
            "start_execution",
            {"executionArn": ARN, "startDate": NOON},
            {"stateMachineArn": "machine", "input": '{"early": true}'},
        )

        assert Executions(client).start("machine", {"early": True}) == ARN


_LISTED: Any = {
    "executionArn": ARN,
    "stateMachineArn": "machine",
    "name": "1",
    "status": "FAILED",
    "startDate": NOON,
}
_DESCRIBED: Any = {
    "executionArn": ARN,
    "stateMachineArn": "arn:aws:states:eu-central-1:123456789012:stateMachine:holdfast-preserve-matter",
    "startDate": NOON,
}
_HISTORY: Any = [
    {"timestamp": NOON, "type": "LambdaFunctionScheduled", "id": 3},
    {
        "timestamp": NOON,
        "type": "TaskStateEntered",
        "id": 2,
        "stateEnteredEventDetails": {"name": "Reconcile"},
    },
    {
        "timestamp": NOON,
        "type": "TaskStateEntered",
        "id": 1,
        "stateEnteredEventDetails": {"name": "OpenRequest"},
    },
]
