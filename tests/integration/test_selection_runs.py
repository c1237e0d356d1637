"""Whole runs whose scope is long, new, seen before, or with screens, against the simulated vendor."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from holdfast.domain.states import BatchState
from tests.fakes.clock import NOON
from tests.integration.rehearsal import CUSTODIAN, INTERVAL, Ended, Rehearsal

DETAILS, EXPORT = "/api/v2/analytics/conversations/details/jobs", "/api/v2/recordings/bulkexport"
THREE_MONTHS = "2025-12-20T00:00:00Z/2026-03-20T12:00:00Z"
DAY_S = 86_400


def _group(name: str, count: int, interval: str, **more: Any) -> dict[str, Any]:
    custodians = [CUSTODIAN]
    return {
        "name": name,
        "count": count,
        "medium": "voice",
        "custodians": custodians,
        "interval": interval,
    } | more


def _rehearsal(*groups: dict[str, Any], **organization: Any) -> Rehearsal:
    document = {"conversations": list(groups), **organization}
    return Rehearsal({"schema_version": 1, "name": "run", "seed": 6, "organization": document}, batch_size=5)


def _over_seams(**organization: Any) -> Rehearsal:
    """Seams lie at 20 January and 20 February; some conversations lie over one of them, one over both."""
    return _rehearsal(
        _group("everywhere", 40, THREE_MONTHS, duration_s=2 * DAY_S),
        _group("over-the-first", 3, "2026-01-18T00:00:00Z/2026-01-22T00:00:00Z", duration_s=1.2 * DAY_S),
        _group("over-both", 1, "2026-01-10T00:00:00Z/2026-03-01T00:00:00Z", duration_s=44 * DAY_S),
        _group("begun-before", 1, "2025-12-19T00:00:00Z/2025-12-21T00:00:00Z", duration_s=1.7 * DAY_S),
        _group("outside", 5, "2026-03-21T00:00:00Z/2026-03-22T00:00:00Z"),
        **organization,
    )


def _asked(us: Rehearsal, path: str) -> list[Any]:
    return [one["body"] for one in us.simulator.log.entries if (one["method"], one["path"]) == ("POST", path)]


def _exported(us: Rehearsal) -> list[str]:
    return [one for body in _asked(us, EXPORT) for one in body["conversation_ids"]]


def _recordings(end: Ended) -> dict[str, int]:
    return dict(end.summary["recordings"])


@pytest.mark.parametrize(("longest_query_h", "queries"), [(None, 3), (20 * 24, 1 + 6), (8 * 24, 1 + 1 + 12)])
def test_every_conversation_of_a_long_scope_is_exported_once(
    longest_query_h: float | None, queries: int
) -> None:
    us = _over_seams(**({"longest_query_h": longest_query_h} if longest_query_h else {}))

    end = us.run(interval=THREE_MONTHS)

    assert end.verdict == "PRESERVED"
    assert end.summary["conversations"]["expected"] == 45
    assert len(_exported(us)) == len(set(_exported(us))) == 45
    assert len(_asked(us, DETAILS)) == queries
    answered = [one["interval"].split("/") for one in _asked(us, DETAILS)]
    slices = [after for before, after in zip([None, *answered], answered, strict=False) if before != after]
    seams = [(before[1], after[0]) for before, after in pairwise(slices) if before[0] != after[0]]
    assert all(end == start for end, start in seams)


@pytest.mark.parametrize("data_wait", [timedelta(), timedelta(days=2)])
def test_a_scope_that_ends_today_is_waited_for_or_incomplete(data_wait: timedelta) -> None:
    interval = f"{(NOON - timedelta(days=5)).isoformat()}/{NOON.isoformat()}"
    us = _rehearsal(_group("calls", 10, interval))
    us.house.data_wait = data_wait

    end = us.run(interval=interval)

    waited = us.clock.now() - NOON
    if data_wait:
        assert (end.verdict, end.summary["conversations"]["expected"]) == ("PRESERVED", 10)
        assert timedelta(days=2) <= waited < timedelta(days=3)
    else:
        assert (end.verdict, dict(end.reasons)) == ("INCOMPLETE", {"not_yet_available": 1})
        assert 0 < end.summary["conversations"]["expected"] < 10


@pytest.mark.parametrize(("include_screen", "recordings"), [(False, 4), (True, 8)])
def test_screens_are_asked_for_and_counted_only_where_they_are_wanted(
    include_screen: bool, recordings: int
) -> None:
    us = _rehearsal(_group("calls", 4, INTERVAL, screen=True))

    end = us.run(include_screen=include_screen)

    assert end.verdict == "PRESERVED"
    assert _recordings(end) == {
        "expected": recordings, "delivered": recordings, "secured": recordings, "explained": 0, "missing": 0
    }  # fmt: skip
    assert end.summary["by_medium"].get("screen", {}).get("secured", 0) == (4 if include_screen else 0)


def test_screens_that_another_matter_had_exported_are_not_counted_for_one_that_wants_none() -> None:
    us = _rehearsal(_group("calls", 4, INTERVAL, screen=True))
    us.run()

    end = us.run("M-2", "R-2", include_screen=False)

    assert (end.verdict, _recordings(end)["secured"]) == ("PRESERVED", 4)
    assert len(_exported(us)) == 4
    assert end.summary["reused"] == {"conversations": 4, "recordings": 4}


def test_screens_that_the_first_matter_did_not_want_are_exported_for_the_second() -> None:
    us = _rehearsal(_group("calls", 4, INTERVAL, screen=True))
    us.run(include_screen=False)

    end = us.run("M-2", "R-2")

    assert (end.verdict, _recordings(end)["secured"]) == ("PRESERVED", 8)
    assert len(_exported(us)) == 8
    assert end.summary["reused"] == {"conversations": 0, "recordings": 0}


def test_overlapping_matters_export_each_conversation_once() -> None:
    us = _rehearsal(_group("calls", 12, INTERVAL))
    us.run("M-1", "R-1", interval="2026-03-02T00:00:00Z/2026-03-04T00:00:00Z")

    end = us.run("M-2", "R-1", interval="2026-03-03T00:00:00Z/2026-03-05T00:00:00Z")

    assert end.verdict == "PRESERVED"
    assert len(_exported(us)) == len(set(_exported(us))) == 12
    reused = end.summary["reused"]["conversations"]
    assert 0 < reused < end.summary["conversations"]["expected"]
    states = [batch.state for batch in us.house.batches.of_request(us.house.request)]
    assert states.count(BatchState.REUSED) == 1


def test_a_list_of_conversations_is_found_in_whatever_slice_each_lies() -> None:
    us = _over_seams()
    wanted = sorted(us.simulator.platform.organisation.conversations)[::4]

    end = us.run(interval=THREE_MONTHS, custodians=[], conversation_ids=wanted)

    inside = set(wanted) & _active_in(us, THREE_MONTHS)
    assert end.verdict == "PRESERVED"
    assert sorted(_exported(us)) == sorted(inside)
    assert len(inside) >= 10


def _active_in(us: Rehearsal, interval: str) -> set[str]:
    start, _, end = interval.partition("/")
    conversations = us.simulator.platform.organisation.conversations.values()
    began, ended = datetime.fromisoformat(start), datetime.fromisoformat(end)
    return {one.id for one in conversations if one.started_at < ended and one.ended_at > began}


def test_a_request_sent_again_once_its_data_is_there_exports_only_the_rest() -> None:
    interval = f"{(NOON - timedelta(days=5)).isoformat()}/{NOON.isoformat()}"
    us = _rehearsal(_group("calls", 10, interval))
    first = us.run(interval=interval)
    us.clock.pass_s(3 * DAY_S)

    second = us.run(request_id="R-2", interval=interval)

    assert (first.verdict, second.verdict) == ("INCOMPLETE", "PRESERVED")
    assert second.summary["conversations"]["expected"] == 10
    assert second.summary["reused"]["conversations"] == first.summary["conversations"]["expected"]
    assert len(_exported(us)) == len(set(_exported(us))) == 10
