"""Policies are evaluated, in three values: against two other evaluators, and by example."""

import json
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from moto.iam.access_control import IAMPolicy, PermissionResult

from holdfast.doctor.policy import (
    ANY_REST,
    Access,
    Effect,
    PolicyUnreadable,
    account_of,
    evaluate,
    read_policy,
    role_of,
)
from tests.unit.doctor import naive_iam

BUCKET = "arn:aws:s3:::evidence"
ROLE = "arn:aws:iam::111122223333:role/writer"
LAMBDA = "lambda.amazonaws.com"
WITH_PATH = "arn:aws:iam::111122223333:role/team/writer"
SESSION = "arn:aws:sts::111122223333:assumed-role/writer/session"
ACTIONS = ["s3:PutObject", "s3:PutObjectTagging", "s3:GetObject", "s3:ListBucket"]
RESOURCES = [BUCKET, f"{BUCKET}/a", f"{BUCKET}/a/b", f"{BUCKET}/b:c", "arn:aws:s3:::other/a"]
PRINCIPALS = [ROLE, "arn:aws:iam::111122223333:role/other", "arn:aws:iam::444455556666:role/writer"]
KEYS = {
    "aws:SourceVpc": ["vpc-1", "vpc-2", "VPC-1"],
    "aws:SourceIp": ["203.0.113.7", "198.51.100.1", "10.0.0.1"],
    "aws:SecureTransport": ["true", "false"],
    "aws:PrincipalArn": PRINCIPALS,
    "s3:RequestObjectTagKeys": ["a", "b", "legal-hold"],
    "s3:max-keys": ["1", "10", "100"],
    "aws:CurrentTime": ["2026-06-01T00:00:00+00:00", "2026-07-01T00:00:00+00:00"],
}


def listed(values: list[str]) -> st.SearchStrategy[Any]:
    return st.one_of(st.sampled_from(values), st.lists(st.sampled_from(values), min_size=1, max_size=3))


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    block: dict[str, Any] = {}
    for _ in range(draw(st.sampled_from([0, 1, 1, 2]))):
        key = draw(st.sampled_from(sorted(KEYS)))
        kinds = {
            "aws:SourceIp": ["IpAddress", "NotIpAddress"],
            "aws:SecureTransport": ["Bool"],
            "aws:PrincipalArn": [
                "ArnEquals",
                "ArnLike",
                "ArnNotEquals",
                "ArnNotLike",
                "StringEquals",
                "StringLike",
            ],
            "s3:max-keys": [
                "NumericEquals",
                "NumericLessThan",
                "NumericNotEquals",
                "NumericGreaterThanEquals",
            ],
            "aws:CurrentTime": ["DateEquals", "DateLessThan", "DateGreaterThanEquals"],
        }.get(
            key, ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIgnoreCase"]
        )
        operator = draw(st.sampled_from(kinds))
        if key == "s3:RequestObjectTagKeys":
            operator = draw(st.sampled_from(["ForAnyValue:", "ForAllValues:"])) + operator
        operator = draw(st.sampled_from([operator, f"{operator}IfExists"]))
        wanted = draw(
            listed([*KEYS[key], *(["*", "vpc-?"] if "Like" in operator and "Arn" not in operator else [])])
        )
        if draw(st.integers(0, 5)) == 0:
            operator, wanted = "Null", draw(st.sampled_from(["true", "false"]))
        block.setdefault(operator, {})[key] = wanted
    return block


@st.composite
def policies(
    draw: st.DrawFn, *, with_principals: bool = True, with_conditions: bool = True
) -> dict[str, Any]:
    statements = []
    for _ in range(draw(st.integers(1, 4))):
        one: dict[str, Any] = {"Effect": draw(st.sampled_from(["Allow", "Deny"]))}
        one[draw(st.sampled_from(["Action", "Action", "NotAction"]))] = draw(
            listed([*ACTIONS, "s3:*", "s3:Put*", "s3:?etObject", "*"])
        )
        resource_key = (
            draw(st.sampled_from(["Resource", "Resource", "NotResource"])) if with_principals else "Resource"
        )
        one[resource_key] = draw(
            listed([*RESOURCES, "*", f"{BUCKET}/*", f"{BUCKET}*", "arn:aws:s3:::*/a", f"{BUCKET}/?"])
        )
        if with_principals and draw(st.booleans()):
            names = listed([*PRINCIPALS, "*", "111122223333", "arn:aws:iam::444455556666:root"])
            one["Principal"] = draw(st.one_of(st.just("*"), names.map(lambda names: {"AWS": names})))
        if with_conditions and (block := draw(conditions())):
            one["Condition"] = block
        statements.append(one)
    return {"Version": "2012-10-17", "Statement": statements}


