"""A release from the request to the certificate, and everything that is refused on the way."""

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from holdfast.contracts.arrivals import QueuedMessage
from holdfast.contracts.steps import Failing, ReleaseFinished, ReleasePlanned, ReleaseProgress
from holdfast.domain.custody import EventType, ObjectVersion
from holdfast.domain.ids import MatterId, ReleaseId
from holdfast.domain.release import NOBODY
from holdfast.domain.standing import Course
from holdfast.domain.states import (
    HoldState,
    MatterStatus,
    PlatformHold,
    ReleaseState,
    RequestState,
    StandingState,
)
from holdfast.errors import (
    AwsRefused,
    AwsUnavailable,
    LedgerContention,
    LedgerRuleBroken,
    MatterReleasing,
    PlatformThrottled,
    ReleasePlanChanged,
)
from holdfast.ports import Counter, HoldRefusal, RefusalKind, StandingMatter
from holdfast.steps import lift_holds, plan_release
from tests.events import load_event
from tests.fakes.house import (
    APPROVAL_DEADLINE,
    COOL_OFF,
    EXECUTION,
    MATTER,
    RELEASE,
    RELEASE_EXECUTION,
    House,
)
from tests.fakes.story import conversation_id, conversations, deliver, messages, planned

OTHER_MATTER = MatterId("M-2026-002")
MOST_ROUNDS = 50
OTHER_RUN = "arn:release:2"


def judged(*numbers: int, deliveries: bool = True) -> House:
    """Preserve conversations for the matter, each with one recording."""
    house = planned(*[(number,) for number in numbers])
    if deliveries:
        for number in numbers:
            deliver(house, number)
    end_request(house)
    return house


def end_request(house: House) -> None:
    for state in (RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD, RequestState.PRESERVED):
        house.requests.advance(house.request, state)


def claimed_too(house: House, *numbers: int) -> House:
    """Let another matter claim some of them, and end its request."""
    other = house.for_request(OTHER_MATTER, "R-9")
    event = load_event("discovery_requested")
    event["detail"] |= {"matter_id": OTHER_MATTER, "request_id": "R-9"}
    other.open_request(event, "arn:execution:9")
    other.scope_source.pages = [conversations(*numbers)]
    assert other.read_scope_pages().status == "DONE"
    end_request(other)
    return other


def asked(house: House, **changes: Any) -> ReleasePlanned:
    """Ask for a release, and plan it whole."""
    event = load_event("hold_release_requested")
    event["detail"] = {name: one for name, one in (event["detail"] | changes).items() if one is not None}
    assert house.open_release(event).outcome == "OPENED"
    house.release_runs.alive.add(RELEASE_EXECUTION)
    return all_planned(house)


def all_planned(house: House) -> ReleasePlanned:
    answer = house.plan_release()
    while answer.status == "MORE":
        answer = house.plan_release(answer.part)
    return answer


def approval(house: House, **changes: Any) -> Any:
    event = load_event("hold_release_approved")
    record = house.releases.read(house.release.matter_id, house.release.release_id)
    event["detail"]["plan_sha256"] = record.plan.sha256 if record.plan else "0" * 64
    event["detail"] = {name: one for name, one in (event["detail"] | changes).items() if one is not None}
    return event


def approved(house: House, **changes: Any) -> None:
    assert house.record_approval(approval(house, **changes)).outcome == "RECORDED"
    house.clock.forward(COOL_OFF)
    assert house.begin_release().status == "BEGUN"


def let_go(house: House) -> ReleaseFinished:
    """Do what the workflow does once a release is begun."""
    progress: ReleaseProgress | None = None
    for _ in range(MOST_ROUNDS):
        progress = through(house, "end_claims", progress)
        progress = through(house, "release_platform_holds", progress)
        progress = through(house, "lift_holds", progress)
        if progress.status == "DONE":
            break
    finished = house.finish_release()
    while finished.status == "MORE":
        finished = house.finish_release(finished)
    return finished


def through(house: House, step: str, progress: ReleaseProgress | None) -> ReleaseProgress:
    call = getattr(house, step)
    answer: ReleaseProgress = call(progress)
    for _ in range(MOST_ROUNDS):
        if answer.status != "MORE":
            return answer
        house.clock.forward(timedelta(seconds=answer.wait_s))
        answer = call(answer)
    raise AssertionError(f"{step} turns in circles")


def released(house: House, **changes: Any) -> ReleaseFinished:
    asked(house, **changes)
    approved(house)
    return let_go(house)


def locked(house: House, number: int) -> list[bool]:
    return [
        stored.is_locked
        for (key, _), stored in sorted(house.evidence.stored.items())
        if f"conversation_id={conversation_id(number)}" in key
    ]


def record(house: House) -> Any:
    return house.releases.read(house.release.matter_id, house.release.release_id)


def certificate(house: House) -> Any:
    return json.loads(house.records.files[record(house).certificate.key])


# --- asking ----------------------------------------------------------------------------------------------


