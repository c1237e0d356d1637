"""Explain a refusal: hold it against the rules, in their order, and answer with the first that fits."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from holdfast.doctor import shapes
from holdfast.doctor.conditions import glob
from holdfast.doctor.diagnosis import NOTHING, Finding, FindingKind, diagnose, is_vendor, never_granted
from holdfast.doctor.explanation import Confidence, Explanation, Layer, Origin
from holdfast.doctor.policy import role_of
from holdfast.doctor.refusal import Refusal
from holdfast.doctor.rules import CAUSES, NOT_OURS, NOT_RECOGNISED, OURS, Cause, Shape, Signs
from holdfast.doctor.shapes import TokenAge
from holdfast.doctor.wording import Said, Speaker, read

_SECRETS = re.compile(
    r"(?:AKIA|ASIA)[A-Z0-9]{12,}|eyJ[\w-]{8,}\.[\w.-]+|[\w.+-]+@[\w-]+\.[\w.-]+|\+\d[\d ()-]{7,}\d|"
    r"\b(?=[A-Za-z0-9+=_]*\d)(?=[A-Za-z0-9+=_]*[a-z])(?=[A-Za-z0-9+=_]*[A-Z])[A-Za-z0-9+=_]{32,}"
)
# Whoever's code it is, it is made of words; what is not, may be anything.
_CODE = re.compile(
    r"[a-z]{2,24}(?:[._][a-z]{2,24}){0,7}|(?:KMS\.)?(?:[A-Z][a-z]{1,24}|[A-Z]{2,4}(?=[A-Z]|$)){1,8}|\d{3}"
)
_OURS: Mapping[str, Cause] = {cause.id: cause for cause in OURS}
# As the transport words what the platform answered: method, path, status, code.
_PLATFORM_SAID = re.compile(r"[A-Z]+ /\S*: (\d{3}) ([a-z]+(?:\.[a-z]+)+)")
# Errors of ours that carry the words of AWS.
_QUOTING = frozenset({"AwsRefused", "ObjectUnreadable", "ClientError"})


class _Case:
    """A refusal with all that the rules ask of it."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        self.said: Said = read(refusal)

    @cached_property
    def finding(self) -> Finding:
        return diagnose(self.refusal, self.said)

    def shows(self, shape: Shape) -> bool:
        return _SHAPES[shape](self)

    def fits(self, signs: Signs) -> bool:
        said = self.said
        return all(
            (
                not signs.said_by or said.speaker in signs.said_by,
                not signs.statuses or said.status in signs.statuses,
                not signs.codes
                or any(glob(code, said.code, ignore_case=True) for code in signs.codes.split()),
                not signs.denied_by or said.denial.kind in signs.denied_by,
                not signs.action
                or (bool(said.denial.action) and glob(signs.action, said.denial.action, ignore_case=True)),
                not signs.words or re.search(signs.words, said.text) is not None,
                all(self.shows(shape) for shape in signs.shapes),
                not signs.findings or self.finding.kind in signs.findings,
                not signs.errors,
            )
        )


# Codes that tell no more than the status does.
_SAYS_NOTHING = frozenset({"", "forbidden", "error"})


def _is_bare(case: _Case) -> bool:
    """Tell whether AWS said no and nothing more."""
    said = case.said
    is_denied = said.code.lower().startswith(("accessdenied", "allaccessdisabled", "forbidden")) or (
        not said.code and (said.status == 403 or "access denied" in said.text)
    )
    return said.speaker is not Speaker.GENESYS and said.denial.kind is None and is_denied


def _says_nothing(case: _Case) -> bool:
    said = case.said
    return said.code.lower() in _SAYS_NOTHING and said.denial.kind is None and said.status in {None, 403}


