"""`holdfast request`: reads a discovery request, shows its faults before anything is sent, and sends it."""

import getpass
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from pydantic import BaseModel, ValidationError
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.failures import NotAccepted, NotKnown
from cli.pages import duration, facts, moment, page
from cli.terminal import Answer, Terminal
from holdfast.contracts.request import EVENT_DETAIL_TYPE, DiscoveryRequest, faults_of
from holdfast.contracts.standing import StandingMatterClosed, StandingMatterOpened, read_standing_event
from holdfast.domain.ids import MatterId, RequestId
from holdfast.errors import RequestRefused
from holdfast.ports import RequestRecord

# Source: Genesys Cloud Developer Center, analytics conversation details jobs: data may be a day or two old.
_SEARCHABLE_AFTER = timedelta(hours=48)
_NO_SUCH_FIELD = "?: Extra inputs are not permitted"  # as the contract says it, without the name

app = typer.Typer()


@command(app)
def request(
    deployment: Deployment,
    terminal: Terminal,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="The request as JSON, or a whole event; - reads it. Left out, you are asked.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Validate and show it; send nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send it without asking.")] = False,
) -> Answer:
    """Send a discovery request, or open or close a standing matter.

    Every fault is named before anything is sent. A file that holds a whole event (detail-type and detail) may
    also be StandingMatterOpened or StandingMatterClosed.
    """
    event = _read(file) if file else {"detail-type": EVENT_DETAIL_TYPE, "detail": _asked(deployment)}
    kind = event.get("detail-type")
    if kind != EVENT_DETAIL_TYPE:
        return _standing(deployment, event, dry_run=dry_run)
    try:
        wanted = DiscoveryRequest.from_event(event)
    except RequestRefused as refused:
        raise RequestRefused(_with_names(refused.faults, event.get("detail"))) from None
    standing = _standing_request(deployment, wanted)
    notes = _notes(wanted, standing, deployment.now())
    document: dict[str, Any] = {
        "request": wanted.model_dump(mode="json"),
        "body_sha256": wanted.body_sha256,
        "notes": notes,
        "sent": False,
    }
    shown: list[RenderableType | None] = [_page(wanted), *(Text(f"! {one}", style="yellow") for one in notes)]
    if dry_run:
        return Answer(document, page(*shown, Text("It is valid. Nothing was sent.", style="dim")))
    if terminal.is_interactive and not yes:
        terminal.err.print(page(*shown))
        typer.confirm("Send it?", default=True, abort=True, err=True)
    event_id = deployment.send("RequestBus", EVENT_DETAIL_TYPE, wanted.model_dump(mode="json"))
    document |= {"sent": True, "event_id": event_id}
    return Answer(document, page(*shown, _what_follows(deployment, wanted, event_id)))


def _read(file: Path) -> dict[str, Any]:
    """Read a file that holds a request, or an event with a request."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
    except OSError as failure:
        raise NotKnown(
            f"{file} cannot be read: {failure.strerror}",
            expected="a file with a discovery request as JSON, or - for the standard input",
        ) from None
    try:
        found = json.loads(text)
    except ValueError as failure:
        raise NotAccepted(
            f"{'the standard input' if str(file) == '-' else file} is no JSON: {failure}",
            expected="one JSON object",
            advice="mend the file, then send it",
        ) from None
    if isinstance(found, dict) and "detail-type" in found:
        return found
    return {"detail-type": EVENT_DETAIL_TYPE, "detail": found}


def _with_names(faults: Sequence[str], detail: object) -> list[str]:
    """Name the fields that nobody knows: they are the sender's own here, and shown to nobody else."""
    if not any(fault.endswith(_NO_SUCH_FIELD) for fault in faults):
        return list(faults)
    named = [fault for fault in faults if not fault.endswith(_NO_SUCH_FIELD)]
    return [*named, *(f"{place}: there is no such field" for place in _unknown(detail, DiscoveryRequest))]


