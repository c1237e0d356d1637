"""What somebody outside did to evidence: found, recorded once, and put right where that is right."""

import json
from datetime import timedelta
from typing import Any

import pytest

from holdfast.contracts.arrivals import QueuedMessage
from holdfast.contracts.steps import Swept
from holdfast.domain.custody import Arrival, ObjectVersion
from holdfast.domain.evidence_key import CANARY_PREFIX
from holdfast.domain.ids import ReleaseId
from holdfast.domain.states import BatchState, HoldState, RequestState
from holdfast.ports import ClaimEnding, Counter, SweepSource, VersionPage
from tests.fakes.effects import Killed
from tests.fakes.house import MATTER, SWEEP_AGE, House, Patience
from tests.fakes.story import conversation_id, conversations, deliver, exported, messages, plan, upload

RECEIPTS = SweepSource.RECEIPTS
LEASE = timedelta(minutes=20)


def versions_of(house: House) -> list[ObjectVersion]:
    return sorted((one.version for one in house.conversations.all_receipts()), key=lambda one: one.key)


def arrive(house: House) -> None:
    """Let the arrival path work off what was sent to it."""
    bodies, house.arrival_queue.bodies = house.arrival_queue.bodies, []
    assert house.secure_objects([QueuedMessage(f"m-{n}", body) for n, body in enumerate(bodies)]) == []


def events(house: House, *kinds: str) -> list[dict[str, Any]]:
    entries = (
        json.loads(entry.canonical)
        for folder in house.conversations.folders.values()
        for _, entry in sorted(folder.entries.items())
    )
    return [one for one in entries if one.get("type") in (kinds or ("drift_found", "drift_repaired"))]


def told(house: House) -> list[tuple[str, str]]:
    return [(one["type"], one["details"]["drift"]) for one in events(house)]


def end_claims(house: House, *numbers: int) -> None:
    for number in numbers:
        house.conversations.end_claim(
            ClaimEnding(
                MATTER,
                conversation_id(number),
                ReleaseId("REL-1"),
                "legal-7",
                at=house.clock.now(),
                planned_at=house.clock.now(),
                lease_until=house.clock.now() + LEASE,
            )
        )


def lift(house: House, number: int) -> None:
    """Let a release take its course."""
    end_claims(house, number)
    for version in versions_of(house):
        if (version.key, version.version_id) in house.evidence.stored:
            house.evidence.unlock(version)
    epoch = house.conversations.hold(conversation_id(number)).promise.epoch
    assert house.conversations.lifted(conversation_id(number), epoch, ReleaseId("REL-1"), house.clock.now())


def test_what_is_as_it_was_left_is_left_alone() -> None:
    house = exported()
    before = house.observable()

    assert house.sweep_evidence(source=RECEIPTS) == Swept(done=True, versions=4, sent=0)

    assert house.observable() == before
    assert told(house) == []


def test_a_lifted_lock_is_set_again_and_both_are_told_once() -> None:
    house = exported()
    version = versions_of(house)[0]
    house.evidence.unlock(version)

    swept = house.sweep_evidence(source=RECEIPTS)

    assert swept == Swept(done=True, versions=4, sent=0, drifted=1)
    assert house.telemetry.counts[Counter.DRIFT_FOUND] == 1
    arrive(house)
    assert house.evidence.at(version).is_locked
    assert told(house) == [("drift_found", "lock_lifted"), ("drift_repaired", "lock_lifted")]
    assert {one["details"]["key"] for one in events(house)} == {version.key}
    assert {one["details"]["version_id"] for one in events(house)} == {version.version_id}


