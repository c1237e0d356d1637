"""The dialect `compliance` against the simulated vendor, in one process: no port, no wait, no wall clock."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import botocore.session
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from holdfast.aws.manifests import ManifestS3
from holdfast.contracts.compliance import read_manifest
from holdfast.domain.evidence_key import EvidenceKey, Role
from holdfast.domain.ids import ExportJobId, MatterId
from holdfast.domain.manifest import Manifest, ManifestFault
from holdfast.domain.media import Medium
from holdfast.domain.scope import Conversation
from holdfast.domain.states import BatchState
from holdfast.errors import (
    PayloadTooLarge,
    PermissionMissing,
    PlatformAnswerLost,
    PlatformRejected,
    PlatformUnavailable,
    SettingsInvalid,
    TooManyJobs,
    UnknownPlatformState,
)
from holdfast.genesys.compliance.exports import ComplianceExportJobs
from holdfast.genesys.compliance.holds import LegalHolds
from holdfast.genesys.compliance.setup import REQUIRED_SCOPES, ComplianceSetup
from holdfast.ports import ExportSelection, Finding, HoldRefusal, RefusalKind
from local.genesys.media import MediaFile
from tests.fakes.wiring import NAMES
from tests.integration.test_platform_dialect import EVERYTHING, MATTER, NOW, UNKNOWN, Tenant, group

EXPORT, JOBS = "/api/v2/recordings/bulkexport", "/api/v2/recordings/jobs"
HOLDS = "/api/v2/compliance/legalholds"
FLAGS = ("legal_hold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalreferenceid")
ORGANIZATION = "d9bb0483-afd3-5536-a9e6-3ec9adc4158a"


class Shelf:
    """A bucket that remembers."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def put(self, key: str, file: MediaFile) -> None:
        self.files[key] = file.content


class ComplianceTenant(Tenant):
    """The same organisation, spoken to in the other dialect."""

    def __init__(self, *groups: dict[str, Any], organization: dict[str, Any], **top: Any) -> None:
        super().__init__(*groups, organization=organization, **top)
        self.shelf = Shelf()
        self.simulator._writer = self.shelf
        self.bulk = self.bulk_of("full")
        self.legal_holds = LegalHolds(self.transport)

    def bulk_of(self, role: str) -> ComplianceExportJobs:
        integration_id = self.organization.integration_id
        return ComplianceExportJobs(self.transport_of(role), self.clock, integration_id=integration_id)

    def chosen(self, *media: str, **scope: Any) -> ExportSelection:
        ids = [one.id for one in self.conversations if one.medium in media]
        asked = frozenset(Medium(medium) for medium in media)
        return replace(self.selection(*ids, **scope), media=asked)  # type: ignore[arg-type] # ids are ids

    def ended(self, selection: ExportSelection) -> ExportJobId:
        """Export, and let everything arrive."""
        job_id = self.bulk.create(selection)
        self.clock.pass_s(1)
        self.bulk.execute(job_id)
        self.clock.pass_s(30)
        self.simulator.deliver_due()
        return job_id

    def manifest(self, job_id: ExportJobId) -> Manifest:
        return read_manifest(self.shelf.files[f"{self.organization.id}/manifests/{job_id}.json"], job_id)

    def compliance_findings(self, role: str = "full", matter: str = "M-1") -> Sequence[Finding]:
        setup = ComplianceSetup(
            self.transport_of(role),
            organization_id=self.organization.id,
            integration_id=self.organization.integration_id,
            bucket=NAMES.evidence_bucket,
            writer_role_arn=NAMES.writer_role_arn,
        )
        return setup.findings(MatterId(matter))


def tenant(
    *groups: dict[str, Any], organization: dict[str, Any] | None = None, **top: Any
) -> ComplianceTenant:
    return ComplianceTenant(*(groups or (group(),)), organization=organization or {}, **top)


# --- exports


@pytest.mark.parametrize(
    ("medium", "lot"),
    [
        (Medium.VOICE, "voice"),
        (Medium.CALLBACK, "voice"),
        (Medium.CHAT, "digital"),
        (Medium.EMAIL, "digital"),
        (Medium.MESSAGE, "digital"),
        (Medium.UNKNOWN, "digital"),
    ],
)
def test_speech_and_the_rest_are_different_lots(medium: Medium, lot: str) -> None:
    assert tenant().bulk.lot_of(Conversation(UNKNOWN, NOW, NOW, medium)) == lot


