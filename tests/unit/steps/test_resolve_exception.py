"""What a person decides: validated, written down once, and counted by later verdicts."""

import json
from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest

from holdfast.domain.reconciliation import Reason
from holdfast.domain.states import RequestState
from holdfast.ports import Counter, ParkedKind, ParkedMessage, SweepSource
from tests.events import load_event
from tests.fakes.house import MATTER, House
from tests.fakes.story import (
    conversation_id,
    deliver,
    end_job,
    key_of,
    messages,
    opened,
    plan,
    planned,
    recording_id,
)

A_DAY = timedelta(days=1)
RECORDING = {"conversation_id": conversation_id(1), "recording_id": recording_id(1)}


def event(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = deepcopy(load_event("exception_resolved"))
    told["detail"] |= changes
    return told


def about(reason: str, **named: str) -> dict[str, Any]:
    return event(exception={"reason": reason, **named})


def judged(house: House) -> House:
    """Bring the request to its verdict."""
    while not house.reconcile().done:
        house.clock.forward(A_DAY)
    assert house.place_holds().done
    assert house.confirm_holds().done
    assert house.seal_custody().done
    return house


def with_empty_recording() -> House:
    """One conversation whose one recording arrived empty."""
    house = planned((1,))
    end_job(house, total=1)
    deliver(house, 1, media=b"")
    return house


def again(house: House, request_id: str = "R-2") -> House:
    """Send the same scope under a new id, and bring it to its verdict."""
    other = house.for_request(MATTER, request_id)
    body = json.loads(house.request.body) | {"request_id": request_id}
    other.open_request({"detail-type": "DiscoveryRequested", "detail": body}, f"arn:{request_id}")
    plan(other, (1,))
    end_job(other, total=1)
    return judged(other)


def events_of(house: House) -> list[dict[str, Any]]:
    entries = (
        json.loads(entry.canonical)
        for folder in house.conversations.folders.values()
        for entry in folder.entries.values()
    )
    return [one for one in entries if one.get("type") == "exception_resolved"]


def exceptions(house: House, request_id: str) -> list[dict[str, Any]]:
    content = house.records.files[f"matters/{MATTER}/requests/{request_id}/exceptions.jsonl"]
    return [json.loads(line) for line in content.splitlines()]


def test_a_decision_becomes_a_custody_event_once_and_stands_for_later_verdicts() -> None:
    house = judged(with_empty_recording())
    assert house.request.state is RequestState.INCOMPLETE

    decided = house.resolve_exception()

    assert (decided.outcome, decided.resolution_id) == ("RECORDED", "X-1")
    assert "stays INCOMPLETE" in decided.explanation
    (told,) = events_of(house)
    assert told["details"]["decision"] == "accepted"
    assert told["details"]["decided_by"] == "legal-user-17"
    assert told["conversation_id"] == conversation_id(1)
    assert house.request.state is RequestState.INCOMPLETE, "a verdict that was given stays"

    second = again(house)

    assert second.request.state is RequestState.PRESERVED
    assert second.request.summary is not None
    assert second.request.summary["resolved"] == {"zero_bytes": 1}
    assert second.request.summary["recordings"] == {
        "expected": 1, "delivered": 1, "secured": 0, "explained": 1, "missing": 0,
    }  # fmt: skip
    (line,) = exceptions(house, "R-2")
    assert (line["reason"], line["standing"], line["resolution_id"]) == ("zero_bytes", "explained", "X-1")
    assert (line["decision"], line["decided_by"]) == ("accepted", "legal-user-17")
    assert "legal-user-17" not in str(house.telemetry.lines)


def test_what_nobody_decided_stays_missing() -> None:
    house = judged(with_empty_recording())

    second = again(house)

    assert second.request.state is RequestState.INCOMPLETE
    assert second.request.summary is not None
    assert second.request.summary["resolved"] == {}


def test_a_decision_before_the_verdict_is_counted_by_it() -> None:
    house = with_empty_recording()

    decided = house.resolve_exception()

    assert "will count" in decided.explanation
    assert judged(house).request.state is RequestState.PRESERVED
    sealed = house.seal_custody()
    assert "Settled by people's decisions: zero_bytes 1." in sealed.headline


def test_another_matters_decision_settles_nothing() -> None:
    house = with_empty_recording()
    house.resolve_exception()
    ((name, record),) = house.resolutions.records.items()
    house.resolutions.records = {("M-2", name[1]): record}  # type: ignore[dict-item] # a matter by another name

    assert judged(house).request.state is RequestState.INCOMPLETE


def test_a_redelivery_changes_nothing_and_a_repeated_step_answers_the_same() -> None:
    house = judged(with_empty_recording())
    first = house.resolve_exception()
    before = house.observable()

    assert house.resolve_exception() == first
    assert house.resolve_exception(execution_arn="arn:redelivered").outcome == "KNOWN"

    assert house.observable() == before


def test_another_decision_under_a_known_id_is_refused_and_kept() -> None:
    house = judged(with_empty_recording())
    house.resolve_exception()

    refused = house.resolve_exception(event(decision="not_evidence"))

    assert refused.outcome == "REFUSED"
    assert refused.faults == ["resolution_id: expected a new one, found one of another decision"]
    assert len(events_of(house)) == 1
    assert any(key.startswith("quarantine/") for key in house.files.files)


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        (event(request_id="R-9"), "request_id"),
        (event(exception={"reason": "zero_bytes"}), "exception"),
        (
            about("zero_bytes", **RECORDING | {"conversation_id": conversation_id(9)}),
            "exception.conversation_id",
        ),
        (about("zero_bytes", **RECORDING | {"recording_id": recording_id(9)}), "exception"),
        (about("unpaired_media", **RECORDING), "exception"),
        (about("unattributed", conversation_id=conversation_id(1)), "exception"),
        (about("manifest_v1"), "exception"),
        (about("manifest_v1", conversation_id=conversation_id(1)), "exception"),
        (about("parked", message_id="nobody"), "exception.message_id"),
    ],
)
def test_what_does_not_fit_the_ledger_is_refused_explained_and_kept(told: dict[str, Any], fault: str) -> None:
    house = judged(with_empty_recording())
    before = (events_of(house), dict(house.resolutions.records))

    refused = house.resolve_exception(told)

    assert refused.outcome == "REFUSED"
    assert [one.partition(":")[0] for one in refused.faults] == [fault]
    (key,) = (key for key in house.files.files if key.startswith("quarantine/"))
    assert key in refused.explanation
    assert json.loads(house.files.files[key]) == told
    assert house.telemetry.counts[Counter.REQUESTS_REFUSED] == 1
    assert before == (events_of(house), dict(house.resolutions.records))


