"""What tests share: above all the embedded world, which starts once for all that need it."""

from collections.abc import Generator, Iterator
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from xdist.remote import Producer

from local.genesys.scenario import SCENARIOS
from local.world import World
from tests import measured
from tests.recording import hold_against_the_record, is_whole
from tests.sharing import Worlds

_DIFFERENCES = pytest.StashKey[list[str]]()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Worlds:
    """Share the tests out among the workers of `make test`."""
    return Worlds(config, log)


def pytest_configure() -> None:
    """Let all sessions of botocore read each service's description once, as the clients of one session do."""
    pytest.MonkeyPatch().setattr(botocore.session, "create_loader", cache(botocore.session.create_loader))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Measure what is measured when it is imported, and no other module."""
    measured.import_measured()
    with measured.unmeasured():
        return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure the tests that count."""
    if item.nodeid.startswith(measured.BY):
        return (yield)
    with measured.unmeasured():
        return (yield)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a run that used other permissions than the record says, when all workers are done."""
    if hasattr(session.config, "workerinput"):
        return
    folder: Path = session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]  # no other way
    whole = is_whole(session.config.args, lambda name: session.config.getoption(name, None))
    session.config.stash[_DIFFERENCES] = differences = hold_against_the_record(folder, whole=whole)
    if differences and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what differs, and what to do."""
    if differences := config.stash.get(_DIFFERENCES, []):
        terminalreporter.section("permissions: other than tests/unit/architecture/used_grants.txt says")
        for one in differences:
            terminalreporter.line(one)
        terminalreporter.line("If a whole run is right: cp build/used_grants.txt tests/unit/architecture/")


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
    parameters = {"SweepSchedule": "cron(0 0 1 1 ? 2199)", "SweepAgeSeconds": "0"}
    with World(world_scenario, out, caller="test", enforce_iam=True, parameters=parameters) as running:
        yield running
