"""Give the verdict, and write down what it stands on."""

from typing import Any

from holdfast import bootstrap
from holdfast.contracts.steps import Sealing
from holdfast.observability import observed
from holdfast.steps.seal_custody import seal_custody


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Give the verdict, and write down what it stands on."""
    answer = seal_custody(
        Sealing.model_validate(event),
        requests=bootstrap.requests(),
        batches=bootstrap.batches(),
        claims=bootstrap.claims(),
        receipts=bootstrap.receipts(),
        relocks=bootstrap.relocks(),
        resolutions=bootstrap.resolutions(),
        parking=bootstrap.parking(),
        files=bootstrap.work_files(),
        records=bootstrap.record_files(),
        seals=bootstrap.seals(),
        clock=bootstrap.clock,
        has_time=bootstrap.half_time(context),
        telemetry=bootstrap.telemetry,
    )
    return answer.model_dump(mode="json")
