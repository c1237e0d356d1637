"""From a release to the disposal of what it let go, and everything that comes between."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from holdfast.contracts.arrivals import QueuedMessage
from holdfast.contracts.steps import ReleaseRun
from holdfast.domain.custody import EventType, ObjectVersion, Relock, RelockCause
from holdfast.domain.ids import ConversationId, MatterId, ReleaseId, RequestId, batch_id
from holdfast.domain.release import NOBODY
from holdfast.domain.states import DisposalState, HoldState
from holdfast.domain.tags import DISPOSAL_TAG, MAX_TAGS, is_marked
from holdfast.errors import ConversationLifting, LedgerRuleBroken, ReleasePlanChanged
from holdfast.ports import Claim, Counter, SweepSource
from holdfast.steps import mark_disposable, plan_release
from tests.events import load_event
from tests.fakes.disposals import apply_lifecycle
from tests.fakes.effects import Killed
from tests.fakes.house import COOL_OFF, KEPT_FOR, RELEASE, House
from tests.fakes.story import (
    claim_again,
    conversation_id,
    conversations,
    deliver,
    key_of,
    messages,
    relock_messages,
)
from tests.unit.steps.test_releases import approval, asked, claimed_too, end_request, judged, released
from tests.unit.steps.test_releases import let_go as finish

DAY = timedelta(days=1)


def let_go(*numbers: int) -> House:
    """Preserve conversations, and release their matter."""
    house = judged(*(numbers or (1,)))
    released(house)
    return house


def release_too(house: House, release_id: str, **changes: Any) -> None:
    """Ask for another release, approve it, and let it come to its end."""
    matter_id = NOBODY if changes.get("scope") == "unclaimed" else RELEASE.matter_id
    house.release = ReleaseRun(matter_id=matter_id, release_id=ReleaseId(release_id))
    asked(house, release_id=release_id, **changes)
    event = approval(house, release_id=release_id, **({"matter_id": None} if matter_id == NOBODY else {}))
    event["id"] = f"approval of {release_id}"
    assert house.record_approval(event).outcome == "RECORDED"
    house.clock.forward(COOL_OFF)
    assert house.begin_release().status == "BEGUN"
    finish(house)


def due(*numbers: int) -> House:
    """Let the days pass after that."""
    house = let_go(*numbers)
    house.clock.forward(KEPT_FOR)
    return house


def marked(house: House, number: int = 1) -> list[bool]:
    """Tell of a conversation's versions which bear the mark."""
    return [
        is_marked(stored.tags)
        for (key, _), stored in sorted(house.evidence.stored.items())
        if f"conversation_id={conversation_id(number)}" in key
    ]


def told(house: House, number: int = 1) -> list[str]:
    """Name what happened to a conversation's disposal, in order."""
    events = [
        json.loads(entry.canonical) for entry in house.conversations.dossier(conversation_id(number)).entries
    ]
    kinds = (EventType.DISPOSAL_DUE, EventType.DISPOSAL_TAKEN_BACK, EventType.DISPOSED)
    return [
        one["type"]
        for one in sorted(events, key=lambda one: one.get("event_id", ""))
        if one.get("type") in kinds
    ]


def claim(house: House, number: int = 1) -> int:
    """Let another matter claim a conversation; answers the epoch of its hold."""
    (conversation,) = conversations(number)
    wanted = Claim(MatterId("M-again"), RequestId("R-again"), batch_id(1, 0), conversation, house.clock.now())
    return house.conversations.claim(wanted).promise.epoch


def ask_for_locks(house: House, epoch: int, versions: Sequence[ObjectVersion]) -> list[str]:
    now = house.clock.now()
    relocks = [Relock(version, RelockCause.CLAIMED, epoch, now) for version in versions]
    return house.secure_objects(relock_messages(*relocks))


def versions_of(house: House, number: int = 1) -> list[ObjectVersion]:
    return [one.version for one in house.conversations.dossier(conversation_id(number)).receipts]


# --- when, and what --------------------------------------------------------------------------------------


def test_nothing_is_marked_before_its_days_have_passed() -> None:
    house = let_go()
    house.clock.forward(KEPT_FOR - timedelta(seconds=1))
    before = house.observable()

    answer = house.mark_disposable()

    assert (answer.marked, answer.done) == (0, True)
    assert house.observable() == before


def test_the_days_count_from_the_release_and_not_from_the_objects_creation() -> None:
    house = judged(1)
    house.clock.forward(timedelta(days=3_650))
    released(house)

    assert house.mark_disposable().marked == 0

    house.clock.forward(KEPT_FOR)
    assert house.mark_disposable().marked == 2


