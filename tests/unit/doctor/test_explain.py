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
