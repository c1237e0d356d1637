"""The tables of docs/doctor.md, written from the doctor's rules.

`python -m cli.doctor_page` writes them anew; a test says when that was forgotten.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from holdfast.doctor.explanation import Layer
from holdfast.doctor.rules import CAUSES, NOT_OURS, NOT_RECOGNISED, OURS, SOURCES, Cause, Signs
from holdfast.doctor.wording import Speaker

PAGE = Path(__file__).parents[1] / "docs/doctor.md"
_PLACE = re.compile(r"(<!-- (causes|errors) -->\n).*?(<!-- /\2 -->\n)", re.DOTALL)
_SPOKEN: Mapping[Speaker, str] = {
    Speaker.GENESYS: "the platform",
    Speaker.S3: "S3",
    Speaker.KMS: "KMS",
    Speaker.STS: "STS",
    Speaker.AWS: "AWS",
    Speaker.NOBODY: "nobody named",
}


def rewritten(page: str) -> str:
    """Put today's rules into the places that are marked for them."""
    tables: Mapping[str, Sequence[str]] = {"causes": list(_causes()), "errors": list(_errors())}
    return _PLACE.sub(lambda place: place[1] + "\n".join(tables[place[2]]) + "\n" + place[3], page)


def _causes() -> Iterator[str]:
    yield "| Layer | Cause | Recognised by | What to do | Sure | Source |"
    yield "|---|---|---|---|---|---|"
    layers = list(Layer)
    for cause in sorted((*CAUSES, NOT_RECOGNISED), key=lambda one: layers.index(Layer(one.layer))):
        cells = (
            f"`{cause.layer}`",
            f"`{cause.id}`: {cause.title}",
            "; or ".join(map(_signs, cause.signs)) or "nothing else fits",
            _advice(cause),
            cause.confidence,
            f"[{cause.source}]({SOURCES[cause.source]})",
        )
        yield f"| {' | '.join(cells)} |"


def _errors() -> Iterator[str]:
    yield "| Error | Layer | What to do |"
    yield "|---|---|---|"
    for cause in (*OURS, NOT_OURS):
        name = f"`{cause.id}`" if cause is not NOT_OURS else "any other"
        yield f"| {name} | {cause.layer} | {'; '.join(cause.remedy)} |"


def _advice(cause: Cause) -> str:
    todo = "; ".join(cause.remedy)
    find = f"find out: {', '.join(cause.collect)}" if cause.collect else ""
    return ". ".join(part for part in (todo, find) if part) or "the change that the evidence names"


def _signs(signs: Signs) -> str:
    said_by = " or ".join(_SPOKEN[one] for one in signs.said_by)
    parts = (
        f"said by {said_by}" if said_by else "",
        f"status {' or '.join(map(str, signs.statuses))}" if signs.statuses else "",
        f"code {_code(signs.codes.split())}" if signs.codes else "",
        f"the words `{_escaped(signs.words)}`" if signs.words else "",
        f"denied by the {' or '.join(signs.denied_by)}" if signs.denied_by else "",
        f"action `{signs.action}`" if signs.action else "",
        f"the policies show: {' or '.join(signs.findings)}" if signs.findings else "",
        ", ".join(signs.shapes),
    )
    return ", ".join(part for part in parts if part)


def _code(codes: Sequence[str]) -> str:
    return " ".join(f"`{one}`" for one in codes)


def _escaped(words: str) -> str:
    return words.replace("|", r"\|")


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
