"""`holdfast package`: what was made and signed comes here whole, and not a byte otherwise."""

import hashlib
import json
from pathlib import Path

import bagit
import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.main import app
from tests.fakes.house import House
from tests.unit.cli.deployment import HouseDeployment, run
from tests.unit.evidence.sealed import Story
from tests.unit.evidence.test_bag import packed, with_small_media

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:bagit")
MATTER = "M-2026-001"
SOURCE = f"packages/{MATTER}/000001/"


@pytest.fixture
def made(tmp_path: Path) -> dict[str, bytes]:
    """A package as it lies in the records bucket."""
    folder = packed(with_small_media(Story(recordings=12)), tmp_path / "made")
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    listed = (folder / "tagmanifest-sha256.txt").read_bytes()
    files["package.json"] = json.dumps(
        {"seal": {"sequence": 1}, "tagmanifest_sha256": hashlib.sha256(listed).hexdigest()}
    ).encode()
    files["package.sig"] = b"signature"
    return {f"{SOURCE}{path}": content for path, content in files.items()}


@pytest.fixture
def deployment(made: dict[str, bytes]) -> HouseDeployment:
    house = House()
    house.records.files.update(made)
    house.records.files[f"matters/{MATTER}/seals/000001.sig"] = b"signature"
    return HouseDeployment(house)


def _media(folder: Path) -> list[Path]:
    return [path for path in (folder / "data").glob("media/**/*") if path.is_file()]


