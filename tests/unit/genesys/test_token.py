import base64
import logging
import random
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from itertools import pairwise

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.errors import (
    CredentialsRefused,
    HoldfastError,
    PlatformThrottled,
    PlatformUnavailable,
    SettingsInvalid,
    TokenRefreshPending,
)
from holdfast.genesys.token import LEASE, AccessToken, ClientCredentials, TokenSource, TokenStore
from tests.fakes.clock import NOON, HandDrivenClock
from tests.unit.genesys.doubles import (
    CLIENT,
    Door,
    MemoryTokenStore,
    Sleeper,
    a_token,
    granted,
    issuing,
    source,
)
from tests.unit.genesys.token_store_contract import TokenStoreContract

FIVE_MINUTES = timedelta(seconds=300)
DAY = timedelta(days=1)
PHASES = ("connect", "write", "read")


class TestMemoryTokenStore(TokenStoreContract):
    @pytest.fixture
    def store(self) -> TokenStore:
        return MemoryTokenStore()


# --- freshness


@pytest.mark.parametrize(
    ("life", "fresh_for"),
    [
        (DAY, DAY - FIVE_MINUTES),
        (timedelta(hours=48), timedelta(hours=48) - FIVE_MINUTES),
        (timedelta(seconds=600), timedelta(seconds=300)),
        (timedelta(seconds=300), timedelta(seconds=150)),  # the shortest life the vendor allows
        (timedelta(seconds=10), timedelta(seconds=5)),
    ],
)
def test_a_token_is_fresh_until_five_minutes_or_half_its_life_are_left(
    life: timedelta, fresh_for: timedelta
) -> None:
    token = a_token(life=life)

    assert token.is_fresh(NOON)
    assert token.is_fresh(NOON + fresh_for - timedelta(milliseconds=1))
    assert not token.is_fresh(NOON + fresh_for)


LIVES = st.integers(1, 172_800).map(lambda seconds: timedelta(seconds=seconds))
CHANCES = st.floats(0, 1, exclude_max=True)


@given(LIVES, CHANCES)
def test_nobody_is_later_than_that_and_nobody_early_by_more_than_a_fifth(
    life: timedelta, earliness: float
) -> None:
    token, least = a_token(life=life), min(FIVE_MINUTES, life / 2)
    early, late = token.expires_at - least * 1.2, token.expires_at - least

    assert token.is_fresh(early - timedelta(milliseconds=1), earliness)
    assert not token.is_fresh(late, earliness)


@given(LIVES, CHANCES)
def test_no_life_is_so_short_that_a_new_token_is_old(life: timedelta, earliness: float) -> None:
    token = a_token(life=life)

    assert token.is_fresh(NOON, earliness)
    assert token.is_fresh(NOON + life * 0.39, earliness)


@given(LIVES, st.lists(CHANCES, min_size=1, max_size=5))
def test_many_functions_with_one_token_fetch_one_for_every_spell_that_the_first_of_them_calls_fresh(
    life: timedelta, chances: list[float]
) -> None:
    clock, store, login = HandDrivenClock(), MemoryTokenStore(), issuing(life_s=int(life.total_seconds()))
    functions = [source(store, login, clock=clock, chance=partial(float, one)) for one in chances]
    least = min(FIVE_MINUTES, life / 2)

    for _ in range(50):
        for function in functions:
            assert function.token().expires_at - clock.now() > least
        clock.forward(life / 10)

    shortest_spell = life - least * 1.2
    assert len(login.requests) <= 1 + (life * 5) / shortest_spell


def test_functions_do_not_all_call_a_token_old_in_the_same_moment() -> None:
    chances = random.Random(3)
    clock, store = HandDrivenClock(NOON + DAY - FIVE_MINUTES * 1.1), MemoryTokenStore(a_token())
    login = Door(httpx.Response(500))

    for _ in range(100):
        source(store, login, clock=clock, chance=chances.random).token()
        store.lease_until = None

    assert 30 < len(login.requests) < 70  # half of the spread is over