def test_it_is_asked_for_until_it_is_done_and_told_once_however_often_it_is_found() -> None:
    house = exported()
    house.evidence.unlock(versions_of(house)[0])

    for _ in range(3):
        house.sweep_evidence(source=RECEIPTS)
        house.clock.forward(timedelta(hours=1))

    assert len(set(house.arrival_queue.bodies)) == 1, "the same wish, under the time it was found at"
    arrive(house)
    assert told(house) == [("drift_found", "lock_lifted"), ("drift_repaired", "lock_lifted")]
    assert house.telemetry.counts[Counter.DRIFT_FOUND] == 1


def test_a_lock_that_is_lifted_again_after_its_repair_is_told_again() -> None:
    house = exported()
    version = versions_of(house)[0]
    for _ in range(2):
        house.evidence.unlock(version)
        house.sweep_evidence(source=RECEIPTS)
        arrive(house)
        house.clock.forward(timedelta(seconds=1))

    assert [kind for kind, _ in told(house)] == ["drift_found", "drift_repaired"] * 2
    assert house.telemetry.counts[Counter.DRIFT_FOUND] == 2


@pytest.mark.parametrize("tags", [{}, {"legal-hold": "off"}, {"theirs": "kept", "conversation-id": "x"}])
def test_our_tags_are_put_right_and_foreign_ones_kept(tags: dict[str, str]) -> None:
    house = exported()
    version = versions_of(house)[0]
    before = dict(house.evidence.at(version).tags)
    house.evidence.at(version).tags = dict(tags)

    house.sweep_evidence(source=RECEIPTS)
    arrive(house)

    foreign = {name: value for name, value in tags.items() if name not in before}
    assert house.evidence.at(version).tags == before | foreign
    assert told(house) == [("drift_found", "tags_changed"), ("drift_repaired", "tags_changed")]


def test_lock_and_tags_of_one_version_are_two_findings_and_two_repairs() -> None:
    house = exported()
    version = versions_of(house)[0]
    house.evidence.unlock(version)
    house.evidence.at(version).tags = {}

    assert house.sweep_evidence(source=RECEIPTS).drifted == 2
    arrive(house)

    assert house.evidence.at(version).is_locked
    assert "legal-hold" in house.evidence.at(version).tags
    assert sorted(told(house)) == sorted(
        (kind, drift)
        for kind in ("drift_found", "drift_repaired")
        for drift in ("lock_lifted", "tags_changed")
    )


def test_what_is_gone_is_told_once_and_asks_for_nothing() -> None:
    house = exported()
    house.evidence.remove(versions_of(house)[0])

    assert [house.sweep_evidence(source=RECEIPTS).drifted for _ in range(3)] == [1, 0, 0]

    assert told(house) == [("drift_found", "version_gone")]
    assert house.arrival_queue.bodies == []


def test_a_delete_marker_is_told_once_and_left_where_it_is() -> None:
    house = exported()
    version = versions_of(house)[0]
    marker = house.evidence.hide(version.key)
    house.clock.forward(SWEEP_AGE)

    assert [house.sweep_evidence() for _ in range(2)] == [
        Swept(done=True, versions=5, sent=0, drifted=1),
        Swept(done=True, versions=5, sent=0),
    ]

    (found,) = events(house)
    assert found["details"] == {
        "drift": "delete_marker",
        "key": version.key,
        "version_id": marker.version_id,
    }
    assert found["conversation_id"] in version.key
    assert marker in [one.version for one in house.evidence.markers.values()]


@pytest.mark.parametrize("key", ["a/stray.bin", CANARY_PREFIX + "1"])
def test_what_belongs_to_no_conversation_is_watched_too(key: str) -> None:
    house = House()
    version = house.evidence.put(key)
    house.secure_objects(messages(house, version))
    house.evidence.unlock(version)

    house.sweep_evidence(source=RECEIPTS)
    arrive(house)

    assert house.evidence.at(version).is_locked
    assert [kind for kind, _ in told(house)] == ["drift_found", "drift_repaired"]


