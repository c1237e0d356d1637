"""The wiring as the template describes it, and what AWS would say of it."""

import re
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from holdfast.ports import Document, Reading, StackNames, Unread, Wiring
from local.template import read_template

ACCOUNT, REGION = "111122223333", "eu-central-1"
RESOURCES: Mapping[str, Any] = read_template(Path(__file__).parents[2] / "template.yaml")["Resources"]
NAMES = StackNames(
    evidence_bucket=f"holdfast-evidence-{ACCOUNT}-{REGION}",
    key_arn=f"arn:aws:kms:{REGION}:{ACCOUNT}:key/6f1e4d2c-0000-4000-8000-000000000001",
    arrival_queue_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:holdfast-ArrivalQueue",
    securer_arn=f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:holdfast-SecureObjects",
    securer_role_arn=f"arn:aws:iam::{ACCOUNT}:role/holdfast-SecureObjectsRole",
    writer_role_arn=f"arn:aws:iam::{ACCOUNT}:role/holdfast-GenesysWriterRole",
    genesys_account_id="765628985471",
    organization_id="2f8b9a34-6d1e-4c57-9a0b-8e3d5f7c1a26",
)
_VALUES = {
    "AWS::Partition": "aws",
    "AWS::AccountId": ACCOUNT,
    "AWS::Region": REGION,
    "AWS::StackName": "holdfast",
    "GenesysAccountId": NAMES.genesys_account_id,
    "GenesysOrganizationId": NAMES.organization_id,
    "EvidenceBucket": NAMES.evidence_bucket,
    "EvidenceBucket.Arn": f"arn:aws:s3:::{NAMES.evidence_bucket}",
    "Key.Arn": NAMES.key_arn,
    "ArrivalQueue.Arn": NAMES.arrival_queue_arn,
    "GenesysWriterRole.Arn": NAMES.writer_role_arn,
    "PreflightRole.Arn": f"arn:aws:iam::{ACCOUNT}:role/holdfast-PreflightRole",
}


def resolved(value: Any) -> Any:
    """Fill in what a template refers to; what no wiring needs to know is named after itself."""
    match value:
        case {"Ref": name}:
            return _VALUES.get(name, name)
        case {"Fn::If": [_, asked_for, _]}:
            return resolved(asked_for)
        case {"Fn::GetAtt": [name, attribute]}:
            return _VALUES.get(f"{name}.{attribute}", f"arn:aws:x:::{name}")
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w.:]+)\}", lambda found: _VALUES.get(found[1], found[1]), text)
        case dict():
            return {name: resolved(one) for name, one in value.items()}
        case list():
            return [resolved(one) for one in value]
    return value


def _properties(name: str) -> Any:
    return resolved(RESOURCES[name]["Properties"])


def _policies(role: str) -> Document:
    properties = _properties(role)
    return {
        "inline": {one["PolicyName"]: one["PolicyDocument"] for one in properties["Policies"]},
        "attached": [
            f"arn:aws:iam::{ACCOUNT}:policy/{one}" for one in properties.get("ManagedPolicyArns", [])
        ],
    }


def as_deployed() -> dict[Reading, Document | Unread]:
    """Say what AWS says of a stack that nobody has touched."""
    return deepcopy(_DEPLOYED)


_DEPLOYED: dict[Reading, Document | Unread] = {
    Reading.OBJECT_LOCK: {"ObjectLockEnabled": "Enabled"},
    Reading.VERSIONING: {"Status": "Enabled"},
    Reading.ENCRYPTION: {
        "Rules": [
            {
                "ApplyServerSideEncryptionByDefault": {
                    "SSEAlgorithm": "aws:kms",
                    "KMSMasterKeyID": NAMES.key_arn,
                },
                "BucketKeyEnabled": True,
            }
        ]
    },
    Reading.NOTIFICATION: {
        "QueueConfigurations": [
            {"Id": "arrivals", "QueueArn": NAMES.arrival_queue_arn, "Events": ["s3:ObjectCreated:*"]}
        ]
    },
    Reading.BUCKET_POLICY: _properties("EvidenceBucketPolicy")["PolicyDocument"],
    Reading.KEY: {"Arn": NAMES.key_arn, "KeyState": "Enabled"},
    Reading.KEY_POLICY: _properties("Key")["KeyPolicy"],
    Reading.ARRIVAL_QUEUE: {
        "Policy": _properties("ArrivalQueuePolicy")["PolicyDocument"],
        "RedrivePolicy": {"deadLetterTargetArn": "arn:aws:sqs:x:1:dead", "maxReceiveCount": 5},
        "VisibilityTimeout": "1800",
    },
    Reading.ARRIVAL_MAPPING: {
        "UUID": "4f2a1b3c-0000-4000-8000-000000000002",
        "State": "Enabled",
        "EventSourceArn": NAMES.arrival_queue_arn,
        "FunctionArn": NAMES.securer_arn,
        "BatchSize": 100,
    },
    Reading.SECURER: {"CodeSha256": "c29tZQ==", "State": "Active", "ReservedConcurrentExecutions": 20},
    Reading.SECURER_POLICIES: _policies("SecureObjectsRole"),
    Reading.WRITER_ROLE: {
        "Arn": NAMES.writer_role_arn,
        "AssumeRolePolicyDocument": _properties("GenesysWriterRole")["AssumeRolePolicyDocument"],
    },
    Reading.WRITER_POLICIES: _policies("GenesysWriterRole"),
}


@dataclass(slots=True)
class WiringInMemory:
    """Implements `ports.WiringSource`."""

    documents: dict[Reading, Document | Unread] = field(default_factory=as_deployed)
    waiting: int = 0
    told_at: datetime | None = None

    def read(self) -> Wiring:
        return Wiring(NAMES, dict(self.documents), self.told_at)

    def backlog(self) -> int:
        return self.waiting
