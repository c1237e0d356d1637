"""Moving recordings: bulk jobs of the recording API, and what recordings a conversation has."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from holdfast.contracts.genesys import (
    EntityReference,
    ExportJobDocument,
    ExportJobListing,
    ExportJobRequest,
    FailedRecordingListing,
    RecordingMetadata,
    RecordingsOfConversation,
)
from holdfast.domain.ids import ConversationId, ExportJobId, RecordingId
from holdfast.domain.media import medium_of
from holdfast.domain.moments import to_text
from holdfast.domain.reconciliation import PlatformRecording
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState
from holdfast.errors import (
    PermissionMissing,
    PlatformNotFound,
    PlatformRejected,
    SensitiveNotPermitted,
    TooManyJobs,
)
from holdfast.genesys.jobs import MAX_BUSY_JOBS, is_the_job, job_error, job_state
from holdfast.genesys.platform.query import conversations_query
from holdfast.genesys.transport import Transport
from holdfast.ports import Clock, ExportJob, ExportSelection

_JOBS = "/api/v2/recording/jobs"
_PAGE_SIZE = 100
_SENSITIVE = "recording:recording:viewSensitiveData"
_CHOSEN_AT_CREATION = {"action_date", "screen_recording_action_date"}


class BulkExportJobs:
    """Implements `ports.ExportJobs`."""

    # A request body takes 512,000 bytes, and a conversation 118 of them.
    most_conversations = 4_000

    def __init__(self, transport: Transport, clock: Clock, *, integration_id: str) -> None:
        self._transport = transport
        self._clock = clock
        self._integration_id = integration_id

    def lot_of(self, _conversation: Conversation) -> str:
        """Name the one lot there is: a job takes conversations of every medium."""
        return "all"

    def create(self, selection: ExportSelection) -> ExportJobId:
        """Create a job for exactly these conversations; it waits for `execute`."""
        try:
            answer = self._transport.post(_JOBS, self._request(selection))
        except PermissionMissing as missing:
            if _SENSITIVE in missing.permissions:
                raise SensitiveNotPermitted(str(missing), permissions=missing.permissions) from None
            raise
        except PlatformRejected as rejected:
            # How the platform refuses a job too many is not documented; whether it has too many can be seen.
            if self._busy_jobs() >= MAX_BUSY_JOBS:
                raise TooManyJobs(str(rejected), status=rejected.status, code=rejected.code) from None
            raise
        return ExportJobId(answer.read(EntityReference).id)

    def find(self, selection: ExportSelection, created_since: datetime) -> ExportJobId | None:
        """Look through our own jobs for the one this selection would create; one that broke off is none."""
        wanted = self._request(selection).model_dump(mode="json", by_alias=True, exclude=_CHOSEN_AT_CREATION)
        query: dict[str, str | int] = {
            "showOnlyMyJobs": "true",
            "jobType": "EXPORT",
            "sortBy": "dateCreated",
            "pageSize": _PAGE_SIZE,
        }
        for page_number in self._pages():
            listing = self._transport.get(_JOBS, query | {"pageNumber": page_number}).read(ExportJobListing)
            for job in listing.entities:
                echoed, created_at = job.recording_jobs_query, job.date_created
                if is_the_job(wanted, created_since, echoed=echoed, state=job.state, created_at=created_at):
                    return ExportJobId(job.id)
            if not listing.next_uri:
                return None
        return None

    def execute(self, job_id: ExportJobId) -> None:
        """Set the job's state to PROCESSING; only the client that created it may."""
        self._transport.put(f"{_JOBS}/{job_id}", {"state": "PROCESSING"})

    def cancel(self, job_id: ExportJobId) -> None:
        """Delete the job, which ends it as CANCELLED."""
        self._transport.delete(f"{_JOBS}/{job_id}")

    def read(self, job_id: ExportJobId) -> ExportJob:
        """Read the job."""
        return _job(self._transport.get(f"{_JOBS}/{job_id}").read(ExportJobDocument))

    def failed_recordings(self, job_id: ExportJobId) -> Mapping[RecordingId, ConversationId]:
        """Read all pages of the job's failed recordings."""
        failed: dict[RecordingId, ConversationId] = {}
        for page_number in self._pages():
            query: dict[str, str | int] = {"pageSize": _PAGE_SIZE, "pageNumber": page_number}
            listing = self._transport.get(f"{_JOBS}/{job_id}/failedrecordings", query).read(
                FailedRecordingListing
            )
            failed |= {
                RecordingId(one.recording.id.lower()): ConversationId(one.conversation.id.lower())
                for one in listing.entities
            }
            if not listing.next_uri or not listing.entities:
                break
        return failed

    def _busy_jobs(self) -> int:
        """Count the organisation's jobs under way, whoever started them."""
        states = (BatchState.PENDING, BatchState.PROCESSING)
        listings = [self._transport.get(_JOBS, {"state": state, "pageSize": 25}) for state in states]
        return sum(len(listing.read(ExportJobListing).entities) for listing in listings)

    def _request(self, selection: ExportSelection) -> ExportJobRequest:
        # The action date is when recordings may move: now, which is why it is not part of what `find`
        # compares.
        action_date = to_text(self._clock.now())
        screen = selection.scope.include_screen
        return ExportJobRequest(
            action_date=action_date,
            integration_id=self._integration_id,
            include_screen_recordings=screen,
            screen_recording_action_date=action_date if screen else None,
            include_recordings_with_sensitive_data=selection.scope.include_sensitive,
            conversation_query=conversations_query(selection.conversation_ids, selection.scope),
        )

    @staticmethod
    def _pages() -> range:
        return range(1, 10_001)


class RecordingMetadataCatalogue:
    """Implements `ports.RecordingCatalogue`."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def recordings_of(self, conversation_id: ConversationId) -> Sequence[PlatformRecording]:
        """Read a conversation's recording metadata; cheap, no media."""
        try:
            answer = self._transport.get(f"/api/v2/conversations/{conversation_id}/recordingmetadata")
        except PlatformNotFound:
            return []
        return [_recording(document) for document in answer.read(RecordingsOfConversation).root]


def _recording(document: RecordingMetadata) -> PlatformRecording:
    return PlatformRecording(
        recording_id=RecordingId(document.id.lower()),
        medium=medium_of(document.media),
        is_deleted=document.file_state == "DELETED",
        exported_at=document.exported_date,
    )


def _job(document: ExportJobDocument) -> ExportJob:
    return ExportJob(
        job_id=ExportJobId(document.id),
        state=job_state(document.id, document.state),
        created_at=document.date_created,
        total=document.total_recordings,
        skipped=document.total_skipped_recordings,
        failed=document.total_failed_recordings,
        percent=document.percent_progress,
        error=job_error(document.error_message),
    )
