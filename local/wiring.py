"""Breaks the way of the evidence, as somebody with an administrator's rights would: after the deployment."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

type Client = Callable[[str], Any]
type Resources = Mapping[str, str]
"""The physical id of each resource by its logical one."""

_CUSTODY_IN_OUR_NETWORK = {
    "Sid": "OnlyFromOurVpc",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:PutObject",
    "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-0a1b2c3d4e5f60718"}},
}


def _bucket_policy(client: Client, resources: Resources) -> None:
    s3, bucket = client("s3"), resources["EvidenceBucket"]
    policy = json.loads(s3.get_bucket_policy(Bucket=bucket)["Policy"])
    policy["Statement"].append({**_CUSTODY_IN_OUR_NETWORK, "Resource": f"arn:aws:s3:::{bucket}/*"})
    s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps(policy))


def _external_id(client: Client, resources: Resources) -> None:
    iam, role = client("iam"), resources["GenesysWriterRole"]
    trust = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    trust["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "another-organisation"}}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(trust))


def _notification(client: Client, resources: Resources) -> None:
    client("s3").put_bucket_notification_configuration(
        Bucket=resources["EvidenceBucket"], NotificationConfiguration={}
    )


def _mapping(client: Client, resources: Resources) -> None:
    client("lambda").update_event_source_mapping(UUID=resources["SecureObjectsArrivalQueue"], Enabled=False)


def _key(client: Client, resources: Resources) -> None:
    client("kms").disable_key(KeyId=resources["Key"])


BREAKS: Mapping[str, Callable[[Client, Resources], None]] = {
    "bucket_policy": _bucket_policy,
    "external_id": _external_id,
    "notification": _notification,
    "mapping": _mapping,
    "key": _key,
}


def break_wiring(client: Client, resources: Resources, breaks: Iterable[str]) -> None:
    """Break what a scenario names."""
    for one in breaks:
        BREAKS[one](client, resources)
