"""Ask the platform to protect every claimed conversation."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import HoldCursor
from holdfast.observability import observed
from holdfast.steps.place_holds import place_holds


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Ask the platform to protect every claimed conversation."""
    answer = place_holds(
        HoldCursor.model_validate(event),
        requests=bootstrap.requests(),
        batches=bootstrap.batches(),
        claims=bootstrap.claims(),
        holds=bootstrap.platform_holds(),
        files=bootstrap.work_files(),
        has_time=bootstrap.half_time(context),
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
