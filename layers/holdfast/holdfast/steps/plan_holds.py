"""Choose whom the platform is asked to protect, and in which order."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import HoldPlanning, HoldsPlanned
from holdfast.domain.hold_order import Evidence, first, place_of, soonest
from holdfast.domain.reconciliation import Reason
from holdfast.domain.waits import MIN_WAIT_S, bounded
from holdfast.errors import PlatformThrottled, RefusedError
from holdfast.ports import (
    BatchBook,
    BatchRecord,
    ClaimBook,
    Clock,
    Counter,
    DeletionSchedule,
    RequestBook,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import HoldDraft, HoldList, HoldPlan, HoldPlanFiles
from holdfast.steps.hold_chunks import judged

# Beyond what is left of the cap, so many are asked for all the same: only the platform's answer is certain.
SPARE = 100
# So many delete dates are kept, the earliest; some may be of other requests of the matter.
MOST_DATES = 5_000
# A conversation may go on, and its recordings begin, after the interval that selects it.
LONGEST_CONVERSATION = timedelta(days=31)
# Of more conversations it is not asked which of them the platform protects by chance.
READ_BACK_MOST = 10_000


def plan_holds(
    planning: HoldPlanning,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    deletions: DeletionSchedule,
    files: WorkFiles,
    cap: int | None,
    lead: timedelta,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> HoldsPlanned:
    """Forecast whom the platform has room for, and write the plan.

    Early: what the platform would delete within `lead`, the earliest first. Otherwise every conversation of
    the request; delete dates are read only if there is not room for all. Where somebody else has planned, it
    is their plan.
    """
    if planning.plan_key:
        return HoldsPlanned(status="PLANNED", plan_key=planning.plan_key, wait_s=MIN_WAIT_S)
    if cap is None:
        return HoldsPlanned(status="NOTHING" if planning.early else "PLANNED", wait_s=MIN_WAIT_S)
    request = requests.read(planning.matter_id, planning.request_id)
    interval = DiscoveryRequest.model_validate_json(request.body).scope.to_domain().interval
    now = clock.now()
    planner = _Planner(
        planning,
        list(batches.of_request(request)),
        cap=cap,
        claims=claims,
        deletions=deletions,
        files=files,
        # Whatever the scope selects is at least as old as this; what is younger need not be read.
        retained_days=max(0, (now - interval.end - LONGEST_CONVERSATION).days),
        delete_before=now + lead if planning.early else None,
        telemetry=telemetry,
    )
    try:
        is_done = planner.read_deletions(has_time) and planner.choose(has_time)
    except PlatformThrottled as throttled:
        telemetry.count(Counter.THROTTLES)
        return planner.again(throttled.retry_after_s)
    return planner.planned() if is_done else planner.again(0)


class _Planner:
    """The plan in the making, and how far it has come."""

    def __init__(
        self,
        planning: HoldPlanning,
        batches: Sequence[BatchRecord],
        *,
        cap: int,
        claims: ClaimBook,
        deletions: DeletionSchedule,
        files: WorkFiles,
        retained_days: int,
        delete_before: datetime | None,
        telemetry: Telemetry,
    ) -> None:
        self._planning = planning
        self._batches = batches
        self._claims = claims
        self._deletions = deletions
        self._files = files
        self._retained_days = retained_days
        self._delete_before = delete_before
        self._telemetry = telemetry
        self._plans = HoldPlanFiles(files, planning.matter_id, planning.request_id, is_early=planning.early)
        self._held = claims.held_for_all()
        self._left = max(0, cap - len(self._held))
        self._used_percent = 100 * len(self._held) / max(cap, 1)
        self._wanted = self._left + SPARE
        self._conversations = sum(batch.conversations for batch in batches)
        is_resumed = planning.are_read or bool(planning.page or planning.batch)
        self._draft = self._plans.draft() if is_resumed else HoldDraft()
        if not planning.early and self._conversations <= self._left:
            self._move(are_read=True)

    def read_deletions(self, has_time: Callable[[], bool]) -> bool:
        """Read when the platform deletes what; answer whether that is done.

        Raises:
            RefusedError: the platform does not tell, and the run is an early one, which stands on it.
        """
        while not self._planning.are_read:
            try:
                self._read_page()
            except RefusedError as refused:
                if self._planning.early:
                    raise
                # An order without delete dates is better than no hold.
                self._telemetry.warn("delete_dates_unknown", error=type(refused).__name__)
                self._move(are_read=True)
            if not has_time():
                return False
        return True

    def _read_page(self) -> None:
        page = self._deletions.page(self._retained_days, self._planning.page or None)
        dated = [
            (cid, delete_at)
            for cid, delete_at in page.delete_dates
            if cid not in self._held and (self._delete_before is None or delete_at <= self._delete_before)
        ]
        ids = list(dict.fromkeys(cid for cid, _ in dated))
        ours = self._claims.claimed_among(ids, self._planning.matter_id) if ids else frozenset()
        more = [one for one in dated if one[0] in ours]
        delete_dates = soonest(self._draft.delete_dates, more, max(MOST_DATES, self._wanted))
        self._draft = replace(self._draft, delete_dates=delete_dates)
        self._move(page=page.cursor or "", are_read=page.cursor is None)

    def choose(self, has_time: Callable[[], bool]) -> bool:
        """Choose the best of every batch; answer whether that is done. An early plan needs no choice."""
        if self._planning.early:
            return True
        for index, batch in enumerate(self._batches[self._planning.batch :], self._planning.batch):
            eligible = [one for one in judged(batch, self._files) if one[0].conversation_id not in self._held]
            places = (
                place_of(conversation, evidence, self._draft.delete_dates)
                for conversation, evidence in eligible
                if evidence is not Evidence.SILENT
            )
            silent = [one.conversation_id for one, evidence in eligible if evidence is Evidence.SILENT]
            self._draft = replace(
                self._draft,
                best=first(chain(self._draft.best, places), self._wanted),
                silent=[*self._draft.silent, *silent][: self._wanted],
            )
            self._move(batch=index + 1)
            if not has_time():
                return False
        return True

    def again(self, wait_s: float) -> HoldsPlanned:
        """Keep what there is, and ask to be called again."""
        self._plans.write_draft(self._draft)
        return HoldsPlanned(
            status="MORE",
            are_read=self._planning.are_read,
            page=self._planning.page,
            batch=self._planning.batch,
            wait_s=bounded(wait_s),
        )

    def planned(self) -> HoldsPlanned:
        """Write the plan."""
        self._telemetry.count(Counter.PROTECTION_CAP_USED, self._used_percent)
        early, left, silent = self._planning.early, self._left, self._draft.silent
        best = [place.conversation_id for place in self._draft.best]
        best = (list(self._draft.delete_dates) if early else best)[: self._wanted]
        if early and not best:
            return HoldsPlanned(status="NOTHING", wait_s=MIN_WAIT_S)
        lists = [HoldList(best[:left]), HoldList(best[left:])]
        if len(best) + len(silent) <= left:  # there is room to let the platform say so itself
            lists.append(HoldList(silent, Reason.NO_RECORDING))
        plan = HoldPlan(lists, reads_rest_back=self._conversations <= READ_BACK_MOST)
        self._telemetry.note(
            "holds_planned", request_id=self._planning.request_id, conversations=len(best), outstanding=left
        )
        return HoldsPlanned(status="PLANNED", plan_key=self._plans.write(plan), wait_s=MIN_WAIT_S)

    def _move(self, **steps: int | str) -> None:
        self._planning = self._planning.model_copy(update=steps)
