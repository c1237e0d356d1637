"""Where a request's files lie in the work and records buckets, and how lists are written in them."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import TypeAdapter

from holdfast.domain.hold_order import Place
from holdfast.domain.ids import BatchId, ConversationId, MatterId, RecordingId, RequestId
from holdfast.domain.reconciliation import Finding, PlatformRecording, Reason
from holdfast.domain.scope import Conversation
from holdfast.domain.selection import Selection
from holdfast.errors import LedgerRuleBroken
from holdfast.ports import WorkFiles

_CONVERSATION = TypeAdapter(Conversation)
_FINDING = TypeAdapter(Finding)
_SELECTION = TypeAdapter(Selection)
_FAILED = TypeAdapter(dict[RecordingId, ConversationId])
_KNOWN = TypeAdapter(dict[ConversationId, list[PlatformRecording]])


def request_folder(matter_id: MatterId, request_id: RequestId) -> str:
    """Name the folder of a request, in either bucket."""
    return f"matters/{matter_id}/requests/{request_id}"


class SelectionFiles:
    """How far an attempt's selecting had come after each page, in the work bucket.

    What is written for a page is what a repeat goes on with, whatever the world says meanwhile.
    """

    def __init__(self, files: WorkFiles, matter_id: MatterId, request_id: RequestId, attempt: int) -> None:
        self._files = files
        self._stem = f"{request_folder(matter_id, request_id)}/selection/a{attempt:02d}"

    def keep(self, pages: int, selection: Selection) -> None:
        """Write what is selected after so many pages, before any of it becomes a batch."""
        self._files.write(self._key(pages), _SELECTION.dump_json(selection))

    def kept_after(self, pages: int) -> Selection | None:
        """Read what is selected after so many pages; None if they have not been read."""
        content = self._files.read(self._key(pages))
        return _SELECTION.validate_json(content) if content else None

    def _key(self, pages: int) -> str:
        return f"{self._stem}-{pages:06d}.json"


def quarantine(event: object, files: WorkFiles) -> str:
    """Keep a refused event as it came, named by its content so that a repeat is the same write."""
    content = json.dumps(event, sort_keys=True).encode()
    key = f"quarantine/{hashlib.sha256(content).hexdigest()}.json"
    files.write(key, content)
    return key


class BatchFiles:
    """The files of one batch, in the work bucket; every write may be repeated with the same content."""

    def __init__(
        self, files: WorkFiles, matter_id: MatterId, request_id: RequestId, batch_id: BatchId
    ) -> None:
        self._files = files
        self._stem = f"{request_folder(matter_id, request_id)}/batches/{batch_id}"

    def write_conversations(self, conversations: Iterable[Conversation]) -> None:
        """Write the batch's list."""
        self._write_lines("conversations", _CONVERSATION, conversations)

    def conversations(self) -> list[Conversation]:
        """Read the batch's list.

        Raises:
            LedgerRuleBroken: it is not there; a batch is planned only after its list is written.
        """
        return self._read_lines("conversations", _CONVERSATION)

    def write_failed(self, failed: Mapping[RecordingId, ConversationId]) -> None:
        """Write what the job could not export."""
        self._files.write(f"{self._stem}.failed.json", _FAILED.dump_json(dict(failed)))

    def failed(self) -> dict[RecordingId, ConversationId]:
        """Read what the job could not export; empty if the job never said."""
        return _FAILED.validate_json(self._files.read(f"{self._stem}.failed.json") or b"{}")

    def write_known(self, known: Mapping[ConversationId, Sequence[PlatformRecording]]) -> None:
        """Write what the platform was asked about so far."""
        documents = {conversation_id: list(recordings) for conversation_id, recordings in known.items()}
        self._files.write(f"{self._stem}.known.json", _KNOWN.dump_json(documents))

    def known(self) -> dict[ConversationId, list[PlatformRecording]]:
        """Read what the platform was asked about so far."""
        return _KNOWN.validate_json(self._files.read(f"{self._stem}.known.json") or b"{}")

    def write_findings(self, findings: Iterable[Finding]) -> str:
        """Write the account of the batch; answers its key."""
        return self._write_lines("findings", _FINDING, findings)

    def findings(self) -> list[Finding]:
        """Read the account of the batch.

        Raises:
            LedgerRuleBroken: it is not there; a batch is settled only after its account is written.
        """
        return self._read_lines("findings", _FINDING)

    def _write_lines[Line](self, name: str, adapter: TypeAdapter[Line], lines: Iterable[Line]) -> str:
        key = f"{self._stem}.{name}.jsonl"
        self._files.write(key, b"".join(adapter.dump_json(line) + b"\n" for line in lines))
        return key

    def _read_lines[Line](self, name: str, adapter: TypeAdapter[Line]) -> list[Line]:
        key = f"{self._stem}.{name}.jsonl"
        content = self._files.read(key)
        if content is None:
            raise LedgerRuleBroken(f"expected a list at {key}, found nothing")
        return [adapter.validate_json(line) for line in content.splitlines()]


@dataclass(frozen=True, slots=True)
class HoldList:
    """Some conversations in the order in which the platform is asked to protect them.

    `otherwise` is the reason of those it is not asked for, because it is full.
    """

    conversation_ids: list[ConversationId]
    otherwise: Reason = Reason.PLATFORM_CAP


@dataclass(frozen=True, slots=True)
class HoldPlan:
    """Whom the platform is asked to protect, first the best.

    `reads_rest_back`: whether it is asked if it protects the others by chance.
    """

    lists: list[HoldList]
    reads_rest_back: bool = True


@dataclass(frozen=True, slots=True)
class HoldDraft:
    """A plan in the making: the earliest delete dates found so far, the best conversations, and those without
    a recording.
    """

    delete_dates: dict[ConversationId, datetime] = field(default_factory=dict)
    best: list[Place] = field(default_factory=list)
    silent: list[ConversationId] = field(default_factory=list)


_PLAN = TypeAdapter(HoldPlan)
_DRAFT = TypeAdapter(HoldDraft)


class HoldPlanFiles:
    """The plan of a request's holds, in the work bucket, under a prefix of its own."""

    def __init__(
        self, files: WorkFiles, matter_id: MatterId, request_id: RequestId, *, is_early: bool
    ) -> None:
        self._files = files
        name = "early" if is_early else "plan"
        self._stem = f"holds/{request_folder(matter_id, request_id)}/{name}"

    def write_draft(self, draft: HoldDraft) -> None:
        """Keep what is planned so far."""
        self._files.write(f"{self._stem}.draft.json", _DRAFT.dump_json(draft))

    def draft(self) -> HoldDraft:
        """Read what is planned so far."""
        content = self._files.read(f"{self._stem}.draft.json")
        return _DRAFT.validate_json(content) if content else HoldDraft()

    def write(self, plan: HoldPlan) -> str:
        """Write the plan; answers its key."""
        key = f"{self._stem}.json"
        self._files.write(key, _PLAN.dump_json(plan))
        return key


def write_hold_plan(files: WorkFiles, key: str, plan: HoldPlan) -> None:
    """Write a plan of whoever plans beside the conductor."""
    files.write(key, _PLAN.dump_json(plan))


def read_hold_plan(files: WorkFiles, key: str) -> HoldPlan:
    """Read a plan.

    Raises:
        LedgerRuleBroken: it is not there; holds are placed only after they are planned.
    """
    content = files.read(key)
    if content is None:
        raise LedgerRuleBroken(f"expected a plan at {key}, found nothing")
    return _PLAN.validate_json(content)
