"""The compliance dialect on the wire: jobs, manifests, holds, and the shape of every refusal."""

import json
from typing import Any

import httpx
import pytest

from local.genesys.compliance import BULK_EXPORT, HOLDS, JOBS
from local.genesys.organisation import build
from local.genesys.scenario import ScenarioError, parse_scenario
from tests.simulation.naive import DIGITAL, VOICE, Client, Refused, manifest_of

EXPORT_SCOPES = {"recordings:export:read", "recording:export"}
HOLD_SCOPES = {"recording:metadata:write", "interaction:metadata:write", "interaction:write"}
DETAILS = "/api/v2/analytics/conversations/details/jobs"
UNKNOWN = "0a6f0d1e-0000-4000-8000-00000000ffff"


def body_of(world: Any, **more: Any) -> dict[str, Any]:
    return {
        "conversation_ids": [one.id for one in world.conversations],
        "interval": world.simulator.scenario.interval,
        "integration_id": world.organization.integration_id,
        **VOICE.body,
        **more,
    }


def exported(world: Any) -> tuple[Client, dict[str, Any]]:
    client = Client(world.simulator, world.clock)
    digital = world.conversations[0].medium not in {"voice", "callback"}
    job = client.export(world.conversations, DIGITAL if digital else VOICE)
    client.wait(10)
    return client, job


# --- jobs
# -------------------------------------------------------------------------


def test_a_job_goes_from_pending_to_fulfilled_and_its_manifest_comes_last(world: Any) -> None:
    client = world.client()
    made = client.post(BULK_EXPORT, json=body_of(world))
    path = f"{JOBS}/{made.json()['id']}"

    def look() -> tuple[str, int, int]:
        world.simulator.deliver_due()
        job = client.get(path).json()
        return job["state"], job["percent"], job["total_recordings"]

    assert (made.status_code, made.json()["state"]) == (202, "PENDING")
    assert look() == ("PENDING", 0, 0)
    assert client.post(f"{path}/export").status_code == 409
    world.clock.pass_s(1)
    assert look() == ("READY", 0, 5)
    assert client.post(f"{path}/export").status_code == 202
    world.clock.pass_s(0.5)
    assert look() == ("PROCESSING", 50, 5)
    world.clock.pass_s(0.5)
    assert look() == ("FULFILLED", 100, 5)
    job = client.get(path).json()
    assert job["manifest_key"] == f"{world.organization.id}/manifests/{job['id']}.json"
    assert world.bucket.keys == []
    world.clock.pass_s(0.5)
    look()
    assert len(world.bucket.keys) == 11
    assert world.bucket.keys[-1] == job["manifest_key"]


def test_both_dialects_share_the_places_for_jobs(world: Any) -> None:
    client = world.client()
    client.post("/api/v2/recording/jobs", json=world.job_body())
    first = client.post(BULK_EXPORT, json=body_of(world)).json()

    third = client.post(BULK_EXPORT, json=body_of(world))
    cancelled = client.delete(f"{JOBS}/{first['id']}")
    again = client.post(BULK_EXPORT, json=body_of(world))

    assert (third.status_code, third.json()["error_code"]) == (429, "429")
    assert "Retry-After" not in third.headers
    assert (cancelled.status_code, again.status_code) == (204, 202)
    assert client.delete(f"{JOBS}/{first['id']}").status_code == 409
    assert client.get("/api/v2/recording/jobs").json()["total"] == 1


def test_the_own_jobs_are_listed_page_by_page_with_what_was_asked(make_world: Any) -> None:
    world = make_world(organization={"max_concurrent_jobs": 100, "clients": {"limited": {"lacks": []}}})
    client = world.client()
    made = [client.post(BULK_EXPORT, json=body_of(world)).json()["id"] for _ in range(27)]
    world.client("limited").post(BULK_EXPORT, json=body_of(world))

    first = client.get(JOBS, params={"mine": "true", "page": "1"}).json()
    second = client.get(JOBS, params={"mine": "true", "page": str(first["next_page"])}).json()

    assert [job["id"] for job in first["jobs"] + second["jobs"]] == made[::-1]
    assert "next_page" not in second
    assert all(job["request"] == body_of(world) for job in first["jobs"])
    assert len(client.get(JOBS, params={"page": "2"}).json()["jobs"]) == 3


