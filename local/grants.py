"""What each role is granted by the template, and what was used of it: in the same words, to be compared.

A grant is one line: `PlanHolds s3:PutObject WorkBucket/holds/*`, or
`CheckExportJob dynamodb:DeleteItem Ledger if dynamodb:leadingkeys=ORG#*`. First stands who has the role, by
logical id; the vendor is named by its role. What a managed policy grants stands under the policy's name, and
who has it says so: `PlanHolds has GenesysCaller`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple, Self

from local.template import Template

VENDOR = "GenesysWriterRole"
HAS = "has"
# Which condition a use is noted with: it says what the action may do more than where it happens.
_TELLING = {
    "dynamodb:DeleteItem": "dynamodb:leadingkeys",
    "kms:Decrypt": "kms:encryptioncontext:purpose",
    "kms:Encrypt": "kms:encryptioncontext:purpose",
    "s3:PutObjectLegalHold": "s3:object-lock-legal-hold",
}
# Preflight alone of those that write nothing into the ledger reads it, and its own canaries only.
_TELLING_OF = {("Preflight", "dynamodb:Query"): "dynamodb:leadingkeys"}
_OPERATORS = {"StringEquals", "StringLike", "ForAllValues:StringEquals", "ForAllValues:StringLike"}
_KINDS = re.compile(
    r"^(table|function|role|key|secret|stateMachine|execution|event-source-mapping|event-bus(?=/[A-Z]))[:/]"
)
_RANDOM_SUFFIX = re.compile(r"(?<=^GenesysSecret)-\w{6}$")


class Grant(NamedTuple):
    """Who may do what, where, under which condition (or under none)."""

    bearer: str
    action: str
    place: str
    condition: str = ""

    def __str__(self) -> str:
        """Write it as one line."""
        condition = f" if {self.condition}" if self.condition else ""
        return f"{self.bearer} {self.action} {self.place}{condition}"

    @classmethod
    def read(cls, line: str) -> Self:
        """Read such a line."""
        grant, _, condition = line.partition(" if ")
        bearer, action, place = grant.split(" ")
        return cls(bearer, action, place, condition)


# --- what is granted -------------------------------------------------------------------------------------


def granted(template: Template) -> set[Grant]:
    """Give what every function, every workflow, every managed policy and the vendor may do."""
    names = _declared_names(template)
    documents = [
        (bearer, policy["PolicyDocument"])
        for bearer, role in roles(template).items()
        for policy in _properties(template, role).get("Policies", ())
    ]
    managed = _managed_policies(template)
    documents += [(name, _properties(template, name)["PolicyDocument"]) for name in managed]
    grants = {
        Grant(bearer, action, _place(resource, names), condition)
        for bearer, document in documents
        for statement in document["Statement"]
        for action in _listed(statement["Action"])
        for resource in _listed(statement["Resource"])
        for condition in _conditions(statement.get("Condition", {}))
    }
    has = {Grant(who, HAS, policy) for who, theirs in _shared(template).items() for policy in theirs}
    return grants | has


def roles(template: Template) -> dict[str, str]:
    """Name the role of each function and workflow, and the vendor's."""
    resources = template["Resources"].items()
    of_ours = {
        name: resource["Properties"]["Role"]["Fn::GetAtt"][0]
        for name, resource in resources
        if resource["Type"] in {"AWS::Serverless::Function", "AWS::Serverless::StateMachine"}
    }
    return {**of_ours, VENDOR: VENDOR}


def _properties(template: Template, name: str) -> Mapping[str, Any]:
    properties: Mapping[str, Any] = template["Resources"][name]["Properties"]
    return properties


def _managed_policies(template: Template) -> list[str]:
    return [name for name, one in template["Resources"].items() if one["Type"] == "AWS::IAM::ManagedPolicy"]


def _shared(template: Template) -> dict[str, list[str]]:
    """Name the managed policies of each bearer."""
    return {
        bearer: [one["Ref"] for one in _properties(template, role).get("ManagedPolicyArns", ())]
        for bearer, role in roles(template).items()
    }


def _declared_names(template: Template) -> dict[str, str]:
    """Give the logical id for each name that the template spells out."""
    spelled = {}
    for logical_id, resource in template["Resources"].items():
        for key in ("Name", "BucketName"):
            name = resource.get("Properties", {}).get(key)
            if isinstance(name, dict) and "Fn::Sub" in name:
                spelled[_without_colons(name["Fn::Sub"])] = logical_id
    return spelled


