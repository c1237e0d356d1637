"""Choose whom the platform is asked to protect, and in which order."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import HoldPlanning
from holdfast.observability import observed
from holdfast.steps.plan_holds import plan_holds


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Choose whom the platform is asked to protect, and in which order."""
    settings = bootstrap.settings()
    answer = plan_holds(
        HoldPlanning.model_validate(event),
        requests=bootstrap.requests(),
        batches=bootstrap.batches(),
        claims=bootstrap.claims(),
        deletions=bootstrap.deletions(),
        files=bootstrap.work_files(),
        # The number alone: who plans can neither place nor lift.
        cap=bootstrap.platform_holds().cap,
        lead=settings.job_deadline + settings.delivery_deadline,
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
