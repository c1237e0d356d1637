"""Read the scope's conversations, claim each for the matter, and slice them into batches."""

import json
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
    RequestBook,
    RequestRecord,
    ScopeSource,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import BatchFiles, request_folder
from holdfast.steps.pool import for_each


def read_scope_pages(
    reading: ScopeReading,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    scope_source: ScopeSource,
    files: WorkFiles,
    batch_size: int,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> ScopeRead:
    """Write as many batches as time allows, at least one.

    A batch is made of whole pages, and its name follows from the cursor it starts at: a repeat from the same
    cursor claims the same conversations and writes the same files.

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
            conversations, cursor = _read_batch(reading, scope_source, batch_size)
            if conversations:
                batch = batch_id(request.attempt, reading.next_batch)
                slicer.write(request, batch, conversations, clock.now())
            reading = reading.model_copy(
                update={
                    "cursor": cursor,
                    "next_batch": reading.next_batch + bool(conversations),
                    "conversations": reading.conversations + len(conversations),
                }
            )
            if cursor is None:
                return _answer(reading, "DONE", batches_key=_list_batches(request, reading.next_batch, files))
            if not has_time():
                return _answer(reading, "MORE")
    except PlatformThrottled as throttled:
        telemetry.count(Counter.THROTTLES)
        return _answer(reading, "MORE", wait_s=bounded(throttled.retry_after_s))


def _read_batch(
    reading: ScopeReading, scope_source: ScopeSource, batch_size: int
) -> tuple[list[Conversation], str | None]:
    conversations: dict[str, Conversation] = {}
    cursor = reading.cursor
    while True:
        page = scope_source.read_page(reading.query_id, cursor)
        conversations |= {conversation.conversation_id: conversation for conversation in page.conversations}
        cursor = page.cursor
        if cursor is None or len(conversations) >= batch_size:
            return list(conversations.values()), cursor


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


def _list_batches(request: RequestRecord, count: int, files: WorkFiles) -> str:
    key = f"{request_folder(request.matter_id, request.request_id)}/batches.json"
    listed = [{"batch_id": batch_id(request.attempt, index)} for index in range(count)]
    files.write(key, json.dumps(listed).encode())
    return key


def _answer(
    reading: ScopeReading, status: str, *, wait_s: int = MIN_WAIT_S, batches_key: str = ""
) -> ScopeRead:
    return ScopeRead.model_validate(
        reading.model_dump(exclude={"matter_id", "request_id"})
        | {"status": status, "wait_s": wait_s, "batches_key": batches_key}
    )
