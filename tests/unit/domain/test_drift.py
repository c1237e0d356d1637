from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.domain.custody import DriftKind, ObjectVersion, Receipt, Relock, RelockCause
from holdfast.domain.drift import Sighting, drift_of, wants_lock
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.promise import Promise
from holdfast.domain.states import HoldState
from holdfast.domain.tags import own_tags

KEY = (
    "2f8b9a34-6d1e-4c57-9a0b-8e3d5f7c1a26/year=2026/month=3/day=4/hour=9/"
    "conversation_id=00000000-0000-0000-0000-000000000001/00000000-0000-0000-0000-0000000f4628.wav"
)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
OURS = own_tags(EvidenceKey.parse(KEY))


def receipt(*, omitted: tuple[str, ...] = (), secured_at: datetime = NOON) -> Receipt:
    key = EvidenceKey.parse(KEY)
    return Receipt(
        ObjectVersion("evidence", KEY, "v1", 1), key.role, NOON, secured_at, "00", omitted_tags=omitted
    )


def seen(tags: Mapping[str, str] | None = None, *, is_locked: bool = True) -> Sighting:
    return Sighting(is_locked, {**OURS, **(tags or {})})


def promise(state: HoldState) -> Promise:
    return Promise(state, 1, 3)


def test_what_is_as_its_receipt_says_has_not_drifted_whatever_others_put_beside_our_tags() -> None:
    assert drift_of(receipt(), seen({"theirs": "kept"}), promise(HoldState.HELD)) == frozenset()


def test_every_difference_is_named() -> None:
    nothing_left = Sighting(is_locked=False, tags={"theirs": "kept"})

    assert drift_of(receipt(), nothing_left, Promise()) == {DriftKind.LOCK_LIFTED, DriftKind.TAGS_CHANGED}
    assert drift_of(receipt(), None, Promise()) == {DriftKind.VERSION_GONE}


def test_tags_that_cannot_be_read_are_not_called_changed() -> None:
    assert drift_of(receipt(), Sighting(is_locked=True, tags=None), Promise()) == frozenset()


@pytest.mark.parametrize("name", OURS)
def test_each_of_our_tags_counts_unless_there_was_no_room_for_it(name: str) -> None:
    changed = seen({name: "something else"})

    assert drift_of(receipt(), changed, Promise()) == {DriftKind.TAGS_CHANGED}
    assert drift_of(receipt(omitted=(name,)), changed, Promise()) == frozenset()


@pytest.mark.parametrize("sighting", [None, seen(is_locked=False), Sighting(is_locked=True, tags={})])
def test_what_a_release_does_is_no_drift(sighting: Sighting | None) -> None:
    later = NOON + timedelta(seconds=1)

    assert drift_of(receipt(), sighting, promise(HoldState.LIFTING)) == frozenset()
    assert drift_of(receipt(), sighting, promise(HoldState.LIFTED), NOON) == frozenset()
    assert drift_of(receipt(), sighting, promise(HoldState.LIFTED)) == frozenset()
    assert drift_of(receipt(secured_at=later), sighting, promise(HoldState.LIFTED), NOON) != frozenset()


def test_a_lock_that_a_claim_asked_for_is_work_under_way() -> None:
    off, relocking = seen(is_locked=False), promise(HoldState.RELOCKING)

    assert drift_of(receipt(), off, relocking) == frozenset()
    assert drift_of(receipt(), None, relocking) == {DriftKind.VERSION_GONE}
    assert wants_lock(relocking, off)
    assert not wants_lock(relocking, seen())
    assert not wants_lock(promise(HoldState.HELD), off)


def test_each_kind_of_repair_of_a_finding_has_an_id_of_its_own() -> None:
    version = receipt().version
    ids = {
        Relock(version, RelockCause.DRIFT, 1, at, kind).event_id
        for kind in (DriftKind.LOCK_LIFTED, DriftKind.TAGS_CHANGED)
        for at in (NOON, NOON + timedelta(seconds=1))
    }

    assert len(ids) == 4
    assert Relock(version, RelockCause.DRIFT, 1, NOON).event_id in ids
