"""Judges alarms as CloudWatch does: by their dimensions, statistic, periods and missing data.

MiniStack evaluates an alarm only when somebody puts metric data, whatever the dimensions, and never again: an
alarm stays what it was. Here every alarm is judged once a second, and whenever alarms are described. One
difference is left: what is missing from before an alarm was made does not count as missing.
"""

import logging
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ministack.services import cloudwatch

from local.emulator import calls, clock
from local.emulator.verdicts import state_of

_LOOK_S = 1.0
_log = logging.getLogger("alarms")
_judging = threading.RLock()

BEFORE_JUDGING: list[Callable[[], None]] = []
"""What the services do before each look: publish what they publish every minute."""


def install() -> None:
    """Replace MiniStack's evaluation, and give CloudWatch its own clock."""
    cloudwatch.time = SimpleNamespace(time=clock.time)
    cloudwatch._evaluate_alarm = _judge  # noqa: SLF001 - nothing public to hold on to
    cloudwatch._evaluate_all_alarms = judge_all  # noqa: SLF001
    describe: Callable[..., Any] = cloudwatch._describe_alarms  # noqa: SLF001

    def judge_and_describe(*arguments: object) -> object:
        judge_all()
        return describe(*arguments)

    cloudwatch._describe_alarms = judge_and_describe  # noqa: SLF001
    calls.COMMANDS["/_holdfast/clock"] = clock.put_forward
    threading.Thread(target=_keep_judging, daemon=True, name="alarms").start()


def judge_all() -> None:
    """Judge every alarm as of now."""
    with _judging:
        for publish in BEFORE_JUDGING:
            publish()
        for alarm in list(cloudwatch._alarms.values()):  # noqa: SLF001
            _judge(alarm)


def _keep_judging() -> None:
    pause = threading.Event()
    while not pause.wait(_LOOK_S):
        try:
            judge_all()
        except Exception:  # noqa: BLE001 - a look that fails must not be the last
            _log.exception("alarms were not judged")


def _judge(alarm: dict[str, Any]) -> None:
    with _judging:
        now, period_s, periods = clock.time(), alarm["Period"], alarm["EvaluationPeriods"]
        values = [_value(alarm, now - (i + 1) * period_s, now - i * period_s) for i in range(periods)]
        is_young = now - alarm["AlarmConfigurationUpdatedTimestamp"] < period_s * periods
        spared = (
            {"TreatMissingData": "notBreaching"}
            if is_young and alarm["TreatMissingData"] == "breaching"
            else {}
        )
        state = state_of(alarm | spared, values)
        if state != alarm["StateValue"]:
            _move(alarm, state, values)


def _value(alarm: dict[str, Any], after: float, until: float) -> float | None:
    """Give the alarm's statistic of the points of one period, of this metric and these dimensions alone."""
    dimensions = cloudwatch._dims_key({one["Name"]: one["Value"] for one in alarm["Dimensions"]})  # noqa: SLF001
    points = cloudwatch._metrics.get((alarm["Namespace"], alarm["MetricName"], dimensions), [])  # noqa: SLF001
    points = [point for point in list(points) if after < point["Timestamp"] <= until]
    if not points:
        return None
    statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    value: float | None = cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points)  # noqa: SLF001
    return value


def _move(alarm: dict[str, Any], state: str, values: list[float | None]) -> None:
    before, alarm["StateValue"] = alarm["StateValue"], state
    said = ", ".join("no data" if value is None else f"{value:g}" for value in values)
    statistic = alarm.get("ExtendedStatistic") or alarm["Statistic"]
    reason = f"{statistic} of the last periods, newest first: {said}; threshold {alarm['Threshold']:g}"
    alarm |= {"StateReason": reason, "StateUpdatedTimestamp": int(clock.time())}
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)  # noqa: SLF001
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)  # noqa: SLF001
    cloudwatch._evaluate_parent_alarms(alarm)  # noqa: SLF001
