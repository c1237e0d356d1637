"""What the custody argument and the security page claim is in code and held by a test, each by its name."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from local.template import read_template

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "layers/holdfast/holdfast"
LEAST_CLAIMS = {"docs/custody.md": 40, "docs/security.md": 15}
# Rooms that are not the program's are named from the top of the repository.
_TOP = re.compile(r"(template\.yaml|Makefile|cli/|local/|\.github/|requirements/)")
_ROW = re.compile(r"^\| (.+) \| (.+) \| (.+) \|$", re.MULTILINE)
_HEAD = "| Code | Test |\n|---|---|---|\n"


@cache
def names_in(path: Path) -> frozenset[str]:
    """Name whatever a file defines: resources of a template; functions, classes and constants of a module."""
    if path.name == "template.yaml":
        return frozenset(read_template(path)["Resources"])
    if path.suffix != ".py":
        return frozenset()
    found = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return frozenset(found)


def rows(page: str) -> list[tuple[str, list[str], list[str]]]:
    """Give every claim of a page, with its code and its tests."""
    tables = page.split(_HEAD)[1:]
    found = [row for table in tables for row in _ROW.findall(table.split("\n\n")[0] + "\n")]
    return [
        (claim, re.findall(r"`([^`]+)`", code), re.findall(r"`([^`]+)`", tests))
        for claim, code, tests in found
    ]


def unresolved(places: list[str], base: Path) -> list[str]:
    """Name the places ``file::name`` that are none."""
    lost = []
    for place in places:
        file, _, name = place.partition("::")
        path = (ROOT if base == PROGRAM and _TOP.match(file) else base) / file
        if not path.is_file() or (name and name not in names_in(path)):
            lost.append(place)
    return lost


@pytest.mark.parametrize("page", LEAST_CLAIMS)
def test_every_claim_names_code_and_tests_that_there_are(page: str) -> None:
    claims = rows((ROOT / page).read_text())

    assert len(claims) >= LEAST_CLAIMS[page]
    for claim, code, tests in claims:
        assert code, claim
        assert tests, claim
        assert (unresolved(code, PROGRAM), unresolved(tests, ROOT / "tests")) == ([], []), claim
        assert all(re.search(r"::test_\w+$", test) for test in tests), claim


def test_every_rule_of_custody_has_claims_and_says_what_is_not_covered() -> None:
    page = (ROOT / "docs/custody.md").read_text()

    rules = {
        int(rule.split(".")[0]): rule
        for rule in re.split(r"^### ", page, flags=re.MULTILINE)[1:]
        if rule[0].isdigit()
    }

    assert sorted(rules) == list(range(1, 13))
    for number, rule in rules.items():
        assert len(rows(rule)) >= 2, number
        assert rule.count("*Not covered yet:*") == 1, number


def test_a_claim_whose_test_or_code_is_gone_is_found() -> None:
    page = (
        f"| Claim {_HEAD}"
        "| kept | `domain/tags.py::plan_tags` `template.yaml::Ledger` | `unit/test_arguments.py::rows` |\n"
        "| gone | `steps/reconcile.py::no_such` `template.yaml::NoSuch` | `unit/none.py::test_it` |\n\n"
        "| x | y | z |\n"
    )

    (_, code, tests), (_, lost_code, lost_tests) = rows(page)

    assert (unresolved(code, PROGRAM), unresolved(tests, ROOT / "tests")) == ([], [])
    assert unresolved(lost_code, PROGRAM) == lost_code
    assert unresolved(lost_tests, ROOT / "tests") == lost_tests
