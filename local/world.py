"""The whole system on one machine: emulated AWS with the stack deployed, and the Genesys simulator.

`python -m local.world up` starts it and leaves it running, `down` ends it.
"""

import argparse
import fcntl
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local.build import BuildFailed, build, machine_architecture
from local.deploy import DeploymentFailed, Stack, deploy
from local.emulator.process import (
    ACCOUNT_ID,
    REGION,
    ROOT,
    Emulator,
    EmulatorDidNotStart,
    client_config,
    free_port,
)
from local.genesys.scenario import DEFAULT, Scenario, ScenarioError, load_scenario
from local.wiring import break_wiring

# Waits of 20 s become 1 s: quick, and the platform is still not polled more often than it allows.
WAIT_SCALE = 0.05
SIMULATOR_DEADLINE_S = 30.0

HOME = ROOT / "build/world"
_BUSES = {"HoldReleaseRequested": "ReleaseBus", "HoldReleaseApproved": "ApprovalBus"}
_DESCRIPTION = HOME / "world.json"
_LOCK = HOME / "lock"
_LOG = HOME / "world.log"


class SimulatorDidNotStart(RuntimeError):
    """The simulator ended or stayed silent; the message carries what it said."""


FAILURES = (BuildFailed, EmulatorDidNotStart, DeploymentFailed, SimulatorDidNotStart, ScenarioError)


@dataclass(frozen=True, slots=True)
class Genesys:
    """What the simulator said of itself: its address, and the OAuth clients by role."""

    url: str
    clients: Mapping[str, Mapping[str, str]]
    integration_id: str
    interval: str


