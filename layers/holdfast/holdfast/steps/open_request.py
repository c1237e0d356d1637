"""Open a discovery request: once, whoever delivers it how often."""

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import Opened, Opening
from holdfast.domain.ids import MatterId, RequestId
from holdfast.domain.states import RequestState
from holdfast.errors import MatterReleasing, RequestIdConflict, RequestRefused
from holdfast.ports import Clock, Counter, RequestBook, RequestRecord, Runs, Telemetry, WorkFiles
from holdfast.steps.files import quarantine


def open_request(
    opening: Opening,
    *,
    requests: RequestBook,
    runs: Runs,
    files: WorkFiles,
    clock: Clock,
    telemetry: Telemetry,
) -> Opened:
    """Validate the event and write the request once.

    An invalid event is kept in quarantine and refused. A known request is left to the run that has it, unless
    that run failed or is dead, and the body is the same. If it died after its verdict, that is announced
    again.

    Raises:
        RequestIdConflict: the request id is known with another body; the event is kept in quarantine.
        MatterReleasing: the matter's claims are being ended; the event is kept in quarantine.
    """
    try:
        request = DiscoveryRequest.from_event(opening.event)
    except RequestRefused as refused:
        quarantine_key = quarantine(opening.event, files)
        telemetry.count(Counter.REQUESTS_REFUSED)
        telemetry.warn("request_refused", quarantine_key=quarantine_key, faults=len(refused.faults))
        explanation = f"{refused}. The event is kept at {quarantine_key}; nothing was moved."
        return Opened(outcome="REFUSED", faults=list(refused.faults), explanation=explanation)

    wanted = RequestRecord(
        matter_id=MatterId(request.matter_id),
        request_id=RequestId(request.request_id),
        state=RequestState.OPEN,
        body=request.canonical(),
        body_sha256=request.body_sha256,
        execution_arn=opening.execution_arn,
        opened_at=clock.now(),
    )
    try:
        standing = requests.open(wanted, request.title)
    except MatterReleasing as releasing:
        raise MatterReleasing(
            f"{releasing}. The event is kept at {quarantine(opening.event, files)}."
        ) from None
    if standing.body_sha256 != wanted.body_sha256:
        quarantine_key = quarantine(opening.event, files)
        raise RequestIdConflict(
            f"request {request.request_id} of matter {request.matter_id} is known with another body; "
            f"use a new request id. The event is kept at {quarantine_key}."
        )
    if _is_abandoned(standing, wanted, runs):
        standing = requests.open(wanted, request.title, instead_of=standing.execution_arn)
    if standing.state.is_judged and runs.has_broken_off(standing.execution_arn):
        telemetry.note("verdict_announced_again", matter_id=wanted.matter_id, request_id=wanted.request_id)
        outcome = Opened(outcome="JUDGED")
    elif standing.execution_arn != wanted.execution_arn:
        telemetry.note("request_known", matter_id=wanted.matter_id, request_id=wanted.request_id)
        outcome = Opened(outcome="DUPLICATE", points_to=standing.execution_arn)
    else:
        telemetry.count(Counter.REQUESTS_OPENED)
        telemetry.note("request_opened", matter_id=wanted.matter_id, request_id=wanted.request_id)
        outcome = Opened(outcome="OPENED")
    return outcome.model_copy(update={"matter_id": wanted.matter_id, "request_id": wanted.request_id})


def _is_abandoned(standing: RequestRecord, wanted: RequestRecord, runs: Runs) -> bool:
    if standing.execution_arn == wanted.execution_arn or standing.state.is_terminal:
        return False
    return not runs.is_alive(standing.execution_arn)
