from typing import Any

import pytest

JOBS = "/api/v2/recording/jobs"
A, B = (f"0a6f0d1e-0000-4000-8000-00000000000{number}" for number in (1, 2))
COUNTS = ("totalRecordings", "totalProcessedRecordings", "totalSkippedRecordings", "totalFailedRecordings")


def counts(job: dict[str, Any]) -> tuple[int, ...]:
    return tuple(job[name] for name in COUNTS)


def recording_ids(world: Any) -> set[str]:
    """The recordings of which both objects lie in the bucket."""
    media = {key for key in world.bucket.keys if not key.endswith("_metadata.json")}
    return {
        key.rpartition("/")[2].partition(".")[0]
        for key in media
        if f"{key}_metadata.json" in world.bucket.keys
    }


def test_a_job_goes_from_pending_to_fulfilled_and_only_then_to_the_bucket(world: Any) -> None:
    client = world.client()
    made = client.post(JOBS, json=world.job_body())
    path = f"{JOBS}/{made.json()['id']}"

    def look() -> tuple[str, int, int]:
        world.simulator.deliver_due()
        job = client.get(path).json()
        return job["state"], job["percentProgress"], len(world.bucket.keys)

    assert made.status_code == 202
    assert "totalRecordings" not in made.json()
    assert look() == ("PENDING", 0, 0)
    world.clock.pass_s(1)
    assert look() == ("READY", 0, 0)
    world.clock.pass_s(100)
    assert look() == ("READY", 0, 0)
    assert client.put(path, json={"state": "PROCESSING"}).json()["state"] == "PROCESSING"
    world.clock.pass_s(0.5)
    assert look() == ("PROCESSING", 50, 0)
    world.clock.pass_s(0.5)
    assert look() == ("FULFILLED", 100, 0)
    world.clock.pass_s(0.5)
    assert look() == ("FULFILLED", 100, 10)
    assert counts(client.get(path).json()) == (5, 5, 0, 0)
    assert client.get(path).json()["recordingJobsQuery"] == world.job_body()


def test_the_exported_date_is_the_proof_of_delivery(world: Any) -> None:
    client = world.client()
    path = f"/api/v2/conversations/{world.conversations[0].id}/recordingmetadata"

    world.export(client)
    [after] = client.get(path).json()

    assert after["exportedDate"] == after["exportDate"] == "2026-06-01T12:00:02.500Z"
    assert (after["media"], after["mediaSubtype"], after["fileState"]) == ("audio", "Trunk", "AVAILABLE")
    assert client.get(f"{path}/{after['id']}").json() == after
    assert client.get(f"{path}/{world.conversations[0].id}").status_code == 404
    assert client.get(path.replace(world.conversations[0].id, A)).status_code == 404


def test_an_action_date_in_the_future_holds_the_objects_back(world: Any) -> None:
    client = world.client()

    job = world.export(client, actionDate="2026-06-02T00:00:00Z")
    at_first = len(world.bucket.keys)
    world.clock.pass_s(86_400)
    world.simulator.deliver_due()

    assert (job["state"], at_first, len(world.bucket.keys)) == ("FULFILLED", 0, 10)


@pytest.mark.parametrize("status", [429, 400])
def test_a_third_job_in_progress_is_refused(make_world: Any, status: int) -> None:
    world = make_world(organization={"third_job_error": status})
    client = world.client()
    first = client.post(JOBS, json=world.job_body()).json()
    client.post(JOBS, json=world.job_body())

    third = client.post(JOBS, json=world.job_body())
    client.delete(f"{JOBS}/{first['id']}")
    again = client.post(JOBS, json=world.job_body())

    assert third.status_code == status
    assert third.json()["limit"] == {"key": "concurrent.jobs", "namespace": "recording", "value": "2"}
    assert again.status_code == 202


def test_a_job_that_is_ready_takes_no_place_until_it_starts(world: Any) -> None:
    client = world.client()
    ready = client.post(JOBS, json=world.job_body()).json()
    world.clock.pass_s(1)

    others = [client.post(JOBS, json=world.job_body()).status_code for _ in range(2)]
    start = client.put(f"{JOBS}/{ready['id']}", json={"state": "PROCESSING"})

    assert others == [202, 202]
    assert start.status_code == 429


def test_only_its_creator_may_start_a_job_and_only_when_it_is_ready(make_world: Any) -> None:
    world = make_world(organization={"clients": {"limited": {"lacks": []}}})
    mine, other = world.client(), world.client("limited")
    path = f"{JOBS}/{mine.post(JOBS, json=world.job_body()).json()['id']}"

    too_early = mine.put(path, json={"state": "PROCESSING"})
    world.clock.pass_s(1)
    foreign = other.put(path, json={"state": "PROCESSING"})
    wrong = mine.put(path, json={"state": "FULFILLED"})
    right = mine.put(path, json={"state": "PROCESSING"})
    twice = mine.put(path, json={"state": "PROCESSING"})

    assert [one.status_code for one in (too_early, foreign, wrong, right, twice)] == [409, 403, 400, 200, 409]
    assert foreign.json()["code"] == "not.authorized"


