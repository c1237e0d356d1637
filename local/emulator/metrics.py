"""Publishes what AWS publishes by itself: embedded metrics of functions, and the metrics of the services.

MiniStack leaves embedded metrics in the logs, counts only invocations through Lambda's own API, and publishes
nothing of state machines and queues. With their metrics come two of AWS's ways that MiniStack lacks, and that
alarms are about: an execution ends when its machine's `TimeoutSeconds` are over, and an event that finds no
workflow goes to the rule's dead-letter queue.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core.arn import parse_arn
from ministack.services import cloudwatch, eventbridge, lambda_svc, sqs, stepfunctions

from local.emulator import alarms, clock

_OUTCOMES = {
    "SUCCEEDED": "ExecutionsSucceeded",
    "FAILED": "ExecutionsFailed",
    "ABORTED": "ExecutionsAborted",
    "TIMED_OUT": "ExecutionsTimedOut",
}
_MINUTE_S = 60
_told_empty: dict[str, float] = {}
_deadlines: dict[str, tuple[float, float]] = {}


def install() -> None:
    """Stand where invocations, executions and events pass, and look at the queues."""
    lambda_svc._emit_lambda_logs = _publishing(lambda_svc._emit_lambda_logs)  # noqa: SLF001
    lambda_svc._emit_lambda_metrics = _throttles_alone  # noqa: SLF001
    stepfunctions._run_execution = _starting(stepfunctions._run_execution)  # noqa: SLF001
    stepfunctions._emit_execution_status_event = _ending(  # noqa: SLF001
        stepfunctions._emit_execution_status_event  # noqa: SLF001
    )
    stepfunctions._fail_execution = _failing_once(stepfunctions._fail_execution)  # noqa: SLF001
    eventbridge._invoke_target = _keeping_what_is_lost(eventbridge._invoke_target)  # noqa: SLF001
    alarms.BEFORE_JUDGING.extend([_time_out, _look_at_queues])


# --- functions


def _publishing(emit_logs: Callable[..., None]) -> Callable[..., None]:
    def emit_lambda_logs(
        func: dict[str, Any], request_id: str, log: str, error: bool, duration_ms: int, **rest: object
    ) -> None:
        of_function = {"FunctionName": func.get("config", func)["FunctionName"]}
        _publish("AWS/Lambda", "Invocations", 1, "Count", of_function)
        _publish("AWS/Lambda", "Errors", int(error), "Count", of_function)
        _publish("AWS/Lambda", "Throttles", 0, "Count", of_function)
        _publish("AWS/Lambda", "Duration", duration_ms, "Milliseconds", of_function)
        for metric in embedded(log):
            _publish(*metric)
        emit_logs(func, request_id, log, error, duration_ms, **rest)

    return emit_lambda_logs


def _throttles_alone(function_name: str, *, throttle: bool, **_: object) -> None:
    """Count a throttle; MiniStack's own counts of the rest would be second ones."""
    if throttle:
        _publish("AWS/Lambda", "Throttles", 1, "Count", {"FunctionName": function_name})


def embedded(log: str) -> Iterator[tuple[str, str, float, str, dict[str, str]]]:
    """Read the embedded metrics of log lines: namespace, name, value, unit, dimensions.

    Source: Amazon CloudWatch User Guide, "Specification: Embedded metric format", read 2026-11-21.
    """
    for line in log.splitlines():
        if '"_aws"' not in line:
            continue
        try:
            said = json.loads(line)
        except ValueError:
            continue
        for directive in said["_aws"]["CloudWatchMetrics"]:
            for names in directive["Dimensions"]:
                dimensions = {name: str(said[name]) for name in names}
                for metric in directive["Metrics"]:
                    values = said[metric["Name"]]
                    for value in values if isinstance(values, list) else [values]:
                        yield (
                            directive["Namespace"],
                            metric["Name"],
                            value,
                            metric.get("Unit", "None"),
                            dimensions,
                        )


# --- state machines


