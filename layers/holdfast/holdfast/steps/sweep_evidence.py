"""Find what is not as the ledger says: lost arrivals, lifted locks, changed tags, what is hidden or gone."""

from collections.abc import Callable
from dataclasses import dataclass

from holdfast.contracts.steps import Sweep, Swept
from holdfast.ports import (
    Clock,
    Counter,
    EvidenceListing,
    ListingMark,
    SweepBook,
    SweepSource,
    Telemetry,
    VersionPage,
)
from holdfast.steps.comparison import Compared, Comparison

_LOOKS = {SweepSource.BUCKET: Counter.ARRIVAL_SWEEPS, SweepSource.RECEIPTS: Counter.SENTINEL_LOOKS}


@dataclass(frozen=True, slots=True)
class Sources:
    """Where candidates come from; whichever it is, they feed one comparison."""

    bucket_listing: EvidenceListing
    receipt_listing: EvidenceListing
    inventory_listing: EvidenceListing

    def page(self, sweep: Sweep, after: ListingMark | None) -> VersionPage:
        """Read the next page of what a sweep goes by."""
        if sweep.source is SweepSource.RECEIPTS:
            return self.receipt_listing.page(sweep.prefix, after)
        if sweep.source is SweepSource.INVENTORY:
            return self.inventory_listing.page(sweep.prefix, after)
        return self.bucket_listing.page(sweep.prefix, after)


def sweep_evidence(
    sweep: Sweep,
    *,
    sources: Sources,
    comparison: Comparison,
    sweeps: SweepBook,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> Swept:
    """Go on where the last sweep of this source stopped, page by page, until the end or for as long as there
    is time.

    What a page came to is sent and written down before its end is: a sweep that dies does it again, which
    changes nothing.
    """
    mark, so_far = sweeps.read(sweep.prefix, sweep.source), Compared()
    while True:
        page = sources.page(sweep, mark.after)
        so_far += comparison.compare(page)
        is_overtaken, is_read_anew = False, page.after != mark.after
        if is_read_anew:  # where one page is all, there is nothing to write down
            moved = sweeps.move(mark, page.after, clock.now())
            is_overtaken = moved is None
            mark = moved or mark
        is_over = not is_overtaken and (page.is_last or mark.after is None)
        if is_overtaken or is_over or not has_time():
            if sweep.source in _LOOKS:
                telemetry.count(_LOOKS[sweep.source], not is_overtaken)
            else:
                telemetry.count(Counter.INVENTORIES_READ, is_over and is_read_anew)
            telemetry.note(
                "sweep_overtaken" if is_overtaken else "evidence_swept",
                versions=so_far.versions,
                sent=so_far.sent,
                drifted=so_far.drifted,
            )
            return Swept(
                done=is_over,
                versions=so_far.versions,
                sent=so_far.sent,
                drifted=so_far.drifted,
            )