def test_only_its_creator_may_set_a_job_going(make_world: Any) -> None:
    world = make_world(organization={"clients": {"limited": {"lacks": []}}})
    job = world.client().post(BULK_EXPORT, json=body_of(world)).json()
    world.clock.pass_s(1)

    assert world.client("limited").post(f"{JOBS}/{job['id']}/export").status_code == 403


def test_a_job_of_the_scenario_s_making_fails_with_its_message(make_world: Any) -> None:
    world = make_world(faults={"jobs": [{"outcome": "failed", "error_message": "no luck"}]})

    _, job = exported(world)

    assert job["state"] == "FAILED"
    assert job["error"] == {"error_code": "500", "message": "Internal Server Error", "details": "no luck"}
    assert world.bucket.keys == []


def test_only_asked_for_conversations_in_the_interval_are_exported(world: Any) -> None:
    client = world.client()
    wanted = [world.conversations[0].id, UNKNOWN]

    def total(**more: Any) -> int:
        job = client.post(BULK_EXPORT, json=body_of(world, **more)).json()
        world.clock.pass_s(1)
        count: int = client.get(f"{JOBS}/{job['id']}").json()["total_recordings"]
        return count

    assert total() == 5
    assert total(conversation_ids=wanted) == 1
    assert total(interval="2025-03-02T00:00:00Z/2025-03-03T00:00:00Z") == 0
    assert total(interval="2027-03-02T00:00:00Z/2027-03-03T00:00:00Z") == 0


@pytest.mark.parametrize(
    ("more", "status", "details"),
    [
        ({"conversation_ids": []}, 400, "conversation_ids"),
        ({"conversation_ids": ["x"]}, 400, "expected UUIDs, found x"),
        ({"interval": "2026-03-02"}, 400, "interval: expected start/end"),
        ({"integration_id": UNKNOWN}, 400, "integration_id"),
        ({"manifest_version": "v3"}, 400, "expected v1 or v2, found v3"),
        ({"include_participant_id": "yes"}, 400, "include_participant_id: expected true or false, found yes"),
        ({"priority": "high"}, 400, "unknown field priority"),
        ({"conversation_ids": [UNKNOWN] * 7000}, 413, "larger than 262144 bytes"),
    ],
)
def test_a_body_that_is_wrong_is_refused_with_what_was_expected(
    world: Any, more: dict[str, Any], status: int, details: str
) -> None:
    answer = world.client().post(BULK_EXPORT, json=body_of(world, **more))

    assert (answer.status_code, answer.json()["error_code"]) == (status, str(status))
    assert details in answer.json()["details"]


def test_the_structure_for_voice_is_refused_where_there_is_none(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(medium="chat"))

    answer = world.client().post(BULK_EXPORT, json=body_of(world))

    assert (answer.status_code, answer.json()["message"]) == (400, "Bad Request")


@pytest.mark.parametrize(
    "part",
    [
        {"body": {"legal_hold": True}},
        {"body": {"custom": [{"x-amz-meta-legal-hold": "true"}]}},
        {"body": {"externalReferenceId": "M-1-A"}},
        {"body": {"legal_hold_acknowledgement": False}},
        {"params": {"legal_hold": "true"}},
        {"at_start": {"legal_hold": True}},
    ],
)
def test_a_hold_flag_anywhere_fails_the_job(world: Any, part: dict[str, Any]) -> None:
    client = world.client()
    made = client.post(BULK_EXPORT, json=body_of(world, **part.get("body", {})), params=part.get("params"))
    path = f"{JOBS}/{made.json()['id']}"
    world.clock.pass_s(1)
    client.post(f"{path}/export", json=part.get("at_start", {}))
    world.clock.pass_s(10)
    world.simulator.deliver_due()

    job = client.get(path).json()

    assert (job["state"], job["error"]["details"]) == ("FAILED", "S3 upload: metadata headers refused")
    assert "manifest_key" not in job
    assert world.bucket.keys == []


@pytest.mark.parametrize("missing", ["manifest_version", "include_participant_id", "legal_hold_compliance"])
def test_voice_fails_its_validation_unless_all_three_fields_are_there(world: Any, missing: str) -> None:
    client = world.client()
    body = body_of(world)
    del body[missing]
    job = client.post(BULK_EXPORT, json=body).json()
    world.clock.pass_s(1)

    job = client.get(f"{JOBS}/{job['id']}").json()

    assert (job["state"], job["error"]["error_code"]) == ("FAILED", "403")