def _unknown(detail: object, model: type[BaseModel], place: str = "") -> Iterator[str]:
    if not isinstance(detail, dict):
        return
    for name, value in detail.items():
        known = model.model_fields.get(name)
        if known is None:
            yield f"{place}{name}"
        elif isinstance(known.annotation, type) and issubclass(known.annotation, BaseModel):
            yield from _unknown(value, known.annotation, f"{place}{name}.")


def _standing_request(deployment: Deployment, wanted: DiscoveryRequest) -> RequestRecord | None:
    standing = deployment.requests.find(MatterId(wanted.matter_id), RequestId(wanted.request_id))
    if standing and standing.body_sha256 != wanted.body_sha256:
        raise NotAccepted(
            f"request {wanted.request_id} of matter {wanted.matter_id} is known, with another body",
            expected=f"the body with SHA-256 {standing.body_sha256}",
            found=wanted.body_sha256,
            advice="send a changed request under a new request id",
        )
    return standing


def _notes(wanted: DiscoveryRequest, standing: RequestRecord | None, now: datetime) -> list[str]:
    notes = []
    if standing:
        notes.append(
            f"this very request is known and {standing.state}: it starts nothing new, unless its run failed"
        )
    if wanted.scope.interval.end > now - _SEARCHABLE_AFTER:
        notes.append(
            "the scope ends less than 48 hours ago, or later: what the platform cannot search yet makes the"
            " matter incomplete (not_yet_available)"
        )
    return notes


def _page(wanted: DiscoveryRequest) -> RenderableType:
    scope = wanted.scope
    told: dict[str, RenderableType | None] = {
        "matter": Text.assemble((wanted.matter_id, "bold"), f"  {wanted.title}"),
        "request": f"{wanted.request_id}, asserted to come from {wanted.requested_by}",
        "interval": f"{moment(scope.interval.start)} to {moment(scope.interval.end)}"
        f"  ({duration(scope.interval.end - scope.interval.start)})",
        "custodians": _several(scope.custodians),
        "queues": _several(scope.queues),
        "media": ", ".join(scope.media_types) or "all",
        "external tag": scope.external_tag,
        "conversations": _several(scope.conversation_ids),
        "with": ", ".join(
            name
            for name, is_wanted in (
                ("screen recordings", scope.include_screen),
                ("sensitive recordings", scope.include_sensitive),
            )
            if is_wanted
        )
        or "neither screen nor sensitive recordings",
        "SHA-256": wanted.body_sha256,
    }
    return facts(told)


def _several(ids: tuple[str, ...]) -> str | None:
    if not ids:
        return None
    return ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"


def _what_follows(deployment: Deployment, wanted: DiscoveryRequest, event_id: str) -> RenderableType:
    told: dict[str, RenderableType | None] = {
        "sent": f"to {deployment.name}, event {event_id}",
        "follows": "it is written down and the set-up checked; then recordings are exported, held, proven",
        "watch": f"holdfast status {wanted.matter_id} --follow",
        "told by": "MatterPreserved or MatterIncomplete; PreservationFailed names the layer and the remedy",
    }
    return page(Text(""), facts(told))


def _standing(deployment: Deployment, event: dict[str, Any], *, dry_run: bool) -> Answer:
    """Open or close a standing matter."""
    wanted = read_standing_event({"time": deployment.now().isoformat(timespec="seconds"), **event})
    kind = type(wanted).__name__
    document: dict[str, Any] = {"detail_type": kind, "detail": wanted.model_dump(mode="json"), "sent": False}
    shown = facts(
        {
            "matter": Text(wanted.matter_id, style="bold"),
            "event": kind,
            "from": moment(wanted.starts_at) if isinstance(wanted, StandingMatterOpened) else None,
            "until": moment(wanted.ends_at)
            if isinstance(wanted, StandingMatterClosed) or wanted.ends_at
            else None,
        }
    )
    if dry_run:
        return Answer(document, page(shown, Text("It is valid. Nothing was sent.", style="dim")))
    document |= {"sent": True, "event_id": deployment.send("RequestBus", kind, document["detail"])}
    return Answer(document, page(shown, Text(f"Sent. Watch: holdfast status {wanted.matter_id}")))


