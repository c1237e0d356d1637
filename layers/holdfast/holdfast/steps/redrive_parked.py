"""Send parked messages again, after somebody has mended what made them fail."""

from collections import Counter as Tally
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import batched

from holdfast.contracts.steps import Redrive, Redriven
from holdfast.domain.states import ParkedState
from holdfast.ports import (
    ArrivalQueue,
    ClaimBook,
    Clock,
    HashQueue,
    ParkedKind,
    ParkedMessage,
    Parking,
    ReceiptBook,
    RelockBook,
    Telemetry,
)
from holdfast.steps.parked import AT_ONCE, done_meanwhile
from holdfast.steps.pool import for_each

# Longer than a message can take to fail for good: five times the hash queue's visibility timeout.
IN_FLIGHT = timedelta(days=1)


def redrive_parked(
    redrive: Redrive,
    *,
    parking: Parking,
    receipts: ReceiptBook,
    relocks: RelockBook,
    claims: ClaimBook,
    arrival_queue: ArrivalQueue,
    hash_queue: HashQueue,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> Redriven:
    """Send what is chosen back to the queue it belongs to, and close what is done meanwhile.

    It is sent before that is written down: a redrive that dies sends it twice, which changes nothing.
    """

    def is_chosen(message: ParkedMessage) -> bool:
        is_named = not redrive.message_ids or message.message_id in redrive.message_ids
        if not is_named or redrive.matter_id is None or message.conversation_id is None:
            return is_named  # what names no conversation may belong to any matter
        return redrive.matter_id in claims.dossier(message.conversation_id).claimed_by

    def settle(message: ParkedMessage) -> str:
        if message.name in done:
            parking.close(message, clock.now())
            return "closed"
        if message.version is None:
            return "unreadable"
        if _is_in_flight(message, clock.now()):
            return "in_flight"
        if message.kind is ParkedKind.DIGEST:
            hash_queue.send(message.version)
        else:
            arrival_queue.send(message.body)
        parking.redriven(message, clock.now())
        return "redriven"

    outcomes, is_done = Tally[str](), True
    for messages in batched(parking.parked(), AT_ONCE, strict=False):
        if not has_time():
            is_done = False
            break
        are_chosen = for_each(messages, is_chosen)
        chosen = [message for message, is_wanted in zip(messages, are_chosen, strict=True) if is_wanted]
        done = done_meanwhile(chosen, receipts, relocks)
        outcomes.update(for_each(chosen, settle))
    names = ("redriven", "closed", "in_flight", "unreadable")
    redriven, closed, in_flight, unreadable = (outcomes[name] for name in names)
    telemetry.note("parked_redriven", redriven=redriven, closed=closed, unreadable=unreadable)
    return Redriven(
        done=is_done, redriven=redriven, closed=closed, in_flight=in_flight, unreadable=unreadable
    )


def _is_in_flight(message: ParkedMessage, now: datetime) -> bool:
    sent_at = message.redriven_at if message.state is ParkedState.REDRIVEN else None
    return sent_at is not None and now < sent_at + IN_FLIGHT
