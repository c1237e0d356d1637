from typing import Any

import pytest

DETAILS = "/api/v2/analytics/conversations/details/jobs"
A, B, C = (f"0a6f0d1e-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
DAY = "2026-03-02T00:00:00Z/2026-03-03T00:00:00Z"
QUEUE = "0a6f0d1e-0000-4000-8000-00000000000f"


def matches(dimension: str, value: str) -> dict[str, str]:
    return {"type": "dimension", "dimension": dimension, "operator": "matches", "value": value}


def select(world: Any, **query: Any) -> list[dict[str, Any]]:
    """The conversations that the platform finds, over as many pages as it takes."""
    client = world.client()
    made = client.post(DETAILS, json={"interval": DAY} | query)
    assert made.status_code == 202, made.text
    path = f"{DETAILS}/{made.json()['jobId']}"
    world.clock.pass_s(1)
    found: list[dict[str, Any]] = []
    cursor = ""
    while True:
        page = client.get(
            f"{path}/results", params={"pageSize": 3} | ({"cursor": cursor} if cursor else {})
        ).json()
        found += page["conversations"]
        cursor = page.get("cursor", "")
        if not cursor:
            return found


@pytest.fixture
def mixed(make_world: Any, make_group: Any) -> Any:
    return make_world(
        make_group(4, "voice", custodians=[A, B], queue=QUEUE),
        make_group(3, "chat", custodians=[C], external_tag="case-9"),
        make_group(2, "message", custodians=[A], message_type="whatsapp", direction="outbound"),
    )


def media_of(found: list[dict[str, Any]]) -> list[str]:
    return sorted({one["participants"][0]["sessions"][0]["mediaType"] for one in found})


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({}, 9),
        ({"segmentFilters": [{"type": "and", "predicates": [matches("mediaType", "voice")]}]}, 4),
        (
            {
                "segmentFilters": [
                    {"type": "or", "predicates": [matches("userId", A), matches("userId", C)]},
                    {
                        "type": "or",
                        "predicates": [matches("mediaType", "chat"), matches("mediaType", "message")],
                    },
                ]
            },
            5,
        ),
        (
            {
                "segmentFilters": [
                    {"type": "and", "predicates": [matches("userId", A), matches("mediaType", "chat")]}
                ]
            },
            0,
        ),
        (
            {
                "segmentFilters": [
                    {"type": "and", "predicates": [matches("userId", B), matches("queueId", QUEUE)]}
                ]
            },
            2,
        ),
        ({"segmentFilters": [{"type": "and", "predicates": [matches("messageType", "WhatsApp")]}]}, 2),
        ({"segmentFilters": [{"type": "and", "predicates": [matches("direction", "outbound")]}]}, 2),
        (
            {
                "segmentFilters": [
                    {"type": "and", "predicates": [{"dimension": "messageType", "operator": "notExists"}]}
                ]
            },
            7,
        ),
        ({"conversationFilters": [{"type": "and", "predicates": [matches("externalTag", "case-9")]}]}, 3),
        (
            {
                "conversationFilters": [
                    {"type": "and", "predicates": [{"dimension": "externalTag", "operator": "exists"}]}
                ]
            },
            3,
        ),
        (
            {
                "segmentFilters": [
                    {
                        "type": "or",
                        "clauses": [
                            {
                                "type": "and",
                                "predicates": [matches("userId", A), matches("mediaType", "voice")],
                            },
                            {
                                "type": "and",
                                "predicates": [matches("userId", C), matches("mediaType", "chat")],
                            },
                        ],
                    }
                ]
            },
            5,
        ),
        ({"limit": 2}, 2),
    ],
)
def test_a_query_selects_what_it_says(mixed: Any, query: dict[str, Any], count: int) -> None:
    assert len(select(mixed, **query)) == count


def test_conversations_are_selected_by_id(mixed: Any) -> None:
    wanted = sorted(one.id for one in mixed.conversations[:4])
    predicates = [matches("conversationId", one) for one in wanted]

    found = select(mixed, conversationFilters=[{"type": "or", "predicates": predicates}])

    assert sorted(one["conversationId"] for one in found) == wanted


def test_the_interval_matches_activity_not_only_starts(mixed: Any) -> None:
    one = mixed.conversations[0]
    middle = one.started_at + (one.ended_at - one.started_at) / 2
    by_id = [{"type": "and", "predicates": [matches("conversationId", one.id)]}]

    def count(start: Any, end: Any) -> int:
        interval = f"{start.isoformat()}/{end.isoformat()}"
        return len(select(mixed, interval=interval, conversationFilters=by_id))

    assert count(middle, one.ended_at) == 1
    assert count(one.started_at - (one.ended_at - one.started_at), one.started_at) == 0
    assert count(one.ended_at, one.ended_at + (one.ended_at - one.started_at)) == 0


