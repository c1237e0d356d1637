"""How long to wait before asking again: what the platform said, within bounds."""

from math import ceil

MIN_WAIT_S, MAX_WAIT_S = 1, 900


def bounded(wait_s: float, longest_s: int = MAX_WAIT_S) -> int:
    """Round a wait up to whole seconds between MIN_WAIT_S and the longest; a workflow's Wait takes nothing
    else.
    """
    return ceil(min(max(MIN_WAIT_S, wait_s), longest_s))


def poll_wait_s(elapsed_s: float, percent: int | None = None, *, longest_s: int = MAX_WAIT_S) -> int:
    """Choose the next poll of something that has been under way for `elapsed_s` seconds.

    With a progress of `percent`, half of the time that seems to be left, but at least a sixtieth of the time
    gone; without, a tenth of the time gone, from 20 s up. Either way a long job is asked rarely and a short
    one soon, and the history of a workflow that waits for days stays short.
    """
    if percent is not None and 0 < percent < 100:
        return bounded(max(10, elapsed_s / 60, elapsed_s * (100 - percent) / percent / 2), longest_s)
    return bounded(max(20, elapsed_s / 10), longest_s)
