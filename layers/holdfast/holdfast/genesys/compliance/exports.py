"""Moving recordings: bulk export jobs, whose manifest says what they wrote."""

from collections.abc import Mapping
from datetime import datetime

from holdfast.contracts.compliance import (
    BulkJobDocument,
    BulkJobListing,
    BulkJobReference,
    DigitalExport,
    VoiceExport,
)
from holdfast.domain.ids import ConversationId, ExportJobId, RecordingId
from holdfast.domain.media import Medium
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState
from holdfast.errors import PayloadTooLarge, PlatformRejected, TooManyJobs
from holdfast.genesys.jobs import MAX_BUSY_JOBS, is_the_job, job_error, job_state
from holdfast.genesys.transport import Transport
from holdfast.ports import Clock, ExportJob, ExportSelection

_EXPORT = "/api/v2/recordings/bulkexport"
_JOBS = "/api/v2/recordings/jobs"
_SPOKEN = frozenset({Medium.VOICE, Medium.CALLBACK})
_BUSY = frozenset({BatchState.PENDING, BatchState.PROCESSING})
_MAX_PAGES = 10_000


class ComplianceExportJobs:
    """Implements `ports.ExportJobs`."""

    # How large a request may be is not documented; one that is too large is split.
    most_conversations = 500

    def __init__(self, transport: Transport, _clock: Clock, *, integration_id: str) -> None:
        self._transport = transport
        self._integration_id = integration_id

    def lot_of(self, conversation: Conversation) -> str:
        """Tell speech from the rest: their exports are asked for differently."""
        return "voice" if conversation.medium in _SPOKEN else "digital"

    def create(self, selection: ExportSelection) -> ExportJobId:
        """Create a job for exactly these conversations; it waits for `execute`."""
        try:
            answer = self._transport.post(_EXPORT, self._request(selection))
        except PayloadTooLarge:
            raise
        except PlatformRejected as rejected:
            # How the platform refuses a job too many is not documented; whether it has too many can be seen.
            listing = self._transport.get(_JOBS).read(BulkJobListing)
            if sum(job.state in _BUSY for job in listing.jobs) >= MAX_BUSY_JOBS:
                raise TooManyJobs(str(rejected), status=rejected.status, code=rejected.code) from None
            raise
        return ExportJobId(answer.read(BulkJobReference).id)

    def find(self, selection: ExportSelection, created_since: datetime) -> ExportJobId | None:
        """Look through our own jobs for the one this selection would create; one that broke off is none."""
        wanted = self._request(selection).model_dump(mode="json")
        page: int | None = 1
        while page is not None and page <= _MAX_PAGES:
            listing = self._transport.get(_JOBS, {"mine": "true", "page": page}).read(BulkJobListing)
            for job in listing.jobs:
                echoed, created_at = job.request, job.date_created
                if is_the_job(wanted, created_since, echoed=echoed, state=job.state, created_at=created_at):
                    return ExportJobId(job.id)
            page = listing.next_page
        return None

    def execute(self, job_id: ExportJobId) -> None:
        """Let the job export; only the client that created it may."""
        self._transport.post(f"{_JOBS}/{job_id}/export", {})

    def cancel(self, job_id: ExportJobId) -> None:
        """Delete the job, which ends it as CANCELLED."""
        self._transport.delete(f"{_JOBS}/{job_id}")

    def read(self, job_id: ExportJobId) -> ExportJob:
        """Read the job."""
        return _job(self._transport.get(f"{_JOBS}/{job_id}").read(BulkJobDocument))

    def failed_recordings(self, _job_id: ExportJobId) -> Mapping[RecordingId, ConversationId]:
        """Answer nothing: the job's manifest names them."""
        return {}

    def _request(self, selection: ExportSelection) -> VoiceExport | DigitalExport:
        kind = VoiceExport if selection.media & _SPOKEN else DigitalExport
        return kind(
            conversation_ids=list(selection.conversation_ids),
            interval=str(selection.scope.interval),
            integration_id=self._integration_id,
            include_screen_recordings=selection.scope.include_screen,
            include_sensitive=selection.scope.include_sensitive,
        )


def _job(document: BulkJobDocument) -> ExportJob:
    return ExportJob(
        job_id=ExportJobId(document.id),
        state=job_state(document.id, document.state),
        created_at=document.date_created,
        total=document.total_recordings,
        skipped=document.skipped_recordings,
        failed=document.failed_recordings,
        percent=document.percent,
        error=job_error(f"{document.error.message}: {document.error.details}") if document.error else "",
    )
