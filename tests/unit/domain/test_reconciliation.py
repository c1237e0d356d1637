"""The account of a batch, held against a truth that hypothesis makes up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from itertools import islice
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.custody import ObjectVersion, Receipt
from holdfast.domain.evidence_key import SIDECAR_SUFFIX, Role
from holdfast.domain.ids import ConversationId, RecordingId
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import (
    EXPLAINING,
    MEANINGS,
    BatchAccount,
    Finding,
    JobTally,
    PlatformRecording,
    Reason,
    pair_up,
)
from holdfast.domain.states import BatchState

CREATED = datetime(2026, 4, 1, 12, tzinfo=UTC)
LATER, BEFORE = CREATED + timedelta(hours=1), CREATED - timedelta(days=1)


class Fate(Enum):
    """What became of one recording."""

    DELIVERED = auto()
    DELIVERED_TWICE = auto()
    DELIVERED_BEFORE_AND_AGAIN = auto()
    FAILED = auto()
    FAILED_HALFWAY = auto()
    SKIPPED = auto()
    LOST = auto()  # the platform says it delivered it
    LOST_UNSAID = auto()  # the platform says nothing
    GHOST = auto()  # counted by the job, listed nowhere
    MEDIA_ALONE = auto()
    SIDECAR_ALONE = auto()
    EMPTY = auto()
    UNHASHED = auto()
    HASHED_LATER = auto()
    WITHOUT_ROOM_FOR_TAGS = auto()
    DELETED = auto()  # between the job's creation and its turn
    DELETED_BEFORE = auto()  # the job never counted it
    SKIPPED_BUT_THERE = auto()  # an earlier export had the right to it
    SKIPPED_BUT_COMING = auto()  # so has another that runs beside this one


GOOD = {Fate.DELIVERED, Fate.DELIVERED_TWICE, Fate.DELIVERED_BEFORE_AND_AGAIN, Fate.HASHED_LATER}
EXPLAINED = {
    Fate.FAILED,
    Fate.FAILED_HALFWAY,
    Fate.SKIPPED,
    Fate.DELETED,
    Fate.DELETED_BEFORE,
    Fate.WITHOUT_ROOM_FOR_TAGS,
}
THERE_ALL_THE_SAME = {Fate.SKIPPED_BUT_THERE, Fate.SKIPPED_BUT_COMING}
DELETED = {Fate.DELETED, Fate.DELETED_BEFORE}
BAD = set(Fate) - GOOD - EXPLAINED - THERE_ALL_THE_SAME


@dataclass(frozen=True)
class Batch:
    """The truth of one batch: each recording's fate, by conversation."""

    fates: list[list[Fate]]
    state: BatchState = BatchState.FULFILLED
    receipts: list[Receipt] = field(default_factory=list)
    digested: set[str] = field(default_factory=set)
    listed: dict[ConversationId, list[PlatformRecording]] = field(default_factory=dict)
    by_recording: dict[RecordingId, Fate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for place, fates in enumerate(self.fates):
            conversation_id = ConversationId(str(UUID(int=place + 1)))
            self.listed[conversation_id] = []
            for number, fate in enumerate(fates):
                recording_id = RecordingId(str(UUID(int=1_000 * (place + 1) + number)))
                self.by_recording[recording_id] = fate
                self._arrive(conversation_id, recording_id, fate)
                if fate is not Fate.GHOST:
                    was_exported = fate in GOOD or fate in {Fate.LOST, Fate.EMPTY, Fate.UNHASHED}
                    self.listed[conversation_id].append(
                        PlatformRecording(
                            recording_id,
                            Medium.VOICE,
                            is_deleted=fate in DELETED,
                            exported_at=LATER if was_exported else None,
                        )
                    )

    def conversation_of(self, recording_id: RecordingId) -> ConversationId:
        return ConversationId(str(UUID(int=UUID(recording_id).int // 1_000)))

    def account(self, known: dict[ConversationId, list[PlatformRecording]] | None = None) -> BatchAccount:
        fates = Counter(self.by_recording.values())
        is_fulfilled = self.state is BatchState.FULFILLED
        failed = [
            recording_id
            for recording_id, fate in self.by_recording.items()
            if fate in {Fate.FAILED, Fate.FAILED_HALFWAY}
        ]
        return BatchAccount(
            conversations=dict.fromkeys(self.listed, Medium.VOICE),
            job=JobTally(
                self.state,
                CREATED,
                total=len(self.by_recording) - fates[Fate.DELETED_BEFORE] if is_fulfilled else 0,
                skipped=sum(fates[fate] for fate in {Fate.SKIPPED} | THERE_ALL_THE_SAME)
                if is_fulfilled
                else 0,
                failed={one: self.conversation_of(one) for one in failed},
            ),
            deliveries=pair_up(self.receipts, self.digested),
            known=known or {},
        )

    def settled(self) -> BatchAccount:
        """Ask the platform as long as the account wants to."""
        known: dict[ConversationId, list[PlatformRecording]] = {}
        while wanted := self.account(known).to_read():
            assert not known.keys() & set(wanted), "asked twice"
            known[wanted[0]] = self.listed[wanted[0]]
        return self.account(known)

    def _arrive(self, conversation_id: ConversationId, recording_id: RecordingId, fate: Fate) -> None:
        def part(role: Role, version: str, **changes: object) -> Receipt:
            key = f"{conversation_id}/{recording_id}.wav" + (SIDECAR_SUFFIX if role is Role.SIDECAR else "")
            size = 0 if fate is Fate.EMPTY and role is Role.MEDIA else 10
            is_unhashed = fate in {Fate.UNHASHED, Fate.HASHED_LATER} and role is Role.MEDIA
            at = BEFORE if version == "old" else LATER
            receipt = Receipt(
                ObjectVersion("evidence", key, version, size),
                role,
                at,
                at,
                None if is_unhashed else "ab" * 32,
                conversation_id,
                recording_id,
                Medium.VOICE if role is Role.SIDECAR else None,
                ("recording-id",) if fate is Fate.WITHOUT_ROOM_FOR_TAGS else (),
            )
            if is_unhashed and fate is Fate.HASHED_LATER:
                self.digested.add(receipt.version.fingerprint)
            return receipt

        versions = {
            Fate.DELIVERED_TWICE: ["new", "newer"],
            Fate.DELIVERED_BEFORE_AND_AGAIN: ["old", "new"],
            Fate.SKIPPED_BUT_THERE: ["old"],
        }.get(fate, ["new"])
        nothing = {Fate.FAILED, Fate.SKIPPED, Fate.LOST, Fate.LOST_UNSAID, Fate.GHOST, *DELETED}
        for version in [] if fate in nothing else versions:
            if fate is not Fate.SIDECAR_ALONE:
                self.receipts.append(part(Role.MEDIA, version))
            if fate not in {Fate.MEDIA_ALONE, Fate.FAILED_HALFWAY}:
                self.receipts.append(part(Role.SIDECAR, version))


def batches_of(
    fates: Sequence[Fate], states: Sequence[BatchState] = (BatchState.FULFILLED,)
) -> st.SearchStrategy[Batch]:
    conversations = st.lists(st.lists(st.sampled_from(fates), max_size=4), min_size=1, max_size=4)
    return st.builds(Batch, conversations, st.sampled_from(states))


ANY_FATE = list(Fate)
# What comes beside the job, or was never counted by it, cannot be told from what it owes.
TELLABLE = [fate for fate in Fate if fate not in {Fate.SKIPPED_BUT_COMING, Fate.DELETED_BEFORE}]
ENDS = [BatchState.FULFILLED, BatchState.FAILED, BatchState.CANCELLED]


def _missing(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.standing == "missing"]


@given(batches_of(ANY_FATE, ENDS))
def test_every_recording_is_named_at_most_once_and_has_one_standing(batch: Batch) -> None:
    findings = batch.settled().findings()

    named = [finding.recording_id for finding in findings if finding.recording_id]
    standings = Counter(finding.standing for finding in findings)
    assert len(named) == len(set(named))
    assert len(findings) == standings["secured"] + standings["explained"] + standings["missing"]


@given(batches_of(ANY_FATE, ENDS))
def test_the_findings_of_a_settled_batch_cover_what_the_job_counted(batch: Batch) -> None:
    account = batch.settled()

    assert len(account.findings()) >= account.job.total


@given(batches_of(TELLABLE))
def test_the_findings_are_exactly_what_the_job_counted(batch: Batch) -> None:
    account = batch.settled()

    assert len(account.findings()) == account.job.total


@given(batches_of(TELLABLE))
def test_as_many_recordings_are_missing_as_are_really_missing(batch: Batch) -> None:
    findings = batch.settled().findings()

    assert len(_missing(findings)) == sum(fate in BAD for fate in batch.by_recording.values())


@given(batches_of(ANY_FATE, ENDS))
def test_what_is_secured_really_is(batch: Batch) -> None:
    for finding in batch.settled().findings():
        if finding.standing == "secured":
            assert finding.recording_id is not None
            fate = batch.by_recording[finding.recording_id]
            assert fate in GOOD | THERE_ALL_THE_SAME
            assert finding.conversation_id == batch.conversation_of(finding.recording_id)


@given(batches_of(ANY_FATE, ENDS))
def test_no_count_excuses_a_recording_that_the_platform_says_it_delivered(batch: Batch) -> None:
    findings = {finding.recording_id: finding for finding in batch.settled().findings()}

    for recording_id, fate in batch.by_recording.items():
        if fate in {Fate.LOST, Fate.EMPTY, Fate.UNHASHED, Fate.MEDIA_ALONE, Fate.SIDECAR_ALONE}:
            assert findings[recording_id].standing == "missing"


def test_what_was_deleted_long_ago_does_not_stand_in_for_what_is_lost() -> None:
    batch = Batch([[Fate.DELETED_BEFORE], [Fate.SKIPPED_BUT_COMING, Fate.LOST]])

    findings = batch.settled().findings()

    assert [finding.reason for finding in _missing(findings)] == [Reason.NOT_ARRIVED]


def test_what_an_earlier_export_brought_neither_ends_the_wait_nor_excuses_what_this_one_lost() -> None:
    batch = Batch([[Fate.DELIVERED, Fate.SKIPPED_BUT_THERE, Fate.LOST_UNSAID]])

    assert batch.account().outstanding() == 1
    findings = batch.settled().findings()
    assert [finding.reason for finding in findings] == [None, None, Reason.NOT_DELIVERED]


@given(batches_of(ANY_FATE))
def test_when_nothing_is_missing_nothing_is_outstanding_but_what_was_deleted(batch: Batch) -> None:
    account = batch.settled()

    if not _missing(account.findings()):
        deleted = sum(fate in DELETED for fate in batch.by_recording.values())
        assert account.outstanding() <= deleted


@given(batches_of(TELLABLE))
def test_what_has_not_come_is_outstanding_whatever_else_came_twice(batch: Batch) -> None:
    not_there = {Fate.LOST, Fate.LOST_UNSAID, Fate.GHOST, Fate.MEDIA_ALONE, Fate.SIDECAR_ALONE, Fate.UNHASHED}
    count = sum(fate in not_there | {Fate.DELETED} for fate in batch.by_recording.values())

    assert batch.account().outstanding() == count


@given(batches_of(ANY_FATE, ENDS), st.randoms(use_true_random=False))
def test_the_order_of_arrival_changes_nothing(batch: Batch, chance: Random) -> None:
    account = batch.settled()
    shuffled = list(batch.receipts)
    chance.shuffle(shuffled)

    again = replace(account, deliveries=pair_up(shuffled, batch.digested))

    assert set(again.findings()) == set(account.findings())
    assert again.outstanding() == account.outstanding()
    assert set(again.to_read()) == set(account.to_read())


@given(batches_of(ANY_FATE, ENDS))
def test_a_further_copy_of_every_version_changes_nothing(batch: Batch) -> None:
    account = batch.settled()
    copies = [
        replace(receipt, version=replace(receipt.version, version_id=receipt.version.version_id + "-copy"))
        for receipt in batch.receipts
        if receipt.sha256 and receipt.version.size_bytes
    ]

    doubled = replace(account, deliveries=pair_up([*batch.receipts, *copies], batch.digested))

    assert doubled.findings() == account.findings()


@given(batches_of(ANY_FATE, [BatchState.FAILED, BatchState.CANCELLED]))
def test_a_job_that_broke_off_owes_nothing_and_every_recording_it_left_is_named(batch: Batch) -> None:
    account = batch.settled()

    expected = {
        BatchState.FAILED: Reason.EXPORT_JOB_FAILED,
        BatchState.CANCELLED: Reason.EXPORT_JOB_CANCELLED,
    }[batch.state]
    reasons = {finding.recording_id: finding.reason for finding in account.findings()}
    assert account.outstanding() == 0
    for recording_id, fate in batch.by_recording.items():
        if fate in {Fate.SKIPPED, Fate.LOST, Fate.LOST_UNSAID}:
            assert reasons[recording_id] is expected


@given(batches_of(ANY_FATE, ENDS), st.integers(1, 3))
def test_an_inquiry_asks_for_what_the_account_would_ask_for_with_every_answer(
    batch: Batch, count: int
) -> None:
    known: dict[ConversationId, list[PlatformRecording]] = {}
    inquiry = batch.account().inquiry()

    while wanted := list(islice(inquiry.wanted(), count)):
        assert wanted == batch.account(known).to_read()[:count]
        answers = {conversation_id: batch.listed[conversation_id] for conversation_id in wanted}
        inquiry.learn(answers)
        known |= answers

    assert batch.account(known).to_read() == []


@pytest.mark.parametrize(
    ("fate", "reason"),
    [
        (Fate.DELIVERED, None),
        (Fate.DELIVERED_TWICE, None),
        (Fate.HASHED_LATER, None),
        (Fate.FAILED, Reason.FAILED_AT_PLATFORM),
        (Fate.FAILED_HALFWAY, Reason.FAILED_AT_PLATFORM),
        (Fate.SKIPPED, Reason.SKIPPED_BY_PLATFORM),
        (Fate.LOST, Reason.NOT_ARRIVED),
        (Fate.LOST_UNSAID, Reason.NOT_DELIVERED),
        (Fate.MEDIA_ALONE, Reason.UNPAIRED_MEDIA),
        (Fate.SIDECAR_ALONE, Reason.UNPAIRED_SIDECAR),
        (Fate.EMPTY, Reason.ZERO_BYTES),
        (Fate.UNHASHED, Reason.HASH_PENDING),
        (Fate.WITHOUT_ROOM_FOR_TAGS, Reason.TAGS_OMITTED),
        (Fate.DELETED, Reason.DELETED_AT_PLATFORM),
    ],
)
def test_each_fate_has_its_reason(fate: Fate, reason: Reason | None) -> None:
    (finding,) = Batch([[fate]]).settled().findings()

    assert finding.reason is reason
    assert finding.recording_id is not None
    assert finding.medium is Medium.VOICE


def test_what_the_job_counted_and_nobody_lists_is_unknown() -> None:
    (finding,) = Batch([[Fate.GHOST]]).settled().findings()

    assert finding == Finding(None, None, Medium.UNKNOWN, False, Reason.UNKNOWN)


def test_a_batch_that_balances_asks_the_platform_nothing() -> None:
    assert Batch([[Fate.DELIVERED, Fate.DELIVERED_TWICE], []]).account().to_read() == []


def test_a_failed_recording_is_looked_up_alone_to_learn_what_it_is() -> None:
    batch = Batch([[Fate.DELIVERED], [Fate.FAILED]])

    assert batch.account().to_read() == [list(batch.listed)[1]]


def test_skips_are_looked_for_first_where_least_arrived() -> None:
    batch = Batch([[Fate.DELIVERED, Fate.DELIVERED], [Fate.SKIPPED], [Fate.DELIVERED]])
    first, second, third = batch.listed

    assert batch.account().to_read() == [second, third, first]


def test_when_the_skipped_are_known_nobody_else_is_asked_about() -> None:
    batch = Batch([[Fate.DELIVERED], [Fate.SKIPPED], []])
    known = list(batch.listed)[1]

    assert batch.account({known: batch.listed[known]}).to_read() == []


def test_an_arrival_older_than_the_job_makes_counting_worthless() -> None:
    batch = Batch([[Fate.DELIVERED_BEFORE_AND_AGAIN], [Fate.DELIVERED]])

    assert batch.account().to_read() == list(batch.listed)


def test_screens_that_nobody_asked_for_do_not_count() -> None:
    batch = Batch([[Fate.DELIVERED, Fate.DELIVERED]])
    (conversation_id,) = batch.listed
    account = batch.account()
    voice, other = account.deliveries
    screen = replace(other, medium=Medium.SCREEN)
    unseen = PlatformRecording(RecordingId("unseen"), Medium.SCREEN)

    wanted = replace(
        account,
        job=replace(account.job, total=1),
        deliveries=[voice, screen],
        known={conversation_id: [unseen]},
        include_screen=False,
    )

    assert [finding.recording_id for finding in wanted.findings()] == [voice.recording_id]
    assert wanted.outstanding() == 0


def test_what_has_no_recording_id_belongs_to_no_recording() -> None:
    batch = Batch([[Fate.DELIVERED]])
    stray = replace(batch.receipts[0], recording_id=None)

    assert pair_up([stray]) == []


def test_a_recording_without_conversation_is_a_defect() -> None:
    batch = Batch([[Fate.DELIVERED]])

    with pytest.raises(ValueError, match="without a conversation"):
        pair_up([replace(batch.receipts[0], conversation_id=None)])


def test_media_and_sidecar_pair_by_their_full_names() -> None:
    media, sidecar = Batch([[Fate.DELIVERED]]).receipts
    other = replace(media, version=replace(media.version, key=media.version.key.replace(".wav", ".opus")))

    (delivery,) = pair_up([other, sidecar])

    assert delivery.flaw is Reason.UNPAIRED_MEDIA
    assert not delivery.is_complete


def test_a_recording_whose_conversation_is_a_stranger_has_no_medium() -> None:
    batch = Batch([[Fate.FAILED]])
    account = replace(batch.account(), conversations={}, known={})

    assert [finding.medium for finding in account.findings()] == [Medium.UNKNOWN]


def test_every_reason_is_explained_in_words_and_only_a_few_close_the_account() -> None:
    assert set(MEANINGS) == set(Reason)
    assert EXPLAINING.isdisjoint(
        {
            Reason.NOT_DELIVERED,
            Reason.NOT_ARRIVED,
            Reason.PARKED,
            Reason.NOT_YET_AVAILABLE,
            Reason.HASH_PENDING,
            Reason.HOLD_REFUSED,
            Reason.HOLD_CONFLICT,
            Reason.HOLD_NOT_CONFIRMED,
            Reason.EXPORT_JOB_FAILED,
            Reason.EXPORT_JOB_CANCELLED,
            Reason.ZERO_BYTES,
            Reason.UNKNOWN,
        }
    )


def test_the_audio_of_a_callback_counts_as_a_callback_delivered_or_not() -> None:
    conversation_id, failed, missing = ConversationId("c"), RecordingId("r-failed"), RecordingId("r-missing")
    account = BatchAccount(
        conversations={conversation_id: Medium.CALLBACK},
        job=JobTally(BatchState.FULFILLED, CREATED, total=2, failed={failed: conversation_id}),
        deliveries=[],
        known={
            conversation_id: [
                PlatformRecording(failed, Medium.VOICE),
                PlatformRecording(missing, Medium.VOICE),
            ]
        },
    )

    assert {finding.medium for finding in account.findings()} == {Medium.CALLBACK}
