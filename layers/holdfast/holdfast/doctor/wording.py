"""Read what a refusal says: who speaks, in which code, about which action, and which policy said no.

A platform that writes through AWS quotes it; what S3, STS or KMS say through it is not the platform's word.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree as ET  # nosec B405 - see where it parses

from holdfast.doctor.refusal import Refusal


class Speaker(StrEnum):
    """Whose no it is."""

    GENESYS = "genesys"
    S3 = "s3"
    KMS = "kms"
    STS = "sts"
    AWS = "another AWS service"
    NOBODY = "unknown"


class PolicyKind(StrEnum):
    """The kinds of policy that AWS names in its denials.

    Source: IAM user guide, "Troubleshoot access denied error messages", read 2026-11-21.
    """

    IDENTITY = "identity-based policy"
    RESOURCE = "resource-based policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    ENDPOINT = "VPC endpoint policy"
    SERVICE_CONTROL = "service control policy"
    RESOURCE_CONTROL = "resource control policy"
    TRUST = "role trust policy"


@dataclass(frozen=True, slots=True)
class Denial:
    """One denial in AWS's words; `kind` is None where AWS does not say which policy it was."""

    action: str = ""
    resource: str = ""
    principal: str = ""
    kind: PolicyKind | None = None
    is_explicit: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """What a refusal says. `text` is for recognition alone and never shown."""

    speaker: Speaker
    is_quoted: bool
    status: int | None
    code: str
    text: str
    operation: str
    denial: Denial
    permissions: tuple[str, ...]
    is_presigned: bool
    correlation: str = ""


# Characters; no error is longer, and patterns take time.
MAX_TEXT = 8_192
# What the vendor's body says besides the error: it repeats the request, and names things.
_ECHOES = frozenset(
    {
        "recordingjobsquery", "conversationquery", "query", "request", "user", "selfuri", "entityid",
        "entityname", "contextid", "requestid", "hostid", "conversation", "recording", "integration",
    }
)  # fmt: skip
_CODE_FIELDS = ("code", "errorCode", "error_code", "error", "Code", "__type")
_GENESYS_FIELDS = frozenset({"contextId", "messageWithParams", "messageParams", "errorMessage", "error_code"})

_ARN = r"arn:[\w-]+:[\w-]+:[\w-]*:\d*:[^\s\"'<>,;()]+"
_DENIED = re.compile(
    rf"(?:user:?\s+(?P<principal>{_ARN}|anonymous)\s+)?is not authorized to perform:?\s*"
    r"(?P<action>[a-z0-9-]{2,30}:[a-z]{3,60})"
    rf"(?:\s+on (?:the )?resource:?\s+\"?(?P<resource>{_ARN}|\*))?",
    re.IGNORECASE,
)
_KINDS: Sequence[tuple[str, PolicyKind]] = (
    (r"identity[- ]based polic(?:y|ies)", PolicyKind.IDENTITY),
    (r"resource[- ]based polic(?:y|ies)|bucket policy", PolicyKind.RESOURCE),
    (r"permissions? boundar(?:y|ies)(?: policy)?", PolicyKind.BOUNDARY),
    (r"session polic(?:y|ies)", PolicyKind.SESSION),
    (r"(?:vpc )?endpoint polic(?:y|ies)", PolicyKind.ENDPOINT),
    (r"service control polic(?:y|ies)|scps?\b", PolicyKind.SERVICE_CONTROL),
    (r"resource control polic(?:y|ies)|rcps?\b", PolicyKind.RESOURCE_CONTROL),
    (r"(?:role )?trust polic(?:y|ies)", PolicyKind.TRUST),
)
_EXPLICIT = r"explicit(?:ly)? den(?:y|ied)[\w ]{0,20}? in (?:an? |the )?"
_IMPLICIT = r"because no "
_CALLED = re.compile(r"an error occurred \(([\w.]+)\) when calling the (\w+) operation", re.IGNORECASE)
_OPERATION = re.compile(r"[A-Z][A-Za-z]{2,60}\d?")
_JAVA = re.compile(
    r"\(service: (?:amazon ?)?(\w+)[;,] status code: (\d{3})(?:[;,] error code: ([\w.]+))?", re.IGNORECASE
)
_JAVA_SERVICES: Mapping[str, Speaker] = {
    "s3": Speaker.S3, "awskms": Speaker.KMS, "kms": Speaker.KMS, "sts": Speaker.STS,
    "awssecuritytokenservice": Speaker.STS, "securitytokenservice": Speaker.STS,
}  # fmt: skip
# Codes of AWS are one word in capitals; the vendor's have dots and no capitals.
_AWS_CODE = re.compile(
    r"\b((?:KMS\.)?(?:AccessDenied(?:Exception)?|AllAccessDisabled|SignatureDoesNotMatch|InvalidAccessKeyId|"
    r"ExpiredToken(?:Exception)?|InvalidToken|InvalidClientTokenId|UnrecognizedClientException|"
    r"RequestTimeTooSkewed|NoSuch[A-Z]\w+|SlowDown|Throttling(?:Exception)?|RequestLimitExceeded|"
    r"ObjectLockConfigurationNotFoundError|InvalidObjectState|PermanentRedirect|MethodNotAllowed|"
    r"AuthorizationHeaderMalformed|AuthorizationQueryParametersError|MalformedXML|InvalidTag|"
    r"KMSInvalidStateException|DisabledException|NotFoundException|InvalidBucketState|"
    r"AccessControlListNotSupported))\b"
)
_OF_AWS = (
    (
        Speaker.KMS,
        re.compile(
            r"\bkms[:. ]|\bkms\b.{0,60}(?:denied|disabled|authorized|not found)|customer master key|\bcmk\b",
            re.IGNORECASE | re.DOTALL,
        ),
    ),
    (Speaker.STS, re.compile(r"\bsts[:. ]|assume ?role|external ?id|security token included", re.IGNORECASE)),
    (Speaker.S3, re.compile(r"\bs3\b|\bbuckets?\b|x-amz-|amazonaws|object lock|pre-?signed", re.IGNORECASE)),
)
_DENIES = re.compile(
    r"access ?denied|not authorized to perform|could not assume|unable to assume|failed to assume|"
    r"cannot assume|signature|explicit deny|request has expired|no such bucket|does not exist|slow ?down",
    re.IGNORECASE,
)
_PERMISSION = re.compile(r"\b[a-z][A-Za-z]+(?::[A-Za-z]+)?:[a-z*][A-Za-z*]+\b")
_PRESIGNED = re.compile(
    r"x-amz-(?:signature|expires|algorithm|credential)=|[?&]signature=.*expires=|awsaccesskeyid=",
    re.IGNORECASE,
)


