"""Nights on the embedded world: each alarm is raised by its real cause, its runbook is typed, and it is over.

In the order of the file: later nights find what earlier ones have left.
"""

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest

from cli.quote import OBJECT_LEDGER_WRITES, OBJECT_S3_READS, OBJECT_S3_WRITES
from local.world import World, description_of
from tests.documented import Typist
from tests.e2e.runs import genesys_requests, ledger, request_of, send, started_by, wait_for
from tests.e2e.test_recovery import entries, is_held, parked, put, unheard
from tests.runbooks import PAGE, Runbook, preparation, runbooks

pytestmark = pytest.mark.world

TEXT = PAGE.read_text()
RUNBOOKS = runbooks(TEXT)
MATTER, RELEASE = "M-night", "REL-night"
LONGEST_PERIODS_S = 3 * 3600
# Exit code 1 is an answer: something was found, or is not done yet; other tests leave their own behind.
MAY_SAY_NO = (
    "holdfast failures",
    "holdfast redrive",
    "holdfast sweep",
    "holdfast status",
    "holdfast why",
    "holdfast doctor",
)
TYPED: set[tuple[str, str]] = set()
# Hours lie between its tries: tests/integration/test_runbooks_in_process.py
ELSEWHERE = {"StandingMatterStuck"}


@dataclass
class Night:
    """Somebody who is paged: looks at the alarms, and types what the runbook says."""

    world: World
    typist: Typist
    shown: dict[str, str] = field(default_factory=dict)

    def begins(self, alarm: str, provoke: Callable[[], object], *, later_s: float = 0) -> None:
        """Provoke an alarm that is quiet, and see it ring, after so many seconds of CloudWatch's time."""
        self.is_quiet(alarm)
        provoke()
        self.rings(alarm, later_s=later_s)

    def rings(self, alarm: str, *, later_s: float = 0) -> None:
        """See an alarm ring."""
        if later_s:
            self.world.emulator.put_clock_forward(later_s)
        wait_for(lambda: self.world.alarms()[alarm] == "ALARM")

    def is_quiet(self, alarm: str) -> None:
        """See that an alarm is over, once its periods are."""
        for _ in range(3):
            self.world.emulator.put_clock_forward(LONGEST_PERIODS_S + 1)
            if self.world.alarms()[alarm] == "OK":
                return
        wait_for(lambda: self.world.alarms()[alarm] == "OK")

    def types(self, alarm: str, part: str, *, only: int | None = None, **shown: str) -> str:
        """Type the commands of a part of a runbook, or one of them; `shown` stands for what others showed."""
        runbook: Runbook = RUNBOOKS[alarm]
        self.shown |= shown
        commands = runbook.commands(part)
        TYPED.update((alarm, one) for one in (commands if only is None else [commands[only]]))
        known = [f"{name}='{value}'" for name, value in self.shown.items()]
        chosen = commands if only is None else [commands[only]]
        return self.typist.type("\n".join([*_functions(), *known, *chosen]))

    def failed_run(self, workflow: str, matter_id: str) -> str:
        """Read the name of the youngest run of a matter that failed, off what `holdfast failures` says."""
        told = json.loads(self.typist.type("holdfast failures --json"))["failures"]
        return next(
            str(one["run"])
            for one in told
            if (one["workflow"], one.get("matter_id")) == (workflow, matter_id)
        )


def _functions() -> list[str]:
    """Give the shorthands of the prepared shell; its variables are in the environment already."""
    kept = preparation(TEXT).split("\n\n", maxsplit=1)
    since = [line for line in kept[0].splitlines() if line.startswith("SINCE=")]
    return [*since, *kept[1].splitlines()]


@pytest.fixture(scope="module")
def night(world: World, tmp_path_factory: pytest.TempPathFactory) -> Night:
    environment = {**description_of(world)["environment"], "HOLDFAST_STACK": world.stack.name}
    # This one service's endpoint the AWS CLI takes from nobody but its own option.
    instead = {"aws sqs ": lambda: f"aws --endpoint-url {world.emulator.url} sqs "}
    typist = Typist(tmp_path_factory.mktemp("night"), environment, instead, MAY_SAY_NO)
    told = typist.type(f"{preparation(TEXT)}\nset\nalarms")
    for name, value in world.outputs.items():
        variable = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()
        assert f"{variable}='{value}'" in told or f"{variable}={value}" in told
        environment[variable] = value
    assert "MessagesParked" in told
    return Night(world, typist)


