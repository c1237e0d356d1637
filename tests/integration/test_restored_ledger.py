"""What docs/operations.md says of a ledger that was lost, or restored to an earlier moment, is tried."""

from copy import deepcopy
from pathlib import Path
from threading import RLock
from typing import Any

from holdfast.contracts.arrivals import QueuedMessage
from holdfast.domain.states import PlatformHold
from holdfast.evidence.verifier import Report, verify
from tests.fakes.effects import Effects
from tests.fakes.house import MATTER, SWEEP_AGE, House
from tests.integration.rehearsal import Rehearsal
from tests.integration.test_platform_runs import PlatformRun, group, run_of

PARTS = (
    "requests", "batches", "standing", "slots", "sweeps", "parking", "conversations", "resolutions",
    "releases", "seals",
)  # fmt: skip


def ledger_of(house: House) -> dict[str, Any]:
    """Copy the ledger as of this moment; what watches over it, and its locks, stay the same."""
    parts = {name: getattr(house, name) for name in PARTS}
    shared = [one for part in parts.values() for one in vars(part).values()]
    kept = {id(one): one for one in shared if isinstance(one, Effects | type(RLock()))}
    return deepcopy(parts, kept)


def restore(house: House, ledger: dict[str, Any]) -> None:
    for name, part in ledger.items():
        setattr(house, name, part)


def sweep(us: Rehearsal) -> int:
    """Sweep as `holdfast sweep arrivals` does, and secure what is sent again."""
    us.clock.pass_s(SWEEP_AGE.total_seconds() + 1)
    sent = us.house.sweep_evidence().sent
    bodies, us.house.arrival_queue.bodies = us.house.arrival_queue.bodies, []
    messages = [QueuedMessage(f"swept-{number}", body) for number, body in enumerate(bodies)]
    assert us.house.secure_objects(messages) == []
    return sent


def verified(us: Rehearsal, folder: Path, seal: str) -> Report:
    """Have the matter's package written, and check it, holding a seal that was known before."""
    us.house.package_matter()
    prefix = f"packages/{MATTER}/{us.house.seals.log(MATTER).sequence:06d}/"
    for key, content in us.house.records.files.items():
        if key.startswith(prefix):
            path = folder / key.removeprefix(prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    return verify(folder, key=us.house.signer.public_key().pem, seal=seal)


def preserved() -> PlatformRun:
    return run_of(group("calls", 3), group("protected", 1, already_protected=1))


def test_a_lost_ledger_is_rebuilt_from_the_buckets_as_far_as_they_know(tmp_path: Path) -> None:
    us = preserved()
    nothing = ledger_of(us.house)
    assert us.run().verdict == "PRESERVED"
    known_seal = us.house.seals.log(MATTER).digest
    held = us.house.conversations.dossier(us.ids("calls")[0]).platform_holds
    let_go = next(iter(us.house.evidence.stored.values()))
    let_go.is_locked = False  # as a release leaves it
    versions = len(us.house.evidence.stored)

    restore(us.house, nothing)
    found = sweep(us)

    assert [one.state for one in held.values()] == [PlatformHold.HELD]
    assert found == versions
    assert all(stored.is_locked for stored in us.house.evidence.stored.values())  # even what was let go
    assert us.house.requests.of_matter(MATTER) == []  # which matters there were, the buckets do not tell

    again = us.run(request_id="R-2")

    assert again.verdict == "PRESERVED"
    assert again.summary["reused"]["recordings"] == 0  # everything was exported once more
    holds = us.house.conversations.dossier(us.ids("calls")[0]).platform_holds
    assert [one.state for one in holds.values()] == [
        PlatformHold.PRE_EXISTING
    ]  # never revoked by us any more
    report = verified(us, tmp_path, known_seal)
    assert report.faults == []
    assert (report.facts["seals"], report.facts["requests"]) == (2, 2)  # the chain goes on where it was


def test_a_ledger_of_an_earlier_moment_catches_up_with_the_buckets(tmp_path: Path) -> None:
    us = preserved()
    assert us.run().verdict == "PRESERVED"
    earlier = ledger_of(us.house)
    assert (
        us.run(request_id="R-2", interval="2026-03-02T00:00:00Z/2026-03-06T00:00:00Z").verdict == "PRESERVED"
    )
    known_seal = us.house.seals.log(MATTER).digest

    restore(us.house, earlier)
    sweep(us)
    again = us.run(request_id="R-3")

    assert again.verdict == "PRESERVED"
    assert again.summary["reused"]["recordings"] == 4
    report = verified(us, tmp_path, known_seal)
    assert report.faults == []
    assert (report.facts["seals"], report.facts["requests"]) == (3, 3)
