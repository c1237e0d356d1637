import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.waits import MAX_WAIT_S, MIN_WAIT_S, bounded, poll_wait_s

SECONDS = st.floats(-1e9, 1e9, allow_nan=False)


@given(SECONDS)
def test_a_wait_is_a_whole_number_within_its_bounds(wait_s: float) -> None:
    wait = bounded(wait_s)

    assert isinstance(wait, int)
    assert MIN_WAIT_S <= wait <= MAX_WAIT_S
    assert wait >= min(wait_s, MAX_WAIT_S), "shorter than what the platform asked for"


def test_no_wait_is_longer_than_the_longest() -> None:
    assert bounded(float("inf")) == MAX_WAIT_S


@given(SECONDS, st.none() | st.integers(-10, 200))
def test_a_poll_waits_within_the_same_bounds(elapsed_s: float, percent: int | None) -> None:
    assert MIN_WAIT_S <= poll_wait_s(elapsed_s, percent) <= MAX_WAIT_S


@pytest.mark.parametrize(
    ("elapsed_s", "percent", "wait_s"),
    [
        (0, None, 20),
        (600, None, 60),
        (86_400, None, MAX_WAIT_S),
        (600, 50, 300),
        (600, 99, 10),
        (600, 0, 60),
        (600, 100, 60),
    ],
)
def test_a_long_job_is_asked_rarely_and_a_short_one_soon(
    elapsed_s: float, percent: int | None, wait_s: int
) -> None:
    assert poll_wait_s(elapsed_s, percent) == wait_s
