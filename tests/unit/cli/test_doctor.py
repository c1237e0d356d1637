"""`holdfast doctor explain`: from a file or the standard input, for people and for machines."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.exits import Exit
from cli.main import app
from tests.unit.doctor.corpus import cases

CASES = {case.name: case for case in cases()}
REPORTS = [case for name, case in CASES.items() if name.startswith("reports")]
FIELDS = ["layer", "cause", "evidence", "remedy", "confidence", "collect_next"]


def run(*arguments: str, given: str | None = None) -> Result:
    return CliRunner().invoke(app, ["doctor", "explain", *arguments], input=given)


@pytest.mark.parametrize("case", REPORTS, ids=[case.name for case in REPORTS])
def test_the_field_reports_are_explained(case: Any, tmp_path: Path) -> None:
    file = tmp_path / "refusal.json"
    file.write_text(json.dumps(case.refusal))

    told, shown = run(str(file), "--json"), run(str(file))

    answer = json.loads(told.stdout)
    assert (told.exit_code, shown.exit_code) == (Exit.DONE, Exit.DONE)
    assert list(answer) == FIELDS
    assert answer["layer"] == case.layer
    assert case.layer in shown.stdout
    assert "What to do" in shown.stdout


def test_the_standard_input_is_read_for_a_dash() -> None:
    told = run("-", "--json", given=json.dumps(dict(REPORTS[0].refusal)))

    assert json.loads(told.stdout)["layer"] == REPORTS[0].layer


@pytest.mark.parametrize(
    ("text", "expected", "found"),
    [
        ("[1", "one JSON object in UTF-8", "something else, line 1"),
        ("[]", "an object", "a list"),
        ('{"http_status": "no"}', "an HTTP status from 100 to 599", "a text"),
        ("[" * 100_000, "one JSON object in UTF-8", "something else"),
    ],
)
def test_bad_input_fails_with_what_was_expected_and_found(text: str, expected: str, found: str) -> None:
    told = run("-", "--json", given=text)

    failure = json.loads(told.stderr)
    assert told.exit_code == Exit.REFUSED
    assert told.stdout == ""
    assert (failure["expected"], failure["found"]) == (expected, found)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = run(str(tmp_path / "none.json"), "--json")

    assert told.exit_code == Exit.NOT_FOUND
    assert json.loads(told.stderr)["found"] == "No such file or directory"


def test_fields_that_nobody_knows_are_told_beside_the_answer() -> None:
    told = run("-", "--json", given='{"http_staus": 403}')

    assert "http_staus" in told.stderr
    assert json.loads(told.stdout)["layer"] == "unknown"
