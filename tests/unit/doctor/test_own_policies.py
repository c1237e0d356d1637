"""The doctor on the stack's own policies: who may write, lock and lift, and who says no to the rest."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from holdfast.doctor.explain import explain
from holdfast.doctor.explanation import Confidence, Layer
from holdfast.doctor.policy import Access, Effect, evaluate, read_policy
from holdfast.doctor.refusal import read_refusal
from local.template import read_template

TEMPLATE = read_template(Path(__file__).parents[3] / "template.yaml")["Resources"]
ORG = "4f1d2c3b-5a69-4877-9b86-0a1b2c3d4e5f"
NAMES = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "111122223333",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "holdfast",
    "GenesysAccountId": "765628985471",
    "GenesysOrganizationId": ORG,
    "EvidenceBucket.Arn": "arn:aws:s3:::holdfast-evidence-111122223333-eu-central-1",
}
EVIDENCE = NAMES["EvidenceBucket.Arn"]
RECORDING = f"{EVIDENCE}/{ORG}/year=2026/month=3/day=2/hour=0/conversation_id=x/y.opus"


def role_arn(role: str) -> str:
    return f"arn:aws:iam::111122223333:role/holdfast-{role}"


def resolved(value: Any) -> Any:
    """Put names in the places of the template's functions, as the deployment does."""
    match value:
        case {"Ref": name}:
            return NAMES.get(name, name)
        case {"Fn::If": [_, asked_for, _]}:
            return resolved(asked_for)
        case {"Fn::GetAtt": [name, attribute]}:
            return NAMES.get(f"{name}.{attribute}") or role_arn(name)
        case {"Fn::Sub": str(text)}:
            return re.sub(r"\$\{([\w:.]+)\}", lambda found: NAMES.get(found[1], found[1]), text)
        case dict():
            return {key: resolved(one) for key, one in value.items()}
        case list():
            return [resolved(one) for one in value]
    return value


BUCKET_POLICY = resolved(TEMPLATE["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"])


def role_policy(role: str) -> dict[str, Any]:
    policies = TEMPLATE[role]["Properties"]["Policies"]
    statements = [one for policy in policies for one in policy["PolicyDocument"]["Statement"]]
    return {"Version": "2012-10-17", "Statement": resolved(statements)}


WRITER, SECURE, LIFT = "GenesysWriterRole", "SecureObjectsRole", "LiftHoldsRole"
MARKER, MARK = "MarkDisposableRole", {"s3:requestobjecttag/holdfast-disposal": ("due",)}
ON, OFF = {"s3:object-lock-legal-hold": ("ON",)}, {"s3:object-lock-legal-hold": ("OFF",)}


@pytest.mark.parametrize(
    ("role", "action", "values", "by_bucket", "by_role"),
    [
        (WRITER, "s3:PutObject", {}, Effect.SILENT, Effect.ALLOW),
        (WRITER, "s3:PutObject", {"aws:securetransport": ("false",)}, Effect.EXPLICIT_DENY, Effect.ALLOW),
        (WRITER, "s3:PutObjectTagging", {}, Effect.SILENT, Effect.SILENT),
        (SECURE, "s3:PutObject", {}, Effect.EXPLICIT_DENY, Effect.SILENT),
        (SECURE, "s3:PutObjectLegalHold", ON, Effect.SILENT, Effect.ALLOW),
        (SECURE, "s3:PutObjectLegalHold", OFF, Effect.EXPLICIT_DENY, Effect.SILENT),
        (SECURE, "s3:PutObjectVersionTagging", {}, Effect.SILENT, Effect.ALLOW),
        (SECURE, "s3:DeleteObjectVersion", {}, Effect.EXPLICIT_DENY, Effect.SILENT),
        (SECURE, "s3:PutObjectVersionTagging", MARK, Effect.EXPLICIT_DENY, Effect.ALLOW),
        (WRITER, "s3:PutObject", MARK, Effect.EXPLICIT_DENY, Effect.ALLOW),
        (MARKER, "s3:PutObjectVersionTagging", MARK, Effect.SILENT, Effect.ALLOW),
        (MARKER, "s3:PutObjectVersionTagging", {}, Effect.SILENT, Effect.SILENT),
        (MARKER, "s3:DeleteObjectVersion", {}, Effect.EXPLICIT_DENY, Effect.SILENT),
        (LIFT, "s3:PutObjectLegalHold", OFF, Effect.SILENT, Effect.ALLOW),
        (LIFT, "s3:PutObjectLegalHold", ON, Effect.SILENT, Effect.SILENT),
    ],
)
def test_the_stack_s_own_policies_say_what_they_are_meant_to(
    role: str, action: str, values: dict[str, tuple[str, ...]], by_bucket: Effect, by_role: Effect
) -> None:
    known = {"aws:securetransport": ("true",), **dict.fromkeys(MARK, ()), **values}
    access = Access(action, RECORDING, role_arn(role), known)

    told = [
        evaluate(read_policy(document, "policy"), access).effect
        for document in (BUCKET_POLICY, role_policy(role))
    ]

    assert told == [by_bucket, by_role]


