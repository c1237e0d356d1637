"""Let a READY export job move its recordings."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import BatchRun
from holdfast.observability import observed
from holdfast.steps.execute_export_job import execute_export_job


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Let a READY export job move its recordings."""
    answer = execute_export_job(
        BatchRun.model_validate(event),
        batches=bootstrap.batches(),
        jobs=bootstrap.export_jobs(),
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
