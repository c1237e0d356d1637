"""The vendor's two doors and our token store, in memory: scripted, counted, without a wait."""

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Event, Lock

import httpx

from holdfast.genesys.token import AccessToken, ClientCredentials, Failure, TokenSource
from tests.fakes.clock import NOON, HandDrivenClock

CLIENT = ClientCredentials("client-1", "s3cret-of-client-1")
LOGIN = "https://login.mypurecloud.de"
API = "https://api.mypurecloud.de"


class MemoryTokenStore:
    """Implements `token.TokenStore`; `was_written` lets threads wait for one another."""

    def __init__(self, token: AccessToken | None = None) -> None:
        self.was_written = Event()
        self.written: list[AccessToken] = [token] if token else []
        self.lease_generation: int | None = None
        self.lease_until: datetime | None = None
        self.last_failure: Failure | None = None
        self._lock = Lock()

    def read(self) -> AccessToken | None:
        return self.written[-1] if self.written else None

    def lease(self, generation: int, now: datetime, until: datetime) -> bool:
        with self._lock:
            if self.written and self.written[-1].generation >= generation:
                return False
            if self.lease_until is not None and self.lease_until >= now:
                return False
            self.lease_generation, self.lease_until = generation, until
            return True

    def write(self, token: AccessToken) -> None:
        with self._lock:
            if not self.written or self.written[-1].generation < token.generation:
                self.written.append(token)
                self.lease_generation = self.lease_until = self.last_failure = None
                self.was_written.set()

    def wait_for_writer(self, _wait_s: float) -> None:
        self.was_written.wait(10)

    def end_lease(self, generation: int) -> None:
        with self._lock:
            if self.lease_generation == generation:
                self.lease_generation = self.lease_until = None

    def failure(self) -> Failure | None:
        return self.last_failure

    def put_off(self, generation: int, failure: Failure) -> None:
        with self._lock:
            if self.lease_generation == generation:
                self.lease_generation, self.lease_until = None, failure.until
                self.last_failure = failure
                self.was_written.set()

    def forgive(self, failure: Failure) -> None:
        with self._lock:
            if self.last_failure == failure and self.lease_until == failure.until:
                self.lease_until = self.last_failure = None


type Script = Callable[[httpx.Request], httpx.Response]


class Door:
    """An HTTP server in memory: plays its script answer by answer, the last one for ever."""

    def __init__(self, *script: httpx.Response | Exception | Script) -> None:
        self.requests: list[httpx.Request] = []
        self._script = list(script)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        turn = self._script[0] if len(self._script) == 1 else self._script.pop(0)
        if isinstance(turn, Exception):
            raise turn
        return turn if isinstance(turn, httpx.Response) else turn(request)

    def client(self, base_url: str) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self), base_url=base_url, follow_redirects=False)

    @property
    def bearers(self) -> list[str]:
        return [request.headers["Authorization"].removeprefix("Bearer ") for request in self.requests]


def issuing(life_s: int = 86_400) -> Door:
    """A token endpoint that works; its tokens are `token-1`, `token-2`, ..."""
    door = Door()

    def issue(_: httpx.Request) -> httpx.Response:
        return granted(f"token-{len(door.requests)}", life_s)

    door._script.append(issue)
    return door


def granted(value: str, life_s: object = 86_400) -> httpx.Response:
    return httpx.Response(200, json={"access_token": value, "token_type": "bearer", "expires_in": life_s})


def error(
    status: int,
    code: str = "",
    params: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> httpx.Response:
    """The vendor's ErrorBody, with free text that must never be seen again."""
    body = {
        "message": f"free text about +13175550123 and {FREE_TEXT}",
        "code": code,
        "status": status,
        "messageParams": dict(params or {}),
        "contextId": "from-the-body",
    }
    return httpx.Response(
        status,
        content=json.dumps(body | more).encode(),
        headers={"ININ-Correlation-Id": "c0ffee-01"} | dict(headers or {}),
    )


FREE_TEXT = "the-words-of-the-platform"


class Sleeper:
    """Remembers how long it was asked to sleep, and does what happens meanwhile."""

    def __init__(self, meanwhile: Callable[[], object] = lambda: None) -> None:
        self.slept_s: list[float] = []
        self._meanwhile = meanwhile

    def __call__(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self._meanwhile()


def source(
    store: MemoryTokenStore,
    login: Door,
    *,
    clock: HandDrivenClock | None = None,
    sleep: Callable[[float], None] | None = None,
    credentials: Callable[[], ClientCredentials] = lambda: CLIENT,
    chance: Callable[[], float] = lambda: 0.0,
) -> TokenSource:
    """A token source as one function's environment has it: with a memory, and a chance, of its own."""
    return TokenSource(
        store, credentials, login.client(LOGIN), clock or HandDrivenClock(), sleep or Sleeper(), chance=chance
    )


def a_token(generation: int = 0, *, life: timedelta = timedelta(days=1), value: str = "") -> AccessToken:
    return AccessToken(generation, NOON, NOON + life, value or f"stored-{generation}")
