"""`holdfast redrive`: what was parked or lost, and sending it again once its cause is mended."""

from collections import Counter as Tally
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.lost_events import LostEvent
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
    "events": "events sent again",
    "unreadable_events": "are no events: they stay in the queue",
}
_OF_MESSAGES = ("redriven", "closed", "in_flight", "unreadable")

app = typer.Typer()


@command(app)
def redrive(
    deployment: Deployment,
    terminal: Terminal,
    messages: Annotated[
        list[str] | None,
        typer.Argument(metavar="MESSAGE", help="Ids of messages; left out, all of them."),
    ] = None,
    matter: Annotated[str | None, typer.Option(help="Only what may belong to this matter.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send them again without asking.")] = False,
) -> Answer:
    """List what is parked, and events that could not start their run, and send all of it again.

    Mend what the reasons name first: what fails again is parked again, and what is done is not done twice.
    Without --yes they are listed, and on a terminal you are asked. The exit code is 1 while something stays
    behind.
    """
    redrive_ = Redrive.model_validate({"matter_id": matter, "message_ids": messages or []})
    parked = [one for one in deployment.parking.parked() if not messages or one.message_id in messages]
    lost = _chosen_events(deployment, messages, matter)
    listed = {
        "parked": [_document(one) for one in parked],
        "lost_events": [_lost_document(one) for one in lost],
    }
    if not parked and not lost:
        return Answer(
            listed | {"outcomes": {}}, Text("Nothing is parked, and no event was lost.", style="green")
        )
    if not yes and terminal.is_interactive:
        terminal.err.print(_list(parked), _list_lost(lost))
        yes = typer.confirm(f"Send {len(parked) + len(lost)} again?", err=True)
    if not yes:
        for one in lost:
            deployment.lost_events.put_back(one)
        return Answer(
            listed | {"outcomes": {}},
            page(
                _list(parked),
                _list_lost(lost),
                Text("Mend the reasons, then: holdfast redrive --yes", style="dim"),
            ),
            Exit.NO,
        )
    outcomes: Tally[str] = Tally()
    with terminal.progress("Sending again", total=len(parked) + len(lost)) as advance:
        while parked:
            told = deployment.invoke("RedriveParkedName", redrive_.model_dump(mode="json", exclude_none=True))
            outcomes.update({name: int(told[name]) for name in _OF_MESSAGES})
            advance(sum(int(told[name]) for name in _OF_MESSAGES))
            if told["done"]:
                break
        for one in lost:
            outcomes[_send_again(deployment, one)] += 1
            advance()
    shown = facts({text: Text(str(outcomes[name])) for name, text in _OUTCOMES.items() if outcomes[name]})
    return Answer(
        listed | {"outcomes": {name: outcomes[name] for name in _OUTCOMES}},
        shown if outcomes.total() else Text("Nothing of it may belong to that matter.", style="dim"),
        Exit.NO if outcomes["unreadable"] or outcomes["unreadable_events"] else Exit.DONE,
    )


def _chosen_events(deployment: Deployment, messages: list[str] | None, matter: str | None) -> list[LostEvent]:
    """Take what was chosen out of the queue, and leave the rest there."""
    chosen = []
    for one in deployment.lost_events.take():
        if (not messages or one.message_id in messages) and matter in (None, one.matter_id or matter):
            chosen.append(one)
        else:
            deployment.lost_events.put_back(one)
    return chosen


def _send_again(deployment: Deployment, lost: LostEvent) -> str:
    """Send an event again, and only then take it out of the queue: twice changes nothing."""
    if not lost.event:
        deployment.lost_events.put_back(lost)
        return "unreadable_events"
    deployment.send_again(lost.event)
    deployment.lost_events.remove(lost)
    return "events"


def _lost_document(lost: LostEvent) -> dict[str, Any]:
    return {"message_id": lost.message_id, "error": lost.error, "event": lost.event}


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


def _list_lost(lost: list[LostEvent]) -> RenderableType:
    if not lost:
        return Text("")
    shown = table("message", "event", "matter", "error")
    for one in lost:
        shown.add_row(one.message_id, one.event.get("detail-type", "–"), one.matter_id or "–", one.error)
    return page(heading(f"{len(lost)} events that could not start their run"), indented(shown))


def _list(parked: list[ParkedMessage]) -> RenderableType:
    if not parked:
        return Text("")
    shown = table("message", "kind", "state", "parked at", "reason")
    for one in parked[:_SHOWN]:
        shown.add_row(one.message_id, one.kind, state(one.state), moment(one.parked_at), one.reason)
    rest = len(parked) - _SHOWN
    return page(
        heading(f"{len(parked)} parked"),
        indented(shown),
        Text(f"  and {rest} more: --json lists them all", style="dim") if rest > 0 else None,
    )
