"""`holdfast quote`: recordings, GB, dollars and hours before anything starts, with every assumption shown."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from math import ceil
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.failures import NotAccepted, NotKnown
from cli.pages import duration, facts, heading, indented, page, size, table
from cli.progress import side_by_side
from cli.terminal import Answer, Terminal
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import MatterId
from holdfast.domain.states import BatchState
from holdfast.ports import BatchRecord
from holdfast.steps.files import BatchFiles


class Price(NamedTuple):
    """What AWS asks for one unit, in dollars."""

    dollars: float
    unit: str


# They change, and differ by region: an estimate, not an offer.
# Source: AWS's price lists of S3, DynamoDB, Lambda and Step Functions: the page of Step Functions itself, the
# others as public pages quote them (read 2026-11-21).
PRICES: Mapping[str, Price] = {
    "S3 write": Price(5.00e-6, "request that writes or lists"),
    "S3 read": Price(0.40e-6, "request that reads"),
    "S3 storage": Price(0.023, "GB and month, class Standard"),
    "DynamoDB write": Price(0.625e-6, "write unit, on demand"),
    "DynamoDB read": Price(0.125e-6, "read unit, on demand"),
    "Lambda": Price(13.3334e-6, "GB-second, arm64"),
    "Step Functions": Price(25e-6, "state transition"),
}
PRICES_OF = "us-east-1, first tier, without the free tier, read 2026-11-21"
S3_WRITE, S3_READ, STORAGE_GB_MONTH, LEDGER_WRITE, LEDGER_READ, LAMBDA_GB_S, TRANSITION = (
    price.dollars for price in PRICES.values()
)
# What the arrival path uses for one object: lock, tag; GET; receipt with its index; a query in common; and
# an instance of one vCPU secures some 370 objects a second.
OBJECT_S3_WRITES, OBJECT_S3_READS, OBJECT_LEDGER_WRITES, OBJECT_LEDGER_READS = 2, 1, 2, 0.5
OBJECTS_PER_S, FUNCTION_GB = 370, 1.769
HASHED_BYTES_PER_S = 100e6
VENDOR_WRITES = 1  # the upload, into this account's bucket
CLAIM_LEDGER_WRITES = 10  # a transaction of claim, index, hold, list and event
CONVERSATION_LEDGER_READS = 4  # reconciling, sealing
TRANSITIONS_PER_RECORDING = 5_000 / 1e6
SIDECAR_BYTES = 2_000
# By the schedules' defaults: a sweep lists all versions, a thousand a request, and reads each conversation;
# the sentinel scans the receipts and reads lock and tags of each.
SWEEPS_PER_MONTH, LOOKS_PER_MONTH = 24 * 30, 30
VERSIONS_PER_LIST, LOOK_S3_READS, LOOK_LEDGER_READS = 1_000, 2, 1
MONTHLY = ("storage per month", "watching per month")

# Source: Genesys Cloud Developer Center, platform API limits (client.credentials.token.rate.per.minute) and
# recording bulk jobs; Resource Center, "Protect recordings from deletion" (read 2026-11-21).
REQUESTS_PER_MINUTE = 300
JOBS_AT_ONCE = 2
PAGE_CONVERSATIONS, PROTECTED_PER_CALL, PROTECTION_CAP, BATCH_SIZE = 500, 100, 1_000, 2_000
CALLS_PER_JOB = 60  # create, execute, poll
LOOKED_UP_SHARE = 0.05  # of conversations, whose recordings the platform must be asked for by name
_SAMPLED = 200

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Units:
    """What is counted or assumed of a scope. `recordings_per_hour` of one export job; None: not known."""

    conversations: int
    recordings: int
    bytes_per_recording: float
    recordings_per_hour: float | None = None
    instances: int = 20

    @property
    def objects(self) -> int:
        """Count the objects: each recording comes with its sidecar."""
        return 2 * self.recordings

    @property
    def stored_bytes(self) -> float:
        """Tell how much will lie in the bucket."""
        return self.recordings * (self.bytes_per_recording + SIDECAR_BYTES)

    @property
    def jobs(self) -> int:
        """Count the export jobs."""
        return ceil(self.conversations / BATCH_SIZE)


def dollars(units: Units) -> dict[str, float]:
    """Price what is used once, and what goes on: `MONTHLY`."""
    function_s = units.objects / OBJECTS_PER_S + units.stored_bytes / HASHED_BYTES_PER_S
    return {
        "upload requests": units.objects * VENDOR_WRITES * S3_WRITE,
        "lock, tag, read": units.objects * (OBJECT_S3_WRITES * S3_WRITE + OBJECT_S3_READS * S3_READ),
        "receipts": units.objects * (OBJECT_LEDGER_WRITES * LEDGER_WRITE + OBJECT_LEDGER_READS * LEDGER_READ),
        "functions": function_s * FUNCTION_GB * LAMBDA_GB_S,
        "claims and accounts": units.conversations
        * (CLAIM_LEDGER_WRITES * LEDGER_WRITE + CONVERSATION_LEDGER_READS * LEDGER_READ),
        "workflows": max(units.recordings * TRANSITIONS_PER_RECORDING, 100) * TRANSITION,
        "storage per month": units.stored_bytes / 1e9 * STORAGE_GB_MONTH,
        "watching per month": SWEEPS_PER_MONTH
        * (units.objects / VERSIONS_PER_LIST * S3_WRITE + units.conversations * LEDGER_READ)
        + LOOKS_PER_MONTH * units.objects * (LOOK_S3_READS * S3_READ + LOOK_LEDGER_READS * LEDGER_READ),
    }


def platform_calls(units: Units) -> dict[str, int]:
    """Count the calls of the vendor's API, which has a budget."""
    protected = min(units.conversations, PROTECTION_CAP)
    return {
        "select": ceil(units.conversations / PAGE_CONVERSATIONS) + 10,
        "export jobs": units.jobs * CALLS_PER_JOB,
        "recordings by name": ceil(units.conversations * LOOKED_UP_SHARE),
        "protect and read back": 2 * ceil(protected / PROTECTED_PER_CALL),
    }


