"""Queues, and the workflow service."""

from typing import Any

from botocore.exceptions import ClientError

from holdfast.contracts.arrivals import write_hash_request
from holdfast.domain.custody import ObjectVersion


class ArrivalSqs:
    """Implements `ports.ArrivalQueue`."""

    def __init__(self, client: Any, *, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, body: str) -> None:
        """Send the message."""
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=body)


class HashSqs:
    """Implements `ports.HashQueue`."""

    def __init__(self, client: Any, *, queue_url: str) -> None:
        self._client = client
        self._queue_url = queue_url

    def send(self, version: ObjectVersion) -> None:
        """Send the message."""
        self._client.send_message(QueueUrl=self._queue_url, MessageBody=write_hash_request(version))


class StepFunctionsRuns:
    """Implements `ports.Runs`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def is_alive(self, execution_arn: str) -> bool:
        """Describe the execution."""
        return self._status(execution_arn) in ("RUNNING", "PENDING_REDRIVE")

    def has_broken_off(self, execution_arn: str) -> bool:
        """Describe the execution."""
        return self._status(execution_arn) in ("FAILED", "TIMED_OUT", "ABORTED")

    def _status(self, execution_arn: str) -> str | None:
        try:
            described = self._client.describe_execution(executionArn=execution_arn)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ExecutionDoesNotExist":
                return None
            raise
        return str(described["status"])
