"""One access token for all functions.

It is cached in memory, stored encrypted, and fetched by exactly one caller at a time: whoever gets the lease
on the next generation. Client credentials have no refresh token; a new one is asked for before the old one's
remaining life is under ``min(300 s, half its lifetime)``, so that a client with the shortest lifetime the
vendor allows does not loop. Each function is early by a chance of its own, so that not all of them look for
the next generation in the same moment.

When the token endpoint fails, the failure is written down beside the lease, and nobody asks again before its
time is over: what one function was told holds for all. Only another secret ends that time early.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import ceil
from typing import Protocol

import httpx
from pydantic import ValidationError

from holdfast.contracts.genesys import TokenGrant
from holdfast.errors import (
    CredentialsRefused,
    HoldfastError,
    PlatformThrottled,
    PlatformUnavailable,
    TokenRefreshPending,
)
from holdfast.genesys.retry_after import retry_after_s
from holdfast.ports import Clock

LEASE = timedelta(seconds=45)
RENEW_BEFORE = timedelta(seconds=300)
SPREAD = 0.2  # of that time, by which functions are early at most
# For each of connecting, sending and reading: together, and twice, they end before the lease does, so that
# nobody else fetches the same generation meanwhile.
_ANSWER_S = 7.0
_WAITS_S = (0.1, 0.2, 0.4, 0.8)  # for a neighbour's refresh; 1.5 s in all, less by chance
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 60.0  # after a failure; doubled with each in a row
_CLIENT_REFUSED = frozenset({400, 401, 403})  # an unknown client is a 400, a wrong secret a 401


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and its place in the row of tokens: `generation` grows by one with each.

    What is sent is called what it is, so that it is recognised wherever it is taken out.
    """

    generation: int
    issued_at: datetime
    expires_at: datetime
    secret: str = field(repr=False)

    def is_fresh(self, now: datetime, earliness: float = 0) -> bool:
        """Tell whether it may still be used for a while; `earliness` (0 to 1) is the caller's own."""
        least = min(RENEW_BEFORE, (self.expires_at - self.issued_at) / 2)
        return self.expires_at - now > least * (1 + SPREAD * earliness)

    def is_past_half_life(self, now: datetime) -> bool:
        """Tell whether more than half of its life is over."""
        return now > self.issued_at + (self.expires_at - self.issued_at) / 2


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """An OAuth client, and which version of the secret it was read from."""

    client_id: str
    client_secret: str = field(repr=False)
    version: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """The latest of so many failures in a row to get a token; nobody asks again before `until`.

    `error` is the name of its class, `client` the version of the secret that was tried.
    """

    error: str
    until: datetime
    in_a_row: int
    client: str


class TokenStore(Protocol):
    """Where functions share the token."""

    def read(self) -> AccessToken | None:
        """Read the newest token, strongly consistent."""

    def lease(self, generation: int, now: datetime, until: datetime) -> bool:
        """Reserve the right to fetch a generation; False while somebody else has it, or has fetched it."""

    def write(self, token: AccessToken) -> None:
        """Store a token under its generation and end the lease; an older one never replaces a newer."""

    def end_lease(self, generation: int) -> None:
        """Give the lease up without a token."""

    def failure(self) -> Failure | None:
        """Read what went wrong since the last token, strongly consistent."""

    def put_off(self, generation: int, failure: Failure) -> None:
        """Turn the lease on a generation into a pause for everybody."""

    def forgive(self, failure: Failure) -> None:
        """End the pause after this very failure, and forget it."""