def read(refusal: Refusal) -> Said:
    """Read a refusal's words; nothing is judged here."""
    body = refusal.body[:MAX_TEXT] if isinstance(refusal.body, str) else refusal.body
    fields = _fields(body)
    texts = _texts(body) if isinstance(body, Mapping) else _from_xml(body)
    text = "\n".join(one[:MAX_TEXT] for one in texts)[:MAX_TEXT]
    code, operation, status = _code(fields), str(fields.get("OperationName") or ""), refusal.http_status
    code = code or _code_in_headers(refusal.headers)
    called, java = _CALLED.search(text), _JAVA.search(text)
    is_vendor_code = "." in code or not code or code.isdigit()
    if called:
        operation = operation or called.group(2)
    if called and is_vendor_code:
        code = called.group(1)
    elif java and java.group(3) and is_vendor_code:
        code = java.group(3)
    elif refusal.source != "genesys" and not code and (found := _AWS_CODE.search(text)):
        code = found.group(1)
    denial = _denial(text)
    speaker = _speaker(refusal, fields, code, text, denial=denial, java=java.group(1).lower() if java else "")
    if refusal.source == "genesys" and speaker is not Speaker.GENESYS and is_vendor_code:
        found = _AWS_CODE.search(text)
        code = found.group(1) if found and not (called or (java and java.group(3))) else code
    return Said(
        speaker=speaker,
        is_quoted=refusal.source == "genesys" and speaker is not Speaker.GENESYS,
        status=status if status is not None else _status(fields),
        code=code,
        text=text.lower(),
        operation=next(filter(_OPERATION.fullmatch, (operation, refusal.context.request.operation)), ""),
        denial=denial,
        permissions=_permissions(refusal.body, text) if speaker is Speaker.GENESYS else (),
        is_presigned=_is_presigned(refusal, text),
        correlation=_correlation(refusal, fields),
    )


def _fields(body: Mapping[str, Any] | str) -> Mapping[str, Any]:
    if isinstance(body, Mapping):
        # botocore's own form wraps the error.
        inner = body.get("Error")
        return {**body, **inner} if isinstance(inner, Mapping) else body
    return dict(_xml(body))


def _xml(body: str) -> Iterator[tuple[str, str]]:
    # Neither S3 nor STS sends a document type; without one there are no entities to expand.
    if "<" not in body or "<!" in body:
        return
    start = body.find("<")
    try:
        root = ET.fromstring(body[start:])  # nosec B314 # noqa: S314 - no document type, no entities
    except ET.ParseError:
        for name in ("Code", "Message", "RequestId"):
            if found := re.search(rf"<{name}>([^<]*)</{name}>", body):
                yield name, found.group(1)
        return
    for element in root.iter():
        if element.text and element.text.strip():
            yield element.tag.rpartition("}")[2], element.text.strip()


def _from_xml(body: str) -> Iterator[str]:
    """Give the texts of an XML error, or the body itself if it is none."""
    elements = list(_xml(body))
    if not elements:
        yield body
    for name, text in elements:
        if name.lower() not in _ECHOES:
            yield text


