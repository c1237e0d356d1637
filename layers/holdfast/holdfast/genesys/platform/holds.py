"""The platform's own protection: deletion protection of conversations, indefinite until revoked."""

from collections.abc import Sequence

from holdfast.contracts.genesys import ProtectedConversations, ProtectionResult
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.errors import PlatformConflict, PlatformRejected
from holdfast.genesys.transport import Transport
from holdfast.ports import HoldRefusal, RefusalKind

_PROTECTION = "/api/v2/recordings/deletionprotection"
_NO_CONTENT = 204


class DeletionProtection:
    """Implements `ports.PlatformHolds`."""

    chunk_size = 100
    is_per_matter = False

    # Source: Resource Center, "Protect recordings from deletion for a legal hold directive".
    def __init__(self, transport: Transport, *, cap: int = 1_000) -> None:
        self._transport = transport
        self.cap = cap

    def held_among(
        self, conversation_ids: Sequence[ConversationId], _matter_id: MatterId
    ) -> frozenset[ConversationId]:
        """Ask which are protected; the call is a POST that only reads."""
        body = {"conversationIds": list(conversation_ids)}
        answer = self._transport.post(_PROTECTION, body, is_repeatable=True)
        return frozenset(
            ConversationId(reference.id.lower()) for reference in answer.read(ProtectedConversations).root
        )

    def place(
        self, conversation_ids: Sequence[ConversationId], _matter_id: MatterId
    ) -> Sequence[HoldRefusal]:
        """Protect; the platform knows no matters."""
        return self._set(conversation_ids, protect=True)

    def release(
        self, conversation_ids: Sequence[ConversationId], _matter_id: MatterId
    ) -> Sequence[HoldRefusal]:
        """Revoke the protection, whoever wanted it."""
        return self._set(conversation_ids, protect=False)

    def _set(self, conversation_ids: Sequence[ConversationId], *, protect: bool) -> Sequence[HoldRefusal]:
        """Set the protection.

        Newer versions of the platform name the failures of a call, older ones reject the whole call for one
        of them. A rejected call is halved until the ones to blame stand alone; when the first of them is
        beyond the cap, so is everything after it, and is not asked for.
        """
        refusals: list[HoldRefusal] = []
        waiting, is_full = [list(conversation_ids)], False
        while waiting:
            part, *waiting = waiting
            if is_full:
                refusals += [HoldRefusal(one, RefusalKind.CAP_REACHED) for one in part]
                continue
            try:
                refusals += self._set_part(part, protect=protect)
            except (PlatformRejected, PlatformConflict) as rejected:
                if len(part) > 1:
                    middle = len(part) // 2
                    waiting = [part[:middle], part[middle:], *waiting]
                else:
                    kind = _kind_of(rejected)
                    refusals.append(HoldRefusal(part[0], kind))
                    is_full = kind is RefusalKind.CAP_REACHED
        return refusals

    def _set_part(
        self, conversation_ids: Sequence[ConversationId], *, protect: bool
    ) -> Sequence[HoldRefusal]:
        body = {"conversationIds": list(conversation_ids)}
        answer = self._transport.put(_PROTECTION, body, {"protect": str(protect).lower()})
        if answer.status == _NO_CONTENT or not answer.content:
            return []
        return [
            HoldRefusal(
                ConversationId(failure.conversation.id.lower()), _kind_of_code(failure.error_code or "")
            )
            for failure in answer.read(ProtectionResult).failed_updates
        ]


def _kind_of(rejected: PlatformRejected | PlatformConflict) -> RefusalKind:
    return RefusalKind.CONFLICT if isinstance(rejected, PlatformConflict) else _kind_of_code(rejected.code)


def _kind_of_code(code: str) -> RefusalKind:
    """Read the vendor's code. The cap's code is not documented; every code of a limit is taken for it."""
    if code.endswith("not.found"):
        return RefusalKind.NOT_FOUND
    if "limit" in code:
        return RefusalKind.CAP_REACHED
    return RefusalKind.CONFLICT if "conflict" in code else RefusalKind.OTHER
