"""One suite for what the sentinel sees and writes, in memory and on AWS as moto plays it."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from holdfast.aws.buckets import EvidenceListingS3, EvidenceS3
from holdfast.aws.claims import ClaimLedger, ReceiptLedger
from holdfast.aws.drift import ClaimScan, DriftLedger, ReceiptListing
from holdfast.aws.inventory import CONFIGURATION, InventoryListing
from holdfast.aws.promises import ReleaseLedger, RelockLedger
from holdfast.aws.queues import HoldExecutions
from holdfast.aws.resolutions import ResolutionLedger
from holdfast.aws.sight import EvidenceSightS3
from holdfast.aws.sweeps import SweepLedger
from holdfast.aws.table import Table
from holdfast.domain.custody import Arrival, DriftKind, ObjectVersion, Receipt, Relock, RelockCause
from holdfast.domain.decisions import Decision, Resolution
from holdfast.domain.drift import Sighting
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import BatchId, MatterId, ReleaseId, RequestId, ResolutionId
from holdfast.domain.reconciliation import Reason
from holdfast.domain.states import PlatformHold
from holdfast.domain.tags import TagPlan
from holdfast.errors import LedgerContention, SettingsInvalid
from holdfast.ports import (
    Claim,
    ClaimBook,
    ClaimEnding,
    ClaimListing,
    DriftBook,
    EvidenceBucket,
    EvidenceListing,
    EvidenceSight,
    HoldRuns,
    ListingMark,
    PlatformHoldRecord,
    ReceiptBook,
    ReleaseBook,
    RelockBook,
    ResolutionBook,
    ResolutionRecord,
    SweepBook,
    SweepMark,
    SweepSource,
    VersionPage,
)
from tests.fakes.buckets import EvidenceInMemory
from tests.fakes.clock import NOON
from tests.fakes.decisions import ResolutionsInMemory
from tests.fakes.ledger import ConversationsInMemory, SweepsInMemory
from tests.fakes.platform import HoldRunsInMemory
from tests.fakes.story import conversation_id, conversations, key_of, recording_id
from tests.tables import make_ledger

SESSION: Any = botocore.session.get_session()
REGION = "eu-central-1"
WHERE = ["in memory", "on AWS"]
LATER = NOON + timedelta(minutes=1)
KEY = key_of(1, f"{recording_id(1)}.wav")
VERSION = ObjectVersion("evidence", KEY, "v1", 3)
LOCK, TAGS = DriftKind.LOCK_LIFTED, DriftKind.TAGS_CHANGED


# --- what can be seen of the bucket


@dataclass(frozen=True)
class Seen:
    """A bucket from the side that secures and the side that looks, and what only an outsider does."""

    bucket: EvidenceBucket
    sight: EvidenceSight
    listing: EvidenceListing
    put: Callable[[str], ObjectVersion]
    remove: Callable[[ObjectVersion], object]
    hide: Callable[[str], ObjectVersion]


def _client(service: str) -> Any:
    return SESSION.create_client(service, region_name=REGION)


@pytest.fixture
def aws() -> Iterator[None]:
    with mock_aws():
        yield


@pytest.fixture(params=WHERE)
def seen(request: pytest.FixtureRequest, aws: None) -> Seen:
    if request.param == "in memory":
        fake = EvidenceInMemory(name="evidence")
        return Seen(fake, fake, fake, fake.put, fake.remove, fake.hide)
    s3 = _client("s3")
    s3.create_bucket(
        Bucket="evidence",
        CreateBucketConfiguration={"LocationConstraint": REGION},
        ObjectLockEnabledForBucket=True,
    )

    def put(key: str) -> ObjectVersion:
        return ObjectVersion(
            "evidence", key, s3.put_object(Bucket="evidence", Key=key, Body=b"x")["VersionId"], 1
        )

    def remove(version: ObjectVersion) -> None:
        s3.delete_object(Bucket="evidence", Key=version.key, VersionId=version.version_id)

    def hide(key: str) -> ObjectVersion:
        return ObjectVersion("evidence", key, s3.delete_object(Bucket="evidence", Key=key)["VersionId"], 0)

    listing = EvidenceListingS3(s3, bucket="evidence")
    return Seen(EvidenceS3(s3), EvidenceSightS3(s3), listing, put, remove, hide)


def test_lock_and_tags_of_this_very_version_are_seen(seen: Seen) -> None:
    first, second = seen.put("a b/ü+.wav"), seen.put("a b/ü+.wav")
    seen.bucket.lock(first)
    seen.bucket.tag(first, TagPlan({"legal-hold": "on", "theirs": "x"}, ()))

    assert seen.sight.look(first) == Sighting(is_locked=True, tags={"legal-hold": "on", "theirs": "x"})
    assert seen.sight.look(second) == Sighting(is_locked=False, tags={})


def test_what_is_not_there_is_seen_as_nothing(seen: Seen) -> None:
    kept, gone = seen.put("a.wav"), seen.put("a.wav")
    seen.remove(gone)

    assert seen.sight.look(gone) is None
    assert seen.sight.look(replace(kept, key="b.wav")) is None
    assert seen.sight.look(kept) == Sighting(is_locked=False, tags={})


def test_a_delete_marker_is_listed_and_seen_and_what_it_hides_is_still_there(seen: Seen) -> None:
    version = seen.put("a.wav")
    marker = seen.hide("a.wav")

    page = seen.listing.page("", None)

    assert [one.version for one in page.markers] == [marker]
    assert [one.version for one in page.arrivals] == [version]
    assert seen.sight.is_hidden(marker)
    assert not seen.sight.is_hidden(version)
    assert not seen.sight.is_hidden(replace(marker, version_id="another"))
    assert seen.sight.look(version) is not None


class _Answering:
    """An S3 that answers as told."""

    def __init__(self, code: str) -> None:
        self.code = code

    def get_object_legal_hold(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "GetObjectLegalHold")

    def get_object_tagging(self, **_: str) -> Mapping[str, object]:
        return {"TagSet": []}


def test_only_what_says_so_is_taken_for_gone_or_never_locked() -> None:
    assert EvidenceSightS3(_Answering("NoSuchObjectLockConfiguration")).look(VERSION) == Sighting(False, {})
    assert EvidenceSightS3(_Answering("NoSuchVersion")).look(VERSION) is None
    with pytest.raises(ClientError):
        EvidenceSightS3(_Answering("AccessDenied")).look(VERSION)


def test_what_is_there_and_keeps_its_tags_to_itself_is_not_gone() -> None:
    class Hidden:
        """As the emulated S3 answers of a version under a delete marker."""

        def get_object_legal_hold(self, **_: str) -> Mapping[str, object]:
            return {"LegalHold": {"Status": "ON"}}

        def get_object_tagging(self, **_: str) -> None:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no"}}, "GetObjectTagging")

    assert EvidenceSightS3(Hidden()).look(VERSION) == Sighting(is_locked=True, tags=None)


# --- what was found changed, and what people decided


@dataclass(frozen=True)
class Books:
    """The sentinel's books."""

    drifts: DriftBook
    claims: ClaimBook
    claimed: ClaimListing
    receipts: ReceiptBook
    relocks: RelockBook
    releases: ReleaseBook
    listing: EvidenceListing
    sweeps: SweepBook
    resolutions: ResolutionBook
    entries: Callable[[], list[dict[str, Any]]]


