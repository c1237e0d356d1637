"""`holdfast why`: every matter that claims something, since when, by which request, and its history."""

from datetime import timedelta

import pytest

from cli.exits import Exit
from holdfast.domain.ids import ExportJobId, MatterId, ReleaseId, RequestId, batch_id
from holdfast.domain.manifest import Manifest
from holdfast.ports import Claim
from tests.fakes.house import MATTER, House
from tests.fakes.story import (
    ORGANIZATION,
    claim_again,
    conversation_id,
    conversations,
    held,
    key_of,
    leave_manifest,
    let_go,
    messages,
    planned,
    recording_id,
    upload,
)
from tests.unit.cli.deployment import HouseDeployment, run

ONE, RECORDING = conversation_id(1), recording_id(1)
KEY = key_of(1, f"{RECORDING}.wav")
OTHER = MatterId("M-2026-002")


@pytest.fixture
def house() -> House:
    """A conversation that two matters claim, with one recording of two objects, held at the platform."""
    house = held(1, 2)
    house.clock.forward(timedelta(hours=1))
    claim = Claim(OTHER, RequestId("R-7"), batch_id(1, 0), conversations(1)[0], house.clock.now())
    assert house.conversations.claim(claim).is_new
    return house


def test_a_conversation_names_every_matter_with_its_request_and_time(house: House) -> None:
    shown = run(house, "why", ONE)

    assert shown.exit_code == Exit.DONE
    assert shown.document["why"] == "held for 2 matters"
    assert [(one["matter_id"], one["request_id"]) for one in shown.document["claims"]] == [
        (MATTER, "R-1"),
        (OTHER, "R-7"),
    ]
    first, second = (one["claimed_at"] for one in shown.document["claims"])
    assert first < second
    assert shown.document["claims"][0]["title"] == "Complaint about a disputed order"
    assert shown.document["hold"] == {"state": "HELD", "active_claims": 2, "epoch": 0}
    assert shown.document["platform_holds"] == [{"matter_id": None, "state": "HELD", "reason": None}]
    for told in ("Held for 2 matters.", MATTER, OTHER, "R-7", "held at platform"):
        assert told in shown.page


def test_its_objects_have_their_digests_and_the_locks_that_s3_says(house: House) -> None:
    shown = run(house, "why", ONE)

    receipts = house.conversations.dossier(ONE).receipts
    told = {(one["key"], one["version_id"]): one for one in shown.document["versions"]}
    assert len(told) == len(receipts) == 2
    for receipt in receipts:
        one = told[receipt.version.key, receipt.version.version_id]
        assert (one["legal_hold"], one["sha256"], one["size_bytes"]) == (
            "ON",
            receipt.sha256,
            receipt.version.size_bytes,
        )
        assert f"{receipt.sha256}" in shown.page
        assert receipt.version.key in shown.page  # whole, in one line


def test_what_happened_is_told_in_order(house: House) -> None:
    shown = run(house, "why", ONE)

    events = [(event["type"], event.get("matter_id")) for event in shown.document["events"]]
    assert events == [("claimed", MATTER), ("held_at_platform", None), ("claimed", OTHER)]
    assert all("nonce" not in event for event in shown.document["events"])


def test_a_recording_is_found_by_its_id_and_shows_its_own_objects(house: House) -> None:
    messages_ = messages(house, *upload(house, 1, 1))
    assert house.secure_objects(messages_) == []

    shown = run(house, "why", RECORDING.upper())

    assert shown.document["subject"] == {"kind": "recording", "name": RECORDING}
    assert shown.document["conversation_id"] == ONE
    assert {one["recording_id"] for one in shown.document["versions"]} == {RECORDING}
    assert shown.document["other_versions_of_the_conversation"] == 2
    assert "and 2 more of the conversation" in shown.page


@pytest.mark.parametrize("prefix", ["", "s3://holdfast-evidence/"])
def test_a_key_shows_its_own_versions_alone(house: House, prefix: str) -> None:
    shown = run(house, "why", prefix + KEY)

    assert [one["key"] for one in shown.document["versions"]] == [KEY]
    assert shown.document["subject"]["kind"] == "key"
    assert shown.document["recording_id"] == RECORDING


def test_an_object_without_a_receipt_is_shown_all_the_same(house: House) -> None:
    house.evidence.put(KEY, b"a second delivery")

    shown = run(house, "why", KEY)

    first, second = shown.document["versions"]
    assert [first["secured_at"] is None, second["secured_at"] is None] == [False, True]
    assert second["legal_hold"] == "OFF"
    assert shown.exit_code == Exit.NO
    assert "has no receipt and no lock" in shown.page


def test_a_lock_that_is_off_against_the_promise_is_said_and_is_the_exit_code(house: House) -> None:
    version = house.conversations.dossier(ONE).receipts[0].version
    house.evidence.at(version).is_locked = False

    shown = run(house, "why", ONE)

    assert shown.exit_code == Exit.NO
    assert shown.document["faults"] == [f"{version.key} {version.version_id}: is not locked, and should be"]


def test_a_version_that_is_gone_is_said(house: House) -> None:
    version = house.conversations.dossier(ONE).receipts[0].version
    del house.evidence.stored[version.key, version.version_id]

    shown = run(house, "why", ONE)

    assert shown.exit_code == Exit.NO
    assert "is gone from the bucket" in shown.page


