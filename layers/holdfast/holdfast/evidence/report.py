"""The report: one page that needs nothing but a browser.

Everything on it is from sealed files. Its rows travel as data inside the page, escaped so that no name in
them can end the script they stand in; the page's own style and script are the only ones its policy allows.
"""

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from itertools import islice
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from holdfast.evidence import pictures
from holdfast.evidence.papers import environment, page
from holdfast.evidence.register import INCIDENTS, Exceptional, Register, Row, to_moment
from holdfast.evidence.wording import (
    MEDIUM_NAMES,
    duration_in_words,
    moment_in_words,
    scope_in_words,
    size_in_words,
    text_in_words,
)

if TYPE_CHECKING:
    from holdfast.evidence.package import Matter

# More rows than this make a page that browsers are slow to open; the load file has them all.
MOST_ROWS = 100_000
MOST_EXCEPTIONS = 20_000
MOST_REQUESTS = 200
MOST_CUSTODIANS = 1_000
MOST_SEALS = 500
MOST_INCIDENTS = 500
PRINTED_ROWS = 1_000

# Escaped text cannot contain it.
_DATA = "<rows>"
# What would act on the text around it, or cannot be seen, is spelled out. Joiners within emoji stay.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)
_STAGES = {
    "claimed": ("Selected", "conversations claimed for the matter"),
    "arrived": ("Exported", "objects that arrived in the evidence bucket"),
    "secured": ("Locked and hashed", "objects with lock, digest, tags and receipt"),
    "held_at_platform": ("Held at the platform", "conversations whose protection was read back"),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of the timeline; times in words, empty if nothing happened."""

    name: str
    title: str
    meaning: str
    count: int
    first: str
    median: str
    last: str


def visible(text: object) -> str:
    """Spell out characters that cannot be seen or that turn the text around them."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", str(text))


def report_chunks(matter: "Matter") -> Iterator[bytes]:
    """Write the page."""
    rendered = _template().render(**_shown(matter))
    before, _, after = rendered.partition(_DATA)
    yield before.encode()
    yield from (chunk.encode() for chunk in _rows_json(matter.register))
    yield after.encode()


def in_script(document: object) -> str:
    """Write JSON that may stand within a script element: none of its characters can end it."""
    text = json.dumps(document, separators=(",", ":"))
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


@cache
def _template() -> Any:
    made = environment().overlay()
    made.filters["visible"] = visible
    made.filters["number"] = lambda count: f"{count:,}"
    made.filters["size"] = size_in_words
    made.filters["when"] = text_in_words
    made.filters["medium"] = lambda medium: MEDIUM_NAMES.get(medium, medium)
    made.filters["words"] = lambda code: str(code).replace("_", " ")
    return made.get_template("report.html")


