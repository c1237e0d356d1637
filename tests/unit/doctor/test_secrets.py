"""No explanation repeats a secret, a person, or anything else of a refusal's free text."""

import json
import string
from io import StringIO
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from cli.doctor import page
from holdfast.doctor.explain import explain, explain_error
from holdfast.doctor.explanation import Layer
from holdfast.doctor.refusal import RefusalUnreadable, read_refusal
from tests.unit.doctor.corpus import cases

CASES = cases()
# Longer than any word the doctor says by itself, so that none is met by chance.
SECRETS = st.one_of(
    st.text(string.ascii_letters + string.digits + "-_~+/=", min_size=16, max_size=48),
    st.text(string.digits, min_size=9, max_size=11).map(lambda digits: f"+{digits}"),
    st.text(string.ascii_lowercase, min_size=12, max_size=20).map(lambda name: f"{name}@example.com"),
)


def planted(document: dict[str, Any], secret: str) -> dict[str, Any]:
    """Put a secret into every place of a refusal that is free text, or where one is met in practice."""
    one: dict[str, Any] = json.loads(json.dumps(document))
    one["headers"] = {
        **one.get("headers", {}),
        "Retry-After": secret,
        "Authorization": f"Bearer {secret}",
        "Set-Cookie": secret,
    }
    body = one.get("body", "")
    if isinstance(body, dict):
        one["body"] = {**body, "access_token": secret, "entityName": secret, "note": f"password={secret}"}
        for name in ("message", "Message", "errorMessage", "details", "error_description"):
            if isinstance(body.get(name), str):
                one["body"][name] = f"{body[name]} for {secret} with token {secret}"
    elif "</Error>" in body:
        xml = secret.replace("&", "&amp;")
        one["body"] = body.replace(
            "</Error>", f"<AWSAccessKeyId>{xml}</AWSAccessKeyId><StringToSign>{xml}</StringToSign></Error>"
        )
    else:
        one["body"] = f"{body}\n{secret}"
    text = json.dumps(one["body"])
    one["body"] = json.loads(
        text.replace("/holdfast-SecureObjects ", f"/{secret} ").replace(
            "/genesys-recording-export ", f"/{secret} "
        )
    )
    context = one.setdefault("context", {})
    if not context.get("genesys_org_id"):
        context["genesys_org_id"] = secret
    request = context.setdefault("request", {})
    path = request.get("path", "/api/v2/x")
    request["path"] = (
        f"{path}{'&' if '?' in path else '?'}X-Amz-Signature={secret}&X-Amz-Security-Token={secret}"
    )
    params = request.setdefault("params", {})
    params["Metadata"] = {"caller": secret}
    params.setdefault("Key", f"folder/{secret}")
    return one


@settings(max_examples=200)
@given(st.sampled_from(CASES), SECRETS)
def test_what_is_planted_anywhere_never_comes_out(case: Any, secret: str) -> None:
    answer = explain(read_refusal(planted(dict(case.refusal), secret)))

    shown = StringIO()
    Console(file=shown, width=1_000).print(page(answer))
    assert secret not in json.dumps(answer.as_document(), ensure_ascii=False)
    assert secret not in answer.title
    assert secret not in shown.getvalue()
    assert answer.title in shown.getvalue()


@given(st.sampled_from(CASES), SECRETS)
def test_conditions_of_a_policy_are_told_without_their_values_unless_they_are_harmless(
    case: Any, secret: str
) -> None:
    referer = {"StringEquals": {"aws:Referer": secret, "aws:UserAgent": secret}}
    statement = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*", "Condition": referer}
    values = {"aws:Referer": secret, "aws:UserAgent": secret}
    for policy in ({"bucket_policy": {"Statement": statement}}, {"role_policy": {"Statement": [statement]}}):
        context = {**case.refusal.get("context", {}), **policy, "request": {"params": values}}

        answer = explain(read_refusal({**case.refusal, "context": context}))

        assert secret not in json.dumps(answer.as_document())


@given(SECRETS, st.sampled_from(["code", "error", "Code", "OperationName", "errorCode", "status"]))
def test_what_stands_in_the_place_of_a_code_and_is_none_is_not_repeated(secret: str, field: str) -> None:
    for source in ("genesys", "s3", "kms", "sts"):
        context = {
            "role_policy": {"Statement": []},
            "request": {"operation": secret, "params": {"Key": secret}},
        }
        document = {"source": source, "http_status": 403, "body": {field: secret}, "context": context}

        answer = explain(read_refusal(document))

        assert secret not in json.dumps(answer.as_document())


@given(st.sampled_from(["AwsRefused", "PermissionMissing", "Whatever"]), SECRETS)
def test_errors_of_ours_are_explained_without_their_text(error: str, secret: str) -> None:
    answer = explain_error(error, f"PutObject: AccessDenied {secret}: missing: recording:job:add {secret}")

    assert secret not in json.dumps(answer.as_document())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["source", "http_status", "headers", "body", "context", "request", "params", "path", "Code",
                 "bucket_policy", "role_policy", "token_age_s", "errors", "details", "message", "operation"]
            ),
            inner,
            max_size=5,
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_any_document_is_explained_or_refused_by_field(document: object) -> None:
    told = _told(document)

    assert told


@pytest.mark.parametrize(
    "body",
    [
        "a" * 500_000,
        "&signature=" * 50_000,
        "<Error>" * 50_000,
        "explicit deny " * 50_000,
        {"errors": [{}] * 50_000},
    ],
)
def test_a_hostile_body_is_looked_at_no_further_than_an_error_is_long(body: object) -> None:
    assert explain(read_refusal({"body": body})).layer is Layer.UNKNOWN


def _told(document: object) -> str:
    try:
        return explain(read_refusal(document)).advice
    except RefusalUnreadable as refused:
        return str(refused)
