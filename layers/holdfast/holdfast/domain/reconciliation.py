"""Reconciliation, in recordings: expected = secured + explained, and every explanation has a reason.

A batch balances when the distinct recordings delivered, those that failed and those that were skipped add up
to the export job's total. Counting is trusted only where nothing can be counted twice; otherwise the
platform's own list of each conversation's recordings is read and every recording is named.
"""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from holdfast.domain.custody import Receipt
from holdfast.domain.evidence_key import SIDECAR_SUFFIX, Role
from holdfast.domain.ids import ConversationId, RecordingId
from holdfast.domain.manifest import Manifest, ManifestEntry
from holdfast.domain.media import Medium
from holdfast.domain.states import BatchState


class Reason(StrEnum):
    """Why something is not secured, or not held."""

    FAILED_AT_PLATFORM = "failed_at_platform"
    SKIPPED_BY_PLATFORM = "skipped_by_platform"
    SENSITIVE_NOT_PERMITTED = "sensitive_not_permitted"
    DELETED_AT_PLATFORM = "deleted_at_platform"
    TAGS_OMITTED = "tags_omitted"
    NOT_IN_MANIFEST = "not_in_manifest"
    NO_RECORDING = "no_recording"
    PLATFORM_CAP = "platform_cap"
    EARLY_PROTECTION_FAILED = "early_protection_failed"
    NOT_DELIVERED = "not_delivered"
    NOT_ARRIVED = "not_arrived"
    UNPAIRED_MEDIA = "unpaired_media"
    UNPAIRED_SIDECAR = "unpaired_sidecar"
    ZERO_BYTES = "zero_bytes"
    HASH_PENDING = "hash_pending"
    LOCK_PENDING = "lock_pending"
    PARTICIPANT_MISSING = "participant_missing"
    MANIFEST_MISSING = "manifest_missing"
    MANIFEST_UNREADABLE = "manifest_unreadable"
    MANIFEST_V1 = "manifest_v1"
    EXPORT_JOB_FAILED = "export_job_failed"
    EXPORT_JOB_CANCELLED = "export_job_cancelled"
    NOT_YET_AVAILABLE = "not_yet_available"
    REUSE_UNPROVEN = "reuse_unproven"
    HOLD_REFUSED = "hold_refused"
    HOLD_CONFLICT = "hold_conflict"
    HOLD_NOT_CONFIRMED = "hold_not_confirmed"
    PARKED = "parked"
    UNATTRIBUTED = "unattributed"
    HIDDEN = "hidden"
    VERSION_GONE = "version_gone"
    UNKNOWN = "unknown"


MEANINGS: Mapping[Reason, str] = {
    Reason.FAILED_AT_PLATFORM: "the platform lists the recording as failed to export",
    Reason.SKIPPED_BY_PLATFORM: "the platform left the recording out, usually for its sensitive content",
    Reason.SENSITIVE_NOT_PERMITTED: "the request asks for sensitive recordings, which the OAuth client"
    " may not export; give it the permission, then send a new request",
    Reason.DELETED_AT_PLATFORM: "the recording was deleted at the platform before it could be exported",
    Reason.TAGS_OMITTED: "locked, hashed and receipted; the object has no room for all of our tags",
    Reason.NOT_IN_MANIFEST: "locked, hashed and receipted; the export job's manifest does not list it",
    Reason.NO_RECORDING: "the conversation has no recording",
    Reason.PLATFORM_CAP: "the platform protects no more conversations; the S3 lock stands alone",
    Reason.EARLY_PROTECTION_FAILED: "what the platform was about to delete could not be protected before the"
    " export; the export went on",
    Reason.NOT_DELIVERED: "the export job ended, the recording has not come",
    Reason.NOT_ARRIVED: "the platform says it delivered the recording, the bucket does not have it",
    Reason.UNPAIRED_MEDIA: "the media came without its sidecar",
    Reason.UNPAIRED_SIDECAR: "the sidecar came without its media",
    Reason.ZERO_BYTES: "the recording arrived empty",
    Reason.HASH_PENDING: "the recording is locked and receipted, its digest is not yet computed",
    Reason.LOCK_PENDING: "an earlier release lifted the locks; not all of them are set again and read back",
    Reason.PARTICIPANT_MISSING: "the manifest does not say who took part; ask the vendor for manifest v2 with"
    " participant ids, then send the request again",
    Reason.MANIFEST_MISSING: "the export job left no manifest to hold the delivery against",
    Reason.MANIFEST_UNREADABLE: "the export job's manifest cannot be read",
    Reason.MANIFEST_V1: "the manifest is v1 and names neither participants nor failures; ask the vendor for"
    " manifest v2 with participant ids, then send the request again",
    Reason.EXPORT_JOB_FAILED: "the export job could not be started, or the platform ended it as FAILED",
    Reason.EXPORT_JOB_CANCELLED: "somebody cancelled the export job at the platform",
    Reason.NOT_YET_AVAILABLE: "the scope ends later than the data the platform can search",
    Reason.REUSE_UNPROVEN: "an earlier export was relied on, and it cannot be proven any more that all of it"
    " is secured; send a new request",
    Reason.HOLD_REFUSED: "the platform refused to protect the conversation",
    Reason.HOLD_CONFLICT: "the platform kept answering that somebody else changes the conversation",
    Reason.HOLD_NOT_CONFIRMED: "the platform accepted the protection, but does not list it",
    Reason.PARKED: "an arrival that may belong to the matter could not be handled and is parked",
    Reason.HIDDEN: "somebody put a delete marker over the object; all of its versions are still there, and"
    " locked",
    Reason.VERSION_GONE: "the object was locked, hashed and receipted, and somebody has deleted it since",
    Reason.UNATTRIBUTED: "an object in a conversation's folder that is no recording",
    Reason.UNKNOWN: "the export job counted the recording, and nothing else is known of it",
}

