"""What earlier exports have secured is claimed, proven, held and counted, and not exported again."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.contracts.steps import Sealed
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import PlatformRecording
from holdfast.domain.scope import Conversation
from holdfast.domain.seals import segment_key
from holdfast.domain.states import BatchState
from holdfast.ports import Counter
from holdfast.steps.files import BatchFiles
from tests.events import load_event
from tests.fakes.house import MATTER, House, Patience
from tests.fakes.story import (
    STARTED,
    claim_again,
    conversation_id,
    conversations,
    deliver,
    end_job,
    exported,
    let_go,
    messages,
    opened,
    planned,
    reconciled,
    recording_id,
    upload,
)

ONE, TWO, THREE = (conversation_id(number) for number in (1, 2, 3))
OTHER = MatterId("M-2")
SENSITIVE = {"include_sensitive": True}


def _asks(
    house: House, matter: str = OTHER, request: str = "R-9", scope: Mapping[str, bool] | None = None
) -> House:
    """Open another request, an hour later."""
    house.clock.forward(timedelta(hours=1))
    other, event = house.for_request(matter, request), load_event("discovery_requested")
    event["detail"] |= {"matter_id": matter, "request_id": request}
    event["detail"]["scope"] |= scope or {}
    assert other.open_request(event).outcome == "OPENED"
    return other


def _select(house: House, *numbers: int) -> list[tuple[BatchState, list[ConversationId]]]:
    """Claim and gather these conversations; answer the batches."""
    house.scope_source.pages = [conversations(*numbers)]
    house.batch_size = 1
    assert house.read_scope_pages().status == "DONE"
    return _batches(house)


def _batches(house: House) -> list[tuple[BatchState, list[ConversationId]]]:
    run = house.run
    return [
        (
            batch.state,
            [
                one.conversation_id
                for one in BatchFiles(
                    house.files, run.matter_id, run.request_id, batch.batch_id
                ).conversations()
            ],
        )
        for batch in house.batches.of_request(house.request)
    ]


def _finish(house: House) -> Sealed:
    assert house.reconcile().done
    assert house.place_holds().done
    assert house.confirm_holds().done
    return house.seal_custody()


def test_another_matter_exports_only_what_is_not_secured_yet() -> None:
    house = _asks(reconciled(1, 2))

    assert _select(house, 1, 2, 3) == [(BatchState.PLANNED, [THREE]), (BatchState.REUSED, [ONE, TWO])]

    assert house.plan_export_round().batches == 1
    end_job(house, total=1)
    assert [list(one.conversation_ids) for one in house.jobs.selections.values()] == [[ONE, TWO], [THREE]]
    deliver(house, 3)
    sealed = _finish(house)
    assert sealed.verdict == "PRESERVED"
    assert sealed.summary["recordings"] == {
        "expected": 3, "delivered": 3, "secured": 3, "explained": 0, "missing": 0
    }  # fmt: skip
    assert sealed.summary["reused"] == {"conversations": 2, "recordings": 2}
    assert "not exported again: 2 recordings of 2 conversations." in sealed.headline
    assert house.telemetry.counts[Counter.CONVERSATIONS_REUSED] == 2


def test_a_matter_that_needs_nothing_new_exports_nothing() -> None:
    house = _asks(reconciled(1, 2))
    _select(house, 1, 2)

    assert house.plan_export_round().batches == 0
    sealed = _finish(house)

    assert (sealed.verdict, len(house.jobs.jobs)) == ("PRESERVED", 1)
    for one in (ONE, TWO):
        assert house.conversations.dossier(one).claimed_by == {MATTER, OTHER}
    seal = house.seal_matter().seal
    segment = house.records.files[segment_key(house.run.matter_id, seal.sequence)]
    kinds = [line for line in segment.splitlines() if b'"receipt"' in line]
    assert len(kinds) == 4


def test_a_request_sent_again_after_an_incomplete_one_exports_only_what_was_missing() -> None:
    house = planned((1, 2))
    end_job(house, total=2)
    deliver(house, 1)
    house.catalogue.recordings = {
        one: [PlatformRecording(recording_id(number), Medium.VOICE)] for number, one in ((1, ONE), (2, TWO))
    }
    house.clock.forward(timedelta(days=1))
    first = _finish(house)
    assert (first.verdict, first.summary["by_reason"]) == ("INCOMPLETE", {"not_delivered": 1})

    again = _asks(house, MATTER, "R-2")

    assert _select(again, 1, 2) == [(BatchState.PLANNED, [TWO]), (BatchState.REUSED, [ONE])]
    end_job(again, total=1)
    deliver(again, 2)
    sealed = _finish(again)
    assert sealed.verdict == "PRESERVED"
    assert sealed.summary["reused"] == {"conversations": 1, "recordings": 1}


def test_a_new_attempt_of_a_failed_request_goes_on_where_the_last_one_was() -> None:
    house = reconciled(1, 2)
    house.requests.fail(house.run.matter_id, house.run.request_id, "arn:execution:1", "it broke")
    house.clock.forward(timedelta(hours=1))
    assert house.open_request(execution_arn="arn:execution:2").outcome == "OPENED"

    assert _select(house, 1, 2) == [(BatchState.REUSED, [ONE, TWO])]
    assert _finish(house).verdict == "PRESERVED"


def _lift(house: House) -> None:
    let_go(house, ONE)


def _lift_and_claim_again(house: House) -> None:
    _lift(house)
    claim_again(house, 1)


def _lose_a_receipt(house: House) -> None:
    house.conversations.folders[f"CONV#{ONE}"].receipts.popitem()


@pytest.mark.parametrize("meanwhile", [_lift, _lift_and_claim_again, _lose_a_receipt])
def test_what_may_not_be_held_any_more_is_exported_again(meanwhile: Callable[[House], None]) -> None:
    house = reconciled(1, 2)
    meanwhile(house)

    assert _select(_asks(house), 1, 2) == [(BatchState.PLANNED, [ONE]), (BatchState.REUSED, [TWO])]


@pytest.mark.parametrize("meanwhile", [_lift, _lift_and_claim_again, _lose_a_receipt])
def test_what_is_lost_after_the_decision_is_missing(meanwhile: Callable[[House], None]) -> None:
    house = _asks(reconciled(1, 2))
    _select(house, 1, 2)
    meanwhile(house)

    sealed = _finish(house)

    assert sealed.verdict == "INCOMPLETE"
    reasons = {"reuse_unproven", "unpaired_media", "unpaired_sidecar", "unknown"}
    assert set(sealed.summary["by_reason"]) <= reasons  # type: ignore[call-overload] # a mapping
    assert sealed.summary["reused"] == {"conversations": 2, "recordings": 1}


@pytest.mark.parametrize(
    ("scope", "is_reused"),
    [
        ({}, True),
        ({"include_screen": False}, True),
        ({"include_sensitive": True}, False),
    ],
)
def test_a_request_that_asks_for_more_exports_again(scope: dict[str, bool], is_reused: bool) -> None:
    house = _asks(reconciled(1), scope=scope)

    (batch,) = _select(house, 1)

    assert batch == (BatchState.REUSED if is_reused else BatchState.PLANNED, [ONE])


def test_a_job_that_had_to_leave_out_sensitive_recordings_serves_only_those_who_do_not_want_them() -> None:
    house = _asks(opened(), scope=SENSITIVE)
    _select(house, 1)
    house.batches.advance(replace(house.batch(), without_sensitive=True))
    end_job(house, total=1)
    deliver(house, 1)
    assert house.reconcile().done

    wanting = _select(_asks(house, "M-3", scope=SENSITIVE), 1)
    not_wanting = _select(_asks(house, "M-4"), 1)

    assert (wanting, not_wanting) == ([(BatchState.PLANNED, [ONE])], [(BatchState.REUSED, [ONE])])


def test_screens_are_counted_where_they_are_wanted() -> None:
    house = planned((1,))
    end_job(house, total=2)
    deliver(house, 1)
    house.secure_objects(messages(house, *upload(house, 1, 1, medium="Screen")))
    assert house.reconcile().done
    sealed = []
    for matter, include_screen in (("M-2", True), ("M-3", False)):
        other = _asks(house, matter, scope={"include_screen": include_screen})
        assert _select(other, 1) == [(BatchState.REUSED, [ONE])]
        sealed.append(_finish(other))

    assert [one.summary["recordings"]["secured"] for one in sealed] == [2, 1]  # type: ignore[index] # a mapping
    assert [one.verdict for one in sealed] == ["PRESERVED"] * 2


def test_a_conversation_that_went_on_after_the_job_is_exported_again() -> None:
    house = _asks(reconciled(1, 2))
    late = house.clock.now()
    house.scope_source.pages = [
        [
            Conversation(ONE, STARTED, late, Medium.VOICE),
            Conversation(TWO, STARTED, None, Medium.VOICE),
        ]
    ]

    house.read_scope_pages()

    assert _batches(house) == [(BatchState.PLANNED, [ONE, TWO])]


def test_what_had_no_recording_or_was_not_all_secured_is_exported_again() -> None:
    house = planned((1, 2, 3))
    end_job(house, total=3, failed=[(2, 0)])
    deliver(house, 1)
    deliver(house, 2, 1)
    house.catalogue.recordings = {TWO: [PlatformRecording(recording_id(2), Medium.VOICE)]}
    assert house.reconcile().done

    assert _select(_asks(house), 1, 2, 3) == [(BatchState.PLANNED, [TWO, THREE]), (BatchState.REUSED, [ONE])]


def test_a_batch_that_no_job_exported_says_nothing_about_later_ones() -> None:
    house = planned((1,))
    deliver(house, 1)
    house.catalogue.recordings = {ONE: [PlatformRecording(recording_id(1), Medium.VOICE)]}
    assert house.reconcile().done

    assert _select(_asks(house), 1) == [(BatchState.PLANNED, [ONE])]


def test_the_decision_of_the_first_time_stands_when_the_step_is_repeated() -> None:
    house = exported(1, 2)
    other = _asks(house)
    before = _select(other, 1, 2)
    assert house.reconcile().done  # from now on, both could be re-used
    world = deepcopy(other.observable())

    assert _select(other, 1, 2) == before == [(BatchState.PLANNED, [ONE, TWO])]
    assert other.observable() == world


def test_what_waits_for_its_batch_is_re_used_as_it_was_decided() -> None:
    house = _asks(reconciled(1, 2))
    house.scope_source.pages = [conversations(1), conversations(3), conversations(2)]
    house.batch_size, house.patience = 9, Patience(0)

    answer = None
    while answer is None or answer.status != "DONE":
        answer = house.read_scope_pages(answer)

    assert _batches(house) == [(BatchState.PLANNED, [THREE]), (BatchState.REUSED, [ONE, TWO])]


def test_a_second_export_counts_each_recording_once() -> None:
    house = reconciled(1)
    house.clock.forward(timedelta(hours=1))
    other = _asks(house, scope=SENSITIVE)
    _select(other, 1)
    end_job(other, total=1)
    deliver(other, 1, media=b"again")
    sealed = _finish(other)

    assert sealed.summary["recordings"]["secured"] == 1  # type: ignore[index] # a mapping
    assert len(house.conversations.dossier(ONE).receipts) == 4
    secured = house.conversations.dossier(ONE).secured
    assert secured
    assert secured.terms.include_sensitive


def test_a_repeated_settlement_of_a_reused_batch_changes_nothing() -> None:
    house = _asks(reconciled(1))
    _select(house, 1)
    assert house.reconcile().done
    world = deepcopy(house.observable())

    assert house.reconcile().done
    assert house.observable() == world
    findings = BatchFiles(
        house.files, house.run.matter_id, house.run.request_id, house.batch().batch_id
    ).findings()
    assert [finding.reason for finding in findings] == [None]
