"""Send parked messages again."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Redrive
from holdfast.observability import observed
from holdfast.steps.redrive_parked import redrive_parked


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Send parked messages again, after somebody has mended what made them fail."""
    answer = redrive_parked(
        Redrive.model_validate(event),
        parking=bootstrap.parking(),
        receipts=bootstrap.receipts(),
        relocks=bootstrap.relocks(),
        claims=bootstrap.claims(),
        arrival_queue=bootstrap.arrival_queue(),
        hash_queue=bootstrap.hash_queue(),
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
