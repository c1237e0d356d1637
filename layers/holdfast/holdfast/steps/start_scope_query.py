"""Ask the platform for the conversations in scope."""

from dataclasses import replace
from datetime import timedelta
from math import ceil

from holdfast.contracts.request import DiscoveryRequest
from holdfast.contracts.steps import Run, ScopeRead
from holdfast.domain.reconciliation import Reason
from holdfast.domain.scope import DATA_LAG
from holdfast.domain.slices import planned_length_s, slice_from
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.ports import Clock, RequestBook, ScopeSource, Telemetry

# Whoever looks at a run that waits for days finds it awake every two hours.
LONGEST_DATA_WAIT_S = 7_200


def start_scope_query(
    run: Run,
    *,
    requests: RequestBook,
    scope_source: ScopeSource,
    data_wait: timedelta,
    clock: Clock,
    telemetry: Telemetry,
) -> ScopeRead:
    """Start the query for the scope's first slice; a repeat starts another, which harms nobody.

    A scope that ends later than what the platform can search is waited for, if the wait will be over within
    `data_wait` after the request was opened. Otherwise that is noted as an exception: such a request can
    never be called preserved.
    """
    record = requests.read(run.matter_id, run.request_id)
    scope = DiscoveryRequest.model_validate_json(record.body).scope.to_domain()
    start, length_s, now = scope.interval.start, planned_length_s(scope.interval), clock.now()
    asking = ScopeRead(
        status="WAIT",
        query_id="",
        began_at=now,
        asked_at=now,
        slice_start=start,
        slice_s=length_s,
        wait_s=MIN_WAIT_S,
    )
    searchable_until = min(now - DATA_LAG, scope_source.available_until())
    lacking = scope.interval.end - searchable_until
    if lacking > timedelta() and now + lacking <= record.opened_at + data_wait:
        telemetry.note("scope_data_awaited", matter_id=run.matter_id, request_id=run.request_id)
        wait_s = min(ceil(lacking.total_seconds()), LONGEST_DATA_WAIT_S)
        return asking.model_copy(update={"wait_s": wait_s})
    if lacking > timedelta():
        telemetry.warn("scope_not_yet_available", matter_id=run.matter_id, request_id=run.request_id)
        requests.advance(record, record.state, exceptions=[Reason.NOT_YET_AVAILABLE])
    first = slice_from(scope.interval, start, length_s)
    query_id = scope_source.start_query(replace(scope, interval=first))
    telemetry.note("scope_query_started", matter_id=run.matter_id, request_id=run.request_id)
    return asking.model_copy(update={"status": "PENDING", "query_id": query_id})
