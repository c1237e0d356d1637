"""What can be seen of the evidence without reading it: locks and tags. Nothing here can set either."""

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
        """Read the legal hold, then the tags."""
        named = {"Bucket": version.bucket, "Key": version.key, "VersionId": version.version_id}
        try:
            is_locked = self._is_locked(named)
            answer = self._client.get_object_tagging(**named)
        except ClientError as error:
            if error.response["Error"]["Code"] in _GONE:
                return None
            raise
        return Sighting(is_locked, {tag["Key"]: tag["Value"] for tag in answer["TagSet"]})

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
