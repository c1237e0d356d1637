"""Do the same thing for many, side by side."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

THREADS = 32


def for_each[Task, Answer](tasks: Iterable[Task], act: Callable[[Task], Answer]) -> list[Answer]:
    """Apply `act` to every task in up to 32 threads; answers in the order of the tasks.

    The first error is raised after all have been tried, so that one bad neighbour stops nobody.
    """
    waiting = list(tasks)
    if len(waiting) < 2:  # as most often: a thread would cost more than it saves
        return [act(task) for task in waiting]
    with ThreadPoolExecutor(THREADS) as pool:
        running = [pool.submit(act, task) for task in waiting]
    return [future.result() for future in running]
