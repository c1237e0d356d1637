"""StartScopeQuery and ReadScopePages."""

from datetime import timedelta

import pytest

from holdfast.contracts.steps import ScopeRead
from holdfast.domain.ids import ReleaseId, batch_id
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import Reason
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState
from holdfast.errors import ConversationLifting, LedgerRuleBroken, PlatformThrottled, ScopeQueryFailed
from holdfast.ports import Counter
from holdfast.steps.files import BatchFiles
from holdfast.steps.read_scope_pages import QUERY_DEADLINE, SELECTING_DEADLINE
from tests.events import load_event
from tests.fakes.clock import HandDrivenClock
from tests.fakes.effects import Killed
from tests.fakes.house import MATTER, REQUEST, House, Patience, at
from tests.fakes.story import conversation_id, conversations, opened, planned


def test_the_query_asks_for_the_scope_of_the_request() -> None:
    house = opened()

    answer = house.start_scope_query()

    (scope,) = house.scope_source.queries
    assert str(scope.interval) == "2026-03-01T00:00:00.000Z/2026-03-08T00:00:00.000Z"
    assert (answer.status, answer.query_id) == ("PENDING", "query-1")
    assert house.request.exceptions == ()


AVAILABILITY = [
    # The scope ends at 2026-03-08T00:00:00Z: the time, what the platform can search, whether that suffices.
    ("2026-03-10T00:00:00+00:00", "2026-03-10T00:00:00+00:00", True),
    ("2026-03-09T23:59:59.999+00:00", "2026-03-10T00:00:00+00:00", False),
    ("2026-04-01T00:00:00+00:00", "2026-03-08T00:00:00+00:00", True),
    ("2026-04-01T00:00:00+00:00", "2026-03-07T23:59:59.999+00:00", False),
    ("2026-03-10T00:00:00+00:00", "2026-03-08T00:00:00+00:00", True),
    ("2026-03-09T23:59:59.999+00:00", "2026-03-07T23:59:59.999+00:00", False),
]


def _asked_at(now: str, searchable_until: str) -> House:
    house = House(clock=HandDrivenClock(at(now)))
    house.open_request()
    house.scope_source.searchable_until = at(searchable_until)
    return house


@pytest.mark.parametrize(("now", "searchable_until", "is_available"), AVAILABILITY)
def test_a_scope_that_ends_later_than_what_can_be_searched_is_noted(
    now: str, searchable_until: str, is_available: bool
) -> None:
    house = _asked_at(now, searchable_until)

    answer = house.start_scope_query()

    assert answer.status == "PENDING"
    assert house.request.exceptions == (() if is_available else (Reason.NOT_YET_AVAILABLE,))


@pytest.mark.parametrize(("now", "searchable_until", "is_available"), AVAILABILITY)
def test_a_scope_that_can_be_searched_in_time_is_waited_for(
    now: str, searchable_until: str, is_available: bool
) -> None:
    house = _asked_at(now, searchable_until)
    house.data_wait = timedelta(days=1)

    answer = house.start_scope_query()

    assert (answer.status, answer.wait_s) == ("PENDING" if is_available else "WAIT", 1)
    assert len(house.scope_source.queries) == is_available
    assert house.request.exceptions == ()


@pytest.mark.parametrize(
    ("data_wait", "statuses"),
    [
        (timedelta(hours=30), ["WAIT"] * 15 + ["PENDING"]),
        (timedelta(hours=30) - timedelta(milliseconds=1), ["PENDING"]),
    ],
    ids=["just in time", "too late"],
)
def test_waiting_ends_when_the_data_is_there_and_does_not_begin_if_that_is_too_late(
    data_wait: timedelta, statuses: list[str]
) -> None:
    house = _asked_at("2026-03-08T18:00:00+00:00", "2026-05-01T00:00:00+00:00")
    house.data_wait = data_wait

    answers = [house.start_scope_query()]
    while answers[-1].status == "WAIT":
        house.clock.forward(timedelta(seconds=answers[-1].wait_s))
        answers.append(house.start_scope_query())

    assert [answer.status for answer in answers] == statuses
    assert house.request.exceptions == (() if len(statuses) > 1 else (Reason.NOT_YET_AVAILABLE,))


