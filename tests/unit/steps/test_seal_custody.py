import hashlib
import json
from collections import Counter as Tally
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast.contracts.steps import Failing, PreflightFinding, Sealed
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.reconciliation import Reason
from holdfast.domain.seals import Folder
from holdfast.domain.states import ParkedState, RequestState
from holdfast.errors import LedgerRuleBroken
from holdfast.ports import Counter, ParkedKind, ParkedMessage, RefusalKind
from tests.fakes.house import DEADLINE, EXECUTION, MATTER, REQUEST, House, Patience
from tests.fakes.story import (
    conversation_id,
    deliver,
    end_job,
    exported,
    held,
    key_of,
    messages,
    opened,
    plan,
    planned,
    reconciled,
    recording_id,
    upload,
)

ONE, TWO = conversation_id(1), conversation_id(2)


def _park(house: House, **changes: object) -> None:
    message = ParkedMessage("m", "junk", house.clock.now(), "junk")
    house.parking.park(replace(message, **changes))  # type: ignore[arg-type] # by name


def _arrival_of(conversation: int) -> dict[str, object]:
    version = ObjectVersion("evidence", key_of(conversation, f"{recording_id(conversation, 9)}.wav"), "v1", 1)
    return {"kind": ParkedKind.ARRIVAL, "version": version}


def _reasons(sealed: Sealed) -> object:
    return sealed.summary["by_reason"]


def _hold_all(house: House) -> House:
    assert house.reconcile().done
    assert house.place_holds().done
    assert house.confirm_holds().done
    return house


def test_preserved_is_said_when_everything_is_secured_and_held() -> None:
    house = held(1, 2)

    sealed = house.seal_custody()

    assert (sealed.verdict, sealed.announcement) == ("PRESERVED", "MatterPreserved")
    assert house.request.state is RequestState.PRESERVED
    assert sealed.summary["recordings"] == {
        "expected": 2,
        "delivered": 2,
        "secured": 2,
        "explained": 0,
        "missing": 0,
    }
    assert sealed.summary["conversations"] == {
        "expected": 2,
        "held_at_platform": 2,
        "explained": 0,
        "missing": 0,
    }
    assert sealed.summary["by_medium"] == {
        "voice": {
            "conversations": 2,
            "held_at_platform": 2,
            "expected": 2,
            "delivered": 2,
            "secured": 2,
            "explained": 0,
            "missing": 0,
        }
    }
    assert sealed.headline == (
        "Request R-1 of matter M-2026-001 is preserved. "
        "Recordings: 2 expected, 2 secured, 0 explained, 0 missing. "
        "Conversations: 2 expected, 2 held at platform, 0 explained, 0 missing. Reasons: none."
    )


# --- what stands against "preserved"


def _parked_without_conversation(house: House) -> None:
    _park(house)


def _parked_for_a_conversation_of_the_matter(house: House) -> None:
    _park(house, **_arrival_of(1), parked_at=house.clock.now() - timedelta(days=9))


def _redriven_and_not_there_yet(house: House) -> None:
    _park(house, **_arrival_of(1), state=ParkedState.REDRIVEN, redriven_at=house.clock.now())


def _parked_digest(house: House) -> None:
    _park(house, kind=ParkedKind.DIGEST, version=house.conversations.all_receipts()[0].version)


def _unavailable(house: House) -> None:
    house.requests.advance(house.request, house.request.state, exceptions=[Reason.NOT_YET_AVAILABLE])


def _unclaimed(house: House) -> None:
    house.conversations.folders[f"CONV#{ONE}"].claims.clear()


def _never_placed(house: House) -> None:
    house.conversations.folders[f"CONV#{ONE}"].platform.clear()


