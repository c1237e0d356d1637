"""Write down why the conductor ends in failure."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Failing
from holdfast.observability import observed
from holdfast.steps.record_failure import record_failure


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Write down why the conductor ends in failure."""
    answer = record_failure(
        Failing.model_validate(event),
        requests=bootstrap.requests(),
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
