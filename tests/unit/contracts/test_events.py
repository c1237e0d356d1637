"""The payloads under `events/` are what the functions take, and there is one for each."""

from pathlib import Path

import pytest
from pydantic import BaseModel

from holdfast.contracts.arrivals import QueuedMessage, read_hash_request, write_hash_request
from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import (
    BatchRun,
    ExportRound,
    Failing,
    HoldCursor,
    HoldPlanning,
    MatterSealing,
    Opening,
    Packing,
    Preflighting,
    Reconciling,
    Redrive,
    ReleaseCursor,
    ReleasePlanning,
    ReleaseWaiting,
    Run,
    ScopeReading,
    Sealing,
    SlotWanted,
    Sweep,
)
from tests.events import FOLDER, load_event

TAKES: dict[str, type[BaseModel]] = {
    "open_request": Opening,
    "record_standing_matter": Opening,
    "preflight": Preflighting,
    "resolve_exception": Opening,
    "start_scope_query": Run,
    "read_scope_pages": ScopeReading,
    "plan_export_round": ExportRound,
    "acquire_job_slot": SlotWanted,
    "start_export_job": BatchRun,
    "execute_export_job": BatchRun,
    "check_export_job": BatchRun,
    "reconcile": Reconciling,
    "plan_holds": HoldPlanning,
    "place_holds": HoldCursor,
    "confirm_holds": HoldCursor,
    "seal_custody": Sealing,
    "seal_matter": MatterSealing,
    "package_matter": Packing,
    "explain_failure": Failing,
    "record_failure": Failing,
    "record_batch_failure": Failing,
    "open_release": Opening,
    "plan_release": ReleasePlanning,
    "begin_release": ReleaseWaiting,
    "record_approval": Opening,
    "end_claims": ReleaseCursor,
    "release_platform_holds": ReleaseCursor,
    "lift_holds": ReleaseCursor,
    "finish_release": ReleaseCursor,
    "sweep_evidence": Sweep,
    "redrive_parked": Redrive,
}
TAKES_MESSAGES = ["secure_objects", "hash_objects", "park_messages"]
TAKES_NOTHING = [
    "mark_disposable",
    "start_standing_runs",
    "watch_protection",
]  # what the schedule sends is not looked at
TRIGGERS = [
    "discovery_requested",
    "discovery_refused",
    "standing_matter_opened",
    "standing_matter_closed",
    "exception_resolved",
    "hold_release_requested",
    "hold_release_approved",
]


def test_every_function_has_its_payload_and_every_payload_its_use() -> None:
    functions = {path.parent.name for path in Path("functions").glob("*/app.py")}

    assert functions == {*TAKES, *TAKES_MESSAGES, *TAKES_NOTHING}
    assert {path.stem for path in FOLDER.glob("*.json")} == {*functions, *TRIGGERS}


@pytest.mark.parametrize("step", TAKES)
def test_a_steps_payload_has_all_that_its_contract_names_and_nothing_else(step: str) -> None:
    event = load_event(step)

    contract = TAKES[step].model_validate(event)

    assert contract.model_dump(mode="json") == event


@pytest.mark.parametrize("step", TAKES_MESSAGES)
def test_a_batch_of_messages_is_read(step: str) -> None:
    messages = QueuedMessage.all_in(load_event(step))

    assert messages
    assert len({message.message_id for message in messages}) == len(messages)


def test_the_trigger_is_what_open_request_is_given() -> None:
    opening = Opening.model_validate(load_event("open_request"))

    assert opening.event == load_event("discovery_requested")
    assert DiscoveryRequest.from_event(opening.event).matter_id == "M-2026-001"


def test_the_standing_matter_is_recorded_from_the_event_that_opens_it() -> None:
    recorded = Opening.model_validate(load_event("record_standing_matter"))

    assert recorded.event == load_event("standing_matter_opened")


def test_the_decision_is_written_down_from_the_event_that_tells_it() -> None:
    told = Opening.model_validate(load_event("resolve_exception"))

    assert told.event == load_event("exception_resolved")


def test_the_hash_request_is_of_our_own_making() -> None:
    (message,) = QueuedMessage.all_in(load_event("hash_objects"))

    version = read_hash_request(message.body)

    assert version.size_bytes == 734_003_200
    assert write_hash_request(version) == message.body


def test_a_batch_without_messages_is_empty() -> None:
    assert QueuedMessage.all_in({}) == []
