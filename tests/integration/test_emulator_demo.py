"""`make demo` tells the truth by its exit code, writes what it promises, and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import bagit
import pytest

from local.demo import INTERRUPTED, NOT_STARTED, UNMET
from local.emulator.process import ROOT
from local.genesys.scenario import SCENARIOS

pytestmark = pytest.mark.world


def demo(scenario: Path, out: Path) -> subprocess.Popen[str]:
    command: list[str | Path] = [sys.executable, "-m", "local.demo", "--scenario", scenario, "--out", out]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )


@pytest.fixture
def smallest() -> dict[str, Any]:
    """The smallest scenario, which a test may change before it runs it."""
    scenario: dict[str, Any] = json.loads((SCENARIOS / "smallest.json").read_text())
    return scenario


def run(scenario: dict[str, Any], folder: Path) -> tuple[int, str]:
    path = folder / "scenario.json"
    path.write_text(json.dumps(scenario))
    with demo(path, folder / "out") as process:
        said, _ = process.communicate()
    return process.returncode, said


def test_a_met_expectation_is_exit_code_0_and_everything_promised_is_there(
    smallest: dict[str, Any], tmp_path: Path
) -> None:
    code, said = run(smallest, tmp_path)

    assert code == 0, said
    out = tmp_path / "out"
    summary = json.loads((out / "summary.json").read_text())
    assert summary["ok"] is True
    assert summary["aws_calls"] > 0
    assert summary["genesys_calls"] == len((out / "genesys-requests.jsonl").read_text().splitlines())
    custody = sorted(path.name for path in (out / "custody").rglob("000001.*"))
    assert custody == ["000001.json", "000001.jsonl", "000001.sig"]
    (package,) = (out / "package").iterdir()
    assert f"{package / 'data/report.html'}" in said.replace("\n", "")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # bagit's own
        assert bagit.Bag(str(package)).validate()
    assert not (out / "world.json").exists()
    dashboard = (out / "dashboard.html").read_text()
    assert dashboard.count("<section") == dashboard.count("</section>") == 14
    assert "<strong" in dashboard
    assert ">PromiseAtRisk<small>OK</small>" in dashboard
    logs = [json.loads(line) for path in (out / "logs").iterdir() for line in path.read_text().splitlines()]
    assert logs


def test_an_unmet_expectation_is_an_exit_code_of_its_own_and_names_each_difference(
    smallest: dict[str, Any], tmp_path: Path
) -> None:
    smallest["expect"] = {"conversations": {"expected": 12345}}

    code, said = run(smallest, tmp_path)

    assert code == UNMET
    assert "$.conversations.expected: expected 12345, found" in said
    assert json.loads((tmp_path / "out/summary.json").read_text())["ok"] is False


def test_a_file_that_is_no_scenario_is_refused_before_anything_starts(
    smallest: dict[str, Any], tmp_path: Path
) -> None:
    code, said = run(smallest | {"surprise": 1}, tmp_path)

    assert code == NOT_STARTED
    assert "unknown key surprise" in said
    assert not (tmp_path / "out/emulator.log").exists()


def test_an_interrupt_ends_everything_that_was_started(tmp_path: Path) -> None:
    with demo(SCENARIOS / "smallest.json", tmp_path) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Discovery requests" in line:
                break
        started = _descendants(process.pid)
        assert started

        os.killpg(process.pid, signal.SIGINT)
        process.stdout.read()

    assert process.returncode == INTERRUPTED
    assert not started & _alive()


def _rows() -> list[tuple[int, int, str]]:
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,stat="], capture_output=True, text=True, check=True)
    return [
        (int(pid), int(parent), state) for pid, parent, state in map(str.split, listed.stdout.splitlines())
    ]


def _alive() -> set[int]:
    return {pid for pid, _, state in _rows() if not state.startswith("Z")}


def _descendants(pid: int) -> set[int]:
    children = {child for child, parent, _ in _rows() if parent == pid}
    return children.union(*map(_descendants, children))