def test_a_release_is_opened_once_and_its_matter_knows() -> None:
    house = judged(1)

    answer = house.open_release()
    again = house.open_release()

    assert (answer.outcome, answer.matter_id, answer.release_id) == ("OPENED", MATTER, "REL-1")
    assert again == answer
    assert house.requests.matters_by_id[MATTER].release_id == "REL-1"
    assert record(house).state is ReleaseState.OPEN


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"matter_id": None}, "expected a matter_id with scope matter"),
        ({"scope": "unclaimed"}, "none with scope unclaimed"),
        ({"conversation_ids": [conversation_id(1)]}, "conversation_ids with scope unclaimed only"),
        ({"release_id": "a/b"}, "release_id: String should match pattern"),
        ({"reason": ""}, "reason: Value should have at least 1 item"),
        ({"requested_by": 7}, "requested_by: Input should be a valid string"),
        ({"else": 1}, "?: Extra inputs are not permitted"),
        ({"matter_id": "M-404"}, "matter_id: expected a matter that is known, found none"),
    ],
)
def test_what_cannot_be_released_is_refused_by_field_and_kept(changes: Any, fault: str) -> None:
    house = judged(1)
    event = load_event("hold_release_requested")
    event["detail"] = {name: one for name, one in (event["detail"] | changes).items() if one is not None}

    answer = house.open_release(event)

    assert answer.outcome == "REFUSED"
    assert fault in " ".join(answer.faults)
    (kept,) = [content for key, content in house.files.files.items() if key.startswith("quarantine/")]
    assert json.loads(kept) == event
    assert house.telemetry.counts[Counter.RELEASES_REFUSED] == 1
    assert house.releases.records == {}


@pytest.mark.parametrize("event", [None, {"detail-type": "HoldReleaseApproved", "detail": {}}])
def test_another_event_is_no_request(event: Any) -> None:
    house = judged(1)

    answer = house.open_release(event or ["no event"])

    assert answer.faults == ["detail-type: expected HoldReleaseRequested"]


def test_a_matter_with_an_open_request_is_not_released() -> None:
    house = planned((1,))

    answer = house.open_release()

    assert "expected no open request, found 1" in answer.explanation
    assert house.requests.matters_by_id[MATTER].release_id is None


def _standing(state: StandingState) -> StandingMatter:
    house = House()
    course = Course.opening(house.clock.now(), timedelta(days=1), None)
    return StandingMatter(MATTER, b"{}", "0", replace(course, state=state))


@pytest.mark.parametrize(
    ("state", "outcome"),
    [(StandingState.OPEN, "REFUSED"), (StandingState.CLOSING, "REFUSED"), (StandingState.CLOSED, "OPENED")],
)
def test_a_standing_matter_is_released_once_it_is_closed(state: StandingState, outcome: str) -> None:
    house = judged(1)
    house.standing.matters[MATTER] = _standing(state)

    answer = house.open_release()

    assert answer.outcome == outcome


def test_a_second_release_of_the_matter_waits_for_the_first() -> None:
    house = judged(1)
    asked(house)
    event = load_event("hold_release_requested")
    event["detail"]["release_id"] = "REL-2"

    answer = house.open_release(event, OTHER_RUN)

    assert "release REL-1 of the matter is under way (PLANNED)" in answer.explanation
    assert record(house).state is ReleaseState.PLANNED


def test_a_release_whose_run_died_before_it_began_gives_way_to_another() -> None:
    house = judged(1)
    asked(house)
    house.release_runs.alive.clear()
    event = load_event("hold_release_requested")
    event["detail"]["release_id"] = "REL-2"

    answer = house.open_release(event, OTHER_RUN)

    assert answer.outcome == "OPENED"
    assert record(house).state is ReleaseState.REFUSED
    assert house.requests.matters_by_id[MATTER].release_id == "REL-2"


def test_a_release_that_has_begun_gives_way_to_none_even_if_its_run_died() -> None:
    house = judged(1)
    asked(house)
    approved(house)
    house.release_runs.alive.clear()
    event = load_event("hold_release_requested")
    event["detail"]["release_id"] = "REL-2"

    assert "under way (RELEASING)" in house.open_release(event, OTHER_RUN).explanation


def test_the_same_release_is_left_to_the_run_that_lives() -> None:
    house = judged(1)
    asked(house)
    before = house.observable()

    answer = house.open_release(execution_arn=OTHER_RUN)

    assert (answer.outcome, answer.points_to) == ("DUPLICATE", RELEASE_EXECUTION)
    assert house.observable() == before


def test_the_same_release_goes_on_in_another_run_if_its_own_died() -> None:
    house = judged(1)
    asked(house)
    house.release_runs.alive.clear()

    assert house.open_release(execution_arn=OTHER_RUN).outcome == "OPENED"
    assert record(house).execution_arn == OTHER_RUN
    assert record(house).state is ReleaseState.PLANNED


def test_a_known_release_id_with_another_body_is_refused() -> None:
    house = judged(1)
    asked(house)
    event = load_event("hold_release_requested")
    event["detail"]["reason"] = "Another."

    assert "it is known with another body" in house.open_release(event, OTHER_RUN).explanation


def test_a_release_that_is_done_is_not_done_again() -> None:
    house = judged(1)
    released(house)
    house.release_runs.alive.clear()
    before = house.observable()

    assert house.open_release(execution_arn=OTHER_RUN).outcome == "DUPLICATE"
    assert house.observable() == before


def test_a_certificate_that_nobody_was_told_of_is_told_again() -> None:
    house = judged(1)
    finished = released(house)
    house.release_runs.alive.clear()
    house.release_runs.broken_off.add(RELEASE_EXECUTION)

    assert house.open_release(execution_arn=OTHER_RUN).outcome == "OPENED"
    assert house.plan_release().status == "APPROVED"
    assert house.begin_release().status == "ENDED"
    assert house.finish_release() == finished


