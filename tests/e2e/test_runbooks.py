"""Nights on the embedded world: each alarm is raised by its real cause, its runbook is typed, and it is over.

In the order of the file: later nights find what earlier ones have left.
"""

import json
import re
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest

from cli.executions import Executions
from cli.quote import OBJECT_LEDGER_WRITES, OBJECT_S3_READS, OBJECT_S3_WRITES
from local.interference import interfere
from local.template import read_template
from local.world import World, description_of
from tests.documented import ROOT, Typist
from tests.e2e.runs import genesys_requests, ledger, request_of, send, started_by, wait_for
from tests.e2e.test_recovery import entries, is_held, parked, put, unheard
from tests.runbooks import PAGE, preparation, runbooks

pytestmark = pytest.mark.world

TEXT = PAGE.read_text()
RESOURCES = read_template(ROOT / "template.yaml")["Resources"]
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
    "holdfast resolve",
    "alarms | grep",
)
TYPED: set[str] = set()
# They take hours: tests/integration/test_runbooks_in_process.py raises them. Typed here all the same.
ELSEWHERE = ("StandingMatterStuck", "InventoryOverdue", "ExportsBreakOff", "PlatformThrottles")


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

    def hours_pass(self, alarm: str, seconds: float) -> None:
        """Let something wait, longer and longer, until three periods of five minutes have seen it."""
        self.world.emulator.put_clock_forward(seconds)
        for _ in range(3):
            self.world.alarms()
            self.world.emulator.put_clock_forward(290)
        self.rings(alarm)

    def looks_well(self, alarm: str, function: str, payload: Mapping[str, object]) -> None:
        """Have a look that ends well, and see that its alarm is content."""
        self.world.invoke(function, payload)
        self.rests(alarm)

    def falls_silent(self, alarm: str, fail: Callable[[], object], *, after_s: float) -> None:
        """See an alarm ring because nothing comes any more."""
        fail()
        self.rings(alarm, later_s=after_s)

    def rests(self, alarm: str) -> None:
        """See that an alarm is over at once."""
        wait_for(lambda: self.world.alarms()[alarm] == "OK")

    def is_quiet(self, alarm: str) -> None:
        """See that an alarm is over, once its periods are."""
        for _ in range(3):
            self.world.emulator.put_clock_forward(LONGEST_PERIODS_S + 1)
            if self.world.alarms()[alarm] == "OK":
                return
        wait_for(lambda: self.world.alarms()[alarm] == "OK")

    def types(
        self, alarm: str, part: str, *, only: int | None = None, again: bool | None = None, **shown: str
    ) -> str:
        """Type the commands of a part of a runbook, or one of them.

        What only looks is typed once in the whole file, unless it is asked for `again`: each takes seconds.
        `shown` stands for what commands before them showed.
        """
        self.shown |= shown
        commands = RUNBOOKS[alarm].commands(part)
        chosen = commands if only is None else [commands[only]]
        if not (part == "Do" if again is None else again):
            chosen = [one for one in chosen if one not in TYPED]
        TYPED.update(chosen)
        known = [f"{name}='{value}'" for name, value in self.shown.items()]
        return self.typist.type("\n".join([*_functions(), *known, *chosen])) if chosen else ""

    def failed_run(self, machine: str, matter_id: str | None = None) -> str:
        """Name the youngest run that failed, of a matter if one is given, as `holdfast failures` does."""
        executions = Executions(self.world.client("stepfunctions"))
        failed = executions.failed(self.world.outputs[machine], datetime.now(UTC) - timedelta(hours=1))
        told = ((one, one.event.get("detail", one.event)) for one in failed)
        named = [one for one, detail in told if matter_id in (None, detail.get("matter_id"))]
        return max(named, key=lambda one: one.started_at).name


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
    """Have somebody change a function's settings by hand, and put them back.

    A setting that cannot be read fails before anything is asked of AWS: what roles use is recorded.
    """
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
    night.types("MessagesParked", "Over", again=True)

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
        night.hours_pass("ArrivalsWaiting", 3_601)

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
    night.types("HoldLagHigh", "Over")
    assert messages_in(world, "ArrivalQueue") == 0

    night.is_quiet("HoldLagHigh")


def test_sweep_fails(night: Night) -> None:
    night.looks_well("SweepFails", "SweepEvidence", {"source": "bucket"})
    with broken(night.world, "SweepEvidence", SWEEP_AGE_SECONDS="soon"):
        night.falls_silent("SweepFails", lambda: fails(night.world, "SweepEvidence", 1), after_s=25_201)
        night.types("SweepFails", "Look")

    night.types("SweepFails", "Do")

    night.rests("SweepFails")