@contextmanager
def broken(world: World, function: str, **variables: str) -> Iterator[None]:
    """Have somebody change a function's settings by hand, and put them back."""
    functions, name = world.client("lambda"), world.stack.resources[function]
    before = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": before | variables})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@contextmanager
def idle(world: World, mapping: str) -> Iterator[None]:
    """Have somebody disable an event source mapping; the runbook enables it."""
    named = {"UUID": world.stack.resources[mapping]}
    world.client("lambda").update_event_source_mapping(**named, Enabled=False)
    try:
        yield
    finally:
        world.client("lambda").update_event_source_mapping(**named, Enabled=True)


def fails(world: World, function: str, times: int = 3) -> None:
    """Let a function be called as its schedule calls it, and fail."""
    for _ in range(times):
        with pytest.raises(RuntimeError):
            world.invoke(function, {})


def arrival(named: Mapping[str, str], at: datetime) -> str:
    """Write S3's message about an object version."""
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": at.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "s3": {
            "bucket": {"name": named["Bucket"]},
            "object": {"key": quote_plus(named["Key"], safe="/"), "size": 8, "versionId": named["VersionId"]},
        },
    }
    return json.dumps({"Records": [record]})


def messages_in(world: World, queue: str) -> int:
    answer = world.client("sqs").get_queue_attributes(
        QueueUrl=world.stack.resources[queue], AttributeNames=["ApproximateNumberOfMessages"]
    )
    return int(answer["Attributes"]["ApproximateNumberOfMessages"])


# --- arrivals


def given_up(world: World) -> dict[str, str]:
    """Have an arrival end in the queue of dead letters."""
    with unheard(world):
        named = put(world, f"{uuid.uuid4()}.wav")
    world.client("sqs").send_message(
        QueueUrl=world.stack.resources["DeadLetters"], MessageBody=arrival(named, datetime.now(UTC))
    )
    return named


def test_messages_parked(night: Night) -> None:
    named: dict[str, str] = {}
    night.begins("MessagesParked", lambda: named.update(given_up(night.world)))

    look = night.types("MessagesParked", "Look", KEY=named["Key"])
    assert parked(night.world, named["Key"])
    assert named["VersionId"] in look
    night.types("MessagesParked", "Do")
    wait_for(lambda: entries(night.world, "receipt", named["Key"]))
    night.types("MessagesParked", "Over")

    assert is_held(night.world, named)
    assert [one["state"] for one in parked(night.world, named["Key"])] == ["CLOSED"]
    night.is_quiet("MessagesParked")


def test_dead_letters_waiting(night: Night) -> None:
    with idle(night.world, "ParkMessagesDeadLetters"):
        named: dict[str, str] = {}
        night.begins("DeadLettersWaiting", lambda: named.update(given_up(night.world)), later_s=901)

        assert "Disabled" in night.types("DeadLettersWaiting", "Look")
        night.types("DeadLettersWaiting", "Do")
        wait_for(lambda: parked(night.world, named["Key"]))
        assert night.types("DeadLettersWaiting", "Over").strip() == "0"

    night.is_quiet("DeadLettersWaiting")
    night.types("MessagesParked", "Do")
    wait_for(lambda: entries(night.world, "receipt", named["Key"]))


def test_arrivals_waiting(night: Night) -> None:
    with idle(night.world, "SecureObjectsArrivalQueue"):
        night.is_quiet("ArrivalsWaiting")
        named = put(night.world, f"{uuid.uuid4()}.wav")
        night.world.emulator.put_clock_forward(3601)  # an hour passes, and nobody comes
        for _ in range(3):
            night.world.alarms()
            night.world.emulator.put_clock_forward(290)
        night.rings("ArrivalsWaiting")

        look = night.types("ArrivalsWaiting", "Look")
        assert "Disabled" in look
        assert "arrival mapping" in look
        night.types("ArrivalsWaiting", "Do")
        wait_for(lambda: entries(night.world, "receipt", named["Key"]))
        assert night.types("ArrivalsWaiting", "Over").startswith("0")

    assert is_held(night.world, named)
    night.is_quiet("ArrivalsWaiting")


