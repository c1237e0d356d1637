"""The workflows' definitions have no faults, and each kind of fault would be found."""

import ast
import copy
import importlib
import json
import re
import typing
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from holdfast import errors
from holdfast.contracts import steps as contracts
from local.template import read_template
from tests.unit.architecture.workflows import (
    RECORDERS,
    STARTED_BY,
    Definition,
    Shape,
    Step,
    Surroundings,
    faults,
)

ROOT = Path(__file__).parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
DEFINITIONS = {path.name.removesuffix(".asl.json"): path for path in (ROOT / "statemachines").iterdir()}
SECOND_OPINION = Draft7Validator(
    json.loads((files("cfnlint") / "data/schemas/other/step_functions/statemachine.json").read_text())
)
NESTED: Shape = {"matter_id": str, "request_id": str, STARTED_BY: str}
EVENT: Shape = {"id": str, "source": str, "detail-type": str, "detail": Any}
STARTS_WITH = {
    "preserve_matter": EVENT,
    "export_recordings": NESTED,
    "apply_legal_hold": NESTED | {"early": bool, "plan_key": str},
    "keep_standing_matter": EVENT,
    "settle_exception": EVENT,
    "release_hold": EVENT,
    "approve_release": EVENT,
}


def definition(name: str) -> Definition:
    loaded: Definition = json.loads(DEFINITIONS[name].read_text())
    return loaded


def subclasses(of: type[Exception]) -> Iterator[str]:
    for one in of.__subclasses__():
        yield one.__name__
        yield from subclasses(one)


@cache
def step_of(program: str, timeout_s: int) -> Step:
    """Read a function's handler for the contracts it parses and answers with."""
    tree = ast.parse((ROOT / "functions" / program / "app.py").read_text())
    (parsed,) = (
        call.func.value.id
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr == "model_validate"
        and isinstance(call.func.value, ast.Name)
    )
    use_case = getattr(importlib.import_module(f"holdfast.steps.{program}"), program)
    return Step(program, timeout_s, getattr(contracts, parsed), typing.get_type_hints(use_case)["return"])


def surroundings(name: str) -> Surroundings:
    """Take from the template what stands behind the definition's placeholders."""
    resources = TEMPLATE["Resources"]
    default_s = TEMPLATE["Globals"]["Function"]["Timeout"]
    (machine,) = (
        resource["Properties"]
        for resource in resources.values()
        if resource["Type"] == "AWS::Serverless::StateMachine"
        and resource["Properties"]["DefinitionUri"] == f"statemachines/{name}.asl.json"
    )
    steps, machines = {}, {}
    for placeholder, value in machine["DefinitionSubstitutions"].items():
        meant = resources.get(value["Fn::GetAtt"][0]) if "Fn::GetAtt" in value else None
        if meant and meant["Type"] == "AWS::Serverless::Function":
            properties = meant["Properties"]
            program = properties["CodeUri"].removeprefix("functions/")
            steps[placeholder] = step_of(program, properties.get("Timeout", default_s))
        elif meant and meant["Type"] == "AWS::Serverless::StateMachine":
            path = ROOT / meant["Properties"]["DefinitionUri"]
            machines[placeholder] = json.loads(path.read_text())
    transient = frozenset(subclasses(errors.TransientError))
    known = frozenset(name for name, one in vars(errors).items() if isinstance(one, type))
    return Surroundings(steps, machines, transient, STARTS_WITH[name], known)


@pytest.mark.parametrize("name", sorted(DEFINITIONS))
def test_a_workflow_has_no_faults(name: str) -> None:
    assert faults(definition(name), surroundings(name)) == []


def test_a_workflow_is_what_cfn_lint_would_accept() -> None:
    """A second opinion on the form: cfn-lint has a schema of definitions, and does not open our files."""
    for path in DEFINITIONS.values():
        filled = re.sub(r"\$\{\w+Arn\}", "arn:aws:lambda:eu-central-1:1:function:f", path.read_text())

        SECOND_OPINION.validate(json.loads(filled.replace("${Partition}", "aws")))