def test_order_is_by_start_and_can_be_turned(mixed: Any) -> None:
    starts = [one["conversationStart"] for one in select(mixed)]

    assert starts == sorted(starts)
    assert [one["conversationStart"] for one in select(mixed, order="desc")] == starts[::-1]


def test_what_analytics_does_not_know_yet_is_not_found(make_world: Any) -> None:
    world = make_world(organization={"data_available_until": "2026-03-02T12:00:00Z"})
    expected = [one.id for one in world.conversations if one.ended_at.hour < 12]

    found = select(world)

    assert [one["conversationId"] for one in found] == expected
    assert 0 < len(expected) < 5
    available = world.client().get(f"{DETAILS}/availability").json()
    assert available == {"dataAvailabilityDate": "2026-03-02T12:00:00.000Z"}


def test_the_lag_is_counted_back_from_now(world: Any) -> None:
    available = world.client().get(f"{DETAILS}/availability").json()

    assert available == {"dataAvailabilityDate": "2026-05-30T12:00:00.000Z"}


def test_a_details_job_goes_through_its_states(world: Any) -> None:
    client = world.client()
    path = f"{DETAILS}/{client.post(DETAILS, json={'interval': DAY}).json()['jobId']}"

    seen = []
    for _ in range(3):
        answer, results = client.get(path), client.get(f"{path}/results")
        seen.append((answer.status_code, answer.json()["state"], results.status_code))
        world.clock.pass_s(0.2)

    assert seen == [(202, "QUEUED", 400), (202, "PENDING", 400), (200, "FULFILLED", 200)]
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_a_query_over_too_long_an_interval_is_given_up(make_world: Any) -> None:
    world = make_world(organization={"longest_query_h": 24})
    client, states = world.client(), []
    for interval in (DAY, "2026-03-02T00:00:00Z/2026-03-03T00:00:00.001Z"):
        job_id = client.post(DETAILS, json={"interval": interval}).json()["jobId"]
        world.clock.pass_s(1)
        answer = client.get(f"{DETAILS}/{job_id}")
        states.append((answer.status_code, answer.json()["state"], "errorMessage" in answer.json()))
        assert (client.get(f"{DETAILS}/{job_id}/results").status_code == 200) == (interval == DAY)

    assert states == [(200, "FULFILLED", False), (200, "FAILED", True)]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"interval": "2026-03-02"}, "interval"),
        ({"interval": "2026-03-02T00:00:00/2026-03-03T00:00:00"}, "interval"),
        ({"interval": 5}, "interval"),
        ({"legal_hold": True}, "legal_hold"),
        ({"order": "random"}, "order"),
        ({"limit": 0}, "limit"),
        ({"segmentFilters": [{"predicates": []}]}, "segmentFilters[0].type"),
        ({"segmentFilters": [{"type": "and"}]}, "segmentFilters[0]"),
        (
            {"segmentFilters": [{"type": "and", "predicates": [matches("mood", "x")]}]},
            "segmentFilters[0].predicates[0].dimension",
        ),
        (
            {"conversationFilters": [{"type": "and", "predicates": [matches("userId", A)]}]},
            "conversationFilters[0].predicates[0].dimension",
        ),
        (
            {"segmentFilters": [{"type": "and", "predicates": [matches("mediaType", "telepathy")]}]},
            "segmentFilters[0].predicates[0].value",
        ),
        (
            {"segmentFilters": [{"type": "and", "predicates": [{"dimension": "userId"}]}]},
            "segmentFilters[0].predicates[0].value",
        ),
        (
            {"segmentFilters": [{"type": "and", "clauses": [{"type": "or", "clauses": []}]}]},
            "segmentFilters[0].clauses[0].clauses",
        ),
    ],
)
def test_a_faulty_query_is_refused_by_field(world: Any, query: dict[str, Any], field: str) -> None:
    answer = world.client().post(DETAILS, json={"interval": DAY} | query)

    assert answer.status_code == 400
    assert answer.json()["messageParams"]["field"] == field


def test_a_conversation_shows_its_participants_as_analytics_does(mixed: Any) -> None:
    voice = next(one for one in select(mixed) if media_of([one]) == ["voice"])

    customer, acd, agent = voice["participants"]
    assert [one["purpose"] for one in (customer, acd, agent)] == ["customer", "acd", "agent"]
    assert agent["userId"] in {A, B}
    assert acd["sessions"][0]["segments"][0]["queueId"] == QUEUE
    assert "+131755501" in customer["sessions"][0]["ani"]
