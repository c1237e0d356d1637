"""Find the policy, and the statement in it, that refused an access, and the smallest change that mends it."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from holdfast.doctor.policy import (
    ANY_REST,
    Access,
    Effect,
    Judged,
    Policy,
    Verdict,
    account_of,
    evaluate,
    read_policy,
    role_of,
)
from holdfast.doctor.refusal import Context, Refusal
from holdfast.doctor.wording import PolicyKind, Said, Speaker

# The accounts the vendor works from. Source: Genesys Cloud Resource Center, "Create IAM resources for AWS S3
# bucket", and public Terraform modules for it (FedRAMP), read 2026-11-21.
VENDOR_ACCOUNTS = ("765628985471", "325654371633")
# What the vendor's role needs, and no more.
VENDOR_ACTIONS = ("s3:PutObject", "s3:PutObjectAcl", "s3:GetBucketLocation", "s3:GetEncryptionConfiguration")
# An address that belongs to nobody (RFC 5737): the vendor's are not known, and in nobody's list.
_SOMEWHERE = "192.0.2.1"
_NOT_IN_A_VPC = ("aws:sourcevpc", "aws:sourcevpce", "aws:vpcsourceip")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
_TELLING_VALUE = re.compile(
    r"(?:vpce?-[0-9a-f]{1,17}|[\d.]{7,15}(?:/\d{1,2})?|[0-9a-f:]{3,39}/\d{1,3}|true|false|ON|OFF|aws:kms|"
    r"AES256|\d{12}|o-[a-z0-9]{10,32}|arn:[\w-]+:(?:iam|s3|kms|ec2):[\w-]*:\d*:[\w+=,.@*/:-]{1,200}|"
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12})"
)
_OPERATIONS: Mapping[str, tuple[str, str]] = {
    # operation: action, and the action where the request names a version.
    "GetObject": ("s3:GetObject", "s3:GetObjectVersion"),
    "HeadObject": ("s3:GetObject", "s3:GetObjectVersion"),
    "DeleteObject": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "DeleteObjects": ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    "PutObjectTagging": ("s3:PutObjectTagging", "s3:PutObjectVersionTagging"),
    "GetObjectTagging": ("s3:GetObjectTagging", "s3:GetObjectVersionTagging"),
    "DeleteObjectTagging": ("s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging"),
    "CreateMultipartUpload": ("s3:PutObject", "s3:PutObject"),
    "UploadPart": ("s3:PutObject", "s3:PutObject"),
    "CompleteMultipartUpload": ("s3:PutObject", "s3:PutObject"),
    "CopyObject": ("s3:PutObject", "s3:PutObject"),
    "ListObjects": ("s3:ListBucket", "s3:ListBucket"),
    "ListObjectsV2": ("s3:ListBucket", "s3:ListBucket"),
    "HeadBucket": ("s3:ListBucket", "s3:ListBucket"),
    "ListObjectVersions": ("s3:ListBucketVersions", "s3:ListBucketVersions"),
    "GetBucketEncryption": ("s3:GetEncryptionConfiguration", "s3:GetEncryptionConfiguration"),
    "GetObjectLockConfiguration": ("s3:GetBucketObjectLockConfiguration",) * 2,
    "PutObjectLockConfiguration": ("s3:PutBucketObjectLockConfiguration",) * 2,
}
_SUBRESOURCES: Mapping[str, str] = {
    "legal-hold": "ObjectLegalHold",
    "retention": "ObjectRetention",
    "tagging": "ObjectTagging",
    "acl": "ObjectAcl",
    "object-lock": "ObjectLockConfiguration",
    "policy": "BucketPolicy",
}
# What a PutObject needs besides, by the parameters it carries.
_BESIDES: Mapping[str, str] = {
    "Tagging": "s3:PutObjectTagging",
    "ObjectLockLegalHoldStatus": "s3:PutObjectLegalHold",
    "ObjectLockMode": "s3:PutObjectRetention",
    "ACL": "s3:PutObjectAcl",
}
# Which parameter is which condition key; absent where the parameters are known and it is not among them.
_PARAMETERS: Mapping[str, str] = {
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSEKMSKeyId": "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "ACL": "s3:x-amz-acl",
    "StorageClass": "s3:x-amz-storage-class",
    "ObjectLockLegalHoldStatus": "s3:object-lock-legal-hold",
    "LegalHold.Status": "s3:object-lock-legal-hold",
    "ObjectLockMode": "s3:object-lock-mode",
    "Retention.Mode": "s3:object-lock-mode",
    "VersionId": "s3:versionid",
    "Prefix": "s3:prefix",
    "ExternalId": "sts:externalid",
    "RoleSessionName": "sts:rolesessionname",
}


class FindingKind(StrEnum):
    """What the policies that were given show."""

    BUCKET_DENIES = "the bucket's policy denies it"
    BUCKET_ALLOWS_OTHERS = "the bucket's policy allows it to others, or otherwise"
    ROLE_DENIES = "the role's policy denies it"
    ROLE_LACKS = "the role's policy does not allow it"
    TRUST_REFUSES = "the role's trust policy does not let the caller in"
    OTHER_TENANT = "a policy names another organisation"
    NOT_KNOWABLE = "whether a statement applies cannot be known"
    ALL_ALLOW = "the policies that were given allow it"
    NOTHING_GIVEN = "no policy was given"


@dataclass(frozen=True, slots=True)
class Mend:
    """One changed statement: in the place of `position`, or a new one; `says` shows the change alone."""

    position: int | None
    statement: Mapping[str, Any]
    says: str


@dataclass(frozen=True, slots=True)
class Finding:
    """Which policy it was; `is_presumed` where something was taken for granted that nobody told."""

    kind: FindingKind
    evidence: tuple[str, ...] = ()
    remedy: tuple[str, ...] = ()
    collect: Sequence[str] = ()
    mend: Mend | None = None
    is_presumed: bool = False


NOTHING = Finding(FindingKind.NOTHING_GIVEN)


def is_vendor(refusal: Refusal, said: Said) -> bool:
    """Tell whether the caller is the role that the vendor assumes, or the vendor itself."""
    if refusal.source == "genesys":
        return True
    who = said.denial.principal or refusal.context.role_arn
    if not who:
        return refusal.source == "sts" and bool(refusal.context.genesys_org_id)
    name = (role_of(who) or who).rpartition("role/")[2]
    return account_of(who) in VENDOR_ACCOUNTS or bool(re.search(r"genesys|purecloud", name, re.IGNORECASE))


def diagnose(refusal: Refusal, said: Said) -> Finding:
    """Evaluate the policies of the context for what was asked."""
    context = refusal.context
    role = read_policy(context.role_policy, "role_policy") if context.role_policy else None
    if said.speaker is Speaker.STS or said.denial.action.lower().startswith("sts:"):
        return _trust(refusal, said, role) if role and _is_trust(role) else NOTHING
    if role and _is_trust(role):
        # It says who may become the role, and nothing of what the role may do.
        role = None
    bucket = read_policy(context.bucket_policy, "bucket_policy") if context.bucket_policy else None
    kind = said.denial.kind
    if kind is PolicyKind.RESOURCE:
        role = None
    elif kind is PolicyKind.IDENTITY:
        bucket = None
    elif kind is not None:
        # A policy that was not given said no.
        return NOTHING
    if not (role or bucket):
        return NOTHING
    findings = [_judge(refusal, said, action, role, bucket) for action in _actions(refusal, said)]
    return next((one for one in findings if one.kind is not FindingKind.ALL_ALLOW), findings[0])


def never_granted(refusal: Refusal, said: Said) -> str:
    """Say why an access is refused for good, whatever the policies say: evidence is kept."""
    for action in _actions(refusal, said):
        if re.match(r"s3:(?:Delete|BypassGovernance)", action, re.IGNORECASE):
            return "leave it: nobody deletes evidence, and nothing of Holdfast needs to"
        is_hold = action.lower() == "s3:putobjectlegalhold"
        if is_hold and dict(_values(refusal.context, action)).get("s3:object-lock-legal-hold") == ("OFF",):
            return "leave it: only the release may lift a hold"
    return ""


def _judge(refusal: Refusal, said: Said, action: str, role: Policy | None, bucket: Policy | None) -> Finding:
    vendor = is_vendor(refusal, said)
    if not action.startswith("s3:"):
        bucket = None
    access = _access(refusal, said, action, vendor)
    of_bucket, bucket_presumed = _evaluate(bucket, access, vendor)
    of_role, role_presumed = _evaluate(role, access, vendor)
    org = refusal.context.genesys_org_id
    if of_bucket and of_bucket.effect is Effect.EXPLICIT_DENY:
        deciding = of_bucket.deciding[0]
        kind = FindingKind.OTHER_TENANT if _names_other(deciding, org) else FindingKind.BUCKET_DENIES
        mend = _without_deny(deciding, access, refusal.context.bucket_policy)
        return Finding(
            kind,
            (
                f"bucket policy, {_shown(deciding)}: denies {action} to {_who(access, vendor)}",
                *_why(deciding),
            ),
            _advice(deciding, mend, vendor=vendor),
            bucket_presumed,
            mend,
            bool(bucket_presumed),
        )
    if of_role and of_role.effect is Effect.EXPLICIT_DENY:
        deciding = of_role.deciding[0]
        return Finding(
            FindingKind.ROLE_DENIES,
            (f"role policy, {_shown(deciding)}: denies {action}", *_why(deciding)),
            (f"narrow {_shown(deciding)} of the role's policy: no longer {action} on {_on(access)}",),
            role_presumed,
            is_presumed=bool(role_presumed),
        )
    if of_role and of_role.effect is Effect.SILENT:
        # Within one account the bucket's permission would do: then the role must be of another.
        is_foreign = of_bucket is not None and of_bucket.effect is Effect.ALLOW
        mend = _with_allow(action, access, None)
        near = _nearest(of_role)
        return Finding(
            FindingKind.OTHER_TENANT if near and _names_other(near, org) else FindingKind.ROLE_LACKS,
            (f"no statement of the role's policy allows {action} on {_on(access)}", *_almost(near)),
            (f"add to the role's policy: {mend.says}",),
            (*role_presumed, *(("the bucket's policy: it may refuse too",) if of_bucket is None else ())),
            mend,
            bool(role_presumed) or is_foreign,
        )
    unknown = [one for one in (of_bucket, of_role) if one and one.effect is Effect.UNKNOWN]
    if unknown:
        blocking = [one for verdict in unknown for one in verdict.deciding]
        other = next((one for one in blocking if _names_other(one, org)), None)
        return Finding(
            FindingKind.OTHER_TENANT if other else FindingKind.NOT_KNOWABLE,
            tuple(f"{_shown(one)}: whether it applies is not known" for one in blocking),
            (),
            tuple(dict.fromkeys(line for one in blocking for line in _missing(one))),
            is_presumed=True,
        )
    if of_bucket and of_bucket.effect is Effect.SILENT and (near := _nearest(of_bucket)):
        mend = _with_allow(action, access, access.principal)
        return Finding(
            FindingKind.OTHER_TENANT if _names_other(near, org) else FindingKind.BUCKET_ALLOWS_OTHERS,
            (
                f"no statement of the bucket's policy allows {action} to {_who(access, vendor)}",
                *_almost(near),
            ),
            (f"add to the bucket's policy: {mend.says}",),
            () if of_role else ("the role's own policy",),
            mend,
            is_presumed=True,
        )
    if of_role is None or (of_bucket is None and action.startswith("s3:")):
        missing = "the role's own policy" if of_role is None else "the bucket's policy"
        return Finding(FindingKind.ALL_ALLOW, (f"the policy that was given allows {action}",), (), (missing,))
    return Finding(FindingKind.ALL_ALLOW, (f"role policy and bucket policy allow {action}",))


def _evaluate(policy: Policy | None, access: Access, vendor: bool) -> tuple[Verdict | None, Sequence[str]]:
    """Evaluate with what is known; then with what may be presumed. Tells what would make that needless."""
    if policy is None:
        return None, ()
    certain = evaluate(policy, access)
    if certain.effect is not Effect.UNKNOWN:
        return certain, ()
    presumed: dict[str, tuple[str, ...]] = dict.fromkeys(_NOT_IN_A_VPC, ())
    presumed["aws:securetransport"] = ("true",)
    if vendor:
        presumed["aws:sourceip"] = (_SOMEWHERE,)
    values = {**presumed, **access.values}
    missing = tuple(dict.fromkeys(line for one in certain.deciding for line in _missing(one)))
    return evaluate(policy, Access(access.action, access.resource, access.principal, values)), missing


# --- the trust policy --------------------------------------------------------------------------------------


def _is_trust(policy: Policy) -> bool:
    """Tell a role's trust policy from what the role may do: only the former names principals."""
    return any(statement.principals is not None for statement in policy.statements)


