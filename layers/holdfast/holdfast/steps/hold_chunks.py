"""Walk through conversations whose hold is to be placed, in chunks the platform takes, from a cursor on."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from holdfast.contracts.steps import HoldCursor, HoldProgress
from holdfast.domain.hold_order import Evidence, evidence_of
from holdfast.domain.ids import ConversationId
from holdfast.domain.reconciliation import Reason
from holdfast.domain.scope import Conversation
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.ports import BatchBook, BatchRecord, RequestBook, WorkFiles
from holdfast.steps.files import BatchFiles, read_hold_plan


@dataclass(frozen=True, slots=True)
class Listed:
    """Conversations that are treated alike.

    The platform is asked to protect those that are planned; `otherwise` is the reason of those it is not
    asked for. `is_read_back`: it is asked whether it protects them already.
    """

    conversation_ids: Sequence[ConversationId]
    is_planned: bool = True
    is_read_back: bool = True
    otherwise: Reason = Reason.PLATFORM_CAP


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some conversations of one list, and where they stand."""

    conversation_ids: Sequence[ConversationId]
    of: Listed
    batch: int
    offset: int

    def again(
        self, wait_s: int, *, attempt: int = 0, is_full: bool = False, conflicts: int = 0
    ) -> HoldProgress:
        """Ask to be called again for this very chunk."""
        return HoldProgress(
            done=False,
            batch=self.batch,
            offset=self.offset,
            attempt=attempt,
            is_full=is_full,
            conflicts=conflicts,
            wait_s=wait_s,
        )


ALL_DONE = HoldProgress(done=True, batch=0, offset=0, attempt=0, is_full=False, wait_s=MIN_WAIT_S)


def chunks_from(
    cursor: HoldCursor, requests: RequestBook, batches: BatchBook, files: WorkFiles, size: int
) -> Iterator[Chunk]:
    """Cut lists into chunks, beginning at the cursor; their order never changes.

    Without a plan the lists are those of the batches. With one they are the plan's; and then, unless the plan
    is an early one, what it leaves out of every batch.
    """
    for index, read in enumerate(_lists(cursor, requests, batches, files)):
        if index < cursor.batch:
            continue
        listed = read()
        start = cursor.offset if index == cursor.batch else 0
        for offset in range(start, len(listed.conversation_ids), size):
            yield Chunk(listed.conversation_ids[offset : offset + size], listed, index, offset)


def _lists(
    cursor: HoldCursor, requests: RequestBook, batches: BatchBook, files: WorkFiles
) -> Iterator[Callable[[], Listed]]:
    """Give the lists, each to be read when it is wanted: only those from the cursor on are."""
    planned: set[ConversationId] = set()
    is_read_back = True
    if cursor.plan_key:
        plan = read_hold_plan(files, cursor.plan_key)
        is_read_back = plan.reads_rest_back
        for listed in plan.lists:
            planned.update(listed.conversation_ids)
            yield partial(Listed, listed.conversation_ids, otherwise=listed.otherwise)
    if cursor.early:
        return
    request = requests.read(cursor.matter_id, cursor.request_id)
    for batch in batches.of_request(request):
        if not cursor.plan_key:
            yield partial(_all_of, batch, files)
            continue
        for is_silent in (False, True):
            yield partial(_rest_of, batch, files, planned, is_silent=is_silent, is_read_back=is_read_back)


def _all_of(batch: BatchRecord, files: WorkFiles) -> Listed:
    return Listed([one.conversation_id for one in _files_of(batch, files).conversations()])


def _rest_of(
    batch: BatchRecord,
    files: WorkFiles,
    planned: set[ConversationId],
    *,
    is_silent: bool,
    is_read_back: bool,
) -> Listed:
    return Listed(
        [
            conversation.conversation_id
            for conversation, evidence in judged(batch, files)
            if conversation.conversation_id not in planned and (evidence is Evidence.SILENT) is is_silent
        ],
        is_planned=False,
        is_read_back=is_read_back,
        otherwise=Reason.NO_RECORDING if is_silent else Reason.PLATFORM_CAP,
    )


def judged(batch: BatchRecord, files: WorkFiles) -> Iterator[tuple[Conversation, Evidence]]:
    """Say of every conversation of a batch what S3 has of it, by the batch's account."""
    listed = _files_of(batch, files)
    findings = listed.findings() if batch.result_key else None
    return evidence_of(listed.conversations(), batch.state, findings)


def _files_of(batch: BatchRecord, files: WorkFiles) -> BatchFiles:
    return BatchFiles(files, batch.matter_id, batch.request_id, batch.batch_id)
