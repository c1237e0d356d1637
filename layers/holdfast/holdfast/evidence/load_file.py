"""The load file: one line per object, for a review platform.

The convention is Concordance's: fields apart by 0x14, each within þ, a line break inside a field as ®, the
names of the fields first, UTF-8 with a byte order mark. The same lines as CSV are for everybody else.
What is named by others (keys, file names) is percent-encoded, so that no name can break a line, pass for a
delimiter or for a formula.
Source: CloudNine Concordance documentation, "Delimiters"; the review platforms' import pages name the same
characters as their defaults (read 2026-11-21).
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from urllib.parse import quote

from holdfast.domain.ids import MatterId
from holdfast.domain.moments import to_text
from holdfast.evidence.register import Exceptional, Row, to_moment

FIELD, QUOTE, LINE_BREAK = "\x14", "þ", "®"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_BREAKS = re.compile(r"\r\n|[\r\n\x0b\x0c\x85\u2028\u2029]")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


type Family = tuple[str, str]
"""Control numbers of the first and the last object of a recording."""

FIELDS: Mapping[str, tuple[str, Callable[[Row, MatterId, Family], str]]] = {
    "BEGDOC": (
        "control number: the matter and the object's place in the list",
        lambda row, matter, _: control_number(matter, row.number),
    ),
    "ENDDOC": (
        "the same: one object is one document",
        lambda row, matter, _: control_number(matter, row.number),
    ),
    "BEGATTACH": (
        "first control number of the recording's family: media and sidecar",
        lambda _r, _m, f: f[0],
    ),
    "ENDATTACH": ("last control number of the family", lambda _r, _m, f: f[1]),
    "MATTERID": ("the matter", lambda _r, matter, _f: matter),
    "CONVERSATIONID": ("the platform's id of the conversation", lambda row, _m, _f: row.conversation_id),
    "RECORDINGID": ("the platform's id of the recording", lambda row, _m, _f: row.recording_id),
    "CONVERSATIONDATE": ("UTC day on which the conversation began", lambda row, _m, _f: row.day),
    "MEDIUM": ("voice, chat, email, message, callback, screen or unknown", lambda row, _m, _f: row.medium),
    "DOCTYPE": (
        (
            "media, sidecar (the platform's metadata of a recording), other (a file beside the recordings) or"
            " manifest (what an export job says it wrote)"
        ),
        lambda row, _m, _f: row.role,
    ),
    "FILENAME": (
        "the file's name in S3, percent-encoded",
        lambda row, _m, _f: quote(row.key.rpartition("/")[2], safe=""),
    ),
    "FILEEXT": ("its extension, percent-encoded", lambda row, _m, _f: _extension(row.key)),
    "FILESIZE": ("bytes", lambda row, _m, _f: str(row.size_bytes)),
    "SHA256": ("of the bytes as read back from S3; empty while pending", lambda row, _m, _f: row.sha256),
    "NATIVEPATH": (
        "where the bytes lie in the package; empty while the digest is pending, and when it is gone",
        lambda row, _m, _f: row.path if row.is_listed else "",
    ),
    "S3BUCKET": ("the evidence bucket", lambda row, _m, _f: row.bucket),
    "S3KEY": ("the object's key, percent-encoded", lambda row, _m, _f: quote(row.key)),
    "S3VERSION": ("the version's id", lambda row, _m, _f: row.version_id),
    "DATEARRIVED": (
        "when S3 had it: RFC 3339 in UTC with milliseconds",
        lambda row, _m, _f: to_text(to_moment(row.arrived_ms)),
    ),
    "DATESECURED": (
        "when it was locked, hashed and tagged; likewise",
        lambda row, _m, _f: to_text(to_moment(row.secured_ms)),
    ),
    "HOLDLAGMS": ("milliseconds from arrival to secured", lambda row, _m, _f: str(row.lag_ms)),
    "LEGALHOLD": (
        "ON; by the sealed entries RELEASED, DISPOSED (after its release) or GONE (deleted otherwise)",
        lambda row, _m, _f: _standing(row),
    ),
    "PLATFORMHOLD": (
        "whether its conversation is held at the platform: held_at_platform, explained or missing",
        lambda row, _m, _f: row.platform,
    ),
    "PLATFORMREASON": ("why not, if it is not", lambda row, _m, _f: row.platform_reason),
    "OMITTEDTAGS": ("our tags for which the object had no room", lambda row, _m, _f: row.omitted_tags),
}


def control_number(matter_id: MatterId, number: int) -> str:
    """Name a document: the numbers sort as the list does."""
    return f"{matter_id}-{number:08d}"


def dat_lines(matter_id: MatterId, rows: Iterable[Row]) -> Iterator[bytes]:
    """Write the load file; its first line names the fields."""
    yield BYTE_ORDER_MARK + dat_line(list(FIELDS))
    yield from (dat_line(values) for values in _documents(matter_id, rows))


def dat_line(values: Sequence[str]) -> bytes:
    """Write one line; what would end a field or the line is replaced by what the convention has for it."""
    return (FIELD.join(f"{QUOTE}{_in_dat(value)}{QUOTE}" for value in values) + "\r\n").encode()


def csv_lines(matter_id: MatterId, rows: Iterable[Row]) -> Iterator[bytes]:
    """Write the same as CSV (RFC 4180)."""
    yield BYTE_ORDER_MARK + csv_line(list(FIELDS))
    yield from (csv_line(values) for values in _documents(matter_id, rows))


EXCEPTION_FIELDS = ("request", "standing", "reason", "meaning", "medium", "conversation_id", "recording_id")


def exception_lines(exceptions: Iterable[Exceptional]) -> Iterator[bytes]:
    """Write the exceptions as CSV."""
    yield BYTE_ORDER_MARK + csv_line(EXCEPTION_FIELDS)
    yield from (csv_line([str(getattr(one, name)) for name in EXCEPTION_FIELDS]) for one in exceptions)


def csv_line(values: Sequence[str]) -> bytes:
    """Write one line; a value that a spreadsheet would take for a formula gets an apostrophe before it."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(
        f"'{value}" if value.startswith(_FORMULA) else value for value in values
    )
    return line.getvalue().encode()


def _documents(matter_id: MatterId, rows: Iterable[Row]) -> Iterator[list[str]]:
    for _, group in groupby(rows, key=lambda row: (row.conversation_id, row.recording_id or row.number)):
        family = list(group)
        ends = (control_number(matter_id, family[0].number), control_number(matter_id, family[-1].number))
        for row in family:
            yield [value(row, matter_id, ends) for _, value in FIELDS.values()]


def _in_dat(value: str) -> str:
    return _BREAKS.sub(LINE_BREAK, value).replace(QUOTE, QUOTE * 2).replace(FIELD, " ")


def _standing(row: Row) -> str:
    if row.is_gone:
        return "DISPOSED" if row.is_disposed else "GONE"
    return "RELEASED" if row.is_let_go else "ON"


def _extension(key: str) -> str:
    _, dot, extension = key.rpartition("/")[2].rpartition(".")
    return quote(extension, safe="") if dot else ""
