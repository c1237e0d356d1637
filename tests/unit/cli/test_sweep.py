"""`holdfast sweep`: what schedules do is done at once, to its end, and bad news is the exit code."""

from typing import Any

import pytest

from cli.exits import Exit
from holdfast.contracts.steps import StandingRuns, Swept, Watched
from tests.fakes.house import House
from tests.unit.cli.deployment import HouseDeployment, run

SWEPT = Swept(done=True, versions=3, sent=0, drifted=0)
WATCHED = Watched(done=True, claims=2, revoked=0, asked=0)
STANDING = StandingRuns(matters=1, asked=0, under_way=1, stuck=0)
LOOKS = [
    ("arrivals", "SweepEvidenceName", {"source": "bucket"}, SWEPT, "drifted"),
    ("evidence", "SweepEvidenceName", {"source": "receipts"}, SWEPT, "drifted"),
    ("protection", "WatchProtectionName", {}, WATCHED, "revoked"),
    ("standing", "StartStandingRunsName", {}, STANDING, "stuck"),
]


@pytest.mark.parametrize(("what", "output", "payload", "answer", "bad"), LOOKS)
def test_nothing_found_is_good_news_and_anything_found_is_the_exit_code(
    what: str, output: str, payload: dict[str, Any], answer: Any, bad: str
) -> None:
    well, badly = HouseDeployment(House()), HouseDeployment(House())
    well.answers[output] = [answer.model_dump(mode="json")] * 2  # once for people, once for programs
    badly.answers[output] = [answer.model_copy(update={bad: 1}).model_dump(mode="json")] * 2

    good_news, bad_news = run(well, "sweep", what), run(badly, "sweep", what)

    assert (good_news.exit_code, bad_news.exit_code) == (Exit.DONE, Exit.NO)
    assert (good_news.document[bad], bad_news.document[bad]) == (0, 1)
    assert well.invoked[0] == (output, payload)


def test_a_look_that_had_no_time_for_all_goes_on_until_it_has_seen_the_end() -> None:
    deployment = HouseDeployment(House())
    half = SWEPT.model_copy(update={"done": False, "sent": 2})
    deployment.answers["SweepEvidenceName"] = [half.model_dump(), SWEPT.model_dump()] * 2

    shown = run(deployment, "sweep", "arrivals")

    assert shown.document == {"swept": "arrivals", "versions": 6, "sent": 2, "drifted": 0}
    assert len(deployment.invoked) == 4
