"""What may be wrong with a deployed stack is found, named by its statement, and nothing else is."""

from collections.abc import Callable
from typing import Any

import pytest

from holdfast.doctor.checks import CHECKS
from holdfast.doctor.wiring import wiring_digest, wiring_findings
from holdfast.ports import Reading, Unread, Wiring
from tests.fakes.wiring import NAMES, as_deployed

type Change = Callable[[dict[Reading, Any]], object]
EVIDENCE = f"arn:aws:s3:::{NAMES.evidence_bucket}/*"
VPC = {
    "Sid": "OnlyFromOurVpc",
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": EVIDENCE,
    "Condition": {"StringNotEquals": {"aws:SourceVpc": "vpc-0a1b2c3d"}},
}


def found(change: Change) -> list[tuple[str, bool, str]]:
    documents = as_deployed()
    change(documents)
    return [(one.check, one.is_blocking, one.message) for one in wiring_findings(Wiring(NAMES, documents))]


def statement(documents: dict[Reading, Any], reading: Reading, **changes: Any) -> None:
    """Add a statement to the policy of a bucket, key or queue."""
    document = documents[reading]
    policy = document["Policy"] if reading is Reading.ARRIVAL_QUEUE else document
    policy["Statement"].append(
        {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": EVIDENCE, **changes}
    )


def inline(documents: dict[Reading, Any], reading: Reading) -> list[dict[str, Any]]:
    (policy,) = documents[reading]["inline"].values()
    statements: list[dict[str, Any]] = policy["Statement"]
    return statements


def trust(documents: dict[Reading, Any]) -> dict[str, Any]:
    only: dict[str, Any] = documents[Reading.WRITER_ROLE]["AssumeRolePolicyDocument"]["Statement"][0]
    return only


def test_a_stack_as_the_template_describes_it_has_no_findings() -> None:
    assert found(lambda _: None) == []


CHANGES: dict[str, tuple[Change, str, bool, str]] = {
    "no Object Lock": (lambda d: d[Reading.OBJECT_LOCK].clear(), "object lock", True, "no Object Lock"),
    "a default retention": (
        lambda d: d[Reading.OBJECT_LOCK].update(Rule={"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}),
        "default retention",
        False,
        "without a checksum",
    ),
    "no versions": (
        lambda d: d[Reading.VERSIONING].update(Status="Suspended"),
        "versioning",
        True,
        "not versioned",
    ),
    "another key for the bucket": (
        lambda d: d[Reading.ENCRYPTION]["Rules"][0]["ApplyServerSideEncryptionByDefault"].update(
            KMSMasterKeyID="arn:aws:kms:eu-central-1:1:key/other"
        ),
        "encryption",
        True,
        "another key",
    ),
    "a key of S3 for the bucket": (
        lambda d: d[Reading.ENCRYPTION].update(
            Rules=[{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
        ),
        "encryption",
        False,
        "a key of S3",
    ),
    "a bucket that notifies nobody": (
        lambda d: d[Reading.NOTIFICATION].clear(),
        "arrival wiring",
        True,
        "does not notify the arrival queue",
    ),
    "a bucket that notifies another queue": (
        lambda d: d[Reading.NOTIFICATION]["QueueConfigurations"][0].update(QueueArn="arn:aws:sqs:x:1:other"),
        "arrival wiring",
        True,
        "does not notify the arrival queue",
    ),
    "a bucket that notifies of some": (
        lambda d: d[Reading.NOTIFICATION]["QueueConfigurations"][0].update(Events=["s3:ObjectCreated:Put"]),
        "arrival wiring",
        True,
        "of some objects only",
    ),
    "a bucket that notifies of a prefix": (
        lambda d: d[Reading.NOTIFICATION]["QueueConfigurations"][0].update(
            Filter={"Key": {"FilterRules": [{"Name": "prefix", "Value": "a/"}]}}
        ),
        "arrival wiring",
        True,
        "of some objects only",
    ),
    "a key that is disabled": (
        lambda d: d[Reading.KEY].update(KeyState="Disabled"),
        "key",
        True,
        "key is Disabled",
    ),
    "a key that is going": (
        lambda d: d[Reading.KEY].update(KeyState="PendingDeletion"),
        "key",
        True,
        "key is PendingDeletion",
    ),
    "a queue without dead letters": (
        lambda d: d[Reading.ARRIVAL_QUEUE].pop("RedrivePolicy"),
        "arrival queue",
        False,
        "no dead letters",
    ),
    "a queue without a policy": (
        lambda d: d[Reading.ARRIVAL_QUEUE].pop("Policy"),
        "arrival queue",
        True,
        "does not let S3 send",
    ),
    "a queue for another bucket": (
        lambda d: d[Reading.ARRIVAL_QUEUE]["Policy"]["Statement"][0]["Condition"].update(
            ArnEquals={"aws:SourceArn": "arn:aws:s3:::other"}
        ),
        "arrival queue",
        True,
        "does not let S3 send",
    ),
    "a queue that denies": (
        lambda d: statement(
            d, Reading.ARRIVAL_QUEUE, Sid="Nobody", Action="sqs:SendMessage", Resource=NAMES.arrival_queue_arn
        ),
        "arrival queue",
        True,
        "statement Nobody denies S3 sqs:SendMessage",
    ),
    "a queue that nobody works off": (
        lambda d: d[Reading.ARRIVAL_MAPPING].update(State="Disabled"),
        "arrival mapping",
        True,
        "it is Disabled",
    ),
    "another queue that is worked off": (
        lambda d: d[Reading.ARRIVAL_MAPPING].update(EventSourceArn="arn:aws:sqs:x:1:other"),
        "arrival mapping",
        True,
        "another queue",
    ),
    "another function that works the queue off": (
        lambda d: d[Reading.ARRIVAL_MAPPING].update(FunctionArn="arn:aws:lambda:x:1:function:other"),
        "arrival mapping",
        True,
        "another function",
    ),
    "a function that cannot run": (
        lambda d: d[Reading.SECURER].update(ReservedConcurrentExecutions=0),
        "arrival function",
        True,
        "reserved concurrency is 0",
    ),
    # --- policies
    "a network that the vendor is not in": (
        lambda d: statement(d, Reading.BUCKET_POLICY, **{**VPC, "Action": "s3:PutObject"}),
        "bucket policy",
        True,
        "statement OnlyFromOurVpc denies the vendor's role s3:PutObject, by its condition StringNotEquals",
    ),
    "addresses that the vendor may not have": (
        lambda d: statement(
            d,
            Reading.BUCKET_POLICY,
            Sid="OnlyFromHome",
            Condition={"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}},
        ),
        "bucket policy",
        False,
        "OnlyFromHome lets the vendor's role s3:PutObject cannot be told; it asks for aws:SourceIp",
    ),
    "an endpoint that the vendor may have": (
        lambda d: statement(
            d, Reading.BUCKET_POLICY, Sid="SomeEndpoint", Condition={"Null": {"aws:SourceVpce": "true"}}
        ),
        "bucket policy",
        False,
        "SomeEndpoint lets the vendor's role s3:PutObject cannot be told; it asks for aws:SourceVpce",
    ),
    "a vendor that may write through an endpoint": (
        lambda d: inline(d, Reading.WRITER_POLICIES)[0].update(
            Condition={"Null": {"aws:SourceVpce": "false"}}
        ),
        "writer role",
        False,
        "cannot be told; it asks for aws:SourceVpce",
    ),
    "a statement without a name": (
        lambda d: statement(d, Reading.BUCKET_POLICY, Principal={"AWS": NAMES.writer_role_arn}),
        "bucket policy",
        True,
        "statement 7 denies the vendor's role s3:PutObject",
    ),
    "a bucket policy that is gone": (
        lambda d: d[Reading.BUCKET_POLICY].clear(),
        "bucket policy",
        False,
        "no longer denies s3:DeleteObjectVersion to everybody",
    ),
    "a bucket that lets a hold be lifted": (
        lambda d: d[Reading.BUCKET_POLICY]["Statement"].pop(2),
        "bucket policy",
        False,
        "no longer denies s3:PutObjectLegalHold OFF",
    ),
    "a key policy without the account": (
        lambda d: d[Reading.KEY_POLICY]["Statement"].pop(0),
        "key policy",
        True,
        "lets neither the account nor the vendor's role kms:GenerateDataKey, kms:Decrypt",
    ),
    "a key policy that denies": (
        lambda d: statement(
            d,
            Reading.KEY_POLICY,
            Sid="NotThem",
            Principal={"AWS": NAMES.writer_role_arn},
            Action="kms:GenerateDataKey",
            Resource="*",
        ),
        "key policy",
        True,
        "statement NotThem denies the vendor's role kms:GenerateDataKey",
    ),
    "a vendor that may not write": (
        lambda d: inline(d, Reading.WRITER_POLICIES)[0].update(Action="s3:PutObjectAcl"),
        "writer role",
        True,
        "no policy of its own lets the vendor's role s3:PutObject",
    ),
    "a vendor that writes elsewhere": (
        lambda d: inline(d, Reading.WRITER_POLICIES)[0].update(Resource="arn:aws:s3:::other/*"),
        "writer role",
        True,
        "no policy of its own lets the vendor's role s3:PutObject, s3:PutObjectAcl",
    ),
    "a vendor that may write by what cannot be seen": (
        lambda d: (
            inline(d, Reading.WRITER_POLICIES).pop(0),
            d[Reading.WRITER_POLICIES].update(attached=["arn:aws:iam::1:policy/more"]),
        ),
        "writer role",
        False,
        "no policy of its own lets",
    ),
    "a vendor that may write from somewhere": (
        lambda d: inline(d, Reading.WRITER_POLICIES)[0].update(
            Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}
        ),
        "writer role",
        False,
        "cannot be told; it asks for aws:SourceIp",
    ),
    "a vendor without the key": (
        lambda d: inline(d, Reading.WRITER_POLICIES).pop(2),
        "writer role",
        True,
        "lets the vendor's role kms:GenerateDataKey, kms:Decrypt",
    ),
    "a vendor with a boundary": (
        lambda d: d[Reading.WRITER_ROLE].update(PermissionsBoundary={"PermissionsBoundaryArn": "arn"}),
        "writer role",
        False,
        "permissions boundary",
    ),
    "another ExternalId": (
        lambda d: trust(d).update(Condition={"StringEquals": {"sts:ExternalId": "another"}}),
        "writer role trust",
        True,
        "another ExternalId",
    ),
    "no ExternalId": (
        lambda d: trust(d).pop("Condition"),
        "writer role trust",
        False,
        "no ExternalId",
    ),
    "another account of the vendor": (
        lambda d: trust(d).update(Principal={"AWS": "arn:aws:iam::325654371633:root"}),
        "writer role trust",
        True,
        "does not let the vendor's account 765628985471",
    ),
    "a function that may not tag": (
        lambda d: inline(d, Reading.SECURER_POLICIES)[1]["Action"].remove("s3:PutObjectVersionTagging"),
        "arrival role",
        False,
        "no policy of its own lets SecureObjects s3:PutObjectVersionTagging",
    ),
}


@pytest.mark.parametrize(("change", "check", "is_blocking", "said"), CHANGES.values(), ids=CHANGES)
def test_a_change_is_found(change: Change, check: str, is_blocking: bool, said: str) -> None:
    findings = found(change)

    assert [one for one in findings if one[0] == check and one[1] is is_blocking and said in one[2]]
    assert {one[0] for one in findings} == {check}


@pytest.mark.parametrize("reading", Reading)
def test_what_cannot_be_seen_is_a_remark_and_hides_nothing_else(reading: Reading) -> None:
    findings = found(lambda d: d.update({reading: Unread("AccessDenied: no")}))

    assert [(is_blocking, said) for _, is_blocking, said in findings] == [
        (False, "it cannot be seen: AccessDenied: no")
    ]


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d[Reading.BUCKET_POLICY]["Statement"].append("no statement"),
        lambda d: d[Reading.KEY_POLICY]["Statement"].append({"Effect": "Maybe"}),
        lambda d: d[Reading.WRITER_ROLE].update(AssumeRolePolicyDocument={}),
        lambda d: d[Reading.ARRIVAL_QUEUE]["Policy"].pop("Statement"),
        lambda d: inline(d, Reading.WRITER_POLICIES).append({}),
    ],
)
def test_a_policy_that_cannot_be_read_is_a_remark(change: Change) -> None:
    findings = found(change)

    assert findings
    assert not any(is_blocking for _, is_blocking, _ in findings)
    assert all("expected" in said for _, _, said in findings)


def test_everything_that_a_statement_denies_is_said_at_once() -> None:
    findings = found(lambda d: d[Reading.BUCKET_POLICY]["Statement"].append(VPC))

    said = [message for check, _, message in findings if "vendor's role" in message]
    assert len(said) == 1
    assert "s3:PutObject, s3:PutObjectAcl" in said[0]


def test_every_finding_is_of_a_check_that_has_a_layer_and_a_remedy() -> None:
    checks = {check for _, check, _, _ in CHANGES.values()}

    assert checks <= CHECKS.keys()
    assert all(check.layer and check.remedy for check in CHECKS.values())
    assert {check.needs for check in CHECKS.values()} <= {"", *CHECKS}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_of_a_wiring_changes_with_everything_that_can_change(change: str) -> None:
    documents = as_deployed()
    CHANGES[change][0](documents)

    assert wiring_digest(Wiring(NAMES, documents)) != wiring_digest(Wiring(NAMES, as_deployed()))
    assert wiring_digest(Wiring(NAMES, as_deployed())) == wiring_digest(Wiring(NAMES, as_deployed()))