def _trust(refusal: Refusal, said: Said, policy: Policy) -> Finding:
    context = refusal.context
    org = context.genesys_org_id
    caller = said.denial.principal
    vendor = not caller or account_of(caller) in VENDOR_ACCOUNTS
    principal = caller or f"arn:aws:iam::{VENDOR_ACCOUNTS[0]}:root"
    values = dict(_values(context, "sts:AssumeRole"))
    if vendor and org and not values.get("sts:externalid"):
        values["sts:externalid"] = (org,)
    action = said.denial.action or "sts:AssumeRole"
    access = Access(action, context.role_arn or "", principal, values)
    verdict = evaluate(policy, access)
    sent = context.request.params.get("ExternalId")
    if org and isinstance(sent, str) and sent != org:
        return Finding(
            FindingKind.OTHER_TENANT,
            ("the ExternalId that was sent is not the organisation's id",),
            ("let the integration of this organisation assume the role; its id is the ExternalId",),
        )
    if verdict.effect is Effect.ALLOW:
        return Finding(
            FindingKind.ALL_ALLOW,
            (f"trust policy, {_shown(verdict.deciding[0])}: lets the caller in",),
            (),
            ("the caller's own policy for sts:AssumeRole", "organisation policies of both accounts"),
        )
    if verdict.effect is Effect.UNKNOWN:
        return Finding(
            FindingKind.NOT_KNOWABLE,
            tuple(
                f"trust policy, {_shown(one)}: whether it applies is not known" for one in verdict.deciding
            ),
            (),
            tuple(dict.fromkeys(line for one in verdict.deciding for line in _missing(one))),
        )
    deciding = verdict.deciding[0] if verdict.deciding else _nearest(verdict)
    failed = _failing(deciding) if deciding and deciding.statement.is_allow else []
    keys = {key for key, _ in failed}
    if deciding and not deciding.statement.is_allow:
        keys = {one.key.lower() for one, _ in deciding.conditions}
    is_other = bool(deciding) and bool(org) and keys == {"sts:externalid"}
    mend = _let_in(deciding, principal, org, is_other=is_other)
    return Finding(
        FindingKind.OTHER_TENANT if is_other else FindingKind.TRUST_REFUSES,
        (f"no statement of the trust policy lets {_account(principal)} assume the role", *_almost(deciding))
        if verdict.effect is Effect.SILENT
        else (f"trust policy, {_shown(verdict.deciding[0])}: denies it", *_why(verdict.deciding[0])),
        (mend.says,),
        mend=mend,
    )


