"""The evidence bucket as S3 Inventory lists it, once a day or week: what it says is hours old, and cheap.

    {prefix}/{bucket}/{configuration}/YYYY-MM-DDTHH-MMZ/manifest.json   names the files and their columns
    {prefix}/{bucket}/{configuration}/data/{...}.csv.gz                 a version a line, keys URL-encoded

A place in it is the manifest's key, and how many lines of which file are done, or that all are.

Source: Amazon S3 User Guide, "Amazon S3 Inventory list" and "Locating your inventory list" (2026-11-21).
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import unquote_plus

from botocore.exceptions import ClientError

from holdfast.domain.custody import Arrival, ObjectVersion
from holdfast.domain.moments import from_text
from holdfast.errors import SettingsInvalid
from holdfast.ports import ListingMark, VersionPage

CONFIGURATION = "holdfast"
PREFIX = "inventory"
PAGE_LINES = 1_000
_END = "end"
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z/$")
COLUMNS = {
    "Key",
    "VersionId",
    "IsDeleteMarker",
    "Size",
    "LastModifiedDate",
    "ObjectLockLegalHoldStatus",
}

type Line = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Manifest:
    """What one inventory consists of; `taken_at` is when S3 began to list."""

    key: str
    taken_at: datetime
    columns: tuple[str, ...]
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """So many lines of the file at an index have been read."""

    file: int = 0
    lines: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.lines}"

    @classmethod
    def from_text(cls, text: str) -> "_Place":
        file, lines = map(int, text.split(":"))
        return cls(file, lines)


class InventoryListing:
    """Implements `ports.EvidenceListing`; keeps the file open between two pages that follow each other."""

    def __init__(self, client: Any, *, bucket: str, listed_bucket: str) -> None:
        self._client = client
        self._bucket = bucket
        self._listed_bucket = listed_bucket
        self._ahead: tuple[ListingMark, Iterator[tuple[_Place, Line]]] | None = None

    def page(self, prefix: str, after: ListingMark | None) -> VersionPage:
        """Read the next thousand lines of the newest inventory, or of the one that was begun. One that was
        read to its end is not begun again.

        Raises:
            SettingsInvalid: it lacks a column, or is no CSV: its configuration was changed.
        """
        begun = self._read_manifest(after.key) if after and after.version_id != _END else None
        place = _Place.from_text(after.version_id) if after and begun else _Place()
        manifest = begun or self._newest()
        if manifest is None or (after and after == ListingMark(manifest.key, _END)):
            return VersionPage((), after, is_last=True)
        ahead = self._lines_from(manifest, place)
        lines = list(islice(ahead, PAGE_LINES))
        is_last = len(lines) < PAGE_LINES
        end = ListingMark(manifest.key, _END if is_last else str(lines[-1][0]))
        self._ahead = (end, ahead)
        return self._page(prefix, manifest, [line for _, line in lines], end, is_last=is_last)

    def _page(
        self, prefix: str, manifest: _Manifest, lines: list[Line], end: ListingMark, *, is_last: bool
    ) -> VersionPage:
        arrivals: list[Arrival] = []
        markers: list[Arrival] = []
        suspects: list[ObjectVersion] = []
        for line in lines:
            listed = self._listed(line)
            # What is younger may have changed while S3 was listing; the next inventory has it.
            if listed.arrived_at > manifest.taken_at or not listed.version.key.startswith(prefix):
                continue
            if line["IsDeleteMarker"] == "true":
                markers.append(listed)
                continue
            arrivals.append(listed)
            if line["ObjectLockLegalHoldStatus"].upper() != "ON":
                suspects.append(listed.version)
        return VersionPage(arrivals, end, markers, suspects, is_last=is_last)

    def _listed(self, line: Line) -> Arrival:
        version = ObjectVersion(
            self._listed_bucket, unquote_plus(line["Key"]), line["VersionId"], int(line["Size"] or 0)
        )
        return Arrival(version, from_text(line["LastModifiedDate"]))

    def _lines_from(self, manifest: _Manifest, place: _Place) -> Iterator[tuple[_Place, Line]]:
        if self._ahead and self._ahead[0] == ListingMark(manifest.key, str(place)):
            return self._ahead[1]
        return self._read_lines(manifest, place)

    def _read_lines(self, manifest: _Manifest, place: _Place) -> Iterator[tuple[_Place, Line]]:
        for index in range(place.file, len(manifest.files)):
            done = place.lines if index == place.file else 0
            with closing(
                self._client.get_object(Bucket=self._bucket, Key=manifest.files[index])["Body"]
            ) as body:
                text = io.TextIOWrapper(gzip.GzipFile(fileobj=body), encoding="utf-8", newline="")
                for number, fields in enumerate(csv.reader(text), 1):
                    if number > done:
                        yield _Place(index, number), dict(zip(manifest.columns, fields, strict=True))

    def _newest(self) -> _Manifest | None:
        """Find the newest inventory that is whole: its manifest is written last."""
        stem = f"{PREFIX}/{self._listed_bucket}/{CONFIGURATION}/"
        answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=stem, Delimiter="/")
        folders = [one["Prefix"] for one in answer.get("CommonPrefixes", ())]
        for folder in sorted(filter(_DAY.search, folders), reverse=True):
            if manifest := self._read_manifest(f"{folder}manifest.json"):
                return manifest
        return None

    def _read_manifest(self, key: str) -> _Manifest | None:
        try:
            with closing(self._client.get_object(Bucket=self._bucket, Key=key)["Body"]) as body:
                document = json.loads(body.read())
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                return None
            raise
        columns = tuple(name.strip() for name in document["fileSchema"].split(","))
        lacking = sorted(COLUMNS - set(columns))
        if document["fileFormat"] != "CSV" or lacking:
            fault = (
                f"the inventory {CONFIGURATION} of the evidence bucket: expected CSV with its own columns,"
                f" found {document['fileFormat']} without {', '.join(lacking) or 'none'}; deploy again"
            )
            raise SettingsInvalid([fault])
        taken_at = datetime.fromtimestamp(int(document["creationTimestamp"]) / 1000, UTC)
        return _Manifest(key, taken_at, columns, tuple(one["key"] for one in document["files"]))
