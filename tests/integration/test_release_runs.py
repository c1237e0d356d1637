"""Whole releases by the real workflows: over overlapping matters, and killed between any two steps."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from holdfast.contracts.steps import Packed
from holdfast.domain.custody import EventType
from holdfast.domain.ids import ConversationId, MatterId
from holdfast.domain.release import NOBODY
from holdfast.domain.states import HoldState, MatterStatus, ReleaseState
from holdfast.errors import LedgerRuleBroken
from tests.events import load_event
from tests.fakes.effects import Killed
from tests.fakes.house import House
from tests.fakes.story import conversation_id, deliver
from tests.integration import test_compliance_runs, test_platform_runs
from tests.integration.rehearsal import CUSTODIAN, Failed, Rehearsal

OTHERS = "0a6f0d1e-0000-4000-8000-000000000002"
FIRST, SECOND = MatterId("M-2026-001"), MatterId("M-2026-002")
ASKED = load_event("hold_release_requested")

STEPS = 12  # of a release that nothing goes wrong with; one of them approves

type Making = Callable[[], Rehearsal]


def platform() -> Rehearsal:
    """Two matters, the second of which claims all that the first does, and two calls more."""
    return _preserved(
        test_platform_runs.run_of(
            test_platform_runs.group("shared", 2),
            test_platform_runs.group("protected", 1, custodians=[OTHERS], already_protected=1),
            test_platform_runs.group("own", 1, custodians=[OTHERS]),
        )
    )


def compliance() -> Rehearsal:
    return _preserved(
        test_compliance_runs.rehearsal(
            test_compliance_runs.group("shared", 2, "voice"),
            test_compliance_runs.group("own", 2, "chat", custodians=[OTHERS]),
        )
    )


def _preserved(us: Rehearsal) -> Rehearsal:
    custodians = [CUSTODIAN, OTHERS]
    assert us.run(FIRST, "R-1").verdict == "PRESERVED"
    assert us.run(SECOND, "R-2", custodians=custodians).verdict == "PRESERVED"
    us.house.cool_off = timedelta(seconds=30)
    deliver = us.clock.meanwhile

    def meanwhile() -> None:
        deliver()
        _approve(us)

    us.clock.meanwhile = meanwhile
    return us


def _approve(us: Rehearsal) -> None:
    """Approve whatever is planned, as the other workflow does."""
    release = us.house.releases.find(us.house.release.matter_id, us.house.release.release_id)
    if release is None or release.state is not ReleaseState.PLANNED or release.plan is None:
        return
    event = load_event("hold_release_approved")
    event["detail"] |= {"matter_id": release.matter_id, "plan_sha256": release.plan.sha256}
    if release.matter_id == NOBODY:
        del event["detail"]["matter_id"]
    us._execute("approve_release", event)


def asking(**changes: Any) -> dict[str, Any]:
    return {**ASKED, "detail": {**ASKED["detail"], "matter_id": SECOND, **changes}}


def _packaged(us: Rehearsal, matter_id: MatterId) -> list[int]:
    """Name the seals as of which a matter has a signed package."""
    found = (re.match(rf"packages/{matter_id}/(\d+)/.*\.sig$", key) for key in us.house.records.files)
    return sorted(int(one[1]) for one in found if one and "/data/" not in one[0])


def kill_after(us: Rehearsal, steps: int) -> Any:
    """Run until so many steps have had their effect; None if the run was killed."""
    left = steps

    def die_in_time() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Killed

    us.after_step = die_in_time
    try:
        return us.release(asking())
    except Killed:
        release = us.house.releases.find(SECOND, us.house.release.release_id)
        us.house.release_runs.broken_off.add(release.execution_arn if release else "")
        return None
    finally:
        us.after_step = lambda: None


def check(us: Rehearsal, end: Any) -> None:
    """What the second matter alone claimed is let go, and nothing else; every fact happened once."""
    house = us.house
    assert (end["end"]["counts"]["let_go"], end["end"]["counts"]["stays"]) == (2, 2)
    assert end["log"]["done"] is True
    matter = house.requests.matter(SECOND)
    assert matter is not None
    assert (matter.status, matter.release_id) == (MatterStatus.RELEASED, None)
    let_go = set()
    for cid in us.simulator.platform.organisation.conversations:
        dossier = house.conversations.dossier(ConversationId(cid))
        versions = [house.evidence.at(receipt.version) for receipt in dossier.receipts]
        is_shared = FIRST in dossier.claimed_by
        assert all(version.is_locked is is_shared for version in versions)
        assert dossier.promise.state is (HoldState.HELD if is_shared else HoldState.LIFTED)
        events = [entry.canonical for entry in dossier.entries]
        counts = [
            sum(f'"type":"{kind}"'.encode() in one for one in events)
            for kind in (EventType.RELEASED, EventType.LIFTED)
        ]
        assert counts == [1, 0 if is_shared else 1]
        let_go |= set() if is_shared else {cid}
    assert len(let_go) == 2


@pytest.mark.parametrize("make", [platform, compliance])
def test_a_release_lets_go_of_what_no_other_matter_claims(make: Making) -> None:
    us = make()
    mine = set(us.simulator.platform.protected) if make is platform else set()
    steps: list[None] = []
    us.after_step = lambda: steps.append(None)

    end = us.release(asking())

    check(us, end)
    assert len(steps) == STEPS
    assert _packaged(us, SECOND) == [1, 2], "a package of its own, the certificate in it"
    if make is platform:
        gone = mine - set(us.simulator.platform.protected)
        assert len(gone) == 1  # one of the two was protected before us, and stays so


@pytest.mark.parametrize("make", [platform, compliance])
def test_a_release_that_is_killed_after_any_step_is_taken_up_by_the_same_event(make: Making) -> None:
    for killed_after in range(1, STEPS + 1):
        us = make()
        assert kill_after(us, killed_after) is None

        end = us.release(asking())

        check(us, end)


def test_a_release_that_is_killed_again_and_again_gets_there() -> None:
    us = platform()
    for killed_after in (1, 2, 5, 4, 4, 4):
        kill_after(us, killed_after)

    check(us, us.release(asking()))


def test_a_package_that_cannot_be_written_stops_no_release(monkeypatch: pytest.MonkeyPatch) -> None:
    us = platform()

    def refuse(_: House) -> Packed:
        raise LedgerRuleBroken("a sealed file is not what was sealed")

    monkeypatch.setattr(House, "package_matter", refuse)

    end = us.release(asking())

    check(us, end)
    assert _packaged(us, SECOND) == [1]


def test_a_release_that_is_done_is_not_done_again() -> None:
    us = platform()
    us.release(asking())
    us.house.effects.log.clear()

    again = us.release(asking())

    assert again["outcome"] == "DUPLICATE"
    assert us.house.effects.log == []


def test_what_nobody_claims_is_let_go_and_its_certificate_is_sealed_too() -> None:
    us = platform()
    deliver(us.house, 7)
    detail = {name: one for name, one in ASKED["detail"].items() if name != "matter_id"}

    end = us.release({**ASKED, "detail": detail | {"scope": "unclaimed"}})

    assert end["end"]["counts"]["let_go"] == 1
    assert end["log"]["seal"]["key"].startswith(f"matters/{NOBODY}/seals/")
    entries = [
        json.loads(line)
        for key, content in us.house.records.files.items()
        if key.startswith(f"matters/{NOBODY}/segments/")
        for line in content.splitlines()
    ]
    about = [one for one in entries if one.get("conversation_id") == conversation_id(7)]
    told = [one.get("type", one["kind"]) for one in about]
    assert sorted(told) == ["lifted", "receipt", "receipt"], "what happened to it is sealed"
    assert _packaged(us, NOBODY) == [1]
    for (key, _), stored in us.house.evidence.stored.items():
        assert stored.is_locked is (str(conversation_id(7)) not in key)


def test_a_matter_that_claims_nothing_is_released_all_the_same() -> None:
    us = platform()
    assert us.run("M-2026-003", "R-3", conversation_ids=[str(conversation_id(9))]).verdict == "PRESERVED"

    end = us.release(asking(matter_id="M-2026-003"))

    assert end["end"]["counts"]["conversations"] == 0
    matter = us.house.requests.matter(MatterId("M-2026-003"))
    assert matter is not None
    assert matter.status is MatterStatus.RELEASED


def test_a_release_that_nobody_approves_ends_refused_and_lets_nothing_go() -> None:
    us = platform()
    us.clock.meanwhile = lambda: None

    with pytest.raises(Failed, match="nobody approved it by") as refused:
        us.release(asking())

    assert refused.value.error == "ReleaseNotBegun"
    assert all(stored.is_locked for stored in us.house.evidence.stored.values())


def test_a_release_of_an_unknown_matter_is_refused() -> None:
    us = platform()

    with pytest.raises(Failed, match="expected a matter that is known") as refused:
        us.release(asking(matter_id="M-404"))

    assert refused.value.error == "RequestRefused"


def test_a_released_matter_that_asks_again_claims_and_locks_again() -> None:
    us = platform()
    us.release(asking())
    custodians = [CUSTODIAN, OTHERS]

    us.run(SECOND, "R-3", custodians=custodians)

    matter = us.house.requests.matter(SECOND)
    assert matter is not None
    assert matter.status is MatterStatus.OPEN
    for cid in us.simulator.platform.organisation.conversations:
        assert SECOND in us.house.conversations.dossier(ConversationId(cid)).claimed_by