def hours(units: Units) -> dict[str, float | None]:
    """Bound each part from below; None is not published by the vendor, and was not measured here yet."""
    at_once = min(JOBS_AT_ONCE, max(units.jobs, 1))
    export = units.recordings / (units.recordings_per_hour * at_once) if units.recordings_per_hour else None
    hashed_s = units.stored_bytes / HASHED_BYTES_PER_S
    return {
        "vendor's request budget": sum(platform_calls(units).values()) / REQUESTS_PER_MINUTE / 60,
        "export by the vendor": export,
        "securing, as it arrives": (units.objects / OBJECTS_PER_S + hashed_s) / units.instances / 3600,
    }


@command(app)
def quote(
    terminal: Terminal,
    *,
    deployment: Deployment | None = None,
    conversations: Annotated[
        int | None, typer.Option(min=1, help="How many conversations the scope has.")
    ] = None,
    recordings: Annotated[int | None, typer.Option(min=0, help="How many recordings they have.")] = None,
    mb_per_recording: Annotated[
        float | None, typer.Option(min=0, help="Average size of a recording, in MB.")
    ] = None,
    recordings_per_hour: Annotated[
        float | None, typer.Option(min=1, help="What one export job of the vendor moves in an hour.")
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="MATTER", help="Count sizes, ratios and speed of this matter, which was exported."
        ),
    ] = None,
) -> Answer:
    """Say what a scope will take: recordings, GB, dollars and hours, and every assumption behind them.

    What is not given is counted in the matter --like, or assumed, and marked so. Nothing is started, and
    without --like no stack is needed.
    """
    counted: Mapping[str, float] = {}
    if like:
        if deployment is None:
            raise NotAccepted(
                "--like counts in a stack, and there is none", advice="give --stack, or run make up"
            )
        with terminal.progress("Counting") as advance:
            counted = _counted(deployment, MatterId(like), advance)
    amount = conversations or int(counted.get("conversations", 0))
    if not amount:
        raise NotAccepted(
            "how large the scope is, is not known",
            expected="--conversations NUMBER, or --like MATTER",
            advice="the platform's conversation view counts a scope: filter by the same interval and users",
        )
    assumptions: dict[str, str] = {}

    def choose(name: str, given: float | None, default: float | None, unit: str) -> float | None:
        value, origin = (
            (given, "given")
            if given is not None
            else (counted[name], f"counted in {like}")
            if name in counted
            else (default, "assumed")
        )
        if value is not None:
            amount_shown = f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"
            assumptions[name.replace("_", " ")] = f"{amount_shown} {unit} ({origin})"
        return value

    per_conversation = choose(
        "recordings_per_conversation",
        recordings / amount if recordings is not None else None,
        1.1,
        "recordings",
    )
    megabytes = choose("mb_per_recording", mb_per_recording, 1.0, "MB")
    speed = choose("recordings_per_hour", recordings_per_hour, None, "recordings an hour and job")
    units = Units(
        conversations=amount,
        recordings=recordings if recordings is not None else round(amount * (per_conversation or 0)),
        bytes_per_recording=(megabytes or 0) * 1e6,
        recordings_per_hour=speed,
    )
    assumptions |= _fixed_assumptions()
    return Answer(_document(units, assumptions), _page(units, assumptions))


