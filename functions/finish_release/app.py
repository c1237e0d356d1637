"""Give a release its certificate."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import ReleaseCursor
from holdfast.observability import observed
from holdfast.steps.finish_release import finish_release


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Give a release its certificate."""
    answer = finish_release(
        ReleaseCursor.model_validate(event),
        releases=bootstrap.release_requests(),
        claims=bootstrap.claims(),
        records=bootstrap.record_files(),
        seals=bootstrap.seals(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
