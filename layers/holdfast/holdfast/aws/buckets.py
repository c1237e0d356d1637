"""The buckets: evidence (the side that secures), work, and records."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import UTC
from typing import Any

from botocore.exceptions import ClientError

from holdfast.domain.custody import Arrival, ObjectVersion
from holdfast.domain.tags import TagPlan
from holdfast.errors import AwsRefused, ObjectUnreadable
from holdfast.ports import ListingMark, OpenedObject, RecordFile, VersionPage

CHUNK_BYTES = 1 << 20
SPOOL_BYTES = 32 << 20


_MEND_KEY = "mend the key, its policy or this function's role, then redrive"
# Source: Amazon S3 User Guide, "Working with archived objects" and "Troubleshoot access denied" (2026-11-21).
_UNREADABLE = {
    "InvalidObjectState": "it is archived; restore it, then redrive",
    "AccessDenied": _MEND_KEY,
    "KMS.DisabledException": _MEND_KEY,
    "KMS.KMSInvalidStateException": _MEND_KEY,
    "KMS.NotFoundException": _MEND_KEY,
}


_GONE = frozenset({"NoSuchKey", "NoSuchVersion"})


class EvidenceS3:
    """Implements `ports.EvidenceBucket`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def lock(self, version: ObjectVersion) -> bool:
        """Set the legal hold of this version to ON."""
        try:
            self._client.put_object_legal_hold(**_named(version), LegalHold={"Status": "ON"})
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:
                raise
            return False
        return True

    def is_locked(self, version: ObjectVersion) -> bool:
        """Read the version's legal hold; one that never had any says so by an error of its own."""
        try:
            answer = self._client.get_object_legal_hold(**_named(version))
        except ClientError as error:
            if error.response["Error"]["Code"] != "NoSuchObjectLockConfiguration":
                raise
            return False
        return bool(answer["LegalHold"]["Status"] == "ON")

    @contextmanager
    def open(self, version: ObjectVersion) -> Iterator[OpenedObject]:
        """Open the version's stream; S3 says with it whether there are tags."""
        try:
            answer = self._client.get_object(**_named(version))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code not in _UNREADABLE:
                raise
            raise ObjectUnreadable(f"S3 does not give the object ({code}): {_UNREADABLE[code]}") from None
        with closing(answer["Body"]) as body:
            yield OpenedObject(bool(answer.get("TagCount")), body.iter_chunks(CHUNK_BYTES))

    def foreign_tags(self, version: ObjectVersion) -> Mapping[str, str]:
        """Read the version's tags."""
        answer = self._client.get_object_tagging(**_named(version))
        return {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def tag(self, version: ObjectVersion, plan: TagPlan) -> None:
        """Write the whole set; S3 knows no other way."""
        tag_set = [{"Key": name, "Value": value} for name, value in plan.tags.items()]
        self._client.put_object_tagging(**_named(version), Tagging={"TagSet": tag_set})


class EvidenceReleaseS3:
    """Implements `ports.EvidenceRelease`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def unlock(self, version: ObjectVersion) -> None:
        """Set the legal hold of this version to OFF."""
        try:
            self._client.put_object_legal_hold(**_named(version), LegalHold={"Status": "OFF"})
        except ClientError as error:
            if error.response["Error"]["Code"] not in _GONE:
                raise

    def is_locked(self, version: ObjectVersion) -> bool | None:
        """Read the legal hold of this version."""
        try:
            answer = self._client.get_object_legal_hold(**_named(version))
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "NoSuchObjectLockConfiguration":  # it never had one
                return False
            if code in _GONE:
                return None
            raise
        return bool(answer["LegalHold"]["Status"] == "ON")


class EvidenceMarkerS3:
    """Implements `ports.EvidenceMarker`."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def mark(self, version: ObjectVersion, tags: Mapping[str, str]) -> None:
        """Write the whole set; S3 knows no other way."""
        tag_set = [{"Key": name, "Value": value} for name, value in tags.items()]
        self._client.put_object_tagging(**_named(version), Tagging={"TagSet": tag_set})


class EvidenceListingS3:
    """Implements `ports.EvidenceListing`."""

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def page(self, prefix: str, after: ListingMark | None) -> VersionPage:
        """List one page; botocore has S3 encode the keys, which may hold what XML cannot."""
        markers = {"KeyMarker": after.key, "VersionIdMarker": after.version_id} if after else {}
        answer = self._client.list_object_versions(
            Bucket=self._bucket,
            Prefix=prefix,
            **{name: marker for name, marker in markers.items() if marker},
        )
        return VersionPage(
            arrivals=[
                Arrival(
                    ObjectVersion(self._bucket, listed["Key"], listed["VersionId"], listed["Size"]),
                    listed["LastModified"].astimezone(UTC),
                )
                for listed in answer.get("Versions", ())
            ],
            after=ListingMark(answer["NextKeyMarker"], answer.get("NextVersionIdMarker", ""))
            if answer["IsTruncated"]
            else None,
            markers=[
                Arrival(
                    ObjectVersion(self._bucket, listed["Key"], listed["VersionId"], 0),
                    listed["LastModified"].astimezone(UTC),
                )
                for listed in answer.get("DeleteMarkers", ())
            ],
        )


class CanaryS3:
    """Implements `ports.Canaries`."""

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def put_once(self, key: str, content: bytes) -> None:
        """Put the object on condition that there is none; what is denied is a finding, not a failure."""
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            said = error.response["Error"]
            if said["Code"] == "PreconditionFailed":
                return
            if said["Code"] != "AccessDenied" and not said["Code"].startswith("KMS."):
                raise
            raise AwsRefused(f"PutObject: {said['Code']}: {said.get('Message', '')}") from None


class WorkS3:
    """Implements `ports.WorkFiles`."""

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def write(self, key: str, content: bytes) -> None:
        """Put the file."""
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content)

    def read(self, key: str) -> bytes | None:
        """Get the file."""
        try:
            with closing(self._client.get_object(Bucket=self._bucket, Key=key)["Body"]) as body:
                content: bytes = body.read()
                return content
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise


