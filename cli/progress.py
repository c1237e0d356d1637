"""How far requests have come: read from the ledger, the work bucket and the executions, never guessed."""

from collections import Counter as Tally
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from cli.connection import THREADS, Deployment
from cli.executions import Execution
from cli.pages import moment
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.reconciliation import Reason, pair_up
from holdfast.domain.states import RELEASE_MOVES, BatchState, ReleaseState, RequestState
from holdfast.ports import BatchRecord, ReleaseRecord, RequestRecord, StandingMatter
from holdfast.steps.files import BatchFiles

RECORDING_COLUMNS = ("expected", "delivered", "secured", "explained", "missing")
# Of these nothing can have arrived yet.
_BEFORE_EXPORT = frozenset({BatchState.PLANNED, BatchState.STARTING, BatchState.PENDING, BatchState.READY})


@dataclass(frozen=True, slots=True)
class BatchProgress:
    """A batch with its recordings by `RECORDING_COLUMNS`, as far as they are known."""

    record: BatchRecord
    recordings: Mapping[str, int]
    reasons: Mapping[Reason, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        record = self.record
        return {
            "batch_id": record.batch_id,
            "state": record.state,
            "conversations": record.conversations,
            "export_job_id": record.job_id,
            "is_settled": record.result_key is not None,
            "recordings": dict(self.recordings),
            "explanation": record.explanation,
            "interrupted_at": record.interrupted_at,
        }


@dataclass(frozen=True, slots=True)
class RequestProgress:
    """A request, its run and its batches.

    `held` counts the conversations that the platform protects; None while nobody has asked it to.
    """

    record: RequestRecord
    execution: Execution
    batches: Sequence[BatchProgress] = ()
    held: int | None = None

    @property
    def conversations(self) -> int:
        """Count the conversations that are claimed and sliced."""
        return sum(batch.record.conversations for batch in self.batches)

    def told(self, name: str, otherwise: Any) -> Any:
        """Give what the verdict's summary says under a name."""
        return (self.record.summary or {}).get(name, otherwise)

    @property
    def reused(self) -> int:
        """Count the conversations that were not exported again."""
        reused = [one.record for one in self.batches if one.record.state is BatchState.REUSED]
        return sum(record.conversations for record in reused)

    @property
    def is_over(self) -> bool:
        """Tell whether nothing more will come: a verdict, a failure, or a run that died."""
        return self.record.state.is_terminal or not (self.execution.is_running or self._is_unknown)

    @property
    def _is_unknown(self) -> bool:
        return self.execution.status == "UNKNOWN"

    def reasons(self) -> dict[str, int]:
        """Count what is not secured or not held, by its reason."""
        if self.record.summary is not None:
            by_reason: Any = self.record.summary.get("by_reason", {})
            return dict(by_reason)
        found: Tally[str] = Tally(self.record.exceptions)
        for batch in self.batches:
            found.update({reason.value: count for reason, count in batch.reasons.items()})
        return dict(sorted(found.items()))

    def waits_for(self) -> str | None:
        """Say in one sentence what comes next; None when all is said."""
        state = self.record.state
        if state.is_terminal:
            return None
        if self.is_over:
            why = f" ({self.execution.error})" if self.execution.error else ""
            return (
                f"its run broke off without a verdict{why}: send the same request again, it is taken over;"
                " holdfast failures says why, and sends it"
            )
        ended = sum(batch.record.state.is_terminal for batch in self.batches)
        match state:
            case RequestState.OPEN if not self.batches:
                return "the platform to select the scope's conversations"
            case RequestState.OPEN:
                return f"export jobs: {ended} of {len(self.batches)} have ended"
            case RequestState.EXPORTED:
                settled = sum(batch.record.result_key is not None for batch in self.batches)
                return f"recordings to arrive: {settled} of {len(self.batches)} batches are accounted for"
            case RequestState.RECONCILED:
                return "the platform to protect the conversations"
        return "the verdict"

    def document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        record = self.record
        return {
            "request_id": record.request_id,
            "state": record.state,
            "opened_at": record.opened_at,
            "attempt": record.attempt,
            "execution": {
                "arn": record.execution_arn,
                "status": self.execution.status,
                "state": self.execution.state,
                "started_at": self.execution.started_at,
                "stopped_at": self.execution.stopped_at,
                "error": self.execution.error,
            },
            "conversations": self.conversations,
            "held_at_platform": self.held,
            "batches": [batch.document() for batch in self.batches],
            "reasons": self.reasons(),
            "waits_for": self.waits_for(),
            "explanation": record.explanation,
            "summary": record.summary,
        }


@dataclass(frozen=True, slots=True)
class ReleaseProgress:
    """A release; its run, and how long it cools off, where that is known."""

    record: ReleaseRecord
    execution: Execution
    cool_off: timedelta | None = None

    @property
    def is_under_way(self) -> bool:
        """Tell whether it may still let something go."""
        return bool(RELEASE_MOVES[self.record.state])

    def waits_for(self) -> str | None:
        """Say in one sentence what comes next; None when it is over."""
        record = self.record
        if self.is_under_way and self.execution.status not in {"RUNNING", "UNKNOWN"}:
            return "its run broke off: holdfast failures says why, and sends its event again"
        match record.state:
            case ReleaseState.OPEN:
                return "its plan"
            case ReleaseState.PLANNED:
                until = f", until {moment(record.plan.approve_by)}" if record.plan else ""
                return f"the approval of another person{until}: holdfast approve"
            case ReleaseState.APPROVED:
                ends = record.approval.at + self.cool_off if record.approval and self.cool_off else None
                return "the end of the cool-off" + (f" at {moment(ends)}" if ends else "")
            case ReleaseState.RELEASING:
                return "every claim to end, and every lock that may go to be off"
        return None

    def document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        record = self.record
        plan, approval, certificate = record.plan, record.approval, record.certificate
        return {
            "release_id": record.release_id,
            "state": record.state,
            "opened_at": record.opened_at,
            "plan_sha256": plan.sha256 if plan else None,
            "approve_by": plan.approve_by if plan else None,
            "approved_by": approval.approved_by if approval else None,
            "approved_at": approval.at if approval else None,
            "explanation": record.explanation,
            "certificate_key": certificate.key if certificate else None,
            "waits_for": self.waits_for(),
        }


@dataclass(frozen=True, slots=True)
class MatterProgress:
    """A matter: its requests and its releases from the oldest to the newest, and whether it stands."""

    matter_id: MatterId
    title: str
    status: str
    requests: Sequence[RequestProgress]
    standing: StandingMatter | None
    releases: Sequence[ReleaseProgress] = ()

    @property
    def is_over(self) -> bool:
        """Tell whether no request is on its way."""
        return all(request.is_over for request in self.requests)

    @property
    def is_preserved(self) -> bool:
        """Tell whether there are requests, and every one ended PRESERVED."""
        states = {request.record.state for request in self.requests}
        return states == {RequestState.PRESERVED}


class Reader:
    """Reads progress; what is settled is read once."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._settled: dict[tuple[str, ...], BatchProgress] = {}

    def matter(
        self, matter_id: MatterId, *, on_batch: Callable[[], object] = lambda: None
    ) -> MatterProgress | None:
        """Read a matter with all its requests; None if there is none of that id."""
        deployment = self._deployment
        matter = deployment.requests.matter(matter_id)
        standing = deployment.standing_matters.find(matter_id)
        if matter is None and standing is None:
            return None
        return MatterProgress(
            matter_id,
            matter.title if matter else "(no request yet)",
            matter.status if matter else "OPEN",
            [self._request(one, on_batch) for one in deployment.requests.of_matter(matter_id)],
            standing,
            [self._release(one) for one in deployment.releases.of_matter(matter_id)],
        )

    def _release(self, record: ReleaseRecord) -> ReleaseProgress:
        told = self._deployment.outputs.get("ReleaseCoolOffSeconds")
        return ReleaseProgress(
            record,
            self._deployment.executions.of(record.execution_arn),
            timedelta(seconds=int(told)) if told else None,
        )

    def _request(self, record: RequestRecord, on_batch: Callable[[], object]) -> RequestProgress:
        execution = self._deployment.executions.of(record.execution_arn)
        records = list(self._deployment.batches.of_request(record))
        if record.summary is not None:  # the verdict has counted everything
            counted = [BatchProgress(one, {}) for one in records]
            totals: Any = record.summary["conversations"]
            return RequestProgress(record, execution, counted, int(totals["held_at_platform"]))
        batches = []
        for one in records:
            batches.append(self._batch(one))
            on_batch()
        held = self._held(record, records) if _is_holding(record) else None
        return RequestProgress(record, execution, batches, held)

    def _batch(self, record: BatchRecord) -> BatchProgress:
        name = (record.matter_id, record.request_id, record.batch_id)
        if name in self._settled:
            return self._settled[name]
        if record.result_key:
            self._settled[name] = self._of_findings(record)
            return self._settled[name]
        if record.state in _BEFORE_EXPORT:
            return BatchProgress(record, {})
        return self._of_receipts(record)

    def _of_findings(self, record: BatchRecord) -> BatchProgress:
        """Count what the reconciliation wrote down."""
        findings = self._files(record).findings()
        standings = Tally(finding.standing for finding in findings)
        delivered = sum(finding.is_delivered for finding in findings)
        counted = {"expected": len(findings), "delivered": delivered, **standings}
        return BatchProgress(
            record,
            {name: counted.get(name, 0) for name in RECORDING_COLUMNS},
            Tally(finding.reason for finding in findings if finding.reason),
        )

    def _of_receipts(self, record: BatchRecord) -> BatchProgress:
        """Count what has arrived so far."""
        dossiers = side_by_side(
            self._deployment.claims.dossier,
            (one.conversation_id for one in self._files(record).conversations()),
        )
        deliveries = [one for dossier in dossiers for one in pair_up(dossier.receipts, dossier.digested)]
        return BatchProgress(
            record,
            {
                "expected": record.total,
                "delivered": sum(one.is_complete for one in deliveries),
                "secured": sum(one.flaw is None for one in deliveries),
            },
        )

    def _held(self, record: RequestRecord, batches: Iterable[BatchRecord]) -> int:
        held: set[ConversationId] = set()
        for batch in batches:
            ids = [one.conversation_id for one in self._files(batch).conversations()]
            for owner in (None, record.matter_id):
                holds = self._deployment.claims.platform_holds(ids, owner)
                held |= {one for one, hold in holds.items() if hold and hold.state.is_protecting}
        return len(held)

    def _files(self, record: BatchRecord) -> BatchFiles:
        return BatchFiles(self._deployment.work_files, record.matter_id, record.request_id, record.batch_id)


def _is_holding(record: RequestRecord) -> bool:
    return record.state in (RequestState.RECONCILED, RequestState.HELD)


def side_by_side[Task, Found](look: Callable[[Task], Found], tasks: Iterable[Task]) -> list[Found]:
    """Look at many things at once; answers in the order of the tasks."""
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(look, tasks))
