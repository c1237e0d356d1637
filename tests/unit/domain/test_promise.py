"""The protocol of claims, locks and lifts, explored exhaustively over the real domain functions.

Every interleaving of two matters, their claims, releases and claims again, with a lifter that may die at any
moment, leases that expire, objects that come at any time, locks that somebody lifts outside, and messages
that are delivered again long after they were done with. What must hold is checked at every transition; where
the program has nothing more to do, every promise must be kept or let go.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest

from holdfast.domain.promise import HOLD_MOVES, Promise, PromiseBroken
from holdfast.domain.states import HoldState

type Matter = int
# One version of one object: None before it arrives, then whether its lock is on.
type Lock = bool | None


@dataclass(frozen=True, slots=True)
class Conversation:
    """The ledger's and the bucket's view of one conversation, and who is at work on it.

    `lifter` is the epoch of the lifter that is alive, `aims` tells that it has looked and will lift next,
    `is_read_back` that it has found every lock off; `is_leased` tells whether its lease still runs. A `ghost`
    has looked, and was thought dead too early. `relocking` is the epoch of the message that asks for the
    locks to be set again, `is_on` the one under which they were read back as on. `tampered` are the versions
    whose lock somebody else has lifted; `drifts` those for which a lock was asked because of it.
    """

    promise: Promise | None = None
    claims: frozenset[Matter] = frozenset()
    locks: tuple[Lock, ...] = (None,)
    receipts: frozenset[int] = frozenset()
    lifter: int | None = None
    aims: bool = False
    ghost: bool = False
    is_leased: bool = False
    is_read_back: bool = False
    relocking: int | None = None
    is_on: int | None = None
    tampered: frozenset[int] = frozenset()
    drifts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class World:
    """`claims_left`, `deaths_left` and `mischief_left` bound the story; `released` names the matters with a
    certificate.
    """

    conversations: tuple[Conversation, ...]
    claims_left: tuple[int, ...]
    deaths_left: int
    mischief_left: int = 0
    releasing: frozenset[Matter] = frozenset()
    released: frozenset[Matter] = frozenset()


@dataclass(frozen=True)
class Protocol:
    """The rules that the actors follow; mutants change one."""

    lifts: Callable[[Promise, int], bool] = Promise.may_lift
    claimed: Callable[[Promise], Promise] = Promise.claimed
    unclaimed: Callable[[Promise], Promise] = Promise.unclaimed
    resumed: Callable[[Promise, bool], Promise] = field(
        default=lambda promise, is_expired: promise.resumed(is_lease_expired=is_expired)
    )
    relocked: Callable[[Promise, int], Promise] = Promise.relocked
    let_go: Callable[[Promise], Promise] = Promise.let_go
    overtakes: bool = False
    reads_back_lift: bool = True
    reads_back_relock: bool = True
    relocks: bool = True
    locks_before_receipt: bool = True


type Step = tuple[str, World]


def choices(world: World, protocol: Protocol) -> Iterator[Step]:
    """Give what people, the vendor and bad luck may do next, and need not."""
    for matter in range(len(world.claims_left)):
        if matter not in world.releasing and any(matter in one.claims for one in world.conversations):
            yield f"{matter} is released", replace(world, releasing=world.releasing | {matter})
    for place, one in enumerate(world.conversations):
        for matter, left in enumerate(world.claims_left):
            yield from _claim(world, place, matter, left, protocol)
        for index, lock in enumerate(one.locks):
            if lock is None:
                yield f"{index} arrives in {place}", _put(world, place, _lock(one, index, is_on=False))
        yield from _deaths(world, place, one, protocol)
        if world.mischief_left:
            pestered = replace(world, mischief_left=world.mischief_left - 1)
            for name, after in _mischief(one, protocol):
                yield f"{name} in {place}", _put(pestered, place, after)


def _deaths(world: World, place: int, one: Conversation, protocol: Protocol) -> Iterator[Step]:
    if one.lifter is None or not world.deaths_left:
        return
    unlucky = replace(world, deaths_left=world.deaths_left - 1)
    gone = replace(one, lifter=None, aims=False)
    yield f"lifter dies in {place}", _put(unlucky, place, gone)
    if protocol.overtakes and one.aims:
        overtaken = replace(gone, ghost=True, is_leased=False)
        yield f"lifter is overtaken in {place}", _put(unlucky, place, overtaken)


def _mischief(one: Conversation, protocol: Protocol) -> Iterator[tuple[str, Conversation]]:
    """Give what happens seldom: locks lifted outside, old messages, and a release of what nobody claims."""
    promise = one.promise or Promise()
    for index in one.receipts:
        if one.locks[index] and promise.state is HoldState.HELD:
            outside = replace(_lock(one, index, is_on=False), tampered=one.tampered | {index})
            yield f"{index} is lifted outside", outside
        if not one.locks[index]:
            yield f"an old message locks {index}", _locked_again(one, index)
    try:
        unclaimed = protocol.let_go(promise)
    except PromiseBroken:
        return
    if one.receipts:
        yield (
            "the unclaimed is let go",
            replace(one, promise=unclaimed, lifter=unclaimed.epoch, is_leased=True),
        )


def duties(world: World, protocol: Protocol) -> Iterator[Step]:
    """Give what the program does next, by itself."""
    for matter in world.releasing:
        yield from _certify(world, matter)
    for place, one in enumerate(world.conversations):
        for name, after in _local(one, world, protocol):
            yield f"{name} in {place}", _put(world, place, after)


def _put(world: World, place: int, one: Conversation) -> World:
    conversations = world.conversations
    return replace(world, conversations=(*conversations[:place], one, *conversations[place + 1 :]))


def _claim(world: World, place: int, matter: Matter, left: int, protocol: Protocol) -> Iterator[Step]:
    one = world.conversations[place]
    if not left or matter in one.claims or matter in world.releasing:
        return
    try:
        promise = protocol.claimed(one.promise or Promise())
    except PromiseBroken:
        return
    spent = tuple(count - (index == matter) for index, count in enumerate(world.claims_left))
    claimed = replace(one, promise=promise, claims=one.claims | {matter})
    yield f"{matter} claims {place}", _put(replace(world, claims_left=spent), place, claimed)


def _certify(world: World, matter: Matter) -> Iterator[Step]:
    """End a release once nothing of it is left to do."""
    is_over = all(
        matter not in one.claims and (one.promise is None or one.promise.state is not HoldState.LIFTING)
        for one in world.conversations
    )
    if is_over:
        ended = replace(world, released=world.released | {matter})
        yield f"{matter} has its certificate", replace(ended, releasing=world.releasing - {matter})


def _local(one: Conversation, world: World, protocol: Protocol) -> Iterator[tuple[str, Conversation]]:
    yield from _arrivals(one, protocol)
    yield from _drift(one)
    if one.promise is not None:
        for matter in one.claims & world.releasing:
            yield f"{matter} lets go", _let_go(one, one.promise, matter, protocol)
        yield from _lift(one, one.promise, protocol)
        yield from _relock(one, one.promise, protocol)


def _arrivals(one: Conversation, protocol: Protocol) -> Iterator[tuple[str, Conversation]]:
    for index, lock in enumerate(one.locks):
        if index in one.receipts:
            continue
        if lock is False:
            yield f"{index} is locked", _lock(one, index, is_on=True)
        if lock or (lock is False and not protocol.locks_before_receipt):
            yield f"{index} is receipted", replace(one, receipts=one.receipts | {index})


def _drift(one: Conversation) -> Iterator[tuple[str, Conversation]]:
    """See that a lock is off that should be on, ask for it, and set it, whatever has happened in between."""
    promise = one.promise or Promise()
    for index in one.receipts:
        if not one.locks[index] and promise.state is HoldState.HELD and index not in one.drifts:
            yield f"the drift of {index} is found", replace(one, drifts=one.drifts | {index})
    for index in one.drifts:
        repaired = replace(one, drifts=one.drifts - {index})
        yield f"the drift of {index} is repaired", _locked_again(repaired, index)


def _locked_again(one: Conversation, index: int) -> Conversation:
    return replace(_lock(one, index, is_on=True), tampered=one.tampered - {index})


def _let_go(one: Conversation, promise: Promise, matter: Matter, protocol: Protocol) -> Conversation:
    after = protocol.unclaimed(promise)
    left = replace(one, promise=after, claims=one.claims - {matter})
    if after.state is HoldState.LIFTING:
        return replace(left, lifter=after.epoch, is_leased=True, is_read_back=False)
    return left


def _lift(one: Conversation, promise: Promise, protocol: Protocol) -> Iterator[tuple[str, Conversation]]:
    locked = [index for index in one.receipts if one.locks[index]]
    for index in locked if one.aims else []:
        yield f"{index} is lifted", replace(_lock(one, index, is_on=False), aims=False)
    for index in locked if one.ghost else []:
        yield f"{index} is lifted by a ghost", replace(_lock(one, index, is_on=False), ghost=False)
    if one.lifter is not None:
        if locked and not one.aims and protocol.lifts(promise, one.lifter):
            yield "lifter looks", replace(one, aims=True, is_read_back=False)
        if not (locked or one.is_read_back):
            yield "lifter reads back", replace(one, is_read_back=True)
        if promise.may_lift(one.lifter) and (one.is_read_back or not protocol.reads_back_lift):
            lifted = promise.lifted(one.lifter)
            gone = replace(one, lifter=None, aims=False, is_leased=False, is_read_back=False)
            yield "lift ends", replace(gone, promise=lifted)
    if one.is_leased and one.lifter is None:
        yield "lease expires", replace(one, is_leased=False)
    if not one.is_leased:
        try:
            resumed = protocol.resumed(promise, not one.is_leased)
        except PromiseBroken:
            return
        taken = replace(one, promise=resumed, lifter=resumed.epoch, is_leased=True, is_read_back=False)
        yield "lift is resumed", taken


def _relock(one: Conversation, promise: Promise, protocol: Protocol) -> Iterator[tuple[str, Conversation]]:
    """Ask for the locks, set them, and note it; who asks may die in between, and then asks again."""
    if promise.state is HoldState.RELOCKING and one.relocking != promise.epoch:
        yield "locks are asked for", replace(one, relocking=promise.epoch)
    if one.relocking is None:
        return
    for index in one.receipts:
        if protocol.relocks and not one.locks[index]:
            yield f"{index} is locked again", _locked_again(one, index)
    if one.is_on != one.relocking and all(one.locks[index] for index in one.receipts):
        yield "locks are read back", replace(one, is_on=one.relocking)
    if one.is_on == one.relocking or not protocol.reads_back_relock:
        try:
            relocked = protocol.relocked(promise, one.relocking)
        except PromiseBroken:
            yield "message is done with", replace(one, relocking=None, is_on=None)
            return
        yield "locks are kept again", replace(one, promise=relocked, relocking=None, is_on=None)


def _lock(one: Conversation, index: int, *, is_on: bool) -> Conversation:
    return replace(one, locks=(*one.locks[:index], is_on, *one.locks[index + 1 :]))


# --- what must hold


def _lifts_what_somebody_relies_on(one: Conversation, now: Conversation) -> bool:
    changes = enumerate(zip(one.locks, now.locks, strict=True))
    was_lifted = any(was and not is_on and index not in now.tampered for index, (was, is_on) in changes)
    is_intended = one.promise is not None and one.promise.state is HoldState.LIFTING
    return was_lifted and (bool(one.claims) or not is_intended)


def _miscounts(_one: Conversation, now: Conversation) -> bool:
    return now.promise is not None and now.promise.active_claims != len(now.claims)


def _says_secured_too_early(_one: Conversation, now: Conversation) -> bool:
    is_kept = now.promise is not None and now.promise.is_kept
    return is_kept and not all(now.locks[index] for index in now.receipts - now.tampered)


def _says_lifted_too_early(one: Conversation, now: Conversation) -> bool:
    was, is_now = (each.promise.state if each.promise else None for each in (one, now))
    is_new = was is not HoldState.LIFTED and is_now is HoldState.LIFTED
    return is_new and not one.is_read_back


def _goes_back(one: Conversation, now: Conversation) -> bool:
    if one.promise is None or now.promise is None:
        return one.promise is not None
    allowed = HOLD_MOVES[one.promise.state] | {one.promise.state}
    return now.promise.epoch < one.promise.epoch or now.promise.state not in allowed


def _touches_another_claim(one: Conversation, now: Conversation) -> bool:
    return len(one.claims ^ now.claims) > 1


RULES: Mapping[str, Callable[[Conversation, Conversation], bool]] = {
    "a lock was lifted that somebody relies on": _lifts_what_somebody_relies_on,
    "the count of claims is wrong": _miscounts,
    "what is receipted and claimed is not locked": _says_secured_too_early,
    "lifted was said before it was so": _says_lifted_too_early,
    "a state or an epoch went back": _goes_back,
    "one matter's step touched another's claim": _touches_another_claim,
}


def broken_rules(before: World, after: World) -> Iterator[str]:
    """Name the rules that a transition breaks."""
    for one, now in zip(before.conversations, after.conversations, strict=True):
        yield from (name for name, breaks in RULES.items() if breaks(one, now))
    for matter in after.released - before.released:
        if any(matter in one.claims for one in after.conversations):
            yield "a release was certified too early"


def unfinished(world: World) -> Iterator[str]:
    """Name what is left undone where the program has nothing more to do."""
    for one in world.conversations:
        if one.promise is None:
            continue
        if one.claims and not one.promise.is_kept:
            yield "a claim was never secured"
        if not one.claims and one.promise.state is not HoldState.LIFTED:
            yield "what nobody claims was never let go"
        if one.tampered and one.promise.state is HoldState.HELD:
            yield "a lock that somebody lifted was never set again"


def explore(start: World, protocol: Protocol | None = None) -> tuple[int, str | None]:
    """Visit every state; answers how many there are, and the first story that breaks a rule."""
    protocol = protocol or Protocol()
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    frontier = [start]
    while frontier:
        world = frontier.pop()
        due = list(duties(world, protocol))
        found = [] if due else [*unfinished(world)]
        for name, after in [*due, *choices(world, protocol)]:
            found += [f"{rule}: {name}" for rule in broken_rules(world, after)]
            if after not in came_from:
                came_from[after] = (world, name)
                frontier.append(after)
        if found:
            return len(came_from), f"{found[0]} after {_story(world, came_from)}"
    return len(came_from), None


def _story(world: World, came_from: dict[World, tuple[World, str] | None]) -> str:
    told = []
    while (origin := came_from[world]) is not None:
        world, name = origin
        told.append(name)
    return ", ".join(reversed(told)) or "nothing"


# Bounds that take a few seconds.
ONE_CONVERSATION = World((Conversation(locks=(None, None)),), claims_left=(2, 1), deaths_left=1)
SECURED = Conversation(locks=(True,), receipts=frozenset({0}))
TWO_CONVERSATIONS = World((SECURED, SECURED), claims_left=(2, 1), deaths_left=1)
SMALL = World((Conversation(),), claims_left=(2, 1), deaths_left=1)


PESTERED = World((Conversation(),), claims_left=(2, 1), deaths_left=1, mischief_left=2)


@pytest.mark.parametrize(
    ("start", "at_least"),
    [(ONE_CONVERSATION, 5_000), (TWO_CONVERSATIONS, 5_000), (PESTERED, 5_000)],
    ids=["one", "two", "pestered"],
)
def test_no_order_of_events_breaks_a_promise(start: World, at_least: int) -> None:
    states, story = explore(start)

    assert story is None
    assert states > at_least


def _forgetful_claim(promise: Promise) -> Promise:
    return replace(promise, active_claims=promise.active_claims + 1, state=HoldState.HELD)


def _claim_of_what_is_lifted(promise: Promise) -> Promise:
    if promise.state is HoldState.LIFTED:
        return replace(promise, active_claims=1, state=HoldState.HELD)
    return promise.claimed()


def _release_that_ignores_others(promise: Promise) -> Promise:
    return replace(promise.unclaimed(), state=HoldState.LIFTING, epoch=promise.epoch + 1)


def _release_without_count(promise: Promise) -> Promise:
    return replace(promise.unclaimed(), active_claims=promise.active_claims)


def _resume_under_the_same_epoch(promise: Promise, is_expired: bool) -> Promise:
    return replace(promise.resumed(is_lease_expired=is_expired), epoch=promise.epoch - 1)


def _relock_of_any_epoch(promise: Promise, _: int) -> Promise:
    return promise.relocked(promise.epoch)


def _let_go_in_spite_of_claims(promise: Promise) -> Promise:
    return replace(promise, state=HoldState.LIFTING, epoch=promise.epoch + 1)


MUTANTS = {
    "a lease that is overtaken": Protocol(overtakes=True),
    "a claim in the middle of a lift": Protocol(claimed=_forgetful_claim),
    "a claim that trusts old receipts": Protocol(claimed=_claim_of_what_is_lifted),
    "a release that ignores other matters": Protocol(unclaimed=_release_that_ignores_others),
    "a release that does not count": Protocol(unclaimed=_release_without_count),
    "an epoch that goes back": Protocol(resumed=_resume_under_the_same_epoch),
    "a lift that is never resumed": Protocol(resumed=lambda one, _: one.resumed(is_lease_expired=False)),
    "a lift without read-back": Protocol(reads_back_lift=False),
    "a relock without read-back": Protocol(reads_back_relock=False),
    "a relock that never comes": Protocol(relocks=False),
    "a relock that forgets its epoch": Protocol(relocked=_relock_of_any_epoch),
    "a receipt before the lock": Protocol(locks_before_receipt=False),
}


@pytest.mark.parametrize("protocol", MUTANTS.values(), ids=MUTANTS)
def test_a_protocol_that_is_broken_in_one_place_breaks_a_promise(protocol: Protocol) -> None:
    _, story = explore(SMALL, protocol)

    assert story is not None


def test_what_nobody_claims_is_let_go_only_if_that_is_so() -> None:
    broken = Protocol(let_go=_let_go_in_spite_of_claims)

    _, story = explore(replace(SMALL, mischief_left=1), broken)

    assert story is not None


# --- the transitions by themselves


def test_a_life_of_a_promise() -> None:
    claimed_twice = Promise().claimed().claimed()
    let_go = claimed_twice.unclaimed().unclaimed()
    resumed = let_go.resumed(is_lease_expired=True)
    lifted = resumed.lifted(resumed.epoch)
    again = lifted.claimed()
    kept = again.relocked(again.epoch)

    states = [one.state for one in (claimed_twice, let_go, resumed, lifted, again, kept)]
    assert states == ["HELD", "LIFTING", "LIFTING", "LIFTED", "RELOCKING", "HELD"]
    epochs = [one.epoch for one in (claimed_twice, let_go, resumed, lifted, again, kept)]
    assert all(later >= earlier for earlier, later in pairwise(epochs))
    assert [one.is_kept for one in (claimed_twice, let_go, lifted, again, kept)] == [1, 0, 0, 0, 1]


LIFTING = Promise().claimed().unclaimed()


@pytest.mark.parametrize(
    "illegal",
    [
        LIFTING.claimed,
        Promise().unclaimed,
        lambda: LIFTING.resumed(is_lease_expired=False),
        lambda: Promise().resumed(is_lease_expired=True),
        lambda: LIFTING.lifted(LIFTING.epoch + 1),
        lambda: Promise().claimed().lifted(0),
        lambda: Promise().claimed().relocked(0),
        LIFTING.let_go,
        Promise().claimed().let_go,
        lambda: LIFTING.lifted(LIFTING.epoch).claimed().relocked(0),
    ],
)
def test_what_is_not_allowed_raises(illegal: Callable[[], Promise]) -> None:
    with pytest.raises(PromiseBroken):
        illegal()
