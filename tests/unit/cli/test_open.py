"""`holdfast open`: the report that is shown is the one that the package names."""

import hashlib
import webbrowser
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.failures import NotConnected
from cli.main import app
from tests.fakes.house import House
from tests.unit.cli.deployment import HouseDeployment, run

REPORT = b"<!doctype html><title>Report</title>"
MANIFEST = f"{hashlib.sha256(REPORT).hexdigest()}  data/report.html\n".encode()


@pytest.fixture(autouse=True)
def shown_pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    pages: list[str] = []

    def show(page: str) -> bool:
        pages.append(page)
        return True

    monkeypatch.setattr(webbrowser, "open", show)
    return pages


def a_package(folder: Path, report: bytes = REPORT) -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "data/report.html").write_bytes(report)
    (folder / "manifest-sha256.txt").write_bytes(MANIFEST)
    return folder


def test_the_report_of_a_package_that_lies_here_is_shown(tmp_path: Path, shown_pages: list[str]) -> None:
    folder = a_package(tmp_path / "package")

    shown = run(House(), "open", str(folder))

    assert shown.exit_code == Exit.DONE
    assert shown.document == {"report": str(folder / "data/report.html"), "opened": True}
    assert shown_pages[0] == (folder / "data/report.html").as_uri()


def test_no_browser_no_page(tmp_path: Path, shown_pages: list[str]) -> None:
    shown = run(House(), "open", str(a_package(tmp_path / "package")), "--no-browser")

    assert (shown.document["opened"], shown_pages) == (False, [])


def test_a_package_that_lies_here_needs_no_stack(tmp_path: Path) -> None:
    def nothing_there(*_: object) -> None:
        raise NotConnected("no stack")

    folder = a_package(tmp_path / "package")

    assert CliRunner().invoke(app, ["open", str(folder)], obj=nothing_there).exit_code == Exit.DONE
    assert CliRunner().invoke(app, ["open", "M-1"], obj=nothing_there).exit_code == Exit.NOT_CONNECTED


def test_the_newest_complete_package_of_a_matter_is_fetched() -> None:
    house = House()
    for sequence, content in ((1, b"older"), (2, REPORT), (3, b"not complete")):
        source = f"packages/M-1/{sequence:06d}/"
        house.records.files[f"{source}data/report.html"] = content
        house.records.files[f"{source}manifest-sha256.txt"] = MANIFEST
        if sequence < 3:
            house.records.files[f"{source}package.sig"] = b"signature"

    shown = run(HouseDeployment(house), "open", "M-1")

    assert shown.exit_code == Exit.DONE
    assert Path(shown.document["report"]).read_bytes() == REPORT


def test_a_report_that_was_changed_is_not_shown(tmp_path: Path, shown_pages: list[str]) -> None:
    folder = a_package(tmp_path / "package", REPORT + b"<script>")

    shown = run(House(), "open", str(folder))

    assert shown.exit_code == Exit.REFUSED
    assert shown_pages == []


def test_what_is_no_package_is_not_known(tmp_path: Path) -> None:
    assert run(House(), "open", str(tmp_path)).exit_code == Exit.NOT_FOUND
    assert run(House(), "open", "M-404").exit_code == Exit.NOT_FOUND
