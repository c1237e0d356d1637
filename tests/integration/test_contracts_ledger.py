"""One suite for two ledgers: the fake that the steps' tests stand on, and the real one on DynamoDB.

moto checks reserved words and the form of every expression; the table has the template's keys and indexes.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import botocore.session
import pytest
from moto import mock_aws

from holdfast.aws.claims import ClaimLedger, ReceiptLedger, read_receipt
from holdfast.aws.parking import ParkingLedger
from holdfast.aws.promises import ReleaseLedger, RelockLedger
from holdfast.aws.requests import BatchLedger, RequestLedger
from holdfast.aws.slots import SlotLedger
from holdfast.aws.standing import StandingLedger
from holdfast.aws.sweeps import SweepLedger
from holdfast.aws.table import Item, Table
from holdfast.domain.custody import ObjectVersion, Receipt, Relock, RelockCause
from holdfast.domain.evidence_key import CANARY_PREFIX, Role
from holdfast.domain.ids import (
    ConversationId,
    ExportJobId,
    MatterId,
    RecordingId,
    ReleaseId,
    RequestId,
    batch_id,
    halves_of,
)
from holdfast.domain.media import Medium
from holdfast.domain.promise import Promise
from holdfast.domain.release import NOBODY
from holdfast.domain.reuse import ExportTerms, SecuredExport
from holdfast.domain.standing import Course
from holdfast.domain.states import (
    BatchState,
    HoldState,
    MatterStatus,
    ParkedState,
    PlatformHold,
    RequestState,
    StandingState,
)
from holdfast.errors import ConversationLifting, LedgerContention, LedgerRuleBroken
from holdfast.ports import (
    BatchBook,
    BatchRecord,
    Claim,
    ClaimBook,
    Claimed,
    ClaimEnding,
    ClaimRecord,
    Dossier,
    HoldOwner,
    HoldRecord,
    JobSlots,
    ListedClaim,
    ListingMark,
    MatterRecord,
    ParkedKind,
    ParkedMessage,
    Parking,
    PlatformHoldRecord,
    ReceiptBook,
    ReleaseBook,
    RelockBook,
    RequestBook,
    RequestRecord,
    SlotOwner,
    StandingBook,
    StandingMatter,
    SweepBook,
    SweepMark,
)
from tests.fakes.clock import NOON
from tests.fakes.ledger import (
    BatchesInMemory,
    ConversationsInMemory,
    ParkingInMemory,
    RequestsInMemory,
    SlotsInMemory,
    StandingInMemory,
    SweepsInMemory,
)
from tests.fakes.story import ORGANIZATION, conversation_id, conversations, key_of, recording_id

SESSION: Any = botocore.session.get_session()
M, OTHER_M = MatterId("M-1"), MatterId("M-2")
R, L = RequestId("R-1"), ReleaseId("L-1")
MINE, THEIRS = "arn:execution:1", "arn:execution:2"
ONE, TWO = conversation_id(1), conversation_id(2)
LATER = NOON + timedelta(seconds=1)
LEASE = timedelta(minutes=20)


@dataclass(frozen=True)
class Ledger:
    """Every book of one ledger."""

    requests: RequestBook
    batches: BatchBook
    claims: ClaimBook
    receipts: ReceiptBook
    slots: JobSlots
    parking: Parking
    sweeps: SweepBook
    standing: StandingBook
    releases: ReleaseBook
    relocks: RelockBook


def _in_memory() -> Ledger:
    shelf = ConversationsInMemory()
    return Ledger(
        RequestsInMemory(),
        BatchesInMemory(),
        shelf,
        shelf,
        SlotsInMemory(),
        ParkingInMemory(),
        SweepsInMemory(),
        StandingInMemory(),
        shelf,
        shelf,
    )


def _create_table() -> Any:
    client = SESSION.create_client("dynamodb", region_name="eu-central-1")
    indexes = {"by-matter": ("gsi_matter", "gsi_batch"), "by-recording": ("gsi_recording", "pk")}
    attributes = sorted({"pk", "sk"} | {name for pair in indexes.values() for name in pair})
    client.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in attributes],
        KeySchema=_keys("pk", "sk"),
        GlobalSecondaryIndexes=[
            {"IndexName": name, "KeySchema": _keys(*pair), "Projection": {"ProjectionType": "KEYS_ONLY"}}
            for name, pair in indexes.items()
        ],
    )
    return client


def _overtaken_table() -> "_Overtaken":
    return _Overtaken(_create_table(), "ledger")


def _on_dynamodb() -> Ledger:
    table = Table(_create_table(), "ledger")

    return Ledger(
        RequestLedger(table),
        BatchLedger(table),
        ClaimLedger(table),
        ReceiptLedger(table),
        SlotLedger(table, organization_id="org"),
        ParkingLedger(table),
        SweepLedger(table),
        StandingLedger(table),
        ReleaseLedger(table),
        RelockLedger(table),
    )


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]


@pytest.fixture(params=["in memory", "on DynamoDB"])
def ledger(request: pytest.FixtureRequest) -> Iterator[Ledger]:
    if request.param == "in memory":
        yield _in_memory()
    else:
        with mock_aws():
            yield _on_dynamodb()


# --- requests


def _request(**changes: Any) -> RequestRecord:
    record = RequestRecord(M, R, RequestState.OPEN, b"body", "sha-of-body", MINE, NOON)
    return replace(record, **changes)


def _opened(ledger: Ledger, **changes: Any) -> RequestRecord:
    return ledger.requests.open(_request(**changes), "a title")


def test_a_request_is_written_once_and_read_back_whole(ledger: Ledger) -> None:
    written = _opened(ledger)

    assert written == _request()
    assert ledger.requests.read(M, R) == _request()
    assert _opened(ledger, opened_at=LATER) == _request()
    assert ledger.requests.read(M, R).opened_at == NOON


def test_a_request_that_may_not_exist_is_looked_for(ledger: Ledger) -> None:
    assert ledger.requests.find(M, R) is None
    _opened(ledger)

    assert ledger.requests.find(M, R) == _request()


def test_an_unknown_request_is_a_defect_to_read_or_to_advance(ledger: Ledger) -> None:
    with pytest.raises(LedgerRuleBroken):
        ledger.requests.read(M, R)
    with pytest.raises(LedgerRuleBroken):
        ledger.requests.advance(_request(), RequestState.EXPORTED)
    assert ledger.requests.fail(M, R, MINE, "why") is False


def test_another_execution_does_not_get_a_request_that_lives(ledger: Ledger) -> None:
    _opened(ledger)

    assert _opened(ledger, execution_arn=THEIRS).execution_arn == MINE
    assert ledger.requests.read(M, R).attempt == 1


def test_another_body_never_replaces_one(ledger: Ledger) -> None:
    _opened(ledger)
    ledger.requests.fail(M, R, MINE, "why")

    standing = ledger.requests.open(
        _request(body=b"x", body_sha256="sha-of-x", execution_arn=THEIRS), "t", instead_of=MINE
    )

    assert (standing.body, standing.state) == (b"body", RequestState.FAILED)


@pytest.mark.parametrize("has_failed", [True, False])
def test_a_failed_or_abandoned_request_is_taken_over_afresh(ledger: Ledger, has_failed: bool) -> None:
    record = _opened(ledger)
    ledger.requests.advance(record, RequestState.OPEN, exceptions=["not_yet_available"])
    if has_failed:
        ledger.requests.fail(M, R, MINE, "why")

    taken = ledger.requests.open(
        _request(execution_arn=THEIRS, opened_at=LATER), "t", instead_of=None if has_failed else MINE
    )

    assert taken == _request(execution_arn=THEIRS, opened_at=LATER, attempt=2)
    assert ledger.requests.read(M, R) == taken


def test_only_the_named_execution_is_taken_over_from(ledger: Ledger) -> None:
    _opened(ledger)

    standing = ledger.requests.open(_request(execution_arn=THEIRS), "t", instead_of="arn:execution:9")

    assert standing.execution_arn == MINE


def test_a_request_advances_and_a_repeat_of_what_is_history_changes_nothing(ledger: Ledger) -> None:
    record = _opened(ledger)
    for state in (RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD):
        ledger.requests.advance(record, state)
    ledger.requests.advance(record, RequestState.EXPORTED)
    ledger.requests.advance(record, RequestState.PRESERVED, summary={"recordings": {"expected": 2}})
    ledger.requests.advance(record, RequestState.HELD)

    standing = ledger.requests.read(M, R)
    assert standing.state is RequestState.PRESERVED
    assert standing.summary == {"recordings": {"expected": 2}}


def test_exceptions_are_kept_by_later_moves(ledger: Ledger) -> None:
    record = _opened(ledger)
    ledger.requests.advance(record, RequestState.OPEN, exceptions=["not_yet_available"])
    ledger.requests.advance(record, RequestState.EXPORTED)

    assert ledger.requests.read(M, R).exceptions == ("not_yet_available",)


@pytest.mark.parametrize(
    ("path", "forbidden"),
    [
        ([], RequestState.RECONCILED),
        ([], RequestState.HELD),
        ([], RequestState.PRESERVED),
        ([RequestState.EXPORTED], RequestState.HELD),
        ([RequestState.EXPORTED, RequestState.RECONCILED], RequestState.INCOMPLETE),
        (
            [RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD, RequestState.INCOMPLETE],
            RequestState.PRESERVED,
        ),
        ([RequestState.FAILED], RequestState.EXPORTED),
        ([RequestState.FAILED], RequestState.OPEN),
    ],
)
def test_no_state_is_skipped_and_no_end_is_left(
    ledger: Ledger, path: list[RequestState], forbidden: RequestState
) -> None:
    record = _opened(ledger)
    for state in path:
        ledger.requests.advance(record, state)
    before = ledger.requests.read(M, R)

    with pytest.raises(LedgerRuleBroken):
        ledger.requests.advance(record, forbidden)

    assert ledger.requests.read(M, R) == before


def test_a_request_is_failed_by_its_own_execution_alone_and_never_after_its_verdict(ledger: Ledger) -> None:
    record = _opened(ledger)

    assert ledger.requests.fail(M, R, THEIRS, "why") is False
    assert ledger.requests.read(M, R).state is RequestState.OPEN
    assert ledger.requests.fail(M, R, MINE, "why") is True
    assert ledger.requests.fail(M, R, MINE, "why") is True
    assert ledger.requests.read(M, R).state is RequestState.FAILED
    assert ledger.requests.read(M, R).explanation == "why"

    taken = ledger.requests.open(_request(execution_arn=THEIRS), "t")
    for state in (
        RequestState.EXPORTED,
        RequestState.RECONCILED,
        RequestState.HELD,
        RequestState.INCOMPLETE,
    ):
        ledger.requests.advance(taken, state)
    assert ledger.requests.fail(M, R, THEIRS, "why") is False
    assert record.attempt + 1 == taken.attempt


def test_matters_are_listed_once_with_their_first_title_and_found_by_their_id(ledger: Ledger) -> None:
    _opened(ledger, matter_id=OTHER_M, opened_at=LATER)
    _opened(ledger)
    ledger.requests.open(_request(request_id=RequestId("R-2")), "another title")

    mine, other = ledger.requests.matters()

    assert (
        mine
        == ledger.requests.matter(M)
        == MatterRecord(M, "a title", MatterStatus.OPEN, NOON, open_requests=2, requests=2)
    )
    assert other == MatterRecord(OTHER_M, "a title", MatterStatus.OPEN, LATER, open_requests=1, requests=1)
    assert ledger.requests.matter(MatterId("M-3")) is None


def test_the_requests_of_a_matter_are_listed_the_oldest_first_and_no_others(ledger: Ledger) -> None:
    later = _opened(ledger, request_id=RequestId("R-0"), opened_at=LATER)
    first = _opened(ledger)
    _opened(ledger, matter_id=OTHER_M)

    assert list(ledger.requests.of_matter(M)) == [first, later]
    assert list(ledger.requests.of_matter(MatterId("M-3"))) == []


class _Overtaken(Table):
    """A table in which a neighbour is faster, once: between our first read and our write."""

    neighbour: Callable[[], object] | None = None

    def get(self, pk: str, sk: str) -> Item | None:
        item = super().get(pk, sk)
        neighbour, self.neighbour = self.neighbour, None
        if neighbour:
            neighbour()
        return item


@pytest.mark.parametrize("has_failed", [None, True, False], ids=["is new", "failed", "is abandoned"])
def test_of_two_executions_that_open_at_once_one_gets_the_request(has_failed: bool | None) -> None:
    with mock_aws():
        table = _overtaken_table()
        requests = RequestLedger(table)
        if has_failed is not None:
            requests.open(_request(execution_arn="arn:execution:dead"), "t")
        if has_failed:
            requests.fail(M, R, "arn:execution:dead", "why")
        dead = None if has_failed is None else "arn:execution:dead"
        table.neighbour = lambda: requests.open(_request(execution_arn=THEIRS), "t", instead_of=dead)

        mine = requests.open(_request(), "t", instead_of=dead)

        assert mine.execution_arn == THEIRS
        assert mine == requests.read(M, R)
        assert mine.attempt == (1 if has_failed is None else 2)


# --- batches


def _batch(index: int = 0, attempt: int = 1, **changes: Any) -> BatchRecord:
    return replace(BatchRecord(M, R, batch_id(attempt, index), BatchState.PLANNED, 7), **changes)


def test_a_batch_is_planned_once_and_read_back_whole(ledger: Ledger) -> None:
    ledger.batches.plan(_batch())
    ledger.batches.plan(_batch(conversations=9))

    assert ledger.batches.read(M, R, batch_id(1, 0)) == _batch()
    with pytest.raises(LedgerRuleBroken):
        ledger.batches.read(M, R, batch_id(1, 1))


def test_the_batches_of_an_attempt_are_listed_in_order_and_no_others(ledger: Ledger) -> None:
    for index in (2, 0, 1):
        ledger.batches.plan(_batch(index))
    ledger.batches.plan(_batch(0, attempt=2))
    ledger.batches.plan(_batch(3, request_id=RequestId("R-10")))
    ledger.batches.plan(_batch(4, matter_id=OTHER_M))

    assert list(ledger.batches.of_request(_request())) == [_batch(0), _batch(1), _batch(2)]
    assert list(ledger.batches.of_request(_request(attempt=2))) == [_batch(0, attempt=2)]


def test_a_batch_that_was_split_is_represented_by_its_halves(ledger: Ledger) -> None:
    for index in (0, 1):
        ledger.batches.plan(_batch(index))
    halves = [_batch(batch_id=half, without_sensitive=True) for half in halves_of(batch_id(1, 0))]
    for half in halves:
        ledger.batches.plan(half)
    ledger.batches.advance(_batch(state=BatchState.STARTING))
    ledger.batches.advance(_batch(state=BatchState.SPLIT))

    assert list(ledger.batches.of_request(_request())) == [*halves, _batch(1)]
    assert [ledger.batches.pieces_of(one) for one in (_batch(), halves[1], _batch(1))] == [3, 3, 1]
    assert ledger.batches.read(M, R, batch_id(1, 0)).state is BatchState.SPLIT


def test_a_batch_is_written_as_it_is_now(ledger: Ledger) -> None:
    ledger.batches.plan(_batch())
    now = _batch(
        state=BatchState.STARTING,
        job_id=ExportJobId("job"),
        job_created_at=NOON,
        ended_at=LATER,
        total=5,
        skipped=1,
        failed=2,
        explanation="why",
        interrupted_at=LATER,
    )

    ledger.batches.advance(now)

    assert ledger.batches.read(M, R, batch_id(1, 0)) == now


def test_what_a_batch_has_passed_changes_nothing_and_what_it_may_not_become_raises(ledger: Ledger) -> None:
    ledger.batches.plan(_batch())
    for state in (BatchState.STARTING, BatchState.PROCESSING, BatchState.FULFILLED):
        ledger.batches.advance(_batch(state=state))

    ledger.batches.advance(_batch(state=BatchState.PENDING, total=9))
    assert ledger.batches.read(M, R, batch_id(1, 0)) == _batch(state=BatchState.FULFILLED)
    with pytest.raises(LedgerRuleBroken):
        ledger.batches.advance(_batch(state=BatchState.FAILED))
    with pytest.raises(LedgerRuleBroken):
        ledger.batches.advance(_batch(9, state=BatchState.STARTING))
    assert ledger.batches.read(M, R, batch_id(1, 0)) == _batch(state=BatchState.FULFILLED)


def test_the_first_settlement_stands_and_nothing_moves_after_it(ledger: Ledger) -> None:
    ledger.batches.plan(_batch())
    ended = _batch(state=BatchState.FAILED)
    ledger.batches.advance(ended)

    ledger.batches.settle(ended, "first")
    ledger.batches.settle(ended, "second")
    ledger.batches.advance(replace(ended, total=9))
    ledger.batches.settle(_batch(9), "nothing there")

    assert ledger.batches.read(M, R, batch_id(1, 0)) == replace(ended, result_key="first")
    assert len(list(ledger.batches.of_request(_request()))) == 1


# --- claims and holds


def _claim(matter_id: MatterId = M, number: int = 1, at: datetime = NOON) -> Claim:
    return Claim(matter_id, R, batch_id(1, 0), conversations(number)[0], at)


def _ending(matter_id: MatterId = M, **changes: Any) -> ClaimEnding:
    ending = ClaimEnding(matter_id, ONE, L, "counsel", NOON, LATER, LATER + LEASE)
    return replace(ending, **changes)


def _documents(ledger: Ledger, conversation: ConversationId = ONE) -> list[dict[str, Any]]:
    return [json.loads(entry.canonical) for entry in ledger.claims.dossier(conversation).entries]


def test_a_claim_is_put_once_with_its_event(ledger: Ledger) -> None:
    assert ledger.claims.claim(_claim()) == Claimed(is_new=True, promise=Promise(active_claims=1))
    before = ledger.claims.dossier(ONE)
    assert not ledger.claims.claim(_claim(at=LATER)).is_new

    assert ledger.claims.dossier(ONE) == before
    assert before.claimed_by == {M}
    (event,) = _documents(ledger)
    assert (event["type"], event["matter_id"], event["request_id"]) == ("claimed", M, R)
    assert event["at"] == "2026-04-01T12:00:00.000Z"
    assert [entry.matter_id for entry in before.entries] == [M]


def test_many_matters_may_claim_one_conversation(ledger: Ledger) -> None:
    ledger.claims.claim(_claim(M))
    ledger.claims.claim(_claim(OTHER_M, at=LATER))

    dossier = ledger.claims.dossier(ONE)
    assert dossier.claimed_by == {M, OTHER_M}
    assert [entry.matter_id for entry in dossier.entries] == [M, OTHER_M], "in the order of their time"


def test_a_conversation_that_is_being_released_cannot_be_claimed(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    ledger.releases.end_claim(_ending())

    with pytest.raises(ConversationLifting):
        ledger.claims.claim(_claim(OTHER_M))
    with pytest.raises(ConversationLifting):
        ledger.claims.claim(_claim())
    assert ledger.claims.dossier(ONE).claimed_by == frozenset()
    assert [document["type"] for document in _documents(ledger)] == ["claimed", "released"]


# --- ending claims, lifting, locking again


def _types(ledger: Ledger) -> list[str]:
    """Name what happened, in no order: events of one moment have none."""
    return sorted(document["type"] for document in _documents(ledger) if document["kind"] == "event")


def _let_go(ledger: Ledger) -> int:
    """Have the only claim end and the locks lifted; answers the epoch."""
    epoch = ledger.releases.end_claim(_ending()).promise.epoch
    assert ledger.releases.lifted(ONE, epoch, L, LATER)
    return epoch


def _receipt_now(ledger: Ledger, file: str = "a.wav") -> ObjectVersion:
    version = ObjectVersion("evidence", key_of(1, f"{recording_id(1)}-{file}"), "v1", 7)
    ledger.receipts.write(Receipt(version, Role.MEDIA, NOON, NOON, "0", ONE, recording_id(1)))
    return version


def test_the_end_of_one_of_two_claims_leaves_the_locks_alone(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    ledger.claims.claim(_claim(OTHER_M))

    hold = ledger.releases.end_claim(_ending())

    assert hold == HoldRecord(ONE, Promise(HoldState.HELD, 1, 0))
    assert ledger.releases.hold(ONE) == hold
    dossier = ledger.claims.dossier(ONE)
    assert dossier.claimed_by == {OTHER_M}
    assert dossier.promise.is_kept
    assert ledger.claims.claimed_among([ONE], M) == frozenset()
    assert _types(ledger) == ["claimed", "claimed", "released"]
    assert sorted(str(entry.matter_id) for entry in dossier.entries) == [M, M, OTHER_M]
    assert dossier.claims == [
        ClaimRecord(M, ONE, R, batch_id(1, 0), NOON, LATER, L, "counsel"),
        ClaimRecord(OTHER_M, ONE, R, batch_id(1, 0), NOON),
    ]


def test_the_end_of_the_last_claim_is_the_intent_to_lift(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())

    hold = ledger.releases.end_claim(_ending())

    assert hold == HoldRecord(ONE, Promise(HoldState.LIFTING, 0, 1), LATER + LEASE)
    assert ledger.releases.hold(ONE) == hold
    assert [ledger.releases.may_lift(ONE, epoch) for epoch in (0, 1, 2)] == [False, True, False]
    (released,) = [one for one in _documents(ledger) if one["type"] == "released"]
    assert (released["type"], released["matter_id"]) == ("released", M)
    assert released["at"] == "2026-04-01T12:00:01.000Z"
    assert released["details"] == {"release_id": L, "requested_by": "counsel"}


@pytest.mark.parametrize(
    "again",
    [_ending(), _ending(release_id=ReleaseId("L-2")), _ending(OTHER_M), _ending(conversation_id=TWO)],
    ids=["a repeat", "another release", "another matter", "another conversation"],
)
def test_where_no_claim_is_there_to_end_nothing_changes(ledger: Ledger, again: ClaimEnding) -> None:
    ledger.claims.claim(_claim())
    before = ledger.releases.end_claim(_ending())
    dossier = ledger.claims.dossier(ONE)

    answer = ledger.releases.end_claim(again)

    assert answer == (before if again.conversation_id == ONE else HoldRecord(TWO, Promise()))
    assert ledger.claims.dossier(ONE) == dossier
    assert ledger.claims.dossier(TWO).claims == []


def test_a_release_ends_no_claim_that_was_made_after_its_plan(ledger: Ledger) -> None:
    ledger.claims.claim(_claim(at=LATER))

    hold = ledger.releases.end_claim(_ending(planned_at=NOON))

    assert hold.promise == Promise(HoldState.HELD, 1, 0)
    assert ledger.claims.dossier(ONE).claimed_by == {M}


def test_a_claim_that_has_ended_may_be_made_again_once_the_locks_are_off(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    _let_go(ledger)

    again = ledger.claims.claim(_claim(at=LATER))
    repeated = ledger.claims.claim(_claim(at=LATER + LEASE))
    beside = ledger.claims.claim(_claim(OTHER_M))

    assert again == Claimed(is_new=True, promise=Promise(HoldState.RELOCKING, 1, 2))
    assert repeated == Claimed(is_new=False, promise=again.promise)
    assert beside == Claimed(is_new=True, promise=Promise(HoldState.RELOCKING, 2, 2))
    (mine, _) = ledger.claims.dossier(ONE).claims
    assert mine == ClaimRecord(M, ONE, R, batch_id(1, 0), LATER)
    assert _all_claims(ledger, M) == [ListedClaim(ONE, LATER)], "the list has the claim as it is now"
    assert _types(ledger) == ["claimed", "claimed", "claimed", "lifted", "released"]


def test_what_is_locked_again_is_kept_once_it_was_read_back(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    version = _receipt_now(ledger)
    _let_go(ledger)
    ledger.claims.claim(_claim(at=LATER))

    assert not ledger.claims.dossier(ONE).promise.is_kept
    assert ledger.relocks.awaiting(ONE, 2) == [version]
    assert ledger.relocks.awaiting(ONE, 1) == []
    assert ledger.relocks.relocked(ONE, 1, LATER) is False, "another epoch's locks"
    assert ledger.relocks.relocked(ONE, 2, LATER) is True
    assert ledger.relocks.relocked(ONE, 2, LATER) is False

    assert ledger.relocks.awaiting(ONE, 2) == []
    assert ledger.claims.dossier(ONE).promise == Promise(HoldState.HELD, 1, 2)
    assert _types(ledger).count("relocked") == 1
    assert ledger.relocks.awaiting(TWO, 0) == []


def test_what_is_let_go_before_it_was_read_back_is_lifted_under_a_new_epoch(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    _let_go(ledger)
    ledger.claims.claim(_claim(at=LATER))

    hold = ledger.releases.end_claim(_ending(planned_at=LATER))

    assert hold.promise == Promise(HoldState.LIFTING, 0, 3)
    assert ledger.relocks.relocked(ONE, 2, LATER) is False


def test_a_lift_is_taken_over_when_its_lease_is_over_and_not_before(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    assert ledger.releases.resume_lift(ONE, now=LATER, lease_until=LATER) is None, "nothing is lifted"
    ledger.releases.end_claim(_ending())
    over = LATER + LEASE

    too_early = ledger.releases.resume_lift(ONE, now=over - timedelta(milliseconds=1), lease_until=over)
    taken = ledger.releases.resume_lift(ONE, now=over, lease_until=over + LEASE)
    overtaken = ledger.releases.resume_lift(ONE, now=over, lease_until=over + LEASE)

    assert too_early is None
    assert taken == HoldRecord(ONE, Promise(HoldState.LIFTING, 0, 2), over + LEASE)
    assert overtaken is None
    assert ledger.releases.lifted(ONE, 1, L, over) is False, "it was taken over"
    assert ledger.releases.may_lift(ONE, 1) is False
    assert ledger.releases.lifted(ONE, 2, L, over) is True
    assert ledger.releases.lifted(ONE, 2, L, over) is False
    assert _types(ledger).count("lifted") == 1
    (lifted,) = [one for one in _documents(ledger) if one["type"] == "lifted"]
    assert lifted["details"] == {"release_id": L, "epoch": 2}


def test_what_nobody_claims_is_lifted_by_the_same_intent(ledger: Ledger) -> None:
    never_claimed = ledger.releases.begin_lift(ONE, lease_until=LATER)
    with pytest.raises(ConversationLifting):
        ledger.claims.claim(_claim())
    twice = ledger.releases.begin_lift(ONE, lease_until=LATER)
    ledger.releases.lifted(ONE, 1, L, LATER)
    came_late = ledger.releases.begin_lift(ONE, lease_until=LATER)
    ledger.releases.lifted(ONE, 2, L, LATER)
    ledger.claims.claim(_claim())
    claimed = ledger.releases.begin_lift(ONE, lease_until=LATER)

    assert never_claimed == HoldRecord(ONE, Promise(HoldState.LIFTING, 0, 1), LATER)
    assert twice is None
    assert came_late == HoldRecord(ONE, Promise(HoldState.LIFTING, 0, 2), LATER)
    assert claimed is None
    assert ledger.releases.hold(ONE).promise == Promise(HoldState.RELOCKING, 1, 3)
    assert _all_claims(ledger, NOBODY) == [ListedClaim(ONE, LATER, LATER)], "it is listed, for the seal"


def _hold_at_platform(ledger: Ledger, owner: HoldOwner) -> None:
    ledger.claims.mark_platform_hold([ONE], owner, PlatformHold.PLACING)
    assert ledger.claims.confirm_platform_hold(ONE, owner, LATER)


def test_the_hold_that_all_share_is_let_go_while_the_locks_are_being_lifted(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    _hold_at_platform(ledger, None)
    assert ledger.releases.begin_platform_release(ONE, None, 0) is False, "it is claimed"
    ledger.releases.end_claim(_ending())

    assert ledger.releases.begin_platform_release(ONE, None, 2) is False, "another epoch"
    assert ledger.releases.end_platform_release(ONE, None, LATER) is False, "nobody has asked"
    assert ledger.releases.begin_platform_release(ONE, None, 1) is True
    assert ledger.releases.begin_platform_release(ONE, None, 1) is True, "who died asks again"
    assert ledger.claims.held_for_all() == {ONE}
    assert ledger.releases.lifted(ONE, 1, L, LATER) is False, "the platform is being asked"
    assert ledger.releases.end_platform_release(ONE, None, LATER) is True
    assert ledger.releases.end_platform_release(ONE, None, LATER) is False

    assert ledger.claims.held_for_all() == frozenset()
    assert ledger.releases.hold(ONE).platform == PlatformHoldRecord(PlatformHold.RELEASED)
    assert ledger.releases.begin_platform_release(ONE, None, 1) is False
    assert _types(ledger) == ["claimed", "held_at_platform", "released", "released_at_platform"], "sorted"
    assert ledger.releases.lifted(ONE, 1, L, LATER) is True
    ledger.claims.claim(_claim(at=LATER))
    _hold_at_platform(ledger, None)
    assert ledger.claims.held_for_all() == {ONE}


def test_what_the_platform_does_not_let_go_is_held_still(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    _hold_at_platform(ledger, None)
    ledger.releases.end_claim(_ending())
    ledger.releases.platform_kept(ONE, None)
    ledger.releases.begin_platform_release(ONE, None, 1)

    ledger.releases.platform_kept(ONE, None)

    assert ledger.releases.hold(ONE).platform == PlatformHoldRecord(PlatformHold.HELD)
    assert ledger.claims.held_for_all() == {ONE}
    assert ledger.releases.lifted(ONE, 1, L, LATER) is True


@pytest.mark.parametrize("state", [None, PlatformHold.PRE_EXISTING, PlatformHold.REFUSED])
def test_what_is_not_ours_at_the_platform_is_never_let_go(ledger: Ledger, state: PlatformHold | None) -> None:
    ledger.claims.claim(_claim())
    if state:
        ledger.claims.mark_platform_hold([ONE], None, state)
    ledger.releases.end_claim(_ending())

    assert ledger.releases.begin_platform_release(ONE, None, 1) is False
    assert ledger.releases.end_platform_release(ONE, None, LATER) is False
    hold = ledger.releases.hold(ONE).platform
    assert (hold.state if hold else None) is state


def test_a_matters_own_hold_is_let_go_between_its_claims_end_and_the_next(
    ledger: Ledger,
) -> None:
    ledger.claims.claim(_claim())
    ledger.claims.claim(_claim(OTHER_M))
    for owner in (M, OTHER_M):
        _hold_at_platform(ledger, owner)
    assert ledger.releases.begin_platform_release(ONE, M, None) is False, "it is claimed"
    ledger.releases.end_claim(_ending())

    with pytest.raises(ConversationLifting):
        ledger.claims.claim(_claim(at=LATER))
    ledger.claims.mark_platform_hold([ONE], M, PlatformHold.PLACING)
    assert ledger.claims.confirm_platform_hold(ONE, M, LATER) is False, "the claim has ended"
    assert ledger.releases.begin_platform_release(ONE, M, None) is True
    with pytest.raises(ConversationLifting):
        ledger.claims.claim(_claim(at=LATER))
    assert ledger.releases.end_platform_release(ONE, M, LATER) is True

    assert ledger.claims.dossier(ONE).platform_holds == {OTHER_M: PlatformHoldRecord(PlatformHold.HELD)}
    assert ledger.claims.platform_holds([ONE], M) == {ONE: None}
    assert ledger.claims.claim(_claim(at=LATER)).is_new
    assert ledger.claims.platform_holds([ONE], M) == {ONE: None}
    (let_go,) = [one for one in _documents(ledger) if one["type"] == "released_at_platform"]
    assert let_go["matter_id"] == M


def test_no_hold_is_placed_for_a_claim_that_has_ended(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    ledger.claims.claim(_claim(OTHER_M))
    ledger.releases.end_claim(_ending())

    ledger.claims.mark_platform_hold([ONE], M, PlatformHold.PLACING)

    assert ledger.releases.begin_platform_release(ONE, M, None) is False, "there is nothing to let go"
    assert ledger.claims.claim(_claim(at=LATER)).is_new


def test_a_drift_has_one_event_however_often_it_is_repaired(ledger: Ledger) -> None:
    version = _receipt_now(ledger)
    stray = ObjectVersion("evidence", "what is this", "v1", 1)
    found = [Relock(one, RelockCause.DRIFT, 0, NOON) for one in (version, stray)]
    again = Relock(version, RelockCause.DRIFT, 0, LATER)
    assert ledger.relocks.are_answered([*found, again]) == [False, False, False]

    written = [ledger.relocks.note_repair(one, LATER) for one in (*found, *found)]

    assert written == [True, True, False, False]
    assert ledger.relocks.are_answered([*found, again]) == [True, True, False]
    (event,) = [one for one in _documents(ledger) if one["kind"] == "event"]
    assert event["type"] == "drift_repaired"
    assert event["details"] == {"drift": "lock_lifted", "key": version.key, "version_id": "v1"}
    assert ledger.claims.dossier(ONE).entries[0].matter_id is None


def test_what_a_claim_asked_to_be_locked_is_answered_when_its_promise_has_moved_on(ledger: Ledger) -> None:
    version = _receipt_now(ledger)
    ledger.claims.claim(_claim())
    _let_go(ledger)
    ledger.claims.claim(_claim(at=LATER))
    asked = [Relock(version, RelockCause.CLAIMED, epoch, NOON) for epoch in (1, 2)]

    assert ledger.relocks.are_answered(asked) == [True, False]
    ledger.relocks.relocked(ONE, 2, LATER)
    assert ledger.relocks.are_answered(asked) == [True, True]
    assert ledger.relocks.are_answered([]) == []


def _all_claims(ledger: Ledger, matter_id: MatterId) -> list[ListedClaim]:
    claims: list[ListedClaim] = []
    cursor = None
    while True:
        page = ledger.claims.claims_of(matter_id, cursor)
        claims += page.claims
        if (cursor := page.cursor) is None:
            return claims


def test_a_matters_claims_are_listed_whole_with_those_that_have_ended(ledger: Ledger) -> None:
    for number in range(40):  # on most of the sixteen shards of a list
        ledger.claims.claim(_claim(number=number))
        ledger.claims.claim(_claim(OTHER_M, number=number + 20))
    ledger.releases.end_claim(_ending())

    claims = _all_claims(ledger, M)

    assert sorted(one.conversation_id for one in claims) == [conversation_id(number) for number in range(40)]
    assert len(_all_claims(ledger, OTHER_M)) == 40
    assert [one for one in claims if one.ended_at] == [ListedClaim(ONE, NOON, LATER)]
    assert _all_claims(ledger, MatterId("M-none")) == []


class _SmallPages:
    """DynamoDB, giving two items a page."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def query(self, **request: Any) -> Any:
        return self._client.query(**request, Limit=2)


