"""The course of a standing matter: one interval after another, without holes and without doubles.

1. Everything in ``[starts_at, high_water)`` is covered by intervals that have their verdict.
2. At most one interval is under way; it begins at the high-water mark.
3. Where an interval ends is fixed when it is begun: closing the matter meanwhile changes the one after.
4. Intervals are durations in UTC, half-open; a day has 24 hours, whatever a clock on a wall does.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from holdfast.domain.moments import Interval
from holdfast.domain.states import StandingState

SHORTEST, LONGEST = timedelta(hours=1), timedelta(days=31)
# A run that broke off is asked for again after a pause that doubles with every attempt.
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(minutes=30), timedelta(days=1)
STUCK_AFTER = 3  # attempts


class IntervalRun(StrEnum):
    """What became of the run that preserves the interval under way."""

    RUNNING = "RUNNING"
    CONCLUDED = "CONCLUDED"  # it has its verdict, whichever
    BROKEN_OFF = "BROKEN_OFF"  # it failed, died, or never began


@dataclass(frozen=True, slots=True)
class Course:
    """How far a standing matter has come.

    `until` is the end of the interval under way, or None; it has been asked for `attempts` times, last at
    `asked_at`.
    """

    state: StandingState
    starts_at: datetime
    length: timedelta
    high_water: datetime
    ends_at: datetime | None = None
    until: datetime | None = None
    attempts: int = 0
    asked_at: datetime | None = None

    @classmethod
    def opening(cls, starts_at: datetime, length: timedelta, ends_at: datetime | None) -> "Course":
        """Begin a course: nothing is covered yet."""
        return cls(StandingState.OPEN, starts_at, length, high_water=starts_at, ends_at=ends_at)

    @property
    def under_way(self) -> Interval | None:
        """Give the interval that is being preserved."""
        return Interval(self.high_water, self.until) if self.until else None

    @property
    def is_stuck(self) -> bool:
        """Tell whether the interval under way was asked for so often that somebody should look."""
        return self.attempts >= STUCK_AFTER

    def closing(self, ends_at: datetime) -> "Course":
        """Set the end; the interval under way, and what is covered, stay."""
        return replace(self, state=StandingState.CLOSING, ends_at=ends_at)

    def moved_on(self, run: IntervalRun, *, now: datetime, available_until: datetime) -> "Course":
        """Advance the mark over what has its verdict, and begin what is due.

        `run` is what became of the interval under way, if there is one. Nothing is begun that ends later than
        `available_until`.
        """
        if self.until is None:
            return _begun(self, now, available_until)
        if run is IntervalRun.CONCLUDED:
            covered = replace(self, high_water=self.until, until=None, attempts=0, asked_at=None)
            return _begun(covered, now, available_until)
        if run is IntervalRun.BROKEN_OFF and now >= _asked_again_at(self):
            return replace(self, attempts=self.attempts + 1, asked_at=now)
        return self

    def asks_more_than(self, before: "Course") -> bool:
        """Tell whether a run is to be asked for that had not been asked for before."""
        asked, asked_before = (self.high_water, self.attempts), (before.high_water, before.attempts)
        return self.until is not None and asked != asked_before


def _begun(course: Course, now: datetime, available_until: datetime) -> Course:
    """Begin the next interval if it is due; without one, a course that has reached its end is closed."""
    start = course.high_water
    if course.ends_at is not None and start >= course.ends_at:
        return replace(course, state=StandingState.CLOSED)
    if start >= available_until:
        return course
    end = start + course.length
    if course.ends_at is not None:
        end = min(end, course.ends_at)
    return course if end > available_until else replace(course, until=end, attempts=1, asked_at=now)


def _asked_again_at(course: Course) -> datetime:
    doublings = min(course.attempts - 1, 10)  # beyond these it is the longest pause anyway
    pause = min(_FIRST_PAUSE * (1 << doublings), _LONGEST_PAUSE)
    return (course.asked_at or course.high_water) + pause
