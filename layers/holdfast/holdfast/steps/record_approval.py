"""Write down that somebody approved a release; or why that does not count."""

from dataclasses import replace
from typing import Any

from holdfast.contracts.release import HoldReleaseApproved, HoldReleaseRequested, read_release_event
from holdfast.contracts.steps import ApprovalRecorded, Opening
from holdfast.domain.release import Approval, Standing, objections
from holdfast.domain.states import ReleaseState
from holdfast.errors import LedgerContention, RequestRefused
from holdfast.ports import Clock, Counter, ReleaseRecord, ReleaseRequests, Telemetry, WorkFiles
from holdfast.steps.files import quarantine


def record_approval(
    opening: Opening,
    *,
    releases: ReleaseRequests,
    files: WorkFiles,
    clock: Clock,
    telemetry: Telemetry,
) -> ApprovalRecorded:
    """Validate the event and judge it by the plan that was announced.

    What does not count is kept in quarantine and refused, and the release goes on waiting. The clock that
    counts is ours: the time in an event is its sender's word.

    Raises:
        LedgerContention: somebody else wrote at the same moment; the workflow repeats.
    """
    named: dict[str, str] = {}
    try:
        approval = read_release_event(opening.event, HoldReleaseApproved)
        named = {"matter_id": approval.place, "release_id": approval.key}
        said = _said(approval, opening.event, clock)
        release = _approvable(approval, said, releases)
    except RequestRefused as refused:
        quarantine_key = quarantine(opening.event, files)
        telemetry.count(Counter.APPROVALS_REFUSED)
        telemetry.warn("approval_refused", quarantine_key=quarantine_key, faults=len(refused.faults))
        explanation = (
            f"approval refused: {'; '.join(refused.faults)}. The event is kept at {quarantine_key}; it "
            "changed nothing."
        )
        refusal = {"outcome": "REFUSED", "faults": list(refused.faults), "explanation": explanation}
        return ApprovalRecorded.model_validate(named | refusal)
    if release.approval:
        telemetry.note("approval_known", matter_id=release.matter_id)
        return ApprovalRecorded.model_validate(named | {"outcome": "KNOWN"})
    if not releases.advance(release, replace(release, state=ReleaseState.APPROVED, approval=said)):
        raise LedgerContention(f"release {release.release_id} was written by somebody else meanwhile")
    telemetry.note("release_approved", matter_id=release.matter_id)
    return ApprovalRecorded.model_validate(named | {"outcome": "RECORDED"})


def _approvable(approval: HoldReleaseApproved, said: Approval, releases: ReleaseRequests) -> ReleaseRecord:
    """Find the release; it has an approval already if this is that event, delivered again.

    Raises:
        RequestRefused: the approval does not count.
    """
    release = releases.find(approval.place, approval.key)
    if release is None:
        raise RequestRefused(["release_id: expected a release that was asked for, found none"])
    if release.approval and release.approval.event_id == said.event_id:
        return release
    found = objections(
        _standing(release),
        approved_by=approval.approved_by,
        plan_sha256=approval.plan_sha256,
        now=said.at,
    )
    if found:
        raise RequestRefused(found)
    return release


def _said(approval: HoldReleaseApproved, event: Any, clock: Clock) -> Approval:
    """Put the name that was asserted beside what EventBridge itself says of the event."""
    return Approval(
        approved_by=approval.approved_by,
        at=clock.now(),
        event_id=str(event.get("id", "")),
        account=str(event.get("account", "")),
    )


def _standing(release: ReleaseRecord) -> Standing:
    request = HoldReleaseRequested.model_validate_json(release.body)
    return Standing(
        state=release.state,
        requested_by=request.requested_by,
        plan_sha256=release.plan.sha256 if release.plan else None,
        approve_by=release.plan.approve_by if release.plan else None,
    )