def test_a_list_that_needs_many_pages_is_listed_whole() -> None:
    with mock_aws():
        claims = ClaimLedger(Table(_SmallPages(_create_table()), "ledger"))
        for number in range(50):
            claims.claim(_claim(number=number))

        found: list[ListedClaim] = []
        pages, cursor = 0, None
        while pages == 0 or cursor:
            page = claims.claims_of(M, cursor)
            found, pages, cursor = [*found, *page.claims], pages + 1, page.cursor

        assert {one.conversation_id for one in found} == {conversation_id(number) for number in range(50)}
        assert len(found) == 50
        assert pages > 25


class _Restless(Table):
    """A table in which a neighbour is faster, as often as is left: before each of our transactions."""

    neighbour: Callable[[], object] = staticmethod(lambda: None)
    left = 0

    def transact(self, *writes: dict[str, Any]) -> bool:
        if self.left:
            self.left -= 1
            self.neighbour()
        return super().transact(*writes)


def _restless() -> tuple[_Restless, ClaimLedger, ReleaseLedger]:
    client = _create_table()
    table, other = _Restless(client, "ledger"), ClaimLedger(Table(client, "ledger"))
    numbers = iter(range(100))
    table.neighbour = lambda: other.claim(_claim(MatterId(f"M-x{next(numbers)}")))
    return table, ClaimLedger(table), ReleaseLedger(table)


