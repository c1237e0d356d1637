"""Each refusal of the corpus, and the traps among them."""

import json

import pytest

from holdfast import errors
from holdfast.doctor.explain import explain, explain_error
from holdfast.doctor.explanation import Confidence, Layer, Origin
from holdfast.doctor.refusal import read_refusal
from holdfast.doctor.rules import CAUSES, OURS, SOURCES
from tests.unit.doctor.corpus import Case, cases

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_every_refusal_of_the_corpus_names_its_layer(case: Case) -> None:
    answer = explain(read_refusal(case.refusal))

    assert answer.layer == case.layer
    assert answer.evidence or not case.refusal
    assert answer.remedy or answer.collect_next


def test_the_corpus_knows_every_layer() -> None:
    assert {case.layer for case in CASES} == set(Layer)


def test_unknown_is_never_sure_and_says_what_to_find_out() -> None:
    answers = [explain(read_refusal(case.refusal)) for case in CASES if case.layer == Layer.UNKNOWN]

    assert answers
    assert {answer.confidence for answer in answers} == {Confidence.LOW}
    assert all(answer.collect_next for answer in answers)


def test_every_cause_has_a_source_and_a_name_of_its_own() -> None:
    causes = [*CAUSES, *OURS]

    assert len({cause.id for cause in causes}) == len(causes)
    assert {cause.source for cause in causes} <= set(SOURCES)
    assert all(cause.layer in set(Layer) for cause in CAUSES)


DENIED = "is not authorized to perform: {} because no identity-based policy allows it"


@pytest.mark.parametrize(
    ("source", "body", "said_by"),
    [
        ("genesys", {"errorMessage": "S3 responded AccessDenied"}, "S3 says it, quoted by the platform"),
        ("genesys", {"errorMessage": DENIED.format("kms:Decrypt")}, "KMS says it, quoted by the platform"),
        (
            "genesys",
            {"errorMessage": "Failed to assume role: access denied"},
            "STS says it, quoted by the platform",
        ),
        ("genesys", {"message": "Access denied to this resource"}, "the platform says it"),
        (
            "genesys",
            {"message": "You are not authorized to perform the requested action.", "code": "not.authorized"},
            "the platform says it",
        ),
        ("s3", {"Code": "AccessDenied", "Message": DENIED.format("kms:Decrypt")}, "KMS says it"),
        ("s3", {"Code": "KMS.DisabledException", "Message": ""}, "KMS says it"),
        ("s3", {"Code": "AccessDenied", "Message": DENIED.format("s3:PutObject")}, "S3 says it"),
        (
            "",
            {"Code": "AccessDenied", "Message": DENIED.format("dynamodb:PutItem")},
            "an AWS service says it",
        ),
    ],
)
def test_what_the_platform_says_is_told_from_what_aws_says_through_it(
    source: str, body: dict[str, str], said_by: str
) -> None:
    answer = explain(read_refusal({"source": source, "http_status": 403, "body": body}))

    assert answer.evidence[0] == said_by


def test_a_hold_request_may_carry_what_an_export_may_not() -> None:
    def told(path: str) -> Layer | Origin:
        hold = {"legal_hold_acknowledgement": True, "externalReferenceId": "M-2026-001"}
        request = {"method": "POST", "path": path, "body": hold}
        refusal = {
            "source": "genesys",
            "http_status": 403,
            "body": "Forbidden",
            "context": {"request": request},
        }
        return explain(read_refusal(refusal)).layer

    assert told("/api/v2/compliance/legalholds") is Layer.UNKNOWN
    assert told("/api/v2/recordings/bulkexport") is Layer.REQUEST_SCHEMA


@pytest.mark.parametrize(
    ("age_s", "life_s", "layer"),
    [
        (100, 3_600, Layer.UNKNOWN),
        (1_800, 3_600, Layer.OAUTH_TOKEN),
        (3_600, 3_600, Layer.OAUTH_TOKEN),
        (None, 0, Layer.OAUTH_TOKEN),
        (None, 299, Layer.OAUTH_TOKEN),
        (None, 3_600, Layer.UNKNOWN),
        (200_000, None, Layer.OAUTH_TOKEN),
        (100_000, None, Layer.UNKNOWN),
    ],
)
def test_a_bare_403_is_the_token_s_only_when_its_age_says_so(
    age_s: int | None, life_s: int | None, layer: Layer
) -> None:
    context = {"token_age_s": age_s, "expires_in_s": life_s}

    answer = explain(
        read_refusal({"source": "genesys", "http_status": 403, "body": "Forbidden", "context": context})
    )

    is_over = (age_s or 0) >= (life_s if life_s is not None else 200_000)
    assert answer.layer is layer
    assert answer.confidence is (Confidence.MEDIUM if is_over else Confidence.LOW)


def test_the_same_answer_whether_the_body_is_an_object_or_its_text() -> None:
    for case in CASES:
        if isinstance(body := case.refusal.get("body"), dict):
            as_text = {**case.refusal, "body": json.dumps(body)}

            assert explain(read_refusal(as_text)) == explain(read_refusal(case.refusal)), case.name


def test_an_error_of_ours_that_quotes_aws_is_explained_by_what_aws_said() -> None:
    said = (
        "GenerateDataKey: AccessDenied: User: arn:aws:sts::123456789012:assumed-role/role/session is not "
        "authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:eu-west-1:123456789012:key/1 "
        "because no identity-based policy allows the kms:GenerateDataKey action"
    )

    assert explain_error("AwsRefused", said).layer is Layer.KMS
    assert explain_error("AwsRefused", "PutItem: something new").layer is Origin.AWS


def test_an_error_of_ours_that_repeats_the_platform_s_code_is_explained_by_it() -> None:
    said = "POST /api/v2/recording/jobs: 400 recording.export.integration.disabled (correlation none)"

    assert explain_error("PlatformRejected", said).layer is Layer.INTEGRATION_ROLE
    assert explain_error("PlatformRejected", "POST /x: 400 made.up").layer is Layer.REQUEST_SCHEMA
    assert explain_error("PlatformRejected", "POST /x: 400 no code").cause == "PlatformRejected"


def test_every_error_that_can_end_a_workflow_is_in_the_table() -> None:
    raised = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.HoldfastError)
    }
    groups = {"HoldfastError", "TransientError", "RefusedError"}
    # Whoever meets these two goes on without an end.
    handled = {"TooManyJobs", "ObjectUnreadable"}

    assert raised - {cause.id for cause in OURS} == groups | handled


def test_an_error_of_ours_is_explained_by_its_name() -> None:
    answer = explain_error(
        "PermissionMissing", "PUT /x: 403 missing.permissions, missing: recording:job:edit"
    )

    assert (answer.layer, answer.evidence) == (Layer.GENESYS_PERMISSION, ("missing: recording:job:edit",))
    assert explain_error("NobodyKnows", "").layer is Layer.UNKNOWN
