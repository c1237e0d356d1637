"""One suite for the platform in memory, and for both dialects against the simulated vendor."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from holdfast.domain.ids import ConversationId, ExportJobId, MatterId
from holdfast.domain.media import Medium
from holdfast.domain.scope import Conversation, Scope
from holdfast.domain.states import BatchState
from holdfast.errors import PlatformConflict, PlatformNotFound, TooManyJobs
from holdfast.genesys.compliance.deletions import NoDeletions
from holdfast.ports import (
    Clock,
    DeletionSchedule,
    ExportJobs,
    ExportSelection,
    HoldRefusal,
    PlatformHolds,
    RecordingCatalogue,
    RefusalKind,
    ScopeSource,
)
from tests.fakes.clock import NOON, HandDrivenClock
from tests.fakes.platform import (
    CatalogueInMemory,
    DeletionsInMemory,
    ExportJobsInMemory,
    PlatformHoldsInMemory,
    ScopeInMemory,
)
from tests.fakes.story import conversations
from tests.integration.test_compliance_dialect import tenant as compliance_tenant
from tests.integration.test_platform_dialect import EVERYTHING, UNKNOWN, group, tenant

MATTER = MatterId("M-1")
COUNT = 12
LONG_AGO = timedelta(days=1)


@dataclass(frozen=True)
class Platform:
    """A platform with twelve conversations; `let_time_pass` brings a job from PENDING to READY."""

    ids: Sequence[ConversationId]
    scope_source: ScopeSource
    jobs: ExportJobs
    catalogue: RecordingCatalogue
    holds: PlatformHolds
    deletions: DeletionSchedule
    clock: Clock
    let_time_pass: Callable[[], None]

    def selection(self, *places: int, **scope: Any) -> ExportSelection:
        ids = [self.ids[place] for place in places]
        return ExportSelection(ids, replace(EVERYTHING, **scope), frozenset({Medium.VOICE}))


def _in_memory(*, is_per_matter: bool = False) -> Platform:
    clock, everyone = HandDrivenClock(NOON), conversations(*range(COUNT))
    jobs = ExportJobsInMemory(clock)

    def let_time_pass() -> None:
        clock.forward(timedelta(seconds=1))
        for job in list(jobs.jobs.values()):
            following = {BatchState.PENDING: BatchState.READY, BatchState.PROCESSING: BatchState.FULFILLED}
            jobs.move(job.job_id, state=following.get(job.state, job.state))

    scope_source = ScopeInMemory([everyone[start : start + 7] for start in range(0, COUNT, 7)])
    scope_source.looks_until_done = 1
    return Platform(
        [one.conversation_id for one in everyone],
        scope_source,
        jobs,
        CatalogueInMemory(),
        PlatformHoldsInMemory(refusing={UNKNOWN: RefusalKind.NOT_FOUND}, is_per_matter=is_per_matter),
        DeletionsInMemory([(everyone[0].conversation_id, NOON + LONG_AGO)]),
        clock,
        let_time_pass,
    )


def _simulated() -> Platform:
    # How the vendor refuses a job too many is not documented; a 429 would be a throttling like any other.
    dated = group("dated", 1, delete_after_s=86_400)
    simulated = tenant(dated, group("calls", COUNT - 1), organization={"third_job_error": 400})
    return Platform(
        simulated.ids,
        simulated.scope,
        simulated.jobs,
        simulated.catalogue,
        simulated.holds,
        simulated.deletions,
        simulated.clock,
        lambda: simulated.clock.pass_s(1),
    )


def _in_memory_per_matter() -> Platform:
    return _in_memory(is_per_matter=True)


def _simulated_compliance() -> Platform:
    """Everything is uploaded already: what is not, cannot be held."""
    simulated = compliance_tenant(group("calls", COUNT), organization={"third_job_error": 400})
    simulated.ended(simulated.chosen("voice"))
    return Platform(
        simulated.ids,
        simulated.scope,
        simulated.bulk,
        simulated.catalogue,
        simulated.legal_holds,
        NoDeletions(),
        simulated.clock,
        lambda: simulated.clock.pass_s(1),
    )


@pytest.fixture(
    params=[_in_memory, _in_memory_per_matter, _simulated, _simulated_compliance],
    ids=["in memory", "in memory, per matter", "simulated platform", "simulated compliance"],
)
def platform(request: pytest.FixtureRequest) -> Platform:
    made: Platform = request.param()
    return made


def _select(platform: Platform, scope: Scope) -> list[Conversation]:
    query_id = platform.scope_source.start_query(scope)
    assert not platform.scope_source.is_query_done(query_id)
    platform.let_time_pass()
    assert platform.scope_source.is_query_done(query_id)
    found: list[Conversation] = []
    cursor: str | None = None
    while True:
        page = platform.scope_source.read_page(query_id, cursor)
        found += page.conversations
        cursor = page.cursor
        if cursor is None:
            return found


def test_a_scope_is_read_page_by_page_until_the_cursor_ends(platform: Platform) -> None:
    found = _select(platform, EVERYTHING)

    assert len(found) == COUNT
    assert {one.conversation_id for one in found} == set(platform.ids)


def test_a_page_can_be_read_again(platform: Platform) -> None:
    query_id = platform.scope_source.start_query(EVERYTHING)
    platform.let_time_pass()
    while not platform.scope_source.is_query_done(query_id):
        platform.let_time_pass()

    assert platform.scope_source.read_page(query_id, None) == platform.scope_source.read_page(query_id, None)


def test_a_job_waits_until_it_is_executed_and_then_ends(platform: Platform) -> None:
    job_id = platform.jobs.create(platform.selection(0, 1))

    states = [platform.jobs.read(job_id).state]
    platform.let_time_pass()
    states.append(platform.jobs.read(job_id).state)
    platform.jobs.execute(job_id)
    states.append(platform.jobs.read(job_id).state)
    for _ in range(60):
        platform.let_time_pass()
    states.append(platform.jobs.read(job_id).state)

    assert states == [
        BatchState.PENDING,
        BatchState.READY,
        BatchState.PROCESSING,
        BatchState.FULFILLED,
    ]
    assert platform.jobs.failed_recordings(job_id) == {}


def test_two_jobs_may_be_under_way_and_a_third_is_refused_until_one_is_not(platform: Platform) -> None:
    for place in (0, 1):
        platform.jobs.create(platform.selection(place))

    with pytest.raises(TooManyJobs):
        platform.jobs.create(platform.selection(2))

    platform.let_time_pass()
    assert platform.jobs.create(platform.selection(2))


def test_a_job_is_found_by_its_very_selection_since_its_very_time(platform: Platform) -> None:
    wanted, since = platform.selection(0, 1), platform.clock.now()
    job_id = platform.jobs.create(wanted)
    platform.let_time_pass()
    platform.jobs.create(platform.selection(0))

    assert platform.jobs.find(wanted, since) == job_id
    assert platform.jobs.find(platform.selection(1, 2), since) is None
    assert platform.jobs.find(wanted, since - LONG_AGO) == job_id
    assert platform.jobs.find(wanted, platform.clock.now() + LONG_AGO) is None


def test_a_cancelled_job_has_ended_and_cannot_be_cancelled_again(platform: Platform) -> None:
    job_id = platform.jobs.create(platform.selection(0))
    platform.let_time_pass()

    platform.jobs.cancel(job_id)

    assert platform.jobs.read(job_id).state is BatchState.CANCELLED
    with pytest.raises(PlatformConflict):
        platform.jobs.cancel(job_id)


def test_a_job_that_never_was_is_not_found(platform: Platform) -> None:
    with pytest.raises(PlatformNotFound):
        platform.jobs.read(ExportJobId(UNKNOWN))


def test_a_conversation_that_nobody_knows_has_no_recordings(platform: Platform) -> None:
    assert list(platform.catalogue.recordings_of(UNKNOWN)) == []


def test_what_is_placed_is_read_back_and_nothing_else(platform: Platform) -> None:
    first, second, third = platform.ids[:3]
    assert platform.holds.held_among([first, second, third], MATTER) == frozenset()

    refusals = [*platform.holds.place([first, second], MATTER), *platform.holds.place([first], MATTER)]

    assert refusals == []
    assert platform.holds.held_among([first, second, third], MATTER) == {first, second}
    assert platform.holds.held_among([third], MATTER) == frozenset()


def test_one_conversation_that_is_refused_stops_no_other(platform: Platform) -> None:
    known = platform.ids[0]

    refusals = list(platform.holds.place([known, UNKNOWN], MATTER))

    assert refusals == [HoldRefusal(UNKNOWN, RefusalKind.NOT_FOUND)]
    assert platform.holds.held_among([known, UNKNOWN], MATTER) == {known}


def test_a_call_takes_as_many_as_it_says(platform: Platform) -> None:
    assert platform.holds.chunk_size in {50, 100}
    assert list(platform.holds.place(list(platform.ids), MATTER)) == []


def test_what_is_let_go_is_held_no_more_and_nothing_else_is_let_go(platform: Platform) -> None:
    first, second = platform.ids[:2]
    platform.holds.place([first, second], MATTER)

    refusals = [*platform.holds.release([first], MATTER), *platform.holds.release([first], MATTER)]

    assert refusals == []
    assert platform.holds.held_among([first, second], MATTER) == {second}


def test_a_hold_is_seen_by_another_matter_unless_every_matter_holds_for_itself(platform: Platform) -> None:
    (first, *_), other = platform.ids, MatterId("M-2")
    platform.holds.place([first], MATTER)

    seen = platform.holds.held_among([first], other)

    assert seen == (frozenset() if platform.holds.is_per_matter else {first})


def test_letting_go_for_one_matter_leaves_what_another_holds_for_itself(platform: Platform) -> None:
    (first, *_), other = platform.ids, MatterId("M-2")
    for matter in (MATTER, other):
        platform.holds.place([first], matter)

    platform.holds.release([first], MATTER)

    assert platform.holds.held_among([first], other) == ({first} if platform.holds.is_per_matter else set())


def test_a_schedule_of_deletions_ends_and_names_conversations_with_aware_times(platform: Platform) -> None:
    page = platform.deletions.page(0, None)

    assert page.cursor is None
    assert {cid for cid, _ in page.delete_dates} <= set(platform.ids)
    assert all(delete_at > platform.clock.now() for _, delete_at in page.delete_dates)
    # Only the documented API tells of deletions.
    assert bool(page.delete_dates) is not isinstance(platform.deletions, NoDeletions)


def test_a_cap_is_known_where_protection_is_shared(platform: Platform) -> None:
    assert platform.holds.cap is None or platform.holds.cap > 0
    assert platform.holds.is_per_matter or platform.holds.cap


def test_conversations_by_voice_belong_to_one_lot(platform: Platform) -> None:
    everyone = _select(platform, EVERYTHING)

    assert len({platform.jobs.lot_of(one) for one in everyone}) == 1
    assert platform.jobs.most_conversations > 0
