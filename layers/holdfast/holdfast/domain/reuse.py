"""When a conversation need not be exported again, because an earlier export has secured all of it.

Rule: every recording was delivered and secured, at least one of those that are wanted now; the earlier
request asked for whatever is asked for now; and the conversation's data was complete before the earlier job
was created. That its objects are still held is for the ledger to say, and that they are all there is proven
from the receipts, when the decision is made and once more when the account is drawn up.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.ids import ConversationId, MatterId, RecordingId, RequestId
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import Delivery, Finding, Reason
from holdfast.domain.scope import DATA_LAG, Conversation, Scope


@dataclass(frozen=True, slots=True)
class ExportTerms:
    """What an export job was asked for, when, and by whom."""

    matter_id: MatterId
    request_id: RequestId
    include_screen: bool
    include_sensitive: bool
    job_created_at: datetime


@dataclass(frozen=True, slots=True)
class SecuredExport:
    """That all recordings an export job had of a conversation are secured.

    `epoch` is that of the conversation's hold: once its locks were lifted, this is void.
    """

    conversation_id: ConversationId
    recordings: Mapping[RecordingId, Medium]
    terms: ExportTerms
    epoch: int

    def serves(self, conversation: Conversation, scope: Scope) -> bool:
        """Tell whether another export of the conversation, for this scope, would bring nothing new."""
        terms = self.terms
        includes_all = (terms.include_screen or not scope.include_screen) and (
            terms.include_sensitive or not scope.include_sensitive
        )
        was_complete = (
            conversation.ended_at is not None and conversation.ended_at + DATA_LAG <= terms.job_created_at
        )
        return includes_all and was_complete and bool(self.wanted(include_screen=scope.include_screen))

    def wanted(self, *, include_screen: bool) -> Mapping[RecordingId, Medium]:
        """Leave out screens that are not asked for."""
        return {
            recording_id: medium
            for recording_id, medium in self.recordings.items()
            if include_screen or medium is not Medium.SCREEN
        }

    def findings(self, deliveries: Iterable[Delivery], *, include_screen: bool) -> list[Finding]:
        """Hold what the bucket has against what was secured; a finding without a reason is proven."""
        found = {delivery.recording_id: delivery for delivery in deliveries}
        return [
            Finding(
                recording_id,
                self.conversation_id,
                medium,
                recording_id in found and found[recording_id].is_complete,
                found[recording_id].flaw if recording_id in found else Reason.REUSE_UNPROVEN,
            )
            for recording_id, medium in self.wanted(include_screen=include_screen).items()
        ]

    def is_proven(self, deliveries: Iterable[Delivery], *, include_screen: bool) -> bool:
        """Tell whether the bucket has all of it, secured."""
        findings = self.findings(deliveries, include_screen=include_screen)
        return all(finding.reason is None for finding in findings)


def secured_exports(
    findings: Iterable[Finding], terms: ExportTerms, epochs: Mapping[ConversationId, int]
) -> list[SecuredExport]:
    """Name the conversations of a batch of which nothing is left to export.

    Whatever the account cannot name may belong to any of them, and then there are none.
    """
    recordings: dict[ConversationId, dict[RecordingId, Medium]] = defaultdict(dict)
    lacking: set[ConversationId] = set()
    for finding in findings:
        if finding.conversation_id is None or finding.recording_id is None:
            return []
        recordings[finding.conversation_id][finding.recording_id] = finding.medium
        if finding.reason:
            lacking.add(finding.conversation_id)
    return [
        SecuredExport(conversation_id, recordings[conversation_id], terms, epochs[conversation_id])
        for conversation_id in recordings.keys() - lacking
        if conversation_id in epochs
    ]


def missing_proof(conversation: Conversation) -> Finding:
    """Account for a conversation that was re-used and of which no export is known to be secured any more."""
    conversation_id, medium = conversation.conversation_id, conversation.medium
    return Finding(None, conversation_id, medium, False, Reason.REUSE_UNPROVEN)
