"""Rules of the template: names, roles, the separation of export and hold, and what every store must have."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from local.template import Template

type Resource = dict[str, Any]
type Statement = dict[str, Any]

# One program as several functions with a role each, so that export and hold do not even share their failures.
PROGRAM_OF = {
    "RecordExportFailure": "record_batch_failure",
    "RecordHoldFailure": "explain_failure",
    "RecordStandingFailure": "explain_failure",
    "RecordResolutionFailure": "explain_failure",
    "RecordReleaseFailure": "explain_failure",
    "SealRelease": "seal_matter",
    "PackageRelease": "package_matter",
    "RecordApprovalFailure": "explain_failure",
}
# Runs by itself, in a stack that disposes of what was released, and only there.
DISPOSES = {"MarkDisposable"}
MARK = {"s3:RequestObjectTag/holdfast-disposal": "due"}
TAGGING = re.compile(r"s3:Put\w*Tagging")
# Invoked by an operator, and by nothing else.
OPERATED = {"RedriveParked"}
# Who may be named with every resource, and why: these services know no resources for these actions.
RESOURCELESS = re.compile(
    r"xray:\w+|logs:\w*LogDeliver\w+|logs:(PutResourcePolicy|DescribeResourcePolicies|DescribeLogGroups)"
)
SKIPPED = {
    "CKV_AWS_7",
    "CKV_AWS_18",
    "CKV_AWS_27",
    "CKV_AWS_111",
    "CKV_AWS_115",
    "CKV_AWS_116",
    "CKV_AWS_117",
}
LOCKS = "s3:PutObjectLegalHold"
CANARIES = "${EvidenceBucket.Arn}/_holdfast/canary/*"
# What a release may do with evidence: see what there is and whether it is locked, and take locks off.
OF_THE_RELEASE = {
    ("PlanRelease", "s3:ListBucketVersions"),
    ("PlanRelease", "s3:GetObjectLegalHold"),
    ("LiftHolds", LOCKS),
    ("LiftHolds", "s3:GetObjectLegalHold"),
}
# All that the role that lifts may do, beside the ledger and its log.
LIFTS = {
    LOCKS, "s3:GetObjectLegalHold", "s3:GetObject", "s3:ListBucket", "kms:Decrypt",
    "logs:CreateLogStream", "logs:PutLogEvents", "xray:PutTraceSegments", "xray:PutTelemetryRecords",
}  # fmt: skip
NEVER = re.compile(
    r"s3:(Delete|Bypass|PutObjectRetention|PutBucket|PutLifecycle)|dynamodb:(DeleteTable|BatchWrite)"
    r"|kms:(Schedule|Disable)"
)
_USE = {"kms:Decrypt", "kms:GenerateDataKey"}
KEY_USERS = {
    "Events::EventBus": ("events.amazonaws.com", _USE | {"kms:DescribeKey"}),
    "SNS::Topic": ("cloudwatch.amazonaws.com", _USE),
    "Logs::LogGroup": ("logs.${AWS::Region}.amazonaws.com", _USE | {"kms:DescribeKey", "kms:Encrypt"}),
}


def of_type(template: Template, *types: str) -> dict[str, Resource]:
    """Give the properties of the resources of some types, by logical id."""
    return {
        name: resource.get("Properties", {})
        for name, resource in template["Resources"].items()
        if resource["Type"].removeprefix("AWS::") in types
    }


def functions(template: Template) -> dict[str, Resource]:
    """Give every function with the global properties filled in."""
    return {
        name: {**template["Globals"]["Function"], **properties}
        for name, properties in of_type(template, "Serverless::Function").items()
    }


def queues_of(function: Resource) -> list[str]:
    """Name the queues that a function works off."""
    events = function.get("Events", {}).values()
    return [event["Properties"]["Queue"]["Fn::GetAtt"][0] for event in events if event["Type"] == "SQS"]


def program_of(name: str) -> str:
    """Tell which folder of `functions/` a function is made of: its own name, but for the few listed."""
    return PROGRAM_OF.get(name, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def statements(document: Mapping[str, Any]) -> list[Statement]:
    """Give a policy's statements with lists of actions and resources."""
    return [
        {**one, "Action": as_list(one["Action"]), "Resource": as_list(one.get("Resource", []))}
        for one in as_list(document["Statement"])
    ]


def managed(template: Template, role: Resource) -> list[str]:
    return [policy["Ref"] for policy in role.get("ManagedPolicyArns", [])]


def granted(template: Template, role_name: str) -> list[Statement]:
    """Give all statements of a role, those of its managed policies included."""
    role = template["Resources"][role_name]["Properties"]
    documents = [policy["PolicyDocument"] for policy in role.get("Policies", [])]
    documents += [
        template["Resources"][name]["Properties"]["PolicyDocument"] for name in managed(template, role)
    ]
    return [statement for document in documents for statement in statements(document)]


def role_of(properties: Resource) -> str:
    return str(properties["Role"]["Fn::GetAtt"][0])


def called_by(template: Template, machine: str) -> set[str]:
    """Name the functions whose ARNs a state machine is given."""
    values = template["Resources"][machine]["Properties"]["DefinitionSubstitutions"].values()
    meant = {value["Fn::GetAtt"][0] for value in values if "Fn::GetAtt" in value}
    return meant & functions(template).keys()


def mentions(value: Any, name: str) -> bool:
    """Tell whether a value refers to a logical id, by Ref, GetAtt or Sub."""
    if isinstance(value, dict):
        if value.get("Ref") == name or as_list(value.get("Fn::GetAtt", ""))[0] == name:
            return True
        return any(mentions(inner, name) for inner in value.values())
    if isinstance(value, list):
        return any(mentions(inner, name) for inner in value)
    return isinstance(value, str) and re.search(rf"\$\{{{re.escape(name)}[.}}]", value) is not None


# --- names and roles -------------------------------------------------------------------------------------