class World:
    """Starts everything on enter, ends everything on exit.

    Args:
        scenario: the scenario file, which says what the simulated organisation holds.
        out: receives `emulator.log`, `genesys.log`, `genesys-requests.jsonl`, on request `logs/`, at the end
            `accesses.json`: what IAM was asked, by which policies, and which resource is which.
        enforce_iam: whether roles and policies are enforced, as on AWS.
        parameters: stack parameters that differ from the embedded world's own and the scenario's.
        caller: under which name the clients' calls are counted.
        on_phase: called with the name of each phase as it begins: build, start, deploy, connect.

    Raises:
        one of `FAILURES` on enter, with what to do in its message.
    """

    emulator: Emulator
    stack: Stack
    genesys: Genesys

    def __init__(
        self,
        scenario: Path,
        out: Path,
        *,
        enforce_iam: bool = False,
        parameters: Mapping[str, str] | None = None,
        caller: str = "demo",
        on_phase: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.scenario_path = scenario
        self.out = out
        self._enforce_iam = enforce_iam
        self._parameters = parameters or {}
        self._caller = caller
        self._on_phase = on_phase
        self._running = ExitStack()
        self._clients: dict[str, Any] = {}
        self._policies: Mapping[str, object] = {}

    def __enter__(self) -> Self:
        scenario = load_scenario(self.scenario_path)
        with self._running:
            self._on_phase("build")
            template = build()
            self._on_phase("start")
            self.emulator = self._running.enter_context(
                Emulator(
                    self.out / "emulator.log",
                    enforce_iam=self._enforce_iam,
                    wait_scale=WAIT_SCALE,
                    event_faults={"seed": scenario.seed, **scenario.event_faults},
                )
            )
            self._on_phase("deploy")
            port = free_port()
            parameters = self._stack_parameters(scenario, port)
            self.stack = deploy(
                self.emulator.session(),
                self.emulator.url,
                template,
                parameters,
                config=client_config(self._caller),
            )
            self._policies = self.emulator.policies()  # before the scenario breaks any
            self._on_phase("connect")
            self.genesys = self._running.enter_context(self._simulator(port))
            client = self.genesys.clients[scenario.client]
            self.client("secretsmanager").put_secret_value(
                SecretId=self.stack.outputs["GenesysSecretArn"],
                SecretString=json.dumps({"client_id": client["id"], "client_secret": client["secret"]}),
            )
            break_wiring(self.client, self.stack.resources, scenario.wiring_faults)
            self._running = self._running.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._running, suppress(OSError):  # whose process may have been ended from outside
            # Another stack may have been deployed into the same account; what it did is its own.
            ours = {physical.rpartition(":")[2] for physical in self.stack.resources.values()}
            told = {
                "accesses": [one for one in self.emulator.accesses() if one["who"] in ours],
                "policies": self._policies,
                "resources": dict(self.stack.resources),
            }
            (self.out / "accesses.json").write_text(json.dumps(told))

    @property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs."""
        return self.stack.outputs

    def client(self, service: str) -> Any:
        """Return the one boto3 client for a service, which may do everything."""
        if service not in self._clients:
            session: Any = self.emulator.session()
            self._clients[service] = session.client(
                service, endpoint_url=self.emulator.url, config=client_config(self._caller)
            )
        return self._clients[service]

    def send(self, detail: object, *, source: str, detail_type: str) -> None:
        """Put one event on the bus of its type: releases and approvals have their own."""
        entry = {
            "EventBusName": self.outputs[_BUSES.get(detail_type, "RequestBus")],
            "Source": source,
            "DetailType": detail_type,
            "Detail": json.dumps(detail),
        }
        self.client("events").put_events(Entries=[entry])

    def invoke(self, function: str, payload: Mapping[str, object]) -> Mapping[str, Any]:
        """Do at once what a schedule of the stack does in its own time, and return what came of it."""
        answer = self.client("lambda").invoke(
            FunctionName=self.stack.resources[function], Payload=json.dumps(payload).encode()
        )
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise RuntimeError(f"{function} failed: {told}")
        return told

    def alarms(self) -> Mapping[str, str]:
        """Return the state of each alarm of the stack, by logical id, as CloudWatch describes it now."""
        logical_ids = {physical: logical for logical, physical in self.stack.resources.items()}
        pages = (
            self.client("cloudwatch")
            .get_paginator("describe_alarms")
            .paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
        )
        return {
            logical_ids[alarm["AlarmName"]]: alarm["StateValue"]
            for page in pages
            for alarm in [*page["MetricAlarms"], *page["CompositeAlarms"]]
            if alarm["AlarmName"] in logical_ids
        }

    def collect_logs(self) -> Path:
        """Write what every function logged to `OUT/logs/<function>.jsonl`, and return the folder."""
        folder = self.out / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        logical_ids = {physical: logical for logical, physical in self.stack.resources.items()}
        invocations = self.emulator.invocations()
        logs = self.client("logs")
        lines: defaultdict[str, list[str]] = defaultdict(list)
        for group in _pages(logs.describe_log_groups, "logGroups"):
            for event in _pages(logs.filter_log_events, "events", logGroupName=group["logGroupName"]):
                lines[event["logStreamName"]] += event["message"].splitlines()
        for stream, said in lines.items():
            # The first line of an invocation's stream: START RequestId: <id> Version: $LATEST
            request_id = " ".join(said[:1]).removeprefix("START RequestId: ").partition(" ")[0]
            name = invocations.get(request_id, stream.replace("/", "-"))
            with (folder / f"{logical_ids.get(name, name)}.jsonl").open("a") as file:
                file.writelines(f"{_as_json(line)}\n" for line in said if line.strip())
        return folder

    def _stack_parameters(self, scenario: Scenario, genesys_port: int) -> dict[str, str]:
        return {
            "Architecture": machine_architecture(),
            "GenesysRegion": scenario.organization.region,
            "GenesysOrganizationId": scenario.organization.id,
            "GenesysIntegrationId": scenario.organization.integration_id,
            "GenesysAccountId": ACCOUNT_ID,  # the simulator lives in the same account
            "GenesysBaseUrl": f"http://127.0.0.1:{genesys_port}",
            "SealRetentionDays": "1",
            "DeliveryDeadlineSeconds": "60",  # nobody watches a demo for days
            "JobDeadlineSeconds": "120",
            "ReleaseApprovalSeconds": "120",
            "ReleaseCoolOffSeconds": "1",
            "SecureObjectsConcurrency": "3",  # on two cores, more only start up in each other's way
            **scenario.parameters,
            **self._parameters,
        }

    @contextmanager
    def _simulator(self, port: int) -> Iterator[Genesys]:
        command: list[str | Path] = [
            sys.executable,
            "-m",
            "local.leash",
            "local.genesys",
            "--port",
            str(port),
            "--scenario",
            self.scenario_path.absolute(),
            "--requests",
            (self.out / "genesys-requests.jsonl").absolute(),
        ]  # fmt: skip - an option a line
        environment = {
            "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
            "S3_ENDPOINT_URL": self.emulator.url,
            "BUCKET": self.outputs["EvidenceBucket"],
            "ROLE_ARN": self.outputs["GenesysWriterRoleArn"],
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_SDK_UA_APP_ID": "genesys",
        }
        log = self.out / "genesys.log"
        with log.open("wb") as errors:
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, start_new_session=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
            )  # fmt: skip
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            ready, _, _ = select.select([process.stdout], [], [], SIMULATOR_DEADLINE_S)
            said = process.stdout.readline() if ready else b""
            if not said:
                raise SimulatorDidNotStart(f"The Genesys simulator did not start: {log.read_text().strip()}")
            described = json.loads(said)
            yield Genesys(
                url=described["url"],
                clients={client["role"]: client for client in described["clients"]},
                integration_id=described["integration_id"],
                interval=described["interval"],
            )
        finally:
            process.stdin.close()
            process.wait()
            process.stdout.close()


def _pages(call: Callable[..., Any], key: str, **request: object) -> Iterator[dict[str, Any]]:
    while True:
        page = call(**request)
        yield from page[key]
        if not page.get("nextToken") or page["nextToken"] == request.get("nextToken"):
            return
        request["nextToken"] = page["nextToken"]


def _as_json(line: str) -> str:
    """Return a log line that is JSON as it is, any other as the message of one."""
    return line if line.startswith("{") and line.endswith("}") else json.dumps({"message": line})


# --- make up, make down ----------------------------------------------------------------------------------


def up(scenario: Path) -> int:
    """Start a process that keeps the world running, and tell how to reach it."""
    HOME.mkdir(parents=True, exist_ok=True)
    if _is_up():
        print(f"It is up already: {_DESCRIPTION.relative_to(ROOT)} says how to reach it, make down ends it.")
        return 1
    _DESCRIPTION.unlink(missing_ok=True)
    with _LOG.open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "local.world", "keep", "--scenario", scenario.absolute()],
            cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
    try:
        while not _DESCRIPTION.exists():
            if keeper.poll() is not None:
                print(_LOG.read_text(), file=sys.stderr)
                return 1
            time.sleep(0.1)
    except KeyboardInterrupt:
        keeper.terminate()
        raise
    described = json.loads(_DESCRIPTION.read_text())
    exports = "\n".join(f"  export {name}={value}" for name, value in described["environment"].items())
    # The next step of a deployed stack; here nothing is left to do.
    told = {name: value for name, value in described["outputs"].items() if name != "NextStep"}
    outputs = "\n".join(f"  {name:<22} {value}" for name, value in told.items())
    print(
        f"The embedded world is up; make down ends it.\n\nGenesys simulator: {described['genesys']['url']}"
        f"\n\nThe stack's outputs:\n{outputs}\n\nFor the AWS CLI and any SDK:\n{exports}"
    )
    return 0


def keep(scenario: Path) -> int:
    """Keep the world running until terminated."""
    HOME.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with _LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.truncate(0)
        print(os.getpid(), file=lock, flush=True)
        try:
            with World(scenario, HOME) as world:
                unfinished = _DESCRIPTION.with_suffix(".part")
                unfinished.write_text(json.dumps(description_of(world), indent=2))
                unfinished.replace(_DESCRIPTION)
                while True:
                    signal.pause()
        except FAILURES as failure:
            print(failure, file=sys.stderr)
            return 1
        finally:
            _DESCRIPTION.unlink(missing_ok=True)


def down() -> int:
    """End the process that keeps the world running."""
    if not _is_up():
        print("Nothing is up.")
        return 0
    with suppress(ProcessLookupError):
        os.kill(int(_LOCK.read_text()), signal.SIGTERM)
    deadline = time.monotonic() + 20
    while _is_up():
        if time.monotonic() > deadline:
            print(f"It does not end; its log is {_LOG}", file=sys.stderr)
            return 1
        time.sleep(0.1)
    print("It is down.")
    return 0


def _is_up() -> bool:
    """Tell whether some process holds the lock: unlike a process id, it cannot be somebody else's."""
    try:
        with _LOCK.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def description_of(world: World) -> dict[str, Any]:
    """Say how to reach a world: what `make up` writes down."""
    return {
        "environment": {
            "AWS_ENDPOINT_URL": world.emulator.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": REGION,
        },
        "genesys": {"url": world.genesys.url, "clients": list(world.genesys.clients.values())},
        "outputs": dict(world.outputs),
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.world", description=__doc__)
    parser.add_argument("command", choices=["up", "down", "keep"])
    parser.add_argument("--scenario", type=Path, default=DEFAULT)
    arguments = parser.parse_args()
    if arguments.command == "down":
        return down()
    return up(arguments.scenario) if arguments.command == "up" else keep(arguments.scenario)


if __name__ == "__main__":
    sys.exit(main())
