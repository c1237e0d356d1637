"""Whole runs in the dialect `platform`, whose vendor deletes and has a cap: who is protected, and when."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from holdfast.domain.ids import ConversationId
from holdfast.domain.states import PlatformHold
from holdfast.genesys.platform.exports import BulkExportJobs
from holdfast.genesys.platform.holds import DeletionProtection
from holdfast.genesys.platform.manifests import NoManifests
from holdfast.genesys.platform.retention import RetentionSchedule
from holdfast.genesys.platform.setup import OrganizationSetup
from tests.fakes.wiring import NAMES
from tests.integration.rehearsal import CUSTODIAN, INTERVAL, Rehearsal

PROTECTION, RETENTION = "/api/v2/recordings/deletionprotection", "/api/v2/recordings/retention/query"
JOBS = "/api/v2/recording/jobs"
# An hour passes before a job moves anything.
SLOW: Mapping[str, Any] = {"timing": {"pending_s": 3_600.0}}
SOON_S, LATE_S = 1_800, 2_000_000


@dataclass
class PlatformRun(Rehearsal):
    """The other dialect's adapters, in the same house."""

    cap: int = 1_000

    def __post_init__(self) -> None:
        super().__post_init__()
        organization, transport = self.simulator.scenario.organization, self.transport()
        ids = {
            "organization_id": organization.id,
            "integration_id": organization.integration_id,
            "bucket": NAMES.evidence_bucket,
            "writer_role_arn": NAMES.writer_role_arn,
        }
        self.house.manifests = NoManifests()  # type: ignore[assignment] # the house takes any adapter of the ports
        self.house.holds = DeletionProtection(transport, cap=self.cap)  # type: ignore[assignment]
        self.house.deletions = RetentionSchedule(transport)  # type: ignore[assignment]
        self.house.jobs = BulkExportJobs(  # type: ignore[assignment]
            transport, self.clock, integration_id=organization.integration_id
        )
        self._setup = OrganizationSetup(transport, **ids)  # type: ignore[assignment]

    def ids(self, group: str) -> list[ConversationId]:
        """Name a group's conversations, by their start."""
        conversations = self.simulator.platform.organisation.conversations.values()
        return [ConversationId(one.id) for one in conversations if one.group == group]

    def asked(self, *paths: str) -> list[str]:
        """Tell what was asked, in order, as far as it changes something."""
        return [
            one["path"]
            for one in self.simulator.log.entries
            if one["method"] != "GET"
            and one["path"] in paths
            and one["query"].get("protect", "true") == "true"
        ]


def group(name: str, count: int, **more: Any) -> dict[str, Any]:
    base = {"name": name, "count": count, "medium": "voice", "custodians": [CUSTODIAN], "interval": INTERVAL}
    return base | more


def run_of(*groups: dict[str, Any], cap: int = 1_000, faults: Any = None, **organization: Any) -> PlatformRun:
    document = {
        "schema_version": 1,
        "name": "run",
        "seed": 5,
        "organization": {"protection_cap": cap, "conversations": list(groups), **organization},
        "faults": faults or {},
    }
    return PlatformRun(document, cap=cap)


def refusing(path: str, method: str, **when: Any) -> dict[str, Any]:
    then = {"status": 403, "code": "missing.permissions", "message": "no"}
    return {"requests": [{"when": {"path": path, "method": method} | when, "then": then}]}


def test_what_the_vendor_would_delete_meanwhile_is_protected_before_the_export() -> None:
    us = run_of(group("expiring", 3, delete_after_s=SOON_S), group("kept", 2), **SLOW)

    end = us.run()

    assert (end.verdict, end.reasons) == ("PRESERVED", {})
    assert end.summary["recordings"]["secured"] == 5
    assert us.simulator.platform.protected == {*us.ids("expiring"), *us.ids("kept")}
    # asked, placed and read back for the expiring alone; then the job; then the others
    assert us.asked(PROTECTION, JOBS) == [PROTECTION] * 3 + [JOBS] + [PROTECTION] * 3


