"""Notes what IAM would be asked about every call of a function, a workflow or the vendor.

Told at `/_holdfast/accesses`; the policies that would answer, at `/_holdfast/policies`, by role.

An access is who does what on which resource, under which conditions: the action as AWS checks it (a
version's action where a version is named, the parts of a transaction, `s3:ListBucket` where a missing file is
told from a forbidden one). Of an object's key only the first two parts are kept, of an item's its kind.

Who: a function's name, a workflow's name, or the name of the role that was assumed.
"""

import hashlib
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any, NamedTuple

from ministack.core import iam_actions, iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id
from ministack.core.router import extract_region
from ministack.services import iam, stepfunctions, sts

from local.emulator.condition_keys import keys_of_body

type Checked = tuple[str, str, Mapping[str, str]]  # action, resource, conditions

# A function names itself to the gateway in the user agent, where 50 characters are allowed.
FUNCTION = "function."
# The vendor signs as a role that it has assumed; nobody else's sessions are of interest.
_VENDOR = "genesys"
_NOT_FOUND = 404

_functions: dict[str, str] = {}
_noted: Counter[tuple[str, str, str, str]] = Counter()
_lock = threading.Lock()
_execution: ContextVar[str] = ContextVar("execution", default="::::::")


def install() -> None:
    """Let functions name themselves, and note what workflows do: they call nothing over HTTP."""
    lambda_runtime.execution_credentials = _naming(lambda_runtime.execution_credentials)
    stepfunctions._run_execution = _knowing_the_execution(stepfunctions._run_execution)  # noqa: SLF001
    stepfunctions._invoke_resource = _noting_tasks(stepfunctions._invoke_resource)  # noqa: SLF001
    stepfunctions._read_map_items = _noting_readers(stepfunctions._read_map_items)  # noqa: SLF001
    stepfunctions._run_distributed_map = _noting_maps(stepfunctions._run_distributed_map)  # noqa: SLF001


def told() -> list[dict[str, object]]:
    """Give every access once, with how often it happened."""
    with _lock:
        noted = sorted(_noted.items())
    return [
        {"who": who, "action": action, "resource": resource, "conditions": json.loads(under), "times": times}
        for (who, action, resource, under), times in noted
    ]


def policies() -> dict[str, list[object]]:
    """Give the documents of every role's policies, as they were deployed."""
    found: dict[str, list[object]] = {}
    resolve = iam_evaluator._resolve_managed_policy_document  # noqa: SLF001
    for name, role in iam._roles.items():  # noqa: SLF001 - in one question instead of hundreds
        attached = [resolve(arn, get_account_id()) for arn in role.get("AttachedPolicies", ())]
        documents = [*(role.get("InlinePolicies") or {}).values(), *attached]
        found[name] = [json.loads(one) if isinstance(one, str) else one for one in documents]
    return found


class Request(NamedTuple):
    """A request to the gateway, and who is behind it."""

    caller: str
    key_id: str
    service: str
    action: str
    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    params: Any


def note_request(request: Request, status: int) -> None:
    """Note a request that was answered, as the checks that IAM makes of it."""
    if request.caller.startswith(FUNCTION):
        who = _functions[request.caller]
    elif request.caller == _VENDOR and (session := sts._sessions.get(request.key_id)):  # noqa: SLF001
        who = session["Arn"].split("/")[1]
    else:
        return
    for checked in _checks(request, status):
        _note(who, *checked)


def _note(who: str, action: str, resource: str, conditions: Mapping[str, str]) -> None:
    with _lock:
        _noted[who, action, _shortened(resource), json.dumps(conditions, sort_keys=True)] += 1


def _shortened(resource: str) -> str:
    """Keep the first two parts of an object's key, and no execution's name."""
    if resource.startswith("arn:aws:s3:::"):
        bucket, slash, key = resource.partition("/")
        return f"{bucket}/{'/'.join(key.split('/')[:2])}/" if slash else bucket
    return re.sub(r"(:execution:[^:/]+[:/]).*", r"\1", resource)


