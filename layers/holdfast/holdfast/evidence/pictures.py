"""The report's pictures: where lines and bars go. What they look like is the page's affair.

All lengths are in the units of the picture's own coordinates. A picture never stands alone: the page gives
the same numbers as text.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import ceil, floor, log10

from holdfast.evidence.wording import duration_in_words

WIDTH, HEIGHT = 760, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 12, 34
_POINTS = 240
_MOST_BARS = 62
_TICKS = 5

# Upper ends of the classes of hold lag, in milliseconds; the last class has none.
LAG_CLASSES_MS = (500, 1_000, 2_000, 5_000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000)


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark on an axis: where, and what it says."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle; `name` is what it stands for, `label` what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Bars:
    """A picture of bars, with what they stand on and what stands under them."""

    bars: Sequence[Bar]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a picture: `points` as SVG takes them."""

    name: str
    points: str


@dataclass(frozen=True, slots=True)
class Lines:
    """A picture of lines over time."""

    lines: Sequence[Line]
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]


def _x(share: float) -> float:
    return round(_LEFT + share * (WIDTH - _LEFT - _RIGHT), 2)


def _y(share: float) -> float:
    return round(HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM), 2)


def progress_lines(moments: Mapping[str, Sequence[int]]) -> Lines | None:
    """Draw which share of each kind had happened by when; moments in milliseconds, ascending.

    None if there is nothing to draw.
    """
    drawn = {name: times for name, times in moments.items() if times}
    if not drawn:
        return None
    first, last = min(times[0] for times in drawn.values()), max(times[-1] for times in drawn.values())
    span = max(1, last - first)
    lines = []
    for name, times in drawn.items():
        points = [f"{_x((times[0] - first) / span)},{_y(0)}"]
        for number, at in enumerate(times, 1):
            points.append(f"{_x((at - first) / span)},{_y(number / len(times))}")
        points.append(f"{_x(1)},{_y(1)}")
        lines.append(Line(name, " ".join(points)))
    shares = [Tick(_y(share / 4), f"{25 * share} %") for share in range(5)]
    return Lines(lines, _time_ticks(first, last), shares)


def sample(moments: Iterable[int], count: int) -> list[int]:
    """Choose some hundred moments of so many, evenly by number, the first and the last among them."""
    step = max(1, ceil(count / _POINTS))
    return [at for number, at in enumerate(moments) if number % step == 0 or number == count - 1]


def _time_ticks(first: int, last: int) -> list[Tick]:
    span = max(1, last - first)
    start, end = (datetime.fromtimestamp(at / 1000, UTC) for at in (first, last))
    pattern = "%H:%M:%S" if span < 600_000 else "%H:%M" if start.date() == end.date() else "%d %b %H:%M"
    if span > 6 * 86_400_000:
        pattern = "%d %b %Y"
    return [
        Tick(_x(part / 4), f"{datetime.fromtimestamp((first + span * part / 4) / 1000, UTC):{pattern}}")
        for part in range(5)
    ]


def lag_bars(lags_ms: Iterable[tuple[int, int]]) -> Bars | None:
    """Draw how long objects lay in the bucket before they were secured; each lag with how many had it."""
    counts: Counter[int] = Counter()
    for lag_ms, count in lags_ms:
        counts[bisect_right(LAG_CLASSES_MS, lag_ms)] += count
    if not counts:
        return None
    classes = range(min(counts), max(counts) + 1)
    names = lag_class_names()
    return _bars([(names[at], {"secured": counts[at]}) for at in classes])


def lag_class_names() -> list[str]:
    """Name the classes of hold lag."""
    ends = [duration_in_words(end).replace(".0 ", " ") for end in LAG_CLASSES_MS]
    return [f"< {ends[0]}", *(f"{low} – {high}" for low, high in pairwise(ends)), f"≥ {ends[-1]}"]


def quantile_ms(lags_ms: Sequence[tuple[int, int]], share: float) -> int:
    """Give the lag that this share of all objects did not exceed."""
    wanted = ceil(share * sum(count for _, count in lags_ms))
    for lag_ms, count in lags_ms:
        wanted -= count
        if wanted <= 0:
            return lag_ms
    return lags_ms[-1][0] if lags_ms else 0


def day_bars(days: Sequence[tuple[str, Mapping[str, int]]]) -> tuple[Bars, str] | None:
    """Draw counts by standing over days (ISO, ascending), and say what a bar is: a day, a week or a month."""
    if not days:
        return None
    first, last = date.fromisoformat(days[0][0]), date.fromisoformat(days[-1][0])
    span_days = (last - first).days + 1
    unit = "day" if span_days <= _MOST_BARS else "week" if span_days <= 7 * _MOST_BARS else "month"
    starts = list(_starts(_start_of(first, unit), last, unit))[: 12 * 80]
    counted: dict[date, Counter[str]] = {start: Counter() for start in starts}
    for day, counts in days:
        counted[_start_of(date.fromisoformat(day), unit)].update(counts)
    return _bars([(_named(start, unit), counts) for start, counts in counted.items()]), unit


def _named(start: date, unit: str) -> str:
    return f"{start:%b %Y}" if unit == "month" else f"{start.day} {start:%b}"


def _start_of(day: date, unit: str) -> date:
    if unit == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1) if unit == "month" else day


def _starts(start: date, last: date, unit: str) -> Iterable[date]:
    while start <= last:
        yield start
        start = (
            (start.replace(day=1) + timedelta(days=32)).replace(day=1)
            if unit == "month"
            else start + timedelta(days=7 if unit == "week" else 1)
        )


def _bars(groups: Sequence[tuple[str, Mapping[str, int]]]) -> Bars:
    """Stack each group's counts, in the order secured, explained, missing."""
    most = max(sum(counts.values()) for _, counts in groups)
    top, ticks = _scale(most)
    slot = 1 / len(groups)
    gap = slot * (0.25 if len(groups) <= 31 else 0.12)
    bars = []
    for place, (label, counts) in enumerate(groups):
        base = 0
        for name in ("secured", "explained", "missing"):
            count = counts.get(name, 0)
            if count:
                low, high = _y(base / top), _y((base + count) / top)
                left, right = _x(place * slot + gap / 2), _x((place + 1) * slot - gap / 2)
                bars.append(
                    Bar(
                        left,
                        high,
                        round(right - left, 2),
                        round(max(low - high, 0.75), 2),
                        name,
                        f"{label}: {count:,} {name}",
                    )
                )
                base += count
    every = ceil(len(groups) / (min(len(groups), 12)))
    labels = [label for label, _ in groups][::every]
    x_ticks = [Tick(_x((place * every + 0.5) * slot), label) for place, label in enumerate(labels)]
    return Bars(bars, x_ticks, ticks)


def _scale(most: int) -> tuple[int, list[Tick]]:
    """Choose a round upper end, and the marks up to it."""
    rough = max(1, most) / _TICKS
    power = 10 ** floor(log10(rough)) if rough >= 1 else 1
    step = max(1, next(int(power * part) for part in (1, 2, 5, 10) if power * part >= rough))
    top = step * ceil(max(1, most) / step)
    return top, [Tick(_y(mark / top), f"{mark:,}") for mark in range(0, top + 1, step)]
