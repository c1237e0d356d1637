"""The promise over a conversation's locks: who claims it, and when they may be lifted.

1. A claim raises the count, and is refused while the locks are being lifted.
2. The end of the last claim is the durable intent to lift: LIFTING, a new epoch, and a lease on the work.
3. Only who holds the epoch may lift, and only in LIFTING. A lift whose lease has expired is resumed under a
   new epoch; nobody overtakes one that may still be alive.
4. LIFTED follows the read-back of every lock.
5. What nobody claims is let go by the same intent: LIFTING first.
6. A claim on what is LIFTED makes it RELOCKING: the locks are off, and nothing is secured, until they have
   been set again and read back.
7. What is LIFTED may be marked for disposal, under a new epoch and a lease. While the lease runs a claim is
   refused, so that no mark is set on what somebody claims.

An illegal transition raises, and nothing changes. The ledger writes each of these as one conditional write.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from holdfast.domain.states import HoldState

HOLD_MOVES: Mapping[HoldState, frozenset[HoldState]] = {
    HoldState.HELD: frozenset({HoldState.LIFTING}),
    HoldState.LIFTING: frozenset({HoldState.LIFTED}),
    # What arrives after LIFTED is locked, and may be let go of in turn.
    HoldState.LIFTED: frozenset({HoldState.RELOCKING, HoldState.LIFTING}),
    HoldState.RELOCKING: frozenset({HoldState.HELD, HoldState.LIFTING}),
}


class PromiseBroken(Exception):
    """The transition is not allowed now; the message says what stands in its way."""


@dataclass(frozen=True, slots=True)
class Promise:
    """The HOLD item's own part. `epoch` grows with every change of who may lift or lock again."""

    state: HoldState = HoldState.HELD
    active_claims: int = 0
    epoch: int = 0

    def claimed(self, *, is_being_marked: bool = False) -> "Promise":
        """Count one more claim.

        Raises:
            PromiseBroken: the locks are being lifted, or versions marked for disposal; the claim comes again
                after.
        """
        if self.state is HoldState.LIFTING or is_being_marked:
            raise PromiseBroken("the locks are being lifted, or versions marked for disposal")
        counted = replace(self, active_claims=self.active_claims + 1)
        if self.state is HoldState.LIFTED:
            return replace(counted, state=HoldState.RELOCKING, epoch=self.epoch + 1)
        return counted

    def unclaimed(self) -> "Promise":
        """End one claim; the last one's end is the intent to lift.

        Raises:
            PromiseBroken: nobody claims it.
        """
        if not self.active_claims:
            raise PromiseBroken("nobody claims the conversation")
        counted = replace(self, active_claims=self.active_claims - 1)
        if counted.active_claims:
            return counted
        return replace(counted, state=HoldState.LIFTING, epoch=self.epoch + 1)

    def let_go(self) -> "Promise":
        """Intend to lift what nobody claims: what was never claimed, or came after the locks were lifted.

        Raises:
            PromiseBroken: somebody claims it, or it is being lifted already.
        """
        if self.active_claims or self.state is HoldState.LIFTING:
            raise PromiseBroken("the conversation is claimed, or its locks are being lifted already")
        return replace(self, state=HoldState.LIFTING, epoch=self.epoch + 1)

    def resumed(self, *, is_lease_expired: bool) -> "Promise":
        """Take over the lift of somebody who died.

        Raises:
            PromiseBroken: nothing is being lifted, or whoever lifts may still be alive.
        """
        if self.state is not HoldState.LIFTING or not is_lease_expired:
            raise PromiseBroken("nothing is there to be resumed")
        return replace(self, epoch=self.epoch + 1)

    def may_lift(self, epoch: int) -> bool:
        """Tell whether the holder of an epoch may take a lock off now."""
        return self.state is HoldState.LIFTING and self.epoch == epoch and not self.active_claims

    def lifted(self, epoch: int) -> "Promise":
        """Note that every lock was read back as off.

        Raises:
            PromiseBroken: somebody else lifts, or nothing is being lifted.
        """
        if not self.may_lift(epoch):
            raise PromiseBroken("the lift is somebody else's")
        return replace(self, state=HoldState.LIFTED)

    def relocked(self, epoch: int) -> "Promise":
        """Note that every lock was read back as on.

        Raises:
            PromiseBroken: it was let go, or claimed anew, since the locks were set.
        """
        if self.state is not HoldState.RELOCKING or self.epoch != epoch:
            raise PromiseBroken("the locks that were set are not this promise's")
        return replace(self, state=HoldState.HELD)

    def marking(self, *, is_lease_expired: bool) -> "Promise":
        """Begin to mark for disposal what is let go; the lease keeps claims and other markers waiting.

        Raises:
            PromiseBroken: it is not let go, or somebody else is at it.
        """
        if self.state is not HoldState.LIFTED or self.active_claims or not is_lease_expired:
            raise PromiseBroken("the conversation is not let go, or somebody else is marking it")
        return replace(self, epoch=self.epoch + 1)

    def may_mark(self, epoch: int) -> bool:
        """Tell whether the holder of an epoch may mark a version now."""
        return self.state is HoldState.LIFTED and self.epoch == epoch and not self.active_claims

    @property
    def is_kept(self) -> bool:
        """Tell whether what is receipted counts as secured: every lock is on."""
        return self.state is HoldState.HELD and self.active_claims > 0


UNCLAIMED = Promise()
"""The promise over what nobody has ever claimed."""
