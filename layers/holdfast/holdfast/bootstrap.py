"""The composition root: cached, lazy factories for everything the functions need.

A function pays for what it asks for and nothing else, once per environment. This module alone reads the
environment.
"""

import os
import random
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config

from holdfast.domain.ids import MatterId
from holdfast.errors import SettingsInvalid
from holdfast.observability import PowertoolsTelemetry
from holdfast.ports import (
    ArrivalQueue,
    BatchBook,
    Canaries,
    ClaimBook,
    ClaimListing,
    DeletionSchedule,
    DisposalBook,
    DriftBook,
    EvidenceBucket,
    EvidenceListing,
    EvidenceMarker,
    EvidenceRelease,
    EvidenceSight,
    ExportJobs,
    Finding,
    HashQueue,
    HoldRuns,
    JobSlots,
    Manifests,
    MarkBook,
    Parking,
    PlatformHolds,
    PlatformSetup,
    ReceiptBook,
    RecordFiles,
    RecordingCatalogue,
    RecordShelf,
    ReleaseBook,
    ReleaseRequests,
    RelockBook,
    RequestBook,
    RequestBus,
    ResolutionBook,
    Runs,
    ScopeSource,
    SealBook,
    Signer,
    StackNames,
    StandingBook,
    SweepBook,
    Telemetry,
    WiringSource,
    WorkFiles,
)
from holdfast.settings import Settings

if TYPE_CHECKING:  # vendor and AWS sides are imported by the functions that use them
    from holdfast.aws.table import Table
    from holdfast.genesys.transport import Transport

CONNECTIONS = 32
PAGE_SIZE = 500  # conversations per page of a scope query


class UtcClock:
    """Implements `ports.Clock`."""

    def now(self) -> datetime:
        """Tell the time."""
        return datetime.now(UTC)


clock = UtcClock()
telemetry: Telemetry = PowertoolsTelemetry()


def half_time(context: Any) -> Callable[[], bool]:
    """Tell, whenever asked, whether less than half of the invocation's time is used.

    A function that works in rounds stops at half, so that a round that takes long still ends in time.
    """
    all_ms = context.get_remaining_time_in_millis()
    return lambda: context.get_remaining_time_in_millis() > all_ms / 2


def time_left(context: Any, reserve_s: float) -> Callable[[], bool]:
    """Tell, whenever asked, whether more than a reserve of the invocation's time is left."""
    return lambda: context.get_remaining_time_in_millis() > reserve_s * 1000


@cache
def settings() -> Settings:
    """Give what the stack's parameters became."""
    return Settings(dict(os.environ))


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


@cache
def _client(service: str) -> Any:
    config = Config(
        max_pool_connections=CONNECTIONS,
        connect_timeout=5,
        read_timeout=30,
        retries={"mode": "standard", "total_max_attempts": 5},
    )
    return _session().create_client(service, config=config)


@cache
def _ledger() -> "Table":
    from holdfast.aws.table import Table  # noqa: PLC0415

    return Table(_client("dynamodb"), settings().text("LEDGER_TABLE"))


@cache
def requests() -> RequestBook:
    """Give the requests of the ledger."""
    from holdfast.aws.requests import RequestLedger  # noqa: PLC0415

    return RequestLedger(_ledger())


@cache
def standing_matters() -> StandingBook:
    """Give the standing matters of the ledger."""
    from holdfast.aws.standing import StandingLedger  # noqa: PLC0415

    return StandingLedger(_ledger())


@cache
def request_bus() -> RequestBus:
    """Give the bus that discovery requests arrive on."""
    from holdfast.aws.bus import RequestEventBus  # noqa: PLC0415

    return RequestEventBus(_client("events"), name=settings().text("REQUEST_BUS"))


@cache
def batches() -> BatchBook:
    """Give the batches of the ledger."""
    from holdfast.aws.requests import BatchLedger  # noqa: PLC0415

    return BatchLedger(_ledger())


@cache
def claims() -> ClaimBook:
    """Give the claims of the ledger."""
    from holdfast.aws.claims import ClaimLedger  # noqa: PLC0415

    return ClaimLedger(_ledger())


@cache
def release_requests() -> ReleaseRequests:
    """Give the releases that were asked for."""
    from holdfast.aws.releases import ReleaseRequestLedger  # noqa: PLC0415

    return ReleaseRequestLedger(_ledger())


@cache
def receipts() -> ReceiptBook:
    """Give the receipts of the ledger."""
    from holdfast.aws.claims import ReceiptLedger  # noqa: PLC0415

    return ReceiptLedger(_ledger())


@cache
def releases() -> ReleaseBook:
    """Give what ends claims and lifts, in the ledger."""
    from holdfast.aws.promises import ReleaseLedger  # noqa: PLC0415

    return ReleaseLedger(_ledger())


