"""Open a discovery request."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Opening
from holdfast.observability import observed
from holdfast.steps.open_request import open_request


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Open a discovery request."""
    answer = open_request(
        Opening.model_validate(event),
        requests=bootstrap.requests(),
        runs=bootstrap.runs(),
        files=bootstrap.work_files(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
