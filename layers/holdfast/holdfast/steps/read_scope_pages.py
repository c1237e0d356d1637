"""Read the scope's conversations, claim each for the matter, and gather them into batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from holdfast.contracts.arrivals import write_relock
from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import ScopeRead, ScopeReading
from holdfast.domain.custody import Relock, RelockCause
from holdfast.domain.ids import BatchId, ConversationId, batch_id
from holdfast.domain.moments import Interval
from holdfast.domain.reconciliation import pair_up
from holdfast.domain.scope import Conversation, Scope
from holdfast.domain.selection import Lot, Selection
from holdfast.domain.slices import halved_length_s, slice_from
from holdfast.domain.states import BatchState, HoldState
from holdfast.domain.waits import MIN_WAIT_S, bounded, poll_wait_s
from holdfast.errors import LedgerRuleBroken, PlatformThrottled, ScopeQueryFailed
from holdfast.ports import (
    ArrivalQueue,
    BatchBook,
    BatchRecord,
    Claim,
    ClaimBook,
    Clock,
    Counter,
    Dossier,
    ExportJobs,
    RelockBook,
    RequestBook,
    RequestRecord,
    ScopeSource,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import BatchFiles, SelectionFiles
from holdfast.steps.pool import for_each

# Half a million conversations took an hour once (the vendor's tutorials); what takes this long never ends.
QUERY_DEADLINE = timedelta(hours=12)
SELECTING_DEADLINE = timedelta(days=2)
LONGEST_QUERY_WAIT_S = 3_600

_IN_PARTS = "send the scope in parts, by custodians, queues or media types"


def query_wait_s(elapsed: timedelta, selecting: timedelta) -> int:
    """Choose the next look at a query; the longer all slices together take, the fewer looks each gets."""
    by_all_s = min(int(selecting.total_seconds() / 20), LONGEST_QUERY_WAIT_S)
    return max(poll_wait_s(elapsed.total_seconds()), by_all_s)


def read_scope_pages(
    reading: ScopeReading,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    relocks: RelockBook,
    arrival_queue: ArrivalQueue,
    scope_source: ScopeSource,
    jobs: ExportJobs,
    files: WorkFiles,
    batch_size: int,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> ScopeRead:
    """Read as many pages of a slice as time allows, at least one, and ask for the next slice at its end.

    What is selected is written down page by page, before any of it becomes a batch: a repeat from the same
    reading claims the same conversations and writes the same files. A slice that the platform gives up on is
    asked for again at half its length. What earlier exports have secured is claimed and not exported again;
    what an earlier release let go is sent to be locked again.

    Raises:
        ScopeQueryFailed: the platform gave up on the shortest slice, or on one whose pages are half read, or
            is not done after days.
        ConversationLifting: one conversation is being released; the repeat will find it released.
    """
    request = requests.read(reading.matter_id, reading.request_id)
    selecting = _Selecting(
        reading=reading,
        request=request,
        scope=DiscoveryRequest.model_validate_json(request.body).scope.to_domain(),
        batches=batches,
        claims=claims,
        relocks=relocks,
        arrival_queue=arrival_queue,
        scope_source=scope_source,
        jobs=jobs,
        files=files,
        batch_size=batch_size,
        clock=clock,
        telemetry=telemetry,
    )
    try:
        return selecting.go_on(has_time)
    except PlatformThrottled as throttled:
        telemetry.count(Counter.THROTTLES)
        return selecting.answer("MORE", wait_s=bounded(throttled.retry_after_s))


@dataclass(slots=True)
class _Selecting:
    reading: ScopeReading
    request: RequestRecord
    scope: Scope
    batches: BatchBook
    claims: ClaimBook
    relocks: RelockBook
    arrival_queue: ArrivalQueue
    scope_source: ScopeSource
    jobs: ExportJobs
    files: WorkFiles
    batch_size: int
    clock: Clock
    telemetry: Telemetry

    def go_on(self, has_time: Callable[[], bool]) -> ScopeRead:
        """Go on from where reading stands, and answer where it stands then."""
        if not self.reading.query_id:
            return self._ask()
        selection, may_read = self._so_far(), False
        while True:
            kept = self._pages.kept_after(self.reading.pages + 1)
            if kept is None:
                if not may_read and (not_yet := self._wait(selection)):
                    return not_yet
                may_read = True
                page = self.scope_source.read_page(self.reading.query_id, selection.cursor)
                reused = self._reused(page.conversations)
                kept = selection.with_page(page.conversations, page.cursor, self._slice, reused)
                self._pages.keep(self.reading.pages + 1, kept)
            selection = self._batch(kept)
            self._move(
                pages=self.reading.pages + 1,
                next_batch=selection.next_batch,
                conversations=selection.conversations,
            )
            if selection.cursor is None:
                return self._leave_slice()
            if not has_time():
                return self.answer("MORE")

    def answer(self, status: str, *, wait_s: int = MIN_WAIT_S) -> ScopeRead:
        """Say where reading stands."""
        return ScopeRead.model_validate(self.reading.model_dump() | {"status": status, "wait_s": wait_s})

    @property
    def _slice(self) -> Interval:
        return slice_from(self.scope.interval, self.reading.slice_start, self.reading.slice_s)

    @property
    def _pages(self) -> SelectionFiles:
        request = self.request
        return SelectionFiles(self.files, request.matter_id, request.request_id, request.attempt)

    def _move(self, **changes: object) -> None:
        self.reading = self.reading.model_copy(update=changes)

    def _so_far(self) -> Selection:
        """Read what is selected and in no batch yet."""
        if self.reading.pages == 0:
            return Selection()
        kept = self._pages.kept_after(self.reading.pages)
        if kept is None:
            raise LedgerRuleBroken(
                f"expected what request {self.request.request_id} had selected after {self.reading.pages}"
                " pages in the work bucket, found nothing"
            )
        return kept.without(self._due(kept))

    def _due(self, selection: Selection) -> list[Lot]:
        most = self.jobs.most_conversations
        return selection.batched(self.jobs.lot_of, at_least=self.batch_size, at_most=most)

    def _wait(self, selection: Selection) -> ScopeRead | None:
        """Answer how to go on while pages cannot be read; None when they can."""
        now = self.clock.now()
        elapsed, selecting = now - self.reading.asked_at, now - self.reading.began_at
        try:
            if self.scope_source.is_query_done(self.reading.query_id):
                return None
        except ScopeQueryFailed as failed:
            return self._ask_for_less(selection, failed)
        if selecting >= SELECTING_DEADLINE:
            raise ScopeQueryFailed(
                f"after {selecting.days} days the scope is still not selected; {_IN_PARTS}"
            )
        if elapsed >= QUERY_DEADLINE:
            overdue = ScopeQueryFailed(f"the scope query {self.reading.query_id} did not end in time")
            return self._ask_for_less(selection, overdue)
        return self.answer("PENDING", wait_s=query_wait_s(elapsed, selecting))

    def _ask_for_less(self, selection: Selection, failed: ScopeQueryFailed) -> ScopeRead:
        shorter_s = halved_length_s(self.scope.interval, self._slice)
        if selection.cursor is not None or shorter_s is None:
            raise ScopeQueryFailed(
                f"{failed}; it asked for {self._slice}. Send the request again; if that does not help,"
                f" {_IN_PARTS}"
            ) from failed
        self.telemetry.warn("scope_query_given_up", request_id=self.request.request_id)
        self._move(slice_s=shorter_s, query_id="")
        return self._ask()

    def _ask(self) -> ScopeRead:
        query_id = self.scope_source.start_query(replace(self.scope, interval=self._slice))
        self._move(query_id=query_id, asked_at=self.clock.now())
        return self.answer("PENDING")

    def _leave_slice(self) -> ScopeRead:
        """Go on to the next slice, unless it lies after the scope or after today."""
        end = self._slice.end
        if end >= min(self.scope.interval.end, self.clock.now()):
            return self.answer("DONE")
        self._move(slice_start=end, query_id="")
        return self._ask()

    def _batch(self, kept: Selection) -> Selection:
        """Make batches of what is due, and answer what is left."""
        due = self._due(kept)
        for index, lot in enumerate(due, kept.next_batch):
            self._write_batch(batch_id(self.request.attempt, index), lot)
        return kept.without(due)

    def _reused(self, found: Sequence[Conversation]) -> list[ConversationId]:
        """Name what earlier exports have secured, as its receipts prove now."""
        exports = self.claims.secured_exports([one.conversation_id for one in found])
        served = [
            one.conversation_id
            for one in found
            if one.conversation_id in exports and exports[one.conversation_id].serves(one, self.scope)
        ]
        return [
            dossier.conversation_id
            for dossier in for_each(served, self.claims.dossier)
            if self._is_proven(dossier)
        ]

    def _is_proven(self, dossier: Dossier) -> bool:
        deliveries = pair_up(dossier.receipts, dossier.digested)
        return dossier.secured is not None and dossier.secured.is_proven(
            deliveries, include_screen=self.scope.include_screen
        )

    def _write_batch(self, batch: BatchId, lot: Lot) -> None:
        """Claim the conversations, write their list, and only then plan the batch."""
        matter_id, request_id, now = self.request.matter_id, self.request.request_id, self.clock.now()
        conversations = lot.conversations
        wanted = [Claim(matter_id, request_id, batch, conversation, now) for conversation in conversations]
        claimed = for_each(wanted, self._claim)
        BatchFiles(self.files, matter_id, request_id, batch).write_conversations(conversations)
        state = BatchState.REUSED if lot.is_reused else BatchState.PLANNED
        self.batches.plan(BatchRecord(matter_id, request_id, batch, state, len(conversations)))
        self.telemetry.count(Counter.CONVERSATIONS_CLAIMED, sum(claimed))
        self.telemetry.note("batch_planned", matter_id=matter_id, request_id=request_id, batch_id=batch)

    def _claim(self, claim: Claim) -> bool:
        """Claim, and ask for the locks until they are read back: whoever asked first may have died."""
        claimed, conversation_id = self.claims.claim(claim), claim.conversation.conversation_id
        if claimed.promise.state is HoldState.RELOCKING:
            epoch = claimed.promise.epoch
            receipts = self.claims.dossier(conversation_id).receipts
            for receipt in receipts:
                relock = Relock(receipt.version, RelockCause.CLAIMED, epoch, claim.claimed_at)
                self.arrival_queue.send(write_relock(relock))
            if (
                not receipts
            ):  # nothing is there to be locked: what arrives from now on is locked as it arrives
                self.relocks.relocked(conversation_id, epoch, self.clock.now())
            self.telemetry.note("locks_asked_for", conversation_id=conversation_id, matter_id=claim.matter_id)
        return claimed.is_new
