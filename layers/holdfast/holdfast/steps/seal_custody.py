"""Give the verdict, and write down what it stands on."""

import json
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from holdfast.contracts.steps import Run, Sealed, Sealing
from holdfast.domain.custody import Account as CustodyAccount
from holdfast.domain.custody import NamedFile
from holdfast.domain.decisions import Resolution, resolution_of
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import MatterId, batch_prefix
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import BROKEN_OFF, MEANINGS, Finding, Reason, standing_of
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState, RequestState
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.errors import LedgerRuleBroken
from holdfast.ports import (
    BatchBook,
    BatchRecord,
    ClaimBook,
    Clock,
    Counter,
    Dossier,
    ParkedKind,
    ParkedMessage,
    Parking,
    ReceiptBook,
    RecordFile,
    RecordFiles,
    RelockBook,
    RequestBook,
    RequestRecord,
    ResolutionBook,
    SealBook,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.explain_failure import MAX_EXPLANATION, innermost_error
from holdfast.steps.files import BatchFiles, request_folder
from holdfast.steps.parked import still_parked
from holdfast.steps.pool import for_each

MAX_EXPLANATIONS = 5  # what a batch died of, its siblings often died of too
# A part is whole batches, and has at least as many conversations; a batch more at most. A minute's reading.
PART_CONVERSATIONS = 10_000


@dataclass(slots=True)
class Account:
    """The request's account while it is being drawn up."""

    matter_id: MatterId
    conversations: Tally[tuple[Medium, str]] = field(default_factory=Tally)
    recordings: Tally[tuple[Medium, str]] = field(default_factory=Tally)
    reasons: Tally[Reason] = field(default_factory=Tally)
    reused: Tally[str] = field(default_factory=Tally)
    resolutions: Sequence[Resolution] = ()
    resolved: Tally[Reason] = field(default_factory=Tally)
    missing: int = 0
    exceptions: list[dict[str, object]] = field(default_factory=list)
    lines: list[dict[str, object]] = field(default_factory=list)
    explanations: dict[str, None] = field(default_factory=dict)

    def add_batch(
        self, batch: BatchRecord, findings: Sequence[Finding], conversations: Sequence[Conversation]
    ) -> None:
        """Count a batch's recordings; of one that broke off, an account of nothing is no account."""
        days = {conversation.conversation_id: _day_of(conversation) for conversation in conversations}
        for finding in findings:
            self._add_finding(finding, days.get(finding.conversation_id) if finding.conversation_id else None)
        if batch.state is BatchState.REUSED:
            self.reused["conversations"] += batch.conversations
            self.reused["recordings"] += sum(finding.standing == "secured" for finding in findings)
        if batch.state in BROKEN_OFF and not findings:
            self._except(BROKEN_OFF[batch.state], Medium.UNKNOWN, None, None)
        if batch.explanation:
            self.explanations[batch.explanation] = None

    def _add_finding(self, finding: Finding, day: str | None) -> None:
        standing = finding.standing
        if finding.reason and self._resolution(finding.reason, finding.conversation_id, finding.recording_id):
            standing = "explained"
        self.lines.append(
            {
                "kind": "recording",
                "conversation_id": finding.conversation_id,
                "recording_id": finding.recording_id,
                "medium": finding.medium,
                "day": day,
                "standing": standing,
                "reason": finding.reason,
            }
        )
        self.recordings[finding.medium, "expected"] += 1
        self.recordings[finding.medium, "delivered"] += finding.is_delivered
        self.recordings[finding.medium, standing] += 1
        if finding.reason:
            self._except(finding.reason, finding.medium, finding.conversation_id, finding.recording_id)

    def add_conversation(self, conversation: Conversation, dossier: Dossier) -> None:
        """Count one conversation, by what the platform holds, and note objects that are no recordings."""
        medium, hold = conversation.medium, dossier.hold_for(self.matter_id)
        self.conversations[medium, "expected"] += 1
        reason: Reason | None = None
        if self.matter_id not in dossier.claimed_by:
            reason = Reason.UNKNOWN
        elif not dossier.promise.is_kept:
            reason = Reason.LOCK_PENDING
        elif not (hold and hold.state.is_protecting):
            reason = Reason(hold.reason) if hold and hold.reason else Reason.HOLD_NOT_CONFIRMED
        standing = standing_of(reason) if reason else "held_at_platform"
        self.conversations[medium, standing] += 1
        if reason:
            self._except(reason, medium, conversation.conversation_id, None)
        self.lines.append(
            {
                "kind": "conversation",
                "conversation_id": conversation.conversation_id,
                "medium": medium,
                "day": _day_of(conversation),
                "standing": standing,
                "reason": reason,
            }
        )
        for receipt in dossier.receipts:
            if receipt.role is Role.OTHER:
                self._except(Reason.UNATTRIBUTED, Medium.UNKNOWN, conversation.conversation_id, None)
        hidden = {receipt.version.key: receipt for receipt in dossier.hidden}  # with all of its versions
        for reason, receipts in ((Reason.VERSION_GONE, dossier.gone), (Reason.HIDDEN, hidden.values())):
            for receipt in receipts:
                medium = receipt.medium or Medium.UNKNOWN
                self._except(reason, medium, conversation.conversation_id, receipt.recording_id)

    def add_request_exceptions(
        self, record: RequestRecord, parked: Iterable[ParkedMessage], claims: ClaimBook
    ) -> None:
        """Add what stands against the request as a whole."""
        for reason in record.exceptions:
            self._except(Reason(reason), Medium.UNKNOWN, None, None)
        for message in parked:
            if _may_concern(message, record, claims):
                self._except(Reason.PARKED, Medium.UNKNOWN, message.conversation_id, None, message.message_id)

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
            "reused": {name: self.reused[name] for name in ("conversations", "recordings")},
            "explanations": list(self.explanations)[:MAX_EXPLANATIONS],
            "by_reason": {reason.value: count for reason, count in sorted(self.reasons.items())},
            "resolved": {reason.value: count for reason, count in sorted(self.resolved.items()) if count},
        }

    def _except(
        self,
        reason: Reason,
        medium: Medium,
        conversation_id: str | None,
        recording_id: str | None,
        message_id: str | None = None,
    ) -> None:
        """Note an exception; one that a person has settled is explained by that decision."""
        resolution = self._resolution(reason, conversation_id, recording_id, message_id)
        standing = "explained" if resolution else standing_of(reason)
        self.reasons[reason] += 1
        self.resolved[reason] += resolution is not None
        self.missing += standing == "missing"
        self.exceptions.append(
            {
                "reason": reason,
                "meaning": MEANINGS[reason],
                "standing": standing,
                "medium": medium,
                "conversation_id": conversation_id,
                "recording_id": recording_id,
                **({"message_id": message_id} if message_id else {}),
                **(_decided(resolution) if resolution else {}),
            }
        )

    def _resolution(
        self,
        reason: Reason,
        conversation_id: str | None,
        recording_id: str | None,
        message_id: str | None = None,
    ) -> Resolution | None:
        return resolution_of(self.resolutions, reason, conversation_id, recording_id, message_id)

    def tallies(self) -> dict[str, object]:
        """Write down what was counted."""
        return {
            "conversations": [[medium, name, count] for (medium, name), count in self.conversations.items()],
            "recordings": [[medium, name, count] for (medium, name), count in self.recordings.items()],
            "reasons": dict(self.reasons),
            "reused": dict(self.reused),
            "resolved": dict(self.resolved),
            "missing": self.missing,
            "explanations": list(self.explanations)[:MAX_EXPLANATIONS],
        }

    def add_tallies(self, tallies: Mapping[str, Any]) -> None:
        """Add what was counted elsewhere."""
        for tally, name in ((self.conversations, "conversations"), (self.recordings, "recordings")):
            tally.update({(Medium(medium), column): count for medium, column, count in tallies[name]})
        self.reasons.update({Reason(reason): count for reason, count in tallies["reasons"].items()})
        self.reused.update(tallies["reused"])
        self.resolved.update({Reason(reason): count for reason, count in tallies.get("resolved", {}).items()})
        self.missing += tallies["missing"]
        self.explanations |= dict.fromkeys(tallies["explanations"])


