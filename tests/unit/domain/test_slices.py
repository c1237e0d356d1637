from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.moments import Interval, from_text
from holdfast.domain.slices import (
    LONGEST,
    MOST_AFTER_HALVING,
    MOST_AS_PLANNED,
    SHORTEST,
    halved_length_s,
    planned_length_s,
    slice_from,
)

BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(8990, 1, 1),  # noqa: DTZ001
    timezones=st.timezones(),
)


@st.composite
def _intervals(draw: st.DrawFn) -> Interval:
    start = draw(MOMENTS)
    length = draw(
        st.timedeltas(timedelta(microseconds=1), timedelta(days=400))
        | st.timedeltas(timedelta(microseconds=1), timedelta(days=1_000 * 365))
    )
    return Interval(start, start.astimezone(UTC) + length)


def _cut(interval: Interval, length_s: int) -> list[Interval]:
    slices = [slice_from(interval, interval.start, length_s)]
    while slices[-1].end < interval.end:
        slices.append(slice_from(interval, slices[-1].end, length_s))
    return slices


def _of(start: datetime, end: datetime) -> list[Interval]:
    interval = Interval(start, end)
    return _cut(interval, planned_length_s(interval))


@given(_intervals(), st.integers(0, 12))
def test_the_slices_are_the_interval_without_a_hole_and_without_overlap(
    interval: Interval, halvings: int
) -> None:
    length_s = planned_length_s(interval)
    for _ in range(halvings):
        length_s = halved_length_s(interval, slice_from(interval, interval.start, length_s)) or length_s

    slices = _cut(interval, length_s)

    assert (slices[0].start, slices[-1].end) == (interval.start, interval.end)
    assert all(before.end == after.start for before, after in pairwise(slices))
    assert all(one.end - one.start <= timedelta(seconds=length_s) for one in slices)
    assert len(slices) <= (MOST_AFTER_HALVING if halvings else MOST_AS_PLANNED) + 1


@given(_intervals())
def test_the_slices_as_they_are_written_meet_at_their_seams_too(interval: Interval) -> None:
    written = [str(one).split("/") for one in _cut(interval, planned_length_s(interval))]

    assert all(before[1] == after[0] for before, after in pairwise(written))
    assert from_text(written[0][0]) <= interval.start
    assert from_text(written[-1][1]) >= interval.end


@given(_intervals())
def test_halving_comes_to_an_end(interval: Interval) -> None:
    tried = [slice_from(interval, interval.start, planned_length_s(interval))]
    while (shorter_s := halved_length_s(interval, tried[-1])) is not None:
        tried.append(slice_from(interval, interval.start, shorter_s))

    lengths = [one.end - one.start for one in tried]
    assert all(after < before for before, after in pairwise(lengths))
    assert len(lengths) <= 10
    assert lengths[-1] >= min(SHORTEST, interval.end - interval.start) - timedelta(seconds=1)


def test_a_month_is_one_slice_and_a_second_more_is_two() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)

    assert len(_of(start, start + LONGEST)) == 1
    assert len(_of(start, start + LONGEST + timedelta(seconds=1))) == 2


def test_summer_time_moves_no_seam() -> None:
    slices = _of(datetime(2026, 3, 15, tzinfo=BERLIN), datetime(2026, 5, 15, tzinfo=BERLIN))

    assert [str(one) for one in slices] == [
        "2026-03-14T23:00:00.000Z/2026-04-14T23:00:00.000Z",
        "2026-04-14T23:00:00.000Z/2026-05-14T22:00:00.000Z",
    ]


@pytest.mark.parametrize(("year", "seam"), [(2027, "2027-03-04"), (2028, "2028-03-03")])
def test_a_leap_day_belongs_to_its_slice(year: int, seam: str) -> None:
    slices = _of(datetime(year, 2, 1, tzinfo=UTC), datetime(year, 4, 1, tzinfo=UTC))

    assert [one.end.date().isoformat() for one in slices] == [seam, f"{year}-04-01"]


def test_seams_lie_at_whole_seconds_and_the_ends_where_they_were_asked_for() -> None:
    start, end = from_text("2026-03-01T00:00:00.123456Z"), from_text("2026-04-05T00:00:00.000001Z")

    slices = _of(start, end)

    assert slices[0].end == from_text("2026-04-01T00:00:00Z")
    assert str(slices[1]) == "2026-04-01T00:00:00.000Z/2026-04-05T00:00:00.001Z"


def test_all_of_time_can_be_cut() -> None:
    slices = _of(from_text("0001-01-01T00:00:00Z"), from_text("9999-12-31T23:59:59.999999Z"))

    assert len(slices) == MOST_AS_PLANNED
    assert str(slices[-1]).endswith("/9999-12-31T23:59:59.999Z")
