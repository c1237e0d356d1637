"""What S3 itself says of versions in the evidence bucket: which there are, and whether they are locked."""

from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from botocore.exceptions import ClientError

from holdfast.domain.custody import Arrival, ObjectVersion

# Source: Amazon S3 API Reference, GetObjectLegalHold and "Error responses" (read 2026-11-21).
_SAID: Mapping[str, str] = {
    "NoSuchObjectLockConfiguration": "OFF",
    "NoSuchKey": "GONE",
    "NoSuchVersion": "GONE",
    "MethodNotAllowed": "GONE",  # a delete marker
    "AccessDenied": "DENIED",  # to whoever asks; nothing follows for the lock
}


class Locks:
    """Reads legal holds: ON, OFF, GONE where there is no such version, DENIED where we may not look."""

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def of(self, version: ObjectVersion) -> str:
        """Read the legal hold of one version."""
        named = {"Bucket": version.bucket, "Key": version.key, "VersionId": version.version_id}
        try:
            answer = self._client.get_object_legal_hold(**named)
            return str(answer.get("LegalHold", {}).get("Status", "OFF"))
        except ClientError as failure:
            code = failure.response["Error"]["Code"]
            if code not in _SAID:
                raise
            return _SAID[code]

    def versions_of(self, key: str) -> Iterator[Arrival]:
        """List the versions of one key; nothing where we may not look."""
        pages = self._client.get_paginator("list_object_versions")
        try:
            for page in pages.paginate(Bucket=self._bucket, Prefix=key):
                for listed in page.get("Versions", ()):
                    if listed["Key"] != key:  # keys are listed in order: it cannot come any more
                        return
                    version = ObjectVersion(self._bucket, key, listed["VersionId"], listed["Size"])
                    yield Arrival(version, listed["LastModified"].astimezone(UTC))
        except ClientError as failure:
            if failure.response["Error"]["Code"] != "AccessDenied":
                raise
