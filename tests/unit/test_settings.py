from datetime import timedelta

import pytest

from holdfast.errors import SettingsInvalid
from holdfast.settings import Settings

ORGANIZATION, INTEGRATION = (f"0c6f0d1e-0000-4000-8000-00000000000{number}" for number in (1, 2))
DEPLOYED = {
    "GENESYS_DIALECT": "platform",
    "GENESYS_REGION": "eu-central-1",
    "GENESYS_BASE_URL": "",
    "GENESYS_ORGANIZATION_ID": ORGANIZATION,
    "GENESYS_INTEGRATION_ID": INTEGRATION,
    "BATCH_SIZE": "2000",
    "DATA_WAIT_SECONDS": "7200",
    "PROTECTION_CAP": "1000",
    "JOB_DEADLINE_SECONDS": "3600",
    "DELIVERY_DEADLINE_SECONDS": "5400",
}


def settings(**changes: str) -> Settings:
    return Settings(DEPLOYED | changes)


def test_what_was_deployed_well_has_no_faults() -> None:
    assert settings().faults() == []
    assert settings(GENESYS_BASE_URL="http://127.0.0.1:8080", GENESYS_REGION="any").faults() == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GENESYS_DIALECT", "klingon"),
        ("GENESYS_REGION", "eu-north-9"),
        ("GENESYS_BASE_URL", "https://canary.example"),
        ("GENESYS_ORGANIZATION_ID", "our-organisation"),
        ("GENESYS_ORGANIZATION_ID", ORGANIZATION.upper()),
        ("GENESYS_INTEGRATION_ID", f"{INTEGRATION}\n"),
        ("BATCH_SIZE", "many"),
        ("BATCH_SIZE", "-1"),
        ("PROTECTION_CAP", "none"),
        ("BATCH_SIZE", "٣"),
        ("DATA_WAIT_SECONDS", "2d"),
        ("DELIVERY_DEADLINE_SECONDS", "1.5"),
        ("JOB_DEADLINE_SECONDS", "1h"),
    ],
)
def test_a_bad_setting_is_named_without_its_value(name: str, value: str) -> None:
    (fault,) = settings(**{name: value}).faults()

    assert fault.replace("_", "").lower().startswith(name.replace("_", "").lower())
    assert "expected" in fault
    assert value not in fault


@pytest.mark.parametrize("name", sorted(DEPLOYED.keys() - {"GENESYS_BASE_URL"}))
def test_a_missing_setting_is_a_fault(name: str) -> None:
    left = {other: value for other, value in DEPLOYED.items() if other != name}

    assert len(Settings(left).faults()) == 1


def test_all_faults_are_named_at_once() -> None:
    assert len(Settings({}).faults()) == 9


def test_a_text_is_given_or_missed_by_name() -> None:
    assert settings().text("GENESYS_REGION") == "eu-central-1"
    for empty in (Settings({}), Settings({"LEDGER_TABLE": ""})):
        with pytest.raises(SettingsInvalid, match="LEDGER_TABLE: expected a value, found none"):
            empty.text("LEDGER_TABLE")


def test_a_number_is_given_or_refused_by_name() -> None:
    assert settings().number("BATCH_SIZE") == 2000
    with pytest.raises(SettingsInvalid, match="BATCH_SIZE: expected a whole number") as invalid:
        settings(BATCH_SIZE="canary").number("BATCH_SIZE")
    assert "canary" not in str(invalid.value)


def test_deadlines_are_in_seconds() -> None:
    assert settings().data_wait == timedelta(hours=2)
    assert settings().delivery_deadline == timedelta(minutes=90)
    assert settings().job_deadline == timedelta(hours=1)


def test_settings_are_not_shown() -> None:
    assert "eu-central-1" not in repr(settings())


def test_disposal_takes_a_day_at_least() -> None:
    assert Settings({"DISPOSE_RELEASED_AFTER_DAYS": "30"}).dispose_after == timedelta(days=30)
    with pytest.raises(SettingsInvalid, match="it is off"):
        _ = Settings({"DISPOSE_RELEASED_AFTER_DAYS": "0"}).dispose_after
