"""Hold what arrived against what the platform promised, recording by recording."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import Reconciled, Reconciling
from holdfast.domain.ids import ConversationId
from holdfast.domain.manifest import Manifest, ManifestFault
from holdfast.domain.reconciliation import BatchAccount, Delivery, Finding, JobTally, pair_up, without_locks
from holdfast.domain.reuse import ExportTerms, missing_proof, secured_exports
from holdfast.domain.states import BatchState, RequestState
from holdfast.domain.waits import MIN_WAIT_S, bounded, poll_wait_s
from holdfast.errors import PlatformThrottled, PlatformUnavailable
from holdfast.ports import (
    BatchBook,
    BatchRecord,
    ClaimBook,
    Clock,
    Counter,
    Manifests,
    RecordingCatalogue,
    RequestBook,
    RequestRecord,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import BatchFiles
from holdfast.steps.pool import for_each

# More would only queue for the request budget.
READ_AT_ONCE = 4
# How many times the delivery deadline an outage of the platform may last before the run fails.
OUTAGE_FACTOR = 2
LONGEST_WAIT_S = 3_600


class Reconciliation:
    """One pass over the batches that are not settled yet."""

    def __init__(
        self,
        request: RequestRecord,
        *,
        batches: BatchBook,
        claims: ClaimBook,
        catalogue: RecordingCatalogue,
        manifests: Manifests,
        files: WorkFiles,
        delivery_deadline: timedelta,
        has_time: Callable[[], bool],
        now: datetime,
        telemetry: Telemetry,
    ) -> None:
        self._request = request
        self._scope = DiscoveryRequest.model_validate_json(request.body).scope.to_domain()
        self._batches = batches
        self._claims = claims
        self._catalogue = catalogue
        self._manifests = manifests
        self._files = files
        self._delivery_deadline = delivery_deadline
        self._has_time = has_time
        self._now = now
        self._telemetry = telemetry
        self._epochs: dict[ConversationId, int] = {}

    def outstanding_of(self, batch: BatchRecord) -> int | None:
        """Settle a batch if that is possible now, or answer what it still owes; None if time ran out."""
        if batch.result_key:
            return 0
        files = BatchFiles(self._files, batch.matter_id, batch.request_id, batch.batch_id)
        if batch.state is BatchState.REUSED:
            self._settle(batch, files, self._proven_again(files))
            self._telemetry.count(Counter.CONVERSATIONS_REUSED, batch.conversations)
            return 0
        batch = self._ended(batch)
        manifest = self._manifest(batch)
        account = self._account(batch, files, manifest)
        outstanding = account.outstanding() + self._is_awaited(batch, manifest)
        if outstanding and self._now < (batch.ended_at or self._now) + self._delivery_deadline:
            return outstanding
        account = self._name_all(account, files)
        if account.to_read():
            return None
        findings = account.findings()
        self._note_secured(batch, findings)
        self._settle(batch, files, findings)
        return 0

    def _settle(self, batch: BatchRecord, files: BatchFiles, findings: Sequence[Finding]) -> None:
        self._batches.settle(batch, files.write_findings(findings))
        self._report(findings)

    def _proven_again(self, files: BatchFiles) -> list[Finding]:
        """Hold what was re-used against the receipts: whatever cannot be proven is missing."""
        conversations = files.conversations()
        dossiers = for_each((one.conversation_id for one in conversations), self._claims.dossier)
        findings: list[Finding] = []
        for conversation, dossier in zip(conversations, dossiers, strict=True):
            if dossier.secured is None:
                findings.append(missing_proof(conversation))
            else:
                deliveries = pair_up(dossier.receipts, dossier.digested)
                include_screen = self._scope.include_screen
                findings += dossier.secured.findings(deliveries, include_screen=include_screen)
        return findings

    def _note_secured(self, batch: BatchRecord, findings: Sequence[Finding]) -> None:
        """Remember, for later requests, of which conversations nothing is left to export."""
        if batch.job_created_at is None:
            return
        terms = ExportTerms(
            batch.matter_id,
            batch.request_id,
            include_screen=self._scope.include_screen,
            include_sensitive=self._scope.include_sensitive and not batch.without_sensitive,
            job_created_at=batch.job_created_at,
        )
        for_each(secured_exports(findings, terms, self._epochs), self._claims.note_secured)

    def _ended(self, batch: BatchRecord) -> BatchRecord:
        """Close a batch whose workflow died: exporting is over when reconciling begins."""
        if batch.state.is_terminal:
            return batch
        closed = replace(batch, state=BatchState.FAILED, ended_at=self._now)
        self._batches.advance(closed)
        self._telemetry.warn("batch_without_end", batch_id=batch.batch_id, request_id=batch.request_id)
        return closed

    def _manifest(self, batch: BatchRecord) -> Manifest | None:
        """Read the manifest of a job that should have one; MISSING while it is not there."""
        is_expected = self._manifests.is_expected and batch.state is BatchState.FULFILLED
        if not (is_expected and batch.job_id):
            return None
        return self._manifests.of_job(batch.job_id) or Manifest(ManifestFault.MISSING)

    def _is_awaited(self, batch: BatchRecord, manifest: Manifest | None) -> bool:
        """Tell whether a manifest is still to come, or to be secured: it belongs to the custody file."""
        if manifest is None or batch.job_id is None:
            return False
        return not self._claims.manifest_entries(batch.job_id)

    def _account(self, batch: BatchRecord, files: BatchFiles, manifest: Manifest | None) -> BatchAccount:
        conversations = files.conversations()
        self._epochs = {}
        failed = files.failed() | (dict(manifest.failed) if manifest else {})
        arrived = for_each((one.conversation_id for one in conversations), self._deliveries)
        return BatchAccount(
            conversations={one.conversation_id: one.medium for one in conversations},
            job=JobTally(
                state=batch.state,
                created_at=batch.job_created_at or self._request.opened_at,
                total=batch.total,
                skipped=batch.skipped,
                failed=failed,
                unnamed_failures=max(0, batch.failed - len(failed)) if manifest else 0,
            ),
            deliveries=[delivery for deliveries in arrived for delivery in deliveries],
            known=files.known(),
            include_screen=self._scope.include_screen,
            without_sensitive=batch.without_sensitive,
            manifest=manifest,
        )

    def _deliveries(self, conversation_id: ConversationId) -> list[Delivery]:
        dossier = self._claims.dossier(conversation_id)
        self._epochs[conversation_id] = dossier.promise.epoch
        deliveries = pair_up(dossier.receipts, dossier.digested)
        return deliveries if dossier.promise.is_kept else without_locks(deliveries)

    def _name_all(self, account: BatchAccount, files: BatchFiles) -> BatchAccount:
        """Read what must be read from the platform while there is time; what was read is kept for the next
        pass.
        """
        inquiry, read = account.inquiry(), dict(account.known)

        def ask(conversation_id: ConversationId) -> None:
            read[conversation_id] = self._catalogue.recordings_of(conversation_id)

        try:
            while self._has_time() and (wanted := list(islice(inquiry.wanted(), READ_AT_ONCE))):
                for_each(wanted, ask)
                inquiry.learn({conversation_id: read[conversation_id] for conversation_id in wanted})
        finally:
            files.write_known(read)
        return replace(account, known=read)

    def _report(self, findings: Sequence[Finding]) -> None:
        standings = [finding.standing for finding in findings]
        self._telemetry.count(Counter.RECORDINGS_SECURED, standings.count("secured"))
        self._telemetry.count(Counter.RECORDINGS_EXPLAINED, standings.count("explained"))
        self._telemetry.count(Counter.RECORDINGS_MISSING, standings.count("missing"))


def reconcile(
    run: Reconciling,
    *,
    requests: RequestBook,
    batches: BatchBook,
    claims: ClaimBook,
    catalogue: RecordingCatalogue,
    manifests: Manifests,
    files: WorkFiles,
    delivery_deadline: timedelta,
    has_time: Callable[[], bool],
    clock: Clock,
    telemetry: Telemetry,
) -> Reconciled:
    """Settle every batch that can be settled; a settled batch is never touched again.

    A batch is settled when its recordings balance and its manifest is there, if there shall be one, or when
    its job ended without a promise, or when the delivery deadline has passed; then each recording that is not
    secured has a reason. A pass over all batches takes as many looks as it needs, and is followed by a pause
    for each, so that a matter is asked about no more often for being large.

    Raises:
        PlatformUnavailable: the platform has not answered for twice the delivery deadline.
    """
    request = requests.read(run.matter_id, run.request_id)
    requests.advance(request, RequestState.EXPORTED)
    now = clock.now()
    reconciliation = Reconciliation(
        request,
        batches=batches,
        claims=claims,
        catalogue=catalogue,
        manifests=manifests,
        files=files,
        delivery_deadline=delivery_deadline,
        has_time=has_time,
        now=now,
        telemetry=telemetry,
    )
    # What an earlier pass found owed is counted anew.
    outstanding, ended_at = run.outstanding if run.batch else 0, request.opened_at
    for index, batch in enumerate(batches.of_request(request)):
        ended_at = max(ended_at, batch.ended_at or ended_at)
        if index < run.batch:
            continue
        here = Reconciled(
            done=False, outstanding=outstanding, wait_s=MIN_WAIT_S, batch=index, looks=run.looks + 1
        )
        if not has_time():
            return here
        try:
            owed = reconciliation.outstanding_of(batch)
        except PlatformThrottled as throttled:
            telemetry.count(Counter.THROTTLES)
            return here.model_copy(update={"wait_s": bounded(throttled.retry_after_s), "looks": run.looks})
        except PlatformUnavailable:
            # What has arrived is safe, and only names are missing: an outage is waited out for a while.
            waited = now - (batch.ended_at or now)
            if waited >= OUTAGE_FACTOR * delivery_deadline:
                raise
            telemetry.warn("platform_unavailable", request_id=run.request_id, batch_id=batch.batch_id)
            return here.model_copy(update={"wait_s": poll_wait_s(waited.total_seconds()), "looks": run.looks})
        if owed is None:
            return here
        outstanding += owed
    if outstanding:
        telemetry.note("recordings_outstanding", request_id=run.request_id, outstanding=outstanding)
        pause_s = (run.looks + 1) * delivery_wait_s((now - ended_at).total_seconds())
        left_s = (ended_at + delivery_deadline - now).total_seconds()
        return Reconciled(done=False, outstanding=outstanding, wait_s=bounded(min(pause_s, left_s), pause_s))
    requests.advance(replace(request, state=RequestState.EXPORTED), RequestState.RECONCILED)
    return Reconciled(done=True, outstanding=0, wait_s=MIN_WAIT_S)


def delivery_wait_s(elapsed_s: float) -> int:
    """Choose the pause before recordings are looked for again, so many seconds after the last job's end."""
    return poll_wait_s(elapsed_s, longest_s=LONGEST_WAIT_S)
