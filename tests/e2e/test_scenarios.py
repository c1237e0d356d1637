"""Every shipped scenario ends as it says, as a person would run it."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from local.emulator.process import ROOT
from local.genesys.scenario import SCENARIOS

pytestmark = pytest.mark.world

EXPORTS = ("/api/v2/recording/jobs", "/api/v2/recordings/bulkexport", "/api/v2/recordings/jobs")
STRICT = "001_90eb4a0003936ed0"  # runs in test_compliance_matter.py, with IAM enforced
RELEASED = "overlapping_release"  # likewise, in test_released_matter.py
EXPORTED_ONCE = {"outside_interference", "second_matter", "standing_matter"}
# What the explanation of a run that was stopped must name.
SAID = {"broken_wiring": ["statement OnlyFromOurVpc denies the vendor's role s3:PutObject", "ExternalId"]}
HOLD_FLAGS = ("legal_hold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalReferenceId")
NAMES = sorted(
    path.stem
    for path in SCENARIOS.glob("*.json")
    if not path.name.endswith(".schema.json") and path.stem not in {STRICT, RELEASED}
)
AT_ONCE = 2  # a run mostly waits, and every CI has two cores


@dataclass(frozen=True, slots=True)
class Run:
    """A demo that has ended, and where it left what it leaves."""

    finished: subprocess.CompletedProcess[str]
    out: Path


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Future[Run]]]:
    """Start the chosen scenarios, a few at once."""
    chosen = [
        str(one.callspec.params["name"])
        for one in request.session.items
        if isinstance(one, pytest.Function) and one.path == request.path
    ]
    folder = tmp_path_factory.mktemp("scenarios")
    pool = ThreadPoolExecutor(AT_ONCE)
    yield {name: pool.submit(_run, name, folder / name) for name in chosen}
    pool.shutdown(cancel_futures=True)


def _run(name: str, out: Path) -> Run:
    command: list[str | Path] = [sys.executable, "-m", "local.demo", "--scenario", SCENARIOS / f"{name}.json"]
    finished = subprocess.run([*command, "--out", out], cwd=ROOT, capture_output=True, text=True, check=False)
    return Run(finished, out)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_scenario_ends_as_it_expects(name: str, runs: Mapping[str, Future[Run]]) -> None:
    run = runs[name].result()

    assert run.finished.returncode == 0, run.finished.stdout + run.finished.stderr
    assert json.loads((run.out / "summary.json").read_text())["ok"] is True
    asked = [json.loads(line) for line in (run.out / "genesys-requests.jsonl").read_text().splitlines()]
    exports = [json.dumps(one) for one in asked if one["path"].startswith(EXPORTS)]
    assert not [flag for flag in HOLD_FLAGS for export in exports if f'"{flag}"' in export]
    conversation_ids = [
        predicate["value"]
        for one in asked
        if (one["method"], one["path"]) == ("POST", "/api/v2/recording/jobs")
        for conditions in one["body"]["conversationQuery"]["conversationFilters"]
        for predicate in conditions["predicates"]
    ]
    said = json.dumps(json.loads((run.out / "summary.json").read_text())["requests"])
    assert all(one in said for one in SAID.get(name, ()))
    assert name not in EXPORTED_ONCE or 0 < len(conversation_ids) == len(set(conversation_ids))
