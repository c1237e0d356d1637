"""One test for each way of the emulator that is relied upon, so that an upgrade shows what has changed."""

import json
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.build import machine_architecture
from local.deploy import DeploymentFailed, Stack, deploy
from local.emulator.process import ACCOUNT_ID, ROOT, Emulator, client_config

TEMPLATE = Path(__file__).parent / "probe/template.yaml"
ROLE = f"arn:aws:iam::{ACCOUNT_ID}:role/any"
PARAMETERS = {"Architecture": machine_architecture(), "SealRetentionDays": "30"}


class Probe:
    """The probe's stack in an emulator, and clients for it that are counted as the test's."""

    def __init__(self, emulator: Emulator, stack: Stack) -> None:
        self.emulator = emulator
        self.outputs = stack.outputs
        self.client: Callable[[str], Any] = lambda service: emulator.session().client(  # type: ignore[call-overload]
            service, endpoint_url=emulator.url, config=client_config("test")
        )

    def call(self, event: object) -> tuple[str | None, Any]:
        answer = self.client("lambda").invoke(FunctionName="probe", Payload=json.dumps(event))
        return answer.get("FunctionError"), json.load(answer["Payload"])

    def workflow_input(self, *batches: object, wait_s: int = 0) -> str:
        """Return an input for the machines; the batches lie in S3, as the project's own do."""
        key = f"{uuid.uuid4()}.json"
        self.client("s3").put_object(Bucket=self.outputs["RecordsBucket"], Key=key, Body=json.dumps(batches))
        return json.dumps({"wait_s": wait_s, "batches_key": key})

    def run(self, machine: str, machine_input: str) -> dict[str, Any]:
        workflows = self.client("stepfunctions")
        execution = workflows.start_execution(stateMachineArn=self.outputs[machine], input=machine_input)[
            "executionArn"
        ]
        described: dict[str, Any] = eventually(
            lambda: (
                (found := workflows.describe_execution(executionArn=execution))["status"] != "RUNNING"
                and found
            )
        )
        return described

    def state(self, alarm: str) -> str:
        described = self.client("cloudwatch").describe_alarms(
            AlarmNames=[alarm], AlarmTypes=["MetricAlarm", "CompositeAlarm"]
        )
        return str((described["MetricAlarms"] + described["CompositeAlarms"])[0]["StateValue"])

    def hears_alarms(self) -> Callable[[], list[dict[str, Any]]]:
        """Subscribe a queue to the topic of the alarms, and return what reads it."""
        queues = self.client("sqs")
        url = queues.create_queue(QueueName="alarms")["QueueUrl"]
        arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.client("sns").subscribe(TopicArn=self.outputs["TopicArn"], Protocol="sqs", Endpoint=arn)

        def heard() -> list[dict[str, Any]]:
            messages = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            return [json.loads(json.loads(message["Body"])["Message"]) for message in messages]

        return heard

    def total(self, *metric: str) -> float:
        return sum(self._points("Sum", *metric))

    def largest(self, *metric: str) -> float:
        return max(self._points("Maximum", *metric), default=0)

    def _points(self, statistic: str, *metric: str) -> list[float]:
        namespace, name, dimension, value = metric
        now = datetime.now(UTC)
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace=namespace, MetricName=name, Dimensions=[{"Name": dimension, "Value": value}],
            StartTime=now - timedelta(days=1), EndTime=now + timedelta(days=9), Period=60,
            Statistics=[statistic],
        )["Datapoints"]  # fmt: skip
        return [point[statistic] for point in points]


def eventually[T](ask: Callable[[], T | bool | None], within_s: float = 30.0) -> T:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if answer := ask():
            return answer  # type: ignore[return-value]
        time.sleep(0.1)
    raise AssertionError(f"not within {within_s} s")


