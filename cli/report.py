"""`holdfast open`: shows a matter's report in the browser, from a package here or in the records bucket."""

import hashlib
import tempfile
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.failures import NotAccepted, NotConnected, NotKnown
from cli.pages import facts
from cli.shelf import Shelf
from cli.terminal import Answer, Terminal

REPORT, MANIFEST = "data/report.html", "manifest-sha256.txt"

app = typer.Typer()


@command(app, "open")
def open_report(
    terminal: Terminal,
    target: Annotated[
        str, typer.Argument(metavar="MATTER|DIR", help="A matter, or the folder of its package.")
    ],
    *,
    deployment: Deployment | None = None,
    browser: Annotated[bool, typer.Option(help="Show it; or only say where it lies.")] = True,
) -> Answer:
    """Open the report of a matter, or of a package that lies here.

    The report is one file that loads nothing from elsewhere. Its digest is checked against the package's
    manifest before it is shown.
    """
    folder = Path(target)
    with terminal.progress("Fetching the report"):
        report = _in_folder(folder) if folder.is_dir() else _from_the_bucket(deployment, target)
    is_shown = browser and webbrowser.open(report.resolve().as_uri())
    opened = "in the browser" if is_shown else "no: open the file yourself"
    return Answer(
        {"report": str(report), "opened": is_shown}, facts({"report": Text(str(report)), "opened": opened})
    )


def _in_folder(folder: Path) -> Path:
    report, manifest = folder / REPORT, folder / MANIFEST
    if not report.is_file() or not manifest.is_file():
        raise NotKnown(
            f"{folder} is no custody package",
            expected=f"a folder with {MANIFEST} and {REPORT}",
            advice="holdfast package brings one here",
        )
    _check(report.read_bytes(), manifest.read_text())
    return report


def _from_the_bucket(deployment: Deployment | None, matter: str) -> Path:
    """Fetch the newest package's report, and nothing else of it."""
    if deployment is None:
        raise NotConnected(
            f"there is no folder {_one_line(matter)}, and no stack to look for a matter in",
            expected="the folder of a package, or a matter and --stack",
            advice="name the stack, or run make up",
        )
    source = max(_packages(deployment.shelf, matter), default=None)
    if source is None:
        raise NotKnown(
            f"there is no folder and no package of a matter {_one_line(matter)}",
            expected="a matter whose package was made, or the folder of one",
            advice=f"holdfast package {_one_line(matter)} --out DIR makes one of what is sealed",
        )
    manifest, report = (b"".join(deployment.shelf.read(source + name) or ()) for name in (MANIFEST, REPORT))
    _check(report, manifest.decode())
    shown = Path(tempfile.mkdtemp(prefix="holdfast-")) / "report.html"
    shown.write_bytes(report)
    return shown


def _one_line(text: str) -> str:
    """Keep a name that was typed to one line."""
    return text.splitlines()[0] if text else "''"


def _packages(shelf: Shelf, matter: str) -> Iterator[str]:
    """Name the folders of the packages that are complete: their signature comes last."""
    signature = "package.sig"
    return (
        key.removesuffix(signature)
        for key in shelf.keys(f"packages/{matter}/")
        if key.endswith(f"/{signature}")
    )


def _check(report: bytes, manifest: str) -> None:
    lines = (line.split(maxsplit=1) for line in manifest.splitlines())
    digests = {path: digest for digest, path in lines}
    if digests.get(REPORT) != hashlib.sha256(report).hexdigest():
        raise NotAccepted(
            "the report is not the one that the package's manifest names",
            expected=f"SHA-256 {digests.get(REPORT, 'in the manifest')}",
            found=hashlib.sha256(report).hexdigest(),
            advice="trust nothing in it; holdfast verify says what else was changed",
        )
