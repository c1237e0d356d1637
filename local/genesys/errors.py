"""The platform's refusals, in its ErrorBody shape.

Source: ErrorBody in the public API explorer of developer.genesys.cloud (read 2026-11-21).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

CODE_OF_STATUS = {
    400: "bad.request",
    401: "bad.credentials",
    403: "not.authorized",
    404: "not.found",
    405: "method.not.allowed",
    408: "client.timeout",
    409: "request.conflict",
    413: "request.entity.too.large",
    415: "unsupported.media.type",
    429: "too.many.requests",
    500: "internal.server.error",
    501: "not.implemented",
    503: "service.unavailable",
    504: "request.timeout",
}


@dataclass(eq=False)
class PlatformError(Exception):
    """A refusal with a status, a code and an ErrorBody; `params` fill the braces of the message."""

    status: int
    message: str
    code: str = ""
    params: Mapping[str, str] = field(default_factory=dict)
    limit: Mapping[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def body(self, correlation_id: str) -> dict[str, Any]:
        filled = self.message
        for name, value in self.params.items():
            filled = filled.replace("{" + name + "}", value)
        body: dict[str, Any] = {
            "message": filled,
            "code": self.code or CODE_OF_STATUS.get(self.status, "internal.server.error"),
            "status": self.status,
            "messageParams": dict(self.params),
            "contextId": correlation_id,
            "details": [],
            "errors": [],
        }
        if self.params:
            body["messageWithParams"] = self.message
        if self.limit:
            body["limit"] = dict(self.limit)
        return body


@dataclass(eq=False)
class OAuthError(Exception):
    """A refusal of the token endpoint, which answers in OAuth's own shape (RFC 6749, section 5.2)."""

    status: int
    error: str
    description: str

    def body(self) -> dict[str, Any]:
        return {"error": self.error, "error_description": self.description, "description": self.description}


def refused(field_name: str, expected: str, found: object, code: str = "invalid.value") -> PlatformError:
    return PlatformError(
        400,
        "The value for {field} is not valid: expected {expected}, found {found}",
        code,
        {"field": field_name, "expected": expected, "found": str(found)[:200]},
    )


def not_found(kind: str, entity_id: str, code: str = "not.found") -> PlatformError:
    return PlatformError(404, "No {kind} with id {id}", code, {"kind": kind, "id": entity_id})
