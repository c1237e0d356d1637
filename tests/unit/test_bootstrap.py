"""The composition root, and what each function pays for when it starts."""

import importlib.util
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import pytest

from holdfast import bootstrap
from holdfast.domain.ids import MatterId
from holdfast.errors import SettingsInvalid

REPOSITORY = Path(__file__).resolve().parents[2]
FUNCTIONS = sorted(path.parent.name for path in REPOSITORY.glob("functions/*/app.py"))
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "POWERTOOLS_SERVICE_NAME": "the-stack",
    "LEDGER_TABLE": "ledger",
    "CREDENTIALS_TABLE": "credentials",
    "ARRIVAL_MAPPING_ID": "0c6f0d1e-0000-4000-8000-000000000003",
    "EVIDENCE_BUCKET": "evidence",
    "GENESYS_ACCOUNT_ID": "765628985471",
    "GENESYS_WRITER_ROLE_ARN": "arn:aws:iam::000000000000:role/writer",
    "SECURE_OBJECTS_ARN": "arn:aws:lambda:eu-central-1:000000000000:function:secure-objects",
    "SECURE_OBJECTS_ROLE_ARN": "arn:aws:iam::000000000000:role/secure-objects",
    "RECORDS_BUCKET": "records",
    "WORK_BUCKET": "work",
    "ARRIVAL_QUEUE_ARN": "arn:aws:sqs:eu-central-1:000000000000:arrivals",
    "ARRIVAL_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/000000000000/arrivals",
    "REQUEST_BUS": "the-stack-requests",
    "APPLY_LEGAL_HOLD_ARN": "arn:aws:states:eu-central-1:000000000000:stateMachine:apply-legal-hold",
    "HASH_QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/000000000000/hashes",
    "KEY_ARN": "arn:aws:kms:eu-central-1:000000000000:key/k",
    "SEAL_KEY_ARN": "arn:aws:kms:eu-central-1:000000000000:key/s",
    "HASH_LIMIT_BYTES": "1000000",
    "SWEEP_AGE_SECONDS": "900",
    "BATCH_SIZE": "2000",
    "PROTECTION_CAP": "1000",
    "JOB_DEADLINE_SECONDS": "3600",
    "DATA_WAIT_SECONDS": "0",
    "DELIVERY_DEADLINE_SECONDS": "3600",
    "GENESYS_DIALECT": "platform",
    "GENESYS_REGION": "eu-central-1",
    "GENESYS_BASE_URL": "",
    "GENESYS_ORGANIZATION_ID": "0c6f0d1e-0000-4000-8000-000000000001",
    "GENESYS_INTEGRATION_ID": "0c6f0d1e-0000-4000-8000-000000000002",
    "GENESYS_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:000000000000:secret:genesys",
}
FACTORIES: dict[str, Callable[[], Any]] = {
    name: factory
    for name, factory in vars(bootstrap).items()
    if hasattr(factory, "cache_clear") and name != "_client"
}


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Let every test begin and end with an environment in which nothing was built."""

    def clear() -> None:
        for factory in (*FACTORIES.values(), bootstrap._client):
            factory.cache_clear()  # type: ignore[attr-defined] # a cached function has it

    clear()
    yield
    clear()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """`told(NAME="value")`: a full environment with changes, and no network."""

    def tell(**changes: str) -> None:
        for name in [name for name in os.environ if name.startswith(("AWS_", "GENESYS_", "HTTP"))]:
            monkeypatch.delenv(name)
        for name, value in (ENVIRONMENT | changes).items():
            monkeypatch.setenv(name, value)

    def refuse(*_: object) -> None:
        raise AssertionError("expected no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tell


# --- factories


@pytest.mark.parametrize("name", sorted(FACTORIES))
def test_everything_is_built_once_and_without_network(name: str, told: Callable[..., None]) -> None:
    told()

    built = FACTORIES[name]()

    assert built is FACTORIES[name]()


@pytest.mark.parametrize(
    ("factory", "platform", "compliance"),
    [
        ("export_jobs", "BulkExportJobs", "ComplianceExportJobs"),
        ("catalogue", "RecordingMetadataCatalogue", "RecordingMetadataCatalogue"),
        ("manifests", "NoManifests", "ManifestS3"),
        ("platform_holds", "DeletionProtection", "LegalHolds"),
        ("deletions", "RetentionSchedule", "NoDeletions"),
        ("_platform_setup", "OrganizationSetup", "ComplianceSetup"),
        ("scope_source", "AnalyticsScope", "AnalyticsScope"),
    ],
)
def test_the_dialect_is_chosen_by_the_setting(
    factory: str, platform: str, compliance: str, told: Callable[..., None]
) -> None:
    told()
    spoken_by_default = type(FACTORIES[factory]()).__name__
    for one in FACTORIES.values():
        one.cache_clear()  # type: ignore[attr-defined] # a cached function has it
    told(GENESYS_DIALECT="compliance")

    assert (spoken_by_default, type(FACTORIES[factory]()).__name__) == (platform, compliance)


def test_a_dialect_that_nobody_speaks_is_refused(told: Callable[..., None]) -> None:
    told(GENESYS_DIALECT="klingon")

    with pytest.raises(SettingsInvalid, match="GENESYS_DIALECT: expected one of compliance, platform"):
        bootstrap.manifests()


@pytest.mark.parametrize(
    ("factory", "setting"),
    [
        ("requests", "LEDGER_TABLE"),
        ("batches", "LEDGER_TABLE"),
        ("claims", "LEDGER_TABLE"),
        ("receipts", "LEDGER_TABLE"),
        ("slots", "LEDGER_TABLE"),
        ("slots", "GENESYS_ORGANIZATION_ID"),
        ("parking", "LEDGER_TABLE"),
        ("sweeps", "LEDGER_TABLE"),
        ("evidence_listing", "EVIDENCE_BUCKET"),
        ("standing_matters", "LEDGER_TABLE"),
        ("request_bus", "REQUEST_BUS"),
        ("wiring", "EVIDENCE_BUCKET"),
        ("wiring", "ARRIVAL_QUEUE_ARN"),
        ("wiring", "ARRIVAL_QUEUE_URL"),
        ("wiring", "ARRIVAL_MAPPING_ID"),
        ("wiring", "GENESYS_ACCOUNT_ID"),
        ("wiring", "GENESYS_WRITER_ROLE_ARN"),
        ("wiring", "SECURE_OBJECTS_ARN"),
        ("wiring", "SECURE_OBJECTS_ROLE_ARN"),
        ("wiring", "KEY_ARN"),
        ("canaries", "EVIDENCE_BUCKET"),
        ("work_files", "WORK_BUCKET"),
        ("record_files", "RECORDS_BUCKET"),
        ("arrival_queue", "ARRIVAL_QUEUE_URL"),
        ("hash_queue", "HASH_QUEUE_URL"),
        ("_transport", "CREDENTIALS_TABLE"),
        ("_transport", "KEY_ARN"),
        ("_transport", "GENESYS_SECRET_ARN"),
        ("scope_source", "BATCH_SIZE"),
        ("platform_holds", "PROTECTION_CAP"),
        ("export_jobs", "GENESYS_INTEGRATION_ID"),
        ("export_jobs", "GENESYS_DIALECT"),
        ("manifests", "GENESYS_DIALECT"),
    ],
)
def test_what_was_not_deployed_is_missed_by_name(
    factory: str, setting: str, told: Callable[..., None]
) -> None:
    told(**{setting: ""})

    with pytest.raises(SettingsInvalid, match=f"{setting}: expected"):
        FACTORIES[factory]()


def test_the_platform_is_reached_over_verified_tls_and_never_through_a_proxy_of_the_environment(
    told: Callable[..., None],
) -> None:
    told(HTTPS_PROXY="http://proxy.example:3128", SSL_CERT_FILE="/nowhere.pem")

    transport = bootstrap._transport()

    api, login = transport._api, transport._tokens._login
    assert (str(api.base_url), str(login.base_url)) == (
        "https://api.mypurecloud.de",
        "https://login.mypurecloud.de",
    )
    for client in (api, login):
        assert not client.follow_redirects
        assert not client._mounts  # these would be the proxies
        tls = _pool_of(client._transport)._ssl_context
        assert (tls.verify_mode.name, tls.check_hostname) == ("CERT_REQUIRED", True)


def _pool_of(transport: Any) -> Any:
    """Find the connections at the bottom of transports that wrap one another."""
    while not hasattr(transport, "_pool"):
        (transport,) = [inner for inner in vars(transport).values() if hasattr(inner, "handle_request")]
    return transport._pool


def test_a_simulator_is_reached_on_loopback(told: Callable[..., None]) -> None:
    told(GENESYS_BASE_URL="http://127.0.0.1:8080")

    assert str(bootstrap._transport()._api.base_url) == "http://127.0.0.1:8080"


def test_no_call_leaves_for_a_platform_whose_settings_are_wrong(told: Callable[..., None]) -> None:
    told(GENESYS_BASE_URL="https://canary.example", GENESYS_DIALECT="klingon", BATCH_SIZE="")

    with pytest.raises(SettingsInvalid) as invalid:
        bootstrap._transport()

    assert len(invalid.value.faults) == 3
    assert "canary" not in str(invalid.value)


def test_preflight_looks_at_the_settings_first_and_names_every_fault(told: Callable[..., None]) -> None:
    told(GENESYS_REGION="nowhere", GENESYS_INTEGRATION_ID="none")

    settings, *_ = bootstrap.preflight_checks(MatterId("M-1"))

    assert [finding.check for finding in settings()] == ["settings", "settings"]


class _Secrets:
    """A Secrets Manager with one secret."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_secret_value(self, **_: str) -> dict[str, str]:
        return {"SecretString": self.text, "VersionId": "v1"}