BLOCKERS: list[tuple[Callable[[House], None], Reason]] = [
    (_parked_without_conversation, Reason.PARKED),
    (_parked_for_a_conversation_of_the_matter, Reason.PARKED),
    (_redriven_and_not_there_yet, Reason.PARKED),
    (_parked_digest, Reason.PARKED),
    (_unavailable, Reason.NOT_YET_AVAILABLE),
    (_unclaimed, Reason.UNKNOWN),
    (_never_placed, Reason.HOLD_NOT_CONFIRMED),
]


@pytest.mark.parametrize(("block", "reason"), BLOCKERS)
def test_preserved_is_not_said_while_one_thing_stands_against_it(
    block: Callable[[House], None], reason: Reason
) -> None:
    house = held(1, 2)
    block(house)

    sealed = house.seal_custody()

    assert (sealed.verdict, sealed.announcement) == ("INCOMPLETE", "MatterIncomplete")
    assert house.request.state is RequestState.INCOMPLETE
    assert _reasons(sealed) == {reason.value: 1}
    (exception,) = map(json.loads, house.records.files[_exceptions_key()].splitlines())
    assert (exception["reason"], exception["standing"]) == (reason.value, "missing")
    assert f"{reason.value} 1" in sealed.headline


def _exceptions_key() -> str:
    return f"matters/{MATTER}/requests/{REQUEST}/exceptions.jsonl"


@pytest.mark.parametrize(
    ("kind", "reason", "verdict"),
    [
        (RefusalKind.CAP_REACHED, Reason.PLATFORM_CAP, "PRESERVED"),
        (RefusalKind.OTHER, Reason.HOLD_REFUSED, "INCOMPLETE"),
        (RefusalKind.CONFLICT, Reason.HOLD_CONFLICT, "INCOMPLETE"),
    ],
)
def test_a_conversation_that_is_not_held_is_explained_or_missing(
    kind: RefusalKind, reason: Reason, verdict: str
) -> None:
    house = reconciled(1, 2)
    house.holds.refusing = {ONE: kind}
    progress = house.place_holds()
    while not progress.done:
        progress = house.place_holds(progress)
    house.confirm_holds()

    sealed = house.seal_custody()

    assert sealed.verdict == verdict
    assert _reasons(sealed) == {reason.value: 1}
    column = "explained" if verdict == "PRESERVED" else "missing"
    counts = sealed.summary["conversations"]
    assert isinstance(counts, dict)
    assert (counts["held_at_platform"], counts[column]) == (1, 1)


def test_a_missing_recording_makes_it_incomplete() -> None:
    house = planned((1, 2))
    end_job(house, total=3)
    deliver(house, 1)
    deliver(house, 2)
    house.clock.forward(DEADLINE)
    _hold_all(house)

    sealed = house.seal_custody()

    assert sealed.verdict == "INCOMPLETE"
    assert _reasons(sealed) == {"unknown": 1}
    assert house.telemetry.counts[Counter.VERDICTS_INCOMPLETE] == 1


def test_failed_and_unattributed_are_explained_and_stop_nothing() -> None:
    house = planned((1, 2))
    end_job(house, total=2, failed=[(2, 0)])
    deliver(house, 1)
    note = house.evidence.put(key_of(1, "notes.txt"))
    house.secure_objects(messages(house, note))
    house.holds.refusing = {TWO: RefusalKind.NOT_FOUND}
    _hold_all(house)

    sealed = house.seal_custody()

    assert sealed.verdict == "PRESERVED"
    assert _reasons(sealed) == {"failed_at_platform": 1, "no_recording": 1, "unattributed": 1}


@pytest.mark.parametrize(
    "changes",
    [
        _arrival_of(99),
        {"parked_at": House().clock.now() - timedelta(days=1)},
        {"kind": ParkedKind.DIGEST, "version": ObjectVersion("evidence", "stray.bin", "v1", 1)},
        {"state": ParkedState.CLOSED},
    ],
    ids=[
        "of another matter's conversation",
        "from before the request",
        "the digest of what belongs to nobody",
        "closed",
    ],
)
def test_what_is_parked_and_can_be_none_of_ours_stops_nothing(changes: dict[str, object]) -> None:
    house = held(1)
    _park(house, **changes)

    assert house.seal_custody().verdict == "PRESERVED"


