"""Calls to the platform's API: the token, the vendor's errors in our words, and short trouble.

1. What is idempotent is repeated once, at once, when no answer came or the platform was in trouble and named
   no time to wait. Everything longer belongs to the workflow.
2. What is not idempotent is never repeated: without an answer it may have taken effect.
3. A 401 replaces the token's generation once and repeats the call once; a permission problem never does.
4. Of what the platform says, only what looks like a code, a permission or an id is handed on.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
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
_IDEMPOTENT = frozenset({"GET", "PUT", "DELETE"})
_PERMISSION_CODES = ("missing.", "not.authorized")
_IN_TROUBLE = frozenset({408, 500, 502, 503, 504})
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9._]{0,79}")
_CORRELATION = re.compile(r"[A-Za-z0-9-]{1,64}")
_PERMISSION = re.compile(r"[A-Za-z]+:[A-Za-z]+:[A-Za-z*]+")
_SCOPE = re.compile(r"[a-z]+(?::[a-z]+){1,2}")
# The compliance dialect has no codes, but sentences: those that matter, as codes.
_SENTENCES = {
    "missing scope": "missing.scope",
    "missing acknowledgement": "missing.acknowledgement",
    "stale access token": "stale.token",
    "sync in progress": "sync.in.progress",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform answered; `content` is empty for 204. Its clock is `ahead_s` of ours, if it says."""

    status: int
    content: bytes
    ahead_s: float | None = None

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

    def delete(self, path: str) -> Answer:
        """Delete something; deleting it twice is the same as once."""
        return self._call("DELETE", path)

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
        is_repeatable = is_repeatable or method in _IDEMPOTENT
        token = self._tokens.token()
        response = self._send(method, path, document, query, token, is_repeatable=is_repeatable)
        if self._rejects_token(response, token):
            token = self._tokens.replace(token)
            response = self._send(method, path, document, query, token, is_repeatable=is_repeatable)
        if response.is_success:
            return Answer(response.status_code, response.content, self._ahead_s(response))
        raise self._error(method, path, response, is_repeatable=is_repeatable)

    def _ahead_s(self, response: httpx.Response) -> float | None:
        try:
            at = parsedate_to_datetime(response.headers.get("Date", ""))
        except ValueError:
            return None
        return (at - self._clock.now()).total_seconds() if at.tzinfo else None

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
                response = self._api.request(
                    method,
                    path,
                    json=document,
                    params=query,
                    headers={"Authorization": f"Bearer {token.secret}"},
                )
            except httpx.RequestError as failure:
                if is_last:
                    said = f"{method} {path}: no answer ({type(failure).__name__})"
                    had_no_effect = is_repeatable or isinstance(failure, _NEVER_SENT)
                    raise (PlatformUnavailable if had_no_effect else PlatformAnswerLost)(said) from None
            else:
                is_repeated = response.status_code in _IN_TROUBLE and "Retry-After" not in response.headers
                if is_last or not is_repeated:
                    return response
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
        correlation = _if_like(_CORRELATION, response.headers.get("ININ-Correlation-Id", ""))
        said = f"{method} {path}: {status} {document.code or 'no code'} (correlation {correlation or 'none'})"
        if status == httpx.codes.TOO_MANY_REQUESTS:
            return PlatformThrottled(said, retry_after_s=retry_after_s(response.headers, self._clock.now()))
        if status in _IN_TROUBLE:
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
    """Read the vendor's error; what a proxy, a filter or a stranger answers is an error without a code."""
    try:
        document = ErrorDocument.model_validate_json(response.content)
    except ValidationError:
        return ErrorDocument()
    code = _if_like(_CODE, document.code) or _code_in(document.details)
    return document.model_copy(update={"code": code})


def _code_in(details: object) -> str:
    said = details if isinstance(details, str) else ""
    return next((code for sentence, code in _SENTENCES.items() if said.startswith(sentence)), "")


def _permissions(document: ErrorDocument) -> Sequence[str]:
    """Find the names of permissions in the error's parameters, for example ``recording:job:add``, or of
    scopes in its sentence.
    """
    if document.code == "missing.scope":
        return sorted(set(_SCOPE.findall(str(document.details))))
    said = " ".join(map(str, (document.message_params or {}).values()))
    return sorted(set(_PERMISSION.findall(said)))


def _if_like(pattern: re.Pattern[str], text: str) -> str:
    return text if pattern.fullmatch(text) else ""
