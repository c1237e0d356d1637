"""Sending requests to a world, and waiting for what becomes of them."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.genesys.scenario import load_scenario
from local.world import World

PATIENCE_S = 120.0
_read = TypeDeserializer().deserialize


@dataclass(frozen=True, slots=True)
class Ended:
    """An execution of the conductor that has ended."""

    status: str
    error: str
    cause: str
    output: Mapping[str, Any]


def request_of(world: World, **changes: object) -> dict[str, Any]:
    """The scenario's discovery request, changed."""
    detail: dict[str, Any] = load_scenario(world.scenario_path).events[0].detail
    return {**detail, **changes}


def send(world: World, detail: object) -> Ended:
    """Send one request and wait for the end of the execution that it starts."""
    return started_by(
        world, lambda: world.send(detail, source="legal.discovery", detail_type="DiscoveryRequested")
    )


def started_by(world: World, act: Callable[[], object], machine: str = "PreserveMatterArn") -> Ended:
    """Do something, and wait for the end of the execution of a workflow that it starts."""
    known = {execution["executionArn"] for execution in _executions(world, machine)}
    act()
    started = wait_for(
        lambda: [one for one in _executions(world, machine) if one["executionArn"] not in known]
    )
    arn = started[0]["executionArn"]
    ended: Ended = wait_for(lambda: _ended(world, arn))
    return ended


def ledger(world: World) -> list[dict[str, Any]]:
    """Every item of the ledger, as plain values; canaries never count."""
    pages = world.client("dynamodb").get_paginator("scan").paginate(TableName=world.outputs["LedgerTable"])
    return [
        {name: _read(value) for name, value in item.items()}
        for page in pages
        for item in page["Items"]
        if item["pk"] != {"S": "CANARY"}
    ]


def versions(world: World) -> list[dict[str, Any]]:
    """Every version of every object that the vendor wrote into the evidence bucket."""
    pages = world.client("s3").get_paginator("list_object_versions")
    return [
        version
        for page in pages.paginate(Bucket=world.outputs["EvidenceBucket"])
        for version in page.get("Versions", [])
        if not version["Key"].startswith("_holdfast/canary/")
    ]


def genesys_requests(world: World) -> list[dict[str, Any]]:
    """Everything the simulator was asked."""
    lines = (world.out / "genesys-requests.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def wait_until_secured(world: World) -> None:
    """Wait until every version has its receipt."""
    wait_for(lambda: len(versions(world)) == sum(item["sk"].startswith("OBJ#") for item in ledger(world)))


def _executions(world: World, machine: str = "PreserveMatterArn") -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = world.client("stepfunctions").list_executions(
        stateMachineArn=world.outputs[machine]
    )["executions"]
    return listed


def _ended(world: World, arn: str) -> Ended | None:
    described = world.client("stepfunctions").describe_execution(executionArn=arn)
    if described["status"] == "RUNNING":
        return None
    output = json.loads(described.get("output") or "null")
    return Ended(described["status"], described.get("error", ""), described.get("cause", ""), output)


def wait_for(look: Any) -> Any:
    """Look until something is seen, and return it."""
    patience_ends = time.monotonic() + PATIENCE_S
    while not (found := look()):
        assert time.monotonic() < patience_ends, "nothing came of it in two minutes"
        time.sleep(0.3)
    return found