@pytest.fixture(params=WHERE)
def books(request: pytest.FixtureRequest, aws: None) -> Books:
    if request.param == "in memory":
        shelf = ConversationsInMemory()

        def in_memory() -> list[dict[str, Any]]:
            return [
                json.loads(entry.canonical)
                for folder in shelf.folders.values()
                for _, entry in sorted(folder.entries.items())
            ]

        resolutions = ResolutionsInMemory(shelf)
        return Books(
            shelf, shelf, shelf, shelf, shelf, shelf, shelf, SweepsInMemory(), resolutions, in_memory
        )
    client = _client("dynamodb")
    table = make_ledger(client)

    def on_dynamodb() -> list[dict[str, Any]]:
        items = client.scan(TableName="ledger")["Items"]
        stored = sorted((item for item in items if "entry" in item), key=lambda item: item["sk"]["S"])
        return [json.loads(item["entry"]["B"]) for item in stored]

    return Books(
        DriftLedger(table),
        ClaimLedger(table),
        ClaimScan(table),
        ReceiptLedger(table),
        RelockLedger(table),
        ReleaseLedger(table),
        ReceiptListing(table),
        SweepLedger(table),
        ResolutionLedger(table),
        on_dynamodb,
    )


def _found(books: Books) -> list[tuple[str, str]]:
    return [
        (one["at"], one["details"]["drift"]) for one in books.entries() if one.get("type") == "drift_found"
    ]


