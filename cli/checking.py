"""What Preflight says of a deployed stack, check by check, and what it waits for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cli.connection import Deployment
from cli.terminal import Terminal
from cli.version import own_version
from holdfast.contracts.steps import Preflighted, PreflightFinding
from holdfast.doctor.checks import CHECKS
from holdfast.doctor.explanation import Origin
from holdfast.domain.moments import to_text

# As the Compliance API takes it, so that a check of that dialect finds nothing wrong with the name.
_NAMES = {"matter_id": "DOCTOR-CHECK", "request_id": "doctor-check"}
PARKED = "parked messages"
VERSION = "version"

# What a person does about a check that did not succeed, where a command or the stack's outputs say it best.
_STEPS: Mapping[str, str] = {
    "OAuth client": "Put the OAuth client into the secret:\n"
    "  aws secretsmanager put-secret-value --secret-id {GenesysSecretArn} --secret-string file://client.json",
    "integration target": "Enter these into the Genesys integration, and activate it:\n"
    "  bucket  {EvidenceBucket}\n"
    "  role    {GenesysWriterRoleArn}",
}


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
    return [*_judged(told.findings), _parked(deployment), _version(deployment)]


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


def _version(deployment: Deployment) -> Checked:
    """Hold the stack's version against that of this command line."""
    ours, theirs = own_version(), deployment.outputs.get("Version", "older than 0.1.0")
    return Checked(
        VERSION,
        Status.OK if ours == theirs else Status.WARNING,
        Origin.SETTINGS,
        [] if ours == theirs else [f"the stack is {theirs}, this command line {ours}"],
        "deploy this version, or use the command line of the stack's own",
    )


def next_steps(deployment: Deployment, checks: Sequence[Checked]) -> list[str]:
    """Say what a person does next, with the names that this very stack has."""
    status = {one.name: one.status for one in checks}
    if not any(one is Status.BLOCKING for one in status.values()):
        return ["Send a request: holdfast request my-request.json"]
    return [
        step.format_map(deployment.outputs) for name, step in _STEPS.items() if status[name] is not Status.OK
    ]


def page(checks: Sequence[Checked], steps: Sequence[str]) -> RenderableType:
    """Lay the checks out as a table, with what comes next below it."""
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
    blocking = sum(one.status is Status.BLOCKING for one in checks)
    verdict = (
        Text(f"{blocking} {'check' if blocking == 1 else 'checks'} would stop a run.", style="bold red")
        if blocking
        else Text("A run would go on.", style="bold green")
    )
    # Commands are there to be copied, so they are plain lines, which are never folded.
    return Group(shown, Text(), verdict, *(Text(f"\n{step}") for step in steps))
