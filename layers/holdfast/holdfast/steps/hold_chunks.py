"""Walk through a request's conversations in chunks the platform takes, from a cursor on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.contracts.steps import HoldCursor, HoldProgress
from holdfast.domain.ids import ConversationId
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.ports import BatchBook, RequestBook, WorkFiles
from holdfast.steps.files import BatchFiles


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some conversations of one batch, and where they stand."""

    conversation_ids: Sequence[ConversationId]
    batch: int
    offset: int

    def again(self, wait_s: int, *, attempt: int = 0) -> HoldProgress:
        """Ask to be called again for this very chunk."""
        return HoldProgress(done=False, batch=self.batch, offset=self.offset, attempt=attempt, wait_s=wait_s)


def chunks_from(
    cursor: HoldCursor, requests: RequestBook, batches: BatchBook, files: WorkFiles, size: int
) -> Iterator[Chunk]:
    """Cut the batches' lists into chunks, beginning at the cursor; their order never changes."""
    request = requests.read(cursor.matter_id, cursor.request_id)
    for index, batch in enumerate(batches.of_request(request)):
        if index < cursor.batch:
            continue
        listed = BatchFiles(files, cursor.matter_id, cursor.request_id, batch.batch_id).conversations()
        start = cursor.offset if index == cursor.batch else 0
        for offset in range(start, len(listed), size):
            ids = [conversation.conversation_id for conversation in listed[offset : offset + size]]
            yield Chunk(ids, index, offset)


ALL_DONE = HoldProgress(done=True, batch=0, offset=0, attempt=0, wait_s=MIN_WAIT_S)
