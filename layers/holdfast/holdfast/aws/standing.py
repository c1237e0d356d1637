"""Standing matters in the ledger: `MATTER#m`/`STANDING`, and `STANDING`/`MATTER#m` to list them by.

Both are written in one transaction, so that a matter that is open is listed.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from holdfast.aws.table import Item, Table, one_of
from holdfast.domain.ids import MatterId
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.standing import Course
from holdfast.domain.states import STANDING_MOVES, StandingState, sources
from holdfast.ports import StandingMatter

_LIST = "STANDING"


class StandingLedger:
    """Implements `ports.StandingBook`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def open_matters(self) -> Sequence[MatterId]:
        """Read the list, which keeps those that are closed."""
        return [
            MatterId(item["sk"].removeprefix("MATTER#"))
            for item in self._table.query(_LIST, "MATTER#")
            if item["state"] != StandingState.CLOSED
        ]

    def find(self, matter_id: MatterId) -> StandingMatter | None:
        """Read the item."""
        item = self._table.get(f"MATTER#{matter_id}", _LIST)
        return None if item is None else _matter(matter_id, item)

    def open(self, matter: StandingMatter) -> bool:
        """Write both items, if there is none or the version before is CLOSED."""
        if matter.version == 1:
            return self._write(matter, "attribute_not_exists(pk)", {})
        return self._write(
            matter,
            "version = :before AND #state = :closed",
            {":before": matter.version - 1, ":closed": StandingState.CLOSED},
        )

    def advance(self, matter: StandingMatter) -> bool:
        """Write both items, if the version before stands and may move there."""
        before = sources(STANDING_MOVES, matter.course.state)
        may_come_from, values = one_of("#state", before)
        return self._write(
            matter, f"version = :before AND {may_come_from}", {":before": matter.version - 1, **values}
        )

    def _write(self, matter: StandingMatter, condition: str, values: Mapping[str, Any]) -> bool:
        listed = {"pk": _LIST, "sk": f"MATTER#{matter.matter_id}", "state": matter.course.state}
        return self._table.transact(
            self._table.putting(_item(matter), condition, values), self._table.putting(listed)
        )


def _item(matter: StandingMatter) -> Item:
    course = matter.course
    return {
        "pk": f"MATTER#{matter.matter_id}",
        "sk": _LIST,
        "body": matter.body,
        "body_sha256": matter.body_sha256,
        "state": course.state,
        "starts_at": to_text(course.starts_at),
        "length_s": int(course.length.total_seconds()),
        "high_water": to_text(course.high_water),
        "ends_at": to_text(course.ends_at) if course.ends_at else None,
        "until": to_text(course.until) if course.until else None,
        "attempts": course.attempts,
        "asked_at": to_text(course.asked_at) if course.asked_at else None,
        "version": matter.version,
        "closed_by": matter.closed_by,
    }


def _matter(matter_id: MatterId, item: Item) -> StandingMatter:
    def moment(name: str) -> Any:
        return from_text(item[name]) if name in item else None

    course = Course(
        state=StandingState(item["state"]),
        starts_at=from_text(item["starts_at"]),
        length=timedelta(seconds=item["length_s"]),
        high_water=from_text(item["high_water"]),
        ends_at=moment("ends_at"),
        until=moment("until"),
        attempts=item["attempts"],
        asked_at=moment("asked_at"),
    )
    return StandingMatter(
        matter_id, item["body"], item["body_sha256"], course, item["version"], item.get("closed_by")
    )