class TokenSource:
    """Gives out the shared token, and replaces a generation that the platform rejects.

    `chance` answers a number from 0 to below 1.
    """

    def __init__(
        self,
        store: TokenStore,
        credentials: Callable[[], ClientCredentials],
        login: httpx.Client,
        clock: Clock,
        sleep: Callable[[float], None],
        *,
        chance: Callable[[], float],
    ) -> None:
        self._store = store
        self._credentials = credentials
        self._login = login
        self._clock = clock
        self._sleep = sleep
        self._chance = chance
        self._earliness = chance()
        self._cached: AccessToken | None = None

    def token(self) -> AccessToken:
        """Give a fresh token.

        Raises:
            TokenRefreshPending: a neighbour is fetching it and takes longer than a function may wait.
            CredentialsRefused: the token endpoint rejects the client.
            PlatformThrottled: the token endpoint asked for patience, us or a neighbour.
            PlatformUnavailable: the token endpoint is in trouble, and its next turn has not come.
        """
        if self._cached is None or not self._is_fresh(self._cached, self._clock.now()):
            self._cached = self._newer_than(-1)
        return self._cached

    def replace(self, rejected: AccessToken) -> AccessToken:
        """Give the token after a rejected one; whoever comes second gets what the first one fetched."""
        self._cached = self._newer_than(rejected.generation)
        return self._cached

    def _is_fresh(self, token: AccessToken, now: datetime) -> bool:
        return token.is_fresh(now, self._earliness)

    def _newer_than(self, rejected: int) -> AccessToken:
        """Give a token of a later generation than the rejected one (-1: none was rejected)."""
        for wait_s in (*_WAITS_S, None):
            stored, now = self._store.read(), self._clock.now()
            usable = stored if stored and stored.generation > rejected else None
            if usable and self._is_fresh(usable, now):
                return usable
            following = max(rejected, stored.generation if stored else -1) + 1
            living = usable if usable and now < usable.expires_at else None
            if self._store.lease(following, now, now + LEASE):
                return self._fetch_or(living, following)
            if living:
                return living  # a neighbour is fetching the next one
            failure = self._store.failure()
            if failure and failure.until >= now and not self._is_mended(failure):
                raise self._repeated(failure, now)
            if wait_s is not None:
                self._sleep(wait_s * (1 - self._chance() / 2))
        raise TokenRefreshPending(
            "another function is fetching the Genesys token and has not finished in time"
        )

    def _is_mended(self, failure: Failure) -> bool:
        """End the pause after a refused client if the secret is another one by now."""
        if failure.error != CredentialsRefused.__name__ or self._credentials().version == failure.client:
            return False
        self._store.forgive(failure)
        return True

    def _repeated(self, failure: Failure, now: datetime) -> HoldfastError:
        """Say again what a neighbour was told."""
        wait_s = max(1, ceil((failure.until - now).total_seconds()))
        said = f"POST /oauth/token: failed a moment ago; it is not asked again for {wait_s} s"
        match failure.error:
            case PlatformThrottled.__name__:
                return PlatformThrottled(said, retry_after_s=wait_s)
            case CredentialsRefused.__name__:
                return CredentialsRefused(f"{said}: the OAuth client in the secret was refused")
        return PlatformUnavailable(said)

    def _fetch_or(self, living: AccessToken | None, generation: int) -> AccessToken:
        """Fetch a generation; while the one before still lives, a failure harms nobody yet."""
        try:
            return self._fetch(generation)
        except HoldfastError:
            if living is None:
                raise
            return living

    def _fetch(self, generation: int) -> AccessToken:
        try:
            tried = self._credentials()
        except Exception:
            self._store.end_lease(generation)
            raise
        try:
            try:
                token = self._request(generation, tried)
            except CredentialsRefused:
                before, tried = tried, self._credentials()
                if tried == before:
                    raise
                token = self._request(generation, tried)  # rotated while we asked
            self._store.write(token)
        except Exception as error:
            self._store.put_off(generation, self._failure(error, tried))
            raise
        return token

    def _failure(self, error: Exception, credentials: ClientCredentials) -> Failure:
        """Say how long nobody asks again: as long as the endpoint wants, or twice as long as last time."""
        before = self._store.failure()
        in_a_row = before.in_a_row + 1 if before else 1
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(in_a_row - 1, 10))
        if isinstance(error, PlatformThrottled):
            pause_s = error.retry_after_s
        until = self._clock.now() + timedelta(seconds=pause_s)
        return Failure(type(error).__name__, until, in_a_row, credentials.version)

    def _request(self, generation: int, credentials: ClientCredentials) -> AccessToken:
        basic = b64encode(f"{credentials.client_id}:{credentials.client_secret}".encode()).decode()
        asked_at = self._clock.now()
        try:
            answer = self._login.post(
                "/oauth/token",
                data={"grant_type": "client_credentials"},
                headers={"Authorization": f"Basic {basic}"},
                timeout=_ANSWER_S,
            )
        except httpx.RequestError as failure:
            raise PlatformUnavailable(f"POST /oauth/token: no answer ({type(failure).__name__})") from None
        if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise PlatformThrottled(
                "POST /oauth/token: 429", retry_after_s=retry_after_s(answer.headers, self._clock.now())
            )
        if answer.status_code in _CLIENT_REFUSED:
            raise CredentialsRefused(
                f"POST /oauth/token: the OAuth client in the secret was refused ({answer.status_code})"
            )
        if not answer.is_success:
            raise PlatformUnavailable(f"POST /oauth/token: {answer.status_code}")
        try:
            grant = TokenGrant.model_validate_json(answer.content)
        except ValidationError:
            raise PlatformUnavailable("POST /oauth/token: expected a token, found something else") from None
        return AccessToken(
            generation, asked_at, asked_at + timedelta(seconds=grant.expires_in), grant.access_token
        )