def _let_in(near: Judged | None, principal: str, org: str, *, is_other: bool) -> Mend:
    condition = {"StringEquals": {"sts:ExternalId": org if _UUID.fullmatch(org) else "THE-ORGANISATION-ID"}}
    root = f"arn:aws:iam::{account_of(principal)}:root"
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": root},
        "Action": "sts:AssumeRole",
        "Condition": condition,
    }
    if is_other and near:
        return Mend(
            near.statement.position,
            statement,
            f"in the trust policy, {_shown(near)}: make the condition {json.dumps(condition)}",
        )
    return Mend(None, statement, f"add to the trust policy: {json.dumps(statement)}")


# --- what was asked ----------------------------------------------------------------------------------------


def _actions(refusal: Refusal, said: Said) -> Sequence[str]:
    if said.denial.action:
        return (said.denial.action,)
    params, operation = refusal.context.request.params, said.operation
    if not operation:
        method = refusal.context.request.method
        if said.is_quoted or method not in {"GET", "HEAD", "DELETE", "PUT", "POST"}:
            tries_all = is_vendor(refusal, said) and refusal.context.role_policy
            return VENDOR_ACTIONS if tries_all else ("s3:PutObject",)
        operation = _operation(method, refusal.context.request.path)
    service = {Speaker.KMS: "kms", Speaker.STS: "sts"}.get(said.speaker, "s3")
    plain, of_version = _OPERATIONS.get(operation, (f"{service}:{operation}",) * 2)
    has_version = params.get("VersionId") or "versionId=" in refusal.context.request.path
    actions = [of_version if has_version else plain]
    if plain == "s3:PutObject":
        actions += [action for parameter, action in _BESIDES.items() if params.get(parameter)]
    return actions


