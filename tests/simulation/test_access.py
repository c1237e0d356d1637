from typing import Any

import httpx
import pytest

JOBS = "/api/v2/recording/jobs"


def test_the_token_endpoint_answers_as_the_vendor_does(world: Any) -> None:
    client = world.client()
    known = next(iter(world.simulator.access.clients.values()))
    grant = {"grant_type": "client_credentials"}

    right = client.post("/oauth/token", auth=(known.id, known.secret), data=grant)
    in_the_form = client.post(
        "/oauth/token",
        headers={"Authorization": ""},
        data=grant | {"client_id": known.id, "client_secret": known.secret},
    )
    wrong_id = client.post("/oauth/token", auth=("nobody", known.secret), data=grant)
    wrong_secret = client.post("/oauth/token", auth=(known.id, "no"), data=grant)
    wrong_grant = client.post("/oauth/token", auth=(known.id, known.secret), data={"grant_type": "password"})

    assert (right.status_code, right.json()["expires_in"], right.json()["token_type"]) == (
        200,
        86400,
        "bearer",
    )
    assert in_the_form.status_code == 200
    assert (wrong_id.status_code, wrong_id.json()["error"]) == (400, "invalid_client")
    assert (wrong_secret.status_code, wrong_secret.json()["error"]) == (401, "invalid_client")
    assert wrong_grant.json()["error"] == "unsupported_grant_type"


def test_the_two_ways_to_lack_a_token_have_two_codes(world: Any) -> None:
    client = world.client()

    none = client.get(JOBS, headers={"Authorization": ""})
    unknown = client.get(JOBS, headers={"Authorization": "Bearer stale"})

    assert (none.status_code, none.json()["code"]) == (401, "authentication.required")
    assert (unknown.status_code, unknown.json()["code"]) == (401, "bad.credentials")


def test_a_token_ends_with_its_life(make_world: Any) -> None:
    world = make_world(organization={"clients": {"token_life_s": 300}})
    client = world.client()

    world.clock.pass_s(299)
    before = client.get(JOBS).status_code
    world.clock.pass_s(1)
    after = client.get(JOBS)

    assert before == 200
    assert (after.status_code, after.json()["code"]) == (401, "bad.credentials")


def test_a_token_can_be_revoked(world: Any) -> None:
    client = world.client()

    assert client.get("/api/v2/tokens/me").json()["organization"]["id"] == world.organization.id
    assert client.delete("/api/v2/tokens/me").status_code == 200
    assert client.get("/api/v2/tokens/me").json()["code"] == "bad.credentials"


@pytest.mark.parametrize(
    ("method", "path", "permission"),
    [
        ("PUT", f"{JOBS}/x", "recording:job:edit"),
        ("DELETE", f"{JOBS}/x", "recording:job:delete"),
        ("PUT", "/api/v2/recordings/deletionprotection", "recording:deletionProtection:apply"),
        ("PUT", "/api/v2/recordings/deletionprotection?protect=false", "recording:deletionProtection:revoke"),
    ],
)
def test_a_refusal_names_the_permission_that_is_missing(
    world: Any, method: str, path: str, permission: str
) -> None:
    answer = world.client("limited").request(method, path, json={"state": "PROCESSING"})

    body = answer.json()
    assert (answer.status_code, body["code"], body["status"]) == (403, "missing.permissions", 403)
    assert permission in body["messageParams"]["permissions"]
    assert permission in body["message"]
    assert body["contextId"] == answer.headers["ININ-Correlation-Id"]


def test_where_one_of_several_permissions_will_do_the_refusal_names_them_all(make_world: Any) -> None:
    lacks = ["analytics:conversationDetail:view"]
    world = make_world(organization={"clients": {"full": {"lacks": lacks}}})

    answer = world.client().post("/api/v2/analytics/conversations/details/jobs", json={})

    assert answer.json()["code"] == "missing.any.permissions"
    assert answer.json()["messageParams"]["permissions"] == (
        "analytics:conversationDetail:view, analytics:agentConversationDetail:view"
    )


def test_a_minute_has_so_many_requests_and_no_more(make_world: Any) -> None:
    world = make_world(organization={"rate_limit_per_minute": 2})
    client = world.client()

    first, second, third = (client.get(JOBS) for _ in range(3))
    world.clock.pass_s(60)
    later = client.get(JOBS)

    assert first.headers["inin-ratelimit-count"] == "1"
    assert first.headers["inin-ratelimit-allowed"] == "2"
    assert first.headers["inin-ratelimit-reset"] == "60"
    assert second.status_code == 200
    assert (third.status_code, third.headers["Retry-After"]) == (429, "60")
    assert third.json()["limit"] == {
        "key": "client.credentials.token.rate.per.minute",
        "namespace": "platform.api",
        "value": "2",
    }
    assert later.status_code == 200


