"""The stack a command works on: deployed, or the embedded world that `make up` left running."""

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from cli.failures import NotConnected
from holdfast.aws.claims import ClaimLedger
from holdfast.aws.parking import ParkingLedger
from holdfast.aws.requests import BatchLedger, RequestLedger
from holdfast.aws.standing import StandingLedger
from holdfast.aws.table import Table
from holdfast.ports import BatchBook, ClaimBook, Parking, RequestBook, StandingBook

WORLD = Path(__file__).parents[1] / "build/world/world.json"
_CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"mode": "standard", "total_max_attempts": 4})


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
                service, endpoint_url=self._endpoint_url, config=_CONFIG
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
    def standing_matters(self) -> StandingBook:
        """Give the standing matters of the ledger."""
        return StandingLedger(self._ledger)

    @cached_property
    def parking(self) -> Parking:
        """Give the parked messages."""
        return ParkingLedger(self._ledger)


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
    return _embedded(WORLD)


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


def _embedded(description: Path) -> Deployment:
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
