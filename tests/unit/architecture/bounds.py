"""Computes how long the history of an execution can become, and how large what it carries.

*History.* Every visit of a state costs the events that Step Functions writes for it. A state outside of
every loop is visited once; a state in a loop once, and once more for each time one of the loop's Waits is
passed (every loop has one). Of the visits of a Task a quarter is taken to fail once before it succeeds, and
every Task besides to spend all its retries once. Ways that exclude each other are all counted.

*Payload.* The largest JSON of each contract, filed where ResultPath says, along every way; a loop's later
rounds overwrite what its earlier ones filed.

Source: AWS Step Functions Developer Guide, "Service quotas" (25,000 events, 256 KiB), "HistoryEvent" of the
API reference (events per state), "Handling errors" (Error 256, Cause 32,768 characters); read 2026-11-21.
"""

import json
import math
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, NewType, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

from holdfast.contracts.steps import ASCII, MaxJson
from tests.unit.architecture.workflows import START_EXECUTION, Definition, State, Surroundings

HISTORY_LIMIT = 25_000
PAYLOAD_LIMIT_BYTES = 262_144

# --- history ---------------------------------------------------------------------------------------------

START_AND_END = 2  # ExecutionStarted, and what it ended as
FAILED_ATTEMPT = 3  # scheduled, started, failed
FAILING_SHARE = 0.25
EVENTS_OF_A_VISIT: Mapping[str, int] = {
    "Pass": 2,  # entered, exited; and so for all that follow
    "Choice": 2,
    "Wait": 2,
    "Succeed": 2,
    "Fail": 1,
    "Task": 5,  # scheduled, started, succeeded
    "Map": 6,  # started, run started, run succeeded, succeeded; the children have histories of their own
}
SUBMITTED = 1  # one more for an integration that waits for what it has started


@dataclass(frozen=True, slots=True)
class Loop:
    """How often a loop's Wait is passed in one execution, at most.

    `rounds` times whatever the time, and once in `longest_s` as long as `within_s` lasts; without a
    `within_s`, as long as the execution lasts, which it then shares with the other loops of that kind.
    """

    rounds: int
    longest_s: int | None = None
    within_s: int | None = None


def waits_in_loops(machine: Definition) -> set[str]:
    """Name the Waits that can be passed more than once."""
    states = machine["States"]
    return {name for name in states if states[name]["Type"] == "Wait" and name in _after(states, name)}


def history(machine: Definition, loops: Mapping[str, Loop], seldom: Mapping[str, int], lasts_s: int) -> int:
    """Bound the events of one execution of a machine, or of a Map's machine within, that ends in time.

    `seldom` names states in loops that are visited so often at most, however often the loop goes round.
    """
    states = machine["States"]
    events = START_AND_END + sum(_visit(state) + _all_retries(state) for state in states.values())
    events += sum(visits * _visit(states[name]) for name, visits in seldom.items() if name in states)
    shared = 0.0
    for wait in waits_in_loops(machine):
        loop = loops[wait]
        a_round = sum(_visit(states[name]) for name in _beside(states, wait) if name not in seldom)
        events += a_round * loop.rounds
        if loop.longest_s and loop.within_s is not None:
            events += a_round * math.ceil(loop.within_s / loop.longest_s)
        elif loop.longest_s:
            shared = max(shared, a_round / loop.longest_s)
    return math.ceil(events + shared * lasts_s)


def _visit(state: State) -> float:
    events: float = EVENTS_OF_A_VISIT[state["Type"]]
    if state["Type"] == "Task":
        events += FAILED_ATTEMPT * FAILING_SHARE + (SUBMITTED if state["Resource"] == START_EXECUTION else 0)
    return events


def _all_retries(state: State) -> int:
    attempts: int = sum(retry["MaxAttempts"] for retry in state.get("Retry", ()))
    return FAILED_ATTEMPT * attempts


def _beside(states: Mapping[str, State], name: str) -> set[str]:
    """Name the states that share a loop with one: those it can come to and be come to from."""
    return {other for other in _after(states, name) if name in _after(states, other)}


def _after(states: Mapping[str, State], name: str) -> set[str]:
    seen, waiting = set[str](), list(_targets(states[name]))
    while waiting:
        reached = waiting.pop()
        if reached not in seen:
            seen.add(reached)
            waiting += _targets(states[reached])
    return seen