def test_a_refused_release_stays_refused() -> None:
    house = judged(1)
    asked(house)
    house.clock.forward(APPROVAL_DEADLINE)
    assert house.begin_release().status == "REFUSED"

    answer = house.open_release(execution_arn=OTHER_RUN)

    assert "it was refused before (nobody approved it by" in answer.explanation


def test_a_released_matter_has_nothing_to_be_released() -> None:
    house = judged(1)
    released(house)
    event = load_event("hold_release_requested")
    event["detail"]["release_id"] = "REL-2"

    assert "no request has claimed anything since" in house.open_release(event, OTHER_RUN).explanation


@pytest.mark.parametrize("method", ["open", "advance", "end"])
def test_who_is_overtaken_while_opening_comes_again(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = judged(1)
    event = load_event("hold_release_requested")
    if method != "open":
        asked(house)
        house.release_runs.alive.clear()
    if method == "end":
        event["detail"]["release_id"] = "REL-2"
    monkeypatch.setattr(house.releases, method, lambda *_: False)

    with pytest.raises(LedgerContention):
        house.open_release(event, OTHER_RUN)


# --- the plan --------------------------------------------------------------------------------------------


def test_the_plan_says_what_would_be_let_go_and_what_stays_for_whom() -> None:
    house = judged(1, 2, 3)
    claimed_too(house, 2)

    plan = asked(house)

    written = json.loads(house.records.files[plan.plan_key])
    lines = [
        json.loads(one)
        for one in house.records.files["releases/M-2026-001/REL-1/plan-00000.jsonl"].splitlines()
    ]
    assert plan.status == "PLANNED"
    assert (plan.counts["conversations"], plan.counts["let_go"], plan.counts["stays"]) == (3, 2, 1)
    assert plan.counts["versions"] == 4
    assert written["stays_for"] == {OTHER_MATTER: 1}
    assert [line["claimed_by"] for line in lines[1:]] == [[], [OTHER_MATTER], []]
    assert all(len(line["versions"]) == 2 for line in lines[1:])
    assert plan.plan_sha256 in plan.headline
    assert record(house).plan.sha256 == plan.plan_sha256
    assert house.telemetry.counts[Counter.RELEASES_PLANNED] == 1


def test_a_plan_is_made_once_whatever_the_world_says_meanwhile() -> None:
    house = judged(1)
    plan = asked(house)
    deliver(house, 1, 7)
    house.clock.forward(timedelta(hours=1))

    assert house.plan_release() == plan


def test_a_plan_in_parts_is_one_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_release, "PART_CONVERSATIONS", 2)
    house = judged(1, 2, 3, 4, 5)
    house.conversations.page_size = 1

    plan = asked(house)
    approved(house)
    finished = let_go(house)

    parts = [key for key in house.records.files if "/plan-" in key]
    assert len(parts) == 3
    assert plan.counts["conversations"] == finished.counts["let_go"] == 5
    assert [any(locked(house, number)) for number in range(1, 6)] == [False] * 5


def test_planning_that_was_killed_goes_on_from_what_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_release, "PART_CONVERSATIONS", 1)
    house = judged(1, 2)
    house.conversations.page_size = 1
    house.open_release()
    first = house.plan_release()
    before = dict(house.records.files)
    deliver(house, 1, 7)

    again = house.plan_release()

    assert again == first == ReleasePlanned(status="MORE", part=1, wait_s=1)
    assert house.records.files == before


def test_planning_stops_a_part_when_time_is_short() -> None:
    house = judged(1, 2)
    house.conversations.page_size = 1
    house.open_release()
    house.patience.times = 0

    assert house.plan_release().status == "MORE"


def test_who_is_overtaken_while_planning_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = judged(1)
    house.open_release()
    monkeypatch.setattr(house.releases, "advance", lambda *_: False)

    with pytest.raises(LedgerContention):
        house.plan_release()


def test_a_claim_that_ended_is_in_no_plan() -> None:
    house = judged(1)
    released(house)
    again = house.for_request(MATTER, "R-2")
    event = load_event("discovery_requested")
    event["detail"]["request_id"] = "R-2"
    house.clock.forward(timedelta(days=1))
    again.open_request(event, "arn:execution:7")
    again.scope_source.pages = [conversations(2)]
    again.read_scope_pages()
    end_request(again)
    house.release = RELEASE.model_copy(update={"release_id": ReleaseId("REL-2")})

    plan = asked(house, release_id="REL-2")

    assert plan.counts["conversations"] == 1


# --- the approval ----------------------------------------------------------------------------------------


def test_an_approval_counts_once_however_often_it_is_delivered() -> None:
    house = judged(1)
    asked(house)
    event = approval(house)

    first = house.record_approval(event)
    before = house.observable()
    second = house.record_approval(event)

    assert (first.outcome, second.outcome) == ("RECORDED", "KNOWN")
    assert (first.matter_id, first.release_id) == (MATTER, "REL-1")
    assert record(house).approval.approved_by == "legal-user-4"
    assert record(house).approval.account == "111122223333"
    assert house.observable() == before


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"approved_by": "legal-user-17"}, "expected another person"),
        ({"approved_by": "  LEGAL-user-17 "}, "expected another person"),
        ({"plan_sha256": "0" * 64}, "plan_sha256 is not the hash of the plan that was announced"),
        ({"plan_sha256": "no"}, "plan_sha256: String should match pattern"),
        ({"release_id": "REL-404"}, "expected a release that was asked for, found none"),
        ({"matter_id": None}, "expected a release that was asked for, found none"),
        ({"else": "x"}, "?: Extra inputs are not permitted"),
    ],
)
def test_an_approval_that_does_not_count_is_kept_and_the_release_waits_on(changes: Any, fault: str) -> None:
    house = judged(1)
    asked(house)

    answer = house.record_approval(approval(house, **changes))

    assert answer.outcome == "REFUSED"
    assert fault in " ".join(answer.faults)
    assert any(key.startswith("quarantine/") for key in house.files.files)
    assert house.telemetry.counts[Counter.APPROVALS_REFUSED] == 1
    assert house.begin_release().status == "WAIT"
    assert house.record_approval(approval(house)).outcome == "RECORDED"


