"""What AWS says of a stack, read by the real adapter, is what the rules take for well."""

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from holdfast.aws.wiring import StackWiring
from holdfast.doctor.wiring import wiring_digest, wiring_findings
from holdfast.ports import Reading, Unread
from local.wiring import BREAKS, break_wiring
from tests.fakes.wiring import NAMES, REGION, RESOURCES, resolved

SESSION: Any = botocore.session.get_session()


def _client(service: str) -> Any:
    return SESSION.create_client(service, region_name=REGION)


def _role(name: str) -> str:
    """Make a role of the template, with the policies that its properties have inline."""
    iam, properties = _client("iam"), resolved(RESOURCES[name]["Properties"])
    trust = json.dumps(properties["AssumeRolePolicyDocument"])
    arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    for policy in properties["Policies"]:
        document = json.dumps(policy["PolicyDocument"])
        iam.put_role_policy(RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=document)
    return arn


class Deployed:
    """A stack in moto, as the template has it, as far as evidence takes its way through it."""

    def __init__(self, *, has_object_lock: bool = True) -> None:
        self.s3, self.sqs, self.kms, functions = (_client(one) for one in ("s3", "sqs", "kms", "lambda"))
        self.key_id = self.kms.create_key()["KeyMetadata"]["KeyId"]
        self.queue_url = self.sqs.create_queue(QueueName="holdfast-ArrivalQueue")["QueueUrl"]
        queue_arn = self.attribute("QueueArn")
        code = io.BytesIO()
        with zipfile.ZipFile(code, "w") as archive:
            archive.writestr("app.py", "")
        role_arn = _role("SecureObjectsRole")
        function = functions.create_function(
            FunctionName="holdfast-SecureObjects",
            Runtime="python3.13",
            Role=role_arn,
            Handler="app.handler",
            Code={"ZipFile": code.getvalue()},
        )
        mapping = functions.create_event_source_mapping(
            EventSourceArn=queue_arn, FunctionName=function["FunctionArn"], BatchSize=10
        )
        self.mapping_id = mapping["UUID"]
        # moto has an account of its own.
        self.names = replace(
            NAMES,
            evidence_bucket="evidence",
            key_arn=self.kms.describe_key(KeyId=self.key_id)["KeyMetadata"]["Arn"],
            arrival_queue_arn=queue_arn,
            securer_arn=function["FunctionArn"],
            securer_role_arn=role_arn,
            writer_role_arn=_role("GenesysWriterRole"),
        )
        self.s3.create_bucket(
            Bucket="evidence",
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=has_object_lock,
        )
        self.notify([{"QueueArn": queue_arn, "Events": ["s3:ObjectCreated:*"]}])
        self.s3.put_bucket_policy(
            Bucket="evidence",
            Policy=json.dumps(self.own(RESOURCES["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"])),
        )
        queue_policy = self.own(RESOURCES["ArrivalQueuePolicy"]["Properties"]["PolicyDocument"])
        self.sqs.set_queue_attributes(
            QueueUrl=self.queue_url,
            Attributes={
                "Policy": json.dumps(queue_policy),
                "RedrivePolicy": json.dumps({"deadLetterTargetArn": queue_arn, "maxReceiveCount": 5}),
            },
        )
        key_policy = self.own(RESOURCES["Key"]["Properties"]["KeyPolicy"])
        self.kms.put_key_policy(KeyId=self.key_id, PolicyName="default", Policy=json.dumps(key_policy))
        self.rename()

    @property
    def resources(self) -> Mapping[str, str]:
        """Name physical ids by logical ones."""
        return {
            "EvidenceBucket": "evidence",
            "GenesysWriterRole": "GenesysWriterRole",
            "Key": self.key_id,
            "SecureObjectsArrivalQueue": self.mapping_id,
        }

    def attribute(self, name: str) -> str:
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=[name])
        return str(answer["Attributes"][name])

    def own(self, value: Any) -> Any:
        """Fill in what moto called things, where the fakes have names of their own."""
        text = json.dumps(resolved(value))
        for theirs, ours in (
            (NAMES.evidence_bucket, "evidence"),
            (NAMES.arrival_queue_arn, self.names.arrival_queue_arn),
            (NAMES.writer_role_arn, self.names.writer_role_arn),
            (NAMES.key_arn, self.names.key_arn),
            ("111122223333", "123456789012"),
        ):
            text = text.replace(theirs, ours)
        return json.loads(text)

    def rename(self) -> None:
        """Have the roles' policies speak of what moto made."""
        iam = _client("iam")
        for role in ("SecureObjectsRole", "GenesysWriterRole"):
            for policy in RESOURCES[role]["Properties"]["Policies"]:
                document = json.dumps(self.own(policy["PolicyDocument"])).replace(
                    "arn:aws:x:::", "arn:aws:sqs:::"
                )
                iam.put_role_policy(RoleName=role, PolicyName=policy["PolicyName"], PolicyDocument=document)

    def notify(self, queues: list[dict[str, Any]]) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket="evidence", NotificationConfiguration={"QueueConfigurations": queues}
        )

    def wiring(self) -> StackWiring:
        return StackWiring(_client, self.names, mapping_id=self.mapping_id, queue_url=self.queue_url)

    def findings(self) -> list[tuple[str, bool]]:
        return [(one.check, one.is_blocking) for one in wiring_findings(self.wiring().read())]


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws(config={"lambda": {"use_docker": False}}):
        yield