@pytest.fixture(scope="module")
def probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    with Emulator(tmp_path_factory.mktemp("emulator") / "emulator.log", wait_scale=0.1) as emulator:
        yield Probe(emulator, deploy(emulator.session(), emulator.url, TEMPLATE, PARAMETERS, name="probe"))


@pytest.fixture(scope="module")
def strict_probe(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    log = tmp_path_factory.mktemp("strict") / "emulator.log"
    with Emulator(log, enforce_iam=True, wait_scale=0.1) as emulator:
        yield Probe(emulator, deploy(emulator.session(), emulator.url, TEMPLATE, PARAMETERS, name="probe"))


# --- functions -------------------------------------------------------------------------------------------


def test_a_function_error_keeps_its_class_name_and_its_worker_lives_on(probe: Probe) -> None:
    kind, error = probe.call({"raise": "too many"})

    message, worker = error["errorMessage"].split(" in process ")
    assert (kind, error["errorType"], message) == ("Unhandled", "ProbeIsBusy", "too many")
    assert error["stackTrace"]
    assert int(worker) in _members(probe.emulator.pid)


def test_a_dead_worker_is_an_error_without_a_name_and_is_replaced(probe: Probe) -> None:
    kind, error = probe.call({"exit": 1})

    assert (kind, error["errorType"]) == ("Unhandled", "Runtime.HandlerError")
    assert probe.call({"back": True})[1]["back"] is True


def test_workers_see_nothing_of_the_starters_environment(probe: Probe) -> None:
    environment = probe.call({"environment": True})[1]

    leaked = set(environment) & {"AWS_PROFILE", "PYTHONPATH", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "USER"}
    assert not leaked
    assert environment["AWS_ENDPOINT_URL"] == probe.emulator.url


# --- state machines --------------------------------------------------------------------------------------


def test_a_workflow_retries_and_catches_by_name_waits_maps_and_announces(probe: Probe) -> None:
    machine_input = probe.workflow_input({"batch": 1}, {"raise": "this child fails"}, {"batch": 3}, wait_s=2)

    execution = probe.run("ProbeMachineArn", machine_input)

    assert execution["status"] == "SUCCEEDED", execution
    outcome = json.loads(execution["output"])
    assert outcome["caught"] == "ProbeIsBusy"
    assert [child and child["batch"] for child in outcome["children"]] == [1, None, 3]


def test_a_nested_workflow_answers_with_its_output(probe: Probe) -> None:
    execution = probe.run("ParentMachineArn", probe.workflow_input({}))

    assert execution["status"] == "SUCCEEDED", execution
    assert json.loads(execution["output"])["nested"]["caught"] == "ProbeIsBusy"


def test_starting_an_execution_under_a_known_name_is_refused_even_with_the_same_input(probe: Probe) -> None:
    workflows = probe.client("stepfunctions")
    machine, machine_input = probe.outputs["ProbeMachineArn"], probe.workflow_input({})
    workflows.start_execution(stateMachineArn=machine, name="once", input=machine_input)

    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        workflows.start_execution(stateMachineArn=machine, name="once", input=machine_input)


# --- storage and queues ----------------------------------------------------------------------------------


def test_a_held_version_cannot_be_deleted_once_deployed(probe: Probe) -> None:
    s3, bucket = probe.client("s3"), probe.outputs["EvidenceBucket"]
    version = s3.put_object(Bucket=bucket, Key="held", Body=b"x")["VersionId"]
    s3.put_object_legal_hold(Bucket=bucket, Key="held", VersionId=version, LegalHold={"Status": "ON"})

    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="held", VersionId=version)


def test_the_retention_of_the_template_is_in_force_once_deployed(probe: Probe) -> None:
    s3, bucket = probe.client("s3"), probe.outputs["RecordsBucket"]
    version = s3.put_object(Bucket=bucket, Key="seal", Body=b"x", ChecksumAlgorithm="SHA256")["VersionId"]

    found = s3.get_object_retention(Bucket=bucket, Key="seal", VersionId=version)["Retention"]
    assert found["Mode"] == "COMPLIANCE"
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.delete_object(Bucket=bucket, Key="seal", VersionId=version)