@dataclass(frozen=True, slots=True)
class _Part:
    """Some of a request's batches, and the two files they fill; `suffix` is empty for the only part."""

    number: int
    batches: Sequence[BatchRecord]
    suffix: str
    is_last: bool


@dataclass(frozen=True, slots=True)
class _Sealing:
    """The account of a request, part by part.

    What a part came to is kept in the work bucket once its files are written: the next invocation goes on
    with the next part, and nothing is held in memory or read twice for the matter's size.
    """

    record: RequestRecord
    batches: BatchBook
    claims: ClaimBook
    receipts: ReceiptBook
    relocks: RelockBook
    resolutions: ResolutionBook
    parking: Parking
    files: WorkFiles
    records: RecordFiles
    early_failure: Mapping[str, object]
    warnings: Sequence[str]

    def sum_up(self, has_time: Callable[[], bool]) -> tuple[RequestState, dict[str, object]] | None:
        """Give verdict and summary; None if time has run out before the last part."""
        account = Account(self.record.matter_id)
        exceptions: list[RecordFile] = []
        accounts: list[RecordFile] = []
        may_begin = True
        for part in self._parts():
            sealed = self._sealed(part)
            if sealed is None:
                if not may_begin:
                    return None
                sealed = self._seal(part)
                may_begin = has_time()
            account.add_tallies(sealed["tallies"])
            exceptions.append(RecordFile(**sealed["exceptions"]))
            accounts.append(RecordFile(**sealed["account"]))
        folder = _records_folder(self.record)
        named = {
            "exceptions": self._named("exceptions", exceptions),
            "account": self._named("account", accounts),
            "request": asdict(self.records.write_once(f"{folder}/request.json", [self.record.body])),
        }
        summary = account.summary() | named | {"warnings": self.warnings}
        self.records.write_once(f"{folder}/summary.json", [_line(summary)])
        return account.verdict, summary

    def _parts(self) -> list[_Part]:
        groups: list[list[BatchRecord]] = [[]]
        filled = 0
        for batch in self.batches.of_request(self.record):
            if filled >= PART_CONVERSATIONS:
                groups.append([])
                filled = 0
            groups[-1].append(batch)
            filled += batch.conversations
        return [
            _Part(number, group, f"-{number:06d}" if len(groups) > 1 else "", number == len(groups))
            for number, group in enumerate(groups, 1)
        ]

    def _sealed(self, part: _Part) -> dict[str, Any] | None:
        content = self.files.read(self._tallies_key(part))
        sealed: dict[str, Any] | None = json.loads(content) if content else None
        return sealed

    def _seal(self, part: _Part) -> dict[str, Any]:
        """Draw up a part's account, write it once, and keep what it came to."""
        folder = _records_folder(self.record)
        decided = self.resolutions.of_matter(self.record.matter_id)
        account = Account(self.record.matter_id, resolutions=decided)
        self._count(part.batches, account)
        if part.is_last:
            parked = still_parked(self.parking, self.receipts, self.relocks)
            account.add_request_exceptions(self.record, parked, self.claims)
            account.add_early_failure(self.early_failure)
        exceptions = self.records.write_once(
            f"{folder}/exceptions{part.suffix}.jsonl", map(_line, account.exceptions)
        )
        accounts = self.records.write_once(f"{folder}/account{part.suffix}.jsonl", map(_line, account.lines))
        sealed: dict[str, Any] = {
            "tallies": account.tallies(),
            "exceptions": asdict(exceptions),
            "account": asdict(accounts),
        }
        self.files.write(self._tallies_key(part), json.dumps(sealed).encode())
        return sealed

    def _count(self, batches: Iterable[BatchRecord], account: Account) -> None:
        record = self.record
        for batch in batches:
            batch_files = BatchFiles(self.files, record.matter_id, record.request_id, batch.batch_id)
            conversations = batch_files.conversations()
            account.add_batch(batch, batch_files.findings(), conversations)
            dossiers = for_each((one.conversation_id for one in conversations), self.claims.dossier)
            for conversation, dossier in zip(conversations, dossiers, strict=True):
                account.add_conversation(conversation, dossier)

    def _named(self, name: str, parts: Sequence[RecordFile]) -> dict[str, object]:
        """Name the one file, or the list of the parts' digests, which `sha256sum --check` reads."""
        if len(parts) == 1:
            return asdict(parts[0])
        lines = (f"{part.sha256}  {part.key.rpartition('/')[2]}".encode() for part in parts)
        listed = self.records.write_once(f"{_records_folder(self.record)}/{name}.sha256", lines)
        return asdict(listed) | {"parts": len(parts)}

    def _tallies_key(self, part: _Part) -> str:
        folder = request_folder(self.record.matter_id, self.record.request_id)
        return f"{folder}/sealing/{batch_prefix(self.record.attempt)}{part.number:06d}.json"


