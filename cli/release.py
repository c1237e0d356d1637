"""`holdfast release` and `holdfast approve`: letting go takes two people, and a plan that both have seen."""

import getpass
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from itertools import count
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.failures import CommandFailed, NotAccepted, NotKnown
from cli.pages import duration, facts, moment, page, size, state, table
from cli.terminal import Answer, Terminal
from holdfast.contracts.release import HoldReleaseApproved, HoldReleaseRequested, read_release_event
from holdfast.domain.ids import MatterId, ReleaseId
from holdfast.domain.moments import from_text
from holdfast.domain.release import NOBODY, Standing, objections
from holdfast.ports import ReleaseRecord

_ASKED_OF_THE_HASH = 8  # characters that a person types

app = typer.Typer()

MatterArgument = Annotated[
    str, typer.Argument(metavar="MATTER", help="The matter; - for what nobody claims.")
]
By = Annotated[
    str | None,
    typer.Option("--by", metavar="NAME", help="Your name, recorded as asserted; left out, your login."),
]


@command(app)
def release(
    deployment: Deployment,
    matter: MatterArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why it may be let go; goes into the certificate.")],
    by: By = None,
    release_id: Annotated[
        str | None, typer.Option(help="An id of your own; left out, the next that is free.")
    ] = None,
    conversation: Annotated[
        list[str] | None, typer.Option(help="Only these, of what nobody claims; may be given several times.")
    ] = None,
) -> Answer:
    """Ask to let go what a matter holds. Nothing is let go yet: another person approves the plan of it.

    A matter is released whole. What other matters claim too stays held, and the plan says so.
    """
    matter_id = MatterId(matter)
    if matter_id != NOBODY and deployment.requests.matter(matter_id) is None:
        raise NotKnown(f"there is no matter {matter}", advice="holdfast matters lists them all")
    chosen = release_id or _next_id(deployment, matter_id)
    detail: dict[str, Any] = {
        "release_id": chosen,
        "scope": "unclaimed" if matter_id == NOBODY else "matter",
        **({} if matter_id == NOBODY else {"matter_id": matter}),
        "requested_by": by or getpass.getuser(),
        "reason": reason,
        **({"conversation_ids": conversation} if conversation else {}),
    }
    event = {"detail-type": HoldReleaseRequested.__name__, "detail": detail}
    wanted = read_release_event(event, HoldReleaseRequested)
    known = deployment.releases.find(matter_id, ReleaseId(chosen))
    if known and known.body_sha256 != wanted.body_sha256:
        raise NotAccepted(
            f"release {chosen} is known, and was asked for in other words",
            found=f"a release that is {known.state}",
            advice="leave --release-id out, or choose another",
        )
    event_id = deployment.send("ReleaseBus", HoldReleaseRequested.__name__, detail)
    told: dict[str, RenderableType | None] = {
        "asked for": Text.assemble((chosen, "bold"), f" of {_named(matter_id)}"),
        "by": f"{detail['requested_by']} (asserted)",
        "reason": reason,
        "sent": f"to {deployment.name}, event {event_id}",
        "follows": "a plan of what would be let go is made, hashed and announced",
        "then": f"another person: holdfast approve {matter} {chosen}",
    }
    return Answer({"release": detail, "sent": True, "event_id": event_id}, facts(told))


@command(app)
def approve(
    deployment: Deployment,
    terminal: Terminal,
    matter: MatterArgument,
    release_id: Annotated[str, typer.Argument(metavar="RELEASE", help="The release's id.")],
    *,
    by: By = None,
    plan_sha256: Annotated[
        str | None,
        typer.Option(metavar="HEX", help="The plan you approve; on a terminal you are asked instead."),
    ] = None,
) -> Answer:
    """Show what a release would let go, and approve that very plan by its SHA-256.

    Whoever asked cannot approve. Without --plan-sha256 and without a terminal the plan is shown, nothing is
    sent, and the exit code is 1.
    """
    with terminal.progress("Reading the plan"):
        record = _release(deployment, MatterId(matter), ReleaseId(release_id))
        plan = _plan(deployment, record)
    approver = by or getpass.getuser()
    _object(record, approver, plan_sha256, deployment.now())
    shown = _page(record, plan, deployment.now())
    document: dict[str, Any] = {
        "plan": plan,
        "plan_sha256": record.plan.sha256 if record.plan else None,
        "sent": False,
    }
    if plan_sha256 is None and terminal.is_interactive:
        terminal.err.print(shown)
        plan_sha256 = _asked(record)
    if plan_sha256 is None:
        asserted = f" --by {by}" if by else ""
        hint = (
            f"To approve it: holdfast approve {matter} {release_id}{asserted}"
            f" --plan-sha256 {document['plan_sha256']}"
        )
        return Answer(document, page(shown, Text(f"\n{hint}", style="dim")), Exit.NO)
    detail = {
        "release_id": release_id,
        **({} if record.matter_id == NOBODY else {"matter_id": matter}),
        "plan_sha256": plan_sha256,
        "approved_by": approver,
    }
    read_release_event({"detail-type": HoldReleaseApproved.__name__, "detail": detail}, HoldReleaseApproved)
    event_id = deployment.send("ApprovalBus", HoldReleaseApproved.__name__, detail)
    told: dict[str, RenderableType | None] = {
        "approved": Text.assemble(
            (release_id, "bold"), f" of {_named(record.matter_id)}, by {approver} (asserted)"
        ),
        "sent": f"to {deployment.name}, event {event_id}",
        "follows": "after the cool-off its claims end, and what no other matter claims is let go",
    }
    return Answer(document | {"sent": True, "event_id": event_id}, page(shown, Text(""), facts(told)))


