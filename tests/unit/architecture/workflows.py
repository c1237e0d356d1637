"""Checks a state machine's definition as nobody else does: neither cfn-lint nor the emulator opens it.

Besides the form of the states, it follows the JSON through the workflow: at every state it knows which fields
are surely there, from the steps' own contracts, so that a path nobody has filled is found before it is run.

Source: Amazon States Language specification, https://states-language.net/spec.html, and the AWS Step
Functions Developer Guide (JSONPath, error names, service integrations).
"""

import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NewType, Union, get_args, get_origin

from pydantic import BaseModel

type Definition = dict[str, Any]
type State = dict[str, Any]
# What is known of a JSON value: the fields of an object, or a type. `Any` is a value nobody describes.
type Shape = Any

FIELDS = {
    "Task": {"Resource", "Parameters", "ResultPath", "TimeoutSeconds", "Retry", "Catch", "Next", "End"},
    "Map": {
        "Label", "MaxConcurrency", "ToleratedFailurePercentage", "ItemReader", "ItemSelector",
        "ItemProcessor", "ResultPath", "Catch", "Next", "End",
    },
    "Pass": {"Result", "ResultPath", "OutputPath", "Next", "End"},
    "Choice": {"Choices", "Default"},
    "Wait": {"SecondsPath", "Next"},
    "Succeed": set(),
    "Fail": {"Error", "Cause", "ErrorPath", "CausePath"},
}  # fmt: skip
JSONATA = {"QueryLanguage", "Arguments", "Output", "Assign", "Items", "Condition"}
COMPARISONS: Mapping[str, type] = {"BooleanEquals": bool, "StringEquals": str, "NumericGreaterThan": int}

# Error names of AWS that may pass. States.TaskFailed and States.ALL would repeat what was refused for good.
LAMBDA_ERRORS = {
    "Lambda.ClientExecutionTimeoutException", "Lambda.ServiceException", "Lambda.AWSLambdaException",
    "Lambda.SdkClientException", "Lambda.TooManyRequestsException", "Sandbox.Timedout",
}  # fmt: skip
START_EXECUTION = "arn:${Partition}:states:::states:startExecution.sync:2"
INTEGRATIONS = {
    "arn:${Partition}:states:::events:putEvents": {"States.TaskFailed"},
    "arn:${Partition}:states:::sns:publish": {"States.TaskFailed"},
    START_EXECUTION: {"StepFunctions.AWSStepFunctionsException"},
}
DISTRIBUTED = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
READER = "arn:${Partition}:states:::s3:getObject"
STARTED_BY = "AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID"  # lets the console link parent and child
CONTEXT: Mapping[str, type] = {"$$.Execution.Id": str, "$$.Execution.StartTime": datetime}
FAILURE: Shape = {"Error": str, "Cause": str}
# A failure that stops nothing: the run goes on as if it had not been. That of early protection the verdict
# names, and what was begun there may be left behind; a package can be had later.
STOPS_NOTHING = {"ProtectEarly", "PackageMatter"}
# What a nested run takes beside the ids.
TAKES: Mapping[str, Shape] = {"ApplyLegalHoldArn": {"early": bool, "plan_key": str}}

_PATH = re.compile(r"\$(\.[A-Za-z_]\w*)*")
_PATH_IN_INTRINSIC = re.compile(r"\$[\w.$]*")


# Source: AWS Step Functions Developer Guide, "Handling errors in Step Functions workflows"; read 2026-11-21.
STATES_ERRORS = {
    "States.ALL", "States.BranchFailed", "States.DataLimitExceeded", "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout", "States.IntrinsicFailure", "States.ItemReaderFailed", "States.NoChoiceMatched",
    "States.ParameterPathFailure", "States.Permissions", "States.ResultPathMatchFailure",
    "States.ResultWriterFailed", "States.Runtime", "States.TaskFailed", "States.Timeout",
}  # fmt: skip
# The programs that every way of failure leads through.
RECORDERS = {"explain_failure", "record_batch_failure", "record_failure"}


