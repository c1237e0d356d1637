from datetime import timedelta
from typing import Any

import pytest

from holdfast.contracts.steps import MAX_FINDINGS, Preflighted
from holdfast.domain.custody import ObjectVersion
from holdfast.domain.evidence_key import CANARY_PREFIX
from holdfast.errors import ObjectUnreadable, PreflightBlocked, SettingsInvalid
from holdfast.ports import Counter, Finding, Reading, Unread
from holdfast.steps.preflight import BUSY_BACKLOG, LOOK_WAITS_S
from tests.fakes.house import House
from tests.fakes.platform import PlatformSetupInMemory
from tests.fakes.story import messages


def _house() -> House:
    """Give a house whose arrival path works."""
    house = House()
    house.canaries.notify = lambda version: house.secure_objects(messages(house, version))
    return house


def _canaries(house: House) -> list[str]:
    return [key for key, _ in house.evidence.stored if key.startswith(CANARY_PREFIX)]


def _looked(house: House, times: int) -> Preflighted:
    """Look for a canary so often, the first look included."""
    answer = house.preflight()
    for _ in range(times - 1):
        answer = house.preflight(so_far=answer)
    return answer


# --- the canary


def test_a_canary_takes_the_way_of_all_evidence_and_its_receipt_clears_the_run() -> None:
    house = _house()

    first = house.preflight()
    second = house.preflight(so_far=first)

    (receipt,) = house.conversations.all_receipts()
    assert (first.done, first.wait_s, second.done) == (False, LOOK_WAITS_S[0], True)
    assert receipt.version.key == first.canary_key
    assert house.evidence.at(receipt.version).is_locked
    assert first.canary_key.startswith(f"{CANARY_PREFIX}{house.clock.now().date()}/")


def test_a_canary_of_the_day_serves_every_run_of_the_day() -> None:
    house = _house()
    house.preflight()

    other = house.for_request("M-2026-002", "R-9").preflight(execution_arn="arn:execution:2")

    assert other.done
    assert len(_canaries(house)) == 1


@pytest.mark.parametrize("change", ["the day", "the wiring"])
def test_another_day_and_another_wiring_take_another_canary(change: str) -> None:
    house = _house()
    house.preflight()
    if change == "the day":
        house.clock.forward(timedelta(days=1))
    else:
        house.wiring.documents[Reading.VERSIONING] = {"Status": "Enabled", "MFADelete": "Enabled"}

    again = house.preflight()

    assert not again.done
    assert len(_canaries(house)) == 2


def test_a_canary_that_nobody_secured_does_not_stand_in_the_way_of_the_next_run() -> None:
    house = House()
    house.preflight()
    house.canaries.notify = lambda version: house.secure_objects(messages(house, version))

    first = house.preflight(execution_arn="arn:execution:2")
    second = house.preflight(so_far=first, execution_arn="arn:execution:2")

    assert (first.done, second.done) == (False, True)
    assert len(_canaries(house)) == 2


def test_a_run_looks_for_its_canary_at_growing_intervals_and_then_stops() -> None:
    house = House()
    answer = house.preflight()
    house.canaries.refusal = "it is put once"
    waited_s = [answer.wait_s]
    while answer.looks < len(LOOK_WAITS_S):
        answer = house.preflight(so_far=answer)
        waited_s.append(answer.wait_s)

    with pytest.raises(
        PreflightBlocked, match=r"canary \[layer: arrival_path\]: .* has no receipt after 310 s"
    ):
        house.preflight(so_far=answer)

    assert waited_s == list(LOOK_WAITS_S)
    assert len(_canaries(house)) == 1


def test_the_day_may_end_while_a_run_waits_for_its_canary() -> None:
    house = House()
    first = house.preflight()
    house.clock.forward(timedelta(days=1))

    second = house.preflight(so_far=first)

    assert second.canary_key == first.canary_key
    assert len(_canaries(house)) == 1


_USER = "User: arn:aws:sts::111122223333:assumed-role/holdfast-PreflightRole/x is not authorized to perform"


@pytest.mark.parametrize(
    ("said", "layer"),
    [
        (
            f"AccessDenied: {_USER}: s3:PutObject with an explicit deny in a resource-based policy",
            "bucket_policy",
        ),
        (f"AccessDenied: {_USER}: s3:PutObject because no identity-based policy allows it", "iam_identity"),
        ("KMS.DisabledException: arn:aws:kms:eu-central-1:111122223333:key/1 is disabled.", "kms"),
    ],
)
def test_a_canary_that_s3_does_not_take_stops_the_run_and_says_who_refused(said: str, layer: str) -> None:
    house = House()
    house.canaries.refusal = f"PutObject: {said}"

    with pytest.raises(PreflightBlocked, match=rf"S3 does not take it \[layer: {layer}\]: .+; \w+"):
        house.preflight()


def test_a_canary_that_could_not_be_read_stops_the_run() -> None:
    house = _house()

    def break_and_notify(version: ObjectVersion) -> None:
        house.evidence.broken[version.key] = ObjectUnreadable("no key")
        house.secure_objects(messages(house, version))

    house.canaries.notify = break_and_notify

    with pytest.raises(PreflightBlocked, match="could not be read"):
        _looked(house, 2)


