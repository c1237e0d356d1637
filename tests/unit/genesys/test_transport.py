import json
import logging
import traceback
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contracts.genesys import ConversationQuery as Query
from holdfast.contracts.genesys import EntityReference, ExportJobRequest, Filter, Predicate
from holdfast.errors import (
    CredentialsRefused,
    HoldfastError,
    PayloadTooLarge,
    PermissionMissing,
    PlatformAnswerLost,
    PlatformConflict,
    PlatformNotFound,
    PlatformRejected,
    PlatformThrottled,
    PlatformUnavailable,
)
from holdfast.genesys.transport import Transport
from tests.fakes.clock import HandDrivenClock
from tests.unit.genesys.doubles import (
    API,
    FREE_TEXT,
    Door,
    MemoryTokenStore,
    a_token,
    error,
    issuing,
    source,
)

OK = httpx.Response(200, json={"id": "one"})
CREATED = httpx.Response(202, json={"id": "job-1"})
STALE = error(401, "bad.credentials")
UNDECIDED = [
    httpx.ReadTimeout("slow"),
    httpx.WriteTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("closed"),
    httpx.DecodingError("garbled"),
]
NEVER_SENT = [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("busy")]
IN_TROUBLE = [408, 500, 502, 503, 504]


class Wire:
    """A transport between a scripted platform and a working token endpoint."""

    def __init__(self, *script: httpx.Response | Exception) -> None:
        self.clock = HandDrivenClock()
        self.login = issuing()
        self.store = MemoryTokenStore(a_token(0))
        self.api = Door(*script)
        tokens = source(self.store, self.login, clock=self.clock)
        self.transport = Transport(self.api.client(API), tokens, self.clock)

    def grow_stale(self) -> None:
        """Let more than half of the token's life pass."""
        self.clock.forward(timedelta(hours=13))


# --- what is sent


def test_a_call_goes_to_the_api_with_the_token() -> None:
    wire = Wire(OK)

    answer = wire.transport.get("/api/v2/things", {"pageSize": 25, "state": "READY"})

    request = wire.api.requests[0]
    assert str(request.url) == f"{API}/api/v2/things?pageSize=25&state=READY"
    assert request.headers["Authorization"] == "Bearer stored-0"
    assert (answer.status, answer.read(EntityReference).id) == (200, "one")


def test_a_model_is_sent_under_the_vendors_names_and_without_what_is_absent() -> None:
    wire = Wire(CREATED)
    order = ExportJobRequest(
        action_date="2026-04-01T12:00:00.000Z",
        integration_id="integration-1",
        include_screen_recordings=False,
        include_recordings_with_sensitive_data=False,
        conversation_query=Query(
            interval="a/b",
            conversation_filters=[Filter(predicates=[Predicate(dimension="conversationId", value="c")])],
        ),
    )

    wire.transport.post("/api/v2/recording/jobs", order)

    assert json.loads(wire.api.requests[0].content) == {
        "action": "EXPORT",
        "actionDate": "2026-04-01T12:00:00.000Z",
        "integrationId": "integration-1",
        "includeScreenRecordings": False,
        "includeRecordingsWithSensitiveData": False,
        "conversationQuery": {
            "interval": "a/b",
            "order": "asc",
            "orderBy": "conversationStart",
            "conversationFilters": [
                {
                    "type": "or",
                    "predicates": [
                        {
                            "type": "dimension",
                            "dimension": "conversationId",
                            "operator": "matches",
                            "value": "c",
                        }
                    ],
                }
            ],
            "segmentFilters": [],
        },
    }


def test_a_plain_body_and_a_query_are_sent_as_they_are() -> None:
    wire = Wire(httpx.Response(204))

    answer = wire.transport.put("/api/v2/things", {"conversationIds": ["c"]}, {"protect": "true"})

    request = wire.api.requests[0]
    assert request.url.params["protect"] == "true"
    assert json.loads(request.content) == {"conversationIds": ["c"]}
    assert (answer.status, answer.content) == (204, b"")