@pytest.mark.parametrize("key", [KEY, "a/stray ü.bin"])
def test_a_finding_is_written_once_with_its_event_until_it_is_repaired(books: Books, key: str) -> None:
    version = replace(VERSION, key=key)

    first = books.drifts.found(version, LOCK, 0, NOON)
    again = books.drifts.found(version, LOCK, 0, LATER)

    assert (first.is_new, again.is_new) == (True, False)
    assert first.found_at == again.found_at == NOON
    (event,) = books.entries()
    assert event["details"] == {"drift": "lock_lifted", "key": key, "version_id": "v1"}
    assert event.get("conversation_id") == EvidenceKey.parse(key).conversation_id

    books.relocks.note_repair(Relock(version, RelockCause.DRIFT, 0, first.found_at), LATER)
    anew = books.drifts.found(version, LOCK, 0, LATER)

    assert anew.is_new
    assert anew.found_at == LATER
    assert len(_found(books)) == 2


def test_each_kind_version_and_epoch_is_a_finding_of_its_own(books: Books) -> None:
    other = replace(VERSION, version_id="v2")

    assert books.drifts.found(VERSION, LOCK, 0, NOON).is_new
    assert books.drifts.found(VERSION, TAGS, 0, NOON).is_new
    assert books.drifts.found(other, LOCK, 0, NOON).is_new
    assert books.drifts.found(VERSION, LOCK, 1, LATER).is_new
    assert not books.drifts.found(VERSION, LOCK, 1, LATER).is_new

    assert len(_found(books)) == 4


def test_the_repair_of_one_kind_is_not_that_of_another(books: Books) -> None:
    for kind in (LOCK, TAGS):
        books.drifts.found(VERSION, kind, 0, NOON)

    assert books.relocks.note_repair(Relock(VERSION, RelockCause.DRIFT, 0, NOON, TAGS), LATER)
    assert not books.relocks.note_repair(Relock(VERSION, RelockCause.DRIFT, 0, NOON, TAGS), LATER)

    assert books.drifts.found(VERSION, TAGS, 0, LATER).is_new
    assert not books.drifts.found(VERSION, LOCK, 0, LATER).is_new
    repairs = [one["details"]["drift"] for one in books.entries() if one["type"] == "drift_repaired"]
    assert repairs == ["tags_changed"]


def test_a_time_finer_than_the_ledgers_is_told_as_it_is_kept(books: Books) -> None:
    finer = NOON + timedelta(microseconds=123)

    assert books.drifts.found(VERSION, LOCK, 0, finer).found_at == NOON
    assert books.drifts.found(VERSION, LOCK, 0, finer).found_at == NOON


def test_what_is_gone_or_hidden_stands_apart_in_the_dossier(books: Books) -> None:
    gone, hidden, kept = (replace(VERSION, key=key_of(1, f"{recording_id(1, n)}.wav")) for n in range(3))
    for version in (gone, hidden, kept):
        books.receipts.write(_receipt(version))
    books.drifts.found(gone, DriftKind.VERSION_GONE, 0, NOON)
    books.drifts.found(replace(hidden, version_id="marker"), DriftKind.DELETE_MARKER, 0, NOON)
    books.drifts.found(kept, LOCK, 0, NOON)

    dossier = books.claims.dossier(conversation_id(1))

    assert {one.version for one in dossier.receipts} == {hidden, kept}
    assert [one.version for one in dossier.gone] == [gone]
    assert [one.version for one in dossier.hidden] == [hidden]
    assert len(dossier.entries) == 6


