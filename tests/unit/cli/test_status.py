"""`holdfast matters` and `holdfast status`: are we done, what is missing, what is waited for."""

from dataclasses import replace
from datetime import timedelta

import pytest
from typer.testing import CliRunner

from cli.exits import Exit
from cli.main import app
from cli.pages import moment
from holdfast.domain.ids import ReleaseId, RequestId
from holdfast.domain.reconciliation import MEANINGS, Reason
from holdfast.domain.release import Approval
from holdfast.domain.states import BatchState, ReleaseState, RequestState
from holdfast.ports import ParkedMessage, RecordFile
from tests.events import load_event
from tests.fakes.clock import NOON
from tests.fakes.house import DEADLINE, MATTER, RELEASE_EXECUTION, House
from tests.fakes.story import deliver, end_job, exported, held, opened, planned, reconciled
from tests.unit.cli.deployment import HouseDeployment, run


@pytest.fixture
def running() -> House:
    """A request whose run goes on, with one job ended and one recording of two secured."""
    house = planned((1,), (2,), (3,))
    house.runs.alive.add(house.request.execution_arn)
    end_job(house, total=2)
    deliver(house, 1)
    return house


def test_no_matter_is_an_answer_too() -> None:
    for asked in ("matters", "status"):
        shown = run(House(), asked)

        assert shown.exit_code == Exit.DONE
        assert shown.document["matters"] == []
        assert "holdfast request" in shown.page


def test_matters_are_listed_with_their_newest_request() -> None:
    house = opened()
    house.record_standing_matter()

    shown = run(house, "matters")

    (matter,) = shown.document["matters"]
    assert (matter["matter_id"], matter["requests"], matter["standing"]) == (MATTER, 1, "OPEN")
    assert matter["newest_request"] == {"request_id": "R-1", "state": "OPEN"}
    assert "Complaint about a disputed order  (standing: open)" in shown.page


def test_a_standing_matter_without_a_request_is_listed_and_described() -> None:
    house = House()
    house.record_standing_matter()

    listed, shown = run(house, "matters"), run(house, "status", MATTER)

    assert [one["matter_id"] for one in listed.document["matters"]] == [MATTER]
    assert shown.document["matters"][0]["standing"]["covered_until"] == "2026-03-01T00:00:00.000Z"
    assert "the next interval to be over" in shown.page


def test_an_unknown_matter_is_not_known() -> None:
    shown = run(opened(), "status", "M-404")

    assert shown.exit_code == Exit.NOT_FOUND
    assert "there is no matter M-404" in shown.errors
    assert "holdfast matters" in shown.errors


def test_what_is_on_its_way_is_counted_batch_by_batch(running: House) -> None:
    shown = run(running, "status", MATTER)

    (request,) = shown.document["matters"][0]["requests"]
    first, second, third = request["batches"]
    assert first["recordings"] == {"expected": 2, "delivered": 1, "secured": 1}
    assert (second["state"], second["recordings"]) == ("PLANNED", {})
    assert third["state"] == "PLANNED"
    assert request["waits_for"] == "export jobs: 1 of 3 have ended"
    assert request["execution"]["state"] == "Reconcile"
    assert shown.exit_code == Exit.NO
    assert "export jobs: 1 of 3 have ended" in shown.page


def test_a_preserved_matter_is_done_and_shows_what_the_verdict_counted() -> None:
    house = held()
    house.seal_custody()

    shown = run(house, "status", MATTER)

    assert shown.exit_code == Exit.DONE
    assert shown.document["preserved"] is True
    (request,) = shown.document["matters"][0]["requests"]
    assert request["state"] == "PRESERVED"
    assert request["held_at_platform"] == 2
    assert request["waits_for"] is None
    assert "in all" in shown.page


def test_an_incomplete_matter_says_what_is_missing_and_what_it_means() -> None:
    house = planned((1, 2))
    end_job(house, total=3, failed=[(2, 0)])
    deliver(house, 1)
    house.clock.forward(2 * DEADLINE)
    assert house.reconcile().done
    house.place_holds()
    house.confirm_holds()
    house.seal_custody()

    shown = run(house, "status", MATTER)

    assert shown.exit_code == Exit.NO
    (request,) = shown.document["matters"][0]["requests"]
    assert request["state"] == "INCOMPLETE"
    assert request["reasons"] == {"failed_at_platform": 1, "unknown": 1}
    assert MEANINGS[Reason.FAILED_AT_PLATFORM] in shown.page
    assert MEANINGS[Reason.UNKNOWN] in shown.page


