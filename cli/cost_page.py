"""Draws the table of costs in docs/operations.md: `python -m cli.cost_page`, after `cli.quote` changed."""

from pathlib import Path

from cli.command_page import replaced
from cli.quote import MONTHLY, Units, dollars, hours, platform_calls

PAGE = Path(__file__).parents[1] / "docs/operations.md"
SIZES = (1_000, 100_000, 1_000_000)
RECORDINGS_PER_CONVERSATION, MB_PER_RECORDING = 1.1, 1.0


def units(recordings: int) -> Units:
    """Say how large a matter of so many recordings is, as `holdfast quote` assumes."""
    return Units(round(recordings / RECORDINGS_PER_CONVERSATION), recordings, MB_PER_RECORDING * 1e6)


def drawn(page: str) -> str:
    """Return the page with its table as the code counts."""
    sizes = [units(recordings) for recordings in SIZES]
    priced = [dollars(one) for one in sizes]
    once = [sum(amount for name, amount in one.items() if name not in MONTHLY) for one in priced]
    rows = [(name, *(f"${one[name]:,.2f}" for one in priced)) for name in priced[0] if name not in MONTHLY]
    rows.append(("**in all, once**", *(f"**${amount:,.2f}**" for amount in once)))
    rows += [
        (f"{name.replace(' per', ', every')}", *(f"${one[name]:,.2f}" for one in priced)) for name in MONTHLY
    ]
    rows.append(("calls of the vendor's API", *(f"{sum(platform_calls(one).values()):,}" for one in sizes)))
    budget_h = [hours(one)["vendor's request budget"] or 0 for one in sizes]
    rows.append(("which take at least", *(f"{took * 60:,.0f} min" for took in budget_h)))
    head = [
        "| Recordings | " + " | ".join(f"{size:,}" for size in SIZES) + " |",
        "|---|" + "---:|" * len(SIZES),
    ]
    return replaced(page, "costs", head + ["| " + " | ".join(row) + " |" for row in rows])


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