@dataclass(frozen=True, slots=True)
class Step:
    """What a workflow calls: the program it runs, its time limit, what it takes and what it answers."""

    program: str
    timeout_s: int
    takes: type[BaseModel]
    answers: type[BaseModel]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a definition stands among. Keys are names of placeholders."""

    steps: Mapping[str, Step]
    machines: Mapping[str, Definition]
    transient: frozenset[str]
    starts_with: Shape
    errors: frozenset[str] = frozenset()  # all of ours


def faults(definition: Definition, around: Surroundings) -> list[str]:
    """Name everything that is wrong with a definition."""
    found = [*_whole(definition)]
    for graph in _graphs(definition, around.starts_with):
        malformed = [*_form(graph), *_targets(graph)]
        found += malformed
        if not malformed:
            found += [*_ways(graph), *_failures(graph, around), *_retries(graph, around)]
            found += _flow(graph, around)
    return found


@dataclass(slots=True)
class _Graph:
    start: str
    states: dict[str, State]
    starts_with: Shape
    shapes: dict[str, Shape] = field(default_factory=dict)

    def targets(self, name: str) -> list[str]:
        state = self.states[name]
        choices = [choice.get("Next") for choice in state.get("Choices", ())]
        catches = [catch.get("Next") for catch in state.get("Catch", ())]
        return [target for target in (state.get("Next"), state.get("Default"), *choices, *catches) if target]

    def reachable(self, start: str) -> set[str]:
        seen, waiting = set[str](), [start]
        while waiting:
            name = waiting.pop()
            if name in seen or name not in self.states:
                continue
            seen.add(name)
            waiting += self.targets(name)
        return seen

    def ends(self, name: str) -> bool:
        state = self.states[name]
        return state["Type"] in {"Succeed", "Fail"} or state.get("End") is True


def _graphs(definition: Definition, starts_with: Shape) -> Iterator[_Graph]:
    """Give the machine, and each map's machine within."""
    states = definition.get("States", {})
    yield _Graph(definition.get("StartAt", ""), states, starts_with)
    for state in states.values():
        if "ItemProcessor" in state:
            selected = {name.removesuffix(".$"): str for name in state.get("ItemSelector", {})}
            yield from _graphs(state["ItemProcessor"], selected)


# --- form ------------------------------------------------------------------------------------------------


def _whole(definition: Definition) -> Iterator[str]:
    if not isinstance(definition.get("TimeoutSeconds"), int):
        yield "the machine has no literal TimeoutSeconds"
    names = [name for graph in _graphs(definition, {}) for name in graph.states]
    yield from (f"{name}: two states have this name" for name in sorted(names) if names.count(name) > 1)
    for where, value in _walk(definition, "$"):
        if (isinstance(value, str) and "{%" in value) or where.rpartition(".")[2] in JSONATA:
            yield f"{where}: JSONata among JSONPath"


def _walk(value: Any, where: str) -> Iterator[tuple[str, Any]]:
    yield where, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, one in inner:
        yield from _walk(one, f"{where}.{name}")


def _form(graph: _Graph) -> Iterator[str]:
    for name, state in graph.states.items():
        kind = state.get("Type", "")
        if kind not in FIELDS:
            yield f"{name}: unknown type {kind!r}"
            continue
        for unknown in sorted(state.keys() - FIELDS[kind] - {"Type", "Comment"}):
            yield f"{name}: a {kind} has no {unknown}, or this check does not know it"
        if "Next" in FIELDS[kind] and ("Next" in state) is ("End" in state):
            yield f"{name}: needs either Next or End"
        if kind in FORMS:
            yield from FORMS[kind](name, state)


def _task(name: str, state: State) -> Iterator[str]:
    if not isinstance(state.get("TimeoutSeconds"), int):
        yield f"{name}: needs a literal TimeoutSeconds"
    yield from (f"{name}: needs a {part}" for part in ("Resource", "Retry", "Catch") if not state.get(part))
    yield from _catches(name, state)


def _map(name: str, state: State) -> Iterator[str]:
    if state.get("MaxConcurrency") != 2:
        yield f"{name}: MaxConcurrency must be 2, the platform's limit of jobs"
    if state.get("ToleratedFailurePercentage") != 100:
        yield f"{name}: must tolerate every failure; Reconcile judges"
    if state.get("ItemProcessor", {}).get("ProcessorConfig") != DISTRIBUTED:
        yield f"{name}: must be distributed over standard executions"
    if state.get("ItemReader", {}).get("Resource") != READER:
        yield f"{name}: must read its batches from S3"
    if state.get("ResultPath", "") is not None:
        yield f"{name}: its results grow with the matter; ResultPath must be null"
    yield from _catches(name, state)


def _catches(name: str, state: State) -> Iterator[str]:
    catches = state.get("Catch") or [{}]
    if catches[-1].get("ErrorEquals") != ["States.ALL"]:
        yield f"{name}: the last Catch must catch States.ALL"
    for catch in catches:
        if catch.keys() != {"ErrorEquals", "ResultPath", "Next"} or catch["ResultPath"] != "$.failure":
            yield f"{name}: a Catch has ErrorEquals, Next, and the ResultPath $.failure"


