"""What a dialect is made of: endpoints, each a function from a call, which brings the time, to an answer."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from local.genesys.access import NOTHING, Client, Needs
from local.genesys.errors import refused


@dataclass(frozen=True, slots=True)
class Call:
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    client: Client
    token: str
    now: datetime

    def whole(self, name: str, default: int, least: int = 1, most: int | None = None) -> int:
        """A whole number among the query parameters. Raises: PlatformError 400."""
        text = self.query.get(name)
        if text is None:
            return default
        bounds = f"a number from {least}" + (f" to {most}" if most else "")
        if not text.isascii() or not text.isdigit() or int(text) < least or (most and int(text) > most):
            raise refused(name, bounds, text, "invalid.query.param.value")
        return int(text)

    def flag(self, name: str, default: bool) -> bool:
        """A truth value among the query parameters. Raises: PlatformError 400."""
        text = self.query.get(name, str(default)).lower()
        if text not in {"true", "false"}:
            raise refused(name, "true or false", text, "invalid.query.param.value")
        return text == "true"


@dataclass(frozen=True, slots=True)
class Answer:
    """No body at all if it is None: the platform writes no null."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`template` has `{name}` for each part of the path that varies."""

    method: str
    template: str
    handle: Callable[[Call], Answer]
    needs: Needs = NOTHING

    def match(self, path: str) -> Mapping[str, str] | None:
        found = re.fullmatch(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.template), path)
        return found.groupdict() if found else None
