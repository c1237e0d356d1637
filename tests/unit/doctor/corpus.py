"""The corpus: refusals in their real wording, each with the layer that said no."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "corpus"


class Case(NamedTuple):
    """One refusal, as `holdfast doctor explain` takes it."""

    name: str
    layer: str
    refusal: Mapping[str, Any]


def cases() -> list[Case]:
    """Read every case of every file."""
    return [
        Case(f"{path.stem}: {case['name']}", case["layer"], case["refusal"])
        for path in sorted(FOLDER.glob("*.json"))
        for case in json.loads(path.read_text())
    ]
