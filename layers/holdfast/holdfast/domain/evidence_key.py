"""What the name of an object in the evidence bucket says.

The vendor writes ``{organization}/year=/month=/day=/hour=/conversation_id={conversation}/{file}``. The file
is named after the recording; its sidecar is the full file name plus ``_metadata.json``. Date parts are not
zero-padded. Extensions of digital and screen recordings are not documented, so nothing here looks at one.
A job's manifest, in the dialect that has them, is ``{organization}/manifests/{job}.json``.

Source: Genesys Cloud Resource Center, "Work with exported recordings in the AWS S3 bucket" (read 2026-11-21).
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from holdfast.domain.ids import UUID_PATTERN, ConversationId, ExportJobId, RecordingId

CANARY_PREFIX = "_holdfast/canary/"
SIDECAR_SUFFIX = "_metadata.json"

_LAYOUT = re.compile(
    rf"(?P<organization>{UUID_PATTERN})/year=\d{{4}}/month=\d{{1,2}}/day=\d{{1,2}}/hour=\d{{1,2}}"
    rf"/conversation_id=(?P<conversation>{UUID_PATTERN})/(?P<file>[^/]+)",
    re.IGNORECASE,
)
_MANIFEST = re.compile(
    rf"(?P<organization>{UUID_PATTERN})/manifests/(?P<job>{UUID_PATTERN})\.json", re.IGNORECASE
)
# What follows does not matter, as long as the id ends there: `{conversation}-{communication}.json` has none.
_RECORDING = re.compile(rf"(?P<recording>{UUID_PATTERN})(?![\w-])", re.IGNORECASE)


class Role(StrEnum):
    """What an object is to the reconciliation."""

    MEDIA = "media"
    SIDECAR = "sidecar"
    MANIFEST = "manifest"  # says what a job wrote; belongs to no conversation
    OTHER = "other"  # lies in a conversation's folder, but is named after no recording
    STRAY = "stray"  # the key says nothing: locked all the same, and an exception
    CANARY = "canary"  # Preflight's own probe; never counted


@dataclass(frozen=True, slots=True)
class EvidenceKey:
    """One parsed key. Ids are lower-case UUIDs, or None where the key has none; a manifest has its job's."""

    key: str
    role: Role
    organization_id: str | None = None
    conversation_id: ConversationId | None = None
    recording_id: RecordingId | None = None
    job_id: ExportJobId | None = None

    @classmethod
    def parse(cls, key: str) -> "EvidenceKey":
        """Read a decoded key. Never fails: what cannot be read is a STRAY."""
        if key.startswith(CANARY_PREFIX):
            return cls(key, Role.CANARY)
        if manifest := _MANIFEST.fullmatch(key):
            job_id = ExportJobId(manifest["job"].lower())
            return cls(key, Role.MANIFEST, manifest["organization"].lower(), job_id=job_id)
        layout = _LAYOUT.fullmatch(key)
        if layout is None:
            return cls(key, Role.STRAY)
        organization_id = layout["organization"].lower()
        conversation_id = ConversationId(layout["conversation"].lower())
        role, recording_id = _read_file_name(layout["file"], conversation_id)
        return cls(key, role, organization_id, conversation_id, recording_id)


def _read_file_name(file_name: str, conversation_id: ConversationId) -> tuple[Role, RecordingId | None]:
    named = _RECORDING.match(file_name.removesuffix(SIDECAR_SUFFIX))
    # Integrators put files named after the conversation beside the vendor's; those are no recordings.
    if named is None or named["recording"].lower() == conversation_id:
        return Role.OTHER, None
    role = Role.SIDECAR if file_name.endswith(SIDECAR_SUFFIX) else Role.MEDIA
    return role, RecordingId(named["recording"].lower())
