"""What AWS says of the stack: the documents that Preflight judges."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from botocore.exceptions import ClientError

from holdfast.ports import Document, Reading, StackNames, Unread, Wiring

_REFUSED = frozenset({"AccessDenied", "AccessDeniedException"})
_NOT_THERE = frozenset(
    {
        "NoSuchBucketPolicy",
        "ObjectLockConfigurationNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    }
)
# What is about a thing's use, and not about the thing, would give every wiring another digest.
_QUEUE = ("Policy", "RedrivePolicy", "VisibilityTimeout")
_MAPPING = ("UUID", "State", "EventSourceArn", "FunctionArn", "BatchSize")
_FUNCTION = ("CodeSha256", "Role", "State", "Timeout", "MemorySize")


class StackWiring:
    """Implements `ports.WiringSource`; `client` gives botocore's client of a service."""

    def __init__(
        self, client: Callable[[str], Any], names: StackNames, *, mapping_id: str, queue_url: str
    ) -> None:
        self._s3 = client("s3")
        self._kms = client("kms")
        self._sqs = client("sqs")
        self._iam = client("iam")
        self._lambda = client("lambda")
        self._names = names
        self._mapping_id = mapping_id
        self._queue_url = queue_url

    def read(self) -> Wiring:
        """Read everything; a reading that is denied does not hide the others."""
        told: list[str] = []
        readings: Mapping[Reading, Document | Unread] = {
            Reading.OBJECT_LOCK: _tried(self._object_lock),
            Reading.VERSIONING: _tried(lambda: self._versioning(told)),
            Reading.ENCRYPTION: _tried(self._encryption),
            Reading.NOTIFICATION: _tried(self._notification),
            Reading.BUCKET_POLICY: _tried(self._bucket_policy),
            Reading.KEY: _tried(self._key),
            Reading.KEY_POLICY: _tried(self._key_policy),
            Reading.ARRIVAL_QUEUE: _tried(self._arrival_queue),
            Reading.ARRIVAL_MAPPING: _tried(self._arrival_mapping),
            Reading.SECURER: _tried(self._securer),
            Reading.SECURER_POLICIES: _tried(self._securer_policies),
            Reading.WRITER_ROLE: _tried(self._writer_role),
            Reading.WRITER_POLICIES: _tried(self._writer_policies),
        }
        return Wiring(self._names, readings, next((at for text in told if (at := _moment(text))), None))

    def backlog(self) -> int:
        """Ask the queue; it counts about right."""
        name = "ApproximateNumberOfMessages"
        answer = self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=[name])
        return int(answer["Attributes"][name])

    def _object_lock(self) -> Document:
        answer = self._s3.get_object_lock_configuration(Bucket=self._names.evidence_bucket)
        return dict(answer["ObjectLockConfiguration"])

    def _versioning(self, told: list[str]) -> Document:
        answer = self._s3.get_bucket_versioning(Bucket=self._names.evidence_bucket)
        told.append(answer["ResponseMetadata"]["HTTPHeaders"].get("date", ""))
        return _some(answer, ("Status", "MFADelete"))

    def _encryption(self) -> Document:
        answer = self._s3.get_bucket_encryption(Bucket=self._names.evidence_bucket)
        return dict(answer["ServerSideEncryptionConfiguration"])

    def _notification(self) -> Document:
        answer = self._s3.get_bucket_notification_configuration(Bucket=self._names.evidence_bucket)
        return _some(answer, ("QueueConfigurations",))

    def _bucket_policy(self) -> Document:
        return _parsed(self._s3.get_bucket_policy(Bucket=self._names.evidence_bucket)["Policy"])

    def _key(self) -> Document:
        return _some(self._kms.describe_key(KeyId=self._names.key_arn)["KeyMetadata"], ("Arn", "KeyState"))

    def _key_policy(self) -> Document:
        answer = self._kms.get_key_policy(KeyId=self._names.key_arn, PolicyName="default")
        return _parsed(answer["Policy"])

    def _arrival_queue(self) -> Document:
        answer = self._sqs.get_queue_attributes(QueueUrl=self._queue_url, AttributeNames=list(_QUEUE))
        return {
            name: _parsed(value) if value.startswith("{") else value
            for name, value in answer.get("Attributes", {}).items()
            if name in _QUEUE
        }

    def _arrival_mapping(self) -> Document:
        return _some(self._lambda.get_event_source_mapping(UUID=self._mapping_id), _MAPPING)

    def _securer(self) -> Document:
        arn = self._names.securer_arn
        reserved = self._lambda.get_function_concurrency(FunctionName=arn)
        return {
            **_some(self._lambda.get_function_configuration(FunctionName=arn), _FUNCTION),
            **_some(reserved, ("ReservedConcurrentExecutions",)),
        }

    def _securer_policies(self) -> Document:
        return self._policies(self._names.securer_role_arn)

    def _writer_policies(self) -> Document:
        return self._policies(self._names.writer_role_arn)

    def _writer_role(self) -> Document:
        role = self._iam.get_role(RoleName=_name_of(self._names.writer_role_arn))["Role"]
        return _some(role, ("Arn", "AssumeRolePolicyDocument", "PermissionsBoundary"))

    def _policies(self, role_arn: str) -> Document:
        """Read a role's policies; a role of the stack has few enough for one page."""
        role = _name_of(role_arn)
        names = self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        attached = self._iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
        return {
            "inline": {
                name: self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                for name in sorted(names)
            },
            "attached": sorted(one["PolicyArn"] for one in attached),
        }


def _tried(read: Callable[[], Document]) -> Document | Unread:
    try:
        return read()
    except ClientError as error:
        said = error.response["Error"]
        if said["Code"] in _NOT_THERE:
            return {}
        if said["Code"] not in _REFUSED:
            raise
        return Unread(f"{error.operation_name}: {said['Code']}: {said.get('Message', '')}")


def _moment(date: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(date)
    except ValueError:
        return None
    return at if at.tzinfo else None


def _some(answer: Mapping[str, Any], names: tuple[str, ...]) -> Document:
    return {name: answer[name] for name in names if name in answer}


def _parsed(policy: str) -> Document:
    document: Document = json.loads(policy)
    return document


def _name_of(role_arn: str) -> str:
    return role_arn.rpartition("/")[2]
