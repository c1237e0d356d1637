"""Whole files go to one worker each, and those that share a world to the same."""

import pytest

from local.emulator.process import ROOT
from tests.sharing import WORLDS, shared_world

FILES = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("tests/**/test_*.py")]


@pytest.mark.parametrize("world", WORLDS)
def test_the_files_that_share_a_world_are_found(world: str) -> None:
    sharing = [path for path in FILES if shared_world(path) == world]

    assert len(sharing) > 2
    assert all(path.startswith("tests/e2e/") for path in sharing)


@pytest.mark.parametrize(
    "path", ["tests/e2e/test_compliance_matter.py", "tests/e2e/test_scenarios.py", "tests/unit/test_docs.py"]
)
def test_who_has_a_world_alone_or_none_goes_where_there_is_time(path: str) -> None:
    assert shared_world(path) == ""