def test_a_bucket_that_refuses_every_export_refuses_the_sane_one_too(make_world: Any) -> None:
    world = make_world(faults={"uploads": [{"refusal": "tenant", "during": "any_export"}]})

    _, job = exported(world)

    assert job["error"]["message"] == "Access Denied"
    assert world.organization.id in job["error"]["details"]


# --- manifests
# -------------------------------------------------------------------------


def test_the_manifest_names_every_recording_with_its_participant_and_its_objects(
    make_world: Any, make_group: Any
) -> None:
    world = make_world(
        make_group(6, "chat", sensitive=1),
        faults={"recordings": [{"fail": 1, "exotic_key": 1}]},
    )

    client, job = exported(world)
    manifest = manifest_of(world.bucket.versions, job)
    query = client.ask("POST", DETAILS, {"interval": world.simulator.scenario.interval})
    client.wait(1)
    results = client.ask("GET", f"{DETAILS}/{query['jobId']}/results")
    agents = {
        participant["participantId"]
        for one in results["conversations"]
        for participant in one["participants"]
        if participant["purpose"] == "agent"
    }

    assert (manifest["manifest_version"], manifest["job_id"]) == ("v2", job["id"])
    assert [len(manifest[part]) for part in ("recordings", "failed", "skipped")] == [4, 1, 1]
    assert (job["failed_recordings"], job["skipped_recordings"], job["total_recordings"]) == (1, 1, 6)
    named = [entry[name] for entry in manifest["recordings"] for name in ("key", "sidecar_key")]
    assert {*named, job["manifest_key"]} == set(world.bucket.keys)
    assert {entry["participant_id"] for entry in manifest["recordings"]} < agents
    assert {entry["media_type"] for entry in manifest["recordings"]} == {"chat"}
    recordings = {recording.id for one in world.conversations for recording in one.recordings}
    assert {
        entry["recording_id"] for part in ("recordings", "failed", "skipped") for entry in manifest[part]
    } == recordings


def test_a_manifest_may_name_what_never_came_and_leave_out_what_did(make_world: Any) -> None:
    faults = {"recordings": [{"never_delivered": 1, "unlisted": 1, "without_participant_id": 1}]}
    world = make_world(faults=faults)

    _, job = exported(world)
    manifest = manifest_of(world.bucket.versions, job)

    named = {entry["key"] for entry in manifest["recordings"]}
    came = {key for key in world.bucket.keys if f"{key}_metadata.json" in world.bucket.keys}
    assert (len(named - came), len(came - named), len(named & came)) == (1, 1, 3)
    assert sorted("participant_id" in entry for entry in manifest["recordings"]) == [False, True, True, True]
    assert job["total_recordings"] == 5


def test_a_manifest_waits_for_what_is_late(make_world: Any) -> None:
    world = make_world(faults={"recordings": [{"late": 1, "late_s": 30}]})
    client, job = exported(world)

    before = set(world.bucket.keys)
    client.wait(30)

    assert job["manifest_key"] not in before
    assert world.bucket.keys[-1] == job["manifest_key"]
    assert len(before) == 8


def test_neither_manifest_nor_hold_overtakes_an_object_that_is_being_written(world: Any) -> None:
    client = world.client()
    job = client.post(BULK_EXPORT, json=body_of(world)).json()
    world.clock.pass_s(1)
    client.post(f"{JOBS}/{job['id']}/export")
    world.clock.pass_s(2)
    exports, now = world.simulator.exports, world.clock.now()

    *written, slow = exports.due(now)
    for delivery in written:
        exports.finished(delivery, now, written=True)
    meanwhile = exports.due(now)
    uploaded = [exports.uploaded_at(one.conversation.id, now) for one in (*written, slow)]
    exports.finished(slow, now, written=False)
    [manifest] = exports.due(now)

    assert (len(written), meanwhile) == (4, [])
    assert uploaded == [now] * 4 + [None]
    assert exports.uploaded_at(slow.conversation.id, now) == now
    assert f"{manifest.folder}/{manifest.file.name}" == f"{world.organization.id}/manifests/{job['id']}.json"


