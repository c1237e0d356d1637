"""The runbooks of docs/operations.md, part by part, so that tests can hold them and follow them."""

import re
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/operations.md"
PARTS = ("Evidence", "Look", "Do", "Over")
_BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Runbook:
    """One section: what it says in each part."""

    alarm: str
    parts: dict[str, str]

    def commands(self, part: str) -> list[str]:
        """Give the commands of a part, one a line; what is continued stays together."""
        text = "".join(_BLOCK.findall(self.parts[part])).replace("\\\n", " ")
        return [line for line in text.splitlines() if line.strip()]


def preparation(page: str) -> str:
    """Give what prepares the shell that all commands run in."""
    blocks: list[str] = _BLOCK.findall(_section(page, "### The shell\n"))
    return blocks[0]


def runbooks(page: str) -> dict[str, Runbook]:
    """Read every runbook, by its alarm."""
    sections = re.split(r"^### ", _section(page, "## The alarms\n"), flags=re.MULTILINE)[1:]
    return {one.alarm: one for one in map(_read, sections)}


def _section(page: str, heading: str) -> str:
    return page.partition(heading)[2].partition("\n## ")[0]


def _read(section: str) -> Runbook:
    alarm, _, text = section.partition("\n")
    pieces = re.split(rf"^\*\*({'|'.join(PARTS)})\b\.?", text, flags=re.MULTILINE)[1:]
    return Runbook(alarm.strip(), dict(zip(pieces[::2], (one.rstrip() for one in pieces[1::2]), strict=True)))
