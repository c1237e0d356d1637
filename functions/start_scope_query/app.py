"""Ask the platform for the conversations in scope."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Run
from holdfast.observability import observed
from holdfast.steps.start_scope_query import start_scope_query


@observed
def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Ask the platform for the conversations in scope."""
    answer = start_scope_query(
        Run.model_validate(event),
        requests=bootstrap.requests(),
        scope_source=bootstrap.scope_source(),
        data_wait=bootstrap.settings().data_wait,
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
