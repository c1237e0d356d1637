"""The commands of the documents: found on the pages, and typed into a shell as a reader types them.

A block is typed whole, with ``sh -eu``; all blocks of a reader in one folder and in order, so that a later
one finds the files of an earlier one. A new block is typed on the embedded world
(tests/e2e/test_typed_documents.py), unless this module says where else it is run, or why it is not.
"""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted(ROOT.glob("C*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PATIENCE_S = 300

# Typed without a world, by tests/unit/test_documented_commands.py.
ALONE = {"docs/doctor.md"}
# Typed by tests of their own.
REHEARSED: Mapping[str, str] = {
    "docs/operations.md": "tests/e2e/test_runbooks.py types each runbook in the night it is for; what would "
    "end the shared world is held by tests/unit/test_operations.py to the services' own models, and done by "
    "tests/integration/test_restored_ledger.py",
}
# Commands that are not typed, by how they begin: why, and which test stands in for that.
NOT_TYPED: Mapping[str, str] = {
    "make demo": "takes minutes; tests/integration/test_emulator_demo.py runs what it starts",
    "make test": "is what runs this; .ci/run is the same",
    "make check": "what .ci/run does before the tests",
    "make lock": "would change what is locked",
    "make genesys": "tests/simulation/test_server.py runs what it starts",
    "make up": "runs until make down; tests/integration/test_world_up.py does both with a stand-in",
    "make down": "as make up",
    "make bench": "judges nothing; tests/performance/test_large_matter.py is the smaller one that does",
    "make tamper": "tests/unit/evidence/test_tampering.py runs it with fewer changes",
    "make install": "make test installs the command line before anything else",
    "python3.13 -m pip install": "needs a package index; make installs the same lock",
    "ARCHITECTURE=x86_64 sam build": "as sam build",
    "sam build": "tests/e2e/test_first_deployment.py types it, and local/build.py runs it for every world",
    "sam deploy": "tests/e2e/test_first_deployment.py types it, into a stack of its own",
    "aws cloudformation delete-stack": "would take the world away from all other tests",
    "aws cloudformation wait stack-delete-complete": "as delete-stack",
    "holdfast resolve M-2026-001 --reason": "needs an empty recording: tests/unit/cli/test_documents.py",
    "holdfast approve": "needs a person: tests/unit/cli/test_documents.py",
}
# What stands between backticks in prose and is typed nowhere as it stands.
NAMED_ONLY: Mapping[str, str] = {
    "holdfast why ID": "a form; docs/command-line.md shows it with an id",
    "holdfast failures RUN --again": "docs/operations.md shows it with the name of a run that failed",
    "holdfast status M-2026-001": "shown with --follow, too",
    "holdfast status M-2026-001 --follow && notify-somebody": "whom to notify is the reader's",
    "holdfast --version": "tests/unit/test_documented_commands.py types it",
    "holdfast --help": "shown as .venv/bin/holdfast --help",
    "holdfast --install-completion": "changes the shell's own files",
    ".venv/bin/python -m cli": "what the launcher does; tests/unit/cli/test_main.py",
    "python -m cli.command_page": "tests/unit/cli/test_documents.py holds what it draws",
    "python -m cli.doctor_page": "tests/unit/test_docs.py holds what it draws",
    "make mutants": "takes minutes; tests/unit/gates/test_mutants.py holds that all can be planted",
    "make mutants GATE=logs": "as above",
    ".venv/bin/python -m pytest tests/unit/domain/test_tags.py": "what make test does, of one file",
    "python -m local.permissions_page": "tests/unit/test_docs.py holds what it draws",
    "python -m local.diagrams": "tests/unit/test_docs.py holds what it draws",
    "python -m local.genesys [--port N] [--scenario FILE] [--requests FILE] [--folder DIR]": "a form",
    "sha256sum --check": "reads a list that only large requests have",
    "sha256sum plan.json": "of a file in the records bucket; tests/unit/cli/test_release.py holds its hash",
    "openssl dgst -verify": "a part of what docs/package.md shows",
    "aws s3 cp --recursive": "a part of a sentence about what tools can do",
}
_PROGRAMS = r"(?:\.venv/bin/)?(?:holdfast|python[\d.]*|aws|sam|make|openssl|sha256sum|jq)"
_BLOCK = re.compile(r"^( *)```(?:sh|console)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_INLINE = re.compile(rf"`((?:[A-Z_]+=\S+ )*{_PROGRAMS} [^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Block:
    """What a reader types at one place of a page; prompts and shown output are taken off."""

    page: str
    heading: str
    number: int
    text: str

    def __str__(self) -> str:
        """Name the block as its page does, for tests."""
        return f"{self.page}#{self.heading.lower().replace(' ', '-')}-{self.number}"


def blocks(page: Path) -> list[Block]:
    """Find the shell blocks of a page, in its order."""
    text = page.read_text()
    name = str(page.relative_to(ROOT)) if page.is_relative_to(ROOT) else page.name
    found = []
    for number, block in enumerate(_BLOCK.finditer(text), 1):
        headings = re.findall(r"^#+ (.+)$", _without_blocks(text[: block.start()]), re.MULTILINE)
        lines = [line.removeprefix(block[1]) for line in block[2].splitlines()]
        prompted = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        heading = headings[-1] if headings else ""
        found.append(Block(name, heading, number, "\n".join(prompted or lines) + "\n"))
    return found


def named_in_prose(page: Path) -> set[str]:
    """Find the commands with arguments that stand between backticks, outside of blocks."""
    return set(_INLINE.findall(_without_blocks(page.read_text())))


def in_the_world() -> list[Block]:
    """Give the blocks that are typed on the embedded world, README first."""
    every = (block for page in PAGES for block in blocks(page))
    return [block for block in every if block.page not in ALONE | REHEARSED.keys() and typed(block)]


def typed(block: Block) -> str:
    """Leave out the lines that are not typed; empty if nothing is left."""
    lines = [line for line in block.text.splitlines(keepends=True) if not reason_not_to_type(line)]
    return "".join(lines) if any(line.split("#")[0].strip() for line in lines) else ""


def reason_not_to_type(line: str) -> str | None:
    """Say why a line is not typed; None if it is."""
    return next((why for start, why in NOT_TYPED.items() if line.strip().startswith(start)), None)


def upper_snake(name: str) -> str:
    """Give the documents' shell variable for a stack's output: EVIDENCE_BUCKET for EvidenceBucket."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).upper()


@dataclass
class Typist:
    """Types blocks into a shell, in one folder.

    Args:
        folder: where everything is typed; HOME, too.
        environment: shell variables besides PATH and HOME.
        instead: what stands in the documents, and what to type in its place; asked when it is needed.
        may_say_no: commands whose exit code 1 is an answer (not all is preserved), by how their lines begin.
    """

    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    may_say_no: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Put the command line where `make` puts it, for the checkout that is tested."""
        launcher = self.folder / ".venv/bin/holdfast"
        launcher.parent.mkdir(parents=True)
        launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P "{ROOT}/cli/__main__.py" "$@"\n')
        launcher.chmod(0o755)

    def type(self, text: str, *, keyboard: str = "") -> str:
        """Run the commands of a block, and return what they print; one that fails is a failed assertion."""
        for shown, meant in self.instead.items():
            if shown in text:
                text = text.replace(shown, meant())
        lines = [
            f"{line.split(' #')[0].rstrip()} || test $? -eq 1"
            if f"{line}\n".startswith(self.may_say_no)
            else line
            for line in text.splitlines()
        ]
        environment = {
            "PATH": f"{self.folder}/.venv/bin:{ROOT}/.venv/bin:{ROOT}/.venvs/aws/bin:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
            "BROWSER": "true",  # a command that opens a browser finds one that shows nothing
            "AWS_EC2_METADATA_DISABLED": "true",
            **self.environment,
        }
        done = subprocess.run(
            ["sh", "-eu", "-c", "\n".join(lines)], cwd=self.folder, env=environment, input=keyboard,
            capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\nended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout


def _without_blocks(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```", "", text, flags=re.DOTALL | re.MULTILINE)