# --- by questions
# -----------------------------------------------------------------------------------------------


class Question(NamedTuple):
    """A question, the field it fills, and how the answer becomes its value; empty leaves the field out."""

    place: tuple[str, ...]
    text: str
    read: Callable[[str], Any] = str


def _moment(text: str) -> str:
    """Take a date for its midnight in UTC."""
    return f"{text}T00:00:00Z" if len(text) == len("2026-03-01") else text


def _listed(text: str) -> list[str]:
    return [part for part in text.replace(",", " ").split() if part]


def _truth(text: str) -> object:
    return {"y": True, "yes": True, "n": False, "no": False}.get(text.lower(), text)


QUESTIONS = (
    Question(("matter_id",), "Matter id"),
    Question(("request_id",), "Request id"),
    Question(("title",), "Title"),
    Question(("requested_by",), "Requested by"),
    Question(("scope", "interval", "start"), "From (a date is midnight UTC)", _moment),
    Question(("scope", "interval", "end"), "To (not included)", _moment),
    Question(("scope", "custodians"), "Custodians (Genesys user ids, empty for any)", _listed),
    Question(("scope", "queues"), "Queues (ids, empty for any)", _listed),
    Question(("scope", "media_types"), "Media (voice chat email message callback, empty for all)", _listed),
    Question(("scope", "external_tag"), "External tag (empty for any)"),
    Question(("scope", "conversation_ids"), "Conversation ids (empty for any)", _listed),
    Question(("scope", "include_screen"), "Screen recordings too? (yes/no)", _truth),
    Question(("scope", "include_sensitive"), "Sensitive recordings too? (yes/no)", _truth),
)


def _asked(deployment: Deployment) -> dict[str, Any]:
    """Ask for every field, and again for those at fault, until the request is valid."""
    answers: dict[tuple[str, ...], str] = {}
    waiting = list(QUESTIONS)
    while waiting:
        for question in waiting:
            default = answers.get(question.place) or _default(deployment, question, answers)
            answers[question.place] = typer.prompt(
                question.text, default=default, err=True, show_default=bool(default)
            )
        detail = _composed(answers)
        faults = _faults(detail)
        for fault in faults:
            typer.echo(f"  ✗ {fault}", err=True)
        waiting = [one for one in QUESTIONS if any(_is_about(fault, one) for fault in faults)]
        if faults and not waiting:  # no single answer is at fault
            raise RequestRefused(faults)
    return _composed(answers)


def _default(deployment: Deployment, question: Question, answers: Mapping[tuple[str, ...], str]) -> str:
    matter_id = MatterId(answers.get(("matter_id",), ""))
    match question.place:
        case ("requested_by",):
            return getpass.getuser()
        case ("request_id",):
            return f"R-{len(deployment.requests.of_matter(matter_id)) + 1}"
        case ("title",):
            matter = deployment.requests.matter(matter_id)
            return matter.title if matter else ""
        case (_, "include_screen"):
            return "yes"
        case (_, "include_sensitive"):
            return "no"
    return ""


def _composed(answers: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    detail: dict[str, Any] = {}
    for question in QUESTIONS:
        if answers[question.place]:
            folder = detail
            for part in question.place[:-1]:
                folder = folder.setdefault(part, {})
            folder[question.place[-1]] = question.read(answers[question.place])
    return detail


def _faults(detail: dict[str, Any]) -> list[str]:
    try:
        DiscoveryRequest.model_validate(detail)
    except ValidationError as invalid:
        return faults_of(invalid)
    return []


def _is_about(fault: str, question: Question) -> bool:
    """Tell whether a fault may be the answer's: it names the field, or what the field is a part of."""
    place, path = fault.partition(":")[0].split("."), list(question.place)
    return (
        place[: len(path)] == path
        or (len(place) > 1 and path[: len(place)] == place)
        # Of a scope that lacks something, what it lacks is named.
        or (place == ["scope"] == path[:1] and path[-1] in fault)
    )
