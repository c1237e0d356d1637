"""`holdfast package`: brings a matter's custody package here, and the media with it if they are wanted.

The package is made and signed where the seals are; nothing here changes a byte of it. Every digest is checked
while its file is read, and what was cut off goes on where it stopped.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import batched
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, unquote, urlsplit

import typer
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.failures import CommandFailed, NotAccepted, NotKnown
from cli.pages import facts, indented, page, size
from cli.shelf import Shelf
from cli.terminal import Advance, Answer, Terminal

app = typer.Typer()

LONGEST_WAIT_S, LOOK_EVERY_S = 900, 2
AT_ONCE = 8
_PART = ".part"
_MEDIA = "data/media/"


@dataclass(frozen=True, slots=True)
class Medium:
    """A line of `fetch.txt`, with the digest that the manifest has for it."""

    bucket: str
    key: str
    version_id: str
    size_bytes: int
    path: str
    sha256: str


@command(app)
def package(
    deployment: Deployment,
    terminal: Terminal,
    matter: Annotated[str, typer.Argument(metavar="MATTER", help="The matter's id.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where to put it.")],
    with_media: Annotated[
        bool, typer.Option("--with-media", help="Fetch the recordings too, not only where they lie.")
    ] = False,
) -> Answer:
    """Bring the custody package of a matter here: as of its last seal, made now if it is not made yet.

    A folder that has part of the same package is completed.
    """
    sequence = _last_seal(deployment.shelf, matter)
    source = f"packages/{matter}/{sequence:06d}/"
    _make(deployment, terminal, matter, source)
    _check_folder(deployment.shelf, source, out)
    with terminal.progress("Fetching the package") as advance:
        files = _fetch_files(deployment.shelf, source, out, advance)
    media = _media(out)
    if with_media:
        with terminal.progress("Fetching media") as advance:
            advance(0, total=_count(out / "fetch.txt"))
            side_by_side(lambda medium: _fetch(deployment.shelf, medium, out), media, advance)
    count, size_bytes = _count(out / "fetch.txt"), sum(medium.size_bytes for medium in _media(out))
    document = {
        "matter_id": matter,
        "seal": sequence,
        "folder": str(out),
        "report": str(out / "data/report.html"),
        "files": files,
        "media": {"files": count, "size_bytes": size_bytes, "fetched": with_media},
    }
    return Answer(document, _page(matter, sequence, out, document))


def _page(matter: str, sequence: int, out: Path, document: dict[str, Any]) -> Any:
    media = document["media"]
    where = "here" if media["fetched"] else "in S3; --with-media fetches them"
    told = {
        "report": str(out / "data/report.html"),
        "how to verify": str(out / "data/HOW-TO-VERIFY.md"),
        "media": f"{media['files']:,} files, {size(media['size_bytes'])}, {where}",
    }
    return page(
        Text.assemble("Package of ", (matter, "bold"), f" as of seal {sequence} in {out}"),
        indented(facts({name: Text(value) for name, value in told.items()})),
    )


def _last_seal(shelf: Shelf, matter: str) -> int:
    sealed = [
        int(name.removesuffix(".sig"))
        for name in (key.rpartition("/")[2] for key in shelf.keys(f"matters/{matter}/seals/"))
        if name.endswith(".sig")
    ]
    if not sealed:
        raise NotKnown(
            f"nothing is sealed of matter {matter}",
            expected="a matter with a request that has its verdict",
            advice="look at it with holdfast status; a seal comes with the verdict",
        )
    return max(sealed)


def _make(deployment: Deployment, terminal: Terminal, matter: str, source: str) -> None:
    """Have the package made, if the run that sealed has not."""
    if deployment.shelf.read(f"{source}package.sig") is not None:
        return
    deployment.start("PackageMatterName", {"matter_id": matter})
    with terminal.progress("Waiting until the package is made") as advance:
        for _ in range(LONGEST_WAIT_S // LOOK_EVERY_S):
            deployment.pause(LOOK_EVERY_S)
            advance()
            if deployment.shelf.read(f"{source}package.sig") is not None:
                return
    raise CommandFailed(
        f"the package of matter {matter} is not made after {LONGEST_WAIT_S} s",
        Exit.TRY_AGAIN,
        advice="read the log of PackageMatter, then run the same command again; what is written stands",
    )


def _check_folder(shelf: Shelf, source: str, out: Path) -> None:
    """Let nothing else lie in the folder: a file of another package would make this one wrong."""
    statement = b"".join(shelf.read(f"{source}package.json") or ())
    here = out / "package.json"
    if not out.exists() or not any(out.iterdir()) or (here.is_file() and here.read_bytes() == statement):
        return
    if not here.exists() and all(one.name.endswith(_PART) for one in out.iterdir()):
        return
    raise NotAccepted(
        f"{out} holds something else",
        expected="an empty folder, or one with part of this very package",
        found=f"package of seal {_sequence_in(here)}" if here.is_file() else "other files",
        advice="name another folder with -o",
    )


def _sequence_in(statement: Path) -> str:
    try:
        return str(json.loads(statement.read_bytes())["seal"]["sequence"])
    except (ValueError, KeyError, TypeError):
        return "unknown"


def _fetch_files(shelf: Shelf, source: str, out: Path, advance: Advance) -> int:
    """Fetch all that lies in S3 as the package; the statement first, so that the folder is known by it."""
    keys = sorted(shelf.keys(source), key=lambda key: not key.endswith("/package.json"))
    advance(0, total=len(keys))
    for key in keys:
        path = _within(out, key.removeprefix(source))
        if not path.exists():
            _write(path, shelf.read(key) or ())
        advance()
    _check(out)
    return len(keys)


def _check(out: Path) -> None:
    """Compare all but the media with the signed list of lists; who signed is the verifier's question."""
    listed = hashlib.sha256((out / "tagmanifest-sha256.txt").read_bytes()).hexdigest()
    stated = json.loads((out / "package.json").read_bytes())["tagmanifest_sha256"]
    _compare(out / "tagmanifest-sha256.txt", stated, listed)
    for manifest in ("tagmanifest-sha256.txt", "manifest-sha256.txt"):
        for sha256, path in _manifest(out / manifest):
            file = _within(out, path)
            if not path.startswith(_MEDIA):
                _compare(file, sha256, _sha256_of(file))