@st.composite
def contexts(draw: st.DrawFn) -> dict[str, tuple[str, ...]]:
    """Give each key one value, or more where it may have them, or know it to be absent."""
    return {
        key.lower(): tuple(
            draw(st.lists(st.sampled_from(values), max_size=3 if key.endswith("TagKeys") else 1, unique=True))
        )
        for key, values in KEYS.items()
        if key != "aws:PrincipalArn"
    }


@given(
    policies(), st.sampled_from(ACTIONS), st.sampled_from(RESOURCES), st.sampled_from(PRINCIPALS), contexts()
)
def test_where_everything_is_known_it_says_what_a_plain_evaluator_says(
    document: dict[str, Any], action: str, resource: str, principal: str, values: dict[str, tuple[str, ...]]
) -> None:
    told = evaluate(read_policy(document, "policy"), Access(action, resource, principal, values))

    known = {**values, "aws:principalarn": (principal,)}
    assert told.effect == naive_iam.verdict(document, action, resource, principal, known)


@settings(max_examples=250)
@given(conditions(), contexts(), st.sampled_from(PRINCIPALS))
def test_conditions_hold_where_a_plain_evaluator_says_so(
    block: dict[str, Any], values: dict[str, tuple[str, ...]], principal: str
) -> None:
    document = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": block}]}

    told = evaluate(read_policy(document, "policy"), Access("s3:PutObject", BUCKET, principal, values))

    known = {**values, "aws:principalarn": (principal,)}
    assert told.effect == naive_iam.verdict(document, "s3:PutObject", BUCKET, principal, known)


@settings(max_examples=150)
@given(policies(), contexts(), st.data())
def test_what_is_not_told_never_turns_an_answer_into_another_one(
    document: dict[str, Any], values: dict[str, tuple[str, ...]], data: st.DataObject
) -> None:
    action, resource, principal = (
        data.draw(st.sampled_from(one)) for one in (ACTIONS, RESOURCES, PRINCIPALS)
    )
    policy = read_policy(document, "policy")
    whole = evaluate(policy, Access(action, resource, principal, values)).effect
    kept = data.draw(st.sets(st.sampled_from(sorted(values))))
    partly = {key: value for key, value in values.items() if key in kept}
    some_resource = data.draw(st.sampled_from([resource, "", resource[:-1] + ANY_REST]))
    somebody = data.draw(st.sampled_from([principal, ""]))

    told = evaluate(policy, Access(action, some_resource, somebody, partly)).effect

    assert told in {whole, Effect.UNKNOWN}


@given(
    policies(with_principals=False, with_conditions=False),
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
)
def test_identity_policies_are_read_as_moto_reads_them(
    document: dict[str, Any], action: str, resource: str
) -> None:
    assume("?" not in json.dumps(document))  # moto takes it for a regular expression's
    moto = IAMPolicy({"policy_document": json.dumps(document)}).is_action_permitted(action, resource)

    told = evaluate(read_policy(document, "policy"), Access(action, resource, ROLE))

    wanted = {
        PermissionResult.PERMITTED: Effect.ALLOW,
        PermissionResult.DENIED: Effect.EXPLICIT_DENY,
        PermissionResult.NEUTRAL: Effect.SILENT,
    }
    assert told.effect is wanted[moto]