def names(template: Template, folders: set[str]) -> Iterator[str]:
    """A function's folder is its step module is its logical id."""
    defined = functions(template)
    for name, properties in defined.items():
        if properties["CodeUri"] != f"functions/{program_of(name)}":
            yield f"{name}: its folder should be functions/{program_of(name)}"
        for event in properties.get("Events", {}).values():
            if event["Type"] == "ScheduleV2" and not mentions(
                event["Properties"].get("Name"), "AWS::StackName"
            ):
                yield f"{name}: its schedule is named alike in every stack of the account"
    missing = folders - {program_of(name) for name in defined}
    yield from (f"functions/{folder}: no function is made of it" for folder in sorted(missing))


def roles(template: Template) -> Iterator[str]:
    """One role each, which its service alone may take."""
    machines = of_type(template, "Serverless::StateMachine")
    bearers = {**functions(template), **machines}
    for name, properties in bearers.items():
        if role_of(properties) != f"{name}Role":
            yield f"{name}: shares a role, or its role is not named after it"
        if "Policies" in properties:
            yield f"{name}: its grants stand in its role alone"
        service = {"Service": "states.amazonaws.com" if name in machines else "lambda.amazonaws.com"}
        trust = of_type(template, "IAM::Role").get(f"{name}Role", {}).get("AssumeRolePolicyDocument", {})
        if [one["Principal"] for one in trust.get("Statement", [])] != [service]:
            yield f"{name}: its role can be taken by others than {service['Service']}"
    idle = of_type(template, "IAM::Role").keys() - {f"{name}Role" for name in bearers} - {"GenesysWriterRole"}
    yield from (f"{name}: a role that nobody has" for name in sorted(idle))


def grants(template: Template) -> Iterator[str]:
    """Concrete actions on concrete resources."""
    for role in of_type(template, "IAM::Role"):
        for statement in granted(template, role):
            resources, actions = statement["Resource"], statement["Action"]
            yield from (f"{role}: {action} names no action" for action in actions if "*" in action)
            yield from (f"{role}: nobody may {action}" for action in actions if NEVER.match(action))
            if "NotAction" in statement or "NotResource" in statement or not resources:
                yield f"{role}: says what it may not, instead of what it may"
            for wild in (one["Fn::Sub"] for one in resources if "*" in str(one) and isinstance(one, dict)):
                if not re.fullmatch(r"[^*]*\$\{(\w+\.Arn|AWS::StackName)\}[^*]*[/:]\*", str(wild)):
                    yield f"{role}: {wild} is wider than one place"
            for wild in (one for one in resources if isinstance(one, str) and "*" in one and one != "*"):
                yield f"{role}: {wild} is wider than one place"
            if "*" in resources and not all(RESOURCELESS.fullmatch(action) for action in actions):
                yield f"{role}: {', '.join(actions)} on everything"


def doors(template: Template) -> Iterator[str]:
    """What a resource lets in by its own policy: somebody by name, to do something by name."""
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        documents = [properties[one] for one in ("PolicyDocument", "KeyPolicy") if one in properties]
        if resource["Type"] == "AWS::Events::EventBusPolicy":
            documents = [properties]
        if resource["Type"] == "AWS::IAM::ManagedPolicy" or not documents:
            continue
        for one in (one for document in documents for one in statements(document)):
            if one["Effect"] != "Allow":
                continue
            if "NotPrincipal" in one or "*" in str(one["Principal"]):
                yield f"{name}: lets anybody in"
            if "NotAction" in one or "NotResource" in one:
                yield f"{name}: says what may not be done, instead of what may"
            # A key that its own account may not administer is lost: KMS's own default statement.
            if one["Action"] == ["kms:*"] and _is_the_account(one["Principal"]):
                continue
            yield from (f"{name}: {action} names no action" for action in one["Action"] if "*" in action)


def _is_the_account(principal: object) -> bool:
    return principal == {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}


# --- the separation --------------------------------------------------------------------------------------


def sides(template: Template) -> dict[str, set[str]]:
    """Tell which functions belong to which side: a workflow's, or what works off a queue or a clock."""
    standing = called_by(template, "KeepStandingMatter") | {"StartStandingRuns"}
    by_itself = {name for name, properties in functions(template).items() if "Events" in properties}
    return {
        "conductor": called_by(template, "PreserveMatter"),
        "export": called_by(template, "ExportRecordings"),
        "hold": called_by(template, "ApplyLegalHold"),
        "arrival": by_itself - standing - DISPOSES | OPERATED,
        "disposal": DISPOSES,
        "standing": standing,
        "decision": called_by(template, "SettleException"),
        "release": called_by(template, "ReleaseHold") | called_by(template, "ApproveRelease"),
    }


def separation(template: Template) -> Iterator[str]:
    """Data movement and hold share no function, no role (see `roles`) and no state machine."""
    members = sides(template)
    for name in functions(template):
        on = [side for side, its in members.items() if name in its]
        if len(on) != 1:
            yield f"{name}: stands on {len(on)} sides ({', '.join(on)})"
    for side, machine in (("export", "ExportRecordings"), ("hold", "ApplyLegalHold")):
        role = f"{machine}Role"
        for name in functions(template).keys() - members[side]:
            if _is_granted(template, role, "lambda:", name):
                yield f"{machine}: may invoke {name}, which is not its own"
        for other in of_type(template, "Serverless::StateMachine").keys() - {machine}:
            if _is_granted(template, role, "states:", other):
                yield f"{machine}: may start {other}"


