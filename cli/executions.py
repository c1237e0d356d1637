"""Executions of the workflows, as Step Functions tells of them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

_ENDED_BADLY = ("FAILED", "TIMED_OUT", "ABORTED")
_LOOKED_BACK = 50  # events of the history: the last state entered is among them


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution; `state` is where it stands now.

    `status` is UNKNOWN where nobody remembers it, or we may not ask.
    """

    arn: str
    status: str = "UNKNOWN"
    started_at: datetime | None = None
    stopped_at: datetime | None = None
    state: str | None = None
    error: str | None = None

    @property
    def is_running(self) -> bool:
        """Tell whether it goes on."""
        return self.status == "RUNNING"


@dataclass(frozen=True, slots=True)
class FailedRun:
    """An execution that ended without doing its work; `event` is what started it."""

    name: str
    status: str
    started_at: datetime
    stopped_at: datetime
    error: str
    cause: str
    event: Mapping[str, Any]


class Executions:
    """Reads executions."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def of(self, arn: str) -> Execution:
        """Describe an execution."""
        try:
            described = self._client.describe_execution(executionArn=arn)
        except ClientError:
            return Execution(arn)
        is_running = described["status"] == "RUNNING"
        return Execution(
            arn=arn,
            status=described["status"],
            started_at=_in_utc(described["startDate"]),
            stopped_at=_in_utc(described.get("stopDate")),
            state=self._state_of(arn) if is_running else None,
            error=described.get("error") or None,
        )

    def failed(self, machine_arn: str, since: datetime) -> Iterator[FailedRun]:
        """List a workflow's executions that failed, ran out of time or were stopped since then."""
        pages = self._client.get_paginator("list_executions")
        for status in _ENDED_BADLY:
            for page in pages.paginate(stateMachineArn=machine_arn, statusFilter=status):
                for listed in page["executions"]:
                    # AWS sorts by the start, and a run may have lasted for days.
                    if listed["stopDate"] >= since:
                        yield self._failed_run(listed["executionArn"])

    def start(self, machine_arn: str, given: Mapping[str, Any]) -> str:
        """Start an execution; the answer is its ARN."""
        started = self._client.start_execution(stateMachineArn=machine_arn, input=json.dumps(given))
        return str(started["executionArn"])

    def _failed_run(self, arn: str) -> FailedRun:
        described = self._client.describe_execution(executionArn=arn)
        return FailedRun(
            name=described["name"],
            status=described["status"],
            started_at=described["startDate"].astimezone(UTC),
            stopped_at=described["stopDate"].astimezone(UTC),
            error=described.get("error", ""),
            cause=described.get("cause", ""),
            event=json.loads(described.get("input") or "{}"),
        )

    def _state_of(self, arn: str) -> str | None:
        try:
            history = self._client.get_execution_history(
                executionArn=arn, reverseOrder=True, maxResults=_LOOKED_BACK
            )
        except ClientError:
            return None
        entered = (event.get("stateEnteredEventDetails", {}).get("name") for event in history["events"])
        return next((name for name in entered if name), None)


def _in_utc(at: datetime | None) -> datetime | None:
    return at.astimezone(UTC) if at else None