def _choice(name: str, state: State) -> Iterator[str]:
    if not state.get("Choices") or "Default" not in state:
        yield f"{name}: needs Choices and a Default; without one an unforeseen value ends the run"
    yield from (
        f"{name}: a choice leads nowhere" for choice in state.get("Choices", ()) if "Next" not in choice
    )


def _wait(name: str, state: State) -> Iterator[str]:
    if not str(state.get("SecondsPath")).startswith("$."):
        yield f"{name}: SecondsPath must begin with $. (any other waits zero seconds, silently)"


def _fail(name: str, state: State) -> Iterator[str]:
    for part in ("Error", "Cause"):
        if (part in state) is (f"{part}Path" in state):
            yield f"{name}: needs either {part} or {part}Path"


FORMS = {"Task": _task, "Map": _map, "Choice": _choice, "Wait": _wait, "Fail": _fail}


# --- the graph -------------------------------------------------------------------------------------------


def _targets(graph: _Graph) -> Iterator[str]:
    if graph.start not in graph.states:
        yield f"StartAt names {graph.start!r}, which is no state"
    for name in graph.states:
        yield from (
            f"{name}: leads to {t!r}, which is no state" for t in graph.targets(name) if t not in graph.states
        )


def _ways(graph: _Graph) -> Iterator[str]:
    reachable = graph.reachable(graph.start)
    yield from (f"{name}: cannot be reached" for name in graph.states if name not in reachable)
    for name in sorted(reachable):
        if not any(graph.ends(end) for end in graph.reachable(name)):
            yield f"{name}: no path from here ends"
    yield from _unpaced_loops(graph)


def _unpaced_loops(graph: _Graph) -> Iterator[str]:
    """A loop without a Wait runs as fast as it can, until the history is full."""
    unpaced = {name for name, state in graph.states.items() if state.get("Type") != "Wait"}
    for name in sorted(unpaced):
        seen, waiting = set[str](), [t for t in graph.targets(name) if t in unpaced]
        while waiting:
            reached = waiting.pop()
            if reached not in seen:
                seen.add(reached)
                waiting += [target for target in graph.targets(reached) if target in unpaced]
        if name in seen:
            yield f"{name}: is in a loop without a Wait"


# --- failures and retries --------------------------------------------------------------------------------


def _step_of(state: State, around: Surroundings) -> Step | None:
    return around.steps.get(_placeholder(state.get("Resource")))


def _placeholder(text: Any) -> str:
    match = re.fullmatch(r"\$\{(\w+)\}", str(text))
    return match[1] if match else ""


def _failures(graph: _Graph, around: Surroundings) -> Iterator[str]:
    """Every Catch records the failure, then ends in Fail; what fails after that ends in Fail all the same."""
    recorders = {
        name
        for name, state in graph.states.items()
        if (step := _step_of(state, around)) and step.program in RECORDERS
    }
    recording = {name for recorder in recorders for name in graph.reachable(recorder)}
    for name, state in graph.states.items():
        for catch in state.get("Catch", ()):
            target = catch["Next"]
            unknown = set(catch["ErrorEquals"]) - around.errors - LAMBDA_ERRORS - STATES_ERRORS
            yield from (f"{name}: catches {error}, which nothing raises" for error in sorted(unknown))
            if name in STOPS_NOTHING and target == state["Next"]:
                continue
            if name not in recording and target not in recorders:
                yield f"{name}: its failure goes to {target}, which does not record it"
            ends = [end for end in graph.reachable(target) if graph.ends(end)]
            if any(graph.states[end]["Type"] != "Fail" for end in ends):
                yield f"{name}: after its failure the run may end as a success"


def _retries(graph: _Graph, around: Surroundings) -> Iterator[str]:
    for name, state in graph.states.items():
        if state["Type"] != "Task":
            continue
        step, resource = _step_of(state, around), state["Resource"]
        if step is None and resource not in INTEGRATIONS:
            yield f"{name}: calls {resource}, which is neither a function of ours nor a known integration"
            continue
        if step and state["TimeoutSeconds"] <= step.timeout_s:
            yield f"{name}: gives up after {state['TimeoutSeconds']} s, its function after {step.timeout_s} s"
        wanted = LAMBDA_ERRORS | around.transient if step else INTEGRATIONS[resource]
        repeated = [error for retry in state["Retry"] for error in retry["ErrorEquals"]]
        yield from (f"{name}: does not repeat {error}" for error in sorted(wanted - set(repeated)))
        yield from (
            f"{name}: repeats {error}, which will not pass" for error in sorted(set(repeated) - wanted)
        )
        yield from (
            f"{name}: repeats {error} twice" for error in sorted(set(repeated)) if repeated.count(error) > 1
        )
        for retry in state["Retry"]:
            if not (retry.get("MaxAttempts", 0) > 0 and retry.get("BackoffRate", 0) > 1):
                yield f"{name}: a Retry needs MaxAttempts and a BackoffRate above 1"
            if retry.get("JitterStrategy") != "FULL" or not isinstance(retry.get("MaxDelaySeconds"), int):
                yield f"{name}: a Retry needs jitter and a bound"