@pytest.mark.parametrize(("path", "method"), [(PROTECTION, "PUT"), (RETENTION, "GET")])
def test_when_early_protection_fails_the_run_goes_on_and_says_what_it_cost(path: str, method: str) -> None:
    us = run_of(
        group("expiring", 3, delete_after_s=SOON_S),
        group("kept", 2),
        faults=refusing(path, method, nth=1),
        **SLOW,
    )

    end = us.run()

    assert end.reasons == {"deleted_at_platform": 3, "early_protection_failed": 1, "no_recording": 3}
    assert end.verdict == "PRESERVED"
    assert "Early protection failed: PermissionMissing" in end.explanation
    assert end.summary["recordings"]["secured"] == 2


def test_what_is_deleted_later_needs_no_early_protection() -> None:
    us = run_of(group("expiring", 2, delete_after_s=LATE_S))

    end = us.run()

    assert (end.verdict, end.reasons) == ("PRESERVED", {})
    assert us.asked(PROTECTION, JOBS) == [JOBS] + [PROTECTION] * 3


@pytest.mark.parametrize("form", [200, 204])
def test_a_small_cap_goes_to_who_needs_it_most(form: int) -> None:
    us = run_of(
        group("plain", 4),
        group("expiring", 2, delete_after_s=LATE_S),
        group("failing", 1),
        group("of_others", 1, custodians=["0a6f0d1e-0000-4000-8000-000000000002"], already_protected=1),
        cap=5,
        faults={"recordings": [{"group": "failing", "fail": 1}]},
        protection_response=form,
    )

    end = us.run()

    held = us.simulator.platform.protected - set(us.ids("of_others"))
    assert held == {*us.ids("failing"), *us.ids("expiring"), us.ids("plain")[0]}
    assert end.reasons == {"failed_at_platform": 1, "platform_cap": 3}
    assert end.explanation.endswith("3 of the conversations stand on the S3 lock alone.")


def test_a_second_matter_finds_the_cap_taken_by_the_first() -> None:
    us = run_of(group("plain", 4), cap=3)
    us.run()
    us.house.requests.records.clear()
    us.house.batches.records.clear()
    us.house.files.files.clear()
    us.house.records.files.clear()

    end = us.run()

    assert len(us.simulator.platform.protected) == 3
    assert end.reasons == {"platform_cap": 1}
    assert end.summary["conversations"]["held_at_platform"] == 3


@pytest.mark.parametrize("may_see", [True, False])
def test_sensitive_recordings_that_are_asked_for_are_secured_or_missing_for_want_of_the_right(
    may_see: bool,
) -> None:
    lacks = [] if may_see else ["recording:recording:viewSensitiveData"]
    us = run_of(group("calls", 5, sensitive=2), clients={"full": {"lacks": lacks}})

    end = us.run(include_sensitive=True)

    missing = 0 if may_see else 2
    assert end.reasons == ({} if may_see else {"sensitive_not_permitted": 2})
    assert end.verdict == ("PRESERVED" if may_see else "INCOMPLETE")
    assert end.summary["recordings"]["secured"] == 5 - missing
    assert end.summary["recordings"]["missing"] == missing
    assert end.summary["conversations"]["held_at_platform"] == 5


def test_sensitive_recordings_that_nobody_asked_for_are_explained() -> None:
    us = run_of(group("calls", 5, sensitive=2))

    end = us.run()

    assert (end.verdict, end.reasons) == ("PRESERVED", {"skipped_by_platform": 2})


def test_what_somebody_ended_at_the_platform_is_placed_again_by_the_workflow_that_always_does() -> None:
    us = run_of(group("kept", 3), group("theirs", 1, already_protected=1))
    us.run()
    lost, ended = us.ids("kept")[0], us.ids("theirs")[0]
    us.simulator.platform.protected -= {lost, ended}
    before = len(us.asked(PROTECTION))

    watched = us.house.watch_protection()

    assert (watched.claims, watched.revoked, watched.asked) == (4, 2, 2)
    assert len(us.asked(PROTECTION)) - before == 2, "it asks twice, and places nothing"
    us.hold_again()
    assert us.simulator.platform.protected == {*us.ids("kept"), *us.ids("theirs")}
    holds = us.house.conversations.platform_holds([lost, ended], None)
    assert {hold and hold.state for hold in holds.values()} == {PlatformHold.HELD}
    assert us.house.watch_protection().asked == 0
