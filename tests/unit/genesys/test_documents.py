"""The vendor's documents: what we write is closed, what we read is lenient."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from holdfast.contracts import genesys
from holdfast.contracts.genesys import (
    ConversationQuery,
    ErrorDocument,
    ExportJobDocument,
    ExportJobRequest,
    QueryPage,
    TokenGrant,
)
from holdfast.domain.ids import ConversationId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval
from holdfast.domain.scope import Scope
from holdfast.genesys.platform.query import conversations_query, scope_query
from tests.fakes.clock import NOON

HOLD_FLAGS = ("legal_hold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalReferenceId")
ORDER: dict[str, Any] = {
    "action_date": "2026-04-01T12:00:00.000Z",
    "integration_id": "integration-1",
    "include_screen_recordings": True,
    "include_recordings_with_sensitive_data": False,
    "conversation_query": ConversationQuery(interval="a/b"),
}


def _models(base: type[BaseModel]) -> list[type[BaseModel]]:
    return [
        model
        for model in vars(genesys).values()
        if isinstance(model, type) and issubclass(model, base) and not model.__name__.startswith("_")
    ]


WRITTEN = _models(genesys._Write)


@pytest.mark.parametrize("flag", [*HOLD_FLAGS, "legalHold", "metadata", "tags"])
def test_an_export_order_has_no_room_for_a_hold_flag(flag: str) -> None:
    with pytest.raises(ValidationError, match="extra_forbidden"):
        ExportJobRequest.model_validate(ORDER | {flag: True})
    with pytest.raises(ValidationError, match="extra_forbidden"):
        ConversationQuery.model_validate({"interval": "a/b", flag: True})


@pytest.mark.parametrize("model", WRITTEN, ids=lambda model: model.__name__)
def test_nothing_that_is_written_knows_of_holds_or_of_other_fields(model: type[BaseModel]) -> None:
    schema = json.dumps(model.model_json_schema(mode="serialization", by_alias=True)["properties"]).lower()

    assert model.model_config["extra"] == "forbid"
    assert "hold" not in schema
    assert "externalreference" not in schema


def test_the_written_documents_are_those_that_export() -> None:
    assert {model.__name__ for model in WRITTEN} == {
        "ConversationQuery",
        "ExportJobRequest",
        "Filter",
        "Predicate",
    }


def test_an_order_always_exports() -> None:
    with pytest.raises(ValidationError):
        ExportJobRequest.model_validate(ORDER | {"action": "DELETE"})


# --- queries

ID_1, ID_2 = (ConversationId(f"0a6f0d1e-0000-4000-8000-00000000000{number}") for number in (1, 2))
WEEK = Interval(NOON.replace(day=1), NOON.replace(day=8))


def _filters(filters: list[genesys.Filter]) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(one.type, [(test.dimension, test.value) for test in one.predicates]) for one in filters]


def test_a_scope_that_restricts_nothing_asks_for_the_interval() -> None:
    query = scope_query(Scope(WEEK))

    assert query.interval == "2026-04-01T12:00:00.000Z/2026-04-08T12:00:00.000Z"
    assert (query.conversation_filters, query.segment_filters) == ([], [])


def test_restrictions_are_joined_by_and_their_values_by_or() -> None:
    query = scope_query(
        Scope(
            WEEK,
            custodians=("ada", "ben"),
            queues=("sales",),
            media_types=(Medium.VOICE, Medium.EMAIL),
            external_tag="Case 7",
            conversation_ids=(ID_1, ID_2),
        )
    )

    assert _filters(query.conversation_filters) == [
        ("or", [("conversationId", ID_1), ("conversationId", ID_2)]),
        ("or", [("externalTag", "Case 7")]),
    ]
    assert _filters(query.segment_filters) == [
        ("or", [("userId", "ada"), ("userId", "ben")]),
        ("or", [("queueId", "sales")]),
        ("or", [("mediaType", "voice"), ("mediaType", "email")]),
    ]


def test_an_order_names_its_conversations_and_repeats_no_other_restriction() -> None:
    query = conversations_query([ID_2, ID_1], Scope(WEEK, custodians=("ada",), external_tag="Case 7"))

    assert _filters(query.conversation_filters) == [
        ("or", [("conversationId", ID_2), ("conversationId", ID_1)])
    ]
    assert query.segment_filters == []


# --- what is read


def test_fields_that_we_do_not_know_are_ignored() -> None:
    job = ExportJobDocument.model_validate({"id": "j", "state": "READY", "newlyInvented": {"x": 1}})

    assert (job.id, job.state, job.total_recordings) == ("j", "READY", 0)


def test_who_spoke_is_not_read() -> None:
    page = QueryPage.model_validate(
        {
            "conversations": [
                {
                    "conversationId": ID_1,
                    "conversationStart": "2026-04-01T12:00:00Z",
                    "participants": [
                        {"participantName": "Canary", "sessions": [{"mediaType": "voice", "ani": "tel:+1"}]}
                    ],
                }
            ]
        }
    )

    assert "Canary" not in repr(page)
    assert "tel:" not in repr(page)


def test_a_token_is_not_shown() -> None:
    assert "canary" not in repr(TokenGrant(access_token="canary", expires_in=300))


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.none() | st.lists(st.text())))
def test_the_parameters_of_an_error_may_be_anything(params: dict[str, object]) -> None:
    document = ErrorDocument.model_validate({"code": "missing.permissions", "messageParams": params})

    assert document.code == "missing.permissions"