def _starting(run: Callable[[str], None]) -> Callable[[str], None]:
    def run_execution(execution_arn: str) -> None:
        machine = stepfunctions._executions[execution_arn]["stateMachineArn"]  # noqa: SLF001
        definition = json.loads(stepfunctions._state_machines[machine]["definition"])  # noqa: SLF001
        _publish("AWS/States", "ExecutionsStarted", 1, "Count", {"StateMachineArn": machine})
        if limit_s := definition.get("TimeoutSeconds"):
            _deadlines[execution_arn] = clock.time(), limit_s
        run(execution_arn)

    return run_execution


def _ending(emit: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def emit_execution_status_event(execution: dict[str, Any]) -> None:
        if outcome := _OUTCOMES.get(execution["status"]):
            _deadlines.pop(execution["executionArn"], None)
            _publish("AWS/States", outcome, 1, "Count", {"StateMachineArn": execution["stateMachineArn"]})
        emit(execution)

    return emit_execution_status_event


def _failing_once(fail: Callable[..., None]) -> Callable[..., None]:
    """Leave an execution that was ended from outside what it is, whatever its last state comes to."""

    def fail_execution(execution: dict[str, Any], error: str, cause: str) -> None:
        if execution["status"] == "RUNNING":
            fail(execution, error, cause)

    return fail_execution


def _time_out() -> None:
    for execution_arn, (started_at, limit_s) in list(_deadlines.items()):
        execution = stepfunctions._executions.get(execution_arn)  # noqa: SLF001
        if execution is None or execution["status"] != "RUNNING":
            _deadlines.pop(execution_arn, None)
        elif clock.time() - started_at > limit_s:
            execution |= {"status": "TIMED_OUT", "stopDate": stepfunctions.now_iso()}
            stepfunctions._add_event(execution, "ExecutionTimedOut", {})  # noqa: SLF001
            stepfunctions._emit_execution_status_event(execution)  # noqa: SLF001


# --- queues and rules


def _look_at_queues() -> None:
    """Publish what waits: while something does, at every look, else once a minute, as AWS always does."""
    for queue in list(sqs._queues.values()):  # noqa: SLF001
        name, messages = queue["attributes"]["QueueArn"].rpartition(":")[2], list(queue["messages"])
        now, visible_at = clock.time(), sqs.time.time()
        if not messages and now - _told_empty.get(name, 0) < _MINUTE_S:
            continue
        _told_empty[name] = 0 if messages else now
        visible = sum(message["visible_at"] <= visible_at for message in messages)
        of_queue = {"QueueName": name}
        for metric, value, unit in (
            ("ApproximateNumberOfMessagesVisible", visible, "Count"),
            ("ApproximateNumberOfMessagesNotVisible", len(messages) - visible, "Count"),
            ("ApproximateAgeOfOldestMessage", _age_s(messages, now), "Seconds"),
        ):
            _publish("AWS/SQS", metric, value, unit, of_queue)


def _age_s(messages: list[dict[str, Any]], now: float) -> float:
    return max((now - message["sent_at"] for message in messages), default=0.0)


def _keeping_what_is_lost(invoke: Callable[..., None]) -> Callable[..., None]:
    def invoke_target(target: dict[str, Any], event: object, rule: dict[str, Any], view: Any = None) -> None:
        lost_to = target.get("DeadLetterConfig", {}).get("Arn")
        is_workflow = ":states:" in target["Arn"]
        if lost_to and is_workflow and stepfunctions._resolve_state_machine_arn(target["Arn"]) is None:  # noqa: SLF001
            view = view or eventbridge._pattern_event_view(event)  # noqa: SLF001
            eventbridge._dispatch_to_sqs(parse_arn(lost_to), json.dumps(view.event_with_detail()))  # noqa: SLF001
            return
        invoke(target, event, rule, view)

    return invoke_target


def _publish(namespace: str, name: str, value: float, unit: str, dimensions: dict[str, str]) -> None:
    cloudwatch.record_metric(namespace, name, value, unit, dimensions)
