from typing import Any

import pytest

PATH = "/api/v2/recordings/deletionprotection"
UNKNOWN = "0a6f0d1e-0000-4000-8000-00000000000f"


def ids(world: Any) -> list[str]:
    return [one.id for one in world.conversations]


def protected(world: Any) -> set[str]:
    """What the platform says to be protected."""
    answer = world.client().post(PATH, json={"conversationIds": ids(world)})
    return {one["id"] for one in answer.json()}


def test_protection_is_set_read_and_lifted(world: Any) -> None:
    client = world.client()

    placed = client.put(PATH, json={"conversationIds": ids(world)[:3]})
    between = protected(world)
    lifted = client.put(PATH, params={"protect": "false"}, json={"conversationIds": ids(world)[:1]})

    assert (placed.status_code, placed.json()) == (200, {"failedUpdates": []})
    assert between == set(ids(world)[:3])
    assert lifted.status_code == 200
    assert protected(world) == set(ids(world)[1:3])


def test_partial_failures_are_told_by_conversation(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(no_recording=1, already_protected=1), organization={"protection_cap": 3})
    silent = next(one.id for one in world.conversations if not one.recordings)
    before = protected(world)

    failed = (
        world.client().put(PATH, json={"conversationIds": [UNKNOWN, *ids(world)]}).json()["failedUpdates"]
    )

    codes = {one["conversation"]["id"]: one["errorCode"] for one in failed}
    assert len(before) == 1
    assert codes[UNKNOWN] == codes[silent] == "recording.conversation.not.found"
    assert max(codes.values()) == "recording.deletion.protection.limit.exceeded"
    assert len(codes) == 3
    assert before < protected(world)
    assert len(protected(world)) == 3


def test_the_older_form_protects_all_or_nothing(make_world: Any) -> None:
    world = make_world(organization={"protection_response": 204})
    client = world.client()

    refused = client.put(PATH, json={"conversationIds": [*ids(world), UNKNOWN]})
    between = protected(world)
    accepted = client.put(PATH, json={"conversationIds": ids(world)})

    assert (refused.status_code, refused.json()["code"]) == (404, "recording.conversation.not.found")
    assert refused.json()["messageParams"] == {"conversationId": UNKNOWN}
    assert between == set()
    assert (accepted.status_code, accepted.content) == (204, b"")
    assert protected(world) == set(ids(world))


def test_the_order_of_repeats_does_not_matter(world: Any) -> None:
    client = world.client()

    for _ in range(2):
        assert client.put(PATH, json={"conversationIds": [*ids(world), *ids(world)]}).status_code == 200

    assert protected(world) == set(ids(world))


@pytest.mark.parametrize("method", ["PUT", "POST"])
@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "recording.empty.payload"),
        ({"conversationIds": []}, "recording.empty.payload"),
        ({"conversationIds": ["x"]}, "recording.conversation.id.not.uuid"),
        ({"conversationIds": [UNKNOWN] * 101}, "constraint.validation"),
    ],
)
def test_a_faulty_list_is_refused(world: Any, method: str, body: dict[str, Any], code: str) -> None:
    answer = world.client().request(method, PATH, json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