def test_half_life_is_counted_from_the_issue() -> None:
    token = a_token(life=timedelta(hours=2))

    assert not token.is_past_half_life(NOON + timedelta(hours=1))
    assert token.is_past_half_life(NOON + timedelta(hours=1, milliseconds=1))


# --- the shared token


def test_the_first_call_fetches_and_stores_a_token() -> None:
    store, login = MemoryTokenStore(), issuing(life_s=3_600)

    token = source(store, login).token()

    assert token == AccessToken(0, NOON, NOON + timedelta(hours=1), "token-1")
    assert store.written == [token]


def test_the_client_goes_in_the_header_and_nowhere_else() -> None:
    login = issuing()

    source(MemoryTokenStore(), login).token()

    request = login.requests[0]
    basic = base64.b64encode(f"{CLIENT.client_id}:{CLIENT.client_secret}".encode()).decode()
    assert (request.method, str(request.url)) == ("POST", "https://login.mypurecloud.de/oauth/token")
    assert request.headers["Authorization"] == f"Basic {basic}"
    assert request.content == b"grant_type=client_credentials"


def test_a_fresh_token_in_memory_is_used_without_asking_anybody() -> None:
    store, login = MemoryTokenStore(), issuing()
    tokens = source(store, login)
    first = tokens.token()
    store.written.clear()

    assert tokens.token() is first
    assert len(login.requests) == 1


def test_a_fresh_stored_token_is_used_without_asking_the_platform() -> None:
    store, login = MemoryTokenStore(a_token(4)), issuing()

    assert source(store, login).token() == a_token(4)
    assert login.requests == []


def test_a_stale_token_is_followed_by_the_next_generation() -> None:
    clock, store, login = HandDrivenClock(), MemoryTokenStore(), issuing()
    tokens = source(store, login, clock=clock)
    tokens.token()
    clock.forward(DAY - FIVE_MINUTES)

    assert tokens.token().generation == 1
    assert {tokens.token().secret} == {"token-2"}
    assert len(login.requests) == 2


def test_a_client_with_the_shortest_life_does_not_loop() -> None:
    clock, store, login = HandDrivenClock(), MemoryTokenStore(), issuing(life_s=300)
    tokens = source(store, login, clock=clock)

    for _ in range(60):
        tokens.token()
        clock.forward(timedelta(seconds=10))

    assert len(login.requests) == 4  # ten minutes, a token for every 150 s


def test_a_life_that_ran_while_the_platform_thought_about_it_is_counted() -> None:
    clock, store = HandDrivenClock(), MemoryTokenStore()

    def slow(_: httpx.Request) -> httpx.Response:
        clock.forward(timedelta(seconds=20))
        return granted("slow", 300)

    token = source(store, Door(slow), clock=clock).token()

    assert token.expires_at == NOON + timedelta(seconds=300)


# --- one refresh per generation


def test_a_thousand_workers_with_an_empty_memory_fetch_one_token() -> None:
    store, login = MemoryTokenStore(), issuing()
    tokens = [source(store, login, sleep=store.wait_for_writer) for _ in range(1_000)]

    with ThreadPoolExecutor(1_000) as pool:
        found = set(pool.map(lambda one: one.token().secret, tokens))

    assert found == {"token-1"}
    assert len(login.requests) == 1


def test_a_thousand_workers_whose_token_is_rejected_replace_it_once() -> None:
    rejected = a_token(7)
    store, login = MemoryTokenStore(rejected), issuing()
    tokens = [source(store, login, sleep=store.wait_for_writer) for _ in range(1_000)]

    with ThreadPoolExecutor(1_000) as pool:
        found = {token.generation for token in pool.map(lambda one: one.replace(rejected), tokens)}

    assert found == {8}
    assert len(login.requests) == 1


def test_whoever_comes_second_gets_what_the_first_one_fetched() -> None:
    rejected = a_token(7)
    store, login = MemoryTokenStore(rejected), issuing()
    first, second = source(store, login), source(store, login)

    assert first.replace(rejected) == second.replace(rejected)
    assert len(login.requests) == 1


