"""The simulated organisation: its conversations and recordings, made from the scenario and the seed alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from local.genesys.ids import fraction_for, shuffled, uuid_for
from local.genesys.scenario import Fate, Group, Medium, RecordingFault, Scenario, ScenarioError

_PROVIDERS = {
    Medium.VOICE: "edge",
    Medium.CALLBACK: "edge",
    Medium.CHAT: "PureCloud Chat",
    Medium.EMAIL: "PureCloud Email",
    Medium.MESSAGE: "PureCloud Messaging",
}


@dataclass(frozen=True, slots=True)
class Recording:
    id: str
    conversation_id: str
    medium: Medium
    started_at: datetime
    ended_at: datetime
    session_id: str
    user_ids: tuple[str, ...]
    size_bytes: int
    sensitive: bool = False
    delete_date: datetime | None = None
    delete_after_s: float | None = None
    fate: Fate = Fate.NORMAL
    late_s: float = 0.0
    recovers_after_jobs: int | None = None

    @property
    def subtype(self) -> str | None:
        """The platform's mediaSubtype, where there is one."""
        if self.medium is Medium.SCREEN:
            return "Screen"
        return "Trunk" if self.medium in {Medium.VOICE, Medium.CALLBACK} else None


@dataclass(frozen=True, slots=True)
class Conversation:
    id: str
    group: str
    medium: Medium
    message_type: str | None
    provider: str
    direction: str
    queue_id: str
    user_ids: tuple[str, ...]
    external_tag: str | None
    started_at: datetime
    ended_at: datetime
    address_self: str
    address_other: str
    recordings: tuple[Recording, ...] = ()
    already_protected: bool = False
    poison: bool = False


@dataclass(frozen=True, slots=True)
class Organisation:
    """`stray_keys` are the parts after the organisation id of objects that belong to no recording."""

    conversations: Mapping[str, Conversation]
    stray_keys: tuple[str, ...]

    @property
    def recordings(self) -> Iterable[Recording]:
        return (recording for one in self.conversations.values() for recording in one.recordings)


def build(scenario: Scenario) -> Organisation:
    """Raises: ScenarioError, when a fault wants more recordings than there are."""
    conversations = [
        one for group in scenario.organization.groups for one in _conversations(scenario.seed, group)
    ]
    taken: dict[str, Recording] = {}
    poisoned: set[str] = set()
    strays = 0
    for number, fault in enumerate(scenario.recording_faults):
        in_group = [one for one in conversations if fault.group in {None, one.group}]
        taken |= _fated(scenario.seed, number, fault, in_group, taken)
        poisoned |= _poisoned(scenario.seed, number, fault, in_group)
        strays += fault.stray
    final = [
        replace(
            one,
            poison=one.id in poisoned,
            recordings=tuple(taken.get(recording.id, recording) for recording in one.recordings),
        )
        for one in conversations
    ]
    final.sort(key=lambda one: (one.started_at, one.id))
    return Organisation(
        {one.id: one for one in final},
        tuple(
            f"year=2026/month=3/day={number % 28 + 1}/hour=0/"
            f"conversation_id={uuid_for(scenario.seed, 'stray', number)}/"
            f"r\u00e9sum\u00e9 +{number} 100%=a&b.txt"
            for number in range(strays)
        ),
    )


def _conversations(seed: int, group: Group) -> list[Conversation]:
    ids = {number: uuid_for(seed, "conversation", group.name, number) for number in range(group.count)}
    order = shuffled(seed, "no recording", ((one, number) for number, one in ids.items()))
    silent = set(order[: group.no_recording])
    protected = set(order[group.no_recording :][: group.already_protected])
    spoken = [
        _recording_id(seed, one, part)
        for number, one in ids.items()
        if number not in silent
        for part in range(group.recordings)
    ]
    sensitive = set(shuffled(seed, "sensitive", ((one, one) for one in spoken))[: group.sensitive])
    made = []
    for number, one in ids.items():
        conversation = _conversation(seed, group, number, one)
        if number not in silent:
            recordings = tuple(_recordings(seed, group, conversation, sensitive))
            conversation = replace(conversation, recordings=recordings, already_protected=number in protected)
        made.append(conversation)
    return made


def _recording_id(seed: int, conversation_id: str, part: object) -> str:
    return uuid_for(seed, "recording", conversation_id, part)


