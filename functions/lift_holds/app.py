"""Lift the locks of what nobody claims any more."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import ReleaseCursor
from holdfast.observability import observed
from holdfast.steps.lift_holds import lift_holds


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Lift the locks of what nobody claims any more."""
    answer = lift_holds(
        ReleaseCursor.model_validate(event),
        releases=bootstrap.release_requests(),
        promises=bootstrap.releases(),
        locks=bootstrap.evidence_release(),
        records=bootstrap.record_files(),
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
