"""The documents of the dialect `compliance`, as far as Holdfast reads and writes them.

No official source documents this API: it is our reading of field reports. What we read is lenient and what we
write is closed. Moving and holding share no document, and none that moves has a field in which a hold could
travel; `legal_hold_compliance` only selects the structure of the manifest.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from holdfast.domain.evidence_key import EvidenceKey, Role
from holdfast.domain.ids import UUID_PATTERN, ConversationId, ExportJobId, RecordingId
from holdfast.domain.manifest import Manifest, ManifestEntry, ManifestFault
from holdfast.domain.media import Medium, medium_of

REFERENCE_PATTERN = r"[A-Z0-9][A-Z0-9-]{2,63}"

# An id that goes into a path again.
type JobId = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]
type AnyCaseUuid = Annotated[str, Field(pattern=rf"^(?i:{UUID_PATTERN})$"), AfterValidator(str.lower)]


def _or_empty(value: object) -> object:
    return [] if value is None else value


type Listed[Kind] = Annotated[list[Kind], BeforeValidator(_or_empty)]


class _Read(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class _Write(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _BulkExport(_Write):
    conversation_ids: list[str]
    interval: str
    integration_id: str
    manifest_version: Literal["v2"] = "v2"
    include_participant_id: Literal[True] = True
    include_screen_recordings: bool
    include_sensitive: bool


class VoiceExport(_BulkExport):
    """An export of calls and callbacks: its manifest has the structure that validation asks for."""

    legal_hold_compliance: Literal[True] = True


class DigitalExport(_BulkExport):
    """An export of chats, emails and messages: their metadata is not resolved on the way, which takes too
    long and meets the bucket's conditions.
    """

    include_metadata: Literal[False] = False


class BulkJobReference(_Read):
    """Answer to a new job."""

    id: JobId


class JobError(_Read):
    """What a job died of, in the dialect's shape of errors."""

    message: str = ""
    details: str = ""


class BulkJobDocument(_Read):
    """One export job; `request` is the echo of what was asked for, in listings."""

    id: str
    state: str
    date_created: datetime | None = None
    total_recordings: int = 0
    failed_recordings: int = 0
    skipped_recordings: int = 0
    percent: int | None = None
    error: JobError | None = None
    request: dict[str, object] = Field(default_factory=dict)


class BulkJobListing(_Read):
    """One page of jobs, the newest first; without `next_page` it is the last."""

    jobs: list[BulkJobDocument] = []
    next_page: int | None = None


class HoldQuery(_Write):
    """Which of these conversations are held, and for whom?"""

    conversation_ids: list[str]


class HoldRelease(HoldQuery):
    """Let go of what is held under one reference."""

    externalReferenceId: str = Field(pattern=rf"^{REFERENCE_PATTERN}$")  # noqa: N815 - the wire's name


class HoldPlacement(HoldRelease):
    """Hold these conversations under one reference. Never without the acknowledgement: that is a 409."""

    legal_hold_acknowledgement: Literal[True] = True


class HoldFailure(_Read):
    """One conversation that was not held, or not let go."""

    conversation_id: str
    error_code: str | int | None = None


class HoldOutcome(_Read):
    """What became of a placement or a release, by conversation."""

    failed: Listed[HoldFailure] = []


class StandingHold(_Read):
    """All references that hold one conversation."""

    conversation_id: str
    references: Listed[str] = Field(default=[], validation_alias="externalReferenceIds")


class StandingHolds(_Read):
    """Those of the conversations asked about that are held."""

    holds: Listed[StandingHold] = []


class TokenScopes(_Read):
    """The scopes of a token; None where the platform does not say."""

    authorized_scope: list[str] | None = Field(default=None, validation_alias="authorizedScope")


# --- manifests


class _Reference(_Read):
    recording_id: AnyCaseUuid
    conversation_id: AnyCaseUuid


class _Written(_Reference):
    # Whatever these are, it is the entry's fault and not the whole manifest's.
    participant_id: object = None
    media_type: object = None


class _Version(_Read):
    manifest_version: str
    job_id: str


class _ManifestV1(_Read):
    files: list[str]


class _ManifestV2(_Read):
    recordings: list[_Written]
    failed: Listed[_Reference] = []
    skipped: Listed[_Reference] = []


def read_manifest(content: bytes, job_id: ExportJobId) -> Manifest:
    """Read a job's manifest. Never fails: what cannot be read, or is another job's, is a fault."""
    try:
        version = _Version.model_validate_json(content)
        if version.job_id != job_id:
            return Manifest(ManifestFault.UNREADABLE)
        if version.manifest_version == "v1":
            return Manifest(ManifestFault.V1, _named_by_keys(_ManifestV1.model_validate_json(content).files))
        if version.manifest_version != "v2":
            return Manifest(ManifestFault.UNREADABLE)
        manifest = _ManifestV2.model_validate_json(content)
    except ValidationError:
        return Manifest(ManifestFault.UNREADABLE)
    return Manifest(
        named={
            RecordingId(one.recording_id): ManifestEntry(
                ConversationId(one.conversation_id),
                medium_of(one.media_type if isinstance(one.media_type, str) else ""),
                isinstance(one.participant_id, str) and bool(one.participant_id.strip()),
            )
            for one in manifest.recordings
        },
        failed=_by_recording(manifest.failed),
        skipped=_by_recording(manifest.skipped),
    )


def _by_recording(references: list[_Reference]) -> Mapping[RecordingId, ConversationId]:
    return {RecordingId(one.recording_id): ConversationId(one.conversation_id) for one in references}


def _named_by_keys(keys: list[str]) -> Mapping[RecordingId, ManifestEntry]:
    """Find in a v1 manifest's keys which recordings it means."""
    parsed = [EvidenceKey.parse(key) for key in keys]
    return {
        key.recording_id: ManifestEntry(key.conversation_id, Medium.UNKNOWN, has_participant=False)
        for key in parsed
        if key.role is Role.MEDIA and key.recording_id and key.conversation_id
    }
