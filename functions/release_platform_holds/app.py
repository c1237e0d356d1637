"""Let go of the platform's protection where it was ours."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import ReleaseCursor
from holdfast.observability import observed
from holdfast.steps.release_platform_holds import release_platform_holds


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Let go of the platform's protection where it was ours."""
    answer = release_platform_holds(
        ReleaseCursor.model_validate(event),
        releases=bootstrap.release_requests(),
        promises=bootstrap.releases(),
        holds=bootstrap.platform_holds(),
        records=bootstrap.record_files(),
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
