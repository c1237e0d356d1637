"""How fast calls may follow each other, so that no 60 seconds ever hold more than the platform allows.

The generic cell rate algorithm, in whole microseconds. The *due time* is when the next call would be due
if all came evenly spaced. A call may run ahead of it by the tolerance, which lets a short burst through;
then the calls are spaced by the interval. Any window of 60 s holds at most ``60 s / interval + burst``
calls, and interval and burst are chosen so that this is the limit, less a margin for callers that wake
late.

Source: ITU-T I.371, annex A (virtual scheduling).
"""

from dataclasses import dataclass

WINDOW_US = 60_000_000
MARGIN = 0.02
BURST_SHARE = 36  # of 300 calls a minute, 8 may come at once


@dataclass(frozen=True, slots=True)
class Pace:
    """Microseconds between calls, and how far a call may run ahead of its due time."""

    interval_us: int
    tolerance_us: int

    def wait_us(self, due_us: int, now_us: int) -> int:
        """Say how long a caller waits that has moved the due time to `due_us`."""
        return max(0, due_us - self.interval_us - self.tolerance_us - now_us)


def pace_of(allowed_per_minute: int) -> Pace:
    """Choose the pace for a limit; of a limit under three calls a minute nothing is left for a margin."""
    usable = max(1, int(allowed_per_minute * (1 - MARGIN)))
    burst = max(1, usable // BURST_SHARE)
    interval_us = -(-WINDOW_US // max(1, usable - burst))
    return Pace(interval_us, (burst - 1) * interval_us)
