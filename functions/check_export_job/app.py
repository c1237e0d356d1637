"""See how far an export job has come."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import BatchRun
from holdfast.observability import observed
from holdfast.steps.check_export_job import check_export_job


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """See how far an export job has come."""
    answer = check_export_job(
        BatchRun.model_validate(event),
        batches=bootstrap.batches(),
        slots=bootstrap.slots(),
        jobs=bootstrap.export_jobs(),
        files=bootstrap.work_files(),
        job_deadline=bootstrap.settings().job_deadline,
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