def _texts(body: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Give what the body says in words, whatever the vendor calls the field."""
    for name, value in body.items():
        if str(name).lower() in _ECHOES or depth > 6:
            continue
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, str):
                yield one
                if one.lstrip()[:1] == "<":
                    yield from _from_xml(one)
            elif isinstance(one, Mapping):
                yield from _texts(one, depth + 1)


def _code(fields: Mapping[str, Any]) -> str:
    for name in _CODE_FIELDS:
        value = fields.get(name)
        if isinstance(value, str) and not value.isdigit():
            code = value.rpartition("#")[2].strip()
            if re.fullmatch(r"[A-Za-z][\w.:-]{1,79}", code):
                return code.partition(":")[0]
    inner = [
        one for name in ("errors", "details") if isinstance(fields.get(name), list) for one in fields[name]
    ]
    # One level: the vendor's errors do not nest deeper, and a hostile document may.
    plain = ({**one, "errors": None, "details": None} for one in inner if isinstance(one, Mapping))
    return next(filter(None, map(_code, plain)), "")


def _code_in_headers(headers: Mapping[str, str]) -> str:
    """Read the code where a refusal has no body: AWS's error type, or OAuth's challenge (RFC 6750)."""
    challenge = re.search(r'\berror="?([a-z_]{3,40})', headers.get("www-authenticate", ""))
    told = headers.get("x-amzn-errortype", "") or headers.get("x-amz-error-code", "")
    named = re.match(r"[A-Za-z][\w.]{1,79}", told)
    return named.group() if named else challenge.group(1) if challenge else ""


def _status(fields: Mapping[str, Any]) -> int | None:
    for name in ("status", "statusCode", "error_code", "code"):
        value = fields.get(name)
        if re.fullmatch(r"[1-5]\d\d", str(value)):
            return int(str(value))
    return None


def _denial(text: str) -> Denial:
    words = re.sub(r"\s+", " ", text)
    found = _DENIED.search(words)
    kind, is_explicit = None, False
    for pattern, one in _KINDS:
        if re.search(_EXPLICIT + f"(?:{pattern})", words, re.IGNORECASE):
            kind, is_explicit = one, True
            break
        if re.search(_IMPLICIT + f"(?:{pattern})", words, re.IGNORECASE):
            kind = one
            break
    is_explicit = is_explicit or "explicit deny" in words.lower()
    if not found:
        return Denial(kind=kind, is_explicit=is_explicit)
    return Denial(
        action=found["action"],
        resource=(found["resource"] or "").rstrip("."),
        principal=found["principal"] or "",
        kind=kind,
        is_explicit=is_explicit,
    )


def _speaker(
    refusal: Refusal, fields: Mapping[str, Any], code: str, text: str, *, denial: Denial, java: str
) -> Speaker:
    if service := denial.action.partition(":")[0].lower():
        return {"s3": Speaker.S3, "kms": Speaker.KMS, "sts": Speaker.STS}.get(service, Speaker.AWS)
    if code.startswith("KMS"):
        return Speaker.KMS
    if java in _JAVA_SERVICES:
        return _JAVA_SERVICES[java]
    is_genesys_code = bool(re.fullmatch(r"[a-z]+(?:\.[a-z]+)+", code))
    is_specific = is_genesys_code and code not in {"bad.request", "internal.server.error"}
    if is_specific and refusal.source in {"genesys", ""}:
        return Speaker.GENESYS
    if refusal.source == "genesys" and (quoted := _quoted(code, text)):
        return quoted
    if refusal.source == "genesys" or is_genesys_code or _GENESYS_FIELDS & fields.keys():
        return Speaker.GENESYS
    if refusal.source:
        return Speaker(refusal.source)
    if quoted := _quoted(code, text):
        return quoted
    return Speaker.AWS if _AWS_CODE.fullmatch(code) else Speaker.NOBODY


def _quoted(code: str, text: str) -> Speaker | None:
    """Tell which service of AWS is quoted, if one is."""
    if not (_AWS_CODE.search(text) or _AWS_CODE.fullmatch(code) or _DENIES.search(text)):
        return None
    named = next((speaker for speaker, sign in _OF_AWS if sign.search(text)), None)
    return named or (Speaker.AWS if _AWS_CODE.search(text) else None)


def _permissions(body: Mapping[str, Any] | str, text: str) -> tuple[str, ...]:
    params = body.get("messageParams") if isinstance(body, Mapping) else None
    words = " ".join([text, *map(str, params.values())]) if isinstance(params, Mapping) else text
    found = (name for name in _PERMISSION.findall(words) if not name.startswith(("http:", "arn:")))
    return tuple(dict.fromkeys(name for name in found if len(name) <= 80))[:10]


def _is_presigned(refusal: Refusal, text: str) -> bool:
    path = refusal.context.request.path
    query = {name.lower() for name in parse_qs(urlsplit(path).query, keep_blank_values=True)}
    return bool(query & {"x-amz-signature", "signature", "awsaccesskeyid"} or _PRESIGNED.search(text))


def _correlation(refusal: Refusal, fields: Mapping[str, Any]) -> str:
    """Give the id the vendor's support asks for, if it has the form of one."""
    headers = refusal.headers
    for value in (
        headers.get("inin-correlation-id"), fields.get("contextId"), headers.get("x-amz-request-id"),
        headers.get("x-amzn-requestid"), fields.get("RequestId"),
    ):  # fmt: skip
        if isinstance(value, str) and re.fullmatch(
            r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-Z]{16}", value
        ):
            return value
    return ""
