"""What is wrong with the way that evidence takes into the stack, judged from what AWS says of it."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence

from holdfast.ports import Finding, Reading, Unread, Wiring

type Rule = Callable[[Wiring], Iterator[Finding]]


def wiring_findings(wiring: Wiring) -> Sequence[Finding]:
    """Judge everything that was read; what AWS would not tell is a remark: nobody knows what it hides."""
    unread = [
        Finding(_CHECK_OF[reading], f"it cannot be seen: {document.said}", is_blocking=False)
        for reading, document in wiring.items()
        if isinstance(document, Unread)
    ]
    return [*unread, *(finding for rule in _RULES for finding in rule(wiring))]


def wiring_digest(wiring: Wiring) -> str:
    """Name a wiring by all that was read of it (16 hex digits), so that a change of it has another name."""
    said = {reading: "" if isinstance(one, Unread) else one for reading, one in wiring.items()}
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _object_lock(wiring: Wiring) -> Iterator[Finding]:
    document = wiring[Reading.OBJECT_LOCK]
    if not isinstance(document, Unread) and document.get("ObjectLockEnabled") != "Enabled":
        yield Finding("object lock", "the evidence bucket has no Object Lock, so nothing in it could be held")


def _versioning(wiring: Wiring) -> Iterator[Finding]:
    document = wiring[Reading.VERSIONING]
    if not isinstance(document, Unread) and document.get("Status") != "Enabled":
        yield Finding("versioning", "the evidence bucket is not versioned; an upload could replace another")


def _notification(wiring: Wiring) -> Iterator[Finding]:
    document = wiring[Reading.NOTIFICATION]
    if not isinstance(document, Unread) and document["arrival_queue"] not in {
        one["QueueArn"] for one in document.get("QueueConfigurations", ())
    }:
        yield Finding("arrival wiring", "the evidence bucket does not notify the arrival queue")


_RULES: Sequence[Rule] = (_object_lock, _versioning, _notification)
_CHECK_OF = {
    Reading.OBJECT_LOCK: "object lock",
    Reading.VERSIONING: "versioning",
    Reading.NOTIFICATION: "arrival wiring",
}
