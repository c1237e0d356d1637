"""Write down what ended in the dead-letter queue; parked is not lost."""

from collections.abc import Sequence

from holdfast.contracts.arrivals import (
    QueuedMessage,
    UnreadableMessage,
    read_arrivals,
    read_hash_request,
    read_relock,
)
from holdfast.domain.custody import ObjectVersion
from holdfast.ports import Clock, Counter, ParkedKind, ParkedMessage, Parking, Telemetry

REASON = "given up after repeated failures; the function's log says why"


def park_messages(
    messages: Sequence[QueuedMessage],
    *,
    evidence_bucket_name: str,
    parking: Parking,
    clock: Clock,
    telemetry: Telemetry,
) -> None:
    """Park every message, version by version, with what can be read of it."""
    for message in messages:
        for kind, version in _contents(message.body, evidence_bucket_name):
            was_parked = parking.park(
                ParkedMessage(message.message_id, REASON, clock.now(), message.body, kind, version)
            )
            telemetry.count(Counter.PARKED, was_parked)
            telemetry.warn("message_parked", message_id=message.message_id)


def _contents(body: str, bucket: str) -> list[tuple[ParkedKind, ObjectVersion | None]]:
    """Read what a message asks for; S3's test event asks for nothing."""
    try:
        if relock := read_relock(body, bucket):
            return [(ParkedKind.RELOCK, relock.version)]
        return [(ParkedKind.ARRIVAL, arrival.version) for arrival in read_arrivals(body, bucket)]
    except UnreadableMessage:
        pass
    try:
        return [(ParkedKind.DIGEST, read_hash_request(body))]
    except UnreadableMessage:
        return [(ParkedKind.UNREADABLE, None)]
