"""Every function may do what it can come to do, and nothing else; on what, test_grants.py holds."""

import copy
from pathlib import Path

import pytest

from local.grants import granted
from local.template import Template, read_template
from tests.unit.architecture.permissions import Program
from tests.unit.architecture.stack import functions, managed, program_of

ROOT = Path(__file__).parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
PROGRAM = Program(ROOT)


def own_actions(template: Template, name: str) -> set[str]:
    """Give what a role grants by itself; for polling its queue, no line of the program asks."""
    own = {one.action for one in granted(template) if one.bearer == name and ":" in one.action}
    return own - {"sqs:ReceiveMessage", "sqs:DeleteMessage"} - ({"sqs:GetQueueAttributes"} - needs(name))


def needs(name: str, program: Program = PROGRAM) -> set[str]:
    return program.needs(program_of(name))


@pytest.mark.parametrize("name", functions(TEMPLATE))
def test_a_role_grants_exactly_what_its_function_needs(name: str) -> None:
    assert own_actions(TEMPLATE, name) == needs(name)


@pytest.mark.parametrize("name", functions(TEMPLATE))
def test_only_functions_that_call_genesys_have_its_credentials(name: str) -> None:
    role = TEMPLATE["Resources"][f"{name}Role"]["Properties"]

    assert ("GenesysCaller" in managed(TEMPLATE, role)) is PROGRAM.calls_genesys(program_of(name))


def test_calling_genesys_takes_the_client_and_what_its_callers_share() -> None:
    """Genesys's own calls, that is; the key is used behind the secret as well."""
    shared = {one.action for one in granted(TEMPLATE) if one.bearer == "GenesysCaller"}

    assert shared == PROGRAM.genesys_actions()


def test_the_fewest_are_those_that_only_read_the_ledger() -> None:
    """The derivation finds something, and not the same for all."""
    assert needs("ExecuteExportJob") == {"dynamodb:GetItem"}
    assert "s3:PutObjectLegalHold" in needs("SecureObjects")


def test_a_missing_permission_is_found() -> None:
    broken = copy.deepcopy(TEMPLATE)
    (policy,) = broken["Resources"]["SecureObjectsRole"]["Properties"]["Policies"]
    policy["PolicyDocument"]["Statement"][1]["Action"].remove("s3:GetObjectVersionTagging")

    missing = needs("SecureObjects") - own_actions(broken, "SecureObjects")

    assert missing == {"s3:GetObjectVersionTagging"}


def test_a_new_call_in_a_step_is_found() -> None:
    def read(path: Path) -> str:
        text = path.read_text()
        if path.parts[-2:] != ("steps", "execute_export_job.py"):
            return text
        return text.replace("jobs.execute(", "batches.settle(batch, 'x'); jobs.execute(")

    needed = needs("ExecuteExportJob", Program(ROOT, read))

    assert needed - own_actions(TEMPLATE, "ExecuteExportJob") == {"dynamodb:UpdateItem"}


def test_a_new_call_in_an_adapter_is_found() -> None:
    def read(path: Path) -> str:
        text = path.read_text()
        return text.replace("self._table.get(", "self._table.query(") if path.name == "requests.py" else text

    needed = needs("ExecuteExportJob", Program(ROOT, read))

    assert needed == {"dynamodb:Query"}