@pytest.mark.parametrize(
    ("external_id", "caller", "effect"),
    [
        (ORG, "arn:aws:iam::765628985471:root", Effect.ALLOW),
        (ORG, "arn:aws:sts::765628985471:assumed-role/recording/i-1", Effect.ALLOW),
        ("another", "arn:aws:iam::765628985471:root", Effect.SILENT),
        (ORG, "arn:aws:iam::444455556666:root", Effect.SILENT),
    ],
)
def test_the_writer_role_trusts_the_vendor_for_this_organisation_alone(
    external_id: str, caller: str, effect: Effect
) -> None:
    trust = resolved(TEMPLATE[WRITER]["Properties"]["AssumeRolePolicyDocument"])

    told = evaluate(
        read_policy(trust, "trust"), Access("sts:AssumeRole", "", caller, {"sts:externalid": (external_id,)})
    )

    assert told.effect is effect


@pytest.mark.parametrize(
    ("operation", "params", "statement", "remedy"),
    [
        ("PutObject", {}, "OnlyTheVendorWrites", "exempt"),
        ("DeleteObject", {"VersionId": "3"}, "NobodyDeletes", "leave it: nobody deletes evidence"),
        (
            "PutObjectLegalHold",
            {"LegalHold": {"Status": "OFF"}},
            "OnlyTheReleaseLifts",
            "leave it: only the release may lift a hold",
        ),
    ],
)
def test_a_bare_denial_of_our_own_role_names_the_statement_that_guards(
    operation: str, params: dict[str, Any], statement: str, remedy: str
) -> None:
    answer = explain(
        read_refusal(
            {
                "source": "s3",
                "http_status": 403,
                "body": {"Code": "AccessDenied", "Message": "Access Denied", "OperationName": operation},
                "context": {
                    "role_arn": role_arn(SECURE),
                    "bucket_policy": json.dumps(BUCKET_POLICY),
                    "role_policy": role_policy(SECURE),
                    "request": {"params": {"Bucket": EVIDENCE.rpartition(":")[2], "Key": "a/b", **params}},
                },
            }
        )
    )

    assert (answer.layer, answer.confidence) == (Layer.BUCKET_POLICY, Confidence.HIGH)
    assert any(statement in line for line in answer.evidence)
    assert remedy in answer.remedy[0]


def test_no_words_of_aws_make_the_doctor_advise_a_deletion() -> None:
    denied = "is not authorized to perform: s3:DeleteObjectVersion because no identity-based policy allows it"

    answer = explain(read_refusal({"source": "s3", "body": denied}))

    assert answer.layer is Layer.IAM_IDENTITY
    assert answer.remedy == ("leave it: nobody deletes evidence, and nothing of Holdfast needs to",)