def test_what_was_parked_and_is_receipted_meanwhile_is_no_loss() -> None:
    house = exported(1)
    version = upload(house, 1, 5)[0]
    _park(house, kind=ParkedKind.ARRIVAL, version=version)
    sidecar = upload(house, 1, 5)
    house.secure_objects(messages(house, version, *sidecar))
    _hold_all(house)

    assert house.seal_custody().verdict == "PRESERVED"


# --- what is written


def test_the_verdict_becomes_an_entry_of_the_matters_log_once() -> None:
    house = held(1, 2)

    sealed = house.seal_custody()
    house.clock.forward(timedelta(hours=1))
    house.seal_custody()

    (account,) = map(json.loads, house.seals.unsealed(MATTER, Folder.of_matter(MATTER)))
    assert (account["kind"], account["verdict"], account["request_id"]) == ("account", "PRESERVED", REQUEST)
    assert account["summary"] == sealed.summary
    assert account["request_sha256"] == hashlib.sha256(house.request.body).hexdigest()
    folder = f"matters/{MATTER}/requests/{REQUEST}"
    for file in account["files"]:
        content = house.records.files[f"{folder}/{file['name']}"]
        assert (file["sha256"], file["size_bytes"]) == (hashlib.sha256(content).hexdigest(), len(content))
    assert [file["name"] for file in account["files"]] == [
        "exceptions.jsonl",
        "account.jsonl",
        "request.json",
    ]


def test_a_repeat_gives_the_result_of_the_first_time_whatever_came_since() -> None:
    house = held(1, 2)
    first = house.seal_custody()
    _park(house)
    deliver(house, 1, 7)
    before = house.observable()

    second = house.seal_custody()

    assert second == first
    assert house.observable() == before
    assert house.telemetry.counts[Counter.VERDICTS_PRESERVED] == 1
    assert Counter.VERDICTS_INCOMPLETE not in house.telemetry.counts


@pytest.mark.parametrize("house", [exported(1), reconciled(1)])
def test_no_verdict_before_everything_was_reconciled_and_held(house: House) -> None:
    with pytest.raises(LedgerRuleBroken):
        house.seal_custody()

    assert house.records.files == {}
    assert not house.request.state.is_terminal


def test_a_failed_request_is_never_called_preserved() -> None:
    house = held(1)
    house.requests.fail(MATTER, REQUEST, EXECUTION, "why")

    assert house.seal_custody().verdict == "INCOMPLETE"
    assert house.request.state is RequestState.FAILED


def test_a_request_that_was_taken_over_is_sealed_with_what_its_own_attempt_found() -> None:
    house = held(1)
    folder = f"matters/{MATTER}/requests/{REQUEST}"
    house.records.write_once(f"{folder}/account.jsonl", [b"left behind by the first attempt"])
    house.requests.fail(MATTER, REQUEST, EXECUTION, "killed while sealing")
    house.open_request(execution_arn="arn:execution:2")
    plan(house, (1, 2))
    end_job(house, total=1, attempt=2)
    deliver(house, 2)
    _hold_all(house)

    sealed = house.seal_custody()

    assert sealed.verdict == "PRESERVED"
    content = house.records.files[sealed.summary["account"]["key"]]  # type: ignore[index] # a mapping
    assert TWO.encode() in content
    assert recording_id(2).encode() in content


def test_an_empty_scope_is_preserved_and_says_so() -> None:
    house = opened()
    plan(house, ())
    _hold_all(house)

    sealed = house.seal_custody()

    assert sealed.verdict == "PRESERVED"
    assert house.records.files[sealed.summary["account"]["key"]] == b""  # type: ignore[index] # a mapping


