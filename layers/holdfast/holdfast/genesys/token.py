"""One access token for all functions.

It is cached in memory, stored encrypted, and fetched by exactly one caller at a time: whoever gets the lease
on the next generation. Client credentials have no refresh token; a new one is asked for when the old one's
remaining life is under ``min(300 s, half its lifetime)``, so that a client with the shortest lifetime the
vendor allows does not loop.
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import httpx
from pydantic import ValidationError

from holdfast.contracts.genesys import TokenGrant
from holdfast.errors import CredentialsRefused, PlatformThrottled, PlatformUnavailable, TokenRefreshPending
from holdfast.genesys.retry_after import retry_after_s
from holdfast.ports import Clock

LEASE = timedelta(seconds=30)
RENEW_BEFORE = timedelta(seconds=300)
# For each of connecting, sending and reading: together they end before the lease does, so that nobody else
# fetches the same generation meanwhile.
_ANSWER_S = LEASE.total_seconds() / 4
_WAITS_S = (0.1, 0.2, 0.4, 0.8)  # for a neighbour's refresh; 1.5 s in all
_CLIENT_REFUSED = frozenset({400, 401, 403})  # an unknown client is a 400, a wrong secret a 401


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token and its place in the row of tokens: `generation` grows by one with each."""

    generation: int
    issued_at: datetime
    expires_at: datetime
    value: str = field(repr=False)

    def is_fresh(self, now: datetime) -> bool:
        """Tell whether it may still be used for a while."""
        return self.expires_at - now > min(RENEW_BEFORE, (self.expires_at - self.issued_at) / 2)

    def is_past_half_life(self, now: datetime) -> bool:
        """Tell whether more than half of its life is over."""
        return now > self.issued_at + (self.expires_at - self.issued_at) / 2


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """An OAuth client."""

    client_id: str
    client_secret: str = field(repr=False)


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


class TokenSource:
    """Gives out the shared token, and replaces a generation that the platform rejects."""

    def __init__(
        self,
        store: TokenStore,
        credentials: Callable[[], ClientCredentials],
        login: httpx.Client,
        clock: Clock,
        sleep: Callable[[float], None],
    ) -> None:
        self._store = store
        self._credentials = credentials
        self._login = login
        self._clock = clock
        self._sleep = sleep
        self._cached: AccessToken | None = None

    def token(self) -> AccessToken:
        """Give a fresh token.

        Raises:
            TokenRefreshPending: a neighbour is fetching it and takes longer than a function may wait.
            CredentialsRefused: the token endpoint rejects the client.
        """
        if self._cached is None or not self._cached.is_fresh(self._clock.now()):
            self._cached = self._newer_than(-1)
        return self._cached

    def replace(self, rejected: AccessToken) -> AccessToken:
        """Give the token after a rejected one; whoever comes second gets what the first one fetched."""
        self._cached = self._newer_than(rejected.generation)
        return self._cached

    def _newer_than(self, rejected: int) -> AccessToken:
        """Give a token of a later generation than the rejected one (-1: none was rejected)."""
        for wait_s in (*_WAITS_S, None):
            stored, now = self._store.read(), self._clock.now()
            usable = stored if stored and stored.generation > rejected else None
            if usable and usable.is_fresh(now):
                return usable
            following = max(rejected, stored.generation if stored else -1) + 1
            if self._store.lease(following, now, now + LEASE):
                return self._fetch(following)
            if usable and now < usable.expires_at:
                return usable  # it still lives; a neighbour is fetching the next one
            if wait_s is not None:
                self._sleep(wait_s)
        raise TokenRefreshPending(
            "another function is fetching the Genesys token and has not finished in time"
        )

    def _fetch(self, generation: int) -> AccessToken:
        try:
            token = self._request(generation)
            self._store.write(token)
        except Exception:
            self._store.end_lease(generation)
            raise
        return token

    def _request(self, generation: int) -> AccessToken:
        credentials = self._credentials()
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
