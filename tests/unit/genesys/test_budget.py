"""One request budget: spent fully, never exceeded, however many share it."""

import heapq
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from holdfast.errors import PlatformThrottled
from holdfast.genesys.budget import Budget, PacedTransport, Reservation

MINUTE = timedelta(minutes=1)
START = datetime(2026, 4, 1, 12, tzinfo=UTC)


class SharedBudget:
    """Implements `genesys.budget.BudgetStore` in memory."""

    def __init__(self) -> None:
        self.due = 0
        self.allowed: int | None = None

    def reserve(self, now_us: int, interval_us: int, latest_us: int) -> Reservation | None:
        if self.due > latest_us:
            return None
        self.due = max(self.due, now_us) + interval_us
        return Reservation(self.due, self.allowed)

    def due_us(self) -> int:
        return self.due

    def hold_off(self, until_us: int) -> None:
        self.due = max(self.due, until_us)

    def learn(self, allowed: int) -> None:
        self.allowed = allowed


class Worker:
    """One function's environment: a clock of its own, moved by its waits."""

    def __init__(self, store: SharedBudget) -> None:
        self.at = START
        self.budget = Budget(store, self, self.sleep)

    def now(self) -> datetime:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


def calls_in(workers: Iterable[Worker], until: datetime, latency: timedelta) -> list[datetime]:
    """Let the workers call as often as they may, each in its own time, the earliest next."""
    calls: list[datetime] = []
    queue = [(worker.at, number, worker) for number, worker in enumerate(workers)]
    heapq.heapify(queue)
    while queue:
        at, number, worker = heapq.heappop(queue)
        worker.at = at
        if at >= until:
            continue
        try:
            worker.budget.spend()
            calls.append(worker.at)
            worker.at += latency
        except PlatformThrottled as throttled:
            worker.at += timedelta(seconds=throttled.retry_after_s)
        heapq.heappush(queue, (worker.at, number, worker))
    return sorted(calls)


def most_in_a_minute(calls: list[datetime]) -> int:
    most, first = 0, 0
    for last, call in enumerate(calls):
        while call - calls[first] >= MINUTE:
            first += 1
        most = max(most, last - first + 1)
    return most


@pytest.mark.parametrize("workers", [1, 50])
def test_an_hour_of_work_spends_the_limit_and_never_exceeds_it_in_any_minute(workers: int) -> None:
    store = SharedBudget()

    calls = calls_in([Worker(store) for _ in range(workers)], START + 60 * MINUTE, timedelta(milliseconds=80))

    assert most_in_a_minute(calls) <= 300
    assert len(calls) >= 0.95 * 300 * 60


def test_a_limit_the_platform_states_is_learned_and_shared() -> None:
    store = SharedBudget()
    first, second = Worker(store), Worker(store)

    first.budget.heed(
        200, {"inin-ratelimit-allowed": "60", "inin-ratelimit-count": "1", "inin-ratelimit-reset": "59"}
    )
    calls = calls_in([second], START + 10 * MINUTE, timedelta(milliseconds=80))

    assert store.allowed == 60
    assert most_in_a_minute(calls[10:]) <= 60


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"inin-ratelimit-allowed": "0"},
        {"inin-ratelimit-allowed": "-5"},
        {"inin-ratelimit-allowed": "many"},
        {"inin-ratelimit-allowed": "99999999999"},
    ],
)
def test_absent_and_absurd_limits_change_nothing(headers: dict[str, str]) -> None:
    store = SharedBudget()

    Worker(store).budget.heed(200, headers)

    assert store.allowed is None
    assert store.due == 0


def test_nobody_calls_while_the_platform_asked_for_patience() -> None:
    store = SharedBudget()
    worker = Worker(store)
    worker.budget.spend()

    worker.budget.heed(429, {"Retry-After": "30"})

    with pytest.raises(PlatformThrottled) as throttled:
        Worker(store).budget.spend()
    assert 28 <= throttled.value.retry_after_s <= 31


def test_what_others_spent_of_our_limit_is_waited_out() -> None:
    store = SharedBudget()

    Worker(store).budget.heed(
        200, {"inin-ratelimit-allowed": "300", "inin-ratelimit-count": "300", "inin-ratelimit-reset": "20"}
    )

    with pytest.raises(PlatformThrottled) as throttled:
        Worker(store).budget.spend()
    assert 19 <= throttled.value.retry_after_s <= 22


def test_a_refusal_that_names_no_time_is_not_about_the_rate() -> None:
    store = SharedBudget()

    Worker(store).budget.heed(429, {})

    assert store.due == 0


def test_every_request_is_paced_and_heeded() -> None:
    store = SharedBudget()
    worker = Worker(store)
    answers = httpx.MockTransport(lambda _: httpx.Response(200, headers={"inin-ratelimit-allowed": "60"}))

    with httpx.Client(
        transport=PacedTransport(answers, worker.budget), base_url="https://api.example"
    ) as api:
        for _ in range(3):
            api.get("/")

    assert store.allowed == 60
    assert worker.at > START  # 60 a minute let one through at once
