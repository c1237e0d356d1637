"""A standing matter with IAM enforced: recorded, run and closed by roles that may do no more than that."""

from typing import Any

import pytest

from local.world import World
from tests.e2e.runs import Ended, ledger, started_by

pytestmark = pytest.mark.world

MATTER = "M-standing"


def _tell(world: World, detail_type: str, **detail: object) -> Ended:
    """Send an event about a standing matter, and wait until it has been recorded, or not."""
    named = {"matter_id": MATTER, "requested_by": "legal-7", **detail}
    return started_by(
        world,
        lambda: world.send(named, source="legal.discovery", detail_type=detail_type),
        "KeepStandingMatterArn",
    )


def _open(world: World, **changes: object) -> Ended:
    opening: dict[str, Any] = {
        "title": "Calls of somebody who never called",
        "scope": {"custodians": ["0a6f0d1e-0000-4000-8000-00000000000f"]},
        "starts_at": "2026-03-02T00:00:00Z",
        "interval": {"hours": 12},
    }
    return _tell(world, "StandingMatterOpened", **opening | changes)


def _standing(world: World) -> dict[str, Any]:
    (item,) = (item for item in ledger(world) if (item["pk"], item["sk"]) == (f"MATTER#{MATTER}", "STANDING"))
    return item


def test_a_standing_matter_is_opened_run_and_closed_with_every_role_confined(strict_world: World) -> None:
    invalid = _open(strict_world, title="", interval={"weeks": 1})
    opened = _open(strict_world)
    changed = _open(strict_world, title="Another")
    closing = _tell(strict_world, "StandingMatterClosed", ends_at="2026-03-02T06:00:00Z")

    run = started_by(strict_world, lambda: strict_world.invoke("StartStandingRuns", {}))
    after_the_run = strict_world.invoke("StartStandingRuns", {})
    at_rest = strict_world.invoke("StartStandingRuns", {})

    assert (invalid.status, invalid.error) == ("FAILED", "RequestRefused")
    assert "title: " in invalid.cause
    assert (opened.status, opened.output["outcome"]) == ("SUCCEEDED", "OPENED")
    assert (changed.status, changed.error) == ("FAILED", "StandingMatterConflict")
    assert "open with another body" in changed.cause
    assert (closing.status, closing.output["outcome"]) == ("SUCCEEDED", "CLOSING")
    assert (run.status, run.output["request_id"]) == ("SUCCEEDED", f"{MATTER}:20260302T000000Z")
    assert run.output["verdict"] == "PRESERVED"
    assert after_the_run == {"matters": 1, "asked": 0, "under_way": 0, "stuck": 0}
    assert at_rest["matters"] == 0
    assert (_standing(strict_world)["state"], _standing(strict_world)["high_water"]) == (
        "CLOSED",
        "2026-03-02T06:00:00.000Z",
    )