def test_arrivals_reach_the_function_in_batches_of_ten_at_most(probe: Probe) -> None:
    s3 = probe.client("s3")

    for number in range(15):
        s3.put_object(Bucket=probe.outputs["EvidenceBucket"], Key=f"arrival/ä +{number}", Body=b"x")

    sizes = eventually(lambda: sum(found := _batch_sizes(probe)) >= 15 and found)
    assert max(sizes) <= 10


def test_a_message_that_fails_alone_ends_in_the_dead_letter_queue(probe: Probe) -> None:
    queues = probe.client("sqs")
    queues.send_message(QueueUrl=probe.outputs["ArrivalQueueUrl"], MessageBody="poison")

    dead_letters = probe.outputs["DeadQueueUrl"]
    dead: list[str] = []

    def the_poison_is_dead() -> bool:
        received = queues.receive_message(QueueUrl=dead_letters, WaitTimeSeconds=1).get("Messages", [])
        dead.extend(message["Body"] for message in received)
        return "poison" in dead

    # Whatever else was delivered while the function was only starting may have died with its whole batch.
    eventually(the_poison_is_dead)
    assert not [body for body in dead if "arrival/" in body]


def test_a_secret_is_named_by_its_arn_and_shows_a_new_value_at_once(probe: Probe) -> None:
    secrets, arn = probe.client("secretsmanager"), probe.outputs["SecretArn"]

    secrets.put_secret_value(SecretId=arn, SecretString='{"client_id": "x"}')

    assert arn.startswith("arn:aws:secretsmanager:")
    assert secrets.get_secret_value(SecretId=arn)["SecretString"] == '{"client_id": "x"}'


def _batch_sizes(probe: Probe) -> list[int]:
    try:
        events = probe.client("logs").filter_log_events(logGroupName="/aws/lambda/probe")["events"]
    except ClientError:
        return []
    lines = [line for event in events for line in event["message"].splitlines()]
    return [json.loads(line)["records"] for line in lines if line.startswith('{"records"')]


# --- alarms ----------------------------------------------------------------------------------------------


def test_an_alarm_is_judged_by_embedded_metrics_of_its_dimensions_until_its_periods_are_over(
    probe: Probe,
) -> None:
    heard = probe.hears_alarms()
    lag_high = probe.outputs["LagHigh"]

    probe.call({"measured": ["another", 11]})
    probe.call({"measured": ["probe", [10, 9]]})
    assert probe.state(lag_high) == "OK"
    probe.call({"measured": ["probe", [11, 12, 13]]})
    assert (probe.state(lag_high), probe.state(probe.outputs["Either"])) == ("ALARM", "ALARM")

    probe.emulator.put_clock_forward(301)
    assert probe.state(lag_high) == "ALARM"  # one period of two is enough
    probe.emulator.put_clock_forward(300)
    assert (probe.state(lag_high), probe.state(probe.outputs["Either"])) == ("OK", "OK")
    (told,) = eventually(heard)
    assert (told["AlarmName"], told["NewStateValue"]) == (probe.outputs["Either"], "ALARM")


def test_what_is_missing_breaches_where_the_alarm_says_so_once_its_periods_are_over(probe: Probe) -> None:
    nothing_comes = probe.outputs["NothingComes"]

    before = probe.state(nothing_comes)
    probe.emulator.put_clock_forward(7200)

    assert (before, probe.state(nothing_comes)) == ("OK", "ALARM")
    probe.client("cloudwatch").put_metric_data(
        Namespace="Probe", MetricData=[{"MetricName": "NeverPublished", "Value": 1}]
    )
    assert probe.state(nothing_comes) == "OK"


