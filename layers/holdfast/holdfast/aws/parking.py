"""Parked messages in the ledger: `PARKED#MESSAGES`/what is parked."""

from collections.abc import Iterator
from datetime import datetime

from holdfast.aws.table import Item, Table, one_of
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.states import PARKED_MOVES, ParkedState, sources
from holdfast.ports import ParkedKind, ParkedMessage

_PK = "PARKED#MESSAGES"


class ParkingLedger:
    """Implements `ports.Parking`."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def park(self, message: ParkedMessage) -> bool:
        """Write the item unless it exists; one that was redriven under another message is parked again."""
        return self._table.put_new(_item(message)) or self._park_again(message)

    def _park_again(self, message: ParkedMessage) -> bool:
        parked = self._table.change(
            _PK,
            message.name,
            "SET #state = :parked, message_id = :bearer, #reason = :reason, body = :body",
            "message_id <> :bearer AND #state <> :closed",
            {
                ":bearer": message.message_id,
                ":reason": message.reason,
                ":body": message.body,
                ":parked": ParkedState.PARKED,
                ":closed": ParkedState.CLOSED,
            },
        )
        return parked is not None

    def parked(self) -> Iterator[ParkedMessage]:
        """Read all that are not closed; there should be few, and an alarm says when there are any."""
        for item in self._table.query(_PK):
            if item["state"] != ParkedState.CLOSED:
                yield _message(item)

    def redriven(self, message: ParkedMessage, at: datetime) -> bool:
        """Write the state, on condition that the message is still the one that was read."""
        before = sources(PARKED_MOVES, ParkedState.REDRIVEN)
        may_come_from, values = one_of("#state", before)
        return self._table.update(
            _PK,
            message.name,
            "SET #state = :state, redriven_at = :at",
            f"message_id = :bearer AND {may_come_from}",
            values | {":state": ParkedState.REDRIVEN, ":at": to_text(at), ":bearer": message.message_id},
        )

    def close(self, message: ParkedMessage, at: datetime) -> None:
        """Write the state, once."""
        self._table.update(
            _PK,
            message.name,
            "SET #state = :state, closed_at = :at",
            "#state <> :state",
            {":state": ParkedState.CLOSED, ":at": to_text(at)},
        )


def _item(message: ParkedMessage) -> Item:
    version = message.version
    return {
        "pk": _PK,
        "sk": message.name,
        "state": message.state,
        "message_id": message.message_id,
        "kind": message.kind,
        "reason": message.reason,
        "parked_at": to_text(message.parked_at),
        "body": message.body,
        "conversation_id": message.conversation_id,
        "version": {
            "bucket": version.bucket,
            "key": version.key,
            "version_id": version.version_id,
            "size_bytes": version.size_bytes,
        }
        if version
        else None,
    }


def _message(item: Item) -> ParkedMessage:
    return ParkedMessage(
        message_id=item["message_id"],
        reason=item["reason"],
        parked_at=from_text(item["parked_at"]),
        body=item["body"],
        kind=ParkedKind(item["kind"]),
        version=ObjectVersion(**item["version"]) if "version" in item else None,
        state=ParkedState(item["state"]),
        redriven_at=from_text(item["redriven_at"]) if "redriven_at" in item else None,
    )