_SHAPES: Mapping[Shape, Callable[[_Case], bool]] = {
    Shape.PRESIGNED: lambda case: case.said.is_presigned,
    Shape.HOLD_FLAG: lambda case: bool(shapes.hold_flags(case.refusal.context.request)),
    Shape.MANIFEST_FAULT: lambda case: bool(shapes.manifest_faults(case.refusal.context.request)),
    Shape.HOLD_FAULT: lambda case: bool(shapes.hold_faults(case.refusal.context.request)),
    Shape.PLACES_HOLD: lambda case: shapes.places_hold(case.refusal.context.request)
    or "legalhold" in case.said.operation.lower(),
    Shape.UNDOCUMENTED_PATH: lambda case: bool(
        re.search(r"bulkexport|compliance/legalholds|recordings/jobs", case.refusal.context.request.path)
    ),
    Shape.TOKEN_EXPIRED: lambda case: shapes.token_age(case.refusal.context) is TokenAge.EXPIRED,
    Shape.TOKEN_PAST_HALF: lambda case: shapes.token_age(case.refusal.context) is TokenAge.PAST_HALF,
    Shape.BY_VENDOR: lambda case: is_vendor(case.refusal, case.said),
    Shape.QUOTED: lambda case: case.said.is_quoted,
    Shape.BARE: _is_bare,
    Shape.NO_CODE: _says_nothing,
    Shape.EXPLICIT: lambda case: case.said.denial.is_explicit,
}  # fmt: skip


def explain(refusal: Refusal) -> Explanation:
    """Say who refused, on what evidence, and what to do; what cannot be told is "unknown"."""
    case = _Case(refusal)
    cause = next((one for one in CAUSES if any(map(case.fits, one.signs))), NOT_RECOGNISED)
    return _explanation(cause, case)


def explain_error(error: str, message: str) -> Explanation:
    """Explain what a workflow of ours ended with: the error's class name and its text."""
    if quoted := _quoted(error, message):
        told = explain(quoted)
        if told.layer is not Layer.UNKNOWN and told.confidence is not Confidence.LOW:
            return told
    cause = _OURS.get(error, NOT_OURS)
    permissions = (
        re.findall(r"\b[a-z]\w+:\w+:[\w*]+", message) if cause.layer is Layer.GENESYS_PERMISSION else []
    )
    evidence = tuple(f"missing: {name}" for name in dict.fromkeys(permissions))
    return _shown(
        Explanation(cause.layer, cause.id, cause.title, evidence, tuple(cause.remedy), cause.confidence)
    )


def _quoted(error: str, message: str) -> Refusal | None:
    """Give the refusal that an error of ours repeats, if it repeats one."""
    if error == "PlatformRejected":
        found = _PLATFORM_SAID.search(message)
        return found and Refusal("genesys", int(found[1]), body={"code": found[2]})
    return Refusal(body=message) if error in _QUOTING or error not in _OURS else None


def _explanation(cause: Cause, case: _Case) -> Explanation:
    finding = case.finding if _is_used(cause, case) else NOTHING
    confidence = cause.confidence
    if finding.is_presumed and confidence is Confidence.HIGH and not case.said.denial.kind:
        confidence = Confidence.MEDIUM
    refused_for_good = cause.layer in _GRANTING and never_granted(case.refusal, case.said)
    # A statement that was found makes it needless to ask for its policy.
    is_found = finding.mend or finding.kind is FindingKind.BUCKET_DENIES
    asked = finding.collect if is_found else (*finding.collect, *cause.collect)
    return _shown(
        Explanation(
            layer=cause.layer,
            cause=cause.id,
            title=cause.title,
            evidence=tuple(dict.fromkeys([*_evidence(case, cause), *finding.evidence])),
            remedy=(refused_for_good,) if refused_for_good else finding.remedy or tuple(cause.remedy),
            confidence=confidence,
            collect_next=tuple(dict.fromkeys(asked)),
        )
    )


# Layers whose remedy is to grant something.
_GRANTING = frozenset({Layer.BUCKET_POLICY, Layer.IAM_IDENTITY, Layer.INTEGRATION_ROLE})


