"""Dependencies point inward, and an import that does not is found."""

import ast
from pathlib import Path

import pytest

from tests.unit.architecture.dependencies import ROOMS, faults, imports, room_of, sources

ROOT = Path(__file__).parents[3]
SOURCES = sources(ROOT)


def test_dependencies_point_inward() -> None:
    assert list(faults(SOURCES)) == []


def test_every_room_is_lived_in() -> None:
    assert ROOMS.keys() == {room_of(module) for module in SOURCES if module != "holdfast.__init__"}


@pytest.mark.parametrize(
    ("module", "broken", "said"),
    [
        ("holdfast.domain.tags", "import pydantic", "imports pydantic"),
        ("holdfast.domain.tags", "from holdfast.ports import Clock", "imports holdfast.ports"),
        ("holdfast.domain.tags", "from holdfast import errors", "imports holdfast.errors"),
        ("holdfast.domain.tags", "def f():\n    import boto3", "imports boto3"),
        ("holdfast.domain.tags", "import time", "imports time"),
        ("holdfast.domain.tags", "now = datetime.now(UTC)", "asks the clock"),
        ("holdfast.steps.preflight", "date.today()", "asks the clock"),
        ("holdfast.steps.preflight", "from pathlib import Path", "imports pathlib"),
        ("holdfast.domain.tags", "import importlib", "imports importlib"),
        ("holdfast.domain.tags", "from . import ids", "imports ..ids"),
        ("holdfast.steps.preflight", "from holdfast.aws.table import Table", "imports holdfast.aws.table"),
        (
            "holdfast.steps.preflight",
            "from holdfast.genesys.token import X",
            "imports holdfast.genesys.token",
        ),
        ("holdfast.steps.preflight", "from holdfast import bootstrap", "imports holdfast.bootstrap"),
        ("holdfast.steps.preflight", "import httpx", "imports httpx"),
        ("holdfast.steps.preflight", "import botocore.session", "imports botocore.session"),
        ("holdfast.contracts.steps", "from holdfast.steps.pool import X", "imports holdfast.steps.pool"),
        ("holdfast.genesys.token", "from holdfast.aws.table import Table", "imports holdfast.aws.table"),
        (
            "holdfast.aws.table",
            "from holdfast.genesys.transport import X",
            "imports holdfast.genesys.transport",
        ),
        ("holdfast.aws.table", "import os\nos.getenv('A')", "reads the environment"),
        ("holdfast.settings", "import os\nos.environ", "reads the environment"),
        ("holdfast.genesys.token", "from os import getenv", "reads the environment"),
        ("functions.preflight", "from holdfast.aws.table import Table", "imports holdfast.aws.table"),
        ("functions.preflight", "import boto3", "imports boto3"),
        ("functions.preflight", "import os\nos.environ", "reads the environment"),
        ("cli.why", "from holdfast.steps.pool import X", "imports holdfast.steps.pool"),
        ("cli.why", "from holdfast import bootstrap", "imports holdfast.bootstrap"),
        ("cli.why", "from holdfast.genesys.token import X", "imports holdfast.genesys.token"),
        ("cli.why", "import httpx", "imports httpx"),
        ("holdfast.steps.preflight", "from cli.exits import Exit", "imports cli.exits"),
        ("holdfast.helpers", "", "stands in no room"),
        ("holdfast.steps.preflight", "from local.world import World", "imports local.world"),
    ],
)
def test_an_import_that_points_outward_is_found(module: str, broken: str, said: str) -> None:
    assert list(faults({module: broken})) == [f"{module}: {said}"]


def test_the_embedded_world_and_the_program_do_not_know_each_other() -> None:
    """It stands where AWS and the vendor stand: whatever it shared with the program, it could not test."""
    local = {path: imports(ast.parse(path.read_text())) for path in (ROOT / "local").rglob("*.py")}

    assert local
    assert not [
        f"{path}: {one}" for path, found in local.items() for one in found if one.split(".")[0] == "holdfast"
    ]