def test_what_is_settled_is_counted_from_its_findings() -> None:
    house = reconciled(1, 2)
    house.runs.alive.add(house.request.execution_arn)

    shown = run(house, "status", MATTER)

    (request,) = shown.document["matters"][0]["requests"]
    assert sum(batch["recordings"]["secured"] for batch in request["batches"]) == 2
    assert request["held_at_platform"] == 0
    assert request["waits_for"] == "the platform to protect the conversations"


def test_a_run_that_died_is_said_to_have_broken_off() -> None:
    deployment = HouseDeployment(exported())
    deployment.executions.error = "States.Timeout"

    shown = run(deployment, "status", MATTER)

    (request,) = shown.document["matters"][0]["requests"]
    assert "broke off without a verdict (States.Timeout): send the same request again" in request["waits_for"]
    assert "holdfast failures" in shown.page


def test_a_failed_request_says_why() -> None:
    house = opened()
    house.requests.fail(MATTER, RequestId("R-1"), house.request.execution_arn, "the layer that refused")

    shown = run(house, "status", MATTER)

    assert shown.document["matters"][0]["requests"][0]["explanation"] == "the layer that refused"
    assert "the layer that refused" in shown.page


def test_what_is_parked_keeps_a_matter_from_being_done() -> None:
    house = held()
    house.seal_custody()
    house.parking.park(ParkedMessage("m-1", "reason", NOON, "body"))

    shown = run(house, "status", MATTER)

    assert (shown.document["parked"], shown.exit_code) == (1, Exit.NO)
    assert "1 parked: holdfast redrive" in shown.page


def test_following_goes_on_until_everything_has_ended(running: House) -> None:
    deployment = HouseDeployment(running)

    def end() -> None:
        running.runs.alive.clear()
        running.requests.fail(MATTER, RequestId("R-1"), running.request.execution_arn, "stopped")

    deployment.meanwhile = end

    shown = run(deployment, "status", MATTER, "--follow")

    assert shown.document["matters"][0]["requests"][0]["state"] == RequestState.FAILED
    assert shown.exit_code == Exit.NO


def test_who_follows_a_request_that_was_just_sent_waits_until_it_is_written_down() -> None:
    house = House()
    deployment = HouseDeployment(house)
    deployment.meanwhile = lambda: house.requests.matter(MATTER) or house.open_request()

    shown = run(deployment, "status", MATTER, "--follow")

    assert [one["matter_id"] for one in shown.document["matters"]] == [MATTER]


def test_who_follows_what_never_comes_is_told() -> None:
    assert run(House(), "status", "M-404", "--follow").exit_code == Exit.NOT_FOUND


def test_what_was_not_exported_again_is_said() -> None:
    house = held(1, 2)
    house.seal_custody()
    house.requests.advance(house.request, RequestState.PRESERVED)
    reused = next(iter(house.batches.records.values()))
    house.batches.records[MATTER, RequestId("R-1"), reused.batch_id] = replace(
        reused, state=BatchState.REUSED
    )

    assert "2 conversations that earlier exports had secured" in run(house, "status", MATTER).page


def test_one_preserved_request_does_not_make_a_matter_preserved() -> None:
    house = held()
    house.seal_custody()
    event = load_event("discovery_requested")
    event["detail"]["request_id"] = "R-2"
    house.open_request(event, "arn:execution:2")

    shown = run(house, "status", MATTER)

    assert [one["state"] for one in shown.document["matters"][0]["requests"]] == ["PRESERVED", "OPEN"]
    assert (shown.document["preserved"], shown.exit_code) == (False, Exit.NO)


def test_what_arrived_empty_is_delivered_and_not_secured() -> None:
    house = planned((1, 2))
    house.runs.alive.add(house.request.execution_arn)
    end_job(house, total=2)
    deliver(house, 1, media=b"")
    deliver(house, 2)

    (batch,) = run(house, "status", MATTER).document["matters"][0]["requests"][0]["batches"]

    assert batch["recordings"] == {"expected": 2, "delivered": 2, "secured": 1}


def test_conversations_that_the_platform_protects_are_counted_while_they_are_being_held() -> None:
    house = held()
    house.runs.alive.add(house.request.execution_arn)

    (request,) = run(house, "status", MATTER).document["matters"][0]["requests"]

    assert request["state"] == RequestState.HELD
    assert request["held_at_platform"] == 2
    assert request["waits_for"] == "the verdict"