def _targets(state: State) -> Iterator[str]:
    for one in (state, *state.get("Choices", ()), *state.get("Catch", ())):
        if "Next" in one:
            yield one["Next"]
    if "Default" in state:
        yield state["Default"]


def polls(wait_of: Callable[[float], int]) -> Loop:
    """Follow a wait that grows with the time gone, until it has its full length."""
    rounds, elapsed_s = 0, 0.0
    longest_s = wait_of(1e9)
    while (wait_s := wait_of(elapsed_s)) < longest_s:
        rounds, elapsed_s = rounds + 1, elapsed_s + wait_s
    return Loop(rounds, longest_s)


# --- payload ---------------------------------------------------------------------------------------------

# The largest size of a JSON value: in bytes, or by the fields of an object.
type Size = int | dict[str, "Size"]
BYTES_OF_A_CHARACTER = 4  # of UTF-8; a control character would take six, and what is told has none
BYTES_OF_ASCII = 2  # a quote, escaped
BYTES_OF_A_NUMBER = 20
BYTES_OF_A_TIME = 40
BYTES_OF_AN_ARN = 512
FAILURE: Size = {"Error": 258, "Cause": 2 + 2 * 32_768}  # a cause is JSON in a string: every quote escaped


class Unbounded(Exception):
    """A contract has a field whose JSON may be of any size."""


def size_of(model: type[BaseModel]) -> dict[str, Size]:
    """Tell the largest JSON of a contract.

    Raises:
        Unbounded: names the field, and what bounds one.
    """
    sizes: dict[str, Size] = {}
    for name, field in model.model_fields.items():
        try:
            sizes[name] = _size(field.annotation, field.metadata)
        except Unbounded as unbounded:
            raise Unbounded(f"{model.__name__}.{name}: {unbounded}") from None
    return sizes


def _size(annotation: Any, metadata: list[Any]) -> Size:
    if get_origin(annotation) is Annotated:
        annotation, *more = get_args(annotation)
        return _size(annotation, [*metadata, *_flat(more)])
    if isinstance(annotation, NewType):
        return _size(annotation.__supertype__, metadata)
    if get_origin(annotation) in {Union, types.UnionType}:
        return max(total(_size(one, metadata)) for one in get_args(annotation))
    if get_origin(annotation) is Literal:
        return max(len(json.dumps(word)) for word in get_args(annotation))
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return size_of(annotation)
    if annotation in (int, bool, type(None)):
        return BYTES_OF_A_NUMBER
    if annotation is datetime:
        return BYTES_OF_A_TIME
    return _size_by_bound(annotation, metadata)


def _size_by_bound(annotation: Any, metadata: list[Any]) -> Size:
    for one in metadata:
        if isinstance(one, AfterValidator) and isinstance(one.func, MaxJson):
            return one.func.max_bytes
    longest = next((one.max_length for one in metadata if isinstance(one, MaxLen)), None)
    if longest is None:
        raise Unbounded(f"{annotation} needs a Field(max_length=...) or a MaxJson")
    if annotation is str:
        is_ascii = any(getattr(one, "pattern", None) == ASCII for one in metadata)
        return 2 + (BYTES_OF_ASCII if is_ascii else BYTES_OF_A_CHARACTER) * int(longest)
    (of,) = get_args(annotation)
    return 2 + int(longest) * (1 + total(_size(of, [])))


def _flat(metadata: list[Any]) -> Iterator[Any]:
    for one in metadata:
        yield from one.metadata if isinstance(one, FieldInfo) else [one]


def total(size: Size) -> int:
    """Sum a size up."""
    if isinstance(size, int):
        return size
    return 2 + sum(len(name) + 4 + total(one) for name, one in size.items())


@dataclass(frozen=True, slots=True)
class Payloads:
    """The largest sizes of one machine, in bytes: by state, and of what it ends with."""

    by_state: Mapping[str, int]
    output: int


