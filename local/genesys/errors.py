"""The platform's refusals, in its ErrorBody shape.

Source: ErrorBody in the public API explorer of developer.genesys.cloud (read 2026-11-21).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
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

    @property
    def filled(self) -> str:
        filled = self.message
        for name, value in self.params.items():
            filled = filled.replace("{" + name + "}", value)
        return filled

    def body(self, correlation_id: str) -> dict[str, Any]:
        body: dict[str, Any] = {
            "message": self.filled,
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


class ComplianceError(PlatformError):
    """A refusal that has the other dialect's shape wherever it is met."""

    def body(self, correlation_id: str) -> dict[str, Any]:  # noqa: ARG002 -- that shape has no place for it
        return compliance_body(self)


def compliance_body(error: PlatformError) -> dict[str, Any]:
    """The shape of the compliance dialect's errors."""
    phrase = HTTPStatus(error.status).phrase if error.status in set(HTTPStatus) else "Error"
    return {"error_code": str(error.status), "message": phrase, "details": error.filled}


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
