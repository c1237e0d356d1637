"""What an administrator of the account can do, and Holdfast cannot: in the bucket and at the platform.

An event of the type `OutsideInterference` is sent to no bus. It happens to so many objects or conversations,
chosen by the scenario's seed among those that it can happen to.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from random import Random
from typing import Any

import httpx
from boto3.dynamodb.types import TypeDeserializer

from local.world import World

# What the sentinel puts right; it is watched until nothing of it is left.
MENDED = frozenset({"lock_lifted", "tags_changed", "protection_revoked", "pre_existing_ended"})
MOST_LOOKS, PAUSE_S = 40, 0.5

_read = TypeDeserializer().deserialize


def _lift_lock(world: World, version: Mapping[str, str]) -> None:
    world.client("s3").put_object_legal_hold(**version, LegalHold={"Status": "OFF"})


def _change_tags(world: World, version: Mapping[str, str]) -> None:
    tags = [{"Key": "legal-hold", "Value": "off"}, {"Key": "theirs", "Value": "kept"}]
    world.client("s3").put_object_tagging(**version, Tagging={"TagSet": tags})


def _remove_tags(world: World, version: Mapping[str, str]) -> None:
    world.client("s3").delete_object_tagging(**version)


def _hide(world: World, version: Mapping[str, str]) -> None:
    world.client("s3").delete_object(Bucket=version["Bucket"], Key=version["Key"])


def _delete_version(world: World, version: Mapping[str, str]) -> None:
    _lift_lock(world, version)
    world.client("s3").delete_object(**version)


_IN_THE_BUCKET: Mapping[str, Callable[[World, Mapping[str, str]], None]] = {
    "lift_lock": _lift_lock,
    "change_tags": _change_tags,
    "remove_tags": _remove_tags,
    "delete_marker": _hide,
    "delete_version": _delete_version,
}
_AT_THE_PLATFORM = {"revoke_protection": "HELD", "end_pre_existing": "PRE_EXISTING"}
KINDS = (*_IN_THE_BUCKET, *_AT_THE_PLATFORM)


def interfere(world: World, detail: Mapping[str, Any], seed: int) -> None:
    """Do what one event says: `what`, and to how many (`count`, 1).

    Then, unless it says `watch: false`, have the sentinel look until nothing is left to be put right: nobody
    waits for its schedule.
    """
    what, count = detail["what"], int(detail.get("count", 1))
    chance = Random(f"{seed}:{what}")  # nosec B311 - repeatable on purpose
    if what in _AT_THE_PLATFORM:
        protected = sorted(_protected(world, _AT_THE_PLATFORM[what]))
        _revoke(world, chance.sample(protected, count))
    else:
        for version in chance.sample(sorted(_recordings(world), key=str), count):
            _IN_THE_BUCKET[what](world, version)
    looks = 0 if detail.get("watch", True) else MOST_LOOKS
    while looks < MOST_LOOKS and _look(world):
        looks += 1
        time.sleep(PAUSE_S)


def drift_summary(world: World) -> dict[str, dict[str, int] | dict[str, dict[str, int]]]:
    """Sum up what was found and repaired, and how the bucket stands at the end."""
    return {"drift": drift_of(world), "evidence": locks_of(world)}


def _look(world: World) -> bool:
    """Have the sentinel look at everything once; tell whether it found, sent or asked for anything."""
    answers: list[Mapping[str, Any]] = [
        world.invoke("SweepEvidence", {"source": source}) for source in ("bucket", "receipts")
    ]
    answers.append(world.invoke("WatchProtection", {}))
    return any(
        answer.get(name) for answer in answers for name in ("sent", "drifted", "revoked", "asked")
    ) or any(drift_of(world)["open"].values())


def drift_of(world: World) -> dict[str, dict[str, int]]:
    """Count the ledger's events by what was found and repaired, and what is neither repaired nor for good."""
    found, repaired = Counter[str](), Counter[str]()
    for item in _items(world, "entry, #type", {"#type": "type"}):
        if item.get("type") in ("drift_found", "drift_repaired"):
            drift = json.loads(bytes(item["entry"]))["details"]["drift"]
            (found if item["type"] == "drift_found" else repaired)[drift] += 1
    left = {drift: found[drift] - repaired[drift] for drift in found.keys() & MENDED}
    return {
        "found": dict(sorted(found.items())),
        "repaired": dict(sorted(repaired.items())),
        "open": {drift: count for drift, count in sorted(left.items()) if count},
    }


def locks_of(world: World) -> dict[str, int]:
    """Look at every version of the bucket: how many are locked, and bear the tag that says so."""
    s3, counts = world.client("s3"), Counter[str]()
    for version in _versions(world):
        counts["versions"] += 1
        hold = s3.get_object_legal_hold(**version)["LegalHold"].get("Status")
        counts["locked"] += hold == "ON"
        # Below a delete marker the emulated S3 does not tell the tags of a version.
        with suppress(s3.exceptions.NoSuchKey):
            tags = {tag["Key"]: tag["Value"] for tag in s3.get_object_tagging(**version)["TagSet"]}
            counts["tagged"] += tags.get("legal-hold") == "on"
    return {name: counts[name] for name in ("versions", "locked", "tagged")}


def _versions(world: World) -> Iterator[dict[str, str]]:
    bucket = world.outputs["EvidenceBucket"]
    pages = world.client("s3").get_paginator("list_object_versions").paginate(Bucket=bucket)
    for page in pages:
        for listed in page.get("Versions", []):
            if not listed["Key"].startswith("_holdfast/"):
                yield {"Bucket": bucket, "Key": listed["Key"], "VersionId": listed["VersionId"]}


def _recordings(world: World) -> Sequence[dict[str, str]]:
    """Choose among media: what happens to one then happens to one recording."""
    return [version for version in _versions(world) if not version["Key"].endswith("_metadata.json")]


def _protected(world: World, state: str) -> Iterator[str]:
    for item in _items(world, "pk, platform", {}):
        if isinstance(item.get("platform"), Mapping) and item["platform"]["state"] == state:
            yield item["pk"].removeprefix("CONV#")


def _revoke(world: World, conversation_ids: Sequence[str]) -> None:
    """End the protection as another client of the organisation."""
    client = world.genesys.clients["full"]
    with httpx.Client(base_url=world.genesys.url, trust_env=False) as http:
        told = http.post(
            "/oauth/token", data={"grant_type": "client_credentials"}, auth=(client["id"], client["secret"])
        )
        http.put(
            "/api/v2/recordings/deletionprotection",
            params={"protect": "false"},
            json={"conversationIds": list(conversation_ids)},
            headers={"Authorization": f"Bearer {told.raise_for_status().json()['access_token']}"},
        ).raise_for_status()


def _items(world: World, projection: str, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    pages = (
        world.client("dynamodb")
        .get_paginator("scan")
        .paginate(
            TableName=world.outputs["LedgerTable"],
            ProjectionExpression=projection,
            **({"ExpressionAttributeNames": dict(names)} if names else {}),
        )
    )
    for page in pages:
        for item in page["Items"]:
            yield {name: _read(value) for name, value in item.items()}
