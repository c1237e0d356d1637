"""Evaluate the conditions of a policy statement, in three values: true, false, not known.

Source: IAM user guide, "IAM JSON policy elements: Condition operators" and "Single-valued vs. multivalued
context keys", read 2026-11-21.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from ipaddress import ip_address, ip_network

type Truth = bool | None

# A context key's values; () is known to be absent, and a key that is not in here at all is not known.
type ContextValues = Mapping[str, tuple[str, ...]]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_ANYTHING, _ANY_ONE = "\x00", "\x01"


@dataclass(frozen=True, slots=True)
class Operator:
    """One comparison: does a context value match any of the policy's? `is_negated` turns the answer."""

    matches: Callable[[str, str], Truth]
    is_negated: bool = False
    is_glob: bool = False


def all_of(truths: Iterable[Truth]) -> Truth:
    """Kleene's and: one false is enough, and one unknown keeps it from being true."""
    seen = list(truths)
    return False if False in seen else None if None in seen else True


def any_of(truths: Iterable[Truth]) -> Truth:
    """Kleene's or."""
    seen = list(truths)
    return True if True in seen else None if None in seen else False


def negated(truth: Truth) -> Truth:
    """Kleene's not."""
    return None if truth is None else not truth


def glob(pattern: str, text: str, *, ignore_case: bool = False) -> bool:
    """Match `*` and `?` over the whole text; nothing else has a meaning."""
    return _expression(pattern, ignore_case=ignore_case).fullmatch(text) is not None


@lru_cache(maxsize=1024)  # a check asks the same few policies about many actions
def _expression(pattern: str, *, ignore_case: bool) -> re.Pattern[str]:
    parts = {"*": ".*", "?": ".", _ANYTHING: r"\*", _ANY_ONE: r"\?"}
    expression = "".join(parts.get(letter) or re.escape(letter) for letter in pattern)
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def glob_arn(pattern: str, arn: str) -> bool:
    """Match an ARN segment by segment: a wildcard does not reach over the first five colons."""
    if pattern == "*":
        return True
    wanted, found = pattern.split(":", 5), arn.split(":", 5)
    return len(wanted) == len(found) == 6 and all(map(glob, wanted, found))


def substituted(pattern: str, values: ContextValues, *, has_variables: bool) -> str | None:
    """Put values in the place of policy variables; None if one of them is not known.

    Source: IAM user guide, "IAM policy elements: Variables and tags", read 2026-11-21.
    """
    if not has_variables or "${" not in pattern:
        return pattern
    is_known = True

    def value_of(found: re.Match[str]) -> str:
        nonlocal is_known
        name, _, default = found.group(1).partition(",")
        if name.strip() in {"*", "?", "$"}:
            return {"*": _ANYTHING, "?": _ANY_ONE, "$": "$"}[name.strip()]
        value = values.get(name.strip().lower())
        if value == () and default.strip():
            return _literal(default.strip().strip("'"))
        if value is None or len(value) != 1:
            is_known = False
            return ""
        return _literal(value[0])

    text = _VARIABLE.sub(value_of, pattern)
    return text if is_known else None


def _literal(value: str) -> str:
    return value.replace("*", _ANYTHING).replace("?", _ANY_ONE)


def holds(
    operator: str, key: str, wanted: Sequence[str], values: ContextValues, *, has_variables: bool
) -> Truth:
    """Tell whether one condition, such as ``StringEquals, aws:SourceVpc, [vpc-1]``, holds."""
    quantifier, _, name = operator.rpartition(":")
    quantifier = quantifier.lower()
    name = name.lower()
    may_be_absent = name.endswith("ifexists")
    name = name.removesuffix("ifexists")
    found = values.get(key.lower())
    if name == "null":
        return None if found is None or len(wanted) != 1 else (wanted[0].lower() == "true") == (found == ())
    comparison = OPERATORS.get(name)
    if comparison is None or quantifier not in {"", "foranyvalue", "forallvalues"} or found is None:
        return None
    if found == ():
        if quantifier:
            return may_be_absent or quantifier == "forallvalues"
        return may_be_absent or comparison.is_negated
    patterns = [substituted(one, values, has_variables=has_variables) for one in wanted]
    answers = [_compare(comparison, patterns, value) for value in found]
    if quantifier == "forallvalues":
        return all_of(answers)
    if quantifier == "foranyvalue":
        return any_of(answers)
    return answers[0] if len(answers) == 1 else None