def test_a_cancelled_job_delivers_what_it_had_done(world: Any) -> None:
    client = world.client()
    path = f"{JOBS}/{client.post(JOBS, json=world.job_body()).json()['id']}"
    world.clock.pass_s(1)
    client.put(path, json={"state": "PROCESSING"})
    world.clock.pass_s(0.4)

    answer = client.delete(path)
    world.clock.pass_s(10)
    world.simulator.deliver_due()

    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(path).json()["state"] == "CANCELLED"
    assert len(recording_ids(world)) == 2
    assert client.delete(path).status_code == 409


def test_jobs_are_listed_by_owner_state_and_kind(make_world: Any) -> None:
    world = make_world(organization={"clients": {"limited": {"lacks": []}}})
    mine, other = world.client(), world.client("limited")
    first = mine.post(JOBS, json=world.job_body()).json()["id"]
    world.clock.pass_s(1)
    second = other.post(JOBS, json=world.job_body()).json()["id"]

    def listed(**query: str) -> list[str]:
        return [job["id"] for job in mine.get(JOBS, params=query).json()["entities"]]

    assert sorted(listed()) == sorted([first, second])
    assert listed(sortBy="dateCreated") == [second, first]
    assert listed(showOnlyMyJobs="true") == [first]
    assert listed(state="PENDING") == [second]
    assert listed(jobType="DELETE") == []
    assert mine.get(JOBS, params={"sortBy": "mood"}).status_code == 400
    assert mine.get(JOBS, params={"showOnlyMyJobs": "perhaps"}).status_code == 400


def test_sensitive_recordings_are_skipped_unless_asked_for(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(sensitive=2))
    client = world.client()

    without = world.export(client)
    asked = world.export(client, includeRecordingsWithSensitiveData=True)

    assert counts(without) == (5, 3, 2, 0)
    assert counts(asked) == (5, 5, 0, 0)


def test_asking_for_sensitive_recordings_needs_the_permission(world: Any) -> None:
    body = world.job_body(includeRecordingsWithSensitiveData=True)

    answer = world.client("limited").post(JOBS, json=body)

    assert answer.status_code == 403
    assert answer.json()["messageParams"] == {"permissions": "recording:recording:viewSensitiveData"}


def test_screen_recordings_come_only_if_asked_for(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(screen=True))
    client = world.client()

    without = world.export(client, includeScreenRecordings=False)
    webm_without = sum(key.endswith(".webm") for key in world.bucket.keys)
    asked = world.export(client)

    assert counts(without) == (5, 5, 0, 0)
    assert webm_without == 0
    assert counts(asked) == (10, 10, 0, 0)
    assert sum(key.endswith(".webm") for key in world.bucket.keys) == 5


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"action": "COPY"}, 400, "action"),
        ({"integrationId": A}, 400, "integrationId"),
        ({"legal_hold": True}, 400, "legal_hold"),
        ({"includeScreenRecordings": "yes"}, 400, "includeScreenRecordings"),
        ({"actionDate": "tomorrow"}, 400, "actionDate"),
        ({"conversationQuery": None}, 400, "conversationQuery"),
        ({"conversationQuery": {"interval": "x"}}, 400, "conversationQuery.interval"),
        ({"clearExport": True}, 400, "clearExport"),
        ({"action": "DELETE"}, 501, None),
    ],
)
def test_a_faulty_job_is_refused_by_field(
    world: Any, change: dict[str, Any], status: int, field: str | None
) -> None:
    answer = world.client().post(JOBS, json=world.job_body() | change)

    assert answer.status_code == status
    assert answer.json()["messageParams"].get("field") == field


def test_an_integration_that_is_not_active_takes_no_jobs(make_world: Any) -> None:
    world = make_world(organization={"integration_state": "ERROR"})
    client = world.client()

    [integration] = client.get("/api/v2/integrations").json()["entities"]

    assert integration["id"] == world.organization.integration_id
    assert integration["reportedState"] == {"code": "ERROR"}
    assert client.get(f"/api/v2/integrations/{integration['id']}").json() == integration
    assert client.get(f"/api/v2/integrations/{A}").status_code == 404
    assert client.post(JOBS, json=world.job_body()).status_code == 400


