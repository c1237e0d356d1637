"""`holdfast sweep`: doing at once what the stack's schedules do in their own time."""

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.pages import facts, page
from cli.terminal import Answer, Terminal


class What(StrEnum):
    """What can be looked after at once."""

    ARRIVALS = "arrivals"
    EVIDENCE = "evidence"
    PROTECTION = "protection"
    STANDING = "standing"


@dataclass(frozen=True, slots=True)
class _Look:
    """Which function looks, told what; what its counts mean, and which of them are bad news."""

    output: str
    payload: Mapping[str, Any]
    counts: Mapping[str, str]
    bad: str


_LOOKS: Mapping[What, _Look] = {
    What.ARRIVALS: _Look(
        "SweepEvidenceName",
        {"source": "bucket"},
        {"versions": "object versions looked at", "sent": "lost, and sent again", "drifted": "newly hidden"},
        "drifted",
    ),
    What.EVIDENCE: _Look(
        "SweepEvidenceName",
        {"source": "receipts"},
        {"versions": "receipts held against S3", "sent": "sent again", "drifted": "changed by somebody else"},
        "drifted",
    ),
    What.PROTECTION: _Look(
        "WatchProtectionName",
        {},
        {"claims": "claims held against the platform", "revoked": "newly exposed", "asked": "asked again"},
        "revoked",
    ),
    What.STANDING: _Look(
        "StartStandingRunsName",
        {},
        {"matters": "standing matters", "asked": "runs begun", "under_way": "under way", "stuck": "stuck"},
        "stuck",
    ),
}  # fmt: skip

app = typer.Typer()


@command(app)
def sweep(
    deployment: Deployment,
    terminal: Terminal,
    what: Annotated[What, typer.Argument(help="What to look after.")],
) -> Answer:
    """Look at once for lost arrivals, changed evidence, ended protection, or standing matters that are due.

    The stack does it by itself, on a schedule; what is found is put right in the same way. The exit code is 1
    if something was found that somebody should look at.
    """
    look, counted = _LOOKS[what], Tally[str]()
    with terminal.progress("Looking") as advance:
        while True:
            told = deployment.invoke(look.output, look.payload)
            counted.update({name: int(told[name]) for name in look.counts})
            advance()
            if told.get("done", True):
                break
    is_bad = bool(counted[look.bad])
    shown: dict[str, RenderableType | None] = {
        meaning: Text(str(counted[name]), style="red" if name == look.bad and is_bad else "")
        for name, meaning in look.counts.items()
    }
    document = {"swept": what.value, **{name: counted[name] for name in look.counts}}
    return Answer(document, page(facts(shown)), Exit.NO if is_bad else Exit.DONE)