def test_evidence_unwatched(night: Night) -> None:
    night.looks_well("EvidenceUnwatched", "SweepEvidence", {"source": "receipts"})
    with broken(night.world, "SweepEvidence", SWEEP_AGE_SECONDS="soon"):
        night.falls_silent(
            "EvidenceUnwatched", lambda: fails(night.world, "SweepEvidence", 1), after_s=172_801
        )
        night.types("EvidenceUnwatched", "Look")

    night.types("EvidenceUnwatched", "Do")

    night.rests("EvidenceUnwatched")


def test_events_missed(night: Night) -> None:
    world = night.world
    with broken(world, "SweepEvidence", SWEEP_AGE_SECONDS="0"), unheard(world):  # nobody waits for its age
        named = put(world, f"{uuid.uuid4()}.wav")
        night.begins("EventsMissed", lambda: world.invoke("SweepEvidence", {"source": "bucket"}))

        assert named["VersionId"] in night.types("EventsMissed", "Look")
    wait_for(lambda: entries(world, "receipt", named["Key"]))
    night.types("EventsMissed", "Do")

    assert is_held(world, named)
    night.types("EventsMissed", "Over")
    night.is_quiet("EventsMissed")


def test_hashes_waiting(night: Night) -> None:
    world = night.world
    with broken(world, "SecureObjects", HASH_LIMIT_BYTES="1"), idle(world, "HashObjectsHashQueue"):
        night.is_quiet("HashesWaiting")
        named = put(world, f"{uuid.uuid4()}.wav")
        wait_for(lambda: entries(world, "receipt", named["Key"]))
        night.hours_pass("HashesWaiting", 21_601)
        assert night.types("HashesWaiting", "Look").startswith("1")
        assert is_held(world, named)

    wait_for(lambda: entries(world, "event", named["Key"]))
    assert night.types("HashesWaiting", "Over", again=True).strip() == "0"
    night.is_quiet("HashesWaiting")


def test_evidence_changed(night: Night) -> None:
    world = night.world
    named = put(world, f"{uuid.uuid4()}.wav")
    wait_for(lambda: entries(world, "receipt", named["Key"]))
    world.invoke("SweepEvidence", {"source": "receipts"})  # what others have changed is known before
    night.is_quiet("EvidenceChanged")

    world.client("s3").put_object_legal_hold(**named, LegalHold={"Status": "OFF"})
    world.invoke("SweepEvidence", {"source": "receipts"})
    night.rings("EvidenceChanged")

    assert "drift_found" in night.types("EvidenceChanged", "Look", again=True, KEY=named["Key"])
    wait_for(lambda: is_held(world, named))
    over = night.types("EvidenceChanged", "Over", again=True)

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

    assert "M-lost" in night.types("RequestsLost", "Look", again=True)
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

    run = night.failed_run("PreserveMatterArn", MATTER)
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

    run = night.failed_run("PreserveMatterArn", "M-slow")
    assert "ExecutionTimedOut" in night.types("RunTimedOut", "Look", RUN=run, MATTER="M-slow")
    night.types("RunTimedOut", "Do")
    over = night.types("RunTimedOut", "Over", again=True)

    assert "PRESERVED" in over
    night.is_quiet("RunTimedOut")


def test_verdict_incomplete(night: Night) -> None:
    world, now = night.world, datetime.now(UTC)
    # What cannot be searched yet is missing, with its reason.
    interval = {"start": (now - timedelta(hours=1)).isoformat(), "end": now.isoformat()}
    scope = request_of(world)["scope"]
    early = request_of(
        world, matter_id="M-early-bird", request_id="R-1", scope={**scope, "interval": interval}
    )
    night.begins("VerdictIncomplete", lambda: send(world, early))

    assert "not yet available" in night.types("VerdictIncomplete", "Look", again=True, MATTER="M-early-bird")
    ended = send(world, request_of(world, matter_id="M-early-bird", request_id="R-2"))
    night.types("VerdictIncomplete", "Over")

    assert ended.output["verdict"] == "PRESERVED"
    night.is_quiet("VerdictIncomplete")


def request_state(world: World, matter_id: str) -> str:
    key = (f"MATTER#{matter_id}", "REQUEST#R-1")
    (item,) = (one for one in ledger(world) if (one["pk"], one["sk"]) == key)
    return str(item["state"])