def test_only_what_is_held_under_the_epoch_it_was_found_in_is_mended(books: Books) -> None:
    now, before = Relock(VERSION, RelockCause.DRIFT, 0, NOON), Relock(VERSION, RelockCause.DRIFT, 1, NOON)

    assert books.relocks.are_wanted([now, before]) == [True, False]
    assert books.relocks.are_answered([now, before]) == [False, True]
    assert books.relocks.are_wanted([]) == []


def _claim(number: int = 1, matter: str = "M-1") -> Claim:
    (conversation,) = conversations(number)
    return Claim(MatterId(matter), RequestId("R-1"), BatchId("a01-b000000"), conversation, NOON)


def _kinds(books: Books) -> list[tuple[str, object]]:
    told = ("held_at_platform", "drift_found", "drift_repaired")
    return [(one["type"], one.get("details")) for one in books.entries() if one.get("type") in told]


@pytest.mark.parametrize("owner", [None, MatterId("M-1")])
def test_a_protection_that_somebody_ended_is_told_and_held_again_and_told(
    books: Books, owner: MatterId | None
) -> None:
    one = conversation_id(1)
    books.claims.claim(_claim())
    books.claims.mark_platform_hold([one], owner, PlatformHold.PLACING)
    assert books.claims.confirm_platform_hold(one, owner, NOON)

    assert books.claims.note_revoked(one, owner, PlatformHold.HELD, NOON + timedelta(minutes=1))
    assert not books.claims.note_revoked(one, owner, PlatformHold.HELD, LATER)

    assert books.claims.platform_holds([one], owner) == {one: PlatformHoldRecord(PlatformHold.REVOKED)}
    assert books.claims.held_for_all() == frozenset()
    assert not books.claims.confirm_platform_hold(one, owner, LATER)
    books.claims.mark_platform_hold([one], owner, PlatformHold.PLACING)
    assert books.claims.confirm_platform_hold(one, owner, NOON + timedelta(minutes=2))
    assert not books.claims.confirm_platform_hold(one, owner, LATER)
    assert books.claims.held_for_all() == ({one} if owner is None else frozenset())
    drift = {"drift": "protection_revoked"}
    assert sorted(_kinds(books), key=str) == sorted(
        [("held_at_platform", None)] * 2 + [("drift_found", drift), ("drift_repaired", drift)], key=str
    )

    assert books.claims.note_revoked(one, owner, PlatformHold.HELD, NOON + timedelta(minutes=3))


def test_what_others_protected_and_let_go_is_told_as_such(books: Books) -> None:
    one = conversation_id(1)
    books.claims.claim(_claim())
    books.claims.mark_platform_hold([one], None, PlatformHold.PRE_EXISTING)

    assert not books.claims.note_revoked(one, None, PlatformHold.HELD, NOON)
    assert books.claims.note_revoked(one, None, PlatformHold.PRE_EXISTING, NOON)

    assert _kinds(books) == [("drift_found", {"drift": "pre_existing_ended"})]


@pytest.mark.parametrize("owner", [None, MatterId("M-1")])
def test_what_nobody_claims_any_more_is_not_told(books: Books, owner: MatterId | None) -> None:
    one = conversation_id(1)
    books.claims.claim(_claim())
    books.claims.mark_platform_hold([one], owner, PlatformHold.PRE_EXISTING)
    books.releases.end_claim(
        ClaimEnding(MatterId("M-1"), one, ReleaseId("L-1"), "legal-7", LATER, LATER, LATER)
    )

    assert not books.claims.note_revoked(one, owner, PlatformHold.PRE_EXISTING, LATER)

    assert _kinds(books) == []


def test_every_claim_that_stands_is_listed_of_whatever_matter(books: Books) -> None:
    for number in (1, 2):
        for matter in ("M-1", "M-2"):
            books.claims.claim(_claim(number, matter))
    ended = ClaimEnding(MatterId("M-1"), conversation_id(1), ReleaseId("L-1"), "legal-7", LATER, LATER, LATER)
    books.releases.end_claim(ended)

    page = books.claimed.claimed(None)

    assert page.after is None
    assert sorted((one.conversation_id, one.matter_id, one.request_id) for one in page.claims) == [
        (conversation_id(1), "M-2", "R-1"),
        (conversation_id(2), "M-1", "R-1"),
        (conversation_id(2), "M-2", "R-1"),
    ]


