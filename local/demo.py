"""`make demo`: runs one scenario through the embedded world, shows it, and judges it by its expectation."""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from local.dashboard import draw_dashboard
from local.display import Display, display_for
from local.emulator.process import ROOT
from local.genesys.scenario import DEFAULT, Event, Scenario, load_scenario
from local.interference import drift_summary, interfere
from local.outcome import Package, Run, print_summary, shortfalls, summarise
from local.progress import Progress, read_progress
from local.releases import names_of, read_releases, ready, summarise_releases
from local.world import FAILURES, World, description_of

TICK_S, LONGEST_TICK_S = 0.5, 2.0
LONGEST_RUN_S = 900.0
# EventBridge starts an execution within a moment; an event that starts none must not be waited for.
_SETTLE_S = 2.0

INTERRUPTED, UNMET, NOT_STARTED = 130, 1, 2


class RunTookTooLong(RuntimeError):
    """Some execution never ended."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What is left when all executions have ended."""

    runs: tuple[Run, ...]
    progress: Progress


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("--scenario", type=Path, default=DEFAULT)
    parser.add_argument("--out", type=Path, default=Path("build/demo"))
    arguments = parser.parse_args()
    console, errors = Console(), Console(stderr=True)
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # ends as an interrupt does: everything cleaned up
    try:
        return run_demo(arguments.scenario, arguments.out, console)
    except KeyboardInterrupt:
        errors.print("Interrupted; everything that was started has ended.")
        return INTERRUPTED
    except FAILURES as failure:
        errors.print(str(failure), markup=False, highlight=False)
        return NOT_STARTED
    except RunTookTooLong as failure:
        errors.print(str(failure), markup=False, highlight=False)
        return UNMET


def run_demo(scenario_path: Path, out: Path, console: Console) -> int:
    """Run the scenario, write what is left of it to `out`, and return the exit code."""
    started = time.monotonic()
    scenario = load_scenario(scenario_path)
    _clear(out)
    with display_for(console) as display, World(scenario_path, out, on_phase=display.begin) as world:
        began = datetime.now(UTC)
        try:
            finished = play(world, scenario, display)
        finally:
            world.collect_logs()
        display.begin("package")
        _fetch_custody(world, out)
        packages = _bring_packages(world, out)
        released = summarise_releases(world) if _has_releases(scenario) else {}
        drift = drift_summary(world) if any(event.is_interference for event in scenario.events) else {}
        (out / "dashboard.html").write_text(draw_dashboard(world, began))
        calls, struck_events = world.emulator.calls(), world.emulator.struck_events()
    summary = summarise(
        scenario, finished.runs, finished.progress.requests, finished.progress.standing_matters,
        time_s=time.monotonic() - started, aws_calls=calls, genesys_requests=out / "genesys-requests.jsonl",
        struck_events=struck_events,
    )  # fmt: skip
    summary |= released | drift
    unmet = [*shortfalls(scenario, summary), *(one.fault for one in packages if one.fault)]
    summary["ok"] = not unmet
    (out / "aws-calls.json").write_text(json.dumps(calls, indent=2, sort_keys=True) + "\n")
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    print_summary(console, summary, out, packages, unmet)
    return UNMET if unmet else 0


