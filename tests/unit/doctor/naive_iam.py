"""A second evaluator of policies, as plain as can be: every value is known, and nothing is unknown.

It shares no line with the doctor's, so that a mistake in the one is no mistake in the other.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address, ip_network
from typing import Any

type Given = Mapping[str, Sequence[str]]


def wild(pattern: str, text: str) -> bool:
    """Match by recursion over the letters."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return any(wild(pattern[1:], text[at:]) for at in range(len(text) + 1))
    return bool(text) and pattern[0] in {"?", text[0]} and wild(pattern[1:], text[1:])


def wild_arn(pattern: str, arn: str) -> bool:
    parts, others = pattern.split(":", 5), arn.split(":", 5)
    if pattern == "*":
        return True
    return len(parts) == len(others) == 6 and all(wild(*pair) for pair in zip(parts, others, strict=True))


def many(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]


def compares(kind: str, wanted: str, found: str) -> bool:
    if kind.startswith("Arn"):
        return wild_arn(wanted, found)
    if kind == "StringLike":
        return wild(wanted, found)
    if kind in {"StringEqualsIgnoreCase", "Bool"}:
        return wanted.casefold() == found.casefold()
    if kind == "IpAddress":
        return ip_address(found) in ip_network(wanted, strict=False)
    if kind.startswith(("Numeric", "Date")):
        read = float if kind.startswith("Numeric") else datetime.fromisoformat
        left, right = read(found), read(wanted)
        if kind.endswith("LessThan"):
            return left < right  # type: ignore[operator]
        if kind.endswith("GreaterThanEquals"):
            return left >= right  # type: ignore[operator]
        return left == right
    return wanted == found


def condition_holds(operator: str, key: str, wanted: list[str], given: Given) -> bool:
    values = list(given.get(key.lower(), ()))
    if operator == "Null":
        return (wanted == ["true"]) == (not values)
    quantifier, _, name = operator.rpartition(":")
    if name.endswith("IfExists"):
        name = name.removesuffix("IfExists")
        if not values:
            return True
    is_negated = "Not" in name
    kind = name.replace("Not", "")

    def one(value: str) -> bool:
        return any(compares(kind, pattern, value) for pattern in wanted) is not is_negated

    if quantifier == "ForAllValues":
        return all(map(one, values))
    if quantifier == "ForAnyValue":
        return any(map(one, values))
    return one(values[0]) if values else is_negated


def principal_is(name: str, principal: str) -> bool:
    account = principal.split(":")[4]
    return name in {"*", principal, account, f"arn:aws:iam::{account}:root"}


def concerns(statement: Mapping[str, Any], action: str, resource: str, principal: str, given: Given) -> bool:
    actions = many(statement.get("Action", statement.get("NotAction")))
    is_action = any(wild(one.lower(), action.lower()) for one in actions)
    resources = many(statement.get("Resource", statement.get("NotResource")))
    is_resource = any(wild_arn(one, resource) for one in resources)
    is_principal = True
    if "Principal" in statement:
        listed = statement["Principal"]
        names = ["*"] if listed == "*" else many(listed.get("AWS", []))
        is_principal = any(principal_is(name, principal) for name in names)
    return (
        is_principal
        and is_action is ("Action" in statement)
        and is_resource is ("Resource" in statement)
        and all(
            condition_holds(operator, key, many(wanted), given)
            for operator, lines in statement.get("Condition", {}).items()
            for key, wanted in lines.items()
        )
    )


def verdict(policy: Mapping[str, Any], action: str, resource: str, principal: str, given: Given) -> str:
    effects = [
        statement["Effect"]
        for statement in policy["Statement"]
        if concerns(statement, action, resource, principal, given)
    ]
    return "explicit deny" if "Deny" in effects else "allow" if effects else "not allowed"