def test_what_is_due_is_marked_with_its_event_and_loses_nothing() -> None:
    house = due(1, 2)
    (version, *_) = versions_of(house)
    house.evidence.at(version).tags["owner"] = "them"
    was = {named: dict(stored.tags) for named, stored in house.evidence.stored.items()}

    answer = house.mark_disposable()

    assert answer.model_dump() == {"done": True, "marked": 4, "disposed": 0, "unsettled": 2}
    assert marked(house, 1) == marked(house, 2) == [True, True]
    assert told(house) == [EventType.DISPOSAL_DUE] * 2
    assert all(was[named].items() <= stored.tags.items() for named, stored in house.evidence.stored.items())
    assert house.telemetry.counts[Counter.OBJECTS_MARKED] == 4


def test_what_another_matter_claims_is_not_marked() -> None:
    house = judged(1, 2)
    claimed_too(house, 2)
    released(house)
    house.clock.forward(KEPT_FOR)

    assert house.mark_disposable().model_dump() == {"done": True, "marked": 2, "disposed": 0, "unsettled": 1}
    assert marked(house, 2) == [False, False]


def test_what_arrived_after_the_plan_is_not_marked_and_stays_locked() -> None:
    house = let_go()
    deliver(house, 1, 7)
    house.clock.forward(KEPT_FOR)

    house.mark_disposable()

    assert sorted(marked(house)) == [False, False, True, True]
    assert [stored.is_locked for stored in house.evidence.stored.values() if not is_marked(stored.tags)] == [
        True,
        True,
    ]


def test_a_key_that_has_a_version_which_stays_is_not_marked_at_all() -> None:
    """The rule's delete marker would hide it."""
    house = let_go()
    (media, sidecar) = versions_of(house)
    later = house.evidence.put(media.key, b"again", at=house.clock.now())
    assert house.secure_objects(messages(house, later)) == []
    house.clock.forward(KEPT_FOR)

    answer = house.mark_disposable()

    assert (answer.marked, answer.unsettled) == (1, 1)
    assert [is_marked(house.evidence.at(one).tags) for one in (media, later, sidecar)] == [False, False, True]


def test_a_lock_that_is_on_again_is_not_asked_about() -> None:
    house = due()
    (media, sidecar) = versions_of(house)
    house.evidence.at(media).is_locked = True

    assert house.mark_disposable().model_dump() == {"done": True, "marked": 1, "disposed": 0, "unsettled": 1}
    assert is_marked(house.evidence.at(sidecar).tags)


def test_what_nobody_claimed_is_disposed_of_after_its_release_too() -> None:
    house = judged(1)
    deliver(house, 7)
    release_too(house, "REL-2", matter_id=None, scope="unclaimed")
    house.clock.forward(KEPT_FOR)

    answer = house.mark_disposable()

    assert answer.marked == 2
    assert marked(house, 7) == [True, True]
    assert marked(house, 1) == [False, False]


def test_two_releases_of_one_conversation_mark_a_key_together() -> None:
    """The second lets go of what came late, and it is the second's days that are waited for."""
    house = let_go()
    (media, _) = versions_of(house)
    house.clock.forward(DAY)
    late = house.evidence.put(media.key, b"late", at=house.clock.now())
    assert house.secure_objects(messages(house, late)) == []
    house.clock.forward(KEPT_FOR)
    assert house.mark_disposable().marked == 1
    release_too(house, "REL-2", matter_id=None, scope="unclaimed")

    house.clock.forward(DAY)
    assert house.mark_disposable().marked == 0
    house.clock.forward(KEPT_FOR)
    assert house.mark_disposable().marked == 2
    assert is_marked(house.evidence.at(media).tags)
    assert is_marked(house.evidence.at(late).tags)


def test_a_version_without_room_for_a_tag_gives_up_one_of_ours() -> None:
    house = due()
    (media, sidecar) = versions_of(house)
    house.evidence.at(media).tags |= {f"theirs-{number}": "x" for number in range(MAX_TAGS - 3)}
    house.evidence.at(sidecar).tags = {f"theirs-{number}": "x" for number in range(MAX_TAGS)}

    answer = house.mark_disposable()

    tags = house.evidence.at(media).tags
    assert answer.marked == 1
    assert len(tags) == MAX_TAGS
    assert "recording-id" not in tags
    assert sum(name.startswith("theirs") for name in tags) == MAX_TAGS - 3
    assert DISPOSAL_TAG not in house.evidence.at(sidecar).tags


# --- repeats and interruptions ---------------------------------------------------------------------------