def _compare(operator: Operator, patterns: Sequence[str | None], value: str) -> Truth:
    answer = any_of(
        None if one is None else operator.matches(_plain(operator, one), value) for one in patterns
    )
    return negated(answer) if operator.is_negated else answer


def _plain(operator: Operator, pattern: str) -> str:
    return pattern if operator.is_glob else pattern.replace(_ANYTHING, "*").replace(_ANY_ONE, "?")


def _in_network(wanted: str, found: str) -> Truth:
    try:
        address, network = ip_address(found), ip_network(wanted, strict=False)
    except ValueError:
        return None
    return address.version == network.version and address in network


def _numbers(compare: Callable[[float, float], bool]) -> Callable[[str, str], Truth]:
    def matches(wanted: str, found: str) -> Truth:
        try:
            return compare(float(found), float(wanted))
        except ValueError:
            return None

    return matches


def _dates(compare: Callable[[datetime, datetime], bool]) -> Callable[[str, str], Truth]:
    def matches(wanted: str, found: str) -> Truth:
        try:
            return compare(_moment(found), _moment(wanted))
        except (ValueError, OverflowError, OSError):
            return None

    return matches


def _moment(text: str) -> datetime:
    if re.fullmatch(r"\d{5,}(\.\d+)?", text):
        return datetime.fromtimestamp(float(text), UTC)
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


_TEXT = Operator(lambda wanted, found: wanted == found)
_CASELESS = Operator(lambda wanted, found: wanted.lower() == found.lower())
_LIKE = Operator(glob, is_glob=True)
_ARN = Operator(glob_arn, is_glob=True)
_ADDRESS = Operator(_in_network)


def _not(operator: Operator) -> Operator:
    return Operator(operator.matches, is_negated=True, is_glob=operator.is_glob)


_ORDER: Mapping[str, Callable[[float, float], bool]] = {
    "equals": lambda one, other: one == other,
    "lessthan": lambda one, other: one < other,
    "lessthanequals": lambda one, other: one <= other,
    "greaterthan": lambda one, other: one > other,
    "greaterthanequals": lambda one, other: one >= other,
}
_TIME: Mapping[str, Callable[[datetime, datetime], bool]] = {
    "equals": lambda one, other: one == other,
    "lessthan": lambda one, other: one < other,
    "lessthanequals": lambda one, other: one <= other,
    "greaterthan": lambda one, other: one > other,
    "greaterthanequals": lambda one, other: one >= other,
}
# BinaryEquals is missing on purpose: what is not in here answers "not known".
OPERATORS: Mapping[str, Operator] = {
    "stringequals": _TEXT,
    "stringnotequals": _not(_TEXT),
    "stringequalsignorecase": _CASELESS,
    "stringnotequalsignorecase": _not(_CASELESS),
    "stringlike": _LIKE,
    "stringnotlike": _not(_LIKE),
    "arnequals": _ARN,
    "arnlike": _ARN,
    "arnnotequals": _not(_ARN),
    "arnnotlike": _not(_ARN),
    "bool": _CASELESS,
    "ipaddress": _ADDRESS,
    "notipaddress": _not(_ADDRESS),
    **{f"numeric{name}": Operator(_numbers(compare)) for name, compare in _ORDER.items()},
    "numericnotequals": _not(Operator(_numbers(_ORDER["equals"]))),
    **{f"date{name}": Operator(_dates(compare)) for name, compare in _TIME.items()},
    "datenotequals": _not(Operator(_dates(_TIME["equals"]))),
}
