"""What a command shows: pages on the standard output, progress and failures on the standard error."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, TextIO

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from cli.exits import Exit
from cli.failures import Refusal
from holdfast.domain.moments import to_text

_WIDTH_OF_A_FILE = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command has to say: as JSON, as a page for a person, and as an exit code."""

    document: Mapping[str, Any]
    page: RenderableType
    exit_code: Exit = Exit.DONE


def _width(stream: TextIO) -> int | None:
    """Tell how wide a page may be: as the terminal, which rich asks; in a file or a pipe nobody folds."""
    return None if stream.isatty() or "COLUMNS" in os.environ else _WIDTH_OF_A_FILE


class Advance(Protocol):
    """Tells how far something has come."""

    def __call__(self, steps: float = 1, *, total: float | None = None) -> None:
        """Go on by some steps; `total` is given once it is known."""


class Terminal:
    """The two streams a command may write to."""

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        # Made anew for every command: tests and shells exchange the streams.
        self.out = Console(file=sys.stdout, highlight=False, width=_width(sys.stdout))
        self.err = Console(file=sys.stderr, highlight=False)

    @property
    def is_interactive(self) -> bool:
        """Tell whether a person can be asked."""
        return sys.stdin.isatty() and self.err.is_terminal and not self.as_json

    def show(self, answer: Answer) -> None:
        """Show an answer, in the form that was asked for."""
        if self.as_json:
            self.out.file.write(as_json(answer.document) + "\n")
        else:
            # Lines of plain text are never folded: ids and digests are there to be copied.
            self.out.print(answer.page, soft_wrap=True)

    def refuse(self, refusal: Refusal) -> None:
        """Show why a command failed."""
        if self.as_json:
            self.err.file.write(as_json(refusal.document()) + "\n")
            return
        self.err.print(Text.assemble(("✗ ", "bold red"), (refusal.message, "bold")), soft_wrap=True)
        told = Table.grid(padding=(0, 2))
        for name in ("expected", "found", "advice"):
            if text := getattr(refusal, name):
                told.add_row(Text(f"  {'do' if name == 'advice' else name}", style="dim"), Text(text))
        if told.row_count:
            self.err.print(told)

    @contextmanager
    def progress(self, what: str, total: float | None = None) -> Iterator[Advance]:
        """Show how far something has come, while it lasts; on a terminal only, and nothing remains."""
        columns = (
            SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TimeElapsedColumn(),
        )  # fmt: skip
        # Progress is no answer: it never reaches a file or a pipe.
        with Progress(*columns, console=self.err, transient=True, disable=not self.err.is_terminal) as bar:
            task = bar.add_task(what, total=total)

            def advance(steps: float = 1, *, total: float | None = None) -> None:
                if total is not None:
                    bar.update(task, total=total)
                bar.advance(task, steps)

            yield advance


def as_json(document: Mapping[str, Any]) -> str:
    """Write a document as every command does."""
    return json.dumps(document, indent=2, ensure_ascii=False, default=_plain)


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return to_text(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
