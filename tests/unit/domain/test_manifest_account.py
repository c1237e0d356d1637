"""The account of a batch whose export job left a manifest."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from holdfast.domain.ids import ConversationId, RecordingId
from holdfast.domain.manifest import Manifest, ManifestEntry, ManifestFault
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import (
    BatchAccount,
    Delivery,
    JobTally,
    PlatformRecording,
    Reason,
)
from holdfast.domain.states import BatchState

CREATED = datetime(2026, 4, 1, 12, tzinfo=UTC)
CALL, CHAT = ConversationId(str(UUID(int=1))), ConversationId(str(UUID(int=2)))
R1, R2, R3 = (RecordingId(str(UUID(int=100 + number))) for number in (1, 2, 3))


def arrived(recording_id: RecordingId, flaw: Reason | None = None, *, hours: int = 1) -> Delivery:
    at = CREATED + timedelta(hours=hours)
    return Delivery(recording_id, CALL, Medium.VOICE, at, at, flaw)


def entry(medium: Medium = Medium.VOICE, *, has_participant: bool = True) -> ManifestEntry:
    return ManifestEntry(CALL, medium, has_participant)


def account(*deliveries: Delivery, manifest: Manifest, total: int = 0, skipped: int = 0) -> BatchAccount:
    return BatchAccount(
        {CALL: Medium.VOICE, CHAT: Medium.CHAT},
        JobTally(BatchState.FULFILLED, CREATED, total, skipped, dict(manifest.failed)),
        deliveries,
        {},
        manifest=manifest,
    )


def reasons(account: BatchAccount) -> dict[RecordingId | None, Reason | None]:
    return {finding.recording_id: finding.reason for finding in account.findings()}


def test_what_is_named_and_there_is_secured_and_the_platform_is_not_asked() -> None:
    made = account(arrived(R1), manifest=Manifest(named={R1: entry()}), total=1)

    assert (made.outstanding(), made.to_read()) == (0, [])
    assert reasons(made) == {R1: None}


def test_what_failed_or_was_skipped_is_known_by_its_id() -> None:
    manifest = Manifest(named={R1: entry()}, failed={R2: CHAT}, skipped={R3: CALL})
    made = account(arrived(R1), manifest=manifest, total=3, skipped=1)

    assert (made.outstanding(), made.to_read()) == (0, [])
    assert reasons(made) == {R1: None, R2: Reason.FAILED_AT_PLATFORM, R3: Reason.SKIPPED_BY_PLATFORM}
    assert {one.recording_id: one.medium for one in made.findings()}[R2] is Medium.CHAT


def test_what_is_named_and_never_came_is_outstanding_and_then_missing() -> None:
    made = account(manifest=Manifest(named={R1: entry(Medium.SCREEN)}), total=1)

    (finding,) = made.findings()
    assert made.outstanding() == 1
    assert (finding.reason, finding.medium, finding.is_delivered) == (
        Reason.NOT_ARRIVED,
        Medium.SCREEN,
        False,
    )


def test_what_an_earlier_export_brought_does_not_stand_in_for_what_is_named() -> None:
    old = arrived(R2, hours=-24)
    made = account(old, manifest=Manifest(named={R1: entry()}), total=1)

    assert made.outstanding() == 1
    assert reasons(made) == {R1: Reason.NOT_ARRIVED, R2: None}


def test_what_came_and_is_not_named_is_explained() -> None:
    made = account(arrived(R1), arrived(R2), manifest=Manifest(named={R1: entry()}), total=2)

    assert made.to_read() == []
    assert reasons(made) == {R1: None, R2: Reason.NOT_IN_MANIFEST}
    assert [finding.standing for finding in made.findings()] == ["secured", "explained"]


@pytest.mark.parametrize("manifest", [Manifest(failed={R1: CALL}), Manifest(skipped={R1: CALL})])
def test_what_the_manifest_leaves_out_and_another_export_brought_is_secured(manifest: Manifest) -> None:
    made = account(arrived(R1), manifest=manifest, total=1, skipped=len(manifest.skipped))

    assert reasons(made) == {R1: None}


def test_without_a_participant_the_recording_is_there_and_missing() -> None:
    made = account(arrived(R1), manifest=Manifest(named={R1: entry(has_participant=False)}), total=1)

    (finding,) = made.findings()
    assert (finding.reason, finding.standing, finding.is_delivered) == (
        Reason.PARTICIPANT_MISSING,
        "missing",
        True,
    )


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        (Reason.TAGS_OMITTED, Reason.PARTICIPANT_MISSING),
        (Reason.ZERO_BYTES, Reason.ZERO_BYTES),
        (Reason.UNPAIRED_MEDIA, Reason.UNPAIRED_MEDIA),
    ],
)
def test_the_worse_reason_is_the_one_that_is_given(flaw: Reason, reason: Reason) -> None:
    made = account(arrived(R1, flaw), manifest=Manifest(named={R1: entry(has_participant=False)}), total=1)

    assert reasons(made) == {R1: reason}


def test_tags_without_room_and_a_sound_manifest_stay_explained() -> None:
    made = account(arrived(R1, Reason.TAGS_OMITTED), manifest=Manifest(named={R1: entry()}), total=1)

    assert reasons(made) == {R1: Reason.TAGS_OMITTED}


def test_half_a_recording_that_nobody_names_keeps_its_flaw() -> None:
    made = account(arrived(R1, Reason.UNPAIRED_SIDECAR), manifest=Manifest(), total=0)

    assert reasons(made) == {R1: Reason.UNPAIRED_SIDECAR}


@pytest.mark.parametrize("fault", ManifestFault)
def test_a_faulty_manifest_proves_nothing_of_what_is_there(fault: ManifestFault) -> None:
    made = account(arrived(R1), manifest=Manifest(fault), total=2)

    assert made.to_read() == [CALL, CHAT]
    made = replace(
        made,
        known={
            CALL: [
                PlatformRecording(R1, Medium.VOICE),
                PlatformRecording(R2, Medium.VOICE, exported_at=CREATED),
            ],
            CHAT: [PlatformRecording(R3, Medium.CHAT)],
        },
    )
    assert made.to_read() == []
    assert reasons(made) == {R1: Reason(fault), R2: Reason.NOT_ARRIVED, R3: Reason(fault)}


def test_what_a_faulty_manifest_leaves_without_a_name_bears_the_fault() -> None:
    made = account(manifest=Manifest(ManifestFault.UNREADABLE), total=1)

    assert reasons(replace(made, known={CALL: [], CHAT: []})) == {None: Reason.MANIFEST_UNREADABLE}


def test_failures_that_nobody_names_are_not_waited_for() -> None:
    made = account(arrived(R1), manifest=Manifest(ManifestFault.V1, {R1: entry()}), total=2)

    assert made.outstanding() == 1
    assert replace(made, job=replace(made.job, unnamed_failures=1)).outstanding() == 0


def test_what_the_job_counted_and_the_manifest_does_not_name_is_looked_up() -> None:
    made = account(arrived(R1), manifest=Manifest(named={R1: entry()}), total=2)

    assert made.to_read() == [CALL, CHAT]
    known = {CALL: [PlatformRecording(R1, Medium.VOICE), PlatformRecording(R2, Medium.VOICE)], CHAT: []}
    assert reasons(replace(made, known=known)) == {R1: None, R2: Reason.NOT_DELIVERED}


def test_a_callback_that_never_came_is_counted_as_one() -> None:
    made = replace(
        account(manifest=Manifest(named={R1: entry()}), total=1), conversations={CALL: Medium.CALLBACK}
    )

    assert [finding.medium for finding in made.findings()] == [Medium.CALLBACK]


def test_what_a_v1_manifest_names_and_never_came_is_counted_as_what_the_platform_calls_it() -> None:
    made = account(manifest=Manifest(ManifestFault.V1, {R1: entry(Medium.UNKNOWN)}), total=1)
    known = {CALL: [PlatformRecording(R1, Medium.SCREEN)], CHAT: []}

    assert [one.medium for one in made.findings()] == [Medium.VOICE]
    (finding,) = replace(made, known=known).findings()
    assert (finding.medium, finding.reason) == (Medium.SCREEN, Reason.NOT_ARRIVED)
