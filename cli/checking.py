"""What Preflight says of a deployed stack, check by check, and what it waits for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cli.connection import Deployment
from cli.terminal import Terminal
from holdfast.contracts.steps import Preflighted, PreflightFinding
from holdfast.doctor.checks import CHECKS
from holdfast.doctor.explanation import Origin
from holdfast.domain.moments import to_text

# As the Compliance API takes it, so that a check of that dialect finds nothing wrong with the name.
_NAMES = {"matter_id": "DOCTOR-CHECK", "request_id": "doctor-check"}
PARKED = "parked messages"


class Status(StrEnum):
    """What became of a check."""

    OK = "ok"
    WARNING = "warning"
    BLOCKING = "blocking"
    UNSEEN = "unseen"  # what it needs was not there


_STYLES = {Status.OK: "green", Status.WARNING: "yellow", Status.BLOCKING: "bold red", Status.UNSEEN: "dim"}


@dataclass(frozen=True, slots=True)
class Checked:
    """One check, with its findings."""

    name: str
    status: Status
    layer: str
    findings: Sequence[str]
    remedy: str

    def document(self) -> dict[str, Any]:
        """Give the form that machines read; the remedy only where there is something to mend."""
        return {
            "check": self.name,
            "status": self.status,
            "layer": self.layer,
            "findings": list(self.findings),
            "remedy": self.remedy if self.findings else "",
        }


def checked(deployment: Deployment, terminal: Terminal, now: datetime) -> list[Checked]:
    """Have the deployed Preflight look, as for a run, and wait for its canary as a run would."""
    run = {**_NAMES, "execution_arn": f"doctor check {to_text(now)}", "report_only": True}
    with terminal.progress("Checking", total=1) as advance:
        while True:
            told = Preflighted.model_validate(deployment.invoke("PreflightName", run))
            if told.done:
                break
            run |= told.model_dump(mode="json", include={"looks", "canary_key", "findings"})
            deployment.pause(told.wait_s)
        advance()
    return [*_judged(told.findings), _parked(deployment)]


def _judged(findings: Sequence[PreflightFinding]) -> Iterator[Checked]:
    stopped = {one.check for one in findings if one.is_blocking}
    for name, check in CHECKS.items():
        ours = [one for one in findings if one.check == name]
        # The canary is not even put where something blocks.
        is_unseen = check.needs in stopped or (name == "canary" and bool(stopped))
        if ours:
            status = Status.BLOCKING if name in stopped else Status.WARNING
        else:
            status = Status.UNSEEN if is_unseen else Status.OK
        yield Checked(name, status, check.layer, [one.message for one in ours], check.remedy)


def _parked(deployment: Deployment) -> Checked:
    """Look at what the arrival path gave up, with the operator's own rights."""
    parked = sum(1 for _ in deployment.parking.parked())
    return Checked(
        PARKED,
        Status.WARNING if parked else Status.OK,
        Origin.ARRIVAL_PATH,
        [f"{parked} messages could not be handled"] if parked else [],
        "holdfast redrive lists them; mend the reasons, then send them again",
    )


def page(checks: Sequence[Checked]) -> RenderableType:
    """Lay the checks out as a table."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in ("Check", "", "Finding", "What to do"):
        shown.add_column(column, overflow="fold")
    for one in checks:
        shown.add_row(
            Text(one.name),
            Text(one.status, style=_STYLES[one.status]),
            Text("\n".join(one.findings)),
            Text(one.remedy if one.findings else "", style="dim"),
        )
    return shown
