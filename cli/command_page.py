"""Draws the tables of docs/command-line.md anew: `python -m cli.command_page`."""

from collections.abc import Iterable
from pathlib import Path

from cli.exits import MEANINGS
from cli.main import COMMANDS
from cli.quote import PRICES, PRICES_OF

PAGE = Path(__file__).parents[1] / "docs/command-line.md"


def drawn(page: str) -> str:
    """Return the page with its tables as the code has them."""
    exits = (f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items())
    commands = (f"| `holdfast {name}` | {entry.summary} |" for name, entry in COMMANDS.items())
    page = replaced(page, "exits", ["| Code | Meaning |", "|---|---|", *exits])
    page = replaced(page, "commands", ["| Command | What it does |", "|---|---|", *commands])
    prices = (
        f"| {name} | {price.dollars:.10f}".rstrip("0") + f" | {price.unit} |"
        for name, price in PRICES.items()
    )
    return replaced(page, "prices", [f"| {PRICES_OF} | $ | a |", "|---|---:|---|", *prices])


def replaced(page: str, name: str, lines: Iterable[str]) -> str:
    """Put lines between a page's marks of a name."""
    before, _, rest = page.partition(f"<!-- {name} -->\n")
    _, _, after = rest.partition(f"<!-- /{name} -->")
    return f"{before}<!-- {name} -->\n{'\n'.join(lines)}\n<!-- /{name} -->{after}"


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
