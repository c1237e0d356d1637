"""The template keeps its rules, and a template that breaks one is found out."""

import ast
import copy
import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from cli import quote
from holdfast.ports import Counter
from local.template import Template, read_template
from tests.unit.architecture import stack

ROOT = Path(__file__).parents[3]
TEMPLATE = read_template(ROOT / "template.yaml")
PROGRAM = ROOT / "layers/holdfast/holdfast"
FOLDERS = {path.parent.name for path in ROOT.glob("functions/*/app.py")}
READ = {
    name
    for path in [PROGRAM / "bootstrap.py", PROGRAM / "settings.py", *ROOT.glob("functions/*/app.py")]
    for name in re.findall(r"\"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\"", path.read_text())
}
COUNTED = {
    name
    for path in (PROGRAM / "steps").glob("*.py")
    for name in re.findall(r"\bCounter\.([A-Z_]+)\b", path.read_text())
}
COUNTERS = {Counter[name].value for name in COUNTED} | {"HoldLag"}


def _logged() -> dict[str, set[str]]:
    """Read the program for the keys of each event that it logs."""
    logged: defaultdict[str, set[str]] = defaultdict(set)
    for path in PROGRAM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr not in {"note", "warn", "warning"} or not node.args:
                continue
            names = {str(one.value) for one in ast.walk(node.args[0]) if isinstance(one, ast.Constant)}
            keys = {keyword.arg for keyword in node.keywords if keyword.arg and keyword.arg != "extra"}
            for extra in (one.value for one in node.keywords if one.arg == "extra"):
                keys |= {
                    str(key.value) for key in getattr(extra, "keys", []) if isinstance(key, ast.Constant)
                }
            for name in names:
                logged[name] |= keys
    return logged


LOGGED = _logged()

DASHBOARD: str = TEMPLATE["Resources"]["Dashboard"]["Properties"]["DashboardBody"]["Fn::Sub"]

type Rule = Callable[[Template], Iterable[str]]

RULES: dict[str, Rule] = {
    "names": lambda template: stack.names(template, FOLDERS),
    "roles": stack.roles,
    "grants": stack.grants,
    "doors": stack.doors,
    "separation": stack.separation,
    "boundaries": stack.boundaries,
    "locks": stack.locks,
    "evidence_policy": stack.evidence_policy,
    "disposal": stack.disposal,
    "vendor": stack.vendor,
    "two_people": stack.two_people,
    "credentials": stack.credentials,
    "buckets": stack.buckets,
    "arrival_wiring": stack.arrival_wiring,
    "queues": stack.queues,
    "stores": stack.stores,
    "key": stack.key,
    "observation": stack.observation,
    "alarms": lambda template: stack.alarms(template, COUNTERS),
    "dashboards": lambda template: stack.dashboards(template, COUNTERS),
    "queries": lambda template: stack.queries(template, LOGGED, {"matter_id", "request_id", "batch_id"}),
    "settings": lambda template: stack.settings(template, READ),
    "substitutions": lambda template: stack.substitutions(template, lambda uri: (ROOT / uri).read_text()),
    "skips": stack.skips,
}


@pytest.mark.parametrize("rule", RULES)
def test_the_template_keeps_its_rules(rule: str) -> None:
    assert list(RULES[rule](TEMPLATE)) == []


def test_the_dashboards_prices_are_those_of_a_quote() -> None:
    body = stack.dashboard_body(properties(TEMPLATE["Resources"], "Dashboard"))
    told = {
        line[-1]["id"]: line[-1]["expression"]
        for widget in body["widgets"]
        for line in widget["properties"].get("metrics", [])
        if line[-1].get("id", "").endswith("_dollars")
    }
    of_object = (quote.OBJECT_S3_WRITES + quote.VENDOR_WRITES) * quote.S3_WRITE + quote.S3_READ
    functions = stack.functions(TEMPLATE)
    durations = [
        f"FILL({stack.program_of(name)}, 0) * {functions[name]['MemorySize']}"
        for name in re.findall(r"\$\{(\w+)\}\", \{\"label\": \"\1\"", DASHBOARD)
    ]

    assert told == {
        "s3_dollars": f"FILL(objects, 0) * {of_object * 1e6:.1f} / 1000000",
        "function_dollars": f"({' + '.join(durations)}) / 1024 / 1000 * {quote.LAMBDA_GB_S:.10f}",
        "ledger_dollars": f"(writes * {quote.LEDGER_WRITE * 1e6:.3f}"
        f" + reads * {quote.LEDGER_READ * 1e6:.3f}) / 1000000",
    }


def test_whatever_can_be_counted_is_counted_by_some_step() -> None:
    assert {counter.name for counter in Counter} == COUNTED & set(Counter.__members__)


def test_every_function_has_a_step_of_its_name() -> None:
    steps = {path.stem for path in (PROGRAM / "steps").glob("*.py")}

    assert FOLDERS
    assert steps >= FOLDERS


# --- mutants: (the rule, what is broken, what is said of it) -----------------------------------------------

type Mutation = Callable[[dict[str, Any]], object]