def test_every_function_that_is_called_by_name_is_of_that_name() -> None:
    for name in DEFINITIONS:
        steps = surroundings(name).steps
        for state_name, resource in _calls(definition(name)):
            step = steps[resource]
            if step.program not in RECORDERS:
                assert step.program == re.sub(r"(?<!^)(?=[A-Z])", "_", state_name).lower()


def _calls(machine: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, state in machine["States"].items():
        if match := re.fullmatch(r"\$\{(\w+)\}", state.get("Resource", "")):
            yield name, match[1]
        if "ItemProcessor" in state:
            yield from _calls(state["ItemProcessor"])


def test_a_preservation_has_time_for_its_longest_parts() -> None:
    """A run that ends by its own time limit records nothing."""
    conductor = definition("preserve_matter")
    parts_s = [state["TimeoutSeconds"] for state in conductor["States"].values() if "TimeoutSeconds" in state]
    waits = ("DataWaitSeconds", "DeliveryDeadlineSeconds")
    waits_s = [TEMPLATE["Parameters"][name]["MaxValue"] for name in waits]

    assert conductor["TimeoutSeconds"] > sum(parts_s) + sum(waits_s)


# --- mutants: (the workflow, what is broken, what is said of it) -------------------------------------------

type Mutation = Callable[[dict[str, Any]], object]
CONDUCTOR, EXPORT, HOLD = "preserve_matter", "export_recordings", "apply_legal_hold"


def batches(states: dict[str, Any]) -> dict[str, Any]:
    within: dict[str, Any] = states["ExportBatches"]["ItemProcessor"]["States"]
    return within


def drop(container: dict[str, Any], *names: str) -> None:
    for name in names:
        del container[name]


MUTANTS: dict[str, tuple[str, Mutation, str]] = {
    "a Next that is nowhere": (
        CONDUCTOR,
        lambda s: s["Preflight"].update(Next="Nowhere"),
        "Preflight: leads to 'Nowhere'",
    ),
    "a Default that is nowhere": (
        HOLD,
        lambda s: s["ArePlaced"].update(Default="Nowhere"),
        "ArePlaced: leads to 'Nowhere'",
    ),
    "a Catch that leads nowhere": (
        HOLD,
        lambda s: s["PlaceHolds"]["Catch"][0].update(Next="Nowhere"),
        "PlaceHolds: leads to 'Nowhere'",
    ),
    "a choice that leads nowhere": (
        HOLD,
        lambda s: s["ArePlaced"]["Choices"][0].update(Next="Nowhere"),
        "ArePlaced: leads to 'Nowhere'",
    ),
    "a broken target within the map": (
        EXPORT,
        lambda s: batches(s)["AwaitJob"].update(Next="Nowhere"),
        "AwaitJob: leads to 'Nowhere'",
    ),
    "a state nobody goes to": (
        HOLD,
        lambda s: s.update(Orphan={"Type": "Succeed"}),
        "Orphan: cannot be reached",
    ),
    "a way without an end": (
        EXPORT,
        lambda s: batches(s)["WhatNext"].update(Choices=batches(s)["WhatNext"]["Choices"][1:]),
        "ExecuteExportJob: cannot be reached",
    ),
    "neither Next nor End": (
        CONDUCTOR,
        lambda s: drop(s["Concluded"], "End"),
        "Concluded: needs either Next or End",
    ),
    "both Next and End": (
        HOLD,
        lambda s: s["FromTheFirst"].update(End=True),
        "FromTheFirst: needs either Next or End",
    ),
    "a type that does not exist": (
        HOLD,
        lambda s: s["Held"].update(Type="Success"),
        "Held: unknown type 'Success'",
    ),
    "a field in the wrong place": (
        HOLD,
        lambda s: s["AwaitPlacing"].update(TimeoutSeconds=3),
        "AwaitPlacing: a Wait has no TimeoutSeconds",
    ),
    "the same name within the map": (
        EXPORT,
        lambda s: batches(s).update(Failed=batches(s)["BatchFailed"]),
        "Failed: two states have this name",
    ),
    "a query language per state": (
        HOLD,
        lambda s: s["PlaceHolds"].update(QueryLanguage="JSONata"),
        "JSONata among JSONPath",
    ),
    "a JSONata expression": (
        HOLD,
        lambda s: s["PlaceHolds"]["Parameters"].update(attempt="{% $attempt %}"),
        "JSONata among JSONPath",
    ),
    "a wait path without its point": (
        HOLD,
        lambda s: s["AwaitPlacing"].update(SecondsPath="$cursor.wait_s"),
        "SecondsPath must begin with $.",
    ),
    "a wait for a text": (
        HOLD,
        lambda s: s["AwaitPlacing"].update(SecondsPath="$.matter_id"),
        "SecondsPath: $.matter_id is",
    ),
    "a wait for what nobody said": (
        CONDUCTOR,
        lambda s: s["AwaitScope"].update(SecondsPath="$.scope.wait"),
        "nothing has put $.scope.wait there",
    ),
    "a path without its suffix": (
        HOLD,
        lambda s: s["PlaceHolds"]["Parameters"].update(attempt="$.cursor.attempt"),
        "attempt: $.cursor.attempt is text",
    ),
    "a path that is none": (
        HOLD,
        lambda s: s["PlaceHolds"]["Parameters"].update({"attempt.$": "$cursor"}),
        "$cursor is no path",
    ),
    "a path into what a step does not answer": (
        CONDUCTOR,
        lambda s: s["IsReconciled"]["Choices"][0].update(Variable="$.reconciled.finished"),
        "nothing has put $.reconciled.finished there",
    ),
    "a path into what comes later": (
        CONDUCTOR,
        lambda s: s["ExportRecordings"]["Parameters"]["Input"].update({"matter_id.$": "$.sealed.matter_id"}),
        "nothing has put $.sealed.matter_id there",
    ),
    "a path into a result that was thrown away": (
        CONDUCTOR,
        lambda s: s["Reconcile"].update(ResultPath=None),
        "nothing has put $.reconciled.done there",
    ),
    "a result that covers the input": (
        HOLD,
        lambda s: drop(s["PlaceHolds"], "ResultPath"),
        "nothing has put $.matter_id there",
    ),
    "a path of one way only": (
        HOLD,
        lambda s: s["RecordFailure"]["Parameters"].update({"input.$": "$.preflight"}),
        "nothing has put $.preflight there",
    ),
    "an unknown path in an intrinsic": (
        CONDUCTOR,
        lambda s: s["NotifyVerdict"]["Parameters"].update(
            {"Subject.$": "States.Format('{}', $.sealed.subject)"}
        ),
        "nothing has put $.sealed.subject there",
    ),
    "an unknown path of an item reader": (
        EXPORT,
        lambda s: s["ExportBatches"]["ItemReader"]["Parameters"].update({"Key.$": "$.scope.list"}),
        "nothing has put $.scope.list there",
    ),
    "an item that lacks what its steps read": (
        EXPORT,
        lambda s: drop(s["ExportBatches"]["ItemSelector"], "batch_id.$"),
        "nothing has put $.batch_id",
    ),
    "a parameter that the step does not take": (
        HOLD,
        lambda s: s["PlaceHolds"]["Parameters"].update(hold=True),
        "place_holds does not take hold",
    ),
    "a parameter that the step needs": (
        CONDUCTOR,
        lambda s: drop(s["ReadScopePages"]["Parameters"], "query_id.$"),
        "read_scope_pages needs query_id",
    ),
    "a parameter of another type": (
        HOLD,
        lambda s: s["PlaceHolds"]["Parameters"].update({"offset.$": "$.matter_id"}),
        "place_holds takes offset as",
    ),
    "a value that a step never answers": (
        CONDUCTOR,
        lambda s: s["IsOpened"]["Choices"][0].update(StringEquals="OPEN"),
        "$.outcome is never 'OPEN'",
    ),
    "a comparison of another type": (
        HOLD,
        lambda s: s["ArePlaced"]["Choices"][0].update(Variable="$.cursor.batch"),
        "Variable: $.cursor.batch is",
    ),
    "a comparison that does not exist": (
        HOLD,
        lambda s: s["ArePlaced"].update(
            Choices=[{"Variable": "$.cursor.done", "IsTrue": True, "Next": "FromTheFirstAgain"}]
        ),
        "a choice needs a Variable",
    ),
    "no Default": (HOLD, lambda s: drop(s["ArePlaced"], "Default"), "ArePlaced: needs Choices and a Default"),
    "no time limit": (
        HOLD,
        lambda s: drop(s["PlaceHolds"], "TimeoutSeconds"),
        "PlaceHolds: needs a literal TimeoutSeconds",
    ),
    "a computed time limit": (
        HOLD,
        lambda s: s["PlaceHolds"].update(TimeoutSecondsPath="$.t"),
        "a Task has no TimeoutSecondsPath",
    ),
    "a time limit below the function's": (
        HOLD,
        lambda s: s["PlaceHolds"].update(TimeoutSeconds=300),
        "gives up after 300 s, its function after 300",
    ),
    "a nested run cut short": (
        CONDUCTOR,
        lambda s: s["ExportRecordings"].update(TimeoutSeconds=60),
        "before the run it has started",
    ),
    "a nested run without its ids": (
        CONDUCTOR,
        lambda s: drop(s["ApplyLegalHold"]["Parameters"]["Input"], "request_id.$"),
        "a nested run takes matter_id and request_id",
    ),
    "a nested run that is not told all": (
        CONDUCTOR,
        lambda s: drop(s["ProtectEarly"]["Parameters"]["Input"], "early"),
        "a nested run takes matter_id and request_id and early and plan_key",
    ),
    "a failure of which the verdict does not hear": (
        CONDUCTOR,
        lambda s: s["ProtectEarly"]["Catch"][0].update(ResultPath="$.early"),
        "ProtectEarly: a Catch has",
    ),
    "a verdict that waits for a failure": (
        CONDUCTOR,
        lambda s: s["NoEarlyFailure"].update(ResultPath=None),
        "SealCustody: early_failure.$: nothing has put $.failure there",
    ),
    "another machine": (
        CONDUCTOR,
        lambda s: s["ApplyLegalHold"]["Parameters"].update(StateMachineArn="${Other}"),
        "starts no machine of ours",
    ),
    "no Retry": (HOLD, lambda s: drop(s["PlaceHolds"], "Retry"), "PlaceHolds: needs a Retry"),
    "a transient error that is not repeated": (
        HOLD,
        lambda s: s["PlaceHolds"]["Retry"][1]["ErrorEquals"].remove("LedgerContention"),
        "PlaceHolds: does not repeat LedgerContention",
    ),
    "an error of Lambda that is not repeated": (
        HOLD,
        lambda s: s["PlaceHolds"]["Retry"][0]["ErrorEquals"].remove("Lambda.ServiceException"),
        "PlaceHolds: does not repeat Lambda.ServiceException",
    ),
    "a refusal that is repeated": (
        HOLD,
        lambda s: s["PlaceHolds"]["Retry"][1]["ErrorEquals"].append("PermissionMissing"),
        "PlaceHolds: repeats PermissionMissing, which will not pass",
    ),
    "an error that does not exist": (
        HOLD,
        lambda s: s["PlaceHolds"]["Retry"][1]["ErrorEquals"].append("PlatformTired"),
        "PlaceHolds: repeats PlatformTired",
    ),
    "an error that nothing raises": (
        HOLD,
        lambda s: s["PlaceHolds"]["Catch"].insert(
            0, {**s["PlaceHolds"]["Catch"][0], "ErrorEquals": ["PlatformTired"]}
        ),
        "PlaceHolds: catches PlatformTired, which nothing raises",
    ),
    "everything repeated": (
        HOLD,
        lambda s: s["PlaceHolds"]["Retry"][1]["ErrorEquals"].append("States.ALL"),
        "PlaceHolds: repeats States.ALL, which will not pass",
    ),
    "a Retry without a bound": (
        HOLD,
        lambda s: drop(s["PlaceHolds"]["Retry"][0], "MaxDelaySeconds"),
        "a Retry needs jitter and a bound",
    ),
    "no Catch": (CONDUCTOR, lambda s: drop(s["Reconcile"], "Catch"), "Reconcile: needs a Catch"),
    "a Catch for some": (
        HOLD,
        lambda s: s["PlaceHolds"]["Catch"][0].update(ErrorEquals=["States.Timeout"]),
        "PlaceHolds: the last Catch must catch States.ALL",
    ),
    "a Catch that forgets the input": (
        HOLD,
        lambda s: drop(s["PlaceHolds"]["Catch"][0], "ResultPath"),
        "PlaceHolds: a Catch has",
    ),
    "a failure that is not recorded": (
        HOLD,
        lambda s: s["PlaceHolds"]["Catch"][0].update(Next="FailedUnrecorded"),
        "PlaceHolds: its failure goes to FailedUnrecorded, which does not record it",
    ),
    "a failure that becomes a success": (
        HOLD,
        lambda s: s["RecordFailure"].update(Next="Held"),
        "PlaceHolds: after its failure the run may end",
    ),
    "a loop without a Wait": (
        HOLD,
        lambda s: s["ArePlaced"].update(Default="PlaceHolds"),
        "PlaceHolds: is in a loop without a Wait",
    ),
    "a map of one job at a time": (
        EXPORT,
        lambda s: s["ExportBatches"].update(MaxConcurrency=1),
        "MaxConcurrency must be 2",
    ),
    "a map that one batch can stop": (
        EXPORT,
        lambda s: drop(s["ExportBatches"], "ToleratedFailurePercentage"),
        "must tolerate every failure",
    ),
    "a map that keeps its results": (
        EXPORT,
        lambda s: drop(s["ExportBatches"], "ResultPath"),
        "its results grow with the matter",
    ),
    "an unknown integration": (
        CONDUCTOR,
        lambda s: s["NotifyVerdict"].update(Resource="arn:aws:states:::aws-sdk:s3:putObjectTagging"),
        "which is neither a function of ours nor a known integration",
    ),
    "a Fail that says nothing": (
        HOLD,
        lambda s: drop(s["Failed"], "CausePath"),
        "Failed: needs either Cause or CausePath",
    ),
}


@pytest.mark.parametrize(("name", "mutate", "said"), MUTANTS.values(), ids=MUTANTS)
def test_a_broken_workflow_is_found(name: str, mutate: Mutation, said: str) -> None:
    broken = copy.deepcopy(definition(name))

    mutate(broken["States"])

    assert any(said in fault for fault in faults(broken, surroundings(name)))


def test_a_machine_without_a_time_limit_is_found() -> None:
    broken = definition(HOLD)

    del broken["TimeoutSeconds"]

    assert "the machine has no literal TimeoutSeconds" in faults(broken, surroundings(HOLD))


def test_a_machine_that_starts_nowhere_is_found() -> None:
    broken = definition(HOLD) | {"StartAt": "Nowhere"}

    assert any("StartAt names 'Nowhere'" in fault for fault in faults(broken, surroundings(HOLD)))
