"""The pictures in docs/architecture.md, drawn from the state machines and from the template themselves.

`python -m local.diagrams` draws them anew; a test says when that was forgotten.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from local.template import read_template
from local.wiring_pictures import Wiring

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/architecture.md"
_PICTURE = re.compile(r"(<!-- (picture|wiring): (\w+) -->\n```mermaid\n).*?(```\n)", re.DOTALL)

type State = Mapping[str, Any]


def redrawn(page: str) -> str:
    """Put today's picture of a state machine or of a part of the template into each place marked for one."""
    wiring = Wiring(read_template(ROOT / "template.yaml"))

    def picture(place: re.Match[str]) -> str:
        if place[2] == "wiring":
            return f"{place[1]}{wiring.drawing(place[3])}{place[4]}"
        machine = json.loads((ROOT / f"statemachines/{place[3]}.asl.json").read_text())
        return f"{place[1]}{drawing(machine)}{place[4]}"

    return _PICTURE.sub(picture, page)


def drawing(machine: State) -> str:
    """Draw a workflow as a Mermaid state diagram; the ways that failures take are left out."""
    return "\n".join(["stateDiagram-v2", *_lines(machine, "    ")]) + "\n"


def _lines(machine: State, indent: str) -> Iterator[str]:
    yield f"{indent}[*] --> {machine['StartAt']}"
    for name, state in _without_failures(machine).items():
        if "ItemProcessor" in state:
            yield f"{indent}state {name} {{"
            yield from _lines(state["ItemProcessor"], indent + "    ")
            yield f"{indent}}}"
        for target, label in _ways(state):
            yield f"{indent}{name} --> {target}" + (f": {label}" if label else "")


def _without_failures(machine: State) -> Mapping[str, State]:
    """Keep the states that can be reached without an error, in the order of the file."""
    states: Mapping[str, State] = machine["States"]
    reached, frontier = set[str](), {machine["StartAt"]}
    while frontier:
        reached |= frontier
        ways = (target for name in frontier for target, _ in _ways(states[name]))
        frontier = {target for target in ways if target in states} - reached
    return {name: state for name, state in states.items() if name in reached}


def _ways(state: State) -> Iterator[tuple[str, str]]:
    for choice in state.get("Choices", ()):
        yield choice["Next"], _condition(choice)
    if "Default" in state:
        yield state["Default"], "otherwise"
    elif "Choices" not in state:
        yield state.get("Next", "[*]"), ""


def _condition(choice: State) -> str:
    match choice:
        case {"And": parts}:
            return " and ".join(map(_condition, parts))
        case {"Variable": variable, "BooleanEquals": True}:
            return str(variable).rpartition(".")[2]
        case {"StringEquals": text}:
            return str(text)
        case {"Variable": variable, "NumericGreaterThan": number}:
            return f"{str(variable).rpartition('.')[2]} above {number}"
    raise ValueError(f"expected a condition that can be drawn, found {dict(choice)}")


if __name__ == "__main__":
    PAGE.write_text(redrawn(PAGE.read_text()))
