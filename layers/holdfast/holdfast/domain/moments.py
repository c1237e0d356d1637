"""Times as text: RFC 3339 in UTC, and half-open intervals."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_MILLISECOND = timedelta(milliseconds=1)
_LAST_MILLISECOND = datetime.max.replace(tzinfo=UTC) - _MILLISECOND


def to_text(at: datetime) -> str:
    """Write an aware time in UTC with milliseconds, for example ``2026-03-01T00:00:00.000Z``.

    Raises:
        ValueError: if the time is naive; a naive time is nobody's time.
    """
    if at.tzinfo is None:
        raise ValueError("expected a time with an offset, found a naive one")
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read an RFC 3339 time with an offset; the answer is in UTC.

    Raises:
        ValueError: if the text is no time, has no offset, or names a time that UTC cannot hold.
    """
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("expected a time with an offset, found a naive one")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise ValueError("expected a time of the years 1 to 9999 in UTC, found one out of range") from None


@dataclass(frozen=True, slots=True)
class Interval:
    """``[start, end)`` in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError("an interval needs times with an offset")
        # In one zone of its own, a time would be compared and added to by the clock on the wall.
        object.__setattr__(self, "start", self.start.astimezone(UTC))
        object.__setattr__(self, "end", self.end.astimezone(UTC))
        if not self.start < self.end:
            raise ValueError("an interval's end must be later than its start")

    def __str__(self) -> str:
        """Write it in milliseconds, which may make it longer and never shorter."""
        rest = timedelta(microseconds=self.end.microsecond % 1000)
        end = self.end + (_MILLISECOND - rest) if rest and self.end < _LAST_MILLISECOND else self.end
        return f"{to_text(self.start)}/{to_text(end)}"
