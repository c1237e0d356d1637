"""Create the export job of a batch."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import BatchRun
from holdfast.observability import observed
from holdfast.steps.start_export_job import start_export_job


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Create the export job of a batch."""
    answer = start_export_job(
        BatchRun.model_validate(event),
        requests=bootstrap.requests(),
        batches=bootstrap.batches(),
        slots=bootstrap.slots(),
        jobs=bootstrap.export_jobs(),
        files=bootstrap.work_files(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