def test_a_page_of_claims_says_where_the_next_begins() -> None:
    class Cut:
        def scan(self, **request: Any) -> Mapping[str, Any]:
            is_first = "ExclusiveStartKey" not in request
            return {
                "Items": [],
                **({"LastEvaluatedKey": {"pk": {"S": "p"}, "sk": {"S": "s"}}} if is_first else {}),
            }

    listing = ClaimScan(Table(Cut(), "ledger"))

    first = listing.claimed(None)

    assert first.after == ListingMark("p", "s")
    assert listing.claimed(first.after).after is None


@pytest.mark.parametrize("cause", RelockCause)
def test_nothing_is_left_to_do_for_a_lock_on_what_is_gone(books: Books, cause: RelockCause) -> None:
    books.claims.claim(_claim())
    wish = Relock(VERSION, cause, 0, NOON)
    before = books.relocks.are_answered([wish])

    books.drifts.found(VERSION, DriftKind.VERSION_GONE, 0, NOON)

    assert before == [cause is RelockCause.CLAIMED], "nothing is being locked again for a claim"
    assert books.relocks.are_answered([wish]) == [True]


def _receipt(version: ObjectVersion) -> Receipt:
    key = EvidenceKey.parse(version.key)
    return Receipt(version, key.role, NOON, LATER, "00", key.conversation_id, key.recording_id)


def test_every_receipt_of_the_ledger_is_listed_page_by_page_and_nothing_else(books: Books) -> None:
    keys = [KEY, key_of(2, f"{recording_id(2)}.wav"), "a/stray.bin"]
    versions = [replace(VERSION, key=key, version_id=name) for key in keys for name in ("v1", "v2")]
    for version in versions:
        books.receipts.write(_receipt(version))
        books.drifts.found(version, LOCK, 0, NOON)

    listed: list[ObjectVersion] = []
    after: ListingMark | None = None
    while True:
        page = books.listing.page("", after)
        assert not page.arrivals
        listed += page.suspects
        after = page.after
        if after is None:
            break

    assert sorted(listed, key=str) == sorted(versions, key=str)
    part = [one.key for one in books.listing.page("a/", None).suspects]
    assert part == ["a/stray.bin"] * 2


def test_a_page_of_receipts_says_where_the_next_begins() -> None:
    class Cut:
        def __init__(self) -> None:
            self.asked: list[Mapping[str, Any]] = []

        def scan(self, **request: Any) -> Mapping[str, Any]:
            self.asked.append(request)
            last = (
                {}
                if "ExclusiveStartKey" in request
                else {"LastEvaluatedKey": {"pk": {"S": "p"}, "sk": {"S": "s"}}}
            )
            return {"Items": [], **last}

    client = Cut()
    listing = ReceiptListing(Table(client, "ledger"))

    first = listing.page("", None)
    second = listing.page("", first.after)

    assert (first.after, second.after) == (ListingMark("p", "s"), None)
    assert client.asked[1]["ExclusiveStartKey"] == {"pk": {"S": "p"}, "sk": {"S": "s"}}
    assert all(one["ConsistentRead"] for one in client.asked)


def test_the_receipts_of_versions_are_read_whole(books: Books) -> None:
    books.receipts.write(_receipt(VERSION))
    other = replace(VERSION, version_id="v2")

    assert books.receipts.read([VERSION, other]) == {VERSION.fingerprint: _receipt(VERSION)}
    assert books.receipts.read([]) == {}


def test_each_source_of_a_sweep_has_a_mark_of_its_own(books: Books) -> None:
    mark = ListingMark("k", "v")
    for source in SweepSource:
        begin = books.sweeps.read("p", source)
        assert begin == SweepMark("p", source=source)
        assert books.sweeps.move(begin, mark, NOON) == SweepMark("p", mark, 1, source)

    assert books.sweeps.read("p") == SweepMark("p", mark, 1)


