"""The documented dialect: analytics jobs, recording jobs, deletion protection, metadata, integrations.

Paths, permissions and shapes follow the public API explorer of developer.genesys.cloud (read 2026-11-21).
Where no public source says what happens, the choice stands in docs/scenarios.md under "Assumptions".
"""

import base64
import binascii
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from local.genesys.access import Access, Needs
from local.genesys.clock import iso, parse_time
from local.genesys.endpoint import Answer, Call, Endpoint
from local.genesys.errors import PlatformError, not_found, refused
from local.genesys.exports import Delivery, Exports
from local.genesys.ids import uuid_for
from local.genesys.jobs import TERMINAL, RecordingJob
from local.genesys.organisation import Conversation, Organisation, Recording
from local.genesys.query import parse_query
from local.genesys.scenario import Fate, Medium, Scenario

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_JOB_FIELDS = frozenset(
    {
        "action",
        "actionAge",
        "actionDate",
        "agedConversationInterval",
        "clearExport",
        "conversationQuery",
        "includePolicyBasedRecordings",
        "includeRecordingsWithSensitiveData",
        "includeScreenRecordings",
        "includeSnippetRecordings",
        "integrationId",
        "screenRecordingActionAge",
        "screenRecordingActionDate",
    }
)
_VIEW_RECORDING = Needs(
    any_of=(
        "recording:recording:view",
        "recording:recordingSegment:view",
        "recording:snippetRecording:view",
        "recording:screenRecording:view",
    )
)
_VIEW_DETAILS = Needs(any_of=("analytics:conversationDetail:view", "analytics:agentConversationDetail:view"))
_READ_RESULTS = Needs(any_of=_VIEW_DETAILS.any_of, scopes=("analytics:report:read",))
_PLATFORM_MEDIA = {
    Medium.VOICE: "audio",
    Medium.CALLBACK: "audio",
    Medium.CHAT: "chat",
    Medium.MESSAGE: "messaging",
    Medium.EMAIL: "email",
    Medium.SCREEN: "screen",
}


@dataclass(slots=True)
class DetailsJob:
    id: str
    client_id: str
    submitted_at: datetime
    conversations: list[Conversation]
    is_too_long: bool = False