def test_voice_asks_for_the_manifest_that_validation_wants() -> None:
    us = tenant()

    job_id = us.ended(us.chosen("voice", include_sensitive=True))

    (asked,) = us.asked("POST", EXPORT)
    assert asked["body"] == {
        "conversation_ids": us.ids,
        "interval": str(EVERYTHING.interval),
        "integration_id": us.organization.integration_id,
        "manifest_version": "v2",
        "include_participant_id": True,
        "legal_hold_compliance": True,
        "include_screen_recordings": True,
        "include_sensitive": True,
    }
    job = us.bulk.read(job_id)
    assert (job.state, job.total, job.failed, job.skipped) == (BatchState.FULFILLED, 5, 0, 0)


@pytest.mark.parametrize("medium", ["chat", "email", "message"])
def test_digital_channels_switch_the_resolving_of_metadata_off(medium: str) -> None:
    us = tenant(group(medium=medium))

    job_id = us.ended(us.chosen(medium))

    (asked,) = us.asked("POST", EXPORT)
    assert asked["body"]["include_metadata"] is False
    assert "legal_hold_compliance" not in asked["body"]
    assert us.bulk.read(job_id).state is BatchState.FULFILLED


def test_no_export_carries_a_hold_flag_anywhere() -> None:
    us = tenant(group(), group("chats", 5, "chat"))
    us.ended(us.chosen("voice"))
    us.ended(us.chosen("chat"))

    sent = [json.dumps([one["query"], one["body"]]).lower() for one in us.asked("POST", "/api/v2/recordings")]

    assert len(sent) == 4
    assert not [flag for flag in FLAGS for body in sent if f'"{flag}"' in body]


def test_what_is_too_large_is_refused_as_that() -> None:
    us = tenant(group("chats", 90, "chat"), organization={"compliance": {"max_body_bytes": 2048}})

    with pytest.raises(PayloadTooLarge):
        us.bulk.create(us.chosen("chat"))

    assert us.asked("GET", JOBS) == []


def test_another_rejection_is_not_too_many_jobs() -> None:
    us = tenant(organization={"integration_state": "INACTIVE"})

    with pytest.raises(PlatformRejected) as rejected:
        us.bulk.create(us.chosen("voice"))

    assert not isinstance(rejected.value, TooManyJobs)


def test_after_a_lost_answer_the_job_is_found_among_our_own() -> None:
    lost = {"when": {"method": "POST", "path": EXPORT, "nth": 1}, "then": {"lose_answer": "close"}}
    us = tenant(group(), group("chats", 60, "chat"), faults={"requests": [lost]})
    wanted = us.chosen("voice")
    with pytest.raises(PlatformAnswerLost):
        us.bulk.create(wanted)
    for one in us.chosen("chat").conversation_ids[:30]:  # more than a page of others
        job_id = us.bulk.create(replace(us.chosen("chat"), conversation_ids=[one]))
        us.bulk.cancel(job_id)

    found = us.bulk.find(wanted, NOW)

    assert found
    assert us.bulk.read(found).state in {BatchState.PENDING, BatchState.READY}
    assert us.bulk.find(us.chosen("chat"), NOW) is None
    us.bulk.cancel(found)
    assert us.bulk.find(wanted, NOW) is None


def test_a_state_that_nobody_knows_is_an_error() -> None:
    fault = {"outcome": "unknown_state", "state": "PONDERING", "at": "PENDING"}
    us = tenant(faults={"jobs": [fault]})
    job_id = us.bulk.create(us.chosen("voice"))
    us.clock.pass_s(2)

    with pytest.raises(UnknownPlatformState, match="PONDERING"):
        us.bulk.read(job_id)


def test_a_missing_scope_is_named_and_no_new_token_is_fetched() -> None:
    us = tenant(organization={"clients": {"limited": {"lacks": ["recording:export"]}}})

    with pytest.raises(PermissionMissing) as missing:
        us.bulk_of("limited").create(us.chosen("voice"))

    assert missing.value.permissions == ("recording:export",)
    assert len(us.asked("POST", "/oauth/token")) == 1