def seal_custody(
    run: Sealing,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    receipts: ReceiptBook,
    relocks: RelockBook,
    resolutions: ResolutionBook,
    parking: Parking,
    files: WorkFiles,
    records: RecordFiles,
    seals: SealBook,
    clock: Clock,
    has_time: Callable[[], bool],
    telemetry: Telemetry,
) -> Sealed:
    """Write account and exceptions part by part, then the verdict into the ledger, and as an entry into the
    matter's log, to be sealed.

    A repeat finds the files, the verdict and the entry of the first time.

    Raises:
        LedgerRuleBroken: the request has not come to its end.
    """
    record = requests.read(run.matter_id, run.request_id)
    if not (record.state is RequestState.HELD or record.state.is_terminal):
        raise LedgerRuleBroken(
            f"expected request {run.request_id} to be {RequestState.HELD}, found {record.state}"
        )
    summary = record.summary
    if summary is None:
        sealing = _Sealing(
            record,
            batches,
            claims,
            receipts,
            relocks,
            resolutions,
            parking,
            files,
            records,
            run.early_failure,
            [f"{warning.check}: {warning.message}" for warning in run.warnings],
        )
        summed_up = sealing.sum_up(has_time)
        if summed_up is None:
            return Sealed(done=False, wait_s=MIN_WAIT_S, matter_id=run.matter_id, request_id=run.request_id)
        verdict, summary = summed_up
        if not record.state.is_terminal:
            requests.advance(record, verdict, summary=summary)
            is_kept = verdict is RequestState.PRESERVED
            telemetry.count(Counter.VERDICTS_PRESERVED if is_kept else Counter.VERDICTS_INCOMPLETE)
        record = requests.read(run.matter_id, run.request_id)
        summary = record.summary or summary
    if record.state.is_judged:
        seals.add_fact(record.matter_id, f"ACCOUNT#{record.request_id}", _entry(record, summary, clock.now()))
    telemetry.note("request_sealed", matter_id=run.matter_id, request_id=run.request_id, verdict=record.state)
    is_preserved = record.state is RequestState.PRESERVED
    return Sealed(
        done=True,
        wait_s=MIN_WAIT_S,
        matter_id=run.matter_id,
        request_id=run.request_id,
        verdict="PRESERVED" if is_preserved else "INCOMPLETE",
        announcement="MatterPreserved" if is_preserved else "MatterIncomplete",
        headline=_headline(run, is_preserved=is_preserved, summary=summary),
        summary=dict(summary),
    )


