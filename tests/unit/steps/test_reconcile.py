from datetime import timedelta

import pytest

from holdfast.domain.ids import RecordingId, batch_id
from holdfast.domain.manifest import Manifest, ManifestEntry, ManifestFault
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import PlatformRecording, Reason
from holdfast.domain.states import BatchState, RequestState
from holdfast.domain.waits import MAX_WAIT_S
from holdfast.errors import PermissionMissing, PlatformThrottled, PlatformUnavailable
from holdfast.ports import Counter
from holdfast.steps.files import BatchFiles
from tests.fakes.house import DEADLINE, MATTER, REQUEST, House, Patience, batch_run
from tests.fakes.story import (
    conversation_id,
    deliver,
    end_job,
    exported,
    leave_manifest,
    planned,
    recording_id,
    start_job,
)

THROTTLED = PlatformThrottled("GET recordingmetadata", retry_after_s=45)


def _reasons(house: House, index: int = 0) -> list[Reason | None]:
    found = BatchFiles(house.files, MATTER, REQUEST, batch_id(1, index)).findings()
    return [finding.reason for finding in found]


def _list_at_platform(house: House, *numbers: int) -> None:
    for number in numbers:
        house.catalogue.recordings[conversation_id(number)] = [
            PlatformRecording(recording_id(number), Medium.VOICE)
        ]


def test_a_batch_that_balances_is_settled_without_asking_the_platform() -> None:
    house = exported(1, 2)

    answer = house.reconcile()

    assert (answer.done, answer.outstanding) == (True, 0)
    assert _reasons(house) == [None, None]
    assert house.catalogue.reads == []
    assert house.request.state is RequestState.RECONCILED
    assert house.telemetry.counts[Counter.RECORDINGS_SECURED] == 2


def test_what_is_outstanding_is_awaited_until_the_deadline_and_then_has_a_reason() -> None:
    house = planned((1, 2))
    end_job(house, total=2)
    deliver(house, 1)
    _list_at_platform(house, 1, 2)
    house.clock.forward(DEADLINE - timedelta(seconds=1))

    waiting = house.reconcile()
    assert (waiting.done, waiting.outstanding) == (False, 1)
    assert waiting.wait_s == 1
    assert house.request.state is RequestState.EXPORTED
    house.clock.forward(timedelta(seconds=1))
    settled = house.reconcile()

    assert settled.done
    assert sorted(_reasons(house), key=str) == [None, Reason.NOT_DELIVERED]
    assert house.telemetry.counts[Counter.RECORDINGS_MISSING] == 1


def test_what_arrives_late_but_before_the_deadline_is_secured() -> None:
    house = planned((1,))
    end_job(house, total=1)
    assert not house.reconcile().done

    deliver(house, 1)

    assert house.reconcile().done
    assert _reasons(house) == [None]


def test_failed_and_skipped_recordings_are_explained() -> None:
    house = planned((1, 2, 3))
    end_job(house, total=3, skipped=1, failed=[(2, 0)])
    deliver(house, 1)
    _list_at_platform(house, 1, 2, 3)

    assert house.reconcile().done
    assert sorted(_reasons(house), key=str) == [
        None,
        Reason.FAILED_AT_PLATFORM,
        Reason.SKIPPED_BY_PLATFORM,
    ]
    assert house.telemetry.counts[Counter.RECORDINGS_EXPLAINED] == 2


def test_a_settled_batch_is_never_touched_again() -> None:
    house = planned((1,), (2,))
    end_job(house, 0, total=1)
    end_job(house, 1, total=1)
    deliver(house, 1)
    house.reconcile()
    settled = house.batch(0)
    deliver(house, 1, 1)
    deliver(house, 2)

    assert house.reconcile().done
    assert house.batch(0) == settled
    assert _reasons(house, 0) == [None]


def test_a_job_that_was_cancelled_owes_nothing_but_every_recording_is_named() -> None:
    house = planned((1, 2))
    end_job(house, state=BatchState.CANCELLED)
    deliver(house, 1)
    _list_at_platform(house, 1, 2)

    assert house.reconcile().done
    assert sorted(_reasons(house), key=str) == [None, Reason.EXPORT_JOB_CANCELLED]


