"""`holdfast failures`: the runs that ended without a verdict, why, and sending their events again."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.executions import FailedRun
from cli.exits import Exit
from cli.failures import NotAccepted, NotKnown
from cli.pages import facts, indented, moment, page, state
from cli.terminal import Answer, Terminal
from holdfast.domain.ids import MatterId, ReleaseId, RequestId
from holdfast.domain.states import ReleaseState

_HOLDS = "apply_legal_hold"  # other workflows begin it, not an event
_WORKFLOWS: Mapping[str, str] = {
    "preserve_matter": "PreserveMatterArn",
    _HOLDS: "ApplyLegalHoldArn",
    "keep_standing_matter": "KeepStandingMatterArn",
    "settle_exception": "SettleExceptionArn",
    "release_hold": "ReleaseHoldArn",
    "approve_release": "ApproveReleaseArn",
}
# The event itself is at fault, or is about something that is over: the same again ends the same.
_USELESS_AGAIN = frozenset({"RequestRefused", "RequestIdConflict"})
_RELEASE_IS_OVER = frozenset({ReleaseState.RELEASED, ReleaseState.REFUSED})

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed, and the present state of what it was about; None where nothing is known of that."""

    workflow: str
    run: FailedRun
    now: str | None
    is_over: bool

    @property
    def ids(self) -> Mapping[str, str]:
        """Name what the event was about, as far as it says."""
        return self._told("matter_id", "request_id", "release_id", "resolution_id")

    @property
    def asserted_by(self) -> str | None:
        """Name who sent the event, as the event has it."""
        return next(iter(self._told("approved_by", "decided_by", "requested_by").values()), None)

    def _told(self, *names: str) -> dict[str, str]:
        # Who starts apply_legal_hold gives it the ids themselves.
        detail = self.run.event.get("detail", self.run.event)
        told = detail if isinstance(detail, dict) else {}
        return {name: str(told[name]) for name in names if name in told}


@command(app)
def failures(
    deployment: Deployment,
    terminal: Terminal,
    runs: Annotated[
        list[str] | None, typer.Argument(metavar="RUN", help="Names of runs, or how they begin.")
    ] = None,
    *,
    days: Annotated[float, typer.Option(min=0, help="How far to look back.")] = 1.0,
    again: Annotated[
        bool, typer.Option("--again", help="Send the events of these runs again, as they were.")
    ] = False,
) -> Answer:
    """List the runs that failed, with the reason, and what has become of their request since.

    Once the reason is mended, --again sends the event of each RUN once more. The exit code is 1 while the
    work of a run that is listed is not done.
    """
    if again and not runs:
        raise NotAccepted(
            "--again names nothing", expected="RUN --again", advice="holdfast failures lists them"
        )
    since = deployment.now() - timedelta(days=days)
    with terminal.progress("Looking") as advance:
        found = []
        for workflow, output in _WORKFLOWS.items():
            for run in deployment.executions.failed(deployment.output(output), since):
                found.append(_judged(deployment, workflow, run))
                advance()
    chosen = [one for one in found if not runs or any(one.run.name.startswith(name) for name in runs)]
    if runs and not chosen:
        raise NotKnown(
            "none of these runs has failed", expected="the name of a run that holdfast failures lists",
            advice="--days looks further back",
        )  # fmt: skip
    chosen.sort(key=lambda one: one.run.stopped_at, reverse=True)
    if again:
        return _send_again(deployment, chosen)
    is_done = all(one.is_over for one in chosen)
    return Answer(
        {"failures": [_document(one) for one in chosen]},
        page(*(_shown(one) for one in chosen)) if chosen else Text("No run has failed.", style="green"),
        Exit.DONE if is_done else Exit.NO,
    )


def _judged(deployment: Deployment, workflow: str, run: FailedRun) -> Failure:
    """Look up what became of it: a later run may have done the work."""
    unjudged = Failure(workflow, run, None, is_over=False)
    ids = unjudged.ids
    matter_id = MatterId(ids.get("matter_id", "-"))
    if workflow == "preserve_matter" and "request_id" in ids:
        request = deployment.requests.find(matter_id, RequestId(ids["request_id"]))
        if request:
            return Failure(workflow, run, request.state, is_over=request.state.is_judged)
    if workflow == "release_hold" and "release_id" in ids:
        release = deployment.releases.find(matter_id, ReleaseId(ids["release_id"]))
        if release:
            return Failure(workflow, run, release.state, is_over=release.state in _RELEASE_IS_OVER)
    return unjudged


def _send_again(deployment: Deployment, chosen: list[Failure]) -> Answer:
    for one in chosen:
        is_sendable = one.workflow == _HOLDS or one.run.event.get("detail")
        if one.run.error in _USELESS_AGAIN or not is_sendable:
            raise NotAccepted(
                f"the event of run {one.run.name} would be refused again", found=one.run.cause,
                advice="correct it, and send the corrected one: holdfast failures RUN --json has it whole",
            )  # fmt: skip
    sent = {one.run.name: _again(deployment, one) for one in chosen}
    return Answer({"sent": sent}, facts({name: Text("sent again") for name in sent}))


def _again(deployment: Deployment, one: Failure) -> str:
    """Begin a run again as it was begun: by its event, or where none began it, by what it was given."""
    if one.workflow == _HOLDS:
        return deployment.executions.start(deployment.output(_WORKFLOWS[_HOLDS]), one.run.event)
    return deployment.send_again(one.run.event)


def _document(one: Failure) -> dict[str, Any]:
    run = one.run
    return {
        "run": run.name,
        "workflow": one.workflow,
        "status": run.status,
        "started_at": run.started_at,
        "stopped_at": run.stopped_at,
        **one.ids,
        "asserted_by": one.asserted_by,
        "error": run.error,
        "explanation": run.cause,
        "state_now": one.now,
        "is_over": one.is_over,
        "event": run.event,
    }


def _shown(one: Failure) -> RenderableType:
    ids = "  ".join(one.ids.values())
    told: dict[str, RenderableType | None] = {
        "workflow": Text.assemble(
            one.workflow, "  ", state(one.run.status), f"  {moment(one.run.stopped_at)}"
        ),
        "about": Text(ids) if ids else None,
        "asserted by": Text(one.asserted_by) if one.asserted_by else None,
        "now": state(one.now) if one.now else None,
        "error": Text(one.run.error or "–"),
        "why": Text(one.run.cause) if one.run.cause else None,
    }
    return page(Text(one.run.name, style="bold"), indented(facts(told)), Text(""))
