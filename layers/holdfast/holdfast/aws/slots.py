"""The organisation's job slots: `ORG#o`/`SLOT#1..2`, shared by every run in this ledger."""

from collections.abc import Sequence
from datetime import datetime

from holdfast.aws.table import Table
from holdfast.domain.ids import ExportJobId
from holdfast.domain.moments import from_text, to_text
from holdfast.ports import HeldSlot, SlotOwner

SLOTS = (1, 2)  # the platform's limit per organisation (the vendor's SDK, postRecordingJobs)


class SlotLedger:
    """Implements `ports.JobSlots`."""

    def __init__(self, table: Table, *, organization_id: str) -> None:
        self._table = table
        self._pk = f"ORG#{organization_id}"

    def acquire(self, owner: SlotOwner, lease_until: datetime) -> bool:
        """Keep the owner's slot, or take a free one."""
        held = {slot.slot: slot for slot in self.held()}
        mine = [slot for slot in held.values() if slot.owner == str(owner)]
        return bool(mine) or any(
            self._table.put_new(
                {
                    "pk": self._pk,
                    "sk": f"SLOT#{slot}",
                    "owner": str(owner),
                    "lease_until": to_text(lease_until),
                }
            )
            for slot in SLOTS
            if slot not in held
        )

    def held(self) -> Sequence[HeldSlot]:
        """List the slots that exist; a free slot has no item."""
        return [
            HeldSlot(
                slot=int(item["sk"].removeprefix("SLOT#")),
                owner=item["owner"],
                lease_until=from_text(item["lease_until"]),
                job_id=ExportJobId(item["job_id"]) if "job_id" in item else None,
            )
            for item in self._table.query(self._pk, "SLOT#")
        ]

    def run(self, owner: SlotOwner, job_id: ExportJobId) -> None:
        """Write the job into the owner's slot."""
        for slot in self._of(str(owner)):
            self._table.update(
                self._pk,
                f"SLOT#{slot}",
                "SET job_id = :job",
                "#owner = :owner",
                {":job": job_id, ":owner": str(owner)},
            )

    def free(self, owner: str) -> None:
        """Delete the owner's slot, if it is still theirs."""
        for slot in self._of(owner):
            self._table.delete(self._pk, f"SLOT#{slot}", "#owner = :owner", {":owner": owner})

    def _of(self, owner: str) -> list[int]:
        return [slot.slot for slot in self.held() if slot.owner == owner]
