"""The table of commands. A command's module is imported when the command is used: `holdfast --help` is
quick, and `holdfast verify` loads no AWS library.
"""

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from cli.exits import MEANINGS, Exit


class Entry(NamedTuple):
    """Where a command stands: a module whose `app` is a Typer application, with one line for the list.

    If `app` has a command of that name, it is meant; otherwise all of `app` is, as a group.
    """

    module: str
    summary: str
    panel: str


_LOOK, _ACT, _PROVE, _MEND = "Look", "Preserve and release", "Prove", "Mend"

COMMANDS: Mapping[str, Entry] = {
    "matters": Entry("cli.status", "The matters, each with the state of its newest request.", _LOOK),
    "status": Entry("cli.status", "How far a matter has come, what is missing, what it waits for.", _LOOK),
    "why": Entry("cli.why", "Why something is held: its matters, locks, versions and history.", _LOOK),
    "quote": Entry("cli.quote", "Recordings, GB, dollars and hours before anything starts.", _ACT),
    "request": Entry("cli.request", "Send a discovery request, from a file or by questions.", _ACT),
    "resolve": Entry("cli.resolve", "What only a person can settle: list it, and decide.", _ACT),
    "release": Entry("cli.release", "Ask to let go what a matter holds; another person approves.", _ACT),
    "approve": Entry("cli.release", "Show what a release would let go, and approve that very plan.", _ACT),
    "redrive": Entry("cli.redrive", "List what is parked or lost, and send it again.", _MEND),
    "failures": Entry("cli.failed_runs", "The runs that failed, why, and sending their events again.", _MEND),
    "package": Entry(
        "cli.package", "Bring a matter's custody package here, with its media or without.", _PROVE
    ),
    "open": Entry("cli.report", "Show a matter's report in the browser.", _PROVE),
    "verify": Entry("cli.verify", "Check a custody package offline, down to every signature.", _PROVE),
    "prove": Entry("cli.verify", "Show that one object is in the log, without showing the others.", _PROVE),
    "verify-proof": Entry("cli.verify", "Check what prove wrote.", _PROVE),
    "sweep": Entry("cli.sweep", "Do at once what schedules do in their own time.", _MEND),
    "doctor": Entry("cli.doctor", "Who said no, and what to do about it.", _MEND),
}


class LazyCommands(TyperGroup):
    """Lists the table, and loads what is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, entry in COMMANDS.items():
            self.add_command(TyperCommand(name, help=entry.summary, rich_help_panel=entry.panel))

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:
        """Run a command line; with --json, what is wrong with the command line itself is told in JSON too."""
        if "--json" not in (sys.argv[1:] if args is None else args):
            return super().main(args, *others, **options)
        try:
            sys.exit(super().main(args, *others, **{**options, "standalone_mode": False}))
        except typer.Abort:
            sys.exit(Exit.NO)
        except Exception as mistake:
            if not hasattr(mistake, "format_message"):
                raise
            from cli.failures import Refusal
            from cli.terminal import as_json

            refusal = Refusal(
                "UsageError", mistake.format_message(), Exit.USAGE, advice="holdfast COMMAND --help shows how"
            )
            sys.stderr.write(f"{as_json(refusal.document())}\n")
            sys.exit(Exit.USAGE)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find a command by its name, and import it."""
        name, listed, rest = super().resolve_command(ctx, args)
        return name, listed and load(listed.name or ""), rest


def load(name: str) -> Any:
    """Import a command of the table."""
    group = get_group(importlib.import_module(COMMANDS[name].module).app)
    found = group.commands.get(name, group)
    found.name = name
    return found


_CODES = "\n".join(f"{int(code):>3}  {meaning}" for code, meaning in MEANINGS.items())

app = typer.Typer(
    cls=LazyCommands,
    name="holdfast",
    no_args_is_help=True,
    rich_markup_mode="rich",
    epilog=f"[dim]Exit codes:\n{_CODES}[/dim]",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from cli.version import own_version

        typer.echo(f"holdfast {own_version()}")
        raise typer.Exit(Exit.DONE)


@app.callback()
def holdfast(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Preserve contact-centre recordings for legal matters, and prove that none is missing.

    Works on a deployed stack (--stack NAME) or on the embedded world that make up left running.
    """


def run(arguments: Sequence[str] | None = None) -> None:
    """Run a command line and end the process with its exit code."""
    app(args=arguments, prog_name="holdfast")
