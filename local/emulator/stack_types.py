"""Two kinds of resources that MiniStack's CloudFormation refuses: composite alarms and saved queries."""

import json
import uuid
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from ministack.services import cloudwatch, cloudwatch_logs
from ministack.services.cloudformation import provisioners

_queries: dict[str, dict[str, Any]] = {}


def install() -> None:
    """Teach CloudFormation the two types, and CloudWatch Logs to tell the queries."""
    provisioners._RESOURCE_HANDLERS |= {  # noqa: SLF001 - nothing public to hold on to
        "AWS::CloudWatch::CompositeAlarm": {
            "create": _put_composite_alarm,
            "update": lambda name, _, properties, stack: _put_composite_alarm(name, properties, stack, name),
            "delete": lambda name, _: cloudwatch._composite_alarms.pop(name, None),  # noqa: SLF001
        },
        "AWS::Logs::QueryDefinition": {
            "create": _put_query,
            "update": lambda query_id, _, properties, stack: _put_query(
                query_id, properties, stack, query_id
            ),
            "delete": lambda query_id, _: _queries.pop(query_id, None),
        },
    }
    cloudwatch_logs.handle_request = _telling_queries(cloudwatch_logs.handle_request)


def _put_composite_alarm(
    logical_id: str, properties: dict[str, Any], stack: str, name: str | None = None
) -> tuple[str, dict[str, str]]:
    name = name or properties.get("AlarmName") or provisioners._physical_name(stack, logical_id, max_len=255)  # noqa: SLF001
    status, _, body = cloudwatch._put_composite_alarm({}, {**properties, "AlarmName": name}, False, True)  # noqa: SLF001
    if status != HTTPStatus.OK:
        raise ValueError(f"the composite alarm was refused: {body!r}")
    return name, {"Arn": cloudwatch._composite_alarms[name]["AlarmArn"]}  # noqa: SLF001


def _put_query(
    logical_id: str,  # noqa: ARG001 - as CloudFormation's provisioners are called
    properties: dict[str, Any],
    stack: str,  # noqa: ARG001
    query_id: str | None = None,
) -> tuple[str, dict[str, str]]:
    query_id = query_id or str(uuid.uuid4())
    _queries[query_id] = {
        "queryDefinitionId": query_id,
        "name": properties["Name"],
        "queryString": properties["QueryString"],
        "logGroupNames": properties.get("LogGroupNames", []),
    }
    return query_id, {"QueryDefinitionId": query_id}


def _telling_queries(handle: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: object
    ) -> object:
        if not headers.get("x-amz-target", "").endswith(".DescribeQueryDefinitions"):
            return await handle(method, path, headers, body, query_params)
        prefix = json.loads(body or b"{}").get("queryDefinitionNamePrefix", "")
        found = [query for query in _queries.values() if query["name"].startswith(prefix)]
        return (
            200,
            {"Content-Type": "application/x-amz-json-1.1"},
            json.dumps({"queryDefinitions": found}).encode(),
        )

    return handle_request
