"""What tests share: above all the embedded world, which starts once for all that need it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.genesys.scenario import SCENARIOS
from local.world import World


@pytest.hookimpl(tryfirst=True)  # the workers read the groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep what needs the embedded world on one worker: a world started twice costs a minute."""
    for item in items:
        if item.get_closest_marker("world"):
            item.add_marker(pytest.mark.xdist_group("world"))


@pytest.fixture(scope="session")
def world_scenario() -> Path:
    """The scenario that the shared worlds run with."""
    return SCENARIOS / "smallest.json"


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, world_scenario: Path) -> Iterator[World]:
    """The deployed stack and the simulator, shared by all tests of the session: use ids of your own."""
    with World(world_scenario, tmp_path_factory.mktemp("world"), caller="test") as running:
        yield running


@pytest.fixture(scope="session")
def strict_world(tmp_path_factory: pytest.TempPathFactory, world_scenario: Path) -> Iterator[World]:
    """The same with IAM enforced."""
    out = tmp_path_factory.mktemp("strict-world")
    # A sweep comes when a test asks for it, and then takes nothing for too young.
    parameters = {"SweepSchedule": "rate(30 days)", "SweepAgeSeconds": "0"}
    with World(world_scenario, out, caller="test", enforce_iam=True, parameters=parameters) as running:
        yield running