def test_hold_lag_high(night: Night) -> None:
    world = night.world
    night.is_quiet("HoldLagHigh")
    for _ in range(3):  # for a quarter of an hour, all that comes has waited for hours
        with unheard(world):
            named = put(world, f"{uuid.uuid4()}.wav")
        late = arrival(named, datetime.now(UTC) - timedelta(hours=2))
        world.client("sqs").send_message(QueueUrl=world.outputs["ArrivalQueueUrl"], MessageBody=late)
        key = named["Key"]
        wait_for(lambda key=key: entries(world, "receipt", key))
        world.alarms()
        world.emulator.put_clock_forward(290)
    night.rings("HoldLagHigh")

    night.types("HoldLagHigh", "Look")
    assert night.types("HoldLagHigh", "Over").strip() == "0"

    night.is_quiet("HoldLagHigh")


def test_sweep_fails(night: Night) -> None:
    night.is_quiet("SweepFails")
    with broken(night.world, "SweepEvidence", LEDGER_TABLE="no-such-table"):
        for _ in range(3):
            fails(night.world, "SweepEvidence", 1)
            night.world.alarms()
            night.world.emulator.put_clock_forward(3500)
        night.rings("SweepFails")
        assert "step_failed" in night.types("SweepFails", "Look")

    night.types("SweepFails", "Do")

    night.is_quiet("SweepFails")


def test_evidence_changed(night: Night) -> None:
    world = night.world
    named = put(world, f"{uuid.uuid4()}.wav")
    wait_for(lambda: entries(world, "receipt", named["Key"]))
    night.types("EvidenceChanged", "Over", KEY=named["Key"])
    night.is_quiet("EvidenceChanged")

    world.client("s3").put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    world.invoke("SweepEvidence", {"source": "receipts"})
    night.rings("EvidenceChanged")

    assert "drift_found" in night.types("EvidenceChanged", "Look")
    wait_for(lambda: is_held(world, named))
    over = night.types("EvidenceChanged", "Over")

    assert "ON" in over
    found = [one["type"] for one in entries(world, "event", named["Key"])]
    assert sorted(found) == ["drift_found", "drift_repaired"]
    night.is_quiet("EvidenceChanged")


# --- runs


def test_requests_lost(night: Night) -> None:
    world, events = night.world, night.world.client("events")
    bus = world.outputs["RequestBus"]
    rules = [one["Name"] for one in events.list_rules(EventBusName=bus)["Rules"]]
    targets = {rule: events.list_targets_by_rule(Rule=rule, EventBusName=bus)["Targets"] for rule in rules}
    rule = next(
        name for name, found in targets.items() if found[0]["Arn"] == world.outputs["PreserveMatterArn"]
    )
    gone = [one | {"Arn": f"{one['Arn']}-deleted"} for one in targets[rule]]
    events.put_targets(Rule=rule, EventBusName=bus, Targets=gone)
    detail = request_of(world, matter_id="M-lost", request_id="R-1")
    night.begins(
        "RequestsLost",
        lambda: world.send(detail, source="legal.discovery", detail_type="DiscoveryRequested"),
    )

    assert "M-lost" in night.types("RequestsLost", "Look")
    events.put_targets(Rule=rule, EventBusName=bus, Targets=targets[rule])
    night.types("RequestsLost", "Do")
    wait_for(lambda: [one for one in ledger(world) if one["pk"] == "MATTER#M-lost"])
    over = night.types("RequestsLost", "Over", MATTER="M-lost")

    assert "R-1" in over
    assert messages_in(world, "LostEvents") == 0
    night.is_quiet("RequestsLost")


def test_run_failed(night: Night) -> None:
    world = night.world
    detail = request_of(world, matter_id=MATTER, request_id="R-1")
    with unheard(world):
        night.begins("RunFailed", lambda: send(world, detail))
        assert "PreflightBlocked" in night.types("RunFailed", "Look")

    run = night.failed_run("preserve_matter", MATTER)
    night.types("RunFailed", "Do", RUN=run, MATTER=MATTER)
    over = night.types("RunFailed", "Over")

    assert "PRESERVED" in over
    night.is_quiet("RunFailed")


