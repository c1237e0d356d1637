"""Queues, and the workflow service."""

import json
from typing import Any

from botocore.exceptions import ClientError

from holdfast.contracts.arrivals import write_hash_request
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.ids import MatterId, RequestId


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


class HoldExecutions:
    """Implements `ports.HoldRuns`."""

    def __init__(self, client: Any, *, machine_arn: str) -> None:
        self._client = client
        self._machine_arn = machine_arn

    def start(self, name: str, matter_id: MatterId, request_id: RequestId, plan_key: str) -> bool:
        """Start the execution; its name is taken once."""
        told = {"matter_id": matter_id, "request_id": request_id, "early": True, "plan_key": plan_key}
        try:
            self._client.start_execution(stateMachineArn=self._machine_arn, name=name, input=json.dumps(told))
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise
            return False
        return True


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
