from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from holdfast.domain.states import (
    BATCH_MOVES,
    PLATFORM_HOLD_MOVES,
    RELEASE_MOVES,
    REQUEST_MOVES,
    BatchState,
    PlatformHold,
    ReleaseState,
    RequestState,
    has_passed,
    sources,
)

TABLES: list[tuple[type[StrEnum], Mapping[Any, frozenset[Any]]]] = [
    (RequestState, REQUEST_MOVES),
    (BatchState, BATCH_MOVES),
    (PlatformHold, PLATFORM_HOLD_MOVES),
    (ReleaseState, RELEASE_MOVES),
]
FORWARD_ONLY = [REQUEST_MOVES, BATCH_MOVES, RELEASE_MOVES]


@pytest.mark.parametrize(("states", "moves"), TABLES)
def test_every_state_has_its_row_and_no_row_names_a_stranger(
    states: type[StrEnum], moves: Mapping[Any, frozenset[Any]]
) -> None:
    assert set(moves) - {None} == set(states)
    assert all(target in states for targets in moves.values() for target in targets)


@pytest.mark.parametrize("moves", FORWARD_ONLY)
def test_no_state_can_ever_be_reached_again(moves: Mapping[Any, frozenset[Any]]) -> None:
    assert [state for state in moves if has_passed(moves, state, state)] == []


def test_what_the_platform_holds_is_given_up_by_intent_alone_and_what_others_hold_never() -> None:
    ended_by_somebody_else = PlatformHold.REVOKED
    assert PLATFORM_HOLD_MOVES[PlatformHold.HELD] == {PlatformHold.RELEASING, ended_by_somebody_else}
    assert PLATFORM_HOLD_MOVES[PlatformHold.PRE_EXISTING] == {ended_by_somebody_else}
    assert sources(PLATFORM_HOLD_MOVES, PlatformHold.RELEASED) == {
        PlatformHold.RELEASING,
        PlatformHold.RELEASED,
    }


def test_every_hold_begins_with_its_intent_or_was_there_before() -> None:
    assert sources(PLATFORM_HOLD_MOVES, PlatformHold.HELD) == {
        PlatformHold.PLACING,
        PlatformHold.HELD,
        PlatformHold.RELEASING,
    }
    assert PLATFORM_HOLD_MOVES[None] == {
        PlatformHold.PLACING,
        PlatformHold.PRE_EXISTING,
        PlatformHold.REFUSED,
    }


@pytest.mark.parametrize("state", RequestState)
def test_a_run_that_has_not_ended_can_still_fail_and_one_that_has_cannot_move(state: RequestState) -> None:
    assert (RequestState.FAILED in REQUEST_MOVES[state]) == (not state.is_terminal)


@pytest.mark.parametrize("state", BatchState)
def test_every_batch_state_has_an_exit_or_is_an_end(state: BatchState) -> None:
    ends = {BatchState.FULFILLED, BatchState.FAILED, BatchState.CANCELLED, BatchState.SPLIT}

    assert state.is_terminal == (state in {*ends, BatchState.REUSED})
    assert state.is_terminal or has_passed(BATCH_MOVES, BatchState.FAILED, state)


def test_a_batch_is_reused_from_the_start_or_never() -> None:
    assert sources(BATCH_MOVES, BatchState.REUSED) == {BatchState.REUSED}


def test_nothing_is_preserved_that_was_not_exported_reconciled_and_held() -> None:
    path = [RequestState.PRESERVED]
    while path[-1] is not RequestState.OPEN:
        (before,) = sources(REQUEST_MOVES, path[-1]) - {path[-1]}
        path.append(before)

    assert path[::-1] == [
        RequestState.OPEN,
        RequestState.EXPORTED,
        RequestState.RECONCILED,
        RequestState.HELD,
        RequestState.PRESERVED,
    ]


def test_sources_are_the_predecessors_and_the_state_itself() -> None:
    assert sources(BATCH_MOVES, BatchState.PROCESSING) == {
        BatchState.STARTING,
        BatchState.PENDING,
        BatchState.READY,
        BatchState.PROCESSING,
    }


def test_history_is_what_can_be_reached_from_it() -> None:
    assert has_passed(REQUEST_MOVES, RequestState.PRESERVED, RequestState.EXPORTED)
    assert not has_passed(REQUEST_MOVES, RequestState.OPEN, RequestState.HELD)
    assert not has_passed(REQUEST_MOVES, RequestState.PRESERVED, RequestState.INCOMPLETE)
