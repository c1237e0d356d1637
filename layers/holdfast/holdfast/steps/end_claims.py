"""End a matter's claims; where nobody else claims a conversation, that is the intent to lift its locks."""

from collections.abc import Callable

from holdfast.contracts.steps import ReleaseCursor, ReleaseProgress
from holdfast.domain.release import NOBODY, PlannedConversation
from holdfast.ports import ClaimEnding, Clock, RecordFiles, ReleaseBook, ReleaseRequests, Telemetry
from holdfast.steps.pool import for_each
from holdfast.steps.release_parts import Walk

CHUNK = 500


def end_claims(
    cursor: ReleaseCursor,
    *,
    releases: ReleaseRequests,
    promises: ReleaseBook,
    records: RecordFiles,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> ReleaseProgress:
    """End the claims of one part of the plan, or as many as time allows.

    Nobody holds a lease on what is to be lifted until the lifter takes it.
    """
    walk = Walk.at(cursor, releases, records)
    release, plan = walk.release, walk.plan

    def end(planned: PlannedConversation) -> None:
        now = clock.now()
        if release.matter_id == NOBODY:
            promises.begin_lift(planned.conversation_id, lease_until=now)
            return
        promises.end_claim(
            ClaimEnding(
                matter_id=release.matter_id,
                conversation_id=planned.conversation_id,
                release_id=release.release_id,
                ended_by=plan.requested_by,
                planned_at=plan.planned_at,
                at=now,
                lease_until=now,
            )
        )

    for number, (offset, chunk) in enumerate(walk.chunks(CHUNK)):
        if number and not has_time():
            return walk.again(offset)
        for_each(chunk, end)
        telemetry.note("claims_ended", matter_id=release.matter_id, conversations=len(chunk))
    return walk.through()
