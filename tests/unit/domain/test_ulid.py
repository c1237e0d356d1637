from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.ulid import ulid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECONDS = st.integers(0, 253_000_000_000_000)
RANDOMNESS = st.binary(min_size=10, max_size=10)


def _at(milliseconds: int) -> datetime:
    return EPOCH + timedelta(milliseconds=milliseconds)


@given(MILLISECONDS, MILLISECONDS, RANDOMNESS, RANDOMNESS)
def test_ulids_sort_by_time(one: int, other: int, chance: bytes, other_chance: bytes) -> None:
    first, second = sorted((one, other))

    if first + 1 < second:
        assert ulid(_at(first), chance) < ulid(_at(second), other_chance)


@given(MILLISECONDS, RANDOMNESS, RANDOMNESS)
def test_ulids_of_one_moment_differ_as_their_randomness_does(ms: int, one: bytes, other: bytes) -> None:
    assert (ulid(_at(ms), one) == ulid(_at(ms), other)) == (one == other)


def test_a_ulid_is_written_as_the_specification_writes_it() -> None:
    at = datetime.fromtimestamp(1469918176.385, tz=UTC)

    assert ulid(at, bytes(10)) == "01ARYZ6S41" + "0" * 16
    assert ulid(at, b"\xff" * 10) == "01ARYZ6S41" + "Z" * 16


@pytest.mark.parametrize("randomness", [b"", bytes(9), bytes(11)])
def test_a_ulid_takes_80_random_bits(randomness: bytes) -> None:
    with pytest.raises(ValueError, match="10 random bytes"):
        ulid(EPOCH, randomness)


def test_a_ulid_holds_no_time_before_1970() -> None:
    with pytest.raises(ValueError, match="1970"):
        ulid(EPOCH - timedelta(seconds=1), bytes(10))
