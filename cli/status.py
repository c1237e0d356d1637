"""`holdfast status` and `holdfast matters`: are we done, and if not, what are we waiting for."""

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.live import Live
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.failures import NotKnown
from cli.pages import Fitting, bar, duration, facts, heading, indented, moment, page, state, table
from cli.progress import RECORDING_COLUMNS, MatterProgress, Reader, ReleaseProgress, RequestProgress
from cli.terminal import Answer, Terminal
from holdfast.domain.ids import MatterId
from holdfast.domain.reconciliation import MEANINGS, Reason, standing_of
from holdfast.domain.states import MatterStatus, ParkedState, StandingState
from holdfast.ports import MatterRecord, StandingMatter

LEAST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 10.0
_LOOKS_FOR_A_NEW_MATTER = 30
_MAX_BATCHES = 12  # rows; of a large matter, those that move

app = typer.Typer()

MatterArgument = Annotated[
    str | None, typer.Argument(metavar="MATTER", help="A matter's id; left out, all matters.")
]


@command(app)
def matters(deployment: Deployment, terminal: Terminal) -> Answer:
    """List the matters, each with the state of its newest request."""
    listed = []
    with terminal.progress("Reading matters") as advance:
        for matter in _matters(deployment):
            listed.append(_listed(deployment, matter))
            advance()
    shown = table("matter", "status", "requests", "newest", "state", "title", right=("requests",))
    for one in listed:
        newest = one["newest_request"] or {}
        shown.add_row(
            one["matter_id"],
            state(one["status"]),
            str(one["requests"]),
            newest.get("request_id", "–"),
            state(newest["state"]) if newest else Text("–"),
            f"{one['title']}{_standing_note(one['standing'])}",
        )
    return Answer(
        {"matters": listed},
        shown if listed else Text("No matter yet: holdfast request begins one.", style="dim"),
    )


@command(app)
def status(
    deployment: Deployment,
    terminal: Terminal,
    matter: MatterArgument = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until everything has ended.")] = False,
) -> Answer:
    """Show how far a matter has come, what is missing and why, and what it waits for.

    The exit code is 0 when every request is PRESERVED, and 1 when something is missing or still on its way.
    """
    reader = Reader(deployment)

    if follow and matter:
        _wait_for(deployment, MatterId(matter))

    def read(on_batch: Callable[[], object] = lambda: None) -> list[MatterProgress]:
        wanted = [MatterId(matter)] if matter else [one.matter_id for one in _matters(deployment)]
        found = [reader.matter(one, on_batch=on_batch) for one in wanted]
        if matter and found == [None]:
            raise NotKnown(
                f"there is no matter {matter}",
                expected="the id of a matter that a request has named",
                advice="holdfast matters lists them all",
            )
        return [one for one in found if one]

    with terminal.progress("Reading batches") as advance:
        progress = read(advance)
    if follow:
        progress = _followed(deployment, terminal, progress, read)
    parked = _parked(deployment)
    is_done = all(one.is_preserved for one in progress) and not parked
    document = {
        "preserved": is_done,
        "matters": [_document(one) for one in progress],
        "parked": parked,
    }
    return Answer(document, _page(progress, parked), Exit.DONE if is_done else Exit.NO)


def _wait_for(deployment: Deployment, matter_id: MatterId) -> None:
    """Let a request that was just sent be written down; whoever follows it may be quicker."""
    for _ in range(_LOOKS_FOR_A_NEW_MATTER):
        if deployment.requests.matter(matter_id) or deployment.standing_matters.find(matter_id):
            return
        deployment.pause(LEAST_PAUSE_S)


def _followed(
    deployment: Deployment,
    terminal: Terminal,
    progress: list[MatterProgress],
    read: Callable[[], list[MatterProgress]],
) -> list[MatterProgress]:
    """Look again and again until nothing is on its way; shown on a terminal only."""
    with Live(console=terminal.err, transient=True, auto_refresh=False) as live:
        while not all(one.is_over for one in progress):
            if terminal.err.is_terminal:
                live.update(_page(progress, 0), refresh=True)
            # Who watches a large matter must not slow it down.
            batches = sum(len(request.batches) for one in progress for request in one.requests)
            deployment.pause(min(LEAST_PAUSE_S + batches / 10, LONGEST_PAUSE_S))
            progress = read()
    return progress


