"""Find what is not as the ledger says."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Sweep
from holdfast.observability import observed
from holdfast.steps.comparison import Comparison
from holdfast.steps.sweep_evidence import Sources, sweep_evidence


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Find what is not as the ledger says, and have it put right."""
    answer = sweep_evidence(
        Sweep.model_validate(event),
        sources=Sources(
            bucket_listing=bootstrap.evidence_listing(),
            receipt_listing=bootstrap.receipt_listing(),
            inventory_listing=bootstrap.inventory_listing(),
        ),
        comparison=Comparison(
            receipts=bootstrap.receipts(),
            claims=bootstrap.claims(),
            promises=bootstrap.releases(),
            drifts=bootstrap.drifts(),
            marks=bootstrap.marks(),
            sight=bootstrap.evidence_sight(),
            arrival_queue=bootstrap.arrival_queue(),
            least_age=bootstrap.settings().sweep_age,
            clock=bootstrap.clock,
            telemetry=bootstrap.telemetry,
        ),
        sweeps=bootstrap.sweeps(),
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
