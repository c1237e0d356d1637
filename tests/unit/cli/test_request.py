"""`holdfast request`: nothing is sent that is not valid, and what is sent is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.main import app
from cli.request import QUESTIONS
from cli.terminal import Terminal
from holdfast.contracts.request import DiscoveryRequest
from tests.events import load_event
from tests.fakes.house import MATTER, House
from tests.fakes.story import opened
from tests.unit.cli.deployment import HouseDeployment, run

CUSTODIAN = "5a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d"


def write(folder: Path, document: Any) -> str:
    file = folder / "request.json"
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    return str(file)


@pytest.mark.parametrize("is_event", [True, False])
def test_a_request_of_a_file_is_sent_to_the_bus_as_it_was_read(tmp_path: Path, is_event: bool) -> None:
    event = load_event("discovery_requested")
    deployment = HouseDeployment(House())

    shown = run(deployment, "request", write(tmp_path, event if is_event else event["detail"]))

    assert shown.exit_code == Exit.DONE
    bus, detail_type, detail = deployment.sent[0]
    assert (bus, detail_type) == ("RequestBus", "DiscoveryRequested")
    wanted = DiscoveryRequest.model_validate(event["detail"])
    assert DiscoveryRequest.model_validate(json.loads(json.dumps(detail))) == wanted
    assert shown.document["body_sha256"] == wanted.body_sha256
    assert f"holdfast status {MATTER} --follow" in shown.page


def test_every_fault_is_named_and_nothing_is_sent(tmp_path: Path) -> None:
    detail = load_event("discovery_requested")["detail"]
    detail["scope"]["interval"]["end"] = "yesterday"
    del detail["title"]
    deployment = HouseDeployment(House())

    shown = run(deployment, "request", write(tmp_path, detail))

    assert shown.exit_code == Exit.REFUSED
    assert deployment.sent == []
    assert "scope.interval.end: expected an RFC 3339 time" in shown.errors
    assert "title: Field required" in shown.errors
    assert shown.document["error"] == "RequestRefused"


def test_a_known_request_id_with_another_body_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    detail = load_event("discovery_requested")["detail"]
    deployment = HouseDeployment(opened())

    shown = run(deployment, "request", write(tmp_path, detail | {"title": "Another"}))

    assert shown.exit_code == Exit.REFUSED
    assert "under a new request id" in shown.errors
    assert deployment.sent == []


def test_the_same_request_again_is_sent_with_a_note(tmp_path: Path) -> None:
    deployment = HouseDeployment(opened())

    shown = run(deployment, "request", write(tmp_path, load_event("discovery_requested")))

    assert shown.document["sent"] is True
    assert "known and OPEN" in shown.page


def test_a_scope_that_cannot_be_searched_yet_is_noted(tmp_path: Path) -> None:
    detail = load_event("discovery_requested")["detail"]
    detail["scope"]["interval"]["end"] = "9998-01-01T00:00:00Z"

    shown = run(House(), "request", write(tmp_path, detail))

    assert "not_yet_available" in shown.document["notes"][0]


def test_a_dry_run_sends_nothing(tmp_path: Path) -> None:
    deployment = HouseDeployment(House())

    for event in ("discovery_requested", "standing_matter_opened"):
        shown = run(deployment, "request", write(tmp_path, load_event(event)), "--dry-run")

        assert (shown.document["sent"], shown.exit_code) == (False, Exit.DONE)
        assert "Nothing was sent" in shown.page
    assert deployment.sent == []


@pytest.mark.parametrize("event", ["standing_matter_opened", "standing_matter_closed"])
def test_a_standing_matter_is_opened_and_closed_from_a_file(tmp_path: Path, event: str) -> None:
    deployment = HouseDeployment(House())

    shown = run(deployment, "request", write(tmp_path, load_event(event)))

    assert shown.exit_code == Exit.DONE
    assert deployment.sent[0][:2] == ("RequestBus", load_event(event)["detail-type"])


@pytest.mark.parametrize(
    ("content", "exit_code"),
    [
        ("{", Exit.REFUSED),
        ("[]", Exit.REFUSED),
        ('{"detail-type": "Else"}', Exit.REFUSED),
        (None, Exit.NOT_FOUND),
    ],
)
def test_what_is_no_request_is_refused(tmp_path: Path, content: str | None, exit_code: Exit) -> None:
    file = str(tmp_path / "none.json") if content is None else write(tmp_path, content)

    assert run(House(), "request", file).exit_code == exit_code


def test_a_request_is_read_from_the_standard_input() -> None:
    deployment = HouseDeployment(House())

    shown = run(deployment, "request", "-", answers=json.dumps(load_event("discovery_requested")))

    assert shown.document["sent"] is True


ANSWERS = {
    "matter_id": "M-9",
    "request_id": "",  # the one that is offered
    "title": "A complaint",
    "requested_by": "legal-1",
    "start": "2026-03-01",
    "end": "2026-03-08T12:00:00Z",
    "custodians": CUSTODIAN,
    "queues": "",
    "media_types": "voice, chat",
    "external_tag": "",
    "conversation_ids": "",
    "include_screen": "",
    "include_sensitive": "",
}


def test_a_request_is_composed_by_questions() -> None:
    deployment = HouseDeployment(House())

    shown = run(deployment, "request", answers="\n".join(ANSWERS.values()) + "\n")

    assert shown.exit_code == Exit.DONE
    detail = deployment.sent[0][2]
    assert (detail["matter_id"], detail["request_id"]) == ("M-9", "R-1")
    assert detail["scope"]["interval"] == {"start": "2026-03-01T00:00:00Z", "end": "2026-03-08T12:00:00Z"}
    assert detail["scope"]["media_types"] == ["voice", "chat"]
    assert detail["scope"]["include_sensitive"] is False


def test_only_answers_at_fault_are_asked_for_again() -> None:
    deployment = HouseDeployment(House())
    wrong = ANSWERS | {"custodians": "somebody", "include_screen": "maybe"}

    shown = run(deployment, "request", answers="\n".join([*wrong.values(), CUSTODIAN, "no"]) + "\n")

    assert shown.exit_code == Exit.DONE
    assert deployment.sent[0][2]["scope"]["custodians"] == [CUSTODIAN]
    assert "✗ scope.custodians.0" in shown.errors
    assert shown.errors.count("Matter id") == 1


def test_a_scope_without_a_restriction_is_asked_for_again() -> None:
    deployment = HouseDeployment(House())
    boundless = ANSWERS | {"custodians": "", "media_types": ""}
    again = [CUSTODIAN, "", "", "", ""]

    shown = run(deployment, "request", answers="\n".join([*boundless.values(), *again]) + "\n")

    assert deployment.sent[0][2]["scope"]["custodians"] == [CUSTODIAN]
    assert shown.errors.count("From (") == 1  # the interval was right


def test_an_end_before_the_start_is_asked_for_again() -> None:
    deployment = HouseDeployment(House())
    reversed_ = ANSWERS | {"end": "2026-02-01"}

    run(deployment, "request", answers="\n".join([*reversed_.values(), "", "2026-04-01"]) + "\n")

    assert deployment.sent[0][2]["scope"]["interval"]["end"] == "2026-04-01T00:00:00Z"


def test_a_field_that_nobody_knows_is_named_where_it_stands(tmp_path: Path) -> None:
    event = load_event("discovery_requested")
    event["detail"]["scope"]["custodian"] = [CUSTODIAN]
    event["detail"]["priority"] = "high"
    event["detail"]["title"] = ""

    shown = run(HouseDeployment(House()), "request", write(tmp_path, event))

    assert shown.exit_code == Exit.REFUSED
    assert "scope.custodian: there is no such field" in shown.errors
    assert "priority: there is no such field" in shown.errors
    assert "title: " in shown.errors
    assert "?" not in shown.errors


def test_there_is_a_question_for_every_field() -> None:
    asked = {question.place[-1] for question in QUESTIONS}
    detail = load_event("discovery_requested")["detail"]

    fields = {*detail, *detail["scope"], *detail["scope"]["interval"]} - {"scope", "interval"}

    assert asked == fields


@pytest.mark.parametrize(("typed", "sent"), [("y", True), ("n", False)])
def test_a_person_sees_the_request_before_it_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str, sent: bool
) -> None:
    monkeypatch.setattr(Terminal, "is_interactive", property(lambda terminal: True))
    deployment = HouseDeployment(House())
    file = write(tmp_path, load_event("discovery_requested"))

    shown = CliRunner().invoke(app, ["request", file], obj=lambda *_: deployment, input=f"{typed}\n")

    assert bool(deployment.sent) is sent
    assert (shown.exit_code == Exit.DONE) is sent
    assert "Complaint about a disputed order" in shown.stderr
