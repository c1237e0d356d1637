"""What the platform says, in a file of its own, that an export job wrote.

A manifest is believed only as far as it goes: the bucket says what is there, the manifest what should be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from holdfast.domain.ids import ConversationId, RecordingId
from holdfast.domain.media import Medium


class ManifestFault(StrEnum):
    """Why a manifest proves nothing; the values are those of the reconciliation's reasons."""

    MISSING = "manifest_missing"
    UNREADABLE = "manifest_unreadable"
    V1 = "manifest_v1"


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One recording that a manifest says was written."""

    conversation_id: ConversationId
    medium: Medium
    has_participant: bool


@dataclass(frozen=True, slots=True)
class Manifest:
    """One job's manifest; with a `fault`, it says nothing of what failed or was skipped."""

    fault: ManifestFault | None = None
    named: Mapping[RecordingId, ManifestEntry] = field(default_factory=dict)
    failed: Mapping[RecordingId, ConversationId] = field(default_factory=dict)
    skipped: Mapping[RecordingId, ConversationId] = field(default_factory=dict)
