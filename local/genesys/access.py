"""Who may do what, and how often: OAuth clients, their tokens, their permissions, their request windows."""

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from local.genesys.errors import ComplianceError, OAuthError, PlatformError
from local.genesys.ids import digest_of, uuid_for
from local.genesys.scenario import Organization

type Role = Literal["full", "limited"]

# What Holdfast needs, to the letter: the client of a real organisation should have these and no more.
FULL = frozenset(
    {
        "analytics:conversationDetail:view",
        "integrations:integration:view",
        "recording:deletionProtection:apply",
        "recording:deletionProtection:revoke",
        "recording:job:add",
        "recording:job:delete",
        "recording:job:edit",
        "recording:job:view",
        "recording:recording:editRetention",
        "recording:recording:view",
        "recording:recording:viewSensitiveData",
        "recording:screenRecording:editRetention",
        "recording:screenRecording:view",
        "recording:snippetRecording:editRetention",
        "recording:snippetRecording:view",
    }
)
# What the compliance dialect asks of a token.
SCOPES = frozenset(
    {
        "analytics:report:read",
        "interaction:metadata:write",
        "interaction:write",
        "recording:export",
        "recording:metadata:write",
        "recordings:export:read",
    }
)
# May look and may create jobs, but cannot start one, cannot protect, and sees nothing sensitive.
LIMITED_LACKS = frozenset(
    {
        "interaction:metadata:write",
        "interaction:write",
        "recording:deletionProtection:apply",
        "recording:deletionProtection:revoke",
        "recording:job:delete",
        "recording:job:edit",
        "recording:metadata:write",
        "recording:recording:editRetention",
        "recording:recording:viewSensitiveData",
        "recording:screenRecording:editRetention",
        "recording:snippetRecording:editRetention",
    }
)


@dataclass(frozen=True, slots=True)
class Client:
    id: str
    secret: str
    role: Role
    permissions: frozenset[str]
    scopes: frozenset[str] = SCOPES


@dataclass(frozen=True, slots=True)
class Needs:
    """Permissions of an endpoint: all of the first, and at least one of the second where there is one.

    And every scope, where it belongs to the compliance dialect.
    """

    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()

    def check(self, client: Client) -> None:
        """Raises: PlatformError 403, naming the permissions or scopes that are missing."""
        if closed := [scope for scope in self.scopes if scope not in client.scopes]:
            raise ComplianceError(403, f"missing scope: {', '.join(closed)}")
        missing = [permission for permission in self.all_of if permission not in client.permissions]
        if missing:
            raise PlatformError(
                403,
                "Unable to perform the requested action. "
                "You are missing the following permission(s): {permissions}",
                "missing.permissions",
                {"permissions": ", ".join(missing)},
            )
        if self.any_of and not client.permissions.intersection(self.any_of):
            raise PlatformError(
                403,
                "Unable to perform the requested action. "
                "You must have at least one of the following permissions assigned: {permissions}",
                "missing.any.permissions",
                {"permissions": ", ".join(self.any_of)},
            )


NOTHING = Needs()


@dataclass(slots=True)
class Token:
    value: str
    client: Client
    expires_at: datetime
    revoked: bool = False
    window_ends_at: datetime | None = None
    count: int = 0


@dataclass(slots=True)
class Access:
    clients: Mapping[str, Client]
    token_life_s: int
    rate_limit_per_minute: int
    token_rate_limit_per_minute: int | None
    tokens: dict[str, Token] = field(default_factory=dict)
    _asked: dict[str, list[datetime]] = field(default_factory=dict)

    def token_request(self, client_id: str, secret: str, grant_type: str, now: datetime) -> Token:
        """Raises: OAuthError 400 for an unknown client or grant, 401 for a wrong secret, 429 for too many."""
        client = self.clients.get(client_id)
        if client is None:
            raise OAuthError(400, "invalid_client", "client not found: invalid_client")
        if not secrets.compare_digest(secret.encode(), client.secret.encode()):
            raise OAuthError(401, "invalid_client", "authentication failed: invalid_client")
        if grant_type != "client_credentials":
            raise OAuthError(
                400, "unsupported_grant_type", f"expected client_credentials, found {grant_type!r}"
            )
        asked = [at for at in self._asked.get(client_id, []) if now - at < timedelta(minutes=1)]
        if self.token_rate_limit_per_minute is not None and len(asked) >= self.token_rate_limit_per_minute:
            raise OAuthError(429, "rate_limit_exceeded", "too many token requests for this client")
        self._asked[client_id] = [*asked, now]
        token = Token(secrets.token_urlsafe(64), client, now + timedelta(seconds=self.token_life_s))
        self.tokens[token.value] = token
        return token

    def holder(self, authorization: str) -> Token | None:
        """The token of an Authorization header, alive or not."""
        scheme, _, value = authorization.partition(" ")
        return self.tokens.get(value) if scheme.lower() == "bearer" else None

    def authenticate(self, authorization: str, now: datetime) -> Token:
        """Raises: PlatformError 401."""
        if not authorization:
            raise PlatformError(
                401,
                "No authentication bearer token specified in authorization header.",
                "authentication.required",
            )
        token = self.holder(authorization)
        if token is None or token.revoked or token.expires_at <= now:
            raise PlatformError(401, "Invalid login credentials.", "bad.credentials")
        return token

    def count(self, token: Token, now: datetime) -> dict[str, str]:
        """Counts one request and gives the rate limit headers.

        Raises: PlatformError 429 with Retry-After, when the minute's requests are used up.
        """
        if token.window_ends_at is None or now >= token.window_ends_at:
            token.window_ends_at, token.count = now + timedelta(seconds=60), 0
        token.count += 1
        reset_s = max(1, math.ceil((token.window_ends_at - now).total_seconds()))
        headers = {
            "inin-ratelimit-count": str(token.count),
            "inin-ratelimit-allowed": str(self.rate_limit_per_minute),
            "inin-ratelimit-reset": str(reset_s),
        }
        if token.count > self.rate_limit_per_minute:
            raise PlatformError(
                429,
                "Rate limit exceeded the maximum. Retry the request in [{seconds}] seconds",
                "too.many.requests.retry.after",
                {"seconds": str(reset_s)},
                {
                    "key": "client.credentials.token.rate.per.minute",
                    "namespace": "platform.api",
                    "value": str(self.rate_limit_per_minute),
                },
                headers | {"Retry-After": str(reset_s)},
            )
        return headers


def open_access(seed: int, organization: Organization) -> Access:
    lacks = {"full": frozenset[str](), "limited": LIMITED_LACKS} | dict(organization.lacks)
    roles: tuple[Role, ...] = ("full", "limited")
    clients = [
        Client(
            uuid_for(seed, "client", role),
            digest_of(seed, "secret", role).hex()[:43],
            role,
            FULL - lacks[role],
            SCOPES - lacks[role],
        )
        for role in roles
    ]
    return Access(
        {client.id: client for client in clients},
        organization.token_life_s,
        organization.rate_limit_per_minute,
        organization.token_rate_limit_per_minute,
    )
