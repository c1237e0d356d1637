"""`holdfast why`: who holds something, since when, by which request, and everything that happened to it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import typer
from rich.console import RenderableType
from rich.text import Text

from cli.command import command
from cli.connection import Deployment
from cli.exits import Exit
from cli.failures import NotKnown
from cli.pages import duration, facts, heading, indented, moment, page, size, state, table
from cli.progress import side_by_side
from cli.terminal import Answer, Terminal
from holdfast.domain.custody import EventType, ObjectVersion, Receipt
from holdfast.domain.evidence_key import EvidenceKey, Role
from holdfast.domain.ids import ConversationId, RecordingId, ReleaseId, is_uuid
from holdfast.domain.moments import from_text, to_text
from holdfast.domain.promise import Promise
from holdfast.domain.reconciliation import MEANINGS, Reason
from holdfast.domain.states import DisposalState, HoldState
from holdfast.ports import ClaimRecord, Dossier

_EXPECTED = "a key of the evidence bucket, or the id of a recording or of a conversation"
_DISPOSALS = {
    DisposalState.MARKED: "marked for disposal",
    DisposalState.DISPOSED: "disposed of",
}
_ROLES: Mapping[Role, str] = {
    Role.MANIFEST: "the manifest of an export job: it belongs to no conversation, and stays locked",
    Role.STRAY: "its key names no conversation: locked all the same, let go by no matter, and an exception",
    Role.CANARY: "a probe of Preflight's: locked like everything that arrives, and never counted",
}

app = typer.Typer()


@dataclass(frozen=True, slots=True)
class Version:
    """One version: its receipt, if it has one, and what S3 says of its lock."""

    version: ObjectVersion
    lock: str
    receipt: Receipt | None = None
    sha256: str | None = None

    @property
    def fault(self) -> str:
        """Say what is wrong with a version that is gone, or not locked."""
        if self.lock == "GONE":
            return "is gone from the bucket"
        if self.receipt is None:
            return "has no receipt and no lock: it just arrived, or its event was lost and the sweep finds it"
        return "is not locked, and should be"

    def document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        receipt = self.receipt
        return {
            "bucket": self.version.bucket,
            "key": self.version.key,
            "version_id": self.version.version_id,
            "size_bytes": self.version.size_bytes,
            "legal_hold": self.lock,
            "role": receipt.role if receipt else EvidenceKey.parse(self.version.key).role,
            "recording_id": receipt.recording_id if receipt else None,
            "medium": receipt.medium if receipt else None,
            "sha256": self.sha256,
            "arrived_at": receipt.arrived_at if receipt else None,
            "secured_at": receipt.secured_at if receipt else None,
            "omitted_tags": list(receipt.omitted_tags) if receipt else [],
        }


@dataclass(frozen=True, slots=True)
class Subject:
    """What was asked about; `kind` is conversation, recording or key."""

    kind: str
    name: str
    conversation_id: ConversationId | None
    recording_id: RecordingId | None = None
    key: str | None = None

    def concerns(self, version: ObjectVersion, recording_id: RecordingId | None) -> bool:
        """Tell whether a version is part of what was asked about."""
        if self.key is not None:
            return version.key == self.key
        return self.recording_id in (None, recording_id)


@dataclass(frozen=True, slots=True)
class Case:
    """All that is known of a subject. `elsewhere` counts the conversation's other versions."""

    subject: Subject
    dossier: Dossier | None
    versions: Sequence[Version]
    titles: Mapping[str, str] = field(default_factory=dict)
    elsewhere: int = 0

    @property
    def promise(self) -> Promise:
        """Give the promise over the locks; what no matter ever claimed has the empty one."""
        return self.dossier.promise if self.dossier else Promise()

    @property
    def faults(self) -> list[str]:
        """Name what contradicts the promise: a lock that is off, or a version that is gone."""
        may_be_off = self.promise.state in (HoldState.LIFTING, HoldState.LIFTED, HoldState.RELOCKING)
        marked = self._marked(DisposalState.MARKED)
        return [
            f"{one.version.key} {one.version.version_id}: {one.fault}"
            for one in self.versions
            if (one.lock == "GONE" and not (may_be_off and one.version in marked))
            or (one.lock == "OFF" and not may_be_off)
        ]

    def _marked(self, state: DisposalState) -> Mapping[ObjectVersion, ReleaseId]:
        marks = self.dossier.marks if self.dossier else ()
        return {one.version: one.release_id for one in marks if one.state is state}

    @property
    def disposal(self) -> str:
        """Say what disposal has come to, if anything is marked or disposed of."""
        concerned = {one.version for one in self.versions}
        told = [
            f"{len(versions)} {said} after release {', '.join(sorted(set(versions.values())))}"
            for state, said in _DISPOSALS.items()
            if (versions := {one: by for one, by in self._marked(state).items() if one in concerned})
        ]
        return "; ".join(told)

    @property
    def headline(self) -> str:
        """Say in one sentence why it is held, or that it is not."""
        claims = self.promise.active_claims
        matters = "one matter" if claims == 1 else f"{claims} matters"
        match self.promise.state:
            case HoldState.LIFTING:
                return "being released: its locks are taken off by the release that ended its last claim"
            case HoldState.LIFTED:
                return "released: no matter claims it, and its locks are off; late arrivals stay locked"
            case HoldState.RELOCKING:
                return f"claimed by {matters} after a release: not secured until every lock is read back"
        if claims:
            return f"held for {matters}"
        if self.subject.conversation_id is None:
            return _ROLES[EvidenceKey.parse(self.subject.name).role]
        return (
            "locked when it arrived, and claimed by no matter; only a release of unclaimed objects lets it go"
        )

    def events(self) -> list[dict[str, Any]]:
        """Give the custody events in their order."""
        entries = [json.loads(entry.canonical) for entry in self.dossier.entries] if self.dossier else []
        events = [entry for entry in entries if entry["kind"] == "event"]
        return sorted(events, key=lambda event: (event["at"], event["event_id"]))


