"""Lets a function's exception keep its class name, as on AWS, and its worker live on.

MiniStack reports every exception as `Runtime.HandlerError`, so that no Retry and no Catch by name ever
matches, and ends the worker, so that the next call starts cold. Here the worker script answers "ok" with a
marked error, and the function error is built from the mark. A failing import or a dead process stays what
MiniStack makes of it.
"""

from collections.abc import Callable
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc

_MARK = "__function_error__"

_REPORTS_NO_TYPE = """_real_stdout.write(json.dumps({"status": "error", "error": str(e), "trace": traceback.format_exc()}) + "\\n")"""  # noqa: E501 - MiniStack's own line

_REPORTS_TYPE = """_real_stdout.write(json.dumps({"status": "ok", "result": {"__function_error__": {
                "errorType": type(e).__name__, "errorMessage": str(e),
                "stackTrace": traceback.format_exception(e)}}}) + "\\n")"""


def install() -> None:
    """Replace MiniStack's worker script and what it makes of the script's answer.

    Raises:
        RuntimeError: the script is not the one this was written for.
    """
    script = lambda_runtime._PYTHON_WORKER_SCRIPT  # noqa: SLF001 - nothing public to hold on to
    if script.count(_REPORTS_NO_TYPE) != 1:
        raise RuntimeError(
            "MiniStack's worker script has changed: adapt local/emulator/function_errors.py to it"
        )
    lambda_runtime._PYTHON_WORKER_SCRIPT = script.replace(_REPORTS_NO_TYPE, _REPORTS_TYPE)  # noqa: SLF001
    lambda_svc._execute_function_warm = _with_named_errors(lambda_svc._execute_function_warm)  # noqa: SLF001


def _with_named_errors(execute: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def execute_function(func: dict[str, Any], event: object, request_id: str) -> dict[str, Any]:
        outcome = execute(func, event, request_id)
        body = outcome.get("body")
        if not isinstance(body, dict) or set(body) != {_MARK}:
            return outcome
        error = body[_MARK]
        log = "\n".join(
            filter(None, [outcome.get("log", ""), f"[ERROR] {''.join(error['stackTrace']).rstrip()}"])
        )
        return {"body": {**error, "requestId": request_id}, "error": True, "log": log}

    return execute_function
