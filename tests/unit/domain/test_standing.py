"""A standing matter's intervals: without holes or doubles, whatever happens to the schedule and the runs."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.ids import REQUEST_ID_PATTERN, MatterId, standing_request_id
from holdfast.domain.moments import Interval
from holdfast.domain.standing import LONGEST, SHORTEST, Course, IntervalRun
from holdfast.domain.states import StandingState

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY, LAG = timedelta(hours=1), timedelta(days=1), timedelta(hours=48)
OPENED = Course.opening(START, DAY, None)


def _tick(course: Course, run: IntervalRun, now: datetime) -> Course:
    return course.moved_on(run, now=now, available_until=now - LAG)


def _days(course: Course, now: datetime, count: int) -> list[Interval]:
    """Give the intervals that are begun when every run concludes at once."""
    begun = []
    for _ in range(count):
        course = _tick(course, IntervalRun.CONCLUDED, now)
        begun += [course.under_way] if course.under_way else []
    return begun


# --- one interval after another


def test_nothing_is_begun_before_the_whole_interval_can_be_found() -> None:
    early = _tick(OPENED, IntervalRun.BROKEN_OFF, START + DAY + LAG - timedelta(seconds=1))
    due = _tick(OPENED, IntervalRun.BROKEN_OFF, START + DAY + LAG)

    assert early == OPENED
    assert due.under_way == Interval(START, START + DAY)
    assert (due.high_water, due.attempts) == (START, 1)


def test_the_mark_advances_only_over_an_interval_that_has_its_verdict() -> None:
    now = START + 10 * DAY
    begun = _tick(OPENED, IntervalRun.BROKEN_OFF, now)

    waiting = _tick(begun, IntervalRun.RUNNING, now + HOUR)
    next_one = _tick(begun, IntervalRun.CONCLUDED, now + HOUR)

    assert waiting == begun
    assert next_one.high_water == START + DAY
    assert next_one.under_way == Interval(START + DAY, START + 2 * DAY)
    assert (next_one.attempts, next_one.asked_at) == (1, now + HOUR)


def test_a_verdict_advances_the_mark_also_where_nothing_further_is_due() -> None:
    now = START + DAY + LAG
    begun = _tick(OPENED, IntervalRun.BROKEN_OFF, now)

    done = _tick(begun, IntervalRun.CONCLUDED, now)

    assert done == replace(OPENED, high_water=START + DAY)
    assert not done.asks_more_than(begun)


def test_a_run_that_broke_off_is_asked_for_again_after_pauses_that_double_up_to_a_day() -> None:
    now = START + 10 * DAY
    course = _tick(OPENED, IntervalRun.BROKEN_OFF, now)
    pauses = []

    for _ in range(9):
        asked_at = now
        while not (again := _tick(course, IntervalRun.BROKEN_OFF, now)).asks_more_than(course):
            assert again == course
            now += timedelta(minutes=30)
        pauses.append((now - asked_at) / HOUR)
        course = again

    assert pauses == [0.5, 1, 2, 4, 8, 16, 24, 24, 24]
    assert course.under_way == Interval(START, START + DAY)
    assert course.attempts == 10


def test_even_the_thousandth_attempt_has_its_pause() -> None:
    course = replace(OPENED, until=START + DAY, attempts=1_000, asked_at=START)

    assert _tick(course, IntervalRun.BROKEN_OFF, START + DAY).attempts == 1_001


def test_a_matter_is_stuck_when_its_interval_was_asked_for_three_times() -> None:
    assert [replace(OPENED, attempts=attempts).is_stuck for attempts in (0, 2, 3)] == [False, False, True]


@pytest.mark.parametrize("start", [datetime(2026, 3, 28, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)])
def test_a_day_on_which_clocks_are_changed_is_a_day_of_24_hours(start: datetime) -> None:
    """In Berlin, the nights to 29 March and 25 October 2026 have an hour less, and one more."""
    begun = _days(Course.opening(start, DAY, None), start + 30 * DAY, 4)

    assert [interval.start for interval in begun] == [start + n * DAY for n in range(4)]
    assert {interval.end - interval.start for interval in begun} == {DAY}


def test_a_leap_day_is_a_day_like_any_other() -> None:
    start = datetime(2028, 2, 27, tzinfo=UTC)

    begun = _days(Course.opening(start, DAY, None), start + 30 * DAY, 4)

    assert begun[2] == Interval(datetime(2028, 2, 29, tzinfo=UTC), datetime(2028, 3, 1, tzinfo=UTC))
    assert begun[3].start == datetime(2028, 3, 1, tzinfo=UTC)


def test_a_time_so_late_that_the_next_interval_has_no_end_is_simply_not_due() -> None:
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    course = Course.opening(last, LONGEST, None)

    assert _tick(course, IntervalRun.BROKEN_OFF, START) == course


# --- the end


def test_the_last_interval_is_shorter_and_after_it_the_matter_is_closed() -> None:
    now = START + 30 * DAY
    course = OPENED.closing(START + DAY + 7 * HOUR)
    assert course.state is StandingState.CLOSING

    first = _tick(course, IntervalRun.BROKEN_OFF, now)
    last = _tick(first, IntervalRun.CONCLUDED, now)
    closed = _tick(last, IntervalRun.CONCLUDED, now)

    assert [first.under_way, last.under_way] == [
        Interval(START, START + DAY),
        Interval(START + DAY, START + DAY + 7 * HOUR),
    ]
    assert (closed.state, closed.high_water) == (StandingState.CLOSED, START + DAY + 7 * HOUR)
    assert closed.under_way is None
    assert _tick(closed, IntervalRun.BROKEN_OFF, now) == closed


def test_the_last_interval_is_preserved_as_soon_as_it_can_be_found() -> None:
    course = OPENED.closing(START + HOUR)

    assert _tick(course, IntervalRun.BROKEN_OFF, START + HOUR + LAG).until == START + HOUR
    assert _tick(course, IntervalRun.BROKEN_OFF, START + LAG) == course


def test_a_matter_that_was_opened_with_an_end_closes_by_itself() -> None:
    course = Course.opening(START, DAY, START + DAY)
    now = START + 9 * DAY

    states = [course.state]
    for _ in range(2):
        course = _tick(course, IntervalRun.CONCLUDED, now)
        states.append(course.state)

    assert states == [StandingState.OPEN, StandingState.OPEN, StandingState.CLOSED]


def test_closing_leaves_the_interval_under_way_as_it_was_begun() -> None:
    now = START + 10 * DAY
    begun = _tick(OPENED, IntervalRun.BROKEN_OFF, now)

    closing = begun.closing(START + HOUR)
    closed = _tick(closing, IntervalRun.CONCLUDED, now)

    assert closing.under_way == begun.under_way
    assert (closed.state, closed.high_water) == (StandingState.CLOSED, START + DAY)


# --- any history whatever


@dataclass
class World:
    """A ledger with one course, written only by who read what stands; and the runs that were asked for."""

    course: Course
    now: datetime
    asked: list[Interval] = field(default_factory=list)
    runs: dict[datetime, IntervalRun] = field(default_factory=dict)
    concluded: list[Interval] = field(default_factory=list)

    def read(self) -> tuple[Course, IntervalRun]:
        return self.course, self.runs.get(self.course.high_water, IntervalRun.BROKEN_OFF)

    def tick(self, seen: tuple[Course, IntervalRun], *, is_lost: bool = False) -> None:
        """Let one call of the schedule go on from what it has seen; `is_lost` takes what it asks for away."""
        course, run = seen
        moved = _tick(course, run, self.now)
        if self.course != course:
            return
        self.course = moved
        interval = moved.under_way
        if interval and moved.asks_more_than(course):
            assert sum(state is IntervalRun.RUNNING for state in self.runs.values()) == 0
            self.asked.append(interval)
            if not is_lost:
                self.runs[interval.start] = IntervalRun.RUNNING

    def end_run(self, run: IntervalRun) -> None:
        interval = self.course.under_way
        if interval and self.runs.get(interval.start) is IntervalRun.RUNNING:
            self.runs[interval.start] = run
            if run is IntervalRun.CONCLUDED:
                self.concluded.append(interval)


EVENTS = st.one_of(
    st.tuples(st.just("wait"), st.timedeltas(min_value=timedelta(), max_value=9 * DAY)),
    st.tuples(st.sampled_from(["tick", "two ticks at once", "a lost tick"]), st.just(timedelta())),
    st.tuples(st.sampled_from(["verdict", "failure"]), st.just(timedelta())),
    st.tuples(st.just("close"), st.timedeltas(min_value=timedelta(seconds=1), max_value=20 * DAY)),
)
LENGTHS = st.timedeltas(min_value=SHORTEST, max_value=LONGEST)


def _live(length: timedelta, history: list[tuple[str, timedelta]]) -> World:
    world = World(Course.opening(START, length, None), START)
    for event, by in history:
        seen = world.read()
        match event:
            case "wait":
                world.now += by
            case "close" if world.course.state is StandingState.OPEN:
                world.course = world.course.closing(START + by)
            case "verdict":
                world.end_run(IntervalRun.CONCLUDED)
            case "failure":
                world.end_run(IntervalRun.BROKEN_OFF)
            case "two ticks at once":
                world.tick(seen)
                world.tick(seen)
            case "tick" | "a lost tick":
                world.tick(seen, is_lost=event == "a lost tick")
    return world


@given(LENGTHS, st.lists(EVENTS, max_size=60))
def test_whatever_happens_what_is_covered_has_no_hole_and_no_double(
    length: timedelta, history: list[tuple[str, timedelta]]
) -> None:
    world = _live(length, history)
    covered = [one for one in world.concluded if one.end <= world.course.high_water]

    assert all(before.end == after.start for before, after in pairwise(covered))
    assert (covered[-1].end if covered else START) == world.course.high_water
    assert not covered or covered[0].start == START
    assert len(world.concluded) - len(covered) <= 1  # the verdict that no tick has seen yet
    assert all(interval.end <= world.now - LAG for interval in world.asked)


@given(LENGTHS, st.lists(EVENTS, max_size=60))
def test_whatever_happens_the_intervals_are_those_of_an_undisturbed_course(
    length: timedelta, history: list[tuple[str, timedelta]]
) -> None:
    undisturbed = [event for event in history if event[0] != "close"]

    world = _live(length, undisturbed)

    places = dict.fromkeys(interval.start for interval in world.asked)
    assert list(places) == [START + n * length for n in range(len(places))]
    assert {interval.end - interval.start for interval in world.asked} <= {length}


@given(LENGTHS, st.lists(EVENTS, max_size=40))
def test_whatever_happened_a_working_schedule_catches_up_in_order_and_closes(
    length: timedelta, history: list[tuple[str, timedelta]]
) -> None:
    world = _live(length, history)
    if world.course.state is StandingState.OPEN:
        world.course = world.course.closing(START + 20 * DAY)
    end = max(world.course.ends_at or START, world.course.until or START)
    world.now = max(world.now, end) + LAG + DAY

    for _ in range(2 * (20 * DAY // SHORTEST) + 4):
        world.tick(world.read())
        world.end_run(IntervalRun.CONCLUDED)
        if world.course.state is StandingState.CLOSED:
            break
        if world.course.attempts > 1:
            world.now += DAY

    assert world.course.state is StandingState.CLOSED
    assert world.course.high_water >= end
    assert all(before.end == after.start for before, after in pairwise(world.concluded))
    assert world.concluded[-1].end >= (world.course.ends_at or START)


# --- the names of the requests


@given(
    st.lists(st.datetimes(timezones=st.just(UTC)), min_size=2, max_size=5),
    st.integers(min_value=-14, max_value=14),
)
def test_the_names_of_the_requests_sort_as_their_intervals_and_fit_the_pattern(
    starts: list[datetime], offset_h: int
) -> None:

    matter_id = MatterId("M" * 64)
    seconds = sorted({start.replace(microsecond=0) for start in starts})

    names = [standing_request_id(matter_id, start) for start in seconds]

    assert sorted(set(names)) == names
    assert all(re.fullmatch(REQUEST_ID_PATTERN, name) for name in names)
    if seconds[0].year > 1 and seconds[-1].year < 9999:
        elsewhere = timezone(offset_h * HOUR)
        assert [standing_request_id(matter_id, one.astimezone(elsewhere)) for one in seconds] == names


def test_a_request_is_named_by_the_second_its_interval_begins_at() -> None:
    assert standing_request_id(MatterId("M-1"), START) == "M-1:20260301T000000Z"


@pytest.mark.parametrize("moment", [START, START + timedelta(milliseconds=1)])
def test_a_course_begins_with_nothing_covered(moment: datetime) -> None:
    course = Course.opening(moment, DAY, moment + DAY)

    assert (course.high_water, course.ends_at, course.under_way) == (moment, moment + DAY, None)
