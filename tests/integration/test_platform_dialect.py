"""The dialect `platform` against the simulated vendor, in one process: no port, no wait, no wall clock."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from holdfast.contracts.genesys import SubjectDocument
from holdfast.domain.ids import ConversationId, ExportJobId, MatterId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval
from holdfast.domain.scope import Conversation, Scope
from holdfast.domain.states import BatchState
from holdfast.errors import (
    PermissionMissing,
    PlatformAnswerLost,
    PlatformConflict,
    PlatformNotFound,
    PlatformRejected,
    PlatformThrottled,
    PlatformUnavailable,
    ScopeQueryFailed,
    SensitiveNotPermitted,
    TooManyJobs,
    UnknownPlatformState,
)
from holdfast.genesys.platform.exports import BulkExportJobs, RecordingMetadataCatalogue
from holdfast.genesys.platform.holds import DeletionProtection
from holdfast.genesys.platform.retention import RetentionSchedule
from holdfast.genesys.platform.scope import AnalyticsScope
from holdfast.genesys.platform.setup import OrganizationSetup
from holdfast.genesys.token import ClientCredentials, TokenSource
from holdfast.genesys.transport import Transport
from holdfast.ports import ExportSelection, Finding, HoldRefusal, RefusalKind
from local.genesys.clock import ManualClock
from local.genesys.inprocess import InProcess
from local.genesys.media import MediaFile
from local.genesys.organisation import Conversation as Held
from local.genesys.scenario import parse_scenario
from local.genesys.server import Simulator
from tests.fakes.wiring import NAMES
from tests.unit.genesys.doubles import MemoryTokenStore, Sleeper

ADA, BEN, CYD = (f"0a6f0d1e-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))
SALES, CLAIMS = (f"0b6f0d1e-0000-4000-8000-00000000000{number}" for number in (1, 2))
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
MARCH_2, MARCH_5 = datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 5, tzinfo=UTC)
WEEK = Interval(MARCH_2, MARCH_2 + timedelta(days=7))
EVERYTHING = Scope(WEEK)
MATTER = MatterId("M-1")
UNKNOWN = ConversationId("00000000-0000-4000-8000-00000000dead")
JOBS = "/api/v2/recording/jobs"
PROTECTION = "/api/v2/recordings/deletionprotection"
RETENTION = "/api/v2/recordings/retention/query"


class Nowhere:
    """A bucket that nobody looks into."""

    def put(self, key: str, file: MediaFile) -> None:
        pass


class Tenant:
    """One simulated organisation, and our side of the wire to it as one of its OAuth clients."""

    def __init__(self, *groups: dict[str, Any], organization: dict[str, Any], **top: Any) -> None:
        document = {
            "schema_version": 1,
            "name": "tenant",
            "seed": 11,
            "organization": organization | {"conversations": list(groups)},
        }
        self.clock = ManualClock(NOW)
        self.simulator = Simulator(parse_scenario(document | top), Nowhere(), self.clock)
        self.organization = self.simulator.scenario.organization
        self.transport = self.transport_of("full")
        self.jobs = self.jobs_of("full")
        self.scope = AnalyticsScope(self.transport, page_size=7)
        self.catalogue = RecordingMetadataCatalogue(self.transport)
        self.holds = DeletionProtection(self.transport)
        self.deletions = RetentionSchedule(self.transport)

    def transport_of(self, role: str, secret: str = "") -> Transport:
        client = next(one for one in self.simulator.access.clients.values() if one.role == role)
        http = httpx.Client(transport=InProcess(self.simulator), base_url="http://127.0.0.1:1")
        credentials = ClientCredentials(client.id, secret or client.secret)
        tokens = TokenSource(
            MemoryTokenStore(), lambda: credentials, http, self.clock, Sleeper(), chance=lambda: 0.0
        )
        return Transport(http, tokens, self.clock)

    def jobs_of(self, role: str) -> BulkExportJobs:
        return BulkExportJobs(
            self.transport_of(role), self.clock, integration_id=self.organization.integration_id
        )

    def findings(self, role: str = "full", *, secret: str = "", **ids: str) -> Sequence[Finding]:
        settings = {
            "organization_id": self.organization.id,
            "integration_id": self.organization.integration_id,
            "bucket": NAMES.evidence_bucket,
            "writer_role_arn": NAMES.writer_role_arn,
        }
        return OrganizationSetup(self.transport_of(role, secret), **(settings | ids)).findings(MATTER)

    @property
    def conversations(self) -> list[Held]:
        return list(self.simulator.platform.organisation.conversations.values())

    @property
    def ids(self) -> list[ConversationId]:
        return [ConversationId(one.id) for one in self.conversations]

    def selection(self, *conversation_ids: ConversationId, **scope: Any) -> ExportSelection:
        return ExportSelection(conversation_ids or self.ids, replace(EVERYTHING, **scope))

    def asked(self, method: str, path: str) -> list[dict[str, Any]]:
        return [
            entry
            for entry in self.simulator.log.entries
            if entry["method"] == method and entry["path"].startswith(path)
        ]

    def selected(self, scope: Scope) -> list[Conversation]:
        """Run a scope query to its end, page by page."""
        query_id = self.scope.start_query(scope)
        assert not self.scope.is_query_done(query_id)
        self.clock.pass_s(1)
        assert self.scope.is_query_done(query_id)
        found: list[Conversation] = []
        cursor: str | None = None
        while True:
            page = self.scope.read_page(query_id, cursor)
            assert len(page.conversations) <= 7
            found += page.conversations
            cursor = page.cursor
            if cursor is None:
                return found

    def exported(self, selection: ExportSelection) -> ExportJobId:
        """Run a job to its end."""
        job_id = self.jobs.create(selection)
        self.clock.pass_s(1)
        assert self.jobs.read(job_id).state is BatchState.READY
        self.jobs.execute(job_id)
        self.clock.pass_s(1)
        return job_id


def group(name: str = "calls", count: int = 5, medium: str = "voice", **more: Any) -> dict[str, Any]:
    base = {"name": name, "count": count, "medium": medium, "custodians": [ADA], "queue": SALES}
    if medium == "message":
        base["message_type"] = "whatsapp"
    return base | {"interval": "2026-03-02T00:00:00Z/2026-03-05T00:00:00Z"} | more


def tenant(*groups: dict[str, Any], organization: dict[str, Any] | None = None, **top: Any) -> Tenant:
    return Tenant(*(groups or (group(),)), organization=organization or {}, **top)


@pytest.fixture
def busy_tenant() -> Tenant:
    """Every medium, three custodians, two queues, a tag, and a week before the one that is asked for."""
    return tenant(
        group("calls", 20, custodians=[ADA, BEN]),
        group("conferences", 6, custodians=[ADA, CYD], custodians_per_conversation=2, queue=CLAIMS),
        group("chats", 9, "chat", custodians=[BEN], queue=CLAIMS, external_tag="Case 7: Müller & Co"),
        group("letters", 8, "email", custodians=[CYD], external_tag="Case 8"),
        group("texts", 7, "message", screen=True),
        group("callbacks", 3, "callback", custodians=[BEN]),
        group("before", 10, interval="2026-02-01T00:00:00Z/2026-02-08T00:00:00Z"),
    )


# --- choosing conversations


def _ids(count: int) -> Callable[[Tenant], tuple[ConversationId, ...]]:
    return lambda tenant: tuple(tenant.ids[::3][:count])


@pytest.mark.parametrize(
    ("restriction", "belongs"),
    [
        ({}, lambda _: True),
        ({"custodians": (ADA,)}, lambda one: ADA in one.user_ids),
        ({"custodians": (BEN, CYD)}, lambda one: {BEN, CYD} & set(one.user_ids)),
        ({"queues": (CLAIMS,)}, lambda one: one.queue_id == CLAIMS),
        ({"queues": (CLAIMS, SALES)}, lambda _: True),
        ({"media_types": (Medium.CHAT,)}, lambda one: one.medium == "chat"),
        (
            {"media_types": (Medium.MESSAGE, Medium.CALLBACK, Medium.EMAIL)},
            lambda one: one.medium in {"message", "callback", "email"},
        ),
        ({"external_tag": "Case 7: Müller & Co"}, lambda one: one.external_tag == "Case 7: Müller & Co"),
        ({"external_tag": "Case"}, lambda _: False),
        (
            {"custodians": (ADA, BEN), "queues": (CLAIMS,), "media_types": (Medium.VOICE, Medium.CHAT)},
            lambda one: {ADA, BEN} & set(one.user_ids) and one.queue_id == CLAIMS,
        ),
        ({"custodians": (CYD,), "media_types": (Medium.CHAT,)}, lambda _: False),
        (
            {"interval": Interval(MARCH_2, MARCH_2 + timedelta(hours=30))},
            lambda one: one.started_at < MARCH_2 + timedelta(hours=30) and one.ended_at > MARCH_2,
        ),
    ],
)
def test_a_scope_selects_exactly_the_conversations_that_meet_every_restriction(
    busy_tenant: Tenant, restriction: dict[str, Any], belongs: Callable[[Held], object]
) -> None:
    expected = {one.id for one in busy_tenant.conversations if one.started_at >= MARCH_2 and belongs(one)}

    found = busy_tenant.selected(replace(EVERYTHING, **restriction))

    assert len(found) == len(expected)
    assert {one.conversation_id for one in found} == expected


def test_a_scope_of_conversation_ids_selects_those_and_no_other(busy_tenant: Tenant) -> None:
    wanted = tuple(busy_tenant.ids[20::2])

    found = busy_tenant.selected(replace(EVERYTHING, conversation_ids=(*wanted, UNKNOWN)))

    assert {one.conversation_id for one in found} == set(wanted)


def test_a_conversation_is_read_with_its_times_and_its_medium(busy_tenant: Tenant) -> None:
    held = {one.id: one for one in busy_tenant.conversations}

    for found in busy_tenant.selected(EVERYTHING):
        one = held[found.conversation_id]
        assert found.medium.value == one.medium.value
        assert abs(found.started_at - one.started_at) < timedelta(milliseconds=1)
        assert found.ended_at is not None
        assert abs(found.ended_at - one.ended_at) < timedelta(milliseconds=1)


def test_pages_read_twice_are_the_same() -> None:
    us = tenant(group(count=20))
    query_id = us.scope.start_query(EVERYTHING)
    us.clock.pass_s(1)
    first = us.scope.read_page(query_id, None)

    assert us.scope.read_page(query_id, None) == first
    assert us.scope.read_page(query_id, first.cursor) == us.scope.read_page(query_id, first.cursor)


def test_an_empty_scope_is_one_empty_page() -> None:
    us = tenant()

    assert us.selected(replace(EVERYTHING, custodians=(BEN,))) == []


def test_how_far_the_platform_knows_is_read() -> None:
    us = tenant(organization={"data_lag_h": 48})

    assert us.scope.available_until() == NOW - timedelta(hours=48)


def test_a_lost_answer_to_a_scope_query_only_costs_another_query() -> None:
    fault = {"when": {"method": "POST", "path": "/api/v2/analytics/*", "nth": 1}}
    us = tenant(faults={"requests": [fault | {"then": {"lose_answer": "close"}}]})

    assert len(us.selected(EVERYTHING)) == 5


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "EXPIRED"])
def test_a_query_that_the_platform_gave_up_is_an_error(state: str) -> None:
    us = tenant(faults={"requests": [_canned("GET", "/api/v2/analytics/*", {"state": state})]})

    with pytest.raises(ScopeQueryFailed, match=state):
        us.scope.is_query_done("query-1")


def test_a_state_of_a_query_that_nobody_knows_is_an_error_and_never_a_loop() -> None:
    us = tenant(faults={"requests": [_canned("GET", "/api/v2/analytics/*", {"state": "DREAMING"})]})

    with pytest.raises(UnknownPlatformState, match="DREAMING"):
        us.scope.is_query_done("query-1")


def _canned(method: str, path: str, body: object, status: int = 200) -> dict[str, Any]:
    return {"when": {"method": method, "path": path}, "then": {"status": status, "body": body}}


# --- export jobs


def test_a_job_exports_exactly_the_conversations_it_was_given(busy_tenant: Tenant) -> None:
    wanted = busy_tenant.ids[12:40]

    busy_tenant.exported(busy_tenant.selection(*wanted))

    made = list(busy_tenant.simulator.platform.recording_jobs.values())
    assert len(made) == 1
    assert {one.id for one in made[0].conversations} == set(wanted)


def test_a_job_moves_through_the_platforms_states() -> None:
    us = tenant()
    job_id = us.jobs.create(us.selection())

    seen = [us.jobs.read(job_id)]
    us.clock.pass_s(1)
    seen.append(us.jobs.read(job_id))
    us.jobs.execute(job_id)
    us.clock.pass_s(0.5)
    seen.append(us.jobs.read(job_id))
    us.clock.pass_s(0.5)
    seen.append(us.jobs.read(job_id))

    assert [job.state for job in seen] == ["PENDING", "READY", "PROCESSING", "FULFILLED"]
    assert [job.percent for job in seen] == [0, 0, 50, 100]
    assert {job.created_at for job in seen} == {NOW}


def test_nothing_moves_before_the_job_is_executed() -> None:
    us = tenant()
    us.jobs.create(us.selection())

    us.clock.pass_s(3_600)

    assert us.simulator.platform.deliveries == []


def test_a_job_counts_what_it_did() -> None:
    us = tenant(
        group(count=12, sensitive=3),
        faults={"recordings": [{"fail": 2, "skip": 1}]},
    )

    job = us.jobs.read(us.exported(us.selection()))

    assert (job.total, job.skipped, job.failed) == (12, 4, 2)


@pytest.mark.parametrize(("include_sensitive", "skipped"), [(False, 3), (True, 0)])
def test_sensitive_recordings_are_exported_only_if_asked_for(include_sensitive: bool, skipped: int) -> None:
    us = tenant(group(count=12, sensitive=3))

    job = us.jobs.read(us.exported(us.selection(include_sensitive=include_sensitive)))

    assert job.skipped == skipped


@pytest.mark.parametrize(("include_screen", "total"), [(False, 4), (True, 8)])
def test_screen_recordings_are_exported_only_if_asked_for(include_screen: bool, total: int) -> None:
    us = tenant(group(count=4, screen=True))

    job = us.jobs.read(us.exported(us.selection(include_screen=include_screen)))

    assert job.total == total


@pytest.mark.parametrize("count", [0, 1, 100, 101, 230])
def test_failed_recordings_are_read_to_the_last_page(count: int) -> None:
    us = tenant(group(count=240), faults={"recordings": [{"fail": count}]} if count else {})
    job_id = us.exported(us.selection())
    outcome = us.simulator.platform.recording_jobs[job_id].outcome

    failed = us.jobs.failed_recordings(job_id)

    assert failed == {recording.id: recording.conversation_id for recording in outcome.failed}
    assert len(failed) == count


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_job_that_broke_off_says_so(outcome: str) -> None:
    us = tenant(faults={"jobs": [{"outcome": outcome}]})

    assert us.jobs.read(us.exported(us.selection())).state == outcome.upper()


def test_a_state_of_a_job_that_nobody_knows_is_an_error_and_never_a_loop() -> None:
    us = tenant(faults={"jobs": [{"outcome": "unknown_state", "state": "ARCHIVING"}]})
    job_id = us.exported(us.selection())

    with pytest.raises(UnknownPlatformState, match="ARCHIVING"):
        us.jobs.read(job_id)


def test_a_job_that_does_not_exist_is_not_found() -> None:
    with pytest.raises(PlatformNotFound):
        tenant().jobs.read(ExportJobId(UNKNOWN))


def test_a_job_that_is_moving_already_cannot_be_executed_again() -> None:
    us = tenant()
    job_id = us.jobs.create(us.selection())
    us.clock.pass_s(1)
    us.jobs.execute(job_id)

    with pytest.raises(PlatformConflict):
        us.jobs.execute(job_id)


def test_only_the_client_that_created_a_job_may_execute_it() -> None:
    us = tenant(organization={"clients": {"limited": {"lacks": []}}})
    job_id = us.jobs.create(us.selection())
    us.clock.pass_s(1)

    with pytest.raises(PermissionMissing):
        us.jobs_of("limited").execute(job_id)


def test_a_job_that_does_not_end_can_be_cancelled() -> None:
    us = tenant(faults={"jobs": [{"outcome": "stuck"}]})
    job_id = us.exported(us.selection())
    us.clock.pass_s(86_400)
    assert us.jobs.read(job_id).state is BatchState.PROCESSING

    us.jobs.cancel(job_id)

    assert us.jobs.read(job_id).state is BatchState.CANCELLED


def test_a_job_that_has_ended_cannot_be_cancelled() -> None:
    us = tenant()
    job_id = us.exported(us.selection())

    with pytest.raises(PlatformConflict):
        us.jobs.cancel(job_id)


def test_a_client_that_may_not_cancel_is_refused_by_name() -> None:
    us = tenant()
    job_id = us.jobs.create(us.selection())

    with pytest.raises(PermissionMissing, match="recording:job:delete"):
        us.jobs_of("limited").cancel(job_id)


# --- a job too many


def _with_both_slots_taken(**organization: Any) -> Tenant:
    us = tenant(organization=organization)
    for one in us.ids[:2]:
        us.jobs.create(us.selection(one))
    return us


def test_a_third_job_refused_as_a_bad_request_is_a_job_too_many() -> None:
    us = _with_both_slots_taken(third_job_error=400)

    with pytest.raises(TooManyJobs) as refused:
        us.jobs.create(us.selection())

    assert refused.value.status == 400


def test_a_third_job_refused_as_throttled_names_a_time_to_wait() -> None:
    us = _with_both_slots_taken(third_job_error=429)

    with pytest.raises(PlatformThrottled) as throttled:
        us.jobs.create(us.selection())

    assert throttled.value.retry_after_s > 0


def test_the_slots_of_others_count_for_the_organisation() -> None:
    us = tenant(organization={"third_job_error": 400})
    for one in us.ids[:2]:
        us.jobs_of("limited").create(us.selection(one))

    with pytest.raises(TooManyJobs):
        us.jobs.create(us.selection())


def test_jobs_that_wait_for_their_start_take_no_slot() -> None:
    us = _with_both_slots_taken(third_job_error=400)
    us.clock.pass_s(1)

    assert us.jobs.create(us.selection())


def test_a_bad_request_while_a_slot_is_free_is_not_blamed_on_the_slots() -> None:
    us = tenant(organization={"integration_state": "INACTIVE"})

    with pytest.raises(PlatformRejected, match=r"recording\.export\.integration\.disabled") as rejected:
        us.jobs.create(us.selection())

    assert not isinstance(rejected.value, TooManyJobs)


# --- a lost answer


@pytest.mark.parametrize("how", ["close", "504"])
def test_a_job_whose_creation_was_never_answered_is_found(how: str) -> None:
    fault = {"when": {"method": "POST", "path": JOBS, "nth": 1}, "then": {"lose_answer": how}}
    us = tenant(faults={"requests": [fault]})
    asked_at = us.clock.now()
    with pytest.raises(PlatformAnswerLost):
        us.jobs.create(us.selection())
    us.clock.pass_s(30)

    found = us.jobs.find(us.selection(), asked_at)

    assert [found] == list(us.simulator.platform.recording_jobs)
    assert len(us.asked("POST", JOBS)) == 1


def test_a_job_that_never_came_into_being_is_not_found() -> None:
    us = tenant(faults={"requests": [{"when": {"method": "POST", "path": JOBS}, "then": {"drop": True}}]})
    with pytest.raises(PlatformAnswerLost):
        us.jobs.create(us.selection())

    assert us.jobs.find(us.selection(), NOW) is None


def test_a_found_job_may_have_started_already() -> None:
    us = tenant()
    job_id = us.exported(us.selection())

    assert us.jobs.find(us.selection(), NOW) == job_id


@pytest.mark.parametrize(
    "other",
    [
        lambda us: us.selection(*us.ids[:4]),
        lambda us: us.selection(*us.ids[::-1]),
        lambda us: us.selection(*us.ids[:4], UNKNOWN),
        lambda us: us.selection(include_screen=False),
        lambda us: us.selection(include_sensitive=True),
        lambda us: us.selection(interval=Interval(MARCH_2, MARCH_5)),
    ],
    ids=["fewer", "another order", "another one", "no screen", "sensitive", "another interval"],
)
def test_a_job_for_anything_else_is_not_ours(other: Callable[[Tenant], ExportSelection]) -> None:
    us = tenant()
    us.jobs.create(other(us))

    assert us.jobs.find(us.selection(), NOW) is None


def test_a_job_of_another_client_is_not_ours() -> None:
    us = tenant()
    us.jobs_of("limited").create(us.selection())

    assert us.jobs.find(us.selection(), NOW) is None


def test_a_job_of_an_earlier_run_is_not_ours() -> None:
    us = tenant()
    us.exported(us.selection())
    us.clock.pass_s(3_600)

    assert us.jobs.find(us.selection(), us.clock.now()) is None


@pytest.mark.parametrize("outcome", ["failed", "cancelled"])
def test_a_job_that_broke_off_is_not_taken_up_again(outcome: str) -> None:
    us = tenant(faults={"jobs": [{"outcome": outcome}]})
    us.exported(us.selection())

    assert us.jobs.find(us.selection(), NOW) is None


def test_our_job_is_found_behind_more_than_a_page_of_others() -> None:
    us = tenant(group(count=2), organization={"max_concurrent_jobs": 500})
    first, second = us.ids
    job_id = us.jobs.create(us.selection(first))
    for _ in range(105):
        us.jobs.create(us.selection(second))

    assert us.jobs.find(us.selection(first), NOW) == job_id


# --- recordings


def test_the_recordings_of_a_conversation_are_listed_with_medium_and_fate() -> None:
    us = tenant(group(count=1, recordings=2, screen=True))
    conversation = us.conversations[0]

    found = us.catalogue.recordings_of(ConversationId(conversation.id))

    assert {one.recording_id for one in found} == {one.id for one in conversation.recordings}
    assert sorted(one.medium for one in found) == [Medium.SCREEN, Medium.VOICE, Medium.VOICE]
    assert not any(one.is_deleted or one.exported_at for one in found)


@pytest.mark.parametrize("medium", ["voice", "chat", "email", "message", "callback"])
def test_every_medium_has_its_name(medium: str) -> None:
    us = tenant(group(medium=medium, count=1))

    (found,) = us.catalogue.recordings_of(us.ids[0])

    assert found.medium == (Medium.VOICE if medium == "callback" else medium)


def test_a_deleted_recording_is_known_as_deleted() -> None:
    us = tenant(group(count=1), faults={"recordings": [{"deleted": 1}]})

    assert [one.is_deleted for one in us.catalogue.recordings_of(us.ids[0])] == [True]


def test_a_delivered_recording_has_its_time() -> None:
    us = tenant(group(count=1))
    us.exported(us.selection())
    us.clock.pass_s(10)
    us.simulator.deliver_due()

    (found,) = us.catalogue.recordings_of(us.ids[0])

    assert found.exported_at == us.clock.now()


def test_a_conversation_without_recordings_or_unknown_has_none() -> None:
    us = tenant(group(count=1, no_recording=1))

    assert us.catalogue.recordings_of(us.ids[0]) == []
    assert us.catalogue.recordings_of(UNKNOWN) == []


# --- the platform's hold


@pytest.mark.parametrize("form", [200, 204])
def test_a_whole_chunk_is_protected_with_one_call_and_read_back_with_one(form: int) -> None:
    us = tenant(group(count=120), organization={"protection_response": form})
    chunk = us.ids[: us.holds.chunk_size]

    refused = us.holds.place(chunk, MATTER)

    assert refused == []
    assert us.holds.held_among(chunk, MATTER) == frozenset(chunk)
    assert us.simulator.platform.protected == set(chunk)
    assert us.holds.chunk_size == 100
    assert len(us.asked("PUT", PROTECTION)) == len(us.asked("POST", PROTECTION)) == 1


@pytest.mark.parametrize("form", [200, 204])
def test_protecting_twice_is_the_same_as_once(form: int) -> None:
    us = tenant(organization={"protection_response": form})

    assert [us.holds.place(us.ids, MATTER) for _ in range(2)] == [[], []]
    assert us.holds.held_among(us.ids, MATTER) == frozenset(us.ids)


@pytest.mark.parametrize("form", [200, 204])
def test_what_cannot_be_protected_is_named_and_everything_else_is_protected(form: int) -> None:
    us = tenant(group(count=60, no_recording=3), organization={"protection_response": form})
    silent = {one.id for one in us.conversations if not one.recordings}

    refused = us.holds.place([*us.ids, UNKNOWN], MATTER)

    assert {one.kind for one in refused} == {RefusalKind.NOT_FOUND}
    assert sorted(one.conversation_id for one in refused) == sorted([*silent, UNKNOWN])
    assert us.holds.held_among(us.ids, MATTER) == frozenset(us.ids) - silent


def test_halving_asks_no_more_than_it_must() -> None:
    us = tenant(group(count=64, no_recording=1), organization={"protection_response": 204})

    us.holds.place(us.ids, MATTER)

    assert len(us.asked("PUT", PROTECTION)) == 1 + 2 * 6  # 64 is halved six times, both halves asked


@pytest.mark.parametrize("form", [200, 204])
def test_beyond_the_cap_the_rest_is_refused_as_such(form: int) -> None:
    us = tenant(group(count=40), organization={"protection_response": form, "protection_cap": 13})

    refused = us.holds.place(us.ids, MATTER)

    assert {one.kind for one in refused} == {RefusalKind.CAP_REACHED}
    assert len(us.simulator.platform.protected) == 13
    assert us.holds.held_among(us.ids, MATTER) == frozenset(us.ids) - {one.conversation_id for one in refused}


def test_beyond_the_cap_the_rest_of_a_chunk_is_not_asked_one_by_one() -> None:
    us = tenant(group(count=100), organization={"protection_response": 204, "protection_cap": 37})

    refused = us.holds.place(us.ids, MATTER)

    assert [one.conversation_id for one in refused] == us.ids[37:]
    assert us.simulator.platform.protected == set(us.ids[:37])
    assert len(us.asked("PUT", PROTECTION)) <= 1 + 2 * 7


def test_the_vendors_cap_is_known_and_may_be_another_one() -> None:
    us = tenant()

    assert us.holds.cap == 1_000
    assert DeletionProtection(us.transport, cap=7).cap == 7


def test_what_was_protected_before_us_is_seen() -> None:
    us = tenant(group(count=9, already_protected=4))

    assert us.holds.held_among(us.ids, MATTER) == us.simulator.platform.protected
    assert len(us.simulator.platform.protected) == 4


def test_a_conflict_falls_on_the_conversation_that_has_it() -> None:
    conflict = {"when": {"method": "PUT", "path": PROTECTION}, "then": {"status": 409}}
    us = tenant(faults={"requests": [conflict]})

    refused = us.holds.place(us.ids, MATTER)

    assert refused == [HoldRefusal(one, RefusalKind.CONFLICT) for one in us.ids]


def test_a_conflict_that_passes_leaves_nothing_refused() -> None:
    conflict = {"when": {"method": "PUT", "path": PROTECTION, "nth": 1}, "then": {"status": 409}}
    us = tenant(faults={"requests": [conflict]})

    assert us.holds.place(us.ids, MATTER) == []
    assert us.holds.held_among(us.ids, MATTER) == frozenset(us.ids)


def test_a_client_that_may_not_protect_is_refused_at_once_and_by_name() -> None:
    us = tenant(group(count=100))
    holds = DeletionProtection(us.transport_of("limited"))

    with pytest.raises(PermissionMissing) as missing:
        holds.place(us.ids, MATTER)

    assert missing.value.permissions == ("recording:deletionProtection:apply",)
    assert len(us.asked("PUT", PROTECTION)) == 1


def test_a_lost_answer_to_a_hold_is_asked_for_again() -> None:
    lost = {"when": {"method": "PUT", "path": PROTECTION, "nth": 1}, "then": {"lose_answer": "close"}}
    us = tenant(faults={"requests": [lost]})

    assert us.holds.place(us.ids, MATTER) == []
    assert us.holds.held_among(us.ids, MATTER) == frozenset(us.ids)


# --- what is about to be deleted


def _deletions(us: Tenant, days: int = 0) -> list[tuple[ConversationId, datetime]]:
    found: list[tuple[ConversationId, datetime]] = []
    cursor: str | None = None
    while True:
        page = us.deletions.page(days, cursor)
        found += page.delete_dates
        cursor = page.cursor
        if cursor is None:
            return found


def test_delete_dates_are_read_to_the_last_page() -> None:
    us = tenant(group(count=600, delete_after_s=86_400, screen=True), group("kept", count=3))

    found = _deletions(us)

    assert {cid for cid, _ in found} == {one.id for one in us.conversations if one.group != "kept"}
    assert len(found) == 1_200
    assert {at for _, at in found} == {NOW + timedelta(days=1)}
    assert len(us.asked("GET", RETENTION)) == 3


def test_of_younger_recordings_nothing_is_read() -> None:
    """The conversations are of March; it is June."""
    us = tenant(group(count=2, delete_after_s=86_400))

    assert (len(_deletions(us, 80)), _deletions(us, 100)) == (2, [])


@pytest.mark.parametrize("next_uri", ["/api/v2/recordings/retention/query?pageNumber=2", "/?cursor="])
def test_a_next_page_without_its_cursor_is_no_end(next_uri: str) -> None:
    body = {"entities": [], "nextUri": next_uri}
    us = tenant(faults={"requests": [{"when": {"path": RETENTION}, "then": {"status": 200, "body": body}}]})

    with pytest.raises(PlatformUnavailable, match="expected a cursor in nextUri"):
        us.deletions.page(0, None)


def test_a_platform_that_repeats_its_cursor_is_not_read_for_ever() -> None:
    entity = {"conversationId": ADA.upper(), "recordingId": BEN, "archiveDate": "2026-06-02T00:00:00Z"}
    dated = entity | {"deleteDate": "2026-06-02T00:00:00Z"}
    body = {"entities": [entity, dated], "nextUri": "/?pageSize=500&cursor=again"}
    us = tenant(faults={"requests": [{"when": {"path": RETENTION}, "then": {"status": 200, "body": body}}]})

    first, second = us.deletions.page(0, None), us.deletions.page(0, "again")

    assert (first.cursor, second.cursor) == ("again", None)
    assert list(first.delete_dates) == [(ADA, datetime(2026, 6, 2, tzinfo=UTC))]


# --- set-up


def test_an_organisation_that_is_set_up_has_no_findings() -> None:
    assert tenant().findings() == []


def test_a_wrong_secret_is_the_only_finding() -> None:
    findings = tenant().findings(secret="wr0ng-secret")

    assert [finding.check for finding in findings] == ["OAuth client"]
    assert findings[0].is_blocking
    assert "wr0ng-secret" not in findings[0].message


@pytest.mark.parametrize(
    ("permission", "check"),
    [
        ("analytics:conversationDetail:view", "analytics permission"),
        ("recording:job:view", "recording job permission"),
    ],
)
def test_a_missing_permission_is_found_and_named(permission: str, check: str) -> None:
    us = tenant(organization={"clients": {"full": {"lacks": [permission]}}})

    (finding,) = us.findings()

    assert (finding.check, finding.is_blocking) == (check, True)
    assert permission in finding.message


def test_all_findings_come_at_once() -> None:
    lacks = ["analytics:conversationDetail:view", "recording:job:view", "integrations:integration:view"]
    us = tenant(organization={"clients": {"full": {"lacks": lacks}}})

    findings = us.findings(organization_id=UNKNOWN)

    assert {finding.check: finding.is_blocking for finding in findings} == {
        "organisation": True,
        "analytics permission": True,
        "recording job permission": True,
        "integration permission": False,  # nothing needs it but this very check
    }


WRITES = [
    "recording:job:add",
    "recording:job:edit",
    "recording:recording:editRetention",
    "recording:screenRecording:editRetention",
    "recording:snippetRecording:editRetention",
    "recording:recording:view",
    "recording:deletionProtection:apply",
]


@pytest.mark.parametrize("permission", WRITES)
def test_a_permission_that_only_a_change_needs_is_found_before_the_change(permission: str) -> None:
    us = tenant(organization={"clients": {"full": {"lacks": [permission]}}})

    (finding,) = us.findings()

    assert (finding.check, finding.is_blocking) == ("permissions", True)
    assert finding.message == f"the OAuth client lacks {permission}"


@pytest.mark.parametrize(
    "then",
    [
        {"status": 403, "code": "missing.permissions", "message": "no"},
        {"status": 404, "code": "not.found", "message": "no"},
        {"status": 200, "body": {"id": "x", "grants": [{"role": {"id": "r"}}]}},
        {"status": 200, "body": {"id": "x"}},
    ],
)
def test_where_the_platform_does_not_tell_permissions_nobody_knows(then: dict[str, Any]) -> None:
    fault = {"when": {"path": "/api/v2/authorization/subjects/me"}, "then": then}
    us = tenant(faults={"requests": [fault]})

    (finding,) = us.findings()

    assert (finding.check, finding.is_blocking) == ("permissions", False)


@pytest.mark.parametrize(
    ("policy", "may"),
    [
        (("recording", "job", ["add"]), True),
        (("recording", "job", ["*"]), True),
        (("recording", "*", ["view", "add"]), True),
        (("*", "*", ["*"]), True),
        (("recording", "job", ["view"]), False),
        (("recording", "jobs", ["add"]), False),
        (("quality", "job", ["add"]), False),
    ],
)
def test_a_role_has_a_permission_by_name_or_by_wildcard(
    policy: tuple[str, str, list[str]], may: bool
) -> None:
    domain, entity_name, actions = policy
    subject = SubjectDocument.model_validate(
        {
            "grants": [
                {},
                {"role": {"policies": [{"domain": domain, "entityName": entity_name, "actions": actions}]}},
            ]
        }
    )

    assert subject.may("recording:job:add") is may


@pytest.mark.parametrize(
    ("properties", "count"),
    [
        (
            {"bucketName": NAMES.evidence_bucket, "roleArn": NAMES.writer_role_arn, "region": "eu-central-1"},
            0,
        ),
        ({"bucket": f"arn:aws:s3:::{NAMES.evidence_bucket}", "prefix": ""}, 0),
        ({"bucketName": "", "roleArn": None, "bucketCount": 3}, 0),
        ({"bucketName": "another-bucket", "roleArn": NAMES.writer_role_arn}, 1),
        ({"S3 Bucket": "another-bucket", "iam": "arn:aws:iam::111122223333:role/another"}, 2),
        ({"iam": "arn:aws:iam::999999999999:role/path/holdfast-GenesysWriterRole"}, 1),
        (None, 0),
        (["bucket"], 0),
    ],
)
def test_an_integration_that_seems_to_write_elsewhere_is_a_remark(properties: object, count: int) -> None:
    body = {"name": "S3", "version": 1, "properties": properties}
    fault = {"when": {"path": "*/config/current"}, "then": {"status": 200, "body": body}}
    us = tenant(faults={"requests": [fault]})

    findings = us.findings()

    assert [(one.check, one.is_blocking) for one in findings] == [("integration target", False)] * count
    assert not [one for one in findings if "another-bucket" in one.message]


def test_what_the_limited_client_may_not_do_is_named_when_it_is_tried() -> None:
    us = tenant()
    jobs = us.jobs_of("limited")

    with pytest.raises(PermissionMissing) as missing:
        jobs.execute(jobs.create(us.selection()))
    assert set(missing.value.permissions) == {
        "recording:job:edit",
        "recording:recording:editRetention",
        "recording:screenRecording:editRetention",
        "recording:snippetRecording:editRetention",
    }
    with pytest.raises(SensitiveNotPermitted, match="recording:recording:viewSensitiveData"):
        jobs.create(us.selection(include_sensitive=True))


def test_a_client_of_another_organisation_is_found() -> None:
    (finding,) = tenant().findings(organization_id=UNKNOWN)

    assert (finding.check, finding.is_blocking) == ("organisation", True)


def test_an_integration_that_does_not_exist_is_found() -> None:
    (finding,) = tenant().findings(integration_id=UNKNOWN)

    assert (finding.check, finding.is_blocking) == ("integration", True)


@pytest.mark.parametrize("state", ["INACTIVE", "ACTIVATING", "DEACTIVATING", "ERROR"])
def test_an_integration_that_is_not_active_is_found(state: str) -> None:
    (finding,) = tenant(organization={"integration_state": state}).findings()

    assert (finding.check, finding.is_blocking) == ("integration", True)


def test_looking_at_the_set_up_changes_nothing() -> None:
    us = tenant()

    us.findings()

    assert {entry["method"] for entry in us.asked("GET", "")} == {"GET"}
    assert [entry["path"] for entry in us.simulator.log.entries if entry["method"] != "GET"] == [
        "/oauth/token"
    ]


# --- rule 8


def test_no_export_request_carries_a_hold_flag(busy_tenant: Tenant) -> None:
    busy_tenant.selected(replace(EVERYTHING, custodians=(ADA,), external_tag="Case 8"))
    job_id = busy_tenant.exported(busy_tenant.selection(include_sensitive=True))
    busy_tenant.jobs.failed_recordings(job_id)
    busy_tenant.jobs.find(busy_tenant.selection(), NOW)

    received = json.dumps(busy_tenant.simulator.log.entries).lower()

    for flag in ("legal_hold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalreferenceid"):
        assert flag not in received
    assert "legalhold" not in received.replace("-", "").replace("_", "")
    assert PROTECTION not in received