def _resolved(number: int = 1, **changes: Any) -> ResolutionRecord:
    resolution = Resolution(
        ResolutionId(f"X-{number}"),
        MatterId("M-1"),
        RequestId("R-1"),
        Reason.ZERO_BYTES,
        Decision.ACCEPTED,
        "legal-7",
        "An empty call.",
        NOON,
        conversation_id(1),
        recording_id(1),
    )
    return ResolutionRecord(replace(resolution, **changes), "00", "arn:execution:1")


def test_a_decision_is_written_once_with_its_event(books: Books) -> None:
    record = _resolved()

    assert books.resolutions.record(record) == record
    assert books.resolutions.record(replace(record, body_sha256="11")) == record

    assert books.resolutions.find(MatterId("M-1"), ResolutionId("X-1")) == record
    assert books.resolutions.find(MatterId("M-2"), ResolutionId("X-1")) is None
    (event,) = books.entries()
    assert (event["type"], event["conversation_id"]) == ("exception_resolved", conversation_id(1))
    assert (event["matter_id"], event["request_id"]) == ("M-1", "R-1")
    assert event["details"] == {
        "resolution_id": "X-1",
        "reason": "zero_bytes",
        "decision": "accepted",
        "decided_by": "legal-7",
        "explanation": "An empty call.",
        "recording_id": recording_id(1),
    }


def test_a_decision_about_no_conversation_lies_in_the_matters_log(books: Books) -> None:
    record = _resolved(reason=Reason.PARKED, conversation_id=None, recording_id=None, message_id="message-1")

    assert books.resolutions.record(record) == record

    (event,) = books.entries()
    assert "conversation_id" not in event
    assert event["details"]["message_id"] == "message-1"
    assert books.resolutions.find(MatterId("M-1"), ResolutionId("X-1")) == record


def test_a_matters_decisions_are_listed_and_no_others(books: Books) -> None:
    records = [_resolved(number) for number in (1, 2)]
    for record in (*records, _resolved(3, matter_id=MatterId("M-2"))):
        books.resolutions.record(record)

    assert books.resolutions.of_matter(MatterId("M-1")) == [one.resolution for one in records]
    assert books.resolutions.of_matter(MatterId("M-3")) == []


def test_a_decision_that_meets_another_write_is_repeated() -> None:
    class Overtaken:
        def transact_write_items(self, **_: object) -> None:
            reasons = [{"Code": "ConditionalCheckFailed"}]
            raise ClientError(
                {"Error": {"Code": "TransactionCanceledException"}, "CancellationReasons": reasons},  # type: ignore[typeddict-item] # as botocore has it
                "TransactWriteItems",
            )

        def get_item(self, **_: object) -> Mapping[str, object]:
            return {}

    with pytest.raises(LedgerContention):
        ResolutionLedger(Table(Overtaken(), "ledger")).record(_resolved())


# --- S3 Inventory: no double delivers any, so its files are written here, as S3 documents them

COLUMNS = (
    "Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "LastModifiedDate",
    "ObjectLockLegalHoldStatus",
)  # fmt: skip
STEM = f"inventory/evidence/{CONFIGURATION}"
TAKEN = NOON


@dataclass(frozen=True)
class Delivery:
    """The bucket that inventories are delivered into."""

    s3: Any

    def deliver(
        self,
        *files: Sequence[Sequence[str]],
        taken_at: datetime = TAKEN,
        columns: Sequence[str] = COLUMNS,
        file_format: str = "CSV",
    ) -> str:
        folder = f"{STEM}/{taken_at.strftime('%Y-%m-%dT%H-%MZ')}"
        named = []
        for number, lines in enumerate(files):
            text = io.StringIO()
            csv.writer(text, quoting=csv.QUOTE_ALL).writerows(lines)
            key = f"{STEM}/data/{taken_at:%m%d%H%M}-{number}.csv.gz"
            self.s3.put_object(Bucket="work", Key=key, Body=gzip.compress(text.getvalue().encode()))
            named.append({"key": key, "size": 1, "MD5checksum": "00"})
        manifest = {
            "sourceBucket": "evidence",
            "destinationBucket": "arn:aws:s3:::work",
            "version": "2016-11-30",
            "creationTimestamp": str(int(taken_at.timestamp() * 1000)),
            "fileFormat": file_format,
            "fileSchema": ", ".join(columns),
            "files": named,
        }
        self.s3.put_object(Bucket="work", Key=f"{folder}/manifest.json", Body=json.dumps(manifest).encode())
        return f"{folder}/manifest.json"

    def listing(self) -> InventoryListing:
        return InventoryListing(self.s3, bucket="work", listed_bucket="evidence")