def test_a_late_complaint_about_an_old_generation_fetches_nothing() -> None:
    store, login = MemoryTokenStore(a_token(8)), issuing()

    assert source(store, login).replace(a_token(7)) == a_token(8)
    assert login.requests == []


def test_a_replaced_token_is_the_one_used_from_then_on() -> None:
    store, login = MemoryTokenStore(a_token(7)), issuing()
    tokens = source(store, login)

    tokens.replace(tokens.token())

    assert {tokens.token().secret} == {"token-1"}


# --- a neighbour is fetching


def test_while_a_neighbour_fetches_the_first_token_a_function_waits_shortly_and_gives_up() -> None:
    store, login, sleep = MemoryTokenStore(), issuing(), Sleeper()
    store.lease(0, NOON, NOON + LEASE)

    with pytest.raises(TokenRefreshPending):
        source(store, login, sleep=sleep).token()

    assert sum(sleep.slept_s) == pytest.approx(1.5)
    assert login.requests == []


def test_waiting_for_a_neighbour_is_shorter_by_chance_and_never_longer() -> None:
    store, sleep = MemoryTokenStore(), Sleeper()
    store.lease(0, NOON, NOON + LEASE)
    chances = iter([0.9, 0.0, 0.5, 0.9, 0.99])  # the first is the function's earliness

    with pytest.raises(TokenRefreshPending):
        source(store, issuing(), sleep=sleep, chance=lambda: next(chances)).token()

    assert sleep.slept_s == pytest.approx([0.1, 0.15, 0.22, 0.404])


def test_what_the_neighbour_fetched_meanwhile_is_used() -> None:
    store, login = MemoryTokenStore(), issuing()
    store.lease(0, NOON, NOON + LEASE)
    sleep = Sleeper(meanwhile=lambda: store.write(a_token(0)))

    assert source(store, login, sleep=sleep).token() == a_token(0)
    assert sleep.slept_s == [0.1]
    assert login.requests == []


def test_while_a_neighbour_fetches_the_next_one_a_token_that_still_lives_is_used() -> None:
    clock, login, sleep = HandDrivenClock(NOON + DAY - timedelta(seconds=10)), issuing(), Sleeper()
    store = MemoryTokenStore(a_token(0))
    store.lease(1, clock.now(), clock.now() + LEASE)

    assert source(store, login, clock=clock, sleep=sleep).token() == a_token(0)
    assert (sleep.slept_s, login.requests) == ([], [])


def test_a_token_that_is_dead_is_not_used_while_a_neighbour_fetches_the_next_one() -> None:
    clock, login = HandDrivenClock(NOON + DAY), issuing()
    store = MemoryTokenStore(a_token(0))
    store.lease(1, clock.now(), clock.now() + LEASE)

    with pytest.raises(TokenRefreshPending):
        source(store, login, clock=clock).token()


def test_a_rejected_token_is_not_used_while_a_neighbour_replaces_it() -> None:
    rejected = a_token(0)
    store, login = MemoryTokenStore(rejected), issuing()
    store.lease(1, NOON, NOON + LEASE)

    with pytest.raises(TokenRefreshPending):
        source(store, login).replace(rejected)


def test_a_neighbour_that_died_is_succeeded_when_its_lease_ends() -> None:
    clock, store, login = HandDrivenClock(), MemoryTokenStore(), issuing()
    store.lease(0, NOON, NOON + LEASE)
    clock.forward(LEASE + timedelta(milliseconds=1))

    assert source(store, login, clock=clock).token().generation == 0
    assert len(login.requests) == 1


# --- what the token endpoint may answer


def is_paused(store: MemoryTokenStore) -> bool:
    return store.last_failure is not None and store.last_failure.until == store.lease_until


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_refused_client_is_said_to_be_refused(status: int) -> None:
    body = {"error": "invalid_client", "error_description": f"not {CLIENT.client_secret}"}
    store = MemoryTokenStore()

    with pytest.raises(CredentialsRefused, match=str(status)) as refused:
        source(store, Door(httpx.Response(status, json=body))).token()

    assert is_paused(store)
    assert CLIENT.client_secret not in str(refused.value)