def boundaries(template: Template) -> Iterator[str]:
    """Only the arrival path touches evidence; the side that holds at the platform writes its plans, and no
    other object. Of the release, one role takes locks off and does nothing else in S3 than read them back and
    its plan.

    Reconcile alone may read manifests, and see whether there is one; Preflight alone writes, and canaries
    only.
    """
    lifting = _in_s3(template, "LiftHoldsRole") - LIFTS
    yield from (f"LiftHolds: may {action}" for action in sorted(lifting))
    for side in ("conductor", "export", "hold", "standing", "decision", "release"):
        for name in sorted(sides(template)[side]):
            for statement in granted(template, role_of(functions(template)[name])):
                on_evidence = mentions(statement, "EvidenceBucket") or "-evidence-" in json.dumps(statement)
                for action in statement["Action"]:
                    if (name, action) in OF_THE_RELEASE:
                        continue
                    if re.search(r"LegalHold|Tagging|Retention", action):
                        yield f"{name}: of the {side} side, and may {action}"
                    if on_evidence and not (
                        action.startswith(("s3:GetBucket", "s3:GetEncryptionConfiguration"))
                        or _concerns_manifests(name, action, statement)
                        or _concerns_canaries(name, action, statement)
                    ):
                        yield f"{name}: of the {side} side, and may {action} recordings"
                    if (
                        side == "hold"
                        and action.startswith("s3:Put")
                        and not _concerns_plans(name, statement)
                    ):
                        yield f"{name}: of the {side} side, and may write objects"


def _in_s3(template: Template, role: str) -> set[str]:
    return {
        action
        for one in granted(template, role)
        for action in one["Action"]
        if not action.startswith("dynamodb:")
    }


def _concerns_plans(name: str, statement: dict[str, Any]) -> bool:
    return name == "PlanHolds" and statement["Resource"] == [{"Fn::Sub": "${WorkBucket.Arn}/holds/*"}]


def _concerns_canaries(name: str, action: str, statement: dict[str, Any]) -> bool:
    return (name, action, statement["Resource"]) == ("Preflight", "s3:PutObject", [{"Fn::Sub": CANARIES}])


def _concerns_manifests(name: str, action: str, statement: dict[str, Any]) -> bool:
    resources = json.dumps(statement["Resource"])
    reads = action == "s3:GetObject" and resources.count("*") == resources.count("/manifests/*")
    return name == "Reconcile" and (reads or action == "s3:ListBucket")


def _is_granted(template: Template, role: str, action: str, on: str) -> bool:
    """Tell whether a role may do something to what a logical id or a spelled-out name stands for."""
    spelled = re.compile(rf"-{re.sub(r'(?<!^)(?=[A-Z])', '-', on).lower()}\b")
    return any(
        any(one.startswith(action) for one in statement["Action"])
        and (mentions(statement["Resource"], on) or spelled.search(json.dumps(statement["Resource"])))
        for statement in granted(template, role)
    )


def locks(template: Template) -> Iterator[str]:
    """Only SecureObjects locks, and only LiftHolds lifts: neither can do what the other does."""
    may = {"SecureObjectsRole": "ON", "LiftHoldsRole": "OFF"}
    for role in of_type(template, "IAM::Role"):
        for statement in granted(template, role):
            if LOCKS not in statement["Action"]:
                continue
            if role not in may:
                yield f"{role}: may lock"
            wanted = {"StringEquals": {"s3:object-lock-legal-hold": may.get(role, "ON")}}
            if statement.get("Condition") != wanted:
                yield f"{role}: may lift a hold"


def evidence_policy(template: Template) -> Iterator[str]:
    """The bucket itself denies to everybody what no role should have anyway."""
    denied: dict[tuple[str, str], Any] = {}
    policy = template["Resources"]["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"]
    for statement in statements(policy):
        if statement["Effect"] == "Deny" and statement["Principal"] == "*":
            where = _where(statement)
            denied |= {
                (action, where): statement.get("Condition", "always") for action in statement["Action"]
            }

    def but(role: str) -> dict[str, object]:
        return {"ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": [role, "Arn"]}}}

    wanted = {
        (LOCKS, "all"): {"StringEquals": {"s3:object-lock-legal-hold": "OFF"}} | but("LiftHoldsRole"),
        ("s3:DeleteObject", "all"): "always",
        ("s3:DeleteObjectVersion", "all"): "always",
        ("s3:PutObject", "all but canaries"): but("GenesysWriterRole"),
        ("s3:PutObject", "canaries"): but("PreflightRole"),
    }
    for (action, where), when in wanted.items():
        if denied.get((action, where)) != when:
            yield f"EvidenceBucketPolicy: does not deny {action} of {where} as it should"


