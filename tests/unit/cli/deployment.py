"""A deployment whose ledger, buckets and runs are a `House`'s, for commands that work on a stack."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from typer.testing import CliRunner

from cli.executions import Execution, FailedRun
from cli.lost_events import LostEvent
from cli.main import app
from cli.version import own_version
from holdfast.domain.custody import Arrival, ObjectVersion
from holdfast.errors import AwsUnavailable
from tests.fakes.buckets import EvidenceInMemory, RecordFilesInMemory
from tests.fakes.house import House


@dataclass
class LocksInMemory:
    """Stands for `cli.locks.Locks`."""

    evidence: EvidenceInMemory
    are_denied: bool = False

    def of(self, version: ObjectVersion) -> str:
        stored = self.evidence.stored.get((version.key, version.version_id))
        if self.are_denied:
            return "DENIED"
        return "GONE" if stored is None else "ON" if stored.is_locked else "OFF"

    def versions_of(self, key: str) -> Iterator[Arrival]:
        yield from (one for one in self.evidence.page(key, None).arrivals if one.version.key == key)


@dataclass
class ExecutionsInMemory:
    """Stands for `cli.executions.Executions`."""

    house: House
    state: str = "Reconcile"
    error: str | None = None
    failures: dict[str, list[FailedRun]] = field(default_factory=dict)
    started: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def start(self, machine_arn: str, given: Mapping[str, Any]) -> str:
        self.started.append((machine_arn, given))
        return f"arn:execution:{len(self.started)}"

    def failed(self, machine_arn: str, since: datetime) -> Iterator[FailedRun]:
        yield from (one for one in self.failures.get(machine_arn, []) if one.stopped_at >= since)

    def of(self, arn: str) -> Execution:
        is_running = self.house.runs.is_alive(arn) or self.house.release_runs.is_alive(arn)
        if is_running:
            return Execution(arn, "RUNNING", state=self.state)
        return Execution(arn, "FAILED" if self.error else "SUCCEEDED", error=self.error)


@dataclass
class LostEventsInMemory:
    """Stands for `cli.lost_events.LostEvents`: what is taken and not put back is not seen again."""

    waiting: list[LostEvent] = field(default_factory=list)
    taken: list[LostEvent] = field(default_factory=list)

    def take(self) -> Iterator[LostEvent]:
        for _ in range(len(self.waiting)):
            self.taken.append(self.waiting.pop(0))
            yield self.taken[-1]

    def put_back(self, lost: LostEvent) -> None:
        self.taken.remove(lost)
        self.waiting.append(lost)

    def remove(self, lost: LostEvent) -> None:
        self.taken.remove(lost)


@dataclass
class ShelfInMemory:
    """Stands for `cli.shelf.Shelf`; a medium's content is its key, and reading one stops after `cut_off`."""

    records: RecordFilesInMemory
    cut_off: int = 1 << 30
    read_from: list[tuple[str, int]] = field(default_factory=list)

    def keys(self, prefix: str) -> Iterator[str]:
        return (key for key in sorted(self.records.files) if key.startswith(prefix))

    def read(self, key: str) -> Iterator[bytes] | None:
        return self.records.read(key)

    def read_version(self, bucket: str, key: str, version_id: str, start: int = 0) -> Iterator[bytes]:
        self.read_from.append((key, start))
        content = key.encode()[start:]
        yield content[: self.cut_off]
        if len(content) > self.cut_off:
            raise AwsUnavailable("S3 did not answer")


@dataclass
class HouseDeployment:
    """Stands for `cli.connection.Deployment`; `meanwhile` happens whenever somebody waits."""

    house: House
    name: str = "the house"
    version: str = field(default_factory=own_version)
    sent: list[tuple[str, str, Mapping[str, Any]]] = field(default_factory=list)
    invoked: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    meanwhile: Callable[[], object] = lambda: None
    locks: LocksInMemory = field(init=False)
    shelf: ShelfInMemory = field(init=False)
    executions: ExecutionsInMemory = field(init=False)
    lost_events: LostEventsInMemory = field(default_factory=LostEventsInMemory)
    sent_again: list[Mapping[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.locks = LocksInMemory(self.house.evidence)
        self.shelf = ShelfInMemory(self.house.records)
        self.executions = ExecutionsInMemory(self.house)
        self.requests = self.house.requests
        self.batches = self.house.batches
        self.claims = self.receipts = self.house.conversations
        self.standing_matters = self.house.standing
        self.parking = self.house.parking
        self.work_files = self.house.files
        self.releases = self.house.releases

    @property
    def outputs(self) -> Mapping[str, str]:
        return {
            "EvidenceBucket": self.house.evidence.name,
            "GenesysSecretArn": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:genesys",
            "GenesysWriterRoleArn": "arn:aws:iam::123456789012:role/writer",
            "ReleaseCoolOffSeconds": "86400",
            "Version": self.version,
        }

    def output(self, name: str) -> str:
        return self.outputs.get(name, name)

    def send(self, bus: str, detail_type: str, detail: Mapping[str, Any]) -> str:
        self.sent.append((bus, detail_type, detail))
        return f"event-{len(self.sent)}"

    def send_again(self, event: Mapping[str, Any]) -> str:
        self.sent_again.append(event)
        return f"event-{len(self.sent_again)}"

    def invoke(self, function: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        self.invoked.append((function, payload))
        return self.answers[function].pop(0)

    def start(self, function: str, payload: Mapping[str, Any]) -> None:
        self.invoked.append((function, payload))

    def now(self) -> datetime:
        return self.house.clock.now()

    def pause(self, wait_s: float) -> None:
        self.meanwhile()


@dataclass(frozen=True)
class Shown:
    """What a command did: `page` as a person reads it, `document` as a program does."""

    page: str
    document: Any
    exit_code: int
    errors: str


def run(deployment: HouseDeployment | House, *arguments: str, answers: str = "") -> Shown:
    """Run a command twice, for a person and for a program: both must end alike."""
    target = HouseDeployment(deployment) if isinstance(deployment, House) else deployment
    runner = CliRunner(env={"COLUMNS": "200"})
    for_people = runner.invoke(app, arguments, obj=lambda *_: target, input=answers)
    assert "Traceback" not in for_people.output
    for_programs = runner.invoke(app, [*arguments, "--json"], obj=lambda *_: target, input=answers)
    assert for_people.exit_code == for_programs.exit_code
    told = for_programs.stdout or for_programs.stderr
    document = json.loads(told[told.index("{") :])  # the runner repeats what was typed before it
    return Shown(for_people.stdout, document, for_people.exit_code, for_people.stderr)