def test_a_platform_that_falls_further_behind_is_not_waited_for_for_ever() -> None:
    house = _asked_at("2026-03-12T00:00:00+00:00", "2026-03-07T22:00:00+00:00")
    house.data_wait = timedelta(hours=10)

    waits_s = []
    while (answer := house.start_scope_query()).status == "WAIT":
        waits_s.append(answer.wait_s)
        house.clock.forward(timedelta(seconds=answer.wait_s))

    assert waits_s == [7_200] * 5
    assert house.request.exceptions == (Reason.NOT_YET_AVAILABLE,)
    assert len(house.scope_source.queries) == 1


def test_no_step_runs_for_a_request_that_nobody_opened() -> None:
    with pytest.raises(LedgerRuleBroken):
        House().start_scope_query()


def test_every_conversation_is_claimed_and_listed_in_a_batch() -> None:
    house = planned((1, 2), (3,))

    assert [batch.batch_id for batch in house.batches.of_request(house.request)] == [
        batch_id(1, 0),
        batch_id(1, 1),
    ]
    assert house.batch(0).state is BatchState.PLANNED
    listed = BatchFiles(house.files, MATTER, REQUEST, batch_id(1, 0)).conversations()
    assert listed == conversations(1, 2)
    for number in (1, 2, 3):
        assert house.conversations.dossier(conversation_id(number)).claimed_by == {MATTER}
    assert house.telemetry.counts[Counter.CONVERSATIONS_CLAIMED] == 3


def test_small_pages_are_joined_until_a_batch_is_full() -> None:
    house = opened()
    house.batch_size = 3
    house.scope_source.pages = [conversations(1), conversations(2, 3), conversations(4)]

    answer = house.read_scope_pages()

    assert [batch.conversations for batch in house.batches.of_request(house.request)] == [3, 1]
    assert answer.conversations == 4


def test_a_conversation_that_comes_twice_is_listed_once() -> None:
    house = opened()
    house.batch_size = 9
    house.scope_source.pages = [conversations(1, 2), conversations(2, 3)]

    assert house.read_scope_pages().conversations == 3


def test_an_empty_scope_has_no_batches() -> None:
    house = opened()

    answer = house.read_scope_pages()

    assert (answer.status, answer.next_batch) == ("DONE", 0)


def test_a_query_that_runs_is_asked_again_later() -> None:
    house = opened()
    house.scope_source.looks_until_done = 1
    house.clock.forward(timedelta(minutes=10))

    answer = house.read_scope_pages()

    assert (answer.status, answer.wait_s) == ("PENDING", 60)
    assert house.batches.records == {}


def test_when_time_runs_out_the_next_call_goes_on_at_the_cursor() -> None:
    house = opened()
    house.patience = Patience(0)
    house.scope_source.pages = [conversations(1, 2), conversations(3, 4), conversations(5)]

    first = house.read_scope_pages()
    second = house.read_scope_pages(first)
    third = house.read_scope_pages(second)

    assert [first.status, second.status, third.status] == ["MORE", "MORE", "DONE"]
    assert [first.next_batch, second.next_batch, third.next_batch] == [1, 2, 3]
    assert third.conversations == 5


def test_a_repeat_from_the_same_cursor_claims_nothing_twice() -> None:
    house = opened()
    house.patience = Patience(0)
    house.scope_source.pages = [conversations(1, 2), conversations(3, 4)]
    first = house.read_scope_pages()
    house.read_scope_pages(first)
    before = house.observable()

    again = house.read_scope_pages(first)

    assert again.next_batch == 2
    assert house.observable() == before