def start(world: World, machine: str, event: Mapping[str, Any]) -> str:
    """Start an execution as an event does; answers its ARN."""
    started = world.client("stepfunctions").start_execution(
        stateMachineArn=world.outputs[machine], name=f"night-{uuid.uuid4()}", input=json.dumps(event)
    )
    return str(started["executionArn"])


def as_event(detail_type: str, **detail: object) -> dict[str, Any]:
    return {"source": "legal", "detail-type": detail_type, "detail": detail}


def test_run_aborted(night: Night) -> None:
    world = night.world
    detail = request_of(world, matter_id="M-stopped", request_id="R-1")

    def stopped() -> None:
        arn = start(world, "PreserveMatterArn", as_event("DiscoveryRequested", **detail))
        wait_for(lambda: [one for one in ledger(world) if one["pk"] == "MATTER#M-stopped"])
        world.client("stepfunctions").stop_execution(executionArn=arn, error="Stopped", cause="by hand")

    night.begins("RunAborted", stopped)
    night.types("RunAborted", "Look")
    night.types(
        "RunAborted", "Do", RUN=night.failed_run("PreserveMatterArn", "M-stopped"), MATTER="M-stopped"
    )
    night.types("RunAborted", "Over")

    assert request_state(world, "M-stopped") != "FAILED"
    night.is_quiet("RunAborted")


# Workflows that are over in seconds: (alarm, the machine, the event, seconds until its time is over).
_OPENING = as_event("StandingMatterOpened", matter_id="M-short", requested_by="legal-7")
_DECISION = as_event("ExceptionResolved", resolution_id="D-short", matter_id=MATTER, request_id="R-1")
_APPROVAL = as_event("HoldReleaseApproved", release_id="REL-short", matter_id=MATTER, approved_by="legal-9")
_HOLD = {"matter_id": MATTER, "request_id": "R-1", "early": False, "plan_key": ""}
SHORT: list[tuple[str, str, str, dict[str, Any], int]] = [
    ("StandingMatterTimedOut", "KeepStandingMatterArn", "RecordStandingMatter", _OPENING, 3_601),
    ("StandingMatterAborted", "KeepStandingMatterArn", "RecordStandingMatter", _OPENING, 0),
    ("DecisionTimedOut", "SettleExceptionArn", "ResolveException", _DECISION, 3_601),
    ("DecisionAborted", "SettleExceptionArn", "ResolveException", _DECISION, 0),
    ("ApprovalTimedOut", "ApproveReleaseArn", "RecordApproval", _APPROVAL, 3_601),
    ("ApprovalAborted", "ApproveReleaseArn", "RecordApproval", _APPROVAL, 0),
    ("HoldTimedOut", "ApplyLegalHoldArn", "PlanHolds", _HOLD, 172_801),
    ("HoldAborted", "ApplyLegalHoldArn", "PlanHolds", _HOLD, 0),
]


@pytest.mark.parametrize("short", SHORT, ids=lambda short: short[0])
def test_short_workflows_that_were_cut_off(
    night: Night, short: tuple[str, str, str, dict[str, Any], int]
) -> None:
    alarm, machine, function, event, limit_s = short
    world = night.world
    with broken(world, function, NIGHT=alarm):  # a function that starts anew is slow enough to be cut off

        def cut_off() -> None:
            arn = start(world, machine, event)
            if limit_s:
                world.emulator.put_clock_forward(limit_s)
                world.alarms()
            else:
                world.client("stepfunctions").stop_execution(
                    executionArn=arn, error="Stopped", cause="by hand"
                )

        night.begins(alarm, cut_off)

    for part in ("Look", "Do", "Over"):
        night.types(alarm, part, again=False, MATTER=MATTER)
    night.is_quiet(alarm)


def test_hold_failed(night: Night) -> None:
    world = night.world
    interfere(world, {"what": "revoke_protection", "watch": False}, seed=1)
    with broken(world, "PlanHolds", PROTECTION_CAP="many"):
        night.begins(
            "HoldFailed",
            lambda: started_by(world, lambda: world.invoke("WatchProtection", {}), "ApplyLegalHoldArn"),
        )
        night.types("HoldFailed", "Look")

    run = night.failed_run("ApplyLegalHoldArn")
    again = started_by(world, lambda: night.types("HoldFailed", "Do", RUN=run), "ApplyLegalHoldArn")
    night.types("HoldFailed", "Over")

    assert again.status == "SUCCEEDED"
    night.is_quiet("HoldFailed")


