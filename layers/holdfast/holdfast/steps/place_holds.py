"""Ask the platform to protect every claimed conversation."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

from holdfast.contracts.steps import HoldCursor, HoldProgress
from holdfast.domain.ids import ConversationId
from holdfast.domain.reconciliation import Reason
from holdfast.domain.states import PlatformHold
from holdfast.domain.waits import bounded
from holdfast.errors import PlatformThrottled
from holdfast.ports import (
    BatchBook,
    ClaimBook,
    Counter,
    HoldOwner,
    HoldRefusal,
    PlatformHolds,
    RefusalKind,
    RequestBook,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.hold_chunks import ALL_DONE, Chunk, chunks_from
from holdfast.steps.pool import for_each

MAX_CHUNKS = 100
MAX_CONFLICTS = 5
# In a whole run. Where more than a few are being changed, waiting for each would fill the history.
MOST_CONFLICT_PAUSES = 300
_REASONS = {
    RefusalKind.CAP_REACHED: Reason.PLATFORM_CAP,
    RefusalKind.CONFLICT: Reason.HOLD_CONFLICT,
    RefusalKind.OTHER: Reason.HOLD_REFUSED,
}


def place_holds(
    cursor: HoldCursor,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    holds: PlatformHolds,
    files: WorkFiles,
    has_time: Callable[[], bool],
    telemetry: Telemetry,
) -> HoldProgress:
    """Place up to 100 chunks, or as many as time allows.

    The intent (PLACING) is written before the platform is asked; what is protected without our intent was
    there before us and stays when we let go. An intent that is found may have taken effect: it is read back
    before the platform is asked again. Refusals are recorded per conversation. A conflict is tried again a
    few times, as long as the run has patience left. Once the platform says that it is full, nothing new is
    asked.
    """
    is_full, conflicts = cursor.is_full, cursor.conflicts
    for number, chunk in enumerate(chunks_from(cursor, requests, batches, files, holds.chunk_size)):
        if number >= MAX_CHUNKS or (number and not has_time()):
            return chunk.again(wait_s=bounded(0), is_full=is_full, conflicts=conflicts)
        attempt = cursor.attempt if number == 0 else 0
        try:
            refusals = _place(cursor, chunk, claims, holds, telemetry, is_full=is_full)
        except PlatformThrottled as throttled:
            telemetry.count(Counter.THROTTLES)
            wait_s = bounded(throttled.retry_after_s)
            return chunk.again(wait_s, attempt=attempt, is_full=is_full, conflicts=conflicts)
        is_full = is_full or any(refusal.kind is RefusalKind.CAP_REACHED for refusal in refusals)
        may_wait = attempt < MAX_CONFLICTS and conflicts < MOST_CONFLICT_PAUSES
        if may_wait and any(refusal.kind is RefusalKind.CONFLICT for refusal in refusals):
            telemetry.note("hold_conflict", request_id=cursor.request_id, attempt=attempt)
            wait_s = bounded(5 * 2**attempt)
            return chunk.again(wait_s, attempt=attempt + 1, is_full=is_full, conflicts=conflicts + 1)
        _record(refusals, owner_of(cursor, holds), claims, telemetry)
    return ALL_DONE


def _place(
    cursor: HoldCursor,
    chunk: Chunk,
    claims: ClaimBook,
    holds: PlatformHolds,
    telemetry: Telemetry,
    *,
    is_full: bool,
) -> Sequence[HoldRefusal]:
    owner = owner_of(cursor, holds)
    # A run that was asked for outside a request may come after the matter's release.
    claimed = claims.claimed_among(chunk.conversation_ids, cursor.matter_id)
    named = [cid for cid in chunk.conversation_ids if cid in claimed]
    standing = {cid: hold and hold.state for cid, hold in claims.platform_holds(named, owner).items()}
    unsettled = [cid for cid, state in standing.items() if not (state and state.is_protecting)]
    # Whoever wrote an intent meant to ask.
    intended = [cid for cid in unsettled if standing[cid] is PlatformHold.PLACING]
    asked_back = unsettled if chunk.of.is_read_back else intended
    held = holds.held_among(asked_back, cursor.matter_id) if asked_back else frozenset()
    unasked = [cid for cid in unsettled if standing[cid] is not PlatformHold.PLACING]
    absent = [cid for cid in unasked if cid not in held]
    _mark([cid for cid in unasked if cid in held], owner, PlatformHold.PRE_EXISTING, claims)
    if is_full or not chunk.of.is_planned:
        _refuse(absent, chunk.of.otherwise, owner, claims, telemetry)
        absent = []
    _mark(absent, owner, PlatformHold.PLACING, claims)
    wanted = {*intended, *absent} - held
    placing = [cid for cid in named if cid in wanted]
    return holds.place(placing, cursor.matter_id) if placing else []


def owner_of(cursor: HoldCursor, holds: PlatformHolds) -> HoldOwner:
    """Say whose the holds are that a matter asks for."""
    return cursor.matter_id if holds.is_per_matter else None


def _record(
    refusals: Sequence[HoldRefusal], owner: HoldOwner, claims: ClaimBook, telemetry: Telemetry
) -> None:
    by_reason: dict[Reason, list[ConversationId]] = defaultdict(list)
    for refusal in refusals:
        by_reason[refusal_reason(refusal, claims)].append(refusal.conversation_id)
    for reason, conversation_ids in by_reason.items():
        _refuse(conversation_ids, reason, owner, claims, telemetry)


def _refuse(
    conversation_ids: Sequence[ConversationId],
    reason: Reason,
    owner: HoldOwner,
    claims: ClaimBook,
    telemetry: Telemetry,
) -> None:
    if conversation_ids:
        _mark(conversation_ids, owner, PlatformHold.REFUSED, claims, reason)
        telemetry.count(Counter.EXCEPTIONS, len(conversation_ids))
        telemetry.note("holds_refused", reason=reason, conversations=len(conversation_ids))


def _mark(
    conversation_ids: Sequence[ConversationId],
    owner: HoldOwner,
    state: PlatformHold,
    claims: ClaimBook,
    reason: Reason | None = None,
) -> None:
    mark = partial(claims.mark_platform_hold, owner=owner, state=state, reason=reason)
    for_each([[conversation_id] for conversation_id in conversation_ids], mark)


def refusal_reason(refusal: HoldRefusal, claims: ClaimBook) -> Reason:
    """Translate a refusal; "not found" is harmless only for a conversation of which nothing ever arrived."""
    if refusal.kind is RefusalKind.NOT_FOUND:
        return absence_reason(refusal.conversation_id, claims, Reason.HOLD_REFUSED)
    return _REASONS[refusal.kind]


def absence_reason(conversation_id: ConversationId, claims: ClaimBook, otherwise: Reason) -> Reason:
    """Explain an absent protection: the platform protects only what has a recording."""
    return otherwise if claims.dossier(conversation_id).receipts else Reason.NO_RECORDING