def _clear(out: Path) -> None:
    """Remove what an earlier run left, and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    for name in ("logs", "custody", "package"):
        shutil.rmtree(out / name, ignore_errors=True)
    for name in (
        "dashboard.html",
        "summary.json",
        "aws-calls.json",
        "genesys-requests.jsonl",
        "genesys.log",
        "emulator.log",
    ):
        (out / name).unlink(missing_ok=True)


@dataclass(slots=True)
class _Sent:
    """How many events of each kind were sent."""

    requests: int = 0
    standing: int = 0
    releases: int = 0
    approvals: int = 0
    asked_for: dict[str, str] = field(default_factory=dict)  # releases, and of which matters

    def note(self, event: Event) -> None:
        if event.is_standing:
            self.standing += event.repeat
        elif event.is_release:
            self.releases += event.repeat
            self.asked_for |= names_of(event)
        elif event.is_approval:
            self.approvals += event.repeat
        else:
            self.requests += event.repeat


def play(world: World, scenario: Scenario, display: Display) -> Finished:
    """Send the events when they are due, and wait until every run has ended."""
    started = time.monotonic()
    due = sorted(scenario.events, key=lambda event: event.after_s)
    is_standing = any(event.is_standing for event in due)
    sent, last_sent, are_over = _Sent(), started, True
    while True:
        now = time.monotonic()
        recorded = _ended(world, "KeepStandingMatterArn") if is_standing else 0
        # The bus promises no order: who closes a standing matter waits until it is opened.
        while due and now - started >= due[0].after_s and recorded >= sent.standing:
            if due[0].after_the_runs and not are_over:
                break
            if due[0].is_interference:
                interfere(world, due.pop(0).detail, scenario.seed)
                continue
            if not _send(world, due[0], sent):
                break
            last_sent, are_over = now, False
            due.pop(0)
        # In this order: what a run has written down is there when it has ended.
        runs = tuple(_runs(world))
        are_released = not _has_releases(scenario) or _are_released(world, sent)
        progress = read_progress(world)
        reading_s = time.monotonic() - now
        display.show(progress.counts)
        are_ended = all(run.status != "RUNNING" for run in runs) and are_released
        are_over = len(runs) >= sent.requests and are_ended
        is_settled = not due and recorded >= sent.standing and are_ended
        if is_settled and is_standing:
            asked = world.invoke("StartStandingRuns", {})["asked"]
            sent.requests, is_settled = sent.requests + asked, not asked
            last_sent = now if asked else last_sent
            progress = read_progress(world)
        if is_settled and (len(runs) >= sent.requests or now - last_sent > _SETTLE_S):
            return Finished(runs, progress)
        if now - started > LONGEST_RUN_S:
            running = [run.execution_arn for run in runs if run.status == "RUNNING"]
            raise RunTookTooLong(f"After {LONGEST_RUN_S:.0f} s there still run: {', '.join(running)}")
        # Who watches must not slow down what is watched.
        time.sleep(min(max(TICK_S, 5 * reading_s), LONGEST_TICK_S))


def _send(world: World, event: Event, sent: _Sent) -> bool:
    """Send an event as often as it says, but an approval not before its plan and the approval before it."""
    if event.is_approval and read_releases(world).judged < sent.approvals:
        return False
    detail = ready(world, event, sent.asked_for)
    if detail is None:
        return False
    for _ in range(event.repeat):
        world.send(detail, source=event.source, detail_type=event.detail_type)
    sent.note(event)
    return True


def _are_released(world: World, sent: _Sent) -> bool:
    found = read_releases(world)
    return found.runs >= sent.releases and found.judged >= sent.approvals and not found.are_running


def _has_releases(scenario: Scenario) -> bool:
    return any(event.is_release or event.is_approval for event in scenario.events)


def _ended(world: World, machine: str) -> int:
    """Count the executions of a workflow that have ended."""
    pages = world.client("stepfunctions").get_paginator("list_executions")
    return sum(
        execution["status"] != "RUNNING"
        for page in pages.paginate(stateMachineArn=world.outputs[machine])
        for execution in page["executions"]
    )


def _runs(world: World) -> Iterator[Run]:
    """Describe the conductor's executions, oldest first."""
    workflows = world.client("stepfunctions")
    machine = world.outputs["PreserveMatterArn"]
    pages = workflows.get_paginator("list_executions").paginate(stateMachineArn=machine)
    listed = [execution for page in pages for execution in page["executions"]]
    for execution in sorted(listed, key=lambda execution: execution["startDate"]):
        described = workflows.describe_execution(executionArn=execution["executionArn"])
        yield Run(
            execution_arn=execution["executionArn"],
            status=described["status"],
            event=_parsed(described.get("input")),
            output=_parsed(described.get("output")),
            error=described.get("error", ""),
            cause=described.get("cause", ""),
        )


def _parsed(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except json.JSONDecodeError:
        return text


def _fetch_custody(world: World, out: Path) -> None:
    """Copy the records of all matters, their packages apart."""
    s3, bucket = world.client("s3"), world.outputs["RecordsBucket"]
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for found in page.get("Contents", []):
            target = (out / "custody" / found["Key"]).resolve()
            if found["Key"].startswith("packages/") or not target.is_relative_to((out / "custody").resolve()):
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(bucket, found["Key"], str(target))


def _bring_packages(world: World, out: Path) -> list[Package]:
    """Do as a legal team would: bring the package of every matter that has a seal, with its media."""
    packages = []
    description = (out / "world.json").absolute()
    description.write_text(json.dumps(description_of(world)))
    for matter in sorted(path.parent.name for path in (out / "custody/matters").glob("*/seals")):
        folder = out / "package" / matter
        brought = subprocess.run(
            [sys.executable, "-m", "cli", "package", matter, "-o", folder.absolute(), "--with-media"],
            cwd=ROOT, env={**os.environ, "HOLDFAST_WORLD": str(description)}, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        fault = f"the package of {matter}: {brought.stderr.strip()}" if brought.returncode else ""
        packages.append(Package(folder, fault))
    description.unlink()
    return packages


if __name__ == "__main__":
    sys.exit(main())
