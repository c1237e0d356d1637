"""Cutting the scope's interval into slices, each of which is a query of its own.

The vendor advises smaller periods so that a query does not time out, and names no maximum (the official SDK,
conversationQuery). Slices follow each other without a hole and without overlap, in UTC, so that neither
summer time nor a leap day moves a seam; and there is a most of them, so that a workflow's history stays
short.
"""

from datetime import datetime, timedelta
from math import ceil

from holdfast.domain.moments import Interval

LONGEST = timedelta(days=31)  # most matters are one query then, and a year is twelve
SHORTEST = timedelta(hours=6)  # what cannot be searched even so does not fail for its length
MOST_AS_PLANNED, MOST_AFTER_HALVING = 60, 120


def planned_length_s(interval: Interval) -> int:
    """Choose the length of the slices: a month, or more where those would be too many."""
    return _length_s(interval, LONGEST, MOST_AS_PLANNED)


def halved_length_s(interval: Interval, tried: Interval) -> int | None:
    """Choose the length to go on with after the platform gave up on a slice; None if none is shorter."""
    tried_s = ceil((tried.end - tried.start).total_seconds())
    shortest_s = _length_s(interval, SHORTEST, MOST_AFTER_HALVING)
    return max(shortest_s, tried_s // 2) if tried_s > shortest_s else None


def slice_from(interval: Interval, start: datetime, length_s: int) -> Interval:
    """Cut the slice that begins at `start`, a seam or the interval's own start."""
    if interval.end - start <= timedelta(seconds=length_s):
        return Interval(start, interval.end)
    # Seams lie at whole seconds: they are written in milliseconds, and must not be moved by that.
    return Interval(start, (start + timedelta(seconds=length_s)).replace(microsecond=0))


def _length_s(interval: Interval, usual: timedelta, most: int) -> int:
    return ceil(max(usual, (interval.end - interval.start) / most).total_seconds())