def test_who_may_not_read_locks_gets_everything_else(house: House) -> None:
    deployment = HouseDeployment(house)
    deployment.locks.are_denied = True

    shown = run(deployment, "why", ONE)

    assert shown.exit_code == Exit.DONE
    assert {one["legal_hold"] for one in shown.document["versions"]} == {"DENIED"}


def test_what_was_let_go_says_by_which_release_and_is_no_fault(house: House) -> None:
    let_go(house, ONE)

    shown = run(house, "why", ONE)

    assert shown.exit_code == Exit.DONE
    assert shown.document["why"].startswith("released")
    assert {(one["release_id"], one["ended_by"]) for one in shown.document["claims"]} == {("L-1", "counsel")}
    assert {one["legal_hold"] for one in shown.document["versions"]} == {"OFF"}
    assert "release L-1 by counsel" in shown.page


def test_what_is_marked_for_disposal_or_was_disposed_of_says_after_which_release(house: House) -> None:
    let_go(house, ONE, "L-9")
    promise, now = house.conversations.hold(ONE).promise, house.clock.now()
    media, sidecar = (one.version for one in house.conversations.dossier(ONE).receipts)
    epoch = house.disposals.begin_marking(ONE, promise, now=now, lease_until=now)
    assert epoch
    for version in (media, sidecar):
        assert house.disposals.mark(version, ReleaseId("L-9"), epoch, now)

    assert run(house, "why", ONE).document["disposal"] == "2 marked for disposal after release L-9"
    house.evidence.remove(media)
    shown = run(house, "why", media.key)
    assert (shown.exit_code, shown.document["faults"]) == (Exit.DONE, []), "it is on its way"
    assert house.disposals.disposed(media, now)

    shown = run(house, "why", media.key)
    assert shown.exit_code == Exit.DONE
    assert [one["legal_hold"] for one in shown.document["versions"]] == ["DISPOSED"]
    assert shown.document["disposal"] == "1 disposed of after release L-9"
    assert "1 disposed of after release L-9" in shown.page


def test_what_is_claimed_again_shows_both_claims(house: House) -> None:
    let_go(house, ONE)
    claim_again(house, 1)

    shown = run(house, "why", ONE)

    assert shown.document["claims"][0]["matter_id"] == "M-again"
    assert shown.document["hold"]["state"] == "HELD"
    assert "relocked" in [event["type"] for event in shown.document["events"]]


def test_what_no_matter_claims_is_locked_and_says_so() -> None:
    house = House()
    assert house.secure_objects(messages(house, *upload(house, 5))) == []

    shown = run(house, "why", conversation_id(5))

    assert shown.document["claims"] == []
    assert "claimed by no matter" in shown.page


def test_a_digest_that_came_later_is_the_objects(house: House) -> None:
    version = house.evidence.put(key_of(2, f"{recording_id(2)}.mkv"), b"x", size_bytes=10_000)
    assert house.secure_objects(messages(house, version)) == []
    before = run(house, "why", version.key)
    house.conversations.add_digest(version, "ab" * 32, house.clock.now())

    after = run(house, "why", version.key)

    assert before.document["versions"][0]["sha256"] is None
    assert "not yet computed" in before.page
    assert after.document["versions"][0]["sha256"] == "ab" * 32


@pytest.mark.parametrize(
    ("key", "told"),
    [("somebody/else.txt", "names no conversation"), ("_holdfast/canary/x.json", "probe of Preflight's")],
)
def test_an_object_of_no_conversation_says_what_it_is(house: House, key: str, told: str) -> None:
    version = house.evidence.put(key, b"x")
    assert house.secure_objects(messages(house, version)) == []

    shown = run(house, "why", key)

    assert shown.document["claims"] == []
    assert shown.document["versions"][0]["legal_hold"] == "ON"
    assert told in shown.page


def test_a_jobs_manifest_says_what_it_is(house: House) -> None:
    job_id = ExportJobId("0a6f0d1e-0000-4000-8000-000000000003")
    leave_manifest(house, job_id, Manifest())

    shown = run(house, "why", f"{ORGANIZATION}/manifests/{job_id}.json")

    assert "manifest of an export job" in shown.page


@pytest.mark.parametrize(
    ("subject", "found"),
    [
        ("0a6f0d1e-0000-4000-8000-00000000ffff", "no claim and no receipt names"),
        ("not-an-id", "no id, and no key as the vendor writes them"),
        (key_of(9, "gone.wav"), "the bucket has no version"),
    ],
)
def test_what_nobody_knows_is_not_known(house: House, subject: str, found: str) -> None:
    shown = run(house, "why", subject)

    assert shown.exit_code == Exit.NOT_FOUND
    assert f"nothing is known of {subject}" in shown.errors
    assert found in shown.errors


def test_a_claimed_conversation_of_which_nothing_has_arrived_yet_is_known() -> None:
    shown = run(planned((1,)), "why", ONE)

    assert shown.exit_code == Exit.DONE
    assert shown.document["versions"] == []
    assert "none has arrived yet" in shown.page


def test_versions_of_one_key_are_shown_in_the_order_of_their_arrival(house: House) -> None:
    first = run(house, "why", KEY).document["versions"]
    for _ in range(10):  # v10 sorts before v2
        house.clock.forward(timedelta(minutes=1))
        assert house.secure_objects(messages(house, house.evidence.put(KEY, b"again"))) == []

    versions = run(house, "why", KEY).document["versions"]

    assert versions[:1] == first
    assert [one["arrived_at"] for one in versions] == sorted(one["arrived_at"] for one in versions)
    assert len({one["arrived_at"] for one in versions}) == 11
