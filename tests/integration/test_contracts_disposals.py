"""One suite for what is marked for disposal, in memory and on DynamoDB and S3 as moto plays them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from moto import mock_aws

from holdfast.aws.buckets import EvidenceMarkerS3
from holdfast.aws.claims import ClaimLedger, ReceiptLedger
from holdfast.aws.disposals import DisposalLedger
from holdfast.aws.promises import ReleaseLedger, RelockLedger
from holdfast.aws.releases import ReleaseRequestLedger
from holdfast.aws.requests import RequestLedger
from holdfast.aws.sight import EvidenceSightS3
from holdfast.domain.custody import ObjectVersion, Receipt, Relock, RelockCause
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import MatterId, ReleaseId, RequestId, batch_id
from holdfast.domain.promise import Promise
from holdfast.domain.release import NOBODY
from holdfast.domain.states import DisposalState, HoldState, ReleaseState, RequestState
from holdfast.errors import ConversationLifting
from holdfast.ports import (
    Claim,
    ClaimBook,
    DisposalMark,
    DisposalWalk,
    EvidenceMarker,
    EvidenceSight,
    ReceiptBook,
    ReleaseBook,
    ReleaseRecord,
    ReleaseRequests,
    RelockBook,
    RequestBook,
    RequestRecord,
)
from tests.fakes.buckets import EvidenceInMemory
from tests.fakes.disposals import DisposalsInMemory, MarkerInMemory
from tests.fakes.ledger import ConversationsInMemory, ReleasesInMemory, RequestsInMemory, StandingInMemory
from tests.fakes.story import conversation_id, conversations, key_of, recording_id
from tests.tables import make_ledger

SESSION: Any = botocore.session.get_session()
REGION = "eu-central-1"
WHERE = ["in memory", "on AWS"]
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=16)
ONE, M, REL = conversation_id(1), MatterId("M-1"), ReleaseId("REL-1")
VERSION = ObjectVersion("evidence", key_of(1, f"{recording_id(1)}.wav"), "v1", 3)
OTHER = replace(VERSION, version_id="v2")


@dataclass(frozen=True)
class Books:
    disposals: DisposalLedger | DisposalsInMemory
    claims: ClaimBook
    receipts: ReceiptBook
    promises: ReleaseBook
    relocks: RelockBook
    releases: ReleaseRequests
    requests: RequestBook


@pytest.fixture(params=WHERE)
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    if request.param == "in memory":
        ledger, requests = ConversationsInMemory(), RequestsInMemory()
        releases = ReleasesInMemory(requests, StandingInMemory())
        yield Books(DisposalsInMemory(ledger, releases), ledger, ledger, ledger, ledger, releases, requests)
        return
    with mock_aws():
        client = SESSION.create_client("dynamodb", region_name=REGION)
        table = make_ledger(client)
        yield Books(
            DisposalLedger(table),
            ClaimLedger(table),
            ReceiptLedger(table),
            ReleaseLedger(table),
            RelockLedger(table),
            ReleaseRequestLedger(table),
            RequestLedger(table),
        )


def _lifted(books: Books) -> Promise:
    """Receipt two versions of a conversation, and let go of it; answers the promise."""
    for version in (VERSION, OTHER):
        books.receipts.write(Receipt(version, Role.MEDIA, NOON, NOON, "0", ONE, recording_id(1)))
    lift = books.promises.begin_lift(ONE, lease_until=NOON)
    assert lift
    assert books.promises.lifted(ONE, lift.promise.epoch, REL, NOON)
    return books.promises.hold(ONE).promise


def _marking(books: Books) -> int:
    epoch = books.disposals.begin_marking(ONE, _lifted(books), now=NOON, lease_until=LATER)
    assert epoch is not None
    return epoch


def _claim(books: Books, at: datetime = LATER) -> int:
    (conversation,) = conversations(1)
    return books.claims.claim(Claim(M, RequestId("R-1"), batch_id(1, 0), conversation, at)).promise.epoch


def _events(books: Books) -> list[str]:
    kinds = (b"disposal_due", b"disposal_taken_back", b"disposed")
    entries = [entry.canonical for entry in books.claims.dossier(ONE).entries]
    return sorted(kind.decode() for entry in entries for kind in kinds if b'"type":"%s"' % kind in entry)


# --- marks


def test_a_mark_is_written_with_its_event_once(books: Books) -> None:
    epoch = _marking(books)

    assert books.disposals.mark(VERSION, REL, epoch, NOON) is True
    assert books.disposals.mark(VERSION, REL, epoch, NOON) is False

    assert books.disposals.is_marked(VERSION)
    assert not books.disposals.is_marked(OTHER)
    dossier = books.claims.dossier(ONE)
    assert dossier.marks == [DisposalMark(VERSION, REL, DisposalState.MARKED, NOON)]
    assert (len(dossier.receipts), dossier.disposed) == (2, [])
    assert _events(books) == ["disposal_due"]
    assert dossier.lifted_by(REL) == NOON
    assert dossier.lifted_by(ReleaseId("REL-2")) is None


def test_the_lease_keeps_claims_and_other_markers_waiting(books: Books) -> None:
    epoch = _marking(books)

    with pytest.raises(ConversationLifting):
        _claim(books, NOON)
    promise = books.promises.hold(ONE).promise
    assert promise == Promise(HoldState.LIFTED, 0, epoch)
    assert books.disposals.begin_marking(ONE, promise, now=NOON, lease_until=LATER) is None
    books.disposals.end_marking(ONE, epoch)
    assert _claim(books, NOON) == epoch + 1


def test_a_lease_that_has_ended_keeps_nobody_waiting(books: Books) -> None:
    epoch = _marking(books)
    promise = books.promises.hold(ONE).promise

    another = books.disposals.begin_marking(ONE, promise, now=LATER, lease_until=LATER + timedelta(hours=1))

    assert another == epoch + 1
    assert books.disposals.mark(VERSION, REL, epoch, LATER) is False, "the first one's epoch is over"
    books.disposals.end_marking(ONE, epoch)
    with pytest.raises(ConversationLifting):
        _claim(books, LATER)
    assert _claim(books, LATER + timedelta(hours=1)) > epoch + 1


def test_what_is_claimed_meanwhile_is_not_marked(books: Books) -> None:
    epoch = _marking(books)
    promise = books.promises.hold(ONE).promise
    _claim(books)

    assert books.disposals.mark(VERSION, REL, epoch, LATER) is False
    assert books.disposals.begin_marking(ONE, promise, now=LATER, lease_until=LATER) is None
    now = books.promises.hold(ONE).promise
    assert books.disposals.begin_marking(ONE, now, now=LATER, lease_until=LATER) is None
    assert _events(books) == []


def test_a_mark_that_was_taken_back_may_be_set_again(books: Books) -> None:
    epoch = _marking(books)
    books.disposals.mark(VERSION, REL, epoch, NOON)

    for _ in range(2):
        books.disposals.take_back(VERSION, LATER)
    books.disposals.take_back(OTHER, LATER)

    assert not books.disposals.is_marked(VERSION)
    assert _events(books) == ["disposal_due", "disposal_taken_back"]
    assert books.disposals.disposed(VERSION, LATER) is False
    assert books.disposals.mark(VERSION, ReleaseId("REL-2"), epoch, LATER) is True
    assert [one.release_id for one in books.claims.dossier(ONE).marks] == ["REL-2"]


def test_what_is_disposed_of_is_told_once_and_counts_no_more(books: Books) -> None:
    books.disposals.mark(VERSION, REL, _marking(books), NOON)

    assert [books.disposals.disposed(VERSION, LATER) for _ in range(2)] == [True, True]
    assert books.disposals.disposed(OTHER, LATER) is False

    books.disposals.take_back(VERSION, LATER)
    dossier = books.claims.dossier(ONE)
    assert [one.version for one in dossier.receipts] == [OTHER]
    assert [one.version for one in dossier.disposed] == [VERSION]
    assert _events(books) == ["disposal_due", "disposed"]


def test_a_lock_is_not_waited_for_where_nothing_is_left_to_be_locked(books: Books) -> None:
    books.disposals.mark(VERSION, REL, _marking(books), NOON)
    epoch = _claim(books)
    assert {*books.relocks.awaiting(ONE, epoch)} == {VERSION, OTHER}

    books.disposals.disposed(VERSION, LATER)

    assert books.relocks.awaiting(ONE, epoch) == [OTHER]
    asked = [Relock(one, RelockCause.CLAIMED, epoch, LATER) for one in (VERSION, OTHER)]
    assert books.relocks.are_answered(asked) == [True, False]


def test_a_mark_alone_answers_no_wish_for_a_lock(books: Books) -> None:
    books.disposals.mark(VERSION, REL, _marking(books), NOON)
    epoch = _claim(books)

    assert books.relocks.are_answered([Relock(VERSION, RelockCause.CLAIMED, epoch, LATER)]) == [False]


def test_a_delete_marker_is_the_rule_s_own_as_long_as_the_mark_stands(books: Books) -> None:
    marker, stray = replace(VERSION, version_id="m"), replace(VERSION, key="stray", version_id="m")
    epoch = _marking(books)
    assert not books.disposals.covers(marker)

    books.disposals.mark(VERSION, REL, epoch, NOON)

    assert books.disposals.covers(marker)
    assert not books.disposals.covers(replace(marker, key=key_of(1, "another.wav")))
    assert not books.disposals.covers(stray)
    books.disposals.take_back(VERSION, LATER)
    assert not books.disposals.covers(marker)


# --- walks


def _released(books: Books, matter_id: MatterId = M) -> ReleaseRecord:
    requests = 0
    if matter_id != NOBODY:
        opened = RequestRecord(matter_id, RequestId("R-1"), RequestState.OPEN, b"{}", "0", "arn", NOON)
        books.requests.open(opened, "title")
        requests = 1
    record = ReleaseRecord(matter_id, REL, ReleaseState.OPEN, b"{}", "0", "arn", NOON, requests=requests)
    assert books.releases.open(record)
    states = (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.RELEASING, ReleaseState.RELEASED)
    for state in states:
        assert list(books.disposals.walks()) == []
        was, record = record, replace(record, state=state)
        assert books.releases.advance(was, record)
    return record


@pytest.mark.parametrize("matter_id", [M, NOBODY])
def test_a_release_that_is_done_is_walked_until_it_is_settled(books: Books, matter_id: MatterId) -> None:
    record = _released(books, matter_id)
    (walk,) = books.disposals.walks()
    assert walk == DisposalWalk(matter_id, REL, NOON)

    there = books.disposals.move(walk, replace(walk, number=3, sha256="a" * 64, offset=7, unsettled=2))
    assert there == replace(walk, number=3, sha256="a" * 64, offset=7, unsettled=2, revision=1)
    assert list(books.disposals.walks()) == [there]
    assert books.disposals.move(walk, walk) is None, "somebody was faster"
    over = books.disposals.move(there, replace(walk, walked_at=LATER))
    assert over == replace(walk, walked_at=LATER, revision=2)
    assert list(books.disposals.walks()) == [over]
    assert books.disposals.move(over, replace(over, is_settled=True))
    assert list(books.disposals.walks()) == []
    assert books.releases.read(matter_id, REL) == record


# --- the bucket


@pytest.fixture(params=WHERE)
def bucket(
    request: pytest.FixtureRequest,
) -> Iterator[tuple[EvidenceMarker, EvidenceSight, Callable[[], ObjectVersion]]]:
    if request.param == "in memory":
        fake = EvidenceInMemory(name="evidence")
        yield MarkerInMemory(fake), fake, lambda: fake.put("a ü", tags={"owner": "them"})
        return
    with mock_aws():
        s3 = SESSION.create_client("s3", region_name=REGION)
        where = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket="evidence", CreateBucketConfiguration=where, ObjectLockEnabledForBucket=True)

        def put() -> ObjectVersion:
            stored = s3.put_object(Bucket="evidence", Key="a ü", Body=b"x", Tagging="owner=them")
            return ObjectVersion("evidence", "a ü", stored["VersionId"], 1)

        yield EvidenceMarkerS3(s3), EvidenceSightS3(s3), put


def test_a_mark_is_set_on_this_very_version(
    bucket: tuple[EvidenceMarker, EvidenceSight, Callable[[], ObjectVersion]],
) -> None:
    marker, sight, put = bucket
    first, second = put(), put()
    wanted: Mapping[str, str] = {"owner": "them", "holdfast-disposal": "due"}

    marker.mark(first, wanted)

    seen = [sight.look(one) for one in (first, second)]
    assert [one and one.tags for one in seen] == [wanted, {"owner": "them"}]
