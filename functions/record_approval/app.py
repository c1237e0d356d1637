"""Write down that somebody approved a release."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Opening
from holdfast.observability import observed
from holdfast.steps.record_approval import record_approval


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Write down that somebody approved a release."""
    answer = record_approval(
        Opening.model_validate(event),
        releases=bootstrap.release_requests(),
        files=bootstrap.work_files(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