def test_a_request_without_a_verdict_has_no_reasons_yet() -> None:
    house = opened()

    assert house.resolve_exception(about("manifest_v1")).outcome == "REFUSED"


@pytest.mark.parametrize("named", [{}, {"conversation_id": conversation_id(1)}, RECORDING])
def test_a_manifest_of_the_first_version_is_settled_for_all_or_for_some(named: dict[str, str]) -> None:
    house = judged(with_empty_recording())
    house.request.summary["by_reason"] = {"manifest_v1": 2}  # type: ignore[index] # what its verdict said

    assert house.resolve_exception(about("manifest_v1", **named)).outcome == "RECORDED"

    (told,) = events_of(house)
    assert told.get("conversation_id") == named.get("conversation_id")
    (resolution,) = house.resolutions.of_matter(MATTER)
    assert resolution.covers(Reason.MANIFEST_V1, conversation_id(1), recording_id(1))
    assert resolution.covers(Reason.MANIFEST_V1, conversation_id(2), recording_id(2)) is (not named)
    assert not resolution.covers(Reason.ZERO_BYTES, conversation_id(1), recording_id(1))


def test_an_object_that_is_no_recording_is_settled_by_its_conversation() -> None:
    house = with_empty_recording()
    notes = house.evidence.put(key_of(1, "notes.txt"), b"x", at=house.clock.now())
    house.secure_objects(messages(house, notes))

    assert (
        house.resolve_exception(about("unattributed", conversation_id=conversation_id(1))).outcome
        == "RECORDED"
    )


@pytest.mark.parametrize(
    ("named", "outcome"),
    [
        ({"conversation_id": conversation_id(1)}, "RECORDED"),
        (RECORDING, "RECORDED"),
        (RECORDING | {"recording_id": recording_id(9)}, "REFUSED"),
    ],
)
def test_what_somebody_deleted_is_a_persons_to_settle(named: dict[str, str], outcome: str) -> None:
    house = planned((1,))
    end_job(house, total=1)
    deliver(house, 1)
    assert house.reconcile().done
    for receipt in house.conversations.dossier(conversation_id(1)).receipts:
        house.evidence.remove(receipt.version)
    house.sweep_evidence(source=SweepSource.RECEIPTS)

    assert house.resolve_exception(about("version_gone", **named)).outcome == outcome

    judged(house)
    assert house.request.state is (
        RequestState.PRESERVED if outcome == "RECORDED" else RequestState.INCOMPLETE
    )


def park(house: House, name: str, kind: ParkedKind) -> None:
    version = house.evidence.put("a/b.wav") if kind is ParkedKind.ARRIVAL else None
    house.parking.park(ParkedMessage(name, "nobody knows", house.clock.now(), "?", kind, version))


def test_a_message_that_nobody_can_read_is_acknowledged_and_blocks_the_matter_no_more() -> None:
    house = planned((1,))
    end_job(house, total=1)
    deliver(house, 1)
    park(house, "message-0", ParkedKind.UNREADABLE)
    park(house, "message-1", ParkedKind.UNREADABLE)

    decided = house.resolve_exception(about("parked", message_id="message-1"))

    assert decided.outcome == "RECORDED"
    judged(house)
    assert house.request.state is RequestState.INCOMPLETE, "the other one is still nobody's"
    by_name = {line["message_id"]: line["standing"] for line in exceptions(house, "R-1")}
    assert by_name == {"message-0": "missing", "message-1": "explained"}
    assert [one.message_id for one in house.parking.parked()] == ["message-0", "message-1"]


def test_a_message_that_can_be_sent_again_is_no_persons_to_settle() -> None:
    house = judged(with_empty_recording())
    park(house, "message-0", ParkedKind.UNREADABLE)
    park(house, "message-1", ParkedKind.ARRIVAL)

    refused = house.resolve_exception(about("parked", message_id="message-1"))

    assert refused.faults == [
        "exception.message_id: expected a message that nobody can read; mend and redrive this one"
    ]


def test_of_several_decisions_the_last_is_named() -> None:
    house = with_empty_recording()
    house.resolve_exception()
    house.clock.forward(A_DAY)
    house.resolve_exception(event(resolution_id="X-0", decision="obtained_elsewhere"))

    judged(house)

    (line,) = exceptions(house, "R-1")
    assert (line["resolution_id"], line["decision"]) == ("X-0", "obtained_elsewhere")
