import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contracts.request import MAX_LISTED_IDS, DiscoveryRequest
from holdfast.domain.media import Medium
from holdfast.errors import RequestRefused
from tests.events import load_event
from tests.fakes.story import conversation_id

CANARY = "Jane-Roe-0151"
INTERVAL = {"start": "2026-03-01T00:00:00Z", "end": "2026-03-08T00:00:00Z"}


def _faults(event: Any) -> list[str]:
    with pytest.raises(RequestRefused) as refused:
        DiscoveryRequest.from_event(event)
    assert all(fault in str(refused.value) for fault in refused.value.faults)
    return list(refused.value.faults)


def _event(*path: str | int, value: Any) -> Any:
    event = load_event("discovery_requested")
    place = event["detail"]
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return event


def test_the_real_payload_becomes_a_scope() -> None:
    scope = DiscoveryRequest.from_event(load_event("discovery_requested")).scope.to_domain()

    assert str(scope.interval) == "2026-03-01T00:00:00.000Z/2026-03-08T00:00:00.000Z"
    assert len(scope.custodians) == 2
    assert scope.media_types[0] is Medium.VOICE
    assert (scope.include_screen, scope.include_sensitive) == (True, False)


def test_what_is_stored_is_canonical_and_reads_back_as_the_same_request() -> None:
    request = DiscoveryRequest.from_event(load_event("discovery_requested"))

    stored = request.canonical()

    assert rfc8785.dumps(json.loads(stored)) == stored
    assert DiscoveryRequest.model_validate_json(stored) == request
    assert DiscoveryRequest.model_validate_json(stored).body_sha256 == request.body_sha256


def test_the_same_moment_written_otherwise_is_the_same_body() -> None:
    there = _event("scope", "interval", value={"start": "2026-03-01T02:00:00+02:00", "end": INTERVAL["end"]})

    assert (
        DiscoveryRequest.from_event(there).body_sha256
        == DiscoveryRequest.from_event(load_event("discovery_requested")).body_sha256
    )


BAD: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("matter_id",), 7, "matter_id"),
    (("matter_id",), "", "matter_id"),
    (("matter_id",), "M/1", "matter_id"),
    (("matter_id",), "M-1\n", "matter_id"),
    (("request_id",), "R 1", "request_id"),
    (("request_id",), "x" * 129, "request_id"),
    (("title",), "", "title"),
    (("title",), "x" * 201, "title"),
    (("title",), "a\u202eb", "title"),
    (("title",), "\ud800", "title"),
    (("requested_by",), None, "requested_by"),
    (("requested_by",), "a\nb", "requested_by"),
    (("scope",), [], "scope"),
    (("scope", "interval"), {"start": INTERVAL["start"]}, "scope.interval.end"),
    (("scope", "interval"), {"start": INTERVAL["end"], "end": INTERVAL["start"]}, "scope.interval"),
    (("scope", "interval"), {"start": INTERVAL["start"], "end": INTERVAL["start"]}, "scope.interval"),
    (("scope", "interval", "start"), "2026-03-01T00:00:00", "scope.interval.start"),
    (("scope", "interval", "start"), "2026-03-01", "scope.interval.start"),
    (("scope", "interval", "start"), "2026-02-30T00:00:00Z", "scope.interval.start"),
    (("scope", "interval", "start"), "0001-01-01T00:00:00+10:00", "scope.interval.start"),
    (("scope", "interval", "start"), "9999-12-31T23:59:59-10:00", "scope.interval.start"),
    (("scope", "interval", "start"), "2026-03-01T00:00:00+99:99", "scope.interval.start"),
    (("scope", "interval", "start"), 1772323200, "scope.interval.start"),
    (("scope", "custodians"), ["somebody"], "scope.custodians.0"),
    (("scope", "custodians"), [conversation_id(1).upper() + "A"], "scope.custodians.0"),
    (("scope", "custodians"), [conversation_id(1)] * 2, "scope.custodians"),
    (("scope", "custodians"), conversation_id(1), "scope.custodians"),
    (("scope", "conversation_ids"), [conversation_id(n) for n in range(MAX_LISTED_IDS + 1)],
     "scope.conversation_ids"),
    (("scope", "media_types"), ["screen"], "scope.media_types.0"),
    (("scope", "media_types"), ["voice", "voice"], "scope.media_types"),
    (("scope", "external_tag"), "", "scope.external_tag"),
    (("scope", "external_tag"), "x" * 257, "scope.external_tag"),
    (("scope", "include_screen"), "true", "scope.include_screen"),
    (("scope", "include_sensitive"), 1, "scope.include_sensitive"),
    (("surprise",), 1, "?"),
    (("scope", CANARY), 1, "scope.?"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "field"), BAD, ids=lambda part: str(part)[:40])
def test_a_fault_is_named_by_its_field(path: tuple[str | int, ...], value: Any, field: str) -> None:
    (fault,) = _faults(_event(*path, value=value))

    assert fault.split(": ")[0] == field
    assert CANARY not in fault


@given(st.sets(st.sampled_from(range(len(BAD))), min_size=1, max_size=6))
def test_every_fault_is_listed_at_once(places: set[int]) -> None:
    chosen = {BAD[place][0][-1]: BAD[place] for place in places if len(BAD[place][0]) == 1}
    chosen.pop("scope", None)
    event = load_event("discovery_requested")
    for path, value, _ in chosen.values():
        event["detail"][path[0]] = value

    if chosen:
        named = [fault.split(": ")[0] for fault in _faults(event)]
        assert sorted(named) == sorted(field for _, _, field in chosen.values())


def test_a_scope_that_restricts_nothing_would_hold_the_whole_organisation() -> None:
    (fault,) = _faults(_event("scope", value={"interval": INTERVAL}))

    assert fault.startswith("scope: expected at least one of custodians")


def test_everything_missing_is_named() -> None:
    event = load_event("discovery_requested") | {"detail": {}}

    assert [fault.split(":")[0] for fault in _faults(event)] == [
        "matter_id",
        "request_id",
        "title",
        "requested_by",
        "scope",
    ]


@pytest.mark.parametrize("event", [None, [], "x", 7, {}, {"detail-type": "Other", "detail": {}}])
def test_another_event_is_refused_by_its_type(event: Any) -> None:
    assert _faults(event) == ["detail-type: expected DiscoveryRequested"]


@pytest.mark.parametrize("detail", [None, [], "x", 7])
def test_a_detail_that_is_no_object_is_refused(detail: Any) -> None:
    (fault,) = _faults({"detail-type": "DiscoveryRequested", "detail": detail})

    assert fault.startswith("detail: ")


def test_a_tag_alone_restricts_enough() -> None:
    event = _event("scope", value={"interval": INTERVAL, "external_tag": "case-7"})

    scope = DiscoveryRequest.from_event(event).scope.to_domain()

    assert (scope.external_tag, scope.custodians, scope.include_screen) == ("case-7", (), True)
