"""How pages look: times, sizes, states and bars, the same in every command."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

_GOOD, _BAD, _BUSY = "green", "red", "yellow"
_STYLES: Mapping[str, str] = {
    **dict.fromkeys(("PRESERVED", "HELD", "ON", "SUCCEEDED", "FULFILLED", "REUSED", "PRE_EXISTING"), _GOOD),
    **dict.fromkeys(("RELEASED", "LIFTED", "CLOSED"), "cyan"),
    **dict.fromkeys(
        ("INCOMPLETE", "FAILED", "CANCELLED", "REFUSED", "OFF", "GONE", "PARKED", "TIMED_OUT", "ABORTED"),
        _BAD,
    ),
}
_UNBOUNDED = 1_000  # columns
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def heading(text: str) -> Text:
    """Head a section."""
    return Text(f"\n{text}", style="bold")


def state(text: str) -> Text:
    """Show a state; what is neither good nor bad is on its way."""
    return Text(text, style=_STYLES.get(text, _BUSY))


def moment(at: datetime | None) -> str:
    """Show a time to the second, in UTC."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S Z") if at else "–"


def duration(length: timedelta) -> str:
    """Show a duration in its two largest units."""
    seconds = int(length.total_seconds())
    parts = [(seconds // 86400, "d"), (seconds % 86400 // 3600, "h"), (seconds % 3600 // 60, "min")]
    shown = [f"{count} {unit}" for count, unit in parts if count][:2]
    return " ".join(shown) or (f"{seconds} s" if seconds else f"{length.total_seconds():.1f} s")


def size(size_bytes: float) -> str:
    """Show a size in decimal units, as S3 bills them."""
    for unit in _UNITS[:-1]:
        if size_bytes < 1000:
            return f"{size_bytes:.0f} {unit}" if unit == "bytes" else f"{size_bytes:.1f} {unit}"
        size_bytes /= 1000
    return f"{size_bytes:,.1f} {_UNITS[-1]}"


def bar(completed: int, total: int | None) -> RenderableType:
    """Show how far something has come."""
    style = "bar.finished" if total and completed >= total else "bar.complete"
    return ProgressBar(total=max(total or 0, 1), completed=completed, width=20, complete_style=style)


def facts(told: Mapping[str, RenderableType | None]) -> Table:
    """Show names and what is known of them; what is None is left out."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in told.items():
        if value is not None:
            grid.add_row(name, value)
    return grid


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """Begin a table without lines; columns in `right` hold numbers."""
    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    numbers = set(right)
    for column in columns:
        made.add_column(column, justify="right" if column in numbers else "left", overflow="fold")
    return made


def indented(*parts: RenderableType) -> Group:
    """Move something under its heading; a line of text stays a line, however narrow the terminal is."""
    return Group(
        *(
            Text("  ").append_text(part)
            if isinstance(part, Text) and "\n" not in part.plain
            else Padding(part, (0, 0, 0, 2), expand=False)
            for part in parts
        )
    )


class Fitting:
    """Shows the first of several renderables that the terminal is wide enough for, or else the last."""

    def __init__(self, *choices: RenderableType) -> None:
        self._choices = choices

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        """Choose, as rich asks for it."""
        unbounded = options.update_width(_UNBOUNDED)
        fits = (
            one
            for one in self._choices
            if Measurement.get(console, unbounded, one).maximum <= options.max_width
        )
        yield next(fits, self._choices[-1])


def page(*parts: RenderableType | None) -> Group:
    """Put parts under each other; what is None is left out."""
    return Group(*(part for part in parts if part is not None))
