"""The payloads under `events/`, one for every trigger and step. Tests load them here and nowhere else."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "events"


def load_event(name: str) -> Any:
    """Read a fresh copy of ``events/{name}.json``."""
    return json.loads((FOLDER / f"{name}.json").read_text())