def _checks(request: Request, status: int) -> Iterator[Checked]:
    _, _, service, action, method, path, headers, body, params = request
    region, account = extract_region(headers), get_account_id()
    if service == "dynamodb":
        yield from _on_tables(action, json.loads(body), f"arn:aws:dynamodb:{region}:{account}:table/")
        return
    resource = iam_actions.extract_resource_arn(service, method, path, headers, body, params, region, account)
    yield action, resource, keys_of_body(service, action, body)
    if service == "s3":
        for extra, also in iam_actions.s3_additional_checks(method, path, headers, body, params):
            yield extra, also, {}
        if status == _NOT_FOUND and "/" in resource:
            yield "s3:ListBucket", resource.partition("/")[0], {}


def _on_tables(action: str, document: Mapping[str, Any], table: str) -> Iterator[Checked]:
    for part in document.get("TransactItems", ()):
        for member, request in part.items():
            yield f"dynamodb:{member}Item", table + request["TableName"], _leading(request)
    for name, request in document.get("RequestItems", {}).items():
        for key in request["Keys"]:
            yield action, table + name, _leading({"Key": key})
    if "TableName" in document:
        index = f"/index/{document['IndexName']}" if "IndexName" in document else ""
        yield action, table + document["TableName"] + index, _leading(document)


def _leading(request: Mapping[str, Any]) -> Mapping[str, str]:
    """Tell which kind of item is meant: `MATTER#*` of `MATTER#M-1`, but `HELD#PLATFORM` as it is."""
    key = request.get("Key") or request.get("Item") or {}
    values = request.get("ExpressionAttributeValues") or {}
    value = (key.get("pk") or values.get(":pk") or {}).get("S")
    return {"dynamodb:LeadingKeys": re.sub("#(?![A-Z]+$).*", "#*", value)} if value else {}


def _naming(credentials: Callable[[Any], dict[str, str]]) -> Callable[[Any], dict[str, str]]:
    def execution_credentials(config: Any) -> dict[str, str]:
        name = f"{FUNCTION}{hashlib.sha256(config['FunctionName'].encode()).hexdigest()[:16]}"
        _functions[name] = config["FunctionName"]
        return {**credentials(config), "AWS_SDK_UA_APP_ID": name}

    return execution_credentials


def _machine() -> str:
    """Name the workflow of the execution that is under way in this context."""
    return _execution.get().split(":")[6]


def _knowing_the_execution(run: Callable[[str], None]) -> Callable[[str], None]:
    def run_execution(arn: str) -> None:
        _execution.set(arn)
        run(arn)

    return run_execution


def _noting_tasks(invoke: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    def invoke_resource(resource: str, task_input: Any) -> object:
        action, on = _task(resource, task_input)
        _note(_machine(), action, on, {})
        return invoke(resource, task_input)

    return invoke_resource


def _task(resource: str, given: Any) -> tuple[str, str]:
    """Tell what a task does on what; one that waits for the execution it starts ends in `.sync:2`."""
    parts = resource.split(":")
    if parts[2] == "lambda":
        return "lambda:InvokeFunction", resource
    service, action = parts[5], parts[6]
    match f"{service}:{action}":
        case "lambda:invoke":
            return "lambda:InvokeFunction", given["FunctionName"]
        case "states:startExecution.sync":
            return "states:StartExecution.sync", given["StateMachineArn"]
        case "states:startExecution":
            return "states:StartExecution", given["StateMachineArn"]
        case "events:putEvents":
            (bus,) = {entry.get("EventBusName", "default") for entry in given["Entries"]}
            _, _, _, region, account, *_ = _execution.get().split(":")
            arn = bus if ":" in bus else f"arn:aws:events:{region}:{account}:event-bus/{bus}"
            return "events:PutEvents", arn
        case "sns:publish":
            return "sns:Publish", given["TopicArn"]
        case other:
            return other, "*"


def _noting_readers(read: Callable[..., Any]) -> Callable[..., Any]:
    def read_map_items(reader: Any, effective: Any, context: Any) -> object:
        asked = reader.get("Parameters") or reader.get("Arguments") or {}
        where = stepfunctions._resolve_params_obj(asked, effective, context)  # noqa: SLF001
        _note(_machine(), "s3:GetObject", f"arn:aws:s3:::{where['Bucket']}/{where['Key']}", {})
        return read(reader, effective, context)

    return read_map_items


def _noting_maps(run: Callable[..., Any]) -> Callable[..., Any]:
    def run_distributed_map(*state: Any) -> object:
        machine = state[4]["stateMachineArn"]
        _note(_machine(), "states:StartExecution.map", machine, {})
        return run(*state)

    return run_distributed_map
