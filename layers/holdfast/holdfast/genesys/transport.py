"""Calls to the platform's API: the token, the vendor's errors in our words, and short trouble.

What is idempotent is repeated once at once when no answer came; everything longer belongs to the workflow. A
401 replaces the token's generation once and repeats the call once; a permission problem never does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import BaseModel, ValidationError

from holdfast.contracts.genesys import ErrorDocument
from holdfast.errors import (
    CredentialsRefused,
    PayloadTooLarge,
    PermissionMissing,
    PlatformAnswerLost,
    PlatformConflict,
    PlatformNotFound,
    PlatformRejected,
    PlatformThrottled,
    PlatformUnavailable,
)
from holdfast.genesys.retry_after import retry_after_s
from holdfast.genesys.token import AccessToken, TokenSource
from holdfast.ports import Clock

TIMEOUT_S = 20.0
_REPEATABLE = frozenset({"GET", "PUT"})
_PERMISSION_CODES = ("missing.", "not.authorized")
_LATER = frozenset({408, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform answered; `content` is empty for 204."""

    status: int
    content: bytes

    def read[Model: BaseModel](self, model: type[Model]) -> Model:
        """Read the body as a document.

        Raises:
            PlatformUnavailable: the body is none; a proxy may have answered in the platform's place.
        """
        try:
            return model.model_validate_json(self.content)
        except ValidationError:
            raise PlatformUnavailable(
                f"expected {model.__name__} from the platform, found something else"
            ) from None


class Transport:
    """Speaks HTTP with the platform."""

    def __init__(self, api: httpx.Client, tokens: TokenSource, clock: Clock) -> None:
        self._api = api
        self._tokens = tokens
        self._clock = clock

    def get(self, path: str, query: Mapping[str, str | int] | None = None) -> Answer:
        """Read something."""
        return self._call("GET", path, query=query)

    def post(self, path: str, body: BaseModel | Mapping[str, Any], *, is_repeatable: bool = False) -> Answer:
        """Send something; without an answer, its effect is unknown unless the call only reads.

        Raises:
            PlatformAnswerLost: no answer came.
        """
        return self._call("POST", path, body=body, is_repeatable=is_repeatable)

    def put(
        self, path: str, body: BaseModel | Mapping[str, Any], query: Mapping[str, str | int] | None = None
    ) -> Answer:
        """Set something; putting it twice is the same as once."""
        return self._call("PUT", path, body=body, query=query)

    def _call(
        self,
        method: str,
        path: str,
        *,
        body: BaseModel | Mapping[str, Any] | None = None,
        query: Mapping[str, str | int] | None = None,
        is_repeatable: bool = False,
    ) -> Answer:
        document = (
            body.model_dump(mode="json", by_alias=True, exclude_none=True)
            if isinstance(body, BaseModel)
            else body
        )
        is_repeatable = is_repeatable or method in _REPEATABLE
        token = self._tokens.token()
        response = self._send(method, path, document, query, token, is_repeatable=is_repeatable)
        if self._rejects_token(response, token):
            token = self._tokens.replace(token)
            response = self._send(method, path, document, query, token, is_repeatable=is_repeatable)
        if response.is_success:
            return Answer(response.status_code, response.content)
        raise self._error(method, path, response, is_repeatable=is_repeatable)

    def _send(
        self,
        method: str,
        path: str,
        document: Any,
        query: Mapping[str, str | int] | None,
        token: AccessToken,
        *,
        is_repeatable: bool,
    ) -> httpx.Response:
        for is_last in (False, True) if is_repeatable else (True,):
            try:
                return self._api.request(
                    method,
                    path,
                    json=document,
                    params=query,
                    headers={"Authorization": f"Bearer {token.value}"},
                )
            except httpx.TransportError as failure:
                if is_last:
                    lost = f"{method} {path}: no answer ({type(failure).__name__})"
                    never_sent = isinstance(failure, httpx.ConnectError | httpx.ConnectTimeout)
                    error = PlatformUnavailable if is_repeatable or never_sent else PlatformAnswerLost
                    raise error(lost) from None
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _rejects_token(self, response: httpx.Response, token: AccessToken) -> bool:
        if response.status_code == httpx.codes.UNAUTHORIZED:
            return True
        # Field reports saw stale tokens answered with 403; a permission problem says so by its code.
        return (
            response.status_code == httpx.codes.FORBIDDEN
            and not _error_document(response).code.startswith(_PERMISSION_CODES)
            and token.is_past_half_life(self._clock.now())
        )

    def _error(self, method: str, path: str, response: httpx.Response, *, is_repeatable: bool) -> Exception:
        status, document = response.status_code, _error_document(response)
        correlation = response.headers.get("ININ-Correlation-Id", "none")[:64]
        said = f"{method} {path}: {status} {document.code} (correlation {correlation})"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return PlatformThrottled(said, retry_after_s=retry_after_s(response.headers, self._clock.now()))
        if status in _LATER:
            return PlatformUnavailable(said) if is_repeatable else PlatformAnswerLost(said)
        if status == httpx.codes.UNAUTHORIZED:
            return CredentialsRefused(f"{said}: a token that was just issued is rejected")
        if status == httpx.codes.FORBIDDEN:
            permissions = _permissions(document)
            named = f", missing: {', '.join(permissions)}" if permissions else ""
            return PermissionMissing(said + named, permissions=permissions)
        if status == httpx.codes.CONFLICT:
            return PlatformConflict(said)
        kinds: dict[int, type[PlatformRejected]] = {404: PlatformNotFound, 413: PayloadTooLarge}
        return kinds.get(status, PlatformRejected)(said, status=status, code=document.code)


def _error_document(response: httpx.Response) -> ErrorDocument:
    try:
        return ErrorDocument.model_validate_json(response.content)
    except ValidationError:
        return ErrorDocument()


def _permissions(document: ErrorDocument) -> Sequence[str]:
    """Read permission names out of the error's parameters; what does not look like one is left out."""
    named = " ".join(document.message_params.values()).replace(",", " ").replace("[", " ").replace("]", " ")
    return [word for word in named.split() if word.count(":") >= 1 and len(word) < 128]
