"""Tell what of the parked messages is done meanwhile."""

from collections.abc import Iterator, Sequence
from itertools import batched

from holdfast.contracts.arrivals import read_relock
from holdfast.domain.custody import ObjectVersion, Relock
from holdfast.errors import LedgerRuleBroken
from holdfast.ports import ParkedKind, ParkedMessage, Parking, ReceiptBook, RelockBook

AT_ONCE = 100


def still_parked(parking: Parking, receipts: ReceiptBook, relocks: RelockBook) -> Iterator[ParkedMessage]:
    """List what is parked and not done."""
    for messages in batched(parking.parked(), AT_ONCE, strict=False):
        done = done_meanwhile(messages, receipts, relocks)
        yield from (message for message in messages if message.name not in done)


def done_meanwhile(
    messages: Sequence[ParkedMessage], receipts: ReceiptBook, relocks: RelockBook
) -> frozenset[str]:
    """Name those whose version has its receipt by now, or the digest or the lock that was asked for."""
    done = {
        ParkedKind.ARRIVAL: receipts.have(_versions(messages, ParkedKind.ARRIVAL)),
        ParkedKind.DIGEST: receipts.digested(_versions(messages, ParkedKind.DIGEST)),
    }
    asked = [message for message in messages if message.kind is ParkedKind.RELOCK]
    answers = relocks.are_answered([_relock(message) for message in asked])
    locked = {message.name for message, is_done in zip(asked, answers, strict=True) if is_done}
    return frozenset(
        message.name
        for message in messages
        if message.name in locked
        or (message.version and message.version.fingerprint in done.get(message.kind, ()))
    )


def _relock(message: ParkedMessage) -> Relock:
    """Read what was parked as such; only what can be read is."""
    relock = read_relock(message.body, message.version.bucket) if message.version else None
    if relock is None:
        raise LedgerRuleBroken(f"expected {message.name} to ask for a lock, found another message")
    return relock


def _versions(messages: Sequence[ParkedMessage], kind: ParkedKind) -> list[ObjectVersion]:
    return [message.version for message in messages if message.version and message.kind is kind]
