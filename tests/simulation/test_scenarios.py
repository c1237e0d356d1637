import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from local.genesys.organisation import build
from local.genesys.scenario import (
    DEFAULT,
    SCENARIOS,
    SCHEMA,
    Fate,
    Medium,
    Scenario,
    ScenarioError,
    load_scenario,
    parse_scenario,
    unmet,
)

SHIPPED = sorted(path for path in SCENARIOS.glob("*.json") if path != SCHEMA)
SMALLEST: dict[str, Any] = json.loads((SCENARIOS / "smallest.json").read_text())


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_scenario_can_be_built(path: Path) -> None:
    scenario = load_scenario(path)

    assert scenario.name == path.stem
    assert scenario.description
    assert build(scenario).conversations


def test_the_schema_is_one_and_knows_no_unknown_keys() -> None:
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    def objects(part: Any) -> Any:
        if isinstance(part, dict):
            if "properties" in part and part.get("type") == "object":
                yield part
            for value in part.values():
                yield from objects(value)
        elif isinstance(part, list):
            for value in part:
                yield from objects(value)

    assert all(part["additionalProperties"] is False for part in objects(schema))


def test_every_key_is_documented() -> None:
    text = (SCENARIOS.parents[1] / "docs/scenarios.md").read_text()

    def keys(part: Any) -> Any:
        if isinstance(part, dict):
            yield from part.get("properties", {})
            for value in part.values():
                yield from keys(value)
        elif isinstance(part, list):
            for value in part:
                yield from keys(value)

    missing = {key for key in keys(json.loads(SCHEMA.read_text())) if f"`{key}`" not in text}
    faults = {"requests", "recordings", "jobs", "uploads", "manifests", "events", "wiring"}
    assert missing <= faults | {"date_in_s", "raw"}
    assert all(f"faults.{key}" in text for key in faults)


def test_the_smallest_file_of_the_documentation_is_a_scenario() -> None:
    text = (SCENARIOS.parents[1] / "docs/scenarios.md").read_text()
    example = text.partition("```json\n")[2].partition("```")[0]

    assert len(build(parse_scenario(json.loads(example))).conversations) == 1


def changed(path: str, value: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(SMALLEST))
    *steps, last = path.split("/")
    part: Any = document
    for step in steps:
        part = part[int(step)] if isinstance(part, list) else part[step]
    part[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("colour", "blue", "$: unknown key colour; known are"),
        ("organization/conversations/0/colour", 1, "$.organization.conversations[0]: unknown key colour"),
        (
            "organization/conversations/0/count",
            0,
            "$.organization.conversations[0].count: expected minimum 1, found 0",
        ),
        (
            "organization/conversations/0/medium",
            "fax",
            "expected one of voice, chat, email, message, callback, found",
        ),
        (
            "organization/conversations/0/custodians",
            ["x"],
            "custodians[0]: expected a UUID in lower case, found",
        ),
        ("organization/conversations/0/message_type", "sms", "message_type: expected it with medium message"),
        ("organization/conversations/0/interval", "2026-03-02", "interval: expected start/end, found"),
        (
            "organization/conversations/0/interval",
            "2026-03-02T00:00/2026-03-03T00:00",
            "interval: expected an offset",
        ),
        ("organization/conversations/0/no_recording", 6, "no_recording: expected at most 5, found 6"),
        ("organization/conversations/0/sensitive", 6, "sensitive: expected at most 5, found 6"),
        ("organization/conversations/0/custodians_per_conversation", 2, "expected at most 1, found 2"),
        ("organization/conversations/0/delete_date", "soon", "delete_date: expected an RFC 3339 time, found"),
        ("organization/data_available_until", "soon", "data_available_until: expected an RFC 3339 time"),
        (
            "faults",
            {"recordings": [{"group": "x"}]},
            "$.faults.recordings[0].group: expected one of voice, found",
        ),
        (
            "faults",
            {"requests": [{"when": {}, "then": {"stauts": 5}}]},
            "$.faults.requests[0].then: unknown key stauts",
        ),
        (
            "faults",
            {"requests": [{"when": {}, "then": {"retry_after": "5"}}]},
            "expected Retry-After: seconds;",
        ),
        ("schema_version", 2, "$.schema_version: expected const 1, found 2"),
    ],
)
def test_what_is_wrong_with_a_scenario_is_said_with_its_place(path: str, value: Any, message: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(changed(path, value))

    assert message in str(caught.value)


def test_all_faults_are_named_at_once_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(changed("colour", 1) | {"events": [{"after_s": -1}]}))

    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)

    text = str(caught.value)
    assert all(part in text for part in (str(path), "colour", "missing detail", "$.events[0].after_s"))


