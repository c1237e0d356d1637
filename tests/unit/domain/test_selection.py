from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.ids import ConversationId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval
from holdfast.domain.scope import Conversation, covering
from holdfast.domain.selection import Selection
from holdfast.domain.slices import slice_from

START = datetime(2026, 3, 1, tzinfo=UTC)
SCOPE = Interval(START, START + timedelta(hours=40))
HOUR_S = 3_600


def _conversation(number: int, start_h: float, length_h: float | None) -> Conversation:
    started_at = START + timedelta(hours=start_h)
    ended_at = None if length_h is None else started_at + timedelta(hours=length_h)
    return Conversation(ConversationId(str(UUID(int=number))), started_at, ended_at, Medium.VOICE)


def _is_active(one: Conversation, within: Interval) -> bool:
    return one.started_at < within.end and (one.ended_at is None or one.ended_at >= within.start)


@st.composite
def _archives(draw: st.DrawFn) -> list[Conversation]:
    """Conversations that start and end on and off the seams, and some that never end."""
    hours = st.integers(-20, 45) | st.floats(-20, 45, width=16)
    lengths = st.none() | st.integers(0, 60) | st.floats(0, 60, width=16)
    drawn = draw(st.lists(st.tuples(hours, lengths), max_size=25))
    archive = [_conversation(number, float(start), length) for number, (start, length) in enumerate(drawn)]
    return sorted(archive, key=lambda one: one.started_at)


def _lot(one: Conversation) -> str:
    return "odd" if one.conversation_id[-1] in "13579bdf" else "even"


def _select(
    archive: list[Conversation], *, slice_h: int, page: int, at_least: int, at_most: int
) -> list[list[Conversation]]:
    """Ask for slice after slice, page by page, as the platform would answer."""
    batches: list[list[Conversation]] = []
    selection, start = Selection(), SCOPE.start
    while start < SCOPE.end:
        within = slice_from(SCOPE, start, slice_h * HOUR_S)
        found = [one for one in archive if _is_active(one, within)]
        starts = range(0, max(1, len(found)), page)
        for place in starts:
            cursor = None if place == starts[-1] else str(place + page)
            selection = selection.with_page(found[place : place + page], cursor, within)
            due = selection.batched(_lot, at_least=at_least, at_most=at_most)
            selection = selection.without(due)
            assert selection.next_batch == len(batches) + len(due)
            batches += [lot.conversations for lot in due]
        start = within.end
    assert selection.waiting == ()
    assert selection.conversations == sum(map(len, batches))
    return batches


@given(_archives(), st.sampled_from([7, 10, 40]), st.integers(1, 9), st.integers(1, 6), st.integers(1, 6))
def test_no_conversation_is_lost_or_doubled_at_the_seams(
    archive: list[Conversation], slice_h: int, page: int, at_least: int, at_most: int
) -> None:
    batches = _select(archive, slice_h=slice_h, page=page, at_least=at_least, at_most=at_most)

    selected = [one.conversation_id for batch in batches for one in batch]
    assert sorted(selected) == sorted(one.conversation_id for one in archive if _is_active(one, SCOPE))
    assert all(0 < len(batch) <= at_most for batch in batches)
    assert all(len({_lot(one) for one in batch}) == 1 for batch in batches)


def test_a_conversation_over_a_seam_belongs_to_the_earlier_slice() -> None:
    over, after = _conversation(1, 9.9, 0.2), _conversation(2, 10.05, 1)

    batches = _select([over, after], slice_h=10, page=5, at_least=1, at_most=9)

    assert batches == [[over], [after]]


def test_what_spans_a_seam_is_remembered_until_the_last_page_of_the_slice_in_which_it_ends() -> None:
    over = [_conversation(number, 9, 2) for number in range(3)]

    batches = _select(over, slice_h=10, page=1, at_least=1, at_most=9)

    assert batches == [[one] for one in over]


def test_only_what_can_come_again_is_remembered() -> None:
    first, second = (slice_from(SCOPE, START + timedelta(hours=at), 10 * HOUR_S) for at in (0, 10))
    ended, at_seam, late, unended = (
        _conversation(number, 1, length) for number, length in enumerate((2, 9, 12, None))
    )
    selection = Selection().with_page([ended, at_seam, late, unended], None, first)
    assert set(selection.may_return) == {one.conversation_id for one in (at_seam, late, unended)}

    third = selection.with_page([], None, slice_from(SCOPE, second.end, 10 * HOUR_S))

    assert set(third.may_return) == {unended.conversation_id}


# --- the interval of an export job


@given(_archives().map(lambda archive: [one for one in archive if _is_active(one, SCOPE)]))
def test_a_job_is_asked_for_an_interval_in_which_each_of_its_conversations_is_active(
    archive: list[Conversation],
) -> None:
    interval = covering(archive, SCOPE)

    for one in archive:
        certain = Interval(
            max(one.started_at, SCOPE.start),
            # of one that began before the scope, any of its activity in the scope may be the only one
            one.started_at + timedelta(milliseconds=1)
            if one.started_at >= SCOPE.start
            else min(one.ended_at or SCOPE.end, SCOPE.end) + timedelta(milliseconds=1),
        )
        assert interval.start <= certain.start
        assert interval.end >= min(certain.end, SCOPE.end)


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(1.3, 0.5), (2, 0.01)], "2026-03-01T01:18:00.000Z/2026-03-01T02:01:00.000Z"),
        ([(5, None)], "2026-03-01T05:00:00.000Z/2026-03-01T05:01:00.000Z"),
        ([(5, 90)], "2026-03-01T05:00:00.000Z/2026-03-02T16:01:00.000Z"),
        ([(-9, 10)], "2026-03-01T00:00:00.000Z/2026-03-01T01:01:00.000Z"),
        ([(-9, None)], "2026-03-01T00:00:00.000Z/2026-03-02T16:01:00.000Z"),
        ([(-9, 2)], "2026-03-01T00:00:00.000Z/2026-03-01T00:01:00.000Z"),
        ([], "2026-03-01T00:00:00.000Z/2026-03-02T16:01:00.000Z"),
    ],
    ids=["short", "unended", "ends later", "began before", "neither", "nonsense", "none"],
)
def test_the_interval_is_as_short_as_its_conversations_allow(
    spans: list[tuple[float, float | None]], expected: str
) -> None:
    archive = [_conversation(number, start, length) for number, (start, length) in enumerate(spans)]

    assert str(covering(archive, SCOPE)) == expected


def test_the_end_of_time_is_an_end() -> None:
    forever = Interval(START, datetime.max.replace(tzinfo=UTC))

    assert covering([_conversation(1, -1, None)], forever).end.year == 9999
