"""`holdfast doctor`: who said no, on what evidence, and what to do about it."""

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cli.checking import Status, checked, next_steps
from cli.checking import page as page_of
from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.failures import NotAccepted, NotKnown
from cli.terminal import Answer, Terminal
from holdfast.doctor.explain import explain as explained
from holdfast.doctor.explanation import Explanation
from holdfast.doctor.refusal import RefusalUnreadable, read_refusal

_FORM = "the fields source, http_status, headers, body and context; docs/doctor.md shows an example"

app = typer.Typer(help="Who said no, and what to do about it.")


@app.callback()
def doctor() -> None:
    """Who said no, and what to do about it."""


@command(app)
def explain(
    terminal: Terminal,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A refusal as a JSON document; - reads it.")],
) -> Answer:
    """Explain a refusal: the layer that said no, the evidence, the remedy, and how sure that is."""
    try:
        refusal = read_refusal(json.loads(_text(file)))
    except RefusalUnreadable as unreadable:
        where, _, why = str(unreadable).partition(": expected ")
        expected, _, found = why.partition(", found ")
        raise NotAccepted(
            f"{where} cannot be read", expected=expected, found=found, advice=f"give {_FORM}"
        ) from None
    except (ValueError, RecursionError) as unreadable:
        place = f", line {unreadable.lineno}" if isinstance(unreadable, json.JSONDecodeError) else ""
        raise NotAccepted(
            "the document cannot be read",
            expected="one JSON object in UTF-8",
            found=f"something else{place}",
            advice=f"give {_FORM}",
        ) from None
    if refusal.ignored:
        terminal.err.print(
            Text(f"not used, since nobody knows them: {', '.join(refusal.ignored)}", style="yellow")
        )
    answer = explained(refusal)
    return Answer(answer.as_document(), page(answer))


@command(app)
def check(deployment: Deployment, terminal: Terminal) -> Answer:
    """Check a deployed stack as every run does, with its own roles: credentials, permissions, wiring, canary.

    Nothing is exported. Where the day has no canary yet, one small object is put into the evidence bucket and
    stays there, locked. The exit code is 1 if a run would be stopped.
    """
    checks = checked(deployment, terminal, datetime.now(UTC))
    is_clear = not any(one.status is Status.BLOCKING for one in checks)
    steps = next_steps(deployment, checks)
    return Answer(
        {"clear": is_clear, "checks": [one.document() for one in checks], "next": steps},
        page_of(checks, steps),
        Exit.DONE if is_clear else Exit.NO,
    )


def _text(file: str) -> str:
    if file == "-":
        return sys.stdin.buffer.read().decode()
    try:
        return Path(file).read_text("utf-8")
    except OSError as failure:
        raise NotKnown(
            "the document cannot be opened",
            expected="a file, or - for the standard input",
            found=failure.strerror or "",
        ) from None


def page(answer: Explanation) -> RenderableType:
    """Lay an explanation out for a person."""
    parts = (
        ("Evidence", answer.evidence),
        ("What to do", answer.remedy),
        ("Find out next", answer.collect_next),
    )
    return Group(
        Text.assemble((answer.layer, "bold red"), "  ", (answer.title, "bold")),
        Text(f"{answer.confidence} confidence, cause {answer.cause}", style="dim"),
        *(
            Padding(Group(Text(name, style="bold"), _listed(lines)), (1, 0, 0, 0))
            for name, lines in parts
            if lines
        ),
    )


def _listed(lines: Sequence[str]) -> RenderableType:
    shown = Table.grid(padding=(0, 1))
    for line in lines:
        shown.add_row(" •", Text(line))
    return shown
