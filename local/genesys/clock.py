"""Time as an argument: the server lives by the wall clock, tests by one that they move."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """An aware UTC time."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class WallClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class ManualClock:
    """Stands still until somebody lets time pass; whoever sleeps lets it pass."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def now(self) -> datetime:
        return self._at

    async def sleep(self, seconds: float) -> None:
        self.pass_s(seconds)

    def pass_s(self, seconds: float) -> None:
        self._at += timedelta(seconds=seconds)


def iso(at: datetime) -> str:
    """The form of the platform's JSON: `2026-03-02T09:15:00.123Z`."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"


def parse_time(text: str) -> datetime:
    """Raises: ValueError, when the text is no RFC 3339 time with an offset."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"expected an offset or Z at the end, found {text!r}")
    return at.astimezone(UTC)


def parse_interval(text: str) -> tuple[datetime, datetime]:
    """Raises: ValueError, when the text is not `start/end` with both in RFC 3339 and start before end."""
    start_text, slash, end_text = text.partition("/")
    if not slash:
        raise ValueError(f"expected start/end, found {text!r}")
    start, end = parse_time(start_text), parse_time(end_text)
    if end <= start:
        raise ValueError(f"expected the start before the end, found {text!r}")
    return start, end
