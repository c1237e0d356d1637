"""Take one of the organisation's job slots."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import SlotWanted
from holdfast.observability import observed
from holdfast.steps.acquire_job_slot import acquire_job_slot


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Take one of the organisation's job slots."""
    answer = acquire_job_slot(
        SlotWanted.model_validate(event),
        requests=bootstrap.requests(),
        slots=bootstrap.slots(),
        jobs=bootstrap.export_jobs(),
        job_deadline=bootstrap.settings().job_deadline,
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