def test_what_nobody_claims_and_nobody_let_go_is_watched_too() -> None:
    house = House()
    deliver(house, 1)
    version = versions_of(house)[0]
    house.evidence.unlock(version)

    house.sweep_evidence(source=RECEIPTS)
    arrive(house)

    assert house.evidence.at(version).is_locked


# --- releases


def test_what_a_release_lifts_is_left_to_it() -> None:
    house = exported(1)
    end_claims(house, 1)
    for version in versions_of(house):
        house.evidence.unlock(version)
        house.evidence.at(version).tags = {}

    assert house.sweep_evidence(source=RECEIPTS).drifted == 0

    assert told(house) == []
    assert house.arrival_queue.bodies == []


def test_what_was_let_go_stays_so_and_what_came_later_stays_locked() -> None:
    house = exported(1)
    lift(house, 1)
    house.clock.forward(timedelta(hours=1))
    late = upload(house, 1, 1)
    assert house.secure_objects(messages(house, *late)) == []
    house.evidence.unlock(late[0])

    swept = house.sweep_evidence(source=RECEIPTS)

    assert swept.drifted == 1
    (found,) = events(house)
    assert (found["details"]["key"], found["details"]["drift"]) == (late[0].key, "lock_lifted")


def test_a_release_that_begins_while_somebody_looks_is_not_disturbed() -> None:
    house = exported(1)
    looks: list[ObjectVersion] = []

    def begin(version: ObjectVersion) -> None:
        looks.append(version)
        if len(looks) == 1:
            end_claims(house, 1)
            for one in versions_of(house):
                house.evidence.unlock(one)

    house.evidence.outsider = begin

    assert house.sweep_evidence(source=RECEIPTS).drifted == 0
    assert house.arrival_queue.bodies == []


def test_a_release_that_begins_between_the_two_looks_at_the_promise_makes_the_finding_void() -> None:
    house = exported(1)
    version = versions_of(house)[0]
    house.evidence.unlock(version)
    looks = 0

    def begin(_: ObjectVersion) -> None:
        nonlocal looks
        looks += 1
        if looks == 2:  # the second look stands between two of the promise
            end_claims(house, 1)

    house.evidence.page_size = 1
    house.conversations.page_size = 1
    house.patience = Patience(0)
    house.evidence.outsider = begin

    assert house.sweep_evidence(source=RECEIPTS).drifted == 0
    assert looks == 2
    assert told(house) == []


def test_a_wish_that_comes_after_the_release_began_is_not_fulfilled() -> None:
    house = exported(1)
    version = versions_of(house)[0]
    house.evidence.unlock(version)
    house.sweep_evidence(source=RECEIPTS)
    end_claims(house, 1)

    arrive(house)

    assert not house.evidence.at(version).is_locked, "the lifter's lock, and nobody else's"
    assert told(house) == [("drift_found", "lock_lifted")]


def test_a_finding_that_a_release_overtook_does_not_hide_the_next() -> None:
    house = exported(1)
    version = versions_of(house)[0]
    house.evidence.unlock(version)
    house.sweep_evidence(source=RECEIPTS)
    lift(house, 1)
    arrive(house)
    house.clock.forward(timedelta(hours=1))
    assert not house.evidence.at(version).is_locked
    claim_again(house)
    assert house.conversations.hold(conversation_id(1)).promise.state is HoldState.HELD
    house.evidence.unlock(version)

    assert house.sweep_evidence(source=RECEIPTS).drifted == 1
    arrive(house)

    assert [kind for kind, _ in told(house)] == ["drift_found", "drift_found", "drift_repaired"]
    assert house.evidence.at(version).is_locked


def claim_again(house: House) -> None:
    other = house.for_request("M-2", "R-1")
    event = json.loads(house.request.body)
    other.open_request(
        {"detail-type": "DiscoveryRequested", "detail": event | {"matter_id": "M-2", "request_id": "R-1"}}
    )
    other.scope_source.pages = [conversations(1)]
    assert other.read_scope_pages().status == "DONE"
    arrive(house)


