"""What was done to the world, in order, and a way to die in between."""

from collections import Counter
from collections.abc import Callable
from threading import RLock


class Killed(BaseException):
    """The function was killed: no `except Exception` sees it."""


class Effects:
    """The log of every effect that fakes sharing it had.

    With `crash_before` set to n, the n-th effect (from 1) and all after it do not happen; with
    `kill_once_at`, the n-th alone. `watchers` are told of each just before it takes place.
    """

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []
        self.crash_before: int | None = None
        self.kill_once_at: int | None = None
        self.watchers: list[Callable[[str, str], None]] = []
        self._lock = RLock()

    def happen(self, kind: str, subject: str) -> None:
        """Note an effect just before it takes place.

        Raises:
            Killed: this one shall not take place any more.
        """
        with self._lock:
            if self.kill_once_at is not None and len(self.log) + 1 >= self.kill_once_at:
                self.kill_once_at = None
                raise Killed(f"before {kind} of {subject}")
            if self.crash_before is not None and len(self.log) + 1 >= self.crash_before:
                raise Killed(f"before {kind} of {subject}")
            self.log.append((kind, subject))
            for watch in self.watchers:
                watch(kind, subject)

    def of(self, subject: str) -> list[str]:
        """Tell what happened to one subject, in order."""
        return [kind for kind, name in self.log if name == subject]

    def tally(self) -> Counter[str]:
        """Count the effects by kind."""
        return Counter(kind for kind, _ in self.log)