def test_a_repeat_changes_nothing() -> None:
    house = due(1, 2)
    house.mark_disposable()
    before = house.observable()

    again = house.mark_disposable()

    assert (again.done, again.marked) == (True, 0)
    assert house.observable() == before


def test_a_look_on_the_next_day_marks_nothing_twice() -> None:
    house = due(1)
    house.mark_disposable()
    tags = [dict(stored.tags) for stored in house.evidence.stored.values()]
    house.clock.forward(DAY)

    answer = house.mark_disposable()

    assert answer.model_dump() == {"done": True, "marked": 0, "disposed": 0, "unsettled": 1}
    assert [stored.tags for stored in house.evidence.stored.values()] == tags
    assert told(house) == [EventType.DISPOSAL_DUE] * 2


def test_a_run_that_dies_anywhere_is_finished_by_a_later_one() -> None:
    whole = due(1, 2)
    before = len(whole.effects.log)
    whole.mark_disposable()
    effects = len(whole.effects.log) - before
    assert effects > 10

    for number in range(effects):
        house = due(1, 2)
        house.effects.crash_before = len(house.effects.log) + number
        with pytest.raises(Killed):
            house.mark_disposable()
        house.effects.crash_before = None
        house.clock.forward(mark_disposable.LEASE)

        house.mark_disposable()

        assert marked(house, 1) + marked(house, 2) == [True] * 4
        assert told(house, 1) + told(house, 2) == [EventType.DISPOSAL_DUE] * 4


def test_a_large_plan_is_walked_through_in_as_many_runs_as_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mark_disposable, "CHUNK", 1)
    house = due(1, 2, 3)
    runs = 0
    while True:
        house.patience.times = 2
        answer = house.mark_disposable()
        runs += 1
        if answer.done:
            break

    assert runs > 1
    assert [marked(house, number) for number in (1, 2, 3)] == [[True, True]] * 3
    assert sum(walk.unsettled for walk in house.disposals.walks()) == 0
    assert [walk.walked_at for walk in house.disposals.walks()] == [house.clock.now()]


def test_a_plan_in_parts_is_walked_through_part_by_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_release, "PART_CONVERSATIONS", 1)
    house = judged(1, 2, 3)
    house.conversations.page_size = 1
    released(house)
    house.clock.forward(KEPT_FOR)
    assert len([key for key in house.records.files if "/plan-" in key]) == 3

    answer = house.mark_disposable()

    assert answer.model_dump() == {"done": True, "marked": 6, "disposed": 0, "unsettled": 3}


def test_a_run_without_time_leaves_the_rest_to_the_next() -> None:
    house = due()
    house.patience.times = 0

    assert house.mark_disposable().model_dump() == {"done": False, "marked": 0, "disposed": 0, "unsettled": 0}


def test_of_two_runs_at_once_one_is_overtaken_and_marks_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = due()
    dossier = house.conversations.dossier
    entered: list[ConversationId] = []

    def meanwhile(cid: ConversationId) -> Any:
        read = dossier(cid)
        if not entered:
            entered.append(cid)
            house.mark_disposable()
        return read

    monkeypatch.setattr(house.conversations, "dossier", meanwhile)

    house.mark_disposable()

    assert told(house) == [EventType.DISPOSAL_DUE] * 2


def test_what_is_being_lifted_for_another_release_is_left_for_later() -> None:
    house = due()
    house.conversations.begin_lift(conversation_id(1), lease_until=house.clock.now())

    assert house.mark_disposable().model_dump() == {"done": True, "marked": 0, "disposed": 0, "unsettled": 1}


def test_a_marker_that_lost_its_epoch_sets_no_more_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    house = due()
    monkeypatch.setattr(house.disposals, "mark", lambda *_: False)

    assert house.mark_disposable().marked == 0
    assert marked(house) == [False, False]


def test_a_release_without_its_certificate_is_a_defect() -> None:
    house = due()
    named, record = next(iter(house.releases.records.items()))
    house.releases.records[named] = replace(record, certificate=None)

    with pytest.raises(LedgerRuleBroken, match="expected release REL-1 to have a certificate"):
        house.mark_disposable()


def test_a_plan_that_was_changed_marks_nothing() -> None:
    house = due()
    (plan,) = [key for key in house.records.files if "/plan-" in key]
    house.records.files[plan] = house.records.files[plan][:-1] + b" \n"

    with pytest.raises(ReleasePlanChanged):
        house.mark_disposable()

    assert marked(house) == [False, False]


# --- what S3 does ----------------------------------------------------------------------------------------


