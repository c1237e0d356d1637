"""Move every open standing matter on."""

from typing import Any

from holdfast import bootstrap
from holdfast.observability import observed
from holdfast.steps.start_standing_runs import start_standing_runs


@observed
def handler(_event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Move every open standing matter on."""
    answer = start_standing_runs(
        standing=bootstrap.standing_matters(),
        requests=bootstrap.requests(),
        runs=bootstrap.runs(),
        bus=bootstrap.request_bus(),
        scope_source=bootstrap.scope_source(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