def _compare(file: Path, expected: str, found: str) -> None:
    if expected != found:
        file.unlink(missing_ok=True)
        raise CommandFailed(
            f"{file} is not what the package lists",
            Exit.NO,
            expected=f"SHA-256 {expected}",
            found=f"SHA-256 {found}; it is removed",
            advice="run the same command again; if it stays so, what lies in S3 is damaged: keep it and ask",
        )


def _manifest(file: Path) -> Iterator[tuple[str, str]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            sha256, _, path = line.rstrip("\n").partition("  ")
            yield sha256, _decoded(path)


def _media(out: Path) -> Iterator[Medium]:
    """Read what is to be fetched; manifest and fetch list name the media in the same order."""
    lines_of_manifest = _manifest(out / "manifest-sha256.txt")
    listed = ((sha256, path) for sha256, path in lines_of_manifest if path.startswith(_MEDIA))
    with (out / "fetch.txt").open(encoding="utf-8") as lines:
        for line in lines:
            url, size_bytes, path = line.rstrip("\n").split(" ", 2)
            sha256, same_path = next(listed, ("", ""))
            if same_path != _decoded(path):
                raise CommandFailed(
                    "fetch.txt and manifest-sha256.txt do not name the same media",
                    Exit.NO,
                    expected=same_path or "no more media",
                    found=path,
                    advice="holdfast verify names what is wrong with a package",
                )
            parts = urlsplit(url)
            (version_id,) = parse_qs(parts.query)["versionId"]
            yield Medium(
                parts.netloc, unquote(parts.path[1:]), version_id, int(size_bytes), same_path, sha256
            )


def _fetch(shelf: Shelf, medium: Medium, out: Path) -> None:
    """Fetch one medium, from where it was cut off; one that is here and right is left alone."""
    path = _within(out, medium.path)
    if path.exists():
        _compare(path, medium.sha256, _sha256_of(path))
        return
    part = path.with_name(path.name + _PART)
    done = part.stat().st_size if part.exists() else 0
    if done < medium.size_bytes:
        part.parent.mkdir(parents=True, exist_ok=True)
        with part.open("ab") as file:
            for chunk in shelf.read_version(medium.bucket, medium.key, medium.version_id, done):
                file.write(chunk)
    elif not part.exists():
        part.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
    _compare(part, medium.sha256, _sha256_of(part))
    part.replace(path)


def side_by_side(fetch: Callable[[Medium], None], media: Iterable[Medium], advance: Advance) -> None:
    """Fetch some at once; the list is never held whole."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for some in batched(media, AT_ONCE * 8, strict=False):
            for _ in pool.map(fetch, some):
                advance()


def _write(path: Path, chunks: Iterable[bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + _PART)
    with part.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
    part.replace(path)


def _sha256_of(path: Path) -> str:
    if not path.is_file():
        return "none: there is no such file"
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _within(out: Path, path: str) -> Path:
    """Find a path's place; a package never reaches outside its folder."""
    place = Path(os.path.normpath(out / path))
    if not place.is_relative_to(os.path.normpath(out)):
        raise NotAccepted(
            "the package names a file outside its folder", found=path, advice="do not use this package"
        )
    return place


def _decoded(path: str) -> str:
    return path.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")


def _count(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
