"""Executions of the workflows, as Step Functions tells of them."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

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
