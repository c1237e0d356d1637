"""`holdfast resolve`: what only a person can settle, listed and decided, one exception at a time."""

import getpass
import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.failures import NotAccepted, NotKnown
from cli.pages import facts, page, table
from cli.terminal import Answer, Terminal
from holdfast.contracts.decisions import EVENT_DETAIL_TYPE, read_decision_event
from holdfast.domain.decisions import RESOLVABLE, Decision
from holdfast.domain.ids import MatterId
from holdfast.domain.reconciliation import MEANINGS, Reason
from holdfast.ports import RequestRecord

_SHOWN = 100
app = typer.Typer()

# Typer reads an enumeration's members as the values an option takes.
SettledReason = StrEnum("SettledReason", {reason.name: reason.value for reason in sorted(RESOLVABLE)})  # type: ignore[misc]


@command(app)
def resolve(
    deployment: Deployment,
    terminal: Terminal,
    matter: Annotated[str, typer.Argument(metavar="MATTER", help="The matter.")],
    *,
    request: Annotated[
        str | None, typer.Option(help="Its request; left out, the newest that has a verdict.")
    ] = None,
    reason: Annotated[SettledReason | None, typer.Option(help="The exception's reason.")] = None,
    conversation: Annotated[str | None, typer.Option(metavar="ID", help="Its conversation.")] = None,
    recording: Annotated[str | None, typer.Option(metavar="ID", help="Its recording.")] = None,
    message: Annotated[str | None, typer.Option(metavar="ID", help="The parked message.")] = None,
    decision: Annotated[Decision | None, typer.Option(help="What was decided.")] = None,
    because: Annotated[str | None, typer.Option(metavar="TEXT", help="Why, in a sentence.")] = None,
    by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who decided, as asserted; else your login.")
    ] = None,
) -> Answer:
    """List what only a person can settle; with --reason, --decision and --because, settle it.

    A verdict that was given never changes: a decision makes its exception explained in every later one.
    """
    record = _judged(deployment, MatterId(matter), request)
    if reason is None and decision is None and because is None:
        with terminal.progress("Reading exceptions"):
            return _listed(deployment, record)
    if reason is None or decision is None or because is None:
        raise NotAccepted(
            "a decision is not complete",
            expected="--reason, --decision and --because, and the ids that name the exception",
            advice=f"holdfast resolve {matter} lists what can be decided",
        )
    named = {"conversation_id": conversation, "recording_id": recording, "message_id": message}
    detail: dict[str, Any] = {
        "resolution_id": f"X-{deployment.now():%Y%m%dT%H%M%S.%f}",
        "matter_id": matter,
        "request_id": record.request_id,
        "exception": {"reason": reason.value, **{name: value for name, value in named.items() if value}},
        "decision": decision.value,
        "decided_by": by or getpass.getuser(),
        "explanation": because,
    }
    read_decision_event({"detail-type": EVENT_DETAIL_TYPE, "detail": detail})
    event_id = deployment.send("RequestBus", EVENT_DETAIL_TYPE, detail)
    told: dict[str, RenderableType | None] = {
        "settled": f"{reason.value.replace('_', ' ')}: {decision.value.replace('_', ' ')}",
        "because": because,
        "by": f"{detail['decided_by']} (asserted)",
        "sent": f"to {deployment.name}, event {event_id}",
        "follows": "it becomes a custody event, and counts in every later verdict of the matter",
        "then": "send the scope under a new request id for a new verdict; nothing secured is exported again",
    }
    return Answer({"resolution": detail, "sent": True, "event_id": event_id}, facts(told))


def _judged(deployment: Deployment, matter_id: MatterId, request_id: str | None) -> RequestRecord:
    requests = [
        one for one in deployment.requests.of_matter(matter_id) if request_id in (None, one.request_id)
    ]
    judged = [one for one in requests if one.summary is not None]
    if not judged:
        raise NotKnown(
            f"matter {matter_id} has no request {request_id or ''} with a verdict".replace("  ", " "),
            expected="a request that ended PRESERVED or INCOMPLETE",
            found=", ".join(f"{one.request_id}: {one.state}" for one in requests) or "none",
            advice=f"holdfast status {matter_id} says how far it is",
        )
    return judged[-1]


def _listed(deployment: Deployment, record: RequestRecord) -> Answer:
    found = [one for one in _exceptions(deployment, record) if Reason(one["reason"]) in RESOLVABLE]
    document = {"matter_id": record.matter_id, "request_id": record.request_id, "exceptions": found}
    if not found:
        nothing = f"Nothing of request {record.request_id} is left for a person to settle."
        return Answer(document, Text(nothing, style="green"))
    shown = table("reason", "conversation", "recording", "meaning")
    for one in found[:_SHOWN]:
        names = (one.get("conversation_id") or "–", one.get("recording_id") or "–")
        shown.add_row(one["reason"], *names, MEANINGS[Reason(one["reason"])])
    rest = len(found) - _SHOWN
    return Answer(
        document,
        page(
            shown,
            Text(f"and {rest} more: --json lists them all", style="dim") if rest > 0 else None,
            Text("\nTo settle one: --reason, its ids, --decision and --because.", style="dim"),
        ),
        Exit.NO,
    )


def _exceptions(deployment: Deployment, record: RequestRecord) -> Iterator[dict[str, Any]]:
    """Read the request's exceptions from the records bucket: one file, or the parts that a list names."""
    summary: Any = record.summary
    key = summary["exceptions"]["key"]
    content = _expected(deployment, key)
    parts = [content]
    if "parts" in summary["exceptions"]:
        folder = key.rpartition("/")[0]
        names = (line.split("  ", maxsplit=1)[1] for line in content.decode().splitlines())
        parts = [_expected(deployment, f"{folder}/{name}") for name in names]
    for part in parts:
        yield from map(json.loads, part.splitlines())


def _expected(deployment: Deployment, key: str) -> bytes:
    chunks = deployment.shelf.read(key)
    if chunks is None:
        raise NotKnown(f"the records bucket has no {key}", advice="look into the records bucket by hand")
    return b"".join(chunks)
