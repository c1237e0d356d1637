"""End a matter's claims."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import ReleaseCursor
from holdfast.observability import observed
from holdfast.steps.end_claims import end_claims


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """End a matter's claims."""
    answer = end_claims(
        ReleaseCursor.model_validate(event),
        releases=bootstrap.release_requests(),
        promises=bootstrap.releases(),
        records=bootstrap.record_files(),
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
