"""Find what arrived without a receipt, because its event was lost, and let it arrive again."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from holdfast.contracts.arrivals import write_arrival
from holdfast.contracts.steps import Sweep, Swept
from holdfast.domain.custody import Arrival
from holdfast.ports import (
    ArrivalQueue,
    Clock,
    Counter,
    EvidenceListing,
    ReceiptBook,
    SweepBook,
    Telemetry,
)
from holdfast.steps.pool import for_each


def sweep_evidence(
    sweep: Sweep,
    *,
    listing: EvidenceListing,
    receipts: ReceiptBook,
    arrival_queue: ArrivalQueue,
    sweeps: SweepBook,
    least_age: timedelta,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> Swept:
    """Go on where the last sweep stopped, page by page, until the end or for as long as there is time.

    What is younger than `least_age` may still be on its way. A page's losses are sent before its end is
    written down: a sweep that dies sends them again, which changes nothing.
    """
    mark, versions, sent = sweeps.read(sweep.prefix), 0, 0
    while True:
        page = listing.page(sweep.prefix, mark.after)
        lost = _lost(page.arrivals, receipts, clock.now() - least_age)
        for_each(map(write_arrival, lost), arrival_queue.send)
        versions, sent = versions + len(page.arrivals), sent + len(lost)
        telemetry.count(Counter.ARRIVALS_SWEPT, len(lost))
        for arrival in lost:
            telemetry.warn(
                "arrival_swept", object_key=arrival.version.key, version_id=arrival.version.version_id
            )
        if page.after != mark.after:  # where one page is all, there is nothing to write down
            moved = sweeps.move(mark, page.after, clock.now())
            if moved is None:
                telemetry.note("sweep_overtaken")
                return Swept(done=False, versions=versions, sent=sent)
            mark = moved
        if mark.after is None or not has_time():
            telemetry.note("evidence_swept", versions=versions, sent=sent)
            return Swept(done=mark.after is None, versions=versions, sent=sent)


def _lost(arrivals: Sequence[Arrival], receipts: ReceiptBook, until: datetime) -> list[Arrival]:
    """Choose what has had its time and has no receipt: a canary is locked like everything else."""
    due = [arrival for arrival in arrivals if arrival.arrived_at <= until]
    receipted = receipts.have([arrival.version for arrival in due])
    return [arrival for arrival in due if arrival.version.fingerprint not in receipted]