def test_a_stale_token_that_is_answered_with_a_403_is_replaced_once() -> None:
    stale = {"stale_token_status": 403, "stale_after_share": 0.2}
    us = tenant(organization={"clients": {"token_life_s": 1000}, "compliance": stale})
    us.bulk.create(us.chosen("voice"))
    us.clock.pass_s(600)  # fresh to us, and past half of its life

    us.bulk.create(us.chosen("voice"))

    assert len(us.asked("POST", "/oauth/token")) == 2


# --- manifests


def test_a_manifest_names_what_was_written_what_failed_and_what_was_skipped() -> None:
    us = tenant(
        group(sensitive=1, screen=True),
        faults={"recordings": [{"group": "calls", "medium": "voice", "fail": 1}]},
    )

    job_id = us.ended(us.chosen("voice"))

    manifest, job = us.manifest(job_id), us.bulk.read(job_id)
    assert manifest.fault is None
    assert (len(manifest.failed), len(manifest.skipped)) == (job.failed, job.skipped) == (1, 1)
    assert len(manifest.named) == job.total - 2
    assert {entry.medium for entry in manifest.named.values()} == {Medium.VOICE, Medium.SCREEN}
    assert all(entry.has_participant for entry in manifest.named.values())
    assert us.bulk.failed_recordings(job_id) == {}
    delivered = {key.recording_id for key in map(EvidenceKey.parse, us.shelf.files) if key.role is Role.MEDIA}
    assert manifest.named.keys() == delivered


@pytest.mark.parametrize(
    ("outcome", "fault"),
    [("v1", ManifestFault.V1), ("unreadable", ManifestFault.UNREADABLE), ("without_participant_ids", None)],
)
def test_a_manifest_that_is_not_as_it_should_be_says_so(outcome: str, fault: ManifestFault | None) -> None:
    us = tenant(faults={"manifests": [{"outcome": outcome}]})

    manifest = us.manifest(us.ended(us.chosen("voice")))

    assert manifest.fault is fault
    assert not any(entry.has_participant for entry in manifest.named.values())
    assert len(manifest.named) == (0 if outcome == "unreadable" else 5)


JOB = ExportJobId("c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f")


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b"\xff",
        json.dumps({"manifest_version": "v3", "job_id": JOB}).encode(),
        json.dumps({"manifest_version": "v2", "job_id": "another"}).encode(),
        json.dumps({"manifest_version": "v2", "job_id": JOB, "recordings": [{"key": "x"}]}).encode(),
        json.dumps({"manifest_version": "v2", "job_id": JOB}).encode(),
        json.dumps({"manifest_version": "v1", "job_id": JOB, "files": "all"}).encode(),
        json.dumps({"manifest_version": "v1", "job_id": JOB}).encode(),
    ],
)
def test_what_is_no_manifest_of_the_job_is_unreadable(document: bytes) -> None:
    assert read_manifest(document, JOB) == Manifest(ManifestFault.UNREADABLE)


@pytest.mark.parametrize("participant", [None, "", "  ", 7, ["x"], "missing"])
def test_a_participant_that_is_none_is_the_entrys_fault_alone(participant: object) -> None:
    def entry(number: int, **more: object) -> dict[str, object]:
        return {"recording_id": str(UUID(int=number)), "conversation_id": UNKNOWN, **more}

    first = entry(1) if participant == "missing" else entry(1, participant_id=participant, media_type=3)
    second = entry(2, participant_id="p", media_type="voice")
    body = {"manifest_version": "v2", "job_id": JOB, "recordings": [first, second], "failed": None}

    manifest = read_manifest(json.dumps(body).encode(), JOB)

    assert manifest.fault is None
    assert [one.has_participant for one in manifest.named.values()] == [False, True]


