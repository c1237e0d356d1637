"""Every shipped scenario ends as it says, as a person would run it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from local.emulator.process import ROOT
from local.genesys.scenario import SCENARIOS

pytestmark = pytest.mark.world

EXPORTS = ("/api/v2/recording/jobs", "/api/v2/recordings/bulkexport", "/api/v2/recordings/jobs")
STRICT = "001_90eb4a0003936ed0"  # runs in test_compliance_matter.py, with IAM enforced
EXPORTED_ONCE = {"second_matter", "standing_matter"}
HOLD_FLAGS = ("legal_hold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalReferenceId")


@pytest.mark.parametrize(
    "name",
    sorted(
        path.stem
        for path in SCENARIOS.glob("*.json")
        if not path.name.endswith(".schema.json") and path.stem != STRICT
    ),
)
def test_a_shipped_scenario_ends_as_it_expects(name: str, tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, "-m", "local.demo", "--scenario", SCENARIOS / f"{name}.json"]

    finished = subprocess.run(
        [*command, "--out", tmp_path], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert json.loads((tmp_path / "summary.json").read_text())["ok"] is True
    asked = [json.loads(line) for line in (tmp_path / "genesys-requests.jsonl").read_text().splitlines()]
    exports = [json.dumps(one) for one in asked if one["path"].startswith(EXPORTS)]
    assert not [flag for flag in HOLD_FLAGS for export in exports if f'"{flag}"' in export]
    conversation_ids = [
        predicate["value"]
        for one in asked
        if (one["method"], one["path"]) == ("POST", "/api/v2/recording/jobs")
        for conditions in one["body"]["conversationQuery"]["conversationFilters"]
        for predicate in conditions["predicates"]
    ]
    assert name not in EXPORTED_ONCE or 0 < len(conversation_ids) == len(set(conversation_ids))
