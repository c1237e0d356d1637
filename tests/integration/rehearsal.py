"""A whole run in one process: the real workflows and steps, the real dialect, the simulated vendor.

The workflows' definitions are read and followed state by state; a Wait lets the one clock pass. What is in
memory is AWS: the ledger, the buckets, the queue. What is not played: two batches at once.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from inspect import signature
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_type_hints

import httpx
from pydantic import BaseModel, TypeAdapter

from holdfast.contracts.compliance import read_manifest
from holdfast.contracts.steps import Preflighted, ReleaseRun, Run
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.ids import ExportJobId, MatterId, RequestId
from holdfast.domain.manifest import Manifest
from holdfast.domain.release import NOBODY
from holdfast.genesys.compliance.exports import ComplianceExportJobs
from holdfast.genesys.compliance.holds import LegalHolds
from holdfast.genesys.compliance.setup import ComplianceSetup
from holdfast.genesys.platform.exports import RecordingMetadataCatalogue
from holdfast.genesys.platform.scope import AnalyticsScope
from holdfast.genesys.token import ClientCredentials, TokenSource
from holdfast.genesys.transport import Transport
from local.genesys.inprocess import InProcess
from local.genesys.media import MediaFile
from local.genesys.scenario import parse_scenario
from local.genesys.server import Simulator
from tests.fakes.clock import HandDrivenClock
from tests.fakes.house import MATTER, REQUEST, House
from tests.fakes.story import messages
from tests.fakes.wiring import NAMES
from tests.unit.genesys.doubles import MemoryTokenStore

MACHINES = Path(__file__).parents[2] / "statemachines"
LONGEST = timedelta(days=14)
MOST_STATES = 5_000  # a run that goes through more of them will not end
INTERVAL = "2026-03-02T00:00:00Z/2026-03-05T00:00:00Z"
CUSTODIAN = "0a6f0d1e-0000-4000-8000-000000000001"


class RunNeverEnds(AssertionError):
    """The run waits, or turns in circles."""


class Failed(Exception):
    """An execution ended in Fail."""

    def __init__(self, error: str, cause: str) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


class OneClock(HandDrivenClock):
    """Our clock and the platform's, and what happens while it passes."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: Callable[[], object] = lambda: None

    def pass_s(self, seconds: float) -> None:
        self.forward(timedelta(seconds=seconds))
        self.meanwhile()

    async def sleep(self, seconds: float) -> None:
        self.forward(timedelta(seconds=seconds))


@dataclass(frozen=True, slots=True)
class Ended:
    """How the conductor ended; `verdict` is empty where there is none."""

    verdict: str
    error: str
    explanation: str
    summary: Mapping[str, Any]

    @property
    def reasons(self) -> Mapping[str, int]:
        found: Mapping[str, int] = self.summary.get("by_reason", {})
        return found


