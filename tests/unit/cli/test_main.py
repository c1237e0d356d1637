"""The command line as a whole: its table, its speed, its exit codes, the way it fails."""

import ast
import errno
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cli.command import command
from cli.exits import MEANINGS, Exit
from cli.failures import NotKnown
from cli.main import COMMANDS, app, load
from cli.terminal import Answer, Terminal
from holdfast.errors import AwsRefused, PlatformUnavailable, RequestRefused

ROOT = Path(__file__).parents[3]
RUNNER = CliRunner()


def test_every_command_of_the_table_can_be_loaded_and_has_help() -> None:
    for name, entry in COMMANDS.items():
        assert load(name).name == name
        assert (load(name).help or "").strip(), name
        assert RUNNER.invoke(app, [name, "--help"]).exit_code == Exit.DONE
        assert entry.summary.endswith(".")


def test_the_list_of_commands_loads_neither_aws_nor_any_command() -> None:
    probe = (
        "import sys, typer.testing, cli.main;"
        "shown = typer.testing.CliRunner().invoke(cli.main.app, ['--help']);"
        "assert shown.exit_code == 0 and all(name in shown.output for name in cli.main.COMMANDS);"
        "print(sorted(sys.modules))"
    )
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/holdfast'}"}

    told = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, env=path, capture_output=True, text=True, check=True
    )

    loaded = {module.split(".")[0] for module in ast.literal_eval(told.stdout)}
    assert "cli" in loaded
    assert not loaded & {"boto3", "botocore", "pydantic", "httpx", "cryptography", "aws_lambda_powertools"}


def test_the_launcher_starts_its_own_checkout_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "cli").mkdir()  # another project's, which must not be taken for ours
    launcher = tmp_path / "checkout/.venv/bin/holdfast"
    launcher.parent.mkdir(parents=True)
    launcher.write_text((ROOT / "cli/launcher.sh").read_text())
    launcher.chmod(0o755)
    (launcher.parent / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (launcher.parent / "python").chmod(0o755)
    shutil.copytree(ROOT / "cli", tmp_path / "checkout/cli")
    for part in ("layers", "pyproject.toml"):
        (tmp_path / "checkout" / part).symlink_to(ROOT / part)

    told = subprocess.run([launcher, "--version"], cwd=tmp_path, capture_output=True, text=True, check=True)

    assert told.stdout.startswith("holdfast ")


def test_every_exit_code_has_a_meaning() -> None:
    assert MEANINGS.keys() == set(Exit)
    assert all(
        meaning in " ".join(RUNNER.invoke(app, ["--help"]).output.split()) for meaning in MEANINGS.values()
    )


def _one_command(action: Any) -> typer.Typer:
    one = typer.Typer()
    command(one)(action)
    return one


@pytest.mark.parametrize(
    ("failure", "exit_code"),
    [
        (NotKnown("nothing is known of it", advice="name something else"), Exit.NOT_FOUND),
        (RequestRefused(["title: missing"]), Exit.REFUSED),
        (PlatformUnavailable("no answer"), Exit.TRY_AGAIN),
        (AwsRefused("GetItem: AccessDenied"), Exit.NOT_CONNECTED),
        (ZeroDivisionError("division by zero"), Exit.DEFECT),
    ],
)
def test_a_failure_is_a_sentence_and_an_exit_code_and_never_a_traceback(
    failure: Exception, exit_code: Exit
) -> None:
    def failing() -> Answer:
        raise failure

    shown = RUNNER.invoke(_one_command(failing))
    as_json = RUNNER.invoke(_one_command(failing), ["--json"])

    assert shown.exit_code == as_json.exit_code == exit_code
    assert shown.stdout == as_json.stdout == ""
    assert shown.stderr.startswith("✗ ")
    assert str(failure).partition(":")[0] in shown.stderr
    assert "Traceback" not in shown.output
    assert json.loads(as_json.stderr)["exit_code"] == exit_code


def test_an_answer_is_a_page_or_json_and_its_exit_code() -> None:
    def incomplete(terminal: Terminal) -> Answer:
        with terminal.progress("Reading") as advance:
            advance(total=1)
        return Answer({"missing": 2, "ids": {"b", "a"}}, "2 missing", Exit.NO)

    shown = RUNNER.invoke(_one_command(incomplete))
    as_json = RUNNER.invoke(_one_command(incomplete), ["--json"])

    assert (shown.stdout, shown.stderr, shown.exit_code) == ("2 missing\n", "", Exit.NO)
    assert json.loads(as_json.stdout) == {"missing": 2, "ids": ["a", "b"]}
    assert as_json.exit_code == Exit.NO


def test_a_command_line_that_cannot_be_read_is_an_error_of_usage() -> None:
    assert RUNNER.invoke(app, ["whi"]).exit_code == Exit.USAGE
    assert "why" in RUNNER.invoke(app, ["whi"]).stderr
    assert RUNNER.invoke(app, ["why"]).exit_code == Exit.USAGE


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["whi"], "Did you mean 'why'?"),
        (["why"], "Missing argument"),
        (["quote", "--conversations", "many"], "Invalid value for '--conversations'"),
        (["status", "--no-such-option"], "No such option"),
    ],
)
def test_what_is_wrong_with_a_command_line_is_told_in_json_where_json_was_asked_for(
    arguments: list[str], said: str
) -> None:
    shown = RUNNER.invoke(app, [*arguments, "--json"])

    assert (shown.exit_code, shown.stdout) == (Exit.USAGE, "")
    told = json.loads(shown.stderr)
    assert said in told["message"]
    assert told["exit_code"] == Exit.USAGE


def test_who_reads_no_further_is_no_defect() -> None:
    def cut_off() -> Answer:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    shown = RUNNER.invoke(_one_command(cut_off))

    assert (shown.exit_code, shown.output) == (Exit.NO, "")


def completed(shell: str, typed: str) -> str:
    """Ask as the script of that shell does; the command line was typed up to here."""
    asked = {
        "_HOLDFAST_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(len(typed.split()) - 1),
        "_TYPER_COMPLETE_ARGS": typed,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/holdfast'}"}
    command = [sys.executable, "-c", "import cli.main; cli.main.run()"]
    return subprocess.run(
        command, cwd=ROOT, env=path | asked, capture_output=True, text=True, check=False
    ).stdout


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_interruption_from_the_keyboard_is_an_exit_code_and_no_words(
    options: list[str],
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    shown = RUNNER.invoke(app, ["status", *options], obj=interrupted)

    assert (shown.exit_code, shown.output) == (Exit.INTERRUPTED, "")


def test_a_shell_completes_commands() -> None:
    told = completed("bash", "holdfast re").split()

    assert set(told) == {name for name in COMMANDS if name.startswith("re")}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_completes_the_options_of_a_command(shell: str) -> None:
    told = completed(shell, "holdfast status --fo")

    assert "--follow" in told
    assert "--json" not in told


def test_help_is_folded_to_the_terminal_and_not_to_the_source() -> None:
    shown = CliRunner(env={"COLUMNS": "300"}).invoke(app, ["approve", "--help"]).output

    assert "without a terminal the plan is shown, nothing is sent, and the exit code is 1." in shown
