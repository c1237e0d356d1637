"""Rule 8: no export request carries a hold flag, whatever is asked for."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from holdfast.contracts import compliance
from holdfast.contracts.compliance import DigitalExport, VoiceExport
from holdfast.contracts.genesys import ConversationQuery, ExportJobRequest, Filter, Predicate
from holdfast.domain.ids import ConversationId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval
from holdfast.domain.scope import Scope
from holdfast.genesys.compliance.exports import ComplianceExportJobs
from holdfast.genesys.platform.exports import BulkExportJobs
from holdfast.genesys.transport import Answer
from holdfast.ports import ExportSelection
from tests.fakes.clock import HandDrivenClock

FLAGS = ("legal_hold", "legalhold", "x-amz-meta-legal-hold", "externalreferenceid", "external_reference_id")
INTERVAL = Interval(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC))
IDS = st.lists(st.uuids().map(lambda uuid: ConversationId(str(uuid))), min_size=1, max_size=5)
SCOPES = st.builds(
    Scope,
    st.just(INTERVAL),
    custodians=st.lists(st.uuids().map(str), max_size=2).map(tuple),
    queues=st.lists(st.uuids().map(str), max_size=2).map(tuple),
    media_types=st.sets(st.sampled_from([Medium.VOICE, Medium.EMAIL])).map(tuple),
    external_tag=st.none() | st.just("legal_hold") | st.text(min_size=1, max_size=10),
    include_screen=st.booleans(),
    include_sensitive=st.booleans(),
)


class Wire:
    """Stands where the transport stands, and keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def post(self, path: str, body: BaseModel) -> Answer:
        self.sent.append(body.model_dump(mode="json", by_alias=True, exclude_none=True))
        return Answer(200, b'{"id": "job-1"}')


def _names(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for name, value in document.items():
            yield name
            yield from _names(value)
    elif isinstance(document, list):
        for value in document:
            yield from _names(value)


def _sent_for(ids: list[ConversationId], scope: Scope) -> Any:
    wire = Wire()
    jobs = BulkExportJobs(wire, HandDrivenClock(), integration_id="i")  # type: ignore[arg-type] # stands in
    jobs.create(ExportSelection(ids, scope))
    (sent,) = wire.sent
    return sent


@given(IDS, SCOPES)
def test_nothing_that_is_sent_has_the_name_of_a_hold(ids: list[ConversationId], scope: Scope) -> None:
    names = {name.lower() for name in _names(_sent_for(ids, scope))}

    assert not [name for name in names if "hold" in name or name in FLAGS]


@given(IDS, SCOPES)
def test_what_is_sent_names_exactly_these_conversations_and_extras(
    ids: list[ConversationId], scope: Scope
) -> None:
    sent = _sent_for(ids, scope)

    (conversations,) = sent["conversationQuery"]["conversationFilters"]
    assert [predicate["value"] for predicate in conversations["predicates"]] == ids
    assert sent["conversationQuery"]["interval"] == str(INTERVAL)
    assert sent["includeScreenRecordings"] == scope.include_screen == ("screenRecordingActionDate" in sent)
    assert sent["includeRecordingsWithSensitiveData"] == scope.include_sensitive
    assert sent["action"] == "EXPORT"


@pytest.mark.parametrize("flag", [*FLAGS, "legal_hold_compliance", "legal_hold_acknowledgement"])
@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (
            ExportJobRequest,
            {
                "action_date": "2026-04-01T12:00:00.000Z",
                "integration_id": "i",
                "include_screen_recordings": True,
                "include_recordings_with_sensitive_data": False,
                "conversation_query": ConversationQuery(interval=str(INTERVAL)),
            },
        ),
        (ConversationQuery, {"interval": str(INTERVAL)}),
        (Filter, {"predicates": []}),
        (Predicate, {"dimension": "conversationId", "value": "x"}),
    ],
)
def test_no_document_of_an_export_request_takes_a_flag(
    model: type[BaseModel], fields: dict[str, Any], flag: str
) -> None:
    model.model_validate(fields)

    with pytest.raises(ValidationError):
        model.model_validate(fields | {flag: True})


def test_no_model_of_an_export_request_has_a_field_for_one() -> None:
    schema = json.dumps(ExportJobRequest.model_json_schema(by_alias=True)["properties"]).lower()

    assert not [flag for flag in FLAGS if flag in schema]


# --- the dialect `compliance`

BULK = {
    "conversation_ids": ["c"],
    "interval": str(INTERVAL),
    "integration_id": "i",
    "include_screen_recordings": True,
    "include_sensitive": False,
}
HOLD_FIELDS = {"legal_hold_acknowledgement", "externalReferenceId"}


@pytest.mark.parametrize("flag", [*FLAGS, "externalReferenceId", "legal_hold_acknowledgement"])
@pytest.mark.parametrize("model", [VoiceExport, DigitalExport])
def test_no_bulk_export_takes_a_flag(model: type[BaseModel], flag: str) -> None:
    model.model_validate(BULK)

    with pytest.raises(ValidationError):
        model.model_validate(BULK | {flag: True})


@pytest.mark.parametrize(
    ("model", "switch", "foreign"),
    [
        (VoiceExport, {"legal_hold_compliance": True}, "include_metadata"),
        (DigitalExport, {"include_metadata": False}, "legal_hold_compliance"),
    ],
)
def test_each_kind_of_bulk_export_has_its_one_switch(
    model: type[BaseModel], switch: dict[str, bool], foreign: str
) -> None:
    sent = model.model_validate(BULK).model_dump(mode="json")

    asked = {"manifest_version": "v2", "include_participant_id": True}
    assert sent == BULK | asked | switch
    for name, value in (*switch.items(), ("include_participant_id", True)):
        with pytest.raises(ValidationError):
            model.model_validate(BULK | {name: not value})
    with pytest.raises(ValidationError):
        model.model_validate(BULK | {"manifest_version": "v1"})
    with pytest.raises(ValidationError):
        model.model_validate(BULK | {foreign: switch})


def test_only_what_holds_has_the_fields_of_a_hold() -> None:
    written = [
        model
        for model in vars(compliance).values()
        if isinstance(model, type) and issubclass(model, compliance._Write)
    ]

    holding = {model.__name__ for model in written if HOLD_FIELDS & model.model_fields.keys()}

    assert holding == {"HoldPlacement", "HoldRelease"}
    assert all(model.model_config["extra"] == "forbid" for model in written)


@given(IDS, SCOPES, st.sets(st.sampled_from(Medium)))
def test_a_bulk_export_names_exactly_these_conversations_and_no_hold(
    ids: list[ConversationId], scope: Scope, media: set[Medium]
) -> None:
    wire = Wire()
    jobs = ComplianceExportJobs(wire, HandDrivenClock(), integration_id="i")  # type: ignore[arg-type] # stands in

    jobs.create(ExportSelection(ids, scope, frozenset(media)))

    (sent,) = wire.sent
    assert sent["conversation_ids"] == ids
    assert (sent["include_screen_recordings"], sent["include_sensitive"]) == (
        scope.include_screen,
        scope.include_sensitive,
    )
    assert not {name.lower() for name in _names(sent)} & {*FLAGS, "legal_hold_acknowledgement"}
