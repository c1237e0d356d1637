"""Which statement refused, and the smallest change that mends it."""

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from holdfast.doctor.diagnosis import Finding, FindingKind, Mend, diagnose
from holdfast.doctor.explain import explain
from holdfast.doctor.explanation import Confidence, Explanation, Layer
from holdfast.doctor.policy import Access, Effect, evaluate, read_policy
from holdfast.doctor.refusal import Refusal, read_refusal
from holdfast.doctor.wording import read
from tests.unit.doctor.corpus import cases
from tests.unit.doctor.test_policy import ACTIONS, BUCKET, PRINCIPALS, ROLE, policies

ORG = "4f1d2c3b-5a69-4877-9b86-0a1b2c3d4e5f"
WRITER = "arn:aws:iam::111122223333:role/GenesysWriterRole"
VENDOR = "arn:aws:iam::765628985471:root"


def policy(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def allow(action: Any = "s3:PutObject", resource: Any = f"{BUCKET}/*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any = "s3:PutObject", resource: Any = f"{BUCKET}/*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": resource, **more}


def denied(source: str = "s3", operation: str = "PutObject", **context: Any) -> Refusal:
    body = {"Code": "AccessDenied", "Message": "Access Denied", "OperationName": operation}
    if source == "genesys":
        body = {
            "errorMessage": "Access Denied (Service: Amazon S3; Status Code: 403; Error Code: AccessDenied)"
        }
    return read_refusal({"source": source, "http_status": 403, "body": body, "context": context})


def found(refusal: Refusal) -> Finding:
    return diagnose(refusal, read(refusal))


def mended(document: dict[str, Any], mend: Mend) -> dict[str, Any]:
    changed = deepcopy(document)
    if mend.position is None:
        changed["Statement"].append(dict(mend.statement))
    else:
        changed["Statement"][mend.position] = dict(mend.statement)
    return changed


def test_a_condition_on_your_own_network_is_certain_for_the_vendor_and_presumed_for_others() -> None:
    bucket = policy(deny(Sid="OurVpc", Condition={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}}))

    vendors, named, ours = (
        explain(denied(source, role_arn=role, bucket_policy=bucket, role_policy=policy(allow("s3:*", "*"))))
        for source, role in (("genesys", WRITER), ("s3", WRITER), ("s3", ROLE))
    )

    assert (vendors.layer, vendors.confidence) == (Layer.BUCKET_POLICY, Confidence.HIGH)
    for answer in (named, ours):
        assert (answer.layer, answer.confidence) == (Layer.BUCKET_POLICY, Confidence.MEDIUM)
        assert any("aws:SourceVpc" in line for line in answer.collect_next)
    assert any("OurVpc" in line for line in vendors.evidence)
    assert vendors.collect_next == ()


def test_an_encryption_that_is_asked_for_is_sent_before_anybody_is_exempted() -> None:
    condition = {"StringNotEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    params = {"Bucket": "evidence", "Key": "a"}

    ours, vendors = (
        explain(
            denied(
                role_arn=role,
                bucket_policy=policy(deny(Sid="Encrypted", Condition=condition)),
                role_policy=policy(allow("s3:*", "*")),
                request={"operation": "PutObject", "params": params},
            )
        )
        for role in (ROLE, WRITER)
    )

    assert [line for line in ours.remedy if "exempt" in line] == []
    assert "let the writer send the encryption" in vendors.remedy[0]
    assert "exempt" not in vendors.remedy[0]
    assert "only if the writer cannot" in vendors.remedy[1]


def test_the_mend_of_a_denial_exempts_one_role_and_nobody_else() -> None:
    bucket = policy(
        deny(
            Sid="OnlyOld",
            Condition={"ArnNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/old"}},
        ),
    )

    finding = found(denied(role_arn=WRITER, bucket_policy=bucket, role_policy=policy(allow())))

    assert finding.mend
    after = read_policy(mended(bucket, finding.mend), "policy")
    others = [evaluate(after, Access("s3:PutObject", f"{BUCKET}/a", one)).effect for one in PRINCIPALS]
    assert evaluate(after, Access("s3:PutObject", f"{BUCKET}/a", WRITER)).effect is Effect.SILENT
    assert set(others) == {Effect.EXPLICIT_DENY}


@pytest.mark.parametrize(
    ("condition", "params", "advice"),
    [
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "false"}, "https"),
        (
            {"StringEquals": {"s3:object-lock-legal-hold": "OFF"}},
            {"ObjectLockLegalHoldStatus": "OFF"},
            "only the release may lift a hold",
        ),
    ],
)
def test_a_denial_that_is_right_is_left_alone(
    condition: dict[str, Any], params: dict[str, str], advice: str
) -> None:
    refusal = denied(
        role_arn=ROLE,
        bucket_policy=policy(deny("s3:*", Condition=condition)),
        role_policy=policy(allow("s3:*", "*")),
        request={"operation": "PutObject", "params": {"Bucket": "evidence", "Key": "a", **params}},
    )

    answer = explain(refusal)

    assert found(refusal).mend is None
    assert answer.layer is Layer.BUCKET_POLICY
    assert all(line.startswith("leave ") for line in answer.remedy)
    assert any(advice in line for line in answer.remedy)


def test_a_missing_action_is_added_alone_and_a_hold_only_as_on() -> None:
    lacking = found(denied(operation="PutObjectLegalHold", role_arn=ROLE, role_policy=policy(allow())))

    assert (lacking.kind, lacking.mend and lacking.mend.statement) == (
        FindingKind.ROLE_LACKS,
        {
            "Effect": "Allow",
            "Action": "s3:PutObjectLegalHold",
            "Resource": f"{BUCKET}/*",
            "Condition": {"StringEquals": {"s3:object-lock-legal-hold": "ON"}},
        },
    )


def test_a_put_that_carries_tags_needs_the_action_for_tags() -> None:
    params = {"Bucket": "evidence", "Key": "a", "Tagging": "a=b"}

    finding = found(denied(role_arn=ROLE, role_policy=policy(allow()), request={"params": params}))

    assert finding.kind is FindingKind.ROLE_LACKS
    assert "s3:PutObjectTagging" in finding.evidence[0]


def test_a_statement_that_cannot_be_judged_asks_for_the_value_it_needs() -> None:
    bucket = policy(deny(Sid="Odd", Condition={"StringNotEquals": {"aws:PrincipalTag/team": "legal"}}))

    answer = explain(denied(role_arn=WRITER, bucket_policy=bucket, role_policy=policy(allow("s3:*", "*"))))

    assert (answer.layer, answer.confidence) == (Layer.UNKNOWN, Confidence.LOW)
    assert any("aws:PrincipalTag/team" in line and "Odd" in line for line in answer.collect_next)


def test_the_vendors_addresses_are_in_nobodys_list_unless_it_is_everybodys() -> None:
    def told(network: str) -> FindingKind:
        condition = {"NotIpAddress": {"aws:SourceIp": network}}
        bucket = policy(deny(Condition=condition))
        return found(
            denied("genesys", role_arn=WRITER, bucket_policy=bucket, role_policy=policy(allow("s3:*", "*")))
        ).kind

    assert told("203.0.113.0/24") is FindingKind.BUCKET_DENIES
    assert told("0.0.0.0/0") is FindingKind.ALL_ALLOW


def trust(external_id: str | None, principal: Any = VENDOR) -> dict[str, Any]:
    condition = {"Condition": {"StringEquals": {"sts:ExternalId": external_id}}} if external_id else {}
    return policy(
        {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole", **condition}
    )


def assuming(**context: Any) -> Refusal:
    message = f"User: {VENDOR} is not authorized to perform: sts:AssumeRole on resource: {WRITER}"
    return read_refusal(
        {"source": "sts", "body": {"Code": "AccessDenied", "Message": message}, "context": context}
    )


@pytest.mark.parametrize(
    ("role_policy", "kind"),
    [
        (trust("99999999-5a69-4877-9b86-0a1b2c3d4e5f"), FindingKind.OTHER_TENANT),
        (trust(ORG, "arn:aws:iam::325654371633:root"), FindingKind.TRUST_REFUSES),
        (trust("other", "arn:aws:iam::325654371633:root"), FindingKind.TRUST_REFUSES),
        (trust(ORG), FindingKind.ALL_ALLOW),
        (
            policy(
                *trust(None)["Statement"],
                {
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sts:*",
                    "Condition": {
                        "StringNotEquals": {"sts:ExternalId": "99999999-5a69-4877-9b86-0a1b2c3d4e5f"}
                    },
                },
            ),
            FindingKind.OTHER_TENANT,
        ),
    ],
)
def test_trust_is_judged_by_caller_and_external_id(role_policy: dict[str, Any], kind: FindingKind) -> None:
    finding = found(assuming(role_policy=role_policy, genesys_org_id=ORG))

    assert finding.kind is kind


def test_a_mended_trust_lets_the_vendor_in_with_this_organisations_id_alone() -> None:
    before = trust("99999999-5a69-4877-9b86-0a1b2c3d4e5f")

    mend = found(assuming(role_policy=before, genesys_org_id=ORG)).mend

    assert mend
    after = read_policy(mended(before, mend), "policy")

    def effect(principal: str, external_id: str) -> Effect:
        return evaluate(
            after, Access("sts:AssumeRole", "", principal, {"sts:externalid": (external_id,)})
        ).effect

    assert effect(VENDOR, ORG) is Effect.ALLOW
    assert effect(VENDOR, "99999999-5a69-4877-9b86-0a1b2c3d4e5f") is Effect.SILENT
    assert effect("arn:aws:iam::444455556666:root", ORG) is Effect.SILENT


def test_an_external_id_that_was_sent_and_is_another_organisations_is_told() -> None:
    finding = found(
        assuming(
            role_policy=trust(ORG),
            genesys_org_id=ORG,
            request={
                "operation": "AssumeRole",
                "params": {"ExternalId": "99999999-5a69-4877-9b86-0a1b2c3d4e5f"},
            },
        )
    )

    # The trust is right as it is.
    assert (finding.kind, finding.mend) == (FindingKind.OTHER_TENANT, None)


def test_a_trust_policy_says_nothing_of_what_the_role_may_do_and_an_identity_policy_nothing_of_trust() -> (
    None
):
    assert found(denied(role_arn=ROLE, role_policy=trust(ORG))).kind is FindingKind.NOTHING_GIVEN
    assert found(assuming(role_policy=policy(allow()), genesys_org_id=ORG)).kind is FindingKind.NOTHING_GIVEN


def test_what_the_trust_needs_and_nobody_told_is_asked_for() -> None:
    answer = explain(assuming(role_policy=trust(ORG)))

    assert (answer.layer, answer.confidence) == (Layer.INTEGRATION_ROLE, Confidence.MEDIUM)
    assert any("organisation's id" in line for line in answer.collect_next)


@settings(max_examples=80)
@given(
    policies(), policies(with_principals=False, with_conditions=False), st.sampled_from([*PRINCIPALS, WRITER])
)
def test_a_mend_is_enough_and_never_wider_than_needed(
    bucket: dict[str, Any], role: dict[str, Any], caller: str
) -> None:
    finding = found(denied(role_arn=caller, bucket_policy=bucket, role_policy=role))
    assume(finding.mend)
    mend = finding.mend
    assert mend
    is_of_role = finding.kind is FindingKind.ROLE_LACKS
    before = role if is_of_role else bucket
    after = mended(before, mend)

    was, now = read_policy(before, "before"), read_policy(after, "after")
    strangers = [one for one in [*PRINCIPALS, WRITER, "arn:aws:iam::777788889999:role/x"] if one != caller]
    for action in ACTIONS:
        for principal in strangers if not is_of_role else []:
            access = Access(action, f"{BUCKET}/a", principal)
            assert evaluate(now, access).effect is evaluate(was, access).effect
        if action != "s3:PutObject" and mend.position is None:
            access = Access(action, f"{BUCKET}/a", caller)
            assert evaluate(now, access).effect is evaluate(was, access).effect
    text = json.dumps(dict(mend.statement))
    if mend.position is None:
        assert '"*"' not in text
        assert mend.statement["Action"] in {"s3:PutObject", "s3:PutObjectTagging"}


def _advice(answer: Explanation) -> str:
    return " ".join([*answer.remedy, *answer.collect_next])


@pytest.mark.parametrize("case", cases(), ids=[case.name for case in cases()])
def test_no_remedy_opens_a_bucket_or_gives_up_tls(case: Any) -> None:
    advice = _advice(explain(read_refusal(case.refusal)))

    assert '"Principal": "*"' not in advice
    assert '"AWS": "*"' not in advice
    assert '"Action": "*"' not in advice
    assert "s3:*" not in advice
    assert "verify_ssl" not in advice
