from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.evidence.pictures import (
    HEIGHT,
    LAG_CLASSES_MS,
    WIDTH,
    day_bars,
    lag_bars,
    lag_class_names,
    progress_lines,
    quantile_ms,
    sample,
)

_COUNTS = st.dictionaries(st.sampled_from(["secured", "explained", "missing"]), st.integers(0, 10_000))
_DAYS = st.lists(
    st.tuples(st.dates(date(2020, 1, 1), date(2026, 12, 31)).map(date.isoformat), _COUNTS),
    min_size=1,
    unique_by=lambda day: day[0],
).map(sorted)


@given(_DAYS)
def test_bars_stay_within_the_picture_and_say_every_count(days: list[tuple[str, dict[str, int]]]) -> None:
    drawn = day_bars(days)

    assert drawn
    bars, _ = drawn
    for bar in bars.bars:
        assert 0 <= bar.x <= bar.x + bar.width <= WIDTH
        assert 0 <= bar.y <= bar.y + bar.height <= HEIGHT
        assert bar.width > 0
    said = Counter[str]()
    for bar in bars.bars:
        said[bar.name] += int(bar.label.split(": ")[1].split(" ")[0].replace(",", ""))
    assert said == sum((Counter(counts) for _, counts in days), Counter[str]())


@pytest.mark.parametrize(
    ("days", "unit"), [(1, "day"), (62, "day"), (63, "week"), (434, "week"), (435, "month")]
)
def test_a_bar_is_a_day_a_week_or_a_month(days: int, unit: str) -> None:
    last = (date(2026, 3, 2) + timedelta(days=days - 1)).isoformat()

    drawn = day_bars(
        [("2026-03-02", {"secured": 1}), (last, {"secured": 1})]
        if days > 1
        else [("2026-03-02", {"secured": 1})]
    )

    assert drawn
    assert drawn[1] == unit
    assert len(drawn[0].bars) <= 63


def test_without_days_there_is_no_picture() -> None:
    assert day_bars([]) is None
    assert lag_bars([]) is None
    assert progress_lines({"arrived": []}) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 10**9), st.integers(1, 50)), min_size=1, unique_by=lambda lag: lag[0]
    ).map(sorted)
)
def test_every_object_stands_in_one_class_of_lag(lags: list[tuple[int, int]]) -> None:
    drawn = lag_bars(lags)

    assert drawn
    assert sum(int(bar.label.split(": ")[1].split(" ")[0].replace(",", "")) for bar in drawn.bars) == sum(
        count for _, count in lags
    )


def test_a_lag_stands_in_its_class_and_classes_between_are_drawn_empty() -> None:
    drawn = lag_bars([(499, 1), (500, 2), (7_000_000, 3)])

    assert drawn
    assert [bar.label for bar in drawn.bars] == [
        "< 500 ms: 1 secured", "500 ms – 1 s: 2 secured", "1 h – 6 h: 3 secured"
    ]  # fmt: skip
    assert drawn.bars[2].x - drawn.bars[1].x > 5 * drawn.bars[1].width


def test_classes_of_lag_are_named_by_their_ends() -> None:
    names = lag_class_names()

    assert len(names) == len(LAG_CLASSES_MS) + 1
    assert (names[0], names[2], names[-1]) == ("< 500 ms", "1 s – 2 s", "≥ 6 h")


def test_a_quantile_is_what_so_many_did_not_exceed() -> None:
    lags = [(10, 90), (20, 9), (5_000, 1)]

    assert [quantile_ms(lags, share) for share in (0.5, 0.9, 0.95, 0.99, 1.0)] == [10, 10, 20, 20, 5_000]


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=900).map(sorted))
def test_a_sample_keeps_the_first_and_the_last(moments: list[int]) -> None:
    chosen = sample(iter(moments), len(moments))

    assert (chosen[0], chosen[-1]) == (moments[0], moments[-1])
    assert len(chosen) <= 242


@given(st.lists(st.integers(10**12, 2 * 10**12), min_size=1, max_size=50).map(sorted))
def test_a_line_rises_from_nothing_to_all(moments: list[int]) -> None:
    drawn = progress_lines({"arrived": moments})

    assert drawn
    points = [tuple(map(float, point.split(","))) for point in drawn.lines[0].points.split(" ")]
    assert points == sorted(points, key=lambda point: (point[0], -point[1]))
    assert [tick.label for tick in drawn.y_ticks] == ["0 %", "25 %", "50 %", "75 %", "100 %"]
    assert (points[0][1], points[-1][1]) == (drawn.y_ticks[0].at, drawn.y_ticks[-1].at)