@pytest.mark.parametrize("status", [302, 404, 408, 418, 500, 502, 503, 504])
def test_an_endpoint_in_trouble_is_unavailable(status: int) -> None:
    store = MemoryTokenStore()

    with pytest.raises(PlatformUnavailable, match=str(status)):
        source(store, Door(httpx.Response(status, headers={"Location": "https://evil.example"}))).token()

    assert is_paused(store)


def test_a_redirect_is_not_followed() -> None:
    login = Door(httpx.Response(307, headers={"Location": "https://evil.example/oauth/token"}))

    with pytest.raises(PlatformUnavailable):
        source(MemoryTokenStore(), login).token()

    assert [request.url.host for request in login.requests] == ["login.mypurecloud.de"]


def test_a_throttled_endpoint_says_how_long_to_wait() -> None:
    store = MemoryTokenStore()

    with pytest.raises(PlatformThrottled) as throttled:
        source(store, Door(httpx.Response(429, headers={"Retry-After": "17"}))).token()

    assert throttled.value.retry_after_s == 17
    assert is_paused(store)


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("closed"),
        httpx.DecodingError("garbled"),
    ],
)
def test_an_endpoint_without_an_answer_is_unavailable(failure: Exception) -> None:
    store = MemoryTokenStore()

    with pytest.raises(PlatformUnavailable, match=type(failure).__name__):
        source(store, Door(failure)).token()

    assert is_paused(store)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200),
        httpx.Response(200, text="<html>maintenance</html>"),
        httpx.Response(200, json=["not", "a", "token"]),
        httpx.Response(200, json={"access_token": "t0ken"}),
        granted("t0ken", 0),
        granted("t0ken", -1),
        granted("t0ken", 10**18),
        granted("t0ken", "soon"),
        granted(""),
        granted("t0ken with a\r\nX-Header: injected"),
        granted("t0ken-é"),
    ],
)
def test_an_answer_that_is_no_token_is_unavailable_and_never_quoted(answer: httpx.Response) -> None:
    store = MemoryTokenStore()

    with pytest.raises(PlatformUnavailable, match="expected a token") as unavailable:
        source(store, Door(answer)).token()

    assert is_paused(store)
    assert "t0ken" not in "".join(traceback.format_exception(unavailable.value))


def test_a_token_that_cannot_be_stored_is_not_fetched_over_and_over() -> None:
    class FullStore(MemoryTokenStore):
        def write(self, token: AccessToken) -> None:
            raise OSError("no room")

    store = FullStore()

    with pytest.raises(OSError, match="no room"):
        source(store, issuing()).token()

    assert is_paused(store)


def test_credentials_that_cannot_be_read_end_the_lease() -> None:
    store = MemoryTokenStore()

    def unreadable() -> ClientCredentials:
        raise SettingsInvalid(["the secret"])

    with pytest.raises(SettingsInvalid):
        source(store, issuing(), credentials=unreadable).token()

    assert store.lease_until is None


def test_a_rotated_secret_is_picked_up_with_the_next_fetch() -> None:
    secrets = iter(["first", "second"])
    login, store = issuing(), MemoryTokenStore()
    tokens = source(store, login, credentials=lambda: ClientCredentials("client", next(secrets)))

    tokens.replace(tokens.token())

    sent = [
        base64.b64decode(request.headers["Authorization"].removeprefix("Basic ")).decode()
        for request in login.requests
    ]
    assert sent == ["client:first", "client:second"]


# --- when the endpoint fails, nobody hammers it