@cache
def relocks() -> RelockBook:
    """Give what is locked again, in the ledger."""
    from holdfast.aws.promises import RelockLedger  # noqa: PLC0415

    return RelockLedger(_ledger())


@cache
def slots() -> JobSlots:
    """Give the organisation's job slots."""
    from holdfast.aws.slots import SlotLedger  # noqa: PLC0415

    return SlotLedger(_ledger(), organization_id=settings().text("GENESYS_ORGANIZATION_ID"))


@cache
def parking() -> Parking:
    """Give the parked messages."""
    from holdfast.aws.parking import ParkingLedger  # noqa: PLC0415

    return ParkingLedger(_ledger())


@cache
def sweeps() -> SweepBook:
    """Give the sweeps of the ledger."""
    from holdfast.aws.sweeps import SweepLedger  # noqa: PLC0415

    return SweepLedger(_ledger())


@cache
def evidence() -> EvidenceBucket:
    """Give the evidence bucket."""
    from holdfast.aws.buckets import EvidenceS3  # noqa: PLC0415

    return EvidenceS3(_client("s3"))


@cache
def evidence_release() -> EvidenceRelease:
    """Give the evidence bucket, from the side that lets go."""
    from holdfast.aws.buckets import EvidenceReleaseS3  # noqa: PLC0415

    return EvidenceReleaseS3(_client("s3"))


@cache
def evidence_marker() -> EvidenceMarker:
    """Give the evidence bucket, from the side that marks for disposal."""
    from holdfast.aws.buckets import EvidenceMarkerS3  # noqa: PLC0415

    return EvidenceMarkerS3(_client("s3"))


@cache
def evidence_listing() -> EvidenceListing:
    """Give the list of what lies in the evidence bucket."""
    from holdfast.aws.buckets import EvidenceListingS3  # noqa: PLC0415

    return EvidenceListingS3(_client("s3"), bucket=settings().text("EVIDENCE_BUCKET"))


@cache
def evidence_sight() -> EvidenceSight:
    """Give what can be seen of the evidence."""
    from holdfast.aws.sight import EvidenceSightS3  # noqa: PLC0415

    return EvidenceSightS3(_client("s3"))


@cache
def receipt_listing() -> EvidenceListing:
    """Give the list of what the ledger says that lies in the evidence bucket."""
    from holdfast.aws.drift import ReceiptListing  # noqa: PLC0415

    return ReceiptListing(_ledger())


@cache
def inventory_listing() -> EvidenceListing:
    """Give the list of what S3 Inventory says that lies in the evidence bucket."""
    from holdfast.aws.inventory import InventoryListing  # noqa: PLC0415

    return InventoryListing(
        _client("s3"),
        bucket=settings().text("WORK_BUCKET"),
        listed_bucket=settings().values.get("EVIDENCE_BUCKET", ""),
    )


@cache
def claim_listing() -> ClaimListing:
    """Give everything that anybody claims."""
    from holdfast.aws.drift import ClaimScan  # noqa: PLC0415

    return ClaimScan(_ledger())


@cache
def hold_runs() -> HoldRuns:
    """Give the runs that place the platform's hold."""
    from holdfast.aws.queues import HoldExecutions  # noqa: PLC0415

    return HoldExecutions(_client("stepfunctions"), machine_arn=settings().text("APPLY_LEGAL_HOLD_ARN"))


@cache
def drifts() -> DriftBook:
    """Give what was found changed, in the ledger."""
    from holdfast.aws.drift import DriftLedger  # noqa: PLC0415

    return DriftLedger(_ledger())


@cache
def disposals() -> DisposalBook:
    """Give what is marked for disposal, in the ledger, to who marks."""
    from holdfast.aws.disposals import DisposalLedger  # noqa: PLC0415

    return DisposalLedger(_ledger())


@cache
def marks() -> MarkBook:
    """Give what is marked for disposal, in the ledger, to who looks after versions."""
    from holdfast.aws.disposals import DisposalLedger  # noqa: PLC0415

    return DisposalLedger(_ledger())


@cache
def resolutions() -> ResolutionBook:
    """Give what people decided, in the ledger."""
    from holdfast.aws.resolutions import ResolutionLedger  # noqa: PLC0415

    return ResolutionLedger(_ledger())


@cache
def wiring() -> WiringSource:
    """Give what AWS says of the stack."""
    from holdfast.aws.wiring import StackWiring  # noqa: PLC0415

    return StackWiring(
        _client,
        StackNames(
            evidence_bucket=settings().text("EVIDENCE_BUCKET"),
            key_arn=settings().text("KEY_ARN"),
            arrival_queue_arn=settings().text("ARRIVAL_QUEUE_ARN"),
            securer_arn=settings().text("SECURE_OBJECTS_ARN"),
            securer_role_arn=settings().text("SECURE_OBJECTS_ROLE_ARN"),
            writer_role_arn=settings().text("GENESYS_WRITER_ROLE_ARN"),
            genesys_account_id=settings().text("GENESYS_ACCOUNT_ID"),
            organization_id=settings().text("GENESYS_ORGANIZATION_ID"),
        ),
        mapping_id=settings().text("ARRIVAL_MAPPING_ID"),
        queue_url=settings().text("ARRIVAL_QUEUE_URL"),
    )


