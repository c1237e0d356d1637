"""Shows a run to a person: bars that move on a terminal, plain lines anywhere else."""

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from local.progress import Count

STEPS: Mapping[str, str] = {
    "build": "Build the application",
    "start": "Start the emulated AWS",
    "deploy": "Deploy template.yaml",
    "connect": "Start Genesys",
    "request": "Discovery requests",
    "scope": "Conversations claimed",
    "export": "Export jobs ended",
    "arrivals": "Objects secured",
    "reconcile": "Recordings reconciled",
    "holds": "Held at the platform",
    "custody": "Verdicts",
    "package": "Bring the custody package",
}
# Steps that have no count: each is over when the next begins.
_UNCOUNTED = ("build", "start", "deploy", "connect", "package")
_QUIET_S = 3.0


class Display(Protocol):
    """Where a run is shown."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def begin(self, step: str) -> None:
        """Show that a step of the preparation begins, and the one before it is over."""

    def show(self, counts: Mapping[str, Count]) -> None:
        """Show how far the run has come."""


def display_for(console: Console) -> Display:
    """Return bars if somebody watches, otherwise lines."""
    return Bars(console) if console.is_terminal else Lines(console)


class Bars:
    """One bar for each step."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            TextColumn("{task.fields[count]}", justify="right"),
            TimeElapsedColumn(),
            console=console,
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._end_uncounted()
        self._progress.stop()

    def begin(self, step: str) -> None:
        self._end_uncounted()
        self._task(step)

    def show(self, counts: Mapping[str, Count]) -> None:
        self._end_uncounted()
        for step, count in counts.items():
            if step not in self._tasks and not count.done and not count.is_over:
                continue
            of_total = f"{count.done} of {count.total}" if count.total else str(count.done)
            total = (
                (max(count.done, 1) if count.is_over else count.total)
                if count.total != count.done
                else count.total
            )
            # A bar that is full ends: keep one step back until it is known that nothing more will come.
            full = count.total is not None and count.done >= count.total
            completed = total if count.is_over else count.done - (1 if full else 0)
            self._progress.update(self._task(step), total=total, completed=completed, count=of_total)

    def _end_uncounted(self) -> None:
        for step in _UNCOUNTED:
            if step in self._tasks:
                self._progress.update(self._tasks[step], total=1, completed=1)

    def _task(self, step: str) -> TaskID:
        if step not in self._tasks:
            self._tasks[step] = self._progress.add_task(STEPS[step], total=None, count="")
        return self._tasks[step]


class Lines:
    """One line when a step begins or ends, and every few seconds where it moves."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._started = time.monotonic()
        self._shown: dict[str, tuple[Any, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def begin(self, step: str) -> None:
        self._print(STEPS[step])

    def show(self, counts: Mapping[str, Count]) -> None:
        now = time.monotonic()
        for step, count in counts.items():
            if not count.done and not count.is_over:
                continue
            shown, at = self._shown.get(step, (None, 0.0))
            if shown == count or (now - at < _QUIET_S and not count.is_over):
                continue
            self._shown[step] = (count, now)
            total = f" of {count.total}" if count.total else ""
            self._print(f"{STEPS[step]}: {count.done}{total}")

    def _print(self, text: str) -> None:
        elapsed_s = time.monotonic() - self._started
        self._console.print(f"{elapsed_s:5.1f} s  {text}", highlight=False, markup=False)
