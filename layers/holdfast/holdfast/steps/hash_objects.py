"""Compute the digest of versions that were too large to hash on arrival."""

import hashlib
from collections.abc import Sequence

from holdfast.contracts.arrivals import QueuedMessage, read_large_object
from holdfast.ports import Clock, EvidenceBucket, ReceiptBook, Telemetry


def hash_objects(
    messages: Sequence[QueuedMessage],
    *,
    bucket: EvidenceBucket,
    receipts: ReceiptBook,
    clock: Clock,
    telemetry: Telemetry,
) -> None:
    """Stream each version and add its DIGEST event; a version that has one keeps it.

    Raises:
        UnreadableMessage: the message is none of ours; it ends in the dead-letter queue.
    """
    for message in messages:
        large = read_large_object(message.body)
        digest = hashlib.sha256()
        with bucket.open(large.version) as opened:
            for chunk in opened.chunks:
                digest.update(chunk)
        was_added = receipts.add_digest(large, digest.hexdigest(), clock.now())
        if was_added:
            telemetry.note("digest_added", object_key=large.version.key, version_id=large.version.version_id)