def test_a_stack_as_deployed_has_no_findings() -> None:
    assert Deployed().findings() == []


def test_a_bucket_without_object_lock_and_without_versions_is_found() -> None:
    deployed = Deployed(has_object_lock=False)

    assert deployed.findings() == [("object lock", True), ("versioning", True)]


def test_a_bucket_that_notifies_nobody_is_found() -> None:
    deployed = Deployed()
    deployed.notify([])

    assert deployed.findings() == [("arrival wiring", True)]


def test_a_bucket_without_a_policy_denies_nothing() -> None:
    deployed = Deployed()
    deployed.s3.delete_bucket_policy(Bucket="evidence")

    assert set(deployed.findings()) == {("bucket policy", False)}


def test_a_key_that_is_disabled_is_found() -> None:
    deployed = Deployed()
    deployed.kms.disable_key(KeyId=deployed.key_id)

    assert deployed.findings() == [("key", True)]


def test_a_mapping_that_is_disabled_is_found() -> None:
    deployed = Deployed()
    _client("lambda").update_event_source_mapping(UUID=deployed.mapping_id, Enabled=False)

    assert deployed.findings() == [("arrival mapping", True)]


def test_a_function_without_concurrency_is_found() -> None:
    deployed = Deployed()
    _client("lambda").put_function_concurrency(
        FunctionName="holdfast-SecureObjects", ReservedConcurrentExecutions=0
    )

    assert deployed.findings() == [("arrival function", True)]


def test_another_key_of_the_bucket_is_found() -> None:
    deployed = Deployed()
    default = {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": "arn:aws:kms:x:1:key/other"}
    deployed.s3.put_bucket_encryption(
        Bucket="evidence",
        ServerSideEncryptionConfiguration={"Rules": [{"ApplyServerSideEncryptionByDefault": default}]},
    )

    assert deployed.findings() == [("encryption", True)]


BROKEN = {
    "bucket_policy": "bucket policy",
    "external_id": "writer role trust",
    "notification": "arrival wiring",
    "mapping": "arrival mapping",
    "key": "key",
}


@pytest.mark.parametrize("one", BREAKS)
def test_whatever_a_scenario_breaks_stops_a_run(one: str) -> None:
    deployed = Deployed()

    break_wiring(_client, deployed.resources, [one])

    assert deployed.findings() == [(BROKEN[one], True)]


def test_a_network_in_the_bucket_s_policy_is_named_by_its_statement() -> None:
    deployed = Deployed()

    break_wiring(_client, deployed.resources, ["bucket_policy"])

    (finding,) = wiring_findings(deployed.wiring().read())
    assert "statement OnlyFromOurVpc denies the vendor's role s3:PutObject" in finding.message
    assert "aws:SourceVpc" in finding.message


def test_what_a_role_lost_is_found() -> None:
    deployed = Deployed()
    _client("iam").delete_role_policy(RoleName="GenesysWriterRole", PolicyName="WriteRecordings")

    assert set(deployed.findings()) == {("writer role", True)}


@pytest.mark.parametrize(
    ("date", "told"),
    [
        ("Sat, 21 Nov 2026 16:00:00 GMT", datetime(2026, 11, 21, 16, tzinfo=UTC)),
        ("Sat, 21 Nov 2026 16:00:00 -0000", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_aws_says_what_time_it_is(date: str, told: datetime | None) -> None:
    deployed, s3 = Deployed(), _client("s3")
    s3.meta.events.register(
        "after-call.s3.GetBucketVersioning",
        lambda parsed, **_: parsed["ResponseMetadata"]["HTTPHeaders"].update(date=date),
    )
    wiring = StackWiring(
        lambda service: s3 if service == "s3" else _client(service),
        deployed.names,
        mapping_id=deployed.mapping_id,
        queue_url=deployed.queue_url,
    )

    assert wiring.read().told_at == told


def test_what_waits_to_be_secured_is_counted() -> None:
    deployed = Deployed()
    deployed.queue_url = deployed.sqs.create_queue(QueueName="nobody-works-it-off")["QueueUrl"]
    deployed.sqs.send_message(QueueUrl=deployed.queue_url, MessageBody="{}")

    assert deployed.wiring().backlog() == 1


def test_the_digest_of_a_wiring_changes_with_it_and_with_nothing_else() -> None:
    deployed = Deployed()
    first, again = (wiring_digest(deployed.wiring().read()) for _ in range(2))
    deployed.notify([])

    assert first == again
    assert wiring_digest(deployed.wiring().read()) != first


class _Denied:
    """An AWS that answers every call with one error."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __getattr__(self, operation: str) -> Any:
        def refuse(**_: object) -> None:
            raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, operation)

        return refuse


def _answering(code: str) -> StackWiring:
    return StackWiring(lambda _: _Denied(code), NAMES, mapping_id="m", queue_url="q")


def test_what_aws_denies_is_said_reading_by_reading() -> None:
    documents = _answering("AccessDenied").read().documents

    assert documents.keys() == set(Reading)
    assert all(isinstance(document, Unread) for document in documents.values())


def test_what_may_pass_is_left_to_the_repetition() -> None:
    with pytest.raises(ClientError):
        _answering("SlowDown").read()
