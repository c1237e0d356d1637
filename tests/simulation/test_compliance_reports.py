"""Each field report, twice: its complaint, word for word, and the same scenario in the sane order."""

import json
from collections.abc import Callable, Sequence
from itertools import batched
from pathlib import Path
from typing import Any

import pytest

from local.genesys.compliance import HOLDS
from local.genesys.organisation import Conversation
from local.genesys.scenario import SCENARIOS
from tests.simulation.naive import DIGITAL, REPORTED, VOICE, Client, Habit, Refused, SaneClient, of_group

FLAGS = {"legal_hold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalReferenceId"}


def scenario_path(name: str) -> Path:
    return next(SCENARIOS.rglob(f"{name}.json"))


@pytest.fixture
def make_report(make_world: Any) -> Callable[..., Any]:
    """`make_report(name, switch=...)`: the world of a report's scenario, with other switches if wanted."""

    def make(name: str, **switches: Any) -> Any:
        document = json.loads(scenario_path(name).read_text())
        del document["$schema"], document["expect"]
        organization = document.pop("organization")
        organization["compliance"] = organization.get("compliance", {}) | switches
        groups = organization.pop("conversations")
        return make_world(*groups, organization=organization, **document)

    return make


def error_of(world: Any, group: str, habit: Habit, role: str = "full") -> dict[str, str]:
    """What a failed export of ten conversations says."""
    job = Client(world.simulator, world.clock, role).export(of_group(world.simulator, group)[:10], habit)
    assert job["state"] == "FAILED"
    error: dict[str, str] = job["error"]
    return error


def refusal(client: Client, conversations: Sequence[Conversation], **more: object) -> tuple[int, str]:
    with pytest.raises(Refused) as caught:
        client.hold(conversations, "M-1-A", **more)
    return caught.value.status, caught.value.body["details"]


# --- 000: a stale token over a long batch, and the first manifest
# -------------------------------------------------------------------------


def test_a_token_fetched_once_meets_a_403_half_way_through_the_batches(make_report: Any) -> None:
    world = make_report("000_074e26f1f60d09b3")
    client, chats = Client(world.simulator, world.clock), of_group(world.simulator, "chats")

    done: list[str] = []
    refused: Refused | None = None
    for chunk in batched(chats, 10, strict=False):
        try:
            done.append(client.export(chunk, DIGITAL)["state"])
        except Refused as error:
            refused = error
            break
    client.log_in()
    again = client.export(chunk, DIGITAL)

    assert done == ["FULFILLED"] * 2
    assert refused is not None
    assert refused.body == {"error_code": "403", "message": "Forbidden", "details": "stale access token"}
    assert again["state"] == "FULFILLED"


def test_a_token_for_every_request_meets_the_limit_of_the_token_endpoint(make_report: Any) -> None:
    world = make_report("000_074e26f1f60d09b3")
    client = Client(world.simulator, world.clock)

    for _ in range(19):
        client.log_in()

    with pytest.raises(Refused, match="rate_limit_exceeded") as caught:
        client.log_in()
    assert caught.value.status == 429


def test_the_default_manifest_fails_the_validation_of_calls_before_anything_moves(make_report: Any) -> None:
    world = make_report("000_074e26f1f60d09b3")

    error = error_of(world, "calls", REPORTED["000_074e26f1f60d09b3"])

    assert (error["error_code"], error["message"]) == ("403", "Forbidden")
    assert "participant_id" in error["details"]
    assert world.bucket.keys == []


# --- 001: web chat and the metadata of the hold
# -------------------------------------------------------------------------


def test_hold_metadata_on_web_chats_is_refused_at_the_upload(make_report: Any) -> None:
    world = make_report("001_90eb4a0003936ed0")

    error = error_of(world, "webchats", REPORTED["001_90eb4a0003936ed0"])

    assert error == {
        "error_code": "403",
        "message": "Forbidden",
        "details": "S3 upload: metadata headers refused",
    }
    assert world.bucket.keys == []


