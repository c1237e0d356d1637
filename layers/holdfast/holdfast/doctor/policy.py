"""Evaluate an IAM policy for one access, statement by statement, in three values.

Source: IAM user guide, "Policy evaluation logic" and "IAM JSON policy element reference", read 2026-11-21.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from holdfast.doctor.conditions import (
    ContextValues,
    Truth,
    all_of,
    any_of,
    glob,
    glob_arn,
    holds,
    negated,
    substituted,
)

# Stands at the end of an ARN whose rest is not known.
ANY_REST = "\uffff"
_VERSION_WITH_VARIABLES = "2012-10-17"
_SESSION = re.compile(r"arn:([\w-]+):sts::(\d{12}):assumed-role/([\w+=,.@-]+)/.+")
_ROLE = re.compile(r"arn:[\w-]+:iam::(\d{12}):role/(?:[!-~]+/)?([\w+=,.@-]+)")
_ACCOUNT = re.compile(r"(?:arn:[\w-]+:iam::)?(\d{12})(?::root)?")


class PolicyUnreadable(ValueError):
    """A document is no policy; the message names the element, what was expected and what was found."""


class Effect(StrEnum):
    """What a policy says about an access."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit deny"
    SILENT = "not allowed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Access:
    """Who does what to which resource.

    `action` is like ``s3:PutObject``. `resource` is an ARN, may end in ANY_REST, and is empty if not known;
    so is `principal`: an ARN of a role, session or user, an account, or a service's name. `values` are the
    context keys in lower case: an empty tuple is known to be absent, a missing key is not known.
    """

    action: str
    resource: str = ""
    principal: str = ""
    values: ContextValues = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Condition:
    """One line of a condition block."""

    operator: str
    key: str
    wanted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; `name` is its Sid, or its position."""

    name: str
    position: int
    is_allow: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    # None in a policy that belongs to its principal.
    principals: tuple[tuple[str, str], ...] | None
    conditions: tuple[Condition, ...]
    excludes_actions: bool = False
    excludes_resources: bool = False
    excludes_principals: bool = False
    has_variables: bool = True


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy's statements, in their order."""

    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True)
