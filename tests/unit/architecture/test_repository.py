"""The repository holds nothing of the machine it was made on; its documents promise only what is there."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.unit.architecture.repository import faults, promises

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def files() -> set[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("only a checkout knows what is committed")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


@pytest.fixture(scope="module")
def texts(files: set[str]) -> dict[str, str]:
    return {name: (ROOT / name).read_text(errors="replace") for name in files}


def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_nothing_is_committed_that_belongs_to_a_machine_or_a_person(texts: dict[str, str]) -> None:
    assert sorted(faults(texts, root=str(ROOT))) == []


def test_documents_promise_only_what_is_there(texts: dict[str, str], files: set[str]) -> None:
    documents = {name: text for name, text in texts.items() if name.endswith(".md")}

    assert documents
    assert list(promises(documents, files=files, targets=targets())) == []


def test_what_is_committed_is_small(files: set[str]) -> None:
    assert [name for name in files if (ROOT / name).stat().st_size > 250_000] == []


# What must be found is put together here, so that this file itself is none of it.
@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("uv.lock", "", "the only locks"),
        ("requirements/dev.txt", "--index" + "-url https://mirror.example/simple", "a download address"),
        ("pyproject.toml", "x = 'https://files.python" + "hosted.org/packages/a'", "a download address"),
        ("docs/a.md", "cd /ho" + "me/somebody/holdfast", "a home"),
        ("docs/a.md", "cd /checkout/here", "the folder of this checkout"),
        ("events/a.json", "AKI" + "A2345678901234567", "a secret, in line 1"),
        ("tests/a.pem", "\n-----BEGIN EC PRIV" + "ATE KEY-----", "a secret, in line 2"),
        ("docs/a.md", "token gh" + "p_0123456789abcdef0123", "a secret"),
        ("cli/a.py", "eval(x)  # no" + "sec", "answers bandit without a number, in line 1"),
        ("docs/a.md", "ask some.body@" + "company.com", "a mail address"),
    ],
)
def test_what_should_not_be_committed_is_found(path: str, text: str, said: str) -> None:
    (fault,) = faults({path: text}, root="/checkout/here")

    assert fault.startswith(f"{path}: ")
    assert said in fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[x](docs/gone.md)", "README.md: links to docs/gone.md"),
        ("`make coffee`", "README.md: make coffee"),
        ("```sh\nmake coffee  # at once\n```", "README.md: make coffee"),
        ("`make demo SCENARIO=local/scenarios/gone.json`", "README.md: local/scenarios/gone.json"),
    ],
)
def test_a_promise_that_is_not_kept_is_found(text: str, said: str) -> None:
    kept = "[x](docs/here.md#part) [y](https://example.org) [z](docs) `make demo` and make sense of it"

    found = promises({"README.md": f"{kept} {text}"}, files={"docs/here.md"}, targets={"demo"})

    assert list(found) == [said]
