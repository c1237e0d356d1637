"""Every command that the documents show is run, and their tables are those of the code."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.command_page import drawn
from cli.exits import Exit
from cli.main import COMMANDS, app, load
from tests.events import load_event
from tests.fakes.house import MATTER, RELEASE_EXECUTION, House
from tests.fakes.story import conversation_id, held
from tests.unit.cli.deployment import HouseDeployment

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGE = (ROOT / "docs/command-line.md").read_text()
_BLOCK = re.compile(r"```(?:console|sh|text)\n(.*?)```", re.DOTALL)
_SHOWN = re.compile(
    r"^(?:\$ )?(?:jq '\.events\[0\]\.detail' (?P<scenario>\S+) \| )?"
    r"(?:\.venv/bin/)?holdfast (?P<command>.+?)(?:\s+#.*|\s+&&.*)?$",
    re.MULTILINE,
)
_INLINE = re.compile(r"`(?:\.venv/bin/)?holdfast ([a-z][a-z-]*)")
# These need what a fake does not have, and are run elsewhere; here, their command lines are read.
NEEDS_MORE = {"doctor", "failures", "sweep", "verify", "prove", "verify-proof", "package", "open"}


def shown_commands() -> list[tuple[str, str]]:
    """List every command line, each with the scenario whose request it is given."""
    blocks = [block for page in PAGES for block in _BLOCK.findall(page.read_text())]
    found = (match for block in blocks for match in _SHOWN.finditer(block))
    return sorted({(match["command"], match["scenario"] or "") for match in found})


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


@pytest.mark.parametrize(("command", "scenario"), shown_commands())
def test_every_command_that_is_shown_runs(
    command: str, scenario: str, house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("my-request.json", "corrected.json"):
        Path(name).write_text(json.dumps(load_event("discovery_requested")))
    arguments = shlex.split(command)
    bucket, key = house.evidence.name, next(iter(house.evidence.stored))[0]
    stands_for = {"$EVIDENCE_BUCKET": bucket, "$KEY": key, "BUCKET": bucket, "KEY": key}
    for part, what in {"$MATTER": MATTER, "$RELEASE": "REL-1", **stands_for}.items():
        arguments = [one.replace(part, what) for one in arguments]
    request = (
        json.dumps(json.loads((ROOT / scenario).read_text())["events"][0]["detail"]) if scenario else None
    )
    if arguments[0] in NEEDS_MORE:
        assert read(load(arguments[0]), arguments)
        return

    target = HouseDeployment(House() if scenario else house)  # a scenario's world begins empty
    shown = CliRunner().invoke(app, arguments, obj=lambda *_: target, input=request)

    assert shown.exit_code in (Exit.DONE, Exit.NO), shown.output


def read(command: Any, arguments: list[str]) -> Any:
    """Read a command line without running it; one that cannot be read raises."""
    if len(arguments) > 1 and arguments[1] in getattr(command, "commands", {}):
        return read(command.commands[arguments[1]], arguments[1:])
    return command.make_context(arguments[0], arguments[1:])


def test_a_command_line_that_is_wrong_is_found() -> None:
    with pytest.raises(Exception, match="--no-such-option"):
        read(load("package"), ["package", "M-1", "--no-such-option"])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_is_named_exists(page: Path) -> None:
    assert set(_INLINE.findall(page.read_text())) <= COMMANDS.keys()


def test_the_tables_of_commands_and_exit_codes_are_up_to_date() -> None:
    assert drawn(PAGE) == PAGE, "run python -m cli.command_page"
    assert PAGE.count("| `holdfast ") == len(COMMANDS)