def test_an_approval_before_there_is_a_plan_does_not_count() -> None:
    house = judged(1)
    house.open_release()

    assert "its plan is not complete yet" in house.record_approval(approval(house)).explanation


def test_an_approval_of_what_was_refused_before_it_had_a_plan_does_not_count() -> None:
    house = judged(1)
    house.open_release()
    open_one = record(house)
    house.releases.end(open_one, replace(open_one, state=ReleaseState.REFUSED, explanation="why"))

    assert "has no plan to be approved" in house.record_approval(approval(house)).explanation


def test_an_approval_that_comes_late_does_not_count() -> None:
    house = judged(1)
    asked(house)
    house.clock.forward(APPROVAL_DEADLINE)

    answer = house.record_approval(approval(house))

    assert answer.faults == ["it came after the deadline"]


@pytest.mark.parametrize("state", ["APPROVED", "RELEASING", "RELEASED", "REFUSED"])
def test_a_second_approval_does_not_count(state: str) -> None:
    house = judged(1)
    asked(house)
    if state == "REFUSED":
        house.clock.forward(APPROVAL_DEADLINE)
        house.begin_release()
    else:
        house.record_approval(approval(house))
        house.clock.forward(COOL_OFF)
    if state in {"RELEASING", "RELEASED"}:
        house.begin_release()
    if state == "RELEASED":
        let_go(house)
    assert record(house).state == state
    second = approval(house, approved_by="legal-user-5") | {"id": "another event"}

    answer = house.record_approval(second)

    assert answer.outcome == "REFUSED"
    assert "approved already" in answer.explanation or state in {"RELEASED", "REFUSED"}


def test_who_is_overtaken_while_approving_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = judged(1)
    asked(house)
    monkeypatch.setattr(house.releases, "advance", lambda *_: False)

    with pytest.raises(LedgerContention):
        house.record_approval(approval(house))


# --- the beginning ---------------------------------------------------------------------------------------


def test_a_release_waits_for_its_approval_and_then_for_it_to_cool_off() -> None:
    house = judged(1)
    asked(house)
    since = house.clock.now()

    waits = [house.begin_release(since)]
    house.record_approval(approval(house))
    waits.append(house.begin_release(since))
    house.clock.forward(COOL_OFF - timedelta(seconds=5))
    waits.append(house.begin_release(since))
    house.clock.forward(timedelta(seconds=5))

    assert [(wait.status, wait.wait_s) for wait in waits] == [("WAIT", 20), ("WAIT", 3_600), ("WAIT", 5)]
    assert house.begin_release(since).status == "BEGUN"
    assert house.begin_release(since).status == "BEGUN"
    assert house.requests.matters_by_id[MATTER].status is MatterStatus.RELEASING


def test_a_wait_for_the_approval_ends_with_the_deadline() -> None:
    house = judged(1)
    asked(house)
    since = house.clock.now()
    house.clock.forward(APPROVAL_DEADLINE - timedelta(seconds=7))

    assert house.begin_release(since).wait_s == 7


def test_nobody_approves_and_the_matter_is_free_again() -> None:
    house = judged(1)
    asked(house)
    house.clock.forward(APPROVAL_DEADLINE)

    answer = house.begin_release()

    assert answer.status == "REFUSED"
    assert "nobody approved it by" in answer.explanation
    assert house.begin_release() == answer
    matter = house.requests.matters_by_id[MATTER]
    assert (matter.status, matter.release_id) == (MatterStatus.OPEN, None)
    assert locked(house, 1) == [True, True]


def test_a_matter_that_is_being_released_takes_no_request() -> None:
    house = judged(1)
    asked(house)
    approved(house)
    event = load_event("discovery_requested")
    event["detail"]["request_id"] = "R-2"

    with pytest.raises(MatterReleasing, match=r"being released.*kept at quarantine/"):
        house.open_request(event, "arn:execution:7")

    let_go(house)
    assert house.open_request(event, "arn:execution:7").outcome == "OPENED"
    assert house.requests.matters_by_id[MATTER].status is MatterStatus.OPEN


def _ask_again(house: House) -> House:
    event = load_event("discovery_requested")
    event["detail"]["request_id"] = "R-2"
    again = house.for_request(MATTER, "R-2")
    again.open_request(event, "arn:execution:7")
    return again


def test_a_request_that_is_open_when_it_should_begin_stops_it() -> None:
    house = judged(1)
    asked(house)
    house.record_approval(approval(house))
    house.clock.forward(COOL_OFF)
    _ask_again(house)

    assert "expected no open request of the matter, found 1" in house.begin_release().explanation