@dataclass(slots=True)
class Platform:
    scenario: Scenario
    organisation: Organisation
    access: Access
    exports: Exports
    protected: set[str] = field(default_factory=set)
    recording_jobs: dict[str, RecordingJob] = field(default_factory=dict)
    details_jobs: dict[str, DetailsJob] = field(default_factory=dict)
    delete_dates: dict[str, tuple[datetime, Recording]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.protected.update(
            one.id for one in self.organisation.conversations.values() if one.already_protected
        )

    def begin(self, now: datetime) -> None:
        """Fixes when retention deletes what: some dates count from the simulator's start."""
        for one in self.organisation.recordings:
            after_s = one.delete_after_s
            at = one.delete_date if after_s is None else now + timedelta(seconds=after_s)
            if at:
                self.delete_dates[one.id] = (at, one)

    def expire(self, now: datetime) -> None:
        """Deletes what is due; protection outlasts a date that passes under it, and no longer."""
        due = [
            one
            for at, one in self.delete_dates.values()
            if at <= now and one.id not in self.exports.deleted and one.conversation_id not in self.protected
        ]
        if due:
            self.exports.delete(due)

    @property
    def deliveries(self) -> list[Delivery]:
        return self.exports.deliveries

    def endpoints(self) -> list[Endpoint]:
        details, jobs = "/api/v2/analytics/conversations/details/jobs", "/api/v2/recording/jobs"
        metadata = "/api/v2/conversations/{conversation_id}/recordingmetadata"
        view_job = Needs(all_of=("recording:job:view",))
        start_job = Needs(
            all_of=(
                "recording:job:edit",
                "recording:recording:editRetention",
                "recording:screenRecording:editRetention",
                "recording:snippetRecording:editRetention",
            )
        )
        view_integration = Needs(any_of=("integrations:integration:view",))
        protection = "/api/v2/recordings/deletionprotection"
        return [
            Endpoint("GET", "/api/v2/organizations/me", self.organization_me),
            Endpoint("GET", "/api/v2/tokens/me", self.token_me),
            Endpoint("DELETE", "/api/v2/tokens/me", self.revoke_me),
            Endpoint("GET", "/api/v2/authorization/subjects/me", self.subject_me),
            Endpoint("GET", "/api/v2/integrations", self.integrations, view_integration),
            Endpoint("GET", "/api/v2/integrations/{integration_id}", self.integration, view_integration),
            Endpoint(
                "GET",
                "/api/v2/integrations/{integration_id}/config/current",
                self.integration_config,
                view_integration,
            ),
            Endpoint(
                "GET", f"{details}/availability", self.availability, Needs(any_of=_VIEW_DETAILS.any_of[:1])
            ),
            Endpoint("POST", details, self.create_details_job, _VIEW_DETAILS),
            Endpoint("GET", f"{details}/{{job_id}}", self.details_job, _VIEW_DETAILS),
            Endpoint("DELETE", f"{details}/{{job_id}}", self.cancel_details_job, _VIEW_DETAILS),
            Endpoint("GET", f"{details}/{{job_id}}/results", self.details_results, _READ_RESULTS),
            Endpoint("POST", jobs, self.create_job, Needs(all_of=("recording:job:add",))),
            Endpoint("GET", jobs, self.list_jobs, view_job),
            Endpoint("GET", f"{jobs}/{{job_id}}", self.job, view_job),
            Endpoint("PUT", f"{jobs}/{{job_id}}", self.start_job, start_job),
            Endpoint(
                "DELETE", f"{jobs}/{{job_id}}", self.cancel_job, Needs(all_of=("recording:job:delete",))
            ),
            Endpoint("GET", f"{jobs}/{{job_id}}/failedrecordings", self.failed_recordings, view_job),
            Endpoint("GET", metadata, self.metadata, _VIEW_RECORDING),
            Endpoint("GET", f"{metadata}/{{recording_id}}", self.one_metadata, _VIEW_RECORDING),
            Endpoint(
                "GET",
                "/api/v2/recordings/retention/query",
                self.retention,
                Needs(any_of=("recording:recording:view",)),
            ),
            Endpoint("PUT", protection, self.protect),
            Endpoint("POST", protection, self.read_protection),
        ]

    # --- the organisation -------------------------------------------------------------------------

    def organization_me(self, _: Call) -> Answer:
        organization = self.scenario.organization
        return Answer(
            200,
            {
                "id": organization.id,
                "name": self.scenario.name,
                "state": "active",
                "productPlatform": "GenesysCloud",
                "selfUri": f"/api/v2/organizations/{organization.id}",
            },
        )

    def token_me(self, call: Call) -> Answer:
        organization = {"id": self.scenario.organization.id, "name": self.scenario.name}
        return Answer(
            200,
            {
                "organization": organization,
                "homeOrganization": organization,
                "authorizedScope": sorted(call.client.scopes),
                "OAuthClient": {
                    "id": call.client.id,
                    "name": call.client.role,
                    "authorizedGrantType": "CLIENT_CREDENTIALS",
                    "scope": [],
                    "state": "active",
                    "organization": organization,
                },
            },
        )

    def subject_me(self, call: Call) -> Answer:
        """Tell the caller's role in the home division; its policies only if they are asked for."""
        actions: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        for permission in sorted(call.client.permissions):
            domain, entity, action = permission.split(":")
            actions[domain, entity].append(action)
        role: dict[str, Any] = {
            "id": uuid_for(self.scenario.seed, "role", call.client.role),
            "name": "Holdfast",
        }
        if call.query.get("includeFullRoles") == "true":
            role["policies"] = [
                {"domain": domain, "entityName": entity, "actions": of_entity}
                for (domain, entity), of_entity in actions.items()
            ]
        division = {"id": uuid_for(self.scenario.seed, "division"), "name": "Home", "homeDivision": True}
        grant = {"subjectId": call.client.id, "division": division, "role": role}
        return Answer(200, {"id": call.client.id, "name": call.client.role, "grants": [grant]})

    def revoke_me(self, call: Call) -> Answer:
        self.access.tokens[call.token].revoked = True
        return Answer(200)

    def integrations(self, call: Call) -> Answer:
        return _page(call, "/api/v2/integrations", [self._integration()])

    def integration(self, call: Call) -> Answer:
        if call.path["integration_id"] != self.scenario.organization.integration_id:
            raise not_found("integration", call.path["integration_id"])
        return Answer(200, self._integration())

    def integration_config(self, call: Call) -> Answer:
        """Tell no properties: their names are not published, and the simulator guesses none."""
        self.integration(call)
        return Answer(200, {"name": "Recordings to S3", "version": 1, "properties": {}, "credentials": {}})

    def _integration(self) -> dict[str, Any]:
        organization = self.scenario.organization
        return {
            "id": organization.integration_id,
            "name": "Recordings to S3",
            "integrationType": {
                "id": "aws-s3-recording-bulk-actions-integration",
                "name": "AWS S3 recording bulk actions integration",
            },
            "intendedState": "ENABLED",
            "reportedState": {"code": organization.integration_state},
            "selfUri": f"/api/v2/integrations/{organization.integration_id}",
        }

    # --- analytics --------------------------------------------------------------------------------

    def available_until(self, now: datetime) -> datetime:
        organization = self.scenario.organization
        return organization.data_available_until or now - timedelta(hours=organization.data_lag_h)

    def availability(self, call: Call) -> Answer:
        return Answer(200, {"dataAvailabilityDate": iso(self.available_until(call.now))})

    def create_details_job(self, call: Call) -> Answer:
        query = parse_query(call.body)
        found = query.select(self.organisation.conversations.values(), self.available_until(call.now))
        job_id = uuid_for(self.scenario.seed, "details job", len(self.details_jobs))
        longest_h = self.scenario.organization.longest_query_h
        is_too_long = longest_h is not None and query.end - query.start > timedelta(hours=longest_h)
        self.details_jobs[job_id] = DetailsJob(job_id, call.client.id, call.now, found, is_too_long)
        return Answer(202, {"jobId": job_id})

    def details_job(self, call: Call) -> Answer:
        job, state = self._details_job(call)
        status = {
            "state": state,
            "submissionDate": iso(job.submitted_at),
            "expirationDate": iso(job.submitted_at + timedelta(days=7)),
        }
        if state == "FULFILLED":
            status["completionDate"] = iso(self._details_done_at(job))
        if state == "FAILED":
            status["errorMessage"] = "The query took too long"
        return Answer(202 if state in {"QUEUED", "PENDING"} else 200, status)

    def cancel_details_job(self, call: Call) -> Answer:
        job, _ = self._details_job(call)
        del self.details_jobs[job.id]
        return Answer(204)

    def details_results(self, call: Call) -> Answer:
        job, state = self._details_job(call)
        if state != "FULFILLED":
            raise PlatformError(400, "Job {id} is {state}", "bad.request", {"id": job.id, "state": state})
        page_size = call.whole("pageSize", 1000, most=10_000)
        start = _from_cursor(call.query.get("cursor"), job.id)
        body: dict[str, Any] = {
            "conversations": [self._details(one) for one in job.conversations[start : start + page_size]],
            "dataAvailabilityDate": iso(self.available_until(job.submitted_at)),
        }
        if start + page_size < len(job.conversations):
            body["cursor"] = _cursor(job.id, start + page_size)
        return Answer(200, body)

    def _details_done_at(self, job: DetailsJob) -> datetime:
        return job.submitted_at + timedelta(seconds=self.scenario.organization.timing.query_s)

    def _details_job(self, call: Call) -> tuple[DetailsJob, str]:
        job = self.details_jobs.get(call.path["job_id"])
        if job is None or job.client_id != call.client.id:
            raise not_found("job", call.path["job_id"])
        done_at = self._details_done_at(job)
        if call.now >= done_at:
            return job, "FAILED" if job.is_too_long else "FULFILLED"
        half = job.submitted_at + (done_at - job.submitted_at) / 2
        return job, "QUEUED" if call.now < half else "PENDING"

    def _details(self, one: Conversation) -> dict[str, Any]:
        seed = self.scenario.seed

        def participant(purpose: str, number: int, user_id: str | None) -> dict[str, Any]:
            segment: dict[str, Any] = {
                "segmentStart": iso(one.started_at),
                "segmentEnd": iso(one.ended_at),
                "segmentType": "interact",
                "conference": False,
            }
            if purpose != "customer":
                segment["queueId"] = one.queue_id
            session: dict[str, Any] = {
                "sessionId": uuid_for(seed, "session", one.id, purpose, *([user_id] if user_id else [])),
                "mediaType": one.medium.value,
                "direction": one.direction,
                "provider": one.provider,
                "segments": [segment],
            }
            if one.message_type:
                session["messageType"] = one.message_type
            if one.recordings:
                session["recording"] = True
            if one.address_self.startswith("tel:"):
                inbound = one.direction == "inbound"
                session["ani"] = one.address_other if inbound else one.address_self
                session["dnis"] = one.address_self if inbound else one.address_other
            else:
                session["addressSelf"], session["addressOther"] = one.address_self, one.address_other
            given: dict[str, Any] = {
                "participantId": uuid_for(
                    seed, "participant", one.id, purpose, *([number] if number else [])
                ),
                "purpose": purpose,
                "sessions": [session],
            }
            if user_id:
                given["userId"] = user_id
                if any(recording.medium is Medium.SCREEN for recording in one.recordings):
                    given["screenRecording"] = True
            return given

        found: dict[str, Any] = {
            "conversationId": one.id,
            "conversationStart": iso(one.started_at),
            "conversationEnd": iso(one.ended_at),
            "originatingDirection": one.direction,
            "divisionIds": [uuid_for(seed, "division")],
            "participants": [
                participant("customer", 0, None),
                participant("acd", 0, None),
                *(participant("agent", number, user_id) for number, user_id in enumerate(one.user_ids)),
            ],
        }
        if one.external_tag:
            found["externalTag"] = one.external_tag
        return found

    # --- recording jobs ---------------------------------------------------------------------------

    def create_job(self, call: Call) -> Answer:
        body = _object(call.body)
        organization = self.scenario.organization
        if unknown := sorted(set(body) - _JOB_FIELDS):
            raise refused(unknown[0], "a field of RecordingJobsQuery", unknown[0], "invalid.property")
        if body.get("action") not in {"ARCHIVE", "DELETE", "EXPORT"}:
            raise refused("action", "ARCHIVE, DELETE or EXPORT", body.get("action"))
        if body["action"] != "EXPORT" or "agedConversationInterval" in body:
            raise PlatformError(501, "The simulator only exports, and only by conversationQuery")
        sensitive = _flag(body, "includeRecordingsWithSensitiveData", default=False)
        screen = _flag(body, "includeScreenRecordings", default=True)
        for name in ("includePolicyBasedRecordings", "includeSnippetRecordings", "clearExport"):
            _flag(body, name, default=True)
        if body.get("clearExport"):
            raise refused("clearExport", "it only with action DELETE", "EXPORT")
        action_at = _date(body, "actionDate")
        if "screenRecordingActionDate" in body and not screen:
            raise refused("screenRecordingActionDate", "includeScreenRecordings true", "false")
        if body.get("integrationId") != organization.integration_id:
            raise refused("integrationId", "the id of an export integration", body.get("integrationId"))
        if organization.integration_state != "ACTIVE":
            raise PlatformError(
                400,
                "The integration {id} is not active",
                "recording.export.integration.disabled",
                {"id": organization.integration_id},
            )
        if sensitive:
            Needs(all_of=("recording:recording:viewSensitiveData",)).check(call.client)
        query = parse_query(body.get("conversationQuery"), "conversationQuery")
        found = query.select(self.organisation.conversations.values(), self.available_until(call.now))
        job = self.exports.create(
            call.client.id, body, found, call.now, sensitive=sensitive, screen=screen, action_at=action_at
        )
        self.recording_jobs[job.id] = job
        return Answer(202, self._job(job, call.now))

    def list_jobs(self, call: Call) -> Answer:
        state, kind = call.query.get("state"), call.query.get("jobType")
        mine = call.flag("showOnlyMyJobs", default=False)
        by = call.query.get("sortBy", "userId")
        if by not in {"userId", "dateCreated"}:
            raise refused("sortBy", "userId or dateCreated", by, "invalid.query.param.value")
        found = [
            job
            for job in self.recording_jobs.values()
            if state in {None, job.state(call.now)}
            and kind in {None, job.query["action"]}
            and (not mine or job.client_id == call.client.id)
        ]
        found.sort(key=lambda job: job.number, reverse=True)
        if by == "userId":
            found.sort(key=lambda job: job.client_id)
        return _page(call, "/api/v2/recording/jobs", [self._job(job, call.now) for job in found])

    def job(self, call: Call) -> Answer:
        return Answer(200, self._job(self._find_job(call), call.now))

    def start_job(self, call: Call) -> Answer:
        job = self._find_job(call)
        body = _object(call.body)
        if body.get("state") != "PROCESSING":
            raise refused("state", "PROCESSING", body.get("state"))
        if job.client_id != call.client.id:
            raise PlatformError(
                403, "Only the user that created job {id} may execute it", params={"id": job.id}
            )
        self.exports.start(job, call.now)
        return Answer(200, self._job(job, call.now))

    def cancel_job(self, call: Call) -> Answer:
        job = self._find_job(call)
        self.exports.cancel(job, call.now)
        return Answer(204)

    def failed_recordings(self, call: Call) -> Answer:
        job = self._find_job(call)
        call.whole("pageSize", 25, most=100)  # the only listing with a known bound
        finished = job.started_at is not None and job.state(call.now) in TERMINAL
        entities = [
            {
                "conversation": _reference("/api/v2/conversations/", recording.conversation_id),
                "recording": _reference(
                    f"/api/v2/conversations/{recording.conversation_id}/recordings/", recording.id
                ),
            }
            for recording in (job.outcome.failed if finished else ())
        ]
        return _page(call, f"/api/v2/recording/jobs/{job.id}/failedrecordings", entities)

    def _find_job(self, call: Call) -> RecordingJob:
        job = self.recording_jobs.get(call.path["job_id"])
        if job is None:
            raise not_found("recording job", call.path["job_id"])
        return job

    def _job(self, job: RecordingJob, now: datetime) -> dict[str, Any]:
        state, percent, outcome = job.state(now), job.percent(now), job.outcome
        uri = f"/api/v2/recording/jobs/{job.id}"
        body: dict[str, Any] = {
            "id": job.id,
            "state": state,
            "recordingJobsQuery": job.query,
            "dateCreated": iso(job.created_at),
            "user": _reference("/api/v2/users/", job.client_id),
            "percentProgress": percent,
            "selfUri": uri,
        }
        if now >= job.ready_at:
            finished = state == "FULFILLED"
            body |= {
                "totalConversations": len(job.conversations),
                "totalRecordings": outcome.total,
                "totalSkippedRecordings": len(outcome.skipped),
                "totalFailedRecordings": len(outcome.failed) if finished else 0,
                "totalProcessedRecordings": len(outcome.exported) * percent // 100,
            }
            if finished and outcome.failed:
                body["failedRecordings"] = f"{uri}/failedrecordings"
        if state == "FAILED" and job.fault:
            body["errorMessage"] = job.fault.error_message
        return body

    # --- metadata ---------------------------------------------------------------------------------

    def metadata(self, call: Call) -> Answer:
        return Answer(200, [self._metadata(recording) for recording in self._conversation(call).recordings])

    def one_metadata(self, call: Call) -> Answer:
        for recording in self._conversation(call).recordings:
            if recording.id == call.path["recording_id"]:
                return Answer(200, self._metadata(recording))
        raise not_found("recording", call.path["recording_id"])

    def _conversation(self, call: Call) -> Conversation:
        conversation = self.organisation.conversations.get(call.path["conversation_id"])
        if conversation is None:
            raise not_found("conversation", call.path["conversation_id"])
        return conversation

    def _metadata(self, recording: Recording) -> dict[str, Any]:
        uri = f"/api/v2/conversations/{recording.conversation_id}/recordings/{recording.id}"
        body: dict[str, Any] = {
            "id": recording.id,
            "conversationId": recording.conversation_id,
            "media": _PLATFORM_MEDIA[recording.medium],
            "fileState": "DELETED" if self._is_gone(recording) else "AVAILABLE",
            "sessionId": recording.session_id,
            "annotations": [],
            "region": self.scenario.organization.region,
            "selfUri": uri,
        }
        if recording.subtype:
            body["mediaSubtype"] = recording.subtype
        if recording.medium is Medium.SCREEN:
            # the platform tells the times of screen recordings only
            body["startTime"], body["endTime"] = iso(recording.started_at), iso(recording.ended_at)
        for name, at in (
            ("deleteDate", self.delete_dates.get(recording.id, (None, None))[0]),
            ("exportDate", self.exports.export_dates.get(recording.id)),
            ("exportedDate", self.exports.exported_at.get(recording.id)),
        ):
            if at is not None:
                body[name] = iso(at)
        return body

    # --- deletion protection ----------------------------------------------------------------------

    def protect(self, call: Call) -> Answer:
        protect = call.flag("protect", default=True)
        verb = "apply" if protect else "revoke"
        Needs(all_of=(f"recording:deletionProtection:{verb}",)).check(call.client)
        wanted = _conversation_ids(call.body)
        failed: list[dict[str, Any]] = []
        accepted: list[str] = []
        cap = self.scenario.organization.protection_cap
        for conversation_id in wanted:
            one = self.organisation.conversations.get(conversation_id)
            new = conversation_id not in self.protected and conversation_id not in accepted
            if one is None or all(recording.id in self.exports.deleted for recording in one.recordings):
                failed.append(
                    _failed(conversation_id, "recording.conversation.not.found", "Conversation not found")
                )
            elif protect and new and len(self.protected) + len(accepted) >= cap:
                failed.append(
                    _failed(
                        conversation_id,
                        "recording.deletion.protection.limit.exceeded",
                        f"At most {cap} conversations can be protected",
                    )
                )
            elif new or not protect:
                accepted.append(conversation_id)
        if failed and self.scenario.organization.protection_response == 204:
            first = failed[0]
            status = 404 if first["errorCode"].endswith("not.found") else 400
            raise PlatformError(
                status,
                first["errorMessage"] + ": {conversationId}",
                first["errorCode"],
                {"conversationId": first["conversation"]["id"]},
            )
        if protect:
            self.protected.update(accepted)
        else:
            self.protected.difference_update(accepted)
        if self.scenario.organization.protection_response == 204:
            return Answer(204)
        return Answer(200, {"failedUpdates": failed})

    def _is_gone(self, recording: Recording) -> bool:
        return recording.fate is Fate.DELETED or recording.id in self.exports.deleted

    # --- retention --------------------------------------------------------------------------------

    def retention(self, call: Call) -> Answer:
        path, name = "/api/v2/recordings/retention/query", "retentionThresholdDays"
        if name not in call.query:
            raise refused(name, "a number of days", None, "invalid.query.param.value")
        retained_since = call.now - timedelta(days=call.whole(name, 0, least=0))
        page_size = call.whole("pageSize", 25, most=500)
        due = sorted(
            (at, one.id, one)
            for at, one in self.delete_dates.values()
            if one.ended_at < retained_since and not self._is_gone(one)
        )
        start = _from_cursor(call.query.get("cursor"), path)
        body: dict[str, Any] = {
            "entities": [
                {
                    "conversationId": one.conversation_id,
                    "recordingId": one.id,
                    "creationTime": iso(one.started_at),
                    "deleteDate": iso(at),
                }
                for at, _, one in due[start : start + page_size]
            ],
            "selfUri": f"{path}?{urlencode(call.query)}",
        }
        if start + page_size < len(due):
            following: dict[str, str] = dict(call.query) | {"cursor": _cursor(path, start + page_size)}
            body["nextUri"] = f"{path}?{urlencode(following)}"
        return Answer(200, body)

    def read_protection(self, call: Call) -> Answer:
        return Answer(
            200,
            [
                _reference("/api/v2/conversations/", one)
                for one in dict.fromkeys(_conversation_ids(call.body))
                if one in self.protected
            ],
        )


def _failed(conversation_id: str, code: str, message: str) -> dict[str, Any]:
    return {
        "conversation": _reference("/api/v2/conversations/", conversation_id),
        "errorCode": code,
        "errorMessage": message,
    }


def _conversation_ids(body: object) -> list[str]:
    ids = _object(body).get("conversationIds")
    if not ids or not isinstance(ids, list):
        raise PlatformError(400, "No conversation ids", "recording.empty.payload")
    if len(ids) > 100:
        raise refused("conversationIds", "at most 100 ids", len(ids), "constraint.validation")
    for one in ids:
        if not isinstance(one, str) or not _UUID.fullmatch(one):
            raise PlatformError(
                400, "{id} is no UUID", "recording.conversation.id.not.uuid", {"id": str(one)[:100]}
            )
    return [one.lower() for one in ids]


def _reference(prefix: str, entity_id: str) -> dict[str, str]:
    return {"id": entity_id, "selfUri": prefix + entity_id}


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise refused("body", "a JSON object", type(body).__name__, "bad.request")
    return body


def _flag(body: dict[str, Any], name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise refused(name, "true or false", value)
    return value


def _date(body: dict[str, Any], name: str) -> datetime | None:
    if name not in body:
        return None
    try:
        return parse_time(body[name])
    except (TypeError, ValueError) as error:
        raise refused(name, "a date-time", body[name], "invalid.date") from error


def _page(call: Call, path: str, entities: list[dict[str, Any]]) -> Answer:
    """An entity listing; by cursor if asked for one, or for no total, else by number."""
    page_size = call.whole("pageSize", 25)
    cursor = call.query.get("cursor")
    by_cursor = cursor is not None or not call.flag("includeTotal", default=True)
    number = 1 if by_cursor else call.whole("pageNumber", 1)
    start = _from_cursor(cursor, path) if by_cursor else (number - 1) * page_size
    body: dict[str, Any] = {
        "entities": entities[start : start + page_size],
        "pageSize": page_size,
        "pageNumber": start // page_size + 1 if by_cursor else number,
    }

    def uri(**page: str | int) -> str:
        rest = {name: value for name, value in call.query.items() if name not in {"pageNumber", "cursor"}}
        return f"{path}?{urlencode(rest | {'pageSize': page_size} | page)}"

    more = start + page_size < len(entities)
    if by_cursor:
        body["selfUri"] = uri(**({"cursor": cursor} if cursor else {}))
        if more:
            body["nextUri"] = uri(cursor=_cursor(path, start + page_size))
        return Answer(200, body)
    count = -(-len(entities) // page_size)
    body |= {"total": len(entities), "pageCount": count, "selfUri": uri(pageNumber=number)}
    body |= {"firstUri": uri(pageNumber=1), "lastUri": uri(pageNumber=max(1, count))}
    if more:
        body["nextUri"] = uri(pageNumber=number + 1)
    if number > 1:
        body["previousUri"] = uri(pageNumber=number - 1)
    return Answer(200, body)


def _cursor(owner: str, start: int) -> str:
    return base64.urlsafe_b64encode(f"{owner}:{start}".encode()).decode()


def _from_cursor(cursor: str | None, owner: str) -> int:
    if not cursor:
        return 0
    try:
        found, _, start = base64.urlsafe_b64decode(cursor).decode().rpartition(":")
        if found == owner:
            return int(start)
    except (binascii.Error, ValueError):
        pass
    raise refused("cursor", "a cursor of this listing", cursor, "invalid.query.param.value")
