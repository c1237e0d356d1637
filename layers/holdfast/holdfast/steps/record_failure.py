"""Write down why the conductor ends in failure, with the request that it fails."""

from holdfast.contracts.steps import Failing, FailureRecorded
from holdfast.domain.ids import MatterId, RequestId
from holdfast.ports import RequestBook, Telemetry
from holdfast.steps.explain_failure import explain_failure


def record_failure(failing: Failing, *, requests: RequestBook, telemetry: Telemetry) -> FailureRecorded:
    """Explain the failure, and fail the request that this execution owns, and no other."""
    told = explain_failure(failing, telemetry=telemetry)
    if told.request_id:
        matter_id, request_id = MatterId(told.matter_id), RequestId(told.request_id)
        requests.fail(matter_id, request_id, failing.execution_arn, told.explanation)
    return told
