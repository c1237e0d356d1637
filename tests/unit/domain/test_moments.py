from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.moments import Interval, from_text, to_text

MOMENTS = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - hypothesis adds the zone
    datetime(9998, 1, 1),  # noqa: DTZ001
    timezones=st.timezones(),
)


@given(MOMENTS)
def test_a_time_survives_as_text_to_the_millisecond(at: datetime) -> None:
    read = from_text(to_text(at))

    assert timedelta() <= at - read < timedelta(milliseconds=1)
    assert read.tzinfo is UTC


@given(st.lists(MOMENTS, min_size=2))
def test_times_as_text_sort_by_time(moments: list[datetime]) -> None:
    texts = [to_text(at) for at in sorted(moments)]

    assert texts == sorted(texts)


def test_text_is_in_utc_with_milliseconds() -> None:
    at = datetime(2026, 3, 1, 2, tzinfo=timezone(timedelta(hours=2)))

    assert to_text(at) == "2026-03-01T00:00:00.000Z"


def test_a_naive_time_is_nobodys_time() -> None:
    naive = datetime(2026, 3, 1)  # noqa: DTZ001 - the very point

    with pytest.raises(ValueError, match="naive"):
        to_text(naive)
    with pytest.raises(ValueError, match="naive"):
        from_text("2026-03-01T00:00:00")
    with pytest.raises(ValueError, match="offset"):
        Interval(naive, datetime(2026, 3, 2, tzinfo=UTC))


@given(st.text())
def test_text_that_is_no_time_is_a_value_error_and_nothing_else(text: str) -> None:
    with suppress(ValueError):
        assert from_text(text).tzinfo is UTC


def test_a_time_that_utc_cannot_hold_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="range"):
        from_text("0001-01-01T00:00:00+10:00")


def test_an_interval_ends_after_it_starts() -> None:
    start = datetime(2026, 3, 1, tzinfo=UTC)

    assert str(Interval(start, start + timedelta(hours=1))) == (
        "2026-03-01T00:00:00.000Z/2026-03-01T01:00:00.000Z"
    )
    for end in (start, start - timedelta(seconds=1)):
        with pytest.raises(ValueError, match="later"):
            Interval(start, end)


@given(MOMENTS, st.timedeltas(timedelta(microseconds=1), timedelta(days=400)))
def test_an_interval_is_never_written_shorter_than_it_is(start: datetime, length: timedelta) -> None:
    end = start.astimezone(UTC) + length

    written = [from_text(text) for text in str(Interval(start, end)).split("/")]

    assert timedelta() <= start - written[0] < timedelta(milliseconds=1)
    assert timedelta() <= written[1] - end < timedelta(milliseconds=1)


def test_an_interval_is_held_in_utc_whatever_clock_it_was_read_from() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    before, after = datetime(2026, 10, 25, 2, 30, tzinfo=berlin), datetime(2026, 10, 25, 2, 15, tzinfo=berlin)

    # By the clock on the wall it ends before it starts: the hour comes twice.
    interval = Interval(before, after.replace(fold=1))

    assert interval.end - interval.start == timedelta(minutes=45)
    assert interval.start.tzinfo is interval.end.tzinfo is UTC
