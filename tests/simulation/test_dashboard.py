"""The dashboard's metric math is worked out as CloudWatch does, as far as the dashboard uses it."""

import ast

import pytest

from local.dashboard import worked_out

SERIES: dict[str, list[float | None]] = {"seen": [3.0], "empty": [None]}


@pytest.mark.parametrize(
    ("formula", "value"),
    [
        ("seen * 2 + 1", 7.0),
        ("(seen - 1) / 4", 0.5),
        ("seen + empty", None),
        ("RUNNING_SUM(FILL(empty, 0) + seen)", 3.0),
        ("seen + FILL(empty, 0) * 5", 3.0),
    ],
)
def test_what_is_missing_makes_a_formula_missing_unless_it_is_filled(
    formula: str, value: float | None
) -> None:
    assert worked_out(ast.parse(formula, mode="eval").body, SERIES, 0) == value


def test_what_the_dashboard_does_not_use_is_not_guessed() -> None:
    with pytest.raises(ValueError, match=r"found SUM\(METRICS\(\)\)"):
        worked_out(ast.parse("SUM(METRICS())", mode="eval").body, SERIES, 0)