def _matters(deployment: Deployment) -> Iterator[MatterRecord]:
    """List the matters that have a request; those that stand and have none yet come last."""
    known = set[MatterId]()
    for matter in deployment.requests.matters():
        known.add(matter.matter_id)
        yield matter
    for matter_id in deployment.standing_matters.open_matters():
        standing = deployment.standing_matters.find(matter_id)
        if matter_id not in known and standing:
            yield MatterRecord(matter_id, "(no request yet)", MatterStatus.OPEN, standing.course.starts_at)


def _listed(deployment: Deployment, matter: MatterRecord) -> dict[str, Any]:
    requests = deployment.requests.of_matter(matter.matter_id)
    standing = deployment.standing_matters.find(matter.matter_id)
    newest = requests[-1] if requests else None
    return {
        "matter_id": matter.matter_id,
        "title": matter.title,
        "status": matter.status,
        "opened_at": matter.opened_at,
        "requests": len(requests),
        "newest_request": {"request_id": newest.request_id, "state": newest.state} if newest else None,
        "standing": standing.course.state if standing else None,
    }


def _standing_note(standing: str | None) -> str:
    return "" if standing is None else f"  (standing: {standing.lower()})"


def _parked(deployment: Deployment) -> int:
    return sum(message.state is not ParkedState.CLOSED for message in deployment.parking.parked())


def _document(matter: MatterProgress) -> dict[str, Any]:
    return {
        "matter_id": matter.matter_id,
        "title": matter.title,
        "status": matter.status,
        "preserved": matter.is_preserved,
        "requests": [request.document() for request in matter.requests],
        "standing": _standing_document(matter.standing) if matter.standing else None,
        "releases": [release.document() for release in matter.releases],
    }


def _standing_document(standing: StandingMatter) -> dict[str, Any]:
    course = standing.course
    return {
        "state": course.state,
        "starts_at": course.starts_at,
        "covered_until": course.high_water,
        "under_way_until": course.until,
        "attempts": course.attempts,
        "is_stuck": course.is_stuck,
        "ends_at": course.ends_at,
    }


# --- the page
# ---------------------------------------------------------------------------------------------------


def _page(progress: list[MatterProgress], parked: int) -> RenderableType:
    parts: list[RenderableType | None] = []
    for matter in progress:
        parts += [
            Text.assemble((matter.matter_id, "bold"), "  ", matter.title, "  ", state(matter.status)),
            _standing(matter.standing) if matter.standing else None,
            *(indented(_release(release)) for release in matter.releases),
            *(indented(*_request(request)) for request in matter.requests),
            Text(""),
        ]
    if not progress:
        parts.append(Text("No matter yet: holdfast request begins one.", style="dim"))
    if parked:
        parts.append(Text(f"{parked} parked: holdfast redrive lists them.", style="red"))
    return page(*parts)


def _standing(standing: StandingMatter) -> RenderableType:
    course = standing.course
    under_way = f"{moment(course.high_water)} to {moment(course.until)}" if course.until else None
    if under_way and course.attempts > 1:
        under_way += f", attempt {course.attempts}" + (" – stuck" if course.is_stuck else "")
    told: Mapping[str, RenderableType | None] = {
        "standing": state(course.state),
        "covered until": moment(course.high_water),
        "under way": under_way,
        "interval": duration(course.length),
        "ends": moment(course.ends_at) if course.ends_at else None,
        "waits for": "the next interval to be over, and searchable"
        if course.state is StandingState.OPEN and not course.until
        else None,
    }
    return indented(facts(told))


def _release(release: ReleaseProgress) -> RenderableType:
    record = release.record
    plan, approval, certificate = record.plan, record.approval, record.certificate
    told: dict[str, RenderableType | None] = {
        "release": Text.assemble(
            (record.release_id, "bold"), "  ", state(record.state), f"  opened {moment(record.opened_at)}"
        ),
        "lets go": f"{plan.counts['let_go']:,} of {plan.counts['conversations']:,} conversations"
        if plan
        else None,
        "approved": f"{moment(approval.at)} by {approval.approved_by}" if approval else None,
        "waits for": release.waits_for(),
        "refused": record.explanation or None,
        "certificate": certificate.key if certificate else None,
    }
    return facts(told)


