"""Let go of the platform's protection where it was ours, and nobody needs it any more."""

from collections.abc import Callable, Sequence

from holdfast.contracts.steps import ReleaseCursor, ReleaseProgress
from holdfast.domain.ids import ConversationId
from holdfast.domain.release import NOBODY, PlannedConversation
from holdfast.domain.waits import bounded
from holdfast.errors import PlatformThrottled
from holdfast.ports import (
    Clock,
    Counter,
    HoldOwner,
    PlatformHolds,
    RecordFiles,
    RefusalKind,
    ReleaseBook,
    ReleaseRequests,
    Telemetry,
)
from holdfast.steps.pool import for_each
from holdfast.steps.release_parts import Walk

MAX_LOOKS = 5
LOOK_AGAIN_S = 10


def release_platform_holds(
    cursor: ReleaseCursor,
    *,
    releases: ReleaseRequests,
    promises: ReleaseBook,
    holds: PlatformHolds,
    records: RecordFiles,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> ReleaseProgress:
    """Revoke what is ours of one part of the plan, chunk by chunk, and read it back.

    The intent is written before the platform is asked, and only where the conversation is being lifted:
    nobody can claim it meanwhile. A hold of the matter's own goes with its claim. What was protected before
    us is never touched. What the platform keeps after five looks stays noted as held, and the certificate
    says so.
    """
    walk = Walk.at(cursor, releases, records)
    matter_id = walk.release.matter_id
    if holds.is_per_matter and matter_id == NOBODY:
        return walk.through()
    owner: HoldOwner = matter_id if holds.is_per_matter else None

    def begin(planned: PlannedConversation) -> ConversationId | None:
        conversation_id = planned.conversation_id
        epoch = None if owner else promises.hold(conversation_id).promise.epoch
        is_ours = promises.begin_platform_release(conversation_id, owner, epoch)
        return conversation_id if is_ours else None

    for number, (offset, chunk) in enumerate(walk.chunks(holds.chunk_size)):
        if number and not has_time():
            return walk.again(offset)
        attempt = cursor.attempt if number == 0 else 0
        ours = [one for one in for_each(chunk, begin) if one]
        try:
            kept, is_settled = _revoke(ours, holds, walk)
        except PlatformThrottled as throttled:
            telemetry.count(Counter.THROTTLES)
            return walk.again(offset, bounded(throttled.retry_after_s), attempt=attempt)
        let_go = [one for one in ours if one not in kept]
        for_each(let_go, lambda one: promises.end_platform_release(one, owner, clock.now()))
        if not is_settled and attempt + 1 < MAX_LOOKS:
            return walk.again(offset, LOOK_AGAIN_S, attempt=attempt + 1)
        for_each(sorted(kept), lambda one: promises.platform_kept(one, owner))
        telemetry.count(Counter.EXCEPTIONS, len(kept))
    return walk.through()


def _revoke(
    ours: Sequence[ConversationId], holds: PlatformHolds, walk: Walk
) -> tuple[frozenset[ConversationId], bool]:
    """Ask the platform, and say what it protects still; and whether asking again is of no use."""
    if not ours:
        return frozenset(), True
    refusals = holds.release(ours, walk.release.matter_id)
    kept = holds.held_among(ours, walk.release.matter_id)
    final = {one.conversation_id for one in refusals if one.kind is not RefusalKind.CONFLICT}
    return kept, kept <= final
