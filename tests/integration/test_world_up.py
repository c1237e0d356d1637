"""`make up` leaves a world running and says how to reach it, `make down` ends it; the world is a stand-in."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import connection
from local import world
from local.emulator.process import ROOT
from local.genesys.scenario import SCENARIOS

KEEPER = """
    import sys
    from pathlib import Path
    from local import world

    class Stand:
        def __init__(self, scenario, out):
            assert scenario.is_file()

        def __enter__(self):
            if {fails}:
                raise world.BuildFailed("SAM refused: no template")
            return self

        def __exit__(self, *_):
            (world.HOME / "ended").touch()

    world.World = Stand
    world.description_of = lambda _: {{
        "environment": {{
            "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-central-1",
        }},
        "genesys": {{"url": "http://127.0.0.1:2", "clients": []}},
        "outputs": {{"RequestBus": "requests"}},
    }}
    world.HOME = Path({home!r})
    world._DESCRIPTION, world._LOCK = world.HOME / "world.json", world.HOME / "lock"
    sys.exit(world.keep(Path(sys.argv[1])))
"""


@pytest.fixture
def keepers() -> Iterator[list[Any]]:
    """The processes that were started: `up` waits for none of them."""
    started: list[Any] = []
    yield started
    for keeper in started:
        keeper.wait(10)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keepers: list[Any]) -> Iterator[Path]:
    """A checkout's folder of its own, so that nobody's world is ended."""
    home = tmp_path / "build/world"
    for name, value in {
        "ROOT": tmp_path,
        "HOME": home,
        "_DESCRIPTION": home / "world.json",
        "_LOCK": home / "lock",
        "_LOG": home / "world.log",
    }.items():
        monkeypatch.setattr(world, name, value)
    yield home
    world.down()


def _keeps(monkeypatch: pytest.MonkeyPatch, home: Path, keepers: list[Any], *, fails: bool = False) -> None:
    """Have the process that `up` starts keep a stand-in for the world."""
    popen: Any = subprocess.Popen
    script = textwrap.dedent(KEEPER).format(home=str(home), fails=fails)

    def start(command: list[Any], **options: Any) -> Any:
        assert command[1:5] == ["-m", "local.world", "keep", "--scenario"]
        keepers.append(popen([sys.executable, "-c", script, str(command[5])], **{**options, "cwd": ROOT}))
        return keepers[-1]

    monkeypatch.setattr(subprocess, "Popen", start)


def test_a_world_is_left_running_is_reached_and_is_ended(
    home: Path, keepers: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _keeps(monkeypatch, home, keepers)

    started = world.up(SCENARIOS / "smallest.json")
    said = capsys.readouterr().out
    again = world.up(SCENARIOS / "smallest.json")
    reached = connection.embedded(home / "world.json").output("RequestBus")
    ended = world.down()

    assert (started, again, ended) == (0, 1, 0)
    assert "export AWS_ENDPOINT_URL=http://127.0.0.1:1" in said
    assert "RequestBus" in said
    assert reached == "requests"
    assert (home / "ended").exists()
    assert not (home / "world.json").exists()
    assert "It is down." in capsys.readouterr().out


def test_where_nothing_is_up_there_is_nothing_to_end(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert world.down() == 0

    assert capsys.readouterr().out == "Nothing is up.\n"


def test_a_world_that_cannot_be_built_says_why(
    home: Path, keepers: list[Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _keeps(monkeypatch, home, keepers, fails=True)

    assert world.up(SCENARIOS / "smallest.json") == 1

    assert "SAM refused: no template" in capsys.readouterr().err