def dispose(house: House) -> None:
    """Mark, and let S3's days pass: hide, delete, and clear what lies over nothing."""
    house.mark_disposable()
    for _ in range(3):
        house.clock.forward(DAY)
        apply_lifecycle(house.evidence)


def test_what_was_marked_is_gone_and_that_is_written_down_once() -> None:
    house = due(1, 2)
    dispose(house)

    answer = house.mark_disposable()

    assert (house.evidence.stored, house.evidence.markers) == ({}, {})
    assert answer.model_dump() == {"done": True, "marked": 0, "disposed": 4, "unsettled": 0}
    assert told(house) == [EventType.DISPOSAL_DUE] * 2 + [EventType.DISPOSED] * 2
    assert house.telemetry.counts[Counter.OBJECTS_DISPOSED] == 4
    dossier = house.conversations.dossier(conversation_id(1))
    assert (len(dossier.receipts), len(dossier.disposed)) == (0, 2)
    assert {(one.state, one.release_id) for one in dossier.marks} == {(DisposalState.DISPOSED, "REL-1")}


def test_a_release_of_which_nothing_is_left_is_not_walked_again() -> None:
    house = due()
    dispose(house)
    house.mark_disposable()
    house.clock.forward(DAY)
    before = house.observable()

    assert list(house.disposals.walks()) == []
    house.mark_disposable()
    assert house.observable() == before


def test_no_sweep_takes_disposal_for_the_work_of_somebody_else() -> None:
    house = due()
    house.mark_disposable()
    for _ in range(3):
        house.clock.forward(DAY)
        apply_lifecycle(house.evidence)
        for source in (SweepSource.BUCKET, SweepSource.RECEIPTS):
            assert house.sweep_evidence(source=source).drifted == 0
    claim(house)
    for source in (SweepSource.BUCKET, SweepSource.RECEIPTS):
        assert house.sweep_evidence(source=source).drifted == 0
    assert told(house).count(EventType.DISPOSED) == 2


def test_a_version_that_nobody_marked_and_is_gone_is_still_told() -> None:
    house = due(1, 2)
    house.mark_disposable()
    claim_again(house, 2)
    house.evidence.remove(versions_of(house, 2)[0])

    assert house.sweep_evidence(source=SweepSource.RECEIPTS).drifted == 1


def test_a_delete_marker_over_what_is_claimed_is_told_whoever_set_it() -> None:
    house = due()
    house.mark_disposable()
    apply_lifecycle(house.evidence)
    claim_again(house, 1)

    assert house.sweep_evidence().drifted == len(house.evidence.markers) == 2


# --- who claims it again ---------------------------------------------------------------------------------


def test_a_claim_takes_the_marks_back_after_the_locks_are_on() -> None:
    house = due()
    house.mark_disposable()
    order: list[str] = []
    house.effects.watchers.append(lambda kind, _: order.append(kind))

    claim_again(house, 1)

    assert marked(house) == [False, False]
    assert all(stored.is_locked for stored in house.evidence.stored.values())
    assert told(house) == [EventType.DISPOSAL_DUE] * 2 + [EventType.DISPOSAL_TAKEN_BACK] * 2
    assert order.index("lock") < order.index("tag") < order.index(EventType.DISPOSAL_TAKEN_BACK)
    for _ in range(3):
        apply_lifecycle(house.evidence)
    assert len(house.evidence.stored) == 2
    assert house.evidence.markers == {}


def test_what_is_claimed_since_is_never_marked_by_that_release_again() -> None:
    house = due()
    house.mark_disposable()
    claim_again(house, 1)
    house.clock.forward(DAY)

    answer = house.mark_disposable()

    assert answer.model_dump() == {"done": True, "marked": 0, "disposed": 0, "unsettled": 0}
    assert list(house.disposals.walks()) == []
    assert marked(house) == [False, False]


def test_the_days_begin_anew_with_the_release_of_whoever_claimed_it_again() -> None:
    house = let_go()
    house.clock.forward(KEPT_FOR - DAY)
    again = house.for_request("M-2026-001", "R-2")
    event = load_event("discovery_requested")
    event["detail"]["request_id"] = "R-2"
    again.open_request(event, "arn:execution:7")
    again.scope_source.pages = [conversations(1)]
    again.read_scope_pages()
    assert house.secure_objects([]) == []
    bodies, house.arrival_queue.bodies = list(house.arrival_queue.bodies), []
    assert bodies
    epoch = house.conversations.hold(conversation_id(1)).promise.epoch
    assert ask_for_locks(house, epoch, versions_of(house)) == []
    end_request(again)
    release_too(house, "REL-2")

    house.clock.forward(timedelta(days=2))
    assert house.mark_disposable().marked == 0

    house.clock.forward(KEPT_FOR)
    assert house.mark_disposable().marked == 2
    dossier = house.conversations.dossier(conversation_id(1))
    assert {one.release_id for one in dossier.marks} == {"REL-2"}


