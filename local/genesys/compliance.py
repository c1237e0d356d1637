"""The compliance dialect: bulk export with a manifest, and legal holds by reference.

No official source documents this API. It is what five field reports describe, refusals included, and where
they are silent the choice stands in docs/scenarios.md under "The compliance dialect".
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from local.genesys.access import Access, Client, Needs, Token
from local.genesys.clock import iso, parse_interval
from local.genesys.delivery import folder_of
from local.genesys.endpoint import Answer, Call, Endpoint
from local.genesys.errors import PlatformError, compliance_body
from local.genesys.exports import Exports
from local.genesys.ids import uuid_for
from local.genesys.jobs import RecordingJob
from local.genesys.media import MediaFile, media_name
from local.genesys.organisation import Recording
from local.genesys.scenario import Fate, JobFault, Medium, Scenario

BULK_EXPORT = "/api/v2/recordings/bulkexport"
JOBS = "/api/v2/recordings/jobs"
HOLDS = "/api/v2/compliance/legalholds"

# Any of these in an export request mixes moving with holding, and the platform's layers fall over it.
HOLD_FLAGS = frozenset(
    {"legal_hold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalreferenceid"}
)
METADATA_SCOPES = ("recording:metadata:write", "interaction:metadata:write", "interaction:write")
PAGE_SIZE = 25
MOST_HOLDS = 50

_EXPORT = Needs(scopes=("recordings:export:read", "recording:export"))
_HOLD = Needs(scopes=METADATA_SCOPES)
_DIGITAL = frozenset({Medium.CHAT, Medium.EMAIL, Medium.MESSAGE})
_SPOKEN = frozenset({Medium.VOICE, Medium.CALLBACK})
_SWITCHES = (
    "include_participant_id",
    "legal_hold_compliance",
    "include_metadata",
    "include_screen_recordings",
    "include_sensitive",
)
_FIELDS = frozenset({"conversation_ids", "interval", "integration_id", "manifest_version", *_SWITCHES})
_REFERENCE = re.compile(r"[A-Z0-9][A-Z0-9-]{2,63}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_EARLIER = "EARLIER-HOLD"  # of conversations that were protected before


@dataclass(frozen=True, slots=True)
class _Trouble:
    """Why a job fails, and at the end of which state."""

    at: Literal["PENDING", "PROCESSING"]
    error: Mapping[str, str]


def speaks(path: str) -> bool:
    """Whether a path is answered in this dialect, errors included."""
    return path.startswith((BULK_EXPORT, JOBS, "/api/v2/compliance/"))


@dataclass(slots=True)
class Compliance:
    scenario: Scenario
    access: Access
    exports: Exports
    jobs: dict[str, RecordingJob] = field(default_factory=dict)
    holds: dict[str, set[str]] = field(default_factory=dict)
    _errors: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for one in self.exports.organisation.conversations.values():
            if one.already_protected:
                self.holds[one.id] = {_EARLIER}

    def endpoints(self) -> list[Endpoint]:
        return [
            Endpoint("POST", BULK_EXPORT, self.create_job, _EXPORT),
            Endpoint("GET", JOBS, self.list_jobs, _EXPORT),
            Endpoint("GET", f"{JOBS}/{{job_id}}", self.job, _EXPORT),
            Endpoint("POST", f"{JOBS}/{{job_id}}/export", self.start_job, _EXPORT),
            Endpoint("DELETE", f"{JOBS}/{{job_id}}", self.cancel_job, _EXPORT),
            Endpoint("POST", HOLDS, self.hold, _HOLD),
            Endpoint("POST", f"{HOLDS}/query", self.read_holds, _HOLD),
            Endpoint("POST", f"{HOLDS}/release", self.release, _HOLD),
        ]

    def refuse_stale(self, token: Token | None, now: datetime) -> None:
        """Raises: PlatformError 403 where the platform should say 401, if the scenario wants it so."""
        rules = self.scenario.organization.compliance
        if token is None or token.revoked or rules.stale_token_status != 403:
            return
        unusable_s = self.access.token_life_s * (1 - rules.stale_after_share)
        if now >= token.expires_at - timedelta(seconds=unusable_s):
            raise PlatformError(403, "stale access token")

    # --- jobs -------------------------------------------------------------------------------------

    def create_job(self, call: Call) -> Answer:
        body = _object(call.body)
        unknown = [name for name in sorted(set(body) - _FIELDS) if not _flags({name: body[name]})]
        if unknown:
            raise PlatformError(400, f"unknown field {unknown[0]}")
        wanted = _conversation_ids(body)
        asked = _asked(body, call.query)
        try:
            start, end = parse_interval(str(body.get("interval", "")))
        except ValueError as error:
            raise PlatformError(400, f"interval: {error}") from error
        self._check_integration(body.get("integration_id"))
        everything = self.exports.organisation.conversations
        found = [
            everything[one]
            for one in dict.fromkeys(wanted)
            if one in everything and everything[one].started_at < end and everything[one].ended_at > start
        ]
        media = {one.medium for one in found}
        if asked["legal_hold_compliance"] and found and not media & _SPOKEN:
            raise PlatformError(400, "legal_hold_compliance is for voice, and this export has none")
        trouble = self._trouble(asked, media, call.client)
        job = self.exports.create(
            call.client.id,
            body,
            sorted(found, key=lambda one: (one.started_at, one.id)),
            call.now,
            sensitive=bool(asked["include_sensitive"]),
            screen=bool(asked["include_screen_recordings"]),
        )
        self.jobs[job.id] = job
        if trouble:
            job.fault, self._errors[job.id] = JobFault("failed", trouble.at), trouble.error
        return Answer(202, {"id": job.id, "state": job.state(call.now)})

    def list_jobs(self, call: Call) -> Answer:
        page = call.whole("page", 1)
        mine = call.flag("mine", default=False)
        found = [job for job in self.jobs.values() if not mine or job.client_id == call.client.id]
        found.sort(key=lambda job: job.number, reverse=True)
        start = (page - 1) * PAGE_SIZE
        listed = [
            self._job(job, call.now) | {"request": job.query} for job in found[start : start + PAGE_SIZE]
        ]
        return Answer(
            200, {"jobs": listed} | ({"next_page": page + 1} if start + PAGE_SIZE < len(found) else {})
        )

    def job(self, call: Call) -> Answer:
        return Answer(200, self._job(self._find_job(call), call.now))

    def start_job(self, call: Call) -> Answer:
        job = self._find_job(call)
        if job.client_id != call.client.id:
            raise PlatformError(403, f"only the client that created job {job.id} may export it")
        # what is asked for here counts as much as what was asked for at first
        asked = _asked(job.query | _object(call.body or {}), call.query)
        trouble = self._trouble(asked, {one.medium for one in job.conversations}, call.client)
        self.exports.start(job, call.now, JobFault("failed") if trouble else None)
        if trouble:
            self._errors[job.id] = trouble.error
        if job.fault is None or job.fault.at == "PENDING":
            self._plan_manifest(job, asked)
        return Answer(202, {"id": job.id, "state": job.state(call.now)})

    def cancel_job(self, call: Call) -> Answer:
        self.exports.cancel(self._find_job(call), call.now)
        return Answer(204)

    def _find_job(self, call: Call) -> RecordingJob:
        job = self.jobs.get(call.path["job_id"])
        if job is None:
            raise PlatformError(404, f"no job {call.path['job_id']}")
        return job

    def _check_integration(self, integration_id: object) -> None:
        organization = self.scenario.organization
        if integration_id != organization.integration_id:
            raise PlatformError(400, f"integration_id: no export integration {integration_id}")
        if organization.integration_state != "ACTIVE":
            raise PlatformError(400, f"the integration {integration_id} is not active")

    def _job(self, job: RecordingJob, now: datetime) -> dict[str, Any]:
        state, outcome = job.state(now), job.outcome
        known, finished = now >= job.ready_at, state == "FULFILLED"
        body: dict[str, Any] = {
            "id": job.id,
            "state": state,
            "date_created": iso(job.created_at),
            "total_recordings": outcome.total if known else 0,
            "skipped_recordings": len(outcome.skipped) if known else 0,
            "failed_recordings": len(outcome.failed) if finished else 0,
            "percent": job.percent(now),
        }
        if finished:
            body["manifest_key"] = f"{self._manifest_folder}/{job.id}.json"
        if state == "FAILED" and job.fault:
            body["error"] = self._errors.get(job.id) or _said(500, job.fault.error_message)
        return body

    # --- what goes wrong with exports that want too much -------------------------------------------

    def _trouble(self, asked: Mapping[str, Any], media: set[Medium], client: Client) -> _Trouble | None:
        """Why the job will fail: the layers refuse in this order.

        Raises: PlatformError 500, for a hold flag on messages.
        """
        rules = self.scenario.organization.compliance
        flagged = asked["flagged"]
        if flagged and Medium.MESSAGE in media:
            raise PlatformError(500, "legal hold metadata of BYOC digital sessions could not be resolved")
        if Medium.VOICE in media and not (
            asked["manifest_version"] == "v2"
            and asked["include_participant_id"]
            and asked["legal_hold_compliance"]
        ):
            details = "manifest validation: participant_id is missing from the legal hold structure"
            return _Trouble("PENDING", _said(403, details))
        if flagged and not (rules.hold_flags == "dropped" and media <= {Medium.CHAT}):
            return _Trouble("PROCESSING", _said(403, "S3 upload: metadata headers refused"))
        with_metadata = asked["include_metadata"] and bool(media & _DIGITAL)
        for refusal in self.scenario.upload_faults:
            if refusal.medium in {None, *media} and (with_metadata or refusal.during == "any_export"):
                return _Trouble("PROCESSING", self._refused_by_bucket(refusal.refusal, refusal.bucket))
        if not with_metadata:
            return None
        if not client.scopes.issuperset(METADATA_SCOPES):
            # names the bucket's policy, which is sound: so the report has it
            tenant = self.scenario.organization.id
            details = f"metadata injection timed out; mismatch in the S3 bucket policy for tenant {tenant}"
            return _Trouble("PROCESSING", _said(403, details))
        return _Trouble("PROCESSING", _said(504, "metadata resolution timed out"))

    def _refused_by_bucket(self, refusal: str, bucket: str) -> Mapping[str, str]:
        match refusal:
            case "vpc":
                details = f"Pre-signed URL generation failed for bucket: {bucket}"
                return _said(403, details, "Access Denied")
            case "method":
                return _said(
                    403,
                    f"PUT to bucket {bucket}: The request signature we calculated does not match the "
                    "signature you provided. Check your key and signing method.",
                    "SignatureDoesNotMatch",
                )
            case _:
                tenant = self.scenario.organization.id
                return _said(403, f"mismatch in the S3 bucket policy for tenant {tenant}", "Access Denied")

    # --- manifests --------------------------------------------------------------------------------

    @property
    def _manifest_folder(self) -> str:
        return f"{self.scenario.organization.id}/manifests"

    def _plan_manifest(self, job: RecordingJob, asked: Mapping[str, Any]) -> None:
        fault = next((one for one in self.scenario.manifest_faults if one.strikes(job.number)), None)
        outcome = fault.outcome if fault else None
        if outcome == "never":
            return
        if outcome == "unreadable":
            content = '{"manifest_version": "v2", "recordings": ['
        elif outcome == "v1" or asked["manifest_version"] == "v1":
            keys = [key for one in job.outcome.exported for key in self._keys(one)]
            content = json.dumps({"manifest_version": "v1", "job_id": job.id, "files": keys}, indent=1)
        else:
            named = bool(asked["include_participant_id"]) and outcome != "without_participant_ids"
            content = json.dumps(self._manifest(job, participants=named), indent=1)
        file = MediaFile(f"{job.id}.json", "application/json", content.encode())
        late_s = fault.late_s if fault and fault.outcome == "late" else 0.0
        self.exports.add_last(job, self._manifest_folder, file, late_s)

    def _manifest(self, job: RecordingJob, *, participants: bool) -> dict[str, Any]:
        def reference(recording: Recording) -> dict[str, str]:
            return {"recording_id": recording.id, "conversation_id": recording.conversation_id}

        def entry(recording: Recording) -> dict[str, str]:
            key, sidecar_key = self._keys(recording)
            named = participants and recording.fate is not Fate.WITHOUT_PARTICIPANT_ID
            agent = uuid_for(self.scenario.seed, "participant", recording.conversation_id, "agent")
            return {
                **reference(recording),
                **({"participant_id": agent} if named else {}),
                "media_type": recording.medium.value,
                "key": key,
                "sidecar_key": sidecar_key,
            }

        listed = [one for one in job.outcome.exported if one.fate is not Fate.UNLISTED]
        return {
            "manifest_version": "v2",
            "job_id": job.id,
            "recordings": [entry(one) for one in listed],
            "failed": [reference(one) for one in job.outcome.failed],
            "skipped": [reference(one) for one in job.outcome.skipped],
        }

    def _keys(self, recording: Recording) -> tuple[str, str]:
        """Where media and sidecar lie, or should: a manifest names them whether they came or not."""
        conversation = self.exports.organisation.conversations[recording.conversation_id]
        folder = folder_of(self.scenario.organization.id, conversation)
        name = media_name(recording)
        return f"{folder}/{name}", f"{folder}/{name}_metadata.json"

    # --- legal holds ------------------------------------------------------------------------------

    def hold(self, call: Call) -> Answer:
        body = _object(call.body)
        _only(body, {"conversation_ids", "externalReferenceId", "legal_hold_acknowledgement"})
        wanted = _conversation_ids(body, MOST_HOLDS)
        reference = _reference(body)
        if body.get("legal_hold_acknowledgement") is not True:
            raise PlatformError(409, "missing acknowledgement")
        failed = {one: refusal for one in wanted if (refusal := self._refusal(one, call.now))}
        held = [one for one in wanted if one not in failed]
        if failed and all(status == 409 for status, _ in failed.values()) and not held:
            raise PlatformError(409, "sync in progress")
        for one in held:
            self.holds.setdefault(one, set()).add(reference)
        return Answer(200, {"held": held, "failed": [_failed(one, *why) for one, why in failed.items()]})

    def read_holds(self, call: Call) -> Answer:
        body = _object(call.body)
        _only(body, {"conversation_ids"})
        return Answer(
            200,
            {
                "holds": [
                    {"conversation_id": one, "externalReferenceIds": sorted(self.holds[one])}
                    for one in _conversation_ids(body, MOST_HOLDS)
                    if self.holds.get(one)
                ]
            },
        )

    def release(self, call: Call) -> Answer:
        body = _object(call.body)
        _only(body, {"conversation_ids", "externalReferenceId"})
        wanted, reference = _conversation_ids(body, MOST_HOLDS), _reference(body)
        released = [one for one in wanted if reference in self.holds.get(one, ())]
        for one in released:
            self.holds[one].discard(reference)
        failed = [_failed(one, 404, "no hold for this reference") for one in wanted if one not in released]
        return Answer(200, {"released": released, "failed": failed})

    def _refusal(self, conversation_id: str, now: datetime) -> tuple[int, str] | None:
        one = self.exports.organisation.conversations.get(conversation_id)
        if one is None or not one.recordings:
            return 404, "no such conversation, or none with a recording"
        at = self.exports.uploaded_at(conversation_id, now)
        synced = timedelta(seconds=self.scenario.organization.compliance.sync_s)
        return (409, "sync in progress") if at is None or now < at + synced else None


def _said(status: int, details: str, message: str = "") -> Mapping[str, str]:
    return compliance_body(PlatformError(status, details)) | ({"message": message} if message else {})


def _failed(conversation_id: str, status: int, message: str) -> dict[str, str]:
    return {"conversation_id": conversation_id, "error_code": str(status), "message": message}


def _asked(body: Mapping[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """What a request wants, with the platform's defaults; a query parameter counts as the body's field.

    Raises: PlatformError 400.
    """
    words = {"true": True, "false": False}
    given = dict(body) | {name: words.get(value.lower(), value) for name, value in query.items()}
    asked = {"manifest_version": given.get("manifest_version", "v1"), "flagged": _flags(given)}
    if asked["manifest_version"] not in {"v1", "v2"}:
        raise PlatformError(400, f"manifest_version: expected v1 or v2, found {given['manifest_version']}")
    for name in _SWITCHES:
        asked[name] = given.get(name, name == "include_metadata")
        if not isinstance(asked[name], bool):
            raise PlatformError(400, f"{name}: expected true or false, found {asked[name]}")
    return asked


def _flags(part: object) -> bool:
    """Whether a hold flag stands anywhere in it."""
    if isinstance(part, Mapping):
        return any(str(name).lower() in HOLD_FLAGS or _flags(value) for name, value in part.items())
    return isinstance(part, list) and any(map(_flags, part))


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise PlatformError(400, f"expected a JSON object, found {type(body).__name__}")
    return body


def _only(body: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(body) - known):
        raise PlatformError(400, f"unknown field {unknown[0]}")


def _conversation_ids(body: Mapping[str, Any], most: int | None = None) -> list[str]:
    ids = body.get("conversation_ids")
    if not isinstance(ids, list) or not ids:
        raise PlatformError(400, "conversation_ids: expected a list of ids, found none")
    if most is not None and len(ids) > most:
        raise PlatformError(413, f"conversation_ids: expected at most {most}, found {len(ids)}")
    for one in ids:
        if not isinstance(one, str) or not _UUID.fullmatch(one):
            raise PlatformError(400, f"conversation_ids: expected UUIDs, found {str(one)[:100]}")
    return [one.lower() for one in dict.fromkeys(ids)]


def _reference(body: Mapping[str, Any]) -> str:
    reference = body.get("externalReferenceId")
    if not isinstance(reference, str) or not _REFERENCE.fullmatch(reference):
        raise PlatformError(400, f"externalReferenceId: expected {_REFERENCE.pattern}, found {reference}")
    return reference
