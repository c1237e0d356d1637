"""The register: every object of a matter, what happened to its conversation, and the account it stands in.

It is built from sealed files alone, one line at a time, in a database file of its own: memory does not grow
with the matter, and the same lines give the same register in whatever order they come.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Self

from holdfast.domain.custody import DriftKind, EventType
from holdfast.domain.moments import from_text

_SCHEMA = """
CREATE TABLE objects(
  bucket TEXT, key TEXT, version_id TEXT, size_bytes INT, sha256 TEXT, role TEXT, conversation_id TEXT,
  recording_id TEXT, medium TEXT, arrived_ms INT, secured_ms INT, omitted_tags TEXT,
  PRIMARY KEY(key, version_id)) WITHOUT ROWID;
CREATE TABLE digests(key TEXT, version_id TEXT, sha256 TEXT, PRIMARY KEY(key, version_id)) WITHOUT ROWID;
CREATE TABLE gone(
  key TEXT, version_id TEXT, is_disposal INT, PRIMARY KEY(key, version_id)) WITHOUT ROWID;
CREATE TABLE happenings(conversation_id TEXT, type TEXT, at_ms INT);
CREATE TABLE incidents(
  type TEXT, at_ms INT, conversation_id TEXT, details TEXT, event_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE conversations(
  request INT, conversation_id TEXT, medium TEXT, day TEXT, standing TEXT, reason TEXT,
  PRIMARY KEY(conversation_id, request)) WITHOUT ROWID;
CREATE TABLE recordings(
  request INT, recording_id TEXT, conversation_id TEXT, medium TEXT, day TEXT, standing TEXT, reason TEXT);
CREATE TABLE exceptions(
  request INT, reason TEXT, meaning TEXT, standing TEXT, medium TEXT, conversation_id TEXT,
  recording_id TEXT);
"""
# A recording or conversation that several requests account for stands as the last of them found it.
_ROWS = """
CREATE INDEX by_recording ON objects(recording_id) WHERE medium <> '';
CREATE INDEX by_type ON happenings(type, at_ms);
CREATE INDEX by_conversation ON happenings(conversation_id, type, at_ms);
CREATE INDEX by_account ON recordings(recording_id, request);
CREATE TABLE rows AS
SELECT row_number() OVER (ORDER BY c.day IS NULL, c.day, o.conversation_id, o.recording_id, o.key,
         o.arrived_ms, o.version_id) AS number,
  o.bucket, o.key, o.version_id, o.size_bytes, coalesce(nullif(o.sha256, ''), d.sha256, '') AS sha256, o.role,
  o.conversation_id, o.recording_id,
  coalesce(nullif(o.medium, ''),
    (SELECT s.medium FROM objects s WHERE s.recording_id = o.recording_id AND s.medium <> ''
      AND o.recording_id <> '' LIMIT 1),
    (SELECT r.medium FROM recordings r WHERE r.recording_id = o.recording_id ORDER BY r.request DESC LIMIT 1),
    c.medium, 'unknown') AS medium,
  o.arrived_ms, o.secured_ms, o.omitted_tags, coalesce(c.day, '') AS day,
  coalesce(c.standing, '') AS platform, coalesce(c.reason, '') AS platform_reason,
  coalesce((SELECT h.type FROM happenings h WHERE h.conversation_id = o.conversation_id
    AND o.conversation_id <> '' AND h.type IN ('lifted', 'relocked') ORDER BY h.at_ms DESC LIMIT 1), '')
    = 'lifted' AS is_let_go,
  EXISTS (SELECT 1 FROM gone g WHERE g.key = o.key AND g.version_id = o.version_id) AS is_gone,
  EXISTS (SELECT 1 FROM gone g WHERE g.key = o.key AND g.version_id = o.version_id AND g.is_disposal)
    AS is_disposed
FROM objects o
LEFT JOIN digests d ON d.key = o.key AND d.version_id = o.version_id
LEFT JOIN conversations c ON c.conversation_id = o.conversation_id AND c.request =
  (SELECT max(l.request) FROM conversations l WHERE l.conversation_id = o.conversation_id);
CREATE UNIQUE INDEX by_number ON rows(number);
CREATE TABLE latest_recordings AS
SELECT * FROM recordings r WHERE r.recording_id IS NULL OR r.rowid =
  (SELECT l.rowid FROM recordings l WHERE l.recording_id = r.recording_id
    ORDER BY l.request DESC, l.rowid LIMIT 1);
CREATE TABLE latest_conversations AS
SELECT * FROM conversations c WHERE c.request =
  (SELECT max(l.request) FROM conversations l WHERE l.conversation_id = c.conversation_id);
"""
_SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,149}")
INSERT_EVERY = 5_000
# Interference from outside and its repair, and what people decided about exceptions.
INCIDENTS = {"drift_found", "drift_repaired", "exception_resolved"}


@dataclass(frozen=True, slots=True)
class Row:
    """One object version as the package lists it; times in milliseconds since 1970, UTC.

    `path` is where its bytes lie in the package, or would; `platform` is the standing of its conversation at
    the platform. `sha256` is empty while the digest is pending.
    """

    number: int
    bucket: str
    key: str
    version_id: str
    size_bytes: int
    sha256: str
    role: str
    conversation_id: str
    recording_id: str
    medium: str
    arrived_ms: int
    secured_ms: int
    omitted_tags: str
    day: str
    platform: str
    platform_reason: str
    is_let_go: bool
    is_gone: bool
    is_disposed: bool
    path: str

    @property
    def is_listed(self) -> bool:
        """Tell whether the package can promise its bytes: the digest is known, and it is still there."""
        return bool(self.sha256) and not self.is_gone

    @property
    def lag_ms(self) -> int:
        """Tell how long it lay in the bucket before lock, digest, tags and receipt were done."""
        return max(0, self.secured_ms - self.arrived_ms)


@dataclass(frozen=True, slots=True)
class Exceptional:
    """One exception, as a request's file of exceptions has it; `request` counts the requests from 1."""

    request: int
    reason: str
    meaning: str
    standing: str
    medium: str
    conversation_id: str
    recording_id: str


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that is not the ordinary course: what, when (ms since 1970), to whom, and its details."""

    type: str
    at_ms: int
    conversation_id: str
    details: str


class Register:
    """Takes in a matter's lines, then answers; use it as a context, which removes nothing but closes it."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        # One thread works with it at a time; which one closes it, nobody can say.
        self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        # A register that is lost is built anew.
        self._database.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA + "BEGIN;")
        self._waiting: dict[str, list[tuple[object, ...]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    # --- what goes in

    def add_entry(self, canonical: bytes) -> Mapping[str, Any]:
        """Take in one sealed entry; answers its document, so that the caller sees accounts and releases."""
        document: dict[str, Any] = json.loads(canonical)
        match document.get("kind"):
            case "receipt":
                self._add_receipt(document)
            case "event":
                self._add_event(document)
        return document

    def _add_receipt(self, receipt: Mapping[str, Any]) -> None:
        self._put(
            "objects",
            (
                receipt["bucket"],
                receipt["key"],
                receipt["version_id"],
                receipt["size_bytes"],
                receipt.get("sha256", ""),
                receipt["role"],
                receipt.get("conversation_id", ""),
                receipt.get("recording_id", ""),
                receipt.get("medium", ""),
                _milliseconds(receipt["arrived_at"]),
                _milliseconds(receipt["secured_at"]),
                ", ".join(receipt.get("omitted_tags", ())),
            ),
        )

    def _add_event(self, event: Mapping[str, Any]) -> None:
        details = event.get("details", {})
        if event["type"] == "digest_added":
            self._put("digests", (details["key"], details["version_id"], details["sha256"]))
        is_disposal = event["type"] == EventType.DISPOSED
        if is_disposal or details.get("drift") == DriftKind.VERSION_GONE:
            self._put("gone", (details["key"], details["version_id"], is_disposal))
        at_ms, conversation_id = _milliseconds(event["at"]), event.get("conversation_id", "")
        self._put("happenings", (conversation_id, event["type"], at_ms))
        if event["type"] in INCIDENTS:
            named = ((name.replace("_", " "), value) for name, value in sorted(details.items()))
            told = ", ".join(f"{name}: {value}" for name, value in named)
            self._put("incidents", (event["type"], at_ms, conversation_id, told, event["event_id"]))

    def add_account(self, request: int, line: bytes) -> None:
        """Take in one line of a request's account; requests are counted from 1, in the order of the log."""
        document: dict[str, Any] = json.loads(line)
        shared = (document["medium"], document["day"], document["standing"], document["reason"])
        if document["kind"] == "recording":
            ids = (document["recording_id"], document["conversation_id"])
            self._put("recordings", (request, *ids, *shared))
        else:
            self._put("conversations", (request, document["conversation_id"], *shared))

    def add_exception(self, request: int, line: bytes) -> None:
        """Take in one line of a request's exceptions."""
        document: dict[str, Any] = json.loads(line)
        names = ("reason", "meaning", "standing", "medium", "conversation_id", "recording_id")
        self._put("exceptions", (request, *(document[name] or "" for name in names)))

    def _put(self, table: str, values: tuple[object, ...]) -> None:
        waiting = self._waiting.setdefault(table, [])
        waiting.append(values)
        if len(waiting) >= INSERT_EVERY:
            self._insert(table)

    def _insert(self, table: str) -> None:
        waiting = self._waiting.pop(table)
        places = ",".join("?" * len(waiting[0]))
        # table: one of our own names
        self._database.executemany(f"INSERT OR IGNORE INTO {table} VALUES({places})", waiting)

    def complete(self) -> None:
        """Say that everything is in; answers can be asked for from now on."""
        for table in list(self._waiting):
            self._insert(table)
        self._database.executescript(_ROWS)

    # --- what comes out

    def rows(self, limit: int = -1) -> Iterator[Row]:
        """Give every object by day, conversation and recording."""
        cursor = self._database.execute("SELECT * FROM rows ORDER BY number LIMIT ?", (limit,))
        folder, names = "", set[str]()
        for values in cursor:
            key, conversation_id = values[2], values[7]
            if folder != (conversation_id or "jobs"):
                folder, names = conversation_id or "jobs", set()
            path = f"data/media/{folder}/{_name_in(names, key)}"
            fields: list[Any] = [*values[:-3], *map(bool, values[-3:]), path]
            yield Row(*fields)

    def exceptions(self, limit: int = -1) -> Iterator[Exceptional]:
        """Give every exception in the order of the requests' files."""
        cursor = self._database.execute("SELECT * FROM exceptions ORDER BY rowid LIMIT ?", (limit,))
        yield from (Exceptional(*values) for values in cursor)

    def incidents(self, limit: int = -1) -> Iterator[Incident]:
        """Give what was not the ordinary course, in order."""
        yield from (
            Incident(*values)
            for values in self._database.execute(
                "SELECT type, at_ms, conversation_id, details FROM incidents"
                " ORDER BY at_ms, event_id LIMIT ?",
                (limit,),
            )
        )

    def count_rows(self) -> int:
        """Count the objects."""
        return self._one("SELECT count(*) FROM rows")

    def count_let_go(self) -> int:
        """Count the objects whose lock a release has lifted, and nobody set again."""
        return self._one("SELECT count(*) FROM rows WHERE is_let_go")

    def count_exceptions(self) -> int:
        """Count the exceptions."""
        return self._one("SELECT count(*) FROM exceptions")

    def media_size_bytes(self) -> int:
        """Add up the sizes of all objects that the package lists."""
        return self._one("SELECT coalesce(sum(size_bytes), 0) FROM rows WHERE sha256 <> '' AND NOT is_gone")

    def media_files(self) -> int:
        """Count the objects that the package lists."""
        return self._one("SELECT count(*) FROM rows WHERE sha256 <> '' AND NOT is_gone")

    def exceptions_by_reason(self) -> list[tuple[str, str, str, int]]:
        """Give reason, meaning, standing and how often: the gravest first, then the most frequent."""
        return self._all(
            "SELECT reason, meaning, standing, count(*) FROM exceptions GROUP BY reason, meaning, standing"
            " ORDER BY standing <> 'missing', count(*) DESC, reason"
        )

    def standings(self, kind: str, by: str) -> list[tuple[str, Counter[str]]]:
        """Count recordings or conversations by medium or day, and by standing; each counts once.

        What belongs to no day stands under an empty one.
        """
        table = {"recording": "latest_recordings", "conversation": "latest_conversations"}[kind]
        column = {"medium": "medium", "day": "day"}[by]
        counts: dict[str, Counter[str]] = {}
        for group, standing, count in self._all(
            f"SELECT coalesce({column}, ''), standing, count(*) FROM {table}"  # nosec B608 # noqa: S608 - our own names
            " GROUP BY 1, 2 ORDER BY 1"
        ):
            counts.setdefault(group, Counter())[standing] = count
        return list(counts.items())

    def moments(self, kind: str) -> Iterator[int]:
        """Give the times of what happened, ascending: `arrived`, `secured`, or a type of custody event."""
        query = {
            "arrived": "SELECT arrived_ms FROM objects ORDER BY 1",
            "secured": "SELECT secured_ms FROM objects ORDER BY 1",
        }.get(kind, "SELECT at_ms FROM happenings WHERE type = :kind ORDER BY 1")
        parameters = {"kind": kind} if ":kind" in query else {}
        yield from (at_ms for (at_ms,) in self._database.execute(query, parameters))

    def lags_ms(self) -> list[tuple[int, int]]:
        """Give each hold lag, rounded up to three digits, and how many objects had it, ascending."""
        counts: Counter[int] = Counter()
        for lag_ms, count in self._database.execute(
            "SELECT max(0, secured_ms - arrived_ms), count(*) FROM objects GROUP BY 1"
        ):
            unit = 10 ** max(0, len(str(lag_ms)) - 3)
            counts[-(-lag_ms // unit) * unit] += count
        return sorted(counts.items())

    def happenings(self) -> Counter[str]:
        """Count the custody events by type."""
        return Counter(dict(self._all("SELECT type, count(*) FROM happenings GROUP BY type")))

    def _one(self, query: str) -> int:
        (answer,) = self._database.execute(query).fetchone()
        return int(answer)

    def _all(self, query: str) -> list[Any]:
        return self._database.execute(query).fetchall()


@contextmanager
def temporary_register() -> Iterator[Register]:
    """Give a register in a file that is gone afterwards; it takes some 700 bytes an object."""
    with TemporaryDirectory() as folder, Register(Path(folder) / "register.sqlite") as register:
        yield register


def _name_in(names: set[str], key: str) -> str:
    """Name a file after the object's own file, where that is safe on every file system, and once per folder.

    Names are compared without regard to case: some file systems do.
    """
    plain = key.rpartition("/")[2]
    if not _SAFE_NAME.fullmatch(plain):
        plain = "object"
    name, version = plain, 1
    while name.lower() in names:
        version += 1
        name = f"v{version}-{plain}"
    names.add(name.lower())
    return name


def _milliseconds(text: str) -> int:
    return round(from_text(text).timestamp() * 1000)


def to_moment(at_ms: int) -> datetime:
    """Read milliseconds since 1970 as a time in UTC."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)
