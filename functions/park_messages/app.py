"""Write down what ended in a dead-letter queue."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.arrivals import QueuedMessage
from holdfast.observability import observed
from holdfast.steps.park_messages import park_messages


@observed
def handler(event: dict[str, Any], _context: Any) -> None:
    """Write down what ended in a dead-letter queue."""
    park_messages(
        QueuedMessage.all_in(event),
        evidence_bucket_name=bootstrap.settings().text("EVIDENCE_BUCKET"),
        parking=bootstrap.parking(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
