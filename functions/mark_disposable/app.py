"""Mark for disposal what releases let go."""

from typing import Any

from holdfast import bootstrap
from holdfast.observability import observed
from holdfast.steps.mark_disposable import mark_disposable


@observed
def handler(_event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Mark for disposal what releases let go so many days ago."""
    answer = mark_disposable(
        disposals=bootstrap.disposals(),
        releases=bootstrap.release_requests(),
        claims=bootstrap.claims(),
        records=bootstrap.record_files(),
        sight=bootstrap.evidence_sight(),
        marker=bootstrap.evidence_marker(),
        wait=bootstrap.settings().dispose_after,
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
