"""A simulator in this process, with a clock that only tests move; and one in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from local.genesys.clock import ManualClock
from local.genesys.inprocess import InProcess
from local.genesys.media import MediaFile
from local.genesys.scenario import parse_scenario
from local.genesys.server import Simulator

A, B, C = (f"0a6f0d1e-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
DAY = "2026-03-02T00:00:00Z/2026-03-03T00:00:00Z"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Bucket:
    """Remembers every version of every object."""

    def __init__(self) -> None:
        self.versions: list[tuple[str, bytes]] = []

    def put(self, key: str, file: MediaFile) -> None:
        self.versions.append((key, file.content))

    @property
    def keys(self) -> list[str]:
        return [key for key, _ in self.versions]


class World:
    def __init__(self, organization: dict[str, Any], **top: Any) -> None:
        self.document = {
            "schema_version": 1,
            "name": "test",
            "seed": 7,
            "organization": organization,
        } | top
        self.clock = ManualClock(NOW)
        self.bucket = Bucket()
        self.simulator = Simulator(parse_scenario(self.document), self.bucket, self.clock)
        self.organization = self.simulator.scenario.organization
        self.conversations = list(self.simulator.platform.organisation.conversations.values())

    def client(self, role: str = "full") -> httpx.Client:
        """An httpx client with a token."""
        known = next(one for one in self.simulator.access.clients.values() if one.role == role)
        client = httpx.Client(transport=InProcess(self.simulator), base_url="http://127.0.0.1:1")
        answer = client.post(
            "/oauth/token", auth=(known.id, known.secret), data={"grant_type": "client_credentials"}
        )
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return client

    def job_body(self, **more: Any) -> dict[str, Any]:
        return {
            "action": "EXPORT",
            "integrationId": self.organization.integration_id,
            "conversationQuery": {"interval": DAY},
        } | more

    def export(self, client: httpx.Client, **more: Any) -> dict[str, Any]:
        """A job from its creation to its end, and its objects."""
        made = client.post("/api/v2/recording/jobs", json=self.job_body(**more))
        assert made.status_code == 202, made.text
        path = f"/api/v2/recording/jobs/{made.json()['id']}"
        self.clock.pass_s(1)
        started = client.put(path, json={"state": "PROCESSING"})
        assert started.status_code == 200, started.text
        self.clock.pass_s(1)
        job: dict[str, Any] = client.get(path).json()
        self.clock.pass_s(0.5)
        self.simulator.deliver_due()
        return job


def group(count: int = 5, medium: str = "voice", **more: Any) -> dict[str, Any]:
    base = {"name": medium, "count": count, "medium": medium, "custodians": [A], "interval": DAY}
    if medium == "message":
        base["message_type"] = "sms"
    return base | more


type MakeWorld = Callable[..., World]


@pytest.fixture
def make_world() -> MakeWorld:
    """`make_world(group, ..., top_level_key=...)`; keys of the organisation in `organization`."""

    def make(*groups: dict[str, Any], organization: dict[str, Any] | None = None, **top: Any) -> World:
        return World((organization or {}) | {"conversations": list(groups) or [group()]}, **top)

    return make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture
def make_group() -> Callable[..., dict[str, Any]]:
    return group


@dataclass(frozen=True)
class Running:
    process: subprocess.Popen[str]
    announced: dict[str, Any]
    folder: Path
    requests: Path


@pytest.fixture
def start_simulator(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """`start_simulator(scenario document, environment)`: the simulator as its users start it."""
    with ExitStack() as started:

        def start(document: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Running:
            scenario, folder, requests = (
                tmp_path / "scenario.json",
                tmp_path / "out",
                tmp_path / "requests.jsonl",
            )
            scenario.write_text(json.dumps(document))
            command: list[str | Path] = [
                sys.executable,
                "-m",
                "local.genesys",
                "--port",
                "0",
                "--scenario",
                scenario,
            ]
            process = subprocess.Popen(
                [*command, "--requests", requests, "--folder", folder],
                cwd=Path(__file__).resolve().parents[2],
                env={"PATH": os.environ["PATH"], "AWS_EC2_METADATA_DISABLED": "true"}
                | dict(environment or {}),
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            started.enter_context(process)
            started.callback(process.kill)
            assert process.stdout is not None
            return Running(process, json.loads(process.stdout.readline()), folder, requests)

        yield start
