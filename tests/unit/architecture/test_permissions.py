"""Every function may do what it can come to do, and nothing else."""

import copy
from pathlib import Path

import pytest

from local.template import Template, read_template
from tests.unit.architecture.permissions import Need, Program
from tests.unit.architecture.stack import (
    functions,
    managed,
    mentions,
    of_type,
    program_of,
    queues_of,
    statements,
)

ROOT = Path(__file__).parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
PROGRAM = Program(ROOT)
POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
PLACES = [name for name, resource in TEMPLATE["Resources"].items() if "Policy" not in resource["Type"]]
PLACES.append("SecureObjectsArrivalQueue")  # SAM makes it of the function's event


def granted(document: dict[str, object]) -> set[Need]:
    return {
        (action, place)
        for statement in statements(document)
        for action in statement["Action"]
        for resource in statement["Resource"]
        for place in [one for one in PLACES if mentions(resource, one)] or [spelled(resource)]
    }


def spelled(resource: object) -> str:
    """Read which machine's executions are meant, where the name is spelled out to avoid a circle."""
    machines = {"preserve-matter": "PreserveMatter", "release-hold": "ReleaseHold"}
    meant = [
        machine
        for name, machine in machines.items()
        if f"execution:${{AWS::StackName}}-{name}:*" in str(resource)
    ]
    return meant[0] if meant else str(resource)


def own_grants(template: Template, name: str) -> set[Need]:
    (policy,) = template["Resources"][f"{name}Role"]["Properties"]["Policies"]
    return granted(policy["PolicyDocument"])


def needs(template: Template, name: str, program: Program = PROGRAM) -> set[Need]:
    needed = program.needs(program_of(name))
    for queue in queues_of(functions(template)[name]):
        needed |= {(action, queue) for action in POLLING}
    return needed


@pytest.mark.parametrize("name", functions(TEMPLATE))
def test_a_role_grants_exactly_what_its_function_needs(name: str) -> None:
    assert own_grants(TEMPLATE, name) == needs(TEMPLATE, name)


@pytest.mark.parametrize("name", functions(TEMPLATE))
def test_only_functions_that_call_genesys_have_its_credentials(name: str) -> None:
    role = TEMPLATE["Resources"][f"{name}Role"]["Properties"]
    wanted = {"FunctionBasics"} | ({"GenesysCaller"} if PROGRAM.calls_genesys(program_of(name)) else set())

    assert set(managed(TEMPLATE, role)) == wanted


def test_calling_genesys_takes_the_client_and_what_its_callers_share() -> None:
    policy = of_type(TEMPLATE, "IAM::ManagedPolicy")["GenesysCaller"]["PolicyDocument"]
    places = {"secretsmanager": "GenesysSecret", "dynamodb": "Credentials", "kms": "Key"}
    needed = {(action, places[action.partition(":")[0]]) for action in PROGRAM.genesys_actions()}

    assert needed
    assert granted(policy) == needed


def test_the_fewest_are_those_that_only_read_the_ledger() -> None:
    """The derivation finds something, and not the same for all."""
    assert needs(TEMPLATE, "ExecuteExportJob") == {("dynamodb:GetItem", "Ledger")}
    assert ("s3:PutObjectLegalHold", "EvidenceBucket") in needs(TEMPLATE, "SecureObjects")


def test_a_missing_permission_is_found() -> None:
    broken = copy.deepcopy(TEMPLATE)
    (policy,) = broken["Resources"]["SecureObjectsRole"]["Properties"]["Policies"]
    policy["PolicyDocument"]["Statement"][1]["Action"].remove("s3:GetObjectVersionTagging")

    missing = needs(broken, "SecureObjects") - own_grants(broken, "SecureObjects")

    assert missing == {("s3:GetObjectVersionTagging", "EvidenceBucket")}


def test_a_new_call_in_a_step_is_found() -> None:
    def read(path: Path) -> str:
        text = path.read_text()
        if path.parts[-2:] != ("steps", "execute_export_job.py"):
            return text
        return text.replace("jobs.execute(", "batches.settle(batch, 'x'); jobs.execute(")

    needed = needs(TEMPLATE, "ExecuteExportJob", Program(ROOT, read))

    assert needed - own_grants(TEMPLATE, "ExecuteExportJob") == {("dynamodb:UpdateItem", "Ledger")}


def test_a_new_call_in_an_adapter_is_found() -> None:
    def read(path: Path) -> str:
        text = path.read_text()
        return text.replace("self._table.get(", "self._table.query(") if path.name == "requests.py" else text

    needed = needs(TEMPLATE, "ExecuteExportJob", Program(ROOT, read))

    assert needed == {("dynamodb:Query", "Ledger")}
