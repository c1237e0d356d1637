"""What SQS brings to the arrival path: S3 notifications, and our own requests for a lock or a digest.

Read by hand, without a validation library: this is the hot path, and its documents are small and
machine-made.

Source: Amazon S3 User Guide, "Event message structure" (read 2026-11-21).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, unquote_plus

from holdfast.domain.custody import Arrival, DriftKind, ObjectVersion, Relock, RelockCause
from holdfast.domain.moments import from_text, to_text


class UnreadableMessage(ValueError):
    """The message is none of those that may come; says what was expected, never what the message says."""


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """One SQS message; `message_id` is what a partial batch failure names."""

    message_id: str
    body: str

    @classmethod
    def all_in(cls, event: Mapping[str, Any]) -> list["QueuedMessage"]:
        """Read a batch as Lambda delivers it."""
        return [cls(record["messageId"], record["body"]) for record in event.get("Records", ())]


def read_arrivals(body: str, bucket: str) -> Sequence[Arrival]:
    """Read an S3 notification of one bucket; S3's test event has no arrivals.

    Raises:
        UnreadableMessage: it is no notification of object versions created in that bucket.
    """
    document = _document(body)
    if document.get("Event") == "s3:TestEvent":
        return ()
    records = document.get("Records")
    if not isinstance(records, list) or not records:
        raise UnreadableMessage("expected an S3 notification with Records")
    arrivals = [_arrival(record) for record in records]
    if any(arrival.version.bucket != bucket for arrival in arrivals):
        raise UnreadableMessage("expected an object in the evidence bucket, found another bucket")
    return arrivals


def write_arrival(arrival: Arrival) -> str:
    """Write the notification that S3 should have sent; `eventSource` says that it is ours."""
    version = arrival.version
    return json.dumps(
        {
            "Records": [
                {
                    "eventVersion": "2.1",
                    "eventSource": "holdfast:sweep",
                    "eventName": "ObjectCreated:Put",
                    "eventTime": to_text(arrival.arrived_at),
                    "s3": {
                        "bucket": {"name": version.bucket},
                        "object": {
                            "key": quote_plus(version.key, safe="/"),
                            "size": version.size_bytes,
                            "versionId": version.version_id,
                        },
                    },
                }
            ]
        }
    )


def _arrival(record: Any) -> Arrival:
    try:
        is_creation = str(record["eventName"]).removeprefix("s3:").startswith("ObjectCreated:")
        s3 = record["s3"]
        version = ObjectVersion(
            bucket=_text(s3["bucket"]["name"]),
            key=unquote_plus(_text(s3["object"]["key"]), errors="strict"),
            version_id=_text(s3["object"]["versionId"]),
            size_bytes=int(s3["object"].get("size", 0)),
        )
        arrived_at = from_text(_text(record["eventTime"]))
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as fault:
        raise UnreadableMessage(
            f"expected an S3 record with bucket, key, versionId and eventTime ({type(fault).__name__})"
        ) from None
    if not is_creation:
        raise UnreadableMessage("expected an ObjectCreated event, found another one")
    return Arrival(version, arrived_at)


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("expected text")
    value.encode()  # half a character, which JSON can carry, is no text: nothing could be hashed or stored
    return value


def write_relock(relock: Relock) -> str:
    """Write the wish that a version be locked again as a message."""
    asked = {
        "cause": relock.cause,
        "epoch": relock.epoch,
        "asked_at": to_text(relock.asked_at),
        "drift": relock.drift,
    }
    return json.dumps({"relock": asked | _named(relock.version)})


def read_relock(body: str, bucket: str) -> Relock | None:
    """Read the wish that a version of one bucket be locked again; None if the message asks something else.

    Raises:
        UnreadableMessage: it is meant to be one, and is not.
    """
    document = _document(body)
    if "relock" not in document:
        return None
    try:
        asked = document["relock"]
        relock = Relock(
            _version(asked),
            RelockCause(asked["cause"]),
            int(asked["epoch"]),
            from_text(asked["asked_at"]),
            DriftKind(asked.get("drift", DriftKind.LOCK_LIFTED)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as fault:
        raise UnreadableMessage(
            f"expected a version to be locked again, with cause, epoch and asked_at ({type(fault).__name__})"
        ) from None
    if relock.version.bucket != bucket:
        raise UnreadableMessage("expected an object in the evidence bucket, found another bucket")
    return relock


def write_hash_request(version: ObjectVersion) -> str:
    """Write a request for a digest as a message."""
    return json.dumps(_named(version))


def read_hash_request(body: str) -> ObjectVersion:
    """Read a request for a digest.

    Raises:
        UnreadableMessage: it is none.
    """
    document = _document(body)
    try:
        return _version(document)
    except (KeyError, TypeError, ValueError, OverflowError) as fault:
        raise UnreadableMessage(f"expected a request for a digest ({type(fault).__name__})") from None


def _named(version: ObjectVersion) -> dict[str, str | int]:
    return {
        "bucket": version.bucket,
        "key": version.key,
        "version_id": version.version_id,
        "size_bytes": version.size_bytes,
    }


def _version(document: Mapping[str, Any]) -> ObjectVersion:
    return ObjectVersion(
        _text(document["bucket"]),
        _text(document["key"]),
        _text(document["version_id"]),
        int(document["size_bytes"]),
    )


def _document(body: str) -> Mapping[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise UnreadableMessage("expected JSON") from None
    if not isinstance(document, dict):
        raise UnreadableMessage("expected a JSON object")
    return document
