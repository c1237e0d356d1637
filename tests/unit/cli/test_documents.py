"""Every command that the documents show is run, and their tables are those of the code."""

import json
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.command_page import drawn
from cli.exits import Exit
from cli.main import COMMANDS, app
from tests.events import load_event
from tests.fakes.house import RELEASE_EXECUTION, House
from tests.fakes.story import conversation_id, held
from tests.unit.cli.deployment import HouseDeployment

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = (ROOT / "docs/command-line.md").read_text()
_BLOCK = re.compile(r"```(?:console|sh|text)\n(.*?)```", re.DOTALL)
_SHOWN = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?holdfast (.+?)(?:\s+#.*|\s+&&.*)?$", re.MULTILINE)
_INLINE = re.compile(r"`(?:\.venv/bin/)?holdfast ([a-z][a-z-]*)")
# What a command needs that a fake does not have; its help is shown instead, which reads the command line too.
NEEDS_MORE = {"doctor", "verify", "prove", "verify-proof", "package", "open"}


def shown_commands() -> list[str]:
    blocks = [block for page in PAGES for block in _BLOCK.findall(page.read_text())]
    return sorted({command for block in blocks for command in _SHOWN.findall(block)})


@pytest.fixture
def house() -> House:
    """A matter that is preserved, with a planned release; a conversation has the id of the documents."""
    house = held()
    house.seal_custody()
    assert house.open_release().outcome == "OPENED"
    house.release_runs.alive.add(RELEASE_EXECUTION)
    assert house.plan_release().status == "PLANNED"
    house.conversations.folders["CONV#49e78701-95b0-429a-8571-11497d559b12"] = house.conversations.folders[
        f"CONV#{conversation_id(1)}"
    ]
    return house


@pytest.mark.parametrize("command", shown_commands())
def test_every_command_that_is_shown_runs(
    command: str, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my-request.json").write_text(json.dumps(load_event("discovery_requested")))
    arguments = shlex.split(command)
    for part, what in (("BUCKET", house.evidence.name), ("KEY", next(iter(house.evidence.stored))[0])):
        arguments = [one.replace(part, what) for one in arguments]
    if arguments[0] in NEEDS_MORE:
        arguments = [arguments[0], "--help"]

    shown = CliRunner().invoke(app, arguments, obj=lambda *_: HouseDeployment(house))

    assert shown.exit_code in (Exit.DONE, Exit.NO), shown.output


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    assert set(_INLINE.findall(page.read_text())) <= COMMANDS.keys()


def test_the_tables_of_commands_and_exit_codes_are_up_to_date() -> None:
    assert drawn(PAGE) == PAGE, "run python -m cli.command_page"
    assert PAGE.count("| `holdfast ") == len(COMMANDS)