def test_after_a_failure_the_endpoint_has_twice_as_long_a_rest_each_time() -> None:
    clock, store, login = HandDrivenClock(), MemoryTokenStore(), Door(httpx.Response(503))
    tokens, asked_at = source(store, login, clock=clock), list[float]()

    for tenths in range(1_200):
        with pytest.raises(PlatformUnavailable):
            tokens.token()
        if len(login.requests) > len(asked_at):
            asked_at.append(tenths / 10)
        clock.forward(timedelta(milliseconds=100))

    rests_s = [later - sooner for sooner, later in pairwise(asked_at)]
    assert rests_s == pytest.approx([0.6, 1.1, 2.1, 4.1, 8.1, 16.1, 32.1], abs=0.01)


def test_the_endpoint_is_not_left_alone_for_longer_than_a_minute() -> None:
    clock, store, login = HandDrivenClock(), MemoryTokenStore(), Door(httpx.Response(503))
    tokens = source(store, login, clock=clock)

    for _ in range(2_000):
        with pytest.raises(PlatformUnavailable):
            tokens.token()
        clock.forward(timedelta(seconds=61))

    assert len(login.requests) == 2_000


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(401), CredentialsRefused),
        (httpx.Response(429, headers={"Retry-After": "30"}), PlatformThrottled),
        (httpx.Response(500), PlatformUnavailable),
        (httpx.Response(200, text="<html>"), PlatformUnavailable),
        (httpx.ReadTimeout("slow"), PlatformUnavailable),
    ],
)
def test_what_one_worker_was_told_holds_for_a_thousand(
    answer: httpx.Response | Exception, error: type[HoldfastError]
) -> None:
    store, login = MemoryTokenStore(), Door(answer)
    tokens = [source(store, login, sleep=store.wait_for_writer) for _ in range(1_000)]

    def told(one: TokenSource) -> HoldfastError:
        with pytest.raises(HoldfastError) as failure:
            one.token()
        return failure.value

    with ThreadPoolExecutor(50) as pool:
        failures = list(pool.map(told, tokens))

    assert len(login.requests) == 1
    assert {type(failure) for failure in failures} == {error}


@pytest.mark.parametrize(
    ("asked", "wait_s"),
    [("17", 17), ("Wed, 01 Apr 2026 12:00:40 GMT", 41), (None, 60), ("soon", 60), ("1e9", 60)],
)
def test_a_throttled_endpoint_gets_the_rest_it_asked_for(asked: str | None, wait_s: int) -> None:
    clock, store = HandDrivenClock(), MemoryTokenStore()
    headers = {"Retry-After": asked} if asked else {}
    login = Door(httpx.Response(429, headers=headers), granted("t"))

    def told() -> int:
        with pytest.raises(PlatformThrottled) as throttled:
            source(store, login, clock=clock).token()
        return throttled.value.retry_after_s

    first, second = told(), told()
    clock.forward(timedelta(seconds=wait_s - 1))
    third = told()
    clock.forward(timedelta(seconds=1, milliseconds=1))

    assert (first, second, third) == (wait_s, wait_s, 1)
    assert source(store, login, clock=clock).token().secret == "t"


def test_what_failed_is_forgotten_with_the_next_token() -> None:
    clock, store = HandDrivenClock(), MemoryTokenStore()
    with pytest.raises(PlatformUnavailable):
        source(store, Door(httpx.Response(500)), clock=clock).token()
    clock.forward(timedelta(seconds=1))

    source(store, issuing(), clock=clock).token()

    assert store.failure() is None


def test_a_token_that_still_lives_is_used_while_the_endpoint_rests() -> None:
    clock, login = HandDrivenClock(NOON + DAY - timedelta(seconds=10)), Door(httpx.Response(500))
    store = MemoryTokenStore(a_token(0))
    first, second = source(store, login, clock=clock), source(store, login, clock=clock)

    assert first.token() == second.token() == first.token() == a_token(0)
    assert len(login.requests) == 1


def test_a_rejected_token_is_not_used_while_the_endpoint_rests() -> None:
    store, login = MemoryTokenStore(a_token(0)), Door(httpx.Response(500))
    tokens = source(store, login)

    for _ in range(3):
        with pytest.raises(PlatformUnavailable):
            tokens.replace(a_token(0))

    assert len(login.requests) == 1


