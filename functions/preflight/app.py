"""Check what a run needs before anything moves."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Run
from holdfast.observability import observed
from holdfast.steps.preflight import preflight


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Check what a run needs before anything moves."""
    run = Run.model_validate(event)
    answer = preflight(
        run,
        checks=bootstrap.preflight_checks(run.matter_id),
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
