"""A release's plan, its outcome and its certificate: files of the records bucket, written once.

Plan and outcome are lists that grow with the matter. They lie in parts; the first line of each names the hash
of the one before, so that the last one's hash, which stands in `plan.json`, stands for all of them.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import TypeAdapter

from holdfast.domain.custody import NamedFile, ObjectVersion
from holdfast.domain.ids import ConversationId, MatterId, ReleaseId
from holdfast.domain.release import PlannedConversation
from holdfast.errors import LedgerRuleBroken, ReleasePlanChanged
from holdfast.ports import PlanRecord, RecordFile, RecordFiles, ReleaseRecord

RELEASE_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PartHeader:
    """The first line of a part; `counts` and `stays_for` sum up all parts so far.

    `cursor` says where the list goes on, None where it ends.
    """

    part: int
    previous_sha256: str
    counts: Mapping[str, int]
    stays_for: Mapping[MatterId, int]
    cursor: str | None = None
    format: int = RELEASE_FORMAT


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one conversation of a plan.

    `late` are versions that the plan does not name; they are locked still. `platform` is the standing of the
    platform's hold.
    """

    conversation_id: ConversationId
    outcome: Literal["let_go", "stays", "let_go_by_another_release"]
    claimed_by: tuple[MatterId, ...]
    versions: tuple[ObjectVersion, ...]
    late: tuple[ObjectVersion, ...] = ()
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What would be let go, as it is hashed and announced; the names are asserted."""

    matter_id: MatterId
    release_id: ReleaseId
    scope: str
    requested_by: str
    reason: str
    requested_at: datetime
    planned_at: datetime
    approve_by: datetime
    parts: int
    last_part_sha256: str
    counts: Mapping[str, int]
    stays_for: Mapping[MatterId, int]
    format: int = RELEASE_FORMAT


@dataclass(frozen=True, slots=True)
class Certificate:
    """What was let go, by whose word, and what stays; the names are asserted."""

    matter_id: MatterId
    release_id: ReleaseId
    scope: str
    reason: str
    requested_by: str
    requested_at: datetime
    plan_key: str
    plan_sha256: str
    approved_by: str
    approved_at: datetime
    approval_event_id: str
    released_at: datetime
    outcome_parts: int
    last_outcome_sha256: str
    counts: Mapping[str, int]
    stays_for: Mapping[MatterId, int]
    stays_because: Mapping[str, str] = field(
        default_factory=lambda: {
            "stays": "another matter claims the conversation",
            "late": "the version is not in the plan that was approved: it arrived later",
            "unattributed": "its key names no conversation, so it may belong to any matter",
            "protected_still": "the platform did not let its protection go, or had it before us",
        }
    )
    format: int = RELEASE_FORMAT


@dataclass(frozen=True, slots=True)
class Part[Line]:
    """One part of a list, as it stands in the bucket."""

    header: PartHeader
    lines: Sequence[Line]
    sha256: str


_HEADER = TypeAdapter(PartHeader)
_PLANNED = TypeAdapter(PlannedConversation)
_OUTCOME = TypeAdapter(Outcome)
_PLAN = TypeAdapter(Plan)
_CERTIFICATE = TypeAdapter(Certificate)


class PartFiles[Line]:
    """One list in parts."""

    def __init__(self, records: RecordFiles, stem: str, line: TypeAdapter[Line]) -> None:
        self._records = records
        self._stem = stem
        self._line = line

    def read(self, number: int) -> Part[Line] | None:
        """Read a part; None if it is not written."""
        chunks = self._records.read(self._key(number))
        if chunks is None:
            return None
        content = b"".join(chunks)
        header, *lines = content.splitlines()
        return Part(
            _HEADER.validate_json(header),
            [self._line.validate_json(line) for line in lines],
            hashlib.sha256(content).hexdigest(),
        )

    def write(self, header: PartHeader, lines: Iterable[Line]) -> Part[Line]:
        """Write a part unless it is there; answers what stands.

        Raises:
            ReleasePlanChanged: what was written is gone.
        """
        dumped = [_HEADER.dump_json(header), *(self._line.dump_json(line) for line in lines)]
        self._records.write_once(self._key(header.part), dumped)
        return self.expect(header.part)

    def expect(self, number: int, sha256: str | None = None) -> Part[Line]:
        """Read a part that must be there, and be the one whose hash is known.

        Raises:
            ReleasePlanChanged: it is not.
        """
        part = self.read(number)
        if part is None or sha256 not in (None, part.sha256):
            raise ReleasePlanChanged(
                f"expected {self._key(number)} as it was hashed, found it missing or changed"
            )
        return part

    def named(self, count: int) -> Iterator[NamedFile]:
        """Name the parts there are, with what their bytes say.

        Raises:
            ReleasePlanChanged: one is missing.
        """
        for number in range(count):
            key, digest, size_bytes = self._key(number), hashlib.sha256(), 0
            chunks = self._records.read(key)
            if chunks is None:
                raise ReleasePlanChanged(f"expected {key} as it was hashed, found it missing")
            for chunk in chunks:
                digest.update(chunk)
                size_bytes += len(chunk)
            yield NamedFile(key.rpartition("/")[2], digest.hexdigest(), size_bytes)

    def _key(self, number: int) -> str:
        return f"{self._stem}-{number:05d}.jsonl"


class ReleaseFiles:
    """The folder of one release."""

    def __init__(self, records: RecordFiles, matter_id: MatterId, release_id: ReleaseId) -> None:
        self._records = records
        self._folder = f"releases/{matter_id}/{release_id}"
        self.planned = PartFiles(records, f"{self._folder}/plan", _PLANNED)
        self.outcome = PartFiles(records, f"{self._folder}/outcome", _OUTCOME)

    def write_plan(self, plan: Plan) -> tuple[Plan, RecordFile]:
        """Write the plan unless it is there; answers what stands, and its hash."""
        key = f"{self._folder}/plan.json"
        file = self._records.write_once(key, [_PLAN.dump_json(plan)])
        return _PLAN.validate_json(self._expect(key, file.sha256)), file

    def read_plan(self, record: PlanRecord) -> Plan:
        """Read the plan that was approved.

        Raises:
            ReleasePlanChanged: it is not the one whose hash was approved.
        """
        return _PLAN.validate_json(self._expect(record.key, record.sha256))

    def write_certificate(self, certificate: Certificate) -> tuple[Certificate, RecordFile]:
        """Write the certificate unless it is there; answers what stands, and its hash."""
        key = f"{self._folder}/certificate.json"
        file = self._records.write_once(key, [_CERTIFICATE.dump_json(certificate)])
        return _CERTIFICATE.validate_json(self._expect(key, file.sha256)), file

    def read_certificate(self, file: RecordFile) -> Certificate:
        """Read the certificate that was given.

        Raises:
            ReleasePlanChanged: it is not the one that was written.
        """
        return _CERTIFICATE.validate_json(self._expect(file.key, file.sha256))

    def certified(self, release: ReleaseRecord) -> Certificate:
        """Read the certificate of a release that has one.

        Raises:
            LedgerRuleBroken: it has none.
            ReleasePlanChanged: it is not the one that was written.
        """
        if release.certificate is None:
            raise LedgerRuleBroken(f"expected release {release.release_id} to have a certificate, found none")
        return self.read_certificate(release.certificate)

    def named(self, plan: PlanRecord, certificate: RecordFile) -> list[NamedFile]:
        """Name all files of the release, as whoever takes them away finds them."""
        content = self._expect(plan.key, plan.sha256)
        return [
            NamedFile("plan.json", plan.sha256, len(content)),
            *self.planned.named(plan.parts),
            *self.outcome.named(plan.parts),
            NamedFile("certificate.json", certificate.sha256, certificate.size_bytes),
        ]

    def _expect(self, key: str, sha256: str) -> bytes:
        content = b"".join(self._records.read(key) or ())
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ReleasePlanChanged(f"expected {key} as it was hashed, found it missing or changed")
        return content
