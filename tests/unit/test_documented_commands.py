"""Every command of the documents is typed by a test, or stands in a short table of those that are not."""

import json
import re
from pathlib import Path

import pytest

from cli.main import COMMANDS
from local.template import read_template
from tests.documented import (
    ALONE,
    NAMED_ONLY,
    NOT_TYPED,
    PAGES,
    REHEARSED,
    ROOT,
    Block,
    Typist,
    blocks,
    in_the_world,
    named_in_prose,
    reason_not_to_type,
    typed,
    upper_snake,
)

EVERY_BLOCK = [block for page in PAGES for block in blocks(page)]
_NAME = re.compile(r"(?:\.venv/bin/)?holdfast (" + "|".join(COMMANDS) + r")( (check|explain))?")


def test_a_fence_says_what_it_holds() -> None:
    for page in PAGES:
        fences = re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)

        assert set(fences[::2]) <= {"sh", "console", "text", "json", "yaml", "mermaid"}, page.name
        assert set(fences[1::2]) <= {""}, page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_command_in_prose_is_typed_too_or_said_to_be_none(page: Path) -> None:
    shown = "".join(block.text for block in EVERY_BLOCK)

    loose = {
        command
        for command in named_in_prose(page)
        if not _NAME.fullmatch(command)
        and command not in shown
        and not reason_not_to_type(command)
        and command not in NAMED_ONLY
    }

    assert loose == set()


def test_every_exception_is_needed_and_names_a_test_that_there_is() -> None:
    prose = {command for page in PAGES for command in named_in_prose(page)}
    lines = {line for block in EVERY_BLOCK for line in block.text.splitlines()} | prose

    assert [start for start in NOT_TYPED if not any(line.startswith(start) for line in lines)] == []
    assert [command for command in NAMED_ONLY if command not in prose] == []
    for why in (*NOT_TYPED.values(), *NAMED_ONLY.values(), *REHEARSED.values()):
        named = re.findall(r"(?:tests|local|\.ci)/[\w./]+", why)
        assert [path for path in named if not (ROOT / path).exists()] == []


def test_what_is_typed_is_all_that_is_shown_but_for_the_exceptions() -> None:
    in_world = {str(block) for block in in_the_world()}

    assert in_world
    for block in EVERY_BLOCK:
        kept, left_out = typed(block), [line for line in block.text.splitlines() if reason_not_to_type(line)]
        assert kept.count("\n") in (0, block.text.count("\n") - len(left_out)), str(block)


def test_a_page_that_uses_the_stacks_outputs_says_where_they_come_from() -> None:
    outputs = {upper_snake(name) for name in read_template(ROOT / "template.yaml")["Outputs"]}

    using = {block.page for block in EVERY_BLOCK if outputs & set(re.findall(r"\$(\w+)", block.text))}

    assert {"docs/events.md", "docs/genesys.md", "docs/package.md"} <= using
    for page in using - {"docs/operations.md"}:
        assert "(operations.md#the-shell)" in (ROOT / page).read_text(), page


@pytest.fixture
def typist(tmp_path: Path) -> Typist:
    refusal = re.findall(r"```json\n(.*?)```", (ROOT / "docs/doctor.md").read_text(), re.DOTALL)[0]
    (tmp_path / "refusal.json").write_text(refusal)
    return Typist(tmp_path)


@pytest.mark.parametrize("block", [one for one in EVERY_BLOCK if one.page in ALONE], ids=str)
def test_what_needs_no_world_is_typed_and_says_what_the_page_shows(block: Block, typist: Typist) -> None:
    shown = re.findall(r"```text\n(.*?)```", (ROOT / block.page).read_text(), re.DOTALL)[0]

    said = typist.type(typed(block))

    assert shown.strip() in "\n".join(line.rstrip() for line in said.splitlines())


def test_the_version_that_is_told_is_that_of_the_changelog(typist: Typist) -> None:
    newest = re.findall(r"^## \[(\d[\d.]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[0]

    assert newest in typist.type("holdfast --version\n")


# --- the reading and the typing themselves


def test_prompts_and_what_is_shown_after_them_are_not_typed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n```console\n$ holdfast matters\nM-1\n```\n\n## B c\n\n- x\n\n  ```sh\n  a\n    b\n  ```\n"
    )

    found = blocks(page)

    assert [(str(block), block.text) for block in found] == [
        ("page.md#a-1", "holdfast matters\n"),
        ("page.md#b-c-2", "a\n  b\n"),
    ]


def test_a_line_that_fails_fails_the_block(typist: Typist) -> None:
    with pytest.raises(AssertionError, match="ended with 1:\nbefore"):
        typist.type("echo before\nfalse\necho after\n")
    with pytest.raises(AssertionError, match="NOT_GIVEN"):
        typist.type('echo "$NOT_GIVEN"\n')


def test_an_answer_of_no_is_let_pass_where_it_is_one(tmp_path: Path) -> None:
    typist = Typist(tmp_path, may_say_no=("sh -c",))

    assert typist.type("sh -c 'exit 1'  # no\necho on\n") == "on\n"
    with pytest.raises(AssertionError, match="ended with 1"):
        typist.type("sh -c 'exit 2'\n")


def test_files_of_earlier_blocks_are_there_and_ids_are_replaced(tmp_path: Path) -> None:
    typist = Typist(tmp_path, {"OUTPUT": "bucket"}, {"M-2026-001": lambda: "M-7"})

    typist.type("cat > file\n", keyboard=json.dumps("M"))

    assert typist.type('echo M-2026-001 "$OUTPUT"; cat file\n') == 'M-7 bucket\n"M"'


def test_an_output_is_a_shell_variable_in_capitals() -> None:
    assert upper_snake("GenesysSecretArn") == "GENESYS_SECRET_ARN"
