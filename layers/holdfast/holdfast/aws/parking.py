"""Parked messages in the ledger: `PARKED#MESSAGES`/message id."""

from collections.abc import Iterator

from holdfast.aws.table import Table
from holdfast.domain.ids import ConversationId
from holdfast.domain.moments import from_text, to_text
from holdfast.ports import ParkedMessage

_PK = "PARKED#MESSAGES"


class ParkingLedger:
    """Implements `ports.Parking`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def park(self, message: ParkedMessage) -> None:
        """Write the item unless it exists."""
        self._table.put_new(
            {
                "pk": _PK,
                "sk": message.message_id,
                "reason": message.reason,
                "parked_at": to_text(message.parked_at),
                "body": message.body,
                "conversation_id": message.conversation_id,
                "fingerprint": message.fingerprint,
            }
        )

    def parked(self) -> Iterator[ParkedMessage]:
        """Read all of them; there should be few, and an alarm says when there are any."""
        for item in self._table.query(_PK):
            yield ParkedMessage(
                message_id=item["sk"],
                reason=item["reason"],
                parked_at=from_text(item["parked_at"]),
                body=item["body"],
                conversation_id=ConversationId(item["conversation_id"])
                if "conversation_id" in item
                else None,
                fingerprint=item.get("fingerprint"),
            )
