"""Find claimed conversations that the platform does not protect."""

from typing import Any

from holdfast import bootstrap
from holdfast.observability import observed
from holdfast.steps.watch_protection import Watch, watch_protection


@observed
def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Find claimed conversations that the platform does not protect, and have it asked again."""
    answer = watch_protection(
        claimed=bootstrap.claim_listing(),
        watch=Watch(
            claims=bootstrap.claims(),
            requests=bootstrap.requests(),
            holds=bootstrap.platform_holds(),
            hold_runs=bootstrap.hold_runs(),
            files=bootstrap.work_files(),
            clock=bootstrap.clock,
            telemetry=bootstrap.telemetry,
        ),
        sweeps=bootstrap.sweeps(),
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
