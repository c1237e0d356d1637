"""The stack a command works on: deployed, or the embedded world that `make up` left running."""

import json
import os
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cli.executions import Executions
from cli.exits import Exit
from cli.failures import CommandFailed, NotConnected
from cli.locks import Locks
from cli.lost_events import LostEvents
from cli.shelf import Shelf
from holdfast.aws.buckets import WorkS3
from holdfast.aws.claims import ClaimLedger, ReceiptLedger
from holdfast.aws.parking import ParkingLedger
from holdfast.aws.releases import ReleaseRequestLedger
from holdfast.aws.requests import BatchLedger, RequestLedger
from holdfast.aws.standing import StandingLedger
from holdfast.aws.table import Table
from holdfast.domain.moments import from_text
from holdfast.ports import (
    BatchBook,
    ClaimBook,
    Parking,
    ReceiptBook,
    ReleaseRequests,
    RequestBook,
    StandingBook,
    WorkFiles,
)

SOURCE = "holdfast.cli"
# Who asks for a release and who approves it write to buses of their own; all else goes to the request bus.
_BUSES: Mapping[str, str] = {"HoldReleaseRequested": "ReleaseBus", "HoldReleaseApproved": "ApprovalBus"}
WORLD = Path(__file__).parents[1] / "build/world/world.json"
THREADS = 16
_CONFIG = Config(
    max_pool_connections=THREADS,
    connect_timeout=5,
    read_timeout=30,
    retries={"mode": "standard", "total_max_attempts": 4},
)
# A function may take a quarter of an hour, and must not be asked twice meanwhile.
_OWN_CONFIGS: Mapping[str, Config] = {
    "lambda": _CONFIG.merge(Config(read_timeout=910, retries={"total_max_attempts": 1}))
}


