"""Write down that a standing matter was opened or closed."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Opening
from holdfast.observability import observed
from holdfast.steps.record_standing_matter import record_standing_matter


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Write down that a standing matter was opened or closed."""
    answer = record_standing_matter(
        Opening.model_validate(event),
        standing=bootstrap.standing_matters(),
        files=bootstrap.work_files(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