def _next_id(deployment: Deployment, matter_id: MatterId) -> str:
    names = (f"REL-{number}" for number in count(1))
    return next(name for name in names if deployment.releases.find(matter_id, ReleaseId(name)) is None)


def _named(matter_id: MatterId) -> str:
    return "what nobody claims" if matter_id == NOBODY else f"matter {matter_id}"


def _release(deployment: Deployment, matter_id: MatterId, release_id: ReleaseId) -> ReleaseRecord:
    record = deployment.releases.find(matter_id, release_id)
    if record is None:
        raise NotKnown(
            f"there is no release {release_id} of {_named(matter_id)}",
            expected="a release that was asked for with holdfast release",
            advice="the announcement HoldReleasePlanned names matter and release",
        )
    if record.plan is None:
        if record.explanation:
            raise NotAccepted(f"release {release_id} was refused: {record.explanation}")
        raise CommandFailed(
            f"the plan of release {release_id} is not complete yet",
            Exit.TRY_AGAIN,
            found=f"a release that is {record.state}",
            advice="wait until it is announced, then try again",
        )
    return record


def _plan(deployment: Deployment, record: ReleaseRecord) -> dict[str, Any]:
    """Read the plan, and hold it against the hash in the ledger."""
    assert record.plan is not None  # noqa: S101 - the caller has looked
    content = b"".join(deployment.shelf.read(record.plan.key) or ())
    found = hashlib.sha256(content).hexdigest()
    if found != record.plan.sha256:
        raise NotAccepted(
            "the plan in the records bucket is not the one that was announced",
            expected=f"SHA-256 {record.plan.sha256} at {record.plan.key}",
            found=found if content else "no file",
            advice="approve nothing, and find out who changed it",
        )
    plan: dict[str, Any] = json.loads(content)
    return plan


def _object(record: ReleaseRecord, approver: str, plan_sha256: str | None, now: datetime) -> None:
    """Refuse what the stack would refuse, before it is sent."""
    assert record.plan is not None  # noqa: S101 - the caller has looked
    requested_by = json.loads(record.body)["requested_by"]
    standing = Standing(record.state, requested_by, record.plan.sha256, record.plan.approve_by)
    found = objections(
        standing,
        approved_by=approver,
        plan_sha256=plan_sha256 or record.plan.sha256,
        now=now,
    )
    if found:
        raise NotAccepted(
            f"release {record.release_id} cannot be approved by {approver}",
            found="\n".join(found),
            advice="--by names who approves; a release that is over is asked for anew",
        )


def _asked(record: ReleaseRecord) -> str:
    assert record.plan is not None  # noqa: S101 - the caller has looked
    sha256 = record.plan.sha256
    typed = typer.prompt(
        f"Type the first {_ASKED_OF_THE_HASH} characters of the plan's SHA-256 to approve it", err=True
    )
    if typed.strip().lower() != sha256[:_ASKED_OF_THE_HASH]:
        raise NotAccepted("that is not how the plan's SHA-256 begins; nothing was sent")
    return sha256


def _page(record: ReleaseRecord, plan: Mapping[str, Any], now: datetime) -> RenderableType:
    assert record.plan is not None  # noqa: S101 - the caller has looked
    counts = plan["counts"]
    left = record.plan.approve_by - now
    told: dict[str, RenderableType | None] = {
        "release": Text.assemble(
            (record.release_id, "bold"), f" of {_named(record.matter_id)}  ", state(record.state)
        ),
        "asked for": f"by {plan['requested_by']} (asserted), {moment(from_text(plan['requested_at']))}",
        "reason": plan["reason"],
        "approve by": f"{moment(record.plan.approve_by)} (in {duration(left)})",
        "conversations": f"{counts['conversations']:,}",
        "let go": Text(
            f"{counts['let_go']:,} conversations, {counts['versions']:,} object versions,"
            f" {size(counts['size_bytes'])}",
            style="bold",
        ),
        "stays": f"{counts['stays']:,} conversations, because other matters claim them too",
        "unattributed": f"{counts['unattributed']:,} objects whose keys name no conversation stay"
        if counts.get("unattributed")
        else None,
        "plan": record.plan.key,
        "SHA-256": Text(record.plan.sha256, style="bold"),
    }
    stays_for = table("stays for", "conversations", right=("conversations",))
    for other, conversations in sorted(plan["stays_for"].items()):
        stays_for.add_row(other, f"{conversations:,}")
    return page(facts(told), stays_for if plan["stays_for"] else None)
