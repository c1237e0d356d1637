"""The releases of a scenario: their events, what became of them, and which locks they left."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

from local.genesys.scenario import Event
from local.world import World

ANNOUNCED = "announced"
_COUNTS = ("conversations", "let_go", "stays", "versions", "late", "unattributed", "protected_still")
_NOBODY = "-"
_read = TypeDeserializer().deserialize


@dataclass(frozen=True, slots=True)
class Releases:
    """How far the releases have come; `runs` and `judged` count what has ended, of both workflows."""

    runs: int
    judged: int
    are_running: bool


def read_releases(world: World) -> Releases:
    """Count the executions of both workflows."""
    released, approved = (_statuses(world, name) for name in ("ReleaseHoldArn", "ApproveReleaseArn"))
    running = released["RUNNING"] + approved["RUNNING"]
    return Releases(
        released.total() - released["RUNNING"], approved.total() - approved["RUNNING"], running > 0
    )


def names_of(event: Event) -> dict[str, str]:
    """Name the release that an event is about, and its matter, as far as it names any."""
    named = event.detail if isinstance(event.detail, Mapping) else {}
    return {str(named.get("release_id")): str(named.get("matter_id") or _NOBODY)}


def ready(world: World, event: Event, asked_for: Mapping[str, str]) -> Any:
    """Give the detail to send, with the hash that was announced; None until the release has its plan.

    An approval of a release that nobody has asked for, or that was refused, is ready at once.
    """
    detail = event.detail
    if not event.is_approval or not isinstance(detail, Mapping):
        return detail
    release_id = str(detail.get("release_id"))
    if release_id not in asked_for:
        return detail
    # The matter of who asked: an approval may name another on purpose.
    release = _item(world, asked_for[release_id], release_id) or {}
    if "plan" not in release:
        over = {_named(run).get("release_id") for run in _ended(world, "ReleaseHoldArn", only_over=True)}
        return detail if release_id in over else None
    if detail.get("plan_sha256") == ANNOUNCED:
        return {**detail, "plan_sha256": release["plan"]["sha256"]}
    return detail


def summarise_releases(world: World) -> dict[str, Any]:
    """Tell what became of releases, approvals, matters and locks."""
    items = list(_ledger(world))
    locks = _locks(world)
    return {
        "releases": [_release(world, run) for run in _ended(world, "ReleaseHoldArn")],
        "approvals": [_approval(run) for run in _ended(world, "ApproveReleaseArn")],
        "matters": list(_matters(items, locks)),
        "locks": {"on": sum(on for on, _ in locks.values()), "off": sum(off for _, off in locks.values())},
    }


def _statuses(world: World, machine: str) -> Counter[str]:
    return Counter(one["status"] for one in _executions(world, machine))


def _executions(world: World, machine: str) -> Iterator[Mapping[str, Any]]:
    pages = world.client("stepfunctions").get_paginator("list_executions")
    for page in pages.paginate(stateMachineArn=world.outputs[machine]):
        yield from page["executions"]


def _ended(world: World, machine: str, *, only_over: bool = False) -> Iterator[Mapping[str, Any]]:
    for one in sorted(_executions(world, machine), key=lambda execution: execution["startDate"]):
        if only_over and one["status"] == "RUNNING":
            continue
        yield world.client("stepfunctions").describe_execution(executionArn=one["executionArn"])


def _named(run: Mapping[str, Any]) -> Mapping[str, Any]:
    detail = json.loads(run["input"]).get("detail")
    return detail if isinstance(detail, Mapping) else {}


def _release(world: World, run: Mapping[str, Any]) -> dict[str, Any]:
    named = _named(run)
    output = json.loads(run.get("output") or "{}")
    item = _item(world, named.get("matter_id") or _NOBODY, named.get("release_id")) or {}
    counts = output.get("end", {}).get("counts", {})
    return {
        "matter_id": named.get("matter_id", ""),
        "release_id": named.get("release_id", ""),
        "outcome": _outcome(run, output, "released"),
        "faults": _faults(run),
        "explanation": run.get("cause", ""),
        "approved_by": item.get("approval", {}).get("approved_by", ""),
        **{name: int(counts.get(name, 0)) for name in _COUNTS},
    }


def _approval(run: Mapping[str, Any]) -> dict[str, Any]:
    named = _named(run)
    output = json.loads(run.get("output") or "{}")
    return {
        "release_id": named.get("release_id", ""),
        "approved_by": named.get("approved_by", ""),
        "outcome": _outcome(run, output, "recorded"),
        "faults": _faults(run),
    }


def _outcome(run: Mapping[str, Any], output: Mapping[str, Any], well: str) -> str:
    if run["status"] != "SUCCEEDED":
        return "refused" if run.get("error") in {"RequestRefused", "ReleaseNotBegun"} else "failed"
    said = str(output.get("outcome", "")).lower()
    return said if said in {"duplicate", "known"} else well


def _faults(run: Mapping[str, Any]) -> list[str]:
    """Give the reasons of a refusal, without ids and times."""
    _, refused, rest = str(run.get("cause", "")).partition("refused: ")
    if not refused:
        return []
    return rest.partition(". ")[0].split("; ")


def _matters(
    items: list[Mapping[str, Any]], locks: Mapping[str, tuple[int, int]]
) -> Iterator[dict[str, Any]]:
    """Tell of each matter how it stands, and of all that it ever claimed which locks are on."""
    claims = [
        (one["sk"].removeprefix("CLAIM#"), one["pk"].removeprefix("CONV#"), "ended_at" in one)
        for one in items
        if one["sk"].startswith("CLAIM#")
    ]
    for meta in sorted(items, key=lambda one: str(one["pk"])):
        matter_id = meta["pk"].removeprefix("MATTER#")
        if meta["sk"] != "META" or matter_id == _NOBODY:
            continue
        mine = [(conversation, is_over) for whose, conversation, is_over in claims if whose == matter_id]
        yield {
            "matter_id": matter_id,
            "status": meta["status"],
            "claimed": sum(not is_over for _, is_over in mine),
            "ended": sum(is_over for _, is_over in mine),
            "locks": {
                "on": sum(locks.get(conversation, (0, 0))[0] for conversation, _ in mine),
                "off": sum(locks.get(conversation, (0, 0))[1] for conversation, _ in mine),
            },
        }


def _locks(world: World) -> dict[str, tuple[int, int]]:
    """Count the versions that are locked, and that are not, by conversation; '' is what names none."""
    s3, bucket = world.client("s3"), world.outputs["EvidenceBucket"]
    on, off = Counter[str](), Counter[str]()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        for version in page.get("Versions", []):
            if version["Key"].startswith("_holdfast/"):
                continue
            named = {"Bucket": bucket, "Key": version["Key"], "VersionId": version["VersionId"]}
            status = s3.get_object_legal_hold(**named)["LegalHold"]["Status"]
            conversation = version["Key"].partition("conversation_id=")[2].partition("/")[0].lower()
            (on if status == "ON" else off)[conversation] += 1
    return {conversation: (on[conversation], off[conversation]) for conversation in on | off}


def _item(world: World, matter_id: Any, release_id: Any) -> dict[str, Any] | None:
    key = {"pk": {"S": f"MATTER#{matter_id}"}, "sk": {"S": f"RELEASE#{release_id}"}}
    answer = world.client("dynamodb").get_item(
        TableName=world.outputs["LedgerTable"], Key=key, ConsistentRead=True
    )
    return {name: _read(one) for name, one in answer["Item"].items()} if "Item" in answer else None


def _ledger(world: World) -> Iterator[Mapping[str, Any]]:
    pages = world.client("dynamodb").get_paginator("scan").paginate(TableName=world.outputs["LedgerTable"])
    for page in pages:
        for item in page["Items"]:
            yield {name: _read(item[name]) for name in ("pk", "sk", "status", "ended_at") if name in item}