def _entry(record: RequestRecord, summary: Mapping[str, Any], at: datetime) -> CustodyAccount:
    """Compose what the log says of a request: the files that the summary names, and the summary."""
    named = (summary["exceptions"], summary["account"], summary["request"])
    return CustodyAccount(
        matter_id=record.matter_id,
        request_id=record.request_id,
        attempt=record.attempt,
        at=at,
        verdict=record.state.value,
        request_sha256=record.body_sha256,
        files=[NamedFile(one["key"].rpartition("/")[2], one["sha256"], one["size_bytes"]) for one in named],
        summary=summary,
    )


def _may_concern(message: ParkedMessage, record: RequestRecord, claims: ClaimBook) -> bool:
    """Judge a parked message: whatever cannot be ruled out, counts.

    What was parked before the request was opened and names no conversation cannot be one of its arrivals; a
    digest that is wanting there is of an object that is held and belongs to no matter.
    """
    if message.conversation_id is not None:
        return record.matter_id in claims.dossier(message.conversation_id).claimed_by
    return message.kind is not ParkedKind.DIGEST and message.parked_at >= record.opened_at


def _day_of(conversation: Conversation) -> str:
    """Name the UTC day on which a conversation began."""
    return conversation.started_at.astimezone(UTC).date().isoformat()


def _line(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _decided(resolution: Resolution) -> dict[str, object]:
    return {
        "resolution_id": resolution.resolution_id,
        "decision": resolution.decision,
        "decided_by": resolution.decided_by,
        "explanation": resolution.explanation,
    }


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
        + _resolved(summary.get("resolved", {}))
        + _reused(summary["reused"])
        + "".join(f" {explanation}" for explanation in summary["explanations"])
        + "".join(f" Preflight warned of {warning}." for warning in summary.get("warnings", ()))
    )


def _resolved(counts: Mapping[str, int]) -> str:
    """Say what people decided, if anything."""
    named = ", ".join(f"{reason} {count}" for reason, count in counts.items())
    return f" Settled by people's decisions: {named}." if named else ""


def _reused(counts: Mapping[str, int]) -> str:
    """Say what did not have to be exported again, if anything."""
    if not counts["conversations"]:
        return ""
    return (
        f" Secured by earlier exports, and not exported again: {_columns(counts, 'recordings')} of"
        f" {_columns(counts, 'conversations')}."
    )


def _columns(counts: Mapping[str, int], *names: str) -> str:
    return ", ".join(f"{counts[name]} {name.replace('_', ' ')}" for name in names)


def _sum(tally: Tally[tuple[Medium, str]], column: str) -> int:
    return sum(count for (_, name), count in tally.items() if name == column)
