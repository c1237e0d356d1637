"""Every gate has defects that it must find: the quick ones find theirs here, all in `make mutants`."""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

from local.check import GATES
from local.gates import hosts, logs, secrets
from tests.mutants import MUTANTS, OBSERVABILITY, texts

ROOT = Path(__file__).parents[3]
DEFECTS = [(gate, name) for gate, planted in MUTANTS.items() for name in planted]


def _hosts(planted: Mapping[str, str]) -> Iterable[str]:
    yield from hosts.faults({path: text for path, text in planted.items() if path.endswith(".py")})
    yield from hosts.in_scripts(planted)
    if "template.yaml" in planted:
        yield from hosts.in_template(planted["template.yaml"])


def _logs(planted: Mapping[str, str]) -> Iterable[str]:
    keys = logs.logged_keys((ROOT / OBSERVABILITY).read_text())
    return logs.faults({path: text for path, text in planted.items() if path.endswith(".py")}, keys=keys)


def _secrets(planted: Mapping[str, str]) -> Iterable[str]:
    known = planted.get(str(secrets.KNOWN), (ROOT / secrets.KNOWN).read_text())
    rows = [secrets.Known(**row) for row in json.loads(known)]
    there = [row for row in rows if row.path in planted or str(secrets.KNOWN) in planted]
    return secrets.faults(planted, there)


QUICK: Mapping[str, Callable[[Mapping[str, str]], Iterable[str]]] = {
    "hosts": _hosts,
    "logs": _logs,
    "secrets": _secrets,
}


@pytest.fixture(scope="module")
def files() -> dict[str, str]:
    folders = ("cli", "docs", "functions", "layers", "local", "requirements", "statemachines", "tests")
    found = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file()]
    found += [path for path in ROOT.iterdir() if path.is_file()]
    return texts(ROOT, (str(path.relative_to(ROOT)) for path in found))


def test_every_gate_has_defects_that_it_must_find() -> None:
    assert MUTANTS.keys() == {gate.name for gate in GATES}
    assert all(MUTANTS.values())


@pytest.mark.parametrize(("gate", "name"), DEFECTS)
def test_a_defect_can_still_be_planted_and_is_found(gate: str, name: str, files: dict[str, str]) -> None:
    planted = dict(files)

    MUTANTS[gate][name](planted)

    changed = {path: text for path, text in planted.items() if files.get(path) != text}
    assert changed
    if gate in QUICK:
        assert list(QUICK[gate](changed))
