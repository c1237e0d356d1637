"""What somebody did at the platform: found, recorded once, and asked for again."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from holdfast.contracts.steps import Watched
from holdfast.domain.ids import ConversationId, MatterId, ReleaseId
from holdfast.domain.states import PlatformHold, RequestState
from holdfast.errors import PlatformThrottled, PlatformUnavailable
from holdfast.ports import ClaimEnding, Counter, RefusalKind, SweepSource
from tests.fakes.house import MATTER, House, Patience
from tests.fakes.platform import PlatformHoldsInMemory
from tests.fakes.story import conversation_id, exported, held, reconciled

HOUR = timedelta(hours=1)
ONE, TWO = conversation_id(1), conversation_id(2)


def judged(house: House) -> House:
    assert house.seal_custody().done
    return house


def revoke(house: House, *conversation_ids: ConversationId) -> None:
    """Let somebody else end the platform's protection."""
    house.holds.protected -= set(conversation_ids)
    house.holds.references -= {(one, MATTER) for one in conversation_ids}


def state_of(house: House, conversation: ConversationId = ONE) -> PlatformHold | None:
    hold = house.conversations.dossier(conversation).hold_for(MATTER)
    return hold.state if hold else None


def events(house: House) -> list[dict[str, Any]]:
    entries = (
        json.loads(entry.canonical)
        for folder in house.conversations.folders.values()
        for _, entry in sorted(folder.entries.items())
    )
    return [one for one in entries if one.get("type") in ("drift_found", "drift_repaired")]


def told(house: House) -> list[tuple[str, str]]:
    return [(one["type"], one["details"]["drift"]) for one in events(house)]


def place_again(house: House) -> None:
    """Let the last run that was started do what apply_legal_hold does."""
    *_, (_, _, plan_key) = house.hold_runs.started.values()
    planned = house.plan_holds(early=True, plan_key=plan_key)
    assert (planned.status, planned.plan_key) == ("PLANNED", plan_key)
    assert house.place_holds(plan_key=plan_key, early=True).done
    assert house.confirm_holds(plan_key=plan_key, early=True).done


def test_what_is_protected_is_left_alone() -> None:
    house = judged(held())
    before = house.observable()

    assert house.watch_protection() == Watched(done=True, claims=2, revoked=0, asked=0)

    assert house.observable() == before


@pytest.mark.parametrize("is_per_matter", [False, True])
def test_a_revoked_protection_is_told_asked_for_and_told_to_be_back(*, is_per_matter: bool) -> None:
    house = reconciled()
    house.holds.is_per_matter = is_per_matter
    house.place_holds()
    house.confirm_holds()
    judged(house)
    revoke(house, ONE)

    watched = house.watch_protection()

    assert watched == Watched(done=True, claims=2, revoked=1, asked=1)
    assert house.telemetry.counts[Counter.DRIFT_FOUND] == 1
    assert state_of(house) is PlatformHold.REVOKED
    ((matter_id, _, _),) = house.hold_runs.started.values()
    assert matter_id == MATTER
    place_again(house)
    assert state_of(house) is PlatformHold.HELD
    assert ONE in house.holds.protected
    assert house.holds.placed[-1] == [ONE]
    assert told(house) == [("drift_found", "protection_revoked"), ("drift_repaired", "protection_revoked")]
    assert {one.get("matter_id") for one in events(house)} == {MATTER if is_per_matter else None}
    assert house.request.state is RequestState.PRESERVED, "a verdict that was given stays"


def test_it_is_asked_for_until_it_is_back_and_told_once() -> None:
    house = judged(held())
    revoke(house, ONE)

    answers = []
    for _ in range(3):
        answers.append(house.watch_protection())
        house.clock.forward(HOUR)

    assert [one.revoked for one in answers] == [1, 0, 0]
    assert [one.asked for one in answers] == [1, 1, 1]
    assert len(house.hold_runs.started) == 3
    assert told(house) == [("drift_found", "protection_revoked")]


def test_within_the_hour_the_same_is_asked_for_once() -> None:
    house = judged(held())
    revoke(house, ONE)

    for _ in range(3):
        house.watch_protection()
        house.clock.forward(timedelta(minutes=1))

    assert len(house.hold_runs.started) == 1


def test_a_second_revocation_is_told_again() -> None:
    house = judged(held())
    for _ in range(2):
        revoke(house, ONE)
        house.watch_protection()
        place_again(house)
        house.clock.forward(HOUR)

    assert [kind for kind, _ in told(house)] == ["drift_found", "drift_repaired"] * 2


def test_what_others_protected_and_let_go_is_placed_as_ours() -> None:
    house = reconciled()
    house.holds.protected.add(ONE)
    house.place_holds()
    house.confirm_holds()
    judged(house)
    assert state_of(house) is PlatformHold.PRE_EXISTING
    revoke(house, ONE)

    house.watch_protection()
    place_again(house)

    assert state_of(house) is PlatformHold.HELD
    assert told(house) == [("drift_found", "pre_existing_ended"), ("drift_repaired", "pre_existing_ended")]


def test_what_somebody_protects_again_meanwhile_is_theirs() -> None:
    house = judged(held())
    revoke(house, ONE)
    house.watch_protection()
    house.holds.protected.add(ONE)

    place_again(house)

    assert state_of(house) is PlatformHold.PRE_EXISTING
    assert house.watch_protection().asked == 0