def test_a_claims_wish_that_was_lost_is_sent_again_and_is_no_drift() -> None:
    house = exported(1)
    lift(house, 1)
    send, house.arrival_queue.send = house.arrival_queue.send, lambda _: None  # type: ignore[method-assign,assignment] # lost on the way
    other = house.for_request("M-2", "R-1")
    event = json.loads(house.request.body)
    other.open_request(
        {"detail-type": "DiscoveryRequested", "detail": event | {"matter_id": "M-2", "request_id": "R-1"}}
    )
    other.scope_source.pages = [conversations(1)]
    other.read_scope_pages()
    house.arrival_queue.send = send  # type: ignore[method-assign]
    assert house.conversations.hold(conversation_id(1)).promise.state is HoldState.RELOCKING

    assert house.sweep_evidence(source=RECEIPTS).drifted == 0
    arrive(house)

    assert house.conversations.hold(conversation_id(1)).promise.state is HoldState.HELD
    assert all(house.evidence.at(version).is_locked for version in versions_of(house))
    assert told(house) == []


# --- pages, deaths, sources


def test_a_look_goes_on_where_the_last_one_stopped_beside_the_sweep_for_lost_events() -> None:
    house = exported()
    house.conversations.page_size = 1
    for version in versions_of(house):
        house.evidence.unlock(version)

    answers = []
    for _ in range(3):
        house.patience = Patience(1)
        answers.append(house.sweep_evidence(source=RECEIPTS))

    assert answers == [
        Swept(done=False, versions=2, sent=0, drifted=2),
        Swept(done=True, versions=2, sent=0, drifted=2),
        Swept(done=False, versions=2, sent=0),
    ]
    assert house.sweeps.read("").after is None
    assert house.telemetry.counts[Counter.SENTINEL_LOOKS] == 3
    assert Counter.ARRIVAL_SWEEPS not in house.telemetry.counts


def test_a_look_may_be_limited_to_a_part_of_the_bucket() -> None:
    house = exported()
    first, *_ = versions_of(house)
    for version in versions_of(house):
        house.evidence.unlock(version)

    swept = house.sweep_evidence(first.key, RECEIPTS)

    assert swept == Swept(done=True, versions=2, sent=0, drifted=2), "the recording and its sidecar"


def test_killed_anywhere_everything_is_found_and_put_right_and_told_once() -> None:
    died = 0
    for place in range(1, 30):
        house = exported()
        for version in versions_of(house):
            house.evidence.unlock(version)
        house.effects.crash_before = len(house.effects.log) + place
        try:
            house.sweep_evidence(source=RECEIPTS)
        except Killed:
            died += 1
        house.effects.crash_before = None

        house.sweep_evidence(source=RECEIPTS)
        arrive(house)

        assert all(house.evidence.at(version).is_locked for version in versions_of(house))
        assert (
            sorted(told(house))
            == [("drift_found", "lock_lifted")] * 4 + [("drift_repaired", "lock_lifted")] * 4
        )
    assert died > 5


def test_an_inventory_feeds_the_same_comparison_and_is_not_believed() -> None:
    house = exported()
    lifted, untouched, *_ = versions_of(house)
    house.evidence.unlock(lifted)
    lost = house.evidence.put("lost.wav", at=house.clock.now())
    imagined = ObjectVersion(house.evidence.name, "never/was.wav", "v9", 1)
    hidden = house.evidence.hide(lifted.key)
    vanished = ObjectVersion(house.evidence.name, lifted.key, "m9", 0)
    house.clock.forward(SWEEP_AGE)
    at = house.clock.now() - SWEEP_AGE
    house.inventory.pages = [
        VersionPage(
            [Arrival(one, at) for one in (lifted, untouched, lost, imagined)],
            None,
            markers=[Arrival(one, at) for one in (hidden, vanished)],
            suspects=[lifted, untouched, imagined],
        )
    ]

    swept = house.sweep_evidence(source=SweepSource.INVENTORY)

    assert swept == Swept(done=True, versions=9, sent=1, drifted=2)
    arrive(house)
    assert house.conversations.have([lost]) == {lost.fingerprint}
    assert house.evidence.at(lifted).is_locked
    assert sorted(told(house)) == [
        ("drift_found", "delete_marker"),
        ("drift_found", "lock_lifted"),
        ("drift_repaired", "lock_lifted"),
    ]


