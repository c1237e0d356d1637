"""Releases in the ledger: `MATTER#m`/`RELEASE#r`, and what is under way noted in `MATTER#m`/`META`.

What nobody claims is released under the matter `-`, whose META begins with its first release.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from holdfast.aws.table import Item, Table
from holdfast.domain.ids import MatterId, ReleaseId
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.release import NOBODY, Approval
from holdfast.domain.states import RELEASE_MOVES, MatterStatus, ReleaseState, StandingState
from holdfast.errors import LedgerRuleBroken
from holdfast.ports import PlanRecord, RecordFile, ReleaseRecord


class ReleaseRequestLedger:
    """Implements `ports.ReleaseRequests`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def find(self, matter_id: MatterId, release_id: ReleaseId) -> ReleaseRecord | None:
        """Read the item."""
        item = self._table.get(_matter_key(matter_id), f"RELEASE#{release_id}")
        return None if item is None else _release(matter_id, release_id, item)

    def of_matter(self, matter_id: MatterId) -> Sequence[ReleaseRecord]:
        """Read all releases of the matter's partition."""
        items = self._table.query(_matter_key(matter_id), "RELEASE#")
        found = (_release(matter_id, ReleaseId(item["sk"].removeprefix("RELEASE#")), item) for item in items)
        return sorted(found, key=lambda one: one.opened_at)

    def read(self, matter_id: MatterId, release_id: ReleaseId) -> ReleaseRecord:
        """Read the item that must be there."""
        record = self.find(matter_id, release_id)
        if record is None:
            raise LedgerRuleBroken(
                f"expected release {release_id} of matter {matter_id} in the ledger, found none"
            )
        return record

    def open(self, record: ReleaseRecord) -> bool:
        """Put the item, and its id into the matter's."""
        if record.matter_id == NOBODY:  # nobody opens it as a matter
            self._table.put_new(
                {
                    "pk": _matter_key(NOBODY),
                    "sk": "META",
                    "title": "What nobody claims",
                    "status": MatterStatus.OPEN,
                    "opened_at": to_text(record.opened_at),
                    "requests": 0,
                }
            )
        return self._table.transact(
            self._table.putting_new(_item(record)),
            self._table.updating(
                _matter_key(record.matter_id),
                "META",
                "SET release_id = :release",
                "attribute_exists(pk) AND attribute_not_exists(release_id) AND requests = :requests",
                {":release": record.release_id, ":requests": record.requests},
            ),
        )

    def advance(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        """Put the item on condition of state and execution."""
        _check(before, after)
        condition, values = _as_read(before)
        return self._table.put(_item(after), condition, values)

    def begin(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        """Put the item, and RELEASING into the matter's; three conditions, all or nothing."""
        pk = _matter_key(before.matter_id)
        return self._move(
            before,
            after,
            self._table.updating(
                pk,
                "META",
                "SET #status = :status",
                "release_id = :release AND requests = :requests"
                " AND (attribute_not_exists(open_requests) OR open_requests = :none)",
                {
                    ":status": MatterStatus.RELEASING,
                    ":release": before.release_id,
                    ":requests": before.requests,
                    ":none": 0,
                },
            ),
            self._table.checking(
                pk,
                "STANDING",
                "attribute_not_exists(pk) OR #state = :closed",
                {":closed": StandingState.CLOSED},
            ),
        )

    def end(self, before: ReleaseRecord, after: ReleaseRecord) -> bool:
        """Put the item, and take its id out of the matter's."""
        was_released = after.state is ReleaseState.RELEASED and after.matter_id != NOBODY
        status = MatterStatus.RELEASED if was_released else MatterStatus.OPEN
        return self._move(
            before,
            after,
            self._table.updating(
                _matter_key(before.matter_id),
                "META",
                "SET #status = :status REMOVE release_id",
                "release_id = :release",
                {":status": status, ":release": before.release_id},
            ),
        )

    def _move(self, before: ReleaseRecord, after: ReleaseRecord, *others: dict[str, Any]) -> bool:
        _check(before, after)
        condition, values = _as_read(before)
        return self._table.transact(self._table.putting(_item(after), condition, values), *others)


def _matter_key(matter_id: MatterId) -> str:
    return f"MATTER#{matter_id}"


def _check(before: ReleaseRecord, after: ReleaseRecord) -> None:
    if after.state is not before.state and after.state not in RELEASE_MOVES[before.state]:
        raise LedgerRuleBroken(f"release {before.release_id}: {before.state} may not become {after.state}")


def _as_read(record: ReleaseRecord) -> tuple[str, Mapping[str, Any]]:
    return "#state = :before AND execution_arn = :theirs", {
        ":before": record.state,
        ":theirs": record.execution_arn,
    }


def _item(record: ReleaseRecord) -> Item:
    plan, approval, certificate = record.plan, record.approval, record.certificate
    return {
        "pk": _matter_key(record.matter_id),
        "sk": f"RELEASE#{record.release_id}",
        "state": record.state,
        "body": record.body,
        "body_sha256": record.body_sha256,
        "execution_arn": record.execution_arn,
        "opened_at": to_text(record.opened_at),
        "requests": record.requests,
        "explanation": record.explanation or None,
        "plan": plan
        and {
            "key": plan.key,
            "sha256": plan.sha256,
            "approve_by": to_text(plan.approve_by),
            "parts": plan.parts,
            "counts": dict(plan.counts),
        },
        "approval": approval
        and {
            "approved_by": approval.approved_by,
            "at": to_text(approval.at),
            "event_id": approval.event_id,
            "account": approval.account,
        },
        "certificate": certificate
        and {"key": certificate.key, "sha256": certificate.sha256, "size_bytes": certificate.size_bytes},
    }


def _release(matter_id: MatterId, release_id: ReleaseId, item: Item) -> ReleaseRecord:
    plan, approval, certificate = item.get("plan"), item.get("approval"), item.get("certificate")
    return ReleaseRecord(
        matter_id=matter_id,
        release_id=release_id,
        state=ReleaseState(item["state"]),
        body=item["body"],
        body_sha256=item["body_sha256"],
        execution_arn=item["execution_arn"],
        opened_at=from_text(item["opened_at"]),
        requests=item["requests"],
        plan=plan and PlanRecord(**{**plan, "approve_by": from_text(plan["approve_by"])}),
        approval=approval and Approval(**{**approval, "at": from_text(approval["at"])}),
        explanation=item.get("explanation", ""),
        certificate=certificate and RecordFile(**certificate),
    )