# --- the token


def test_a_rejected_token_is_replaced_once_and_the_call_repeated_once() -> None:
    wire = Wire(STALE, OK)

    wire.transport.get("/api/v2/things")

    assert wire.api.bearers == ["stored-0", "token-1"]
    assert len(wire.login.requests) == 1


def test_a_call_that_is_not_idempotent_is_repeated_after_a_401_too_for_it_had_no_effect() -> None:
    wire = Wire(STALE, CREATED)

    assert wire.transport.post("/api/v2/recording/jobs", {}).status == 202
    assert wire.api.bearers == ["stored-0", "token-1"]


def test_a_rejected_fresh_token_means_that_the_credentials_are_refused() -> None:
    wire = Wire(STALE)

    with pytest.raises(CredentialsRefused, match=r"bad\.credentials"):
        wire.transport.get("/api/v2/things")

    assert wire.api.bearers == ["stored-0", "token-1"]
    assert len(wire.login.requests) == 1


def test_the_replacement_is_what_later_calls_use() -> None:
    wire = Wire(STALE, OK)

    wire.transport.get("/api/v2/things")
    wire.transport.get("/api/v2/things")

    assert wire.api.bearers == ["stored-0", "token-1", "token-1"]


@pytest.mark.parametrize(
    "code",
    [
        "missing.permissions",
        "missing.any.permissions",
        "missing.division.permission",
        "missing.any.division.permissions",
        "not.authorized",
    ],
)
def test_a_permission_problem_never_refreshes_however_old_the_token(code: str) -> None:
    wire = Wire(error(403, code))
    wire.grow_stale()

    with pytest.raises(PermissionMissing, match=code):
        wire.transport.get("/api/v2/things")

    assert (len(wire.api.requests), len(wire.login.requests)) == (1, 0)


@pytest.mark.parametrize("params", [{}, {"permissions": None}, {"permissions": ["a:b:c"]}, {"n": 3}])
def test_parameters_of_any_type_do_not_hide_that_it_is_a_permission_problem(
    params: Mapping[str, object],
) -> None:
    wire = Wire(error(403, "missing.permissions", params))
    wire.grow_stale()

    with pytest.raises(PermissionMissing):
        wire.transport.get("/api/v2/things")

    assert wire.login.requests == []


def test_parameters_that_are_null_do_not_hide_it_either() -> None:
    wire = Wire(error(403, "missing.permissions", messageParams=None))
    wire.grow_stale()

    with pytest.raises(PermissionMissing):
        wire.transport.get("/api/v2/things")

    assert wire.login.requests == []


def test_any_other_403_of_a_token_in_its_first_half_is_a_permission_problem() -> None:
    wire = Wire(error(403, "authz.policy.denied"))

    with pytest.raises(PermissionMissing, match=r"authz\.policy\.denied"):
        wire.transport.get("/api/v2/things")

    assert wire.login.requests == []


@pytest.mark.parametrize("stale", [error(403, ""), error(403, "forbidden"), httpx.Response(403)])
def test_any_other_403_of_a_token_past_its_half_life_may_be_staleness(stale: httpx.Response) -> None:
    wire = Wire(stale, OK)
    wire.grow_stale()

    wire.transport.get("/api/v2/things")

    assert wire.api.bearers == ["stored-0", "token-1"]


def test_a_403_that_survives_a_new_token_is_a_permission_problem() -> None:
    wire = Wire(error(403, "forbidden"))
    wire.grow_stale()

    with pytest.raises(PermissionMissing):
        wire.transport.get("/api/v2/things")

    assert len(wire.login.requests) == 1


