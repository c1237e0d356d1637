"""Open a release: once, whoever delivers it how often."""

from collections.abc import Iterator
from dataclasses import replace

from holdfast.contracts.release import HoldReleaseRequested, read_release_event
from holdfast.contracts.steps import Opening, ReleaseOpened
from holdfast.domain.release import NOBODY
from holdfast.domain.states import MatterStatus, ReleaseState, StandingState
from holdfast.errors import LedgerContention, RequestRefused
from holdfast.ports import (
    Clock,
    Counter,
    MatterRecord,
    ReleaseRecord,
    ReleaseRequests,
    RequestBook,
    Runs,
    StandingBook,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import quarantine


def open_release(
    opening: Opening,
    *,
    releases: ReleaseRequests,
    requests: RequestBook,
    standing: StandingBook,
    release_runs: Runs,
    files: WorkFiles,
    clock: Clock,
    telemetry: Telemetry,
) -> ReleaseOpened:
    """Validate the event and write the release once.

    What is invalid, or cannot be now, is kept in quarantine and refused. A known release is left to the run
    that has it; if that run is dead, this one goes on where it stopped.

    Raises:
        LedgerContention: somebody else wrote at the same moment; the workflow repeats.
    """
    try:
        request = read_release_event(opening.event, HoldReleaseRequested)
        wanted = ReleaseRecord(
            matter_id=request.place,
            release_id=request.key,
            state=ReleaseState.OPEN,
            body=request.canonical(),
            body_sha256=request.body_sha256,
            execution_arn=opening.execution_arn,
            opened_at=clock.now(),
        )
        known = releases.find(wanted.matter_id, wanted.release_id)
        answer = (
            _opened(wanted, releases, requests.matter(wanted.matter_id), standing, release_runs)
            if known is None
            else _known(wanted, known, releases, release_runs)
        )
    except RequestRefused as refused:
        quarantine_key = quarantine(opening.event, files)
        telemetry.count(Counter.RELEASES_REFUSED)
        telemetry.warn("release_refused", quarantine_key=quarantine_key, faults=len(refused.faults))
        explanation = (
            f"release refused: {'; '.join(refused.faults)}. The event is kept at {quarantine_key}; "
            "nothing was let go."
        )
        return ReleaseOpened(outcome="REFUSED", faults=list(refused.faults), explanation=explanation)
    telemetry.note("release_opened", matter_id=wanted.matter_id, state=answer.outcome)
    return answer.model_copy(update={"matter_id": wanted.matter_id, "release_id": wanted.release_id})


def _opened(
    wanted: ReleaseRecord,
    releases: ReleaseRequests,
    matter: MatterRecord | None,
    standing: StandingBook,
    release_runs: Runs,
) -> ReleaseOpened:
    if matter is None and wanted.matter_id != NOBODY:
        raise RequestRefused(["matter_id: expected a matter that is known, found none"])
    if matter and matter.release_id:
        _supersede(releases.read(matter.matter_id, matter.release_id), releases, release_runs)
    if matter and (obstacles := list(_obstacles(matter, standing))):
        raise RequestRefused(obstacles)
    if not releases.open(replace(wanted, requests=matter.requests if matter else 0)):
        raise LedgerContention(
            f"release {wanted.release_id}: its matter was written by somebody else meanwhile"
        )
    return ReleaseOpened(outcome="OPENED")


def _supersede(other: ReleaseRecord, releases: ReleaseRequests, release_runs: Runs) -> None:
    """Refuse the release that stands in the way, if its run died before anything was let go."""
    is_under_way = other.state is ReleaseState.RELEASING or release_runs.is_alive(other.execution_arn)
    if is_under_way:
        fault = (
            f"matter_id: release {other.release_id} of the matter is under way ({other.state}); wait for its "
            "end, or send its own event again if its run has died"
        )
        raise RequestRefused([fault])
    ended = replace(other, state=ReleaseState.REFUSED, explanation="its run died, and another was asked for")
    if not releases.end(other, ended):
        raise LedgerContention(f"release {other.release_id} was written by somebody else meanwhile")


def _obstacles(matter: MatterRecord, standing: StandingBook) -> Iterator[str]:
    if matter.status is MatterStatus.RELEASED:
        yield "matter_id: the matter was released, and no request has claimed anything since"
    if matter.open_requests:
        yield (
            f"matter_id: expected no open request, found {matter.open_requests}; wait for their verdicts, "
            "and send again what died without one"
        )
    course = standing.find(matter.matter_id)
    if course and course.course.state is not StandingState.CLOSED:
        yield "matter_id: it is a standing matter that goes on; close it, and wait for its last interval"


def _known(
    wanted: ReleaseRecord, known: ReleaseRecord, releases: ReleaseRequests, release_runs: Runs
) -> ReleaseOpened:
    if known.body_sha256 != wanted.body_sha256:
        raise RequestRefused(["release_id: it is known with another body; use a new one"])
    if known.execution_arn == wanted.execution_arn:
        return ReleaseOpened(outcome="OPENED")
    if known.state is ReleaseState.REFUSED:
        raise RequestRefused([f"release_id: it was refused before ({known.explanation}); use a new one"])
    is_told = known.state is ReleaseState.RELEASED and not release_runs.has_broken_off(known.execution_arn)
    if is_told or release_runs.is_alive(known.execution_arn):
        return ReleaseOpened(outcome="DUPLICATE", points_to=known.execution_arn)
    if not releases.advance(known, replace(known, execution_arn=wanted.execution_arn)):
        raise LedgerContention(f"release {known.release_id} was written by somebody else meanwhile")
    return ReleaseOpened(outcome="OPENED")