def test_the_services_publish_their_own_metrics(probe: Probe) -> None:
    machine = ("StateMachineArn", probe.outputs["ProbeMachineArn"])
    watched = [
        *(("AWS/States", f"Executions{end}", *machine) for end in ("Started", "Succeeded", "Failed")),
        *(("AWS/Lambda", name, "FunctionName", "probe") for name in ("Invocations", "Errors")),
    ]
    before = [probe.total(*metric) for metric in watched]

    probe.run("ParentMachineArn", probe.workflow_input({"batch": 1}))
    probe.run("ProbeMachineArn", "{}")
    probe.call({"asked": "directly"})

    after = [probe.total(*metric) for metric in watched]
    assert [b - a for a, b in zip(before, after, strict=True)] == [2, 1, 1, 6, 4]


def test_an_execution_ends_when_its_machines_time_is_over(probe: Probe) -> None:
    workflows, machine = probe.client("stepfunctions"), probe.outputs["ProbeMachineArn"]
    execution = workflows.start_execution(stateMachineArn=machine, input=probe.workflow_input(wait_s=6000))[
        "executionArn"
    ]

    probe.emulator.put_clock_forward(35_000)
    running = workflows.describe_execution(executionArn=execution)["status"]
    probe.emulator.put_clock_forward(1_001)

    assert running == "RUNNING"
    eventually(lambda: workflows.describe_execution(executionArn=execution)["status"] == "TIMED_OUT")
    assert probe.total("AWS/States", "ExecutionsTimedOut", "StateMachineArn", machine) == 1


def test_an_execution_that_somebody_stopped_does_not_fail_afterwards(probe: Probe) -> None:
    workflows, queues = probe.client("stepfunctions"), probe.client("sqs")
    tokens = queues.create_queue(QueueName="tokens")["QueueUrl"]
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": tokens, "MessageBody": {"token.$": "$$.Task.Token"}},
        "TimeoutSeconds": 60,
        "End": True,
    }
    machine = workflows.create_state_machine(
        name="patient", definition=json.dumps({"StartAt": "Ask", "States": {"Ask": task}}), roleArn=ROLE
    )["stateMachineArn"]
    execution = workflows.start_execution(stateMachineArn=machine)["executionArn"]
    message = eventually(lambda: queues.receive_message(QueueUrl=tokens).get("Messages"))[0]

    workflows.stop_execution(executionArn=execution)
    workflows.send_task_failure(taskToken=json.loads(message["Body"])["token"], error="TooLate")

    probe.run("ProbeMachineArn", "{}")  # long enough for the failure to have arrived
    assert workflows.describe_execution(executionArn=execution)["status"] == "ABORTED"
    assert probe.total("AWS/States", "ExecutionsAborted", "StateMachineArn", machine) == 1