def test_a_manifest_comes_last_though_many_threads_write(start_simulator: Any, make_group: Any) -> None:
    quick = {"pending_s": 0, "processing_s": 0, "delivery_delay_s": 0.2}
    organization = {
        "timing": quick,
        "rate_limit_per_minute": 100_000,
        "conversations": [make_group(200, size_bytes=50_000)],
    }
    running = start_simulator({"schema_version": 1, "name": "x", "seed": 7, "organization": organization})
    known = running.announced["clients"][0]
    conversations = build(parse_scenario(json.loads((running.folder.parent / "scenario.json").read_text())))
    manifests = running.folder / running.announced["organization_id"] / "manifests"

    with httpx.Client(base_url=running.announced["url"]) as client:
        token = client.post(
            "/oauth/token", auth=(known["id"], known["secret"]), data={"grant_type": "client_credentials"}
        ).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        body = {
            "conversation_ids": list(conversations.conversations),
            "interval": running.announced["interval"],
            "integration_id": running.announced["integration_id"],
            **VOICE.body,
        }
        job = client.post(BULK_EXPORT, json=body).json()
        client.post(f"{JOBS}/{job['id']}/export")
        for _ in range(10_000):
            if client.get(f"{JOBS}/{job['id']}").is_success and manifests.exists():
                break

    assert len(list(running.folder.rglob("*.opus*"))) == 400


@pytest.mark.parametrize("outcome", ["v1", "without_participant_ids", "unreadable", "never", "late"])
def test_a_manifest_can_be_worth_little(make_world: Any, outcome: str) -> None:
    world = make_world(faults={"manifests": [{"outcome": outcome, "nth": 1, "late_s": 60}]})

    client, job = exported(world)
    at_first = dict(world.bucket.versions).get(job["manifest_key"], b"")
    client.wait(60)
    later = dict(world.bucket.versions).get(job["manifest_key"], b"")
    objects = set(world.bucket.keys) - {job["manifest_key"]}

    assert (job["state"], len(objects)) == ("FULFILLED", 10)
    match outcome:
        case "v1":
            manifest = json.loads(later)
            assert set(manifest) == {"manifest_version", "job_id", "files"}
            assert set(manifest["files"]) == objects
        case "without_participant_ids":
            assert not any("participant_id" in entry for entry in json.loads(later)["recordings"])
        case "unreadable":
            with pytest.raises(ValueError, match="Expecting"):
                json.loads(later)
        case "never":
            assert later == b""
        case _:
            assert (at_first, json.loads(later)["manifest_version"]) == (b"", "v2")


def test_faults_of_manifests_strike_the_jobs_they_name(make_world: Any) -> None:
    world = make_world(
        faults={"manifests": [{"outcome": "v1", "from": 2, "times": 2}]},
    )

    versions = [manifest_of(world.bucket.versions, exported(world)[1])["manifest_version"] for _ in range(4)]

    assert versions == ["v2", "v1", "v1", "v2"]


def test_a_first_manifest_is_what_a_digital_export_gets_by_default(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(medium="email"))
    client = world.client()
    body = {name: value for name, value in body_of(world).items() if name not in VOICE.body}
    job = client.post(BULK_EXPORT, json=body | {"include_metadata": False}).json()
    world.clock.pass_s(1)
    client.post(f"{JOBS}/{job['id']}/export")
    world.clock.pass_s(2)
    world.simulator.deliver_due()

    job = client.get(f"{JOBS}/{job['id']}").json()

    assert manifest_of(world.bucket.versions, job)["manifest_version"] == "v1"


# --- holds
# -------------------------------------------------------------------------


def test_holds_of_several_references_stand_side_by_side(world: Any) -> None:
    client, _ = exported(world)
    ids = [one.id for one in world.conversations]

    def references(one: str) -> list[str]:
        holds = client.ask("POST", f"{HOLDS}/query", {"conversation_ids": [one]})["holds"]
        return holds[0]["externalReferenceIds"] if holds else []

    def hold(reference: str) -> Any:
        return client.hold(world.conversations, reference, legal_hold_acknowledgement=True)

    answers = [hold(reference) for reference in ("M-1-A", "M-2-B", "M-1-A")]
    both = references(ids[0])
    released = client.ask(
        "POST", f"{HOLDS}/release", {"conversation_ids": [*ids, UNKNOWN], "externalReferenceId": "M-1-A"}
    )
    one_left = references(ids[0])
    again = client.ask(
        "POST", f"{HOLDS}/release", {"conversation_ids": ids[:1], "externalReferenceId": "M-1-A"}
    )

    assert answers == [{"held": ids, "failed": []}] * 3
    assert (both, one_left) == (["M-1-A", "M-2-B"], ["M-2-B"])
    assert released["released"] == ids
    assert [one["conversation_id"] for one in released["failed"]] == [UNKNOWN]
    assert (again["released"], again["failed"][0]["error_code"]) == ([], "404")