# --- a secret that is rotated or mended


def secrets(*versions: str) -> Callable[[], ClientCredentials]:
    """Versions of the secret, one a look; the last stays."""
    left = list(versions)

    def look() -> ClientCredentials:
        version = left.pop(0) if len(left) > 1 else left[0]
        return ClientCredentials("client", f"secret-{version}", version)

    return look


def of(good: str) -> Door:
    """An endpoint that knows the client by one version of its secret."""
    known = base64.b64encode(f"client:secret-{good}".encode()).decode()

    def judge(request: httpx.Request) -> httpx.Response:
        is_known = request.headers["Authorization"] == f"Basic {known}"
        return granted("t") if is_known else httpx.Response(401, json={"error": "invalid_client"})

    return Door(judge)


def test_a_secret_that_is_rotated_while_we_ask_is_read_once_more() -> None:
    login = of("new")

    token = source(MemoryTokenStore(), login, credentials=secrets("old", "new")).token()

    assert token.secret == "t"
    assert len(login.requests) == 2


def test_a_secret_that_stays_wrong_is_tried_once() -> None:
    login = of("new")

    with pytest.raises(CredentialsRefused):
        source(MemoryTokenStore(), login, credentials=secrets("old")).token()

    assert len(login.requests) == 1


def test_a_second_secret_that_is_wrong_is_the_one_that_was_refused() -> None:
    login, store = of("right"), MemoryTokenStore()

    with pytest.raises(CredentialsRefused):
        source(store, login, credentials=secrets("old", "new")).token()
    with pytest.raises(CredentialsRefused):
        source(store, login, credentials=secrets("new")).token()

    assert len(login.requests) == 2


def test_after_a_refusal_the_mended_secret_works_at_once_for_everybody() -> None:
    store, login = MemoryTokenStore(), of("new")
    with pytest.raises(CredentialsRefused):
        source(store, login, credentials=secrets("old")).token()

    sources = [source(store, login, credentials=secrets("new")) for _ in range(3)]

    assert {one.token().secret for one in sources} == {"t"}
    assert len(login.requests) == 2


def test_another_secret_does_not_end_the_rest_of_an_endpoint_in_trouble() -> None:
    store, login = MemoryTokenStore(), Door(httpx.Response(503))
    with pytest.raises(PlatformUnavailable):
        source(store, login, credentials=secrets("old")).token()

    with pytest.raises(PlatformUnavailable, match="not asked again for 1 s"):
        source(store, login, credentials=secrets("new")).token()

    assert len(login.requests) == 1


def test_two_attempts_end_before_the_lease_does() -> None:
    login = of("new")

    source(MemoryTokenStore(), login, credentials=secrets("old", "new")).token()

    allowed_s = [sum(one.extensions["timeout"][phase] for phase in PHASES) for one in login.requests]
    assert sum(allowed_s) < LEASE.total_seconds()


# --- secrets stay secret


def test_neither_token_nor_secret_is_in_a_representation() -> None:
    assert "s3cret" not in repr(CLIENT)
    assert "bearer-canary" not in repr(a_token(value="bearer-canary"))
    assert "bearer-canary" not in f"{a_token(value='bearer-canary')}"


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(401, text=CLIENT.client_secret),
        httpx.Response(500, text=CLIENT.client_secret),
        httpx.Response(429, text=CLIENT.client_secret),
        httpx.Response(200, text=CLIENT.client_secret),
        httpx.ConnectError(CLIENT.client_secret),
    ],
)
def test_no_failure_and_no_log_line_carries_what_was_sent_or_said(
    answer: httpx.Response | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    with pytest.raises(HoldfastError) as failure:
        source(MemoryTokenStore(), Door(answer)).token()

    encoded = base64.b64encode(f"{CLIENT.client_id}:{CLIENT.client_secret}".encode()).decode()
    written = "".join(traceback.format_exception(failure.value)) + caplog.text
    assert CLIENT.client_secret not in written
    assert encoded not in written
