"""How far the sweeps have come: `SWEEP`/`PREFIX#prefix`, and `SWEEP`/`source#prefix` of other sources."""

from dataclasses import replace
from datetime import datetime

from holdfast.aws.table import Table
from holdfast.domain.moments import to_text
from holdfast.ports import ListingMark, SweepMark, SweepSource

_PK = "SWEEP"


class SweepLedger:
    """Implements `ports.SweepBook`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(self, prefix: str, source: SweepSource = SweepSource.BUCKET) -> SweepMark:
        """Read the item."""
        item = self._table.get(_PK, _sort_key(prefix, source))
        if item is None:
            return SweepMark(prefix, source=source)
        after = ListingMark(item["after_key"], item["after_version_id"]) if "after_key" in item else None
        return SweepMark(prefix, after, item["revision"], source)

    def move(self, mark: SweepMark, after: ListingMark | None, at: datetime) -> SweepMark | None:
        """Write the item, on condition that nobody has since it was read."""
        moved = replace(mark, after=after, revision=mark.revision + 1)
        was_moved = self._table.put(
            {
                "pk": _PK,
                "sk": _sort_key(mark.prefix, mark.source),
                "after_key": after.key if after else None,
                "after_version_id": after.version_id if after else None,
                "revision": moved.revision,
                "moved_at": to_text(at),
            },
            "attribute_not_exists(pk) OR revision = :read",
            {":read": mark.revision},
        )
        return moved if was_moved else None


def _sort_key(prefix: str, source: SweepSource) -> str:
    return f"{'PREFIX' if source is SweepSource.BUCKET else source.upper()}#{prefix}"
