"""Many side by side, in order, and nobody stopped by a neighbour."""

from threading import Barrier, current_thread, main_thread

import pytest

from holdfast.steps.pool import THREADS, for_each


@pytest.mark.parametrize("count", [0, 1, 2, 100])
def test_answers_come_in_the_order_of_the_tasks(count: int) -> None:
    assert for_each(iter(range(count)), lambda task: task * 10) == [task * 10 for task in range(count)]


def test_as_many_as_there_are_threads_run_at_once() -> None:
    everyone = Barrier(THREADS, timeout=30)

    for_each(range(THREADS), lambda _: everyone.wait())

    assert not everyone.broken


@pytest.mark.parametrize("count", [1, 5])
def test_the_first_error_is_raised_when_all_have_been_tried(count: int) -> None:
    tried: list[int] = []

    def fail(task: int) -> None:
        tried.append(task)
        raise ValueError(task)

    with pytest.raises(ValueError, match="0"):
        for_each(range(count), fail)
    assert sorted(tried) == list(range(count))


def test_one_alone_needs_no_thread() -> None:
    assert for_each(["alone"], lambda _: current_thread()) == [main_thread()]