def test_what_a_batch_died_of_is_in_the_verdict_once_however_many_died_of_it() -> None:
    house = planned([1], [2])
    for index in (0, 1):
        state = {"matter_id": MATTER, "request_id": REQUEST, "batch_id": house.batch(index).batch_id}
        failure = {"Error": "PermissionMissing", "Cause": "POST jobs: 403"}
        house.record_batch_failure(
            Failing(
                input=state | {"failure": failure}, execution_arn="arn:child", workflow="export_recordings"
            )
        )

    sealed = _hold_all(house).seal_custody()

    assert sealed.verdict == "INCOMPLETE"
    assert len(sealed.summary["explanations"]) == 1  # type: ignore[arg-type] # a list
    assert "give the OAuth client a role with the named permissions" in sealed.headline


def test_what_the_platform_protected_before_us_counts_as_held() -> None:
    house = reconciled(1, 2)
    house.holds.protected.add(ONE)
    assert house.place_holds().done
    assert house.confirm_holds().done

    sealed = house.seal_custody()

    assert sealed.verdict == "PRESERVED"
    assert sealed.summary["conversations"] == {
        "expected": 2,
        "held_at_platform": 2,
        "explained": 0,
        "missing": 0,
    }


# --- in parts


def _of_three_batches() -> House:
    """Three conversations in a batch each; the second's recording failed, and something is parked."""
    house = planned((1,), (2,), (3,))
    end_job(house, 0, total=1)
    end_job(house, 1, total=1, failed=[(2, 0)])
    end_job(house, 2, total=1)
    deliver(house, 1)
    deliver(house, 3)
    house.holds.refusing = {TWO: RefusalKind.NOT_FOUND}
    _hold_all(house)
    _park(house)
    return house


@pytest.fixture
def in_small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.steps.seal_custody.PART_CONVERSATIONS", 1)


def _sealed_in_rounds(house: House) -> tuple[Sealed, int]:
    rounds = 1
    house.patience = Patience(0)
    while not (sealed := house.seal_custody()).done:
        rounds += 1
    return sealed, rounds


@pytest.mark.usefixtures("in_small_parts")
def test_a_matter_of_many_parts_is_sealed_one_an_invocation_if_need_be() -> None:
    house = _of_three_batches()

    sealed, rounds = _sealed_in_rounds(house)

    assert (rounds, sealed.verdict) == (3, "INCOMPLETE")
    assert house.request.state is RequestState.INCOMPLETE
    assert _reasons(sealed) == {"failed_at_platform": 1, "no_recording": 1, "parked": 1}


@pytest.mark.usefixtures("in_small_parts")
def test_no_verdict_is_written_before_the_last_part() -> None:
    house = _of_three_batches()
    house.patience = Patience(0)

    first = house.seal_custody()

    assert (first.done, first.verdict, first.wait_s) == (False, "", 1)
    assert house.request.state is RequestState.HELD


@pytest.mark.usefixtures("in_small_parts")
def test_the_parts_hold_what_one_file_would_hold_and_their_digests_are_listed() -> None:
    house = _of_three_batches()

    sealed, _ = _sealed_in_rounds(house)

    named: dict[str, object] = sealed.summary["account"]  # type: ignore[assignment] # as written
    content = house.records.files[str(named["key"])]
    folder = str(named["key"]).removesuffix("account.sha256")
    listed = [line.split("  ") for line in content.decode().splitlines()]
    assert [name for _, name in listed] == [f"account-{number:06d}.jsonl" for number in (1, 2, 3)]
    parts = [house.records.files[folder + name] for _, name in listed]
    assert [hashlib.sha256(part).hexdigest() for part in parts] == [digest for digest, _ in listed]
    whole = _of_three_batches().seal_custody()
    assert len(b"".join(parts).splitlines()) == whole.summary["conversations"]["expected"] + 3  # type: ignore[index] # a mapping
    assert (named["sha256"], named["size_bytes"], named["parts"]) == (
        hashlib.sha256(content).hexdigest(), len(content), 3,
    )  # fmt: skip


