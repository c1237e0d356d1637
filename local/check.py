"""Runs the gates: what must hold before anything is merged, besides the tests.

`make check` runs them all, one on each core, and shows at the end what failed; `make check GATE=hosts` runs
one. With `--table` they are listed for CONTRIBUTING.md.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
AT_ONCE = os.process_cpu_count() or 2
_REGION = "eu-central-1"
_PYTHON = ".venv/bin/python"
_SOURCES = ("functions", "layers/holdfast/holdfast", "cli", "local", "tests")


@dataclass(frozen=True, slots=True)
class Gate:
    """A command that fails if what it `holds` does not."""

    name: str
    holds: str
    command: Sequence[str]


# Quick ones first, since they fail most often; then the longest, so that two cores end together.
GATES = (
    Gate("format", "every Python file is laid out by ruff", (".venv/bin/ruff", "format", "--check", ".")),
    Gate("lint", "ruff finds no fault, security rules included", (".venv/bin/ruff", "check", ".")),
    Gate(
        "requirements",
        "what pyproject.toml wants, what is locked by version and hash, and what is installed agree",
        (_PYTHON, "-m", "local.gates.requirements"),
    ),
    Gate(
        "hosts",
        "no request, event or scenario can name the machine that is called",
        (_PYTHON, "-m", "local.gates.hosts"),
    ),
    Gate(
        "logs",
        "no token, secret, number, name or payload reaches a log line or an error",
        (_PYTHON, "-m", "local.gates.logs"),
    ),
    Gate(
        "types",
        "mypy --strict finds no fault",
        (".venv/bin/mypy", "--no-error-summary", *_SOURCES),
    ),
    Gate(
        "checkov",
        "checkov finds no fault in the template, neither as written nor as translated",
        (_PYTHON, "-m", "local.gates.checkov"),
    ),
    Gate(
        "architecture",
        "template, roles, workflows, bounds, imports and documents keep the rules of tests/unit/architecture",
        (_PYTHON, "-m", "pytest", "--quiet", "-p", "no:cacheprovider", "tests/unit/architecture"),
    ),
    Gate(
        "sam",
        "SAM accepts the template",
        (".venvs/sam/bin/sam", "validate", "--lint", "--template-file", "template.yaml", "--region", _REGION),
    ),
    Gate("cfn-lint", "cfn-lint finds no fault in the template", (".venv/bin/cfn-lint", "template.yaml")),
    Gate(
        "licences",
        "what is shipped is free of copyleft, and the tools have no licence that nobody has looked at",
        (_PYTHON, "-m", "local.gates.licences"),
    ),
    Gate("secrets", "no file holds a secret", (_PYTHON, "-m", "local.gates.secrets")),
    Gate(
        "bandit",
        "bandit finds no fault",
        (".venv/bin/bandit", "--quiet", "--configfile", "pyproject.toml", "--recursive", *_SOURCES[:-1]),
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """How a gate ended; `said` is all its output."""

    gate: Gate
    is_passed: bool
    said: str
    seconds: float


def run(gate: Gate) -> Result:
    """Run a gate's command."""
    started = time.monotonic()
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": _REGION}
    try:
        ended = subprocess.run(
            gate.command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError as missing:
        return Result(gate, is_passed=False, said=f"{missing.filename} is not installed: run make", seconds=0)
    return Result(gate, ended.returncode == 0, ended.stdout, time.monotonic() - started)


def run_all(gates: Sequence[Gate]) -> Iterable[Result]:
    """Run the gates, some at once, and give each result as soon as it is there."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for ended in as_completed([pool.submit(run, gate) for gate in gates]):
            yield ended.result()


def table() -> str:
    """Write the table of gates for CONTRIBUTING.md."""
    rows = (f"| {gate.name} | {gate.holds} | {_by(gate)} |" for gate in GATES)
    return "\n".join(("| Gate | What it holds | By |", "|---|---|---|", *rows))


def _by(gate: Gate) -> str:
    """Say whose opinion a gate is: a tool's, or that of a file of ours."""
    tool, *arguments = gate.command
    if tool != _PYTHON:
        return tool.rpartition("/")[2]
    module = arguments[1]
    return f"`{module.replace('.', '/')}.py`" if module.startswith("local.") else f"`{arguments[-1]}`"


def main(names: Sequence[str]) -> int:
    if names == ["--table"]:
        print(table())
        return 0
    known = {gate.name: gate for gate in GATES}
    if unknown := [name for name in names if name not in known]:
        print(f"no gate {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    started = time.monotonic()
    results: list[Result] = []
    for result in run_all([known[name] for name in names] or GATES):
        results.append(result)
        verdict = "passed" if result.is_passed else "FAILED"
        print(f"  {verdict}  {result.gate.name:<13}{result.seconds:6.1f} s   {result.gate.holds}", flush=True)
    failed = [result for result in results if not result.is_passed]
    for result in failed:
        print(f"\n--- {result.gate.name}: {' '.join(result.gate.command)}\n{result.said.strip()}")
    verdict = f"{len(failed)} of {len(results)} gates failed" if failed else f"{len(results)} gates passed"
    print(f"\n{verdict}, in {time.monotonic() - started:.0f} s")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