@cache
def canaries() -> Canaries:
    """Give the probes in the evidence bucket."""
    from holdfast.aws.buckets import CanaryS3  # noqa: PLC0415

    return CanaryS3(_client("s3"), bucket=settings().text("EVIDENCE_BUCKET"))


@cache
def work_files() -> WorkFiles:
    """Give the work bucket."""
    from holdfast.aws.buckets import WorkS3  # noqa: PLC0415

    return WorkS3(_client("s3"), bucket=settings().text("WORK_BUCKET"))


@cache
def record_files() -> RecordFiles:
    """Give the records bucket."""
    from holdfast.aws.buckets import RecordsS3  # noqa: PLC0415

    return RecordsS3(_client("s3"), bucket=settings().text("RECORDS_BUCKET"))


@cache
def seals() -> SealBook:
    """Give what is sealed."""
    from holdfast.aws.seals import SealLedger  # noqa: PLC0415

    return SealLedger(_ledger())


@cache
def signer() -> Signer:
    """Give the sealing key."""
    from holdfast.aws.signer import KmsSigner  # noqa: PLC0415

    return KmsSigner(_client("kms"), key_id=settings().text("SEAL_KEY_ARN"))


@cache
def record_shelf() -> RecordShelf:
    """Give the records bucket to who seals and packs."""
    from holdfast.aws.buckets import RecordsS3  # noqa: PLC0415

    return RecordsS3(_client("s3"), bucket=settings().text("RECORDS_BUCKET"))


@cache
def arrival_queue() -> ArrivalQueue:
    """Give the queue of arrivals."""
    from holdfast.aws.queues import ArrivalSqs  # noqa: PLC0415

    return ArrivalSqs(_client("sqs"), queue_url=settings().text("ARRIVAL_QUEUE_URL"))


@cache
def hash_queue() -> HashQueue:
    """Give the queue of versions that are hashed later."""
    from holdfast.aws.queues import HashSqs  # noqa: PLC0415

    return HashSqs(_client("sqs"), queue_url=settings().text("HASH_QUEUE_URL"))


@cache
def runs() -> Runs:
    """Give the conductor's executions."""
    from holdfast.aws.queues import StepFunctionsRuns  # noqa: PLC0415

    return StepFunctionsRuns(_client("stepfunctions"))


@cache
def release_runs() -> Runs:
    """Give the executions that release."""
    from holdfast.aws.queues import StepFunctionsRuns  # noqa: PLC0415

    return StepFunctionsRuns(_client("stepfunctions"))


@cache
def _transport() -> "Transport":
    import httpx  # noqa: PLC0415

    from holdfast.aws.budget import BudgetTable  # noqa: PLC0415
    from holdfast.aws.credentials import SecretCredentials, TokenTable  # noqa: PLC0415
    from holdfast.aws.table import Table  # noqa: PLC0415
    from holdfast.genesys.budget import Budget, PacedTransport  # noqa: PLC0415
    from holdfast.genesys.regions import hosts_of  # noqa: PLC0415
    from holdfast.genesys.token import TokenSource  # noqa: PLC0415
    from holdfast.genesys.transport import TIMEOUT_S, Transport  # noqa: PLC0415

    faults = settings().faults()
    if faults:
        raise SettingsInvalid(faults)
    hosts = hosts_of(settings().text("GENESYS_REGION"), settings().values.get("GENESYS_BASE_URL", ""))
    # The environment's proxies and certificates are not asked: hosts come from the table, TLS is always
    # verified.
    table = Table(_client("dynamodb"), settings().text("CREDENTIALS_TABLE"))
    budget = Budget(BudgetTable(table), clock, time.sleep)
    login = httpx.Client(base_url=hosts.login, timeout=TIMEOUT_S, trust_env=False)
    api = httpx.Client(
        base_url=hosts.api,
        timeout=TIMEOUT_S,
        transport=PacedTransport(httpx.HTTPTransport(trust_env=False), budget),
    )
    store = TokenTable(table, _client("kms"), key_id=settings().text("KEY_ARN"))
    credentials = SecretCredentials(
        _client("secretsmanager"), secret_arn=settings().text("GENESYS_SECRET_ARN")
    )
    tokens = TokenSource(store, credentials, login, clock, time.sleep, chance=random.random)
    return Transport(api, tokens, clock)


