"""A clock moved by hand."""

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)


class HandDrivenClock:
    """Implements `ports.Clock`."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def forward(self, by: timedelta) -> None:
        self.at += by
