"""What is granted is what is used: the template against the record of the end-to-end runs."""

import copy
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from local.grants import Grant, granted, needed, used, widest
from local.template import Template, read_template
from local.unused import BY_CHANCE, NEVER
from tests.recording import RECORD, differences, hold_against_the_record, is_whole, recorded, refused

TEMPLATE = read_template(Path(__file__).parents[3] / "template.yaml")


def faults(template: Template, record: Iterable[Grant]) -> Iterator[str]:
    uses = set(record)
    excepted = NEVER.keys() | BY_CHANCE.keys()
    have, need = granted(template), needed(template, uses | excepted)
    yield from (f"missing: {one}" for one in need - have)
    yield from (f"idle: {one}" for one in have - need)
    yield from (f"an exception that is not granted: {one}" for one in excepted - have)
    yield from (f"an exception that is recorded: {one}" for one in excepted & uses)


def test_what_is_granted_is_what_is_used() -> None:
    assert sorted(faults(TEMPLATE, recorded())) == []


def test_the_record_is_sorted_and_says_everything_once() -> None:
    lines = RECORD.read_text().splitlines()

    assert lines == [str(one) for one in sorted(set(map(Grant.read, lines)))]


def test_every_exception_has_its_reason() -> None:
    assert all(len(why) > 20 for why in [*NEVER.values(), *BY_CHANCE.values()])
    assert not NEVER.keys() & BY_CHANCE.keys()


# --- mutants: what is broken, and what is said of it --------------------------------------------------------

type Mutation = Callable[[dict[str, Any]], object]


def statements(resources: dict[str, Any], name: str) -> list[dict[str, Any]]:
    properties = resources[name]["Properties"]
    policy = properties["Policies"][0] if "Policies" in properties else properties
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def on(resources: dict[str, Any], name: str, action: str) -> dict[str, Any]:
    """Give the statement of a role that grants an action."""
    (found, *_) = (one for one in statements(resources, name) if action in one["Action"])
    return found


def also(resources: dict[str, Any], name: str, action: str, more: str) -> None:
    one = on(resources, name, action)
    one["Action"] = [*([one["Action"]] if isinstance(one["Action"], str) else one["Action"]), more]


def sub(text: str) -> dict[str, str]:
    return {"Fn::Sub": text}