def test_protection_cap_near(night: Night) -> None:
    world = night.world
    with broken(world, "PlanHolds", PROTECTION_CAP="5"):
        night.begins(
            "ProtectionCapNear",
            lambda: started_by(world, lambda: start(world, "ApplyLegalHoldArn", _HOLD), "ApplyLegalHoldArn"),
        )
        night.types("ProtectionCapNear", "Look")

    night.is_quiet("ProtectionCapNear")


@pytest.mark.parametrize(
    ("alarm", "function", "payload"),
    [
        ("PackageNotWritten", "PackageMatter", {"matter_id": MATTER}),
        ("ReleasePackageNotWritten", "PackageRelease", {"matter_id": MATTER}),
    ],
)
def test_packages_not_written(night: Night, alarm: str, function: str, payload: dict[str, str]) -> None:
    with broken(night.world, function, RECORDS_BUCKET=""):

        def fail() -> None:
            with pytest.raises(RuntimeError):
                night.world.invoke(function, payload)

        night.begins(alarm, fail)
        night.types(alarm, "Look", MATTER=MATTER)

    night.types(alarm, "Do", again=False)
    night.is_quiet(alarm)


# What the emulated AWS never does by itself: (alarm, namespace, metric, dimension, resource, how often).
OF_AWS = [
    ("NoticesNotDelivered", "AWS/SNS", "NumberOfNotificationsFailed", "TopicName", "NoticeTopic", 1),
    ("LedgerThrottled", "AWS/DynamoDB", "WriteThrottleEvents", "TableName", "Ledger", 3),
]


@pytest.mark.parametrize("reported", OF_AWS, ids=lambda reported: reported[0])
def test_what_aws_itself_reports(night: Night, reported: tuple[str, str, str, str, str, int]) -> None:
    alarm, namespace, metric, dimension, resource, times = reported
    world = night.world
    name = world.stack.resources[resource].rpartition(":")[2]
    point = {"MetricName": metric, "Value": 1, "Dimensions": [{"Name": dimension, "Value": name}]}
    night.is_quiet(alarm)
    for number in range(times):
        world.emulator.put_clock_forward(290 if number else 0)
        world.client("cloudwatch").put_metric_data(Namespace=namespace, MetricData=[point])
    night.rings(alarm)

    for part in ("Look", "Do", "Over"):
        night.types(alarm, part)
    night.is_quiet(alarm)


@pytest.mark.parametrize("alarm", ELSEWHERE)
def test_the_commands_of_what_is_raised_elsewhere(night: Night, alarm: str) -> None:
    for part in ("Look", "Do", "Over"):
        night.types(alarm, part, again=False, MATTER=MATTER)


def test_promise_at_risk(night: Night) -> None:
    night.is_quiet("MessagesParked")
    given = given_up(night.world)
    night.rings("PromiseAtRisk")

    assert "MessagesParked" in night.types("PromiseAtRisk", "Look")
    wait_for(lambda: parked(night.world, given["Key"]))
    night.types("MessagesParked", "Do")
    night.is_quiet("MessagesParked")
    night.types("PromiseAtRisk", "Over")


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

    assert "interval" in night.types("StandingMatterNotRecorded", "Look", again=True)
    run = night.failed_run("KeepStandingMatterArn", STANDS)
    night.types("StandingMatterNotRecorded", "Do", only=0, RUN=run, MATTER=STANDS)
    corrected = night.typist.folder / "corrected.json"
    event = json.loads(corrected.read_text())
    event["detail"]["interval"] = {"days": 1}
    corrected.write_text(json.dumps(event))
    started_by(world, lambda: night.types("StandingMatterNotRecorded", "Do", only=1), "KeepStandingMatterArn")
    night.types("StandingMatterNotRecorded", "Over")

    assert [one["state"] for one in ledger(world) if one["pk"] == f"MATTER#{STANDS}"] == ["OPEN"]
    night.is_quiet("StandingMatterNotRecorded")


def test_standing_matters_unwatched(night: Night) -> None:
    night.looks_well("StandingMattersUnwatched", "StartStandingRuns", {})
    with broken(night.world, "StartStandingRuns", GENESYS_BASE_URL="http://127.0.0.1:9"):
        night.falls_silent(
            "StandingMattersUnwatched", lambda: fails(night.world, "StartStandingRuns", 1), after_s=25_201
        )
        night.types("StandingMattersUnwatched", "Look")

    told = night.types("StandingMattersUnwatched", "Do")

    assert "standing matters" in told
    night.rests("StandingMattersUnwatched")


