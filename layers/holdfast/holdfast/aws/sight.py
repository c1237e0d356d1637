"""What can be seen of the evidence without reading it: locks and tags. Nothing here can set either."""

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from holdfast.domain.custody import ObjectVersion
from holdfast.domain.drift import Sighting

# Source: Amazon S3 API Reference, "Error responses", and GetObjectLegalHold (2026-11-21).
_GONE = frozenset({"NoSuchKey", "NoSuchVersion"})
_NEVER_LOCKED = "NoSuchObjectLockConfiguration"


class EvidenceSightS3:
    """Implements `ports.EvidenceSight`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def look(self, version: ObjectVersion) -> Sighting | None:
        """Read the legal hold, which tells whether the version is there; then the tags."""
        named = {"Bucket": version.bucket, "Key": version.key, "VersionId": version.version_id}
        is_locked = self._unless_gone(self._is_locked, named)
        if is_locked is None:
            return None
        return Sighting(is_locked, self._unless_gone(self._tags, named))

    def _unless_gone[Seen](self, see: Callable[[dict[str, str]], Seen], named: dict[str, str]) -> Seen | None:
        try:
            return see(named)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return None
            raise

    def _tags(self, named: dict[str, str]) -> dict[str, str]:
        answer = self._client.get_object_tagging(**named)
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def is_hidden(self, marker: ObjectVersion) -> bool:
        """List the versions and markers of the key."""
        answer = self._client.list_object_versions(Bucket=marker.bucket, Prefix=marker.key)
        return any(
            (one["Key"], one["VersionId"]) == (marker.key, marker.version_id)
            for one in answer.get("DeleteMarkers", ())
        )

    def _is_locked(self, named: dict[str, str]) -> bool:
        try:
            hold = self._client.get_object_legal_hold(**named)["LegalHold"]
        except ClientError as error:
            if error.response["Error"]["Code"] != _NEVER_LOCKED:
                raise
            return False
        return bool(hold.get("Status") == "ON")
