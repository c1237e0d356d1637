"""Write down why the export of a batch ends in failure."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Failing
from holdfast.observability import observed
from holdfast.steps.record_batch_failure import record_batch_failure


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Write down why the export of a batch ends in failure."""
    answer = record_batch_failure(
        Failing.model_validate(event),
        batches=bootstrap.batches(),
        job_deadline=bootstrap.settings().job_deadline,
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