def _request(request: RequestProgress) -> Iterator[RenderableType]:
    record = request.record
    title = heading(record.request_id)
    title.append("  ").append_text(state(record.state))
    title.append(f"  opened {moment(record.opened_at)}", style="dim")
    if record.attempt > 1:
        title.append(f"  attempt {record.attempt}", style="dim")
    yield title
    shown = _verdict if record.summary is not None else _batches
    yield Fitting(shown(request, with_bars=True), shown(request, with_bars=False))
    reasons = request.reasons()
    if reasons:
        yield page(Text(""), _reasons(reasons, request.told("resolved", {})))
    execution = request.execution
    reused = request.reused
    told: dict[str, RenderableType | None] = {
        "waits for": request.waits_for(),
        "failed": record.explanation,
        "because": "\n".join(request.told("explanations", [])) or None,
        "warned of": "\n".join(request.told("warnings", [])) or None,
        "re-used": f"{reused} conversations that earlier exports had secured" if reused else None,
        "run": Text.assemble(
            state(execution.status), f" in {execution.state}" if execution.state else "", style="dim"
        )
        if not record.state.is_judged
        else None,
    }
    if any(told.values()):
        yield facts(told)


def _verdict(request: RequestProgress, *, with_bars: bool) -> RenderableType:
    """Show what the verdict counted, by medium."""
    summary: Any = request.record.summary
    columns = ("", "conversations", "held", *RECORDING_COLUMNS)
    shown = table(*columns, *(["recordings secured"] if with_bars else []), right=columns[1:])
    rows = [
        (medium, counts["conversations"], counts["held_at_platform"], counts)
        for medium, counts in summary["by_medium"].items()
    ]
    conversations = summary["conversations"]
    rows.append(
        ("in all", conversations["expected"], conversations["held_at_platform"], summary["recordings"])
    )
    for name, claimed, held, counts in rows:
        numbers = (claimed, held, *(counts[column] for column in RECORDING_COLUMNS))
        shown.add_row(
            name,
            *(
                _number(number, is_bad=column == "missing")
                for number, column in zip(numbers, columns[1:], strict=True)
            ),
            *([bar(counts["secured"] + counts["explained"], counts["expected"])] if with_bars else []),
        )
    return shown


def _number(number: int, *, is_bad: bool) -> Text:
    return Text(str(number), style="bold red" if is_bad and number else "" if number else "dim")


def _batches(request: RequestProgress, *, with_bars: bool) -> RenderableType:
    """Show each batch while it moves."""
    if not request.batches:
        return Text("no conversations selected yet", style="dim")
    right = ("conversations", "expected", "delivered", "secured")
    shown = table("batch", "job", *right, *([""] if with_bars else []), right=right)
    moving = sorted(request.batches, key=lambda one: (one.record.result_key is not None, one.record.batch_id))
    for batch in moving[:_MAX_BATCHES]:
        counts = batch.recordings
        expected = counts.get("expected", 0)
        shown.add_row(
            batch.record.batch_id,
            state(batch.record.state),
            str(batch.record.conversations),
            str(expected or "–"),
            str(counts.get("delivered", "–")),
            str(counts.get("secured", "–")),
            *([bar(counts.get("delivered", 0), expected)] if with_bars else []),
        )
        if batch.record.interrupted_at:
            shown.add_row(
                "", Text(f"interrupted since {moment(batch.record.interrupted_at)}", style="yellow")
            )
    told: dict[str, RenderableType | None] = {
        "and": f"{len(moving) - _MAX_BATCHES} more batches" if len(moving) > _MAX_BATCHES else None,
        "claimed": f"{request.conversations} conversations",
        "held": None if request.held is None else f"{request.held} at the platform",
    }
    return page(shown, facts(told))


def _reasons(reasons: Mapping[str, int], resolved: Mapping[str, int]) -> RenderableType:
    shown = table("", "reason", "", "meaning", right=("",))
    for name, count in reasons.items():
        reason = Reason(name)
        standing = standing_of(reason)
        style = "red" if standing == "missing" else "dim"
        if settled := resolved.get(name):
            standing, style = (
                f"{standing}, {settled} settled by people",
                "yellow" if settled < count else "dim",
            )
        shown.add_row(str(count), Text(name.replace("_", " ")), Text(standing, style=style), MEANINGS[reason])
    return shown