@dataclass
class Rehearsal:
    """One simulated organisation and one House; `run()` sends the request and follows it to its end."""

    scenario: Mapping[str, Any]
    role: str = "full"
    batch_size: int = 10
    clock: OneClock = field(default_factory=OneClock)
    spoiled: Callable[[str, bytes], bytes | None] = lambda _, content: content
    on_request: Callable[[httpx.Request], object] = lambda _: None
    after_step: Callable[[], object] = lambda: None
    payloads: list[str] = field(default_factory=list)
    _states: int = 0
    _executions: int = 0

    def __post_init__(self) -> None:
        self.simulator = Simulator(parse_scenario(self.scenario), self, self.clock)
        organization = self.simulator.scenario.organization
        client = next(one for one in self.simulator.access.clients.values() if one.role == self.role)
        self.secret = ClientCredentials(client.id, client.secret, "version-1")
        self.tokens = MemoryTokenStore()
        self._manifests: dict[str, bytes] = {}
        self.house = House(clock=self.clock, batch_size=self.batch_size, hash_limit_bytes=1 << 20)
        self.house.canaries.notify = lambda version: self.house.secure_objects(messages(self.house, version))
        self.house.scope_source = AnalyticsScope(self.transport(), page_size=50)  # type: ignore[assignment]
        self.house.catalogue = RecordingMetadataCatalogue(self.transport())  # type: ignore[assignment]
        self.house.manifests = self  # type: ignore[assignment] # the house takes any adapter of the ports
        self.house.holds = LegalHolds(self.transport())  # type: ignore[assignment]
        self.house.jobs = ComplianceExportJobs(  # type: ignore[assignment]
            self.transport(), self.clock, integration_id=organization.integration_id
        )
        self._setup = ComplianceSetup(
            self.transport(),
            organization_id=organization.id,
            integration_id=organization.integration_id,
            bucket=NAMES.evidence_bucket,
            writer_role_arn=NAMES.writer_role_arn,
        )
        self.clock.meanwhile = self.simulator.deliver_due
        self.began_at = self.clock.now()

    def transport(self) -> Transport:
        """Our side of the wire, as one function's environment has it."""
        http = httpx.Client(
            transport=InProcess(self.simulator),
            base_url="http://127.0.0.1:1",
            event_hooks={"request": [self._asked]},
        )
        tokens = TokenSource(
            self.tokens, lambda: self.secret, http, self.clock, self.clock.pass_s, chance=lambda: 0.0
        )
        return Transport(http, tokens, self.clock)

    def _asked(self, request: httpx.Request) -> None:
        self.on_request(request)

    # --- the bucket

    def put(self, key: str, file: MediaFile) -> None:
        """Implements the simulator's `Writer`: what arrives is secured at once."""
        content = self.spoiled(key, file.content)
        if content is None:
            return
        if "/manifests/" in key:
            self._manifests[key] = content
        version: ObjectVersion = self.house.evidence.put(key, content)
        assert self.house.secure_objects(messages(self.house, version)) == []

    is_expected = True

    def of_job(self, job_id: ExportJobId) -> Manifest | None:
        """Implements `ports.Manifests` on the bucket in memory."""
        folder = f"{self.simulator.scenario.organization.id}/manifests"
        content = self._manifests.get(f"{folder}/{job_id}.json")
        return None if content is None else read_manifest(content, job_id)

    # --- the workflows

    def run(
        self,
        matter_id: str = MATTER,
        request_id: str = REQUEST,
        *,
        interval: str = INTERVAL,
        **scope: object,
    ) -> Ended:
        start, _, end = interval.partition("/")
        asked_for = {"interval": {"start": start, "end": end}, "custodians": [CUSTODIAN]}
        detail = {
            "matter_id": matter_id,
            "request_id": request_id,
            "title": "A matter",
            "requested_by": "legal-1",
            "scope": asked_for | scope,
        }
        self.house.run = Run(matter_id=MatterId(matter_id), request_id=RequestId(request_id))
        event = {"source": "legal.discovery", "detail-type": "DiscoveryRequested", "detail": detail}
        try:
            sealed = self._execute("preserve_matter", event)
        except Failed as failed:
            return Ended("", failed.error, failed.cause, {})
        return Ended(sealed["verdict"], "", sealed["headline"], sealed["summary"])

    def release(self, event: Mapping[str, Any]) -> Any:
        """Send a release's event, and follow its run to the end.

        Raises:
            Failed: the release was refused, or broke off.
        """
        detail = event["detail"]
        self.house.release = ReleaseRun(
            matter_id=detail.get("matter_id", NOBODY), release_id=detail["release_id"]
        )
        self.house.run = Run(matter_id=self.house.release.matter_id, request_id=self.house.run.request_id)
        return self._execute("release_hold", event)

    def hold_again(self) -> None:
        """Follow the runs of apply_legal_hold that WatchProtection has started, to the end."""
        for matter_id, request_id, plan_key in self.house.hold_runs.started.values():
            self.house.run = Run(matter_id=matter_id, request_id=request_id)
            asked = {"early": True, "plan_key": plan_key}
            self._execute("apply_legal_hold", self.house.run.model_dump() | asked)

    def _execute(self, machine: str, given: Any) -> Any:
        definition = json.loads((MACHINES / f"{machine}.asl.json").read_text())
        return self._follow(definition, given, self._arn())

    def _arn(self) -> str:
        self._executions += 1
        return f"arn:execution:{self._executions}"

    def _follow(self, machine: Mapping[str, Any], given: Any, arn: str) -> Any:
        name, held, began_at = machine["StartAt"], given, self.clock.now()
        does: Mapping[str, Callable[..., Any]] = {
            "Wait": self._wait,
            "Pass": self._pass,
            "Task": self._task,
            "Map": self._map,
        }
        while True:
            self._states += 1
            if self._states > MOST_STATES or self.clock.now() - began_at > LONGEST:
                raise RunNeverEnds(f"at {name}, after {self.clock.now() - began_at}")
            state = machine["States"][name]
            if state["Type"] == "Choice":
                name = next(
                    (one["Next"] for one in state["Choices"] if _applies(one, held)), state["Default"]
                )
                continue
            if state["Type"] == "Fail":
                raise Failed(*(_said(held, state, part) for part in ("Error", "Cause")))
            try:
                held = does[state["Type"]](name, state, held, arn) if state["Type"] in does else held
            except Failed as failed:
                if "Catch" not in state:
                    raise
                catch, failure = state["Catch"][-1], {"Error": failed.error, "Cause": failed.cause}
                held, name = _placed(held, catch["ResultPath"], failure), catch["Next"]
                continue
            if state.get("End") or state["Type"] == "Succeed":
                return held
            name = state["Next"]

    def _wait(self, _name: str, state: Mapping[str, Any], held: Any, _arn: str) -> Any:
        self.clock.pass_s(_at(held, state["SecondsPath"]))
        return held

    def _pass(self, _name: str, state: Mapping[str, Any], held: Any, _arn: str) -> Any:
        if "Result" in state:
            held = _placed(held, state.get("ResultPath", "$"), state["Result"])
        return _at(held, state.get("OutputPath", "$"))

    def _task(self, name: str, state: Mapping[str, Any], held: Any, arn: str) -> Any:
        return _placed(held, state["ResultPath"], self._with_retry(name, state, held, arn))

    def _map(self, _name: str, state: Mapping[str, Any], held: Any, _arn: str) -> Any:
        key = _at(held, state["ItemReader"]["Parameters"]["Key.$"])
        for one in json.loads(self.house.files.read(key) or b"[]"):
            chosen = {
                name.removesuffix(".$"): _at({**held, "$$": one}, path.replace("$$.Map.Item.Value", "$.$$"))
                for name, path in state["ItemSelector"].items()
            }
            with suppress(Failed):  # tolerated: Reconcile judges
                self._follow(state["ItemProcessor"], chosen, self._arn())
        return held

    def _with_retry(self, name: str, state: Mapping[str, Any], held: Any, arn: str) -> Any:
        used: dict[int, int] = {}
        while True:
            try:
                return self._do(name, state, held, arn)
            except Failed as failed:
                block = next(
                    (place for place, one in enumerate(state["Retry"]) if failed.error in one["ErrorEquals"]),
                    None,
                )
                if block is None or used.get(block, 0) >= state["Retry"][block]["MaxAttempts"]:
                    raise
                retry, tried = state["Retry"][block], used.get(block, 0)
                used[block] = tried + 1
                # the mean of a full jitter
                delay_s = retry["IntervalSeconds"] * retry["BackoffRate"] ** tried
                self.clock.pass_s(min(delay_s, retry["MaxDelaySeconds"]) / 2)

    def _do(self, name: str, state: Mapping[str, Any], held: Any, arn: str) -> Any:
        context = {"Execution": {"Id": arn, "StartTime": self.began_at.isoformat()}}
        given = _filled(state["Parameters"], {**held, "$$": context})
        self.payloads.append(json.dumps([name, given], default=str))
        if state["Resource"].endswith("startExecution.sync:2"):
            machine = given["StateMachineArn"].removeprefix("${").removesuffix("Arn}")
            return self._execute(_snake(machine), given["Input"])
        if not state["Resource"].startswith("${"):
            return {}
        try:
            answer = self._call(name, given)
        except Exception as error:
            if isinstance(error, AssertionError):
                raise
            cause = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
            raise Failed(type(error).__name__, cause) from error
        self.payloads.append(answer.model_dump_json())
        self.after_step()
        return json.loads(answer.model_dump_json())

    def _call(self, name: str, given: dict[str, Any]) -> Any:
        """Call the house's method of the state's name, with what it takes of the state's parameters."""
        match name:
            case "OpenRequest":
                return self.house.open_request(given["event"], given["execution_arn"])
            case "OpenRelease":
                return self.house.open_release(given["event"], given["execution_arn"])
            case "Preflight":
                return self.house.preflight(
                    lambda: self._setup.findings(MatterId(MATTER)),
                    so_far=Preflighted.model_validate(_BESIDES | given),
                    execution_arn=given["execution_arn"],
                )
        step = getattr(self.house, _snake(name))
        return step(**_taken(step, given))


