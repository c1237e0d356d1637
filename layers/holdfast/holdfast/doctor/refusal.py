"""A refusal as it was met: who answered what, and what is known around it."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.doctor.policy import PolicyUnreadable, read_policy, shape

SOURCES = ("genesys", "s3", "kms", "sts")


class RefusalUnreadable(ValueError):
    """The document cannot be read; the message names the field, what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked: an HTTP request, or an operation of an AWS service with its parameters."""

    method: str = ""
    path: str = ""
    body: object = None
    operation: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Context:
    """What is known around a refusal.

    `token_age_s` and `expires_in_s` are seconds: the token's age, and its life as the token endpoint told it.
    `role_policy` is the caller's identity policy; where STS refused, the role's trust policy.
    """

    token_age_s: float | None = None
    expires_in_s: float | None = None
    bucket_policy: Mapping[str, Any] | None = None
    role_policy: Mapping[str, Any] | None = None
    role_arn: str = ""
    genesys_org_id: str = ""
    request: Request = field(default_factory=Request)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A refusal; `body` is an object, or text: JSON, XML, or plain words."""

    source: str = ""
    http_status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | str = ""
    context: Context = field(default_factory=Context)
    # Fields of the document that nobody reads: most often a slip of the pen.
    ignored: tuple[str, ...] = ()


def read_refusal(document: object) -> Refusal:
    """Read the document that `holdfast doctor explain` takes; every field may be missing or null.

    Raises:
        RefusalUnreadable: names the field, what was expected and what was found.
    """
    top = _Fields(document, "")
    context = _Fields(top.take("context", Mapping, "an object") or {}, "context.")
    request = _Fields(context.take("request", Mapping, "an object") or {}, "context.request.")
    source = top.text("source")
    if source and source not in SOURCES:
        raise RefusalUnreadable(f"source: expected one of {', '.join(SOURCES)}, found another word")
    headers = top.take("headers", Mapping, "an object of texts") or {}
    return Refusal(
        source=source,
        http_status=top.status("http_status"),
        headers={str(name).lower(): str(value) for name, value in headers.items()},
        body=top.body("body"),
        context=Context(
            token_age_s=context.seconds("token_age_s"),
            expires_in_s=context.seconds("expires_in_s"),
            bucket_policy=context.policy("bucket_policy"),
            role_policy=context.policy("role_policy"),
            role_arn=context.text("role_arn"),
            genesys_org_id=context.text("genesys_org_id"),
            request=Request(
                method=request.text("method").upper(),
                path=request.text("path"),
                body=_parsed(request.take("body", object, "anything")),
                operation=request.text("operation"),
                params=request.take("params", Mapping, "an object") or {},
            ),
        ),
        ignored=(*top.unread(), *context.unread(), *request.unread()),
    )


class _Fields:
    """The fields of one object, taken one by one."""

    def __init__(self, document: object, prefix: str) -> None:
        if not isinstance(document, Mapping):
            raise RefusalUnreadable(f"the document: expected an object, found {shape(document)}")
        self._document = document
        self._prefix = prefix
        self._taken: set[str] = set()

    def take(self, name: str, kind: Any, wanted: str) -> Any:
        self._taken.add(name)
        value = self._document.get(name)
        if value is not None and not isinstance(value, kind):
            raise self.fault(name, wanted, value)
        return value

    def fault(self, name: str, wanted: str, value: object) -> RefusalUnreadable:
        return RefusalUnreadable(f"{self._prefix}{name}: expected {wanted}, found {shape(value)}")

    def text(self, name: str) -> str:
        return self.take(name, str, "a text") or ""

    def seconds(self, name: str) -> float | None:
        value: float | None = self.take(name, int | float, "a number of seconds")
        if isinstance(value, bool):
            raise self.fault(name, "a number of seconds", value)
        return value

    def status(self, name: str) -> int | None:
        value = self.take(name, int | str, "an HTTP status from 100 to 599")
        if value is None:
            return None
        if isinstance(value, bool) or not re.fullmatch(r"[1-5]\d\d", str(value)):
            raise self.fault(name, "an HTTP status from 100 to 599", value)
        return int(value)

    def body(self, name: str) -> Mapping[str, Any] | str:
        value = _parsed(self.take(name, str | Mapping, "an object or a text"))
        return value if isinstance(value, str | Mapping) else "" if value is None else str(value)

    def policy(self, name: str) -> Mapping[str, Any] | None:
        value = self.take(name, str | Mapping, "a policy, as an object or as JSON text")
        if value is None or value == "":
            return None
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                wanted = "a policy, as an object or as JSON text"
                raise RefusalUnreadable(
                    f"{self._prefix}{name}: expected {wanted}, found a text that is not JSON"
                ) from None
        # `aws s3api get-bucket-policy` wraps the policy, as text, into an object.
        if isinstance(value, Mapping) and "Statement" not in value and "Policy" in value:
            value = _parsed(value["Policy"])
        try:
            read_policy(value, self._prefix + name)
        except PolicyUnreadable as unreadable:
            raise RefusalUnreadable(str(unreadable)) from None
        return value  # type: ignore[no-any-return]  # read_policy has seen that it is an object

    def unread(self) -> Sequence[str]:
        names = [str(name) for name in self._document if name not in self._taken]
        return [f"{self._prefix}{name}" for name in names if re.fullmatch(r"[A-Za-z][\w-]{0,39}", name)]


def _parsed(value: object) -> object:
    """Read a text as JSON if it is an object or a list; else leave it."""
    if isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
