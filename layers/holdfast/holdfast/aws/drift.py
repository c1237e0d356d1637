"""What was found changed, filed where the version's receipt is: `.../DRIFT#kind#fingerprint`.

The item says when it was found last; the events tell every time. And the receipts of the ledger, one after
the other, as a listing of what should be in the bucket.
"""

import os
from collections.abc import Mapping
from datetime import datetime

from holdfast.aws.claims import Entropy, claim_record, event_item, object_key, read_receipt
from holdfast.aws.table import Table
from holdfast.domain.custody import CustodyEvent, DriftKind, EventType, ObjectVersion, repair_event_id
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.ulid import ulid
from holdfast.ports import ClaimedPage, DriftFound, ListingMark, VersionPage

_PAGE_ITEMS = 1_000


class DriftLedger:
    """Implements `ports.DriftBook`."""

    def __init__(self, table: Table, *, entropy: Entropy = os.urandom) -> None:
        self._table = table
        self._entropy = entropy

    def found(self, version: ObjectVersion, kind: DriftKind, epoch: int, at: datetime) -> DriftFound:
        """Write item and event, all or nothing, on condition that nobody has since the item was read."""
        pk, _ = object_key(version)
        at = from_text(to_text(at))  # as it is stored, and as its repair will be named
        sk = f"DRIFT#{kind}#{version.fingerprint}"
        standing = self._table.get(pk, sk)
        if standing is not None and standing["epoch"] == epoch:
            found_at = from_text(standing["found_at"])
            repair = repair_event_id(version, kind, found_at)
            if self._table.get(pk, f"EVENT#{repair}") is None:
                return DriftFound(found_at, is_new=False)
        event = CustodyEvent(
            event_id=ulid(at, self._entropy(10)),
            type=EventType.DRIFT_FOUND,
            conversation_id=EvidenceKey.parse(version.key).conversation_id,
            at=at,
            details={"drift": kind.value, "key": version.key, "version_id": version.version_id},
        )
        item = {
            "pk": pk,
            "sk": sk,
            "drift": kind,
            "fingerprint": version.fingerprint,
            "key": version.key,
            "version_id": version.version_id,
            "epoch": epoch,
            "found_at": to_text(at),
        }
        was_written = self._table.transact(
            self._table.putting(item, *_unchanged(standing)),
            self._table.putting_new(event_item(pk, event, self._entropy)),
        )
        return DriftFound(at, is_new=True) if was_written else self.found(version, kind, epoch, at)


def _unchanged(standing: Mapping[str, str] | None) -> tuple[str, Mapping[str, str]]:
    if standing is None:
        return "attribute_not_exists(pk)", {}
    return "found_at = :read", {":read": standing["found_at"]}


class ReceiptListing:
    """Implements `ports.EvidenceListing`: what the ledger says should be there, in the table's own order."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def page(self, prefix: str, after: ListingMark | None) -> VersionPage:
        """Read a thousand items of the table, and give those that are receipts."""
        start = (after.key, after.version_id) if after else None
        items, end = self._table.scan_page("OBJ#", _PAGE_ITEMS, start)
        versions = [read_receipt(item["entry"]).version for item in items]
        return VersionPage(
            arrivals=(),
            after=ListingMark(*end) if end else None,
            suspects=[version for version in versions if version.key.startswith(prefix)],
        )


class ClaimScan:
    """Implements `ports.ClaimListing`, in the table's own order."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def claimed(self, after: ListingMark | None) -> ClaimedPage:
        """Read a thousand items of the table, and give those that are claims and have not ended."""
        start = (after.key, after.version_id) if after else None
        items, end = self._table.scan_page("CLAIM#", _PAGE_ITEMS, start)
        return ClaimedPage(
            [
                claim_record(
                    ConversationId(item["pk"].removeprefix("CONV#")),
                    MatterId(item["sk"].removeprefix("CLAIM#")),
                    item,
                )
                for item in items
                if "ended_at" not in item
            ],
            ListingMark(*end) if end else None,
        )
