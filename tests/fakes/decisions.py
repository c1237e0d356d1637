"""What people decided, in memory."""

from collections.abc import Sequence

from holdfast.aws.resolutions import resolution_event
from holdfast.domain.decisions import Resolution
from holdfast.domain.ids import MatterId, ResolutionId
from holdfast.ports import ResolutionRecord
from tests.fakes.ledger import ConversationsInMemory


class ResolutionsInMemory:
    """Implements `ports.ResolutionBook`; the events lie with the conversations."""

    def __init__(self, conversations: ConversationsInMemory) -> None:
        self.records: dict[tuple[MatterId, ResolutionId], ResolutionRecord] = {}
        self._conversations = conversations

    def find(self, matter_id: MatterId, resolution_id: ResolutionId) -> ResolutionRecord | None:
        return self.records.get((matter_id, resolution_id))

    def record(self, record: ResolutionRecord) -> ResolutionRecord:
        resolution = record.resolution
        name = resolution.matter_id, resolution.resolution_id
        if name in self.records:
            return self.records[name]
        self.records[name] = record
        event = resolution_event(resolution)
        shelf, key = (
            (f"CONV#{resolution.conversation_id}", f"EVENT#{event.event_id}")
            if resolution.conversation_id
            else (f"LOG#{resolution.matter_id}", f"ENTRY#{event.event_id}")
        )
        self._conversations.file_fact(shelf, key, event, resolution.matter_id)
        return record

    def of_matter(self, matter_id: MatterId) -> Sequence[Resolution]:
        return [
            record.resolution for (owner, _), record in sorted(self.records.items()) if owner == matter_id
        ]
