"""The request faults of a scenario: which rule meets a request, and what it does to the answer."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from fnmatch import fnmatchcase
from typing import Any

from local.genesys.access import Role
from local.genesys.errors import PlatformError
from local.genesys.scenario import RequestFault, Then


@dataclass(slots=True)
class Faults:
    """Every rule counts the requests that fit it; the first whose turn it is meets the request."""

    rules: Sequence[RequestFault]
    _seen: dict[int, int] = field(default_factory=dict)
    _met: dict[int, int] = field(default_factory=dict)

    def meet(self, method: str, path: str, role: Role | None) -> Then | None:
        chosen: Then | None = None
        for number, rule in enumerate(self.rules):
            when = rule.when
            if when.method not in {None, method} or when.client not in {None, role}:
                continue
            if not fnmatchcase(path, when.path):
                continue
            count = self._seen[number] = self._seen.get(number, 0) + 1
            turn = (
                count == when.nth
                if when.nth is not None
                else count >= when.from_nth and (count - when.from_nth + 1) % when.every == 0
            )
            if (
                not turn
                or chosen is not None
                or (when.times is not None and self._met.get(number, 0) >= when.times)
            ):
                continue
            self._met[number] = self._met.get(number, 0) + 1
            chosen = rule.then
        return chosen


def canned(
    then: Then, shape: Callable[[PlatformError], dict[str, Any]], now: datetime
) -> tuple[int, bytes, dict[str, str]]:
    """The answer that the rule itself gives: status, body, headers. `shape` is the dialect's of an error."""
    status = then.status or 500
    body: Any = then.body
    if body is None:
        error = PlatformError(status, then.message or "The request failed.", then.code, then.message_params)
        body = shape(error)
    content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = {"content-type": "application/json"} | dict(then.headers)
    match then.retry_after:
        case None:
            pass
        case {"date_in_s": seconds}:
            headers["Retry-After"] = format_datetime(now + timedelta(seconds=seconds), usegmt=True)
        case {"raw": text}:
            headers["Retry-After"] = text
        case seconds:
            headers["Retry-After"] = f"{seconds:g}"
    return status, content, headers
