"""Only what is meant to be measured is: `domain/` and `steps/`, by their own unit tests."""

import sys

import pytest
from coverage import Coverage

from tests.measured import unmeasured


class Measuring(Coverage):
    """Says what is asked of it, and measures nothing."""

    def __init__(self, name: str, said: list[str]) -> None:
        super().__init__(data_file=None)
        self.name, self.said = name, said

    def start(self) -> None:
        self.said.append(f"start {self.name}")
        Coverage._instances.append(self)

    def stop(self) -> None:
        self.said.append(f"stop {self.name}")
        Coverage._instances.pop()


def test_nothing_is_measured_meanwhile_and_everything_afterwards_even_if_it_fails(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(Coverage, "_instances", [Measuring("outer", said), Measuring("inner", said)])

    def fail() -> None:
        with unmeasured():
            said.append("meanwhile")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert said == ["stop inner", "stop outer", "meanwhile", "start outer", "start inner"]


def test_no_test_but_those_of_rules_and_steps_is_measured() -> None:
    assert "coverage" not in repr(sys.gettrace())
