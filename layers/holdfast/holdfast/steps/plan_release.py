"""Write down what a release would let go, and what stays for which other matter, before anything happens."""

import json
from collections import Counter as Tally
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta

from holdfast.contracts.release import HoldReleaseRequested
from holdfast.contracts.steps import ReleasePlanned, ReleasePlanning
from holdfast.domain.evidence_key import EvidenceKey, Role
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.moments import to_text
from holdfast.domain.release import NOBODY, PlannedConversation
from holdfast.domain.states import ReleaseState
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.errors import LedgerContention
from holdfast.ports import (
    ClaimBook,
    Clock,
    Counter,
    EvidenceListing,
    EvidenceRelease,
    ListingMark,
    PlanRecord,
    RecordFiles,
    ReleaseRecord,
    ReleaseRequests,
    Telemetry,
)
from holdfast.steps.pool import for_each
from holdfast.steps.release_files import PartHeader, Plan, ReleaseFiles

PART_CONVERSATIONS = 10_000


@dataclass(frozen=True, slots=True)
class _Found:
    """Some conversations that may be planned; `cursor` says where the list goes on, None where it ends."""

    conversation_ids: Sequence[ConversationId]
    cursor: str | None
    unattributed: int = 0


@dataclass(frozen=True, slots=True)
class _Sources:
    claims: ClaimBook
    listing: EvidenceListing
    locks: EvidenceRelease
    has_time: Callable[[], bool]


