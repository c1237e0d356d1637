"""The shared request budget: one item in the credentials table."""

from holdfast.aws.table import Item, Table
from holdfast.genesys.budget import Reservation

_PK, _SK = "BUDGET", "GENESYS"


class BudgetTable:
    """Implements `genesys.budget.BudgetStore`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def reserve(self, now_us: int, interval_us: int, latest_us: int) -> Reservation | None:
        """Move the due time on in one write: most often it lies ahead; after a pause it is set anew."""
        moved = self._change(
            "SET due_us = due_us + :interval",
            "due_us BETWEEN :now AND :latest",
            {":interval": interval_us, ":now": now_us, ":latest": latest_us},
        ) or self._change(
            "SET due_us = :due",
            "attribute_not_exists(due_us) OR due_us < :now",
            {":due": now_us + interval_us, ":now": now_us},
        )
        return Reservation(moved["due_us"], moved.get("allowed")) if moved else None

    def due_us(self) -> int:
        """Read the due time."""
        item = self._table.get(_PK, _SK) or {}
        return int(item.get("due_us", 0))

    def hold_off(self, until_us: int) -> None:
        """Move the due time, if that is forward."""
        self._change(
            "SET due_us = :until", "attribute_not_exists(due_us) OR due_us < :until", {":until": until_us}
        )

    def learn(self, allowed: int) -> None:
        """Write the limit."""
        self._change("SET allowed = :allowed", "attribute_not_exists(nothing)", {":allowed": allowed})

    def _change(self, update: str, condition: str, values: dict[str, int]) -> Item | None:
        return self._table.change(_PK, _SK, update, condition, values)
