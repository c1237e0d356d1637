from typing import Any

import httpx
import pytest

JOBS = "/api/v2/recording/jobs"


def rules(*pairs: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
    return {"requests": [{"when": when, "then": then} for when, then in pairs]}


def test_a_rule_counts_only_what_fits_it(make_world: Any) -> None:
    world = make_world(
        faults=rules(
            ({"method": "GET", "path": "/api/v2/recording/*", "nth": 2}, {"status": 500}),
            ({"path": "*", "client": "limited"}, {"status": 503}),
            ({"path": "/api/v2/tokens/me", "from": 2, "every": 2, "times": 2}, {"status": 504}),
        )
    )
    client, limited = world.client(), world.client()
    limited.headers["Authorization"] = client.headers["Authorization"]

    gets = [client.get(JOBS).status_code for _ in range(3)]
    me = [client.get("/api/v2/tokens/me").status_code for _ in range(8)]

    assert gets == [200, 500, 200]
    assert me == [200, 200, 504, 200, 504, 200, 200, 200]
    with pytest.raises(KeyError):
        world.client("limited")


@pytest.mark.parametrize(
    ("retry_after", "header"),
    [
        (1, "1"),
        ({"date_in_s": 5}, "Mon, 01 Jun 2026 12:00:05 GMT"),
        ({"raw": "banana"}, "banana"),
        (None, None),
    ],
)
def test_a_429_says_when_to_come_back_in_every_form(
    make_world: Any, retry_after: object, header: str | None
) -> None:
    then = {"status": 429} | ({} if retry_after is None else {"retry_after": retry_after})
    world = make_world(faults=rules(({"path": JOBS}, then)))

    answer = world.client().get(JOBS)

    assert (answer.status_code, answer.headers.get("Retry-After")) == (429, header)
    assert answer.json()["code"] == "too.many.requests"
    assert answer.headers["inin-ratelimit-count"] == "1"


def test_a_refusal_may_be_anything(make_world: Any) -> None:
    world = make_world(
        faults=rules(
            (
                {"nth": 1, "path": JOBS},
                {"status": 403, "code": "a.b", "message": "m", "message_params": {"x": "y"}},
            ),
            (
                {"nth": 2, "path": JOBS},
                {"status": 502, "body": "<html>", "headers": {"Content-Type": "text/html"}},
            ),
            ({"nth": 3, "path": JOBS}, {"status": 200, "body": {"entities": "none"}}),
        )
    )
    client = world.client()

    first, second, third = (client.get(JOBS) for _ in range(3))

    assert (first.json()["code"], first.json()["messageParams"]) == ("a.b", {"x": "y"})
    assert (second.status_code, second.text) == (502, "<html>")
    assert third.json() == {"entities": "none"}


def test_a_revoked_token_meets_a_401_at_once(make_world: Any) -> None:
    world = make_world(faults=rules(({"path": JOBS, "nth": 2}, {"revoke_token": True})))
    client = world.client()

    seen = [client.get(JOBS).status_code for _ in range(3)]

    assert seen == [200, 401, 401]
    assert world.client().get(JOBS).status_code == 200


@pytest.mark.parametrize("form", ["close", "504"])
def test_a_lost_answer_has_its_effect(make_world: Any, form: str) -> None:
    world = make_world(faults=rules(({"method": "POST", "path": JOBS, "nth": 1}, {"lose_answer": form})))
    client = world.client()

    if form == "close":
        with pytest.raises(httpx.RemoteProtocolError):
            client.post(JOBS, json=world.job_body())
    else:
        assert client.post(JOBS, json=world.job_body()).status_code == 504

    assert client.get(JOBS).json()["total"] == 1
    assert world.simulator.log.entries[-2]["status"] == (0 if form == "close" else 504)


def test_a_dropped_request_has_none(make_world: Any) -> None:
    world = make_world(faults=rules(({"method": "POST", "path": JOBS}, {"drop": True})))
    client = world.client()

    with pytest.raises(httpx.RemoteProtocolError):
        client.post(JOBS, json=world.job_body())

    assert client.get(JOBS).json()["total"] == 0


def test_a_delay_takes_time_and_nothing_else(make_world: Any) -> None:
    world = make_world(faults=rules(({"path": JOBS}, {"delay_s": 30, "headers": {"X-Late": "yes"}})))
    before = world.clock.now()

    answer = world.client().get(JOBS)

    assert (world.clock.now() - before).total_seconds() == 30
    assert (answer.status_code, answer.headers["X-Late"]) == (200, "yes")
