"""A matter as its seals tell it, made up: as many recordings as wanted, and names as hostile as wanted."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from weakref import finalize

import rfc8785

from holdfast.domain.custody import CustodyEvent, EventType, ObjectVersion, Receipt
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import ConversationId, MatterId, RecordingId, RequestId
from holdfast.domain.media import Medium
from holdfast.domain.moments import to_text
from holdfast.domain.ulid import ulid
from holdfast.evidence.entries import entry_bytes
from holdfast.evidence.package import AccountedRequest, Matter, SealFiles
from holdfast.evidence.register import Register

MATTER, REQUEST = MatterId("M-2026-001"), RequestId("R-1")
BUCKET = "holdfast-evidence-000000000000-eu-central-1"
ORGANIZATION = "d9bb0483-afd3-5536-a9e6-3ec9adc4158a"
BEGAN = datetime.fromisoformat("2026-03-02T08:00:00+00:00")
CLAIMED = datetime.fromisoformat("2026-11-20T09:00:00+00:00")
MEDIA = (Medium.VOICE, Medium.VOICE, Medium.VOICE, Medium.CHAT, Medium.EMAIL, Medium.MESSAGE, Medium.CALLBACK)
SCOPE: Mapping[str, Any] = {
    "interval": {"start": "2026-03-01T00:00:00Z", "end": "2026-03-22T00:00:00Z"},
    "custodians": ["5a1b2c3d-4e5f-4a6b-8c7d-9e0f1a2b3c4d", "6b2c3d4e-5f60-4b7c-9d8e-0f1a2b3c4d5e"],
    "queues": [],
    "media_types": ["voice", "chat", "email", "message", "callback"],
    "external_tag": None,
    "conversation_ids": [],
    "include_screen": True,
    "include_sensitive": False,
}


@dataclass
class Story:
    """What happened, as lines: sealed entries, and one request's account and exceptions."""

    recordings: int = 20
    seed: int = 7
    title: str = "Complaint about a disputed order"
    requested_by: str = "legal-user-17"
    odd_names: Sequence[str] = ()
    entries: list[bytes] = field(default_factory=list)
    account: list[dict[str, Any]] = field(default_factory=list)
    exceptions: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        for number in range(self.recordings):
            self._recording(number)
        conversation = self._conversation(0)
        for name in self.odd_names:
            self.receipt(conversation, name, Role.OTHER, None)

    def uuid(self) -> str:
        return str(UUID(int=self.chance.getrandbits(128), version=4))

    def _conversation(self, number: int) -> ConversationId:
        return ConversationId(str(UUID(int=0xC0 << 120 | number // 2 * 0x9E3779B97F4A7C15 % (1 << 64))))

    def _recording(self, number: int) -> None:
        conversation, medium = self._conversation(number), MEDIA[number // 2 % len(MEDIA)]
        began = BEGAN + timedelta(hours=number * 400 / max(1, self.recordings))
        day = began.date().isoformat()
        recording = RecordingId(self.uuid())
        # Of 50 one fails and one is left out; of 500 one is missing.
        fate = number % 500
        reason = (
            "not_arrived"
            if fate == 499
            else {17: "failed_at_platform", 33: "skipped_by_platform"}.get(fate % 50)
        )
        standing = "missing" if reason == "not_arrived" else "explained" if reason else "secured"
        self.account.append(
            {
                "kind": "recording",
                "conversation_id": conversation,
                "recording_id": recording,
                "medium": medium,
                "day": day,
                "standing": standing,
                "reason": reason,
            }
        )
        if reason:
            self._except(reason, standing, medium, conversation, recording)
        if number % 2 == 0:
            held = fate % 100 != 40
            self.event(EventType.CLAIMED, conversation, CLAIMED + timedelta(seconds=number * 0.01))
            if held:
                done = CLAIMED + timedelta(minutes=25, seconds=number * 0.02)
                self.event(EventType.HELD_AT_PLATFORM, conversation, done)
            else:
                self._except("platform_cap", "explained", medium, conversation, None)
            self.account.append(
                {
                    "kind": "conversation",
                    "conversation_id": conversation,
                    "medium": medium,
                    "day": day,
                    "standing": "held_at_platform" if held else "explained",
                    "reason": None if held else "platform_cap",
                }
            )
        if not reason:
            folder = f"{ORGANIZATION}/year={began.year}/month={began.month}/day={began.day}/hour={began.hour}"
            self._began = folder
            suffix = {Medium.VOICE: "opus", Medium.EMAIL: "eml"}.get(medium, "json")
            self.receipt(conversation, f"{recording}.{suffix}", Role.MEDIA, recording)
            self.receipt(conversation, f"{recording}.{suffix}_metadata.json", Role.SIDECAR, recording, medium)

    def receipt(
        self,
        conversation: ConversationId,
        name: str,
        role: Role,
        recording: RecordingId | None,
        medium: Medium | None = None,
        **changes: Any,
    ) -> Receipt:
        arrived = CLAIMED + timedelta(minutes=5, seconds=len(self.entries) * 0.004)
        key = f"{self._began}/conversation_id={conversation}/{name}"
        version = ObjectVersion(BUCKET, key, self.uuid(), self.chance.randrange(300, 4_000_000))
        receipt = replace(
            Receipt(
                version=version,
                role=role,
                arrived_at=arrived,
                secured_at=arrived + timedelta(milliseconds=int(self.chance.lognormvariate(7, 0.9))),
                sha256=hashlib.sha256(key.encode()).hexdigest(),
                conversation_id=conversation,
                recording_id=recording,
                medium=medium,
            ),
            **changes,
        )
        self.entries.append(entry_bytes(receipt, self.chance.randbytes(16)))
        return receipt

    def event(
        self, kind: EventType, conversation: ConversationId | None, at: datetime, **details: Any
    ) -> None:
        named = CustodyEvent(
            ulid(at, self.chance.randbytes(10)), kind, conversation, at, MATTER, REQUEST, details
        )
        self.entries.append(entry_bytes(named, self.chance.randbytes(16)))

    def _except(
        self, reason: str, standing: str, medium: Medium, conversation: str, recording: str | None
    ) -> None:
        self.exceptions.append(
            {
                "reason": reason,
                "meaning": f"what {reason} means",
                "standing": standing,
                "medium": medium,
                "conversation_id": conversation,
                "recording_id": recording,
            }
        )

    @property
    def body(self) -> dict[str, Any]:
        return {
            "matter_id": MATTER,
            "request_id": REQUEST,
            "title": self.title,
            "requested_by": self.requested_by,
            "scope": dict(SCOPE),
        }

    @property
    def summary(self) -> dict[str, Any]:
        standings = [one["standing"] for one in self.account if one["kind"] == "recording"]
        counts = {name: standings.count(name) for name in ("secured", "explained", "missing")}
        return {
            "verdict": "incomplete" if counts["missing"] else "preserved",
            "recordings": {"expected": len(standings), "delivered": counts["secured"], **counts},
        }

    def register(self, path: str = ":memory:") -> Register:
        register = Register(path)
        finalize(register, register._database.close)
        for entry in self.entries:
            register.add_entry(entry)
        for line in self.account:
            register.add_account(1, json.dumps(line).encode())
        for line in self.exceptions:
            register.add_exception(1, json.dumps(line).encode())
        register.complete()
        return register

    def matter(self) -> Matter:
        account = {
            "kind": "account",
            "request_id": REQUEST,
            "at": to_text(CLAIMED + timedelta(minutes=40)),
            "verdict": self.summary["verdict"].upper(),
            "summary": self.summary,
        }
        return Matter(
            MATTER, list(self.seals()), self.register(), [AccountedRequest(1, self.body, account)], []
        )

    def seals(self) -> Iterator[SealFiles]:
        segment = b"".join(entry + b"\n" for entry in self.entries)
        statement: dict[str, Any] = {
            "format": "holdfast-seal/1",
            "key": {"key_id": "arn:aws:kms:eu-central-1:000000000000:key/k", "public_key_sha256": "ab" * 32},
            "matter_id": MATTER,
            "previous": None,
            "sealed_at": to_text(CLAIMED + timedelta(minutes=41)),
            "segment": {
                "entries": len(self.entries),
                "sha256": hashlib.sha256(segment).hexdigest(),
                "size_bytes": len(segment),
            },
            "sequence": 1,
            "tree": {"root": "cd" * 32, "size": len(self.entries)},
        }
        yield SealFiles(rfc8785.dumps(statement) + b"\n", b"signature")
