"""Hold what arrived against what the platform promised."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Reconciling
from holdfast.observability import observed
from holdfast.steps.reconcile import reconcile


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Hold what arrived against what the platform promised."""
    answer = reconcile(
        Reconciling.model_validate(event),
        requests=bootstrap.requests(),
        batches=bootstrap.batches(),
        claims=bootstrap.claims(),
        catalogue=bootstrap.catalogue(),
        manifests=bootstrap.manifests(),
        files=bootstrap.work_files(),
        delivery_deadline=bootstrap.settings().delivery_deadline,
        has_time=bootstrap.half_time(context),
        clock=bootstrap.clock,
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