def test_the_token_endpoint_can_have_a_limit_of_its_own(make_world: Any) -> None:
    world = make_world(organization={"token_rate_limit_per_minute": 1})
    world.client()

    with pytest.raises(KeyError, match="access_token"):
        world.client()


@pytest.mark.parametrize(
    ("method", "path", "sent", "refusal"),
    [
        ("GET", "/api/v2/nothing", {}, (404, "not.found")),
        ("GET", f"{JOBS}/b0a1", {}, (404, "not.found")),
        ("PATCH", JOBS, {}, (405, "method.not.allowed")),
        ("GET", "/oauth/token", {}, (405, "method.not.allowed")),
        ("POST", JOBS, {"content": b"{"}, (400, "bad.request")),
        ("POST", JOBS, {"content": b"[]"}, (400, "bad.request")),
        (
            "POST",
            JOBS,
            {"content": b"a=b", "headers": {"content-type": "text/plain"}},
            (415, "unsupported.media.type"),
        ),
        ("POST", JOBS, {"content": b" " * 512_001}, (413, "request.entity.too.large")),
    ],
)
def test_every_refusal_has_the_same_shape(
    world: Any, method: str, path: str, sent: Any, refusal: tuple[int, str]
) -> None:
    answer = world.client().request(method, path, **sent)

    assert (answer.status_code, answer.json()["code"]) == refusal
    assert {"message", "code", "status", "messageParams", "contextId", "details", "errors"} <= set(
        answer.json()
    )


def test_the_request_log_shows_everything_but_the_secrets(world: Any) -> None:
    client = world.client()
    known = next(iter(world.simulator.access.clients.values()))
    client.post(JOBS, params={"a": "b"}, json={"action": "ARCHIVE"})
    client.post(
        "/oauth/token",
        headers={"Authorization": ""},
        data={"grant_type": "client_credentials", "client_id": known.id, "client_secret": known.secret},
    )

    first, second, third = world.simulator.log.entries
    token = next(iter(world.simulator.access.tokens))

    assert (first["path"], first["status"], first["client_id"]) == ("/oauth/token", 200, known.id)
    assert first["headers"]["authorization"].startswith("Basic sha256:")
    assert (second["method"], second["query"], second["status"]) == ("POST", {"a": "b"}, 501)
    assert second["body"] == {"action": "ARCHIVE"}
    assert third["body"] == {"grant_type": "client_credentials", "client_id": known.id}
    assert token not in str(world.simulator.log.entries)
    assert known.secret not in str(world.simulator.log.entries)


def test_no_answer_contains_a_null(world: Any) -> None:
    client = world.client()
    world.export(client)
    conversation_id = world.conversations[0].id

    answers = [
        client.get(path)
        for path in (
            JOBS,
            "/api/v2/tokens/me",
            "/api/v2/organizations/me",
            "/api/v2/integrations",
            f"/api/v2/integrations/{world.organization.integration_id}",
            f"/api/v2/conversations/{conversation_id}/recordingmetadata",
            f"{JOBS}/nothing",
        )
    ]

    assert [answer.status_code for answer in answers] == [200] * 6 + [404]
    assert not any(_has_null(answer.json()) for answer in answers)


def _has_null(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_has_null, value.values()))
    if isinstance(value, list):
        return any(map(_has_null, value))
    return value is None


def test_a_listing_by_number_and_one_by_cursor_tell_the_same(world: Any) -> None:
    client = world.client()
    for _ in range(2):
        client.post(JOBS, json=world.job_body())

    by_number = client.get(JOBS, params={"pageSize": 1}).json()
    first = client.get(JOBS, params={"pageSize": 1, "includeTotal": "false"}).json()
    cursor = httpx.URL(first["nextUri"]).params["cursor"]
    last = client.get(JOBS, params={"pageSize": 1, "includeTotal": "false", "cursor": cursor}).json()

    assert (by_number["total"], by_number["pageCount"]) == (2, 2)
    assert by_number["entities"] == first["entities"]
    assert "total" not in first
    assert "nextUri" not in last
    assert client.get(by_number["nextUri"]).json()["entities"] == last["entities"]
    assert client.get(JOBS, params={"cursor": "!"}).status_code == 400