def test_the_package_comes_as_it_was_made(
    deployment: HouseDeployment, made: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"

    shown = run(deployment, "package", MATTER, "-o", str(out))

    assert shown.exit_code == Exit.DONE
    here = {
        f"{SOURCE}{path.relative_to(out)}": path.read_bytes() for path in out.rglob("*") if path.is_file()
    }
    assert here == made
    assert shown.document["report"] == str(out / "data/report.html")
    assert shown.document["media"]["fetched"] is False
    assert "--with-media fetches them" in shown.page
    assert deployment.invoked == []


def test_with_its_media_it_is_valid(deployment: HouseDeployment, tmp_path: Path) -> None:
    out = tmp_path / "out"

    shown = run(deployment, "package", MATTER, "-o", str(out), "--with-media")

    assert shown.exit_code == Exit.DONE
    assert shown.document["media"]["files"] == len(_media(out)) == 24
    (out / "package.json").unlink()  # bagit knows nothing of it
    (out / "package.sig").unlink()
    assert bagit.Bag(str(out)).validate()


def test_media_that_are_here_are_not_fetched_again(deployment: HouseDeployment, tmp_path: Path) -> None:
    out = str(tmp_path / "out")
    run(deployment, "package", MATTER, "-o", out, "--with-media")
    deployment.shelf.read_from.clear()

    run(deployment, "package", MATTER, "-o", out, "--with-media")

    assert deployment.shelf.read_from == []


def test_what_was_cut_off_goes_on_where_it_stopped(deployment: HouseDeployment, tmp_path: Path) -> None:
    out = tmp_path / "out"
    deployment.shelf.cut_off = 10
    cut_off = run(deployment, "package", MATTER, "-o", str(out), "--with-media")
    begun = {path.name for path in _media(out)}
    deployment.shelf.cut_off = 1 << 30
    deployment.shelf.read_from.clear()

    shown = run(deployment, "package", MATTER, "-o", str(out), "--with-media")

    assert cut_off.exit_code == Exit.TRY_AGAIN
    assert begun
    assert all(name.endswith(".part") for name in begun)
    assert shown.exit_code == Exit.DONE
    assert {start for _, start in deployment.shelf.read_from} <= {0, 10, 20}
    assert any(start for _, start in deployment.shelf.read_from)
    assert not [path for path in _media(out) if path.name.endswith(".part")]


def test_a_medium_that_is_not_what_the_package_lists_is_refused(
    deployment: HouseDeployment, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    run(deployment, "package", MATTER, "-o", str(out), "--with-media")
    changed = _media(out)[0]
    changed.write_bytes(b"another recording")

    shown = run(deployment, "package", MATTER, "-o", str(out))
    once = deployment.shelf
    once.records.files[f"{SOURCE}data/report.html"] = b"another report"
    (out / "data/report.html").unlink()
    damaged = run(deployment, "package", MATTER, "-o", str(out))

    assert shown.exit_code == Exit.DONE  # it was not asked for media
    assert damaged.exit_code == Exit.NO
    assert "report.html is not what the package lists" in damaged.errors
    assert not (out / "data/report.html").exists()


def test_changed_media_are_found_removed_and_fetched_anew(
    deployment: HouseDeployment, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ["package", MATTER, "-o", str(out), "--with-media", "--json"]
    run(deployment, *arguments[:-1])
    changed = _media(out)[0]
    right = changed.read_bytes()
    changed.write_bytes(b"another recording")

    found = CliRunner().invoke(app, arguments, obj=lambda *_: deployment)
    was_removed = not changed.exists()
    again = CliRunner().invoke(app, arguments, obj=lambda *_: deployment)

    assert found.exit_code == Exit.NO
    assert json.loads(found.stderr)["found"].endswith("it is removed")
    assert was_removed
    assert again.exit_code == Exit.DONE
    assert changed.read_bytes() == right


def test_a_package_that_is_not_made_yet_is_made(
    deployment: HouseDeployment, made: dict[str, bytes], tmp_path: Path
) -> None:
    signature = deployment.house.records.files.pop(f"{SOURCE}package.sig")
    looks: list[int] = []

    def make() -> None:
        looks.append(1)
        if len(looks) == 3:
            deployment.house.records.files[f"{SOURCE}package.sig"] = signature

    deployment.meanwhile = make

    shown = run(deployment, "package", MATTER, "-o", str(tmp_path / "out"))

    assert shown.exit_code == Exit.DONE
    assert deployment.invoked == [("PackageMatterName", {"matter_id": MATTER})]
    assert len(looks) == 3


def test_nobody_waits_for_ever(deployment: HouseDeployment, tmp_path: Path) -> None:
    del deployment.house.records.files[f"{SOURCE}package.sig"]

    shown = run(deployment, "package", MATTER, "-o", str(tmp_path / "out"))

    assert shown.exit_code == Exit.TRY_AGAIN
    assert "read the log of PackageMatter" in shown.errors


def test_a_matter_without_a_seal_has_no_package(tmp_path: Path) -> None:
    shown = run(House(), "package", "M-9", "-o", str(tmp_path / "out"))

    assert shown.exit_code == Exit.NOT_FOUND
    assert "nothing is sealed of matter M-9" in shown.errors


@pytest.mark.parametrize("name", ["notes.txt", "package.json"])
def test_a_folder_that_holds_something_else_is_left_alone(
    name: str, deployment: HouseDeployment, tmp_path: Path
) -> None:
    (tmp_path / name).write_text('{"seal": {"sequence": 7}}')

    shown = run(deployment, "package", MATTER, "-o", str(tmp_path))

    assert shown.exit_code == Exit.REFUSED
    assert [path.name for path in tmp_path.iterdir() if path.name != "made"] == [name]


def test_the_newest_seal_is_the_one_that_counts(deployment: HouseDeployment, tmp_path: Path) -> None:
    deployment.house.records.files[f"matters/{MATTER}/seals/000002.sig"] = b"signature"

    shown = run(deployment, "package", MATTER, "-o", str(tmp_path / "out"))

    assert shown.exit_code == Exit.TRY_AGAIN  # it is asked for, and nobody makes it here
    assert deployment.invoked


def test_a_path_that_leads_outside_is_refused(deployment: HouseDeployment, tmp_path: Path) -> None:
    deployment.house.records.files[f"{SOURCE}../../outside.txt"] = b"x"

    shown = run(deployment, "package", MATTER, "-o", str(tmp_path / "deep" / "out"))

    assert shown.exit_code == Exit.REFUSED
    assert not list(tmp_path.glob("**/outside.txt"))