# What an answer has and the call that follows it does not carry on.
_BESIDES = {"status": "MORE", "done": False, "wait_s": 1}


def _taken(step: Callable[..., Any], given: dict[str, Any]) -> dict[str, Any]:
    taken: dict[str, Any] = {}
    hints = get_type_hints(step)
    for name in signature(step).parameters:
        kinds = get_args(hints[name]) if NoneType in get_args(hints[name]) else (hints[name],)
        kind = next(one for one in kinds if one is not NoneType)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            taken[name] = kind.model_validate(_BESIDES | given)
        elif name in given:
            taken[name] = TypeAdapter(kind).validate_python(given[name])
    return taken


def _said(held: Any, state: Mapping[str, Any], part: str) -> str:
    return str(_at(held, state[f"{part}Path"]) if f"{part}Path" in state else state[part])


def _at(held: Any, path: str) -> Any:
    for part in path.removeprefix("$").removeprefix(".").split("."):
        held = held[part] if part else held
    return held


def _placed(held: Any, path: str | None, answer: Any) -> Any:
    if path is None:
        return held
    if path == "$":
        return answer
    name, _, rest = path.removeprefix("$.").partition(".")
    return {**held, name: _placed(held[name], f"$.{rest}", answer) if rest else answer}


def _applies(choice: Mapping[str, Any], held: Any) -> bool:
    found = _at(held, choice["Variable"])
    if "NumericGreaterThan" in choice:
        return bool(found > choice["NumericGreaterThan"])
    return bool(found == choice.get("StringEquals", choice.get("BooleanEquals")))


def _filled(template: Any, held: Any) -> Any:
    if isinstance(template, list):
        return [_filled(one, held) for one in template]
    if not isinstance(template, dict):
        return template
    return {
        name.removesuffix(".$"): _resolved(value, held) if name.endswith(".$") else _filled(value, held)
        for name, value in template.items()
    }


def _resolved(path: str, held: Any) -> Any:
    if path.startswith("$$."):
        return _at(held["$$"], path.removeprefix("$"))
    if path == "$":
        return {name: value for name, value in held.items() if name != "$$"}
    return path if path.startswith("States.") else _at(held, path)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")
