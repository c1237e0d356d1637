"""Tell what of the parked messages is done meanwhile."""

from collections.abc import Iterator, Sequence
from itertools import batched

from holdfast.domain.custody import ObjectVersion
from holdfast.ports import ParkedKind, ParkedMessage, Parking, ReceiptBook

AT_ONCE = 100


def still_parked(parking: Parking, receipts: ReceiptBook) -> Iterator[ParkedMessage]:
    """List what is parked and not done."""
    for messages in batched(parking.parked(), AT_ONCE, strict=False):
        done = done_meanwhile(messages, receipts)
        yield from (message for message in messages if message.name not in done)


def done_meanwhile(messages: Sequence[ParkedMessage], receipts: ReceiptBook) -> frozenset[str]:
    """Name those whose version has its receipt by now, or the digest that was asked for."""
    done = {
        ParkedKind.ARRIVAL: receipts.have(_versions(messages, ParkedKind.ARRIVAL)),
        ParkedKind.DIGEST: receipts.digested(_versions(messages, ParkedKind.DIGEST)),
    }
    return frozenset(
        message.name
        for message in messages
        if message.version and message.version.fingerprint in done[message.kind]
    )


def _versions(messages: Sequence[ParkedMessage], kind: ParkedKind) -> list[ObjectVersion]:
    return [message.version for message in messages if message.version and message.kind is kind]
