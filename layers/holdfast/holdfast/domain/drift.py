"""What the ledger says of a version, held against what can be seen of it: the difference is drift.

1. Every version with a receipt is there, locked, and bears our tags and no mark for disposal, until a release
   lets it go.
2. What a release lifts is no drift, from the durable intent to lift it on; what arrived after it was lifted
   stays locked.
3. A claim on what was let go sets the locks again by itself; a lock that is still off then is work under way.
4. What was marked for disposal and is gone before a claim has locked it again was disposed of.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from holdfast.domain.custody import DriftKind, Receipt
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.promise import Promise
from holdfast.domain.states import HoldState, PlatformHold
from holdfast.domain.tags import is_marked, own_tags


@dataclass(frozen=True, slots=True)
class Sighting:
    """What can be seen of a version without reading it; `tags` is None where S3 does not tell them."""

    is_locked: bool
    tags: Mapping[str, str] | None


def drift_of(
    receipt: Receipt, sighting: Sighting | None, promise: Promise, lifted_at: datetime | None = None
) -> frozenset[DriftKind]:
    """Name what of a version is not as its receipt says.

    Args:
        receipt: what was secured.
        sighting: what is seen now; None if the version is not there.
        promise: the promise over its conversation's locks, unchanged while it was looked at.
        lifted_at: when they were lifted last, if they are.
    """
    if promise.state is HoldState.LIFTING or is_let_go(receipt, promise, lifted_at):
        return frozenset()
    if sighting is None:
        return frozenset({DriftKind.VERSION_GONE})
    found = set[DriftKind]()
    if promise.state is not HoldState.RELOCKING and not sighting.is_locked:
        found.add(DriftKind.LOCK_LIFTED)
    if promise.state is not HoldState.RELOCKING and not _bears_our_tags(receipt, sighting.tags):
        found.add(DriftKind.TAGS_CHANGED)
    return frozenset(found)


def revocation_of(was: PlatformHold) -> DriftKind:
    """Name what happened to a protection by what it was: ours, or somebody's from before us."""
    return DriftKind.PROTECTION_REVOKED if was is PlatformHold.HELD else DriftKind.PRE_EXISTING_ENDED


def is_let_go(receipt: Receipt, promise: Promise, lifted_at: datetime | None) -> bool:
    """Tell whether a release has lifted the lock; when that was is not known of every release."""
    if promise.state is not HoldState.LIFTED:
        return False
    return lifted_at is None or receipt.secured_at <= lifted_at


def may_be_disposed_of(promise: Promise) -> bool:
    """Tell whether a version that was marked may be gone; a claim that is kept has locked what was there."""
    return promise.state is not HoldState.HELD


def wants_lock(promise: Promise, sighting: Sighting) -> bool:
    """Tell whether a lock that a claim asked for has not been set yet; the message may be lost."""
    return promise.state is HoldState.RELOCKING and not sighting.is_locked


def _bears_our_tags(receipt: Receipt, tags: Mapping[str, str] | None) -> bool:
    if tags is None:
        return True
    ours = own_tags(EvidenceKey.parse(receipt.version.key))
    is_whole = all(
        tags.get(name) == value for name, value in ours.items() if name not in receipt.omitted_tags
    )
    return is_whole and not is_marked(tags)
