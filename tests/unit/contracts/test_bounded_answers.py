"""What a step answers fits into a workflow, whatever it was told."""

import pytest
from pydantic import ValidationError

from holdfast.contracts.request import MAX_NAMED_FAULTS
from holdfast.contracts.steps import (
    MAX_EXPLANATION,
    MAX_FAULT,
    MAX_HEADLINE,
    FailureRecorded,
    Opened,
    Sealed,
)


def _sealed(**changes: object) -> Sealed:
    answer = {
        "done": True,
        "wait_s": 1,
        "verdict": "PRESERVED",
        "matter_id": "M-1",
        "request_id": "R-1",
        "announcement": "MatterPreserved",
        "headline": "",
        "summary": {},
    }
    return Sealed.model_validate(answer | changes)


def test_what_is_said_to_people_is_cut_and_has_no_control_characters() -> None:
    said = "\x00\ud800é" * 10_000

    explanation = Opened(outcome="REFUSED", explanation=said).explanation

    assert explanation == "  é" * (MAX_EXPLANATION // 3) + "  "
    assert len(_sealed(headline=said).headline) == MAX_HEADLINE


def test_a_fault_is_cut_and_plain() -> None:
    (fault,) = Opened(outcome="REFUSED", faults=["é\n" + "x" * 1_000]).faults

    assert fault == "? " + "x" * (MAX_FAULT - 2)


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (Opened, {"outcome": "REFUSED", "faults": ["x"] * (MAX_NAMED_FAULTS + 2)}),
        (Opened, {"outcome": "OPENED", "matter_id": "M" * 65}),
        (FailureRecorded, {"matter_id": "", "request_id": "R" * 129, "error": "", "explanation": ""}),
    ],
)
def test_what_programs_go_by_is_never_cut(model: type[Opened], answer: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        model.model_validate(answer)


def test_a_summary_of_any_shape_is_bounded() -> None:
    assert _sealed(summary={"x": "é" * 29_990}).summary

    with pytest.raises(ValidationError, match="expected at most 60000 bytes of JSON, found 60019"):
        _sealed(summary={"x": "é" * 30_005})
