"""Seal what is new in a matter's log."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import MatterSealing
from holdfast.observability import observed
from holdfast.steps.seal_matter import seal_matter


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Seal what is new in a matter's log."""
    answer = seal_matter(
        MatterSealing.model_validate(event),
        batches=bootstrap.batches(),
        claims=bootstrap.claims(),
        seals=bootstrap.seals(),
        records=bootstrap.record_shelf(),
        signer=bootstrap.signer(),
        clock=bootstrap.clock,
        has_time=bootstrap.half_time(context),
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