def payloads(machine: Definition, around: Surroundings, starts_with: Size, batches: int) -> Payloads:
    """Bound what each state takes, what it hands to what it calls, what that answers, and what comes out."""
    states = machine["States"]
    first = (machine["StartAt"], _fields(starts_with))
    inputs: dict[tuple[str, frozenset[str]], Size] = {first: starts_with}
    waiting = [first]
    largest: dict[str, int] = {}
    output = 0
    while waiting:
        way = waiting.pop()
        name, size = way[0], inputs[way]
        state = states[name]
        handed = _evaluated(state["Parameters"], size) if "Parameters" in state else 0
        result = _result(state, size, around, batches)
        after = _filed(size, state.get("ResultPath", "$"), result)
        if "OutputPath" in state:
            after = _at(after, state["OutputPath"])
        largest[name] = max(largest.get(name, 0), total(size), total(handed), total(result), total(after))
        if state["Type"] == "Succeed" or "End" in state:
            output = max(output, total(after))
        catches = [(catch["Next"], _filed(size, "$.failure", FAILURE)) for catch in state.get("Catch", ())]
        for target, brought in (*((one, after) for one in _targets({**state, "Catch": []})), *catches):
            further = (target, _fields(brought))
            merged = _larger(inputs[further], brought) if further in inputs else brought
            if inputs.get(further) != merged:
                inputs[further] = merged
                waiting.append(further)
    return Payloads(largest, output)


def _fields(size: Size) -> frozenset[str]:
    """Tell ways apart by the fields they bring: what never stands together is never added up."""
    return frozenset(size) if isinstance(size, dict) else frozenset()


def _result(state: State, size: Size, around: Surroundings, batches: int) -> Size:
    if state["Type"] == "Task":
        placeholder = state["Resource"].strip("${}")
        if placeholder in around.steps:
            return size_of(around.steps[placeholder].answers)
        if state["Resource"] == START_EXECUTION:
            child = around.machines[state["Parameters"]["StateMachineArn"].strip("${}")]
            given = _evaluated(state["Parameters"]["Input"], size)
            # What describes an execution: names, times, and its input and output.
            within = payloads(child, around, given, batches)
            return 8 * BYTES_OF_AN_ARN + total(given) + within.output
        return 4 * BYTES_OF_AN_ARN
    if state["Type"] == "Map":
        item = _evaluated(state["ItemSelector"], size)
        return 2 + batches * (1 + payloads(state["ItemProcessor"], around, item, batches).output)
    return _literal(state["Result"]) if "Result" in state else size


def _evaluated(template: Any, size: Size) -> Size:
    if isinstance(template, list):
        return 2 + sum(1 + total(_evaluated(one, size)) for one in template)
    if not isinstance(template, dict):
        return len(json.dumps(template))
    evaluated: dict[str, Size] = {}
    for name, one in template.items():
        if not name.endswith(".$"):
            evaluated[name] = _evaluated(one, size)
        elif one.startswith("$$."):
            evaluated[name.removesuffix(".$")] = BYTES_OF_AN_ARN
        elif one.startswith("States."):
            paths = [word.strip(",()") for word in one.split() if word.startswith("$")]
            evaluated[name.removesuffix(".$")] = len(one) + sum(total(_at(size, path)) for path in paths)
        else:
            evaluated[name.removesuffix(".$")] = _at(size, one)
    return evaluated


def _at(size: Size, path: str) -> Size:
    """Look a path up; within what is known by its bytes alone, nothing is larger than the whole."""
    for name in path.split(".")[1:]:
        if isinstance(size, int):
            return size
        size = size[name]
    return size


def _filed(size: Size, path: str | None, result: Size) -> Size:
    if path is None:
        return size
    _, *names = path.split(".")
    if not names:
        return result
    fields: dict[str, Size] = {"": size} if isinstance(size, int) else dict(size)
    fields[names[0]] = _filed(fields.get(names[0], {}), ".".join(["$", *names[1:]]), result)
    return fields


def _larger(one: Size, other: Size) -> Size:
    if isinstance(one, dict) and isinstance(other, dict):
        both = one | other
        return both | {name: _larger(one[name], other[name]) for name in one.keys() & other.keys()}
    return max(one, other, key=total)


def _literal(value: Any) -> Size:
    if isinstance(value, dict):
        return {name: _literal(one) for name, one in value.items()}
    return BYTES_OF_A_NUMBER if isinstance(value, int) else len(json.dumps(value))
