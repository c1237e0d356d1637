"""Whatever happens, in whatever order, every promise is kept: the real steps, in memory, step by step.

Two matters ask, claim, are released and ask again over the same conversations; recordings arrive late, twice
or unheard, functions are killed between any two effects, locks are lifted outside, old messages and old
writes come through. `tests.fakes.rules` is asked after every step. The mutants show that it would notice.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from typing import Any, Self

import pytest
from hypothesis import HealthCheck, Verbosity, settings
from hypothesis import Phase as Tried
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from holdfast.domain.custody import Arrival, Relock
from holdfast.domain.drift import drift_of
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.promise import UNCLAIMED, Promise
from holdfast.domain.reconciliation import Reason, standing_of
from holdfast.domain.release import NOBODY, PlannedConversation
from holdfast.domain.states import HoldState, MatterStatus, PlatformHold
from holdfast.domain.tags import plan_tags
from holdfast.ports import ClaimEnding, PlatformHoldRecord, ReleaseRecord, SweepSource
from holdfast.steps import (
    comparison,
    lift_holds,
    pool,
    read_scope_pages,
    reconcile,
    seal_custody,
    secure_objects,
)
from holdfast.steps.comparison import Comparison
from holdfast.steps.secure_objects import Securing
from holdfast.steps.watch_protection import Watch
from tests.fakes.ledger import ConversationsInMemory, Folder, ReleasesInMemory
from tests.fakes.life import CONVERSATIONS, MATTERS, SOON, Incident, Letting, Life, Phase
from tests.fakes.rules import RuleBroken

matters = st.sampled_from(MATTERS)
names = st.sampled_from([*MATTERS, NOBODY])
numbers = st.sampled_from(CONVERSATIONS)
sources = st.sampled_from([SweepSource.BUCKET, SweepSource.RECEIPTS])
picks = st.integers(0, 30)
kills = st.none() | st.integers(1, 6)
times = st.sampled_from([SOON, timedelta(minutes=5), timedelta(hours=25)])


def incidents(steps: type[Phase] | type[Letting]) -> st.SearchStrategy[Incident]:
    """Let something happen before a step of a whole story."""
    acts: list[st.SearchStrategy[Callable[[Life], None]]] = [
        st.builds(lambda matter: lambda life: life.preserve(matter), matters),
        st.builds(lambda name: lambda life: life.release(name), names),
        st.builds(lambda which: lambda life: life.stick(which), picks),
        st.builds(lambda which: lambda life: life.tamper(which), picks),
        st.builds(lambda which: lambda life: life.again(which), picks),
        st.builds(lambda number: lambda life: life.upload(number), numbers),
        st.builds(lambda number, ago: lambda life: life.late_write(number, ago), numbers, st.integers(1, 3)),
        st.builds(lambda by: lambda life: life.pass_time(by), times),
    ]
    kill = st.builds(Incident, st.sampled_from(steps), st.none(), st.integers(1, 6))
    return kill | st.builds(Incident, st.sampled_from(steps), st.one_of(acts))


class PromisesKept(RuleBasedStateMachine):
    """Everything that may happen."""

    @initialize(is_per_matter=st.booleans())
    def begin(self, *, is_per_matter: bool) -> None:
        self.life = Life(is_per_matter=is_per_matter)

    @rule(matter=matters, incident=incidents(Phase), most=st.sampled_from([1, 3, 50]))
    def preserve(self, matter: str, incident: Incident, most: int) -> None:
        self.life.preserve(matter, incident, most=most)

    @rule(name=names, incident=incidents(Letting))
    def release(self, name: str, incident: Incident) -> None:
        self.life.release(name, incident)

    @rule(matter=matters, chosen=st.sampled_from([(1,), (2,), (1, 2)]))
    def ask(self, matter: str, chosen: tuple[int, ...]) -> None:
        self.life.ask(matter, chosen)

    @rule(matter=matters, crash=kills)
    def run_goes_on(self, matter: str, crash: int | None) -> None:
        self.life.go_on(matter, crash)

    @rule(name=names)
    def let_go(self, name: str) -> None:
        self.life.let_go(None if name == NOBODY else name)

    @rule(name=names, crash=kills)
    def release_goes_on(self, name: str, crash: int | None) -> None:
        self.life.release_goes_on(name, crash)

    @rule(number=numbers, recording=st.integers(0, 1), is_lost=st.booleans())
    def arrive(self, number: int, recording: int, *, is_lost: bool) -> None:
        self.life.upload(number, recording, is_lost=is_lost)

    @rule(most=st.sampled_from([1, 3, 50]), crash=kills, duplicates=st.booleans())
    def deliver(self, most: int, crash: int | None, *, duplicates: bool) -> None:
        self.life.deliver(most, crash=crash, duplicates=duplicates)

    @rule(which=picks)
    def again(self, which: int) -> None:
        self.life.again(which)

    @rule(source=sources, crash=kills)
    def sweep(self, source: SweepSource, crash: int | None) -> None:
        self.life.sweep(source, crash=crash)

    @rule(which=picks)
    def tamper(self, which: int) -> None:
        self.life.tamper(which)

    @rule(number=numbers)
    def revoke(self, number: int) -> None:
        self.life.revoke(number)

    @rule(crash=kills)
    def watch(self, crash: int | None) -> None:
        self.life.watch(crash=crash)

    @rule(which=picks)
    def stick(self, which: int) -> None:
        self.life.stick(which)

    @rule(by=times)
    def pass_time(self, by: timedelta) -> None:
        self.life.pass_time(by)

    @rule(number=numbers, epochs_ago=st.integers(1, 3))
    def late_write(self, number: int, epochs_ago: int) -> None:
        self.life.late_write(number, epochs_ago)

    def teardown(self) -> None:
        if hasattr(self, "life"):
            self.life.settle()


class _AtOnce:
    """A pool that does what it is given at once: no thread, and the same order every time."""

    def __init__(self, _threads: int) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def submit[**Given, Answer](
        self, act: Callable[Given, Answer], *args: Given.args, **named: Given.kwargs
    ) -> Future[Answer]:
        future: Future[Answer] = Future()
        try:
            future.set_result(act(*args, **named))
        except BaseException as failure:  # noqa: BLE001 - as a pool keeps it
            future.set_exception(failure)
        return future


@pytest.fixture(autouse=True)
def _one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "ThreadPoolExecutor", _AtOnce)


def explored(examples: int, steps: int, *phases: Tried) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        phases=phases,
        suppress_health_check=list(HealthCheck),
        verbosity=Verbosity.quiet,
        report_multiple_bugs=False,
    )


def test_whatever_happens_every_promise_is_kept() -> None:
    run_state_machine_as_test(PromisesKept, settings=explored(150, 40, Tried.generate, Tried.shrink))


# --- stories worth telling again: each leads to where something could go wrong

type Story = Callable[[Life], None]


def _overlap(life: Life) -> None:
    for matter in MATTERS:
        life.preserve(matter)
    for matter in MATTERS:
        life.release(matter)
    life.preserve("M-1")
    life.release("M-1")


def _something_comes_late(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1", Incident(Letting.APPROVE, lambda now: now.upload(1, 1)))
    life.deliver(50)
    life.release(NOBODY)


def _the_unclaimed_is_claimed_before_it_is_let_go(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1", Incident(Letting.APPROVE, lambda now: now.upload(1, 1)))
    life.deliver(50)
    life.release(NOBODY, Incident(Letting.END_CLAIMS, lambda now: now.preserve("M-2")))


def _a_claim_comes_while_the_locks_are_lifted(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1", Incident(Letting.LIFT, lambda now: now.preserve("M-2")))


def _a_claim_comes_before_the_claims_end(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1", Incident(Letting.END_CLAIMS, lambda now: now.preserve("M-2")))


def _the_lifter_dies(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1", Incident(Letting.LIFT, crash=3))
    life.pass_time(SOON)
    life.release_goes_on("M-1")


def _an_old_write_comes_through(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1", Incident(Letting.LIFT, lambda now: now.late_write(1, 1)))
    life.ask("M-1")
    life.go_on("M-1")
    life.late_write(1, 2)


def _the_locks_come_one_by_one(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1")
    life.preserve("M-1", most=1)


def _the_locks_come_after_all_the_rest(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1")
    life.ask("M-2")
    for _ in range(2):
        life.go_on("M-2")
    life.deliver(4)  # the recordings, and none of the wishes for a lock
    for _ in range(3):
        life.go_on("M-2")


def _s3_sticks(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1", Incident(Letting.LIFT, lambda now: now.stick(0)))


def _somebody_lifts_a_lock(life: Life) -> None:
    life.preserve("M-1")
    life.tamper(0)
    life.sweep(SweepSource.RECEIPTS)
    life.deliver(50)
    life.again(-1)
    life.deliver(50)


def _somebody_lifts_a_lock_that_is_to_be_read_back(life: Life) -> None:
    _the_locks_come_one_by_one(life)
    life.release("M-1")
    life.preserve("M-1", Incident(Phase.EXPORT, lambda now: now.tamper(0)), most=1)


def _somebody_ends_the_platforms_protection(life: Life) -> None:
    for matter in MATTERS:
        life.preserve(matter)
    for number in CONVERSATIONS:
        life.revoke(number)
    life.watch()
    life.release("M-1")


def _somebody_asks_between_approval_and_release(life: Life) -> None:
    life.preserve("M-1")
    life.release("M-1", Incident(Letting.BEGIN, lambda now: now.ask("M-1")))


def _nobody_hears_of_it(life: Life) -> None:
    life.upload(1, is_lost=True)


STORIES = {
    story.__name__.strip("_").replace("_", " "): story
    for story in (
        _overlap,
        _something_comes_late,
        _the_unclaimed_is_claimed_before_it_is_let_go,
        _a_claim_comes_while_the_locks_are_lifted,
        _a_claim_comes_before_the_claims_end,
        _the_lifter_dies,
        _an_old_write_comes_through,
        _the_locks_come_one_by_one,
        _the_locks_come_after_all_the_rest,
        _s3_sticks,
        _somebody_lifts_a_lock,
        _somebody_lifts_a_lock_that_is_to_be_read_back,
        _somebody_ends_the_platforms_protection,
        _somebody_asks_between_approval_and_release,
        _nobody_hears_of_it,
    )
}


def _tell(story: Story, *, is_per_matter: bool = False) -> Life:
    life = Life(is_per_matter=is_per_matter)
    story(life)
    life.settle()
    return life


def _tell_all() -> None:
    for story in STORIES.values():
        _tell(story)


@pytest.mark.parametrize("is_per_matter", [False, True], ids=["one hold for all", "a hold for each matter"])
@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_a_story_ends_well(story: Story, *, is_per_matter: bool) -> None:
    life = _tell(story, is_per_matter=is_per_matter)

    assert not life.queue


def test_killed_at_any_effect_the_longest_story_still_ends_well() -> None:
    whole = Life()
    _overlap(whole)
    effects = len(whole.house.effects.log)

    for last in range(1, effects, 2):
        life = Life()
        life.house.effects.kill_once_at = last
        _overlap(life)
        life.settle()

    assert effects > 60


# --- what would be noticed

type Plant = Callable[[pytest.MonkeyPatch], None]


def _promise(name: str, mutant: Callable[..., Any]) -> Plant:
    return lambda patch: patch.setattr(Promise, name, mutant)


def _securing(name: str, mutant: Callable[..., Any]) -> Plant:
    return lambda patch: patch.setattr(Securing, name, mutant)


def _lifter(name: str, mutant: Callable[..., Any]) -> Plant:
    return lambda patch: patch.setattr(lift_holds._Lifter, name, mutant)


def _ledger(name: str, mutant: Callable[..., Any]) -> Plant:
    return lambda patch: patch.setattr(ConversationsInMemory, name, mutant)


def _claim_in_lifting(promise: Promise, **_: bool) -> Promise:
    return replace(promise, active_claims=promise.active_claims + 1, state=HoldState.HELD)


def _claim_that_trusts(promise: Promise, **_: bool) -> Promise:
    claimed = _CLAIMED(promise)
    return replace(claimed, state=HoldState.HELD)


def _claim_under_the_old_epoch(promise: Promise, **_: bool) -> Promise:
    return replace(_CLAIMED(promise), epoch=promise.epoch)


def _claim_that_does_not_count(promise: Promise, **_: bool) -> Promise:
    return replace(_CLAIMED(promise), active_claims=max(1, promise.active_claims))


def _end_that_ignores_others(promise: Promise) -> Promise:
    return replace(_UNCLAIMED(promise), state=HoldState.LIFTING, epoch=promise.epoch + 1)


def _end_that_does_not_count(promise: Promise) -> Promise:
    return replace(_UNCLAIMED(promise), active_claims=promise.active_claims)


def _end_under_the_old_epoch(promise: Promise) -> Promise:
    return replace(_UNCLAIMED(promise), epoch=promise.epoch)


def _resumed_at_any_time(promise: Promise, *, is_lease_expired: bool) -> Promise:
    return _RESUMED(promise, is_lease_expired=is_lease_expired or True)


def _resumed_under_the_old_epoch(promise: Promise, *, is_lease_expired: bool) -> Promise:
    return replace(_RESUMED(promise, is_lease_expired=is_lease_expired), epoch=promise.epoch)


def _let_go_in_spite_of_claims(promise: Promise) -> Promise:
    return replace(promise, state=HoldState.LIFTING, epoch=promise.epoch + 1)


def _may_lift_whoever(promise: Promise, _epoch: int) -> bool:
    return promise.state is HoldState.LIFTING


def _locks_nothing(_: Securing, asked: Arrival | Relock) -> None:
    """Hear of a version, and leave its lock as it is."""


def _keeps_without_looking(securing: Securing, relock: Relock) -> None:
    conversation_id = EvidenceKey.parse(relock.version.key).conversation_id
    if conversation_id and securing.relocks.awaiting(conversation_id, relock.epoch):
        securing.relocks.relocked(conversation_id, relock.epoch, securing.clock.now())


def _looks_at_its_own_lock_alone(securing: Securing, relock: Relock) -> None:
    if securing.bucket.is_locked(relock.version):
        _keeps_without_looking(securing, relock)


def _unlocks_before_it_has_the_lift(lifter: Any, planned: PlannedConversation) -> Any:
    lifter._unlock(planned)
    return _LIFT(lifter, planned)


def _does_not_read_back(lifter: Any, planned: PlannedConversation) -> None:
    for version in planned.versions:
        lifter.locks.unlock(version)


def _lifts_half(lifter: Any, planned: PlannedConversation) -> None:
    for version in planned.versions[::2]:
        lifter.locks.unlock(version)


def _lifts_what_came_late(lifter: Any, planned: PlannedConversation) -> None:
    stored = lifter.locks._evidence._arrivals.values()
    folder = f"conversation_id={planned.conversation_id}/"
    late = [arrival.version for arrival in stored if folder in arrival.version.key]
    _UNLOCK(lifter, replace(planned, versions=tuple(late)))


def _has_no_lease(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(lift_holds, "LEASE", timedelta())


def _ends_every_matters_claim(ledger: ConversationsInMemory, ending: ClaimEnding) -> Any:
    for matter_id in ledger.dossier(ending.conversation_id).claimed_by:
        _END_CLAIM(ledger, replace(ending, matter_id=matter_id))
    return ledger.hold(ending.conversation_id)


def _lets_go_at_the_platform(ledger: ConversationsInMemory, cid: ConversationId, owner: Any, _: Any) -> bool:
    ledger._folder(cid).platform[owner] = PlatformHoldRecord(PlatformHold.RELEASING)
    return True


def _asks_nobody_for_locks(patch: pytest.MonkeyPatch) -> None:
    """Neither when it is claimed, nor when the sweep comes by: each would do."""
    patch.setattr(read_scope_pages, "write_relock", lambda _: "{}")
    patch.setattr(comparison, "wants_lock", lambda *_: False)


def _believes_receipts(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(reconcile, "without_locks", list)
    patch.setattr(seal_custody, "standing_of", _standing)


def _standing(reason: Reason) -> str:
    return "explained" if reason is Reason.LOCK_PENDING else standing_of(reason)


def _drops_foreign_tags(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(secure_objects, "plan_tags", lambda _, own: plan_tags({}, own))


def _sweeps_nothing(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Comparison, "_lost", lambda *_: [])


def _claim_before_the_lift_is_over(promise: Promise, **_: bool) -> Promise:
    is_off = promise.state in (HoldState.LIFTING, HoldState.LIFTED)
    state = HoldState.RELOCKING if is_off else promise.state
    return Promise(state, promise.active_claims + 1, promise.epoch + is_off)


def _begins_whatever_is_open(patch: pytest.MonkeyPatch) -> None:
    def begin(releases: ReleasesInMemory, _: ReleaseRecord, after: ReleaseRecord) -> bool:
        releases._write(after, status=MatterStatus.RELEASING)
        return True

    patch.setattr(ReleasesInMemory, "begin", begin)


def _writes_over_entries(
    ledger: ConversationsInMemory, folder: Folder, sort_key: str, fact: Any, matter_id: MatterId | None
) -> bool:
    folder.entries.pop(sort_key, None)
    return _FILE(ledger, folder, sort_key, fact, matter_id)


def _misses_no_protection(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Watch, "look_after", lambda *_: (0, 0))


def _sees_no_drift(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(comparison, "drift_of", lambda *_: frozenset())


def _sees_drift_everywhere(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(comparison, "drift_of", lambda receipt, seen, *_: drift_of(receipt, seen, UNCLAIMED))


_CLAIMED, _UNCLAIMED, _RESUMED = Promise.claimed, Promise.unclaimed, Promise.resumed
_LIFT, _UNLOCK = lift_holds._Lifter.lift, lift_holds._Lifter._unlock
_END_CLAIM, _FILE = ConversationsInMemory.end_claim, ConversationsInMemory._file

# Mutant: the number of the rule it breaks.
MUTANTS: Mapping[str, tuple[str, Plant]] = {
    "a claim is taken while the locks are being lifted": ("256", _promise("claimed", _claim_in_lifting)),
    "a claim on what was lifted trusts old receipts": ("56", _promise("claimed", _claim_that_trusts)),
    "a claim on what was lifted keeps the epoch": ("6", _promise("claimed", _claim_under_the_old_epoch)),
    "a second claim is not counted": ("3", _promise("claimed", _claim_that_does_not_count)),
    "a release ignores other matters": ("2", _promise("unclaimed", _end_that_ignores_others)),
    "the end of a claim is not counted": ("3", _promise("unclaimed", _end_that_does_not_count)),
    "the intent to lift has an old epoch": ("6", _promise("unclaimed", _end_under_the_old_epoch)),
    "a lease is overtaken": ("2", _promise("resumed", _resumed_at_any_time)),
    "a lift is resumed under its old epoch": ("6", _promise("resumed", _resumed_under_the_old_epoch)),
    "an unclaimed release touches the claimed": ("23", _promise("let_go", _let_go_in_spite_of_claims)),
    "an old epoch may speak for a lift": ("6", _promise("may_lift", _may_lift_whoever)),
    "what arrives is receipted before it is locked": ("1", _securing("_lock", _locks_nothing)),
    "a receipt stands for a lock": ("15", _securing("_lock_again", _locks_nothing)),
    "locks are not read back before they count": ("5", _securing("_keep_again", _keeps_without_looking)),
    "one lock speaks for all": ("5", _securing("_keep_again", _looks_at_its_own_lock_alone)),
    "nobody is asked for the locks": ("15", _asks_nobody_for_locks),
    "receipts are believed although locks are off": ("5", _believes_receipts),
    "a lock is lifted before the lift is taken": ("2", _lifter("lift", _unlocks_before_it_has_the_lift)),
    "a lift is not read back": ("6", _lifter("_unlock", _does_not_read_back)),
    "half of a lift is called a lift": ("6", _lifter("_unlock", _lifts_half)),
    "a lift takes along what came after its plan": ("2", _lifter("_unlock", _lifts_what_came_late)),
    "a lift has no lease": ("2", _has_no_lease),
    "a release ends the claims of other matters": ("3", _ledger("end_claim", _ends_every_matters_claim)),
    "the platform's hold is let go, whoever needs it": (
        "3",
        _ledger("begin_platform_release", _lets_go_at_the_platform),
    ),
    "foreign tags are dropped": ("7", _drops_foreign_tags),
    "what was lost is not looked for": ("1", _sweeps_nothing),
    "locks are not looked at again": ("1", _sees_no_drift),
    "a claim comes in the middle of a lift": ("2", _promise("claimed", _claim_before_the_lift_is_over)),
    "the last claim's end is no intent": (
        "6",
        _promise("unclaimed", lambda one: replace(one, active_claims=one.active_claims - 1)),
    ),
    "a release begins while something is open": ("3", _begins_whatever_is_open),
    "an entry is written over": ("1", _ledger("_file", _writes_over_entries)),
    "a protection that somebody ended is not missed": ("3", _misses_no_protection),
    "a release is taken for an intruder": ("6", _sees_drift_everywhere),
}


@pytest.mark.parametrize(("rules", "plant"), MUTANTS.values(), ids=MUTANTS)
def test_a_mutant_breaks_a_rule_in_one_of_the_stories(
    rules: str, plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    with pytest.raises(RuleBroken) as broken:
        _tell_all()

    assert broken.value.rule[0] in rules
