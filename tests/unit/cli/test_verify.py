"""`holdfast verify`, `prove` and `verify-proof`, as they are typed."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.main import app
from tests.fakes.seals import SignerInMemory
from tests.packages import put, sealed_matter, write_package

ROOT = Path(__file__).parents[3]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return write_package(sealed_matter(), tmp_path / "package")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    put(tmp_path / "key.pem", SignerInMemory().public_key().pem)
    return tmp_path / "key.pem"


def _run(*arguments: str | Path) -> tuple[int, str]:
    told = CliRunner().invoke(app, [str(one) for one in arguments])
    return told.exit_code, told.output


def _object_of(package: Path) -> str:
    lines = (package / "data/segments/000001.jsonl").read_bytes().splitlines()
    key: str = next(json.loads(line)["key"] for line in lines if b'"role":"media"' in line)
    return key


def test_a_whole_package_is_intact_and_its_digests_can_be_copied(package: Path, key: Path) -> None:
    code, told = _run("verify", package, "--key", key)

    assert code == Exit.DONE
    assert "✓ Intact" in told
    assert json.loads((package / "package.json").read_bytes())["seal"]["sha256"] in told


def test_what_is_wrong_is_named_the_first_thing_first_and_the_answer_is_no(package: Path, key: Path) -> None:
    put(package / "data/report.html", b"another")
    put(package / "data/more.txt", b"more")

    code, told = _run("verify", package, "--key", key)
    json_code, as_json = _run("verify", package, "--key", key, "--json")

    assert code == json_code == Exit.NO
    assert told.index("First wrong: data/report.html is not what") < told.index("Also wrong:  data/more.txt")
    document = json.loads(as_json)
    assert (document["intact"], document["faults"][0]["place"]) == (False, "data/report.html")
    assert len(document["faults"]) == document["fault_count"]


def test_many_faults_are_cut_on_the_page_and_whole_in_json(package: Path) -> None:
    for number in range(60):
        put(package / f"data/{number}.txt", b"")

    assert "more; --json lists them" in _run("verify", package)[1]
    assert json.loads(_run("verify", package, "--json")[1])["fault_count"] == 60


def test_one_recording_is_proven_and_the_proof_checked(package: Path, key: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"

    made = _run("prove", package, "--object", _object_of(package), "--out", proof)
    printed = _run("prove", package, "--object", _object_of(package))
    checked = _run("verify-proof", proof, "--key", key)

    assert (made[0], checked[0]) == (Exit.DONE, Exit.DONE)
    assert "✓ Intact" in checked[1]
    assert json.loads(printed[1]) == json.loads(proof.read_text())
    assert _run("verify-proof", proof, "--recording", key)[0] == Exit.NO


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["verify", "nowhere"], Exit.NOT_FOUND),
        (["prove", "nowhere", "--object", "x"], Exit.NOT_FOUND),
        (["prove", "{package}", "--object", "x"], Exit.NOT_FOUND),
        (["verify-proof", "nowhere"], Exit.NOT_FOUND),
        (["verify-proof", "{package}/data/report.html"], Exit.REFUSED),
        (["verify", "{package}", "--key", "nowhere"], Exit.REFUSED),
        (["verify", "{package}", "--key", "{package}/data/report.html"], Exit.REFUSED),
    ],
)
def test_what_cannot_be_read_is_said_and_is_no_verdict(
    package: Path, arguments: list[str], code: Exit
) -> None:
    assert _run(*[one.format(package=package) for one in arguments])[0] == code


def test_no_aws_library_is_loaded(package: Path) -> None:
    probe = (
        "import sys, typer.testing, cli.main;"
        f"shown = typer.testing.CliRunner().invoke(cli.main.app, ['verify', {str(package)!r}]);"
        "assert shown.exit_code == 0, shown.output;"
        "print(sorted(sys.modules))"
    )
    path = {"PYTHONPATH": f"{ROOT}:{ROOT / 'layers/holdfast'}"}

    told = subprocess.run(
        [sys.executable, "-c", probe], cwd=ROOT, env=path, capture_output=True, text=True, check=True
    )

    loaded: Any = {module.split(".")[0] for module in ast.literal_eval(told.stdout)}
    assert "cryptography" in loaded
    assert not loaded & {"boto3", "botocore", "aws_lambda_powertools", "httpx"}
