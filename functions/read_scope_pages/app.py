"""Claim the scope's conversations and slice them into batches."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import ScopeReading
from holdfast.observability import observed
from holdfast.steps.read_scope_pages import read_scope_pages


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Claim the scope's conversations and slice them into batches."""
    answer = read_scope_pages(
        ScopeReading.model_validate(event),
        requests=bootstrap.requests(),
        batches=bootstrap.batches(),
        claims=bootstrap.claims(),
        relocks=bootstrap.relocks(),
        arrival_queue=bootstrap.arrival_queue(),
        scope_source=bootstrap.scope_source(),
        jobs=bootstrap.export_jobs(),
        files=bootstrap.work_files(),
        batch_size=bootstrap.settings().number("BATCH_SIZE"),
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
