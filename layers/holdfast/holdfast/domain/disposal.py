"""Disposal after release: which versions may be marked for it, and when.

Holdfast deletes nothing. It sets a mark, a tag that a lifecycle rule of the bucket acts on. S3 counts the
days of a rule from an object's creation, which for evidence is years ago: so a mark means "now", and is set
when the days since the release have passed.

1. Only what an approved plan names and its release has let go is marked, so many days after that release had
   its certificate and the locks were off.
2. What was claimed again since is never marked by that release: the days begin anew with the release of
   whoever claimed it.
3. Only what is LIFTED and unclaimed is marked, under a lease that keeps claims waiting (`domain.promise`).
4. Only a version whose lock is off, as S3 says, is marked.
5. A version that is kept keeps its whole key: a rule that expires the newest version hides the others.
6. A claim takes the marks back, after the locks are on again.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from holdfast.domain.custody import ObjectVersion, Receipt
from holdfast.domain.promise import Promise
from holdfast.domain.states import HoldState


class Disposability(StrEnum):
    """Whether a release lets a conversation's versions be disposed of."""

    DUE = "due"
    LATER = "later"  # its days have not passed, or its locks are being lifted for another release
    NEVER = "never"  # by this release: it was claimed since, or another release let it go


@dataclass(frozen=True, slots=True)
class LetGo:
    """What a release did to a conversation, and what happened since.

    `lifted_at` is when this release had lifted the locks, None if it never did; `claims_ended_at` has an
    entry for every claim there ever was, None for one that stands.
    """

    promise: Promise
    lifted_at: datetime | None
    claims_ended_at: Sequence[datetime | None]
    released_at: datetime

    def covers(self, receipt: Receipt) -> bool:
        """Tell whether a version was there when the locks were lifted; what came later is locked."""
        return self.lifted_at is not None and receipt.secured_at <= self.lifted_at


def disposability(let_go: LetGo, wait: timedelta, now: datetime) -> Disposability:
    """Tell whether what a release let go may be marked now."""
    lifted_at = let_go.lifted_at
    if lifted_at is None or any(ended is None or ended > lifted_at for ended in let_go.claims_ended_at):
        return Disposability.NEVER
    is_let_go = let_go.promise.state is HoldState.LIFTED and not let_go.promise.active_claims
    if is_let_go and now >= max(let_go.released_at, lifted_at) + wait:
        return Disposability.DUE
    return Disposability.LATER


def markable(
    planned: Collection[ObjectVersion],
    receipts: Sequence[Receipt],
    unlocked: Collection[ObjectVersion],
    marked: Collection[ObjectVersion],
    let_go: LetGo,
) -> list[ObjectVersion]:
    """Choose what a release that is due may mark, or has marked.

    Args:
        planned: what its plan names.
        receipts: everything of the conversation that is still there.
        unlocked: whose lock S3 shows as off.
        marked: what this release, or another, has marked.
        let_go: what the release did; what was secured after that it has not let go.
    """
    free = {
        one.version
        for one in receipts
        if one.version in unlocked and (one.version in marked or let_go.covers(one))
    }
    kept_keys = {one.version.key for one in receipts if one.version not in free}
    return [
        one.version
        for one in receipts
        if one.version in planned and let_go.covers(one) and one.version.key not in kept_keys
    ]
