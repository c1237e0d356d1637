"""Whole runs in the dialect `compliance` against a platform that misbehaves: how each ends, and why.

Whatever happens, a run ends, claims no more than the ledger has, sends no hold with an export, and lets no
credential out.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from holdfast.domain.states import RequestState
from holdfast.genesys.compliance.setup import REQUIRED_SCOPES
from tests.integration.rehearsal import CUSTODIAN, INTERVAL, Ended, Rehearsal

EXPORT, JOBS = "/api/v2/recordings/bulkexport", "/api/v2/recordings/jobs"
HOLDS = "/api/v2/compliance/legalholds"
FLAGS = ("legal_hold", "x-amz-meta-legal-hold", "legal_hold_acknowledgement", "externalreferenceid")
CALLS, CHATS = 12, 8
ALL = CALLS + CHATS


def group(name: str, count: int, medium: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "count": count,
        "medium": medium,
        "custodians": [CUSTODIAN],
        "interval": INTERVAL,
    } | more


def rehearsal(*groups: dict[str, Any], role: str = "full", **top: Any) -> Rehearsal:
    conversations = groups or (group("calls", CALLS, "voice"), group("chats", CHATS, "chat"))
    organization = top.pop("organization", {}) | {"conversations": list(conversations)}
    document = {"schema_version": 1, "name": "run", "seed": 5, "organization": organization}
    return Rehearsal(document | top, role=role)


def when(path: str, then: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"requests": [{"when": {"path": path} | more, "then": then}]}


def asked(us: Rehearsal, path: str) -> list[dict[str, Any]]:
    return [one for one in us.simulator.log.entries if one["path"] == path]


def ended(us: Rehearsal) -> Ended:
    """Follow the run to its end, and hold it to what every run keeps."""
    end = us.run()
    house, summary = us.house, end.summary
    if end.verdict:
        counts = summary["recordings"]
        assert counts["expected"] == counts["secured"] + counts["explained"] + counts["missing"]
        receipted = {one.recording_id for one in house.conversations.all_receipts() if one.recording_id}
        assert counts["secured"] <= len(receipted)
        held = {cid for cid, references in us.simulator.compliance.holds.items() if references}
        assert summary["conversations"]["held_at_platform"] <= len(held)
        segments = [content for key, content in house.records.files.items() if "/segments/" in key]
        sealed = {json.loads(line).get("key") for one in segments for line in one.splitlines()}
        delivered = {key for key, _ in house.evidence.stored if not key.startswith("_holdfast/")}
        assert delivered <= sealed  # manifests, too
    assert (end.verdict == "PRESERVED") == (house.request.state is RequestState.PRESERVED)
    assert all(stored.is_locked for stored in house.evidence.stored.values())
    _keeps_secrets(us, end)
    _holds_nothing_with_an_export(us)
    return end


def _keeps_secrets(us: Rehearsal, end: Ended) -> None:
    secrets = [*us.simulator.access.tokens, us.secret.client_secret]
    said = [*us.payloads, json.dumps(end.summary, default=str), end.explanation, repr(us.house.telemetry)]
    said += [str(vars(us.house.telemetry)), *(str(one) for one in us.house.files.files.values())]
    assert not [secret for secret in secrets for one in said if secret in one]


def _holds_nothing_with_an_export(us: Rehearsal) -> None:
    exports = [
        json.dumps([one["query"], one["body"], one["headers"]]).lower()
        for one in us.simulator.log.entries
        if one["path"].startswith((EXPORT, JOBS))
    ]
    assert not [flag for flag in FLAGS for one in exports if f'"{flag}"' in one]


# --- what ends well all the same

STALE = {"stale_token_status": 403, "stale_after_share": 0.55}
ENDPOINTS = (EXPORT, f"{JOBS}/*", f"{JOBS}/*/export", HOLDS, f"{HOLDS}/query", "/api/v2/analytics/*")
PASSING: Mapping[str, Mapping[str, Any]] = {
    "401": {"status": 401},
    "revoked": {"revoke_token": True},
    "no answer": {"drop": True},
    "acknowledgement lost": {"lose_answer": "close"},
    "acknowledgement lost as 504": {"lose_answer": "504"},
    "409": {"status": 409},
    "429": {"status": 429, "retry_after": 7},
    "HTML instead": {"status": 200, "body": "<html>maintenance</html>"},
}


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize("trouble", PASSING)
def test_trouble_that_passes_leaves_nothing_behind(path: str, trouble: str) -> None:
    # A token is replaced once a call: two refusals in a row are no trouble that passes.
    us = rehearsal(faults=when(path, PASSING[trouble], times=1 if trouble in {"401", "revoked"} else 2))

    end = ended(us)

    assert (end.verdict, end.reasons) == ("PRESERVED", {})
    assert len(us.simulator.compliance.jobs) == 2  # one for each lot, whatever was lost


@pytest.mark.parametrize("life_s", [4, 60])
@pytest.mark.parametrize("rules", [{}, STALE], ids=["401", "403"])
def test_a_token_that_ends_within_pages_and_within_chunks_is_followed_by_the_next(
    life_s: int, rules: dict[str, Any]
) -> None:
    us = rehearsal(
        group("calls", 60, "voice"),
        group("chats", 60, "chat"),
        organization={"clients": {"token_life_s": life_s}, "compliance": rules},
    )
    us.on_request = lambda _: us.clock.forward(timedelta(seconds=1.3))

    end = ended(us)

    assert (end.verdict, end.reasons) == ("PRESERVED", {})
    spent_s = (us.clock.now() - us.began_at).total_seconds()
    assert len(asked(us, "/oauth/token")) <= 1 + spent_s / (life_s / 2)


@pytest.mark.parametrize(
    "then",
    [
        {"status": 500},
        {"drop": True},
        {"status": 429},
        {"status": 429, "retry_after": 90},
        {"delay_s": 6},
        {"status": 200, "body": {"access_token": "t", "expires_in": 10**9}},
        {"status": 200, "body": {"access_token": "t"}},
    ],
)
def test_a_token_endpoint_in_trouble_is_waited_for(then: dict[str, Any]) -> None:
    us = rehearsal(faults=when("/oauth/token", then, times=3))

    end = ended(us)

    assert (end.verdict, end.reasons) == ("PRESERVED", {})
    assert len(asked(us, "/oauth/token")) <= 4


@pytest.mark.parametrize("nth", range(1, 24, 2))
def test_a_secret_that_is_rotated_at_any_request_is_picked_up(nth: int) -> None:
    us = rehearsal()
    us.on_request = at_request(nth, lambda: rotate(us, tell_us=True))

    end = ended(us)

    assert (end.verdict, end.reasons) == ("PRESERVED", {})
    assert len(asked(us, "/oauth/token")) == 2


def at_request(nth: int, do: Callable[[], object]) -> Callable[[httpx.Request], None]:
    """Do it before the n-th request, tokens apart."""
    seen = Counter[str]()

    def look(request: httpx.Request) -> None:
        seen["all"] += request.url.path != "/oauth/token"
        if seen["all"] == nth and not seen["done"]:
            seen["done"] = 1
            do()

    return look


def rotate(us: Rehearsal, *, tell_us: bool) -> None:
    """Give the client another secret, and end all of its tokens."""
    access = us.simulator.access
    client = access.clients[us.secret.client_id]
    access.clients = {**access.clients, client.id: replace(client, secret="rotated-0123456789")}
    for token in access.tokens.values():
        token.revoked = True
    if tell_us:
        us.secret = replace(us.secret, client_secret="rotated-0123456789", version="version-2")


# --- what ends incomplete, and says why


@pytest.mark.parametrize(
    ("faults", "reasons"),
    [
        ({"manifests": [{"outcome": "v1", "nth": 1}]}, {"manifest_v1": CHATS}),
        ({"manifests": [{"outcome": "unreadable"}]}, {"manifest_unreadable": ALL}),
        ({"manifests": [{"outcome": "never"}]}, {"manifest_missing": ALL}),
        ({"manifests": [{"outcome": "without_participant_ids"}]}, {"participant_missing": ALL}),
        ({"recordings": [{"medium": "voice", "without_participant_id": 2}]}, {"participant_missing": 2}),
        ({"recordings": [{"medium": "voice", "never_delivered": 1}]}, {"not_arrived": 1}),
        ({"recordings": [{"zero_byte": 1, "without_sidecar": 1}]}, {"unpaired_media": 1, "zero_bytes": 1}),
        (when(HOLDS, {"status": 409}), {"hold_conflict": ALL}),
        (when(HOLDS, {"status": 200, "body": {"held": []}}), {"hold_not_confirmed": ALL}),
    ],
)
def test_what_is_not_proven_is_missing_for_its_own_reason(
    faults: dict[str, Any], reasons: dict[str, int]
) -> None:
    end = ended(rehearsal(faults=faults))

    assert (end.verdict, end.reasons) == ("INCOMPLETE", reasons)


@pytest.mark.parametrize(
    ("faults", "reasons"),
    [
        ({"manifests": [{"outcome": "late", "late_s": 1_000}]}, {}),
        ({"recordings": [{"medium": "voice", "unlisted": 2}]}, {"not_in_manifest": 2}),
        ({"recordings": [{"fail": 2}]}, {"failed_at_platform": 2}),
        ({"recordings": [{"late": 2, "late_s": 900, "duplicate_version": 1, "exotic_key": 1}]}, {}),
        (when(HOLDS, {"status": 409, "message": "sync in progress"}, times=5), {}),
    ],
)
def test_what_is_late_or_explained_stops_nothing(faults: dict[str, Any], reasons: dict[str, int]) -> None:
    end = ended(rehearsal(faults=faults))

    assert (end.verdict, end.reasons) == ("PRESERVED", reasons)


@pytest.mark.parametrize(
    ("arrives", "reason"),
    [
        (lambda _: False, "not_arrived"),
        (lambda key: "/manifests/" in key, "not_arrived"),
        (lambda key: "/manifests/" not in key, "manifest_missing"),
        (lambda key: not key.endswith("_metadata.json"), "unpaired_media"),
    ],
    ids=["nothing", "manifests alone", "no manifest", "no sidecar"],
)
def test_a_writer_without_rights_leaves_every_recording_with_a_reason(
    arrives: Callable[[str], bool], reason: str
) -> None:
    us = rehearsal()
    us.spoiled = lambda key, content: content if arrives(key) else None

    end = ended(us)

    assert (end.verdict, end.reasons[reason]) == ("INCOMPLETE", ALL)


@pytest.mark.parametrize("refusal", ["vpc", "method", "tenant"])
def test_a_bucket_that_refuses_one_medium_does_not_stop_the_others(refusal: str) -> None:
    upload = {"refusal": refusal, "medium": "chat", "during": "any_export"}

    end = ended(rehearsal(faults={"uploads": [upload]}))

    assert end.verdict == "INCOMPLETE"
    assert end.reasons["export_job_failed"] == CHATS
    assert end.summary["by_medium"]["voice"]["secured"] == CALLS


@pytest.mark.parametrize("body", ["<html>403 Forbidden</html>", "", None], ids=["HTML", "empty", "stale"])
@pytest.mark.parametrize("path", [EXPORT, f"{JOBS}/*", f"{JOBS}/*/export"])
def test_a_fresh_token_that_meets_a_403_is_a_refusal_of_that_batch_and_no_new_token_is_fetched(
    path: str, body: str | None
) -> None:
    then = {"status": 403, "message": "stale access token"} | ({} if body is None else {"body": body})
    us = rehearsal(faults=when(path, then, nth=1))

    end = ended(us)

    assert (end.verdict, end.reasons["export_job_failed"]) == ("INCOMPLETE", CHATS)
    assert "PermissionMissing" in end.summary["explanations"][0]
    assert len(asked(us, "/oauth/token")) == 1


@pytest.mark.parametrize("body", ["<html>403 Forbidden</html>", "", None], ids=["HTML", "empty", "stale"])
@pytest.mark.parametrize("path", ENDPOINTS)
def test_a_token_past_half_its_life_that_meets_a_403_is_replaced_once(path: str, body: str | None) -> None:
    then = {"status": 403, "message": "stale access token"} | ({} if body is None else {"body": body})
    if path.startswith("/api/v2/analytics"):
        then["code"] = "stale"
    us = rehearsal(faults=when(path, then, nth=2), organization={"clients": {"token_life_s": 10_000}})
    us.on_request = lambda request: age(us, request, 6_000)

    end = ended(us)

    assert (end.verdict, end.reasons) == ("PRESERVED", {})
    assert len(asked(us, "/oauth/token")) == 2


def age(us: Rehearsal, request: httpx.Request, seconds: float) -> None:
    """Let the first token grow old as soon as it is used."""
    if len(asked(us, "/oauth/token")) == 1 and us.clock.now() == us.began_at:
        us.clock.forward(timedelta(seconds=seconds * (request.url.path != "/oauth/token")))


# --- what fails, and says what to do


@pytest.mark.parametrize("scope", REQUIRED_SCOPES)
def test_a_missing_scope_is_named_before_anything_moves(scope: str) -> None:
    us = rehearsal(role="limited", organization={"clients": {"limited": {"lacks": [scope]}}})

    end = ended(us)

    assert end.error == "PreflightBlocked"
    assert f"lacks {scope};" in end.explanation
    assert us.simulator.compliance.jobs == {}


@pytest.mark.parametrize("scope", REQUIRED_SCOPES)
def test_a_scope_that_nobody_spoke_of_is_named_when_it_is_missed(scope: str) -> None:
    us = rehearsal(
        role="limited",
        organization={"clients": {"limited": {"lacks": [scope]}}},
        faults=when("/api/v2/tokens/me", {"status": 200, "body": {}}),
    )

    end = ended(us)

    told = [end.explanation, *end.summary.get("explanations", [])]
    assert end.verdict != "PRESERVED"
    assert any(f"missing: {scope} [layer: genesys_permission]" in one for one in told)


@pytest.mark.parametrize("nth", [1, 5, 12, 20])
def test_a_client_that_is_refused_in_mid_run_is_said_to_be_refused_after_one_attempt(nth: int) -> None:
    us = rehearsal()
    us.on_request = at_request(nth, lambda: rotate(us, tell_us=False))

    end = ended(us)

    told = [end.error, *end.summary.get("explanations", []), end.explanation]
    assert any("the OAuth client in the secret was refused" in one for one in told)
    assert len(asked(us, "/oauth/token")) == 2


def test_a_token_endpoint_that_stays_in_trouble_is_not_hammered() -> None:
    us = rehearsal(faults=when("/oauth/token", {"status": 503}))

    end = ended(us)

    assert end.error == "PlatformUnavailable"
    assert len(asked(us, "/oauth/token")) <= 1 + 10  # the workflow's first attempt, and its repeats
