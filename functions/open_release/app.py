"""Open a release once."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Opening
from holdfast.observability import observed
from holdfast.steps.open_release import open_release


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Open a release once."""
    answer = open_release(
        Opening.model_validate(event),
        releases=bootstrap.release_requests(),
        requests=bootstrap.requests(),
        standing=bootstrap.standing_matters(),
        release_runs=bootstrap.release_runs(),
        files=bootstrap.work_files(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
