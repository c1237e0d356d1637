"""Name the batches whose export has not ended yet."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import ExportRound
from holdfast.observability import observed
from holdfast.steps.plan_export_round import plan_export_round


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Name the batches whose export has not ended yet."""
    answer = plan_export_round(
        ExportRound.model_validate(event),
        requests=bootstrap.requests(),
        batches=bootstrap.batches(),
        files=bootstrap.work_files(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