class Judged:
    """How far one statement applies to an access, element by element."""

    statement: Statement
    principal: Truth
    action: Truth
    resource: Truth
    conditions: tuple[tuple[Condition, Truth], ...]

    @property
    def applies(self) -> Truth:
        return all_of((self.principal, self.action, self.resource, *(truth for _, truth in self.conditions)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the policy says, and which statements decide it, or keep it from being known."""

    effect: Effect
    deciding: tuple[Judged, ...] = ()
    judged: tuple[Judged, ...] = ()


def evaluate(policy: Policy, access: Access) -> Verdict:
    """Evaluate one policy by itself; an explicit deny wins, and what is not known stays unknown."""
    judged = tuple(judge(statement, access) for statement in policy.statements)

    def that(applies: Truth, *, is_allow: bool) -> tuple[Judged, ...]:
        return tuple(one for one in judged if one.statement.is_allow is is_allow and one.applies is applies)

    if denies := that(True, is_allow=False):
        return Verdict(Effect.EXPLICIT_DENY, denies, judged)
    if may_deny := that(None, is_allow=False):
        return Verdict(Effect.UNKNOWN, may_deny, judged)
    if allows := that(True, is_allow=True):
        return Verdict(Effect.ALLOW, allows, judged)
    if may_allow := that(None, is_allow=True):
        return Verdict(Effect.UNKNOWN, may_allow, judged)
    return Verdict(Effect.SILENT, (), judged)


def judge(statement: Statement, access: Access) -> Judged:
    """Hold one statement against an access."""
    values = {"aws:principalarn": _principal_arn(access.principal), **access.values}
    if not values["aws:principalarn"]:
        del values["aws:principalarn"]

    def condition(one: Condition) -> Truth:
        return holds(one.operator, one.key, one.wanted, values, has_variables=statement.has_variables)

    action = any_of(glob(one, access.action, ignore_case=True) for one in statement.actions)
    resource = any_of(_names(one, access, statement) for one in statement.resources)
    return Judged(
        statement,
        _is_meant(statement, access.principal),
        negated(action) if statement.excludes_actions else action,
        negated(resource) if statement.excludes_resources else resource,
        tuple((one, condition(one)) for one in statement.conditions),
    )


def account_of(principal: str) -> str:
    """Read the account's number out of an ARN or a bare number; empty if there is none."""
    found = re.fullmatch(r"(?:arn:[\w-]+:(?:iam|sts)::)?(\d{12})(?::.*)?", principal)
    return found.group(1) if found else ""


def role_of(principal: str) -> str:
    """Give the role's ARN for a role or one of its sessions; a path, which a session hides, is left out."""
    if session := _SESSION.fullmatch(principal):
        return f"arn:{session[1]}:iam::{session[2]}:role/{session[3]}"
    return principal if _ROLE.fullmatch(principal) else ""


def _principal_arn(principal: str) -> tuple[str, ...]:
    arn = role_of(principal) or principal
    return (arn,) if arn.startswith("arn:") else ()


def _names(pattern: str, access: Access, statement: Statement) -> Truth:
    if pattern == "*":
        return True
    known = substituted(pattern, access.values, has_variables=statement.has_variables)
    if known is None or not access.resource:
        return None
    if not access.resource.endswith(ANY_REST):
        return glob_arn(known, access.resource)
    start = access.resource.removesuffix(ANY_REST)
    if known.endswith("*") and glob_arn(known, start):
        return True
    literal = re.split(r"[*?\x00\x01]", known, maxsplit=1)[0]
    is_whole = literal == known
    may_reach = literal.startswith(start) or (start.startswith(literal) and not is_whole)
    return None if may_reach else False


def _is_meant(statement: Statement, principal: str) -> Truth:
    if statement.principals is None:
        return True
    listed = [_is(kind, name, principal) for kind, name in statement.principals]
    if not statement.excludes_principals:
        return any_of(listed)
    if any_of(listed) is False:
        return True
    # To be excluded for certain, a session must be listed with its role and its account; anything less
    # is where even careful readers disagree.
    return False if ("AWS", "*") in statement.principals else None


def _is(kind: str, name: str, principal: str) -> Truth:
    if name == "*" and kind in {"AWS", "*"}:
        return True
    if not principal:
        return None
    if kind == "Service":
        return name == principal
    if kind != "AWS":
        return False if principal.startswith("arn:") or account_of(principal) else None
    if account := _ACCOUNT.fullmatch(name):
        return account.group(1) == account_of(principal)
    if name == principal:
        return True
    ours, theirs = role_of(principal), _ROLE.fullmatch(name)
    if ours and theirs and account_of(ours) == theirs.group(1):
        mine = _ROLE.fullmatch(ours)
        is_same_name = mine is not None and mine.group(2) == theirs.group(2)
        # Sessions do not show their role's path.
        return is_same_name if ours == name or not is_same_name else None if ours != principal else False
    # A unique id (AROA...) stands for a role or user that was deleted or is not told here.
    return None if re.fullmatch(r"A[A-Z0-9]{15,}", name) else False


def read_policy(document: object, where: str) -> Policy:
    """Read a policy document.

    Raises:
        PolicyUnreadable: names the element, what was expected and what was found.
    """
    policy = _expect(document, Mapping, where, "an object with Statement")
    version = policy.get("Version", "2008-10-17")
    statements = policy.get("Statement")
    if isinstance(statements, Mapping):
        statements = [statements]
    statements = _expect(statements, Sequence, f"{where}.Statement", "a list of statements")
    return Policy(
        tuple(
            _statement(one, position, f"{where}.Statement[{position}]", version == _VERSION_WITH_VARIABLES)
            for position, one in enumerate(statements)
        )
    )


def _statement(document: object, position: int, where: str, has_variables: bool) -> Statement:
    one = _expect(document, Mapping, where, "an object")
    effect = one.get("Effect")
    if effect not in {"Allow", "Deny"}:
        raise PolicyUnreadable(f"{where}.Effect: expected Allow or Deny, found {shape(effect)}")
    sid = one.get("Sid")
    is_named = isinstance(sid, str) and re.fullmatch(r"[\w .:-]{1,64}", sid) is not None
    actions, excludes_actions = _either(one, "Action", where)
    if actions is None:
        raise PolicyUnreadable(f"{where}: expected Action or NotAction, found neither")
    # A trust policy has no resource: it is attached to the one it speaks of.
    resources, excludes_resources = _either(one, "Resource", where)
    excludes_principals = "Principal" not in one and "NotPrincipal" in one
    principal = one.get("NotPrincipal" if excludes_principals else "Principal")
    return Statement(
        name=sid if is_named else f"statement {position + 1}",
        position=position,
        is_allow=effect == "Allow",
        actions=actions,
        resources=("*",) if resources is None else resources,
        principals=None if principal is None else _principals(principal, f"{where}.Principal"),
        conditions=_conditions(one.get("Condition", {}), f"{where}.Condition"),
        excludes_actions=excludes_actions,
        excludes_resources=excludes_resources,
        excludes_principals=excludes_principals,
        has_variables=has_variables,
    )


def _either(one: Mapping[str, Any], name: str, where: str) -> tuple[tuple[str, ...] | None, bool]:
    for key, excludes in ((name, False), (f"Not{name}", True)):
        if key in one:
            return _strings(one[key], f"{where}.{key}"), excludes
    return None, False


def _principals(document: object, where: str) -> tuple[tuple[str, str], ...]:
    if document == "*":
        return (("AWS", "*"),)
    kinds = _expect(document, Mapping, where, '"*" or an object')
    return tuple((str(kind), name) for kind, names in kinds.items() for name in _strings(names, where))


def _conditions(document: object, where: str) -> tuple[Condition, ...]:
    block = _expect(document, Mapping, where, "an object")
    return tuple(
        Condition(str(operator), str(key), _strings(wanted, where))
        for operator, lines in block.items()
        for key, wanted in _expect(lines, Mapping, where, "an object per operator").items()
    )


def _strings(document: object, where: str) -> tuple[str, ...]:
    many = document if isinstance(document, list) else [document]
    if not all(isinstance(one, str | bool | int | float) for one in many):
        raise PolicyUnreadable(f"{where}: expected a text or a list of texts, found {shape(document)}")
    return tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in many)


def _expect(document: object, kind: type[Any], where: str, wanted: str) -> Any:
    if not isinstance(document, kind) or isinstance(document, str):
        raise PolicyUnreadable(f"{where}: expected {wanted}, found {shape(document)}")
    return document


def shape(value: object) -> str:
    """Describe a JSON value without repeating it: it may be a secret."""
    if value is None:
        return "nothing"
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
    return next((name for kind, name in names.items() if isinstance(value, kind)), "an object")
