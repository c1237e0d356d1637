"""The document that is explained: what may be left out, and how bad input is refused."""

import json

import pytest

from holdfast.doctor.explain import explain
from holdfast.doctor.explanation import Layer
from holdfast.doctor.refusal import RefusalUnreadable, read_refusal

POLICY = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "the document: expected an object, found a list"),
        ({"source": "azure"}, "source: expected one of genesys, s3, kms, sts, found another word"),
        ({"source": 3}, "source: expected a text, found a number"),
        ({"http_status": "forbidden"}, "http_status: expected an HTTP status from 100 to 599, found a text"),
        ({"http_status": 99}, "http_status: expected an HTTP status from 100 to 599, found a number"),
        ({"http_status": True}, "http_status: expected an HTTP status from 100 to 599, found true or false"),
        ({"headers": ["x"]}, "headers: expected an object of texts, found a list"),
        ({"body": 7}, "body: expected an object or a text, found a number"),
        ({"context": "x"}, "context: expected an object, found a text"),
        (
            {"context": {"token_age_s": "old"}},
            "context.token_age_s: expected a number of seconds, found a text",
        ),
        (
            {"context": {"expires_in_s": False}},
            "context.expires_in_s: expected a number of seconds, found true or false",
        ),
        (
            {"context": {"bucket_policy": "{nonsense"}},
            (
                "context.bucket_policy: expected a policy, as an object or as JSON text, "
                "found a text that is not JSON"
            ),
        ),
        (
            {"context": {"role_policy": {"Statement": [{"Effect": "Maybe"}]}}},
            "context.role_policy.Statement[0].Effect: expected Allow or Deny, found a text",
        ),
        ({"context": {"request": []}}, "context.request: expected an object, found a list"),
        (
            {"context": {"request": {"params": "x"}}},
            "context.request.params: expected an object, found a text",
        ),
    ],
)
def test_bad_input_is_refused_by_field_and_never_repeated(document: object, told: str) -> None:
    with pytest.raises(RefusalUnreadable) as refused:
        read_refusal(document)

    assert str(refused.value) == told


def test_everything_may_be_missing_or_null() -> None:
    names = ("source", "http_status", "headers", "body", "context")

    assert read_refusal({}) == read_refusal(dict.fromkeys(names))
    assert explain(read_refusal({})).layer is Layer.UNKNOWN


@pytest.mark.parametrize("wrapped", [json.dumps(POLICY), {"Policy": json.dumps(POLICY)}, POLICY])
def test_a_policy_is_an_object_or_text_or_what_the_aws_command_line_prints(wrapped: object) -> None:
    refusal = read_refusal({"context": {"bucket_policy": wrapped}})

    assert refusal.context.bucket_policy == POLICY


def test_headers_are_known_in_any_case() -> None:
    answer = explain(read_refusal({"http_status": 429, "source": "genesys", "headers": {"RETRY-After": "7"}}))

    assert "Retry-After: 7 s" in answer.evidence


def test_a_status_may_be_written_as_text() -> None:
    assert read_refusal({"http_status": "403"}).http_status == 403


def test_fields_that_nobody_knows_are_told_by_name() -> None:
    refusal = read_refusal(
        {"http_staus": 403, "context": {"tokenage": 1, "request": {"verb": "GET"}}, "!": 1}
    )

    assert refusal.ignored == ("http_staus", "context.tokenage", "context.request.verb")
