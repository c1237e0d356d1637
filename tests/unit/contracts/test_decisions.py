from copy import deepcopy
from typing import Any

import pytest

from holdfast.contracts.decisions import read_decision_event
from holdfast.domain.decisions import RESOLVABLE, Decision
from holdfast.errors import RequestRefused
from tests.events import load_event
from tests.fakes.clock import NOON
from tests.fakes.story import conversation_id, recording_id

BOTH = {"conversation_id": conversation_id(1), "recording_id": recording_id(1)}
NAMED: dict[str, dict[str, str]] = {
    "zero_bytes": BOTH,
    "unpaired_media": BOTH,
    "unpaired_sidecar": BOTH,
    "unattributed": {"conversation_id": conversation_id(1)},
    "manifest_v1": {},
    "parked": {"message_id": "message-1"},
    "version_gone": {"conversation_id": conversation_id(1)},
}


def event(**changes: Any) -> dict[str, Any]:
    told: dict[str, Any] = deepcopy(load_event("exception_resolved"))
    told["detail"] |= changes
    return told


def faults(**changes: Any) -> list[str]:
    with pytest.raises(RequestRefused) as refused:
        read_decision_event(event(**changes))
    return list(refused.value.faults)


def test_every_reason_that_a_person_may_settle_can_be_told_and_no_other() -> None:
    assert {reason.value for reason in RESOLVABLE} == NAMED.keys()
    for reason, named in NAMED.items():
        resolution = read_decision_event(event(exception={"reason": reason, **named})).to_domain(NOON)

        assert resolution.reason == reason
        assert (resolution.conversation_id, resolution.recording_id, resolution.message_id) == tuple(
            named.get(name) for name in ("conversation_id", "recording_id", "message_id")
        )
    assert faults(exception={"reason": "not_arrived"}) != []


@pytest.mark.parametrize("decision", list(Decision))
def test_every_decision_can_be_told(decision: Decision) -> None:
    told = event(decision=decision.value)

    assert read_decision_event(told).to_domain(NOON).decision is decision


@pytest.mark.parametrize(
    "exception",
    [
        {"reason": "zero_bytes"},
        {"reason": "zero_bytes", "conversation_id": conversation_id(1)},
        {"reason": "unattributed"},
        {"reason": "unattributed", **BOTH},
        {"reason": "parked"},
        {"reason": "version_gone"},
        {"reason": "parked", "message_id": "m", "conversation_id": conversation_id(1)},
        {"reason": "manifest_v1", "message_id": "m"},
        {"reason": "manifest_v1", "recording_id": recording_id(1)},
        {"reason": "zero_bytes", **BOTH, "message_id": "m"},
        {"reason": "zero_bytes", "conversation_id": "1", "recording_id": recording_id(1)},
        {"reason": "zero_bytes", **BOTH, "more": 1},
    ],
)
def test_an_exception_is_named_by_what_its_reason_takes(exception: dict[str, str]) -> None:
    (fault,) = faults(exception=exception)

    assert fault.startswith("exception")


def test_every_fault_is_named_by_its_field_and_no_value_is_repeated() -> None:
    found = faults(
        resolution_id="",
        matter_id="M 1",
        request_id=7,
        decision="hostile\n",
        decided_by="",
        explanation="\x00",
    )

    assert [fault.partition(":")[0] for fault in found] == [
        "resolution_id",
        "matter_id",
        "request_id",
        "decision",
        "decided_by",
        "explanation",
    ]
    assert not any("hostile" in fault for fault in found)


@pytest.mark.parametrize(
    "told", [None, {}, {"detail-type": "DiscoveryRequested"}, {"detail-type": "ExceptionResolved"}]
)
def test_what_is_no_decision_is_refused(told: object) -> None:
    with pytest.raises(RequestRefused):
        read_decision_event(told)


def test_the_same_decision_has_the_same_body_whoever_delivers_it() -> None:
    redelivered = {**event(), "id": "another", "time": "2026-05-01T00:00:00Z"}

    assert read_decision_event(redelivered).body_sha256 == read_decision_event(event()).body_sha256
    assert (
        read_decision_event(event(explanation="Another.")).body_sha256
        != read_decision_event(event()).body_sha256
    )
