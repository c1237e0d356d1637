"""The workflows of GitHub Actions are pinned and frugal, and run what the documents tell people to run."""

import re
from pathlib import Path

import pytest

from tests.unit.architecture.actions import faults

ROOT = Path(__file__).parents[3]
WORKFLOWS = {path.name: path.read_text() for path in sorted((ROOT / ".github/workflows").glob("*.yml"))}
DOCUMENTED = {
    line.strip()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for block in re.findall(r"```sh\n(.*?)```", re.sub(r"(?m)^ +", "", page.read_text()), re.DOTALL)
    for line in (line.partition("  #")[0] for line in block.splitlines())
} | {
    f"make {target}"
    for target in re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_workflow_keeps_the_rules(name: str) -> None:
    assert list(faults(WORKFLOWS[name], DOCUMENTED)) == []


def test_every_change_is_checked_as_everywhere_else() -> None:
    ours = re.findall(r"^exec make (.*)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)

    theirs = re.findall(r"run: make (\w+)", WORKFLOWS["check.yml"])

    assert ours == [" ".join(theirs)]


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("check.yml", "@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2", "@v6", "pin the commit"),
        ("check.yml", " # v6.0.2", "", "say the version behind it"),
        ("check.yml", "permissions:\n  contents: read\n", "", "permissions: contents: read"),
        ("check.yml", "contents: read", "contents: write", "permissions: contents: read"),
        ("check.yml", "concurrency:", "defaults:", "no concurrency"),
        ("check.yml", "    timeout-minutes: 20\n", "", "check: no timeout-minutes"),
        ("check.yml", "persist-credentials: false", "fetch-depth: 1", "leaves its token behind"),
        ("check.yml", "  pull_request:", "  pull_request_target:", "a stranger's change"),
        ("check.yml", "make check", "make everything", "no document tells people"),
        ("deploy.yml", '"$HOLDFAST_STACK"', "${{ vars.HOLDFAST_STACK }}", "hand values over in env"),
        ("deploy.yml", "vars.HOLDFAST_DEPLOY_ROLE", "secrets.KEY", "no secrets"),
        ("deploy.yml", "  workflow_dispatch:", "  push:", "started by hand"),
        ("deploy.yml", "    environment: production\n", "", "in an environment with reviewers"),
        ("deploy.yml", "id-token: write", "packages: write", "too many permissions"),
    ],
)
def test_a_workflow_that_breaks_a_rule_is_found(name: str, old: str, new: str, said: str) -> None:
    assert old in WORKFLOWS[name]

    broken = WORKFLOWS[name].replace(old, new)

    assert any(said in fault for fault in faults(broken, DOCUMENTED))
