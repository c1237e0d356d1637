"""Every command that the documents show is run, and their tables are those of the code."""

import json
import re
import shlex
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.command_page import drawn
from cli.exits import Exit
from cli.main import COMMANDS, app, load
from holdfast.domain.reconciliation import MEANINGS
from local.outcome import print_summary
from tests.events import load_event
from tests.fakes.house import MATTER, RELEASE_EXECUTION, House
from tests.fakes.story import conversation_id, held
from tests.packages import sealed_matter
from tests.unit.cli.deployment import HouseDeployment, run

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


# --- what is shown as an answer


def _sample(page: str, command: str) -> str:
    """Give the answer that a page shows after the block that ends with a command."""
    blocks: list[tuple[str, str]] = re.findall(
        r"```(?:console|sh)\n(.*?)```\s*```text\n(.*?)```", page, re.DOTALL
    )
    return next(answer for typed, answer in blocks if re.search(rf"{command}.*\n(?:.*\n)?$", typed))


def _lines_without_numbers(text: str) -> set[str]:
    """Give the headings and labels: whatever line has no digit, with its spaces made one."""
    return {" ".join(line.split()) for line in text.splitlines() if not re.search(r"\d", line)} - {""}


def test_status_looks_as_it_is_shown() -> None:
    shown = _sample((ROOT / "README.md").read_text(), "holdfast status")

    said = run(sealed_matter(), "status", MATTER).page

    headings = _lines_without_numbers(shown)
    assert any("recordings secured" in heading for heading in headings)
    assert headings <= _lines_without_numbers(said)
    assert set(re.findall(r"^ +\d+  (\w[\w ]+?)  ", shown, re.MULTILINE)) <= {
        reason.value.replace("_", " ") for reason in MEANINGS
    }


def test_why_looks_as_it_is_shown(house: House) -> None:
    shown = _sample(PAGE, "holdfast why s3")

    said = run(house, "why", str(conversation_id(1))).page

    headings = _lines_without_numbers(shown)
    assert {"Matters", "Object versions"} <= headings
    assert headings <= _lines_without_numbers(said)


def test_a_demo_ends_as_it_is_shown(tmp_path: Path) -> None:
    shown = (ROOT / "README.md").read_text().split("Scenario default:")[1].split("```")[0]
    fields = ("conversations", "held_at_platform", "expected", "delivered", "secured", "explained", "missing")
    counts = {
        medium: dict(zip(fields, map(int, numbers.split()), strict=True))
        for medium, numbers in re.findall(r"^ (\w[\w ]*?) {2,}((?: *\d+){7})$", shown, re.MULTILINE)
    }
    reasons = re.findall(r"^ +(\d+)  (\w.+)$", shown, re.MULTILINE)
    total = counts.pop("in all")
    summary: dict[str, Any] = {
        "scenario": "default",
        "verdict": "preserved",
        "by_medium": counts,
        "conversations": {"expected": total["conversations"], "held_at_platform": total["held_at_platform"]},
        "recordings": total,
        "by_reason": {name.replace(" ", "_"): int(count) for count, name in reasons},
        "reused": {"conversations": 0},
        "requests": [],
        "standing_matters": [],
        "time_s": 1,
        "aws_calls": 1,
        "genesys_calls": 1,
    }
    console = Console(width=120, record=True, file=StringIO())

    print_summary(console, summary, tmp_path, [], [])

    assert len(counts) == 5
    printed = [line.rstrip() for line in console.export_text().splitlines()]
    assert [line for line in f"Scenario default:{shown}".splitlines() if line.rstrip() not in printed] == []
