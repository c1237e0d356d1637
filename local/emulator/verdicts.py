"""How CloudWatch judges an alarm by the values of its last periods; pure, so that it is tested without one.

Source: Amazon CloudWatch User Guide, "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing
data", read 2026-11-21. Left out: that AWS looks back further than the evaluated periods for values that come
late.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_COMPARES: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def state_of(alarm: Mapping[str, Any], values: Sequence[float | None]) -> str:
    """Judge an alarm.

    Args:
        alarm: as `DescribeAlarms` gives it.
        values: the alarm's statistic for each of its `EvaluationPeriods`; None where there is no data point.
    """
    missing = alarm.get("TreatMissingData", "missing")
    if missing in {"missing", "ignore"} and all(value is None for value in values):
        return "INSUFFICIENT_DATA" if missing == "missing" else str(alarm["StateValue"])
    is_beyond = _COMPARES[alarm["ComparisonOperator"]]
    breaching = sum(
        missing == "breaching" if value is None else is_beyond(value, alarm["Threshold"]) for value in values
    )
    return "ALARM" if breaching >= (alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]) else "OK"