def test_the_missing_permissions_are_named_and_nothing_else_that_was_said() -> None:
    said = (
        "recording:job:add, [recording:recording:viewSensitiveData] call tel:+13175550123 https://x.example"
    )
    wire = Wire(error(403, "missing.permissions", {"permissions": said, "who": "Jane Doe"}))

    with pytest.raises(PermissionMissing) as missing:
        wire.transport.post("/api/v2/recording/jobs", {})

    assert missing.value.permissions == (
        "recording:job:add",
        "recording:recording:viewSensitiveData",
    )
    assert str(missing.value) == (
        "POST /api/v2/recording/jobs: 403 missing.permissions (correlation c0ffee-01)"
        ", missing: recording:job:add, recording:recording:viewSensitiveData"
    )


# --- patience


def test_a_throttled_call_says_how_long_and_is_not_repeated() -> None:
    wire = Wire(error(429, "too.many.requests", headers={"Retry-After": "23"}))

    with pytest.raises(PlatformThrottled) as throttled:
        wire.transport.get("/api/v2/things")

    assert throttled.value.retry_after_s == 23
    assert len(wire.api.requests) == 1


@pytest.mark.parametrize("failure", [*UNDECIDED, *NEVER_SENT])
def test_a_read_without_an_answer_is_repeated_once_at_once(failure: Exception) -> None:
    wire = Wire(failure, OK)

    assert wire.transport.get("/api/v2/things").status == 200
    assert len(wire.api.requests) == 2


@pytest.mark.parametrize("status", IN_TROUBLE)
def test_a_read_from_a_platform_in_trouble_is_repeated_once_at_once(status: int) -> None:
    wire = Wire(error(status), OK)

    assert wire.transport.get("/api/v2/things").status == 200
    assert len(wire.api.requests) == 2


@pytest.mark.parametrize("trouble", [*UNDECIDED, *NEVER_SENT, *map(error, IN_TROUBLE)])
def test_a_read_that_fails_twice_is_left_to_the_workflow(trouble: httpx.Response | Exception) -> None:
    wire = Wire(trouble)

    with pytest.raises(PlatformUnavailable) as unavailable:
        wire.transport.get("/api/v2/things")

    assert type(unavailable.value) is PlatformUnavailable
    assert len(wire.api.requests) == 2


def test_a_platform_that_names_a_time_to_wait_is_not_asked_again_at_once() -> None:
    wire = Wire(error(503, headers={"Retry-After": "5"}), OK)

    with pytest.raises(PlatformUnavailable):
        wire.transport.get("/api/v2/things")

    assert len(wire.api.requests) == 1


@pytest.mark.parametrize("trouble", [httpx.ReadTimeout("slow"), error(504)])
def test_setting_a_state_is_idempotent_and_repeated_like_a_read(trouble: httpx.Response | Exception) -> None:
    wire = Wire(trouble, OK)

    assert wire.transport.put("/api/v2/things", {"state": "PROCESSING"}).status == 200


def test_deleting_is_idempotent_and_repeated_like_a_read() -> None:
    wire = Wire(httpx.ReadTimeout("slow"), httpx.Response(204))

    assert wire.transport.delete("/api/v2/things/1").status == 204
    assert [(request.method, request.content) for request in wire.api.requests] == [("DELETE", b"")] * 2


def test_a_post_that_only_reads_is_repeated_like_a_read() -> None:
    wire = Wire(httpx.ReadTimeout("slow"), OK)

    assert wire.transport.post("/api/v2/things", {}, is_repeatable=True).status == 200


@pytest.mark.parametrize("trouble", [*UNDECIDED, *map(error, IN_TROUBLE)])
def test_a_creation_without_an_answer_is_lost_and_never_repeated(
    trouble: httpx.Response | Exception,
) -> None:
    wire = Wire(trouble, CREATED)

    with pytest.raises(PlatformAnswerLost):
        wire.transport.post("/api/v2/recording/jobs", {})

    assert len(wire.api.requests) == 1


@pytest.mark.parametrize("failure", NEVER_SENT)
def test_a_creation_that_was_never_sent_is_not_lost(failure: Exception) -> None:
    wire = Wire(failure)

    with pytest.raises(PlatformUnavailable) as unavailable:
        wire.transport.post("/api/v2/recording/jobs", {})

    assert type(unavailable.value) is PlatformUnavailable
    assert len(wire.api.requests) == 1