@pytest.mark.parametrize("content", ["{", "[]", None])
def test_what_is_no_scenario_at_all_is_said_too(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "x.json"
    if content is not None:
        path.write_text(content)

    with pytest.raises(ScenarioError, match=r"x\.json"):
        load_scenario(path)


@pytest.mark.parametrize(
    "fault", [{"fail": 6}, {"fail": 3, "skip": 3}, {"poison": 6}, {"medium": "chat", "late": 1}]
)
def test_more_faults_than_recordings_are_refused(fault: dict[str, Any]) -> None:
    scenario = parse_scenario(changed("faults", {"recordings": [fault]}))

    with pytest.raises(ScenarioError, match=r"faults.recordings\[0\].*expected at most"):
        build(scenario)


def test_the_same_seed_makes_the_same_organisation_and_another_does_not() -> None:
    one, other = load_scenario(DEFAULT), load_scenario(DEFAULT)
    third = parse_scenario(json.loads(DEFAULT.read_text()) | {"seed": 1})

    assert build(one) == build(other)
    assert not set(build(one).conversations) & set(build(third).conversations)


def test_a_fault_in_one_group_moves_nothing_in_another() -> None:
    document = json.loads(DEFAULT.read_text())
    email = {"group": "email", "fail": 3}

    def failing(*faults: dict[str, Any]) -> set[str]:
        scenario = parse_scenario(document | {"faults": {"recordings": list(faults)}})
        return {
            one.id
            for one in build(scenario).recordings
            if one.fate is Fate.FAIL and one.medium is Medium.EMAIL
        }

    assert len(failing(email)) == 3
    assert failing(email) == failing({"group": "chat", "fail": 2, "late": 1}, email)


def test_the_schema_states_the_defaults_that_the_program_has() -> None:
    schema = json.loads(SCHEMA.read_text())

    def filled(part: Any, rules: dict[str, Any]) -> Any:
        if isinstance(part, list):
            return [filled(one, rules.get("items", {})) for one in part]
        if not isinstance(part, dict):
            return part
        properties = rules.get("properties", {})
        whole = {name: rule["default"] for name, rule in properties.items() if "default" in rule} | part
        return {name: filled(value, properties.get(name, {})) for name, value in whole.items()}

    sparse = SMALLEST | {
        "organization": SMALLEST["organization"] | {"timing": {}, "clients": {}, "compliance": {}},
        "faults": {
            "requests": [{"when": {}, "then": {"drop": True}}],
            "recordings": [{"late": 1}],
            "jobs": [{"outcome": "failed"}],
            "uploads": [{"refusal": "vpc"}],
            "manifests": [{"outcome": "late"}],
        },
    }
    full = filled(sparse, schema)

    assert len(json.dumps(full)) > len(json.dumps(sparse)) + 500
    assert parse_scenario(full) == parse_scenario(sparse)


def test_conversations_lie_wholly_inside_their_interval() -> None:
    scenario = load_scenario(DEFAULT)
    groups = {group.name: group for group in scenario.organization.groups}

    for one in build(scenario).conversations.values():
        group = groups[one.group]
        assert group.start <= one.started_at < one.ended_at <= group.end


def in_scope(scenario: Scenario, scope: dict[str, Any]) -> list[Any]:
    start, end = (datetime.fromisoformat(scope["interval"][name]) for name in ("start", "end"))
    return [
        one
        for one in build(scenario).conversations.values()
        if one.started_at < end
        and one.ended_at > start
        and one.medium in scope["media_types"]
        and set(one.user_ids) & set(scope["custodians"])
    ]


@pytest.mark.parametrize("name", ["default", "smallest", "nothing_in_scope"])
def test_the_expectation_follows_from_the_scenario(name: str) -> None:
    scenario = load_scenario(SCENARIOS / f"{name}.json")
    conversations = in_scope(scenario, scenario.events[0].detail["scope"])
    recordings = [recording for one in conversations for recording in one.recordings]
    failed = {one.id for one in recordings if one.fate is Fate.FAIL}
    skipped = {one.id for one in recordings if one.sensitive}
    delivered = [one for one in recordings if one.id not in failed | skipped]
    silent = sum(not one.recordings for one in conversations)
    expect = scenario.expect

    assert expect["conversations"] == {
        "expected": len(conversations),
        "held_at_platform": len(conversations) - silent,
        "explained": silent,
        "missing": 0,
    }
    assert expect["recordings"] == {
        "expected": len(recordings),
        "delivered": len(delivered),
        "secured": len(delivered),
        "explained": len(failed) + len(skipped),
        "missing": 0,
    }
    for medium, block in expect.get("by_medium", {}).items():
        mine = Counter(one.medium for one in recordings)[Medium(medium)]
        there = Counter(one.medium for one in delivered)[Medium(medium)]
        assert (block["expected"], block["delivered"], block["secured"]) == (mine, there, there)
        if medium != "screen":
            of_medium = [one for one in conversations if one.medium == medium]
            assert block["conversations"] == len(of_medium)
            assert block["held_at_platform"] == sum(bool(one.recordings) for one in of_medium)
    if "by_reason" in expect:
        assert expect["by_reason"] == {
            "failed_at_platform": len(failed),
            "skipped_by_platform": len(skipped),
        }


def test_the_default_scenario_is_no_toy() -> None:
    scenario = load_scenario(DEFAULT)
    everything = build(scenario).conversations.values()
    chosen = in_scope(scenario, scenario.events[0].detail["scope"])
    left = [one for one in everything if one not in chosen]

    assert len(chosen) >= 300
    assert {one.medium for one in chosen} == {Medium.VOICE, Medium.CHAT, Medium.EMAIL, Medium.MESSAGE}
    assert {one.message_type for one in chosen} == {None, "sms", "whatsapp", "webmessaging"}
    assert len({user for one in chosen for user in one.user_ids}) == 2
    assert len(left) >= 50
    assert len(chosen) > 3 * int(scenario.parameters["BatchSize"])


@pytest.mark.parametrize(
    ("expected", "found", "differences"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, []),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, ["$.a.b: expected 1, found 2"]),
        ({"a": 1}, {}, ["$.a: expected 1, found nothing"]),
        ({"a": {}}, {"a": 1}, ["$.a: expected an object, found 1"]),
        ([{"a": 1}], [{"a": 1, "b": 2}], []),
        ([1], [1, 2], ["$: expected 1 elements, found [1, 2]"]),
        ({"ok": True}, {"ok": 1}, ["$.ok: expected True, found 1"]),
        ("x", "y", ["$: expected 'x', found 'y'"]),
    ],
)
def test_an_expectation_is_matched_in_part(expected: Any, found: Any, differences: list[str]) -> None:
    assert unmet(expected, found) == differences
