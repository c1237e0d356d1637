"""The states of everything that has one, and the only ways between them.

Each table reads: from this state, to any of those. A state may always be written again (a repeat changes
nothing); what is not in a table is refused, and nothing changes.
"""

from collections.abc import Mapping
from enum import StrEnum


class RequestState(StrEnum):
    """How far a discovery request has come."""

    OPEN = "OPEN"
    EXPORTED = "EXPORTED"  # every job is terminal, which is not yet delivery
    RECONCILED = "RECONCILED"
    HELD = "HELD"  # the platform was asked for every conversation
    PRESERVED = "PRESERVED"
    INCOMPLETE = "INCOMPLETE"
    FAILED = "FAILED"

    @property
    def is_terminal(self) -> bool:
        """Tell whether the run behind this request has ended."""
        return not REQUEST_MOVES[self]

    @property
    def is_judged(self) -> bool:
        """Tell whether the request has its verdict."""
        return self in (RequestState.PRESERVED, RequestState.INCOMPLETE)


REQUEST_MOVES: Mapping[RequestState, frozenset[RequestState]] = {
    RequestState.OPEN: frozenset({RequestState.EXPORTED, RequestState.FAILED}),
    RequestState.EXPORTED: frozenset({RequestState.RECONCILED, RequestState.FAILED}),
    RequestState.RECONCILED: frozenset({RequestState.HELD, RequestState.FAILED}),
    RequestState.HELD: frozenset({RequestState.PRESERVED, RequestState.INCOMPLETE, RequestState.FAILED}),
    RequestState.PRESERVED: frozenset(),
    RequestState.INCOMPLETE: frozenset(),
    # A new run may take a failed request over: a new attempt, not a move of this one.
    RequestState.FAILED: frozenset(),
}


class BatchState(StrEnum):
    """How far a batch's export job has come; the words from PENDING on are the platform's own."""

    PLANNED = "PLANNED"
    STARTING = "STARTING"  # the intent to create a job, written before the job is asked for
    PENDING = "PENDING"
    READY = "READY"
    PROCESSING = "PROCESSING"
    FULFILLED = "FULFILLED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SPLIT = "SPLIT"  # two halves took its place
    REUSED = "REUSED"  # nothing is exported: earlier exports have secured its conversations

    @property
    def is_terminal(self) -> bool:
        """Tell whether the batch has come to its end, well or not."""
        return not BATCH_MOVES[self]


_ENDS = frozenset({BatchState.FULFILLED, BatchState.FAILED, BatchState.CANCELLED, BatchState.SPLIT})
BATCH_MOVES: Mapping[BatchState, frozenset[BatchState]] = {
    BatchState.PLANNED: frozenset({BatchState.STARTING, BatchState.FAILED}),
    BatchState.STARTING: frozenset({BatchState.PENDING, BatchState.READY, BatchState.PROCESSING}) | _ENDS,
    BatchState.PENDING: frozenset({BatchState.READY, BatchState.PROCESSING}) | _ENDS,
    BatchState.READY: frozenset({BatchState.PROCESSING}) | _ENDS,
    BatchState.PROCESSING: _ENDS,
    BatchState.FULFILLED: frozenset(),
    BatchState.FAILED: frozenset(),
    BatchState.CANCELLED: frozenset(),
    BatchState.SPLIT: frozenset(),
    BatchState.REUSED: frozenset(),
}


class HoldState(StrEnum):
    """The S3 locks of a conversation's objects, as a promise."""

    HELD = "HELD"
    LIFTING = "LIFTING"
    LIFTED = "LIFTED"
    RELOCKING = "RELOCKING"  # claimed again after LIFTED: not secured until every lock is read back


class PlatformHold(StrEnum):
    """The platform's own protection of a conversation."""

    PLACING = "PLACING"  # our intent, written before the platform is asked
    HELD = "HELD"  # read back
    PRE_EXISTING = "PRE_EXISTING"  # protected before we asked: never revoked by us
    REFUSED = "REFUSED"  # with a reason
    RELEASING = "RELEASING"  # our intent to let go, written before the platform is asked
    RELEASED = "RELEASED"
    REVOKED = "REVOKED"  # it was protecting, and somebody else ended that

    @property
    def is_protecting(self) -> bool:
        """Tell whether the platform protects the conversation, by us or since before us."""
        return self in (PlatformHold.HELD, PlatformHold.PRE_EXISTING)