def test_a_release_under_way_is_shown_with_what_it_waits_for() -> None:
    house = held()
    house.seal_custody()
    before = run(house, "status", MATTER)
    assert house.open_release().outcome == "OPENED"
    house.release_runs.alive.add(RELEASE_EXECUTION)
    opened_only = run(house, "status", MATTER)
    assert house.plan_release().status == "PLANNED"

    shown = run(house, "status", MATTER)

    assert before.document["matters"][0]["releases"] == []
    assert opened_only.document["matters"][0]["releases"][0]["waits_for"] == "its plan"
    (release,) = shown.document["matters"][0]["releases"]
    assert (release["release_id"], release["state"]) == ("REL-1", "PLANNED")
    assert "2 of 2 conversations" in shown.page
    deadline = "2026-04-08"
    assert f"the approval of another person, until {deadline}" in shown.page


def test_an_approved_release_waits_for_the_end_of_its_cool_off_at_a_known_time() -> None:
    house = _planned()
    planned_one = house.releases.records[MATTER, ReleaseId("REL-1")]
    approval = Approval("legal-4", planned_one.opened_at + timedelta(hours=2), "event-1")
    house.releases.records[MATTER, ReleaseId("REL-1")] = replace(
        planned_one, state=ReleaseState.APPROVED, approval=approval
    )

    shown = run(house, "status", MATTER)

    ends = moment(approval.at + timedelta(days=1))
    assert f"the end of the cool-off at {ends}" in shown.page
    assert "by legal-4" in shown.page


def test_a_release_whose_run_broke_off_says_so() -> None:
    house = _planned()
    house.release_runs.alive.clear()

    shown = run(house, "status", MATTER)

    assert "its run broke off: holdfast failures says why" in shown.page


def test_earlier_releases_are_shown_with_what_became_of_them() -> None:
    house = _planned()
    first = house.releases.records[MATTER, ReleaseId("REL-1")]
    refused = replace(first, state=ReleaseState.REFUSED, explanation="nobody approved in time")
    house.releases.records[MATTER, ReleaseId("REL-1")] = refused
    certificate = RecordFile("releases/M-2026-001/REL-2/certificate.json", "a" * 64, 10)
    house.releases.records[MATTER, ReleaseId("REL-2")] = replace(
        first,
        release_id=ReleaseId("REL-2"),
        state=ReleaseState.RELEASED,
        opened_at=first.opened_at + timedelta(days=9),
        certificate=certificate,
    )

    shown = run(house, "status", MATTER)

    told = shown.document["matters"][0]["releases"]
    assert [(one["release_id"], one["state"], one["waits_for"]) for one in told] == [
        ("REL-1", "REFUSED", None),
        ("REL-2", "RELEASED", None),
    ]
    assert "nobody approved in time" in shown.page
    assert certificate.key in shown.page


def _planned() -> House:
    house = held()
    house.seal_custody()
    house.release_runs.alive.add(RELEASE_EXECUTION)
    assert house.open_release().outcome == "OPENED"
    assert house.plan_release().status == "PLANNED"
    return house


@pytest.mark.parametrize(("columns", "has_bars"), [("80", False), ("120", True)])
def test_a_narrow_terminal_has_no_bars_and_no_heading_is_broken(columns: str, has_bars: bool) -> None:
    house = held()
    house.seal_custody()

    shown = CliRunner(env={"COLUMNS": columns}).invoke(
        app, ["status", MATTER], obj=lambda *_: HouseDeployment(house)
    )

    assert ("━" in shown.stdout) is has_bars
    for name in ("conversations", "expected", "delivered", "secured", "explained", "missing"):
        assert name in shown.stdout
    assert max(map(len, shown.stdout.splitlines())) <= int(columns)


def test_in_a_pipe_nothing_is_folded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    house = held()
    house.seal_custody()

    shown = CliRunner().invoke(app, ["status", MATTER], obj=lambda *_: HouseDeployment(house))

    assert "recordings secured" in shown.stdout


def test_what_the_verdict_says_besides_its_counts_is_shown() -> None:
    house = held()
    house.seal_custody()
    key = (MATTER, RequestId("R-1"))
    told = {
        "explanations": ["Early protection failed: no answer"],
        "warnings": ["clock: it is 40 s behind"],
        "by_reason": {"zero_bytes": 2, "no_recording": 1},
        "resolved": {"zero_bytes": 2},
    }
    record = house.requests.records[key]
    house.requests.records[key] = replace(record, summary={**(record.summary or {}), **told})

    page = run(house, "status", MATTER).page

    for said in ("Early protection failed: no answer", "40 s behind", "missing, 2 settled by people"):
        assert said in page
    assert page.count("settled by people") == 1