def test_the_same_web_chats_move_once_the_tag_is_left_out(make_report: Any) -> None:
    world = make_report("001_90eb4a0003936ed0")
    untagged = Habit({"include_metadata": False})

    job = Client(world.simulator, world.clock).export(of_group(world.simulator, "webchats")[:10], untagged)

    assert job["state"] == "FULFILLED"
    assert world.bucket.keys


def test_hold_metadata_may_also_be_dropped_and_nothing_is_held(make_report: Any) -> None:
    world = make_report("001_90eb4a0003936ed0", hold_flags="dropped")
    client, chats = Client(world.simulator, world.clock), of_group(world.simulator, "webchats")[:10]
    unheld = [one for one in chats if not one.already_protected]

    job = client.export(chats, REPORTED["001_90eb4a0003936ed0"])
    read = client.ask("POST", f"{HOLDS}/query", {"conversation_ids": [one.id for one in unheld]})

    assert job["state"] == "FULFILLED"
    assert read == {"holds": []}


def test_dropping_happens_to_chats_alone(make_report: Any) -> None:
    world = make_report("001_90eb4a0003936ed0", hold_flags="dropped")

    error = error_of(world, "calls", Habit({**VOICE.body, "legal_hold": True}))

    assert error["details"] == "S3 upload: metadata headers refused"


# --- 002: bot transcripts and the bucket
# -------------------------------------------------------------------------


def test_the_bucket_refuses_transcripts_with_all_their_metadata(make_report: Any) -> None:
    world = make_report("002_8fae6a152d10733b")

    error = error_of(world, "bot-transcripts", REPORTED["002_8fae6a152d10733b"])

    assert error == {
        "error_code": "403",
        "message": "Access Denied",
        "details": "Pre-signed URL generation failed for bucket: legal-archive-eu-west-1",
    }


def test_the_method_of_a_pre_signed_url_is_refused_in_the_words_of_s3(make_report: Any) -> None:
    world = make_report("002_8fae6a152d10733b")

    error = error_of(world, "bot-messages", REPORTED["002_8fae6a152d10733b"])

    assert error["message"] == "SignatureDoesNotMatch"
    assert "Check your key and signing method" in error["details"]


def test_voice_to_the_same_bucket_succeeds(make_report: Any) -> None:
    world = make_report("002_8fae6a152d10733b")
    habit = Habit(VOICE.body, export_params={"include_metadata": "true"})

    job = Client(world.simulator, world.clock).export(of_group(world.simulator, "calls"), habit)

    assert job["state"] == "FULFILLED"


# --- 003: WebRTC, scopes, time-outs and conflicts
# -------------------------------------------------------------------------


def test_metadata_without_its_scopes_times_out_and_blames_the_bucket(make_report: Any) -> None:
    world = make_report("003_ac7d20794258e87e")

    error = error_of(world, "webrtc-chats", REPORTED["003_ac7d20794258e87e"], "limited")

    assert (error["error_code"], error["message"]) == ("403", "Forbidden")
    assert "metadata injection timed out" in error["details"]
    assert f"S3 bucket policy for tenant {world.organization.id}" in error["details"]


def test_metadata_with_its_scopes_times_out_all_the_same(make_report: Any) -> None:
    world = make_report("003_ac7d20794258e87e")

    error = error_of(world, "webrtc-chats", REPORTED["003_ac7d20794258e87e"])

    assert error["details"] == "metadata resolution timed out"


def test_a_hold_without_its_scopes_names_what_is_missing(make_report: Any) -> None:
    world = make_report("003_ac7d20794258e87e")
    client = Client(world.simulator, world.clock, "limited")
    calls = of_group(world.simulator, "webrtc-calls")[:5]

    job = client.export(calls, VOICE)
    status, details = refusal(client, calls, legal_hold_acknowledgement=True)

    assert job["state"] == "FULFILLED"
    assert (status, details) == (
        403,
        "missing scope: recording:metadata:write, interaction:metadata:write, interaction:write",
    )


