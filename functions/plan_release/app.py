"""Write down what a release would let go."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import ReleasePlanning
from holdfast.observability import observed
from holdfast.steps.plan_release import plan_release


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Write down what a release would let go."""
    answer = plan_release(
        ReleasePlanning.model_validate(event),
        releases=bootstrap.release_requests(),
        claims=bootstrap.claims(),
        listing=bootstrap.evidence_listing(),
        locks=bootstrap.evidence_release(),
        records=bootstrap.record_files(),
        approval_deadline=bootstrap.settings().approval_deadline,
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
