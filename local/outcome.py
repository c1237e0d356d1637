"""What a run came to: the summary that people and programs read, and how it compares with the expectation."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from local.genesys.scenario import Scenario, unmet

type Summary = dict[str, Any]

MEDIA = ("voice", "chat", "email", "message", "callback", "screen")
_CONVERSATIONS = ("expected", "held_at_platform", "explained", "missing")
_RECORDINGS = ("expected", "delivered", "secured", "explained", "missing")
_REUSED = ("conversations", "recordings")
_MEDIUM = ("conversations", "expected", "delivered", "secured", "held_at_platform", "explained", "missing")
_STANDING = ("state", "high_water", "ends_at")
_OURS = ("functions", "workflows")


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of the conductor, with its input and output as JSON."""

    execution_arn: str
    status: str
    event: Any
    output: Any
    error: str
    cause: str

    @property
    def request_key(self) -> tuple[str, str]:
        """Return the matter id and request id that were asked for, as far as the event has any."""
        detail = self.event.get("detail") if isinstance(self.event, Mapping) else None
        named = detail if isinstance(detail, Mapping) else {}
        return str(named.get("matter_id", "")), str(named.get("request_id", ""))


@dataclass(frozen=True, slots=True)
class Package:
    """A custody package that was brought here; `fault` says why it was not."""

    folder: Path
    fault: str = ""


def summarise(
    scenario: Scenario,
    runs: Sequence[Run],
    requests: Mapping[tuple[str, str], Mapping[str, Any]],
    standing_matters: Mapping[str, Mapping[str, Any]],
    *,
    time_s: float,
    aws_calls: Mapping[str, Mapping[str, int]],
    genesys_requests: Path,
    struck_events: Mapping[str, int],
) -> Summary:
    """Build the summary; at the top stand the counts of the last request that has any."""
    described = [_request(run, requests.get(run.request_key, {})) for run in runs]  # nosec B113 - a mapping
    last = next((request for request in reversed(described) if request["verdict"] != "duplicate"), None)
    return {
        "scenario": scenario.name,
        "ok": False,
        "verdict": (last or {"verdict": "none"})["verdict"],
        **_counts((last or {}) if last else {}),
        "requests": described,
        "standing_matters": [
            {"matter_id": matter_id, **{name: item.get(name) for name in _STANDING}}
            for matter_id, item in sorted(standing_matters.items())
        ],
        "time_s": round(time_s, 1),
        "aws_calls": sum(count for caller in _OURS for count in aws_calls.get(caller, {}).values()),
        "genesys_calls": _count_lines(genesys_requests),
        "events": dict(struck_events),
    }


def shortfalls(scenario: Scenario, summary: Summary) -> list[str]:
    """Name each place where the summary is not as expected; without an expectation, all must be preserved.

    `ok` follows from the rest: it says whether that is as expected.
    """
    if scenario.expect:
        rest = unmet({key: value for key, value in scenario.expect.items() if key != "ok"}, summary)
        return rest + unmet({"ok": scenario.expect.get("ok", not rest)}, {"ok": not rest})
    return [
        f"{request['matter_id']} / {request['request_id']}: expected preserved, found {request['verdict']}"
        for request in summary["requests"]
        if request["verdict"] not in {"preserved", "duplicate"}
    ] or ([] if summary["requests"] else ["no request was opened"])


def print_summary(
    console: Console, summary: Summary, out: Path, packages: Sequence[Package], differences: Sequence[str]
) -> None:
    """Print the totals by medium, the reasons, the costs, and where everything lies."""
    console.print(f"\nScenario {summary['scenario']}: {summary['verdict']}", style="bold", highlight=False)
    table = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    table.add_column()
    headings = {"conversations": "in scope", "held_at_platform": "held", "expected": "recordings"}
    fields = (*headings, "delivered", "secured", "explained", "missing")
    for field in fields:
        table.add_column(headings.get(field, field), justify="right")
    for medium, counts in summary["by_medium"].items():
        if any(counts.values()):
            table.add_row(medium, *(str(counts[field]) for field in fields))
    conversations, recordings = summary["conversations"], summary["recordings"]
    table.add_section()
    table.add_row(
        "in all",
        str(conversations["expected"]),
        str(conversations["held_at_platform"]),
        *(str(recordings[field]) for field in _RECORDINGS),
    )
    console.print(table)
    for reason, count in summary["by_reason"].items():
        console.print(f"  {count:5}  {reason.replace('_', ' ')}", highlight=False)
    _print_runs(console, summary)
    console.print(
        f"{summary['time_s']} s, {summary['aws_calls']} AWS calls, {summary['genesys_calls']} Genesys calls",
        highlight=False,
    )
    console.print(f"Summary      {out / 'summary.json'}", highlight=False)
    for package in packages:
        console.print(f"Package      {package.folder}", highlight=False, soft_wrap=True)
        console.print(f"  to read    {package.folder / 'data/report.html'}", highlight=False, soft_wrap=True)
    console.print(f"Records      {out / 'custody'}", highlight=False)
    console.print(f"Genesys saw  {out / 'genesys-requests.jsonl'}", highlight=False)
    console.print(f"Logs         {out / 'logs'}", highlight=False)
    if differences:
        console.print("Not as expected:", style="bold red")
        for difference in differences:
            console.print(f"  {difference}", highlight=False, markup=False)
    else:
        console.print("As expected.", style="bold green")