def test_a_request_that_came_and_went_since_the_plan_stops_it() -> None:
    house = judged(1)
    asked(house)
    house.record_approval(approval(house))
    house.clock.forward(COOL_OFF)
    end_request(_ask_again(house))

    assert "opened after the plan was made" in house.begin_release().explanation


def test_a_standing_matter_that_was_opened_since_stops_it() -> None:
    house = judged(1)
    asked(house)
    house.record_approval(approval(house))
    house.clock.forward(COOL_OFF)
    house.standing.matters[MATTER] = _standing(StandingState.OPEN)

    assert "the matter is a standing one that goes on" in house.begin_release().explanation


@pytest.mark.parametrize("method", ["begin", "end"])
def test_who_is_overtaken_while_beginning_looks_again(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house = judged(1)
    asked(house)

    def overtaken(before: Any, _after: Any) -> bool:
        house.releases.records[MATTER, before.release_id] = replace(before, execution_arn=OTHER_RUN)
        return False

    monkeypatch.setattr(house.releases, method, overtaken)
    if method == "begin":
        house.record_approval(approval(house))
        house.clock.forward(COOL_OFF)
    else:
        house.clock.forward(APPROVAL_DEADLINE)

    assert house.begin_release().status == "WAIT"


# --- letting go ------------------------------------------------------------------------------------------


def test_what_nobody_else_claims_is_let_go_and_what_another_matter_claims_stays() -> None:
    house = judged(1, 2)
    claimed_too(house, 2)

    finished = released(house)

    assert locked(house, 1) == [False, False]
    assert locked(house, 2) == [True, True]
    assert (finished.counts["let_go"], finished.counts["stays"], finished.counts["versions"]) == (1, 1, 2)
    given = certificate(house)
    assert given["stays_for"] == {OTHER_MATTER: 1}
    assert (given["requested_by"], given["approved_by"]) == ("legal-user-17", "legal-user-4")
    assert given["plan_sha256"] == record(house).plan.sha256
    matter = house.requests.matters_by_id[MATTER]
    assert (matter.status, matter.release_id) == (MatterStatus.RELEASED, None)
    dossier = house.conversations.dossier(conversation_id(1))
    kinds = [json.loads(entry.canonical).get("type") for entry in dossier.entries]
    assert kinds.count(EventType.RELEASED) == kinds.count(EventType.LIFTED) == 1
    assert dossier.promise.state is HoldState.LIFTED
    assert house.conversations.dossier(conversation_id(2)).claimed_by == {OTHER_MATTER}
    assert house.telemetry.counts[Counter.CONVERSATIONS_LET_GO] == 1
    assert house.telemetry.counts[Counter.OBJECTS_LET_GO] == 2


def test_the_intent_is_written_before_a_lock_comes_off_and_lifted_only_after_all() -> None:
    house = judged(1)
    asked(house)
    approved(house)
    house.effects.log.clear()

    let_go(house)

    kinds = [kind for kind, _ in house.effects.log]
    assert kinds.index("claim ended") < kinds.index("lift begun") < kinds.index("unlock")
    assert kinds.index("lifted") > max(place for place, kind in enumerate(kinds) if kind == "unlock")


def test_every_step_repeated_changes_nothing() -> None:
    house = judged(1, 2)
    claimed_too(house, 2)
    house.holds.protected |= {conversation_id(1)}
    asked(house)
    approved(house)
    for step in ("end_claims", "release_platform_holds", "lift_holds"):
        first = getattr(house, step)()
        before = house.observable()

        assert getattr(house, step)() == first
        assert house.observable() == before
    finished = house.finish_release()
    before = house.observable()

    assert house.finish_release() == finished
    assert house.observable() == before


def test_a_claim_that_comes_between_plan_and_release_keeps_what_it_claims() -> None:
    house = judged(1, 2)
    asked(house)
    house.record_approval(approval(house))
    claimed_too(house, 1)
    house.clock.forward(COOL_OFF)
    house.begin_release()

    finished = let_go(house)

    assert locked(house, 1) == [True, True]
    assert locked(house, 2) == [False, False]
    assert (finished.counts["let_go"], finished.counts["stays"]) == (1, 1)
    assert certificate(house)["stays_for"] == {OTHER_MATTER: 1}


def test_what_another_matter_let_go_of_since_the_plan_is_let_go_by_the_last_one() -> None:
    house = judged(1)
    other = claimed_too(house, 1)
    plan = asked(house)
    assert plan.counts["let_go"] == 0
    other.release = RELEASE.model_copy(update={"matter_id": OTHER_MATTER, "release_id": ReleaseId("REL-9")})
    asked(other, matter_id=OTHER_MATTER, release_id="REL-9")
    approved(other, matter_id=OTHER_MATTER, release_id="REL-9")
    let_go(other)
    assert locked(house, 1) == [True, True]

    approved(house)
    finished = let_go(house)

    assert locked(house, 1) == [False, False]
    assert finished.counts["let_go"] == 1


def test_of_two_releases_at_once_one_lifts_and_the_other_says_so() -> None:
    house = judged(1)
    other = claimed_too(house, 1)
    other.release = RELEASE.model_copy(update={"matter_id": OTHER_MATTER, "release_id": ReleaseId("REL-9")})
    asked(house)
    asked(other, matter_id=OTHER_MATTER, release_id="REL-9")
    approved(house)
    approved(other, matter_id=OTHER_MATTER, release_id="REL-9")
    through(house, "end_claims", None)

    lifted = let_go(other)
    finished = let_go(house)

    assert lifted.counts["let_go"] == 1
    assert (finished.counts["let_go"], finished.counts["let_go_by_another_release"]) == (0, 1)
    assert locked(house, 1) == [False, False]


def test_what_arrives_after_the_plan_stays_locked_and_the_certificate_says_so() -> None:
    house = judged(1)
    asked(house)
    approved(house)
    deliver(house, 1, 7)
    through(house, "end_claims", None)
    deliver(house, 1, 8)

    finished = let_go(house)
    deliver(house, 1, 9)

    assert sorted(locked(house, 1)) == [False, False, *[True] * 6]
    assert finished.counts["late"] == 4


def test_a_version_that_is_gone_stops_nothing() -> None:
    house = judged(1)
    asked(house)
    approved(house)
    house.evidence.stored.pop(next(iter(house.evidence.stored)))

    assert let_go(house).counts["let_go"] == 1
    assert locked(house, 1) == [False]


def test_a_lock_that_does_not_come_off_is_not_called_lifted() -> None:
    house = judged(1, 2)
    asked(house)
    approved(house)
    stuck = next(key for key, _ in house.evidence.stored if str(conversation_id(1)) in key)
    house.locks.stuck.add(stuck)
    through(house, "end_claims", None)

    with pytest.raises(AwsUnavailable, match="to be off, found it on"):
        house.lift_holds()

    assert house.conversations.dossier(conversation_id(1)).promise.state is HoldState.LIFTING
    assert house.conversations.dossier(conversation_id(2)).promise.state is HoldState.LIFTED
    waiting = house.lift_holds()
    assert (waiting.status, waiting.wait_s) == ("MORE", 900)
    house.locks.stuck.clear()
    house.clock.forward(lift_holds.LEASE)
    assert let_go(house).counts["let_go"] == 2


def test_a_refusal_of_s3_ends_the_run_with_its_words() -> None:
    house = judged(1)
    asked(house)
    approved(house)
    house.locks.broken[next(iter(house.evidence.stored))[0]] = AwsRefused("PutObjectLegalHold: AccessDenied")
    through(house, "end_claims", None)

    with pytest.raises(AwsRefused):
        house.lift_holds()


def test_who_lost_the_lift_to_another_epoch_does_not_call_it_lifted(monkeypatch: pytest.MonkeyPatch) -> None:
    house = judged(1)
    asked(house)
    approved(house)
    through(house, "end_claims", None)
    monkeypatch.setattr(house.conversations, "lifted", lambda *_: False)

    assert house.lift_holds().status == "MORE"
    assert house.telemetry.counts[Counter.CONVERSATIONS_LET_GO] == 0


@pytest.mark.parametrize("step", ["end_claims", "release_platform_holds", "lift_holds"])
def test_a_step_goes_on_where_time_ran_out(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("end_claims", "lift_holds"):
        monkeypatch.setattr(f"holdfast.steps.{module}.CHUNK", 1)
    house = judged(1, 2, 3)
    house.holds.chunk_size = 1
    asked(house)
    approved(house)
    for before in ("end_claims", "release_platform_holds", "lift_holds"):
        if before == step:
            break
        through(house, before, None)
    house.patience.times = 0

    answer = getattr(house, step)()

    assert (answer.status, answer.offset) == ("MORE", 1)
    house.patience.times = 100
    assert let_go(house).counts["let_go"] == 3


def test_nothing_is_let_go_before_the_release_has_begun() -> None:
    house = judged(1)
    asked(house)

    for step in (house.end_claims, house.release_platform_holds, house.lift_holds, house.finish_release):
        with pytest.raises(LedgerRuleBroken, match="to be RELEASING, found PLANNED"):
            step()
    assert locked(house, 1) == [True, True]


@pytest.mark.parametrize("name", ["plan.json", "plan-00000.jsonl"])
@pytest.mark.parametrize("is_gone", [True, False])
def test_a_plan_that_is_not_the_one_that_was_approved_lets_nothing_go(name: str, is_gone: bool) -> None:
    house = judged(1)
    asked(house)
    approved(house)
    key = f"releases/M-2026-001/REL-1/{name}"
    content = house.records.files.pop(key)
    if not is_gone:
        changed = content.replace(b"settled", b"dropped").replace(b'"version_id":"v1"', b'"version_id":"v2"')
        assert changed != content
        house.records.files[key] = changed

    for step in (house.end_claims, house.release_platform_holds, house.lift_holds, house.finish_release):
        with pytest.raises(ReleasePlanChanged):
            step()
    assert locked(house, 1) == [True, True]


def test_every_part_of_the_plan_is_held_to_what_was_approved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_release, "PART_CONVERSATIONS", 1)
    house = judged(1, 2)
    house.conversations.page_size = 1
    asked(house)
    approved(house)
    key = "releases/M-2026-001/REL-1/plan-00000.jsonl"
    house.records.files[key] = house.records.files[key].replace(b'"version_id":"v1"', b'"version_id":"v2"')

    onward = through(house, "lift_holds", through(house, "end_claims", None))

    assert (onward.status, onward.number) == ("PART", 0)
    for step in (house.end_claims, house.release_platform_holds, house.lift_holds):
        with pytest.raises(ReleasePlanChanged):
            step(onward)
    assert locked(house, 1) == [True, True]


def test_after_a_release_the_matter_may_claim_again_and_locks_again() -> None:
    house = judged(1)
    released(house)
    house.clock.forward(timedelta(days=1))
    again = _ask_again(house)
    again.scope_source.pages = [conversations(1)]

    assert again.read_scope_pages().status == "DONE"
    bodies = house.arrival_queue.bodies
    assert again.secure_objects([QueuedMessage(f"r{place}", body) for place, body in enumerate(bodies)]) == []

    assert locked(house, 1) == [True, True]
    assert house.conversations.dossier(conversation_id(1)).promise.state is HoldState.HELD


# --- the platform ----------------------------------------------------------------------------------------


def held_at_platform(house: House, *numbers: int) -> None:
    house.place_holds()
    house.confirm_holds()
    assert {conversation_id(number) for number in numbers} <= house.holds.protected


def preserved(*numbers: int, is_per_matter: bool = False, before_us: tuple[int, ...] = ()) -> House:
    house = planned(*[(number,) for number in numbers])
    house.holds.is_per_matter = is_per_matter
    house.holds.protected |= {conversation_id(number) for number in before_us}
    for number in numbers:
        deliver(house, number)
    for state in (RequestState.EXPORTED, RequestState.RECONCILED):
        house.requests.advance(house.request, state)
    held_at_platform(house, *numbers)
    house.requests.advance(house.request, RequestState.PRESERVED)
    return house


def test_the_platforms_protection_goes_where_it_was_ours_and_nobody_needs_it() -> None:
    house = preserved(1, 2, 3, before_us=(3,))
    claimed_too(house, 2)

    released(house)

    assert house.holds.protected == {conversation_id(2), conversation_id(3)}
    holds = house.conversations.platform_holds([conversation_id(n) for n in (1, 2, 3)], None)
    states = [hold and hold.state for hold in holds.values()]
    assert states == [PlatformHold.RELEASED, PlatformHold.HELD, PlatformHold.PRE_EXISTING]
    assert house.conversations.held_for_all() == {conversation_id(2)}


def test_a_hold_of_the_matters_own_goes_with_its_claim_though_others_claim_too() -> None:
    house = preserved(1, is_per_matter=True)
    house.holds.references.add((conversation_id(1), OTHER_MATTER))
    claimed_too(house, 1)

    released(house)

    assert house.holds.references == {(conversation_id(1), OTHER_MATTER)}
    assert locked(house, 1) == [True, True]


def test_a_throttled_platform_is_waited_for() -> None:
    house = preserved(1)
    asked(house)
    approved(house)
    through(house, "end_claims", None)
    house.holds.failures = [PlatformThrottled("PUT", retry_after_s=33)]

    answer = house.release_platform_holds()

    assert (answer.status, answer.wait_s) == ("MORE", 33)
    assert house.telemetry.counts[Counter.THROTTLES] == 1
    assert let_go(house).counts["let_go"] == 1
    assert house.holds.protected == set()


@pytest.mark.parametrize(("kind", "calls"), [(RefusalKind.OTHER, 1), (RefusalKind.CONFLICT, 5)])
def test_what_the_platform_keeps_is_noted_and_stops_nothing(
    kind: RefusalKind, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = preserved(1)
    asked(house)
    approved(house)
    asked_for: list[object] = []

    def refuse(conversation_ids: Any, _matter_id: Any) -> list[HoldRefusal]:
        asked_for.append(conversation_ids)
        return [HoldRefusal(one, kind) for one in conversation_ids]

    monkeypatch.setattr(type(house.holds), "release", lambda _, ids, matter: refuse(ids, matter))

    finished = let_go(house)

    assert len(asked_for) == calls
    assert finished.counts["let_go"] == 1
    assert finished.counts["protected_still"] == 1
    assert house.telemetry.counts[Counter.EXCEPTIONS] == 1
    assert locked(house, 1) == [False, False]


# --- what nobody claims ----------------------------------------------------------------------------------


def unclaimed(house: House) -> House:
    house.release = RELEASE.model_copy(update={"matter_id": NOBODY})
    return house


def stray(house: House) -> ObjectVersion:
    version = house.evidence.put("readme.txt")
    assert house.secure_objects(messages(house, version)) == []
    return version


def test_what_nobody_claims_is_let_go_by_a_release_of_its_own() -> None:
    house = unclaimed(judged(1))
    deliver(house, 5)
    left = stray(house)

    plan = asked(house, scope="unclaimed", matter_id=None)
    approved(house, matter_id=None)
    finished = let_go(house)

    assert (plan.counts["conversations"], plan.counts["unattributed"]) == (1, 1)
    assert locked(house, 5) == [False, False]
    assert locked(house, 1) == [True, True]
    assert house.evidence.at(left).is_locked
    assert finished.counts["let_go"] == 1
    assert house.requests.matters_by_id[NOBODY].status is MatterStatus.OPEN
    assert list(house.requests.matters()) == [house.requests.matters_by_id[MATTER]]


def test_late_arrivals_of_what_was_lifted_are_let_go_as_unclaimed() -> None:
    house = judged(1)
    released(house)
    deliver(house, 1, 7)
    assert sorted(locked(house, 1)) == [False, False, True, True]
    unclaimed(house)

    plan = asked(house, scope="unclaimed", matter_id=None)
    approved(house, matter_id=None)
    let_go(house)

    assert plan.counts["versions"] == 2
    assert locked(house, 1) == [False] * 4


def test_unclaimed_conversations_may_be_chosen_and_only_those_go() -> None:
    house = unclaimed(judged(1))
    deliver(house, 5)
    deliver(house, 6)
    chosen = [conversation_id(6), conversation_id(1)]

    plan = asked(house, scope="unclaimed", matter_id=None, conversation_ids=chosen)
    approved(house, matter_id=None)
    let_go(house)

    assert plan.counts["conversations"] == 1
    assert (locked(house, 5), locked(house, 6)) == ([True, True], [False, False])
    assert locked(house, 1) == [True, True]


def test_what_is_claimed_between_plan_and_release_of_the_unclaimed_stays() -> None:
    house = unclaimed(judged(1))
    deliver(house, 5)
    asked(house, scope="unclaimed", matter_id=None)
    claimed_too(house, 5)
    approved(house, matter_id=None)

    finished = let_go(house)

    assert locked(house, 5) == [True, True]
    assert finished.counts["stays"] == 1


def test_a_large_bucket_is_planned_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_release, "PART_CONVERSATIONS", 1)
    house = unclaimed(judged(1))
    for number in (5, 6):
        deliver(house, number)
    house.evidence.page_size = 2

    plan = asked(house, scope="unclaimed", matter_id=None)

    assert plan.counts["conversations"] == 2
    assert len([key for key in house.records.files if "/plan-" in key]) > 1


def test_many_pages_of_the_bucket_make_one_part() -> None:
    house = unclaimed(judged(1))
    for number in (5, 6):
        deliver(house, number)
    house.evidence.page_size = 1

    plan = asked(house, scope="unclaimed", matter_id=None)

    assert plan.counts["conversations"] == 2
    assert len([key for key in house.records.files if "/plan-" in key]) == 1


def test_a_hold_per_matter_is_nobodys_where_nobody_claims() -> None:
    house = unclaimed(judged(1))
    deliver(house, 5)
    house.holds.is_per_matter = True
    asked(house, scope="unclaimed", matter_id=None)
    approved(house, matter_id=None)

    assert let_go(house).counts["let_go"] == 1


# --- the certificate -------------------------------------------------------------------------------------


def test_the_log_of_the_matter_names_the_release_and_the_digests_of_its_files() -> None:
    house = judged(1, 2)
    claimed_too(house, 2)

    released(house)

    (entry,) = [
        json.loads(one.canonical)
        for name, one in house.conversations.folders[f"LOG#{MATTER}"].entries.items()
        if name == "ENTRY#RELEASE#REL-1"
    ]
    assert (entry["kind"], entry["release_id"], entry["matter_id"]) == ("release", "REL-1", MATTER)
    assert (entry["requested_by"], entry["approved_by"]) == ("legal-user-17", "legal-user-4")
    assert entry["plan_sha256"] == record(house).plan.sha256
    assert entry["counts"]["let_go"] == 1
    folder = f"releases/{MATTER}/REL-1"
    files = {key: content for key, content in house.records.files.items() if key.startswith(folder)}
    assert {f"{folder}/{one['name']}": (one["sha256"], one["size_bytes"]) for one in entry["files"]} == {
        key: (hashlib.sha256(content).hexdigest(), len(content)) for key, content in files.items()
    }


def test_a_part_that_is_gone_when_the_release_is_certified_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_release, "PART_CONVERSATIONS", 1)
    house = judged(1, 2)
    house.conversations.page_size = 1
    asked(house)
    approved(house)
    progress = through(house, "lift_holds", through(house, "end_claims", None))
    progress = through(house, "lift_holds", through(house, "end_claims", progress))
    more = house.finish_release()
    del house.records.files["releases/M-2026-001/REL-1/plan-00001.jsonl"]

    with pytest.raises(ReleasePlanChanged, match="found it missing"):
        house.finish_release(more)


