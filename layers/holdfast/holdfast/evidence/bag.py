"""The tag files of a BagIt 1.0 bag (RFC 8493), as bytes.

The bag has holes where media stay in S3: the payload manifest names every file, `fetch.txt` says where those
lie that are not here. Filling the holes changes no tag file.
"""

from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote

from holdfast.evidence.register import Row

BAGIT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
DECLARATION, BAG_INFO, FETCH = "bagit.txt", "bag-info.txt", "fetch.txt"
MANIFEST, TAG_MANIFEST = "manifest-sha256.txt", "tagmanifest-sha256.txt"


def manifest_line(path: str, sha256: str) -> bytes:
    """Name a file and its digest, in the form that `sha256sum --check` reads."""
    return f"{sha256}  {_in_manifest(path)}\n".encode()


def media_manifest(rows: Iterable[Row]) -> Iterator[bytes]:
    """List the media; an object whose digest is pending, or that somebody deleted, is none, and is an
    exception.
    """
    return (manifest_line(row.path, row.sha256) for row in rows if row.is_listed)


def fetch_list(rows: Iterable[Row]) -> Iterator[bytes]:
    """Say where the media lie in S3: url, size in bytes, path in the bag."""
    return (
        f"{media_url(row)} {row.size_bytes} {_in_manifest(row.path)}\n".encode()
        for row in rows
        if row.is_listed
    )


def media_url(row: Row) -> str:
    """Name one object version; reading it takes credentials for the bucket."""
    return f"s3://{row.bucket}/{quote(row.key)}?versionId={quote(row.version_id, safe='')}"


def bag_info(tags: Mapping[str, str]) -> bytes:
    """Write the bag's description; a value keeps to its line."""
    return "".join(f"{label}: {' '.join(value.split())}\n" for label, value in tags.items()).encode()


def _in_manifest(path: str) -> str:
    return path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
