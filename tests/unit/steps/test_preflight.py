import pytest

from holdfast.errors import PreflightBlocked, SettingsInvalid
from holdfast.ports import Counter, Finding
from tests.fakes.buckets import BucketSetupInMemory
from tests.fakes.house import RUN, House
from tests.fakes.platform import PlatformSetupInMemory


def test_without_findings_the_run_goes_on() -> None:
    house = House()

    assert house.preflight(BucketSetupInMemory().findings, PlatformSetupInMemory().findings) == RUN
    assert house.telemetry.lines == []


def test_every_blocking_finding_of_every_check_is_named_at_once() -> None:
    house = House()

    def invalid() -> list[Finding]:
        raise SettingsInvalid(["BATCH_SIZE: expected a whole number", "KEY: expected a value"])

    with pytest.raises(PreflightBlocked) as blocked:
        house.preflight(
            invalid,
            BucketSetupInMemory(has_object_lock=False, is_wired=False).findings,
            PlatformSetupInMemory([Finding("integration", "it is not active")]).findings,
        )

    for named in ("BATCH_SIZE", "KEY", "object lock", "arrival wiring", "integration: it is not active"):
        assert named in str(blocked.value)
    assert house.telemetry.counts[Counter.EXCEPTIONS] == 5


def test_a_finding_that_blocks_nothing_is_shown_and_passed() -> None:
    house = House()
    remark = Finding("screen", "no screen recordings will come", is_blocking=False)

    assert house.preflight(lambda: [remark]) == RUN
    assert house.telemetry.events() == ["preflight_finding"]


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
