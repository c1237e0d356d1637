"""A scenario: one JSON file that says what the organisation holds, what is asked, and what goes wrong.

It also says what must come out. The format is described in docs/scenarios.md and checked against
local/scenarios/scenario.schema.json.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import jsonschema

from local.genesys.clock import parse_interval, parse_time
from local.genesys.ids import uuid_for

SCENARIOS = Path(__file__).resolve().parent.parent / "scenarios"
DEFAULT = SCENARIOS / "default.json"
SCHEMA = SCENARIOS / "scenario.schema.json"


class Medium(StrEnum):
    VOICE = "voice"
    CHAT = "chat"
    EMAIL = "email"
    MESSAGE = "message"
    CALLBACK = "callback"
    SCREEN = "screen"


class Fate(StrEnum):
    """What becomes of one recording on its way out."""

    NORMAL = "normal"
    FAIL = "fail"
    SKIP = "skip"
    NEVER_DELIVERED = "never_delivered"
    LATE = "late"
    ZERO_BYTE = "zero_byte"
    WITHOUT_SIDECAR = "without_sidecar"
    SIDECAR_ONLY = "sidecar_only"
    DUPLICATE_VERSION = "duplicate_version"
    EXOTIC_KEY = "exotic_key"
    DELETED = "deleted"
    UNLISTED = "unlisted"
    WITHOUT_PARTICIPANT_ID = "without_participant_id"


class ScenarioError(Exception):
    """The file is no scenario; the message names every fault: where, what was expected, what was found."""


@dataclass(frozen=True, slots=True)
class Group:
    name: str
    count: int
    medium: Medium
    custodians: tuple[str, ...]
    start: datetime
    end: datetime
    message_type: str | None = None
    provider: str | None = None
    custodians_per_conversation: int = 1
    queue: str | None = None
    direction: str = "inbound"
    duration_s: int = 300
    recordings: int = 1
    screen: bool = False
    sensitive: int = 0
    no_recording: int = 0
    already_protected: int = 0
    external_tag: str | None = None
    delete_date: datetime | None = None
    delete_after_s: float | None = None
    size_bytes: int = 2000
    screen_size_bytes: int = 2000


@dataclass(frozen=True, slots=True)
class Timing:
    query_s: float = 0.4
    pending_s: float = 1.0
    processing_s: float = 1.0
    delivery_delay_s: float = 0.5


@dataclass(frozen=True, slots=True)
class ComplianceRules:
    """How the compliance dialect behaves where the field reports differ."""

    stale_token_status: int = 401
    stale_after_share: float = 1.0
    hold_flags: Literal["refused", "dropped"] = "refused"
    max_body_bytes: int = 262_144
    sync_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Organization:
    id: str
    integration_id: str
    groups: tuple[Group, ...]
    region: str = "eu-central-1"
    integration_state: str = "ACTIVE"
    token_life_s: int = 86_400
    lacks: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rate_limit_per_minute: int = 300
    token_rate_limit_per_minute: int | None = None
    data_lag_h: float = 48.0
    data_available_until: datetime | None = None
    longest_query_h: float | None = None
    timing: Timing = Timing()
    max_concurrent_jobs: int = 2
    third_job_error: int = 429
    protection_response: int = 200
    protection_cap: int = 1000
    compliance: ComplianceRules = ComplianceRules()


@dataclass(frozen=True, slots=True)
class Event:
    """One event for the bus of its type; `detail` is sent as it stands, right or wrong."""

    detail: Any
    after_s: float = 0.0
    after_the_runs: bool = False
    source: str = "legal.discovery"
    detail_type: str = "DiscoveryRequested"
    repeat: int = 1

    @property
    def is_interference(self) -> bool:
        """Whether it is sent to no bus, but happens to the evidence."""
        return self.detail_type == "OutsideInterference"

    @property
    def is_standing(self) -> bool:
        """Whether it opens or closes a standing matter, and so starts no run by itself."""
        return self.detail_type.startswith("StandingMatter")

    @property
    def is_release(self) -> bool:
        """Whether it asks for a release."""
        return self.detail_type == "HoldReleaseRequested"

    @property
    def is_approval(self) -> bool:
        """Whether it approves one."""
        return self.detail_type == "HoldReleaseApproved"


@dataclass(frozen=True, slots=True)
class When:
    method: str | None = None
    path: str = "*"
    client: str | None = None
    nth: int | None = None
    from_nth: int = 1
    every: int = 1
    times: int | None = None


@dataclass(frozen=True, slots=True)
class Then:
    delay_s: float = 0.0
    revoke_token: bool = False
    drop: bool = False
    lose_answer: Literal["close", "504"] | None = None
    status: int | None = None
    code: str = ""
    message: str = ""
    message_params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    retry_after: float | Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class RequestFault:
    when: When
    then: Then


@dataclass(frozen=True, slots=True)
class RecordingFault:
    """Chooses recordings by group and medium, and gives each count of them a fate."""

    group: str | None
    medium: Medium | None
    fates: Mapping[Fate, int]
    poison: int = 0
    stray: int = 0
    late_s: float = 5.0
    recovers_after_jobs: int | None = None


@dataclass(frozen=True, slots=True)
class JobFault:
    outcome: Literal["failed", "stuck", "cancelled", "unknown_state"]
    at: Literal["PENDING", "PROCESSING"] = "PROCESSING"
    nth: int | None = None
    from_nth: int = 1
    times: int | None = None
    more_conversations_than: int | None = None
    error_message: str = "The job failed."
    state: str = "ARCHIVING"
    delivered_share: float = 0.0


@dataclass(frozen=True, slots=True)
class UploadFault:
    """The bucket refuses jobs of the compliance dialect that hold a medium (None: any)."""

    refusal: Literal["vpc", "method", "tenant"]
    medium: Medium | None = None
    during: Literal["metadata", "any_export"] = "metadata"
    bucket: str = "legal-archive"


@dataclass(frozen=True, slots=True)
class ManifestFault:
    outcome: Literal["v1", "without_participant_ids", "unreadable", "late", "never"]
    nth: int | None = None
    from_nth: int = 1
    times: int | None = None
    late_s: float = 5.0

    def strikes(self, number: int) -> bool:
        """Whether it meets the manifest of the n-th job."""
        if self.nth is not None:
            return number == self.nth
        return self.from_nth <= number and (self.times is None or number < self.from_nth + self.times)


@dataclass(frozen=True, slots=True)
class Scenario:
    name: str
    seed: int
    organization: Organization
    description: str = ""
    client: str = "full"
    parameters: Mapping[str, str] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    request_faults: tuple[RequestFault, ...] = ()
    recording_faults: tuple[RecordingFault, ...] = ()
    job_faults: tuple[JobFault, ...] = ()
    upload_faults: tuple[UploadFault, ...] = ()
    manifest_faults: tuple[ManifestFault, ...] = ()
    event_faults: Mapping[str, float] = field(default_factory=dict)  # injected by the world
    wiring_faults: tuple[str, ...] = ()  # by the world, too
    expect: Mapping[str, Any] = field(default_factory=dict)

    @property
    def interval(self) -> str:
        """`start/end` around every conversation of the organisation; a day of 2026 if it has none."""
        groups = self.organization.groups
        if not groups:
            return "2026-01-01T00:00:00Z/2026-01-02T00:00:00Z"
        ends = (min(group.start for group in groups), max(group.end for group in groups))
        return "/".join(end.strftime("%Y-%m-%dT%H:%M:%SZ") for end in ends)


def load_scenario(path: Path | str) -> Scenario:
    """Raises: ScenarioError, when the file cannot be read, is no JSON, or does not fit the format."""
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ScenarioError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ScenarioError(f"{path}: expected JSON: {error}") from error
    try:
        return parse_scenario(document)
    except ScenarioError as error:
        raise ScenarioError(f"{path}: is no scenario:\n{error}") from error


def parse_scenario(document: object) -> Scenario:
    """Raises: ScenarioError, naming every fault on a line of its own."""
    faults = [
        _schema_fault(error)
        for error in sorted(_validator().iter_errors(document), key=lambda error: list(map(str, error.path)))
    ]
    if not faults:
        faults = list(_contradictions(cast("Mapping[str, Any]", document)))
    if faults:
        raise ScenarioError("\n".join(f"  {fault}" for fault in faults))
    return _scenario(cast("Mapping[str, Any]", document))


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _schema_fault(error: jsonschema.ValidationError) -> str:
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    where = f"${place}"
    instance: Any = error.instance
    found = json.dumps(instance, ensure_ascii=False)
    found = found if len(found) <= 120 else found[:117] + "..."
    schema = error.schema if isinstance(error.schema, dict) else {}
    wanted: Any = error.validator_value
    match error.validator:
        case "additionalProperties":
            known = schema.get("properties", {})
            unknown = ", ".join(sorted(set(instance) - set(known)))
            return f"{where}: unknown key {unknown}; known are {', '.join(known)}"
        case "required":
            missing = ", ".join(sorted(set(wanted) - set(instance)))
            return f"{where}: missing {missing}"
        case "enum":
            return f"{where}: expected one of {', '.join(map(str, wanted))}, found {found}"
        case "pattern" | "anyOf":
            return f"{where}: expected {schema.get('description', error.validator_value)}, found {found}"
        case _:
            return f"{where}: expected {error.validator} {error.validator_value}, found {found}"


def _contradictions(document: Mapping[str, Any]) -> Iterator[str]:
    """What the schema cannot say."""
    organization = document["organization"]
    if "data_available_until" in organization:
        yield from _time_fault("$.organization.data_available_until", organization["data_available_until"])
    names = [group["name"] for group in organization["conversations"]]
    for number, group in enumerate(organization["conversations"]):
        where = f"$.organization.conversations[{number}]"
        if names.index(group["name"]) != number:
            yield f"{where}.name: expected a name of its own, found {group['name']!r} again"
        yield from _group_contradictions(where, group)
    for number, fault in enumerate(document.get("faults", {}).get("recordings", [])):
        if "group" in fault and fault["group"] not in names:
            where = f"$.faults.recordings[{number}].group"
            yield f"{where}: expected one of {', '.join(names)}, found {fault['group']!r}"


def _group_contradictions(where: str, group: Mapping[str, Any]) -> Iterator[str]:
    if ("message_type" in group) != (group["medium"] == "message"):
        yield f"{where}.message_type: expected it with medium message, and only there"
    try:
        parse_interval(group["interval"])
    except ValueError as error:
        yield f"{where}.interval: {error}"
    if "delete_date" in group and "delete_after_s" in group:
        yield f"{where}.delete_after_s: expected it or delete_date, found both"
    if "delete_date" in group:
        yield from _time_fault(f"{where}.delete_date", group["delete_date"])
    with_recording = group["count"] - group.get("no_recording", 0)
    bounds = {
        "no_recording": group["count"],
        "already_protected": max(0, with_recording),
        "sensitive": max(0, with_recording) * group.get("recordings", 1),
        "custodians_per_conversation": len(group["custodians"]),
    }
    for name, most in bounds.items():
        if group.get(name, 0) > most:
            yield f"{where}.{name}: expected at most {most}, found {group[name]}"


def _time_fault(where: str, text: str) -> Iterator[str]:
    try:
        parse_time(text)
    except ValueError as error:
        yield f"{where}: expected an RFC 3339 time, found {text!r} ({error})"


def _scenario(document: Mapping[str, Any]) -> Scenario:
    faults = document.get("faults", {})
    return Scenario(
        name=document["name"],
        seed=document["seed"],
        organization=_organization(document["seed"], document["organization"]),
        description=document.get("description", ""),
        client=document.get("client", "full"),
        parameters={name: str(value) for name, value in document.get("parameters", {}).items()},
        events=tuple(Event(**event) for event in document.get("events", [])),
        request_faults=tuple(
            RequestFault(When(**_renamed_from(rule["when"])), Then(**rule["then"]))
            for rule in faults.get("requests", [])
        ),
        recording_faults=tuple(_recording_fault(fault) for fault in faults.get("recordings", [])),
        job_faults=tuple(JobFault(**_renamed_from(fault)) for fault in faults.get("jobs", [])),
        upload_faults=tuple(_upload_fault(fault) for fault in faults.get("uploads", [])),
        manifest_faults=tuple(ManifestFault(**_renamed_from(fault)) for fault in faults.get("manifests", [])),
        event_faults=faults.get("events", {}),
        wiring_faults=tuple(faults.get("wiring", ())),
        expect=document.get("expect", {}),
    )


def _renamed_from(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"from_nth" if name == "from" else name: value for name, value in fields.items()}


def _organization(seed: int, fields: Mapping[str, Any]) -> Organization:
    rest = {
        name: value
        for name, value in fields.items()
        if name
        not in {
            "id",
            "integration_id",
            "clients",
            "timing",
            "compliance",
            "conversations",
            "data_available_until",
        }
    }
    clients = fields.get("clients", {})
    until = fields.get("data_available_until")
    return Organization(
        id=fields.get("id") or uuid_for(seed, "organization"),
        integration_id=fields.get("integration_id") or uuid_for(seed, "integration"),
        groups=tuple(_group(group) for group in fields["conversations"]),
        token_life_s=clients.get("token_life_s", 86_400),
        lacks={
            role: frozenset(clients[role]["lacks"])
            for role in ("full", "limited")
            if "lacks" in clients.get(role, {})
        },
        timing=Timing(**fields.get("timing", {})),
        compliance=ComplianceRules(**fields.get("compliance", {})),
        data_available_until=parse_time(until) if until else None,
        **rest,
    )


def _group(fields: Mapping[str, Any]) -> Group:
    start, end = parse_interval(fields["interval"])
    delete_date = fields.get("delete_date")
    rest = {name: value for name, value in fields.items() if name not in {"interval", "medium", "custodians"}}
    return Group(
        **rest
        | {
            "medium": Medium(fields["medium"]),
            "custodians": tuple(fields["custodians"]),
            "start": start,
            "end": end,
            "delete_date": parse_time(delete_date) if delete_date else None,
        }
    )


def _recording_fault(fields: Mapping[str, Any]) -> RecordingFault:
    return RecordingFault(
        group=fields.get("group"),
        medium=Medium(fields["medium"]) if "medium" in fields else None,
        fates={fate: fields[fate.value] for fate in Fate if fate.value in fields},
        **{
            name: fields[name]
            for name in ("poison", "stray", "late_s", "recovers_after_jobs")
            if name in fields
        },
    )


def _upload_fault(fields: Mapping[str, Any]) -> UploadFault:
    medium = {"medium": Medium(fields["medium"])} if "medium" in fields else {}
    return UploadFault(**dict(fields) | medium)


def unmet(expected: object, found: object, where: str = "$") -> list[str]:
    """Where `found` does not match: objects in part, lists element by element, everything else exactly."""
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return [f"{where}: expected an object, found {found!r}"]
        return [
            difference
            for name, value in expected.items()
            for difference in (
                unmet(value, found[name], f"{where}.{name}")
                if name in found
                else [f"{where}.{name}: expected {value!r}, found nothing"]
            )
        ]
    if isinstance(expected, list):
        if not isinstance(found, list) or len(found) != len(expected):
            return [f"{where}: expected {len(expected)} elements, found {found!r}"]
        return [
            difference
            for number, (one, other) in enumerate(zip(expected, found, strict=True))
            for difference in unmet(one, other, f"{where}[{number}]")
        ]
    # True == 1 in Python, not in JSON
    same = expected == found and isinstance(expected, bool) == isinstance(found, bool)
    return [] if same else [f"{where}: expected {expected!r}, found {found!r}"]
