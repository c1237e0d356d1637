"""Alarms of the embedded world are judged as CloudWatch documents it."""

import pytest

from local.emulator.verdicts import state_of

GE, LT = "GreaterThanOrEqualToThreshold", "LessThanThreshold"


@pytest.mark.parametrize(
    ("comparison", "missing", "periods", "enough", "values", "state"),
    [
        (GE, "notBreaching", 1, None, [3.0], "ALARM"),
        (GE, "notBreaching", 1, None, [2.9], "OK"),
        ("GreaterThanThreshold", "notBreaching", 1, None, [3.0], "OK"),
        ("LessThanOrEqualToThreshold", "notBreaching", 1, None, [3.0], "ALARM"),
        (GE, "notBreaching", 1, None, [None], "OK"),
        (GE, "notBreaching", 3, None, [3.0, 4.0, None], "OK"),
        (GE, "notBreaching", 3, 2, [3.0, None, 4.0], "ALARM"),
        (GE, "notBreaching", 3, None, [3.0, 4.0, 5.0], "ALARM"),
        (LT, "breaching", 2, None, [None, None], "ALARM"),
        (LT, "breaching", 2, None, [None, 3.0], "OK"),
        (LT, "breaching", 2, None, [None, 2.0], "ALARM"),
        (GE, "missing", 1, None, [None], "INSUFFICIENT_DATA"),
        (GE, "missing", 2, 1, [None, 3.0], "ALARM"),
        (GE, "ignore", 1, None, [None], "as it was"),
    ],
)
def test_an_alarm_follows_from_its_definition(  # noqa: PLR0917 - the columns of a table
    comparison: str,
    missing: str,
    periods: int,
    enough: int | None,
    values: list[float | None],
    state: str,
) -> None:
    alarm = {
        "Threshold": 3.0,
        "ComparisonOperator": comparison,
        "TreatMissingData": missing,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": enough,
        "StateValue": "as it was",
    }

    assert state_of(alarm, values) == state