@pytest.mark.parametrize("calls_before", [0, 1])
def test_a_throttled_query_loses_nothing_that_was_written(calls_before: int) -> None:
    house = opened()
    house.patience = Patience(0)
    house.scope_source.pages = [conversations(1, 2), conversations(3)]
    so_far = house.read_scope_pages() if calls_before else None
    house.scope_source.failures = [PlatformThrottled("GET page", retry_after_s=17)]

    answer = house.read_scope_pages(so_far)

    assert (answer.status, answer.wait_s, answer.pages) == ("MORE", 17, calls_before)
    assert house.telemetry.counts[Counter.THROTTLES] == 1
    house.patience = Patience()
    assert house.read_scope_pages(answer).status == "DONE"
    assert len(list(house.batches.of_request(house.request))) == 2


def test_a_query_that_the_platform_gives_up_on_is_asked_again_for_half_the_time() -> None:
    house = opened()
    house.scope_source.archive = conversations(1, 2, 3)
    house.scope_source.most_at_once = timedelta(days=4)
    asked = house.start_scope_query()

    halved = house.read_scope_pages(asked)
    second = house.read_scope_pages(halved)

    assert [answer.status for answer in (asked, halved, second)] == ["PENDING"] * 3
    assert house.read_scope_pages(second).status == "DONE"
    assert [str(scope.interval) for scope in house.scope_source.queries] == [
        "2026-03-01T00:00:00.000Z/2026-03-08T00:00:00.000Z",
        "2026-03-01T00:00:00.000Z/2026-03-04T12:00:00.000Z",
        "2026-03-04T12:00:00.000Z/2026-03-08T00:00:00.000Z",
    ]
    assert _listed(house) == [conversations(1, 2, 3)[:2], conversations(3)]
    assert "scope_query_given_up" in house.telemetry.events()


def test_a_slice_that_cannot_be_asked_for_any_shorter_ends_the_run_with_an_explanation() -> None:
    house = opened()
    house.scope_source.is_given_up = True
    answer = house.start_scope_query()
    for _ in range(5):
        answer = house.read_scope_pages(answer)

    with pytest.raises(ScopeQueryFailed, match=r"2026-03-01T00:00:00.000Z/2026-03-01T06:.*in parts"):
        house.read_scope_pages(answer)

    assert len(house.scope_source.queries) == 6


def test_a_query_that_never_ends_is_given_up_on() -> None:
    house = opened()
    house.scope_source.looks_until_done = 2
    asked = house.start_scope_query()
    house.clock.forward(QUERY_DEADLINE - timedelta(seconds=1))
    assert house.read_scope_pages(asked).slice_s == asked.slice_s
    house.clock.forward(timedelta(seconds=1))

    answer = house.read_scope_pages(asked)

    assert timedelta(seconds=answer.slice_s) == timedelta(days=3.5)
    assert (answer.query_id, answer.asked_at) == ("query-2", house.clock.now())


def test_looks_become_rarer_the_longer_all_slices_take() -> None:
    house = opened()
    house.scope_source.looks_until_done = 9
    asked = house.start_scope_query()
    house.clock.forward(timedelta(hours=20))
    asked = asked.model_copy(update={"asked_at": house.clock.now()})

    assert house.read_scope_pages(asked).wait_s == 3_600


def test_selecting_that_takes_days_ends_the_run_with_an_explanation() -> None:
    house = opened()
    house.scope_source.looks_until_done = 9
    asked = house.start_scope_query()
    house.clock.forward(SELECTING_DEADLINE)
    asked = asked.model_copy(update={"asked_at": house.clock.now()})

    with pytest.raises(ScopeQueryFailed, match=r"after 2 days .* in parts"):
        house.read_scope_pages(asked)


def test_a_query_that_expires_while_its_pages_are_read_is_not_started_over() -> None:
    house = opened()
    house.patience = Patience(0)
    house.scope_source.pages = [conversations(1, 2), conversations(3)]
    first = house.read_scope_pages()
    house.scope_source.is_given_up = True

    with pytest.raises(ScopeQueryFailed, match="Send the request again"):
        house.read_scope_pages(first)


def test_a_conversation_that_is_being_released_stops_the_batch_but_no_neighbour() -> None:
    house = opened()
    house.scope_source.pages = [conversations(1, 2)]
    lift = house.conversations.begin_lift(conversation_id(1), lease_until=house.clock.now())
    assert lift is not None

    with pytest.raises(ConversationLifting):
        house.read_scope_pages()

    assert house.batches.records == {}
    assert house.conversations.dossier(conversation_id(2)).claimed_by == {MATTER}
    house.conversations.lifted(conversation_id(1), lift.promise.epoch, ReleaseId("L-1"), house.clock.now())
    assert house.read_scope_pages().status == "DONE"