def _fixed_assumptions() -> dict[str, str]:
    return {
        "prices": f"AWS's list prices of {PRICES_OF}; no logs, no transfer",
        "vendor's requests": f"{REQUESTS_PER_MINUTE} a minute and client, as the vendor's limits page says",
        "vendor's jobs": f"{JOBS_AT_ONCE} at once in an organisation, {BATCH_SIZE:,} conversations each",
        "platform's protection": f"{PROTECTION_CAP:,} conversations at once; the rest stand on the S3 lock",
        "securing": f"{OBJECTS_PER_S} objects a second and instance, 20 instances, measured with one vCPU",
        "watching": "a sweep an hour and every receipt once a day, the schedules' defaults; requests alone",
        "not in the hours": "up to 48 hours until a conversation can be found, an hour for a job to begin",
    }


def _counted(deployment: Deployment, matter_id: MatterId, advance: Any) -> dict[str, float]:
    """Count an earlier matter: how many, how large, how fast."""
    requests = deployment.requests.of_matter(matter_id)
    if not requests:
        raise NotKnown(f"there is no matter {matter_id} with a request", advice="holdfast matters lists them")
    batches = [batch for one in requests for batch in deployment.batches.of_request(one)]
    exported = [one for one in batches if one.state is BatchState.FULFILLED and one.total]
    counted: dict[str, float] = {"conversations": sum(one.conversations for one in batches)}
    if exported:
        recordings = sum(one.total for one in exported)
        counted["recordings_per_conversation"] = recordings / sum(one.conversations for one in exported)
        taken = [_taken(one) for one in exported]
        if all(taken) and sum(taken, timedelta()) > timedelta():
            counted["recordings_per_hour"] = recordings / (sum(taken, timedelta()) / timedelta(hours=1))
    sizes = list(islice(_sizes(deployment, exported, advance), _SAMPLED))
    if sizes:
        counted["mb_per_recording"] = sum(sizes) / len(sizes) / 1e6
    return counted


def _taken(batch: BatchRecord) -> timedelta:
    started, ended = batch.job_created_at, batch.ended_at
    return ended - started if started and ended else timedelta()


def _sizes(deployment: Deployment, batches: list[BatchRecord], advance: Any) -> Iterator[int]:
    for batch in batches:
        files = BatchFiles(deployment.work_files, batch.matter_id, batch.request_id, batch.batch_id)
        ids = [one.conversation_id for one in files.conversations()[:_SAMPLED]]
        for dossier in side_by_side(deployment.claims.dossier, ids):
            advance()
            yield from (one.version.size_bytes for one in dossier.receipts if one.role is Role.MEDIA)


def _document(units: Units, assumptions: Mapping[str, str]) -> dict[str, Any]:
    priced, needed = dollars(units), hours(units)
    once = {name: amount for name, amount in priced.items() if name not in MONTHLY}
    return {
        "conversations": units.conversations,
        "recordings": units.recordings,
        "objects": units.objects,
        "stored_gb": round(units.stored_bytes / 1e9, 3),
        "export_jobs": units.jobs,
        "dollars": {name: round(amount, 4) for name, amount in priced.items()},
        "dollars_once": round(sum(once.values()), 4),
        "dollars_per_month": round(sum(priced[name] for name in MONTHLY), 4),
        "platform_calls": platform_calls(units),
        "hours": {name: None if took is None else round(took, 4) for name, took in needed.items()},
        "hours_at_least": round(max(took for took in needed.values() if took is not None), 4),
        "assumptions": dict(assumptions),
        "prices": {name: price._asdict() for name, price in PRICES.items()},
    }


def _page(units: Units, assumptions: Mapping[str, str]) -> RenderableType:
    told = _document(units, assumptions)
    prices = table("once", "$", right=("$",))
    for name, amount in told["dollars"].items():
        if name not in MONTHLY:
            prices.add_row(name, _cents(amount))
    prices.add_row(Text("in all", style="bold"), Text(_cents(told["dollars_once"]), style="bold"))
    for name in MONTHLY:
        prices.add_row(name.replace(" per", ", every"), _cents(told["dollars"][name]))
    times = table("at least", "", right=("at least",))
    for name, took in told["hours"].items():
        shown = "not known" if took is None else f"{duration(timedelta(hours=took))}"
        times.add_row(shown, name)
    return page(
        Text.assemble(
            (f"{units.conversations:,} conversations", "bold"), f", {units.recordings:,} recordings"
        ),
        indented(
            facts(
                {
                    "objects": f"{units.objects:,}, {size(units.stored_bytes)} in the evidence bucket",
                    "export jobs": f"{units.jobs:,}",
                    "vendor calls": f"{sum(told['platform_calls'].values()):,}",
                }
            )
        ),
        heading("What it costs"),
        indented(prices),
        heading("How long it takes"),
        indented(times),
        None
        if units.recordings_per_hour
        else indented(
            Text(
                "The vendor publishes no speed of exports: --like an earlier matter measures it.",
                style="yellow",
            )
        ),
        heading("What this assumes"),
        indented(facts(assumptions)),
    )


def _cents(dollars_: float) -> str:
    return "< 0.01" if 0 < dollars_ < 0.005 else f"{dollars_:,.2f}"
