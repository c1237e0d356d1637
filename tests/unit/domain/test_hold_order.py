"""The order in which the platform protects."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.hold_order import Evidence, Place, evidence_of, first, place_of, soonest
from holdfast.domain.ids import ConversationId
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import Finding, Reason
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState

START = datetime(2026, 3, 2, tzinfo=UTC)
ONE, TWO, THREE = (ConversationId(f"c{number}") for number in (1, 2, 3))


def _conversation(cid: ConversationId, hours: int = 0) -> Conversation:
    return Conversation(cid, START + timedelta(hours=hours), None, Medium.VOICE)


def _finding(cid: ConversationId | None, reason: Reason | None = None) -> Finding:
    return Finding(None, cid, Medium.VOICE, reason is None, reason)


def _judged(*findings: Finding, state: BatchState = BatchState.FULFILLED) -> dict[ConversationId, Evidence]:
    everyone = [_conversation(cid) for cid in (ONE, TWO)]
    return {one.conversation_id: evidence for one, evidence in evidence_of(everyone, state, findings)}


def test_what_s3_holds_in_full_is_secured_and_what_has_no_recording_is_silent() -> None:
    assert _judged(_finding(ONE), _finding(ONE)) == {ONE: Evidence.SECURED, TWO: Evidence.SILENT}


@pytest.mark.parametrize("reason", sorted(set(Reason)))
def test_one_recording_that_s3_does_not_hold_makes_its_conversation_short(reason: Reason) -> None:
    settled = {Reason.TAGS_OMITTED, Reason.NOT_IN_MANIFEST, Reason.DELETED_AT_PLATFORM}

    for findings in ((_finding(ONE, reason), _finding(ONE)), (_finding(ONE), _finding(ONE, reason))):
        assert _judged(*findings)[ONE] is (Evidence.SECURED if reason in settled else Evidence.SHORT)


def test_a_recording_that_nobody_named_may_be_of_any_conversation_that_has_none() -> None:
    judged = _judged(_finding(ONE), _finding(None, Reason.SKIPPED_BY_PLATFORM))

    assert judged == {ONE: Evidence.SECURED, TWO: Evidence.SHORT}


def test_of_a_batch_without_an_account_nothing_is_known_to_be_whole() -> None:
    unknown = evidence_of([_conversation(ONE)], BatchState.FULFILLED, None)

    assert [evidence for _, evidence in unknown] == [Evidence.SHORT]


@pytest.mark.parametrize(
    ("state", "evidence"),
    [
        (BatchState.FULFILLED, Evidence.SILENT),
        (BatchState.FAILED, Evidence.SHORT),
        (BatchState.CANCELLED, Evidence.SHORT),
    ],
)
def test_an_account_of_nothing_is_one_only_of_a_job_that_ended_well(
    state: BatchState, evidence: Evidence
) -> None:
    assert _judged(state=state) == {ONE: evidence, TWO: evidence}


def test_a_broken_job_whose_recordings_are_named_leaves_the_others_silent() -> None:
    judged = _judged(_finding(ONE, Reason.EXPORT_JOB_FAILED), state=BatchState.FAILED)

    assert judged == {ONE: Evidence.SHORT, TWO: Evidence.SILENT}


def test_what_s3_lacks_comes_first_then_what_is_deleted_soonest_then_the_oldest() -> None:
    dates = {
        ConversationId("late"): START + timedelta(days=9),
        ConversationId("soon"): START + timedelta(days=2),
    }
    wanted = ["short", "soon", "late", "old", "new"]
    hours = {"short": 50, "soon": 40, "late": 30, "old": 1, "new": 2}

    places = [
        place_of(
            _conversation(ConversationId(name), hours[name]),
            Evidence.SHORT if name == "short" else Evidence.SECURED,
            dates,
        )
        for name in reversed(wanted)
    ]

    assert [place.conversation_id for place in first(places, 5)] == wanted
    assert [place.conversation_id for place in first(places, 2)] == wanted[:2]


_places = st.builds(
    Place,
    st.booleans(),
    st.integers(0, 5).map(lambda days: START + timedelta(days=days)),
    st.integers(0, 5).map(lambda days: START + timedelta(days=days)),
    st.integers(0, 40).map(lambda number: ConversationId(f"c{number:02}")),
)


@given(st.lists(_places, max_size=60), st.integers(0, 10), st.integers(0, 60))
def test_the_first_are_the_same_in_one_stream_and_in_parts(places: list[Place], count: int, cut: int) -> None:
    best: dict[str, Place] = {}
    for place in sorted(places, reverse=True):
        best[place.conversation_id] = place

    assert first(places, count) == sorted(best.values())[:count]
    assert first([*first(places[:cut], count), *places[cut:]], count) == first(places, count)


def test_a_long_stream_takes_the_room_of_the_few_that_are_chosen() -> None:
    alive = 0
    most = 0

    class Counted(str):
        __slots__ = ()

        def __del__(self) -> None:
            nonlocal alive
            alive -= 1

    def stream() -> Iterator[Place]:
        nonlocal alive, most
        for number in range(20_000):
            alive += 1
            most = max(most, alive)
            at = START + timedelta(seconds=(number * 7_919) % 20_000)
            yield Place(True, at, at, ConversationId(Counted(f"c{number}")))

    chosen = first(stream(), 10)

    assert [place.delete_at - START for place in chosen] == [timedelta(seconds=n) for n in range(10)]
    assert most < 1_200


def test_of_delete_dates_the_earliest_are_kept_each_conversation_once() -> None:
    known = {ONE: START + timedelta(days=5), TWO: START + timedelta(days=1)}
    more = [(ONE, START), (THREE, START + timedelta(days=3)), (THREE, START + timedelta(days=9))]

    assert list(soonest(known, more, 2).items()) == [(ONE, START), (TWO, START + timedelta(days=1))]
    assert list(soonest({}, more, 9)) == [ONE, THREE]
    assert soonest({}, more, 9)[THREE] == START + timedelta(days=3)