EXPLAINING: frozenset[Reason] = frozenset(
    {
        Reason.FAILED_AT_PLATFORM,
        Reason.SKIPPED_BY_PLATFORM,
        Reason.DELETED_AT_PLATFORM,
        Reason.TAGS_OMITTED,
        Reason.NOT_IN_MANIFEST,
        Reason.NO_RECORDING,
        Reason.PLATFORM_CAP,
        Reason.EARLY_PROTECTION_FAILED,
        Reason.UNATTRIBUTED,
        Reason.HIDDEN,
    }
)
"""Reasons that close the account. Every other reason means: missing, and the matter is incomplete."""


def standing_of(reason: Reason) -> str:
    """Name the column that a reason puts something in: explained or missing."""
    return "explained" if reason in EXPLAINING else "missing"


BROKEN_OFF: Mapping[BatchState, Reason] = {
    BatchState.FAILED: Reason.EXPORT_JOB_FAILED,
    BatchState.CANCELLED: Reason.EXPORT_JOB_CANCELLED,
}
_PENDING = frozenset({Reason.HASH_PENDING, Reason.LOCK_PENDING})
_HALF_ARRIVED = frozenset({Reason.UNPAIRED_MEDIA, Reason.UNPAIRED_SIDECAR})


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the bucket has of one recording; all versions together. `flaw` is None when it is secured."""

    recording_id: RecordingId
    conversation_id: ConversationId
    medium: Medium | None
    first_arrived_at: datetime
    last_arrived_at: datetime
    flaw: Reason | None

    @property
    def is_complete(self) -> bool:
        """Tell whether both the media and its sidecar are there."""
        return self.flaw not in _HALF_ARRIVED


def pair_up(receipts: Iterable[Receipt], digested: Collection[str] = ()) -> list[Delivery]:
    """Join media and sidecars into recordings.

    Args:
        receipts: all receipts of one or more conversations, in any order.
        digested: fingerprints of versions whose digest came later, as a DIGEST event.
    """
    by_recording: dict[RecordingId, list[Receipt]] = defaultdict(list)
    for receipt in receipts:
        if receipt.recording_id is not None:
            by_recording[receipt.recording_id].append(receipt)
    return [_delivery(recording_id, parts, digested) for recording_id, parts in by_recording.items()]


def without_locks(deliveries: Iterable[Delivery]) -> list[Delivery]:
    """Tell what there is of a conversation whose locks are not kept: nothing of it is secured."""
    return [
        replace(one, flaw=Reason.LOCK_PENDING) if one.flaw is None or one.flaw in EXPLAINING else one
        for one in deliveries
    ]


def _delivery(recording_id: RecordingId, parts: list[Receipt], digested: Collection[str]) -> Delivery:
    conversation_id = parts[0].conversation_id
    if conversation_id is None:
        raise ValueError(f"recording {recording_id} has a receipt without a conversation")
    media = [part for part in parts if part.role is Role.MEDIA]
    sidecars = [part for part in parts if part.role is Role.SIDECAR]
    described = {sidecar.version.key for sidecar in sidecars}
    pairs = [part for part in media if part.version.key + SIDECAR_SUFFIX in described]
    return Delivery(
        recording_id=recording_id,
        conversation_id=conversation_id,
        medium=next((sidecar.medium for sidecar in sidecars if sidecar.medium), None),
        first_arrived_at=min(part.arrived_at for part in parts),
        last_arrived_at=max(part.arrived_at for part in parts),
        flaw=_flaw(media, pairs, parts, digested),
    )


def _flaw(
    media: list[Receipt], pairs: list[Receipt], parts: list[Receipt], digested: Collection[str]
) -> Reason | None:
    if not media:
        return Reason.UNPAIRED_SIDECAR
    if not pairs:
        return Reason.UNPAIRED_MEDIA
    filled = [part for part in pairs if part.version.size_bytes > 0]
    if not filled:
        return Reason.ZERO_BYTES
    if not any(part.sha256 or part.version.fingerprint in digested for part in filled):
        return Reason.HASH_PENDING
    if any(part.omitted_tags for part in parts):
        return Reason.TAGS_OMITTED
    return None


@dataclass(frozen=True, slots=True)
class PlatformRecording:
    """What the platform says of one recording, from its metadata."""

    recording_id: RecordingId
    medium: Medium
    is_deleted: bool = False
    exported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobTally:
    """What an export job says of itself at its end; `failed` maps a failed recording to its conversation.

    `unnamed_failures` were counted and nobody says which they are.
    """

    state: BatchState
    created_at: datetime
    total: int = 0
    skipped: int = 0
    failed: Mapping[RecordingId, ConversationId] | None = None
    unnamed_failures: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """The account of one recording; without a `recording_id`, of one that was counted and not named."""

    recording_id: RecordingId | None
    conversation_id: ConversationId | None
    medium: Medium
    is_delivered: bool
    reason: Reason | None

    @property
    def standing(self) -> str:
        """Name the column this recording is counted in: secured, explained or missing."""
        return standing_of(self.reason) if self.reason else "secured"


@dataclass(frozen=True, slots=True)
class BatchAccount:
    """Everything known about one batch: its conversations (with the medium each counts under), its job, its
    arrivals.

    `known` is what the platform has been asked about so far, by conversation. `manifest` is the job's, in a
    dialect that has manifests. `without_sensitive`: the job had to leave out what the request asked for.
    """

    conversations: Mapping[ConversationId, Medium]
    job: JobTally
    deliveries: Sequence[Delivery]
    known: Mapping[ConversationId, Sequence[PlatformRecording]]
    include_screen: bool = True
    manifest: Manifest | None = None
    without_sensitive: bool = False

    def outstanding(self) -> int:
        """Count the recordings that a finished job still owes; a job that failed promises nothing."""
        if self.job.state is not BatchState.FULFILLED:
            return 0
        pending = sum(delivery.flaw in _PENDING for delivery in self._relevant())
        owed = self.job.total - self._counted() - self.job.unnamed_failures
        return max(0, owed, len(self._named_and_absent())) + pending

    def to_read(self) -> list[ConversationId]:
        """Name the conversations whose recordings must be read from the platform, the most telling first.

        Empty when what is known suffices to name every recording.
        """
        return list(self.inquiry().wanted())

    def inquiry(self) -> "Inquiry":
        """Begin to read what must be read."""
        unread = [
            conversation_id for conversation_id in self.conversations if conversation_id not in self.known
        ]
        if self._manifest_suffices():
            return Inquiry(self, [], [])
        if not self._counts_suffice():
            return Inquiry(self, unread, [])
        failed = set(self._failed().values())
        arrived = Counter(delivery.conversation_id for delivery in self._complete())
        rest = [conversation_id for conversation_id in unread if conversation_id not in failed]
        return Inquiry(
            self,
            [conversation_id for conversation_id in unread if conversation_id in failed],
            sorted(rest, key=lambda conversation_id: arrived[conversation_id]),
        )

    def findings(self) -> list[Finding]:
        """Give the account of every recording of the batch, once `to_read` is empty."""
        failed = self._failed()
        named: dict[RecordingId, Finding] = {}
        for delivery in self._relevant():
            reason = delivery.flaw
            if not delivery.is_complete and delivery.recording_id in failed:
                reason = Reason.FAILED_AT_PLATFORM
            if reason is None or reason in EXPLAINING:
                reason = self._remark(delivery) or reason
            named[delivery.recording_id] = Finding(
                delivery.recording_id,
                delivery.conversation_id,
                delivery.medium or self._medium(delivery.recording_id, delivery.conversation_id),
                delivery.is_complete,
                reason,
            )
        for recording_id, conversation_id in failed.items():
            medium = self._medium(recording_id, conversation_id)
            failure = Finding(recording_id, conversation_id, medium, False, Reason.FAILED_AT_PLATFORM)
            named.setdefault(recording_id, failure)
        for recording_id, finding in self._absent_by_manifest():
            named.setdefault(recording_id, finding)
        # What only an earlier export brought may be what this job skipped: it must not excuse another.
        unexplained = self._earlier() - failed.keys() - self._listed()
        skips_left = max(0, self.job.skipped - len(self._skipped()) - len(unexplained))
        for conversation_id, recording in self._undelivered():
            reason = self._absence(recording, skips_left)
            skips_left -= reason is self._skip
            medium = self._counted_as(recording.medium, conversation_id)
            named[recording.recording_id] = Finding(
                recording.recording_id, conversation_id, medium, False, reason
            )
        return [*named.values(), *self._unnamed(self.job.total - len(named), skips_left)]

    @property
    def _skip(self) -> Reason:
        """Say why the job left recordings out on purpose."""
        return Reason.SENSITIVE_NOT_PERMITTED if self.without_sensitive else Reason.SKIPPED_BY_PLATFORM

    def _relevant(self) -> list[Delivery]:
        """Leave out screens that this request did not ask for: an earlier export may have brought them."""
        return [d for d in self.deliveries if self.include_screen or d.medium is not Medium.SCREEN]

    def _complete(self) -> list[Delivery]:
        return [delivery for delivery in self._relevant() if delivery.is_complete]

    def _failed(self) -> Mapping[RecordingId, ConversationId]:
        return self.job.failed or {}

    def _skipped(self) -> Mapping[RecordingId, ConversationId]:
        return self.manifest.skipped if self.manifest else {}

    def _listed(self) -> set[RecordingId]:
        """Name every recording of which the manifest says anything."""
        if self.manifest is None:
            return set()
        return {*self.manifest.named, *self.manifest.failed, *self.manifest.skipped}

    def _named_and_absent(self) -> dict[RecordingId, ManifestEntry]:
        """List what the manifest says was written and is not, or not wholly, there."""
        complete = {delivery.recording_id for delivery in self._complete()}
        named = self.manifest.named if self.manifest else {}
        return {one: entry for one, entry in named.items() if one not in complete}

    def _absent_by_manifest(self) -> Iterator[tuple[RecordingId, Finding]]:
        """Account for what the manifest names and the bucket does not have."""
        for recording_id, conversation_id in self._skipped().items():
            medium = self._medium(recording_id, conversation_id)
            skip = Finding(recording_id, conversation_id, medium, False, self._skip)
            yield recording_id, skip
        for recording_id, entry in self._named_and_absent().items():
            medium = self._counted_as(entry.medium, entry.conversation_id)
            if medium is Medium.UNKNOWN:  # a v1 manifest names no media
                medium = self._medium(recording_id, entry.conversation_id)
            absence = Finding(recording_id, entry.conversation_id, medium, False, Reason.NOT_ARRIVED)
            yield recording_id, absence

    def _manifest_suffices(self) -> bool:
        """Trust a sound manifest if it and the bucket together name all that the job counted."""
        if self.manifest is None or self.manifest.fault:
            return False
        delivered = {delivery.recording_id for delivery in self._complete()} - self._earlier()
        return len(self._listed() | delivered) >= self.job.total

    def _remark(self, delivery: Delivery) -> Reason | None:
        """Say what the manifest leaves open about a recording that is there.

        What came before the job is another manifest's matter.
        """
        if self.manifest is None or not delivery.is_complete:
            return None
        if self.manifest.fault:
            return Reason(self.manifest.fault)
        entry = self.manifest.named.get(delivery.recording_id)
        if entry is not None:
            return None if entry.has_participant else Reason.PARTICIPANT_MISSING
        is_ours = delivery.last_arrived_at >= self.job.created_at
        return Reason.NOT_IN_MANIFEST if is_ours and delivery.recording_id not in self._listed() else None

    def _counted(self) -> int:
        delivered = {delivery.recording_id for delivery in self._complete()} - self._earlier()
        return len(delivered | self._failed().keys()) + self.job.skipped

    def _earlier(self) -> set[RecordingId]:
        """Name the recordings that came before the job alone: this job's own copies would be newer."""
        complete = self._complete()
        return {one.recording_id for one in complete if one.last_arrived_at < self.job.created_at}

    def _counts_suffice(self) -> bool:
        """Trust the numbers only if they add up and no arrival predates the job.

        What an earlier export brought and this job did not want would stand in for something that is missing.
        """
        nothing_older = all(delivery.first_arrived_at >= self.job.created_at for delivery in self._relevant())
        return self.job.state is BatchState.FULFILLED and nothing_older and self._counted() == self.job.total

    def _undelivered(self) -> list[tuple[ConversationId, PlatformRecording]]:
        """List known recordings without delivery or failure; likely skips (never exported) first."""
        accounted = self.accounted()
        undelivered = [
            (conversation_id, recording)
            for conversation_id, recordings in self.known.items()
            for recording in recordings
            if self.is_open(recording, accounted)
        ]
        return sorted(undelivered, key=lambda pair: (pair[1].is_deleted, pair[1].exported_at is not None))

    def accounted(self) -> set[RecordingId]:
        """Name the recordings that something other than the platform's lists accounts for."""
        delivered = {delivery.recording_id for delivery in self._relevant()}
        return delivered | self._failed().keys() | self._listed()

    def is_open(self, recording: PlatformRecording, accounted: Collection[RecordingId]) -> bool:
        """Tell whether a recording that the platform lists is wanted and nothing accounts for it."""
        is_wanted = self.include_screen or recording.medium is not Medium.SCREEN
        return is_wanted and recording.recording_id not in accounted

    def _absence(self, recording: PlatformRecording, skips_left: int) -> Reason:
        if recording.is_deleted:
            return Reason.DELETED_AT_PLATFORM
        if self.job.state in BROKEN_OFF:
            return BROKEN_OFF[self.job.state]
        if recording.exported_at is not None:
            return Reason.NOT_ARRIVED
        if self.manifest and self.manifest.fault:
            return Reason(self.manifest.fault)
        return self._skip if skips_left > 0 else Reason.NOT_DELIVERED

    def _unnamed(self, count: int, skips_left: int) -> list[Finding]:
        """Account for recordings that the job counted and nobody can name."""
        fault = Reason(self.manifest.fault) if self.manifest and self.manifest.fault else Reason.UNKNOWN
        otherwise = BROKEN_OFF.get(self.job.state, fault)
        reasons = [self._skip if place < skips_left else otherwise for place in range(count)]
        return [Finding(None, None, Medium.UNKNOWN, False, reason) for reason in reasons]

    def _medium(self, recording_id: RecordingId, conversation_id: ConversationId) -> Medium:
        for recording in self.known.get(conversation_id, ()):
            if recording.recording_id == recording_id:
                return self._counted_as(recording.medium, conversation_id)
        return self.conversations.get(conversation_id, Medium.UNKNOWN)

    def _counted_as(self, medium: Medium, conversation_id: ConversationId) -> Medium:
        """Count a callback's audio as its sidecar does; the platform's metadata calls all audio alike."""
        conversation = self.conversations.get(conversation_id)
        return Medium.CALLBACK if (medium, conversation) == (Medium.VOICE, Medium.CALLBACK) else medium


class Inquiry:
    """What must still be read from the platform for a batch, kept up to date as the answers come.

    `must` is read in any case, `may` until as many recordings without an account are found as the job
    skipped; both the most telling first. What was deleted may have been so before the job, which then never
    counted it.
    """

    def __init__(
        self, account: BatchAccount, must: Iterable[ConversationId], may: Iterable[ConversationId]
    ) -> None:
        self._account = account
        self._accounted = account.accounted()
        self._must, self._may = deque(must), deque(may)
        self._read: set[ConversationId] = set()
        self._unfound = account.job.skipped
        self.learn(account.known)

    def wanted(self) -> Iterator[ConversationId]:
        """Name what must be read next; empty when what is known suffices to name every recording."""
        for queue in (self._must, self._may):
            while queue and queue[0] in self._read:
                queue.popleft()
            if queue is self._must or self._unfound > 0:
                yield from (one for one in queue if one not in self._read)

    def learn(self, answers: Mapping[ConversationId, Sequence[PlatformRecording]]) -> None:
        """Take in what the platform says of some conversations."""
        self._read.update(answers)
        self._unfound -= sum(
            not recording.is_deleted and self._account.is_open(recording, self._accounted)
            for recordings in answers.values()
            for recording in recordings
        )
