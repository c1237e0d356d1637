"""The ids of the field, and what each may look like.

Ids travel into object keys, ledger keys and log lines, so their alphabets are closed: what does not match is
refused at the border and nothing inside has to escape anything.
"""

import re
from datetime import UTC, datetime
from typing import NewType

MatterId = NewType("MatterId", str)
RequestId = NewType("RequestId", str)
BatchId = NewType("BatchId", str)
ConversationId = NewType("ConversationId", str)
RecordingId = NewType("RecordingId", str)
ExportJobId = NewType("ExportJobId", str)
ReleaseId = NewType("ReleaseId", str)
ResolutionId = NewType("ResolutionId", str)

UUID_PATTERN = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
MATTER_ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
# Standing matters name their requests `{matter}:{interval start}`, hence the colon.
REQUEST_ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}"
# What `batch_id` makes, and `halves_of` of that.
BATCH_ID_PATTERN = r"a\d{2,}-b\d{6,}(?:\.[12])*"

_UUID = re.compile(UUID_PATTERN)


def is_uuid(text: str) -> bool:
    """Tell whether the text is a UUID in lower case, the only form Holdfast stores."""
    return _UUID.fullmatch(text) is not None


def batch_prefix(attempt: int) -> str:
    """Name what the ids of all batches of a request's attempt begin with."""
    return f"a{attempt:02d}-"


def attempt_of(batch: BatchId) -> int:
    """Read from a batch's id which attempt of its request it belongs to."""
    return int(batch[1:].partition("-")[0])


def batch_id(attempt: int, index: int) -> BatchId:
    """Name the batch at a zero-based position; the names sort as the numbers do."""
    return BatchId(f"{batch_prefix(attempt)}b{index:06d}")


def halves_of(whole: BatchId) -> tuple[BatchId, BatchId]:
    """Name the two batches that take the place of one; they sort where it stood."""
    return BatchId(f"{whole}.1"), BatchId(f"{whole}.2")


def origin_of(piece: BatchId) -> BatchId:
    """Name the batch of the scope that a piece came from, which may be itself."""
    return BatchId(piece.partition(".")[0])


def standing_request_id(matter_id: MatterId, start: datetime) -> RequestId:
    """Name the request for a standing matter's interval, by the second at which the interval begins.

    For example ``M-2026-001:20260301T000000Z``; the names of a matter sort as the intervals do.
    """
    written = start.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00")
    return RequestId(f"{matter_id}:{re.sub('[-:]', '', written)}Z")