def _source_of(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _shown(matter: "Matter") -> dict[str, Any]:
    """Gather what the page says."""
    register = matter.register
    style, script = page("report.css"), page("report.js")
    by_medium = register.standings("recording", "medium")
    by_day = [(day, counts) for day, counts in register.standings("recording", "day") if day]
    recordings = sum((counts for _, counts in by_medium), Counter[str]())
    conversations_by_medium = dict(register.standings("conversation", "medium"))
    conversations = sum(conversations_by_medium.values(), Counter[str]())
    lags = register.lags_ms()
    stages = {name: _stage(register, name) for name in _STAGES}
    return {
        "policy": f"default-src 'none'; style-src {_source_of(style)}; script-src {_source_of(script)};"
        " base-uri 'none'; form-action 'none'",
        # Both are ours, and neither holds anything of a matter's.
        "style": Markup(style),  # nosec B704 # noqa: S704
        "script": Markup(script),  # nosec B704 # noqa: S704
        "data": Markup(_DATA),  # nosec B704 # noqa: S704
        "matter": matter,
        "title": matter.titles[0] if matter.titles else matter.matter_id,
        "verdict": _verdict(matter),
        "requests": matter.requests[-MOST_REQUESTS:],
        "scopes": {one.number: scope_in_words(one.body["scope"]) for one in matter.requests[-MOST_REQUESTS:]},
        "recordings": recordings,
        "conversations": conversations,
        "by_medium": by_medium,
        "conversations_by_medium": conversations_by_medium,
        "undated": sum(dict(register.standings("recording", "day")).get("", Counter[str]()).values()),
        "by_day": by_day,
        "days": pictures.day_bars(by_day),
        "objects": register.count_rows(),
        "objects_shown": min(MOST_ROWS, register.count_rows()),
        "let_go": register.count_let_go(),
        "objects_size": register.media_size_bytes(),
        "media_files": register.media_files(),
        "stages": [stage for stage, _ in stages.values()],
        "progress": pictures.progress_lines({name: times for name, (_, times) in stages.items()}),
        "lags": lags,
        "lag_bars": pictures.lag_bars(lags),
        "quantiles": [
            (name, duration_in_words(pictures.quantile_ms(lags, share)))
            for name, share in (("Half", 0.5), ("95 of 100", 0.95), ("99 of 100", 0.99), ("All", 1.0))
        ]
        if lags
        else [],
        "incidents": [
            (one.type, moment_in_words(to_moment(one.at_ms)), one.conversation_id, one.details)
            for one in register.incidents(MOST_INCIDENTS)
        ],
        "incidents_in_all": sum(register.happenings()[name] for name in INCIDENTS),
        "reasons": register.exceptions_by_reason(),
        "exceptions": register.count_exceptions(),
        "exceptions_shown": min(MOST_EXCEPTIONS, register.count_exceptions()),
        "custodians": list(_custodians(matter).items())[:MOST_CUSTODIANS],
        "custodians_in_all": len(_custodians(matter)),
        "happenings": register.happenings(),
        "seals": [(seal.says, seal.sha256) for seal in matter.seals[-MOST_SEALS:]],
        "printed_rows": PRINTED_ROWS,
        "picture": {"width": pictures.WIDTH, "height": pictures.HEIGHT},
    }


def _verdict(matter: "Matter") -> str:
    """Say of the matter what its last request came to, unless an earlier one is incomplete."""
    verdicts: dict[str, str] = {}
    for request in matter.requests:
        verdicts[str(request.account["request_id"])] = str(request.account["verdict"]).lower()
    if not verdicts:
        return "unaccounted"
    return "incomplete" if "incomplete" in verdicts.values() else "preserved"


def _custodians(matter: "Matter") -> Mapping[str, list[int]]:
    """Name every custodian that a request names, with the requests' numbers."""
    found: dict[str, list[int]] = {}
    for request in matter.requests:
        for custodian in request.body["scope"].get("custodians", ()):
            found.setdefault(custodian, []).append(request.number)
    return found


def _stage(register: Register, name: str) -> tuple[Stage, list[int]]:
    """Say when a stage began and ended, and give moments to draw it by."""
    count = sum(1 for _ in register.moments(name))
    title, meaning = _STAGES[name]
    first = median = last = ""
    if count:
        times = enumerate(register.moments(name))
        wanted = {0: "", (count - 1) // 2: "", count - 1: ""}
        for place, at in times:
            if place in wanted:
                wanted[place] = f"{to_moment(at):%Y-%m-%d %H:%M:%S}"
        first, median, last = wanted[0], wanted[(count - 1) // 2], wanted[count - 1]
    return Stage(name, title, meaning, count, first, median, last), pictures.sample(
        register.moments(name), count
    )


# --- the rows as data


@dataclass(slots=True)
class _Words:
    """A column of few different words: each once, and per row which one."""

    of: dict[str, int] = field(default_factory=dict)
    at: list[int] = field(default_factory=list)

    def add(self, word: str) -> None:
        self.at.append(self.of.setdefault(word, len(self.of)))

    def document(self) -> dict[str, object]:
        return {"of": list(self.of), "at": self.at}


@dataclass(slots=True)
class _Names:
    """A column of names that resemble the one before: how much is shared with it, and the rest."""

    shared: list[int] = field(default_factory=list)
    rest: list[str] = field(default_factory=list)
    last: str = ""

    def add(self, name: str) -> None:
        # Counted in UTF-16 units, as the page's script does; never within a pair of them.
        same = len(commonprefix((self.last, name)))  # noqa: RUF071 - characters are what is meant
        self.shared.append(len(name[:same].encode("utf-16-le")) // 2)
        self.rest.append(name[same:])
        self.last = name

    def document(self) -> dict[str, object]:
        return {"shared": self.shared, "rest": self.rest}


def _rows_json(register: Register) -> Iterator[str]:
    """Write objects and exceptions column by column."""
    yield '{"objects":'
    yield from _columns_json(_object_columns(islice(register.rows(), MOST_ROWS)))
    yield ',"exceptions":'
    yield from _columns_json(_exception_columns(register.exceptions(MOST_EXCEPTIONS)))
    yield "}"


def _columns_json(columns: Mapping[str, object]) -> Iterator[str]:
    opening = "{"
    for name, column in columns.items():
        yield f"{opening}{in_script(name)}:{in_script(column)}"
        opening = ","
    yield "}"


def _object_columns(rows: Iterable[Row]) -> Mapping[str, object]:
    words = {name: _Words() for name in _WORD_COLUMNS}
    names = {name: _Names() for name in ("key", "path")}
    plain: dict[str, list[object]] = {name: [] for name in _PLAIN_COLUMNS}
    for row in rows:
        for name, column in words.items():
            column.add(str(getattr(row, name)))
        for name, named in names.items():
            named.add(str(getattr(row, name)))
        for name, values in plain.items():
            values.append(getattr(row, name))
    return {
        **{name: column.document() for name, column in words.items()},
        **{name: named.document() for name, named in names.items()},
        **plain,
    }


_WORD_COLUMNS = (
    "bucket", "conversation_id", "recording_id", "medium", "role", "day", "platform", "platform_reason",
    "omitted_tags",
)  # fmt: skip
_PLAIN_COLUMNS = (
    "number",
    "version_id",
    "sha256",
    "size_bytes",
    "arrived_ms",
    "lag_ms",
    "is_let_go",
    "is_gone",
    "is_disposed",
)
_EXCEPTION_COLUMNS = (
    "request", "reason", "meaning", "standing", "medium", "conversation_id", "recording_id"
)  # fmt: skip


def _exception_columns(exceptions: Iterable[Exceptional]) -> Mapping[str, object]:
    words = {name: _Words() for name in _EXCEPTION_COLUMNS}
    for one in exceptions:
        for name, column in words.items():
            column.add(str(getattr(one, name)))
    return {name: column.document() for name, column in words.items()}