@pytest.mark.parametrize("times", [1, 3])
def test_a_claim_and_its_end_find_their_way_between_others(times: int) -> None:
    with mock_aws():
        table, claims, releases = _restless()

        table.left = times
        assert claims.claim(_claim()).is_new
        table.left = times
        hold = releases.end_claim(_ending())

        assert hold.promise == Promise(HoldState.HELD, 2 * times, 0)
        assert claims.dossier(ONE).promise == hold.promise
        assert len(claims.dossier(ONE).claimed_by) == 2 * times


def test_who_is_always_late_gives_up_and_is_repeated() -> None:
    with mock_aws():
        table, claims, releases = _restless()
        claims.claim(_claim())

        for act in (lambda: claims.claim(_claim(OTHER_M)), lambda: releases.end_claim(_ending())):
            table.left = 50
            with pytest.raises(LedgerContention):
                act()

        table.left = 0
        assert M in claims.dossier(ONE).claimed_by
        assert OTHER_M not in claims.dossier(ONE).claimed_by


def test_of_two_lifters_that_resume_at_once_one_gets_the_epoch() -> None:
    with mock_aws():
        client = _create_table()
        table, other = _Overtaken(client, "ledger"), ReleaseLedger(Table(client, "ledger"))
        claims, releases = ClaimLedger(table), ReleaseLedger(table)
        claims.claim(_claim())
        releases.end_claim(_ending())
        over = LATER + LEASE
        table.neighbour = lambda: other.resume_lift(ONE, now=over, lease_until=over + LEASE)

        assert releases.resume_lift(ONE, now=over, lease_until=over + LEASE) is None
        assert releases.hold(ONE).promise == Promise(HoldState.LIFTING, 0, 2)