def test_run_timed_out(night: Night) -> None:
    world = night.world
    night.is_quiet("RunTimedOut")
    with idle(world, "SecureObjectsArrivalQueue"):
        pass
    detail = request_of(world, matter_id="M-slow", request_id="R-1")

    def take_too_long() -> None:
        # Nothing of it is waited for: it is cut off while it is under way.
        world.send(detail, source="legal.discovery", detail_type="DiscoveryRequested")
        wait_for(lambda: [one for one in ledger(world) if one["pk"] == "MATTER#M-slow"])
        world.emulator.put_clock_forward(2_764_801)

    started = started_by(world, take_too_long)
    assert started.status == "TIMED_OUT"
    night.rings("RunTimedOut")

    run = night.failed_run("preserve_matter", "M-slow")
    assert "ExecutionTimedOut" in night.types("RunTimedOut", "Look", RUN=run, MATTER="M-slow")
    night.types("RunTimedOut", "Do")
    over = night.types("RunTimedOut", "Over")

    assert "PRESERVED" in over
    night.is_quiet("RunTimedOut")


# --- standing matters, decisions

STANDS = "M-night-stands"


def test_standing_matter_not_recorded(night: Night) -> None:
    world = night.world
    opening = {
        "matter_id": STANDS,
        "title": "Calls that are still to come",
        "requested_by": "legal-7",
        "scope": {"custodians": ["0a6f0d1e-0000-4000-8000-00000000000f"]},
        "starts_at": (datetime.now(UTC) + timedelta(days=2)).strftime("%Y-%m-%dT00:00:00Z"),
        "interval": {"days": 99},
    }
    night.begins(
        "StandingMatterNotRecorded",
        lambda: started_by(
            world,
            lambda: world.send(opening, source="legal", detail_type="StandingMatterOpened"),
            "KeepStandingMatterArn",
        ),
    )

    assert "interval" in night.types("StandingMatterNotRecorded", "Look")
    run = night.failed_run("keep_standing_matter", STANDS)
    night.types("StandingMatterNotRecorded", "Do", only=0, RUN=run, MATTER=STANDS)
    corrected = night.typist.folder / "corrected.json"
    event = json.loads(corrected.read_text())
    event["detail"]["interval"] = {"days": 1}
    corrected.write_text(json.dumps(event))
    started_by(world, lambda: night.types("StandingMatterNotRecorded", "Do", only=1), "KeepStandingMatterArn")
    over = night.types("StandingMatterNotRecorded", "Over")

    assert "OPEN" in over
    night.is_quiet("StandingMatterNotRecorded")


def test_standing_matters_unwatched(night: Night) -> None:
    with broken(night.world, "StartStandingRuns", GENESYS_BASE_URL="http://127.0.0.1:9"):
        night.begins("StandingMattersUnwatched", lambda: fails(night.world, "StartStandingRuns"))
        assert "step_failed" in night.types("StandingMattersUnwatched", "Look")

    told = night.types("StandingMattersUnwatched", "Do")

    assert "standing matters" in told
    night.is_quiet("StandingMattersUnwatched")


def test_protection_unwatched(night: Night) -> None:
    with broken(night.world, "WatchProtection", GENESYS_BASE_URL="http://127.0.0.1:9"):
        night.begins("ProtectionUnwatched", lambda: fails(night.world, "WatchProtection"))
        assert "step_failed" in night.types("ProtectionUnwatched", "Look")

    told = night.types("ProtectionUnwatched", "Do")

    assert "claims" in told
    assert any("deletionprotection" in one["path"] for one in genesys_requests(night.world)[-20:])
    night.is_quiet("ProtectionUnwatched")


def test_decision_not_recorded(night: Night) -> None:
    world = night.world
    decision = {"resolution_id": "D-night", "matter_id": MATTER, "request_id": "R-1", "decision": "whatever"}
    night.begins(
        "DecisionNotRecorded",
        lambda: started_by(
            world,
            lambda: world.send(decision, source="legal", detail_type="ExceptionResolved"),
            "SettleExceptionArn",
        ),
    )

    assert "decision" in night.types("DecisionNotRecorded", "Look")
    night.types("DecisionNotRecorded", "Do", MATTER=MATTER)

    night.is_quiet("DecisionNotRecorded")


# --- releases


def release_item(world: World) -> dict[str, Any]:
    key = (f"MATTER#{MATTER}", f"RELEASE#{RELEASE}")
    return next((one for one in ledger(world) if (one["pk"], one["sk"]) == key), {})


def ask_for_release(world: World) -> None:
    detail = {
        "release_id": RELEASE,
        "scope": "matter",
        "matter_id": MATTER,
        "requested_by": "legal-1",
        "reason": "settled",
    }
    world.send(detail, source="legal.holds", detail_type="HoldReleaseRequested")