class RecordsS3:
    """Implements `ports.RecordFiles` and `ports.RecordShelf`."""

    def __init__(self, client: Any, *, bucket: str) -> None:
        self._client = client
        self._bucket = bucket

    def write_once(self, key: str, lines: Iterable[bytes]) -> RecordFile:
        """Put the lines, each with its end."""
        return self.put_once(key, (line + b"\n" for line in lines))

    def put_once(self, key: str, chunks: Iterable[bytes]) -> RecordFile:
        """Spool the chunks, then put the file on condition that there is none."""
        digest = hashlib.sha256()
        with tempfile.SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
            for chunk in chunks:
                spool.write(chunk)
                digest.update(chunk)
            size_bytes = spool.tell()
            spool.seek(0)
            try:
                self._client.put_object(
                    Bucket=self._bucket,
                    Key=key,
                    Body=spool,
                    ContentLength=size_bytes,
                    IfNoneMatch="*",
                    Metadata={"sha256": digest.hexdigest()},
                )
            except ClientError as error:
                if error.response["Error"]["Code"] != "PreconditionFailed":
                    raise
                standing = self._client.head_object(Bucket=self._bucket, Key=key)
                return RecordFile(key, standing["Metadata"]["sha256"], standing["ContentLength"])
        return RecordFile(key, digest.hexdigest(), size_bytes)

    def read(self, key: str) -> Iterator[bytes] | None:
        """Get the file; its bytes are asked for as they are needed."""
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return _chunks_of(body)


def _chunks_of(body: Any) -> Iterator[bytes]:
    with closing(body):
        yield from body.iter_chunks(CHUNK_BYTES)


def _named(version: ObjectVersion) -> dict[str, str]:
    return {"Bucket": version.bucket, "Key": version.key, "VersionId": version.version_id}
