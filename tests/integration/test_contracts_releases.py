"""One suite for the releases and the lifted locks in memory, and on DynamoDB and S3 as moto plays them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from holdfast.aws.buckets import EvidenceReleaseS3, EvidenceS3, RecordsS3
from holdfast.aws.releases import ReleaseRequestLedger
from holdfast.aws.requests import RequestLedger
from holdfast.aws.standing import StandingLedger
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.ids import MatterId, ReleaseId, RequestId
from holdfast.domain.release import NOBODY, Approval
from holdfast.domain.standing import Course
from holdfast.domain.states import MatterStatus, ReleaseState, RequestState, StandingState
from holdfast.errors import LedgerRuleBroken, MatterReleasing
from holdfast.ports import (
    EvidenceRelease,
    MatterRecord,
    PlanRecord,
    RecordFile,
    RecordFiles,
    ReleaseRecord,
    ReleaseRequests,
    RequestBook,
    RequestRecord,
    StandingBook,
    StandingMatter,
)
from tests.fakes.buckets import EvidenceInMemory, LocksInMemory, RecordFilesInMemory
from tests.fakes.ledger import ReleasesInMemory, RequestsInMemory, StandingInMemory
from tests.tables import make_ledger

SESSION: Any = botocore.session.get_session()
REGION = "eu-central-1"
WHERE = ["in memory", "on AWS"]
NOON = datetime(2026, 4, 1, 12, tzinfo=UTC)
M, R, REL = MatterId("M-1"), RequestId("R-1"), ReleaseId("REL-1")
MINE, THEIRS = "arn:release:1", "arn:release:2"
ENDS = (RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD, RequestState.PRESERVED)
PLAN = PlanRecord("releases/M-1/REL-1/plan.json", "a" * 64, NOON + timedelta(days=7), 1, {"let_go": 3})
APPROVAL = Approval("legal-4", NOON + timedelta(hours=1), "event-1", "111122223333")


@dataclass(frozen=True)
class Ledger:
    requests: RequestBook
    releases: ReleaseRequests
    standing: StandingBook


@pytest.fixture(params=WHERE)
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "in memory":
        requests, standing = RequestsInMemory(), StandingInMemory()
        yield Ledger(requests, ReleasesInMemory(requests, standing), standing)
        return
    with mock_aws():
        client = SESSION.create_client("dynamodb", region_name=REGION)
        table = make_ledger(client)
        yield Ledger(RequestLedger(table), ReleaseRequestLedger(table), StandingLedger(table))


def _request(**changes: Any) -> RequestRecord:
    return replace(RequestRecord(M, R, RequestState.OPEN, b"body", "sha", "arn:run:1", NOON), **changes)


def _release(**changes: Any) -> ReleaseRecord:
    record = ReleaseRecord(M, REL, ReleaseState.OPEN, b"{}", "sha", MINE, NOON, requests=1)
    return replace(record, **changes)


def _matter(ledger: Ledger, matter_id: MatterId = M) -> MatterRecord:
    matter = ledger.requests.matter(matter_id)
    assert matter is not None
    return matter


def _judged(ledger: Ledger) -> RequestRecord:
    record = ledger.requests.open(_request(), "a title")
    for state in ENDS:
        ledger.requests.advance(record, state)
    return record


def _approved(ledger: Ledger) -> ReleaseRecord:
    _judged(ledger)
    record = _release()
    assert ledger.releases.open(record)
    planned = replace(record, state=ReleaseState.PLANNED, plan=PLAN)
    assert ledger.releases.advance(record, planned)
    approved = replace(planned, state=ReleaseState.APPROVED, approval=APPROVAL)
    assert ledger.releases.advance(planned, approved)
    return approved


def _begun(ledger: Ledger) -> ReleaseRecord:
    approved = _approved(ledger)
    begun = replace(approved, state=ReleaseState.RELEASING)
    assert ledger.releases.begin(approved, begun)
    return begun


# --- a matter counts its requests


def test_a_matter_counts_what_is_open_and_what_was_opened(ledger: Ledger) -> None:
    first = ledger.requests.open(_request(), "a title")
    ledger.requests.open(_request(), "a title")
    ledger.requests.open(_request(request_id=RequestId("R-2")), "a title")
    assert (_matter(ledger).open_requests, _matter(ledger).requests) == (2, 2)

    for state in (*ENDS, ENDS[-1]):
        ledger.requests.advance(first, state)

    assert (_matter(ledger).open_requests, _matter(ledger).requests) == (1, 2)


def test_a_request_that_failed_is_not_open_and_one_that_takes_it_over_is(ledger: Ledger) -> None:
    ledger.requests.open(_request(), "a title")

    assert [ledger.requests.fail(M, R, "arn:run:1", "why") for _ in range(2)] == [True, True]
    assert not ledger.requests.fail(M, R, "arn:run:2", "why")
    assert _matter(ledger).open_requests == 0

    ledger.requests.open(_request(execution_arn="arn:run:2"), "a title")
    assert _matter(ledger).open_requests == 1
    ledger.requests.open(_request(execution_arn="arn:run:3"), "a title", instead_of="arn:run:2")
    assert (_matter(ledger).open_requests, _matter(ledger).requests) == (1, 3)


# --- a release's way


def test_a_release_is_written_once_and_read_back_whole(ledger: Ledger) -> None:
    approved = _approved(ledger)
    whole = replace(approved, explanation="why", certificate=RecordFile("key", "b" * 64, 7))

    assert ledger.releases.read(M, REL) == approved
    assert ledger.releases.advance(approved, whole)
    assert ledger.releases.find(M, REL) == whole
    assert not ledger.releases.open(_release())
    assert ledger.releases.find(M, ReleaseId("REL-2")) is None
    assert ledger.releases.of_matter(M) == [whole]
    assert ledger.releases.of_matter(MatterId("M-2")) == []
    with pytest.raises(LedgerRuleBroken):
        ledger.releases.read(M, ReleaseId("REL-2"))


def test_a_matter_has_one_release_under_way(ledger: Ledger) -> None:
    _judged(ledger)
    assert not ledger.releases.open(_release(matter_id=MatterId("M-404")))
    assert not ledger.releases.open(_release(requests=2))
    assert ledger.releases.open(_release())

    assert not ledger.releases.open(_release(release_id=ReleaseId("REL-2")))
    assert _matter(ledger).release_id == REL


def test_what_nobody_claims_is_released_without_a_matter(ledger: Ledger) -> None:
    record = _release(matter_id=NOBODY, requests=0)

    assert ledger.releases.open(record)
    assert _matter(ledger, NOBODY).release_id == REL
    assert list(ledger.requests.matters()) == []
    over = replace(record, state=ReleaseState.REFUSED, explanation="why")
    assert ledger.releases.end(record, over)
    assert ledger.releases.open(_release(matter_id=NOBODY, requests=0, release_id=ReleaseId("REL-2")))


def test_a_write_that_was_overtaken_changes_nothing(ledger: Ledger) -> None:
    approved = _approved(ledger)
    taken = replace(approved, execution_arn=THEIRS)
    assert ledger.releases.advance(approved, taken)

    assert not ledger.releases.advance(approved, replace(approved, explanation="late"))
    assert not ledger.releases.begin(approved, replace(approved, state=ReleaseState.RELEASING))
    assert not ledger.releases.end(approved, replace(approved, state=ReleaseState.REFUSED))
    assert ledger.releases.read(M, REL) == taken
    assert _matter(ledger).status is MatterStatus.OPEN


@pytest.mark.parametrize("method", ["advance", "begin", "end"])
def test_a_release_never_moves_backwards(ledger: Ledger, method: str) -> None:
    approved = _approved(ledger)

    with pytest.raises(LedgerRuleBroken):
        getattr(ledger.releases, method)(approved, replace(approved, state=ReleaseState.OPEN))


def test_a_release_begins_if_nothing_is_open_and_then_nothing_can_be_opened(ledger: Ledger) -> None:
    _begun(ledger)

    assert _matter(ledger).status is MatterStatus.RELEASING
    with pytest.raises(MatterReleasing):
        ledger.requests.open(_request(request_id=RequestId("R-2")), "a title")
    assert ledger.requests.find(M, RequestId("R-2")) is None
    assert _matter(ledger).requests == 1


def test_a_failed_request_is_not_taken_over_while_its_matter_is_released(ledger: Ledger) -> None:
    ledger.requests.open(_request(request_id=RequestId("R-0")), "a title")
    ledger.requests.fail(M, RequestId("R-0"), "arn:run:1", "why")
    record = _release()
    assert ledger.releases.open(record)
    for state in (ReleaseState.PLANNED, ReleaseState.APPROVED):
        after = replace(record, state=state)
        assert ledger.releases.advance(record, after)
        record = after
    assert ledger.releases.begin(record, replace(record, state=ReleaseState.RELEASING))

    with pytest.raises(MatterReleasing):
        ledger.requests.open(_request(request_id=RequestId("R-0"), execution_arn="arn:run:2"), "a title")


def test_a_release_does_not_begin_while_a_request_is_open(ledger: Ledger) -> None:
    approved = _approved(ledger)
    ledger.requests.open(_request(request_id=RequestId("R-2")), "a title")

    assert not ledger.releases.begin(approved, replace(approved, state=ReleaseState.RELEASING))
    assert ledger.releases.read(M, REL) == approved


def test_a_release_does_not_begin_after_a_request_that_came_and_went(ledger: Ledger) -> None:
    approved = _approved(ledger)
    ledger.requests.open(_request(request_id=RequestId("R-2")), "a title")
    ledger.requests.fail(M, RequestId("R-2"), "arn:run:1", "why")

    assert not ledger.releases.begin(approved, replace(approved, state=ReleaseState.RELEASING))


@pytest.mark.parametrize("state", StandingState)
def test_a_release_of_a_standing_matter_begins_once_it_is_closed(
    ledger: Ledger, state: StandingState
) -> None:
    approved = _approved(ledger)
    course = Course.opening(NOON, timedelta(days=1), None)
    matter = StandingMatter(M, b"{}", "sha", course)
    assert ledger.standing.open(matter)
    if state is not StandingState.OPEN:
        closed = replace(matter, course=replace(course, state=state), version=2)
        assert ledger.standing.advance(closed)

    begun = ledger.releases.begin(approved, replace(approved, state=ReleaseState.RELEASING))

    assert begun is (state is StandingState.CLOSED)


def test_a_released_matter_is_opened_again_by_its_next_request(ledger: Ledger) -> None:
    begun = _begun(ledger)
    assert ledger.releases.end(begun, replace(begun, state=ReleaseState.RELEASED))
    assert (_matter(ledger).status, _matter(ledger).release_id) == (MatterStatus.RELEASED, None)

    ledger.requests.open(_request(request_id=RequestId("R-2")), "a title")

    assert _matter(ledger).status is MatterStatus.OPEN
    assert ledger.releases.open(_release(release_id=ReleaseId("REL-2"), requests=2))


def test_a_refused_release_leaves_its_matter_as_it_was(ledger: Ledger) -> None:
    approved = _approved(ledger)

    assert ledger.releases.end(approved, replace(approved, state=ReleaseState.REFUSED, explanation="why"))

    assert (_matter(ledger).status, _matter(ledger).release_id) == (MatterStatus.OPEN, None)
    later = _release(release_id=ReleaseId("REL-2"), opened_at=NOON + timedelta(days=1))
    assert ledger.releases.open(later)
    assert [one.release_id for one in ledger.releases.of_matter(M)] == [REL, "REL-2"]


# --- locks, and the files of a release


@dataclass(frozen=True)
class Locks:
    """The side that lets go, and how a version comes to be, is locked and goes."""

    locks: EvidenceRelease
    put: Callable[[], ObjectVersion]
    lock: Callable[[ObjectVersion], object]


@pytest.fixture(params=WHERE)
def locks(request: pytest.FixtureRequest) -> Iterator[Locks]:
    if request.param == "in memory":
        evidence = EvidenceInMemory()
        yield Locks(LocksInMemory(evidence), lambda: evidence.put("a.wav"), evidence.lock)
        return
    with mock_aws():
        s3 = SESSION.create_client("s3", region_name=REGION)
        where = {"LocationConstraint": REGION}
        s3.create_bucket(Bucket="evidence", CreateBucketConfiguration=where, ObjectLockEnabledForBucket=True)

        def put() -> ObjectVersion:
            answer = s3.put_object(Bucket="evidence", Key="a.wav", Body=b"x")
            return ObjectVersion("evidence", "a.wav", answer["VersionId"], 1)

        def lock(version: ObjectVersion) -> object:
            named = {"Bucket": "evidence", "Key": version.key, "VersionId": version.version_id}
            return s3.put_object_legal_hold(**named, LegalHold={"Status": "ON"})

        yield Locks(EvidenceReleaseS3(s3), put, lock)


def test_the_lock_of_this_very_version_comes_off_and_is_read_back(locks: Locks) -> None:
    first, second = locks.put(), locks.put()
    for version in (first, second):
        locks.lock(version)

    for _ in range(2):
        locks.locks.unlock(first)

    assert [locks.locks.is_locked(one) for one in (first, second)] == [False, True]


class _Refusing:
    """S3 where every call is refused with one code: moto does not know these answers."""

    def __init__(self, code: str) -> None:
        self._code = code

    def put_object_legal_hold(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": self._code}}, "PutObjectLegalHold")

    def get_object_legal_hold(self, **_: object) -> None:
        raise ClientError({"Error": {"Code": self._code}}, "GetObjectLegalHold")


VERSION = ObjectVersion("evidence", "a.wav", "v1", 1)


@pytest.mark.parametrize("code", ["NoSuchKey", "NoSuchVersion"])
def test_a_version_that_is_gone_has_no_lock_and_nothing_to_take_off(code: str) -> None:
    locks = EvidenceReleaseS3(_Refusing(code))

    locks.unlock(VERSION)

    assert locks.is_locked(VERSION) is None
    assert EvidenceS3(_Refusing(code)).lock(VERSION) is False
    assert EvidenceInMemory().lock(VERSION) is False


def test_a_version_that_never_had_a_lock_has_none() -> None:
    assert EvidenceReleaseS3(_Refusing("NoSuchObjectLockConfiguration")).is_locked(VERSION) is False


def test_a_refusal_of_s3_is_not_taken_for_an_answer() -> None:
    locks = EvidenceReleaseS3(_Refusing("AccessDenied"))

    with pytest.raises(ClientError):
        locks.unlock(VERSION)
    with pytest.raises(ClientError):
        locks.is_locked(VERSION)
    with pytest.raises(ClientError):
        EvidenceS3(_Refusing("AccessDenied")).lock(VERSION)


@pytest.fixture(params=WHERE)
def records(request: pytest.FixtureRequest) -> Iterator[RecordFiles]:
    if request.param == "in memory":
        yield RecordFilesInMemory()
        return
    with mock_aws():
        s3 = SESSION.create_client("s3", region_name=REGION)
        s3.create_bucket(Bucket="records", CreateBucketConfiguration={"LocationConstraint": REGION})
        yield RecordsS3(s3, bucket="records")


def test_a_record_is_read_as_it_was_written_first(records: RecordFiles) -> None:
    records.write_once("a", [b"1", b"2"])
    records.write_once("a", [b"3"])

    assert b"".join(records.read("a") or ()) == b"1\n2\n"
    assert records.read("b") is None
