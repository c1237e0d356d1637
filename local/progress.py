"""How far a run has come, read from outside: from the ledger and the evidence bucket. For display only."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.world import World

_FETCHED = ("pk", "sk", "state", "conversations", "total", "platform", "summary", "high_water", "ends_at")
_JOB_ENDED = frozenset({"FULFILLED", "FAILED", "CANCELLED"})
_REQUEST_ORDER = ("OPEN", "EXPORTED", "RECONCILED", "HELD", "PRESERVED", "INCOMPLETE", "FAILED")
_read = TypeDeserializer().deserialize


@dataclass(frozen=True, slots=True)
class Count:
    """`done` of `total`; `total` is None until it is known, and `is_over` when nothing more will come."""

    done: int
    total: int | None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """The counts by step; the items of requests by (matter id, request id), of standing matters by id."""

    counts: Mapping[str, Count]
    requests: Mapping[tuple[str, str], Mapping[str, Any]]
    standing_matters: Mapping[str, Mapping[str, Any]]


def read_progress(world: World) -> Progress:
    """Read everything once; a few hundred conversations take some ten milliseconds."""
    requests: dict[tuple[str, str], Mapping[str, Any]] = {}
    standing_matters: dict[str, Mapping[str, Any]] = {}
    claims = receipts = held = asked = 0
    claimed = set[str]()
    batches: list[Mapping[str, Any]] = []
    for entry in _ledger(world):
        collection, _, collection_id = entry["pk"].partition("#")
        kind, _, entry_id = entry["sk"].partition("#")
        match collection, kind:
            case "MATTER", "REQUEST":
                requests[collection_id, entry_id] = entry
            case "MATTER", "STANDING":
                standing_matters[collection_id] = entry
            case "MATTER", "BATCH" if entry["state"] != "SPLIT":  # its halves are listed too
                batches.append(entry)
            case "CONV", "OBJ":
                receipts += 1
            case "CONV", "CLAIM" | "HOLD":
                claims += kind == "CLAIM"
                claimed.add(collection_id)
                hold = _platform_hold(entry)
                held += hold in {"HELD", "PRE_EXISTING"}
                asked += hold is not None
    reached = min((_REQUEST_ORDER.index(request["state"]) for request in requests.values()), default=-1)
    planned = sum(int(batch.get("conversations", 0)) for batch in batches)
    expected = sum(int(batch.get("total", 0)) for batch in batches)
    exported = [batch for batch in batches if batch["state"] != "REUSED"]
    ended = sum(batch["state"] in _JOB_ENDED for batch in exported)
    arrived = _objects(world)
    counts = {
        "request": Count(len(requests), None, reached >= 0),
        "scope": Count(claims, max(planned, claims) or None, bool(batches) or reached >= 1),
        "export": Count(ended, len(exported) or None, reached >= 1),
        "arrivals": Count(receipts, max(arrived, 2 * expected) or None, reached >= 2 and receipts >= arrived),
        "reconcile": Count(min(receipts // 2, expected), expected or None, reached >= 2),
        # Of a conversation that several matters claim, one protection may serve all.
        "holds": Count(held, max(asked, len(claimed)) or None, reached >= 3),
        "custody": Count(sum("summary" in request for request in requests.values()), None, reached >= 4),
    }
    return Progress(counts, requests, standing_matters)


def _ledger(world: World) -> Iterator[Mapping[str, Any]]:
    names = {f"#{number}": name for number, name in enumerate(_FETCHED)}
    pages = (
        world.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=world.outputs["LedgerTable"],
            ProjectionExpression=", ".join(names),
            ExpressionAttributeNames=names,
        )
    )
    for page in pages:
        for entry in page["Items"]:
            yield {name: _read(value) for name, value in entry.items()}


def _platform_hold(hold: Mapping[str, Any]) -> str | None:
    platform = hold.get("platform")
    return platform.get("state") if isinstance(platform, Mapping) else platform


def _objects(world: World) -> int:
    pages = (
        world.client("s3").get_paginator("list_objects_v2").paginate(Bucket=world.outputs["EvidenceBucket"])
    )
    keys = (found["Key"] for page in pages for found in page.get("Contents", []))
    return sum(not key.startswith("_holdfast/") for key in keys)
