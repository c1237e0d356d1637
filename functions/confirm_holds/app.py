"""Read back which conversations the platform protects."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import HoldCursor
from holdfast.observability import observed
from holdfast.steps.confirm_holds import confirm_holds


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Read back which conversations the platform protects."""
    answer = confirm_holds(
        HoldCursor.model_validate(event),
        requests=bootstrap.requests(),
        batches=bootstrap.batches(),
        claims=bootstrap.claims(),
        holds=bootstrap.platform_holds(),
        files=bootstrap.work_files(),
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
