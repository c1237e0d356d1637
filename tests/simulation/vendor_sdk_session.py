"""Runs in the environment of the vendor's SDK, where nothing of this project is installed.

Takes the simulator's announcement as JSON on stdin, prints what it saw as JSON on stdout.
"""

# The type checker does not see where the vendor's SDK is installed.
# mypy: ignore-errors

import json
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import PureCloudPlatformClientV2 as Genesys
from PureCloudPlatformClientV2.rest import ApiException


def query(interval: str, medium: str) -> Genesys.AsyncConversationQuery:
    predicate = Genesys.SegmentDetailQueryPredicate()
    predicate.type, predicate.dimension, predicate.operator, predicate.value = (
        "dimension",
        "mediaType",
        "matches",
        medium,
    )
    chosen = Genesys.SegmentDetailQueryFilter()
    chosen.type, chosen.predicates = "and", [predicate]
    whole = Genesys.AsyncConversationQuery()
    whole.interval, whole.segment_filters = interval, [chosen]
    return whole


def wait_for(read: Callable[[], Any], state: str) -> tuple[Any, list[str]]:
    """Reads until the state is there, for 20 s at most."""
    seen = []
    for _ in range(200):
        found = read()
        if found.state not in seen:
            seen.append(found.state)
        if found.state == state:
            return found, seen
        time.sleep(0.1)
    raise TimeoutError(seen)


def main() -> None:
    said = json.load(sys.stdin)
    interval, integration_id = said["interval"], said["integration_id"]
    Genesys.configuration.host = said["url"]

    def api_client(role: str) -> Genesys.ApiClient:
        known = next(one for one in said["clients"] if one["role"] == role)
        return Genesys.ApiClient().get_client_credentials_token(known["id"], known["secret"])

    full = api_client("full")
    seen: dict[str, object] = {}
    seen["organization"] = Genesys.OrganizationApi(full).get_organizations_me().id
    seen["token_organization"] = Genesys.TokensApi(full).get_tokens_me().organization.id
    integrations = Genesys.IntegrationsApi(full)
    seen["integrations"] = [one.id for one in integrations.get_integrations().entities]
    seen["integration_state"] = integrations.get_integration(integration_id).reported_state.code

    analytics = Genesys.AnalyticsApi(full)
    seen["available"] = (
        analytics.get_analytics_conversations_details_jobs_availability().data_availability_date is not None
    )
    details_id = analytics.post_analytics_conversations_details_jobs(query(interval, "voice")).job_id
    _, seen["details_states"] = wait_for(
        lambda: analytics.get_analytics_conversations_details_job(details_id), "FULFILLED"
    )
    found, cursor = [], None
    while True:
        more = {"cursor": cursor} if cursor else {}
        page = analytics.get_analytics_conversations_details_job_results(details_id, page_size=4, **more)
        found += page.conversations
        cursor = page.cursor
        if not cursor:
            break
    ids = [one.conversation_id for one in found]
    seen["conversations"] = len(ids)
    seen["media_type"] = found[0].participants[0].sessions[0].media_type
    seen["start_is_aware"] = found[0].conversation_start.tzinfo is not None

    recording = Genesys.RecordingApi(full)
    body = Genesys.RecordingJobsQuery()
    body.action, body.integration_id = "EXPORT", integration_id
    body.include_screen_recordings = True
    body.conversation_query = query(interval, "voice")
    job_id = recording.post_recording_jobs(body).id
    _, before = wait_for(lambda: recording.get_recording_job(job_id), "READY")
    start = Genesys.ExecuteRecordingJobsQuery()
    start.state = "PROCESSING"
    started = recording.put_recording_job(job_id, start).state
    job, after = wait_for(lambda: recording.get_recording_job(job_id), "FULFILLED")
    seen["job_states"] = [*before, started, *after]
    seen["counts"] = [
        job.total_conversations,
        job.total_recordings,
        job.total_processed_recordings,
        job.total_skipped_recordings,
        job.total_failed_recordings,
    ]
    seen["jobs"] = [one.id == job_id for one in recording.get_recording_jobs(show_only_my_jobs=True).entities]
    failed = recording.get_recording_job_failedrecordings(job_id, page_size=100).entities
    seen["failed"] = len(failed)
    cancelled = recording.post_recording_jobs(body).id
    recording.delete_recording_job(cancelled)
    seen["cancelled"] = recording.get_recording_job(cancelled).state

    failed_ids = {one.recording.id for one in failed}

    def exported() -> int:
        listed = [one for cid in ids for one in recording.get_conversation_recordingmetadata(cid)]
        return sum(one.exported_date is not None for one in listed if one.id not in failed_ids)

    for _ in range(100):
        seen["exported"] = exported()
        if seen["exported"] == job.total_processed_recordings:
            break
        time.sleep(0.1)

    hold = Genesys.ConversationDeletionProtectionQuery()
    hold.conversation_ids = ids
    seen["hold_failures"] = len(
        recording.put_recordings_deletionprotection(protect=True, body=hold).failed_updates
    )
    seen["held"] = len(recording.post_recordings_deletionprotection(body=hold))
    recording.put_recordings_deletionprotection(protect=False, body=hold)
    seen["held_after_release"] = len(recording.post_recordings_deletionprotection(body=hold))

    page = recording.get_recordings_retention_query(0, page_size=2)
    dates = [(one.conversation_id, one.recording_id, one.delete_date) for one in page.entities]
    while page.next_uri:
        following = parse_qs(urlsplit(page.next_uri).query)["cursor"][0]
        page = recording.get_recordings_retention_query(0, cursor=following, page_size=2)
        dates += [(one.conversation_id, one.recording_id, one.delete_date) for one in page.entities]
    seen["delete_dates"] = [len(set(dates)), all(one[2].tzinfo is not None for one in dates)]

    try:
        Genesys.RecordingApi(api_client("limited")).put_recordings_deletionprotection(protect=True, body=hold)
    except ApiException as error:
        seen["limited"] = [error.status, json.loads(error.body)["code"]]
    try:
        Genesys.ApiClient().get_client_credentials_token("nobody", "x")
    except ApiException as error:
        seen["nobody"] = error.status
    json.dump(seen, sys.stdout)


main()
