"""What lies in the records bucket, and the evidence that a package names, from the operator's side."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from botocore.exceptions import ClientError

CHUNK_BYTES = 1 << 20


class Shelf:
    """The records bucket, and single object versions of any bucket."""

    def __init__(self, s3: Any, *, bucket: str) -> None:
        self._s3 = s3
        self._bucket = bucket

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that begin so."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        return (found["Key"] for page in pages for found in page.get("Contents", ()))

    def read(self, key: str) -> Iterator[bytes] | None:
        """Read a record; None if it does not exist."""
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"]
        except ClientError as failure:
            if failure.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        return _chunks_of(body)

    def read_version(self, bucket: str, key: str, version_id: str, start: int = 0) -> Iterator[bytes]:
        """Read an object version from an offset on."""
        reading = {"Range": f"bytes={start}-"} if start else {}
        answer = self._s3.get_object(Bucket=bucket, Key=key, VersionId=version_id, **reading)
        return _chunks_of(answer["Body"])


def _chunks_of(body: Any) -> Iterator[bytes]:
    with closing(body):
        yield from body.iter_chunks(CHUNK_BYTES)
