"""Logs and metrics: constant event names with ids, counters as embedded metrics.

What may be logged is a closed list of keys: no token, secret, number, name or payload has one.
"""

import logging
from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from threading import Lock
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004 - botocore's own

from holdfast.errors import AwsRefused, AwsUnavailable
from holdfast.ports import Counter

NAMESPACE = "Holdfast"
LOGGED_KEYS = frozenset(
    {
        "matter_id", "request_id", "batch_id", "export_job_id", "conversation_id", "object_key", "version_id",
        "message_id", "quarantine_key", "slot_owner", "workflow", "error", "layer", "failure",
        "check", "reason", "state", "verdict", "conversations", "batches", "outstanding", "attempt", "faults",
        "versions", "sent", "drifted", "redriven", "closed", "unreadable", "sequence", "entries", "marked",
        "disposed",
    }
)  # fmt: skip

logger = Logger()  # the service's name comes from POWERTOOLS_SERVICE_NAME: the stack's
metrics = Metrics(namespace=NAMESPACE)
# Libraries keep no list of keys: httpx would log every URL at the level the runtime logs from.
for _library in ("botocore", "httpcore", "httpx"):
    logging.getLogger(_library).setLevel(logging.WARNING)

_AWS_TRANSIENT = frozenset(
    {
        "InternalError", "InternalFailure", "InternalServerError", "ProvisionedThroughputExceededException",
        "ConditionalRequestConflict", "RequestLimitExceeded", "RequestTimeout", "ServiceUnavailable",
        "SlowDown", "ThrottlingException", "Throttling", "TooManyRequestsException",
        "TransactionConflictException", "TransactionInProgressException",
    }
)  # fmt: skip


class PowertoolsTelemetry:
    """Implements `ports.Telemetry`."""

    # Objects are secured by many threads, and Powertools' metrics are made for one: counts would be lost.
    _adding = Lock()

    def count(self, counter: Counter, value: float = 1) -> None:
        """Add to a counter; nothing is nothing to report."""
        if value:
            self._add(counter, MetricUnit.Count, value)

    def hold_lag(self, seconds: float) -> None:
        """Record the time between arrival and receipt."""
        self._add("HoldLag", MetricUnit.Seconds, seconds)

    def note(self, event: str, **ids: str | int) -> None:
        """Log an event."""
        self._log(logger.info, event, ids)

    def warn(self, event: str, **ids: str | int) -> None:
        """Log an event that somebody should look at."""
        self._log(logger.warning, event, ids)

    def _add(self, name: str, unit: MetricUnit, value: float) -> None:
        with self._adding:
            metrics.add_metric(name=name, unit=unit, value=value)

    def _log(self, log: Callable[..., None], event: str, ids: dict[str, str | int]) -> None:
        unknown = ids.keys() - LOGGED_KEYS
        if unknown:
            raise ValueError(f"log keys that are not on the list: {', '.join(sorted(unknown))}")
        log(event, extra=ids)


type Handler = Callable[[Any, Any], Any]


def observed(handler: Handler) -> Handler:
    """Wrap a function's handler: ids on every line, metrics flushed, failures logged by class alone.

    AWS's errors become ours here, in one place, so that a workflow can tell what to repeat by name.
    """

    @wraps(handler)
    def wrapper(event: Any, context: Any) -> Any:
        logger.clear_state()
        if isinstance(event, dict):
            logger.append_keys(
                **{key: event[key] for key in ("matter_id", "request_id", "batch_id") if key in event}
            )
        try:
            return handler(event, context)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it is raised again
            ours = _in_our_words(failure)
            logger.warning("step_failed", extra={"error": type(ours).__name__})
            raise ours from (None if ours is not failure else failure.__cause__)
        finally:
            if metrics.provider.metric_set:  # Powertools warns of an invocation that had nothing to count
                metrics.flush_metrics()

    return wrapper


def _in_our_words(failure: Exception) -> Exception:
    if isinstance(failure, ClientError):
        error = failure.response["Error"]
        code, said = error.get("Code", "unknown"), error.get("Message", "")
        status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        is_transient = code in _AWS_TRANSIENT or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        kind = AwsUnavailable if is_transient else AwsRefused
        return kind(f"{failure.operation_name}: {code}: {said}")
    if isinstance(failure, HTTPClientError | ConnectionError):
        return AwsUnavailable(f"an AWS service did not answer ({type(failure).__name__})")
    return failure
