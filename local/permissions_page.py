"""The tables of docs/permissions.md, written from the template and the record of what the tests used.

`python -m local.permissions_page` writes them anew; a test says when that was forgotten.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from local.grants import HAS, VENDOR, Grant, granted, roles
from local.template import read_template
from local.unused import BY_CHANCE, NEVER

_ROOT = Path(__file__).parents[1]
PAGE = _ROOT / "docs/permissions.md"
_PLACE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- /\2 -->\n)", re.DOTALL)
_EVERYONES = {"FunctionBasics", "WorkflowBasics"}


def rewritten(page: str) -> str:
    """Put what the template grants today into the places that are marked for it."""
    template = read_template(_ROOT / "template.yaml")
    grants, bearers = granted(template), roles(template)
    types = {name: template["Resources"][name]["Type"].rpartition(":")[2] for name in bearers}
    tables = {
        "functions": _table(grants, [name for name in bearers if types[name] == "Function"]),
        "workflows": _table(grants, [name for name in bearers if types[name] == "StateMachine"]),
        "vendor": _table(grants, [VENDOR]),
        "shared": _table(grants, sorted({one.bearer for one in grants} - bearers.keys())),
        "unused": _unused(),
    }
    rows = {name: "".join(f"{row}\n" for row in table) for name, table in tables.items()}
    return _PLACE.sub(lambda place: place[1] + rows[place[2]] + place[3], page)


def _table(grants: set[Grant], bearers: Iterable[str]) -> Iterator[str]:
    yield "| Who | may |"
    yield "|---|---|"
    for bearer in bearers:
        yield f"| `{bearer}` | {'<br>'.join(_sentences(one for one in grants if one.bearer == bearer))} |"


def _sentences(grants: Iterable[Grant]) -> Iterator[str]:
    """Say of each place what may be done there; what is done alike in several places, once."""
    at: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    shared = []
    for _, action, place, condition in sorted(grants):
        if action == HAS:
            shared.append(place)
        else:
            at[place, condition].append(action)
    alike: defaultdict[tuple[tuple[str, ...], str], list[str]] = defaultdict(list)
    for (place, condition), actions in at.items():
        alike[tuple(actions), condition].append(place)
    for (actions_there, condition), places in sorted(alike.items()):
        on = ", ".join(f"`{place}`" for place in places)
        service = actions_there[0].partition(":")[0]
        names = [action.removeprefix(f"{service}:") for action in actions_there]
        yield f"{service}: {', '.join(names)} on {on}" + (f" if `{condition}`" if condition else "")
    if besides := [f"`{one}`" for one in shared if one not in _EVERYONES]:
        yield f"all of {', '.join(besides)}"


def _unused() -> Iterator[str]:
    yield "| Granted | why no test is sure to use it |"
    yield "|---|---|"
    why: defaultdict[str, list[str]] = defaultdict(list)
    for grant, reason in {**NEVER, **BY_CHANCE}.items():
        why[reason].append(f"`{grant}`")
    yield from (f"| {'<br>'.join(lines)} | {reason} |" for reason, lines in why.items())


if __name__ == "__main__":
    PAGE.write_text(rewritten(PAGE.read_text()))
