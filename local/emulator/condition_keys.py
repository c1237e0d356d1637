"""The condition keys of IAM that the stack's policies use and the emulator does not resolve.

Without them a conditional Allow never applies. TLS is among them: the emulator speaks plain HTTP on loopback,
and the "TLS only" statements would refuse every call; its loopback is taken for the TLS that AWS has.
"""

import json
import re
from typing import Any

from ministack import app as gateway
from ministack.core import iam_actions, iam_evaluator

_LEGAL_HOLD = re.compile(rb"<Status>\s*(ON|OFF)\s*</Status>")
_SESSION = re.compile(r"arn:aws:sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.+")


def install() -> None:
    """Say of every request that it came over TLS, and resolve the keys that lie in a request's body."""

    def pin_as_secure(source_ip: str, secure_transport: bool) -> None:  # noqa: ARG001 - MiniStack's signature
        iam_evaluator._request_origin.set((source_ip, True))  # noqa: SLF001

    gateway.pin_request_origin = pin_as_secure

    resolve = iam_evaluator._resolve_condition_key  # noqa: SLF001

    def resolve_role(key: str, context: Any) -> Any:
        value = resolve(key, context)
        return _role_of_session(value) if key.lower() == "aws:principalarn" else value

    iam_evaluator._resolve_condition_key = resolve_role  # noqa: SLF001

    of_tags = iam_actions.request_tag_context

    def of_body(service: str, action: str, body: bytes, parameters: Any) -> dict[str, Any]:
        return {**of_tags(service, action, body, parameters), **keys_of_body(service, action, body)}

    iam_actions.request_tag_context = of_body


def _role_of_session(arn: Any) -> Any:
    """Name the role, as AWS does, where the emulator names the role's session."""
    session = _SESSION.fullmatch(arn) if isinstance(arn, str) else None
    return f"arn:aws:iam::{session['account']}:role/{session['role']}" if session else arn


def keys_of_body(service: str, action: str, body: bytes) -> dict[str, Any]:
    """Resolve the keys, in lower case as the evaluator looks them up."""
    if action == "s3:PutObjectLegalHold":
        status = _LEGAL_HOLD.search(body or b"")
        return {"s3:object-lock-legal-hold": status[1].decode()} if status else {}
    if service not in {"kms", "dynamodb"}:
        return {}
    try:
        document = json.loads(body or b"{}")
    except ValueError:
        return {}
    if service == "kms":
        context = document.get("EncryptionContext") or {}
        return {f"kms:encryptioncontext:{name.lower()}": value for name, value in context.items()}
    keys = [document.get(part, {}).get("pk", {}).get("S") for part in ("Key", "Item")]
    keys.append(document.get("ExpressionAttributeValues", {}).get(":pk", {}).get("S"))  # of a query
    return {"dynamodb:leadingkeys": [key for key in keys if key]}