def test_an_inventory_that_was_read_to_its_end_is_not_read_again() -> None:
    house = House()
    version = house.evidence.put("lost.wav", at=house.clock.now())
    house.inventory.pages = [VersionPage([Arrival(version, house.clock.now())], None)]
    house.clock.forward(SWEEP_AGE)

    first, second = (house.sweep_evidence(source=SweepSource.INVENTORY) for _ in range(2))

    assert (first.versions, second.versions) == (1, 0)
    assert first.done
    assert second.done
    assert house.telemetry.counts[Counter.INVENTORIES_READ] == 1


# --- verdicts


def again(house: House) -> House:
    """Ask for the same once more, under a new request."""
    other = house.for_request(MATTER, "R-2")
    body = json.loads(house.request.body) | {"request_id": "R-2"}
    other.open_request({"detail-type": "DiscoveryRequested", "detail": body}, "arn:2")
    plan(other, (1, 2))
    return other


def judged(house: House) -> House:
    assert house.reconcile().done
    assert house.place_holds().done
    assert house.confirm_holds().done
    assert house.seal_custody().done
    return house


def reasons(house: House) -> dict[str, int]:
    summary: dict[str, Any] = dict(house.request.summary or {})
    counted: dict[str, int] = summary["by_reason"]
    return counted


def test_what_is_gone_before_the_verdict_is_missing_in_it() -> None:
    house = exported()
    assert house.reconcile().done
    house.evidence.remove(versions_of(house)[0])
    house.sweep_evidence(source=RECEIPTS)

    judged(house)

    assert house.request.state is RequestState.INCOMPLETE
    assert reasons(house) == {"version_gone": 1}


def test_what_is_gone_was_not_secured_and_is_exported_again() -> None:
    house = judged(exported())
    assert house.request.state is RequestState.PRESERVED
    house.evidence.remove(versions_of(house)[0])
    house.sweep_evidence(source=RECEIPTS)

    other = again(house)

    states = [batch.state for batch in other.batches.of_request(other.request)]
    assert sorted(states) == [BatchState.PLANNED, BatchState.REUSED]
    assert house.request.state is RequestState.PRESERVED, "a verdict that was given stays"


def test_what_is_gone_after_it_was_relied_on_is_told_by_name() -> None:
    house = judged(exported())
    other = again(house)
    gone = house.conversations.dossier(conversation_id(1)).receipts
    for receipt in gone:
        house.evidence.remove(receipt.version)
    house.sweep_evidence(source=RECEIPTS)

    judged(other)

    assert other.request.state is RequestState.INCOMPLETE
    assert reasons(other) == {"reuse_unproven": 1, "version_gone": 2}


def test_what_is_hidden_is_explained_and_named() -> None:
    house = exported()
    house.evidence.hide(versions_of(house)[0].key)
    house.clock.forward(SWEEP_AGE)
    house.sweep_evidence()

    judged(house)

    assert house.request.state is RequestState.PRESERVED
    assert reasons(house) == {"hidden": 1}


def test_a_conversation_that_is_claimed_again_does_not_wait_for_what_is_gone() -> None:
    house = exported(1)
    house.evidence.remove(versions_of(house)[0])
    house.sweep_evidence(source=RECEIPTS)
    lift(house, 1)

    claim_again(house)

    assert house.conversations.hold(conversation_id(1)).promise.state is HoldState.HELD
