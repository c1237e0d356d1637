import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from local.genesys.scenario import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
JOBS = "/api/v2/recording/jobs"
SMALLEST: dict[str, Any] = json.loads((SCENARIOS / "smallest.json").read_text())


@contextmanager
def log_in(running: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.announced["url"]) as client:
        known = running.announced["clients"][0]
        grant = {"grant_type": "client_credentials"}
        answer = client.post("/oauth/token", auth=(known["id"], known["secret"]), data=grant)
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


def export(running: Any, client: httpx.Client) -> None:
    body = {
        "action": "EXPORT",
        "integrationId": running.announced["integration_id"],
        "conversationQuery": {"interval": running.announced["interval"]},
    }
    path = f"{JOBS}/{client.post(JOBS, json=body).json()['id']}"
    until(lambda: client.get(path).json()["state"] == "READY")
    client.put(path, json={"state": "PROCESSING"})
    until(lambda: client.get(path).json()["state"] == "FULFILLED")


def until(there: Any) -> None:
    for _ in range(1000):
        if there():
            return
        time.sleep(0.02)
    raise AssertionError("it never came")


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_itself_in_one_line_and_ends_when_told(
    start_simulator: Any, number: signal.Signals
) -> None:
    running = start_simulator(SMALLEST)

    with log_in(running) as client:
        assert client.get("/api/v2/tokens/me").status_code == 200
        began = time.monotonic()
        running.process.send_signal(number)
        rest, errors = running.process.communicate(timeout=10)

    assert set(running.announced) == {"url", "clients", "integration_id", "interval", "organization_id"}
    assert running.announced["url"].startswith("http://127.0.0.1:")
    assert [client["role"] for client in running.announced["clients"]] == ["full", "limited"]
    assert running.announced["interval"] == "2026-03-02T00:00:00Z/2026-03-03T00:00:00Z"
    assert (running.process.returncode, rest, errors) == (0, "", "")
    assert time.monotonic() - began < 5


def test_it_writes_to_a_folder_and_logs_what_it_was_asked(start_simulator: Any) -> None:
    running = start_simulator(SMALLEST)

    with log_in(running) as client:
        export(running, client)
        until(lambda: len(files(running.folder)) == 10)

    lines = [json.loads(line) for line in running.requests.read_text().splitlines()]
    assert lines[0]["path"] == "/oauth/token"
    assert {"POST", "PUT", "GET"} <= {line["method"] for line in lines if line["path"].startswith(JOBS)}
    assert set(lines[0]) == {
        "at", "method", "path", "query", "headers", "body", "status", "client_id", "correlation_id"
    }  # fmt: skip


def test_a_connection_can_really_be_cut(start_simulator: Any) -> None:
    faults = {
        "requests": [
            {"when": {"path": "/api/v2/tokens/me", "nth": 1}, "then": {"drop": True}},
            {"when": {"method": "POST", "path": JOBS, "nth": 1}, "then": {"lose_answer": "close"}},
        ]
    }
    running = start_simulator(SMALLEST | {"faults": faults})

    with log_in(running) as client:
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            client.get("/api/v2/tokens/me")
        with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
            export(running, client)
        assert client.get(JOBS).json()["total"] == 1


def test_it_says_what_is_wrong_with_a_scenario_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "wrong.json"
    path.write_text("{}")

    ended = subprocess.run(
        [sys.executable, "-m", "local.genesys", "--scenario", path],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "missing name, organization, schema_version, seed" in ended.stderr


def test_it_says_that_its_port_is_taken() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        ended = subprocess.run(
            [sys.executable, "-m", "local.genesys", "--port", str(other.getsockname()[1])],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    assert (ended.returncode, ended.stdout) == (2, "")
    assert "in use" in ended.stderr


class S3AndSts(BaseHTTPRequestHandler):
    """Takes every object and lends credentials that expire at once the first time."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[tuple[str, str, dict[str, str], bytes]]]

    def do_PUT(self) -> None:
        self._take(b"")

    def do_POST(self) -> None:
        self._take(
            b"<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIALENT</AccessKeyId>"
            b"<SecretAccessKey>s</SecretAccessKey><SessionToken>lent-token</SessionToken>"
            b"<Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )

    def _take(self, answer: bytes) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.seen.append((self.command, self.path, dict(self.headers), body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the base class' name
        pass


@pytest.fixture
def s3() -> Iterator[tuple[str, list[tuple[str, str, dict[str, str], bytes]]]]:
    seen: list[tuple[str, str, dict[str, str], bytes]] = []
    handler = type("Handler", (S3AndSts,), {"seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", seen
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("role_arn", ["", "arn:aws:iam::000000000000:role/genesys-writer"])
def test_it_writes_to_s3_with_its_own_or_with_the_roles_credentials(
    start_simulator: Any, s3: Any, role_arn: str
) -> None:
    url, seen = s3
    environment = {
        "S3_ENDPOINT_URL": url,
        "BUCKET": "evidence",
        "ROLE_ARN": role_arn,
        "AWS_ACCESS_KEY_ID": "AKIAOWN",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    running = start_simulator(SMALLEST, environment)

    with log_in(running) as client:
        export(running, client)
        until(lambda: sum(method == "PUT" for method, *_ in seen) == 10)

    puts = [(path, headers) for method, path, headers, _ in seen if method == "PUT"]
    assumed = [body for method, _, _, body in seen if method == "POST"]
    assert all(
        path.startswith(f"/evidence/{running.announced['organization_id']}/year%3D2026/") for path, _ in puts
    )
    assert {headers["x-amz-acl"] for _, headers in puts} == {"bucket-owner-full-control"}
    key_id = "ASIALENT" if role_arn else "AKIAOWN"
    assert all(f"Credential={key_id}/" in headers["Authorization"] for _, headers in puts)
    assert len(assumed) == (1 if role_arn else 0)
    assert all(f"ExternalId={running.announced['organization_id']}".encode() in body for body in assumed)
    assert files(running.folder) == []


def test_a_bucket_that_refuses_is_told_to_nobody_but_the_log(start_simulator: Any) -> None:
    environment = {
        "S3_ENDPOINT_URL": "http://127.0.0.1:9",
        "BUCKET": "evidence",
        "AWS_ACCESS_KEY_ID": "AKIAOWN",
        "AWS_SECRET_ACCESS_KEY": "s",
    }
    running = start_simulator(SMALLEST, environment)

    with log_in(running) as client:
        export(running, client)
        first = running.process.stderr.readline()
        listed = client.get(JOBS).json()["entities"]

    assert json.loads(first)["message"] == "object_not_written"
    assert (listed[0]["state"], listed[0]["totalFailedRecordings"]) == ("FULFILLED", 0)