@pytest.mark.parametrize("is_started", [False, True])
def test_a_batch_whose_workflow_died_is_closed_as_failed(is_started: bool) -> None:
    house = planned((1,))
    if is_started:
        house.start_export_job(batch_run())
    _list_at_platform(house, 1)

    assert house.reconcile().done
    assert house.batch().state is BatchState.FAILED
    assert _reasons(house) == [Reason.EXPORT_JOB_FAILED]
    assert "batch_without_end" in house.telemetry.events()


def test_when_time_runs_out_between_batches_the_next_call_goes_on() -> None:
    house = planned((1,), (2,))
    for index in (0, 1):
        end_job(house, index, total=1)
    deliver(house, 1)
    deliver(house, 2)
    house.patience = Patience(2)  # one look before the first batch, one while naming it

    first = house.reconcile()
    house.patience = Patience()
    second = house.reconcile()

    assert (first.done, first.batch, first.wait_s) == (False, 1, 1)
    assert second.done


def test_a_pass_goes_on_with_the_batches_that_it_has_not_looked_at() -> None:
    house = planned((1,), (2,), (3,))
    for index in range(3):
        end_job(house, index, total=1)
    deliver(house, 3)
    house.patience = Patience(1)
    first = house.reconcile()
    house.patience = Patience(1)
    second = house.reconcile(first)
    house.patience = Patience()
    third = house.reconcile(second)

    assert [(one.batch, one.looks, one.outstanding) for one in (first, second)] == [(1, 1, 1), (2, 2, 2)]
    assert (third.done, third.batch, third.looks, third.outstanding) == (False, 0, 0, 2)
    assert house.batch(2).result_key


def test_a_pass_of_many_looks_is_followed_by_a_pause_for_each() -> None:
    house = planned((1,), (2,))
    for index in range(2):
        end_job(house, index, total=1)
    house.clock.forward(timedelta(hours=10))

    short = house.reconcile()
    house.patience = Patience(1)
    half_way = house.reconcile()
    house.patience = Patience()
    long = house.reconcile(half_way)

    assert (short.wait_s, long.wait_s) == (3_600, 7_200)


def test_the_last_pause_ends_with_the_deadline() -> None:
    house = planned((1,))
    end_job(house, total=1)
    house.clock.forward(DEADLINE - timedelta(seconds=100))

    assert house.reconcile().wait_s == 100


def test_a_batch_whose_recordings_are_half_named_is_gone_on_with_first() -> None:
    house = planned(range(1, 9), (9,))
    for index in range(2):
        end_job(house, index, state=BatchState.CANCELLED)
    _list_at_platform(house, *range(1, 10))
    house.patience = Patience(2)  # one look before the first batch, one while naming it

    first = house.reconcile()

    assert (first.done, first.batch) == (False, 0)
    house.patience = Patience()
    assert house.reconcile(first).done


def test_what_was_read_from_the_platform_is_kept_for_the_next_call() -> None:
    numbers = range(1, 41)
    house = planned(numbers)
    end_job(house, state=BatchState.CANCELLED)
    _list_at_platform(house, *numbers)
    answers = []
    for _ in range(10):
        house.patience = Patience(2)
        answers.append(house.reconcile().done)

    assert len(house.catalogue.reads) == len(set(house.catalogue.reads)) == 40
    assert (answers[0], answers[-1]) == (False, True)
    assert _reasons(house) == [Reason.EXPORT_JOB_CANCELLED] * 40


def test_an_outage_of_the_platform_is_waited_out() -> None:
    house = planned((1,))
    end_job(house, state=BatchState.CANCELLED)
    _list_at_platform(house, 1)
    house.clock.forward(2 * DEADLINE - timedelta(minutes=1))
    house.catalogue.failures = [PlatformUnavailable("GET recordingmetadata: 503")]

    during = house.reconcile()

    assert (during.done, during.wait_s) == (False, MAX_WAIT_S)
    assert house.reconcile().done


def test_an_outage_without_end_ends_the_run() -> None:
    house = planned((1,))
    end_job(house, state=BatchState.CANCELLED)
    _list_at_platform(house, 1)
    house.clock.forward(2 * DEADLINE)
    house.catalogue.failures = [PlatformUnavailable("GET recordingmetadata: 503")]

    with pytest.raises(PlatformUnavailable):
        house.reconcile()


def test_a_throttled_reading_waits_as_told_and_goes_on() -> None:
    house = planned((1,))
    end_job(house, state=BatchState.CANCELLED)
    _list_at_platform(house, 1)
    house.catalogue.failures = [THROTTLED]

    throttled = house.reconcile()

    assert (throttled.done, throttled.batch, throttled.looks, throttled.wait_s) == (False, 0, 0, 45)
    assert house.telemetry.counts[Counter.THROTTLES] == 1
    assert house.reconcile().done