def _conversation(seed: int, group: Group, number: int, one: str) -> Conversation:
    span_s = (group.end - group.start).total_seconds()
    slot_s = span_s / group.count
    duration_s = max(0.002, min(float(group.duration_s), slot_s * 0.9))
    offset_s = number * slot_s + fraction_for(seed, "start", one) * (slot_s - duration_s)
    started_at = group.start + timedelta(milliseconds=int(offset_s * 1000))
    ended_at = started_at + timedelta(milliseconds=int(duration_s * 1000))
    users = tuple(
        group.custodians[(number + turn) % len(group.custodians)]
        for turn in range(group.custodians_per_conversation)
    )
    phone = group.medium in {Medium.VOICE, Medium.CALLBACK} or group.message_type in {"sms", "whatsapp"}
    line = int(fraction_for(seed, "line", one) * 100)
    return Conversation(
        id=one,
        group=group.name,
        medium=group.medium,
        message_type=group.message_type,
        provider=group.provider or _PROVIDERS[group.medium],
        direction=group.direction,
        queue_id=group.queue or uuid_for(seed, "queue", group.name),
        user_ids=users,
        external_tag=group.external_tag,
        started_at=started_at,
        ended_at=ended_at,
        address_self="tel:+13175550100" if phone else "desk@example.com",
        address_other=f"tel:+131755501{line:02d}" if phone else f"customer-{one[:8]}@example.invalid",
    )


def _recordings(
    seed: int, group: Group, conversation: Conversation, sensitive: set[str]
) -> Iterable[Recording]:
    one, users = conversation.id, conversation.user_ids
    started_at, ended_at = conversation.started_at, conversation.ended_at
    length = (ended_at - started_at) / group.recordings
    for part in range(group.recordings):
        recording_id = _recording_id(seed, one, part)
        yield Recording(
            id=recording_id,
            conversation_id=one,
            medium=group.medium,
            started_at=started_at + part * length,
            ended_at=started_at + (part + 1) * length,
            session_id=uuid_for(seed, "session", one, "agent", users[0]),
            user_ids=users,
            size_bytes=group.size_bytes,
            sensitive=recording_id in sensitive,
            delete_date=group.delete_date,
            delete_after_s=group.delete_after_s,
        )
    if group.screen:
        yield Recording(
            id=_recording_id(seed, one, "screen"),
            conversation_id=one,
            medium=Medium.SCREEN,
            started_at=started_at,
            ended_at=ended_at,
            session_id=uuid_for(seed, "session", one, "screen"),
            user_ids=users[:1],
            size_bytes=group.screen_size_bytes,
            delete_date=group.delete_date,
            delete_after_s=group.delete_after_s,
        )


def _fated(
    seed: int,
    number: int,
    fault: RecordingFault,
    conversations: Iterable[Conversation],
    taken: Mapping[str, Recording],
) -> dict[str, Recording]:
    """The recordings with a fate, from those that neither another fault nor sensitivity has taken."""
    free = [
        recording
        for one in conversations
        for recording in one.recordings
        if fault.medium in {None, recording.medium} and not recording.sensitive and recording.id not in taken
    ]
    # not by number: a fault added before this one does not move what it strikes
    purpose = f"fault {fault.group} {fault.medium}"
    chosen = shuffled(seed, purpose, ((recording.id, recording) for recording in free))
    wanted = [fate for fate, count in fault.fates.items() for _ in range(count)]
    if len(wanted) > len(chosen):
        raise ScenarioError(
            f"$.faults.recordings[{number}]: expected at most {len(chosen)} recordings, found {len(wanted)}"
        )
    return {
        recording.id: replace(
            recording,
            fate=fate,
            late_s=fault.late_s if fate is Fate.LATE else 0.0,
            recovers_after_jobs=fault.recovers_after_jobs if fate is Fate.FAIL else None,
        )
        for recording, fate in zip(chosen, wanted, strict=False)
    }


def _poisoned(
    seed: int, number: int, fault: RecordingFault, conversations: Iterable[Conversation]
) -> set[str]:
    candidates = [one.id for one in conversations if one.recordings and fault.medium in {None, one.medium}]
    if fault.poison > len(candidates):
        raise ScenarioError(
            f"$.faults.recordings[{number}].poison: expected at most {len(candidates)}, found {fault.poison}"
        )
    return set(shuffled(seed, "poison", ((one, one) for one in candidates))[: fault.poison])
