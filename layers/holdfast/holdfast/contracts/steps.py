"""What the workflows pass to the steps, and what the steps answer.

Ids, counts and pointers; never a list that grows with the matter. `wait_s` is the number of seconds a
workflow waits before it calls again.
"""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from holdfast.domain.ids import BatchId, MatterId, RequestId
from holdfast.ports import SlotOwner


class _Message(BaseModel):
    # An error about a message must not quote it.
    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)


class Run(_Message):
    """Which request a step works for."""

    matter_id: MatterId
    request_id: RequestId


class BatchRun(Run):
    """Which batch of a request a step works for."""

    batch_id: BatchId

    @property
    def owner(self) -> SlotOwner:
        """Name this batch as the owner of a job slot."""
        return SlotOwner(self.matter_id, self.request_id, self.batch_id)


class Sweep(_Message):
    """Which part of the evidence bucket to sweep; all of it by default."""

    # What the ledger's sort key has room for, in UTF-8.
    prefix: str = Field(default="", max_length=250)


class Swept(_Message):
    """`done`: the pass has seen the end; otherwise the next sweep goes on. `sent` were found lost."""

    done: bool
    versions: int
    sent: int


class Opening(_Message):
    """An EventBridge event as it came, and the execution it started."""

    event: object
    execution_arn: str


class Opened(_Message):
    """OPENED: go on. DUPLICATE: `points_to` is the run that has the request. REFUSED: `faults` says why."""

    outcome: Literal["OPENED", "DUPLICATE", "REFUSED"]
    matter_id: str = ""
    request_id: str = ""
    points_to: str = ""
    faults: list[str] = []
    explanation: str = ""


class StandingRecorded(_Message):
    """OPENED, CLOSING: written down. KNOWN: it was before, and nothing changed. REFUSED: see `faults`."""

    outcome: Literal["OPENED", "CLOSING", "KNOWN", "REFUSED"]
    matter_id: str = ""
    faults: list[str] = []
    explanation: str = ""


class StandingRuns(_Message):
    """How many matters are open; of these, how many asked for a run just now, wait for one, or are stuck."""

    matters: int
    asked: int
    under_way: int
    stuck: int


class ScopeReading(Run):
    """Where reading the scope stands: in the slice from `slice_start` of `slice_s` seconds, after `pages` of
    all slices. Its query was asked for at `asked_at`; without a `query_id` it has yet to be.
    """

    query_id: str
    asked_at: datetime
    slice_start: datetime
    slice_s: int
    pages: int = 0
    next_batch: int = 0
    conversations: int = 0


class ScopeRead(_Message):
    """PENDING: the query runs. MORE: call again from here. DONE: every batch is planned."""

    status: Literal["PENDING", "MORE", "DONE"]
    query_id: str
    asked_at: datetime
    slice_start: datetime
    slice_s: int
    pages: int = 0
    next_batch: int = 0
    conversations: int = 0
    wait_s: int


class ExportRound(Run):
    """The round of export jobs that was planned last; 0 before the first."""

    number: int = 0


class RoundPlanned(_Message):
    """How many batches the round has, and where they are listed; without any, exporting is over."""

    number: int
    batches: int
    batches_key: str
    wait_s: int


class SlotAnswer(_Message):
    """Whether the batch may start its job."""

    acquired: bool
    wait_s: int


class JobStarted(_Message):
    """CHECK the job; WAIT and try again; END, the batch was split."""

    next: Literal["CHECK", "WAIT", "END"]
    wait_s: int


class JobChecked(_Message):
    """WAIT and check again; EXECUTE the job, which is ready; END, it is terminal."""

    next: Literal["WAIT", "EXECUTE", "END"]
    wait_s: int


class Reconciled(_Message):
    """How many recordings are outstanding; `done` when nothing is, or the delivery deadline has passed."""

    done: bool
    outstanding: int
    wait_s: int


class HoldCursor(Run):
    """Where placing or confirming holds stands: the batch's index and the place in its list."""

    batch: int = 0
    offset: int = 0
    attempt: int = 0


class HoldProgress(_Message):
    """Call again from here after `wait_s`, unless `done`."""

    done: bool
    batch: int
    offset: int
    attempt: int
    wait_s: int


class Sealed(_Message):
    """The verdict, and where the custody file lies."""

    verdict: Literal["PRESERVED", "INCOMPLETE"]
    matter_id: str
    request_id: str
    announcement: str
    headline: str
    custody_key: str
    custody_sha256: str
    summary: dict[str, object]


class Failing(_Message):
    """What a workflow caught: its state at that moment, and the error as Step Functions has it."""

    input: dict[str, object]
    execution_arn: str
    workflow: str


class FailureRecorded(_Message):
    """What the execution's error shall say."""

    matter_id: str
    request_id: str
    error: str
    explanation: str
