"""Compute the digests of large objects."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.arrivals import QueuedMessage
from holdfast.observability import observed
from holdfast.steps.hash_objects import hash_objects


@observed
def handler(event: dict[str, Any], _context: Any) -> None:
    """Compute the digests of large objects."""
    hash_objects(
        QueuedMessage.all_in(event),
        bucket=bootstrap.evidence(),
        receipts=bootstrap.receipts(),
        parking=bootstrap.parking(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
