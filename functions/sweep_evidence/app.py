"""Find what arrived without a receipt."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Sweep
from holdfast.observability import observed
from holdfast.steps.sweep_evidence import sweep_evidence


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Find what arrived without a receipt, and let it arrive again."""
    answer = sweep_evidence(
        Sweep.model_validate(event),
        listing=bootstrap.evidence_listing(),
        receipts=bootstrap.receipts(),
        arrival_queue=bootstrap.arrival_queue(),
        sweeps=bootstrap.sweeps(),
        least_age=bootstrap.settings().sweep_age,
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
