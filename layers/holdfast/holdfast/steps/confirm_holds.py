"""Read back which conversations the platform protects; only what is read back counts as held."""

from collections import defaultdict
from collections.abc import Callable
from functools import partial

from holdfast.contracts.steps import HoldCursor, HoldProgress
from holdfast.domain.ids import ConversationId
from holdfast.domain.reconciliation import Reason
from holdfast.domain.states import PlatformHold, RequestState
from holdfast.domain.waits import bounded
from holdfast.errors import PlatformThrottled
from holdfast.ports import (
    BatchBook,
    ClaimBook,
    Clock,
    Counter,
    PlatformHolds,
    RequestBook,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.hold_chunks import ALL_DONE, chunks_from
from holdfast.steps.place_holds import MAX_CHUNKS, absence_reason, owner_of
from holdfast.steps.pool import for_each

MAX_LOOKS = 3
LOOK_AGAIN_S = 10


def confirm_holds(
    cursor: HoldCursor,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    holds: PlatformHolds,
    files: WorkFiles,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> HoldProgress:
    """Confirm what was placed, chunk by chunk; what does not show after three looks is refused.

    All was placed before the first look, so a pause for one chunk is a pause for all that follow.

    Of an early run the request's state does not tell: it has not moved anything yet.
    """
    owner, attempt = owner_of(cursor, holds), cursor.attempt
    for number, chunk in enumerate(chunks_from(cursor, requests, batches, files, holds.chunk_size)):
        if number >= MAX_CHUNKS or (number and not has_time()):
            return chunk.again(bounded(0), attempt=attempt)
        standing = claims.platform_holds(chunk.conversation_ids, owner)
        placing = [cid for cid, hold in standing.items() if hold and hold.state is PlatformHold.PLACING]
        try:
            held = holds.held_among(placing, cursor.matter_id) if placing else frozenset()
        except PlatformThrottled as throttled:
            telemetry.count(Counter.THROTTLES)
            return chunk.again(bounded(throttled.retry_after_s), attempt=attempt)
        confirm = partial(claims.confirm_platform_hold, owner=owner, at=clock.now())
        confirmed = for_each(sorted(held), confirm)
        telemetry.count(Counter.CONVERSATIONS_HELD, sum(confirmed))
        absent = _by_reason([cid for cid in placing if cid not in held], claims, is_early=cursor.early)
        if absent[Reason.HOLD_NOT_CONFIRMED] and attempt + 1 < MAX_LOOKS:
            return chunk.again(LOOK_AGAIN_S, attempt=attempt + 1)
        for reason, conversation_ids in absent.items():
            claims.mark_platform_hold(conversation_ids, owner, PlatformHold.REFUSED, reason=reason)
            telemetry.count(Counter.EXCEPTIONS, len(conversation_ids))
    if not cursor.early:
        requests.advance(requests.read(cursor.matter_id, cursor.request_id), RequestState.HELD)
    return ALL_DONE


def _by_reason(
    conversation_ids: list[ConversationId], claims: ClaimBook, *, is_early: bool
) -> dict[Reason, list[ConversationId]]:
    absent: dict[Reason, list[ConversationId]] = defaultdict(list)
    for conversation_id in conversation_ids:
        # Before the export nothing has arrived: that says nothing about what there is.
        reason = (
            Reason.HOLD_NOT_CONFIRMED
            if is_early
            else absence_reason(conversation_id, claims, Reason.HOLD_NOT_CONFIRMED)
        )
        absent[reason].append(conversation_id)
    return absent