def line(
    key: str, version_id: str = "v1", *, hold: str = "On", is_marker: bool = False, at: datetime = NOON
) -> list[str]:
    modified = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    size = "" if is_marker else "7"
    return ["evidence", key, version_id, "true", str(is_marker).lower(), size, modified, hold]


@pytest.fixture
def delivery(aws: None) -> Delivery:
    s3 = _client("s3")
    s3.create_bucket(Bucket="work", CreateBucketConfiguration={"LocationConstraint": REGION})
    return Delivery(s3)


def versions(arrivals: Sequence[Arrival]) -> list[ObjectVersion]:
    return [arrival.version for arrival in arrivals]


@pytest.mark.parametrize("encode", [quote, quote_plus])
def test_an_inventory_says_what_lies_there_what_hides_it_and_what_is_not_locked(
    delivery: Delivery, encode: Callable[[str], str]
) -> None:
    key = "a b/100%+ü=&.wav"
    delivery.deliver(
        [
            line(encode(key), "v1"),
            line(encode(key), "v2", hold="Off"),
            line("b.wav", hold=""),
            line("c.wav", "m1", is_marker=True, hold=""),
        ]
    )

    page = delivery.listing().page("", None)

    first, second, third = (
        ObjectVersion("evidence", name, version_id, 7)
        for name, version_id in ((key, "v1"), (key, "v2"), ("b.wav", "v1"))
    )
    assert versions(page.arrivals) == [first, second, third]
    assert {arrival.arrived_at for arrival in page.arrivals} == {NOON}
    assert page.suspects == [second, third]
    assert versions(page.markers) == [ObjectVersion("evidence", "c.wav", "m1", 0)]
    assert page.is_last


def test_what_is_younger_than_the_inventory_is_left_to_the_next(delivery: Delivery) -> None:
    delivery.deliver(
        [line("old.wav", hold="Off"), line("new.wav", hold="Off", at=TAKEN + timedelta(seconds=1))]
    )

    page = delivery.listing().page("", None)

    assert [one.version.key for one in page.arrivals] == ["old.wav"]
    assert [one.key for one in page.suspects] == ["old.wav"]


def test_a_part_of_the_bucket_is_all_that_is_given(delivery: Delivery) -> None:
    delivery.deliver([line("a/1"), line("b/1")])

    assert [one.version.key for one in delivery.listing().page("b/", None).arrivals] == ["b/1"]


