"""Write a matter's custody package."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Packing
from holdfast.observability import observed
from holdfast.steps.package_matter import package_matter


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Write a matter's custody package."""
    answer = package_matter(
        Packing.model_validate(event),
        shelf=bootstrap.record_shelf(),
        signer=bootstrap.signer(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