def test_what_may_have_kept_a_canary_from_being_secured_is_said_with_it() -> None:
    house = House()
    policies: Any = house.wiring.documents[Reading.SECURER_POLICIES]
    policies["inline"]["SecureObjects"]["Statement"][1]["Action"].remove("s3:PutObjectVersionTagging")

    with pytest.raises(PreflightBlocked) as blocked:
        _looked(house, len(LOOK_WAITS_S) + 1)

    said, _, warned = str(blocked.value).partition("Warnings: ")
    assert "(1) canary [layer: arrival_path]" in said
    assert "no policy of its own lets SecureObjects s3:PutObjectVersionTagging" in warned


# --- the findings


def test_without_findings_nothing_is_said() -> None:
    house = _house()

    answer = house.preflight(PlatformSetupInMemory().findings)

    assert answer.findings == []
    assert house.telemetry.events() == []


def test_every_blocking_finding_of_every_check_is_named_at_once_with_layer_and_remedy() -> None:
    house = House()
    house.wiring.documents |= {Reading.OBJECT_LOCK: {}, Reading.VERSIONING: {}}

    def invalid() -> list[Finding]:
        raise SettingsInvalid(["BATCH_SIZE: expected a whole number", "KEY: expected a value"])

    with pytest.raises(PreflightBlocked) as blocked:
        house.preflight(invalid, PlatformSetupInMemory([Finding("integration", "it is not active")]).findings)

    for named in (
        "BATCH_SIZE",
        "KEY",
        "object lock [layer: object_lock]",
        "versioning",
        "(3) integration [layer: integration_role]: it is not active.",
        "(3) activate the integration",
        "(4, 5) it was changed outside the stack, so deploy the stack again",
    ):
        assert named in str(blocked.value)
    assert house.telemetry.counts[Counter.EXCEPTIONS] == 5
    assert _canaries(house) == []


def test_a_finding_that_blocks_nothing_is_carried_to_the_end() -> None:
    house = _house()
    remark = Finding("integration permission", "nobody can tell", is_blocking=False)

    answer = house.preflight(so_far=house.preflight(lambda: [remark]))

    assert answer.done
    assert [(one.check, one.message, one.is_blocking) for one in answer.findings] == [
        ("integration permission", "nobody can tell", False)
    ]
    assert house.telemetry.events().count("preflight_finding") == 1


def test_what_aws_does_not_tell_is_a_remark() -> None:
    house = _house()
    house.wiring.documents[Reading.NOTIFICATION] = Unread("GetBucketNotification: AccessDenied: no")

    answer = house.preflight()

    assert [(one.check, one.is_blocking) for one in answer.findings] == [("arrival wiring", False)]
    assert "AccessDenied" in answer.findings[0].message


def test_a_finding_of_two_checks_is_one_finding() -> None:
    house = House()
    found = [Finding("settings", "expected a value")]

    with pytest.raises(PreflightBlocked) as blocked:
        house.preflight(lambda: found, lambda: found)

    assert str(blocked.value).count("expected a value") == 1


def test_an_error_that_is_no_finding_is_not_swallowed() -> None:
    def broken() -> list[Finding]:
        raise RuntimeError("a defect")

    with pytest.raises(RuntimeError):
        House().preflight(broken)


@pytest.mark.parametrize(
    ("seconds", "checks"), [(-61, ["clock"]), (-60, []), (0, []), (60, []), (61, ["clock"])]
)
def test_a_clock_that_is_not_ours_is_a_remark(seconds: int, checks: list[str]) -> None:
    house = _house()
    house.wiring.told_at = house.clock.now() + timedelta(seconds=seconds)

    answer = house.preflight()

    assert [(one.check, one.is_blocking) for one in answer.findings] == [(check, False) for check in checks]


def test_a_canary_behind_many_arrivals_is_only_waiting() -> None:
    house = House()
    house.wiring.waiting = BUSY_BACKLOG

    answer = _looked(house, len(LOOK_WAITS_S) + 1)

    assert answer.done
    assert [(one.check, one.is_blocking) for one in answer.findings] == [("canary", False)]
    assert f"some {BUSY_BACKLOG} arrivals wait" in answer.findings[0].message


# --- the report


def test_a_report_stops_nothing_and_names_what_blocks_first() -> None:
    house = House()
    house.wiring.documents[Reading.OBJECT_LOCK] = {}
    remarks = [
        Finding("integration", f"remark {number}", is_blocking=False) for number in range(MAX_FINDINGS + 3)
    ]

    answer = house.preflight(lambda: remarks, report_only=True)

    assert answer.done
    assert len(answer.findings) == MAX_FINDINGS
    assert [one.check for one in answer.findings if one.is_blocking] == ["object lock"]
    assert answer.findings[0].is_blocking


def test_a_report_waits_for_the_canary_too_and_says_that_it_never_came() -> None:
    house = House()
    answer = house.preflight(report_only=True)
    while not answer.done:
        answer = house.preflight(so_far=answer, report_only=True)

    assert [one.check for one in answer.findings] == ["canary"]