@command(app)
def why(
    deployment: Deployment,
    terminal: Terminal,
    subject: Annotated[
        str,
        typer.Argument(
            metavar="KEY|RECORDING|CONVERSATION",
            help="A key of the evidence bucket, or the id of a recording or a conversation.",
        ),
    ],
) -> Answer:
    """Tell who holds something, since when, by which request, and what happened to it.

    The locks are read from S3, the rest from the ledger, strongly consistent. The exit code is 1 where a lock
    is off, or a version gone, against the promise.
    """
    asked = _subject(deployment, subject)
    with terminal.progress("Reading locks") as advance:
        case = _case(deployment, asked, advance)
    return Answer(_document(case), _page(case), Exit.NO if case.faults else Exit.DONE)


def _subject(deployment: Deployment, text: str) -> Subject:
    """Find out what is asked about."""
    name = text.strip().removeprefix(f"s3://{deployment.output('EvidenceBucket')}/")
    if not is_uuid(name.lower()):
        key = EvidenceKey.parse(name)
        return Subject("key", name, key.conversation_id, key.recording_id, key=name)
    conversation_id = ConversationId(name.lower())
    if _is_known(deployment.claims.dossier(conversation_id)):
        return Subject("conversation", conversation_id, conversation_id)
    recording_id = RecordingId(name.lower())
    found = deployment.receipts.conversation_of(recording_id)
    if found is None:
        raise NotKnown(
            f"nothing is known of {name}",
            expected=_EXPECTED,
            found="an id that no claim and no receipt names",
            advice="what arrived within the last moments is found by its key, or its conversation's id",
        )
    return Subject("recording", recording_id, found, recording_id)


def _is_known(dossier: Dossier) -> bool:
    return bool(dossier.claims or dossier.entries)