# --- what is secured


def _secured(job_at: datetime = NOON, *, epoch: int = 0, screen: bool = True, sensitive: bool = False) -> Any:
    recordings = {recording_id(1): Medium.VOICE, recording_id(1, 1): Medium.SCREEN}
    return SecuredExport(ONE, recordings, ExportTerms(M, R, screen, sensitive, job_at), epoch)


def test_what_is_secured_is_read_back_alone_and_in_the_dossier(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    assert ledger.claims.secured_exports([ONE, TWO]) == {}
    assert ledger.claims.dossier(ONE).secured is None

    ledger.claims.note_secured(_secured())

    assert ledger.claims.secured_exports([TWO, ONE]) == {ONE: _secured()}
    assert ledger.claims.dossier(ONE).secured == _secured()
    assert ledger.claims.dossier(ONE).promise.epoch == 0
    assert ledger.claims.secured_exports([]) == {}
    assert len(_documents(ledger)) == 1, "no entry comes of it"


def test_what_nobody_holds_is_not_secured(ledger: Ledger) -> None:
    ledger.claims.note_secured(_secured())

    assert ledger.claims.secured_exports([ONE]) == {}
    assert ledger.claims.dossier(ONE).secured is None


def test_what_was_secured_is_void_once_its_locks_began_to_be_lifted(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    ledger.claims.note_secured(_secured())

    ledger.releases.end_claim(_ending())
    lifting = ledger.claims.secured_exports([ONE]), ledger.claims.dossier(ONE).secured
    ledger.releases.lifted(ONE, 1, L, LATER)
    ledger.claims.claim(_claim(at=LATER))
    relocking = ledger.claims.secured_exports([ONE])
    ledger.relocks.relocked(ONE, 2, LATER)

    assert lifting == ({}, None)
    assert relocking == {}
    assert (ledger.claims.secured_exports([ONE]), ledger.claims.dossier(ONE).promise.epoch) == ({}, 2)
    ledger.claims.note_secured(_secured(NOON - timedelta(days=1), epoch=2, screen=False))
    assert ledger.claims.dossier(ONE).secured == _secured(NOON - timedelta(days=1), epoch=2, screen=False)
    ledger.claims.note_secured(_secured(LATER))
    assert ledger.claims.dossier(ONE).secured.terms.include_screen is False, "of locks that are gone"  # type: ignore[union-attr] # read above


@pytest.mark.parametrize(
    ("later", "replaces"),
    [
        ({"job_at": NOON}, True),
        ({"job_at": LATER}, True),
        ({"job_at": LATER, "sensitive": True}, True),
        ({"job_at": NOON - timedelta(milliseconds=1)}, False),
        ({"job_at": LATER, "screen": False}, False),
        ({"job_at": LATER, "screen": False, "sensitive": True}, False),
        ({"job_at": NOON - timedelta(seconds=1), "sensitive": True}, False),
    ],
)
def test_only_what_says_as_much_replaces_what_is_secured(
    ledger: Ledger, later: dict[str, Any], replaces: bool
) -> None:
    ledger.claims.claim(_claim())
    ledger.claims.note_secured(_secured())

    ledger.claims.note_secured(_secured(**later))

    assert ledger.claims.dossier(ONE).secured == (_secured(**later) if replaces else _secured())


def test_an_export_with_screens_replaces_one_without(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    ledger.claims.note_secured(_secured(screen=False))

    ledger.claims.note_secured(_secured(LATER))

    assert ledger.claims.dossier(ONE).secured == _secured(LATER)


def test_many_conversations_are_looked_up_at_once(ledger: Ledger) -> None:
    numbers = range(101)  # one more than DynamoDB takes at once
    for number in numbers:
        ledger.claims.claim(replace(_claim(), conversation=conversations(number)[0]))
        if number % 2:
            ledger.claims.note_secured(replace(_secured(), conversation_id=conversation_id(number)))

    found = ledger.claims.secured_exports([conversation_id(number) for number in numbers])

    assert sorted(found) == [conversation_id(number) for number in numbers if number % 2]


def test_nothing_is_known_of_a_conversation_that_never_was(ledger: Ledger) -> None:
    dossier = ledger.claims.dossier(ONE)

    assert dossier == Dossier(
        ONE, [], frozenset(), {}, frozenset(), [], claims=[], gone=[], hidden=[], disposed=[], marks=[]
    )
    assert ledger.claims.platform_holds([ONE, TWO], None) == {ONE: None, TWO: None}
    assert ledger.claims.platform_holds([], M) == {}
    assert dossier.hold_for(M) is None


@pytest.mark.parametrize("owner", [None, M])
def test_the_platforms_side_moves_by_its_table_and_by_nothing_else(ledger: Ledger, owner: HoldOwner) -> None:
    def standing() -> PlatformHold | None:
        hold = ledger.claims.dossier(ONE).platform_holds.get(owner)
        return hold.state if hold else None

    ledger.claims.mark_platform_hold([ONE], owner, PlatformHold.PLACING)
    assert standing() is None, "nobody claimed it"
    ledger.claims.claim(_claim())
    ledger.claims.mark_platform_hold([ONE], owner, PlatformHold.HELD)
    assert standing() is None, "nobody asked"
    steps = [
        (PlatformHold.REFUSED, PlatformHold.REFUSED),
        (PlatformHold.PLACING, PlatformHold.PLACING),
        (PlatformHold.PRE_EXISTING, PlatformHold.PLACING),
        (PlatformHold.REFUSED, PlatformHold.REFUSED),
        (PlatformHold.HELD, PlatformHold.REFUSED),
        (PlatformHold.PLACING, PlatformHold.PLACING),
        (PlatformHold.HELD, PlatformHold.HELD),
        (PlatformHold.REFUSED, PlatformHold.HELD),
        (PlatformHold.PLACING, PlatformHold.HELD),
        (PlatformHold.PRE_EXISTING, PlatformHold.HELD),
    ]
    for wanted, expected in steps:
        ledger.claims.mark_platform_hold([ONE], owner, wanted)
        assert standing() is expected, f"after {wanted}"


def test_a_refusal_keeps_its_reason_until_it_is_asked_again(ledger: Ledger) -> None:
    for number in (1, 2):
        ledger.claims.claim(_claim(number=number))
    ledger.claims.mark_platform_hold([ONE, TWO], None, PlatformHold.PLACING)
    ledger.claims.mark_platform_hold([ONE], None, PlatformHold.REFUSED, reason="platform_cap")

    assert ledger.claims.platform_holds([TWO, ONE], None) == {
        ONE: PlatformHoldRecord(PlatformHold.REFUSED, "platform_cap"),
        TWO: PlatformHoldRecord(PlatformHold.PLACING),
    }
    ledger.claims.mark_platform_hold([ONE], None, PlatformHold.PLACING)
    assert ledger.claims.platform_holds([ONE], None) == {ONE: PlatformHoldRecord(PlatformHold.PLACING)}


def test_what_was_there_before_us_stays_so(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    ledger.claims.mark_platform_hold([ONE], None, PlatformHold.PRE_EXISTING)
    ledger.claims.mark_platform_hold([ONE], None, PlatformHold.PLACING)

    assert ledger.claims.confirm_platform_hold(ONE, None, LATER) is False
    assert ledger.claims.platform_holds([ONE], None) == {ONE: PlatformHoldRecord(PlatformHold.PRE_EXISTING)}
    assert len(_documents(ledger)) == 1


def test_a_hold_is_confirmed_once_with_an_event_that_concerns_every_matter(ledger: Ledger) -> None:
    ledger.claims.claim(_claim())
    assert ledger.claims.confirm_platform_hold(ONE, None, LATER) is False, "nobody asked for it"
    ledger.claims.mark_platform_hold([ONE], None, PlatformHold.PLACING)

    assert ledger.claims.confirm_platform_hold(ONE, None, LATER) is True
    before = ledger.claims.dossier(ONE)
    assert ledger.claims.confirm_platform_hold(ONE, None, LATER) is False

    assert ledger.claims.dossier(ONE) == before
    assert before.platform_holds == {None: PlatformHoldRecord(PlatformHold.HELD)}
    assert [document["type"] for document in _documents(ledger)] == ["claimed", "held_at_platform"]
    assert [entry.matter_id for entry in before.entries] == [M, None]


def test_every_matter_has_a_hold_of_its_own_beside_the_one_that_all_share(ledger: Ledger) -> None:
    ledger.claims.claim(_claim(M))
    ledger.claims.claim(_claim(OTHER_M))
    ledger.claims.mark_platform_hold([ONE], None, PlatformHold.PRE_EXISTING)
    for owner in (M, OTHER_M):
        ledger.claims.mark_platform_hold([ONE], owner, PlatformHold.PLACING)

    assert ledger.claims.confirm_platform_hold(ONE, M, LATER) is True
    assert ledger.claims.confirm_platform_hold(ONE, M, LATER) is False
    ledger.claims.mark_platform_hold([ONE], OTHER_M, PlatformHold.REFUSED, reason="hold_refused")

    dossier = ledger.claims.dossier(ONE)
    assert dossier.hold_for(M) == PlatformHoldRecord(PlatformHold.HELD)
    assert dossier.hold_for(OTHER_M) == PlatformHoldRecord(PlatformHold.REFUSED, "hold_refused")
    assert dossier.hold_for(MatterId("M-3")) == PlatformHoldRecord(PlatformHold.PRE_EXISTING)
    assert ledger.claims.platform_holds([ONE], OTHER_M) == {ONE: dossier.hold_for(OTHER_M)}
    (event,) = [document for document in _documents(ledger) if document["type"] == "held_at_platform"]
    assert event["matter_id"] == M
    assert [entry.matter_id for entry in dossier.entries].count(M) == 2


def test_what_is_held_for_all_matters_is_listed_once_and_nothing_else_is(ledger: Ledger) -> None:
    for number in (1, 2):
        ledger.claims.claim(_claim(number=number))
        ledger.claims.mark_platform_hold([conversation_id(number)], None, PlatformHold.PLACING)
    ledger.claims.mark_platform_hold([TWO], M, PlatformHold.PLACING)
    none_yet = ledger.claims.held_for_all()

    for _ in range(2):
        ledger.claims.confirm_platform_hold(ONE, None, LATER)
        ledger.claims.confirm_platform_hold(TWO, M, LATER)

    assert none_yet == frozenset()
    assert ledger.claims.held_for_all() == {ONE}


def test_a_matters_claims_are_found_among_many(ledger: Ledger) -> None:
    ledger.claims.claim(_claim(M, number=1))
    ledger.claims.claim(_claim(OTHER_M, number=2))
    everyone = [conversation_id(number) for number in range(130)]

    assert ledger.claims.claimed_among(everyone, M) == {ONE}
    assert ledger.claims.claimed_among([TWO], OTHER_M) == {TWO}
    assert ledger.claims.claimed_among([], M) == frozenset()


def test_a_matter_that_claims_nothing_holds_nothing(ledger: Ledger) -> None:
    ledger.claims.claim(_claim(M))

    ledger.claims.mark_platform_hold([ONE], OTHER_M, PlatformHold.PLACING)

    assert ledger.claims.confirm_platform_hold(ONE, OTHER_M, LATER) is False
    assert ledger.claims.dossier(ONE).platform_holds == {}
    assert ledger.claims.dossier(ONE).claimed_by == {M}


def test_many_holds_are_read_at_once(ledger: Ledger) -> None:
    numbers = range(1, 102)  # one more than DynamoDB takes at once
    for number in numbers:
        ledger.claims.claim(_claim(number=number))
    everyone = [conversation_id(number) for number in numbers]
    ledger.claims.mark_platform_hold(everyone, None, PlatformHold.PLACING)

    holds = ledger.claims.platform_holds(everyone, None)

    assert list(holds) == everyone
    assert set(holds.values()) == {PlatformHoldRecord(PlatformHold.PLACING)}


# --- receipts


def _receipt(key: str = key_of(1, "x.wav"), version_id: str = "v1", **changes: Any) -> Receipt:
    version = ObjectVersion("evidence", key, version_id, 7)
    receipt = Receipt(version, Role.MEDIA, NOON, LATER, "ab" * 32, ONE, recording_id(1))
    return replace(receipt, **changes)


RECEIPTS = [
    _receipt(),
    _receipt(sha256=None, omitted_tags=("recording-id",)),
    _receipt(key_of(1, "x.wav_metadata.json"), role=Role.SIDECAR, medium=Medium.SCREEN),
    _receipt(key_of(1, "ä +%=.txt"), role=Role.OTHER, recording_id=None),
]


@pytest.mark.parametrize("receipt", RECEIPTS)
def test_a_receipt_is_read_back_as_it_was_written(ledger: Ledger, receipt: Receipt) -> None:
    assert ledger.receipts.write(receipt) is True

    dossier = ledger.claims.dossier(ONE)
    assert list(dossier.receipts) == [receipt]
    (entry,) = dossier.entries
    assert entry.matter_id is None
    assert read_receipt(entry.canonical) == receipt


def test_a_conversation_is_found_by_the_id_of_a_recording(ledger: Ledger) -> None:
    for receipt in RECEIPTS[:3]:
        ledger.receipts.write(receipt)

    assert ledger.receipts.conversation_of(recording_id(1)) == ONE
    assert ledger.receipts.conversation_of(recording_id(2)) is None


def test_the_first_receipt_of_a_version_stands_with_its_very_bytes(ledger: Ledger) -> None:
    ledger.receipts.write(_receipt())
    before = ledger.claims.dossier(ONE)

    assert ledger.receipts.write(_receipt(secured_at=LATER + timedelta(days=1), sha256="cd" * 32)) is False
    assert ledger.claims.dossier(ONE) == before


def test_each_version_has_a_receipt_of_its_own(ledger: Ledger) -> None:
    versions = [f"v{number}" for number in range(130)]
    for version_id in versions:
        ledger.receipts.write(_receipt(version_id=version_id))
    written = [_receipt(version_id=version_id).version for version_id in versions]
    absent = _receipt(version_id="never").version

    have = ledger.receipts.have([absent, *written, written[0]])

    assert have == {version.fingerprint for version in written}
    assert ledger.receipts.have([]) == frozenset()
    assert len(ledger.claims.dossier(ONE).receipts) == 130


@pytest.mark.parametrize(("key", "role"), [("else/where", Role.STRAY), (CANARY_PREFIX + "1", Role.CANARY)])
def test_what_names_no_conversation_has_its_receipt_too(ledger: Ledger, key: str, role: Role) -> None:
    receipt = _receipt(key, role=role, conversation_id=None, recording_id=None)

    assert ledger.receipts.write(receipt) is True
    assert ledger.receipts.write(receipt) is False
    assert ledger.receipts.have([receipt.version]) == {receipt.version.fingerprint}


def test_the_receipts_of_canaries_are_found_by_how_their_keys_begin(ledger: Ledger) -> None:
    keys = [f"{CANARY_PREFIX}{name}" for name in ("2026-03-05/ab/1", "2026-03-05/ab/2", "2026-03-05/abc/1")]
    for key in [*keys, "else/where"]:
        ledger.receipts.write(
            _receipt(
                key,
                role=Role.STRAY if key == "else/where" else Role.CANARY,
                conversation_id=None,
                recording_id=None,
            )
        )
    ledger.receipts.add_digest(_receipt(keys[0]).version, "ab" * 32, LATER)

    found = ledger.receipts.of_canaries(f"{CANARY_PREFIX}2026-03-05/ab/")

    assert sorted(receipt.version.key for receipt in found) == keys[:2]
    assert ledger.receipts.of_canaries(f"{CANARY_PREFIX}2026-03-06/") == []


@pytest.mark.parametrize("shape", [str.lower, str.upper])
def test_the_receipts_of_a_manifest_are_found_by_its_job_alone(
    ledger: Ledger, shape: Callable[[str], str]
) -> None:
    job, other = "c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f", "c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e60"
    for name, version_id in ((job, "v1"), (job, "v2"), (other, "v1")):
        key = f"{ORGANIZATION}/manifests/{shape(name)}.json"
        ledger.receipts.write(
            _receipt(key, role=Role.MANIFEST, conversation_id=None, recording_id=None, version_id=version_id)
        )

    found = [json.loads(entry.canonical) for entry in ledger.claims.manifest_entries(ExportJobId(shape(job)))]

    assert sorted(one["version_id"] for one in found) == ["v1", "v2"]
    assert {one["key"] for one in found} == {f"{ORGANIZATION}/manifests/{shape(job)}.json"}
    assert ledger.claims.manifest_entries(ExportJobId("never")) == []


def test_two_entries_of_the_same_fact_never_have_the_same_bytes(ledger: Ledger) -> None:
    ledger.receipts.write(_receipt(version_id="v1"))
    ledger.receipts.write(_receipt(version_id="v2"))

    nonces = {document["nonce"] for document in _documents(ledger)}
    assert len(nonces) == 2
    assert all(len(bytes.fromhex(nonce)) == 16 for nonce in nonces)


def test_a_digest_is_added_once(ledger: Ledger) -> None:
    receipt = _receipt(sha256=None)
    ledger.receipts.write(receipt)
    assert ledger.receipts.digested([receipt.version]) == frozenset()

    assert ledger.receipts.add_digest(receipt.version, "ab" * 32, LATER) is True
    before = ledger.claims.dossier(ONE)
    assert ledger.receipts.add_digest(receipt.version, "cd" * 32, NOON) is False

    assert ledger.claims.dossier(ONE) == before
    assert before.digested == {receipt.version.fingerprint}
    absent = _receipt(version_id="never").version
    assert ledger.receipts.digested([absent, receipt.version]) == {receipt.version.fingerprint}
    assert list(before.receipts) == [receipt], "the receipt itself never changes"
    (event,) = [document for document in _documents(ledger) if document["kind"] == "event"]
    assert event["details"] == {
        "key": receipt.version.key,
        "version_id": "v1",
        "sha256": "ab" * 32,
    }


@pytest.mark.parametrize("key", ["else/where", CANARY_PREFIX + "1"])
def test_a_digest_is_filed_where_the_receipt_is_also_of_what_names_no_conversation(
    ledger: Ledger, key: str
) -> None:
    version = ObjectVersion("evidence", key, "v1", 1)
    other = ObjectVersion("evidence", key, "v2", 1)

    assert ledger.receipts.add_digest(version, "ab" * 32, LATER) is True
    assert ledger.receipts.add_digest(version, "ab" * 32, NOON) is False

    assert ledger.receipts.digested([other, version]) == {version.fingerprint}
    assert ledger.receipts.have([version]) == frozenset()


def test_events_come_before_receipts_each_in_the_order_of_their_keys(ledger: Ledger) -> None:
    for version_id in ("v1", "v2", "v3"):
        ledger.receipts.write(_receipt(version_id=version_id))
    ledger.claims.claim(_claim(OTHER_M, at=LATER))
    ledger.claims.claim(_claim(M))

    documents = _documents(ledger)
    assert [document["kind"] for document in documents] == ["event"] * 2 + ["receipt"] * 3
    assert [document["at"] for document in documents[:2]] == sorted(d["at"] for d in documents[:2])
    fingerprints = [receipt.version.fingerprint for receipt in ledger.claims.dossier(ONE).receipts]
    assert fingerprints == sorted(fingerprints)


# --- slots


def _owner(index: int) -> SlotOwner:
    return SlotOwner(M, R, batch_id(1, index))


def test_there_are_two_slots_and_who_has_one_keeps_it(ledger: Ledger) -> None:
    taken = [ledger.slots.acquire(_owner(index), LATER) for index in (0, 1, 2, 0)]

    assert taken == [True, True, False, True]
    assert [(slot.slot, slot.owner, slot.lease_until, slot.job_id) for slot in ledger.slots.held()] == [
        (1, str(_owner(0)), LATER, None),
        (2, str(_owner(1)), LATER, None),
    ]


def test_a_slot_knows_its_job_and_is_given_back_by_its_owner(ledger: Ledger) -> None:
    ledger.slots.acquire(_owner(0), LATER)
    ledger.slots.acquire(_owner(1), LATER)
    ledger.slots.run(_owner(1), ExportJobId("job"))
    ledger.slots.run(_owner(2), ExportJobId("another"))
    assert [slot.job_id for slot in ledger.slots.held()] == [None, "job"]

    ledger.slots.free(str(_owner(2)))
    ledger.slots.free(str(_owner(0)))
    ledger.slots.free(str(_owner(0)))

    assert [slot.owner for slot in ledger.slots.held()] == [str(_owner(1))]
    assert ledger.slots.acquire(_owner(2), LATER)


# --- parking


VERSION = _receipt().version
JUNK = ParkedMessage("m-1", "why", NOON, 'body "as" it came \N{CLAPPER BOARD}')
ARRIVAL = ParkedMessage("m-2", "why", NOON, "{}", ParkedKind.ARRIVAL, VERSION)
DIGEST = replace(ARRIVAL, message_id="m-3", kind=ParkedKind.DIGEST)


def test_a_message_is_parked_once_and_kept_as_it_came(ledger: Ledger) -> None:
    messages = [JUNK, ARRIVAL, DIGEST]
    assert [ledger.parking.park(message) for message in messages] == [True] * 3

    assert [ledger.parking.park(replace(message, body="changed")) for message in messages] == [False] * 3

    assert {message.name: message for message in ledger.parking.parked()} == {
        message.name: message for message in messages
    }
    assert [message.conversation_id for message in messages] == [None, ONE, ONE]


def test_what_is_asked_of_a_version_is_parked_once_however_many_messages_ask(ledger: Ledger) -> None:
    again = replace(ARRIVAL, message_id="m-9", reason="another", parked_at=LATER, body="[]")
    ledger.parking.park(ARRIVAL)

    assert ledger.parking.park(again) is True

    assert list(ledger.parking.parked()) == [replace(again, parked_at=NOON)], "parked since the first time"


def test_what_is_redriven_is_parked_again_only_under_another_message(ledger: Ledger) -> None:
    ledger.parking.park(ARRIVAL)

    assert ledger.parking.redriven(ARRIVAL, LATER) is True

    sent = replace(ARRIVAL, state=ParkedState.REDRIVEN, redriven_at=LATER)
    assert ledger.parking.park(ARRIVAL) is False
    assert list(ledger.parking.parked()) == [sent]
    again = replace(ARRIVAL, message_id="m-9")
    assert ledger.parking.park(again) is True
    assert list(ledger.parking.parked()) == [replace(again, redriven_at=LATER)]
    assert ledger.parking.redriven(sent, LATER) is False, "it was parked anew since it was read"
    assert list(ledger.parking.parked()) == [replace(again, redriven_at=LATER)]


def test_what_is_closed_stays_closed(ledger: Ledger) -> None:
    ledger.parking.park(ARRIVAL)
    for _ in range(2):
        ledger.parking.close(ARRIVAL, LATER)

    assert ledger.parking.park(replace(ARRIVAL, message_id="m-9")) is False
    assert ledger.parking.redriven(ARRIVAL, LATER) is False
    assert list(ledger.parking.parked()) == []


# --- sweeps


def test_a_sweep_finds_its_mark_again_and_each_prefix_has_its_own(ledger: Ledger) -> None:
    begin, mark = ledger.sweeps.read(""), ListingMark("a/ä\x01", "v1")
    assert begin == SweepMark("")

    moved = ledger.sweeps.move(begin, mark, NOON)

    assert moved == ledger.sweeps.read("") == SweepMark("", mark, 1)
    assert ledger.sweeps.read("a/") == SweepMark("a/")
    ended = ledger.sweeps.move(moved, None, LATER)
    assert ended == ledger.sweeps.read("") == SweepMark("", None, 2)


def test_a_mark_that_another_sweep_has_moved_stays(ledger: Ledger) -> None:
    begin = ledger.sweeps.read("p")
    first = ledger.sweeps.move(begin, ListingMark("k", ""), NOON)

    assert ledger.sweeps.move(begin, ListingMark("z", ""), NOON) is None

    assert ledger.sweeps.read("p") == first


def test_the_names_of_recordings_are_never_an_empty_key(ledger: Ledger) -> None:
    """A sparse index takes no empty text and no absent value for one."""
    other = _receipt(key_of(1, "notes.txt"), role=Role.OTHER, recording_id=None)

    assert ledger.receipts.write(other) is True
    assert RecordingId("") not in {receipt.recording_id for receipt in ledger.claims.dossier(ONE).receipts}


# --- standing matters


def _standing(matter_id: MatterId = M, **changes: Any) -> StandingMatter:
    """A matter with whatever it can carry; changes are those of its course, and its version."""
    version, closed_by = changes.pop("version", 1), changes.pop("closed_by", None)
    course = Course.opening(NOON, timedelta(hours=6), NOON + timedelta(days=9))
    return StandingMatter(
        matter_id, b'{"title":"\xc3\xa4"}', "sha-of-body", replace(course, **changes), version, closed_by
    )


def test_a_standing_matter_is_written_once_and_read_back_whole(ledger: Ledger) -> None:
    assert ledger.standing.find(M) is None

    assert ledger.standing.open(_standing())
    assert not ledger.standing.open(_standing(high_water=LATER))
    assert ledger.standing.find(M) == _standing()
    fullest = _standing(
        version=2,
        closed_by="legal-user-17",
        state=StandingState.CLOSING,
        high_water=LATER,
        until=NOON + timedelta(hours=6),
        attempts=3,
        asked_at=LATER,
    )
    assert ledger.standing.advance(fullest)
    assert ledger.standing.find(M) == fullest


def test_a_standing_matter_without_an_end_has_none_when_it_is_read(ledger: Ledger) -> None:
    ledger.standing.open(_standing(ends_at=None))

    assert ledger.standing.find(M) == _standing(ends_at=None)


def test_only_who_has_read_what_stands_may_write(ledger: Ledger) -> None:
    ledger.standing.open(_standing())

    written = [
        ledger.standing.advance(_standing(version=version, attempts=version)) for version in (1, 3, 2, 2, 3)
    ]

    assert written == [False, False, True, False, True]
    assert ledger.standing.find(M) == _standing(version=3, attempts=3)


def test_a_standing_matter_that_nobody_opened_cannot_advance(ledger: Ledger) -> None:
    assert not ledger.standing.advance(_standing(version=1))
    assert not ledger.standing.advance(_standing(version=2))
    assert not ledger.standing.open(_standing(version=2))
    assert ledger.standing.find(M) is None
    assert list(ledger.standing.open_matters()) == []


def test_a_standing_matter_never_moves_backwards(ledger: Ledger) -> None:
    ledger.standing.open(_standing())
    assert ledger.standing.advance(_standing(version=2, state=StandingState.CLOSING))
    assert not ledger.standing.advance(_standing(version=3, state=StandingState.OPEN))
    assert ledger.standing.advance(_standing(version=3, state=StandingState.CLOSED))

    assert not ledger.standing.advance(_standing(version=4, state=StandingState.CLOSING))
    assert not ledger.standing.advance(_standing(version=4, state=StandingState.OPEN))


def test_only_a_closed_matter_is_opened_again(ledger: Ledger) -> None:
    ledger.standing.open(_standing())
    assert not ledger.standing.open(_standing(version=2))
    ledger.standing.advance(_standing(version=2, state=StandingState.CLOSED))

    again = [ledger.standing.open(_standing(version=version, starts_at=LATER)) for version in (1, 2, 4, 3, 3)]

    assert again == [False, False, False, True, False]
    assert ledger.standing.find(M) == _standing(version=3, starts_at=LATER)


def test_what_is_not_closed_is_listed_in_the_order_of_the_matters(ledger: Ledger) -> None:
    for matter_id in (OTHER_M, M, MatterId("M-0"), MatterId("M-10")):
        ledger.standing.open(_standing(matter_id))
    ledger.standing.advance(_standing(M, version=2, state=StandingState.CLOSING))
    ledger.standing.advance(_standing(MatterId("M-0"), version=2, state=StandingState.CLOSED))

    listed = list(ledger.standing.open_matters())
    ledger.standing.open(_standing(MatterId("M-0"), version=3))

    assert listed == [M, MatterId("M-10"), OTHER_M]
    assert list(ledger.standing.open_matters()) == [MatterId("M-0"), M, MatterId("M-10"), OTHER_M]
