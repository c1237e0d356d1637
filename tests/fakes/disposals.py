"""What is marked for disposal, in memory, and the lifecycle rule that acts on the mark."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from holdfast.domain.custody import CustodyEvent, EventType, ObjectVersion
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, MatterId, ReleaseId
from holdfast.domain.promise import Promise, PromiseBroken
from holdfast.domain.states import DISPOSAL_MOVES, DisposalState, HoldState, ReleaseState
from holdfast.domain.tags import is_marked
from holdfast.ports import DisposalMark, DisposalWalk
from tests.fakes.buckets import EvidenceInMemory
from tests.fakes.ledger import ConversationsInMemory, Folder, ReleasesInMemory


class DisposalsInMemory:
    """Implements `ports.DisposalBook` and `ports.MarkBook` on the folders of a ledger in memory."""

    def __init__(self, conversations: ConversationsInMemory, releases: ReleasesInMemory) -> None:
        self.conversations = conversations
        self.releases = releases
        self.walked: dict[tuple[MatterId, ReleaseId], DisposalWalk] = {}

    def walks(self) -> Iterator[DisposalWalk]:
        for named, record in sorted(self.releases.records.items()):
            walk = self.walked.get(named, DisposalWalk(*named, record.opened_at))
            if record.state is ReleaseState.RELEASED and not walk.is_settled:
                yield walk

    def move(self, walk: DisposalWalk, moved: DisposalWalk) -> DisposalWalk | None:
        named = walk.matter_id, walk.release_id
        record = self.releases.find(*named)
        standing = self.walked.get(named)
        if record is None or record.state is not ReleaseState.RELEASED:
            return None
        if (standing.revision if standing else 0) != walk.revision:
            return None
        self.conversations.effects.happen("disposal walked", walk.release_id)
        self.walked[named] = replace(moved, revision=walk.revision + 1)
        return self.walked[named]

    def begin_marking(
        self, conversation_id: ConversationId, promise: Promise, *, now: datetime, lease_until: datetime
    ) -> int | None:
        folder = self._folder(conversation_id)
        is_expired = folder.marking_until is None or folder.marking_until <= now
        try:
            marking = promise.marking(is_lease_expired=is_expired)
        except PromiseBroken:
            return None
        if folder.standing != promise:
            return None
        self.conversations.effects.happen("marking begun", conversation_id)
        folder.promise, folder.marking_until = marking, lease_until
        return marking.epoch

    def mark(self, version: ObjectVersion, release_id: ReleaseId, epoch: int, at: datetime) -> bool:
        folder = self._folder_of(version)
        standing = folder.disposals.get(version)
        is_free = DisposalState.MARKED in DISPOSAL_MOVES[standing.state if standing else None]
        if not folder.standing.may_mark(epoch) or not is_free:
            return False
        self._write(DisposalMark(version, release_id, DisposalState.MARKED, at), EventType.DISPOSAL_DUE)
        return True

    def end_marking(self, conversation_id: ConversationId, epoch: int) -> None:
        folder = self._folder(conversation_id)
        if folder.standing.state is HoldState.LIFTED and folder.standing.epoch == epoch:
            self.conversations.effects.happen("marking ended", conversation_id)
            folder.marking_until = None

    def is_marked(self, version: ObjectVersion) -> bool:
        standing = self._folder_of(version).disposals.get(version)
        return standing is not None and standing.state is DisposalState.MARKED

    def take_back(self, version: ObjectVersion, at: datetime) -> None:
        self._end(version, DisposalState.TAKEN_BACK, EventType.DISPOSAL_TAKEN_BACK, at)

    def disposed(self, version: ObjectVersion, at: datetime) -> bool:
        self._end(version, DisposalState.DISPOSED, EventType.DISPOSED, at)
        standing = self._folder_of(version).disposals.get(version)
        return standing is not None and standing.state is DisposalState.DISPOSED

    def covers(self, marker: ObjectVersion) -> bool:
        return any(
            version.key == marker.key and one.state is not DisposalState.TAKEN_BACK
            for version, one in self._folder_of(marker).disposals.items()
        )

    def _end(self, version: ObjectVersion, state: DisposalState, kind: EventType, at: datetime) -> None:
        standing = self._folder_of(version).disposals.get(version)
        if standing and standing.state is DisposalState.MARKED:
            self._write(replace(standing, state=state, at=at), kind)

    def _write(self, mark: DisposalMark, kind: EventType) -> None:
        version = mark.version
        self.conversations.effects.happen(kind, f"{version.key}@{version.version_id}")
        self._folder_of(version).disposals[version] = mark
        named: Mapping[str, str] = {"key": version.key, "version_id": version.version_id}
        conversation_id = EvidenceKey.parse(version.key).conversation_id
        assert conversation_id is not None
        event = CustodyEvent(
            self.conversations.event_id(mark.at),
            kind,
            conversation_id,
            mark.at,
            details={**named, "release_id": mark.release_id},
        )
        self.conversations.file_fact(f"CONV#{conversation_id}", f"EVENT#{event.event_id}", event, None)

    def _folder_of(self, version: ObjectVersion) -> Folder:
        conversation_id = EvidenceKey.parse(version.key).conversation_id
        return self._folder(conversation_id) if conversation_id else Folder()

    def _folder(self, conversation_id: ConversationId) -> Folder:
        return self.conversations.folders.setdefault(f"CONV#{conversation_id}", Folder())


class MarkerInMemory:
    """Implements `ports.EvidenceMarker` on an evidence bucket."""

    def __init__(self, evidence: EvidenceInMemory) -> None:
        self._evidence = evidence

    def mark(self, version: ObjectVersion, tags: Mapping[str, str]) -> None:
        self._evidence.effects.happen("disposal mark", f"{version.key}@{version.version_id}")
        self._evidence.at(version).tags = dict(tags)


def apply_lifecycle(evidence: EvidenceInMemory) -> list[ObjectVersion]:
    """Do as the rules of the template have S3 do in a day, and answer what is gone for good.

    A newest version that bears the mark gets a delete marker over it, locked or not; an older one is deleted,
    unless it is locked; a delete marker over nothing goes.
    """
    gone = []
    for (key, version_id), stored in list(evidence.stored.items()):
        is_covered = any(named == key for named, _ in evidence.markers)
        newest = max((one for named, one in evidence.stored if named == key), key=lambda one: int(one[1:]))
        is_newest = not is_covered and version_id == newest
        if not is_marked(stored.tags):
            continue
        if is_newest:
            evidence.hide(key)
        elif not stored.is_locked:
            version = ObjectVersion(evidence.name, key, version_id, len(stored.content))
            evidence.remove(version)
            gone.append(version)
    left = {key for key, _ in evidence.stored}
    for key, marker in list(evidence.markers):
        if key not in left:
            del evidence.markers[key, marker]
    return gone
