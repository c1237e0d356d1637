"""Recognise what is wrong with a request by its shape, and with a token by its age."""

import json
import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from holdfast.doctor.refusal import Context, Request

# Less than this is left only of a token that is about to end: no client may ask for a shorter life.
SHORTEST_LIFE_S = 300
_HOLD_FLAGS = frozenset(
    {"legal_hold", "legalhold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalreferenceid"}
)
_HOLD_PATHS = re.compile(r"legalholds|deletionprotection", re.IGNORECASE)
_DIGITAL = frozenset({"chat", "email", "message", "sms", "webchat", "digital", "webmessaging", "byoc"})


class TokenAge(StrEnum):
    """How much of its life a token has behind it."""

    EXPIRED = "expired"
    PAST_HALF = "past half its life"
    YOUNG = "in the first half of its life"
    UNKNOWN = "not told"


def token_age(context: Context) -> TokenAge:
    """Judge a token's age; `expires_in_s` is its whole life, or what is left of it: both read the same.

    A token older than `expires_in_s` has expired (whole life) or is past half (what is left): suspect in
    either case.
    """
    age_s, life_s = context.token_age_s, context.expires_in_s
    if life_s is not None and life_s <= 0:
        return TokenAge.EXPIRED
    if age_s is None:
        return TokenAge.PAST_HALF if life_s is not None and life_s < SHORTEST_LIFE_S else TokenAge.UNKNOWN
    if life_s is None:
        # The longest life that a client may have.
        return TokenAge.EXPIRED if age_s > 48 * 3600 else TokenAge.UNKNOWN
    if age_s >= life_s:
        return TokenAge.EXPIRED
    return TokenAge.PAST_HALF if age_s >= life_s / 2 else TokenAge.YOUNG


def hold_flags(request: Request) -> tuple[str, ...]:
    """Name the hold flags in an export request: in its path, its query, or anywhere in its body."""
    if _HOLD_PATHS.search(urlsplit(request.path).path) or request.operation:
        return ()
    names = [name for name, _ in _members(request.body)]
    names += [name for name, _ in parse_qsl(urlsplit(request.path).query, keep_blank_values=True)]
    names += list(request.params)
    return tuple(dict.fromkeys(name.lower() for name in names if name.lower() in _HOLD_FLAGS))


def manifest_faults(request: Request) -> tuple[str, ...]:
    """Name what the dialect `compliance` asks of an export request and does not find."""
    if "bulkexport" not in request.path.lower() or not isinstance(request.body, Mapping):
        return ()
    members = {name.lower(): value for name, value in _members(request.body)}
    faults = []
    if members.get("manifest_version") != "v2":
        faults.append("manifest_version is not v2")
    if members.get("include_participant_id") is False:
        faults.append("include_participant_id is false")
    if members.get("include_metadata") is True and _is_digital(request.body):
        faults.append("include_metadata is true for a digital channel")
    return tuple(faults)


def hold_faults(request: Request) -> tuple[str, ...]:
    """Name what a request to place a hold in the dialect `compliance` lacks."""
    if "legalholds" not in request.path.lower() or not isinstance(request.body, Mapping):
        return ()
    members = {name.lower(): value for name, value in _members(request.body)}
    reference = members.get("externalreferenceid")
    faults = []
    if members.get("legal_hold_acknowledgement") is not True:
        faults.append("legal_hold_acknowledgement is not true")
    if reference is not None and not (
        isinstance(reference, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{1,62}[A-Za-z0-9]", reference)
    ):
        faults.append("externalReferenceId is not 3 to 64 letters, digits and hyphens")
    return tuple(faults)


def places_hold(request: Request) -> bool:
    """Tell whether a request places or lifts a hold, at the platform or in S3."""
    return bool(_HOLD_PATHS.search(request.path) or re.search(r"LegalHold|Retention", request.operation))


def _is_digital(body: Mapping[str, Any]) -> bool:
    return bool(_DIGITAL & set(re.findall(r"[a-z]+", json.dumps(body, default=str).lower())))


def _members(document: object) -> Iterator[tuple[str, object]]:
    """Give every field of a document, however deep."""
    waiting = [document]
    while waiting:
        one = waiting.pop()
        if isinstance(one, Mapping):
            yield from ((str(name), value) for name, value in one.items())
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
