"""What export jobs have in common in every dialect: their states, and how one's own is found again."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta

from holdfast.domain.states import BatchState
from holdfast.errors import UnknownPlatformState

MAX_BUSY_JOBS = 2  # in PENDING or PROCESSING, per organisation (the vendor's SDK, postRecordingJobs)

_STATES: Mapping[str, BatchState] = {
    state.value: state
    for state in (
        BatchState.PENDING,
        BatchState.READY,
        BatchState.PROCESSING,
        BatchState.FULFILLED,
        BatchState.FAILED,
        BatchState.CANCELLED,
    )
}
_BROKEN_OFF = frozenset({BatchState.FAILED, BatchState.CANCELLED})
_CLOCK_SKEW = timedelta(minutes=5)
MAX_ERROR = 200
# What has an @, or four digits or more, or is too long for a word.
_PRIVATE = re.compile(r"\S*@\S*|\S*\d[\d\s().-]{2,}\d\S*|\S{40,}")
_WORDS = re.compile(r"[A-Za-z0-9:;,.()'/_-]+")


def job_state(job_id: str, word: str) -> BatchState:
    """Read the platform's word for a job's state.

    Raises:
        UnknownPlatformState: it is none we know.
    """
    state = _STATES.get(word)
    if state is None:
        raise UnknownPlatformState(f"export job {job_id}: unknown state {word[:40]!r}")
    return state


def job_error(text: str | None) -> str:
    """Read what the platform says a job died of, as words for a person.

    Free text may name anybody: addresses, numbers of some length and whatever is no word are left out.
    """
    words = _WORDS.findall(_PRIVATE.sub("...", text or ""))
    return " ".join(words)[:MAX_ERROR]


def is_the_job(
    wanted: object, created_since: datetime, *, echoed: object, state: str, created_at: datetime | None
) -> bool:
    """Tell whether a listed job is the one that a request would have created; one that broke off is none."""
    is_recent = not (created_at and created_at < created_since - _CLOCK_SKEW)
    return is_recent and state not in _BROKEN_OFF and _is_part_of(wanted, echoed)


def _is_part_of(wanted: object, echoed: object) -> bool:
    """Compare a request with its echo, which may carry fields that the platform filled in."""
    if isinstance(wanted, dict):
        return isinstance(echoed, dict) and all(
            _is_part_of(value, echoed.get(name)) for name, value in wanted.items() if value not in ([], None)
        )
    if isinstance(wanted, list):
        return (
            isinstance(echoed, list) and len(echoed) == len(wanted) and all(map(_is_part_of, wanted, echoed))
        )
    return wanted == echoed