# --- what flows ------------------------------------------------------------------------------------------


def _flow(graph: _Graph, around: Surroundings) -> Iterator[str]:
    """Follow the JSON: at a state stand the fields that every way to it brings along."""
    graph.shapes[graph.start] = graph.starts_with
    waiting = [graph.start]
    while waiting:
        name = waiting.pop()
        for target, brought in _outcomes(graph.states[name], graph.shapes[name], around):
            merged = _common(graph.shapes[target], brought) if target in graph.shapes else brought
            if target not in graph.shapes or merged != graph.shapes[target]:
                graph.shapes[target] = merged
                waiting.append(target)
    for name, shape in graph.shapes.items():
        yield from (f"{name}: {fault}" for fault in _reading(graph.states[name], shape, around))


def _outcomes(state: State, shape: Shape, around: Surroundings) -> Iterator[tuple[str, Shape]]:
    after = _filed(shape, state.get("ResultPath", "$"), _result(state, shape, around))
    if "OutputPath" in state:
        after = _at(after, state["OutputPath"])
    for target in (state.get("Next"), state.get("Default")):
        if target:
            yield target, after
    for choice in state.get("Choices", ()):
        yield choice["Next"], shape
    for catch in state.get("Catch", ()):
        yield catch["Next"], _filed(shape, catch["ResultPath"], FAILURE)


def _result(state: State, shape: Shape, around: Surroundings) -> Shape:
    if state["Type"] == "Task":
        step = _step_of(state, around)
        return shape_of(step.answers) if step else Any
    return _literal(state["Result"]) if "Result" in state else Any if state["Type"] == "Map" else shape


def _reading(state: State, shape: Shape, around: Surroundings) -> Iterator[str]:
    """Find what a state reads and is not there, or is not what is wanted there."""
    yield from _reading_of_values(state.get("Parameters", {}), shape)
    yield from _reading_of_values(state.get("ItemReader", {}).get("Parameters", {}), shape)
    yield from _reading_of_values(state.get("ItemSelector", {}), shape, in_map=True)
    for name, wanted in (("SecondsPath", int), ("ErrorPath", str), ("CausePath", str)):
        if name in state:
            yield from _reading_of_path(name, state[name], wanted, shape)
    if "OutputPath" in state:
        after = _filed(shape, state.get("ResultPath", "$"), _result(state, shape, around))
        yield from _reading_of_path("OutputPath", state["OutputPath"], Any, after)
    for choice in state.get("Choices", ()):
        for test in choice.get("And", [choice]):
            yield from _reading_of_test(test, shape)
    if step := _step_of(state, around):
        yield from _reading_of_step(step, state.get("Parameters", {}), shape)
    elif state.get("Resource") == START_EXECUTION:
        yield from _reading_of_start(state, shape, around)


def _reading_of_values(value: Any, shape: Shape, *, in_map: bool = False) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _reading_of_values(one, shape, in_map=in_map)
    if not isinstance(value, dict):
        return
    for name, one in value.items():
        if not name.endswith(".$"):
            if isinstance(one, str) and one.startswith("$") and not one.startswith("${"):
                yield f"{name}: {one} is text; a path needs {name}.$"
            yield from _reading_of_values(one, shape, in_map=in_map)
        elif one.startswith("States."):
            for path in _PATH_IN_INTRINSIC.findall(one):
                yield from _reading_of_path(name, path, Any, shape)
        elif not (in_map and one.startswith("$$.Map.Item.Value.")):
            yield from _reading_of_path(name, one, Any, shape)


def _reading_of_path(name: str, path: str, wanted: Any, shape: Shape) -> Iterator[str]:
    if path in CONTEXT:
        return
    if not _PATH.fullmatch(path):
        yield f"{name}: {path} is no path"
    elif (found := _at(shape, path)) is None:
        yield f"{name}: nothing has put {path} there"
    elif not _fits(wanted, found):
        yield f"{name}: {path} is {found}, expected {wanted}"


