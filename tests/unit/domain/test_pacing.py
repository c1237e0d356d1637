"""A pace spends nearly all of a limit, and no minute holds more than it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.pacing import WINDOW_US, Pace, pace_of


@given(allowed=st.integers(1, 10_000))
def test_no_window_of_a_minute_can_hold_more_than_the_platform_allows(allowed: int) -> None:
    pace = pace_of(allowed)

    most = (WINDOW_US - 1 + pace.tolerance_us) // pace.interval_us + 1

    assert most <= max(allowed, 2)  # under two calls a minute there is nothing left to cut


@given(allowed=st.integers(60, 10_000))
def test_at_least_nineteen_twentieths_of_a_limit_are_used(allowed: int) -> None:
    assert 60 * WINDOW_US / pace_of(allowed).interval_us >= 0.93 * 60 * allowed


@pytest.mark.parametrize(
    ("due_us", "wait_us"),
    [(0, 0), (1_350, 0), (1_351, 1), (2_000, 650)],
    ids=["early", "just", "late", "later"],
)
def test_a_call_waits_for_no_more_than_what_it_would_run_ahead(due_us: int, wait_us: int) -> None:
    pace = Pace(interval_us=200, tolerance_us=150)

    assert pace.wait_us(due_us, now_us=1_000) == wait_us
