"""Mark for disposal what releases let go so many days ago. Nothing else does, and this does nothing else.

It deletes nothing, and lifts no lock: the mark is a tag, which a lifecycle rule of the bucket acts on. What
was marked before and is not there any more is written down as disposed of.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from holdfast.contracts.steps import DisposalsMarked, ReleaseCursor
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.disposal import Disposability, LetGo, disposability, markable
from holdfast.domain.drift import Sighting
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ReleaseId
from holdfast.domain.release import PlannedConversation
from holdfast.domain.states import DisposalState, ReleaseState
from holdfast.domain.tags import is_marked, own_tags, plan_mark
from holdfast.ports import (
    ClaimBook,
    Clock,
    Counter,
    DisposalBook,
    DisposalWalk,
    Dossier,
    EvidenceMarker,
    EvidenceSight,
    RecordFiles,
    ReleaseRequests,
    Telemetry,
)
from holdfast.steps.pool import for_each
from holdfast.steps.release_files import ReleaseFiles
from holdfast.steps.release_parts import Walk

CHUNK = 100
# Longer than this function may run: whoever claims when the lease has ended never meets who held it.
LEASE = timedelta(seconds=960)
# S3 evaluates lifecycle rules once a day: what is marked is looked for as often.
WALK_AGAIN = timedelta(hours=20)

type Seen = Mapping[ObjectVersion, Sighting]


@dataclass(frozen=True, slots=True)
class Tally:
    """What conversations came to: `unsettled` ones have something that is still to be marked, or to go."""

    marked: int = 0
    disposed: int = 0
    unsettled: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        """Add up."""
        return Tally(
            self.marked + other.marked, self.disposed + other.disposed, self.unsettled + other.unsettled
        )


def mark_disposable(
    *,
    disposals: DisposalBook,
    releases: ReleaseRequests,
    claims: ClaimBook,
    records: RecordFiles,
    sight: EvidenceSight,
    marker: EvidenceMarker,
    wait: timedelta,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> DisposalsMarked:
    """Walk through the plans of all releases that were done `wait` ago, once a day until nothing is left.

    How far a walk has come is written down after each chunk that time allows; who dies does the rest of it
    again, which changes nothing.

    Raises:
        ReleasePlanChanged: a plan is not the one that was approved.
    """
    total, is_done = Tally(), True
    for walk in disposals.walks():
        if not has_time():
            is_done = False
            break
        released_at = _due_since(walk, releases, records, wait, clock.now())
        if released_at is None:
            continue
        marking = _Marking(
            walk.release_id, released_at, disposals, claims, sight, marker, wait, clock, telemetry
        )
        is_over, tally = _walk_on(walk, marking, releases, records, has_time)
        total, is_done = total + tally, is_done and is_over
    telemetry.note("disposals_marked", marked=total.marked, disposed=total.disposed)
    return DisposalsMarked(
        done=is_done, marked=total.marked, disposed=total.disposed, unsettled=total.unsettled
    )


def _due_since(
    walk: DisposalWalk, releases: ReleaseRequests, records: RecordFiles, wait: timedelta, now: datetime
) -> datetime | None:
    """Say when a release was done, if that is long enough ago, and its plan is to be walked today."""
    is_rested = walk.number < 0 and walk.walked_at is not None and walk.walked_at + WALK_AGAIN > now
    if is_rested or walk.opened_at + wait > now:
        return None
    files = ReleaseFiles(records, walk.matter_id, walk.release_id)
    released_at = files.certified(releases.read(walk.matter_id, walk.release_id)).released_at
    return released_at if released_at + wait <= now else None


def _walk_on(
    walk: DisposalWalk,
    marking: "_Marking",
    releases: ReleaseRequests,
    records: RecordFiles,
    has_time: Callable[[], bool],
) -> tuple[bool, Tally]:
    """Walk on through a plan, as far as time allows; tell whether it was walked to its end."""
    total = Tally()
    while True:
        cursor = ReleaseCursor(
            matter_id=walk.matter_id,
            release_id=walk.release_id,
            number=walk.number,
            sha256=walk.sha256,
            offset=walk.offset,
        )
        at = Walk.at(cursor, releases, records, ReleaseState.RELEASED)
        found, end = Tally(), walk.offset
        for number, (offset, chunk) in enumerate(at.chunks(CHUNK)):
            if number and not has_time():
                break
            found, end = sum(for_each(chunk, marking.dispose), found), offset + len(chunk)
        total += found
        ahead = at.onward() if end >= len(at.part.lines) else at.again(end)
        unsettled, is_over = walk.unsettled + found.unsettled, ahead.status == "DONE"
        moved = (
            DisposalWalk(
                walk.matter_id,
                walk.release_id,
                walk.opened_at,
                walked_at=marking.clock.now(),
                is_settled=not unsettled,
            )
            if is_over
            else replace(
                walk, number=ahead.number, sha256=ahead.sha256, offset=ahead.offset, unsettled=unsettled
            )
        )
        stands = marking.disposals.move(walk, moved)
        if is_over or stands is None or not has_time():
            return is_over, total
        walk = stands


@dataclass(frozen=True, slots=True)
class _Marking:
    """One release's conversations, one after the other."""

    release_id: ReleaseId
    released_at: datetime
    disposals: DisposalBook
    claims: ClaimBook
    sight: EvidenceSight
    marker: EvidenceMarker
    wait: timedelta
    clock: Clock
    telemetry: Telemetry

    def dispose(self, planned: PlannedConversation) -> Tally:
        """Mark what is due of a conversation, and write down what of it is gone."""
        dossier = self.claims.dossier(planned.conversation_id)
        let_go = LetGo(
            dossier.promise,
            dossier.lifted_by(self.release_id),
            [claim.ended_at for claim in dossier.claims],
            self.released_at,
        )
        answer = disposability(let_go, self.wait, self.clock.now())
        if answer is not Disposability.DUE:
            return Tally(unsettled=answer is Disposability.LATER)
        seen = self._look(dossier)
        disposed = sum(self._is_disposed(one, seen) for one in _marked(dossier))
        wanted = _wanted(planned, dossier, let_go, seen)
        marked = self._mark(planned, dossier, let_go) if wanted else 0
        is_left = any(version in seen for version in planned.versions)
        return Tally(marked=marked, disposed=disposed, unsettled=is_left)

    def _look(self, dossier: Dossier) -> Seen:
        """Look at all that the conversation has; what is not there is left out."""
        looks = ((one.version, self.sight.look(one.version)) for one in dossier.receipts)
        return {version: sighting for version, sighting in looks if sighting}

    def _is_disposed(self, version: ObjectVersion, seen: Seen) -> bool:
        if version in seen:
            return False
        self.telemetry.count(Counter.OBJECTS_DISPOSED)
        return self.disposals.disposed(version, self.clock.now())

    def _mark(self, planned: PlannedConversation, dossier: Dossier, let_go: LetGo) -> int:
        """Mark under the lease, by what is seen then.

        The lease is given back when all is done; if it is not, a mark may still be on its way, and claims
        wait until it has ended.
        """
        cid, now = planned.conversation_id, self.clock.now()
        epoch = self.disposals.begin_marking(cid, dossier.promise, now=now, lease_until=now + LEASE)
        if epoch is None:
            return 0
        marked, seen = _marked(dossier), self._look(dossier)
        wanted = _wanted(planned, dossier, let_go, seen)
        for number, (version, tags) in enumerate(wanted.items()):
            if version not in marked and not self.disposals.mark(version, self.release_id, epoch, now):
                return number  # somebody else is at it
            self.marker.mark(version, tags)
            self.telemetry.count(Counter.OBJECTS_MARKED)
        self.disposals.end_marking(cid, epoch)
        return len(wanted)


def _marked(dossier: Dossier) -> frozenset[ObjectVersion]:
    return frozenset(one.version for one in dossier.marks if one.state is DisposalState.MARKED)


def _wanted(
    planned: PlannedConversation, dossier: Dossier, let_go: LetGo, seen: Seen
) -> Mapping[ObjectVersion, Mapping[str, str]]:
    """Choose what must be marked, or was and does not bear its mark, each with the tags it shall have."""
    tags = {
        version: plan_mark(sighting.tags or {}, own_tags(EvidenceKey.parse(version.key)))
        for version, sighting in seen.items()
        if not sighting.is_locked
    }
    there = [one for one in dossier.receipts if one.version in seen]
    markable_now = markable(
        planned.versions, there, [one for one, wanted in tags.items() if wanted], _marked(dossier), let_go
    )
    return {
        version: wanted
        for version in markable_now
        if (wanted := tags[version])
        and not (version in _marked(dossier) and is_marked(seen[version].tags or {}))
    }
