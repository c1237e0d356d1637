"""Put two halves in the place of a batch that cannot be exported whole."""

from dataclasses import replace

from holdfast.domain.ids import halves_of
from holdfast.domain.states import BatchState
from holdfast.ports import BatchBook, BatchRecord, Clock, Telemetry, WorkFiles
from holdfast.steps.files import BatchFiles

# One conversation that breaks a job is found among 4,000 with 25 pieces. Where nearly everything fails, the
# trouble is elsewhere, and more jobs would not find it.
MOST_PIECES = 100


def halve(
    batch: BatchRecord, *, batches: BatchBook, files: WorkFiles, clock: Clock, telemetry: Telemetry
) -> bool:
    """Plan both halves, then mark the whole as split; False, and nothing changes, if it can be split no more.

    The lists and plans come first, so that a repeat after a crash finds them and goes on.
    """
    whole = BatchFiles(files, batch.matter_id, batch.request_id, batch.batch_id).conversations()
    if len(whole) < 2 or batches.pieces_of(batch) >= MOST_PIECES:
        return False
    middle = len(whole) // 2
    for batch_id, half in zip(halves_of(batch.batch_id), (whole[:middle], whole[middle:]), strict=True):
        BatchFiles(files, batch.matter_id, batch.request_id, batch_id).write_conversations(half)
        planned = BatchRecord(
            batch.matter_id,
            batch.request_id,
            batch_id,
            BatchState.PLANNED,
            len(half),
            without_sensitive=batch.without_sensitive,
        )
        batches.plan(planned)
    batches.advance(replace(batch, state=BatchState.SPLIT, ended_at=clock.now()))
    telemetry.note(
        "batch_split", batch_id=batch.batch_id, request_id=batch.request_id, conversations=len(whole)
    )
    return True
