"""Begin a release once it is approved and has cooled off; end it if that can no longer be."""

from dataclasses import replace
from datetime import datetime, timedelta

from holdfast.contracts.steps import ReleaseBegun, ReleaseWaiting
from holdfast.domain.moments import to_text
from holdfast.domain.release import cools_off_until
from holdfast.domain.states import ReleaseState
from holdfast.domain.waits import MIN_WAIT_S, bounded, poll_wait_s
from holdfast.ports import Clock, Counter, ReleaseRecord, ReleaseRequests, RequestBook, Telemetry

# Who approves after days does not mind an hour; and a workflow that waits for a month stays short.
LONGEST_WAIT_S = 3_600


def begin_release(
    waiting: ReleaseWaiting,
    *,
    releases: ReleaseRequests,
    requests: RequestBook,
    cool_off: timedelta,
    clock: Clock,
    telemetry: Telemetry,
) -> ReleaseBegun:
    """Look where the release stands, and move it on if its time has come.

    It begins on condition that the plan still says all that the matter claims, and nothing of the matter is
    being exported. One that is begun goes on until it is done.
    """
    release, now = releases.read(waiting.matter_id, waiting.release_id), clock.now()
    plan, approval = release.plan, release.approval
    if release.state is ReleaseState.PLANNED and plan:
        if now < plan.approve_by:
            return _wait(waiting.since, now, plan.approve_by)
        return _refuse(release, f"nobody approved it by {to_text(plan.approve_by)}", releases, telemetry)
    if release.state is ReleaseState.APPROVED and approval:
        begins_at = cools_off_until(approval, cool_off)
        if now < begins_at:
            return ReleaseBegun(
                status="WAIT", wait_s=bounded((begins_at - now).total_seconds(), LONGEST_WAIT_S)
            )
        if releases.begin(release, replace(release, state=ReleaseState.RELEASING)):
            telemetry.note("release_begun", matter_id=release.matter_id)
            return ReleaseBegun(status="BEGUN", wait_s=MIN_WAIT_S)
        if releases.read(waiting.matter_id, waiting.release_id) != release:
            return ReleaseBegun(status="WAIT", wait_s=MIN_WAIT_S)
        return _refuse(release, _obstacle(release, requests), releases, telemetry)
    if release.state is ReleaseState.REFUSED:
        return _refused(release)
    is_over = release.state is ReleaseState.RELEASED
    return ReleaseBegun(status="ENDED" if is_over else "BEGUN", wait_s=MIN_WAIT_S)


def _wait(since: datetime, now: datetime, until: datetime) -> ReleaseBegun:
    wait_s = poll_wait_s((now - since).total_seconds(), longest_s=LONGEST_WAIT_S)
    left_s = (until - now).total_seconds()
    return ReleaseBegun(status="WAIT", wait_s=bounded(min(wait_s, left_s), LONGEST_WAIT_S))


def _obstacle(release: ReleaseRecord, requests: RequestBook) -> str:
    """Say what did not hold when it should have begun."""
    matter = requests.matter(release.matter_id)
    if matter and matter.open_requests:
        return (
            f"expected no open request of the matter, found {matter.open_requests}; wait for their verdicts, "
            "then ask for another release"
        )
    if matter and matter.requests != release.requests:
        return "a request of the matter was opened after the plan was made, which no longer says everything"
    return "the matter is a standing one that goes on; close it, then ask for another release"


def _refuse(
    release: ReleaseRecord, why: str, releases: ReleaseRequests, telemetry: Telemetry
) -> ReleaseBegun:
    refused = replace(release, state=ReleaseState.REFUSED, explanation=why)
    if not releases.end(release, refused):  # an approval came at this very moment
        return ReleaseBegun(status="WAIT", wait_s=MIN_WAIT_S)
    telemetry.count(Counter.RELEASES_REFUSED)
    telemetry.warn("release_not_begun", matter_id=release.matter_id)
    return _refused(refused)


def _refused(release: ReleaseRecord) -> ReleaseBegun:
    explanation = (
        f"release {release.release_id} of matter {release.matter_id} refused: {release.explanation}. Nothing "
        "was let go."
    )
    return ReleaseBegun(status="REFUSED", wait_s=MIN_WAIT_S, explanation=explanation)