def test_a_manifest_is_read_from_its_place_in_the_bucket_or_is_not_there() -> None:
    with mock_aws():
        s3: Any = botocore.session.get_session().create_client("s3", region_name="us-east-1")
        s3.create_bucket(Bucket="evidence")
        manifests = ManifestS3(s3, bucket="evidence", organization_id=ORGANIZATION)
        before = manifests.of_job(JOB)
        body = json.dumps({"manifest_version": "v2", "job_id": JOB, "recordings": []}).encode()
        s3.put_object(Bucket="evidence", Key=f"{ORGANIZATION}/manifests/{JOB}.json", Body=body)

        assert manifests.is_expected
        assert (before, manifests.of_job(JOB)) == (None, Manifest())
        with pytest.raises(ClientError, match="NoSuchBucket"):
            ManifestS3(s3, bucket="elsewhere", organization_id=ORGANIZATION).of_job(JOB)


# --- holds


def test_a_hold_follows_the_upload_acknowledged_and_under_the_matters_reference() -> None:
    us = tenant()
    us.ended(us.chosen("voice"))

    assert us.legal_holds.place(us.ids, MatterId("m-2026-7")) == []

    (asked,) = us.asked("POST", HOLDS)
    assert asked["body"] == {
        "conversation_ids": us.ids,
        "externalReferenceId": "M-2026-7",
        "legal_hold_acknowledgement": True,
    }
    assert us.legal_holds.held_among(us.ids, MatterId("m-2026-7")) == frozenset(us.ids)


def test_holds_that_are_too_many_for_one_call_are_placed_read_and_released_in_parts() -> None:
    us = tenant(group("calls", 24, "voice"), organization={"compliance": {"max_body_bytes": 700}})
    chosen = us.chosen("voice")
    for start in range(0, 24, 6):
        us.ended(replace(chosen, conversation_ids=chosen.conversation_ids[start : start + 6]))

    assert us.legal_holds.place(us.ids, MATTER) == []
    assert us.legal_holds.held_among(us.ids, MATTER) == frozenset(us.ids)
    assert us.legal_holds.release(us.ids, MATTER) == []
    assert us.legal_holds.held_among(us.ids, MATTER) == frozenset()
    assert {len(one["body"]["conversation_ids"]) for one in us.asked("POST", HOLDS)} >= {24, 12}


def test_one_hold_that_is_too_large_is_refused_as_that() -> None:
    us = tenant(organization={"compliance": {"max_body_bytes": 60}})

    with pytest.raises(PayloadTooLarge):
        us.legal_holds.place(us.ids[:1], MATTER)


def test_what_is_not_uploaded_yet_is_a_conflict_and_so_is_a_whole_call_of_it() -> None:
    us = tenant(group(), group("chats", 2, "chat"))
    us.ended(us.chosen("voice"))
    chats = us.chosen("chat").conversation_ids

    mixed = us.legal_holds.place(us.ids, MATTER)
    alone = us.legal_holds.place(chats, MATTER)

    assert mixed == alone == [HoldRefusal(one, RefusalKind.CONFLICT) for one in chats]


def test_what_has_no_recording_is_not_found() -> None:
    us = tenant(group(no_recording=1))
    us.ended(us.chosen("voice"))
    (silent,) = [one.id for one in us.conversations if not one.recordings]

    refused = us.legal_holds.place([*us.ids, UNKNOWN], MATTER)

    assert {one.conversation_id for one in refused} == {silent, UNKNOWN}
    assert {one.kind for one in refused} == {RefusalKind.NOT_FOUND}


def test_what_another_matter_holds_is_not_ours_and_letting_go_of_ours_leaves_it() -> None:
    us = tenant(group(already_protected=5))
    us.ended(us.chosen("voice"))
    other = MatterId("M-OTHER")

    assert us.legal_holds.held_among(us.ids, MATTER) == frozenset()
    us.legal_holds.place(us.ids, MatterId("M-100"))
    us.legal_holds.place(us.ids, other)
    assert us.legal_holds.release(us.ids, MatterId("M-100")) == []
    assert us.legal_holds.release(us.ids, MatterId("M-100")) == []

    assert us.legal_holds.held_among(us.ids, MatterId("M-100")) == frozenset()
    assert us.legal_holds.held_among(us.ids, other) == frozenset(us.ids)


