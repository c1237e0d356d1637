"""Write down what a person decided about an exception."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Opening
from holdfast.observability import observed
from holdfast.steps.resolve_exception import resolve_exception


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Write down what a person decided about an exception."""
    answer = resolve_exception(
        Opening.model_validate(event),
        requests=bootstrap.requests(),
        resolutions=bootstrap.resolutions(),
        claims=bootstrap.claims(),
        parking=bootstrap.parking(),
        files=bootstrap.work_files(),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