def _case(deployment: Deployment, subject: Subject, advance: Any) -> Case:
    dossier = deployment.claims.dossier(subject.conversation_id) if subject.conversation_id else None
    receipts = [*dossier.receipts, *dossier.disposed] if dossier else []
    concerned = [one for one in receipts if subject.concerns(one.version, one.recording_id)]
    without_receipt = _without_receipt(deployment, subject, concerned) if subject.key else []
    if not (concerned or without_receipt) and not (subject.key is None and dossier and _is_known(dossier)):
        raise NotKnown(
            f"nothing is known of {subject.name}",
            expected=_EXPECTED,
            found="a key of which the bucket has no version, and the ledger no receipt"
            if EvidenceKey.parse(subject.name).role is not Role.STRAY
            else "no id, and no key as the vendor writes them, of which the bucket has a version",
            advice="copy the key as S3 lists it, decoded; keys are case-sensitive",
        )
    digests = dict(_late_digests(dossier)) if dossier else {}
    disposed = dossier.disposed if dossier else ()

    def look(named: tuple[ObjectVersion, Receipt | None]) -> Version:
        version, receipt = named
        lock = "DISPOSED" if receipt in disposed else deployment.locks.of(version)
        advance()
        sha256 = receipt.sha256 if receipt else None
        return Version(version, lock, receipt, sha256 or digests.get((version.key, version.version_id)))

    named: list[tuple[ObjectVersion, Receipt | None]] = [(one.version, one) for one in concerned]
    named += [(version, None) for version in without_receipt]
    versions = side_by_side(look, named)
    claims = dossier.claims if dossier else ()
    matters = {claim.matter_id: deployment.requests.matter(claim.matter_id) for claim in claims}
    return Case(
        subject,
        dossier,
        sorted(versions, key=_by_key_and_arrival),
        {matter_id: matter.title for matter_id, matter in matters.items() if matter},
        elsewhere=len(receipts) - len(concerned),
    )


def _by_key_and_arrival(one: Version) -> tuple[str, bool, str]:
    """Order versions: those of one key by their arrival, what has no receipt last."""
    return one.version.key, one.receipt is None, to_text(one.receipt.arrived_at) if one.receipt else ""


def _without_receipt(
    deployment: Deployment, subject: Subject, receipts: Iterable[Receipt]
) -> list[ObjectVersion]:
    """List what the bucket has of a key and the ledger does not: on its way, lost, or of no conversation."""
    known = {receipt.version.version_id for receipt in receipts}
    found = deployment.locks.versions_of(subject.key or "")
    return [one.version for one in found if one.version.version_id not in known]


def _late_digests(dossier: Dossier) -> Iterator[tuple[tuple[str, str], str]]:
    """Give the digests that came after their receipts, by key and version."""
    for entry in dossier.entries:
        document = json.loads(entry.canonical)
        if document.get("type") == EventType.DIGEST_ADDED:
            details = document["details"]
            yield (details["key"], details["version_id"]), details["sha256"]


# --- as JSON
# ---------------------------------------------------------------------------------------------------


def _document(case: Case) -> dict[str, Any]:
    subject, dossier, promise = case.subject, case.dossier, case.promise
    return {
        "subject": {"kind": subject.kind, "name": subject.name},
        "conversation_id": subject.conversation_id,
        "recording_id": subject.recording_id,
        "why": case.headline,
        "hold": {"state": promise.state, "active_claims": promise.active_claims, "epoch": promise.epoch}
        if dossier and dossier.claims
        else None,
        "platform_holds": [
            {"matter_id": owner, "state": hold.state, "reason": hold.reason}
            for owner, hold in (dossier.platform_holds if dossier else {}).items()
        ],
        "claims": [_claim_document(claim, case.titles) for claim in _claims(case)],
        "versions": [one.document() for one in case.versions],
        "other_versions_of_the_conversation": case.elsewhere,
        "events": [
            {name: value for name, value in event.items() if name != "nonce"} for event in case.events()
        ],
        "disposal": case.disposal or None,
        "faults": case.faults,
    }


def _claims(case: Case) -> list[ClaimRecord]:
    """Give the claims, those that stand first, each in the order of their making."""
    claims = case.dossier.claims if case.dossier else ()
    return sorted(claims, key=lambda claim: (claim.ended_at is not None, claim.claimed_at))