class Deployment:
    """A stack: its outputs, its ledger, and clients for its region.

    Args:
        name: what to call it in sentences.
        outputs: of the stack, by name.
        session: a boto3 session with credentials and region.
        endpoint_url: None on AWS.
    """

    def __init__(
        self, name: str, outputs: Mapping[str, str], session: Any, endpoint_url: str | None = None
    ) -> None:
        self.name = name
        self.outputs = outputs
        self._session = session
        self._endpoint_url = endpoint_url
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """Give the one boto3 client for a service."""
        if service not in self._clients:
            self._clients[service] = self._session.client(
                service, endpoint_url=self._endpoint_url, config=_OWN_CONFIGS.get(service, _CONFIG)
            )
        return self._clients[service]

    def output(self, name: str) -> str:
        """Give an output that the stack must have.

        Raises:
            NotConnected: it has none of that name.
        """
        if name not in self.outputs:
            raise NotConnected(
                f"{self.name} is no Holdfast stack, or an older one",
                expected=f"an output {name}",
                found=", ".join(sorted(self.outputs)) or "no outputs",
                advice="give the stack's own name to --stack, or deploy this version",
            )
        return self.outputs[name]

    @cached_property
    def _ledger(self) -> Table:
        return Table(self.client("dynamodb"), self.output("LedgerTable"))

    @cached_property
    def requests(self) -> RequestBook:
        """Give the requests of the ledger."""
        return RequestLedger(self._ledger)

    @cached_property
    def batches(self) -> BatchBook:
        """Give the batches of the ledger."""
        return BatchLedger(self._ledger)

    @cached_property
    def claims(self) -> ClaimBook:
        """Give what is filed under conversations."""
        return ClaimLedger(self._ledger)

    @cached_property
    def receipts(self) -> ReceiptBook:
        """Give the receipts of the ledger."""
        return ReceiptLedger(self._ledger)

    @cached_property
    def standing_matters(self) -> StandingBook:
        """Give the standing matters of the ledger."""
        return StandingLedger(self._ledger)

    @cached_property
    def parking(self) -> Parking:
        """Give the parked messages."""
        return ParkingLedger(self._ledger)

    @cached_property
    def work_files(self) -> WorkFiles:
        """Give the work bucket."""
        return WorkS3(self.client("s3"), bucket=self.output("WorkBucket"))

    @cached_property
    def shelf(self) -> Shelf:
        """Give the records bucket."""
        return Shelf(self.client("s3"), bucket=self.output("RecordsBucket"))

    @cached_property
    def releases(self) -> ReleaseRequests:
        """Give the releases of the ledger."""
        return ReleaseRequestLedger(self._ledger)

    @cached_property
    def locks(self) -> Locks:
        """Give the locks in the evidence bucket."""
        return Locks(self.client("s3"), bucket=self.output("EvidenceBucket"))

    @cached_property
    def executions(self) -> Executions:
        """Give the executions of the workflows."""
        return Executions(self.client("stepfunctions"))

    @cached_property
    def lost_events(self) -> LostEvents:
        """Give the events that could not start their runs."""
        return LostEvents(self.client("sqs"), url=self.output("LostEventsUrl"))

    def send(self, bus: str, detail_type: str, detail: Mapping[str, Any]) -> str:
        """Send an event to the bus of an output; the answer is the event's id."""
        return self._put(bus, {"Source": SOURCE, "DetailType": detail_type, "Detail": json.dumps(detail)})

    def send_again(self, event: Mapping[str, Any]) -> str:
        """Send an event as it was, its source and time included, to the bus of its type."""
        entry = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        if "time" in event:
            entry["Time"] = from_text(event["time"])
        return self._put(_BUSES.get(event["detail-type"], "RequestBus"), entry)

    def _put(self, bus: str, entry: Mapping[str, Any]) -> str:
        entry = {"EventBusName": self.output(bus), **entry}
        (sent,) = self.client("events").put_events(Entries=[entry])["Entries"]
        if "ErrorCode" in sent:
            raise CommandFailed(
                f"the bus did not take the event: {sent.get('ErrorMessage', sent['ErrorCode'])}",
                Exit.TRY_AGAIN,
                advice="nothing was started; the same command may succeed later",
            )
        return str(sent["EventId"])

    def invoke(self, function: str, payload: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke the function of an output, and give its answer."""
        answer = self.client("lambda").invoke(
            FunctionName=self.output(function), Payload=json.dumps(payload).encode()
        )
        told: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            error = told.get("errorType", "unknown")
            cannot_start = error == "Runtime.ImportModuleError"
            raise CommandFailed(
                f"{function.removesuffix('Name')} failed: {error}",
                Exit.REFUSED if cannot_start else Exit.TRY_AGAIN,
                found=str(told.get("errorMessage", "no message")),
                advice="a layer does not fit: build for the Architecture that the stack has, and deploy"
                if cannot_start
                else "read the function's log; what was done before it failed is not done twice",
            )
        return told

    def start(self, function: str, payload: Mapping[str, Any]) -> None:
        """Have the function of an output work, without waiting for its answer."""
        self.client("lambda").invoke(
            FunctionName=self.output(function), InvocationType="Event", Payload=json.dumps(payload).encode()
        )

    def now(self) -> datetime:
        """Tell the time."""
        return datetime.now(UTC)

    def pause(self, wait_s: float) -> None:
        """Let some time pass before looking again."""
        time.sleep(wait_s)


def connect(stack: str | None, region: str | None, profile: str | None) -> Deployment:
    """Reach the stack that was named, or else the embedded world.

    Raises:
        NotConnected: neither is there.
    """
    if stack:
        return _deployed(stack, region, profile)
    if region or profile:
        raise NotConnected(
            "--region and --profile say where a deployed stack is, and no stack was named",
            expected="--stack NAME, or HOLDFAST_STACK",
            advice="name the stack; without one, the embedded world is meant, which needs neither",
        )
    return embedded(Path(os.environ.get("HOLDFAST_WORLD", WORLD)))


def _deployed(name: str, region: str | None, profile: str | None) -> Deployment:
    session = boto3.Session(profile_name=profile, region_name=region)
    if session.region_name is None:
        raise NotConnected(
            f"the region of stack {name} is not known",
            expected="--region REGION, or a profile that names one",
            advice="give the region that the stack was deployed to",
        )
    deployment = Deployment(f"stack {name}", {}, session)
    try:
        (described,) = deployment.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as failure:
        if failure.response["Error"].get("Code") != "ValidationError":
            raise
        raise NotConnected(
            f"there is no stack {name} in {session.region_name}",
            expected="the name that sam deploy was given",
            advice="look at the names with aws cloudformation list-stacks, and check --region and --profile",
        ) from None
    deployment.outputs = {one["OutputKey"]: one["OutputValue"] for one in described.get("Outputs", [])}
    return deployment


def embedded(description: Path) -> Deployment:
    """Reach the embedded world that a file describes.

    Raises:
        NotConnected: none is up.
    """
    try:
        world = json.loads(description.read_text())
    except FileNotFoundError:
        raise NotConnected(
            "no stack was named, and no embedded world is up",
            expected="--stack NAME (or HOLDFAST_STACK), or a world that make up started",
            advice="name the stack, or run make up",
        ) from None
    environment = world["environment"]
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    return Deployment(
        "the embedded world", world["outputs"], session, endpoint_url=environment["AWS_ENDPOINT_URL"]
    )
