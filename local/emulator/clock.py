"""CloudWatch's clock, which can be put forward: `/_holdfast/clock?SECONDS`, and it answers how far it is.

Alarms have periods of minutes and days. A rehearsal does what the alarm is about, and puts the clock forward;
the alarm is then judged by its own periods, thresholds and dimensions, as it would be at that time.
"""

import time as _real

_ahead_s = 0.0


def time() -> float:
    """Tell CloudWatch's time, as `time.time` does."""
    return _real.time() + _ahead_s


def put_forward(query: str) -> float:
    """Put the clock forward by the seconds that the query says."""
    global _ahead_s  # noqa: PLW0603 - one clock for one emulator
    _ahead_s += float(query or 0)
    return _ahead_s
