"""What was asked and how it ended: one JSON line per request, without secrets."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class RequestLog:
    """Keeps the entries, and writes them to a file if there is one."""

    def __init__(self, path: Path | None = None) -> None:
        self.entries: list[dict[str, Any]] = []
        self._file = None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8")

    def add(self, entry: dict[str, Any]) -> None:
        self.entries.append(entry)
        if self._file is not None:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def redacted(headers: Mapping[str, str]) -> dict[str, str]:
    """The same headers with a short digest instead of the credentials: one can still see which were equal."""
    shown = {name.lower(): value for name, value in headers.items()}
    if value := shown.get("authorization"):
        scheme, _, credentials = value.partition(" ")
        shown["authorization"] = f"{scheme} sha256:{hashlib.sha256(credentials.encode()).hexdigest()[:12]}"
    return shown