def test_failed_recordings_are_counted_and_listed_page_by_page(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(), faults={"recordings": [{"medium": "voice", "fail": 2, "skip": 1}]})
    client = world.client()

    job = world.export(client)
    path = f"{JOBS}/{job['id']}/failedrecordings"
    pages = [client.get(path, params={"pageSize": 1, "pageNumber": number}).json() for number in (1, 2)]

    assert counts(job) == (5, 2, 1, 2)
    assert job["failedRecordings"] == path
    failed = {page["entities"][0]["recording"]["id"] for page in pages}
    assert len(failed) == 2
    assert pages[0]["pageCount"] == 2
    assert not failed & recording_ids(world)
    assert len(recording_ids(world)) == 2
    assert client.get(path, params={"pageSize": 101}).status_code == 400


def test_a_failed_recording_may_recover(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(), faults={"recordings": [{"fail": 1, "recovers_after_jobs": 1}]})
    client = world.client()

    assert counts(world.export(client)) == (5, 4, 0, 1)
    assert counts(world.export(client)) == (5, 5, 0, 0)


def test_each_fate_leaves_its_trace_in_the_bucket(make_world: Any, make_group: Any) -> None:
    fates = (
        "never_delivered",
        "zero_byte",
        "without_sidecar",
        "sidecar_only",
        "duplicate_version",
        "exotic_key",
        "deleted",
    )
    fault = dict.fromkeys(fates, 1) | {"late": 1, "late_s": 60, "stray": 2}
    world = make_world(make_group(10), faults={"recordings": [fault]})
    client = world.client()

    job = world.export(client)
    keys = list(world.bucket.keys)
    world.clock.pass_s(60)
    world.simulator.deliver_due()

    media = [key for key in keys if key.endswith(".opus")]
    assert counts(job) == (9, 9, 0, 0)
    # 2 normal, zero, without sidecar, exotic, and one twice
    assert len(media) == 7
    assert sum("gr\u00fc\u00dfe+50%=a&b" in key for key in keys) == 2
    assert sum(key.endswith(".txt") for key in keys) == 2
    assert sum(not content for _, content in world.bucket.versions) == 1
    assert len(set(keys)) == len(keys) - 2
    assert len(world.bucket.keys) == len(keys) + 2
    states = [
        client.get(f"/api/v2/conversations/{one.id}/recordingmetadata").json()[0]["fileState"]
        for one in world.conversations
    ]
    assert states.count("DELETED") == 1


@pytest.mark.parametrize(
    ("fault", "ready", "end", "delivered"),
    [
        ({"outcome": "failed", "error_message": "Access denied"}, "READY", "FAILED", 0),
        ({"outcome": "failed", "at": "PENDING"}, "FAILED", "FAILED", 0),
        ({"outcome": "stuck", "at": "PENDING"}, "PENDING", "PENDING", 0),
        ({"outcome": "stuck", "delivered_share": 0.4}, "READY", "PROCESSING", 2),
        ({"outcome": "cancelled", "delivered_share": 0.6}, "READY", "CANCELLED", 3),
        ({"outcome": "unknown_state", "state": "ARCHIVING"}, "READY", "ARCHIVING", 0),
    ],
)
def test_jobs_end_as_the_scenario_wants(
    make_world: Any, fault: dict[str, Any], ready: str, end: str, delivered: int
) -> None:
    world = make_world(faults={"jobs": [{"nth": 1} | fault]})
    client = world.client()
    path = f"{JOBS}/{client.post(JOBS, json=world.job_body()).json()['id']}"

    world.clock.pass_s(1)
    assert client.get(path).json()["state"] == ready
    client.put(path, json={"state": "PROCESSING"})
    world.clock.pass_s(60)
    world.simulator.deliver_due()

    job = client.get(path).json()
    assert job["state"] == end
    assert job.get("errorMessage") == (
        fault.get("error_message", "The job failed.") if end == "FAILED" else None
    )
    assert len(recording_ids(world)) == delivered


def test_a_poisoned_conversation_fails_every_job_that_holds_it(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(4), faults={"recordings": [{"poison": 1}]})
    client = world.client()

    def end(conversations: list[Any]) -> str:
        predicates = [{"dimension": "conversationId", "value": one.id} for one in conversations]
        query = world.job_body()["conversationQuery"] | {
            "conversationFilters": [{"type": "or", "predicates": predicates}]
        }
        return str(world.export(client, conversationQuery=query)["state"])

    assert end(world.conversations) == "FAILED"
    assert sorted(end([one]) for one in world.conversations) == ["FAILED"] + ["FULFILLED"] * 3


def test_a_job_may_be_too_large(make_world: Any) -> None:
    fault = {"outcome": "failed", "more_conversations_than": 4, "times": 1}
    world = make_world(faults={"jobs": [fault]})
    client = world.client()

    assert [world.export(client)["state"] for _ in range(2)] == ["FAILED", "FULFILLED"]