def _without_colons(text: str) -> str:
    return text.replace("AWS::", "")


def _place(resource: Any, names: Mapping[str, str]) -> str:
    if resource == "*":
        return "*"
    if "Fn::Sub" in resource:
        arn = re.sub(r"\$\{(\w+)\.Arn\}", r"arn:::::\1", _without_colons(resource["Fn::Sub"]))
        return place_of(arn, names)
    return str(resource["Ref"] if "Ref" in resource else resource["Fn::GetAtt"][0])


def _conditions(block: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Give each way to fulfil a condition; an operator that is not plain comparison is named."""
    lines = []
    for operator, keys in block.items():
        by = "" if operator in _OPERATORS else f"{operator} "
        lines += [
            [f"{by}{key.lower()}={_value(one)}" for one in _listed(wanted)] for key, wanted in keys.items()
        ]
    yield from (" and ".join(chosen) for chosen in product(*lines))


def _value(wanted: Any) -> str:
    text = str(wanted["Fn::Sub"] if isinstance(wanted, dict) else wanted)
    return text.removesuffix(".${AWS::Region}.amazonaws.com")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- what is used ----------------------------------------------------------------------------------------


def used(accesses: Iterable[Mapping[str, Any]], resources: Mapping[str, str]) -> dict[Grant, int]:
    """Give what was used, and how often, of what the emulator noted in a stack with these physical ids."""
    by_name = {re.split("[/:]", physical)[-1]: logical for logical, physical in resources.items()}
    names = {name: logical for name, logical in by_name.items() if not name.isdecimal()}  # a layer's version
    tally: dict[Grant, int] = {}
    for access in accesses:
        bearer, action = names.get(access["who"], access["who"]), access["action"]
        key = _TELLING_OF.get((bearer, action)) or _TELLING.get(action, "")
        under = {name.lower(): value for name, value in access["conditions"].items()}.get(key)
        place = place_of(access["resource"], names)
        grant = Grant(bearer, action, place, f"{key}={under}" if under else "")
        tally[grant] = tally.get(grant, 0) + access["times"]
    return tally


def place_of(arn: str, names: Mapping[str, str]) -> str:
    """Name what an ARN stands for: the logical id, and of objects the folder."""
    rest = arn.split(":", 5)[-1]
    for name in sorted(names, key=len, reverse=True):
        rest = re.sub(rf"(?<![\w-]){re.escape(name)}(?!\w)", names[name], rest)
    rest = re.sub(r"\$\{(\w+)\}$", r"\1", _KINDS.sub("", rest))
    rest = _RANDOM_SUFFIX.sub("", rest)
    bucket, slash, key = rest.partition("/")
    if not bucket.endswith("Bucket") or not slash:
        return rest if not re.search(r"[:/]$", rest) else f"{rest}*"
    first, _, second = key.partition("/")
    if bucket == "EvidenceBucket":
        folder = second.rstrip("/*")
        if folder == "manifests":
            return f"{bucket}/ORGANIZATION/manifests/*"
        return f"{bucket}/{first}/{folder}/*" if first == "_holdfast" else f"{bucket}/*"
    return f"{bucket}/{first}/*" if second else f"{bucket}/*"


def widest(grants: Iterable[Grant]) -> set[Grant]:
    """Leave out what a grant on everything in the same bucket covers."""
    all_of_them = set(grants)
    return {
        one
        for one in all_of_them
        if one.place.endswith("Bucket/*")
        or one._replace(place=f"{one.place.partition('/')[0]}/*") not in all_of_them
    }


def shared(template: Template, grants: Iterable[Grant]) -> set[Grant]:
    """Lay to the managed policies what their bearers have of them."""
    of_policies = granted(template) - {one for one in granted(template) if one.bearer in roles(template)}
    has = _shared(template)
    laid: set[Grant] = set()
    for one in grants:
        theirs = [policy for policy in has.get(one.bearer, ()) if one._replace(bearer=policy) in of_policies]
        laid |= {one._replace(bearer=policy) for policy in theirs} or {one}
        laid |= {Grant(one.bearer, HAS, policy) for policy in theirs}
    return laid


# --- what follows, though no emulator shows it -------------------------------------------------------------


_BASICS = (
    # Source: Lambda developer guide, "Defining Lambda function permissions with an execution role", and
    # "Securing Lambda environment variables": with a key of one's own the role decrypts them.
    ("logs:CreateLogStream", "FunctionLogs", ""),
    ("logs:PutLogEvents", "FunctionLogs", ""),
    ("xray:PutTelemetryRecords", "*", ""),
    ("xray:PutTraceSegments", "*", ""),
    ("kms:Decrypt", "Key", "kms:viaservice=lambda"),
)
_WORKFLOW_BASICS = (
    # Source: Step Functions developer guide, "Using CloudWatch Logs to log execution history" and "Trace Step
    # Functions request data in AWS X-Ray".
    "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies", "logs:GetLogDelivery", "logs:ListLogDeliveries",
    "logs:PutResourcePolicy", "logs:UpdateLogDelivery", "xray:GetSamplingRules", "xray:GetSamplingTargets",
    "xray:PutTelemetryRecords", "xray:PutTraceSegments",
)  # fmt: skip
# Source: Lambda developer guide, "Using Lambda with Amazon SQS", execution role permissions.
_POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
# Source: Step Functions developer guide, "Run a job (.sync)", and "Distributed Map: IAM policies".
_RULE_OF_NESTED_RUNS = "rule/StepFunctionsGetEventsForStepFunctionsExecutionRule"
_ASKED_OF_RULES = ("PutTargets", "PutRule", "DescribeRule")
# What a service asks of the key in its caller's name, by what is used. The vendor's role says nothing of
# services. Sources: DynamoDB developer guide, "DynamoDB encryption at rest: usage notes" (reading and writing
# decrypt the table's key; making the table generates it); S3 user guide, "Using server-side encryption with
# AWS KMS keys", and "multipart upload" (parts are decrypted again); Secrets Manager user guide, "Secret
# encryption and decryption"; SNS developer guide, "Managing Amazon SNS encryption keys and costs".
_KEY_USES: tuple[tuple[re.Pattern[str], tuple[str, ...], str], ...] = (
    (re.compile(r"\w+ (dynamodb:\w+ Ledger|has GenesysCaller)"), ("kms:Decrypt",), "dynamodb"),
    (re.compile(rf"(?!{VENDOR})\w+ s3:GetObject(Version)? "), ("kms:Decrypt",), "s3"),
    (re.compile(rf"(?!{VENDOR})\w+ s3:PutObject "), ("kms:GenerateDataKey",), "s3"),
    (re.compile(rf"{VENDOR} s3:PutObject "), ("kms:Decrypt", "kms:GenerateDataKey"), ""),
    (re.compile(r"\w+ secretsmanager:GetSecretValue "), ("kms:Decrypt",), "secretsmanager"),
    (re.compile(r"\w+ sns:Publish "), ("kms:Decrypt", "kms:GenerateDataKey"), "sns"),
)


def needed(template: Template, uses: Iterable[Grant]) -> set[Grant]:
    """Give all that these uses take on AWS: with what happens behind them, and what any role must have."""
    return shared(template, [*_basics(template), *(behind for use in uses for behind in _behind(use))])


def _basics(template: Template) -> Iterator[Grant]:
    for name, resource in template["Resources"].items():
        if resource["Type"] == "AWS::Serverless::Function":
            yield from (Grant(name, *basic) for basic in _BASICS)
            for event in resource["Properties"].get("Events", {}).values():
                if event["Type"] == "SQS":
                    queue = event["Properties"]["Queue"]["Fn::GetAtt"][0]
                    yield from (Grant(name, action, queue) for action in _POLLING)
        if resource["Type"] == "AWS::Serverless::StateMachine":
            yield from (Grant(name, action, "*") for action in _WORKFLOW_BASICS)


def _behind(use: Grant) -> Iterator[Grant]:
    """Give a use and what AWS does behind it in the same name."""
    bearer, action, place, _ = use
    service, _, operation = action.partition(":")
    started, _, how = operation.partition(".")
    if how:
        yield Grant(bearer, f"{service}:{started}", place)
        executions = f"{place}:*" if how == "sync" else f"{place}/*"
        yield from (Grant(bearer, f"states:{one}Execution", executions) for one in ("Describe", "Stop"))
        if how == "sync":
            yield from (Grant(bearer, f"events:{one}", _RULE_OF_NESTED_RUNS) for one in _ASKED_OF_RULES)
        return
    yield use
    for shape, actions, via in _KEY_USES:
        if shape.match(f"{bearer} {action} {place}"):
            condition = f"kms:viaservice={via}" if via else ""
            yield from (Grant(bearer, one, "Key", condition) for one in actions)
