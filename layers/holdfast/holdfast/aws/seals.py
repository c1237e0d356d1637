"""What is sealed of a matter, in the ledger.

Items: `LOG#m`/`HEAD` (how far the log is sealed), `LOG#m`/`ENTRY#name` (entries that concern the matter as a
whole), and beside the entries of every folder (`CONV#c`, `JOB#j`, `LOG#m`) the markers
`SEALED#m#sequence#part`: the leaf hashes of those of its entries that a seal took in. Markers are never
changed; a seal's markers all stand before the head says that there is such a seal.
"""

import os
from collections.abc import Callable, Sequence

from holdfast.aws.table import Item, Table
from holdfast.domain.custody import Fact
from holdfast.domain.ids import MatterId
from holdfast.domain.merkle import leaf_hash
from holdfast.domain.seals import Folder, SealedLog
from holdfast.evidence.entries import NONCE_BYTES, entry_bytes

LEAF_BYTES = 32
MARKER_LEAVES = 10_000  # an item may have 400 KB


def _partition(folder: Folder) -> str:
    return f"{folder.kind}#{folder.name}"


class SealLedger:
    """Implements `ports.SealBook`."""

    def __init__(self, table: Table, *, entropy: Callable[[int], bytes] = os.urandom) -> None:
        self._table = table
        self._entropy = entropy

    def log(self, matter_id: MatterId) -> SealedLog:
        """Read the head."""
        item = self._table.get(_partition(Folder.of_matter(matter_id)), "HEAD")
        if item is None:
            return SealedLog()
        return SealedLog(item["sequence"], item["size"], tuple(item["peaks"]), item["root"], item["digest"])

    def extend(self, matter_id: MatterId, log: SealedLog) -> bool:
        """Write the head, on condition that the seal before is the last."""
        return self._table.put(
            {
                "pk": _partition(Folder.of_matter(matter_id)),
                "sk": "HEAD",
                "sequence": log.sequence,
                "size": log.size,
                "peaks": list(log.peaks),
                "root": log.root,
                "digest": log.digest,
            },
            "attribute_not_exists(pk) OR #sequence = :before" if log.sequence == 1 else "#sequence = :before",
            {":before": log.sequence - 1},
        )

    def unsealed(self, matter_id: MatterId, folder: Folder) -> Sequence[bytes]:
        """Read the partition once, and leave out what a marker names."""
        entries: list[bytes] = []
        sealed: set[bytes] = set()
        for item in self._table.query(_partition(folder)):
            if "leaves" in item and item["matter_id"] == matter_id:
                sealed.update(_leaves(item))
            elif "entry" in item and item.get("matter_id", matter_id) == matter_id:
                entries.append(item["entry"])
        return [entry for entry in entries if leaf_hash(entry) not in sealed]

    def mark(self, matter_id: MatterId, sequence: int, folder: Folder, leaves: Sequence[bytes]) -> None:
        """Write the marker, in as many items as it takes."""
        for part, start in enumerate(range(0, len(leaves), MARKER_LEAVES)):
            self._table.put_new(
                {
                    "pk": _partition(folder),
                    "sk": f"SEALED#{matter_id}#{sequence:06d}#{part}",
                    "matter_id": matter_id,
                    "leaves": b"".join(leaves[start : start + MARKER_LEAVES]),
                }
            )

    def add_fact(self, matter_id: MatterId, name: str, fact: Fact) -> bool:
        """Write the entry unless its name is taken."""
        return self._table.put_new(
            {
                "pk": _partition(Folder.of_matter(matter_id)),
                "sk": f"ENTRY#{name}",
                "matter_id": matter_id,
                "entry": entry_bytes(fact, self._entropy(NONCE_BYTES)),
            }
        )


def _leaves(item: Item) -> list[bytes]:
    leaves: bytes = item["leaves"]
    return [leaves[start : start + LEAF_BYTES] for start in range(0, len(leaves), LEAF_BYTES)]
