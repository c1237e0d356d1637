"""Say why a workflow ends in failure."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Failing
from holdfast.observability import observed
from holdfast.steps.explain_failure import explain_failure


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Say why a workflow ends in failure."""
    answer = explain_failure(
        Failing.model_validate(event),
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