def _is_used(cause: Cause, case: _Case) -> bool:
    """Tell whether the policies have a part in the answer."""
    layers = {
        Layer.BUCKET_POLICY, Layer.INTEGRATION_ROLE, Layer.IAM_IDENTITY, Layer.TENANT_MISMATCH, Layer.KMS,
    }  # fmt: skip
    is_denial = case.said.denial.kind is not None or any(signs.findings for signs in cause.signs)
    return (cause.layer in layers and is_denial) or cause.id in {
        "denied_without_reason",
        "bucket_policy_in_words",
    }


def _evidence(case: _Case, cause: Cause) -> Iterator[str]:
    """Give what the answer stands on: codes, actions, names of policies and fields, never a free text."""
    said = case.said
    if said.speaker is not Speaker.NOBODY:
        yield f"{_SPOKEN[said.speaker]} says it" + (", quoted by the platform" if said.is_quoted else "")
    code = said.code if _CODE.fullmatch(said.code) else ""
    if said.status or code:
        yield " ".join(["answer:", *(str(one) for one in (said.status, code) if one)])
    denial = said.denial
    if denial.action:
        role = role_of(denial.principal)
        yield f"denied: {denial.action}" + (f", to {role}" if role else "")
    if denial.kind:
        how = "by an explicit deny in" if denial.is_explicit else "because nothing allows it in"
        yield f"refused {how}: {denial.kind}"
    yield from _EVIDENCE.get(cause.layer, _nothing)(case)
    if said.correlation:
        yield f"correlation id: {said.correlation}"


def _nothing(_: _Case) -> Iterator[str]:
    return iter(())


def _of_permission(case: _Case) -> Iterator[str]:
    yield from (f"missing: {name}" for name in case.said.permissions)


def _of_request(case: _Case) -> Iterator[str]:
    request = case.refusal.context.request
    yield from (f"the export request carries {flag}" for flag in shapes.hold_flags(request))
    faults = (*shapes.manifest_faults(request), *shapes.hold_faults(request))
    yield from (f"in the request, {fault}" for fault in faults)


def _of_token(case: _Case) -> Iterator[str]:
    context = case.refusal.context
    told = (("age", context.token_age_s), ("life", context.expires_in_s))
    times = ", ".join(f"{name} {time_s:g} s" for name, time_s in told if time_s is not None)
    if times:
        yield f"the token: {shapes.token_age(context)}; {times}"


def _of_presigned(case: _Case) -> Iterator[str]:
    if case.said.is_presigned:
        yield "the request is presigned"


def _of_rate(case: _Case) -> Iterator[str]:
    wait_s = case.refusal.headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,6}", wait_s):
        yield f"Retry-After: {wait_s} s"


_SPOKEN: Mapping[Speaker, str] = {
    Speaker.GENESYS: "the platform",
    Speaker.S3: "S3",
    Speaker.KMS: "KMS",
    Speaker.STS: "STS",
    Speaker.AWS: "an AWS service",
}
# What besides belongs to the answer of a layer.
_EVIDENCE: Mapping[Layer | Origin, Callable[[_Case], Iterator[str]]] = {
    Layer.GENESYS_PERMISSION: _of_permission,
    Layer.REQUEST_SCHEMA: _of_request,
    Layer.OAUTH_TOKEN: _of_token,
    Layer.PRESIGNED_URL: _of_presigned,
    Layer.RATE_LIMIT: _of_rate,
}


def _shown(explanation: Explanation) -> Explanation:
    """Strike out what looks like a secret or a person; nothing should, for no free text comes this far."""

    def clean(lines: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_SECRETS.sub("[redacted]", line) for line in lines)

    return replace(
        explanation,
        evidence=clean(explanation.evidence),
        remedy=clean(explanation.remedy),
        collect_next=clean(explanation.collect_next),
    )