def statement(resources: dict[str, Any], role: str, index: int) -> dict[str, Any]:
    """Give a statement of a role's own policy, of a managed policy or of a bucket's."""
    properties = resources[role]["Properties"]
    document = properties["Policies"][0] if "Policies" in properties else properties
    found: dict[str, Any] = document["PolicyDocument"]["Statement"][index]
    return found


def grant(resources: dict[str, Any], role: str, action: str, resource: Any) -> None:
    document = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]
    document["Statement"].append({"Effect": "Allow", "Action": action, "Resource": resource})


def properties(resources: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = resources[name]["Properties"]
    return found


def reword(resources: dict[str, Any], what: str, by: str) -> None:
    body = properties(resources, "Dashboard")["DashboardBody"]
    assert what in body["Fn::Sub"]
    body["Fn::Sub"] = body["Fn::Sub"].replace(what, by)


def requery(resources: dict[str, Any], name: str, what: str, by: str) -> None:
    query = properties(resources, name)
    query["QueryString"] = query["QueryString"].replace(what, by)


def lifecycle(resources: dict[str, Any]) -> list[Any]:
    found: list[Any] = properties(resources, "EvidenceBucket")["LifecycleConfiguration"]["Rules"]
    return found


EVIDENCE = {"Fn::Sub": "${EvidenceBucket.Arn}/*"}
MUTANTS: dict[str, tuple[str, Mutation, str]] = {
    "another folder": (
        "names",
        lambda r: properties(r, "PlaceHolds").update(CodeUri="functions/hold"),
        "PlaceHolds: its folder should be functions/place_holds",
    ),
    "a schedule that two stacks would share": (
        "names",
        lambda r: properties(r, "StartStandingRuns")["Events"]["Schedule"]["Properties"].pop("Name"),
        "StartStandingRuns: its schedule is named alike",
    ),
    "a folder without a function": (
        "names",
        lambda r: r.pop("HashObjects"),
        "functions/hash_objects: no function",
    ),
    "a shared role": (
        "roles",
        lambda r: properties(r, "PlaceHolds").update(Role={"Fn::GetAtt": ["ConfirmHoldsRole", "Arn"]}),
        "PlaceHolds: shares a role",
    ),
    "a role that anybody may take": (
        "roles",
        lambda r: properties(r, "PlaceHoldsRole")["AssumeRolePolicyDocument"]["Statement"][0].update(
            Principal="*"
        ),
        "PlaceHolds: its role can be taken by others than lambda.amazonaws.com",
    ),
    "a workflow's role that a function may take": (
        "roles",
        lambda r: properties(r, "ReleaseHoldRole")["AssumeRolePolicyDocument"]["Statement"].append(
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ),
        "ReleaseHold: its role can be taken by others than states.amazonaws.com",
    ),
    "a policy beside the role": (
        "roles",
        lambda r: properties(r, "PlaceHolds").update(Policies=["AmazonS3FullAccess"]),
        "PlaceHolds: its grants stand in its role alone",
    ),
    "an ARN of everything": (
        "grants",
        lambda r: statement(r, "ReleaseHoldRole", 2).update(Resource="arn:aws:sns:*:*:*"),
        "ReleaseHoldRole: arn:aws:sns:*:*:* is wider than one place",
    ),
    "a role nobody has": (
        "roles",
        lambda r: r.update(OldRole=r["PlaceHoldsRole"]),
        "OldRole: a role that nobody has",
    ),
    "any action of a service": (
        "grants",
        lambda r: statement(r, "PlaceHoldsRole", 0).update(Action="dynamodb:*"),
        "dynamodb:* names no action",
    ),
    "any action on a queue": (
        "doors",
        lambda r: statement(r, "ArrivalQueuePolicy", 0).update(Action="sqs:*"),
        "ArrivalQueuePolicy: sqs:* names no action",
    ),
    "a queue for everybody": (
        "doors",
        lambda r: statement(r, "LostEventsPolicy", 0).update(Principal={"AWS": "*"}),
        "LostEventsPolicy: lets anybody in",
    ),
    "a bus for everybody": (
        "doors",
        lambda r: properties(r, "ApprovalBusPolicy")["Statement"].update(Effect="Allow"),
        "ApprovalBusPolicy: lets anybody in",
    ),
    "a bucket for all but one": (
        "doors",
        lambda r: statement(r, "RecordsBucketPolicy", 0).update(Effect="Allow", NotAction="s3:DeleteObject"),
        "RecordsBucketPolicy: says what may not be done",
    ),
    "any use of the key by a service": (
        "doors",
        lambda r: properties(r, "SealKey")["KeyPolicy"]["Statement"][0].update(
            Principal={"Service": "events.amazonaws.com"}
        ),
        "SealKey: kms:* names no action",
    ),
    "any resource": (
        "grants",
        lambda r: statement(r, "PlaceHoldsRole", 0).update(Resource="*"),
        "PlaceHoldsRole: dynamodb:",
    ),
    "any resource by a shared policy": (
        "grants",
        lambda r: statement(r, "GenesysCaller", 0).update(Resource="*"),
        "secretsmanager:GetSecretValue on everything",
    ),
    "any resource of a kind": (
        "grants",
        lambda r: grant(r, "ReconcileRole", "s3:GetObject", {"Fn::Sub": "arn:${AWS::Partition}:s3:::*"}),
        "ReconcileRole: arn:${AWS::Partition}:s3:::* is wider than one place",
    ),
    "the right to delete": (
        "grants",
        lambda r: grant(r, "SecureObjectsRole", "s3:DeleteObjectVersion", EVIDENCE),
        "SecureObjectsRole: nobody may s3:DeleteObjectVersion",
    ),
    "all but some": (
        "grants",
        lambda r: statement(r, "PlaceHoldsRole", 0).update(NotAction="s3:DeleteObject"),
        "says what it may not",
    ),
    "disposal in every stack": (
        "disposal",
        lambda r: r["MarkDisposable"].pop("Condition"),
        "MarkDisposable: is there in a stack that disposes of nothing",
    ),
    "a role that could mark in every stack": (
        "disposal",
        lambda r: r["MarkDisposableRole"].pop("Condition"),
        "MarkDisposableRole: is there in a stack that disposes of nothing",
    ),
    "disposal that deletes": (
        "disposal",
        lambda r: grant(r, "MarkDisposableRole", "s3:DeleteObjectVersion", EVIDENCE),
        "MarkDisposable: may do more to evidence than mark it",
    ),
    "disposal that lifts": (
        "disposal",
        lambda r: grant(r, "MarkDisposableRole", "s3:PutObjectLegalHold", EVIDENCE),
        "MarkDisposable: may do more to evidence than mark it",
    ),
    "disposal that sets any tag": (
        "disposal",
        lambda r: statement(r, "MarkDisposableRole", 0).pop("Condition"),
        "MarkDisposable: may do more to evidence than mark it",
    ),
    "another that tags": (
        "disposal",
        lambda r: grant(r, "LiftHoldsRole", "s3:PutObjectVersionTagging", EVIDENCE),
        "LiftHoldsRole: may tag",
    ),
    "a rule that deletes without the mark": (
        "disposal",
        lambda r: lifecycle(r)[1]["Fn::If"][1].pop("TagFilters"),
        "EvidenceBucket: its rules must delete what is marked",
    ),
    "a rule that acts on another tag": (
        "disposal",
        lambda r: lifecycle(r)[1]["Fn::If"][1].update(TagFilters=[{"Key": "legal-hold", "Value": "on"}]),
        "EvidenceBucket: its rules must delete what is marked",
    ),
    "a rule in every stack": (
        "disposal",
        lambda r: lifecycle(r).__setitem__(1, lifecycle(r)[1]["Fn::If"][1]),
        "EvidenceBucket: its rules must delete what is marked",
    ),
    "a bucket that lets others mark": (
        "disposal",
        lambda r: statement(r, "EvidenceBucketPolicy", -1).update(
            Action=["s3:PutObjectTagging", "s3:PutObjectVersionTagging"]
        ),
        "EvidenceBucketPolicy: lets others set the mark",
    ),
    "a bucket that lets another role mark": (
        "disposal",
        lambda r: statement(r, "EvidenceBucketPolicy", -1)["Condition"]["Fn::If"][1].update(
            ArnNotEquals={"aws:PrincipalArn": {"Fn::GetAtt": ["SecureObjectsRole", "Arn"]}}
        ),
        "EvidenceBucketPolicy: lets others set the mark",
    ),
    "an export that locks": (
        "boundaries",
        lambda r: grant(r, "StartExportJobRole", "s3:PutObjectLegalHold", EVIDENCE),
        "StartExportJob: of the export side, and may s3:PutObjectLegalHold",
    ),
    "an export that tags": (
        "boundaries",
        lambda r: grant(r, "CheckExportJobRole", "s3:PutObjectVersionTagging", EVIDENCE),
        "CheckExportJob: of the export side, and may s3:PutObjectVersionTagging",
    ),
    "an export that writes evidence": (
        "boundaries",
        lambda r: grant(r, "CheckExportJobRole", "s3:PutObject", EVIDENCE),
        "CheckExportJob: of the export side, and may s3:PutObject recordings",
    ),
    "an export that locks by a shared policy": (
        "boundaries",
        lambda r: statement(r, "GenesysCaller", 0).update(Action="s3:PutObjectLegalHold"),
        "StartExportJob: of the export side",
    ),
    "a hold that writes": (
        "boundaries",
        lambda r: grant(r, "PlaceHoldsRole", "s3:PutObject", {"Fn::Sub": "${WorkBucket.Arn}/*"}),
        "PlaceHolds: of the hold side, and may write objects",
    ),
    "a standing matter's schedule that locks": (
        "boundaries",
        lambda r: grant(r, "StartStandingRunsRole", "s3:PutObjectLegalHold", EVIDENCE),
        "StartStandingRuns: of the standing side, and may s3:PutObjectLegalHold",
    ),
    "a standing matter's schedule that reads recordings": (
        "boundaries",
        lambda r: grant(r, "RecordStandingMatterRole", "s3:GetObject", EVIDENCE),
        "RecordStandingMatter: of the standing side, and may s3:GetObject recordings",
    ),
    "a conductor that keeps standing matters": (
        "separation",
        lambda r: properties(r, "PreserveMatter")["DefinitionSubstitutions"].update(
            RecordStandingMatterArn={"Fn::GetAtt": ["RecordStandingMatter", "Arn"]}
        ),
        "RecordStandingMatter: stands on 2 sides (conductor, standing)",
    ),
    "a plan that writes elsewhere": (
        "boundaries",
        lambda r: statement(r, "PlanHoldsRole", 2).update(
            Resource={"Fn::Sub": "${WorkBucket.Arn}/matters/*"}
        ),
        "PlanHolds: of the hold side, and may write objects",
    ),
    "a function of both sides": (
        "separation",
        lambda r: properties(r, "ApplyLegalHold")["DefinitionSubstitutions"].update(
            RecordFailureArn={"Fn::GetAtt": ["RecordExportFailure", "Arn"]}
        ),
        "RecordExportFailure: stands on 2 sides (export, hold)",
    ),
    "a function of the conductor and the export": (
        "separation",
        lambda r: properties(r, "ExportRecordings")["DefinitionSubstitutions"].update(
            SealCustodyArn={"Fn::GetAtt": ["SealCustody", "Arn"]}
        ),
        "SealCustody: stands on 2 sides",
    ),
    "an export that invokes a hold": (
        "separation",
        lambda r: grant(
            r, "ExportRecordingsRole", "lambda:InvokeFunction", {"Fn::GetAtt": ["PlaceHolds", "Arn"]}
        ),
        "ExportRecordings: may invoke PlaceHolds",
    ),
    "an export that starts a hold": (
        "separation",
        lambda r: grant(
            r, "ExportRecordingsRole", "states:StartExecution", {"Fn::GetAtt": ["ApplyLegalHold", "Arn"]}
        ),
        "ExportRecordings: may start ApplyLegalHold",
    ),
    "an export that starts a hold by its name": (
        "separation",
        lambda r: grant(
            r,
            "ExportRecordingsRole",
            "states:StartExecution",
            {"Fn::Sub": "${AWS::StackName}-apply-legal-hold"},
        ),
        "ExportRecordings: may start ApplyLegalHold",
    ),
    "an export that writes evidence by its name": (
        "boundaries",
        lambda r: grant(
            r,
            "CheckExportJobRole",
            "s3:PutObject",
            {"Fn::Sub": "arn:aws:s3:::${AWS::StackName}-evidence-1/*"},
        ),
        "CheckExportJob: of the export side, and may s3:PutObject recordings",
    ),
    "a reconciliation that reads recordings": (
        "boundaries",
        lambda r: grant(r, "ReconcileRole", "s3:GetObject", EVIDENCE),
        "Reconcile: of the conductor side, and may s3:GetObject recordings",
    ),
    "a reconciliation that reads recordings beside manifests": (
        "boundaries",
        lambda r: grant(
            r, "ReconcileRole", "s3:GetObject", [EVIDENCE, {"Fn::Sub": "${EvidenceBucket.Arn}/manifests/*"}]
        ),
        "Reconcile: of the conductor side, and may s3:GetObject recordings",
    ),
    "a seal that reads manifests": (
        "boundaries",
        lambda r: grant(
            r, "SealCustodyRole", "s3:GetObject", {"Fn::Sub": "${EvidenceBucket.Arn}/manifests/*"}
        ),
        "SealCustody: of the conductor side, and may s3:GetObject recordings",
    ),
    "a lock by another role": (
        "locks",
        lambda r: grant(r, "ReconcileRole", "s3:PutObjectLegalHold", EVIDENCE),
        "ReconcileRole: may lock",
    ),
    "a lock that can be lifted": (
        "locks",
        lambda r: statement(r, "SecureObjectsRole", 0).pop("Condition"),
        "SecureObjectsRole: may lift a hold",
    ),
    "a lift by a role that locks": (
        "locks",
        lambda r: grant(r, "LiftHoldsRole", "s3:PutObjectLegalHold", EVIDENCE),
        "LiftHoldsRole: may lift a hold",
    ),
    "a lifter that locks as well": (
        "locks",
        lambda r: statement(r, "LiftHoldsRole", 0).pop("Condition"),
        "LiftHoldsRole: may lift a hold",
    ),
    "a lifter that tags": (
        "boundaries",
        lambda r: grant(r, "LiftHoldsRole", "s3:PutObjectVersionTagging", EVIDENCE),
        "LiftHolds: may s3:PutObjectVersionTagging",
    ),
    "a lifter that calls the platform": (
        "boundaries",
        lambda r: properties(r, "LiftHoldsRole")["ManagedPolicyArns"].append({"Ref": "GenesysCaller"}),
        "LiftHolds: may secretsmanager:GetSecretValue",
    ),
    "a plan that reads recordings": (
        "boundaries",
        lambda r: grant(r, "PlanReleaseRole", "s3:GetObjectVersion", EVIDENCE),
        "PlanRelease: of the release side, and may s3:GetObjectVersion recordings",
    ),
    "a bucket that lets every role lift": (
        "evidence_policy",
        lambda r: statement(r, "EvidenceBucketPolicy", 2)["Condition"].pop("StringEquals"),
        "does not deny s3:PutObjectLegalHold of all",
    ),
    "a bucket whose exception is another role": (
        "evidence_policy",
        lambda r: statement(r, "EvidenceBucketPolicy", 2)["Condition"].update(
            ArnNotEquals={"aws:PrincipalArn": {"Fn::GetAtt": ["FinishReleaseRole", "Arn"]}}
        ),
        "does not deny s3:PutObjectLegalHold of all",
    ),
    "an approval over the bus of requests": (
        "two_people",
        lambda r: properties(r, "ApproveRelease")["Events"]["HoldReleaseApproved"]["Properties"].update(
            EventBusName={"Ref": "ReleaseBus"}
        ),
        "ApproveRelease: must be started by HoldReleaseApproved on ApprovalBus",
    ),
    "a requester that may approve": (
        "two_people",
        lambda r: properties(r, "ApprovalBusPolicy")["Statement"]["Condition"]["ArnNotEquals"].update(
            {"aws:PrincipalArn": {"Ref": "ReleaseRequesterArn"}}
        ),
        "ApprovalBus: lets others than ReleaseApproverArn write",
    ),
    "a bucket that lets a hold be lifted": (
        "evidence_policy",
        lambda r: statement(r, "EvidenceBucketPolicy", 2).update(Effect="Allow"),
        "does not deny s3:PutObjectLegalHold of all",
    ),
    "a bucket that lets some delete": (
        "evidence_policy",
        lambda r: statement(r, "EvidenceBucketPolicy", 1).update(
            Condition={"Bool": {"aws:MultiFactorAuthPresent": "false"}}
        ),
        "does not deny s3:DeleteObject of all as",
    ),
    "a bucket that lets others write": (
        "evidence_policy",
        lambda r: statement(r, "EvidenceBucketPolicy", 3).update(Action="s3:PutObjectAcl"),
        "does not deny s3:PutObject of all but canaries as",
    ),
    "a bucket that lets others write more than canaries": (
        "evidence_policy",
        lambda r: statement(r, "EvidenceBucketPolicy", 3).update(
            NotResource={"Fn::Sub": "${EvidenceBucket.Arn}/_holdfast/*"}
        ),
        "does not deny s3:PutObject of all but canaries as",
    ),
    "a bucket that lets the vendor write canaries": (
        "evidence_policy",
        lambda r: statement(r, "EvidenceBucketPolicy", 4).update(
            Condition={"ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["GenesysWriterRole", "Arn"]}}}
        ),
        "does not deny s3:PutObject of canaries as",
    ),
    "a Preflight that writes more than canaries": (
        "boundaries",
        lambda r: statement(r, "PreflightRole", 1).update(Resource=EVIDENCE),
        "Preflight: of the conductor side, and may s3:PutObject recordings",
    ),
    "a Preflight that reads canaries": (
        "boundaries",
        lambda r: statement(r, "PreflightRole", 1).update(Action="s3:GetObject"),
        "Preflight: of the conductor side, and may s3:GetObject recordings",
    ),
    "a reconciliation that writes canaries": (
        "boundaries",
        lambda r: grant(
            r, "ReconcileRole", "s3:PutObject", {"Fn::Sub": "${EvidenceBucket.Arn}/_holdfast/canary/*"}
        ),
        "Reconcile: of the conductor side, and may s3:PutObject recordings",
    ),
    "a vendor without its external id": (
        "vendor",
        lambda r: properties(r, "GenesysWriterRole")["AssumeRolePolicyDocument"]["Statement"][0].pop(
            "Condition"
        ),
        "can be assumed without the organisation's id",
    ),
    "a vendor that reads": (
        "vendor",
        lambda r: grant(r, "GenesysWriterRole", "s3:GetObject", EVIDENCE),
        "s3:GetObject is not its business",
    ),
    "credentials by a policy of its own": (
        "credentials",
        lambda r: grant(r, "ReconcileRole", "dynamodb:GetItem", {"Fn::GetAtt": ["Credentials", "Arn"]}),
        "ReconcileRole: reads credentials",
    ),
    "credentials for everybody": (
        "credentials",
        lambda r: statement(r, "FunctionBasics", 0).update(Resource={"Fn::GetAtt": ["GenesysSecret", "Id"]}),
        "FunctionBasics: reads credentials",
    ),
    "no versions": (
        "buckets",
        lambda r: properties(r, "WorkBucket").pop("VersioningConfiguration"),
        "WorkBucket: is not versioned",
    ),
    "a public bucket": (
        "buckets",
        lambda r: properties(r, "WorkBucket")["PublicAccessBlockConfiguration"].update(
            BlockPublicPolicy=False
        ),
        "WorkBucket: may be made public",
    ),
    "no key": (
        "buckets",
        lambda r: properties(r, "RecordsBucket").pop("BucketEncryption"),
        "RecordsBucket: is not encrypted",
    ),
    "a bucket that goes": (
        "buckets",
        lambda r: r["EvidenceBucket"].pop("DeletionPolicy"),
        "EvidenceBucket: goes with the stack",
    ),
    "a bucket whose name stays taken when the creation failed": (
        "buckets",
        lambda r: r["EvidenceBucket"].update(DeletionPolicy="Retain"),
        "EvidenceBucket: goes with the stack, or outlives one that never came about",
    ),
    "a key that goes": (
        "key",
        lambda r: r["SealKey"].update(UpdateReplacePolicy="Delete"),
        "SealKey: goes with the stack",
    ),
    "plain HTTP": (
        "buckets",
        lambda r: statement(r, "RecordsBucketPolicy", 0).update(Effect="Allow"),
        "RecordsBucket: can be reached without TLS",
    ),
    "no bucket policy": (
        "buckets",
        lambda r: r.pop("WorkBucketPolicy"),
        "WorkBucket: can be reached without TLS",
    ),
    "no Object Lock": (
        "buckets",
        lambda r: properties(r, "EvidenceBucket").pop("ObjectLockEnabled"),
        "EvidenceBucket: needs Object Lock",
    ),
    "retention that an administrator can lift": (
        "buckets",
        lambda r: properties(r, "RecordsBucket")["ObjectLockConfiguration"]["Rule"][
            "DefaultRetention"
        ].update(Mode="GOVERNANCE"),
        "RecordsBucket: needs a COMPLIANCE retention",
    ),
    "another bucket name": (
        "arrival_wiring",
        lambda r: properties(r, "EvidenceBucket").update(
            BucketName={"Fn::Sub": "${AWS::StackName}-evidence"}
        ),
        "ArrivalQueuePolicy: must let this bucket send",
    ),
    "a vendor of another bucket": (
        "arrival_wiring",
        lambda r: statement(r, "GenesysWriterRole", 0).update(Resource=EVIDENCE),
        "GenesysWriterRole: must write into this bucket",
    ),
    "a bucket before its queue's policy": (
        "arrival_wiring",
        lambda r: r["EvidenceBucket"].pop("DependsOn"),
        "S3 tests the queue's policy",
    ),
    "a bucket that tells nobody": (
        "arrival_wiring",
        lambda r: properties(r, "EvidenceBucket")["NotificationConfiguration"]["QueueConfigurations"][
            0
        ].update(Event="s3:ObjectCreated:Put"),
        "must notify the arrival queue of every object",
    ),
    "a hasty queue": (
        "queues",
        lambda r: properties(r, "SecureObjects").update(Timeout=301),
        "ArrivalQueue: is visible again too soon for the 301 s of SecureObjects",
    ),
    "a plain queue": (
        "queues",
        lambda r: properties(r, "HashQueue").pop("SqsManagedSseEnabled"),
        "HashQueue: is not encrypted",
    ),
    "a forgetful queue": (
        "queues",
        lambda r: properties(r, "LostEvents").pop("MessageRetentionPeriod"),
        "LostEvents: forgets",
    ),
    "a queue without dead letters": (
        "queues",
        lambda r: properties(r, "HashQueue").pop("RedrivePolicy"),
        "HashQueue: has no dead letters",
    ),
    "a plain table": (
        "stores",
        lambda r: properties(r, "Credentials").pop("SSESpecification"),
        "Credentials: is not encrypted",
    ),
    "a table without a past": (
        "stores",
        lambda r: properties(r, "Ledger").pop("PointInTimeRecoverySpecification"),
        "Ledger: cannot be restored",
    ),
    "a ledger that can be deleted": (
        "stores",
        lambda r: properties(r, "Ledger").update(DeletionProtectionEnabled=False),
        "Ledger: can be deleted",
    ),
    "a plain topic": (
        "stores",
        lambda r: properties(r, "NoticeTopic").pop("KmsMasterKeyId"),
        "NoticeTopic: is not encrypted",
    ),
    "a plain bus": (
        "stores",
        lambda r: properties(r, "RequestBus").pop("KmsKeyIdentifier"),
        "RequestBus: is not encrypted",
    ),
    "eternal logs": (
        "stores",
        lambda r: properties(r, "WorkflowLogs").pop("RetentionInDays"),
        "WorkflowLogs: is kept for ever",
    ),
    "a bus that may not use its key": (
        "key",
        lambda r: properties(r, "Key")["KeyPolicy"].update(
            Statement=[
                one for one in properties(r, "Key")["KeyPolicy"]["Statement"] if "events" not in str(one)
            ]
        ),
        "Key: events.amazonaws.com needs kms:Decrypt",
    ),
    "a key open to a service": (
        "key",
        lambda r: properties(r, "Key")["KeyPolicy"]["Statement"][1].pop("Condition"),
        "is open to that service",
    ),
    "a workflow that is not traced": (
        "observation",
        lambda r: properties(r, "ApplyLegalHold").pop("Tracing"),
        "ApplyLegalHold: is not traced",
    ),
    "a function that is not traced": (
        "observation",
        lambda r: properties(r, "Preflight").update(Tracing="PassThrough"),
        "Preflight: is not traced",
    ),
    "a workflow that logs what it carries": (
        "observation",
        lambda r: properties(r, "PreserveMatter")["Logging"].update(IncludeExecutionData=True),
        "PreserveMatter: logs what it carries",
    ),
    "a mute alarm": (
        "alarms",
        lambda r: properties(r, "RunFailed").pop("AlarmActions"),
        "RunFailed: tells nobody",
    ),
    "an alarm without words": (
        "alarms",
        lambda r: properties(r, "RunFailed").pop("AlarmDescription"),
        "RunFailed: does not say what to do",
    ),
    "an alarm on nothing": (
        "alarms",
        lambda r: properties(r, "MessagesParked").update(MetricName="ParkedMessages"),
        "MessagesParked: watches ParkedMessages",
    ),
    "an alarm whose runbook is another's": (
        "alarms",
        lambda r: properties(r, "RunFailed").update(
            AlarmDescription=properties(r, "RunTimedOut")["AlarmDescription"]
        ),
        "RunFailed: does not say what to do, with its runbook",
    ),
    "an alarm that says too much": (
        "alarms",
        lambda r: properties(r, "RunFailed").update(
            AlarmDescription=f"{'Very ' * 300}bad. Runbook: docs/operations.md#runfailed"
        ),
        "RunFailed: says more than CloudWatch takes",
    ),
    "silence that is trouble, and is not heard": (
        "alarms",
        lambda r: properties(r, "SweepFails").update(TreatMissingData="notBreaching"),
        "SweepFails: takes silence for no trouble",
    ),
    "an alarm that looks back for ever": (
        "alarms",
        lambda r: properties(r, "SweepFails").update(EvaluationPeriods=50),
        "SweepFails: looks back further than CloudWatch does",
    ),
    "an alarm by a dimension that is not counted by": (
        "alarms",
        lambda r: properties(r, "MessagesParked").update(Dimensions=[]),
        "MessagesParked: watches a dimension nobody counts by",
    ),
    "an alarm on a metric that AWS has not": (
        "alarms",
        lambda r: properties(r, "RunFailed").update(MetricName="ExecutionsBroken"),
        "RunFailed: watches AWS/States ExecutionsBroken",
    ),
    "an alarm on another kind of thing": (
        "alarms",
        lambda r: properties(r, "RunFailed")["Dimensions"][0].update(Value={"Ref": "SweepEvidence"}),
        "RunFailed: watches a dimension that AWS/States does not publish by",
    ),
    "an alarm by the queue's address": (
        "alarms",
        lambda r: properties(r, "ArrivalsWaiting")["Dimensions"][0].update(Value={"Ref": "ArrivalQueue"}),
        "ArrivalsWaiting: watches a dimension that AWS/SQS does not publish by",
    ),
    "a workflow that somebody stops unheard": (
        "alarms",
        lambda r: r.pop("ReleaseAborted"),
        "ReleaseHold: nobody hears of ExecutionsAborted",
    ),
    "a queue that fills unheard": (
        "alarms",
        lambda r: r.pop("HashesWaiting"),
        "HashQueue: nobody hears when messages wait in it",
    ),
    "a risk that is none to the promise": (
        "alarms",
        lambda r: properties(r, "PromiseAtRisk").update(AlarmRule={"Fn::Sub": 'ALARM("${RunFailed}")'}),
        "PromiseAtRisk: is not raised by exactly what puts evidence at risk: ArrivalsWaiting",
    ),
    "a dashboard's metric that nobody counts": (
        "dashboards",
        lambda r: reword(r, '"ObjectsSecured"', '"ObjectsLocked"'),
        "watches ObjectsLocked, which nobody counts",
    ),
    "a dashboard's metric of another kind of thing": (
        "dashboards",
        lambda r: reword(r, "${ArrivalQueue.QueueName}", "${ArrivalQueue}"),
        "Dashboard, Messages waiting: watches a dimension that AWS/SQS does not publish by",
    ),
    "a dashboard wider than its grid": (
        "dashboards",
        lambda r: reword(r, '"x": 16, "y": 10', '"x": 17, "y": 10'),
        "Dashboard, Export jobs and runs: does not fit into the grid",
    ),
    "two widgets in one place": (
        "dashboards",
        lambda r: reword(r, '"x": 8, "y": 10', '"x": 7, "y": 10'),
        "Dashboard, Hold lag: from arrival to receipt, seconds: covers Messages waiting",
    ),
    "an alarm that the dashboard hides": (
        "dashboards",
        lambda r: reword(r, '"${RunFailed.Arn}", ', ""),
        "Dashboard, Alarms: does not show every alarm once: ${RunFailed.Arn}",
    ),
    "a sum of something else": (
        "dashboards",
        lambda r: reword(r, "(writes", "(written"),
        "Dashboard, Counted units at list prices: counts with written, which is none of its metrics",
    ),
    "a statistic that CloudWatch has not": (
        "dashboards",
        lambda r: reword(r, '"stat": "p99"', '"stat": "most"'),
        "Dashboard, Hold lag: from arrival to receipt, seconds: asks for most",
    ),
    "another question first": (
        "dashboards",
        lambda r: reword(r, "## What waits?", "## What is new?"),
        "Dashboard: does not ask Are we done?",
    ),
    "a query for an event that nobody logs": (
        "queries",
        lambda r: requery(r, "DriftFoundQuery", "drift_found", "drift_seen"),
        "DriftFoundQuery: asks for drift_seen, which nobody logs",
    ),
    "a query for a key that the event has not": (
        "queries",
        lambda r: requery(r, "VerdictsGivenQuery", "verdict", "judgement"),
        "VerdictsGivenQuery: asks for judgement, which no such line has",
    ),
    "a query in another language": (
        "queries",
        lambda r: requery(r, "VerdictsGivenQuery", "| sort", "| order"),
        "VerdictsGivenQuery: begins a stage with order",
    ),
    "a query to other logs": (
        "queries",
        lambda r: properties(r, "DriftFoundQuery").update(LogGroupNames=[{"Ref": "WorkflowLogs"}]),
        "DriftFoundQuery: does not ask the functions' logs",
    ),
    "a parameter for nobody": (
        "settings",
        lambda r: properties(r, "StartStandingRuns")["Events"]["Schedule"]["Properties"].update(
            ScheduleExpression="rate(1 hour)"
        ),
        "StandingSchedule: a parameter that nothing uses",
    ),
    "a placeholder that nobody fills": (
        "substitutions",
        lambda r: properties(r, "ApplyLegalHold")["DefinitionSubstitutions"].pop("PlaceHoldsArn"),
        "nobody fills ${PlaceHoldsArn}",
    ),
    "a filling for nothing": (
        "substitutions",
        lambda r: properties(r, "ApplyLegalHold")["DefinitionSubstitutions"].update(
            LedgerTable={"Ref": "Ledger"}
        ),
        "LedgerTable fills nothing",
    ),
    "the wrong function": (
        "substitutions",
        lambda r: properties(r, "ApplyLegalHold")["DefinitionSubstitutions"].update(
            PlaceHoldsArn={"Fn::GetAtt": ["ConfirmHolds", "Arn"]}
        ),
        "PlaceHoldsArn is not of PlaceHolds",
    ),
    "a function the workflow may not invoke": (
        "substitutions",
        lambda r: statement(r, "ApplyLegalHoldRole", 0)["Resource"].pop(0),
        "ApplyLegalHold: may not invoke PlanHolds",
    ),
    "an idle right to invoke": (
        "substitutions",
        lambda r: statement(r, "ApplyLegalHoldRole", 0)["Resource"].append(
            {"Fn::GetAtt": ["Preflight", "Arn"]}
        ),
        "ApplyLegalHold: never invokes Preflight",
    ),
    "a skip of another check": (
        "skips",
        lambda r: r["WorkBucket"]["Metadata"]["checkov"]["skip"].append(
            {"id": "CKV_AWS_53", "comment": "x" * 30}
        ),
        "WorkBucket: skips CKV_AWS_53",
    ),
    "a skip without a reason": (
        "skips",
        lambda r: r["WorkBucket"]["Metadata"]["checkov"]["skip"][0].pop("comment"),
        "WorkBucket: skips CKV_AWS_18 without a reason",
    ),
}


@pytest.mark.parametrize(("rule", "mutate", "said"), MUTANTS.values(), ids=MUTANTS)
def test_a_broken_template_is_found(rule: str, mutate: Mutation, said: str) -> None:
    broken = copy.deepcopy(TEMPLATE)

    mutate(broken["Resources"])

    assert any(said in fault for fault in RULES[rule](broken))


def test_no_rule_goes_without_a_mutant() -> None:
    assert {rule for rule, _, _ in MUTANTS.values()} == RULES.keys()


def test_a_template_that_lets_one_principal_ask_and_approve_is_found() -> None:
    broken = copy.deepcopy(TEMPLATE)
    del broken["Rules"]

    assert list(RULES["two_people"](broken)) == ["the template lets one principal ask and approve"]


def test_a_setting_that_is_never_read_is_found() -> None:
    broken = copy.deepcopy(TEMPLATE)
    broken["Globals"]["Function"]["Environment"]["Variables"]["IDLE_SETTING"] = "1"

    assert list(RULES["settings"](broken)) == ["IDLE_SETTING: told, and never read"]


def test_a_setting_that_is_never_told_is_found() -> None:
    broken = copy.deepcopy(TEMPLATE)
    del broken["Globals"]["Function"]["Environment"]["Variables"]["WORK_BUCKET"]

    assert list(RULES["settings"](broken)) == ["WORK_BUCKET: read, and never told"]


def test_a_seal_retention_by_default_is_found() -> None:
    broken = copy.deepcopy(TEMPLATE)
    broken["Parameters"]["SealRetentionDays"]["Default"] = 1

    assert any("nobody may get it by default" in fault for fault in RULES["buckets"](broken))


def test_whoever_seals_or_packs_may_sign_and_nobody_else() -> None:
    signers = {
        name
        for name, role in stack.of_type(TEMPLATE, "IAM::Role").items()
        for policy in role.get("Policies", ())
        for statement in stack.statements(policy["PolicyDocument"])
        if any(action in {"kms:Sign", "kms:*"} for action in statement["Action"])
    }

    assert signers == {"SealMatterRole", "SealReleaseRole", "PackageMatterRole", "PackageReleaseRole"}
