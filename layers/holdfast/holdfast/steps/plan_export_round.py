"""Name the batches of a request whose export has not ended yet: the next round of jobs."""

import json
from datetime import datetime

from holdfast.contracts.steps import ExportRound, RoundPlanned
from holdfast.domain.waits import MIN_WAIT_S, poll_wait_s
from holdfast.ports import BatchBook, BatchRecord, Clock, RequestBook, Telemetry, WorkFiles
from holdfast.steps.files import request_folder

# A batch is halved a dozen times at most, and an outage is waited out a quarter of an hour at a time.
MAX_ROUNDS = 120


def plan_export_round(
    last: ExportRound,
    *,
    requests: RequestBook,
    batches: BatchBook,
    files: WorkFiles,
    clock: Clock,
    telemetry: Telemetry,
) -> RoundPlanned:
    """List what is still to be exported: in the first round everything, later the halves of what was split,
    and whatever was interrupted.

    What is still open after the last round is closed, with its reason, when reconciling begins.
    """
    request = requests.read(last.matter_id, last.request_id)
    still_open = [batch for batch in batches.of_request(request) if not batch.state.is_terminal]
    if last.number >= MAX_ROUNDS:
        telemetry.warn("export_rounds_spent", request_id=last.request_id, batches=len(still_open))
        still_open = []
    number = last.number + 1
    key = f"{request_folder(last.matter_id, last.request_id)}/rounds/a{request.attempt:02d}-{number:03d}.json"
    if still_open:
        files.write(key, json.dumps([{"batch_id": batch.batch_id} for batch in still_open]).encode())
        telemetry.note("export_round_planned", request_id=last.request_id, batches=len(still_open))
    wait_s = _pause_s(still_open, clock.now())
    return RoundPlanned(number=number, batches=len(still_open), batches_key=key, wait_s=wait_s)


def _pause_s(still_open: list[BatchRecord], now: datetime) -> int:
    """Start what is new at once; what was interrupted, the later the longer its trouble lasts."""
    interrupted = [batch.interrupted_at for batch in still_open if batch.interrupted_at]
    if not interrupted or len(interrupted) < len(still_open):
        return MIN_WAIT_S
    return poll_wait_s((now - min(interrupted)).total_seconds())
