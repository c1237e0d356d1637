"""Whether policies let evidence take its way: the vendor's role writing, ours locking and tagging.

The vendor writes over TLS, from outside of our networks, through no endpoint or through one of its own. What
else a policy may ask about it, nobody knows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from holdfast.doctor.conditions import ContextValues
from holdfast.doctor.policy import (
    ANY_REST,
    Access,
    Effect,
    Policy,
    PolicyUnreadable,
    Statement,
    Verdict,
    account_of,
    evaluate,
    read_policy,
)
from holdfast.domain.tags import DISPOSAL_TAG
from holdfast.ports import Document, Finding, Reading, StackNames, Unread, Wiring

_ELSEWHERE: ContextValues = {"aws:sourcevpc": ("vpc-of-others",), "aws:sourcevpce": ("vpce-of-others",)}
_OUTSIDE: ContextValues = {"aws:sourcevpc": (), "aws:sourcevpce": (), "aws:viaawsservice": ("false",)}
_TLS: ContextValues = {"aws:securetransport": ("true",)}
# Nobody but who disposes sends it; the vendor's tags, if it sends any, are its own.
_UNMARKED: ContextValues = {f"s3:requestobjecttag/{DISPOSAL_TAG}": ()}
_NOBODY = "nobody"  # no organisation's id
_ACTION = "\0"  # stands for the action in a finding's message


@dataclass(frozen=True, slots=True)
class _Need:
    """An access that must be allowed: `who` in words, by which policies of its own and of the resource."""

    who: str
    access: Access
    own: Reading
    of_resource: Reading


_CHECK_OF: Mapping[Reading, str] = {
    Reading.BUCKET_POLICY: "bucket policy",
    Reading.KEY_POLICY: "key policy",
    Reading.WRITER_POLICIES: "writer role",
    Reading.SECURER_POLICIES: "arrival role",
}


def grant_findings(wiring: Wiring) -> Sequence[Finding]:
    """Evaluate every access that evidence needs, and some that nobody may have."""
    found: dict[Finding, list[str]] = {}
    for need in _needs(wiring.names):
        for finding in _judged(need, wiring):
            found.setdefault(finding, []).append(need.access.action)
    # What is said of several actions is said once.
    needed = (
        replace(finding, message=finding.message.replace(_ACTION, ", ".join(dict.fromkeys(actions))))
        for finding, actions in found.items()
    )
    return [*_trust(wiring), *_queue_policy(wiring), *needed, *_denials(wiring)]


def _needs(names: StackNames) -> Iterator[_Need]:
    bucket = _bucket_arn(names)
    recordings = f"{bucket}/{names.organization_id}/{ANY_REST}"
    writer, writes = names.writer_role_arn, (Reading.WRITER_POLICIES, Reading.BUCKET_POLICY)
    for action, resource in (
        ("s3:PutObject", recordings),
        ("s3:PutObjectAcl", recordings),
        ("s3:GetBucketLocation", bucket),
        ("s3:GetEncryptionConfiguration", bucket),
    ):
        of_vendor = {**_OUTSIDE, **_TLS, **_UNMARKED}
        yield _Need("the vendor's role", Access(action, resource, writer, of_vendor), *writes)
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        access = Access(action, names.key_arn, writer, _TLS)
        yield _Need("the vendor's role", access, Reading.WRITER_POLICIES, Reading.KEY_POLICY)
    secures = (Reading.SECURER_POLICIES, Reading.BUCKET_POLICY)
    for action, values in (
        ("s3:PutObjectLegalHold", {"s3:object-lock-legal-hold": ("ON",)}),
        ("s3:GetObjectVersion", {}),
        ("s3:GetObjectVersionTagging", {}),
        ("s3:PutObjectVersionTagging", {}),
    ):
        access = Access(action, recordings, names.securer_role_arn, {**_TLS, **_UNMARKED, **values})
        yield _Need("SecureObjects", access, *secures)


def _judged(need: _Need, wiring: Wiring) -> Iterator[Finding]:
    """Hold one access against the resource's policy, then against the role's own."""
    check, said = _CHECK_OF[need.of_resource], f"{need.who} {_ACTION}"
    try:
        of_resource = _policy(wiring.documents[need.of_resource], check)
        own = _own(wiring.documents[need.own], _CHECK_OF[need.own])
    except PolicyUnreadable as unreadable:
        yield Finding(check, str(unreadable), is_blocking=False)
        return
    if of_resource is not None:
        verdict = _verdict(of_resource, need.access)
        yield from _denied(check, said, verdict)
        if need.of_resource is Reading.KEY_POLICY and verdict.effect is Effect.SILENT:
            yield Finding(check, f"it lets neither the account nor {said}")
    if own is not None:
        verdict, check = _verdict(own[0], need.access), _CHECK_OF[need.own]
        yield from _denied(check, said, verdict)
        if verdict.effect is Effect.SILENT:
            yield Finding(check, f"no policy of its own lets {said}", is_blocking=not own[1])
        elif verdict.effect is Effect.UNKNOWN and verdict.deciding[0].statement.is_allow:
            yield Finding(check, _unsure(said, verdict), is_blocking=False)


def _verdict(policy: Policy, access: Access) -> Verdict:
    """Evaluate an access; where that depends on an endpoint that the vendor may have, nobody knows."""
    verdict = evaluate(policy, access)
    if access.values.keys() >= _ELSEWHERE.keys():
        elsewhere = evaluate(policy, replace(access, values={**access.values, **_ELSEWHERE}))
        if elsewhere.effect is not verdict.effect:
            return replace(max(verdict, elsewhere, key=lambda one: len(one.deciding)), effect=Effect.UNKNOWN)
    return verdict


def _denied(check: str, said: str, verdict: Verdict) -> Iterator[Finding]:
    """Tell what denies, or may deny."""
    if verdict.effect is Effect.EXPLICIT_DENY:
        statement = verdict.deciding[0].statement
        asks = "".join(f", by its condition {one.operator} on {one.key}" for one in statement.conditions)
        yield Finding(check, f"{_named(statement)} denies {said}{asks}")
    elif verdict.effect is Effect.UNKNOWN and not verdict.deciding[0].statement.is_allow:
        yield Finding(check, _unsure(said, verdict), is_blocking=False)


def _unsure(said: str, verdict: Verdict) -> str:
    judged = verdict.deciding[0]
    unknown = [condition.key for condition, truth in judged.conditions if truth is None]
    keys = ", ".join(unknown or [condition.key for condition, _ in judged.conditions])
    return f"whether {_named(judged.statement)} lets {said} cannot be told; it asks for {keys or 'more'}"


def _named(statement: Statement) -> str:
    return statement.name if statement.name.startswith("statement ") else f"statement {statement.name}"


def _trust(wiring: Wiring) -> Iterator[Finding]:
    role, names = wiring.documents[Reading.WRITER_ROLE], wiring.names
    if isinstance(role, Unread):
        return
    try:
        policy = read_policy(role["AssumeRolePolicyDocument"], "trust")
    except PolicyUnreadable as unreadable:
        yield Finding("writer role trust", str(unreadable), is_blocking=False)
        return
    vendor = f"arn:{_partition(names)}:iam::{names.genesys_account_id}:root"
    access = Access("sts:AssumeRole", names.writer_role_arn, vendor)

    def effect(**external: tuple[str, ...]) -> Effect:
        values = {f"sts:{name}": value for name, value in external.items()}
        return evaluate(policy, replace(access, values={**_TLS, **values})).effect

    if effect(externalid=(names.organization_id,)) is not Effect.ALLOW:
        is_about_id = effect() in {Effect.UNKNOWN, Effect.ALLOW}
        yield Finding(
            "writer role trust",
            "it asks for another ExternalId than the organisation's id, which is what the vendor sends"
            if is_about_id
            else f"it does not let the vendor's account {names.genesys_account_id} assume the role",
        )
    elif effect(externalid=(_NOBODY,)) is Effect.ALLOW:
        yield Finding(
            "writer role trust",
            "it asks for no ExternalId; any customer of the vendor could have it write here",
            is_blocking=False,
        )
    if "PermissionsBoundary" in role:
        yield Finding("writer role", "it has a permissions boundary, which cannot be seen", is_blocking=False)


def _queue_policy(wiring: Wiring) -> Iterator[Finding]:
    queue, names = wiring.documents[Reading.ARRIVAL_QUEUE], wiring.names
    if isinstance(queue, Unread):
        return
    access = Access(
        "sqs:SendMessage",
        names.arrival_queue_arn,
        "s3.amazonaws.com",
        {
            **_TLS,
            "aws:sourcearn": (_bucket_arn(names),),
            "aws:sourceaccount": (account_of(names.writer_role_arn),),
        },
    )
    try:
        verdict = evaluate(read_policy(queue.get("Policy", _EMPTY), "queue policy"), access)
    except PolicyUnreadable as unreadable:
        yield Finding("arrival queue", str(unreadable), is_blocking=False)
        return
    yield from _denied("arrival queue", "S3 sqs:SendMessage", verdict)
    if verdict.effect is Effect.SILENT:
        yield Finding("arrival queue", "its policy does not let S3 send what arrives in the evidence bucket")


def _denials(wiring: Wiring) -> Iterator[Finding]:
    """Look whether the bucket still denies what nobody may do; the locks hold without it."""
    document, names = wiring.documents[Reading.BUCKET_POLICY], wiring.names
    try:
        policy = _policy(document, "bucket policy")
    except PolicyUnreadable:
        return  # said before
    recordings = f"{_bucket_arn(names)}/{names.organization_id}/{ANY_REST}"
    for action, values in (
        ("s3:DeleteObjectVersion", {}),
        ("s3:PutObject", {}),
        ("s3:PutObjectLegalHold", {"s3:object-lock-legal-hold": ("OFF",)}),
    ):
        access = Access(action, recordings, names.securer_role_arn, {**_TLS, **values})
        if policy is not None and evaluate(policy, access).effect is not Effect.EXPLICIT_DENY:
            said = f"it no longer denies {action}{' OFF' if values else ''} to everybody it should"
            yield Finding("bucket policy", said, is_blocking=False)


_EMPTY: Document = {"Version": "2012-10-17", "Statement": []}


def _policy(document: Document | Unread, where: str) -> Policy | None:
    return None if isinstance(document, Unread) else read_policy(document or _EMPTY, where)


def _own(document: Document | Unread, where: str) -> tuple[Policy, bool] | None:
    """Join the policies of a role; tell also whether there are more that cannot be seen."""
    if isinstance(document, Unread):
        return None
    policies = [read_policy(one, f"{where} {name}") for name, one in document["inline"].items()]
    return Policy(tuple(one for policy in policies for one in policy.statements)), bool(document["attached"])


def _bucket_arn(names: StackNames) -> str:
    return f"arn:{_partition(names)}:s3:::{names.evidence_bucket}"


def _partition(names: StackNames) -> str:
    return names.writer_role_arn.split(":")[1]
