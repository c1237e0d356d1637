"""What people decided: `MATTER#m`/`RESOLUTION#id`; the event lies with the conversation, or in `LOG#m`."""

import hashlib
import os
from collections.abc import Sequence

from holdfast.aws.claims import Entropy, conversation_key, event_item
from holdfast.aws.table import Item, Table
from holdfast.domain.custody import CustodyEvent, EventType
from holdfast.domain.decisions import Decision, Resolution
from holdfast.domain.ids import ConversationId, MatterId, RecordingId, RequestId, ResolutionId
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.reconciliation import Reason
from holdfast.domain.ulid import ulid
from holdfast.errors import LedgerContention
from holdfast.evidence.entries import NONCE_BYTES, entry_bytes
from holdfast.ports import ResolutionRecord


def resolution_event(resolution: Resolution) -> CustodyEvent:
    """Compose the event; its id follows from the decision's, so that there is one."""
    named = f"{resolution.matter_id}\0{resolution.resolution_id}".encode()
    optional = {"recording_id": resolution.recording_id, "message_id": resolution.message_id}
    return CustodyEvent(
        event_id=ulid(resolution.at, hashlib.sha256(named).digest()[:10]),
        type=EventType.EXCEPTION_RESOLVED,
        conversation_id=resolution.conversation_id,
        at=resolution.at,
        matter_id=resolution.matter_id,
        request_id=resolution.request_id,
        details={
            "resolution_id": resolution.resolution_id,
            "reason": resolution.reason.value,
            "decision": resolution.decision.value,
            "decided_by": resolution.decided_by,
            "explanation": resolution.explanation,
            **{name: value for name, value in optional.items() if value},
        },
    )


class ResolutionLedger:
    """Implements `ports.ResolutionBook`."""

    def __init__(self, table: Table, *, entropy: Entropy = os.urandom) -> None:
        self._table = table
        self._entropy = entropy

    def find(self, matter_id: MatterId, resolution_id: ResolutionId) -> ResolutionRecord | None:
        """Read the item."""
        item = self._table.get(f"MATTER#{matter_id}", f"RESOLUTION#{resolution_id}")
        return _record(item, matter_id) if item else None

    def record(self, record: ResolutionRecord) -> ResolutionRecord:
        """Write item and event, all or nothing."""
        resolution = record.resolution
        event = resolution_event(resolution)
        if resolution.conversation_id:
            filed = event_item(conversation_key(resolution.conversation_id), event, self._entropy)
        else:
            filed = {
                "pk": f"LOG#{resolution.matter_id}",
                "sk": f"ENTRY#{event.event_id}",
                "matter_id": resolution.matter_id,
                "entry": entry_bytes(event, self._entropy(NONCE_BYTES)),
            }
        if self._table.transact(self._table.putting_new(_item(record)), self._table.putting_new(filed)):
            return record
        standing = self.find(resolution.matter_id, resolution.resolution_id)
        if standing is None:
            raise LedgerContention(f"the decision {resolution.resolution_id} met another write; repeat it")
        return standing

    def of_matter(self, matter_id: MatterId) -> Sequence[Resolution]:
        """Read the matter's items."""
        items = self._table.query(f"MATTER#{matter_id}", "RESOLUTION#")
        return [_record(item, matter_id).resolution for item in items]


def _item(record: ResolutionRecord) -> Item:
    resolution = record.resolution
    return {
        "pk": f"MATTER#{resolution.matter_id}",
        "sk": f"RESOLUTION#{resolution.resolution_id}",
        "request_id": resolution.request_id,
        "reason": resolution.reason,
        "decision": resolution.decision,
        "decided_by": resolution.decided_by,
        "explanation": resolution.explanation,
        "decided_at": to_text(resolution.at),
        "conversation_id": resolution.conversation_id,
        "recording_id": resolution.recording_id,
        "message_id": resolution.message_id,
        "body_sha256": record.body_sha256,
        "execution_arn": record.execution_arn,
    }


def _record(item: Item, matter_id: MatterId) -> ResolutionRecord:
    resolution = Resolution(
        resolution_id=ResolutionId(item["sk"].removeprefix("RESOLUTION#")),
        matter_id=matter_id,
        request_id=RequestId(item["request_id"]),
        reason=Reason(item["reason"]),
        decision=Decision(item["decision"]),
        decided_by=item["decided_by"],
        explanation=item["explanation"],
        at=from_text(item["decided_at"]),
        conversation_id=ConversationId(item["conversation_id"]) if "conversation_id" in item else None,
        recording_id=RecordingId(item["recording_id"]) if "recording_id" in item else None,
        message_id=item.get("message_id"),
    )
    return ResolutionRecord(resolution, item["body_sha256"], item["execution_arn"])