LOCKS = "SecureObjects s3:PutObjectLegalHold EvidenceBucket/*"
MUTANTS: dict[str, tuple[Mutation, set[str]]] = {
    "an action more": (
        lambda r: also(r, "ExecuteExportJobRole", "dynamodb:GetItem", "dynamodb:PutItem"),
        {"idle: ExecuteExportJob dynamodb:PutItem Ledger"},
    ),
    "an action more in a managed policy": (
        lambda r: also(r, "GenesysCaller", "dynamodb:GetItem", "dynamodb:Query"),
        {"idle: GenesysCaller dynamodb:Query Credentials"},
    ),
    "an action more of a workflow": (
        lambda r: also(r, "ApplyLegalHoldRole", "lambda:InvokeFunction", "lambda:GetFunction"),
        {
            f"idle: ApplyLegalHold lambda:GetFunction {one}"
            for one in ("PlanHolds", "PlaceHolds", "ConfirmHolds", "RecordHoldFailure")
        },
    ),
    "an action more of the vendor": (
        lambda r: also(r, "GenesysWriterRole", "s3:PutObject", "s3:GetObject"),
        {"idle: GenesysWriterRole s3:GetObject EvidenceBucket/*"},
    ),
    "an action less": (
        lambda r: on(r, "SecureObjectsRole", "s3:GetObjectVersionTagging")["Action"].remove(
            "s3:GetObjectVersionTagging"
        ),
        {"missing: SecureObjects s3:GetObjectVersionTagging EvidenceBucket/*"},
    ),
    "a listing less": (
        lambda r: statements(r, "SealMatterRole").remove(on(r, "SealMatterRole", "s3:ListBucket")),
        {"missing: SealMatter s3:ListBucket RecordsBucket"},
    ),
    "a function less that a workflow may call": (
        lambda r: on(r, "ApplyLegalHoldRole", "lambda:InvokeFunction")["Resource"].pop(0),
        {"missing: ApplyLegalHold lambda:InvokeFunction PlanHolds"},
    ),
    "a function more that a workflow may call": (
        lambda r: on(r, "ApplyLegalHoldRole", "lambda:InvokeFunction")["Resource"].append(
            {"Fn::GetAtt": ["LiftHolds", "Arn"]}
        ),
        {"idle: ApplyLegalHold lambda:InvokeFunction LiftHolds"},
    ),
    "the whole bucket": (
        lambda r: on(r, "PlanHoldsRole", "s3:PutObject").update(Resource=sub("${WorkBucket.Arn}/*")),
        {"idle: PlanHolds s3:PutObject WorkBucket/*", "missing: PlanHolds s3:PutObject WorkBucket/holds/*"},
    ),
    "recordings instead of manifests": (
        lambda r: on(r, "ReconcileRole", "s3:GetObject").update(Resource=sub("${EvidenceBucket.Arn}/*")),
        {
            "idle: Reconcile s3:GetObject EvidenceBucket/*",
            "idle: Reconcile s3:PutObject EvidenceBucket/*",
            "missing: Reconcile s3:GetObject WorkBucket/matters/*",
            "missing: Reconcile s3:PutObject WorkBucket/matters/*",
        },
    ),
    "everything": (
        lambda r: on(r, "ExecuteExportJobRole", "dynamodb:GetItem").update(Resource="*"),
        {"idle: ExecuteExportJob dynamodb:GetItem *", "missing: ExecuteExportJob dynamodb:GetItem Ledger"},
    ),
    "another table": (
        lambda r: on(r, "ExecuteExportJobRole", "dynamodb:GetItem").update(
            Resource={"Fn::GetAtt": ["Credentials", "Arn"]}
        ),
        {
            "idle: ExecuteExportJob dynamodb:GetItem Credentials",
            "missing: ExecuteExportJob dynamodb:GetItem Ledger",
        },
    ),
    "another queue": (
        lambda r: on(r, "SweepEvidenceRole", "sqs:SendMessage").update(
            Resource={"Fn::GetAtt": ["HashQueue", "Arn"]}
        ),
        {
            "idle: SweepEvidence sqs:SendMessage HashQueue",
            "missing: SweepEvidence sqs:SendMessage ArrivalQueue",
        },
    ),
    "another bus": (
        lambda r: on(r, "StartStandingRunsRole", "events:PutEvents").update(
            Resource={"Fn::GetAtt": ["ApprovalBus", "Arn"]}
        ),
        {
            "idle: StartStandingRuns events:PutEvents ApprovalBus",
            "missing: StartStandingRuns events:PutEvents RequestBus",
        },
    ),
    "another key": (
        lambda r: on(r, "SealMatterRole", "kms:Sign").update(Resource={"Fn::GetAtt": ["Key", "Arn"]}),
        {
            "idle: SealMatter kms:GetPublicKey Key",
            "idle: SealMatter kms:Sign Key",
            "missing: SealMatter kms:GetPublicKey SealKey",
            "missing: SealMatter kms:Sign SealKey",
        },
    ),
    "other executions": (
        lambda r: on(r, "OpenRequestRole", "states:DescribeExecution").update(
            Resource=sub("arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:execution:*")
        ),
        {
            "idle: OpenRequest states:DescribeExecution *",
            "missing: OpenRequest states:DescribeExecution PreserveMatter:*",
        },
    ),
    "a deletion of anything": (
        lambda r: on(r, "CheckExportJobRole", "dynamodb:DeleteItem").pop("Condition"),
        {
            "idle: CheckExportJob dynamodb:DeleteItem Ledger",
            "missing: CheckExportJob dynamodb:DeleteItem Ledger if dynamodb:leadingkeys=ORG#*",
        },
    ),
    "a lock that may be lifted as well": (
        lambda r: on(r, "SecureObjectsRole", "s3:PutObjectLegalHold").pop("Condition"),
        {
            "idle: SecureObjects s3:PutObjectLegalHold EvidenceBucket/*",
            "missing: SecureObjects s3:PutObjectLegalHold EvidenceBucket/* if s3:object-lock-legal-hold=ON",
        },
    ),
    "a condition turned round": (
        lambda r: on(r, "SecureObjectsRole", "s3:PutObjectLegalHold").update(
            Condition={"StringNotEquals": {"s3:object-lock-legal-hold": "ON"}}
        ),
        {
            f"idle: {LOCKS} if StringNotEquals s3:object-lock-legal-hold=ON",
            f"missing: {LOCKS} if s3:object-lock-legal-hold=ON",
        },
    ),
    "the ledger to whoever reads canaries": (
        lambda r: on(r, "PreflightRole", "dynamodb:Query").pop("Condition"),
        {
            "idle: Preflight dynamodb:Query Ledger",
            "missing: Preflight dynamodb:Query Ledger if dynamodb:leadingkeys=CANARY",
        },
    ),
    "the key without the service": (
        lambda r: on(r, "GenesysCaller", "kms:Decrypt").pop("Condition"),
        {
            "idle: GenesysCaller kms:Decrypt Key",
            "missing: GenesysCaller kms:Decrypt Key if kms:viaservice=secretsmanager",
        },
    ),
    "the key to write files to whoever reads them": (
        lambda r: r["LiftHoldsRole"]["Properties"]["ManagedPolicyArns"].append({"Ref": "KeyToWriteFiles"}),
        {"idle: LiftHolds has KeyToWriteFiles"},
    ),
    "no key to read files": (
        lambda r: r["LiftHoldsRole"]["Properties"]["ManagedPolicyArns"].remove({"Ref": "KeyToReadFiles"}),
        {"missing: LiftHolds kms:Decrypt Key if kms:viaservice=s3"},
    ),
    "Genesys's credentials to whoever does not call it": (
        lambda r: r["LiftHoldsRole"]["Properties"]["ManagedPolicyArns"].append({"Ref": "GenesysCaller"}),
        {"idle: LiftHolds has GenesysCaller"},
    ),
    "a queue that nobody polls": (
        lambda r: r["HashObjects"]["Properties"].pop("Events"),
        {
            f"idle: HashObjects sqs:{one} HashQueue"
            for one in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        },
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_grant_that_differs_from_what_is_used_is_found(name: str) -> None:
    mutate, said = MUTANTS[name]
    broken = copy.deepcopy(TEMPLATE)
    mutate(broken["Resources"])

    found = set(faults(broken, recorded())) - set(faults(TEMPLATE, recorded()))
    assert found == said


# --- and of what a run does ---------------------------------------------------------------------------------


def test_a_run_of_some_tests_may_use_less_than_is_recorded() -> None:
    some = sorted(recorded())[:10]

    assert list(differences(some, recorded(), whole=False)) == []


def test_a_run_of_all_tests_uses_everything_that_is_recorded() -> None:
    gone, *still = sorted(recorded())

    assert list(differences(still, recorded(), whole=True)) == [f"recorded, and not used any more: {gone}"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_new_call_is_told_from_every_run(whole: bool) -> None:
    new = Grant("ExecuteExportJob", "dynamodb:DeleteItem", "Ledger", "dynamodb:leadingkeys=CONV#*")

    told = list(differences({*recorded(), new}, recorded(), whole=whole))

    assert told == [f"used, and not recorded: {new}"]


def test_an_exception_that_is_used_is_told() -> None:
    excepted = min(NEVER)

    assert list(differences({*recorded(), excepted}, recorded(), whole=False)) == [
        f"used, though an exception: {excepted}"
    ]


@pytest.mark.parametrize(
    ("action", "resource", "conditions", "grant"),
    [
        ("s3:PutObject", "arn:aws:s3:::h-work-0/holds/run-1/", {}, "s3:PutObject WorkBucket/holds/*"),
        ("s3:GetObject", "arn:aws:s3:::h-evidence-0/o-1/year=2026/", {}, "s3:GetObject EvidenceBucket/*"),
        (
            "s3:GetObject",
            "arn:aws:s3:::h-evidence-0/o-1/manifests/",
            {},
            "s3:GetObject EvidenceBucket/ORGANIZATION/manifests/*",
        ),
        (
            "s3:PutObject",
            "arn:aws:s3:::h-evidence-0/_holdfast/canary/",
            {},
            "s3:PutObject EvidenceBucket/_holdfast/canary/*",
        ),
        ("s3:ListBucket", "arn:aws:s3:::h-work-0", {}, "s3:ListBucket WorkBucket"),
        ("sqs:SendMessage", "arn:aws:sqs:r:1:h-ArrivalQueue-F8", {}, "sqs:SendMessage ArrivalQueue"),
        ("dynamodb:Query", "arn:aws:dynamodb:r:1:table/h-Ledger-7E", {}, "dynamodb:Query Ledger"),
        (
            "dynamodb:Query",
            "arn:aws:dynamodb:r:1:table/h-Ledger-7E/index/by-matter",
            {},
            "dynamodb:Query Ledger/index/by-matter",
        ),
        (
            "dynamodb:DeleteItem",
            "arn:aws:dynamodb:r:1:table/h-Ledger-7E",
            {"dynamodb:LeadingKeys": "ORG#*"},
            "dynamodb:DeleteItem Ledger if dynamodb:leadingkeys=ORG#*",
        ),
        (
            "states:DescribeExecution",
            "arn:aws:states:r:1:execution:h-preserve:",
            {},
            "states:DescribeExecution PreserveMatter:*",
        ),
        ("kms:Sign", "arn:aws:kms:r:1:key/e1a4", {}, "kms:Sign SealKey"),
    ],
)
def test_an_access_is_named_as_the_template_names_it(
    action: str, resource: str, conditions: dict[str, str], grant: str
) -> None:
    resources = {
        "PlanHolds": "h-PlanHolds-1",
        "WorkBucket": "h-work-0",
        "EvidenceBucket": "h-evidence-0",
        "ArrivalQueue": "http://localhost:1/1/h-ArrivalQueue-F8",
        "Ledger": "h-Ledger-7E",
        "PreserveMatter": "arn:aws:states:r:1:stateMachine:h-preserve",
        "SealKey": "e1a4",
        "Dashboard": "holdfast",  # named as the stack
    }
    access = {"who": "h-PlanHolds-1", "action": action, "resource": resource, "conditions": conditions}

    assert used([{**access, "times": 2}], resources) == {Grant.read(f"PlanHolds {grant}"): 2}


def told(action: str, resource: str, conditions: dict[str, str], statement: dict[str, Any]) -> dict[str, Any]:
    """What a world leaves: one access of CheckExportJob, and the policy of its role."""
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}
    return {
        "accesses": [
            {
                "who": "h-CheckExportJob-1",
                "action": action,
                "resource": resource,
                "conditions": conditions,
                "times": 1,
            }
        ],
        "policies": {"h-CheckExportJobRole-2": [policy]},
        "resources": {
            "CheckExportJob": "h-CheckExportJob-1",
            "CheckExportJobRole": "h-CheckExportJobRole-2",
            "Ledger": "h-Ledger-3",
        },
    }


TABLE = "arn:aws:dynamodb:r:1:table/h-Ledger-3"
SLOTS_ALONE = {
    "Action": "dynamodb:DeleteItem",
    "Resource": TABLE,
    "Condition": {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["ORG#*"]}},
}


@pytest.mark.parametrize(
    ("action", "resource", "conditions", "is_allowed"),
    [
        ("dynamodb:DeleteItem", TABLE, {"dynamodb:LeadingKeys": "ORG#*"}, True),
        ("dynamodb:DeleteItem", TABLE, {"dynamodb:LeadingKeys": "CONV#*"}, False),
        ("dynamodb:DeleteItem", f"{TABLE}x", {"dynamodb:LeadingKeys": "ORG#*"}, False),
        ("dynamodb:PutItem", TABLE, {"dynamodb:LeadingKeys": "ORG#*"}, False),
    ],
)
def test_every_call_is_held_against_the_policies_as_deployed(
    action: str, resource: str, conditions: dict[str, str], is_allowed: bool
) -> None:
    world = told(action, resource, conditions, SLOTS_ALONE)

    assert [one.split(": ")[0] for one in refused(world)] == [] if is_allowed else ["not allowed"]


def test_what_worlds_leave_anywhere_below_a_run_s_folder_is_compared() -> None:
    world = told("dynamodb:DeleteItem", TABLE, {"dynamodb:LeadingKeys": "CONV#*"}, SLOTS_ALONE)

    with TemporaryDirectory() as folder:  # not below this run's own
        left = Path(folder) / "popen-gw1" / "strict-world0" / "accesses.json"
        left.parent.mkdir(parents=True)
        left.write_text(json.dumps(world))
        said = hold_against_the_record(Path(folder), whole=False)

    assert said == [
        f"not allowed: CheckExportJob dynamodb:DeleteItem {TABLE} {{'dynamodb:LeadingKeys': 'CONV#*'}}",
        "used, and not recorded: CheckExportJob dynamodb:DeleteItem Ledger if dynamodb:leadingkeys=CONV#*",
    ]


def test_a_run_that_started_no_world_says_nothing(tmp_path: Path) -> None:
    assert hold_against_the_record(tmp_path, whole=True) == []


@pytest.mark.parametrize(
    ("arguments", "is_all"),
    [
        ([], True),
        (["tests"], True),
        (["tests/e2e"], True),
        (["tests/unit"], False),
        (["tests/e2e/test_arrivals.py"], False),
        (["tests/e2e", "-k", "arrivals"], False),
        (["tests/e2e", "-m", "world"], False),
        (["tests/e2e", "--deselect", "tests/e2e/test_arrivals.py::test_x"], False),
    ],
)
def test_a_run_is_whole_if_no_end_to_end_test_was_left_out(
    arguments: list[str], is_all: bool, pytestconfig: pytest.Config
) -> None:
    options = pytestconfig._parser.parse_known_args(arguments)
    asked = options.file_or_dir or ["tests"]

    assert is_whole(asked, lambda option: getattr(options, option, None)) is is_all


def test_a_use_anywhere_in_a_bucket_covers_those_in_its_folders() -> None:
    anywhere, canary, elsewhere = (
        Grant("SecureObjects", "s3:GetObjectVersion", place)
        for place in ("EvidenceBucket/*", "EvidenceBucket/_holdfast/canary/*", "WorkBucket/matters/*")
    )

    assert widest([anywhere, canary, elsewhere]) == {anywhere, elsewhere}


def test_what_a_sweep_asks_of_a_bucket_that_only_a_test_has_is_no_use(tmp_path: Path) -> None:
    asked = {
        "who": "sweep",
        "action": "s3:GetObjectLegalHold",
        "resource": "arn:aws:s3:::killed-be517082-37ab-48b8/key",
        "conditions": {},
        "times": 1,
    }
    told = {"resources": {"SweepEvidence": "sweep"}, "policies": {}, "accesses": [asked]}
    (tmp_path / "accesses.json").write_text(json.dumps(told))

    assert hold_against_the_record(tmp_path, whole=False) == []