def _claim_document(claim: ClaimRecord, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "matter_id": claim.matter_id,
        "title": titles.get(claim.matter_id),
        "request_id": claim.request_id,
        "batch_id": claim.batch_id,
        "claimed_at": claim.claimed_at,
        "ended_at": claim.ended_at,
        "release_id": claim.release_id,
        "ended_by": claim.ended_by,
    }


# --- as a page
# -------------------------------------------------------------------------------------------------


def _page(case: Case) -> RenderableType:
    subject = case.subject
    title = Text.assemble((f"{subject.kind.capitalize()} ", ""), (subject.name, "bold"))
    return page(
        title,
        Text(
            f"{case.headline[0].upper()}{case.headline[1:]}.",
            style="green" if case.promise.is_kept else "yellow",
        ),
        *(Text(f"✗ {fault}", style="bold red") for fault in case.faults),
        indented(facts(_holds(case))),
        *_claims_section(case),
        *_versions_section(case),
        *_history_section(case),
    )


def _holds(case: Case) -> Mapping[str, RenderableType | None]:
    subject, dossier = case.subject, case.dossier
    told: dict[str, RenderableType | None] = {
        "conversation": subject.conversation_id if subject.kind != "conversation" else None,
        "recording": subject.recording_id if subject.kind == "key" else None,
        "S3 locks": Text.assemble(
            state(case.promise.state), ("  lifted or locked again before" if case.promise.epoch else "")
        )
        if dossier and dossier.claims
        else None,
        "disposal": case.disposal or None,
    }
    for owner, hold in sorted((dossier.platform_holds if dossier else {}).items(), key=str):
        because = f"  {MEANINGS[Reason(hold.reason)]}" if hold.reason else ""
        told["platform" + (f" for {owner}" if owner else "")] = Text.assemble(state(hold.state), because)
    return told


def _claims_section(case: Case) -> Iterator[RenderableType]:
    if not _claims(case):
        return
    yield heading("Matters")
    shown = table("matter", "since", "request", "batch", "until", "title")
    for claim in _claims(case):
        ended = (
            f"{moment(claim.ended_at)}, release {claim.release_id} by {claim.ended_by}"
            if claim.ended_at
            else "–"
        )
        shown.add_row(
            Text(claim.matter_id, style="dim" if claim.ended_at else "bold"),
            moment(claim.claimed_at),
            claim.request_id,
            claim.batch_id,
            ended,
            case.titles.get(claim.matter_id, ""),
        )
    yield indented(shown)


def _versions_section(case: Case) -> Iterator[RenderableType]:
    yield heading("Object versions")
    if not case.versions:
        yield indented(Text("none has arrived yet", style="dim"))
    for one in case.versions:
        receipt, medium = one.receipt, one.receipt.medium if one.receipt else None
        line = Text.assemble(state(one.lock))
        line.append(f"  {EvidenceKey.parse(one.version.key).role}{f' ({medium})' if medium else ''}")
        line.append(f"  {size(one.version.size_bytes)}")
        if receipt:
            lag = duration(receipt.secured_at - receipt.arrived_at)
            line.append(f"  arrived {moment(receipt.arrived_at)}, secured {lag} later", style="dim")
        else:
            line.append("  no receipt of a conversation", style="yellow")
        # One line each, never folded: they are there to be copied.
        lines = {
            "key": one.version.key,
            "version": one.version.version_id,
            "SHA-256": one.sha256 or "not yet computed",
        }
        yield indented(line)
        for name, value in lines.items():
            yield Text.assemble(" " * 4, (f"{name:<9}", "dim"), value)
    if case.elsewhere:
        yield indented(Text(f"and {case.elsewhere} more of the conversation", style="dim"))


def _history_section(case: Case) -> Iterator[RenderableType]:
    events = case.events()
    if not events:
        return
    yield heading("What happened")
    shown = table("at", "event", "matter", "request", "details")
    for event in events:
        details = ", ".join(f"{name} {value}" for name, value in event.get("details", {}).items())
        shown.add_row(
            moment(from_text(event["at"])),
            str(event["type"]).replace("_", " "),
            event.get("matter_id", "all"),
            event.get("request_id", "–"),
            details,
        )
    yield indented(shown)