@pytest.mark.parametrize(
    ("kind", "is_asked"),
    [(RefusalKind.CONFLICT, True), (RefusalKind.OTHER, True), (RefusalKind.CAP_REACHED, False)],
)
def test_what_was_refused_is_asked_again_unless_it_is_explained(kind: RefusalKind, *, is_asked: bool) -> None:
    house = reconciled()
    house.holds.refusing = {ONE: kind}
    progress = house.place_holds()
    while not progress.done:
        progress = house.place_holds(progress)
    house.confirm_holds()
    judged(house)
    house.holds.refusing = {}

    assert house.watch_protection() == Watched(done=True, claims=2, revoked=0, asked=int(is_asked))

    if is_asked:
        place_again(house)
        assert state_of(house) is PlatformHold.HELD
    assert told(house) == [], "nobody has changed anything"


def test_what_a_run_is_about_to_place_is_left_to_it() -> None:
    house = exported()

    assert house.watch_protection() == Watched(done=True, claims=2, revoked=0, asked=0)


def test_what_a_run_left_unplaced_is_placed() -> None:
    house = judged_without_holds()

    assert house.watch_protection().asked == 2
    place_again(house)

    assert (state_of(house), state_of(house, TWO)) == (PlatformHold.HELD, PlatformHold.HELD)


def judged_without_holds() -> House:
    house = exported()
    house.requests.fail(
        house.request.matter_id, house.request.request_id, house.request.execution_arn, "died"
    )
    assert house.request.state is RequestState.FAILED
    return house


def test_a_conversation_that_nobody_claims_any_more_is_nobodys_to_protect() -> None:
    house = judged(held())
    revoke(house, ONE, TWO)
    end_claim(house)

    assert house.watch_protection() == Watched(done=True, claims=1, revoked=1, asked=1)
    assert {one["conversation_id"] for one in events(house)} == {TWO}


class Meddled(PlatformHoldsInMemory):
    """A platform that somebody changes while it is asked."""

    def __init__(self, house: House, meddle: Callable[[int], object]) -> None:
        super().__init__(protected=house.holds.protected)
        self.meddle, self.looks = meddle, 0

    def held_among(self, conversation_ids: Any, matter_id: MatterId) -> frozenset[ConversationId]:
        self.looks += 1
        self.meddle(self.looks)
        return super().held_among(conversation_ids, matter_id)


def end_claim(house: House) -> None:
    now = house.clock.now()
    house.conversations.end_claim(
        ClaimEnding(
            MATTER, ONE, ReleaseId("REL-1"), "legal-7", at=now, planned_at=now, lease_until=now + HOUR
        )
    )


def test_a_claim_that_ends_while_somebody_looks_is_not_disturbed() -> None:
    house = judged(held(1))
    revoke(house, ONE)
    house.holds = Meddled(house, lambda look: end_claim(house) if look == 2 else None)

    assert house.watch_protection().revoked == 0

    assert told(house) == []


def test_a_platform_that_answers_wrong_once_is_asked_again() -> None:
    house = judged(held(1))
    wrong = Meddled(house, lambda look: setattr(wrong, "invisible", {ONE} if look == 1 else set()))
    house.holds = wrong

    assert house.watch_protection().revoked == 0

    assert wrong.looks == 2


def test_a_throttled_look_ends_and_the_next_repeats_its_page() -> None:
    house = judged(held())
    revoke(house, ONE)
    house.holds.failures = [PlatformThrottled("429", retry_after_s=3)]

    assert house.watch_protection() == Watched(done=False, claims=0, revoked=0, asked=0)
    assert house.telemetry.counts[Counter.THROTTLES] == 1
    assert Counter.PROTECTION_LOOKS not in house.telemetry.counts

    assert house.watch_protection().revoked == 1


def test_an_outage_is_an_error_that_somebody_hears_of() -> None:
    house = judged(held())
    house.holds.failures = [PlatformUnavailable("no answer")]

    with pytest.raises(PlatformUnavailable):
        house.watch_protection()


def test_a_look_goes_on_where_the_last_one_stopped() -> None:
    house = judged(held(1, 2, 3))
    house.conversations.page_size = 1
    revoke(house, *(conversation_id(number) for number in (1, 2, 3)))

    answers = []
    for _ in range(2):
        house.patience = Patience(1)
        answers.append(house.watch_protection())

    assert answers == [
        Watched(done=False, claims=2, revoked=2, asked=2),
        Watched(done=True, claims=1, revoked=1, asked=1),
    ]
    assert house.telemetry.counts[Counter.PROTECTION_LOOKS] == 2


def test_of_two_looks_at_once_one_leaves_the_field_to_the_other() -> None:
    house = judged(held())
    house.conversations.page_size = 1
    other = house.sweeps.read("", SweepSource.CLAIMS)
    claimed = house.conversations.claimed

    def overtaken(after: Any) -> Any:
        house.sweeps.move(other, None, house.clock.now())
        return claimed(after)

    house.conversations.claimed = overtaken  # type: ignore[method-assign] # the other moves on meanwhile

    assert not house.watch_protection().done
    assert "sweep_overtaken" in house.telemetry.events()
    assert Counter.PROTECTION_LOOKS not in house.telemetry.counts
