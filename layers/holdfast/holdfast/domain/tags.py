"""Tags on evidence objects: an index, never the protection. Foreign tags are kept as they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.domain.evidence_key import EvidenceKey

MAX_TAGS = 10  # S3's limit per object


@dataclass(frozen=True, slots=True)
class TagPlan:
    """`tags` is the whole set to write; `omitted` are names of ours that found no room."""

    tags: Mapping[str, str]
    omitted: tuple[str, ...]


def own_tags(key: EvidenceKey) -> dict[str, str]:
    """Name the tags Holdfast puts on an object, the most useful first."""
    tags = {"legal-hold": "on"}
    if key.conversation_id:
        tags["conversation-id"] = key.conversation_id
    if key.recording_id:
        tags["recording-id"] = key.recording_id
    return tags


def plan_tags(foreign: Mapping[str, str], own: Mapping[str, str]) -> TagPlan:
    """Add ours to what is there, without removing or changing a foreign tag and within S3's limit.

    A tag of ours that is already there, with whatever value, is overwritten: the name is ours.
    """
    kept = {name: value for name, value in foreign.items() if name not in own}
    room = MAX_TAGS - len(kept)
    fitting = dict(list(own.items())[: max(room, 0)])
    return TagPlan(kept | fitting, tuple(name for name in own if name not in fitting))