def test_who_is_overtaken_while_finishing_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    house = judged(1)
    asked(house)
    approved(house)
    for step in ("end_claims", "release_platform_holds", "lift_holds"):
        through(house, step, None)
    with monkeypatch.context() as patched:
        patched.setattr(house.releases, "end", lambda *_: False)
        with pytest.raises(LedgerContention):
            house.finish_release()
    written = dict(house.records.files)

    assert house.finish_release().counts["let_go"] == 1
    assert house.records.files == written


@pytest.mark.parametrize("lost", ["approval", "certificate"])
def test_a_release_that_lost_what_it_stands_on_is_a_defect(lost: str) -> None:
    house = judged(1)
    if lost == "certificate":
        released(house)
    else:
        asked(house)
        approved(house)
    house.releases.records[MATTER, ReleaseId("REL-1")] = replace(record(house), **{lost: None})

    with pytest.raises(LedgerRuleBroken, match=lost):
        house.finish_release()


def test_a_certificate_that_was_changed_is_not_told_of() -> None:
    house = judged(1)
    released(house)
    key = record(house).certificate.key
    house.records.files[key] = house.records.files[key].replace(b"legal-user-4", b"legal-user-5")

    with pytest.raises(ReleasePlanChanged):
        house.finish_release()


def test_a_request_fails_the_same_way_as_before_and_a_release_fails_nothing() -> None:
    house = judged(1)
    asked(house)
    failing = Failing(
        input={"matter_id": MATTER, "release_id": "REL-1", "failure": {"Error": "AwsRefused", "Cause": "no"}},
        execution_arn=EXECUTION,
        workflow="release_hold",
    )

    told = house.explain_failure(failing)

    assert (told.matter_id, told.release_id, told.request_id) == (MATTER, "REL-1", "")
    assert record(house).state is ReleaseState.PLANNED
