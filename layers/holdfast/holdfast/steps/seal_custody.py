"""Give the verdict, and write down what it stands on."""

import json
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from holdfast.contracts.steps import Run, Sealed, Sealing
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import BROKEN_OFF, MEANINGS, Finding, Reason, standing_of
from holdfast.domain.scope import Conversation
from holdfast.domain.states import RequestState
from holdfast.ports import (
    BatchBook,
    BatchRecord,
    ClaimBook,
    Dossier,
    ParkedKind,
    ParkedMessage,
    Parking,
    ReceiptBook,
    RecordFiles,
    RequestBook,
    RequestRecord,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import BatchFiles, request_folder
from holdfast.steps.parked import still_parked
from holdfast.steps.pool import for_each
from holdfast.steps.record_failure import MAX_EXPLANATION, innermost_error

MAX_EXPLANATIONS = 5  # what a batch died of, its siblings often died of too


@dataclass(slots=True)
class Account:
    """The request's account while it is being drawn up."""

    matter_id: MatterId
    conversations: Tally[tuple[Medium, str]] = field(default_factory=Tally)
    recordings: Tally[tuple[Medium, str]] = field(default_factory=Tally)
    reasons: Tally[Reason] = field(default_factory=Tally)
    missing: int = 0
    exceptions: list[dict[str, object]] = field(default_factory=list)
    conversation_ids: set[ConversationId] = field(default_factory=set)
    explanations: dict[str, None] = field(default_factory=dict)

    def add_batch(self, batch: BatchRecord, findings: Sequence[Finding]) -> None:
        """Count a batch's recordings; of one that broke off, an account of nothing is no account."""
        for finding in findings:
            self._add_finding(finding)
        if batch.state in BROKEN_OFF and not findings:
            self._except(BROKEN_OFF[batch.state], Medium.UNKNOWN, None, None)
        if batch.explanation:
            self.explanations[batch.explanation] = None

    def _add_finding(self, finding: Finding) -> None:
        self.recordings[finding.medium, "expected"] += 1
        self.recordings[finding.medium, "delivered"] += finding.is_delivered
        self.recordings[finding.medium, finding.standing] += 1
        if finding.reason:
            self._except(finding.reason, finding.medium, finding.conversation_id, finding.recording_id)

    def add_conversation(self, conversation: Conversation, dossier: Dossier) -> None:
        """Count one conversation, by what the platform holds, and note objects that are no recordings."""
        medium, hold = conversation.medium, dossier.hold_for(self.matter_id)
        self.conversation_ids.add(conversation.conversation_id)
        self.conversations[medium, "expected"] += 1
        if self.matter_id not in dossier.claimed_by:
            self._conversation_exception(Reason.UNKNOWN, conversation)
        elif hold and hold.state.is_protecting:
            self.conversations[medium, "held_at_platform"] += 1
        else:
            reason = Reason(hold.reason) if hold and hold.reason else Reason.HOLD_NOT_CONFIRMED
            self._conversation_exception(reason, conversation)
        for receipt in dossier.receipts:
            if receipt.role is Role.OTHER:
                self._except(Reason.UNATTRIBUTED, Medium.UNKNOWN, conversation.conversation_id, None)

    def add_request_exceptions(self, record: RequestRecord, parked: Iterable[ParkedMessage]) -> None:
        """Add what stands against the request as a whole."""
        for reason in record.exceptions:
            self._except(Reason(reason), Medium.UNKNOWN, None, None)
        for message in parked:
            if self._may_concern(message, record):
                self._except(Reason.PARKED, Medium.UNKNOWN, message.conversation_id, None)

    def add_early_failure(self, failure: Mapping[str, object]) -> None:
        """Say that early protection failed, and of what; whether it cost anything, the recordings tell."""
        if failure.get("Error"):
            self._except(Reason.EARLY_PROTECTION_FAILED, Medium.UNKNOWN, None, None)
            _, message = innermost_error(failure)
            self.explanations[f"Early protection failed: {message}"[:MAX_EXPLANATION]] = None

    @property
    def verdict(self) -> RequestState:
        """Say PRESERVED only if nothing at all is missing."""
        return RequestState.INCOMPLETE if self.missing else RequestState.PRESERVED

    def summary(self) -> dict[str, object]:
        """Sum up by medium and by reason."""
        media = sorted(
            {medium for medium, _ in self.recordings} | {medium for medium, _ in self.conversations}
        )
        recording_columns = ("expected", "delivered", "secured", "explained", "missing")
        conversation_columns = ("expected", "held_at_platform", "explained", "missing")
        return {
            "verdict": self.verdict.lower(),
            "conversations": {name: _sum(self.conversations, name) for name in conversation_columns},
            "recordings": {name: _sum(self.recordings, name) for name in recording_columns},
            "by_medium": {
                medium.value: {
                    "conversations": self.conversations[medium, "expected"],
                    "held_at_platform": self.conversations[medium, "held_at_platform"],
                    **{name: self.recordings[medium, name] for name in recording_columns},
                }
                for medium in media
            },
            "explanations": list(self.explanations)[:MAX_EXPLANATIONS],
            "by_reason": {reason.value: count for reason, count in sorted(self.reasons.items())},
        }

    def _may_concern(self, message: ParkedMessage, record: RequestRecord) -> bool:
        """Judge a parked message: whatever cannot be ruled out, counts.

        What was parked before the request was opened and names no conversation cannot be one of its
        arrivals; a digest that is wanting there is of an object that is held and belongs to no matter.
        """
        if message.conversation_id is not None:
            return message.conversation_id in self.conversation_ids
        return message.kind is not ParkedKind.DIGEST and message.parked_at >= record.opened_at

    def _conversation_exception(self, reason: Reason, conversation: Conversation) -> None:
        standing = standing_of(reason)
        self.conversations[conversation.medium, standing] += 1
        self._except(reason, conversation.medium, conversation.conversation_id, None)

    def _except(
        self, reason: Reason, medium: Medium, conversation_id: str | None, recording_id: str | None
    ) -> None:
        self.reasons[reason] += 1
        self.missing += standing_of(reason) == "missing"
        self.exceptions.append(
            {
                "reason": reason,
                "meaning": MEANINGS[reason],
                "standing": standing_of(reason),
                "medium": medium,
                "conversation_id": conversation_id,
                "recording_id": recording_id,
            }
        )


def seal_custody(
    run: Sealing,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    receipts: ReceiptBook,
    parking: Parking,
    files: WorkFiles,
    records: RecordFiles,
    telemetry: Telemetry,
) -> Sealed:
    """Write the custody file and the exceptions, then the verdict into the ledger.

    The custody file has one entry a line, exactly the bytes the ledger keeps. A repeat finds the files and
    the verdict of the first time.
    """
    record = requests.read(run.matter_id, run.request_id)
    account = Account(run.matter_id)
    folder = _records_folder(record)
    custody = records.write_once(
        f"{folder}/custody.jsonl", _entries(record, account, batches=batches, claims=claims, files=files)
    )
    account.add_request_exceptions(record, still_parked(parking, receipts))
    account.add_early_failure(run.early_failure)
    exceptions = records.write_once(
        f"{folder}/exceptions.jsonl",
        (json.dumps(document, separators=(",", ":")).encode() for document in account.exceptions),
    )
    summary = account.summary() | {
        "custody": {"key": custody.key, "sha256": custody.sha256, "size_bytes": custody.size_bytes},
        "exceptions": {
            "key": exceptions.key,
            "sha256": exceptions.sha256,
            "size_bytes": exceptions.size_bytes,
        },
    }
    if not record.state.is_terminal:
        requests.advance(record, account.verdict, summary=summary)
    standing = requests.read(run.matter_id, run.request_id)
    summary = dict(standing.summary or summary)
    telemetry.note(
        "request_sealed", matter_id=run.matter_id, request_id=run.request_id, verdict=standing.state
    )
    is_preserved = standing.state is RequestState.PRESERVED
    return Sealed(
        verdict="PRESERVED" if is_preserved else "INCOMPLETE",
        matter_id=run.matter_id,
        request_id=run.request_id,
        announcement="MatterPreserved" if is_preserved else "MatterIncomplete",
        headline=_headline(run, is_preserved=is_preserved, summary=summary),
        custody_key=custody.key,
        custody_sha256=custody.sha256,
        summary=summary,
    )


def _records_folder(record: RequestRecord) -> str:
    """Name the folder of an attempt: what one that died left behind, and nobody may change, stays its own."""
    folder = request_folder(record.matter_id, record.request_id)
    return folder if record.attempt == 1 else f"{folder}/attempt-{record.attempt}"


def _headline(run: Run, *, is_preserved: bool, summary: Mapping[str, Any]) -> str:
    """Say in one sentence what a person needs to know."""
    verdict = "preserved" if is_preserved else "INCOMPLETE"
    recordings, conversations = summary["recordings"], summary["conversations"]
    reasons = ", ".join(f"{reason} {count}" for reason, count in summary["by_reason"].items())
    alone = summary["by_reason"].get(Reason.PLATFORM_CAP, 0)
    return (
        f"Request {run.request_id} of matter {run.matter_id} is {verdict}. "
        f"Recordings: {_columns(recordings, 'expected', 'secured', 'explained', 'missing')}. "
        f"Conversations: {_columns(conversations, 'expected', 'held_at_platform', 'explained', 'missing')}. "
        f"Reasons: {reasons or 'none'}."
        + (f" {alone} of the conversations stand on the S3 lock alone." if alone else "")
        + "".join(f" {explanation}" for explanation in summary["explanations"])
    )


def _columns(counts: Mapping[str, int], *names: str) -> str:
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names)


def _entries(
    record: RequestRecord, account: Account, *, batches: BatchBook, claims: ClaimBook, files: WorkFiles
) -> Iterator[bytes]:
    """Go through the request once: count everything, and give out the entries that concern the matter."""
    for batch in batches.of_request(record):
        batch_files = BatchFiles(files, record.matter_id, record.request_id, batch.batch_id)
        account.add_batch(batch, batch_files.findings())
        if batch.job_id:
            yield from (entry.canonical for entry in claims.manifest_entries(batch.job_id))
        conversations = batch_files.conversations()
        dossiers = for_each((one.conversation_id for one in conversations), claims.dossier)
        for conversation, dossier in zip(conversations, dossiers, strict=True):
            account.add_conversation(conversation, dossier)
            for entry in dossier.entries:
                if entry.matter_id in (None, record.matter_id):
                    yield entry.canonical


def _sum(tally: Tally[tuple[Medium, str]], column: str) -> int:
    return sum(count for (_, name), count in tally.items() if name == column)
