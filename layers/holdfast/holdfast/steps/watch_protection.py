"""Find claimed conversations that the platform does not protect, and have it asked again.

It reads, and changes nothing at the platform: what is to be protected is planned here, and placed and read
back by the workflow that always does.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import batched

from holdfast.contracts.steps import Watched
from holdfast.domain.drift import revocation_of
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.reconciliation import Reason, standing_of
from holdfast.domain.states import PlatformHold
from holdfast.errors import PlatformThrottled
from holdfast.ports import (
    ClaimBook,
    ClaimListing,
    ClaimRecord,
    Clock,
    Counter,
    HoldRuns,
    PlatformHoldRecord,
    PlatformHolds,
    RequestBook,
    SweepBook,
    SweepSource,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import HoldList, HoldPlan, write_hold_plan


@dataclass(frozen=True, slots=True)
class Watch:
    """What a look works with."""

    claims: ClaimBook
    requests: RequestBook
    holds: PlatformHolds
    hold_runs: HoldRuns
    files: WorkFiles
    clock: Clock
    telemetry: Telemetry

    def look_after(self, matter_id: MatterId, claimed: Sequence[ClaimRecord]) -> tuple[int, int]:
        """Look after some claims of a matter; answers how many were revoked, and are asked for again."""
        owner = matter_id if self.holds.is_per_matter else None
        standing = self.claims.platform_holds([one.conversation_id for one in claimed], owner)
        protected = [cid for cid, hold in standing.items() if hold and hold.state.is_protecting]
        now, revoked = self.clock.now(), 0
        for conversation_id in self._unprotected(self._unprotected(protected, matter_id), matter_id):
            hold = standing[conversation_id]
            if hold and self.claims.note_revoked(conversation_id, owner, hold.state, now):
                revoked += 1
                self.telemetry.count(Counter.DRIFT_FOUND)
                self.telemetry.warn(
                    "drift_found", conversation_id=conversation_id, reason=revocation_of(hold.state)
                )
        standing = self.claims.platform_holds([one.conversation_id for one in claimed], owner)
        wanting = [one for one in claimed if self._is_wanting(one, standing[one.conversation_id])]
        if wanting:
            self._ask(matter_id, wanting, now)
        return revoked, len(wanting)

    def _unprotected(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> list[ConversationId]:
        """Ask the platform which of these it does not protect; whoever is told so, asks twice."""
        held = {
            conversation_id
            for chunk in batched(conversation_ids, self.holds.chunk_size, strict=False)
            for conversation_id in self.holds.held_among(chunk, matter_id)
        }
        return [conversation_id for conversation_id in conversation_ids if conversation_id not in held]

    def _is_wanting(self, claim: ClaimRecord, hold: PlatformHoldRecord | None) -> bool:
        """Tell whether a claim lacks a protection that it should have, and no run is about to place it.

        What the platform has no room for, or has nothing of, is explained, and not asked for again.
        """
        if hold and hold.state is PlatformHold.REVOKED:
            return True
        if hold and hold.state not in (PlatformHold.PLACING, PlatformHold.REFUSED, PlatformHold.RELEASED):
            return False
        if hold and hold.reason and standing_of(Reason(hold.reason)) == "explained":
            return False
        request = self.requests.find(claim.matter_id, claim.request_id)
        return request is not None and request.state.is_terminal

    def _ask(self, matter_id: MatterId, wanting: Sequence[ClaimRecord], now: datetime) -> None:
        """Plan, then start the run; within an hour the same is asked for once."""
        named = sorted(one.conversation_id for one in wanting)
        told = "\n".join([matter_id, f"{now:%Y-%m-%dT%H}", *named])
        name = f"watch-{hashlib.sha256(told.encode()).hexdigest()[:40]}"
        plan_key = f"holds/watch/{name}.json"
        write_hold_plan(self.files, plan_key, HoldPlan([HoldList(named)]))
        if self.hold_runs.start(name, matter_id, wanting[0].request_id, plan_key):
            self.telemetry.note("holds_asked_again", matter_id=matter_id, conversations=len(named))


def watch_protection(
    *,
    claimed: ClaimListing,
    watch: Watch,
    sweeps: SweepBook,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> Watched:
    """Go on where the last look stopped, page by page, until the end or for as long as there is time.

    What was protected and is not any more is written down once, with its event, and alarms; it is asked for
    until it is protected again. A look that the platform throttles ends, and the next repeats its page.
    """
    mark, counts = sweeps.read("", SweepSource.CLAIMS), Watched(done=False, claims=0, revoked=0, asked=0)
    while True:
        page = claimed.claimed(mark.after)
        by_matter: dict[MatterId, list[ClaimRecord]] = defaultdict(list)
        for claim in page.claims:
            by_matter[claim.matter_id].append(claim)
        try:
            looks = [watch.look_after(matter_id, claims) for matter_id, claims in by_matter.items()]
        except PlatformThrottled:
            telemetry.count(Counter.THROTTLES)
            return counts
        counts = Watched(
            done=page.after is None,
            claims=counts.claims + len(page.claims),
            revoked=counts.revoked + sum(revoked for revoked, _ in looks),
            asked=counts.asked + sum(asked for _, asked in looks),
        )
        if page.after != mark.after:
            moved = sweeps.move(mark, page.after, clock.now())
            if moved is None:
                telemetry.note("sweep_overtaken")
                return counts.model_copy(update={"done": False})
            mark = moved
        if counts.done or not has_time():
            telemetry.count(Counter.PROTECTION_LOOKS)
            telemetry.note("protection_watched", conversations=counts.claims)
            return counts