def _operation(method: str, path: str) -> str:
    """Tell S3's operation by the method and the subresource that a path names."""
    query = parse_qs(urlsplit(path).query, keep_blank_values=True)
    what = next((name for part, name in _SUBRESOURCES.items() if part in query), "Object")
    return {"GET": "Get", "HEAD": "Head", "DELETE": "Delete"}.get(method, "Put") + what


def _access(refusal: Refusal, said: Said, action: str, vendor: bool) -> Access:
    context = refusal.context
    values = dict(_values(context, action))
    if refusal.source == "genesys":
        # The vendor writes from outside of every VPC of yours, and by TLS alone.
        values = {**dict.fromkeys(_NOT_IN_A_VPC, ()), "aws:securetransport": ("true",), **values}
    principal = said.denial.principal or context.role_arn
    if account := account_of(principal):
        values.setdefault("aws:principalaccount", (account,))
    return Access(action, _resource(refusal, said, action, vendor), principal, values)


def _values(context: Context, action: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the condition keys that follow from the request's parameters."""
    params = context.request.params
    yield "aws:principalisawsservice", ("false",)
    if not params:
        return
    if action.startswith("s3:"):
        yield from ((key, ()) for key in _PARAMETERS.values() if key.startswith("s3:"))
    for parameter, key in _PARAMETERS.items():
        outer, _, inner = parameter.partition(".")
        value = params.get(outer)
        value = value.get(inner) if inner and isinstance(value, Mapping) else value
        if isinstance(value, str | int):
            yield key, (str(value),)
    tags = dict(_tags(params.get("Tagging")))
    yield from ((f"s3:requestobjecttag/{key}".lower(), (value,)) for key, value in tags.items())
    if tags:
        yield "s3:requestobjecttagkeys", tuple(tags)
    encryption = params.get("EncryptionContext")
    for key, value in encryption.items() if isinstance(encryption, Mapping) else ():
        yield f"kms:encryptioncontext:{key}".lower(), (str(value),)
    yield from _named(params)


def _named(params: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Give the condition keys that are told by their own names."""
    for name, value in params.items():
        if re.fullmatch(r"(?:aws|s3|kms|sts):[\w:/-]+", str(name)):
            yield name.lower(), tuple(map(str, value)) if isinstance(value, list) else (str(value),)


def _tags(tagging: object) -> Iterator[tuple[str, str]]:
    if isinstance(tagging, str):
        yield from parse_qsl(tagging, keep_blank_values=True)
    elif isinstance(tagging, Mapping):
        for tag in tagging.get("TagSet") or ():
            if isinstance(tag, Mapping):
                yield str(tag.get("Key")), str(tag.get("Value"))


def _resource(refusal: Refusal, said: Said, action: str, vendor: bool) -> str:
    """Build the ARN of what was asked for, as far as it is known."""
    if said.denial.resource and said.denial.resource != "*":
        return said.denial.resource
    context = refusal.context
    params = context.request.params
    if not action.startswith("s3:"):
        key = params.get("KeyId")
        return key if isinstance(key, str) and key.startswith("arn:") else ""
    bucket, key = params.get("Bucket"), params.get("Key")
    arn = f"arn:aws:s3:::{bucket}" if isinstance(bucket, str) else _bucket_in(context)
    if not arn:
        return ""
    if re.search(r"Bucket|EncryptionConfiguration|LifecycleConfiguration|Replication", action):
        return arn
    if isinstance(key, str) and key:
        return f"{arn}/{key}"
    # The vendor's keys begin with the organisation's id.
    return (
        f"{arn}/{context.genesys_org_id}/{ANY_REST}"
        if vendor and context.genesys_org_id
        else f"{arn}/{ANY_REST}"
    )


def _bucket_in(context: Context) -> str:
    """Find the one bucket that the policies speak of."""
    for policy in (context.bucket_policy, context.role_policy):
        found = re.findall(r'"(arn:[\w-]+:s3:::[a-z0-9.-]+)(?:/[^"]*)?"', json.dumps(policy))
        if len(set(found)) == 1:
            return str(found[0])
    return ""


# --- words -------------------------------------------------------------------------------------------------


def _shown(judged: Judged) -> str:
    statement = judged.statement
    position = f"statement {statement.position + 1}"
    return position if statement.name == position else f"{position} ({statement.name})"


def _who(access: Access, vendor: bool) -> str:
    return _role(access) or ("the vendor's role" if vendor else "the caller")


def _role(access: Access) -> str:
    return role_of(access.principal)


def _account(principal: str) -> str:
    number = account_of(principal)
    return f"the vendor's account {number}" if number in VENDOR_ACCOUNTS else f"account {number}"


def _on(access: Access) -> str:
    """Show a resource without the object's key, which may name a person."""
    return _scope_of(access) or "the resource"


def _scope_of(access: Access) -> str:
    if found := re.fullmatch(r"(arn:[\w-]+:s3:::[a-z0-9.-]+)(/.*)?", access.resource, re.DOTALL):
        return found[1] + ("/*" if found[2] else "")
    known = re.fullmatch(r"arn:[\w-]+:kms:[\w-]+:\d{12}:(?:key|alias)/[\w/-]+", access.resource)
    return access.resource if known else ""


def _why(judged: Judged) -> tuple[str, ...]:
    lines = (_condition(one.operator, one.key, one.wanted) for one, _ in judged.conditions)
    return tuple(f"its condition: {line}" for line in lines)


def _condition(operator: str, key: str, wanted: Iterable[str]) -> str:
    shown = [one if _TELLING_VALUE.fullmatch(one) else "..." for one in wanted]
    name = key if re.fullmatch(r"[\w:/-]{1,80}", key) else "..."
    return f"{operator} {name} {', '.join(shown[:5])}"


def _failing(judged: Judged) -> list[tuple[str, str]]:
    """Name the elements that keep a statement from applying, each with what it says."""
    failed = []
    if judged.principal is False:
        failed.append(("principal", "it names another principal"))
    if judged.action is False:
        failed.append(("action", "it names other actions"))
    if judged.resource is False:
        failed.append(("resource", "it names another resource"))
    failed += [
        (one.key.lower(), f"its condition does not hold: {_condition(one.operator, one.key, one.wanted)}")
        for one, truth in judged.conditions
        if truth is False
    ]
    return failed


def _nearest(verdict: Verdict) -> Judged | None:
    """Find the allowing statement that comes closest: on this action, or for this very principal."""
    allowing = [one for one in verdict.judged if one.statement.is_allow and _concerns(one)]
    return min(allowing, key=lambda one: len(_failing(one)), default=None)


def _concerns(judged: Judged) -> bool:
    named = judged.statement.principals or (("AWS", "*"),)
    return judged.action is not False or (judged.principal is True and ("AWS", "*") not in named)


def _almost(near: Judged | None) -> tuple[str, ...]:
    return tuple(f"{_shown(near)} comes closest, but {why}" for _, why in _failing(near)) if near else ()


def _missing(judged: Judged) -> Iterator[str]:
    if judged.principal is None:
        yield "who called: the role's ARN (context.role_arn)"
    if judged.resource is None:
        yield "what was asked for: bucket and key (context.request.params)"
    for one, truth in judged.conditions:
        if truth is None:
            name = one.key if re.fullmatch(r"[\w:/-]{1,80}", one.key) else "a condition key"
            yield f"the value of {name} in the request, as CloudTrail shows it; {_shown(judged)} asks for it"


def _names_other(judged: Judged, org: str) -> bool:
    """Tell whether a statement speaks of an organisation other than ours."""
    if not org or not _UUID.fullmatch(org):
        return False
    statement = judged.statement
    values = [
        value for one, _ in judged.conditions for value in one.wanted if "kms:key" not in one.key.lower()
    ]
    if judged.resource is not True:
        values += [one for one in statement.resources if ":s3:::" in one]
    ids = {found.lower() for value in values if ":key/" not in value for found in _UUID.findall(value)}
    return bool(ids) and org.lower() not in ids


# --- mending -----------------------------------------------------------------------------------------------


def _with_allow(action: str, access: Access, principal: str | None) -> Mend:
    """Allow this one action, on this bucket or key, to this one role."""
    statement: dict[str, Any] = {"Effect": "Allow"}
    if principal is not None:
        statement["Principal"] = {"AWS": role_of(principal) or "THE-ROLE-ARN"}
    statement |= {"Action": action, "Resource": _scope_of(access) or "THE-RESOURCE-ARN"}
    if action.lower() == "s3:putobjectlegalhold":
        statement["Condition"] = {"StringEquals": {"s3:object-lock-legal-hold": "ON"}}
    return Mend(None, statement, json.dumps(statement))


def _without_deny(deciding: Judged, access: Access, document: Mapping[str, Any] | None) -> Mend | None:
    """Exempt this one role from a denial; everybody else stays denied."""
    role = _role(access)
    statements = document["Statement"] if document else []
    statements = [statements] if isinstance(statements, Mapping) else statements
    statement = statements[deciding.statement.position]
    keys = {one.key.lower() for one, _ in deciding.conditions}
    if not role or keys & _KEEP.keys() or deciding.statement.excludes_principals:
        return None
    condition = {operator: dict(lines) for operator, lines in statement.get("Condition", {}).items()}
    exempt = condition.get("ArnNotEquals", {}).get("aws:PrincipalArn", [])
    listed = [*([exempt] if isinstance(exempt, str) else exempt), role]
    change = {"ArnNotEquals": {"aws:PrincipalArn": listed if len(listed) > 1 else role}}
    condition["ArnNotEquals"] = {**condition.get("ArnNotEquals", {}), **change["ArnNotEquals"]}
    shown = {"ArnNotEquals": {"aws:PrincipalArn": role}}
    return Mend(
        deciding.statement.position,
        {**statement, "Condition": condition},
        f"in the bucket's policy, {_shown(deciding)}, exempt this one role, if it is meant to: "
        f"add {json.dumps(shown)} to its Condition",
    )


# Denials that are right as they are: the request must change, not the policy.
_KEEP: Mapping[str, str] = {
    "aws:securetransport": "leave the statement; send the request by https",
    "s3:object-lock-legal-hold": "leave the statement; only the release may lift a hold",
    "s3:object-lock-mode": "leave the statement; ask for the retention that it permits",
}


def _advice(deciding: Judged, mend: Mend | None, *, vendor: bool) -> tuple[str, ...]:
    keys = [one.key.lower() for one, _ in deciding.conditions]
    kept = [advice for key, advice in _KEEP.items() if key in keys]
    if kept:
        return tuple(kept)
    exempt = json.dumps({"ArnNotEquals": {"aws:PrincipalArn": "THE-ROLE-ARN"}})
    where = f"in the bucket's policy, {_shown(deciding)}"
    last = mend.says if mend else f"{where}, exempt the one role that is meant: add {exempt} to its Condition"
    if not any("server-side-encryption" in key for key in keys):
        return (last,)
    first = f"let the writer send the encryption that {_shown(deciding)} asks for with the request"
    if not vendor:
        return (first,)
    return (
        f"{first}; a default encryption of the bucket alone does not satisfy it",
        f"only if the writer cannot: set the bucket's default encryption to that key, and {last}",
    )
