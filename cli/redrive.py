"""`holdfast redrive`: what could not be handled, and sending it again once its cause is mended."""

from collections import Counter as Tally
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.pages import facts, heading, indented, moment, page, state, table
from cli.terminal import Answer, Terminal
from holdfast.contracts.steps import Redrive
from holdfast.ports import ParkedMessage

_SHOWN = 50
_OUTCOMES = {
    "redriven": "sent again",
    "closed": "done meanwhile",
    "in_flight": "sent already, and on their way",
    "unreadable": "nobody can read: they stay parked",
}

app = typer.Typer()


@command(app)
def redrive(
    deployment: Deployment,
    terminal: Terminal,
    messages: Annotated[
        list[str] | None,
        typer.Argument(metavar="MESSAGE", help="Ids of messages; left out, all that is parked."),
    ] = None,
    matter: Annotated[str | None, typer.Option(help="Only what may belong to this matter.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send them again without asking.")] = False,
) -> Answer:
    """List what is parked, and send it again.

    Mend what the reasons name first: what fails again is parked again, and what is done is not done twice.
    Without --yes they are listed, and on a terminal you are asked. The exit code is 1 while something stays
    parked.
    """
    redrive_ = Redrive.model_validate({"matter_id": matter, "message_ids": messages or []})
    parked = [one for one in deployment.parking.parked() if not messages or one.message_id in messages]
    listed = [_document(one) for one in parked]
    if not parked:
        return Answer({"parked": [], "outcomes": {}}, Text("Nothing is parked.", style="green"))
    if not yes and terminal.is_interactive:
        terminal.err.print(_list(parked))
        yes = typer.confirm(f"Send {len(parked)} again?", err=True)
    if not yes:
        return Answer(
            {"parked": listed, "outcomes": {}},
            page(_list(parked), Text("Mend the reasons, then: holdfast redrive --yes", style="dim")),
            Exit.NO,
        )
    outcomes: Tally[str] = Tally()
    with terminal.progress("Sending again", total=len(parked)) as advance:
        while True:
            told = deployment.invoke("RedriveParkedName", redrive_.model_dump(mode="json", exclude_none=True))
            outcomes.update({name: int(told[name]) for name in _OUTCOMES})
            advance(sum(int(told[name]) for name in _OUTCOMES))
            if told["done"]:
                break
    shown = facts({str(outcomes[name]): meaning for name, meaning in _OUTCOMES.items() if outcomes[name]})
    return Answer(
        {"parked": listed, "outcomes": dict(outcomes)},
        shown if outcomes.total() else Text("Nothing of it may belong to that matter.", style="dim"),
        Exit.NO if outcomes["unreadable"] else Exit.DONE,
    )


def _document(message: ParkedMessage) -> dict[str, Any]:
    return {
        "message_id": message.message_id,
        "kind": message.kind,
        "state": message.state,
        "reason": message.reason,
        "parked_at": message.parked_at,
        "redriven_at": message.redriven_at,
        "conversation_id": message.conversation_id,
        "key": message.version.key if message.version else None,
        "version_id": message.version.version_id if message.version else None,
    }


def _list(parked: list[ParkedMessage]) -> RenderableType:
    shown = table("message", "kind", "state", "parked at", "reason")
    for one in parked[:_SHOWN]:
        shown.add_row(one.message_id, one.kind, state(one.state), moment(one.parked_at), one.reason)
    rest = len(parked) - _SHOWN
    return page(
        heading(f"{len(parked)} parked"),
        indented(shown),
        Text(f"  and {rest} more: --json lists them all", style="dim") if rest > 0 else None,
    )
