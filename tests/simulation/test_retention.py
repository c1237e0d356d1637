"""Retention: what is due is deleted, unless it is protected; and who asks is told what will be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local.genesys.clock import iso

QUERY = "/api/v2/recordings/retention/query"
PROTECTION = "/api/v2/recordings/deletionprotection"
DAY_S = 86_400
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)  # where the clock of the tests begins


def listed(world: Any, days: int = 0, **query: Any) -> dict[str, Any]:
    answer = world.client().get(QUERY, params={"retentionThresholdDays": days, **query})
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


def states(world: Any) -> list[str]:
    """The file state of every conversation's first recording."""
    client = world.client()
    return [
        client.get(f"/api/v2/conversations/{one.id}/recordingmetadata").json()[0]["fileState"]
        for one in world.conversations
    ]


def test_every_recording_with_a_date_is_listed_and_no_other(make_world: Any, make_group: Any) -> None:
    world = make_world(
        make_group(count=2, delete_after_s=DAY_S, screen=True), make_group(name="kept", count=2)
    )

    entities = listed(world)["entities"]

    dated = [one for one in world.conversations if one.group != "kept"]
    assert {one["conversationId"] for one in entities} == {one.id for one in dated}
    assert {one["recordingId"] for one in entities} == {part.id for one in dated for part in one.recordings}
    assert {one["deleteDate"] for one in entities} == {iso(NOW + timedelta(days=1))}
    assert all("archiveDate" not in one for one in entities), "what is not there is left out"


def test_pages_follow_a_cursor_and_end(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(count=5, delete_after_s=DAY_S))

    first = listed(world, pageSize=2)
    second = world.client().get(first["nextUri"]).json()
    third = world.client().get(second["nextUri"]).json()

    pages = [first, second, third]
    assert [len(page["entities"]) for page in pages] == [2, 2, 1]
    assert len({one["recordingId"] for page in pages for one in page["entities"]}) == 5
    assert "nextUri" not in third


def test_only_what_has_been_retained_for_longer_is_listed(make_world: Any, make_group: Any) -> None:
    """The conversations are of 2 March; it is 1 June."""
    world = make_world(make_group(count=1, delete_date="2027-01-01T00:00:00Z"))

    assert [len(listed(world, days)["entities"]) for days in (0, 89, 92)] == [1, 1, 0]


@pytest.mark.parametrize(
    "query", [{}, {"retentionThresholdDays": "soon"}, {"retentionThresholdDays": 1, "pageSize": 501}]
)
def test_a_faulty_query_is_refused(world: Any, query: dict[str, Any]) -> None:
    answer = world.client().get(QUERY, params=query)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid.query.param.value")


def test_what_is_due_is_deleted_and_what_is_protected_by_then_is_not(
    make_world: Any, make_group: Any
) -> None:
    world = make_world(make_group(count=2, delete_after_s=60))
    first, second = (one.id for one in world.conversations)
    world.clock.pass_s(59)
    world.client().put(PROTECTION, json={"conversationIds": [first]})

    before = states(world)
    world.clock.pass_s(1)

    assert before == ["AVAILABLE", "AVAILABLE"]
    assert states(world) == ["AVAILABLE", "DELETED"]
    refused = world.client().put(PROTECTION, json={"conversationIds": [second]}).json()["failedUpdates"]
    assert [one["errorCode"] for one in refused] == ["recording.conversation.not.found"]
    assert [one["conversationId"] for one in listed(world)["entities"]] == [first]


def test_a_date_that_passed_under_protection_applies_when_that_is_revoked(
    make_world: Any, make_group: Any
) -> None:
    world = make_world(make_group(count=1, delete_after_s=60))
    body = {"conversationIds": [world.conversations[0].id]}
    world.client().put(PROTECTION, json=body)
    world.clock.pass_s(3_600)

    world.client().put(PROTECTION, params={"protect": "false"}, json=body)

    assert states(world) == ["DELETED"]


def test_what_is_deleted_is_in_no_later_job_and_is_not_written_by_one_under_way(
    make_world: Any, make_group: Any
) -> None:
    world = make_world(
        make_group(count=3, delete_after_s=10), organization={"timing": {"delivery_delay_s": 30.0}}
    )
    kept = world.conversations[0].id
    world.client().put(PROTECTION, json={"conversationIds": [kept]})
    under_way = world.export(world.client())

    world.clock.pass_s(60)
    world.simulator.deliver_due()
    later = world.export(world.client())

    assert under_way["totalRecordings"] == 3
    assert {key.split("conversation_id=")[1].split("/")[0] for key in world.bucket.keys} == {kept}
    assert later["totalRecordings"] == 1


def test_what_is_deleted_between_a_jobs_creation_and_its_start_is_not_written(
    make_world: Any, make_group: Any
) -> None:
    world = make_world(make_group(count=2, delete_after_s=10))
    client = world.client()
    made = client.post("/api/v2/recording/jobs", json=world.job_body()).json()
    world.clock.pass_s(30)

    client.put(f"/api/v2/recording/jobs/{made['id']}", json={"state": "PROCESSING"})
    world.clock.pass_s(30)
    world.simulator.deliver_due()

    assert world.bucket.keys == []