def plan_release(
    planning: ReleasePlanning,
    *,
    releases: ReleaseRequests,
    claims: ClaimBook,
    listing: EvidenceListing,
    locks: EvidenceRelease,
    records: RecordFiles,
    approval_deadline: timedelta,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> ReleasePlanned:
    """Plan one part an invocation; after the last, hash the whole.

    What was written once stands: a repeat goes on from it, whatever the world says meanwhile.
    """
    release = releases.read(planning.matter_id, planning.release_id)
    if release.state is ReleaseState.PLANNED:
        return _planned(release)
    if release.state is not ReleaseState.OPEN:
        return ReleasePlanned(status="APPROVED", part=planning.part, wait_s=MIN_WAIT_S)
    request = HoldReleaseRequested.model_validate_json(release.body)
    files = ReleaseFiles(records, release.matter_id, release.release_id)
    part = files.planned.read(planning.part)
    if part is None:
        sources = _Sources(claims, listing, locks, has_time)
        part = files.planned.write(*_composed(release, request, planning.part, files, sources))
    if part.header.cursor is not None:
        return ReleasePlanned(status="MORE", part=planning.part + 1, wait_s=MIN_WAIT_S)
    now = clock.now()
    plan, file = files.write_plan(
        Plan(
            matter_id=release.matter_id,
            release_id=release.release_id,
            scope=request.scope,
            requested_by=request.requested_by,
            reason=request.reason,
            requested_at=release.opened_at,
            planned_at=now,
            approve_by=now + approval_deadline,
            parts=part.header.part + 1,
            last_part_sha256=part.sha256,
            counts=part.header.counts,
            stays_for=part.header.stays_for,
        )
    )
    record = PlanRecord(file.key, file.sha256, plan.approve_by, plan.parts, dict(plan.counts))
    planned = replace(release, state=ReleaseState.PLANNED, plan=record)
    if not releases.advance(release, planned):
        raise LedgerContention(f"release {release.release_id} was written by somebody else meanwhile")
    telemetry.count(Counter.RELEASES_PLANNED)
    telemetry.note("release_planned", matter_id=release.matter_id, conversations=plan.counts["conversations"])
    return _planned(planned)


def _planned(release: ReleaseRecord) -> ReleasePlanned:
    plan = release.plan
    assert plan is not None  # noqa: S101 - it is written with the state
    counts, approve_by = plan.counts, to_text(plan.approve_by)
    of_whom = "what nobody claims" if release.matter_id == NOBODY else f"matter {release.matter_id}"
    headline = (
        f"Release {release.release_id} of {of_whom} is planned: {counts['conversations']} conversations, of "
        f"which {counts['let_go']} would be let go ({counts['versions']} object versions) and "
        f"{counts['stays']} stay, because other matters claim them too. To let it begin, another person than "
        f"who asked sends HoldReleaseApproved with plan_sha256 {plan.sha256} by {approve_by}. The plan is "
        f"{plan.key} in the records bucket."
    )
    return ReleasePlanned(
        status="PLANNED",
        part=plan.parts - 1,
        wait_s=MIN_WAIT_S,
        plan_key=plan.key,
        plan_sha256=plan.sha256,
        approve_by=approve_by,
        counts=dict(counts),
        headline=headline,
    )


def _composed(
    release: ReleaseRecord,
    request: HoldReleaseRequested,
    number: int,
    files: ReleaseFiles,
    sources: _Sources,
) -> tuple[PartHeader, list[PlannedConversation]]:
    """Compose a part that follows on the one before."""
    before = files.planned.expect(number - 1) if number else None
    cursor = before.header.cursor if before else None
    found = (
        _unclaimed(request, cursor, sources)
        if release.matter_id == NOBODY
        else _claimed(release.matter_id, cursor, sources)
    )
    planned = for_each(found.conversation_ids, lambda one: _plan(one, release.matter_id, sources))
    lines = [line for line in planned if line]
    counts = Tally({"conversations": 0, "let_go": 0, "stays": 0, "versions": 0, "size_bytes": 0})
    counts.update(before.header.counts if before else {})
    counts.update(_counts(lines) | {"unattributed": found.unattributed})
    stays_for = Tally(before.header.stays_for if before else {})
    stays_for.update(matter for line in lines for matter in line.claimed_by)
    header = PartHeader(
        part=number,
        previous_sha256=before.sha256 if before else "",
        counts=dict(counts),
        stays_for=dict(stays_for),
        cursor=found.cursor,
    )
    return header, lines


def _counts(lines: Sequence[PlannedConversation]) -> dict[str, int]:
    let_go = [line for line in lines if not line.claimed_by]
    versions = [version for line in let_go for version in line.versions]
    return {
        "conversations": len(lines),
        "let_go": len(let_go),
        "stays": len(lines) - len(let_go),
        "versions": len(versions),
        "size_bytes": sum(version.size_bytes for version in versions),
    }


def _plan(
    conversation_id: ConversationId, matter_id: MatterId, sources: _Sources
) -> PlannedConversation | None:
    """Say of one conversation who else claims it, and name its versions.

    They are named even if it stays: the other matter may have let it go by then.
    """
    dossier = sources.claims.dossier(conversation_id)
    versions = [receipt.version for receipt in dossier.receipts]
    if matter_id == NOBODY:
        versions = [version for version in versions if sources.locks.is_locked(version)]
        if dossier.claimed_by or not versions:
            return None
    others = sorted(dossier.claimed_by - {matter_id})
    return PlannedConversation(conversation_id, tuple(others), tuple(versions))


def _claimed(matter_id: MatterId, cursor: str | None, sources: _Sources) -> _Found:
    """Page over the matter's own claims."""
    found: list[ConversationId] = []
    while True:
        page = sources.claims.claims_of(matter_id, cursor)
        found += [claim.conversation_id for claim in page.claims if claim.ended_at is None]
        cursor = page.cursor
        if cursor is None or len(found) >= PART_CONVERSATIONS or not sources.has_time():
            return _Found(found, cursor)


def _unclaimed(request: HoldReleaseRequested, cursor: str | None, sources: _Sources) -> _Found:
    """Page over the bucket, unless conversations are named; nobody else knows what nobody claims."""
    if request.chosen:
        return _Found(request.chosen, None)
    found: dict[ConversationId, None] = {}
    unattributed = 0
    mark = ListingMark(**json.loads(cursor)) if cursor else None
    while True:
        page = sources.listing.page("", mark)
        keys = [EvidenceKey.parse(arrival.version.key) for arrival in page.arrivals]
        found |= dict.fromkeys(_conversations(keys))
        unattributed += sum(key.role in (Role.STRAY, Role.MANIFEST) for key in keys)
        mark = page.after
        if mark is None or len(found) >= PART_CONVERSATIONS or not sources.has_time():
            return _Found(list(found), json.dumps(asdict(mark)) if mark else None, unattributed)


def _conversations(keys: Sequence[EvidenceKey]) -> Iterator[ConversationId]:
    yield from (key.conversation_id for key in keys if key.conversation_id)