def test_an_event_that_finds_no_workflow_is_kept_by_its_rules_queue(probe: Probe) -> None:
    events, queues = probe.client("events"), probe.client("sqs")
    kept = queues.create_queue(QueueName="kept")["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=kept, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    nowhere = f"{probe.outputs['ProbeMachineArn']}-that-was-deleted"
    events.put_rule(Name="lost", EventPattern=json.dumps({"source": ["lost"]}))
    events.put_targets(Rule="lost", Targets=[{"Id": "1", "Arn": nowhere, "DeadLetterConfig": {"Arn": arn}}])

    events.put_events(Entries=[{"Source": "lost", "DetailType": "Lost", "Detail": '{"seen": false}'}])

    probe.emulator.put_clock_forward(900)
    of_queue = ("QueueName", "kept")
    assert eventually(lambda: probe.largest("AWS/SQS", "ApproximateNumberOfMessagesVisible", *of_queue)) == 1
    assert eventually(lambda: probe.largest("AWS/SQS", "ApproximateAgeOfOldestMessage", *of_queue) >= 900)
    (message,) = queues.receive_message(QueueUrl=kept)["Messages"]
    assert json.loads(message["Body"])["detail"] == {"seen": False}


def test_dashboard_and_saved_queries_of_the_template_exist(probe: Probe) -> None:
    dashboard = probe.client("cloudwatch").get_dashboard(DashboardName="probe")["DashboardBody"]
    (query,) = probe.client("logs").describe_query_definitions()["queryDefinitions"]

    assert json.loads(dashboard) == {"widgets": [], "start": "eu-central-1"}
    assert (query["name"], query["queryString"], query["logGroupNames"]) == (
        "probe/slow",
        "fields @message",
        ["probe"],
    )


# --- access ----------------------------------------------------------------------------------------------


def test_a_function_may_do_only_what_its_role_allows_where_iam_is_enforced(strict_probe: Probe) -> None:
    s3, bucket = strict_probe.client("s3"), strict_probe.outputs["EvidenceBucket"]
    version = s3.put_object(Bucket=bucket, Key="tagged", Body=b"x")["VersionId"]

    _, error = strict_probe.call({"tag": [bucket, "tagged", version]})

    assert "is not authorized to perform: s3:PutObjectVersionTagging" in error["errorMessage"]


# --- the emulator itself ---------------------------------------------------------------------------------


def test_calls_are_counted_by_caller_and_operation(probe: Probe) -> None:
    s3, bucket = probe.client("s3"), probe.outputs["EvidenceBucket"]
    machine_input = probe.workflow_input({})
    before = probe.emulator.calls()

    version = s3.put_object(Bucket=bucket, Key="counted", Body=b"x")["VersionId"]
    probe.call({"tag": [bucket, "counted", version]})
    probe.run("ProbeMachineArn", machine_input)

    after = probe.emulator.calls()
    grown = {
        (caller, operation): count - before.get(caller, {}).get(operation, 0)
        for caller, operations in after.items()
        for operation, count in operations.items()
    }
    assert grown["test", "s3:PutObject"] == 1
    assert grown["functions", "s3:PutObjectVersionTagging"] == 1
    assert grown["workflows", "lambda:Invoke"] == 3
    assert grown["workflows", "events:PutEvents"] == 1


def test_the_emulator_listens_on_loopback_alone(probe: Probe) -> None:
    every_address_would_answer = ("127.0.0.2", probe.emulator.port)

    with socket.socket() as knock:
        assert knock.connect_ex(every_address_would_answer) != 0


@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_behind_however_the_starter_ends(tmp_path: Path, ended_by: signal.Signals) -> None:
    starter = """if True:
        import pathlib, sys, time
        from local.deploy import deploy
        from local.emulator.process import Emulator
        from tests.integration.test_emulator import PARAMETERS, TEMPLATE, Probe
        with Emulator(pathlib.Path(sys.argv[1])) as emulator:
            Probe(emulator, deploy(emulator.session(), emulator.url, TEMPLATE, PARAMETERS)).call({})
            print(emulator.pid, emulator._scratch, flush=True)
            time.sleep(60)
    """
    command: list[str | Path] = [sys.executable, "-c", starter, tmp_path / "emulator.log"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        group, scratch = process.stdout.readline().split()
        assert len(_members(int(group))) >= 2

        process.send_signal(ended_by)

    eventually(lambda: not _members(int(group)) and not Path(scratch).exists())


def test_a_template_that_cannot_be_deployed_says_why(tmp_path: Path) -> None:
    broken = tmp_path / "template.yaml"
    broken.write_text("Resources: {Nothing: {Type: 'AWS::Nothing::AtAll'}}")

    with (
        Emulator(tmp_path / "emulator.log") as emulator,
        pytest.raises(DeploymentFailed, match="AWS::Nothing::AtAll"),
    ):
        deploy(emulator.session(), emulator.url, broken, {}, name=f"broken-{uuid.uuid4().hex[:6]}")


def _members(group: int | None) -> list[int]:
    """Return the live processes of a process group."""
    listed = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
    rows = [line.split() for line in listed.stdout.splitlines()]
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and not state.startswith("Z")]
