"""Hold a page of candidates, wherever it comes from, against the ledger and the bucket.

A candidate is never believed: before anything is written down or sent, it is read again. Nothing here sets a
lock or a tag; what is to be put right goes to the arrival path, which may.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.contracts.arrivals import write_arrival, write_relock
from holdfast.domain.custody import (
    MENDED_BY_ARRIVAL,
    Arrival,
    DriftKind,
    ObjectVersion,
    Receipt,
    Relock,
    RelockCause,
)
from holdfast.domain.drift import drift_of, may_be_disposed_of, wants_lock
from holdfast.domain.promise import UNCLAIMED, Promise
from holdfast.domain.states import HoldState
from holdfast.ports import (
    ArrivalQueue,
    ClaimBook,
    Clock,
    Counter,
    DriftBook,
    DriftFound,
    EvidenceSight,
    MarkBook,
    ReceiptBook,
    ReleaseBook,
    Telemetry,
    VersionPage,
)
from holdfast.steps.pool import for_each


@dataclass(frozen=True, slots=True)
class Compared:
    """What pages came to: how many candidates they had, were sent as lost, and newly found changed."""

    versions: int = 0
    sent: int = 0
    drifted: int = 0

    def __add__(self, other: "Compared") -> "Compared":
        """Add up two pages."""
        return Compared(self.versions + other.versions, self.sent + other.sent, self.drifted + other.drifted)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a page is held against; `least_age` is how long an arrival may be on its way."""

    receipts: ReceiptBook
    claims: ClaimBook
    promises: ReleaseBook
    drifts: DriftBook
    marks: MarkBook
    sight: EvidenceSight
    arrival_queue: ArrivalQueue
    least_age: timedelta
    clock: Clock
    telemetry: Telemetry

    def compare(self, page: VersionPage) -> Compared:
        """Send what was lost, write down what was changed, and ask for what can be put right."""
        lost = self._lost(page.arrivals)
        for_each(map(write_arrival, lost), self.arrival_queue.send)
        self.telemetry.count(Counter.ARRIVALS_SWEPT, len(lost))
        for arrival in lost:
            self.telemetry.warn(
                "arrival_swept", object_key=arrival.version.key, version_id=arrival.version.version_id
            )
        marked = for_each([marker.version for marker in page.markers], self._note_marker)
        changed = for_each(self.receipts.read(page.suspects).values(), self._examine)
        return Compared(
            versions=len(page.arrivals) + len(page.markers) + len(page.suspects),
            sent=len(lost),
            drifted=sum(marked) + sum(changed),
        )

    def _lost(self, arrivals: Sequence[Arrival]) -> list[Arrival]:
        """Choose what has had its time and has no receipt: a canary is locked like everything else."""
        until = self.clock.now() - self.least_age
        due = [one for one in arrivals if one.arrived_at <= until]
        receipted = self.receipts.have([arrival.version for arrival in due])
        without = [arrival for arrival in due if arrival.version.fingerprint not in receipted]
        return [
            one for one, is_there in zip(without, for_each(without, self._is_there), strict=True) if is_there
        ]

    def _is_there(self, arrival: Arrival) -> bool:
        return self.sight.look(arrival.version) is not None

    def _note_marker(self, version: ObjectVersion) -> int:
        if not self.sight.is_hidden(version) or self.marks.covers(version):
            return 0
        return self._note(version, DriftKind.DELETE_MARKER, UNCLAIMED.epoch, self.clock.now()).is_new

    def _examine(self, receipt: Receipt) -> int:
        """Look at a version; if it is not as it should be, once more between two looks at the promise.

        A release may begin or end at any moment. What is seen counts only if the promise over the locks was
        the same before and after.
        """
        sighting = self.sight.look(receipt.version)
        if not drift_of(receipt, sighting, UNCLAIMED):
            return 0
        before = self._promise(receipt)
        sighting, now = self.sight.look(receipt.version), self.clock.now()
        if self._promise(receipt) != before:
            return 0
        if sighting and wants_lock(before, sighting):
            self._ask(Relock(receipt.version, RelockCause.CLAIMED, before.epoch, now))
        lifted_at = self._lifted_at(receipt, before)
        kinds = sorted(drift_of(receipt, sighting, before, lifted_at))
        if (
            kinds == [DriftKind.VERSION_GONE]
            and may_be_disposed_of(before)
            and self.marks.disposed(receipt.version, now)
        ):
            return 0
        return sum(self._report(receipt.version, kind, before, now) for kind in kinds)

    def _promise(self, receipt: Receipt) -> Promise:
        """Read the promise over the locks; nothing that belongs to no conversation can be let go."""
        if receipt.conversation_id is None:
            return UNCLAIMED
        return self.promises.hold(receipt.conversation_id).promise

    def _lifted_at(self, receipt: Receipt, promise: Promise) -> datetime | None:
        if receipt.conversation_id is None or promise.state is not HoldState.LIFTED:
            return None
        return self.claims.dossier(receipt.conversation_id).lifted_at

    def _report(self, version: ObjectVersion, kind: DriftKind, promise: Promise, at: datetime) -> int:
        found = self._note(version, kind, promise.epoch, at)
        if kind in MENDED_BY_ARRIVAL:  # asked for under the same time until it is done: one repair, one event
            self._ask(Relock(version, RelockCause.DRIFT, promise.epoch, found.found_at, kind))
        return found.is_new

    def _note(self, version: ObjectVersion, kind: DriftKind, epoch: int, at: datetime) -> DriftFound:
        found = self.drifts.found(version, kind, epoch, at)
        if found.is_new:
            self.telemetry.count(Counter.DRIFT_FOUND)
            self.telemetry.warn(
                "drift_found", reason=kind, object_key=version.key, version_id=version.version_id
            )
        return found

    def _ask(self, relock: Relock) -> None:
        self.arrival_queue.send(write_relock(relock))
