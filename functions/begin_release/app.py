"""Begin a release once it is approved and has cooled off."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import ReleaseWaiting
from holdfast.observability import observed
from holdfast.steps.begin_release import begin_release


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Begin a release once it is approved and has cooled off."""
    answer = begin_release(
        ReleaseWaiting.model_validate(event),
        releases=bootstrap.release_requests(),
        requests=bootstrap.requests(),
        cool_off=bootstrap.settings().cool_off,
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
