"""What may be marked for disposal; and every interleaving of marker, claims, locks and S3's rule."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.custody import ObjectVersion, Receipt
from holdfast.domain.disposal import Disposability, LetGo, disposability, markable
from holdfast.domain.evidence_key import Role
from holdfast.domain.promise import Promise, PromiseBroken
from holdfast.domain.states import HoldState
from holdfast.domain.tags import DISPOSAL_DUE, DISPOSAL_TAG, MAX_TAGS, is_marked, plan_mark, plan_tags

NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
WAIT = timedelta(days=30)
HOUR = timedelta(hours=1)
moments = st.integers(-100, 100).map(lambda hours: NOON + hours * HOUR)
promises = st.builds(Promise, st.sampled_from(HoldState), st.integers(0, 2), st.integers(0, 5))
histories = st.builds(
    LetGo, promises, st.none() | moments, st.lists(st.none() | moments, max_size=3), moments
)


def version(key: str, number: int = 1) -> ObjectVersion:
    return ObjectVersion("bucket", key, f"v{number}", 1)


def receipt(one: ObjectVersion, secured_at: datetime = NOON) -> Receipt:
    return Receipt(one, Role.MEDIA, secured_at, secured_at, "0" * 64)


# --- when ------------------------------------------------------------------------------------------------


@given(histories, moments, st.timedeltas(timedelta(0), timedelta(days=4)))
def test_what_is_due_is_lifted_unclaimed_and_has_waited_since_its_release(
    let_go: LetGo, now: datetime, wait: timedelta
) -> None:
    if disposability(let_go, wait, now) is Disposability.DUE:
        assert let_go.promise.state is HoldState.LIFTED
        assert not let_go.promise.active_claims
        assert let_go.lifted_at is not None
        assert now - let_go.released_at >= wait
        assert now - let_go.lifted_at >= wait
        assert all(ended is not None and ended <= let_go.lifted_at for ended in let_go.claims_ended_at)


@given(histories, moments, st.timedeltas(timedelta(0), timedelta(days=4)))
def test_once_it_is_due_it_stays_due_until_somebody_claims(
    let_go: LetGo, now: datetime, wait: timedelta
) -> None:
    if disposability(let_go, wait, now) is Disposability.DUE:
        assert disposability(let_go, wait, now + HOUR) is Disposability.DUE
        claimed = replace(let_go, claims_ended_at=[*let_go.claims_ended_at, None])
        assert disposability(claimed, wait, now + HOUR) is Disposability.NEVER


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Disposability.DUE),
        ({"lifted_at": None}, Disposability.NEVER),
        ({"claims_ended_at": [None]}, Disposability.NEVER),
        ({"claims_ended_at": [NOON + HOUR]}, Disposability.NEVER),
        ({"claims_ended_at": [NOON]}, Disposability.DUE),
        ({"released_at": NOON + HOUR}, Disposability.LATER),
        ({"lifted_at": NOON + HOUR}, Disposability.LATER),
        ({"promise": Promise(HoldState.LIFTING)}, Disposability.LATER),
        ({"promise": Promise(HoldState.RELOCKING)}, Disposability.LATER),
        ({"promise": Promise(HoldState.LIFTED, 1)}, Disposability.LATER),
    ],
)
def test_each_condition_counts(changes: dict[str, object], expected: Disposability) -> None:
    let_go = replace(LetGo(Promise(HoldState.LIFTED), NOON, [NOON - HOUR], NOON), **changes)  # type: ignore[arg-type] # any field

    assert disposability(let_go, WAIT, NOON + WAIT) is expected


# --- what ------------------------------------------------------------------------------------------------

_VERSIONS = [version(key, number) for key in ("one", "two") for number in (1, 2)]
some = st.sets(st.sampled_from(_VERSIONS))


@given(some, some, some, st.dictionaries(st.sampled_from(_VERSIONS), moments), moments)
def test_only_what_is_planned_let_go_and_unlocked_is_marked_and_nothing_that_is_kept_is_hidden(
    planned: set[ObjectVersion],
    unlocked: set[ObjectVersion],
    marked: set[ObjectVersion],
    secured: dict[ObjectVersion, datetime],
    lifted_at: datetime,
) -> None:
    let_go = LetGo(Promise(HoldState.LIFTED), lifted_at, [], lifted_at)
    receipts = [receipt(one, at) for one, at in secured.items()]

    chosen = markable(planned, receipts, unlocked, marked, let_go)

    assert {*chosen} <= planned & unlocked & secured.keys()
    assert all(secured[one] <= lifted_at for one in chosen)
    for one, at in secured.items():
        is_kept = one not in unlocked or (one not in marked and at > lifted_at)
        assert not (is_kept and one.key in {other.key for other in chosen})


def test_what_no_release_lifted_covers_nothing() -> None:
    one = version("one")
    never = LetGo(Promise(HoldState.LIFTED), None, [], NOON)

    assert markable([one], [receipt(one)], [one], [], never) == []


# --- the tag ---------------------------------------------------------------------------------------------

tags = st.dictionaries(
    st.sampled_from([f"t{number}" for number in range(12)]), st.just("x"), max_size=MAX_TAGS
)


@given(tags, st.sets(st.sampled_from([f"t{number}" for number in range(12)])))
def test_a_mark_finds_room_and_changes_no_tag_of_others(there: dict[str, str], own: set[str]) -> None:
    marked = plan_mark(there, dict.fromkeys(sorted(own), "x"))

    foreign = {name: value for name, value in there.items() if name not in own}
    if marked is None:
        assert len(foreign) == MAX_TAGS
    else:
        assert is_marked(marked)
        assert len(marked) <= MAX_TAGS
        assert foreign.items() <= marked.items()
        assert len(there.keys() - marked.keys()) <= (len(there) == MAX_TAGS)


def test_whoever_secures_takes_the_mark_off() -> None:
    planned = plan_tags({DISPOSAL_TAG: DISPOSAL_DUE, "theirs": "x"}, {"legal-hold": "on"})

    assert planned.tags == {"theirs": "x", "legal-hold": "on"}
    assert is_marked({DISPOSAL_TAG: DISPOSAL_DUE})
    assert not is_marked({DISPOSAL_TAG: "later"})


# --- everything at once ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class World:
    """One conversation with one version, two markers that may die, a claimer, and S3's rule.

    `lease` is the epoch under which somebody marks, while the lease runs; `markers` are the epochs of those
    at work, each with how far it has come; `message` is the wish to lock again. What is `_left` bounds the
    story.
    """

    promise: Promise = Promise(HoldState.LIFTED, 0, 1)  # noqa: RUF009 - it never changes
    is_there: bool = True
    is_locked: bool = False
    is_tagged: bool = False
    is_noted: bool = False
    lease: int | None = None
    markers: tuple[tuple[int, str], ...] = ()
    message: int | None = None
    claims_left: int = 1
    marks_left: int = 3
    deaths_left: int = 1


@dataclass(frozen=True)
class Protocol:
    """What the actors heed; a mutant forgets something."""

    claims_wait: bool = True
    takes_back: bool = True
    lease_outlives: bool = True


def steps(world: World, protocol: Protocol) -> Iterator[World]:
    yield from _begin(world)
    yield from _mark(world, protocol)
    yield from _claim(world, protocol)
    yield from _relock(world, protocol)
    if world.is_there and world.is_tagged and not world.is_locked:
        yield replace(world, is_there=False)


def _begin(world: World) -> Iterator[World]:
    if not world.marks_left or not world.is_there:
        return
    try:
        marking = world.promise.marking(is_lease_expired=world.lease is None)
    except PromiseBroken:
        return
    begun = replace(world, promise=marking, lease=marking.epoch, marks_left=world.marks_left - 1)
    yield replace(begun, markers=(*world.markers, (marking.epoch, "begun")))


def _mark(world: World, protocol: Protocol) -> Iterator[World]:
    """Look at the lock, write the mark down, set it, and give the lease back; or die, which ends it."""
    for place, (epoch, stage) in enumerate(world.markers):
        others = (*world.markers[:place], *world.markers[place + 1 :])
        done = replace(world, markers=others, lease=None if world.lease == epoch else world.lease)
        if world.deaths_left:
            yield replace(done, deaths_left=world.deaths_left - 1)
        if not protocol.lease_outlives and world.lease == epoch:
            yield replace(world, lease=None)
        if stage == "noted":
            yield replace(done, is_tagged=world.is_there)
        elif world.is_locked or not world.promise.may_mark(epoch):
            yield done
        else:
            yield replace(world, is_noted=True, markers=(*others, (epoch, "noted")))


def _claim(world: World, protocol: Protocol) -> Iterator[World]:
    if not world.claims_left:
        return
    try:
        claimed = world.promise.claimed(is_being_marked=protocol.claims_wait and world.lease is not None)
    except PromiseBroken:
        return
    yield replace(world, promise=claimed, message=claimed.epoch, claims_left=world.claims_left - 1)


def _relock(world: World, protocol: Protocol) -> Iterator[World]:
    if world.message is None:
        return
    if not world.is_there:
        yield replace(world, message=None)
    elif not world.is_locked:
        yield replace(world, is_locked=True)
    elif world.is_noted and protocol.takes_back:
        yield replace(world, is_tagged=False, is_noted=False)
    elif world.promise.state is HoldState.RELOCKING:
        yield replace(world, promise=world.promise.relocked(world.message), message=None)


def broken(world: World) -> list[str]:
    found = []
    if world.promise.is_kept and world.is_there and (world.is_tagged or not world.is_locked):
        found.append("what is kept is locked and bears no mark")
    if world.is_tagged and not world.is_noted:
        found.append("a mark is written down before it is set")
    return found


def explored(protocol: Protocol) -> set[str]:
    """Visit every world that can come about; answers which rules were broken."""
    seen, waiting, found = {World()}, [World()], set[str]()
    while waiting:
        world = waiting.pop()
        found |= {*broken(world)}
        for after in steps(world, protocol):
            if after not in seen:
                seen.add(after)
                waiting.append(after)
    assert len(seen) > 20
    return found


def test_whatever_happens_when_what_is_kept_is_locked_and_bears_no_mark() -> None:
    assert explored(Protocol()) == set()


@pytest.mark.parametrize(
    "mutant",
    [Protocol(claims_wait=False), Protocol(takes_back=False), Protocol(lease_outlives=False)],
    ids=["claims do not wait", "marks are not taken back", "the lease ends before the marker"],
)
def test_each_rule_of_the_protocol_is_needed(mutant: Protocol) -> None:
    assert explored(mutant)
