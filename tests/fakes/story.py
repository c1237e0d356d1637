"""How a request gets to where a test begins."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_plus
from uuid import UUID

from holdfast.contracts.arrivals import QueuedMessage, write_relock
from holdfast.domain.custody import ObjectVersion, Relock, RelockCause
from holdfast.domain.ids import (
    ConversationId,
    ExportJobId,
    MatterId,
    RecordingId,
    ReleaseId,
    RequestId,
    batch_id,
)
from holdfast.domain.manifest import Manifest
from holdfast.domain.media import Medium
from holdfast.domain.moments import to_text
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState
from holdfast.ports import Claim, ClaimEnding
from tests.fakes.house import House

ORGANIZATION = "2f8b9a34-6d1e-4c57-9a0b-8e3d5f7c1a26"
STARTED = datetime(2026, 3, 4, 9, tzinfo=UTC)
LAG = timedelta(seconds=3)


def conversation_id(number: int) -> ConversationId:
    """Name a conversation by its number."""
    return ConversationId(str(UUID(int=number)))


def recording_id(conversation: int, number: int = 0) -> RecordingId:
    """Name a recording of a conversation."""
    return RecordingId(str(UUID(int=1_000_000 + 1_000 * conversation + number)))


def conversations(*numbers: int) -> list[Conversation]:
    """Make conversations by voice."""
    return [
        Conversation(conversation_id(number), STARTED, STARTED + timedelta(minutes=5), Medium.VOICE)
        for number in numbers
    ]


def key_of(conversation: int, file: str) -> str:
    """Name an object in a conversation's folder, as the vendor does."""
    folder = f"conversation_id={conversation_id(conversation)}"
    return f"{ORGANIZATION}/year=2026/month=3/day=4/hour=9/{folder}/{file}"


def notification(house: House, *versions: ObjectVersion, arrived_at: datetime | None = None) -> str:
    """Write what S3 sends about versions that arrived."""
    at = to_text(arrived_at or house.clock.now() - LAG)
    return json.dumps(
        {
            "Records": [
                {
                    "eventName": "ObjectCreated:Put",
                    "eventTime": at,
                    "s3": {
                        "bucket": {"name": version.bucket},
                        "object": {
                            "key": quote_plus(version.key, safe="/"),
                            "size": version.size_bytes,
                            "versionId": version.version_id,
                        },
                    },
                }
                for version in versions
            ]
        }
    )


def messages(house: House, *versions: ObjectVersion) -> list[QueuedMessage]:
    """Put each version into a message of its own, as S3 does."""
    return [
        QueuedMessage(f"message-{place}", notification(house, version))
        for place, version in enumerate(versions)
    ]


def upload(
    house: House, conversation: int, number: int = 0, *, media: bytes = b"media", medium: str = "Call"
) -> list[ObjectVersion]:
    """Let the vendor write one recording: the media and its sidecar."""
    file = f"{recording_id(conversation, number)}.wav"
    return [
        house.evidence.put(key_of(conversation, file), media, at=house.clock.now()),
        house.evidence.put(
            key_of(conversation, file + "_metadata.json"),
            json.dumps({"mediaType": medium}).encode(),
            at=house.clock.now(),
        ),
    ]


def leave_manifest(house: House, job_id: ExportJobId, manifest: Manifest) -> None:
    """Let a job's manifest arrive and be secured."""
    house.manifests.manifests[job_id] = manifest
    version = house.evidence.put(f"{ORGANIZATION}/manifests/{job_id}.json", b"{}")
    assert house.secure_objects(messages(house, version)) == []


def deliver(house: House, conversation: int, number: int = 0, *, media: bytes = b"media") -> None:
    """Let one recording arrive and be secured."""
    assert house.secure_objects(messages(house, *upload(house, conversation, number, media=media))) == []


def opened() -> House:
    """Open the request."""
    house = House()
    house.open_request()
    return house