def _print_runs(console: Console, summary: Summary) -> None:
    if summary["reused"]["conversations"]:
        line = "{recordings} recordings of {conversations} conversations were secured before"
        console.print(f"  {line.format(**summary['reused'])}", highlight=False)
    for request in summary["requests"]:
        told = f": {request['explanation']}" if request["explanation"] else ""
        line = f"{request['matter_id']} / {request['request_id']}: {request['verdict']}{told}"
        console.print(line, highlight=False, markup=False)
    for release in summary.get("releases", ()):
        line = f"{release['matter_id']} / {release['release_id']}: {release['outcome']}"
        counts = f", {release['let_go']} conversations let go, {release['stays']} stay"
        told = counts if release["outcome"] == "released" else f": {'; '.join(release['faults'])}"
        console.print(line + told, highlight=False, markup=False)
    for matter in summary["standing_matters"]:
        line = f"{matter['matter_id']}: {matter['state']}, preserved until {matter['high_water']}"
        console.print(line, highlight=False, markup=False)


def _request(run: Run, item: Mapping[str, Any]) -> Summary:
    matter_id, request_id = run.request_key
    explanation = _explanation(run, item)
    return {
        "matter_id": matter_id,
        "request_id": request_id,
        "execution_status": run.status,
        "verdict": _verdict(run, item),
        "explanation": explanation,
        "layers": sorted(set(re.findall(r"\[layer: (\w+)\]", explanation))),
        "seal": _seal(run),
        **_counts(_plain(item.get("summary") or {})),
    }


def _seal(run: Run) -> Any:
    """Give the seal that the announcement names; None where nothing was sealed."""
    log = run.output.get("log") if isinstance(run.output, Mapping) else None
    return log["seal"] if log else None


def _verdict(run: Run, item: Mapping[str, Any]) -> str:
    output = run.output if isinstance(run.output, Mapping) else {}
    if run.status == "SUCCEEDED":
        if str(output.get("outcome", output.get("verdict", ""))).upper() == "DUPLICATE":
            return "duplicate"
        return str(output.get("verdict") or item.get("state") or "unknown").lower()
    return "refused" if "Refused" in run.error else "failed"


def _explanation(run: Run, item: Mapping[str, Any]) -> str:
    if not run.error:
        return " ".join(_plain(item.get("summary") or {}).get("explanations", []))
    try:
        cause = json.loads(run.cause)
    except json.JSONDecodeError:
        return run.cause or run.error
    return str(cause.get("errorMessage", run.cause)) if isinstance(cause, dict) else run.cause


def _counts(counted: Mapping[str, Any]) -> Summary:
    """Return all blocks of counts in full: what was not counted is 0."""
    by_medium = counted.get("by_medium", {})
    return {
        "conversations": _filled(counted.get("conversations"), _CONVERSATIONS),
        "recordings": _filled(counted.get("recordings"), _RECORDINGS),
        "reused": _filled(counted.get("reused"), _REUSED),
        "by_medium": {
            medium: _filled(by_medium.get(medium), _MEDIUM)
            for medium in (*MEDIA, *sorted(set(by_medium) - set(MEDIA)))
        },
        "by_reason": dict(sorted(Counter(counted.get("by_reason", {})).items())),
    }


def _filled(counts: Mapping[str, int] | None, names: Sequence[str]) -> dict[str, int]:
    return {name: (counts or {}).get(name, 0) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _plain(json.loads(value)) if value.startswith("{") else value
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return int(value) if hasattr(value, "to_integral_value") else value


def _count_lines(path: Path) -> int:
    return sum(1 for line in path.read_text().splitlines() if line) if path.exists() else 0