def test_no_claim_is_taken_while_marks_are_set() -> None:
    house = due()
    refused = []

    def claims_meanwhile(kind: str, _: str) -> None:
        if kind == "disposal mark":
            with pytest.raises(ConversationLifting):
                claim(house)
            refused.append(kind)

    house.effects.watchers.append(claims_meanwhile)

    house.mark_disposable()

    assert len(refused) == 2
    assert claim(house) > 0, "and as soon as they are set, it is"


def test_a_claim_waits_for_a_marker_that_may_still_be_alive() -> None:
    house = due()
    house.effects.crash_before = len(house.effects.log) + 2
    with pytest.raises(Killed):
        house.mark_disposable()
    house.effects.crash_before = None

    with pytest.raises(ConversationLifting):
        claim(house)
    assert house.mark_disposable().marked == 0, "nor does another marker overtake it"
    house.clock.forward(mark_disposable.LEASE)
    assert claim(house) > 0


def test_a_claim_that_comes_first_keeps_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    house = due()
    claimed: list[int] = []
    look = house.evidence.look

    def claims_meanwhile(version: ObjectVersion) -> Any:
        if not claimed:
            claimed.append(claim(house))
        return look(version)

    monkeypatch.setattr(house.evidence, "look", claims_meanwhile)

    assert house.mark_disposable().marked == 0
    assert marked(house) == [False, False]
    assert told(house) == []


def test_a_lock_that_goes_on_while_the_lease_is_taken_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    house = due()
    begin = house.disposals.begin_marking

    def locked_meanwhile(*args: Any, **named: Any) -> Any:
        for stored in house.evidence.stored.values():
            stored.is_locked = True
        return begin(*args, **named)

    monkeypatch.setattr(house.disposals, "begin_marking", locked_meanwhile)

    assert house.mark_disposable().marked == 0
    assert marked(house) == [False, False]


def test_what_was_disposed_of_before_the_claim_keeps_nobody_waiting() -> None:
    house = due()
    versions = versions_of(house)
    dispose(house)
    epoch = claim(house)

    assert ask_for_locks(house, epoch, versions) == []
    assert house.conversations.hold(conversation_id(1)).promise.state is HoldState.HELD
    assert told(house).count(EventType.DISPOSED) == 2
    assert house.conversations.are_answered(
        [Relock(one, RelockCause.CLAIMED, epoch, house.clock.now()) for one in versions]
    ) == [True, True]


def test_what_is_left_of_a_disposal_is_locked_and_the_rest_is_told() -> None:
    house = due()
    house.mark_disposable()
    (gone, left) = versions_of(house)
    house.evidence.remove(gone)
    epoch = claim(house)

    assert ask_for_locks(house, epoch, [gone, left]) == []
    dossier = house.conversations.dossier(conversation_id(1))
    assert dossier.promise.state is HoldState.HELD
    assert [one.version for one in dossier.receipts] == [left]
    assert [one.version for one in dossier.disposed] == [gone]
    assert house.evidence.at(left).is_locked
    assert not is_marked(house.evidence.at(left).tags)


def test_what_is_gone_without_a_mark_is_asked_for_again() -> None:
    house = let_go()
    (gone, left) = versions_of(house)
    house.evidence.remove(gone)
    epoch = claim(house)

    assert ask_for_locks(house, epoch, [gone, left]) == ["relock-0", "relock-1"]
    assert house.conversations.hold(conversation_id(1)).promise.state is HoldState.RELOCKING


def test_a_mark_that_is_on_what_is_held_is_drift_and_taken_off() -> None:
    house = judged(1)
    (media, _) = versions_of(house)
    house.evidence.at(media).tags[DISPOSAL_TAG] = "due"

    assert house.sweep_evidence(source=SweepSource.RECEIPTS).drifted == 1
    (body,) = house.arrival_queue.bodies
    assert house.secure_objects([QueuedMessage("m-1", body)]) == []
    assert DISPOSAL_TAG not in house.evidence.at(media).tags


def test_what_arrives_with_the_mark_loses_it() -> None:
    house = judged(1)
    version = house.evidence.put(key_of(1, "x.wav"), tags={DISPOSAL_TAG: "due", "owner": "them"})

    assert house.secure_objects(messages(house, version)) == []

    tags = house.evidence.at(version).tags
    assert (DISPOSAL_TAG in tags, tags["owner"]) == (False, "them")
