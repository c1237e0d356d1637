"""Write down what a person decided about an exception: once, whoever delivers it how often."""

from typing import Any

from holdfast.contracts.decisions import read_decision_event
from holdfast.contracts.steps import ExceptionDecided, Opening
from holdfast.domain.decisions import Resolution
from holdfast.domain.evidence_key import Role
from holdfast.domain.reconciliation import Reason, pair_up
from holdfast.errors import RequestRefused
from holdfast.ports import (
    ClaimBook,
    Clock,
    Counter,
    Dossier,
    ParkedKind,
    Parking,
    RequestBook,
    RequestRecord,
    ResolutionBook,
    ResolutionRecord,
    Telemetry,
    WorkFiles,
)
from holdfast.steps.files import quarantine


def resolve_exception(
    opening: Opening,
    *,
    requests: RequestBook,
    resolutions: ResolutionBook,
    claims: ClaimBook,
    parking: Parking,
    files: WorkFiles,
    clock: Clock,
    telemetry: Telemetry,
) -> ExceptionDecided:
    """Validate the event, hold it against what the ledger knows, and write it down.

    An invalid event, one about an exception that is not there, and a known id with another decision are kept
    in quarantine and refused. A verdict that was given stays as it is; later verdicts count the decision.
    """
    try:
        event = read_decision_event(opening.event)
        wanted = ResolutionRecord(event.to_domain(clock.now()), event.body_sha256, opening.execution_arn)
        standing = resolutions.find(wanted.resolution.matter_id, wanted.resolution.resolution_id)
        if standing is None:
            _refuse(_faults(wanted.resolution, requests, claims, parking))
            standing = resolutions.record(wanted)
        if standing.body_sha256 != wanted.body_sha256:
            _refuse(["resolution_id: expected a new one, found one of another decision"])
    except RequestRefused as refused:
        quarantine_key = quarantine(opening.event, files)
        telemetry.count(Counter.REQUESTS_REFUSED)
        telemetry.warn("resolution_refused", quarantine_key=quarantine_key, faults=len(refused.faults))
        explanation = (
            f"decision refused: {'; '.join(refused.faults)}. The event is kept at {quarantine_key}; nothing"
            " was changed."
        )
        return ExceptionDecided(outcome="REFUSED", faults=list(refused.faults), explanation=explanation)
    resolution = standing.resolution
    is_new = standing.execution_arn == opening.execution_arn
    telemetry.note(
        "exception_resolved" if is_new else "resolution_known",
        matter_id=resolution.matter_id,
        request_id=resolution.request_id,
        reason=resolution.reason,
    )
    request = requests.read(resolution.matter_id, resolution.request_id)
    return ExceptionDecided(
        outcome="RECORDED" if is_new else "KNOWN",
        matter_id=resolution.matter_id,
        request_id=resolution.request_id,
        resolution_id=resolution.resolution_id,
        explanation=_told(resolution, request),
    )


def _refuse(faults: list[str]) -> None:
    if faults:
        raise RequestRefused(faults)


def _faults(resolution: Resolution, requests: RequestBook, claims: ClaimBook, parking: Parking) -> list[str]:
    """Name what of a decision does not fit what the ledger knows."""
    request = requests.find(resolution.matter_id, resolution.request_id)
    if request is None:
        return ["request_id: expected a request of this matter, found none"]
    if resolution.message_id:
        return _faults_of_parked(resolution.message_id, parking)
    if resolution.conversation_id:
        dossier = claims.dossier(resolution.conversation_id)
        if resolution.matter_id not in dossier.claimed_by:
            return ["exception.conversation_id: expected a conversation that the matter claims"]
        if not _has(resolution, dossier, request):
            return [f"exception: expected one with the reason {resolution.reason}, found none there now"]
    elif not _counted(request, resolution.reason):
        return [f"exception: expected a verdict with the reason {resolution.reason}, found none"]
    return []


def _has(resolution: Resolution, dossier: Dossier, request: RequestRecord) -> bool:
    """Tell whether a conversation has the exception now."""
    if resolution.reason is Reason.MANIFEST_V1:
        return _counted(request, resolution.reason) > 0
    if resolution.reason is Reason.UNATTRIBUTED:
        return any(receipt.role is Role.OTHER for receipt in dossier.receipts)
    if resolution.reason is Reason.VERSION_GONE:
        named = resolution.recording_id
        return any(named in (None, receipt.recording_id) for receipt in dossier.gone)
    return any(
        (delivery.recording_id, delivery.flaw) == (resolution.recording_id, resolution.reason)
        for delivery in pair_up(dossier.receipts, dossier.digested)
    )


def _faults_of_parked(message_id: str, parking: Parking) -> list[str]:
    """Only what nobody can read is a person's to settle; the rest is redriven."""
    for message in parking.parked():
        if message.message_id == message_id:
            if message.kind is ParkedKind.UNREADABLE:
                return []
            return [
                "exception.message_id: expected a message that nobody can read; mend and redrive this one"
            ]
    return ["exception.message_id: expected a parked message, found none"]


def _counted(request: RequestRecord, reason: Reason) -> int:
    """Say how many exceptions of a reason the request's verdict named."""
    by_reason: Any = (request.summary or {}).get("by_reason", {})
    return int(by_reason.get(reason, 0))


def _told(resolution: Resolution, request: RequestRecord) -> str:
    """Say in one sentence what it means for the verdict."""
    about = f"the exception {resolution.reason} of request {resolution.request_id}"
    verdict = (
        f"Its verdict stays {request.state}; a new request counts the decision."
        if request.state.is_judged
        else "Its verdict will count the decision."
    )
    return (
        f"Matter {resolution.matter_id}: {about} is settled as {resolution.decision} by the decision"
        f" {resolution.resolution_id}. {verdict}"
    )
