"""Nights that no emulated world has: hours between tries, a vendor in trouble, deliveries of S3's own.

The real steps run with a clock of their own; the alarm is judged by its definition in the template, over what
the steps have counted. What the runbook types is typed at the same world in memory.
"""

import shlex
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from cli.exits import Exit
from holdfast.domain.states import RequestState
from holdfast.ports import Counter, SweepSource, VersionPage
from local.emulator.verdicts import state_of
from local.template import read_template
from tests.events import load_event
from tests.fakes.house import MATTER, House
from tests.integration.rehearsal import Rehearsal
from tests.integration.test_platform_runs import PROTECTION, group, run_of
from tests.runbooks import PAGE, runbooks
from tests.unit.cli.deployment import HouseDeployment, Shown, run
from tests.unit.cli.test_failures import failed_run

ALARMS = read_template(Path(__file__).parents[2] / "template.yaml")["Resources"]
RUNBOOKS = runbooks(PAGE.read_text())


def judged(alarm: str, *counts: int | None) -> str:
    """Judge an alarm by what each of its last periods has counted, the newest first."""
    definition = ALARMS[alarm]["Properties"]
    assert len(counts) == definition["EvaluationPeriods"]
    assert definition["Statistic"] == "Sum"
    return state_of(definition | {"StateValue": "OK"}, counts)


def counted(house: House, alarm: str, act: Callable[[], object]) -> int:
    """Do something, and tell how much the alarm's own metric has grown."""
    counter = Counter(ALARMS[alarm]["Properties"]["MetricName"])
    before = house.telemetry.counts[counter]
    act()
    return house.telemetry.counts[counter] - before


def typed(deployment: HouseDeployment, alarm: str, part: str, **shown: str) -> list[Shown]:
    """Type the commands of the command line that a part of a runbook has."""
    answers = []
    for command in RUNBOOKS[alarm].commands(part):
        for name, value in shown.items():
            command = command.replace(f'"${name}"', value)  # noqa: PLW2901 - one placeholder after the other
        program, *arguments = shlex.split(command)
        if program == "holdfast" and arguments[0] != "doctor":
            answers.append(run(deployment, *arguments))
    assert answers or part == "Do"
    return answers


# --- a standing matter that does not come on

DAY = timedelta(days=1)


def concluded(house: House, state: RequestState) -> None:
    """Let the run of the interval that was asked for last end."""
    detail = house.bus.sent[-1]
    event = load_event("discovery_requested")
    event["detail"] = detail
    arn = f"arn:execution:{len(house.bus.sent)}"
    assert house.open_request(event, arn).outcome == "OPENED"
    request = house.requests.of_matter(MATTER)[-1]
    if state is RequestState.FAILED:
        house.requests.fail(request.matter_id, request.request_id, arn, "the client lacks a permission")
        return
    for reached in (RequestState.EXPORTED, RequestState.RECONCILED, RequestState.HELD, state):
        house.requests.advance(request, reached)


def test_standing_matter_stuck() -> None:
    house = House()
    opening = load_event("standing_matter_opened")
    house.record_standing_matter(opening)
    standing = house.standing.find(MATTER)
    assert standing is not None
    house.clock.at = standing.course.starts_at + 10 * DAY
    first = house.start_standing_runs
    looks = [counted(house, "StandingMatterStuck", first)]
    for _ in range(3):
        concluded(house, RequestState.FAILED)
        house.clock.forward(DAY)
        looks.append(counted(house, "StandingMatterStuck", house.start_standing_runs))
    assert [judged("StandingMatterStuck", look) for look in looks] == ["OK", "OK", "ALARM", "ALARM"]

    deployment = HouseDeployment(house)
    event = {"source": "holdfast", "detail-type": "DiscoveryRequested", "detail": house.bus.sent[-1]}
    failed = failed_run("run-3", event, stopped_at=house.clock.now())
    deployment.executions.failures["PreserveMatterArn"] = [failed]
    status, failures = typed(deployment, "StandingMatterStuck", "Look", MATTER=MATTER)
    assert "stuck" in status.page
    assert failures.document["failures"][0]["run"] == "run-3"
    asked = {"matters": 1, "asked": 0, "under_way": 0, "stuck": 1}
    deployment.answers["StartStandingRunsName"] = [asked] * 2
    typed(deployment, "StandingMatterStuck", "Do", RUN="run-3")
    assert deployment.sent_again == [event] * 2

    concluded(house, RequestState.PRESERVED)
    recovered = counted(house, "StandingMatterStuck", house.start_standing_runs)
    deployment.answers["StartStandingRunsName"] = [{**asked, "stuck": 0}] * 2
    swept, status = typed(deployment, "StandingMatterStuck", "Over", MATTER=MATTER)

    assert judged("StandingMatterStuck", recovered) == "OK"
    assert swept.exit_code == Exit.DONE
    covered = status.document["matters"][0]["standing"]["covered_until"]
    assert covered > standing.course.starts_at.isoformat()[:10]


# --- a vendor in trouble


def in_trouble(faults: dict[str, Any]) -> Rehearsal:
    return run_of(group("calls", 6), faults=faults)


def test_exports_break_off() -> None:
    us = in_trouble({"jobs": [{"from": 1, "times": 3, "outcome": "failed", "error_message": "no"}]})

    trouble = counted(us.house, "ExportsBreakOff", us.run)

    assert judged("ExportsBreakOff", trouble) == "ALARM"
    deployment = HouseDeployment(us.house)
    assert typed(deployment, "ExportsBreakOff", "Look", MATTER=MATTER)[0].page
    calm = counted(us.house, "ExportsBreakOff", lambda: us.run(request_id="R-2"))
    assert judged("ExportsBreakOff", calm) == "OK"
    (over,) = typed(deployment, "ExportsBreakOff", "Over", MATTER=MATTER)
    assert over.document["matters"][0]["requests"][-1]["state"] == "PRESERVED"


def test_platform_throttles() -> None:
    throttled = {"when": {"path": PROTECTION, "times": 60}, "then": {"status": 429, "retry_after": 180}}
    us = in_trouble({"requests": [throttled]})

    trouble = counted(us.house, "PlatformThrottles", us.run)

    # As many in each of three hours; the steps wait as long as they are told, so it is a long night.
    assert judged("PlatformThrottles", trouble // 3, trouble // 3, trouble // 3) == "ALARM"
    assert judged("PlatformThrottles", 0, trouble // 3, trouble // 3) == "OK"


# --- deliveries of S3's own


def test_inventory_overdue() -> None:
    house = House()

    nothing = counted(house, "InventoryOverdue", lambda: house.sweep_evidence(source=SweepSource.INVENTORY))
    house.inventory.pages = [VersionPage((), None, is_last=True)]
    delivered = counted(house, "InventoryOverdue", lambda: house.sweep_evidence(source=SweepSource.INVENTORY))

    days = [nothing or None] * 3
    assert judged("InventoryOverdue", *days) == "ALARM"
    assert judged("InventoryOverdue", delivered, *days[:2]) == "OK"
