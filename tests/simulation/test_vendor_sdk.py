import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venvs/vendor/bin/python"
A = "0a6f0d1e-0000-4000-8000-000000000001"


@pytest.mark.skipif(
    not PYTHON.exists(), reason="the vendor's SDK is not installed: make .venvs/vendor/.stamp"
)
def test_the_vendors_own_sdk_works_with_nothing_changed_but_the_host(start_simulator: Any) -> None:
    day = "2026-03-02T00:00:00Z/2026-03-03T00:00:00Z"
    group = {"name": "voice", "count": 10, "medium": "voice", "custodians": [A], "interval": day}
    chat = {"name": "chat", "count": 3, "medium": "chat", "custodians": [A], "interval": day}
    chat["delete_after_s"] = 86_400
    running = start_simulator(
        {
            "schema_version": 1,
            "name": "sdk",
            "seed": 3,
            "organization": {"conversations": [group | {"screen": True, "sensitive": 1}, chat]},
            "faults": {"recordings": [{"medium": "voice", "fail": 2}]},
        }
    )

    ended = subprocess.run(
        [PYTHON, Path(__file__).with_name("vendor_sdk_session.py")],
        input=json.dumps(running.announced),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {
        "organization": running.announced["organization_id"],
        "token_organization": running.announced["organization_id"],
        "integrations": [running.announced["integration_id"]],
        "integration_state": "ACTIVE",
        "available": True,
        "details_states": ["QUEUED", "PENDING", "FULFILLED"],
        "conversations": 10,
        "media_type": "voice",
        "start_is_aware": True,
        "job_states": ["PENDING", "READY", "PROCESSING", "PROCESSING", "FULFILLED"],
        "counts": [10, 20, 17, 1, 2],
        "jobs": [True],
        "failed": 2,
        "cancelled": "CANCELLED",
        "exported": 17,
        "hold_failures": 0,
        "held": 10,
        "held_after_release": 0,
        "delete_dates": [3, True],
        "limited": [403, "missing.permissions"],
        "nobody": 400,
    }
