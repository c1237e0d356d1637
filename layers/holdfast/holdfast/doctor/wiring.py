"""What is wrong with the way that evidence takes into the stack, judged from what AWS says of it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from holdfast.doctor.grants import grant_findings
from holdfast.ports import Document, Finding, Reading, StackNames, Unread, Wiring

type Rule = Callable[[Document, StackNames], Iterator[Finding]]


def wiring_findings(wiring: Wiring) -> Sequence[Finding]:
    """Judge everything that was read; what AWS would not tell is a remark: nobody knows what it hides."""
    found: list[Finding] = []
    for reading, (check, rules) in _RULES.items():
        document = wiring.documents[reading]
        if isinstance(document, Unread):
            found.append(Finding(check, f"it cannot be seen: {document.said}", is_blocking=False))
        else:
            found += [finding for rule in rules for finding in rule(document, wiring.names)]
    return [*found, *grant_findings(wiring)]


def wiring_digest(wiring: Wiring) -> str:
    """Name a wiring by all that was read of it (16 hex digits), so that a change of it has another name."""
    said = {
        reading: "" if isinstance(document, Unread) else document
        for reading, document in wiring.documents.items()
    }
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _object_lock(document: Document, _names: StackNames) -> Iterator[Finding]:
    if document.get("ObjectLockEnabled") != "Enabled":
        yield Finding("object lock", "the evidence bucket has no Object Lock, so nothing in it could be held")
    if "Rule" in document:
        yield Finding(
            "default retention",
            "the evidence bucket has a default retention; S3 then refuses uploads without a checksum, and"
            " whether the vendor sends one is not known",
            is_blocking=False,
        )


def _versioning(document: Document, _names: StackNames) -> Iterator[Finding]:
    if document.get("Status") != "Enabled":
        yield Finding("versioning", "the evidence bucket is not versioned; an upload could replace another")


def _encryption(document: Document, names: StackNames) -> Iterator[Finding]:
    """Every bucket has a default since 2023; where none is told, nothing is known."""
    for rule in document.get("Rules", ()):
        default = rule.get("ApplyServerSideEncryptionByDefault", {})
        if default.get("SSEAlgorithm") == "AES256":
            yield Finding(
                "encryption",
                "the evidence bucket encrypts with a key of S3, not the stack's",
                is_blocking=False,
            )
        elif default.get("KMSMasterKeyID") not in {names.key_arn, names.key_arn.rpartition("/")[2]}:
            yield Finding(
                "encryption",
                "the evidence bucket encrypts with another key, which the vendor may not use",
            )


def _notification(document: Document, names: StackNames) -> Iterator[Finding]:
    ours = [
        one for one in document.get("QueueConfigurations", ()) if one["QueueArn"] == names.arrival_queue_arn
    ]
    if not ours:
        yield Finding("arrival wiring", "the evidence bucket does not notify the arrival queue")
    elif not any("s3:ObjectCreated:*" in one["Events"] and not _is_filtered(one) for one in ours):
        yield Finding("arrival wiring", "the evidence bucket notifies the arrival queue of some objects only")


def _is_filtered(configuration: Mapping[str, Any]) -> bool:
    return bool(configuration.get("Filter", {}).get("Key", {}).get("FilterRules"))


def _key(document: Document, _names: StackNames) -> Iterator[Finding]:
    if document["KeyState"] != "Enabled":
        yield Finding("key", f"the stack's key is {document['KeyState']}; nothing can be written with it")


def _arrival_queue(document: Document, _names: StackNames) -> Iterator[Finding]:
    if "RedrivePolicy" not in document:
        yield Finding(
            "arrival queue",
            "it has no dead letters; what cannot be secured would be tried for ever, and nobody told",
            is_blocking=False,
        )


def _arrival_mapping(document: Document, names: StackNames) -> Iterator[Finding]:
    if document["State"] in {"Disabled", "Disabling", "Deleting"}:
        yield Finding("arrival mapping", f"it is {document['State']}; nobody works the arrival queue off")
    if document["EventSourceArn"] != names.arrival_queue_arn:
        yield Finding("arrival mapping", "it works off another queue than the arrival queue")
    if not document["FunctionArn"].startswith(names.securer_arn):
        yield Finding("arrival mapping", "it calls another function than SecureObjects")


def _securer(document: Document, _names: StackNames) -> Iterator[Finding]:
    if document.get("ReservedConcurrentExecutions") == 0:
        yield Finding("arrival function", "SecureObjects cannot run: its reserved concurrency is 0")


# Of every reading: the check that it belongs to, and what it must keep to.
_RULES: Mapping[Reading, tuple[str, Sequence[Rule]]] = {
    Reading.OBJECT_LOCK: ("object lock", [_object_lock]),
    Reading.VERSIONING: ("versioning", [_versioning]),
    Reading.ENCRYPTION: ("encryption", [_encryption]),
    Reading.NOTIFICATION: ("arrival wiring", [_notification]),
    Reading.BUCKET_POLICY: ("bucket policy", []),
    Reading.KEY: ("key", [_key]),
    Reading.KEY_POLICY: ("key policy", []),
    Reading.ARRIVAL_QUEUE: ("arrival queue", [_arrival_queue]),
    Reading.ARRIVAL_MAPPING: ("arrival mapping", [_arrival_mapping]),
    Reading.SECURER: ("arrival function", [_securer]),
    Reading.SECURER_POLICIES: ("arrival role", []),
    Reading.WRITER_ROLE: ("writer role trust", []),
    Reading.WRITER_POLICIES: ("writer role", []),
}