PLATFORM_HOLD_MOVES: Mapping[PlatformHold | None, frozenset[PlatformHold]] = {
    # Beyond the platform's cap nobody is asked.
    None: frozenset({PlatformHold.PLACING, PlatformHold.PRE_EXISTING, PlatformHold.REFUSED}),
    # What may have been placed is let go like what was.
    PlatformHold.PLACING: frozenset({PlatformHold.HELD, PlatformHold.REFUSED, PlatformHold.RELEASING}),
    # A later request may ask again for what was refused once.
    PlatformHold.REFUSED: frozenset({PlatformHold.PLACING, PlatformHold.PRE_EXISTING}),
    PlatformHold.HELD: frozenset({PlatformHold.RELEASING, PlatformHold.REVOKED}),
    PlatformHold.PRE_EXISTING: frozenset({PlatformHold.REVOKED}),
    # Placed as ours, whoever's it was; unless somebody protects it once more.
    PlatformHold.REVOKED: frozenset({PlatformHold.PLACING, PlatformHold.PRE_EXISTING, PlatformHold.REFUSED}),
    # The platform may refuse to let go, and then it holds.
    PlatformHold.RELEASING: frozenset({PlatformHold.RELEASED, PlatformHold.HELD}),
    # Claimed again.
    PlatformHold.RELEASED: frozenset({PlatformHold.PLACING, PlatformHold.PRE_EXISTING, PlatformHold.REFUSED}),
}


class StandingState(StrEnum):
    """Whether a standing matter goes on."""

    OPEN = "OPEN"
    CLOSING = "CLOSING"  # somebody closed it; the intervals up to its end are still being preserved
    CLOSED = "CLOSED"  # its last interval has its verdict


STANDING_MOVES: Mapping[StandingState, frozenset[StandingState]] = {
    # A matter may be opened with an end, and then closes by itself.
    StandingState.OPEN: frozenset({StandingState.CLOSING, StandingState.CLOSED}),
    StandingState.CLOSING: frozenset({StandingState.CLOSED}),
    # Opening a closed matter again begins a new course, which is not a move of the old one.
    StandingState.CLOSED: frozenset(),
}


class MatterStatus(StrEnum):
    """Whether a matter takes requests."""

    OPEN = "OPEN"
    RELEASING = "RELEASING"  # its claims are being ended: no request of it is opened until that is done
    RELEASED = "RELEASED"  # nothing is claimed; another request opens it again


class ReleaseState(StrEnum):
    """How far a release has come."""

    OPEN = "OPEN"
    PLANNED = "PLANNED"  # what would be let go is written down, hashed and announced
    APPROVED = "APPROVED"  # by another person; it cools off
    RELEASING = "RELEASING"  # claims end and locks come off: this goes on until it is done
    RELEASED = "RELEASED"
    REFUSED = "REFUSED"


RELEASE_MOVES: Mapping[ReleaseState, frozenset[ReleaseState]] = {
    ReleaseState.OPEN: frozenset({ReleaseState.PLANNED, ReleaseState.REFUSED}),
    ReleaseState.PLANNED: frozenset({ReleaseState.APPROVED, ReleaseState.REFUSED}),
    ReleaseState.APPROVED: frozenset({ReleaseState.RELEASING, ReleaseState.REFUSED}),
    ReleaseState.RELEASING: frozenset({ReleaseState.RELEASED}),
    ReleaseState.RELEASED: frozenset(),
    ReleaseState.REFUSED: frozenset(),
}


class DisposalState(StrEnum):
    """What has become of a version that was marked for disposal."""

    MARKED = "MARKED"  # written before the tag is set
    TAKEN_BACK = "TAKEN_BACK"  # claimed again: it is locked, and bears no mark
    DISPOSED = "DISPOSED"  # it was marked, and is not there any more


DISPOSAL_MOVES: Mapping[DisposalState | None, frozenset[DisposalState]] = {
    None: frozenset({DisposalState.MARKED}),
    DisposalState.MARKED: frozenset({DisposalState.TAKEN_BACK, DisposalState.DISPOSED}),
    # Let go once more.
    DisposalState.TAKEN_BACK: frozenset({DisposalState.MARKED}),
    DisposalState.DISPOSED: frozenset(),
}


class ParkedState(StrEnum):
    """What has become of a message that could not be handled."""

    PARKED = "PARKED"
    REDRIVEN = "REDRIVEN"  # sent again; what fails again is PARKED again
    CLOSED = "CLOSED"  # what it asked for is done


PARKED_MOVES: Mapping[ParkedState, frozenset[ParkedState]] = {
    ParkedState.PARKED: frozenset({ParkedState.REDRIVEN, ParkedState.CLOSED}),
    ParkedState.REDRIVEN: frozenset({ParkedState.PARKED, ParkedState.CLOSED}),
    ParkedState.CLOSED: frozenset(),
}


def sources[From, To](moves: Mapping[From, frozenset[To]], target: To) -> frozenset[From | To]:
    """Name the states from which `target` may be written: its predecessors and itself.

    A ledger write carries this set as its condition, so that no state can move backwards, whoever writes
    last.
    """
    before = {state for state, targets in moves.items() if target in targets}
    return frozenset({*before, target})


def has_passed[State](moves: Mapping[State, frozenset[State]], current: State, target: State) -> bool:
    """Tell whether `current` can be reached from `target`: a repeated step then asks for what is history."""
    reached: set[State] = set()
    frontier = {target}
    while frontier:
        frontier = {after for state in frontier for after in moves[state]} - reached
        reached |= frontier
    return current in reached