def test_release_failed(night: Night) -> None:
    world = night.world
    with broken(world, "PlanRelease", LEDGER_TABLE="no-such-table"):
        night.begins(
            "ReleaseFailed",
            lambda: started_by(world, lambda: ask_for_release(world), "ReleaseHoldArn"),
        )
        assert "release_hold" in night.types("ReleaseFailed", "Look", MATTER=MATTER)

    night.types("ReleaseFailed", "Do", RUN=night.failed_run("release_hold", MATTER))
    wait_for(lambda: release_item(world).get("state") == "PLANNED")
    over = night.types("ReleaseFailed", "Over")

    assert "PLANNED" in over
    night.is_quiet("ReleaseFailed")


def test_release_timed_out(night: Night) -> None:
    world = night.world
    night.is_quiet("ReleaseTimedOut")
    world.emulator.put_clock_forward(7_776_001)
    night.rings("ReleaseTimedOut")

    run = night.failed_run("release_hold", MATTER)
    assert "ExecutionTimedOut" in night.types("ReleaseTimedOut", "Look", RUN=run, MATTER=MATTER)
    night.types("ReleaseTimedOut", "Do")
    wait_for(lambda: release_item(world).get("state") == "PLANNED")
    night.types("ReleaseTimedOut", "Over")

    night.is_quiet("ReleaseTimedOut")


def test_approval_refused(night: Night) -> None:
    world = night.world
    plan = release_item(world)["plan"]["sha256"]
    approval = {"release_id": RELEASE, "matter_id": MATTER, "plan_sha256": plan, "approved_by": "legal-1"}
    night.begins(
        "ApprovalRefused",
        lambda: started_by(
            world,
            lambda: world.send(approval, source="legal.holds", detail_type="HoldReleaseApproved"),
            "ApproveReleaseArn",
        ),
    )

    assert "legal-1" in night.types("ApprovalRefused", "Look")
    (command,) = RUNBOOKS["ApprovalRefused"].commands("Do")
    TYPED.add(("ApprovalRefused", command))
    # What a person types on a terminal is an option here.
    night.typist.type(f"MATTER={MATTER} RELEASE={RELEASE}\n{command} --plan-sha256 {plan} --by legal-4")
    wait_for(lambda: release_item(world).get("state") == "RELEASED")
    over = night.types("ApprovalRefused", "Over", MATTER=MATTER)

    assert "RELEASED" in over
    night.is_quiet("ApprovalRefused")


# --- and by day


def test_the_client_is_rotated_as_the_page_says(night: Night) -> None:
    client = night.world.genesys.clients["full"]
    credentials = {"client_id": client["id"], "client_secret": client["secret"]}
    (night.typist.folder / "client.json").write_text(json.dumps(credentials))
    rotation = TEXT.partition("## Rotate credentials")[2].partition("```sh\n")[2].partition("```")[0]

    told = night.typist.type(rotation)

    assert "VersionId" in told


def test_an_arrival_takes_what_a_quote_counts_for_it(night: Night) -> None:
    world, objects = night.world, 5
    before = world.emulator.calls()["functions"]
    names = [put(world, f"{uuid.uuid4()}.wav") for _ in range(objects)]
    for named in names:
        wait_for(lambda key=named["Key"]: entries(world, "receipt", key))
    after = world.emulator.calls()["functions"]

    def made(*operations: str) -> int:
        return sum(after.get(name, 0) - before.get(name, 0) for name in operations)

    assert made("s3:PutObjectLegalHold", "s3:PutObjectVersionTagging") == objects * OBJECT_S3_WRITES
    assert made("s3:GetObjectVersion", "s3:GetObject") == objects * OBJECT_S3_READS
    # A receipt is written together with a line of its index.
    assert made("dynamodb:PutItem") * 2 == objects * OBJECT_LEDGER_WRITES


def test_every_command_of_every_runbook_was_typed() -> None:
    """Only when the whole file is run: what a night does not type, nobody has tried."""
    every = {
        (alarm, command)
        for alarm, runbook in RUNBOOKS.items()
        if alarm not in ELSEWHERE
        for part in runbook.parts
        for command in runbook.commands(part)
    }
    if len({alarm for alarm, _ in TYPED}) < len(RUNBOOKS) - 1:
        pytest.skip("some nights were left out")

    assert every - TYPED == set()