@pytest.mark.parametrize("text", ["{}", "", '{"client_id": "c"}', "secret-canary"])
def test_preflight_looks_at_the_secret_whatever_token_there_is(
    text: str, told: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    told()
    monkeypatch.setattr(bootstrap, "_client", lambda _: _Secrets(text))
    _, secret, _ = bootstrap.preflight_checks(MatterId("M-1"))

    with pytest.raises(SettingsInvalid, match="the Genesys secret: expected") as invalid:
        secret()

    assert "canary" not in str(invalid.value)


def test_preflight_is_content_with_a_secret_of_the_right_form(
    told: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    told()
    good = '{"client_id": "c", "client_secret": "s"}'
    monkeypatch.setattr(bootstrap, "_client", lambda _: _Secrets(good))
    _, secret, _ = bootstrap.preflight_checks(MatterId("M-1"))

    assert secret() == ()


class Invocation:
    """A Lambda context of which only the clock matters."""

    def __init__(self, left_ms: int) -> None:
        self.left_ms = left_ms

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


def test_a_round_may_begin_in_the_first_half_of_an_invocation() -> None:
    invocation = Invocation(60_000)
    has_time = bootstrap.half_time(invocation)

    answers = []
    for left_ms in (60_000, 30_001, 30_000, 1):
        invocation.left_ms = left_ms
        answers.append(has_time())

    assert answers == [True, True, False, False]


def test_time_is_left_while_there_is_more_than_the_reserve() -> None:
    invocation = Invocation(0)
    has_time = bootstrap.time_left(invocation, 30)

    answers = []
    for left_ms in (300_000, 30_001, 30_000, 0):
        invocation.left_ms = left_ms
        answers.append(has_time())

    assert answers == [True, True, False, False]


def test_the_clock_is_aware_and_in_utc() -> None:
    assert bootstrap.clock.now().tzinfo is UTC


# --- functions


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_can_be_imported_and_called(function: str) -> None:
    path = REPOSITORY / "functions" / function / "app.py"
    spec = importlib.util.spec_from_file_location(f"function_{function}", path)
    assert spec is not None
    assert spec.loader is not None
    app = importlib.util.module_from_spec(spec)

    spec.loader.exec_module(app)

    assert callable(app.handler)
    assert app.handler.__wrapped__  # it is observed: ids on its lines, its errors in our words
    assert app.__doc__


# Starts each function as Lambda does, builds what it asks `bootstrap` for, and tells what that imported. They
# all import `bootstrap` first: that is done once, and each goes on in a copy of the process.
START = """
import json, os, runpy, sys
from holdfast import bootstrap
for path, names in json.loads(sys.argv[1]).items():
    if child := os.fork():
        assert os.waitpid(child, 0)[1] == 0, path
        continue
    runpy.run_path(path)
    built = [getattr(bootstrap, name) for name in names]
    [factory() for factory in built if hasattr(factory, "cache_clear")]
    print(json.dumps(sorted(sys.modules)), flush=True)
    break
"""
VENDOR = "holdfast.genesys."
CALLING_THE_VENDOR = {
    "scope_source",
    "export_jobs",
    "catalogue",
    "deletions",
    "platform_holds",
    "preflight_checks",
}


def _asked_for(function: str) -> set[str]:
    text = (REPOSITORY / "functions" / function / "app.py").read_text()
    return set(re.findall(r"bootstrap\.(\w+)", text))


@pytest.fixture(scope="module")
def modules() -> dict[str, set[str]]:
    """What each function has imported when it is ready."""
    asked = {
        str(REPOSITORY / "functions" / function / "app.py"): sorted(_asked_for(function))
        for function in FUNCTIONS
    }
    done = subprocess.run(
        [sys.executable, "-c", START, json.dumps(asked)],
        env=ENVIRONMENT | {"PYTHONPATH": str(REPOSITORY / "layers/holdfast")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [set(json.loads(line)) for line in done.stdout.splitlines()]
    return dict(zip(FUNCTIONS, told, strict=True))


@pytest.mark.parametrize("function", ["secure_objects", "hash_objects", "park_messages"])
def test_the_arrival_path_imports_no_validation_no_http_client_and_no_vendor(
    function: str, modules: dict[str, set[str]]
) -> None:
    imported = modules[function]

    assert not imported & {"pydantic", "httpx", "boto3", "asyncio", "holdfast.contracts.genesys"}
    # The settings know the names of the regions, and nothing else of the vendor.
    assert {name for name in imported if name.startswith(VENDOR)} <= {f"{VENDOR}regions"}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_only_what_calls_the_vendor_imports_its_side(function: str, modules: dict[str, set[str]]) -> None:
    calls = bool(_asked_for(function) & CALLING_THE_VENDOR)
    heavy = {"httpx", f"{VENDOR}transport", f"{VENDOR}token"} & modules[function]

    # Preflight builds its checks when it comes to them.
    assert bool(heavy) == (calls and function != "preflight")


@pytest.mark.parametrize("function", FUNCTIONS)
def test_no_function_imports_a_second_aws_library_or_anything_of_tests(
    function: str, modules: dict[str, set[str]]
) -> None:
    assert not modules[function] & {"boto3", "aws_xray_sdk", "requests", "moto", "pytest", "local"}
