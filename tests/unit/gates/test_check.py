"""All gates run, whatever the others say, and what failed is shown whole."""

import sys

import pytest

from local import check
from local.check import GATES, Gate, main, run, run_all


def gate(name: str, code: str) -> Gate:
    return Gate(name, f"{name} holds", (sys.executable, "-c", code))


GREEN, RED = gate("green", "print('fine')"), gate("red", "print('a fault'); raise SystemExit(3)")


def test_a_gate_passes_if_its_command_does() -> None:
    green, red = run(GREEN), run(RED)

    assert (green.is_passed, green.said) == (True, "fine\n")
    assert (red.is_passed, red.said) == (False, "a fault\n")


def test_a_gate_whose_tool_is_missing_fails_and_says_so() -> None:
    result = run(Gate("gone", "nothing holds", ("./no-such-tool",)))

    assert not result.is_passed
    assert "no-such-tool is not installed" in result.said


def test_all_gates_run_even_if_one_fails() -> None:
    assert {result.gate.name for result in run_all([RED, GREEN])} == {"red", "green"}


def test_what_failed_is_shown_at_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "GATES", (RED, GREEN))

    ended = main([])

    told = capsys.readouterr().out
    assert ended == 1
    assert told.index("passed  green") < told.index("a fault")
    assert "1 of 2 gates failed" in told
    assert "fine" not in told


def test_one_gate_can_be_run_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "GATES", (RED, GREEN))

    assert main(["green"]) == 0
    assert "1 gates passed" in capsys.readouterr().out


def test_a_gate_that_does_not_exist_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["gait"]) == 2
    assert "no gate gait; there are format, " in capsys.readouterr().err


def test_the_documented_gates_are_those_that_run() -> None:
    written = (check.ROOT / "CONTRIBUTING.md").read_text()

    assert f"<!-- gates -->\n{check.table()}\n<!-- /gates -->" in written


def test_every_gate_says_what_it_holds() -> None:
    assert len({one.name for one in GATES}) == len(GATES)
    assert all(one.holds and one.command for one in GATES)
