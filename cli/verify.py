"""`holdfast verify`, `prove` and `verify-proof`: evidence, checked where it lies.

No stack is asked and no AWS library loaded. What checks is one file, `evidence/verifier.py`, which every
custody package brings along as well, so that the other side need not install this.
"""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group
from rich.text import Text

from cli.command import command
from cli.exits import Exit
from cli.failures import NotAccepted, NotKnown
from cli.terminal import Answer, Terminal
from holdfast.evidence import verifier

app = typer.Typer()

_Key = Annotated[
    Path | None,
    typer.Option("--key", metavar="FILE", help="The public key, got another way than with the package."),
]
MOST_SHOWN = 50


@command(app)
def verify(
    terminal: Terminal,
    package: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a custody package.")],
    key: _Key = None,
    seal: Annotated[
        str | None,
        typer.Option("--seal", metavar="SHA256", help="The digest of the newest seal that you know."),
    ] = None,
) -> Answer:
    """Check a custody package offline: every file, entry, root, seal, signature and count.

    What is wrong is listed, the first thing first, and the exit code is 1. Without --key a package only
    shows that it agrees with the key inside it.
    """
    if not package.is_dir():
        raise NotKnown(f"{package} is no folder", expected="the folder of a custody package")
    with terminal.progress("Checking") as advance:

        def started(total: int) -> verifier.Advance:
            advance(0, total=total)
            return advance

        report = verifier.verify(package, key=_content(key), seal=seal, started=started)
    return _answer(report)


@command(app)
def prove(
    package: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a custody package.")],
    object_key: Annotated[
        str, typer.Option("--object", metavar="KEY", help="The object's key, as its receipt has it.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Where to write the proof.")
    ] = None,
) -> Answer:
    """Show of one object that it is in the sealed log, and tell nothing of the others.

    The proof has the object's own entries, some hashes, the last seal with its counts, and the public key.
    """
    if not package.is_dir():
        raise NotKnown(f"{package} is no folder", expected="the folder of a custody package")
    try:
        proof = verifier.prove(package, object_key)
    except verifier.Unreadable as error:
        raise NotKnown(f"nothing can be proven: {error}") from None
    if out is None:
        return Answer(proof, Text(json.dumps(proof, indent=2)))
    out.write_text(json.dumps(proof, indent=2) + "\n")
    return Answer(proof, Text(f"Proof of {len(proof['entries'])} entries in {out}"))


@command(app)
def verify_proof(
    proof: Annotated[Path, typer.Argument(metavar="FILE", help="What holdfast prove wrote.")],
    key: _Key = None,
    recording: Annotated[
        Path | None,
        typer.Option("--recording", metavar="FILE", help="The object itself, to be held to its receipt."),
    ] = None,
) -> Answer:
    """Check a proof: its entries are in the log that was sealed, and the seal is the key's."""
    for path in (proof, recording):
        if path is not None and not path.is_file():
            raise NotKnown(f"{path} is no file")
    try:
        document = verifier.read_document(proof)
    except verifier.Unreadable as error:
        raise NotAccepted(str(error), expected="what holdfast prove writes") from None
    return _answer(verifier.verify_proof(document, key=_content(key), recording=recording))


def _content(key: Path | None) -> bytes | None:
    if key is None:
        return None
    try:
        content = key.read_bytes()
        verifier.PublicKey.read(content)
    except (OSError, verifier.Unreadable) as error:
        found = str(error) if isinstance(error, verifier.Unreadable) else "cannot be read"
        raise NotAccepted(
            f"{key} {found}", expected="a public key for ECDSA on P-256, in PEM or DER"
        ) from None
    return content


def _answer(report: verifier.Report) -> Answer:
    # Lines, not a table: a table would cut digests to the terminal's width.
    facts = [
        Text.assemble((f"  {name.replace('_', ' '):<18}", "dim"), verifier.printable(str(fact)))
        for name, fact in report.facts.items()
    ]
    verdict = Text("✓ Intact", "bold green") if report.is_intact else Text("✗ Not intact", "bold red")
    faults = [
        Text.assemble(
            ("First wrong: " if number == 0 else "Also wrong:  ", "red"), (fault.place, "bold")
        ).append(f" {fault.problem}")
        for number, fault in enumerate(report.faults[:MOST_SHOWN])
    ]
    if report.fault_count > MOST_SHOWN:
        faults.append(Text(f"... and {report.fault_count - MOST_SHOWN} more; --json lists them"))
    notes = [Text.assemble(("Note: ", "yellow"), note) for note in report.notes]
    page = Group(verdict, *facts, *faults, *notes)
    return Answer(report.document(), page, Exit.DONE if report.is_intact else Exit.NO)