# --- refusals


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, PlatformRejected),
        (404, PlatformNotFound),
        (405, PlatformRejected),
        (413, PayloadTooLarge),
        (415, PlatformRejected),
        (501, PlatformRejected),
    ],
)
def test_a_rejection_carries_status_and_code(status: int, kind: type[PlatformRejected]) -> None:
    wire = Wire(error(status, "some.code"))

    with pytest.raises(PlatformRejected) as rejected:
        wire.transport.get("/api/v2/things")

    assert type(rejected.value) is kind
    assert (rejected.value.status, rejected.value.code) == (status, "some.code")
    assert str(rejected.value) == f"GET /api/v2/things: {status} some.code (correlation c0ffee-01)"


def test_a_conflict_is_for_the_workflow_to_repeat() -> None:
    with pytest.raises(PlatformConflict, match=r"409 request\.conflict"):
        Wire(error(409, "request.conflict")).transport.put("/api/v2/things", {})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int) -> None:
    wire = Wire(httpx.Response(status, headers={"Location": "https://evil.example/"}))

    with pytest.raises(PlatformRejected):
        wire.transport.get("/api/v2/things")

    assert [request.url.host for request in wire.api.requests] == ["api.mypurecloud.de"]


# --- bodies that nobody promised


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200),
        httpx.Response(200, text="<html>Please log in</html>"),
        httpx.Response(200, json=["canary"]),
        httpx.Response(200, json={"name": "canary"}),
    ],
)
def test_an_answer_of_another_shape_is_unavailable_and_never_quoted(answer: httpx.Response) -> None:
    found = Wire(answer).transport.get("/api/v2/things")

    with pytest.raises(PlatformUnavailable, match="expected EntityReference") as unavailable:
        found.read(EntityReference)

    assert "canary" not in "".join(traceback.format_exception(unavailable.value))


ANY_BODY = st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["code", "messageParams", "status", "message", "x"]), inner)
    ),
    max_leaves=8,
).map(lambda document: json.dumps(document).encode())


@given(st.integers(300, 599), ANY_BODY)
def test_whatever_a_refusal_looks_like_it_becomes_one_of_our_errors(status: int, body: bytes) -> None:
    wire = Wire(httpx.Response(status, content=body))

    with pytest.raises(HoldfastError):
        wire.transport.get("/api/v2/things")


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 408, 409, 413, 429, 500, 503])
def test_nothing_of_the_bodys_free_text_is_handed_on(status: int, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    hostile: Any = {"messageParams": {FREE_TEXT: FREE_TEXT, "number": "tel:+13175550123"}}
    wire = Wire(
        error(
            status,
            f"a code with spaces, {FREE_TEXT}",
            headers={"ININ-Correlation-Id": f"id {FREE_TEXT}", "Location": f"/{FREE_TEXT}"},
            **hostile,
        )
    )

    with pytest.raises(HoldfastError) as failure:
        wire.transport.get("/api/v2/things")

    written = "".join(traceback.format_exception(failure.value)) + caplog.text
    for secret in (FREE_TEXT, "3175550123", "stored-0", "token-1"):
        assert secret not in written
    assert f"{status} no code (correlation none)" in str(failure.value)


@pytest.mark.parametrize(
    ("date", "ahead_s"),
    [
        ("Wed, 01 Apr 2026 12:02:00 GMT", 120.0),
        ("Wed, 01 Apr 2026 11:59:00 GMT", -60.0),
        ("Thu, 05 Mar 2026 12:00:00 -0000", None),
        ("noon", None),
        (None, None),
    ],
)
def test_an_answer_says_how_far_ahead_the_platform_is(date: str | None, ahead_s: float | None) -> None:
    wire = Wire(httpx.Response(200, headers={} if date is None else {"Date": date}))

    assert wire.transport.get("/x").ahead_s == ahead_s
