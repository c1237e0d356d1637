"""A refusal fits through a workflow, however much is wrong with the event."""

import json

import pytest

from holdfast.contracts.request import MAX_NAMED_FAULTS, DiscoveryRequest
from holdfast.errors import RequestRefused
from tests.events import load_event


def test_no_more_faults_are_named_than_a_person_would_read() -> None:
    event = load_event("discovery_requested")
    event["detail"]["scope"]["custodians"] = [f"nobody {number}" for number in range(1_000)]

    with pytest.raises(RequestRefused) as refused:
        DiscoveryRequest.from_event(event)

    assert len(refused.value.faults) == MAX_NAMED_FAULTS + 1
    assert refused.value.faults[-1] == "and 900 more"
    # The cause of a failed execution has at most 32,768 characters (Step Functions API reference).
    assert len(str(refused.value)) < 32_000
    assert "nobody" not in str(refused.value)


def test_the_same_fault_of_many_unknown_fields_is_named_once() -> None:
    event = load_event("discovery_requested")
    event["detail"] |= {f"field {number}": 1 for number in range(5_000)}

    with pytest.raises(RequestRefused) as refused:
        DiscoveryRequest.from_event(event)

    (fault,) = refused.value.faults
    assert json.dumps(fault).isascii()