def test_a_batch_without_its_list_is_a_defect() -> None:
    with pytest.raises(LedgerRuleBroken, match="expected a list"):
        BatchFiles(House().files, MATTER, REQUEST, batch_id(1, 0)).conversations()


def test_conversations_of_different_lots_never_share_a_batch() -> None:
    house = opened()
    house.batch_size = 2
    house.scope_source.pages = [conversations(1, 2), conversations(3, 4), conversations(5)]
    house.jobs.lots = {conversation_id(number): "voice" for number in (2, 4, 5)}

    answer = house.read_scope_pages()

    listed = [
        BatchFiles(house.files, MATTER, REQUEST, batch_id(1, index)).conversations() for index in range(3)
    ]
    assert listed == [conversations(1, 3), conversations(2, 4), conversations(5)]
    assert (answer.next_batch, answer.conversations) == (3, 5)


def test_a_repeat_sorts_the_same_lots_into_the_same_batches() -> None:
    house = opened()
    house.patience = Patience(0)
    house.scope_source.pages = [conversations(1, 2), conversations(3)]
    house.jobs.lots = {conversation_id(2): "voice"}
    first = house.read_scope_pages()
    house.read_scope_pages(first)
    before = house.observable()

    again = house.read_scope_pages()
    house.read_scope_pages(again)

    assert again == first
    assert house.observable() == before


def test_a_batch_has_no_more_conversations_than_a_job_takes() -> None:
    house = opened()
    house.batch_size = 5
    house.jobs.most_conversations = 2
    house.scope_source.pages = [conversations(1, 2, 3, 4, 5)]

    house.read_scope_pages()

    assert [batch.conversations for batch in house.batches.of_request(house.request)] == [2, 2, 1]


# --- slices


def _asking_for(start: str, end: str) -> House:
    house, event = House(), load_event("discovery_requested")
    event["detail"]["scope"]["interval"] = {"start": start, "end": end}
    house.clock.forward(timedelta(days=200))
    house.open_request(event)
    return house


def _to_the_end(house: House) -> list[ScopeRead]:
    answers = [house.start_scope_query()]
    while answers[-1].status != "DONE":
        answers.append(house.read_scope_pages(answers[-1]))
    return answers


def _listed(house: House) -> list[list[Conversation]]:
    return [
        BatchFiles(house.files, MATTER, REQUEST, batch.batch_id).conversations()
        for batch in house.batches.of_request(house.request)
    ]


def _over_seams() -> list[Conversation]:
    """Conversations before, in, over and after the seams at 1 April and 2 May; one never ends."""
    spans = [(1, 3, 1), (1, 31, 2), (1, 20, 50), (4, 1, 0), (5, 1, None), (5, 2, 1), (5, 9, 1)]
    return [
        Conversation(
            conversation_id(number),
            at(f"2026-{3 if number < 4 else month:02d}-{day:02d}T00:00:00+00:00"),
            None
            if days is None
            else at(f"2026-{3 if number < 4 else month:02d}-{day:02d}T00:00:00+00:00") + timedelta(days=days),
            Medium.VOICE,
        )
        for number, (month, day, days) in enumerate(spans, 1)
    ]


def test_a_long_scope_is_selected_slice_by_slice_and_every_conversation_once() -> None:
    house = _asking_for("2026-03-01T00:00:00Z", "2026-05-20T00:00:00Z")
    house.scope_source.archive = _over_seams()

    answers = _to_the_end(house)

    assert [str(scope.interval) for scope in house.scope_source.queries] == [
        "2026-03-01T00:00:00.000Z/2026-04-01T00:00:00.000Z",
        "2026-04-01T00:00:00.000Z/2026-05-02T00:00:00.000Z",
        "2026-05-02T00:00:00.000Z/2026-05-20T00:00:00.000Z",
    ]
    assert [answer.status for answer in answers] == ["PENDING", "PENDING", "PENDING", "DONE"]
    listed = [one for batch in _listed(house) for one in batch]
    assert listed == _over_seams()
    assert answers[-1].conversations == 7


