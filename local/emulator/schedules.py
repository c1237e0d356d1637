"""Lets schedules run on the time of the Waits: scaled by 0.05, `rate(1 hour)` comes every three minutes.

MiniStack looks every ten seconds whether a schedule is due; here it looks every second.
"""

import os

from ministack.services import eventbridge, scheduler

_LOOK_S = 1


def install() -> None:
    """Scale the rates of rules and schedules by `SFN_WAIT_SCALE`; cron expressions keep to the clock."""
    scale = float(os.environ["SFN_WAIT_SCALE"])
    seconds_of = eventbridge._parse_rate_seconds  # noqa: SLF001 - nothing public to hold on to

    def scaled(expression: str) -> float | None:
        seconds: int | None = seconds_of(expression)
        return None if seconds is None else seconds * scale

    eventbridge._parse_rate_seconds = scaled  # noqa: SLF001
    eventbridge._SCHEDULER_TICK_INTERVAL = _LOOK_S  # noqa: SLF001
    scheduler._SCHEDULE_TICK_INTERVAL = _LOOK_S  # noqa: SLF001
