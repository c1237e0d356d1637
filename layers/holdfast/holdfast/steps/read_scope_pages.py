"""Read the scope's conversations, claim each for the matter, and slice them into batches."""

from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from holdfast.contracts.steps import ScopeRead, ScopeReading
from holdfast.domain.ids import BatchId, batch_id
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState
from holdfast.domain.waits import MIN_WAIT_S, bounded, poll_wait_s
from holdfast.errors import PlatformThrottled
from holdfast.ports import (
    BatchBook,
    BatchRecord,
    Claim,
    ClaimBook,
    Clock,
    Counter,
    ExportJobs,
    RequestBook,
    RequestRecord,
    ScopeSource,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import BatchFiles
from holdfast.steps.pool import for_each


def read_scope_pages(
    reading: ScopeReading,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    scope_source: ScopeSource,
    jobs: ExportJobs,
    files: WorkFiles,
    batch_size: int,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> ScopeRead:
    """Write as many batches as time allows, at least one.

    Batches are made of whole pages, sorted into the platform's lots, and their names follow from the cursor
    they start at: a repeat from the same cursor claims the same conversations and writes the same files.

    Raises:
        ScopeQueryFailed: the platform gave the query up.
        ConversationLifting: one conversation is being released; the repeat will find it released.
    """
    request = requests.read(reading.matter_id, reading.request_id)
    slicer = _Slicer(batches, claims, files, telemetry)
    try:
        if not scope_source.is_query_done(reading.query_id):
            elapsed_s = (clock.now() - request.opened_at).total_seconds()
            return _answer(reading, "PENDING", wait_s=poll_wait_s(elapsed_s))
        while True:
            slices, cursor = _read_slices(reading, scope_source, jobs, batch_size)
            for index, conversations in enumerate(slices, reading.next_batch):
                slicer.write(request, batch_id(request.attempt, index), conversations, clock.now())
            reading = reading.model_copy(
                update={
                    "cursor": cursor,
                    "next_batch": reading.next_batch + len(slices),
                    "conversations": reading.conversations + sum(map(len, slices)),
                }
            )
            if cursor is None:
                return _answer(reading, "DONE")
            if not has_time():
                return _answer(reading, "MORE")
    except PlatformThrottled as throttled:
        telemetry.count(Counter.THROTTLES)
        return _answer(reading, "MORE", wait_s=bounded(throttled.retry_after_s))


def _read_slices(
    reading: ScopeReading, scope_source: ScopeSource, jobs: ExportJobs, batch_size: int
) -> tuple[list[list[Conversation]], str | None]:
    """Read pages until one lot fills a batch; answer the lots, in pieces that a job takes."""
    conversations: dict[str, Conversation] = {}
    cursor = reading.cursor
    while True:
        page = scope_source.read_page(reading.query_id, cursor)
        conversations |= {conversation.conversation_id: conversation for conversation in page.conversations}
        cursor = page.cursor
        lots = Tally(map(jobs.lot_of, conversations.values()))
        if cursor is None or max(lots.values(), default=0) >= batch_size:
            break
    most = jobs.most_conversations
    slices = []
    for name in sorted(lots):
        lot = [one for one in conversations.values() if jobs.lot_of(one) == name]
        slices += [lot[start : start + most] for start in range(0, len(lot), most)]
    return slices, cursor


@dataclass(frozen=True, slots=True)
class _Slicer:
    batches: BatchBook
    claims: ClaimBook
    files: WorkFiles
    telemetry: Telemetry

    def write(
        self, request: RequestRecord, batch: BatchId, conversations: list[Conversation], now: datetime
    ) -> None:
        """Claim the conversations, write their list, and only then plan the batch."""
        matter_id, request_id = request.matter_id, request.request_id
        wanted = [Claim(matter_id, request_id, batch, conversation, now) for conversation in conversations]
        claimed = for_each(wanted, self.claims.claim)
        BatchFiles(self.files, matter_id, request_id, batch).write_conversations(conversations)
        self.batches.plan(BatchRecord(matter_id, request_id, batch, BatchState.PLANNED, len(conversations)))
        self.telemetry.count(Counter.CONVERSATIONS_CLAIMED, sum(claimed))
        self.telemetry.note("batch_planned", matter_id=matter_id, request_id=request_id, batch_id=batch)


def _answer(reading: ScopeReading, status: str, *, wait_s: int = MIN_WAIT_S) -> ScopeRead:
    return ScopeRead.model_validate(
        reading.model_dump(exclude={"matter_id", "request_id"}) | {"status": status, "wait_s": wait_s}
    )