def disposal(template: Template) -> Iterator[str]:
    """Nothing is there that could dispose of anything unless it is asked for; then one role alone marks, sets
    no other tag without the mark, and one rule alone acts on that very mark.
    """
    resources, asked_for = template["Resources"], "DisposesReleased"
    if template["Conditions"].get(asked_for) != _IS_ASKED_FOR or _default(template) != 0:
        yield "DisposeReleasedAfterDays: must be off by default, and 0 must mean off"
    for name in DISPOSES:
        yield from (
            f"{one}: is there in a stack that disposes of nothing"
            for one in (name, f"{name}Role")
            if resources[one].get("Condition") != asked_for
        )
        for statement in granted(template, f"{name}Role"):
            writes = [one for one in statement["Action"] if re.match("s3:(?!Get|List)", one)]
            if writes and (writes, statement.get("Condition")) != (
                ["s3:PutObjectVersionTagging"],
                {"StringEquals": MARK},
            ):
                yield f"{name}: may do more to evidence than mark it"
    rules = resources["EvidenceBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    if rules != [_UPLOADS, {"Fn::If": [asked_for, _DISPOSING, {"Ref": "AWS::NoValue"}]}]:
        yield "EvidenceBucket: its rules must delete what is marked, and clear markers over nothing, if asked"
    policy = statements(resources["EvidenceBucketPolicy"]["Properties"]["PolicyDocument"])
    (denied,) = (one for one in policy if one["Sid"] == "OnlyDisposalMarks")
    others = {"ArnNotEquals": {"aws:PrincipalArn": {"Fn::GetAtt": ["MarkDisposableRole", "Arn"]}}}
    when = {"Fn::If": [asked_for, {"StringEquals": MARK} | others, {"StringEquals": MARK}]}
    if (denied["Effect"], denied["Principal"], denied["Condition"]) != ("Deny", "*", when) or {
        *denied["Action"]
    } != {"s3:PutObject", "s3:PutObjectTagging", "s3:PutObjectVersionTagging"}:
        yield "EvidenceBucketPolicy: lets others set the mark"
    taggers = {
        role
        for role in of_type(template, "IAM::Role")
        for one in granted(template, role)
        if any(map(TAGGING.match, one["Action"]))
    }
    yield from (f"{role}: may tag" for role in sorted(taggers - {"SecureObjectsRole", "MarkDisposableRole"}))


_IS_ASKED_FOR = {"Fn::Not": [{"Fn::Equals": [{"Ref": "DisposeReleasedAfterDays"}, "0"]}]}
_UPLOADS = {
    "Id": "AbortUnfinishedUploads",
    "Status": "Enabled",
    "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    "ExpiredObjectDeleteMarker": {"Fn::If": ["DisposesReleased", True, {"Ref": "AWS::NoValue"}]},
}
_DISPOSING = {
    "Id": "DisposeOfWhatIsMarked",
    "Status": "Enabled",
    "TagFilters": [{"Key": "holdfast-disposal", "Value": "due"}],
    "ExpirationInDays": 1,
    "NoncurrentVersionExpiration": {"NoncurrentDays": 1},
}


def _default(template: Template) -> object:
    return template["Parameters"]["DisposeReleasedAfterDays"].get("Default")


def _where(statement: Statement) -> str:
    """Tell which objects of the evidence bucket a statement is about."""
    if statement["Resource"]:
        named = json.dumps(statement["Resource"])
        return "canaries" if CANARIES in named else "all" if ".Arn}/*" in named else "none"
    return "all but canaries" if statement["NotResource"] == {"Fn::Sub": CANARIES} else "some"


def two_people(template: Template) -> Iterator[str]:
    """Requests to release and their approvals come over a bus each, which one principal each may write to."""
    events = {"HoldReleaseRequested": ("ReleaseHold", "ReleaseBus", "ReleaseRequesterArn")}
    events["HoldReleaseApproved"] = ("ApproveRelease", "ApprovalBus", "ReleaseApproverArn")
    for event, (machine, bus, principal) in events.items():
        rules = template["Resources"][machine]["Properties"]["Events"].values()
        heard = [(rule["Properties"]["EventBusName"], rule["Properties"]["Pattern"]) for rule in rules]
        if heard != [({"Ref": bus}, {"detail-type": [event]})]:
            yield f"{machine}: must be started by {event} on {bus}, and by nothing else"
        statement = template["Resources"][f"{bus}Policy"]["Properties"]["Statement"]
        others = {"ArnNotEquals": {"aws:PrincipalArn": {"Ref": principal}}}
        if (statement["Effect"], statement["Principal"], statement["Condition"]) != ("Deny", "*", others):
            yield f"{bus}: lets others than {principal} write"
    asserted = json.dumps(template.get("Rules", {}))
    if not all(json.dumps({"Ref": principal}) in asserted for _, _, principal in events.values()):
        yield "the template lets one principal ask and approve"


def vendor(template: Template) -> Iterator[str]:
    """The vendor assumes its role with our organisation's id, and can write and nothing else."""
    role = template["Resources"]["GenesysWriterRole"]["Properties"]
    (trust,) = statements(role["AssumeRolePolicyDocument"])
    if trust.get("Condition") != {"StringEquals": {"sts:ExternalId": {"Ref": "GenesysOrganizationId"}}}:
        yield "GenesysWriterRole: can be assumed without the organisation's id"
    allowed = {"s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation", "s3:GetEncryptionConfiguration"}
    allowed |= {"kms:GenerateDataKey", "kms:Decrypt"}
    given = {action for one in granted(template, "GenesysWriterRole") for action in one["Action"]}
    yield from (f"GenesysWriterRole: {action} is not its business" for action in sorted(given - allowed))
    yield from (f"GenesysWriterRole: needs {action}" for action in sorted(allowed - given))


def credentials(template: Template) -> Iterator[str]:
    """Secret and token are behind one policy."""
    for role in of_type(template, "IAM::Role"):
        own = template["Resources"][role]["Properties"].get("Policies", [])
        if mentions(own, "Credentials") or mentions(own, "GenesysSecret"):
            yield f"{role}: reads credentials by a policy of its own"
    for name, policy in of_type(template, "IAM::ManagedPolicy").items():
        if name != "GenesysCaller" and (mentions(policy, "Credentials") or mentions(policy, "GenesysSecret")):
            yield f"{name}: reads credentials"


# --- the stores ------------------------------------------------------------------------------------------


def buckets(template: Template) -> Iterator[str]:
    """Versioned, encrypted with the key, closed to the public and to plain HTTP, kept when the stack goes."""
    tls = {"Bool": {"aws:SecureTransport": "false"}}
    for name, properties in of_type(template, "S3::Bucket").items():
        resource = template["Resources"][name]
        if properties.get("VersioningConfiguration") != {"Status": "Enabled"}:
            yield f"{name}: is not versioned"
        if set(properties.get("PublicAccessBlockConfiguration", {"": False}).values()) != {True}:
            yield f"{name}: may be made public"
        (rule,) = properties.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [{}])
        if not rule.get("BucketKeyEnabled") or not mentions(rule, "Key"):
            yield f"{name}: is not encrypted with the key and bucket keys"
        yield from _stays(name, resource)
        policy = template["Resources"].get(
            f"{name}Policy", {"Properties": {"PolicyDocument": {"Statement": []}}}
        )
        denials = [
            one for one in statements(policy["Properties"]["PolicyDocument"]) if one.get("Condition") == tls
        ]
        if [(one["Effect"], one["Action"], len(one["Resource"])) for one in denials] != [
            ("Deny", ["s3:*"], 2)
        ]:
            yield f"{name}: can be reached without TLS"
    evidence = template["Resources"]["EvidenceBucket"]["Properties"]
    if not evidence.get("ObjectLockEnabled") or "ObjectLockConfiguration" in evidence:
        yield "EvidenceBucket: needs Object Lock, and no default retention"
    retention = (
        template["Resources"]["RecordsBucket"]["Properties"].get("ObjectLockConfiguration", {}).get("Rule")
    )
    if retention != {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": {"Ref": "SealRetentionDays"}}}:
        yield "RecordsBucket: needs a COMPLIANCE retention of SealRetentionDays"
    if "Default" in template["Parameters"]["SealRetentionDays"]:
        yield "SealRetentionDays: cannot be undone, so nobody may get it by default"


def arrival_wiring(template: Template) -> Iterator[str]:
    """Bucket, queue policy and vendor role agree on a name that is spelled out three times."""
    bucket = template["Resources"]["EvidenceBucket"]
    arn = {"Fn::Sub": f"arn:${{AWS::Partition}}:s3:::{bucket['Properties']['BucketName']['Fn::Sub']}"}
    (notified,) = bucket["Properties"]["NotificationConfiguration"]["QueueConfigurations"]
    if notified != {"Event": "s3:ObjectCreated:*", "Queue": {"Fn::GetAtt": ["ArrivalQueue", "Arn"]}}:
        yield "EvidenceBucket: must notify the arrival queue of every object"
    if bucket.get("DependsOn") != "ArrivalQueuePolicy":
        yield "EvidenceBucket: S3 tests the queue's policy when the bucket is made"
    policy = template["Resources"]["ArrivalQueuePolicy"]["Properties"]["PolicyDocument"]
    sources = [
        one.get("Condition", {}).get("ArnEquals") for one in statements(policy) if one["Effect"] == "Allow"
    ]
    if sources != [{"aws:SourceArn": arn}]:
        yield "ArrivalQueuePolicy: must let this bucket send, and no other"
    written = granted(template, "GenesysWriterRole")[0]["Resource"]
    if written != [{"Fn::Sub": f"{arn['Fn::Sub']}/*"}]:
        yield "GenesysWriterRole: must write into this bucket"


def queues(template: Template) -> Iterator[str]:
    """Encrypted; patient enough for their function; with dead letters somebody writes down."""
    for name, properties in of_type(template, "SQS::Queue").items():
        if properties.get("SqsManagedSseEnabled") is not True:
            yield f"{name}: is not encrypted"
        if properties.get("MessageRetentionPeriod") != 1_209_600:
            yield f"{name}: forgets before the 14 days that SQS can remember"
    for name, properties in functions(template).items():
        for queue_name in queues_of(properties):
            queue = template["Resources"][queue_name]["Properties"]
            if queue.get("VisibilityTimeout", 30) < 6 * properties["Timeout"]:
                yield f"{queue_name}: is visible again too soon for the {properties['Timeout']} s of {name}"
            if name != "ParkMessages" and not mentions(queue.get("RedrivePolicy"), "DeadLetters"):
                yield f"{queue_name}: has no dead letters"


def stores(template: Template) -> Iterator[str]:
    """Tables, topics and logs are encrypted with the key; tables can be restored, logs end."""
    for name, properties in of_type(template, "DynamoDB::Table").items():
        if not mentions(properties.get("SSESpecification"), "Key"):
            yield f"{name}: is not encrypted with the key"
        if properties.get("PointInTimeRecoverySpecification") != {"PointInTimeRecoveryEnabled": True}:
            yield f"{name}: cannot be restored to a moment"
    ledger = template["Resources"]["Ledger"]
    if ledger.get("DeletionPolicy") != "Retain" or not ledger["Properties"].get("DeletionProtectionEnabled"):
        yield "Ledger: can be deleted"
    keyed = {
        "SNS::Topic": "KmsMasterKeyId",
        "Logs::LogGroup": "KmsKeyId",
        "SecretsManager::Secret": "KmsKeyId",
    }
    for kind, attribute in {**keyed, "Events::EventBus": "KmsKeyIdentifier"}.items():
        for name, properties in of_type(template, kind).items():
            if not mentions(properties.get(attribute), "Key"):
                yield f"{name}: is not encrypted with the key"
    for name, properties in of_type(template, "Logs::LogGroup").items():
        if properties.get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield f"{name}: is kept for ever"


def _stays(name: str, resource: Mapping[str, Any]) -> Iterator[str]:
    """It outlives the stack; but a creation that is rolled back leaves nothing, whose name would be taken."""
    if resource.get("UpdateReplacePolicy") != "Retain":
        yield f"{name}: goes with the stack"
    if resource.get("DeletionPolicy") != "RetainExceptOnCreate":
        yield f"{name}: goes with the stack, or outlives one that never came about"


def key(template: Template) -> Iterator[str]:
    """Keys outlive the stack; services that use the key on their own account stand in its policy."""
    for name in of_type(template, "KMS::Key"):
        yield from _stays(name, template["Resources"][name])
    policy = statements(template["Resources"]["Key"]["Properties"]["KeyPolicy"])
    for kind, (service, needed) in KEY_USERS.items():
        if not of_type(template, kind):
            continue
        given = {
            action
            for one in policy
            if one["Effect"] == "Allow" and service in json.dumps(one["Principal"])
            for action in one["Action"]
        }
        yield from (f"Key: {service} needs {action}" for action in sorted(needed - given))
    for one in policy:
        if "Service" in one["Principal"] and "Condition" not in one and one["Action"] != ["kms:DescribeKey"]:
            yield f"Key: {one['Sid']} is open to that service on behalf of anybody"


# --- what a person meets who deploys it ------------------------------------------------------------------


def parameters(template: Template) -> Iterator[str]:
    """Who deploys is first asked for what has no default, and told by a typing error what was expected."""
    declared = template["Parameters"]
    must = [name for name, one in declared.items() if "Default" not in one]
    if [*declared][: len(must)] != must:
        yield f"Parameters: those without a default come first: {', '.join(must)}"
    for name, one in declared.items():
        if len(one.get("Description", "")) < 20:
            yield f"{name}: does not say what it is for"
        if "AllowedPattern" in one and not one.get("ConstraintDescription", "").startswith("expected "):
            yield f"{name}: refuses without saying what was expected"


def capabilities(template: Template) -> Iterator[str]:
    """CAPABILITY_IAM, all that samconfig.toml gives, suffices while nothing of IAM bears a given name."""
    named = {"RoleName", "UserName", "GroupName", "ManagedPolicyName"}
    for name, resource in template["Resources"].items():
        if resource["Type"].startswith("AWS::IAM::"):
            yield from (
                f"{name}: has a {key}, which asks for CAPABILITY_NAMED_IAM"
                for key in sorted(named & resource.get("Properties", {}).keys())
            )


def outputs(template: Template, version: str) -> Iterator[str]:
    """The first output says what to do next, every output what it is for, and one which version this is."""
    told = template["Outputs"]
    if next(iter(told)) != "NextStep":
        yield "Outputs: NextStep is the first"
    if told.get("Version", {}).get("Value") != version:
        yield f"Version: must be {version}, as in pyproject.toml"
    yield from (
        f"{name}: does not say what it is for" for name, one in told.items() if not one.get("Description")
    )


# --- what is seen ----------------------------------------------------------------------------------------


def observation(template: Template) -> Iterator[str]:
    """Everything that runs is traced and logs into groups that end."""
    for name, properties in functions(template).items():
        if properties.get("Tracing") != "Active" or not mentions(
            properties.get("LoggingConfig"), "FunctionLogs"
        ):
            yield f"{name}: is not traced, or logs elsewhere"
    for name, properties in of_type(template, "Serverless::StateMachine").items():
        if properties.get("Tracing") != {"Enabled": True} or not mentions(
            properties.get("Logging"), "WorkflowLogs"
        ):
            yield f"{name}: is not traced, or logs elsewhere"
        if properties.get("Logging", {}).get("IncludeExecutionData") is not False:
            yield f"{name}: logs what it carries"


# The metrics of AWS that alarms and dashboard may watch: their dimension, of what, and what names its value.
# Source: the services' guides, "metrics" pages, read 2026-11-21.
METRICS_OF_AWS: dict[str, tuple[str, str, str, set[str]]] = {
    "AWS/DynamoDB": (
        "TableName", "DynamoDB::Table", "Ref",
        {"ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits", "WriteThrottleEvents"},
    ),
    "AWS/Lambda": (
        "FunctionName", "Serverless::Function", "Ref",
        {"Duration", "Errors", "Invocations", "Throttles"},
    ),
    "AWS/SNS": ("TopicName", "SNS::Topic", "TopicName", {"NumberOfNotificationsFailed"}),
    "AWS/SQS": (
        "QueueName", "SQS::Queue", "QueueName",
        {
            "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesNotVisible",
            "ApproximateNumberOfMessagesVisible",
        },
    ),
    "AWS/States": (
        "StateMachineArn", "Serverless::StateMachine", "Ref",
        {
            "ExecutionsAborted", "ExecutionsFailed", "ExecutionsStarted", "ExecutionsSucceeded",
            "ExecutionsTimedOut",
        },
    ),
}  # fmt: skip
LONGEST_DESCRIPTION = 1024
LONGEST_LOOK_S = 7 * 86_400
_OURS = [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
# Who starts these waits for them, fails with them, and has the alarms.
HEARD_BY_THEIR_STARTER = {"ExportRecordings"}
# Evidence may be lost or unheld. Every other alarm warns.
AT_RISK = {
    "ArrivalsWaiting", "DeadLettersWaiting", "EventsMissed", "EvidenceChanged", "EvidenceUnwatched",
    "HoldAborted", "HoldFailed", "HoldLagHigh", "HoldTimedOut", "MessagesParked", "ProtectionUnwatched",
    "RequestsLost", "RunAborted", "RunFailed", "RunTimedOut", "StandingMatterAborted",
    "StandingMatterNotRecorded", "StandingMatterStuck", "StandingMatterTimedOut",
    "StandingMattersUnwatched", "SweepFails", "VerdictIncomplete",
}  # fmt: skip


def metric_faults(
    template: Template, namespace: str, metric: str, dimensions: list[Any], counters: set[str]
) -> Iterator[str]:
    """Tell what keeps a metric from having data: nobody publishes it, or not by these dimensions."""
    if namespace == "Holdfast":
        if metric not in counters:
            yield f"watches {metric}, which nobody counts"
        if dimensions != _OURS:
            yield "watches a dimension nobody counts by"
        return
    dimension, kind, told_by, metrics = METRICS_OF_AWS.get(namespace, ("", "", "", set()))
    if metric not in metrics:
        yield f"watches {namespace} {metric}, which is not on the list"
        return
    of_some = of_type(template, kind)
    values = [
        {"Ref": name} if told_by == "Ref" else {"Fn::GetAtt": [name, told_by]}
        for name in of_some
    ]  # fmt: skip
    if [one["Name"] for one in dimensions] != [dimension] or dimensions[0]["Value"] not in values:
        yield f"watches a dimension that {namespace} does not publish by"


def alarms(template: Template, counters: set[str]) -> Iterator[str]:
    """Every alarm says what to do and where that stands, tells somebody, and watches a metric that exists."""
    metric_alarms = of_type(template, "CloudWatch::Alarm")
    composite_alarms = of_type(template, "CloudWatch::CompositeAlarm")
    for name, properties in {**metric_alarms, **composite_alarms}.items():
        description, runbook = properties.get("AlarmDescription", ""), f"docs/operations.md#{name.lower()}"
        if not re.fullmatch(rf"[A-Z].{{40,}}\. Runbook: {re.escape(runbook)}", description):
            yield f"{name}: does not say what to do, with its runbook"
        if len(description) > LONGEST_DESCRIPTION:
            yield f"{name}: says more than CloudWatch takes"
        if properties.get("AlarmActions") != [{"Ref": "AlarmTopic"}]:
            yield f"{name}: tells nobody"
    for name, properties in metric_alarms.items():
        # Where too little is the trouble, silence is; anywhere else it is what one hopes for.
        too_little = properties["ComparisonOperator"].startswith("LessThan")
        if properties.get("TreatMissingData") != ("breaching" if too_little else "notBreaching"):
            yield f"{name}: takes silence for {'no trouble' if too_little else 'trouble'}"
        if properties["Period"] * properties["EvaluationPeriods"] > LONGEST_LOOK_S:
            yield f"{name}: looks back further than CloudWatch does"
        faults = metric_faults(
            template, properties["Namespace"], properties["MetricName"], properties["Dimensions"], counters
        )
        yield from (f"{name}: {fault}" for fault in faults)
    yield from _unheard(template, metric_alarms.values())
    for name, properties in composite_alarms.items():
        told = set(re.findall(r'ALARM\("\$\{(\w+)\}"\)', properties["AlarmRule"]["Fn::Sub"]))
        lacking = ", ".join(sorted(told ^ AT_RISK))
        if lacking:
            yield f"{name}: is not raised by exactly what puts evidence at risk: {lacking}"


def _unheard(template: Template, metric_alarms: Iterable[Resource]) -> Iterator[str]:
    """Tell which way for a workflow or a queue to come to grief no alarm hears of."""
    heard = {
        (properties["MetricName"], json.dumps(one["Value"]))
        for properties in metric_alarms
        for one in properties["Dimensions"]
    }
    for machine in of_type(template, "Serverless::StateMachine").keys() - HEARD_BY_THEIR_STARTER:
        for end in ("ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"):
            if (end, json.dumps({"Ref": machine})) not in heard:
                yield f"{machine}: nobody hears of {end}"
    for queue in of_type(template, "SQS::Queue"):
        value = json.dumps({"Fn::GetAtt": [queue, "QueueName"]})
        if not heard & {
            (f"Approximate{what}", value) for what in ("AgeOfOldestMessage", "NumberOfMessagesVisible")
        }:
            yield f"{queue}: nobody hears when messages wait in it"


# --- what a person reads ---------------------------------------------------------------------------------

# Source: Amazon CloudWatch API Reference, "Dashboard body structure and syntax"; User Guide, CloudWatch
# quotas (read 2026-11-21).
GRID_WIDTH, MOST_ALARMS_OF_A_WIDGET, MOST_METRICS_OF_A_WIDGET = 24, 100, 500
STATISTICS = {"Average", "Maximum", "Minimum", "SampleCount", "Sum", "p50", "p99"}
QUESTIONS = ["Are we done?", "What waits?", "What is wrong?", "What does it cost?"]


def dashboard_body(properties: Resource) -> dict[str, Any]:
    """Read a dashboard's body, with its substitutions left in place; numbers among them become 0."""
    text = re.sub(r": \$\{\w+\}", ": 0", properties["DashboardBody"]["Fn::Sub"])
    found: dict[str, Any] = json.loads(text)
    return found


def dashboards(template: Template, counters: set[str]) -> Iterator[str]:
    """A dashboard asks its questions in their order, shows metrics that exist, and fits into its grid."""
    for name, properties in of_type(template, "CloudWatch::Dashboard").items():
        widgets = dashboard_body(properties)["widgets"]
        for index, widget in enumerate(widgets):
            faults = [*_misplaced(widget, widgets[:index]), *_widget_faults(template, widget, counters)]
            title = widget["properties"].get("title", "text")
            yield from (f"{name}, {title}: {fault}" for fault in faults)
        asked = [
            widget["properties"]["markdown"].removeprefix("## ").partition("?")[0] + "?"
            for widget in widgets
            if widget["properties"].get("markdown", "").startswith("## ")
        ]
        if asked != QUESTIONS:
            yield f"{name}: does not ask {', '.join(QUESTIONS)} in this order"


def _misplaced(widget: dict[str, Any], others: list[dict[str, Any]]) -> Iterator[str]:
    x, y, width, height = (widget[key] for key in ("x", "y", "width", "height"))
    if x < 0 or x + width > GRID_WIDTH:
        yield "does not fit into the grid"
    for other in others:
        if (
            x < other["x"] + other["width"]
            and other["x"] < x + width
            and y < other["y"] + other["height"]
            and other["y"] < y + height
        ):
            yield f"covers {other['properties'].get('title', 'a text')}"


def _widget_faults(template: Template, widget: dict[str, Any], counters: set[str]) -> Iterator[str]:
    properties = widget["properties"]
    if widget["type"] == "alarm":
        # One that does not always exist cannot be referred to.
        wanted = {
            f"${{{name}.Arn}}"
            for name, resource in template["Resources"].items()
            if resource["Type"].endswith("Alarm") and "Condition" not in resource
        }
        lacking = ", ".join(sorted(wanted ^ set(properties["alarms"])))
        if lacking:
            yield f"does not show every alarm once: {lacking}"
        if len(properties["alarms"]) > MOST_ALARMS_OF_A_WIDGET:
            yield "has more alarms than CloudWatch shows"
    if widget["type"] != "metric":
        return
    if len(properties["metrics"]) > MOST_METRICS_OF_A_WIDGET:
        yield "has more metrics than CloudWatch shows"
    ids = {line[-1]["id"] for line in properties["metrics"] if "id" in line[-1]}
    for *metric, options in properties["metrics"]:
        if options.get("stat", properties["stat"]) not in STATISTICS:
            yield f"asks for {options['stat']}"
        if "expression" in options:
            unknown = set(re.findall(r"\b[a-z]\w*", options["expression"])) - ids
            yield from (f"counts with {one}, which is none of its metrics" for one in sorted(unknown))
            continue
        namespace, metric_name, dimension, value = metric
        dimensions = [{"Name": dimension, "Value": _referred(value)}]
        yield from metric_faults(template, namespace, metric_name, dimensions, counters)


def _referred(value: str) -> dict[str, Any]:
    """Turn a substitution into the function that it stands for."""
    name, _, attribute = value.removeprefix("${").removesuffix("}").partition(".")
    return {"Fn::GetAtt": [name, attribute]} if attribute else {"Ref": name}


# Keys that Powertools writes, that Insights finds by itself, and of the runtime's own lines.
# Source: Powertools for AWS Lambda (Python), Logger, "Standard structured keys"; CloudWatch Logs User Guide,
# "Supported logs and discovered fields"; Lambda Developer Guide, "platform.report" (read 2026-11-21).
FOUND_IN_EVERY_LINE = {"@timestamp", "@message", "@logStream", "message", "level", "service", "timestamp"}
OF_REPORTS = {
    "type", "record.metrics.durationMs", "record.metrics.initDurationMs", "record.metrics.maxMemoryUsedMB",
}  # fmt: skip
_COMMANDS = {"fields", "filter", "limit", "parse", "sort", "stats"}
_WORDS = {"and", "as", "asc", "by", "count", "desc", "in", "ispresent", "latest", "like", "max", "or", "pct"}


def queries(template: Template, logged: Mapping[str, set[str]], always: set[str]) -> Iterator[str]:
    """A saved query asks for events that are logged, with keys that they have.

    Args:
        logged: the keys of each event, by its name.
        always: the keys that every line may have.
    """
    for name, properties in of_type(template, "Logs::QueryDefinition").items():
        if properties["LogGroupNames"] != [{"Ref": "FunctionLogs"}]:
            yield f"{name}: does not ask the functions' logs"
        query: str = properties["QueryString"]
        events = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)"', query))
        yield from (f"{name}: asks for {one}, which nobody logs" for one in sorted(events - logged.keys()))
        of_these = [logged[one] for one in events & logged.keys()] or logged.values()
        known = FOUND_IN_EVERY_LINE | OF_REPORTS | always | set().union(*of_these)
        yield from (f"{name}: {fault}" for fault in _query_faults(query, known))


def _query_faults(query: str, known: set[str]) -> Iterator[str]:
    made: set[str] = set()
    bare = re.sub(r'"[^"]*"', '""', query)
    for stage in bare.split("\n| "):
        made |= set(re.findall(r"\(\?<(\w+)>", stage)) | set(re.findall(r"\bas (\w+)", stage))
        command, _, rest = re.sub(r"/.*/", "", stage).strip().partition(" ")
        if command not in _COMMANDS:
            yield f"begins a stage with {command}"
        asked = set(re.findall(r"@?[A-Za-z][\w.]*", rest.replace('""', ""))) - _WORDS
        yield from (f"asks for {one}, which no such line has" for one in sorted(asked - known - made))


# --- nothing idle ----------------------------------------------------------------------------------------


def settings(template: Template, read: set[str]) -> Iterator[str]:
    """What is told is read, what is read is told, and every parameter is used."""
    globally = template["Globals"]["Function"]["Environment"]["Variables"]
    alone = [
        one.get("Environment", {}).get("Variables", {})
        for one in of_type(template, "Serverless::Function").values()
    ]
    told = {name for name in {*globally, *chain.from_iterable(alone)} if not name.startswith("POWERTOOLS_")}
    yield from (f"{name}: told, and never read" for name in sorted(told - read))
    yield from (f"{name}: read, and never told" for name in sorted(read - told))
    rest = {part: template[part] for part in template if part not in {"Parameters", "Metadata"}}
    yield from (
        f"{name}: a parameter that nothing uses"
        for name in template["Parameters"]
        if not mentions(rest, name)
    )
    for name in template.get("Conditions", {}):
        used = json.dumps(template["Resources"])
        if f'"Condition": "{name}"' not in used and f'"Fn::If": ["{name}"' not in used:
            yield f"{name}: a condition that nothing uses"


def substitutions(template: Template, text_of: Callable[[str], str]) -> Iterator[str]:
    """Every placeholder of a definition is filled, with nothing left over, by what is named like it."""
    for name, properties in of_type(template, "Serverless::StateMachine").items():
        given = properties["DefinitionSubstitutions"]
        wanted = set(re.findall(r"\$\{(\w+)\}", text_of(properties["DefinitionUri"])))
        yield from (f"{name}: nobody fills ${{{one}}}" for one in sorted(wanted - given.keys()))
        yield from (f"{name}: {one} fills nothing" for one in sorted(given.keys() - wanted))
        for placeholder, value in given.items():
            meant = placeholder.removesuffix("Arn")
            if placeholder != "Partition" and not mentions(value, meant):
                yield f"{name}: {placeholder} is not of {meant}"
        granted_names = [
            one for one in functions(template) if _is_granted(template, f"{name}Role", "lambda:", one)
        ]
        called = called_by(template, name)
        yield from (f"{name}: may not invoke {one}" for one in sorted(called - set(granted_names)))
        yield from (f"{name}: never invokes {one}" for one in sorted(set(granted_names) - called))


def skips(template: Template) -> Iterator[str]:
    """A check is skipped for a reason, and only one of the few that are known not to fit."""
    for name, resource in template["Resources"].items():
        for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
            if skip["id"] not in SKIPPED or len(skip.get("comment", "")) < 20:
                yield f"{name}: skips {skip['id']} without a reason"
