"""Check what a run needs before anything moves."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Preflighting
from holdfast.observability import observed
from holdfast.steps.preflight import preflight


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Check what a run needs before anything moves."""
    run = Preflighting.model_validate(event)
    answer = preflight(
        run,
        checks=bootstrap.preflight_checks(run.matter_id),
        wiring=bootstrap.wiring(),
        canaries=bootstrap.canaries(),
        receipts=bootstrap.receipts(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