def test_the_account_is_the_same_in_however_many_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = _of_three_batches().seal_custody()
    monkeypatch.setattr("holdfast.steps.seal_custody.PART_CONVERSATIONS", 2)

    parts, rounds = _sealed_in_rounds(_of_three_batches())

    files = {"exceptions", "account"}
    assert rounds == 2
    assert parts.headline == whole.headline
    assert {name: value for name, value in parts.summary.items() if name not in files} == {
        name: value for name, value in whole.summary.items() if name not in files
    }


def test_the_account_has_a_line_for_every_expected_recording_and_every_conversation() -> None:
    house = _of_three_batches()

    sealed = house.seal_custody()

    account: dict[str, str] = sealed.summary["account"]  # type: ignore[assignment] # as written
    lines = [json.loads(line) for line in house.records.files[account["key"]].splitlines()]
    standings = Tally((line["kind"], line["standing"]) for line in lines)
    recordings, conversations = sealed.summary["recordings"], sealed.summary["conversations"]
    assert {name: standings["recording", name] for name in ("secured", "explained", "missing")} == {
        name: recordings[name]  # type: ignore[index] # a mapping
        for name in ("secured", "explained", "missing")
    }
    assert {name: standings["conversation", name] for name in ("held_at_platform", "explained")} == {
        name: conversations[name]  # type: ignore[index] # likewise
        for name in ("held_at_platform", "explained")
    }
    assert {line["day"] for line in lines} == {"2026-03-04"}
    assert all(line["reason"] for line in lines if line["standing"] in {"explained", "missing"})


def test_request_and_summary_are_kept_beside_the_account() -> None:
    house = held(1, 2)

    sealed = house.seal_custody()

    folder = f"matters/{MATTER}/requests/{REQUEST}"
    assert house.records.files[f"{folder}/request.json"] == house.request.body + b"\n"
    assert json.loads(house.records.files[f"{folder}/summary.json"]) == sealed.summary


@pytest.mark.usefixtures("in_small_parts")
def test_exceptions_lie_with_their_part_and_those_of_the_request_with_the_last() -> None:
    house = _of_three_batches()

    _sealed_in_rounds(house)

    folder = f"matters/{MATTER}/requests/{REQUEST}/"
    reasons = [
        [
            json.loads(line)["reason"]
            for line in house.records.files[f"{folder}exceptions-{number:06d}.jsonl"].splitlines()
        ]
        for number in (1, 2, 3)
    ]
    assert reasons == [[], ["failed_at_platform", "no_recording"], ["parked"]]


@pytest.mark.usefixtures("in_small_parts")
def test_a_part_that_was_cut_off_is_sealed_again_and_the_others_are_not_read() -> None:
    house = _of_three_batches()
    house.patience = Patience(0)
    house.seal_custody()
    house.seal_custody()
    (cut_off,) = (key for key in house.files.files if key.endswith("sealing/a01-000002.json"))
    del house.files.files[cut_off]
    del house.conversations.folders[f"CONV#{ONE}"]

    sealed, rounds = _sealed_in_rounds(house)

    assert rounds == 2
    assert sealed.summary["recordings"] == {
        "expected": 3,
        "delivered": 2,
        "secured": 2,
        "explained": 1,
        "missing": 0,
    }


def test_what_preflight_warned_of_stands_in_the_summary_and_in_the_headline() -> None:
    house = held(1)
    warning = PreflightFinding(check="default retention", message="nobody knows", is_blocking=False)

    sealed = house.seal_custody(warnings=[warning])

    assert sealed.verdict == "PRESERVED"
    assert sealed.summary["warnings"] == ["default retention: nobody knows"]
    assert "Preflight warned of default retention: nobody knows." in sealed.headline
