"""Telemetry that remembers, and refuses what the real one would refuse."""

from collections import Counter as Tally
from threading import RLock

from holdfast.observability import LOGGED_KEYS
from holdfast.ports import Counter


class RecordedTelemetry:
    """Implements `ports.Telemetry`. `lines` are (level, event, ids)."""

    def __init__(self) -> None:
        self.counts: Tally[Counter] = Tally()
        self.lags_s: list[float] = []
        self.lines: list[tuple[str, str, dict[str, str | int]]] = []
        self._lock = RLock()

    def count(self, counter: Counter, value: float = 1) -> None:
        with self._lock:
            self.counts[counter] += int(value)

    def hold_lag(self, seconds: float) -> None:
        with self._lock:
            self.lags_s.append(seconds)

    def note(self, event: str, **ids: str | int) -> None:
        self._log("note", event, ids)

    def warn(self, event: str, **ids: str | int) -> None:
        self._log("warn", event, ids)

    def events(self) -> list[str]:
        """Name what was logged, in order."""
        return [event for _, event, _ in self.lines]

    def _log(self, level: str, event: str, ids: dict[str, str | int]) -> None:
        unknown = ids.keys() - LOGGED_KEYS
        if unknown:
            raise ValueError(f"log keys that are not on the list: {', '.join(sorted(unknown))}")
        with self._lock:
            self.lines.append((level, event, ids))