def test_a_lost_answer_to_a_hold_is_not_repeated_but_can_be_read_back() -> None:
    lost = {"when": {"method": "POST", "path": HOLDS, "nth": 1}, "then": {"lose_answer": "504"}}
    us = tenant(faults={"requests": [lost]})
    us.ended(us.chosen("voice"))

    with pytest.raises(PlatformAnswerLost):
        us.legal_holds.place(us.ids, MATTER)

    assert us.legal_holds.held_among(us.ids, MATTER) == frozenset(us.ids)
    assert len(us.asked("POST", HOLDS)) == 2


def test_a_refusal_of_another_kind_stays_one() -> None:
    answer = {"held": [], "failed": [{"conversation_id": UNKNOWN.upper(), "error_code": "500"}]}
    odd = {"when": {"method": "POST", "path": HOLDS}, "then": {"status": 200, "body": answer}}
    us = tenant(faults={"requests": [odd]})

    assert us.legal_holds.place([UNKNOWN], MATTER) == [HoldRefusal(UNKNOWN, RefusalKind.OTHER)]


def test_no_call_is_made_for_a_matter_that_cannot_be_a_reference() -> None:
    us = tenant()

    with pytest.raises(SettingsInvalid, match="M_1"):
        us.legal_holds.place(us.ids, MatterId("M_1"))

    assert us.asked("POST", HOLDS) == []


@pytest.mark.parametrize("code", [409, "409"])
def test_a_code_is_a_code_whether_it_comes_as_text_or_as_a_number(code: object) -> None:
    answer = {"failed": [{"conversation_id": UNKNOWN, "error_code": code}]}
    odd = {"when": {"method": "POST", "path": HOLDS}, "then": {"status": 200, "body": answer}}
    us = tenant(faults={"requests": [odd]})

    assert us.legal_holds.place([UNKNOWN], MATTER) == [HoldRefusal(UNKNOWN, RefusalKind.CONFLICT)]


def test_an_answer_without_lists_refuses_nothing_and_holds_nothing() -> None:
    nothing = {"held": None, "failed": None, "holds": None}
    odd = {"when": {"path": f"{HOLDS}*"}, "then": {"status": 200, "body": nothing}}
    us = tenant(faults={"requests": [odd]})

    assert us.legal_holds.place([UNKNOWN], MATTER) == []
    assert us.legal_holds.held_among([UNKNOWN], MATTER) == frozenset()


@pytest.mark.parametrize("job_id", ["", "../../x", "a b", "x" * 65])
def test_an_id_that_could_not_go_into_a_path_is_no_answer(job_id: str) -> None:
    odd = {"when": {"method": "POST", "path": EXPORT}, "then": {"status": 202, "body": {"id": job_id}}}
    us = tenant(faults={"requests": [odd]})

    with pytest.raises(PlatformUnavailable):
        us.bulk.create(us.chosen("voice"))


# --- set-up


def test_an_organisation_that_is_set_up_has_no_findings() -> None:
    assert tenant().compliance_findings() == []


@pytest.mark.parametrize("scope", REQUIRED_SCOPES)
def test_a_scope_that_is_missing_is_named_and_stops_the_run(scope: str) -> None:
    us = tenant(organization={"clients": {"limited": {"lacks": [scope]}}})

    (finding,) = us.compliance_findings("limited")

    assert (finding.check, finding.is_blocking) == ("scopes", True)
    assert f"lacks {scope};" in finding.message


def test_a_platform_that_does_not_speak_of_scopes_only_warns() -> None:
    silent = {"when": {"path": "/api/v2/tokens/me"}, "then": {"status": 200, "body": {}}}

    (finding,) = tenant(faults={"requests": [silent]}).compliance_findings()

    assert (finding.check, finding.is_blocking) == ("scopes", False)


@pytest.mark.parametrize(
    ("matter", "fits"),
    [("m-1", True), ("M-2026-001", True), ("7up", True), ("M1", False), ("M_1", False), ("M.2026", False)],
)
def test_a_matter_id_that_cannot_be_a_reference_is_found_before_anything_moves(
    matter: str, fits: bool
) -> None:
    findings = tenant().compliance_findings(matter=matter)

    assert [finding.check for finding in findings] == ([] if fits else ["matter id"])
    assert all(finding.is_blocking for finding in findings)