def test_a_large_inventory_is_read_page_by_page_over_all_its_files_by_whoever_goes_on(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.aws.inventory.PAGE_LINES", 3)
    names = [f"{number:02}.wav" for number in range(10)]
    delivery.deliver([line(name) for name in names[:4]], [], [line(name) for name in names[4:]])

    for of_one_function in (True, False):
        listing, after = delivery.listing(), None
        pages: list[VersionPage] = []
        while not pages or not pages[-1].is_last:
            listing = listing if of_one_function else delivery.listing()
            pages.append(listing.page("", after))
            after = pages[-1].after

        assert [one.version.key for page in pages for one in page.arrivals] == names
        assert [len(page.arrivals) for page in pages] == [3, 3, 3, 1]


def test_the_newest_whole_inventory_is_read_and_read_once(delivery: Delivery) -> None:
    delivery.deliver([line("old.wav")], taken_at=TAKEN - timedelta(days=1))
    delivery.deliver([line("newest.wav")])
    delivery.s3.put_object(
        Bucket="work", Key=f"{STEM}/2026-12-01T00-00Z/manifest.checksum", Body=b"half of it"
    )
    listing = delivery.listing()

    first = listing.page("", None)
    second = listing.page("", first.after)

    assert [one.version.key for one in first.arrivals] == ["newest.wav"]
    assert (list(second.arrivals), second.after, second.is_last) == ([], first.after, True)

    delivery.deliver([line("next.wav")], taken_at=TAKEN + timedelta(days=1))
    third = listing.page("", second.after)

    assert [one.version.key for one in third.arrivals] == ["next.wav"]


def test_one_that_was_begun_is_read_to_its_end_unless_it_is_gone(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("holdfast.aws.inventory.PAGE_LINES", 1)
    begun = delivery.deliver([line("a.wav"), line("b.wav")])
    first = delivery.listing().page("", None)
    delivery.deliver([line("c.wav")], taken_at=TAKEN + timedelta(days=1))

    second = delivery.listing().page("", first.after)
    delivery.s3.delete_object(Bucket="work", Key=begun)
    instead = delivery.listing().page("", first.after)

    assert [one.version.key for one in second.arrivals] == ["b.wav"]
    assert [one.version.key for one in instead.arrivals] == ["c.wav"]


def test_without_an_inventory_there_is_nothing_to_compare(delivery: Delivery) -> None:
    page = delivery.listing().page("", None)

    assert (list(page.arrivals), page.after, page.is_last) == ([], None, True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"columns": COLUMNS[:-1]}, "ObjectLockLegalHoldStatus"),
        ({"file_format": "Parquet"}, "found Parquet"),
    ],
)
def test_an_inventory_that_was_configured_otherwise_is_refused(
    delivery: Delivery, changes: dict[str, Any], said: str
) -> None:
    delivery.deliver([line("a.wav")], **changes)

    with pytest.raises(SettingsInvalid, match=said):
        delivery.listing().page("", None)


class _Forbidding:
    """An S3 that does not let the manifest be read."""

    def list_objects_v2(self, **_: str) -> Mapping[str, Any]:
        return {"CommonPrefixes": [{"Prefix": f"{STEM}/2026-06-01T12-00Z/"}]}

    def get_object(self, **_: str) -> None:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetObject")


def test_an_inventory_that_may_not_be_read_is_no_absent_one() -> None:
    with pytest.raises(ClientError):
        InventoryListing(_Forbidding(), bucket="work", listed_bucket="evidence").page("", None)


# --- runs of apply_legal_hold beside the conductor's


@pytest.fixture(params=WHERE)
def hold_runs(request: pytest.FixtureRequest, aws: None) -> HoldRuns:
    if request.param == "in memory":
        return HoldRunsInMemory()
    client = _client("stepfunctions")
    definition = {"StartAt": "End", "States": {"End": {"Type": "Succeed"}}}
    machine = client.create_state_machine(
        name="holds", definition=json.dumps(definition), roleArn="arn:aws:iam::123456789012:role/holds"
    )
    return HoldExecutions(client, machine_arn=machine["stateMachineArn"])


def test_a_run_of_a_name_is_started_once(hold_runs: HoldRuns) -> None:
    asked = (MatterId("M-1"), RequestId("R-1"))

    assert hold_runs.start("watch-1", *asked, "holds/watch/1.json")
    assert hold_runs.start("watch-2", *asked, "holds/watch/2.json")


class _Known:
    """A workflow service that knows the name, or refuses."""

    def __init__(self, code: str) -> None:
        self.code = code

    def start_execution(self, **told: str) -> None:
        assert json.loads(told["input"]) == {
            "matter_id": "M-1", "request_id": "R-1", "early": True, "plan_key": "k",
        }  # fmt: skip
        raise ClientError({"Error": {"Code": self.code, "Message": "no"}}, "StartExecution")


def test_a_name_that_is_known_is_no_failure_and_anything_else_is() -> None:
    asked = (MatterId("M-1"), RequestId("R-1"), "k")

    assert not HoldExecutions(_Known("ExecutionAlreadyExists"), machine_arn="arn").start("n", *asked)
    assert HoldRunsInMemory({"n": asked}).start("n", *asked) is False
    with pytest.raises(ClientError):
        HoldExecutions(_Known("AccessDeniedException"), machine_arn="arn").start("n", *asked)
