"""Counts the AWS calls, by caller and operation, and tells them at `/_holdfast/calls`.

At `/_holdfast/invocations` it tells which function each invocation was of, by request id: unlike on AWS, the
log streams of a group that functions share do not say.

Callers are `functions`, `workflows` (the service integrations of state machines), and whoever names itself in
its user agent (botocore's `user_agent_appid`): the demo and the Genesys simulator do. Operations are named by
their IAM action. What the services do among themselves (polling a queue, notifying it) is not counted.
"""

import json
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

from ministack import app as gateway
from ministack.core.iam_actions import extract_iam_action
from ministack.core.router import detect_service, extract_access_key_id
from ministack.services import lambda_svc, stepfunctions

from local.emulator import accesses

_counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
_invocations: dict[str, str] = {}
_lock = threading.Lock()

TOLD: dict[str, object] = {"/_holdfast/calls": _counts, "/_holdfast/invocations": _invocations}
# What is done on request, by path: it gets the query string, and what it returns is told.
COMMANDS: dict[str, Callable[[str], object]] = {
    "/_holdfast/accesses": lambda _: accesses.told(),
    "/_holdfast/policies": lambda _: accesses.policies(),
}

_APP_ID = re.compile(r"\bapp/([\w.-]+)")


def install() -> None:
    """Count at the two places that every call passes: the gateway, and the state machines' tasks."""
    lambda_svc._emit_lambda_logs = _noting_invocations(lambda_svc._emit_lambda_logs)  # noqa: SLF001
    gateway._dispatch_service_request = _counting_dispatch(gateway._dispatch_service_request)  # noqa: SLF001
    stepfunctions._invoke_resource = _counting_tasks(stepfunctions._invoke_resource)  # noqa: SLF001
    gateway.app = _telling(gateway.app)


def _add(caller: str, operation: str) -> None:
    with _lock:
        _counts[caller][operation] += 1


def _caller(headers: dict[str, str]) -> str:
    named = _APP_ID.search(headers.get("user-agent", ""))
    return named[1] if named else "others"


def _counting_dispatch(dispatch: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def dispatch_service_request(  # noqa: PLR0917 - MiniStack's own signature
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
        request_id: str,
    ) -> Any:
        params = gateway._routing_params(method, path, headers, body, query_params)  # noqa: SLF001
        service = detect_service(method, path, headers, params)
        operation = extract_iam_action(service, method, path, headers, body, params) or f"{service}:{method}"
        caller = _caller(headers)
        _add("functions" if caller.startswith(accesses.FUNCTION) else caller, operation)
        answer = await dispatch(method, path, headers, body, query_params, request_id)
        key_id = extract_access_key_id(headers, query_params)
        request = accesses.Request(caller, key_id, service, operation, method, path, headers, body, params)
        accesses.note_request(request, answer[0])
        return answer

    return dispatch_service_request


def _counting_tasks(invoke: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    def invoke_resource(resource: str, task_input: object) -> object:
        _add("workflows", _task_operation(resource))
        return invoke(resource, task_input)

    return invoke_resource


def _task_operation(resource: str) -> str:
    parts = resource.split(":")
    if parts[2] == "lambda":
        return "lambda:Invoke"
    service, action = parts[-2:] if parts[2] == "states" and parts[-1] != "2" else parts[-3:-1]
    action = action.partition(".")[0]
    return f"{service}:{action[:1].upper()}{action[1:]}"


def _noting_invocations(emit_logs: Callable[..., None]) -> Callable[..., None]:
    def emit_lambda_logs(func: dict[str, Any], request_id: str, *rest: object, **options: object) -> None:
        with _lock:
            _invocations[request_id] = func.get("config", func)["FunctionName"]
        emit_logs(func, request_id, *rest, **options)

    return emit_lambda_logs


def _telling(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    async def tell_or_serve(
        scope: dict[str, Any], receive: object, send: Callable[..., Awaitable[None]]
    ) -> None:
        if scope["type"] != "http" or scope["path"] not in TOLD | COMMANDS:
            await app(scope, receive, send)
            return
        command = COMMANDS.get(scope["path"])
        with _lock:
            told = command(scope["query_string"].decode()) if command else TOLD[scope["path"]]
            body = json.dumps(told, sort_keys=True).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return tell_or_serve
