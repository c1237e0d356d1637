"""Letting go takes two: who may approve which plan, and until when.

1. The plan that is approved is the plan that was announced, named by its SHA-256.
2. Whoever approves is not who asked. Both names are asserted: who may write to which bus is the proof.
3. An approval counts if it is there before the deadline; a release is approved once.
4. Nothing is let go before the approval has cooled off.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta

from holdfast.domain.custody import ObjectVersion
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.states import ReleaseState

# In the place of a matter's id, where what nobody claims is let go; no matter has this id.
NOBODY = MatterId("-")


@dataclass(frozen=True, slots=True)
class PlannedConversation:
    """One conversation of a plan: who else claims it, and which versions are let go if nobody does."""

    conversation_id: ConversationId
    claimed_by: tuple[MatterId, ...]
    versions: tuple[ObjectVersion, ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """Somebody says yes to a plan; `at` is when it was recorded, `event_id` its event's."""

    approved_by: str
    at: datetime
    event_id: str
    account: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """What an approval is judged by: where the release stands, who asked for it, its plan and deadline."""

    state: ReleaseState
    requested_by: str
    plan_sha256: str | None
    approve_by: datetime | None


def is_same_person(one: str, other: str) -> bool:
    """Compare two names as people write them: case, width and spaces make no second person."""
    return _plain(one) == _plain(other)


def _plain(name: str) -> str:
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()


def objections(standing: Standing, *, approved_by: str, plan_sha256: str, now: datetime) -> list[str]:
    """Name everything that stands against an approval; none: it counts."""
    if standing.plan_sha256 is None or standing.approve_by is None:
        return [_NO_PLAN.get(standing.state, "the release has no plan to be approved")]
    found = []
    if standing.state is not ReleaseState.PLANNED:
        found.append(_OUT_OF_TURN[standing.state])
    elif now >= standing.approve_by:
        found.append("it came after the deadline")
    if plan_sha256 != standing.plan_sha256:
        found.append("plan_sha256 is not the hash of the plan that was announced")
    if is_same_person(approved_by, standing.requested_by):
        found.append("approved_by asked for the release: expected another person")
    return found


_NO_PLAN = {ReleaseState.OPEN: "its plan is not complete yet: wait until it is announced"}
_OUT_OF_TURN = {
    ReleaseState.APPROVED: "the release is approved already",
    ReleaseState.RELEASING: "the release is approved already, and under way",
    ReleaseState.RELEASED: "the release is done",
    ReleaseState.REFUSED: "the release was refused: ask for another",
}


def cools_off_until(approval: Approval, cool_off: timedelta) -> datetime:
    """Say when an approved release may begin."""
    return approval.at + cool_off
