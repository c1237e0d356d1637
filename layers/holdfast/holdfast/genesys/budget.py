"""One request budget for all functions: what the platform allows per minute, spent fully, never exceeded.

The limit is learned from the platform's headers. Every call reserves its place before it is sent; a caller
whose place is more than two seconds away is told to come back, which is the workflow's business.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import httpx

from holdfast.domain.pacing import pace_of
from holdfast.errors import PlatformThrottled
from holdfast.genesys.retry_after import retry_after_s
from holdfast.ports import Clock

DEFAULT_ALLOWED = 300  # client.credentials.token.rate.per.minute, unless the platform says otherwise
LONGEST_WAIT_US = 2_000_000
_MOST_ALLOWED = 100_000


@dataclass(frozen=True, slots=True)
class Reservation:
    """A place in the row: the due time after it, and the limit that was learned last, if any."""

    due_us: int
    allowed: int | None


class BudgetStore(Protocol):
    """Where functions share the due time."""

    def reserve(self, now_us: int, interval_us: int, latest_us: int) -> Reservation | None:
        """Move the due time on by an interval, from now if it is past; None if it is after `latest_us`."""

    def due_us(self) -> int:
        """Read the due time."""

    def hold_off(self, until_us: int) -> None:
        """Move the due time to `until_us`, unless it is later already."""

    def learn(self, allowed: int) -> None:
        """Write down the platform's limit per minute."""


class Budget:
    """Lets calls through at the pace the platform allows."""

    def __init__(self, store: BudgetStore, clock: Clock, sleep: Callable[[float], None]) -> None:
        self._store = store
        self._clock = clock
        self._sleep = sleep
        self._allowed = DEFAULT_ALLOWED

    def spend(self) -> None:
        """Reserve a call and wait for its turn.

        Raises:
            PlatformThrottled: the turn is more than two seconds away; nothing is reserved.
        """
        pace, now_us = pace_of(self._allowed), _microseconds(self._clock.now())
        latest_us = now_us + pace.tolerance_us + LONGEST_WAIT_US
        reservation = self._store.reserve(now_us, pace.interval_us, latest_us)
        if reservation is None:
            away_us = max(0, self._store.due_us() - pace.tolerance_us - now_us)
            raise PlatformThrottled(
                "the request budget of this minute is spent", retry_after_s=max(1, -(-away_us // 1_000_000))
            )
        self._allowed = reservation.allowed or self._allowed
        if wait_us := pace.wait_us(reservation.due_us, now_us):
            self._sleep(wait_us / 1_000_000)

    def heed(self, status: int, headers: Mapping[str, str]) -> None:
        """Read the platform's limit; hold off when it asks for that, or others have spent what we did not.

        A 429 that names no time is not about the rate: the platform refuses a job too many with one, too.
        """
        if status == httpx.codes.TOO_MANY_REQUESTS and headers.get("Retry-After"):
            self._hold_off(retry_after_s(headers, self._clock.now()))
        allowed, count, reset_s = (
            _number(headers.get(f"inin-ratelimit-{name}", "")) for name in ("allowed", "count", "reset")
        )
        if allowed and 0 < allowed <= _MOST_ALLOWED and allowed != self._allowed:
            self._allowed = allowed
            self._store.learn(allowed)
        if allowed and count and reset_s and count >= allowed:
            self._hold_off(min(reset_s, 60) + 1)

    def _hold_off(self, seconds: int) -> None:
        until_us = _microseconds(self._clock.now()) + seconds * 1_000_000
        self._store.hold_off(until_us + pace_of(self._allowed).tolerance_us)


class PacedTransport(httpx.BaseTransport):
    """Sends every request at the budget's pace."""

    def __init__(self, inner: httpx.BaseTransport, budget: Budget) -> None:
        self._inner = inner
        self._budget = budget

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Wait for the request's turn, send it, and heed what the platform says of its limits."""
        self._budget.spend()
        response = self._inner.handle_request(request)
        self._budget.heed(response.status_code, response.headers)
        return response

    def close(self) -> None:
        """Close the connections."""
        self._inner.close()


def _microseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
