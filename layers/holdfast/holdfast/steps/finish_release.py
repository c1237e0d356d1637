"""Give a release its certificate: read back what became of everything the plan names, and write that down."""

import json
from collections import Counter as Tally
from dataclasses import replace

from holdfast.contracts.release import HoldReleaseRequested
from holdfast.contracts.steps import ReleaseCursor, ReleaseFinished
from holdfast.domain.custody import EventType, Released
from holdfast.domain.ids import MatterId
from holdfast.domain.release import NOBODY, PlannedConversation
from holdfast.domain.states import PlatformHold, ReleaseState
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.errors import LedgerContention, LedgerRuleBroken
from holdfast.ports import (
    ClaimBook,
    Clock,
    Dossier,
    RecordFile,
    RecordFiles,
    ReleaseRecord,
    ReleaseRequests,
    SealBook,
    Telemetry,
)
from holdfast.steps.pool import for_each
from holdfast.steps.release_files import Certificate, Outcome, Part, PartHeader, ReleaseFiles
from holdfast.steps.release_parts import Walk


def finish_release(
    cursor: ReleaseCursor,
    *,
    releases: ReleaseRequests,
    claims: ClaimBook,
    records: RecordFiles,
    seals: SealBook,
    clock: Clock,
    telemetry: Telemetry,
) -> ReleaseFinished:
    """Account for one part of the plan an invocation; after the last, certify and let the matter go.

    A certificate that was given stands, whoever asks again.
    """
    release = releases.read(cursor.matter_id, cursor.release_id)
    if release.state is ReleaseState.RELEASED:
        return _finished(release, records)
    walk = Walk.at(cursor, releases, records)
    part = _accounted(walk, claims)
    onward = walk.onward()
    if onward.status != "DONE":
        return ReleaseFinished(status="MORE", number=onward.number, sha256=onward.sha256, wait_s=MIN_WAIT_S)
    given, file = walk.files.write_certificate(_certificate(walk, part, clock))
    seals.add_fact(release.matter_id, f"RELEASE#{release.release_id}", _entry(walk, given, file))
    ended = replace(release, state=ReleaseState.RELEASED, certificate=file)
    if not releases.end(release, ended):
        raise LedgerContention(f"release {release.release_id} was written by somebody else meanwhile")
    telemetry.note("released", matter_id=release.matter_id, conversations=part.header.counts["let_go"])
    return _finished(ended, records)


def _accounted(walk: Walk, claims: ClaimBook) -> Part[Outcome]:
    """Write what became of a part, after what became of the one before, which is the plan's next.

    What was written first stands.
    """
    number = walk.plan.parts - 1 - walk.part.header.part
    before = walk.files.outcome.expect(number - 1) if number else None
    release_id, matter_id = walk.release.release_id, walk.release.matter_id

    def account(planned: PlannedConversation) -> Outcome:
        return _outcome(planned, claims.dossier(planned.conversation_id), matter_id, release_id)

    lines = for_each(walk.part.lines, account)
    counts = Tally(dict.fromkeys(("conversations", "let_go", "stays", "versions", "size_bytes", "late"), 0))
    counts.update({"protected_still": 0, "let_go_by_another_release": 0})
    counts.update(before.header.counts if before else {"unattributed": walk.plan.counts["unattributed"]})
    for line in lines:
        counts.update({"conversations": 1, line.outcome: 1, "late": len(line.late)})
        counts.update(
            {"versions": len(line.versions), "size_bytes": sum(one.size_bytes for one in line.versions)}
        )
        counts["protected_still"] += line.platform in _PROTECTING and line.outcome != "stays"
    stays_for = Tally[MatterId](before.header.stays_for if before else {})
    stays_for.update(one for line in lines for one in line.claimed_by)
    header = PartHeader(
        part=number,
        previous_sha256=before.sha256 if before else "",
        counts=dict(counts),
        stays_for=dict(stays_for),
    )
    return walk.files.outcome.write(header, lines)


_PROTECTING = frozenset(state.value for state in PlatformHold if state.is_protecting)


def _outcome(planned: PlannedConversation, dossier: Dossier, matter_id: MatterId, release_id: str) -> Outcome:
    names = {version.fingerprint for version in planned.versions}
    is_let_go = any(_is_lift(entry.canonical, release_id) for entry in dossier.entries)
    hold = dossier.hold_for(matter_id)
    return Outcome(
        conversation_id=planned.conversation_id,
        outcome="let_go" if is_let_go else "stays" if dossier.claimed_by else "let_go_by_another_release",
        claimed_by=tuple(sorted(dossier.claimed_by)),
        versions=planned.versions if is_let_go else (),
        late=tuple(one.version for one in dossier.receipts if one.version.fingerprint not in names),
        platform=hold.state.value if hold else None,
    )


def _is_lift(canonical: bytes, release_id: str) -> bool:
    document = json.loads(canonical)
    lifted_by: object = document.get("details", {}).get("release_id")
    return document.get("type") == EventType.LIFTED and lifted_by == release_id


def _certificate(walk: Walk, part: Part[Outcome], clock: Clock) -> Certificate:
    release, plan, approval = walk.release, walk.plan, walk.release.approval
    if approval is None:
        raise LedgerRuleBroken(f"expected release {release.release_id} to be approved, found no approval")
    request = HoldReleaseRequested.model_validate_json(release.body)
    return Certificate(
        matter_id=release.matter_id,
        release_id=release.release_id,
        scope=request.scope,
        reason=request.reason,
        requested_by=request.requested_by,
        requested_at=release.opened_at,
        plan_key=walk.record.key,
        plan_sha256=walk.record.sha256,
        approved_by=approval.approved_by,
        approved_at=approval.at,
        approval_event_id=approval.event_id,
        released_at=clock.now(),
        outcome_parts=plan.parts,
        last_outcome_sha256=part.sha256,
        counts=part.header.counts,
        stays_for=part.header.stays_for,
    )


def _entry(walk: Walk, given: Certificate, file: RecordFile) -> Released:
    """Compose what the matter's log says of the release."""
    return Released(
        matter_id=given.matter_id,
        release_id=given.release_id,
        at=given.released_at,
        requested_by=given.requested_by,
        approved_by=given.approved_by,
        plan_sha256=given.plan_sha256,
        files=walk.files.named(walk.record, file),
        counts=given.counts,
    )


def _finished(release: ReleaseRecord, records: RecordFiles) -> ReleaseFinished:
    file = release.certificate
    if file is None:
        raise LedgerRuleBroken(f"expected release {release.release_id} to have a certificate, found none")
    files = ReleaseFiles(records, release.matter_id, release.release_id)
    counts = files.read_certificate(file).counts
    of_whom = "what nobody claims" if release.matter_id == NOBODY else f"matter {release.matter_id}"
    headline = (
        f"Release {release.release_id} of {of_whom} is done: of {counts['conversations']} conversations "
        f"{counts['let_go']} were let go ({counts['versions']} object versions) and {counts['stays']} stay, "
        f"because other matters claim them; {counts['late']} versions arrived after the plan and stay "
        f"locked. The certificate is {file.key} in the records bucket."
    )
    return ReleaseFinished(
        status="DONE",
        number=0,
        sha256="",
        wait_s=MIN_WAIT_S,
        certificate_key=file.key,
        certificate_sha256=file.sha256,
        counts=dict(counts),
        headline=headline,
    )
