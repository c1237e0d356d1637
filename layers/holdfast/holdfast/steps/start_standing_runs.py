"""Move every open standing matter on: ask for its next interval, once the one before has its verdict."""

from collections import Counter as Tally
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.standing import StandingMatterOpened
from holdfast.contracts.steps import StandingRuns
from holdfast.domain.ids import MatterId, RequestId
from holdfast.domain.scope import DATA_LAG
from holdfast.domain.standing import IntervalRun
from holdfast.domain.states import RequestState
from holdfast.ports import (
    Clock,
    Counter,
    RequestBook,
    RequestBus,
    Runs,
    ScopeSource,
    StandingBook,
    StandingMatter,
    Telemetry,
)
from holdfast.steps.pool import for_each

_VERDICTS = frozenset({RequestState.PRESERVED, RequestState.INCOMPLETE})


class _Outcome(StrEnum):
    ASKED = "asked"
    UNDER_WAY = "under_way"
    STUCK = "stuck"
    RESTING = "resting"


@dataclass(frozen=True, slots=True)
class _Mover:
    standing: StandingBook
    requests: RequestBook
    runs: Runs
    bus: RequestBus
    now: datetime
    available_until: datetime
    telemetry: Telemetry

    def try_to_move_on(self, matter_id: MatterId) -> _Outcome:
        """Move one matter on; whatever is wrong with it stops none of the others, and is tried again."""
        try:
            outcome = self._move_on(matter_id)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is this matter's alone
            self.telemetry.warn(
                "standing_matter_not_moved", matter_id=matter_id, error=type(failure).__name__
            )
            outcome = _Outcome.STUCK
        self.telemetry.count(Counter.STANDING_RUNS_ASKED_FOR, outcome is _Outcome.ASKED)
        self.telemetry.count(Counter.STANDING_MATTERS_STUCK, outcome is _Outcome.STUCK)
        return outcome

    def _move_on(self, matter_id: MatterId) -> _Outcome:
        matter = self.standing.find(matter_id)
        if matter is None:
            return _Outcome.RESTING
        before, run = matter.course, self._run_of(matter)
        course = before.moved_on(run, now=self.now, available_until=self.available_until)
        if course != before:
            # Written before it is asked for: what is lost in between is asked for again after the pause.
            if not self.standing.advance(replace(matter, course=course, version=matter.version + 1)):
                return _Outcome.UNDER_WAY  # somebody else moves it on
            self.telemetry.note("standing_matter_moved", matter_id=matter_id, state=course.state)
        wanted = _wanted(replace(matter, course=course))
        if wanted is None:
            return _Outcome.RESTING
        if course.asks_more_than(before):
            self.bus.request(wanted.canonical())
            self.telemetry.note(
                "standing_run_asked_for",
                matter_id=matter_id,
                request_id=wanted.request_id,
                attempt=course.attempts,
            )
        if course.is_stuck and run is IntervalRun.BROKEN_OFF:
            self.telemetry.warn(
                "standing_run_stuck",
                matter_id=matter_id,
                request_id=wanted.request_id,
                attempt=course.attempts,
            )
            return _Outcome.STUCK
        return _Outcome.ASKED if course.asks_more_than(before) else _Outcome.UNDER_WAY

    def _run_of(self, matter: StandingMatter) -> IntervalRun:
        """Look up what became of the interval under way."""
        wanted = _wanted(matter)
        if wanted is None:
            return IntervalRun.BROKEN_OFF
        request = self.requests.find(matter.matter_id, RequestId(wanted.request_id))
        # Another request under this name is not the interval's, whatever its verdict.
        if request is None or DiscoveryRequest.model_validate_json(request.body) != wanted:
            return IntervalRun.BROKEN_OFF
        if request.state in _VERDICTS:
            return IntervalRun.CONCLUDED
        is_running = self.runs.is_alive(request.execution_arn)
        return IntervalRun.RUNNING if is_running else IntervalRun.BROKEN_OFF


def _wanted(matter: StandingMatter) -> DiscoveryRequest | None:
    """Compose the request of the interval under way."""
    interval = matter.course.under_way
    opening = StandingMatterOpened.model_validate_json(matter.body)
    return opening.request_for(interval) if interval else None


def start_standing_runs(
    *,
    standing: StandingBook,
    requests: RequestBook,
    runs: Runs,
    bus: RequestBus,
    scope_source: ScopeSource,
    clock: Clock,
    telemetry: Telemetry,
) -> StandingRuns:
    """Move on all that is open. At most one interval of a matter is under way, and two calls at once are as
    one: whoever writes first asks.

    An interval is done when its request has a verdict, be it INCOMPLETE: that verdict is the request's own,
    and is announced. One that failed or died is asked for again, after a pause that grows, and nothing is
    begun before it is done.

    Raises:
        TransientError: the platform does not say how far its data goes; the next look begins what is due.
    """
    open_matters = standing.open_matters()
    outcomes = Tally[_Outcome]()
    if open_matters:
        now = clock.now()
        available_until = min(now - DATA_LAG, scope_source.available_until())
        mover = _Mover(standing, requests, runs, bus, now, available_until, telemetry)
        outcomes.update(for_each(open_matters, mover.try_to_move_on))
    telemetry.count(Counter.STANDING_LOOKS)
    return StandingRuns(
        matters=outcomes.total(),
        asked=outcomes[_Outcome.ASKED],
        under_way=outcomes[_Outcome.UNDER_WAY],
        stuck=outcomes[_Outcome.STUCK],
    )