@cache
def scope_source() -> ScopeSource:
    """Give the platform's conversations."""
    from holdfast.genesys.platform.scope import AnalyticsScope  # noqa: PLC0415

    return AnalyticsScope(_transport(), page_size=min(PAGE_SIZE, settings().number("BATCH_SIZE")))


def _in_dialect[Made](dialects: Mapping[str, Made]) -> Made:
    """Choose by GENESYS_DIALECT what implements a port; nothing else asks which dialect runs."""
    dialect = settings().text("GENESYS_DIALECT")
    if dialect not in dialects:
        raise SettingsInvalid([f"GENESYS_DIALECT: expected one of {', '.join(sorted(dialects))}"])
    return dialects[dialect]


@cache
def export_jobs() -> ExportJobs:
    """Give the platform's export jobs."""
    from holdfast.genesys.compliance.exports import ComplianceExportJobs  # noqa: PLC0415
    from holdfast.genesys.platform.exports import BulkExportJobs  # noqa: PLC0415

    dialects: Mapping[str, Callable[..., ExportJobs]] = {
        "platform": BulkExportJobs,
        "compliance": ComplianceExportJobs,
    }
    integration_id = settings().text("GENESYS_INTEGRATION_ID")
    return _in_dialect(dialects)(_transport(), clock, integration_id=integration_id)


@cache
def catalogue() -> RecordingCatalogue:
    """Give the platform's lists of recordings."""
    from holdfast.genesys.platform.exports import RecordingMetadataCatalogue  # noqa: PLC0415

    return RecordingMetadataCatalogue(_transport())


@cache
def manifests() -> Manifests:
    """Give the manifests that export jobs leave in the evidence bucket."""
    from holdfast.aws.manifests import ManifestS3  # noqa: PLC0415
    from holdfast.genesys.platform.manifests import NoManifests  # noqa: PLC0415

    def in_the_bucket() -> Manifests:
        return ManifestS3(
            _client("s3"),
            bucket=settings().text("EVIDENCE_BUCKET"),
            organization_id=settings().text("GENESYS_ORGANIZATION_ID"),
        )

    dialects: Mapping[str, Callable[[], Manifests]] = {"platform": NoManifests, "compliance": in_the_bucket}
    return _in_dialect(dialects)()


@cache
def platform_holds() -> PlatformHolds:
    """Give the platform's own protection."""
    from holdfast.genesys.compliance.holds import LegalHolds  # noqa: PLC0415
    from holdfast.genesys.platform.holds import DeletionProtection  # noqa: PLC0415

    def protection() -> PlatformHolds:
        return DeletionProtection(_transport(), cap=settings().number("PROTECTION_CAP"))

    def legal_holds() -> PlatformHolds:
        return LegalHolds(_transport())

    dialects: Mapping[str, Callable[[], PlatformHolds]] = {
        "platform": protection,
        "compliance": legal_holds,
    }
    return _in_dialect(dialects)()


@cache
def deletions() -> DeletionSchedule:
    """Give what the platform is about to delete."""
    from holdfast.genesys.compliance.deletions import NoDeletions  # noqa: PLC0415
    from holdfast.genesys.platform.retention import RetentionSchedule  # noqa: PLC0415

    def by_retention() -> DeletionSchedule:
        return RetentionSchedule(_transport())

    dialects: Mapping[str, Callable[[], DeletionSchedule]] = {
        "platform": by_retention,
        "compliance": NoDeletions,
    }
    return _in_dialect(dialects)()


@cache
def _platform_setup() -> PlatformSetup:
    from holdfast.genesys.compliance.setup import ComplianceSetup  # noqa: PLC0415
    from holdfast.genesys.platform.setup import OrganizationSetup  # noqa: PLC0415

    dialects: Mapping[str, Callable[..., PlatformSetup]] = {
        "platform": OrganizationSetup,
        "compliance": ComplianceSetup,
    }
    return _in_dialect(dialects)(
        _transport(),
        organization_id=settings().text("GENESYS_ORGANIZATION_ID"),
        integration_id=settings().text("GENESYS_INTEGRATION_ID"),
        bucket=settings().text("EVIDENCE_BUCKET"),
        writer_role_arn=settings().text("GENESYS_WRITER_ROLE_ARN"),
    )


def _secret_findings() -> Sequence[Finding]:
    """Read the secret as it is now: a token that is still good hides what is wrong with it."""
    from holdfast.aws.credentials import SecretCredentials  # noqa: PLC0415

    SecretCredentials(_client("secretsmanager"), secret_arn=settings().text("GENESYS_SECRET_ARN"))()
    return ()


def preflight_checks(matter_id: MatterId) -> Sequence[Callable[[], Sequence[Finding]]]:
    """Give the checks of settings and platform."""
    return (
        lambda: [Finding("settings", fault) for fault in settings().faults()],
        _secret_findings,
        lambda: _platform_setup().findings(matter_id),
    )