def test_what_was_protected_before_bears_a_reference_of_somebody_else(
    make_world: Any, make_group: Any
) -> None:
    world = make_world(make_group(already_protected=2))
    client = world.client()
    ids = [one.id for one in world.conversations]

    holds = client.post(f"{HOLDS}/query", json={"conversation_ids": ids}).json()["holds"]

    assert [one["externalReferenceIds"] for one in holds] == [["EARLIER-HOLD"]] * 2


def test_a_list_is_held_in_part_where_some_are_not_exported_and_some_have_nothing(
    make_world: Any, make_group: Any
) -> None:
    world = make_world(make_group(no_recording=1))
    client = Client(world.simulator, world.clock)
    silent = next(one for one in world.conversations if not one.recordings)
    spoken = [one for one in world.conversations if one.recordings]
    client.export(spoken[:3], VOICE)

    answer = client.hold(world.conversations, "M-1-A", legal_hold_acknowledgement=True)
    without_silent = client.hold(spoken, "M-1-A", legal_hold_acknowledgement=True)
    with pytest.raises(Refused) as caught:
        client.hold(spoken[3:], "M-1-A", legal_hold_acknowledgement=True)

    assert without_silent["held"] == [one.id for one in spoken[:3]]
    assert answer["held"] == [one.id for one in spoken[:3]]
    assert {one["conversation_id"]: one["error_code"] for one in answer["failed"]} == {
        spoken[3].id: "409",
        silent.id: "404",
    }
    assert caught.value.body == {"error_code": "409", "message": "Conflict", "details": "sync in progress"}


def test_what_a_failed_job_delivered_cannot_be_held(make_world: Any) -> None:
    world = make_world(faults={"jobs": [{"outcome": "failed", "delivered_share": 1}]})
    client, _ = exported(world)

    with pytest.raises(Refused, match="sync in progress"):
        client.hold(world.conversations, "M-1-A", legal_hold_acknowledgement=True)

    assert len(world.bucket.keys) == 10


def test_a_conversation_whose_recordings_fail_can_be_held_once_its_job_is_done(make_world: Any) -> None:
    world = make_world(faults={"recordings": [{"fail": 5}]})
    client, _ = exported(world)

    answer = client.hold(world.conversations, "M-1-A", legal_hold_acknowledgement=True)

    assert len(answer["held"]) == 5


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"externalReferenceId": "m-1"}, 400),
        ({"externalReferenceId": "M"}, 400),
        ({"externalReferenceId": "-M1"}, 400),
        ({"externalReferenceId": "M" * 65}, 400),
        ({"externalReferenceId": None}, 400),
        ({"legal_hold_acknowledgement": False}, 409),
        ({"conversation_ids": [f"0a6f0d1e-0000-4000-8000-0000000000{n}" for n in range(10, 61)]}, 413),
        ({"conversation_ids": []}, 400),
        ({"reason": "x"}, 400),
    ],
)
def test_a_hold_that_is_asked_for_wrongly_is_refused(world: Any, more: dict[str, Any], status: int) -> None:
    client, _ = exported(world)
    body = {
        "conversation_ids": [world.conversations[0].id],
        "externalReferenceId": "M-1-A",
        "legal_hold_acknowledgement": True,
    }

    with pytest.raises(Refused) as caught:
        client.ask("POST", HOLDS, body | more)

    assert caught.value.status == status
    assert world.simulator.compliance.holds == {}


# --- tokens and refusals
# -------------------------------------------------------------------------


def test_a_token_tells_its_scopes(make_world: Any) -> None:
    world = make_world(organization={"clients": {"full": {"lacks": sorted(HOLD_SCOPES)}}})
    known = next(one for one in world.simulator.access.clients.values() if one.role == "full")
    client = world.client()

    granted = client.post(
        "/oauth/token", auth=(known.id, known.secret), data={"grant_type": "client_credentials"}
    ).json()["scope"]

    assert set(granted.split()) == {*EXPORT_SCOPES, "analytics:report:read"}
    assert client.get("/api/v2/tokens/me").json()["authorizedScope"] == granted.split()


