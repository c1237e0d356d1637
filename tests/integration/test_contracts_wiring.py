"""What AWS says of a stack, read by the real adapter, is what the rules take for well."""

from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from holdfast.aws.wiring import StackWiring
from holdfast.doctor.wiring import wiring_digest, wiring_findings
from holdfast.ports import Reading, Unread

SESSION: Any = botocore.session.get_session()
REGION = "eu-central-1"


def _client(service: str) -> Any:
    return SESSION.create_client(service, region_name=REGION)


class Deployed:
    """A stack in moto, as the template has it, and what may be changed of it."""

    def __init__(self, *, has_object_lock: bool = True) -> None:
        self.s3 = _client("s3")
        self.s3.create_bucket(
            Bucket="evidence",
            CreateBucketConfiguration={"LocationConstraint": REGION},
            ObjectLockEnabledForBucket=has_object_lock,
        )
        sqs = _client("sqs")
        url = sqs.create_queue(QueueName="arrivals")["QueueUrl"]
        self.queue_arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        self.notify([{"QueueArn": self.queue_arn, "Events": ["s3:ObjectCreated:*"]}])

    def notify(self, queues: list[dict[str, Any]]) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket="evidence", NotificationConfiguration={"QueueConfigurations": queues}
        )

    def wiring(self) -> StackWiring:
        return StackWiring(self.s3, bucket="evidence", queue_arn=self.queue_arn)

    def findings(self) -> list[tuple[str, bool]]:
        return [(one.check, one.is_blocking) for one in wiring_findings(self.wiring().read())]


@pytest.fixture(autouse=True)
def _aws() -> Iterator[None]:
    with mock_aws():
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


def test_what_aws_denies_is_said_reading_by_reading() -> None:
    seen = StackWiring(_Denied("AccessDenied"), bucket="evidence", queue_arn="arn").read()

    assert seen.keys() == set(Reading)
    assert all(isinstance(document, Unread) for document in seen.values())


def test_what_may_pass_is_left_to_the_repetition() -> None:
    with pytest.raises(ClientError):
        StackWiring(_Denied("SlowDown"), bucket="evidence", queue_arn="arn").read()