def test_another_error_is_left_to_the_workflow() -> None:
    house = planned((1,))
    end_job(house, state=BatchState.FAILED)
    house.catalogue.failures = [PermissionMissing("GET: 403")]

    with pytest.raises(PermissionMissing):
        house.reconcile()
    assert house.reconcile().done


def test_an_undigested_recording_is_awaited() -> None:
    house = planned((1,))
    end_job(house, total=1)
    house.hash_limit_bytes = 0
    deliver(house, 1)

    assert house.reconcile().outstanding == 1
    house.clock.forward(DEADLINE)
    house.reconcile()

    assert _reasons(house) == [Reason.HASH_PENDING]


def test_a_request_without_conversations_is_reconciled_at_once() -> None:
    house = planned(())

    assert house.reconcile().done
    assert house.request.state is RequestState.RECONCILED


# --- with manifests


def _awaiting_manifest(total: int) -> House:
    """One conversation's recording arrived; the job of both owes its manifest."""
    house = planned((1, 2))
    house.manifests.is_expected = True
    end_job(house, total=total)
    deliver(house, 1)
    return house


def _named(*numbers: int) -> dict[RecordingId, ManifestEntry]:
    return {
        recording_id(number): ManifestEntry(conversation_id(number), Medium.VOICE, has_participant=True)
        for number in numbers
    }


def test_what_one_pass_found_owed_is_not_owed_for_ever() -> None:
    house = planned((1, 2))
    end_job(house, total=2)
    deliver(house, 1)

    waiting = house.reconcile()
    deliver(house, 2)
    settled = house.reconcile(waiting)

    assert (waiting.done, waiting.outstanding) == (False, 1)
    assert (settled.done, settled.outstanding) == (True, 0)


def test_a_manifest_that_has_not_come_is_awaited_and_then_missed() -> None:
    house = _awaiting_manifest(1)
    _list_at_platform(house, 1)

    waiting = house.reconcile()
    house.clock.forward(DEADLINE)
    settled = house.reconcile()

    assert (waiting.done, waiting.outstanding, settled.done) == (False, 1, True)
    assert _reasons(house) == [Reason.MANIFEST_MISSING]


def test_a_manifest_that_comes_late_is_believed() -> None:
    house = _awaiting_manifest(2)
    assert house.reconcile().outstanding == 2
    job_id = house.batch().job_id
    assert job_id

    leave_manifest(house, job_id, Manifest(named=_named(1), failed={recording_id(2): conversation_id(2)}))

    assert house.reconcile().done
    assert _reasons(house) == [None, Reason.FAILED_AT_PLATFORM]
    assert house.catalogue.reads == []


def test_a_manifest_that_is_there_and_not_secured_is_awaited_and_then_believed_all_the_same() -> None:
    house = _awaiting_manifest(1)
    job_id = house.batch().job_id
    assert job_id
    house.manifests.manifests[job_id] = Manifest(named=_named(1))

    waiting = house.reconcile()
    house.clock.forward(DEADLINE)
    settled = house.reconcile()

    assert (waiting.done, waiting.outstanding, settled.done) == (False, 1, True)
    assert _reasons(house) == [None]


def test_failures_that_a_faulty_manifest_does_not_name_hold_nothing_up() -> None:
    house = planned((1, 2))
    house.manifests.is_expected = True
    job_id = start_job(house)
    house.clock.forward(timedelta(minutes=10))
    house.jobs.move(job_id, state=BatchState.FULFILLED, total=2, failed=1)
    house.check_export_job(batch_run())
    deliver(house, 1)
    _list_at_platform(house, 1, 2)
    leave_manifest(house, job_id, Manifest(ManifestFault.V1, _named(1)))

    assert house.reconcile().done
    assert _reasons(house) == [Reason.MANIFEST_V1, Reason.MANIFEST_V1]


def test_a_job_that_broke_off_owes_no_manifest() -> None:
    house = planned((1,))
    house.manifests.is_expected = True
    end_job(house, state=BatchState.FAILED)
    _list_at_platform(house, 1)

    assert house.reconcile().done
    assert _reasons(house) == [Reason.EXPORT_JOB_FAILED]
