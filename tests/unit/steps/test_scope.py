"""StartScopeQuery and ReadScopePages."""

from datetime import timedelta

import pytest

from holdfast.domain.ids import batch_id
from holdfast.domain.reconciliation import Reason
from holdfast.domain.states import BatchState, HoldState
from holdfast.errors import ConversationLifting, LedgerRuleBroken, PlatformThrottled, ScopeQueryFailed
from holdfast.ports import Counter
from holdfast.steps.files import BatchFiles
from tests.fakes.clock import HandDrivenClock
from tests.fakes.house import MATTER, REQUEST, House, Patience, at
from tests.fakes.story import conversation_id, conversations, opened, planned


def test_the_query_asks_for_the_scope_of_the_request() -> None:
    house = opened()

    answer = house.start_scope_query()

    (scope,) = house.scope_source.queries
    assert str(scope.interval) == "2026-03-01T00:00:00.000Z/2026-03-08T00:00:00.000Z"
    assert (answer.status, answer.query_id) == ("PENDING", "query-1")
    assert house.request.exceptions == ()


@pytest.mark.parametrize(
    ("now", "searchable_until", "is_available"),
    [
        ("2026-03-10T00:00:00+00:00", "2026-03-10T00:00:00+00:00", True),
        ("2026-03-09T23:59:59+00:00", "2026-03-10T00:00:00+00:00", False),
        ("2026-04-01T00:00:00+00:00", "2026-03-07T23:00:00+00:00", False),
    ],
)
def test_a_scope_that_ends_later_than_what_can_be_searched_is_noted(
    now: str, searchable_until: str, is_available: bool
) -> None:
    house = House(clock=HandDrivenClock(at(now)))
    house.open_request()
    house.scope_source.searchable_until = at(searchable_until)

    house.start_scope_query()

    assert house.request.exceptions == (() if is_available else (Reason.NOT_YET_AVAILABLE,))


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


@pytest.mark.parametrize("calls_before", [0, 1, 2])
def test_a_throttled_query_loses_nothing_that_was_written(calls_before: int) -> None:
    house = opened()
    house.scope_source.pages = [conversations(1, 2), conversations(3)]
    throttled = PlatformThrottled("GET page", retry_after_s=17)
    house.scope_source.failures = [throttled]
    if calls_before:
        house.patience = Patience(0)
        house.scope_source.failures = []
        house.read_scope_pages()
        house.scope_source.failures = [throttled]

    answer = house.read_scope_pages()

    assert (answer.status, answer.wait_s) == ("MORE", 17)
    assert house.telemetry.counts[Counter.THROTTLES] == 1
    house.patience = Patience()
    assert house.read_scope_pages(answer).status == "DONE"
    assert len(list(house.batches.of_request(house.request))) == 2


def test_a_query_that_the_platform_gave_up_is_an_error() -> None:
    house = opened()
    house.scope_source.is_given_up = True

    with pytest.raises(ScopeQueryFailed):
        house.read_scope_pages()


def test_a_conversation_that_is_being_released_stops_the_batch_but_no_neighbour() -> None:
    house = opened()
    house.scope_source.pages = [conversations(1, 2)]
    house.conversations.begin_lifting(conversation_id(1))

    with pytest.raises(ConversationLifting):
        house.read_scope_pages()

    assert house.batches.records == {}
    assert house.conversations.dossier(conversation_id(2)).claimed_by == {MATTER}
    house.conversations.folders[f"CONV#{conversation_id(1)}"].state = HoldState.LIFTED
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