def test_protection_unwatched(night: Night) -> None:
    night.looks_well("ProtectionUnwatched", "WatchProtection", {})
    with broken(night.world, "WatchProtection", GENESYS_BASE_URL="http://127.0.0.1:9"):
        night.falls_silent(
            "ProtectionUnwatched", lambda: fails(night.world, "WatchProtection", 1), after_s=172_801
        )
        night.types("ProtectionUnwatched", "Look")

    told = night.types("ProtectionUnwatched", "Do")

    assert "claims" in told
    assert any("deletionprotection" in one["path"] for one in genesys_requests(night.world)[-20:])
    night.rests("ProtectionUnwatched")


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

    assert "decision" in night.types("DecisionNotRecorded", "Look", again=True)
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
    with broken(world, "PlanRelease", RELEASE_APPROVAL_SECONDS="long"):
        night.begins(
            "ReleaseFailed",
            lambda: started_by(world, lambda: ask_for_release(world), "ReleaseHoldArn"),
        )
        night.types("ReleaseFailed", "Look", MATTER=MATTER)

    run = night.failed_run("ReleaseHoldArn", MATTER)
    # Two minutes, as the world has it, are too short for the nights that go on with this release.
    with broken(world, "PlanRelease", RELEASE_APPROVAL_SECONDS="3600"):
        night.types("ReleaseFailed", "Do", RUN=run)
        wait_for(lambda: release_item(world).get("state") == "PLANNED")
    night.types("ReleaseFailed", "Over")

    night.is_quiet("ReleaseFailed")


def test_release_aborted(night: Night) -> None:
    world, workflows = night.world, night.world.client("stepfunctions")

    def stopped() -> None:
        running = workflows.list_executions(
            stateMachineArn=world.outputs["ReleaseHoldArn"], statusFilter="RUNNING"
        )["executions"]
        for one in running:
            workflows.stop_execution(executionArn=one["executionArn"], error="Stopped", cause="by hand")

    night.begins("ReleaseAborted", stopped)
    night.types("ReleaseAborted", "Look", MATTER=MATTER)
    run = night.failed_run("ReleaseHoldArn", MATTER)
    night.types("ReleaseAborted", "Do", RUN=run)
    wait_for(
        lambda: workflows.list_executions(
            stateMachineArn=world.outputs["ReleaseHoldArn"], statusFilter="RUNNING"
        )["executions"]
    )
    night.types("ReleaseAborted", "Over")

    night.is_quiet("ReleaseAborted")


def test_release_timed_out(night: Night) -> None:
    world = night.world
    night.is_quiet("ReleaseTimedOut")
    world.emulator.put_clock_forward(7_776_001)
    night.rings("ReleaseTimedOut")

    run = night.failed_run("ReleaseHoldArn", MATTER)
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

    assert "legal-1" in night.types("ApprovalRefused", "Look", again=True)
    (command,) = RUNBOOKS["ApprovalRefused"].commands("Do")
    TYPED.add(command)
    # What a person types on a terminal is an option here.
    night.typist.type(f"MATTER={MATTER} RELEASE={RELEASE}\n{command} --plan-sha256 {plan} --by legal-4")
    wait_for(lambda: release_item(world).get("state") == "RELEASED")
    night.types("ApprovalRefused", "Over", MATTER=MATTER)

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

    def made() -> Counter[str]:
        """Count what SecureObjects has called; the nights before may still have runs that read."""
        mine = (one for one in world.emulator.accesses() if "-SecureObjects-" in one["who"])
        return sum((Counter({one["action"]: one["times"]}) for one in mine), Counter())

    before = made()
    names = [put(world, f"{uuid.uuid4()}.wav") for _ in range(objects)]
    for named in names:
        wait_for(lambda key=named["Key"]: entries(world, "receipt", key))
    called = made() - before

    writes = called["s3:PutObjectLegalHold"] + called["s3:PutObjectVersionTagging"]
    assert writes == objects * OBJECT_S3_WRITES
    assert called["s3:GetObjectVersion"] + called["s3:GetObject"] == objects * OBJECT_S3_READS
    # A receipt is written together with a line of its index.
    assert called["dynamodb:PutItem"] * 2 == objects * OBJECT_LEDGER_WRITES


def test_every_command_of_every_runbook_was_typed() -> None:
    """What no night types, nobody has tried; only when the whole file was run."""
    every = {
        command
        for alarm, runbook in RUNBOOKS.items()
        if alarm in ELSEWHERE or "Condition" not in RESOURCES[alarm]  # this world may not have it
        for part in runbook.parts
        for command in runbook.commands(part)
    }
    if len(TYPED) < len(every) / 2:
        pytest.skip("some nights were left out")

    assert every - TYPED == set()
