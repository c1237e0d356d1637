"""Secure everything that arrives in the evidence bucket."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.arrivals import QueuedMessage
from holdfast.observability import observed
from holdfast.steps.secure_objects import Securing

# Left for tagging and receipting what is being hashed when time runs out.
RESERVE_S = 30


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lock, hash, tag and receipt; answers which messages must be delivered again."""
    securing = Securing(
        bucket=bootstrap.evidence(),
        receipts=bootstrap.receipts(),
        relocks=bootstrap.relocks(),
        marks=bootstrap.marks(),
        parking=bootstrap.parking(),
        hash_queue=bootstrap.hash_queue(),
        evidence_bucket_name=bootstrap.settings().text("EVIDENCE_BUCKET"),
        hash_limit_bytes=bootstrap.settings().number("HASH_LIMIT_BYTES"),
        has_time=bootstrap.time_left(context, RESERVE_S),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    failed = securing.secure(QueuedMessage.all_in(event))
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}