def _one(**elements: Any) -> dict[str, Any]:
    return {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": f"{BUCKET}/*", **elements}],
    }


def _effect(document: dict[str, Any], **access: Any) -> Effect:
    given_access = {"action": "s3:PutObject", "resource": f"{BUCKET}/a", "principal": ROLE, **access}
    return evaluate(read_policy(document, "policy"), Access(**given_access)).effect


@pytest.mark.parametrize(
    ("elements", "access", "effect"),
    [
        ({"Principal": {"AWS": ROLE}}, {"principal": SESSION}, Effect.ALLOW),
        ({"Principal": {"AWS": SESSION}}, {"principal": SESSION}, Effect.ALLOW),
        ({"Principal": {"AWS": SESSION}}, {"principal": ROLE}, Effect.SILENT),
        ({"Principal": {"Service": LAMBDA}}, {}, Effect.SILENT),
        ({"Principal": {"Service": LAMBDA}}, {"principal": LAMBDA}, Effect.ALLOW),
        ({"Principal": {"AWS": "AROAEXAMPLEEXAMPLE00"}}, {}, Effect.UNKNOWN),
        ({"Principal": {"AWS": WITH_PATH}}, {"principal": SESSION}, Effect.UNKNOWN),
        ({"Principal": {"AWS": WITH_PATH}}, {}, Effect.SILENT),
        ({"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}}, {}, Effect.UNKNOWN),
        (
            {"Effect": "Deny", "NotPrincipal": {"AWS": ROLE}},
            {"principal": "arn:aws:iam::444455556666:role/x"},
            Effect.EXPLICIT_DENY,
        ),
        ({"Resource": "arn:aws:s3:::evidence/${aws:username}/*"}, {}, Effect.UNKNOWN),
        (
            {"Resource": "arn:aws:s3:::evidence/${aws:username}/*"},
            {"resource": f"{BUCKET}/ann/a", "values": {"aws:username": ("ann",)}},
            Effect.ALLOW,
        ),
        (
            {"Resource": "arn:aws:s3:::evidence/${aws:username}/*"},
            {"resource": f"{BUCKET}/bob/a", "values": {"aws:username": ("*",)}},
            Effect.SILENT,
        ),
        (
            {"Resource": "arn:aws:s3:::evidence/${aws:PrincipalTag/team, 'none'}"},
            {"resource": f"{BUCKET}/none", "values": {"aws:principaltag/team": ()}},
            Effect.ALLOW,
        ),
        ({"Resource": "arn:aws:s3:::evidence/${*}"}, {"resource": f"{BUCKET}/*"}, Effect.ALLOW),
        ({"Resource": "arn:aws:s3:::evidence/${*}"}, {}, Effect.SILENT),
        ({}, {"action": "S3:putobject"}, Effect.ALLOW),
        ({}, {"resource": f"{BUCKET}/{ANY_REST}"}, Effect.ALLOW),
        ({"Resource": f"{BUCKET}/a"}, {"resource": f"{BUCKET}/{ANY_REST}"}, Effect.UNKNOWN),
        ({"Resource": BUCKET}, {"resource": f"{BUCKET}/{ANY_REST}"}, Effect.SILENT),
        ({"Resource": "arn:aws:s3:::other/*"}, {"resource": f"{BUCKET}/{ANY_REST}"}, Effect.SILENT),
        ({"Resource": "arn:aws:s3:*"}, {}, Effect.SILENT),
    ],
)  # fmt: skip
def test_what_a_policy_says(elements: dict[str, Any], access: dict[str, Any], effect: Effect) -> None:
    assert _effect(_one(**elements), **access) is effect


@pytest.mark.parametrize(
    ("operator", "key", "wanted", "values", "effect"),
    [
        ("StringEquals", "aws:Made-Up", "x", None, Effect.UNKNOWN),
        ("BinaryEquals", "aws:Made-Up", "eA==", ["x"], Effect.UNKNOWN),
        ("SomeDay", "aws:Made-Up", "x", ["x"], Effect.UNKNOWN),
        ("ForMost:StringEquals", "aws:Made-Up", "x", ["x"], Effect.UNKNOWN),
        ("StringEquals", "AWS:sourcevpc", "v", ["v"], Effect.ALLOW),
        ("StringEquals", "aws:SourceVpc", ["v", "w"], ["v", "w"], Effect.UNKNOWN),
        ("StringEquals", "aws:SourceVpc", "${aws:SourceVpce}", ["v"], Effect.UNKNOWN),
        ("StringEquals", "aws:SourceVpc", "${*}", ["*"], Effect.ALLOW),
        ("StringLike", "aws:SourceVpc", "${?}", ["v"], Effect.SILENT),
        ("IpAddress", "aws:SourceIp", "2001:db8::/32", ["10.0.0.1"], Effect.SILENT),
        ("IpAddress", "aws:SourceIp", "nonsense", ["10.0.0.1"], Effect.UNKNOWN),
        ("NumericEquals", "s3:max-keys", "x", ["1"], Effect.UNKNOWN),
        ("DateLessThan", "aws:CurrentTime", "1800000000", ["2026-01-01T00:00:00Z"], Effect.ALLOW),
        ("DateLessThan", "aws:CurrentTime", "soon", ["2026-01-01"], Effect.UNKNOWN),
        ("Bool", "aws:SecureTransport", True, ["true"], Effect.ALLOW),
        ("BoolIfExists", "aws:SecureTransport", "true", [], Effect.ALLOW),
        ("Null", "sts:ExternalId", "true", None, Effect.UNKNOWN),
        ("ForAllValues:StringEquals", "s3:RequestObjectTagKeys", "a", [], Effect.ALLOW),
        ("ForAllValues:StringEquals", "s3:RequestObjectTagKeys", "a", ["a", "b"], Effect.SILENT),
        ("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", "a", [], Effect.SILENT),
        ("ForAnyValue:StringEquals", "s3:RequestObjectTagKeys", "a", ["a", "b"], Effect.ALLOW),
        ("ForAnyValue:StringNotEquals", "s3:RequestObjectTagKeys", "a", [], Effect.SILENT),
        ("ForAnyValue:StringEqualsIfExists", "s3:RequestObjectTagKeys", "a", [], Effect.ALLOW),
        ("ArnLike", "aws:PrincipalArn", "arn:*:role/writer", [ROLE], Effect.SILENT),
        ("StringNotEquals", "aws:SourceVpc", "vpc-1", [], Effect.ALLOW),
        ("NotIpAddress", "aws:SourceIp", "10.0.0.0/8", [], Effect.ALLOW),
    ],
)
def test_what_a_condition_says(
    operator: str, key: str, wanted: object, values: list[str] | None, effect: Effect
) -> None:
    known = {} if values is None else {key.lower(): tuple(values)}

    assert _effect(_one(Condition={operator: {key: wanted}}), values=known) is effect


def test_one_element_that_does_not_fit_is_enough_whatever_else_is_not_known() -> None:
    unknown = {"StringEquals": {"aws:Made-Up": "x"}}

    assert _effect(_one(Condition=unknown), action="s3:GetObject") is Effect.SILENT
    assert _effect(_one(Condition=unknown, Principal={"AWS": "444455556666"})) is Effect.SILENT
    assert _effect(_one(Condition=unknown, Effect="Deny"), resource="arn:aws:s3:::other/a") is Effect.SILENT
    assert _effect(_one(Condition={"StringEquals": {"aws:Made-Up": "x", "aws:Known": "y"}}),
                   values={"aws:known": ("n",)}) is Effect.SILENT  # fmt: skip


def test_variables_mean_nothing_in_policies_of_the_old_version() -> None:
    document = _one(Resource="arn:aws:s3:::evidence/${aws:username}")
    document["Version"] = "2008-10-17"

    assert _effect(document, resource=BUCKET + "/${aws:username}") is Effect.ALLOW


def test_the_deciding_statement_is_named_by_its_sid_or_its_position() -> None:
    document = _one()
    document["Statement"] += [
        {**document["Statement"][0], "Effect": "Deny", "Sid": sid} for sid in ("No", "!" * 3)
    ]

    verdict = evaluate(read_policy(document, "policy"), Access("s3:PutObject", f"{BUCKET}/a", ROLE))

    assert [one.statement.name for one in verdict.deciding] == ["No", "statement 3"]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("text", "policy: expected an object with Statement, found a text"),
        ({}, "policy.Statement: expected a list of statements, found nothing"),
        ({"Statement": [7]}, "policy.Statement[0]: expected an object, found a number"),
        (
            {"Statement": [{"Effect": "Permit"}]},
            "policy.Statement[0].Effect: expected Allow or Deny, found a text",
        ),
        (
            {"Statement": {"Effect": "Deny"}},
            "policy.Statement[0]: expected Action or NotAction, found neither",
        ),
        (_one(Action=[{}]), "policy.Statement[0].Action: expected a text or a list of texts, found a list"),
        (_one(Principal=7), 'policy.Statement[0].Principal: expected "*" or an object, found a number'),
        (_one(Condition=[]), "policy.Statement[0].Condition: expected an object, found a list"),
        (
            _one(Condition={"Bool": 1}),
            "policy.Statement[0].Condition: expected an object per operator, found a number",
        ),
    ],
)
def test_what_is_no_policy_is_refused_by_element(document: object, told: str) -> None:
    with pytest.raises(PolicyUnreadable) as refused:
        read_policy(document, "policy")

    assert str(refused.value) == told


def test_accounts_and_roles_are_read_out_of_principals() -> None:
    assert [account_of(one) for one in (ROLE, SESSION, "111122223333", "lambda.amazonaws.com")] == [
        "111122223333", "111122223333", "111122223333", "",
    ]  # fmt: skip
    assert [role_of(one) for one in (ROLE, SESSION, "arn:aws:iam::111122223333:user/ann")] == [ROLE, ROLE, ""]
