"""Legal holds of the Compliance API: by reference, so that those of several matters stand side by side."""

import re
from collections.abc import Callable, Sequence

from holdfast.contracts.compliance import (
    REFERENCE_PATTERN,
    HoldOutcome,
    HoldPlacement,
    HoldQuery,
    HoldRelease,
    StandingHolds,
)
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.errors import PayloadTooLarge, PlatformConflict, SettingsInvalid
from holdfast.genesys.transport import Transport
from holdfast.ports import HoldRefusal, RefusalKind

_HOLDS = "/api/v2/compliance/legalholds"
_REFERENCE = re.compile(REFERENCE_PATTERN)
_KINDS = {"404": RefusalKind.NOT_FOUND, "409": RefusalKind.CONFLICT}


def reference_of(matter_id: MatterId) -> str | None:
    """Write a matter's id as the reference of its holds; None if it cannot be one."""
    reference = matter_id.upper()
    return reference if _REFERENCE.fullmatch(reference) else None


class LegalHolds:
    """Implements `ports.PlatformHolds`."""

    cap = None
    chunk_size = 50
    is_per_matter = True

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def held_among(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> frozenset[ConversationId]:
        """Ask who holds them; only the matter's own reference counts. The call is a POST that only reads."""
        reference = _reference(matter_id)

        def ask(part: Sequence[ConversationId]) -> list[ConversationId]:
            query = HoldQuery(conversation_ids=list(part))
            answer = self._transport.post(f"{_HOLDS}/query", query, is_repeatable=True)
            return [
                ConversationId(hold.conversation_id.lower())
                for hold in answer.read(StandingHolds).holds
                if reference in hold.references
            ]

        return frozenset(_in_parts(conversation_ids, ask))

    def place(self, conversation_ids: Sequence[ConversationId], matter_id: MatterId) -> Sequence[HoldRefusal]:
        """Hold, acknowledged and under the matter's reference.

        A 409 for the whole call means that the platform still synchronises what was uploaded.
        """
        reference = _reference(matter_id)

        def hold(part: Sequence[ConversationId]) -> list[HoldRefusal]:
            placement = HoldPlacement(conversation_ids=list(part), externalReferenceId=reference)
            try:
                return _refusals(self._transport.post(_HOLDS, placement).read(HoldOutcome))
            except PlatformConflict:
                return [HoldRefusal(one, RefusalKind.CONFLICT) for one in part]

        return _in_parts(conversation_ids, hold)

    def release(
        self, conversation_ids: Sequence[ConversationId], matter_id: MatterId
    ) -> Sequence[HoldRefusal]:
        """Let go of the matter's own reference; what does not bear it is no refusal."""
        reference = _reference(matter_id)

        def let_go(part: Sequence[ConversationId]) -> list[HoldRefusal]:
            release = HoldRelease(conversation_ids=list(part), externalReferenceId=reference)
            answer = self._transport.post(f"{_HOLDS}/release", release, is_repeatable=True)
            return _refusals(answer.read(HoldOutcome))

        refusals = _in_parts(conversation_ids, let_go)
        return [refusal for refusal in refusals if refusal.kind is not RefusalKind.NOT_FOUND]


def _in_parts[Answered](
    conversation_ids: Sequence[ConversationId], call: Callable[[Sequence[ConversationId]], list[Answered]]
) -> list[Answered]:
    """Call for all at once, or for each half where the platform finds that too large."""
    try:
        return call(conversation_ids)
    except PayloadTooLarge:
        if len(conversation_ids) == 1:
            raise
        middle = len(conversation_ids) // 2
        return [
            *_in_parts(conversation_ids[:middle], call),
            *_in_parts(conversation_ids[middle:], call),
        ]


def _refusals(outcome: HoldOutcome) -> list[HoldRefusal]:
    return [
        HoldRefusal(
            ConversationId(failure.conversation_id.lower()),
            _KINDS.get(str(failure.error_code), RefusalKind.OTHER),
        )
        for failure in outcome.failed
    ]


def _reference(matter_id: MatterId) -> str:
    reference = reference_of(matter_id)
    if reference is None:  # Preflight refuses such a matter
        raise SettingsInvalid([f"matter {matter_id}: expected an id that can be a hold's reference"])
    return reference