def planned(*batches: Sequence[int]) -> House:
    """Open the request, and claim and slice its conversations; by default 1 and 2, in one batch."""
    house = opened()
    plan(house, *(batches or [(1, 2)]))
    return house


def plan(house: House, *batches: Sequence[int]) -> None:
    """Claim and slice."""
    house.scope_source.pages = [conversations(*numbers) for numbers in batches]
    house.batch_size = 1
    assert house.read_scope_pages().status == "DONE"


def start_job(house: House, index: int = 0, attempt: int = 1) -> ExportJobId:
    """Start a batch's job."""
    run = house.batch_run(index, attempt)
    assert house.acquire_job_slot(run).acquired
    assert house.start_export_job(run).next == "CHECK"
    job_id = house.batch(index, attempt).job_id
    assert job_id is not None
    return job_id


def end_job(
    house: House,
    index: int = 0,
    *,
    state: BatchState = BatchState.FULFILLED,
    total: int = 0,
    skipped: int = 0,
    failed: Sequence[tuple[int, int]] = (),
    attempt: int = 1,
) -> None:
    """Start a batch's job and let it end; `failed` names recordings by conversation and number."""
    job_id = start_job(house, index, attempt)
    house.clock.forward(timedelta(minutes=10))
    house.jobs.move(job_id, state=state, total=total, skipped=skipped, failed=len(failed))
    house.jobs.failed[job_id] = {
        recording_id(conversation, number): conversation_id(conversation) for conversation, number in failed
    }
    assert house.check_export_job(house.batch_run(index, attempt)).next == "END"


def exported(*numbers: int) -> House:
    """Bring the request to where every job has ended and every conversation's one recording is secured."""
    house = planned(numbers or (1, 2))
    end_job(house, total=len(numbers or (1, 2)))
    for number in numbers or (1, 2):
        deliver(house, number)
    return house


def reconciled(*numbers: int) -> House:
    """Bring it to where every recording is accounted for."""
    house = exported(*numbers)
    assert house.reconcile().done
    return house


def held(*numbers: int) -> House:
    """Bring it to where the platform holds every conversation."""
    house = reconciled(*numbers)
    assert house.place_holds().done
    assert house.confirm_holds().done
    return house


def let_go(house: House, conversation: ConversationId, release_id: str = "L-1") -> None:
    """Do what a release does to a conversation: end its claims, lift its locks, and say so."""
    ledger, now = house.conversations, house.clock.now()
    for matter_id in sorted(ledger.dossier(conversation).claimed_by):
        ledger.end_claim(
            ClaimEnding(matter_id, conversation, ReleaseId(release_id), "counsel", now, now, now)
        )
    for receipt in ledger.dossier(conversation).receipts:
        house.evidence.at(receipt.version).is_locked = False
    epoch = ledger.hold(conversation).promise.epoch
    assert ledger.lifted(conversation, epoch, ReleaseId(release_id), now)


def relock_messages(*relocks: Relock) -> list[QueuedMessage]:
    """Put each wish for a lock into a message of its own."""
    return [QueuedMessage(f"relock-{place}", write_relock(relock)) for place, relock in enumerate(relocks)]


def claim_again(house: House, conversation: int, matter_id: str = "M-again") -> None:
    """Claim what was let go, and let its locks be set and read back."""
    now = house.clock.now()
    (claimed_one,) = conversations(conversation)
    claim = Claim(MatterId(matter_id), RequestId("R-again"), batch_id(1, 0), claimed_one, now)
    epoch = house.conversations.claim(claim).promise.epoch
    receipts = house.conversations.dossier(claimed_one.conversation_id).receipts
    relocks = [Relock(receipt.version, RelockCause.CLAIMED, epoch, now) for receipt in receipts]
    assert house.secure_objects(relock_messages(*relocks)) == []
    assert house.conversations.hold(claimed_one.conversation_id).promise.is_kept