def test_a_hold_is_a_conflict_before_the_upload_without_acknowledgement_and_shortly_after(
    make_report: Any,
) -> None:
    world = make_report("003_ac7d20794258e87e")
    client, calls = Client(world.simulator, world.clock), of_group(world.simulator, "webrtc-calls")[:5]

    before = refusal(client, calls, legal_hold_acknowledgement=True)
    client.export(calls, VOICE)
    unacknowledged = refusal(client, calls)
    shortly_after = refusal(client, calls, legal_hold_acknowledgement=True)
    client.wait(2)
    held = client.hold(calls, "M-1-A", legal_hold_acknowledgement=True)

    assert before == shortly_after == (409, "sync in progress")
    assert unacknowledged == (409, "missing acknowledgement")
    assert (len(held["held"]), held["failed"]) == (5, [])


# --- 004: SMS through a carrier of one's own
# -------------------------------------------------------------------------


def test_the_hold_in_the_request_for_byoc_sms_is_a_500_at_once(make_report: Any) -> None:
    world = make_report("004_46e62ab6a1c73672")
    client, sms = Client(world.simulator, world.clock), of_group(world.simulator, "sms")[:10]
    habit = REPORTED["004_46e62ab6a1c73672"]

    with pytest.raises(Refused) as caught:
        client.export(sms, habit)
    standard = client.export(sms, Habit(habit.body))

    assert (caught.value.status, caught.value.body["error_code"]) == (500, "500")
    assert standard["state"] == "FULFILLED"


def test_a_batch_that_is_too_large_is_refused_by_its_size(make_report: Any) -> None:
    world = make_report("004_46e62ab6a1c73672")

    with pytest.raises(Refused) as caught:
        Client(world.simulator, world.clock).export(of_group(world.simulator, "sms")[:60], DIGITAL)

    assert (caught.value.status, caught.value.body["error_code"]) == (413, "413")


# --- all: the sane order
# -------------------------------------------------------------------------


@pytest.mark.parametrize("name", REPORTED)
def test_moving_first_and_holding_second_succeeds_in_the_same_scenario(make_report: Any, name: str) -> None:
    world = make_report(name)
    expect = json.loads(scenario_path(name).read_text())["expect"]
    scenario = world.simulator.scenario
    reference = scenario.events[0].detail["matter_id"]
    client = SaneClient(world.simulator, world.clock)

    jobs = client.preserve(world.conversations, reference, int(scenario.parameters["BatchSize"]))

    media = {key for key in world.bucket.keys if f"{key}_metadata.json" in world.bucket.keys}
    held = [one for one, references in world.simulator.compliance.holds.items() if reference in references]
    explained = sum(job["failed_recordings"] + job["skipped_recordings"] for job in jobs)
    assert {job["state"] for job in jobs} == {"FULFILLED"}
    assert sum(job["total_recordings"] for job in jobs) == expect["recordings"]["expected"]
    assert (len(media), explained) == (
        expect["recordings"]["delivered"],
        expect["recordings"]["explained"],
    )
    assert len(held) == expect["conversations"]["held_at_platform"]
    assert expect["conversations"]["expected"] == len(world.conversations)
    assert not any(
        f'"{flag}"' in json.dumps([entry["body"], entry["query"]])
        for entry in world.simulator.log.entries
        if entry["path"].startswith("/api/v2/recordings/")
        for flag in FLAGS
    )


@pytest.mark.parametrize("name", REPORTED)
def test_the_scenario_of_a_report_is_one(name: str) -> None:
    document = json.loads(scenario_path(name).read_text())

    assert document["name"] == name
    assert document["parameters"]["GenesysDialect"] == "compliance"
    assert document["expect"]["verdict"] == "preserved"
