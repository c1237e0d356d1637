"""Starts and ends the emulated AWS, and hands out clients for it."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.error import URLError

import boto3
from botocore.config import Config

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venvs/emulator/bin/python"
REGION = "eu-central-1"
ACCOUNT_ID = "000000000000"
START_DEADLINE_S = 30.0


class EmulatorDidNotStart(RuntimeError):
    """The emulator ended or stayed silent; the message carries the end of its log."""


class Emulator:
    """One emulated AWS account on loopback, as a context manager.

    Args:
        log: where the emulator's own log goes.
        enforce_iam: whether roles and policies are enforced, as on AWS.
        wait_scale: factor on the Waits and retry delays of state machines, and on the rates of schedules.
        event_faults: the shares of S3's notifications to `lose` and to `double`; the `seed` chooses them.
    """

    _scratch: Path

    def __init__(
        self,
        log: Path,
        *,
        enforce_iam: bool = False,
        wait_scale: float = 1.0,
        event_faults: Mapping[str, float] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = log
        self._settings = {
            "AUTH": str(enforce_iam).lower(),
            "SFN_WAIT_SCALE": str(wait_scale),
            "HOLDFAST_EVENT_FAULTS": json.dumps({"seed": 0, "lose": 0, "double": 0, **(event_faults or {})}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._scratch = _scratch_folder()
        try:
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    [PYTHON, "-m", "local.emulator.serve"],
                    cwd=ROOT,
                    env=self._environment(),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # an interrupt from the keyboard is the starter's to handle
                )
            self._wait_until_ready(self._process)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the emulator with all its workers, and remove what they unpacked."""
        process, self._process = self._process, None
        if process is not None and process.stdin is not None:
            process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def pid(self) -> int | None:
        """Process id, and process group id, of the emulator and its workers."""
        return self._process.pid if self._process else None

    def session(self) -> boto3.Session:
        """Return a session that may do everything, even where IAM is enforced."""
        return boto3.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=REGION)

    def calls(self) -> Mapping[str, Mapping[str, int]]:
        """Return how many AWS calls were made so far, by caller and operation."""
        calls: Mapping[str, Mapping[str, int]] = self._told("calls")
        return calls

    def invocations(self) -> Mapping[str, str]:
        """Return the function's name for each invocation so far, by request id."""
        invocations: Mapping[str, str] = self._told("invocations")
        return invocations

    def accesses(self) -> list[dict[str, Any]]:
        """Return what IAM would have been asked: `who`, `action`, `resource`, `conditions`, `times`."""
        accesses: list[dict[str, Any]] = self._told("accesses")
        return accesses

    def policies(self) -> Mapping[str, list[Any]]:
        """Return the documents of every role's policies, as they were deployed."""
        policies: Mapping[str, list[Any]] = self._told("policies")
        return policies

    def struck_events(self) -> Mapping[str, int]:
        """Return how many of S3's notifications were `lost` and `doubled` so far."""
        struck: Mapping[str, int] = self._told("events")
        return struck

    def put_clock_forward(self, seconds: float) -> None:
        """Put CloudWatch's clock forward: alarms are judged as they would be then, timeouts come then."""
        self._told(f"clock?{seconds}")

    def _told(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/_holdfast/{what}", timeout=5) as answer:  # nosec B310 # noqa: S310 - loopback
            return json.load(answer)

    def _environment(self) -> dict[str, str]:
        """Return all that the emulator and its workers may see: nothing of the caller's."""
        return {
            "PATH": f"{PYTHON.parent}:/usr/bin:/bin",
            "HOME": str(self._scratch),
            "TMPDIR": str(self._scratch),
            "LANG": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self._scratch}/no-docker.sock",  # not even where there is one
            **self._settings,
        }

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while process.poll() is None and time.monotonic() < deadline:
            with suppress(URLError, ConnectionError, TimeoutError):
                urllib.request.urlopen(f"{self.url}/_ministack/ready", timeout=1).close()  # nosec B310 # noqa: S310 - loopback
                return
            time.sleep(0.05)
        last_lines = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
        raise EmulatorDidNotStart(
            f"The emulated AWS did not start on {self.url}. Its last words:\n{last_lines}"
        )


def client_config(caller: str) -> Config:
    """Return the client configuration by which the emulator counts calls as `caller`'s."""
    return Config(
        user_agent_appid=caller,  # type: ignore[call-arg]  # botocore has it, its stubs do not
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=16,
    )


def free_port() -> int:
    """Return a port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _scratch_folder() -> Path:
    """Make a folder for what the workers unpack, in memory where possible: cold starts are far faster."""
    memory = Path("/dev/shm")  # nosec B108 # noqa: S108 - made private by mkdtemp
    home = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    return Path(tempfile.mkdtemp(prefix="holdfast-emulator-", dir=home))