@pytest.mark.parametrize("times", [0, 1, 4])
def test_a_step_repeated_in_the_middle_of_a_slice_changes_nothing(times: int) -> None:
    house = _asking_for("2026-03-01T00:00:00Z", "2026-05-20T00:00:00Z")
    house.scope_source.archive = _over_seams()
    answer = house.start_scope_query()
    while answer.status != "DONE":
        house.patience = Patience(times)
        again = house.read_scope_pages(answer)
        before = house.observable()
        house.patience = Patience(times)
        answer = house.read_scope_pages(answer)
        assert house.observable() == before
        assert answer.next_batch == again.next_batch

    assert [one for batch in _listed(house) for one in batch] == _over_seams()


def test_a_repeat_goes_on_with_what_was_written_and_not_with_what_the_platform_says_now() -> None:
    house = opened()
    house.scope_source.pages = [conversations(1, 2), conversations(3)]
    house.read_scope_pages()
    house.scope_source.pages = [conversations(9)]

    assert house.read_scope_pages().status == "DONE"
    assert _listed(house) == [conversations(1, 2), conversations(3)]


def test_a_throttled_question_for_the_next_slice_is_asked_again() -> None:
    house = _asking_for("2026-03-01T00:00:00Z", "2026-04-20T00:00:00Z")
    house.scope_source.archive = _over_seams()[:3]
    asked = house.start_scope_query()
    house.scope_source.refused_queries = [PlatformThrottled("POST jobs", retry_after_s=9)]

    refused = house.read_scope_pages(asked)
    second = house.read_scope_pages(refused)

    assert (refused.status, refused.wait_s, refused.query_id) == ("MORE", 9, "")
    assert (second.status, second.query_id) == ("PENDING", "query-2")
    assert house.read_scope_pages(second).status == "DONE"
    assert [one for batch in _listed(house) for one in batch] == _over_seams()[:3]


def test_nobody_is_asked_about_slices_that_lie_in_the_future() -> None:
    house = _asking_for("2026-10-01T00:00:00Z", "2029-01-01T00:00:00Z")

    _to_the_end(house)

    assert house.scope_source.queries[-1].interval.end > house.clock.now()
    assert len(house.scope_source.queries) == 1


def test_the_platform_is_waited_for_from_the_moment_it_was_asked() -> None:
    house = opened()
    house.clock.forward(timedelta(days=3))
    asked = house.start_scope_query()
    house.scope_source.looks_until_done = 1

    assert house.read_scope_pages(asked).wait_s == 20


def test_a_selection_that_is_gone_is_a_defect() -> None:
    house = opened()
    asked = house.scope_asked().model_copy(update={"pages": 3})

    with pytest.raises(LedgerRuleBroken, match="after 3 pages"):
        house.read_scope_pages(asked)


@pytest.mark.parametrize("survived", range(12))
def test_a_step_that_is_killed_between_any_two_writes_ends_as_one_that_is_not(survived: int) -> None:
    """What is written: the selection after each page, then each batch's list."""

    def selected(house: House) -> tuple[list[list[Conversation]], list[int]]:
        answer = house.start_scope_query()
        while answer.status != "DONE":
            try:
                answer = house.read_scope_pages(answer)
            except Killed:
                house.files.effects.crash_before = None
        return _listed(house), [batch.conversations for batch in house.batches.of_request(house.request)]

    houses = [_asking_for("2026-03-01T00:00:00Z", "2026-05-20T00:00:00Z") for _ in range(2)]
    for house in houses:
        house.scope_source.archive = _over_seams()
        house.batch_size = 3
    houses[0].files.effects.crash_before = survived + 1

    killed, undisturbed = (selected(house) for house in houses)

    assert killed == undisturbed
    assert sum(killed[1]) == 7
    assert sorted(houses[0].files.files) == sorted(houses[1].files.files)