def _reading_of_test(test: Mapping[str, Any], shape: Shape) -> Iterator[str]:
    comparison = next((name for name in test if name in COMPARISONS), None)
    if comparison is None or "Variable" not in test:
        yield f"a choice needs a Variable and one of {', '.join(COMPARISONS)}"
        return
    yield from _reading_of_path("Variable", test["Variable"], COMPARISONS[comparison], shape)
    found: Any = _at(shape, test["Variable"])
    words = get_args(found) if _is_literal(found) else ()
    if words and test[comparison] not in words:
        yield f"{test['Variable']} is never {test[comparison]!r}"


def _reading_of_step(step: Step, parameters: Mapping[str, Any], shape: Shape) -> Iterator[str]:
    given = {name.removesuffix(".$"): (name, value) for name, value in parameters.items()}
    fields = step.takes.model_fields
    yield from (f"{step.program} does not take {name}" for name in sorted(given.keys() - fields.keys()))
    for name, expected in fields.items():
        if name not in given:
            if expected.is_required():
                yield f"{step.program} needs {name}"
            continue
        key, value = given[name]
        found = (CONTEXT.get(value) or _at(shape, value)) if key.endswith(".$") else type(value)
        if found is not None and not _fits(expected.annotation, found):
            yield f"{step.program} takes {name} as {expected.annotation}, {value} is {found}"


def _reading_of_start(state: State, shape: Shape, around: Surroundings) -> Iterator[str]:
    parameters, timeout_s = state["Parameters"], state["TimeoutSeconds"]
    placeholder = _placeholder(parameters.get("StateMachineArn"))
    machine = around.machines.get(placeholder)
    is_awaited = state["Catch"][-1]["Next"] != state["Next"]
    if machine is None:
        yield "starts no machine of ours"
    elif is_awaited and timeout_s < machine["TimeoutSeconds"]:
        yield f"gives up after {timeout_s} s, before the run it has started"
    given = {
        name.removesuffix(".$"): _at(shape, value) if name.endswith(".$") else type(value)
        for name, value in parameters.get("Input", {}).items()
    }
    if given.pop(STARTED_BY, "") == "":
        yield f"does not say {STARTED_BY}"
    wanted = {"matter_id": str, "request_id": str, **TAKES.get(placeholder, {})}
    if given != wanted:
        yield f"a nested run takes {' and '.join(wanted)}"


def shape_of(model: type[BaseModel]) -> Shape:
    """Tell the shape of a model's JSON: all of its fields, since all are written."""
    return {name: _leaf(one.annotation) for name, one in model.model_fields.items()}


def _leaf(annotation: Any) -> Shape:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return shape_of(annotation)
    if isinstance(annotation, NewType):
        return _leaf(annotation.__supertype__)
    return Any if get_origin(annotation) in {dict, list} or annotation is object else annotation


def _literal(value: Any) -> Shape:
    return {name: _literal(one) for name, one in value.items()} if isinstance(value, dict) else type(value)


def _at(shape: Shape, path: str) -> Shape:
    """Look a path up; None if nothing is there."""
    if path in CONTEXT:
        return CONTEXT[path]
    for name in path.split(".")[1:]:
        if shape is Any:
            return Any
        if not isinstance(shape, dict) or name not in shape:
            return None
        shape = shape[name]
    return shape


def _filed(shape: Shape, path: str | None, result: Shape) -> Shape:
    """Put a result where ResultPath says; null throws it away."""
    if path is None:
        return shape
    _, *names = path.split(".")
    if not names:
        return result
    inner = {} if shape is Any else shape.get(names[0], {})
    return {**({} if shape is Any else shape), names[0]: _filed(inner, ".".join(["$", *names[1:]]), result)}


def _common(one: Shape, other: Shape) -> Shape:
    if isinstance(one, dict) and isinstance(other, dict):
        return {name: _common(one[name], other[name]) for name in one if name in other}
    return one if one == other else Any


def _fits(wanted: Any, found: Shape) -> bool:
    if wanted in (Any, object) or found is Any:
        return True
    if isinstance(found, dict) or get_origin(wanted) is dict:
        return isinstance(found, dict) and get_origin(wanted) is dict
    return _kinds(found) <= _kinds(wanted)


def _is_literal(annotation: Any) -> bool:
    origin: object = get_origin(annotation)
    return origin is Literal


def _kinds(annotation: Any) -> set[Any]:
    if isinstance(annotation, NewType):
        return _kinds(annotation.__supertype__)
    if _is_literal(annotation):
        return {type(value) for value in get_args(annotation)}
    if get_origin(annotation) in {Union, types.UnionType}:
        return {kind for one in get_args(annotation) for kind in _kinds(one)}
    return {annotation}
