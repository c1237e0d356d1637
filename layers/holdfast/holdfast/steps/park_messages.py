"""Write down what ended in the dead-letter queue; parked is not lost."""

from collections.abc import Sequence

from holdfast.contracts.arrivals import QueuedMessage, UnreadableMessage, read_arrivals, read_large_object
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.ports import Clock, Counter, ParkedMessage, Parking, Telemetry

REASON = "given up after repeated failures; the function's log says why"


def park_messages(
    messages: Sequence[QueuedMessage],
    *,
    evidence_bucket_name: str,
    parking: Parking,
    clock: Clock,
    telemetry: Telemetry,
) -> None:
    """Park every message with what can be read of it."""
    for message in messages:
        version = _version(message.body, evidence_bucket_name)
        key = EvidenceKey.parse(version.key) if version else None
        parking.park(
            ParkedMessage(
                message_id=message.message_id,
                reason=REASON,
                parked_at=clock.now(),
                body=message.body,
                conversation_id=key.conversation_id if key else None,
                fingerprint=version.fingerprint if version else None,
            )
        )
        telemetry.count(Counter.PARKED)
        telemetry.warn("message_parked", message_id=message.message_id)


def _version(body: str, bucket: str) -> ObjectVersion | None:
    """Read which version a message is about; S3 puts one record into a message."""
    try:
        arrivals = read_arrivals(body, bucket)
    except UnreadableMessage:
        arrivals = ()
    if arrivals:
        return arrivals[0].version
    try:
        return read_large_object(body).version
    except UnreadableMessage:
        return None