@pytest.mark.parametrize(
    ("method", "path", "scopes"),
    [
        ("POST", BULK_EXPORT, EXPORT_SCOPES),
        ("GET", JOBS, EXPORT_SCOPES),
        ("GET", f"{JOBS}/x", EXPORT_SCOPES),
        ("POST", f"{JOBS}/x/export", EXPORT_SCOPES),
        ("DELETE", f"{JOBS}/x", EXPORT_SCOPES),
        ("POST", HOLDS, HOLD_SCOPES),
        ("POST", f"{HOLDS}/query", HOLD_SCOPES),
        ("POST", f"{HOLDS}/release", HOLD_SCOPES),
        ("GET", f"{DETAILS}/x/results", {"analytics:report:read"}),
    ],
)
def test_each_missing_scope_is_named(make_world: Any, method: str, path: str, scopes: set[str]) -> None:
    for scope in scopes:
        world = make_world(organization={"clients": {"full": {"lacks": [scope]}}})

        answer = world.client().request(method, path, json={})

        assert answer.status_code == 403
        assert answer.json() == {
            "error_code": "403",
            "message": "Forbidden",
            "details": f"missing scope: {scope}",
        }


@pytest.mark.parametrize(
    ("switches", "at_s", "refusal"),
    [
        ({}, 299, None),
        ({}, 300, (401, "Invalid login credentials.")),
        ({"stale_token_status": 403}, 299, None),
        ({"stale_token_status": 403}, 300, (403, "stale access token")),
        ({"stale_token_status": 403, "stale_after_share": 0.5}, 149, None),
        ({"stale_token_status": 403, "stale_after_share": 0.5}, 150, (403, "stale access token")),
    ],
)
def test_a_stale_token_is_answered_as_the_scenario_says(
    make_world: Any, switches: dict[str, Any], at_s: int, refusal: tuple[int, str] | None
) -> None:
    world = make_world(organization={"clients": {"token_life_s": 300}, "compliance": switches})
    client = world.client()
    world.clock.pass_s(at_s)

    answer = client.get(JOBS)

    assert answer.status_code == (refusal[0] if refusal else 200)
    assert not refusal or answer.json()["details"] == refusal[1]
    assert world.client().get(JOBS).status_code == 200


def test_the_other_dialect_knows_no_stale_tokens(make_world: Any) -> None:
    switches = {"stale_token_status": 403, "stale_after_share": 0.1}
    world = make_world(organization={"clients": {"token_life_s": 300}, "compliance": switches})
    client = world.client()
    world.clock.pass_s(100)

    assert client.get("/api/v2/recording/jobs").status_code == 200
    assert client.get(JOBS).status_code == 403


def test_a_revoked_token_is_a_401_in_either_dialect(make_world: Any) -> None:
    switches = {"stale_token_status": 403, "stale_after_share": 0.1}
    world = make_world(organization={"compliance": switches})
    client = world.client()
    world.clock.pass_s(10_000)
    client.delete("/api/v2/tokens/me")

    assert client.get(JOBS).status_code == 401


def test_every_refusal_has_the_shape_of_the_dialect(make_world: Any) -> None:
    rule = {"when": {"path": HOLDS}, "then": {"status": 503, "message": "later", "retry_after": 3}}
    world = make_world(organization={"rate_limit_per_minute": 6}, faults={"requests": [rule]})
    client = world.client()

    answers = [
        client.get(JOBS, headers={"Authorization": ""}),
        client.get(f"{JOBS}/x"),
        client.put(JOBS, json={}),
        client.post(BULK_EXPORT, content=b"{"),
        client.post(BULK_EXPORT, content=b"x", headers={"content-type": "text/plain"}),
        client.get(JOBS, params={"page": "0"}),
        client.post(HOLDS, json={}),
        *(client.get(JOBS) for _ in range(3)),
    ]

    assert [answer.status_code for answer in answers] == [401, 404, 405, 400, 415, 400, 503, 200, 429, 429]
    refusals = [answer.json() for answer in answers if answer.is_error]
    assert all(set(body) == {"error_code", "message", "details"} for body in refusals)
    assert [body["error_code"] for body in refusals][:2] == ["401", "404"]
    assert answers[6].headers["Retry-After"] == "3"
    assert answers[-1].headers["Retry-After"] == "60"


@pytest.mark.parametrize(
    "part",
    [
        {"organization": {"compliance": {"stale": True}, "conversations": []}},
        {"faults": {"uploads": [{"refusal": "weather"}]}},
        {"faults": {"manifests": [{"nth": 1}]}},
        {"faults": {"manifests": [{"outcome": "v1", "version": 1}]}},
    ],
)
def test_unknown_switches_and_faults_are_errors(part: dict[str, Any]) -> None:
    document = {"schema_version": 1, "name": "x", "seed": 1, "organization": {"conversations": []}}

    with pytest.raises(ScenarioError):
        parse_scenario(document | part)
