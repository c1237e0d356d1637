"""Tags on evidence objects: an index, never the protection. Foreign tags are kept as they are."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.domain.evidence_key import EvidenceKey

MAX_TAGS = 10  # S3's limit per object
# What the lifecycle rule of the template acts on; one role may set it, and only on what a release let go.
DISPOSAL_TAG, DISPOSAL_DUE = "holdfast-disposal", "due"


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

    A tag of ours that is already there, with whatever value, is overwritten: the name is ours. A mark for
    disposal is taken off: whoever secures a version keeps it.
    """
    kept = {name: value for name, value in foreign.items() if name not in {*own, DISPOSAL_TAG}}
    room = MAX_TAGS - len(kept)
    fitting = dict(list(own.items())[: max(room, 0)])
    return TagPlan(kept | fitting, tuple(name for name in own if name not in fitting))


def is_marked(tags: Mapping[str, str]) -> bool:
    """Tell whether the lifecycle rule acts on a version with these tags."""
    return tags.get(DISPOSAL_TAG) == DISPOSAL_DUE


def plan_mark(tags: Mapping[str, str], own: Mapping[str, str]) -> Mapping[str, str] | None:
    """Add the mark for disposal to the tags there are; without room, in place of the least useful of ours.

    None if every tag is somebody else's, and there is no room.
    """
    ours = [name for name in own if name in tags]
    given_up = ours[-1:] if len({*tags, DISPOSAL_TAG}) > MAX_TAGS else []
    marked = {name: value for name, value in tags.items() if name not in given_up}
    marked[DISPOSAL_TAG] = DISPOSAL_DUE
    return marked if len(marked) <= MAX_TAGS else None
