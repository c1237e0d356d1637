"""Compute the digest of versions that could not be hashed on arrival."""

import hashlib
from collections.abc import Sequence

from holdfast.contracts.arrivals import QueuedMessage, read_hash_request
from holdfast.domain.custody import ObjectVersion
from holdfast.errors import ObjectUnreadable
from holdfast.ports import (
    Clock,
    Counter,
    EvidenceBucket,
    ParkedKind,
    ParkedMessage,
    Parking,
    ReceiptBook,
    Telemetry,
)


def hash_objects(
    messages: Sequence[QueuedMessage],
    *,
    bucket: EvidenceBucket,
    receipts: ReceiptBook,
    parking: Parking,
    clock: Clock,
    telemetry: Telemetry,
) -> None:
    """Stream each version and add its DIGEST event; a version that has one keeps it.

    What S3 keeps to itself is parked at once with the reason: no repetition restores an archived object.

    Raises:
        UnreadableMessage: the message is none of ours; it ends in the dead-letter queue.
    """
    for message in messages:
        version = read_hash_request(message.body)
        named = {"object_key": version.key, "version_id": version.version_id}
        try:
            sha256 = _sha256(bucket, version)
        except ObjectUnreadable as refusal:
            was_parked = parking.park(
                ParkedMessage(
                    message.message_id, str(refusal), clock.now(), message.body, ParkedKind.DIGEST, version
                )
            )
            telemetry.count(Counter.PARKED, was_parked)
            telemetry.warn("message_parked", message_id=message.message_id, **named)
            continue
        if receipts.add_digest(version, sha256, clock.now()):
            telemetry.note("digest_added", **named)


def _sha256(bucket: EvidenceBucket, version: ObjectVersion) -> str:
    digest = hashlib.sha256()
    with bucket.open(version) as opened:
        for chunk in opened.chunks:
            digest.update(chunk)
    return digest.hexdigest()
