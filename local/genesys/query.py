"""The analytics query language, as far as a selection of conversations needs it.

An interval matches conversations with activity in it. Filters of a list must all hold, the segment filters
for one and the same segment. A filter joins its clauses and predicates by its type.
Source: AsyncConversationQuery in the public API explorer of developer.genesys.cloud (read 2026-11-21).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time
from typing import Any

from local.genesys.clock import parse_interval
from local.genesys.errors import PlatformError, refused
from local.genesys.organisation import Conversation
from local.genesys.scenario import Medium

_FIELDS = frozenset(
    {
        "conversationFilters",
        "evaluationFilters",
        "interval",
        "limit",
        "order",
        "orderBy",
        "resolutionFilters",
        "segmentFilters",
        "startOfDayIntervalMatching",
        "surveyFilters",
    }
)
# One name per word: as lists they would be longer than the program.
_CONVERSATION = """
         accessAttribute conversationEnd conversationId conversationInitiator conversationStart
    customerParticipation     divisionId externalTag mediaStatsMinConversationMos
    originatingDirection originatingSocialMediaPublic
"""
_SEGMENT = """
         addressFrom addressTo agentAssistantId agentOwned ani authenticated bargedParticipantId
    callbackNumber     callbackScheduledTime canonicalExternalContactId cleared coachedParticipantId
    conference deliveryPushed     deliveryStatus destinationAddress destinationConversationId
    detectedSpeechEnd detectedSpeechStart direction     disconnectType dnis edgeId engagementSource
    errorCode exitReason extendedDeliveryStatus externalContactId     externalOrganizationId
    flaggedReason flowId flowName flowOutType flowOutcome flowOutcomeId flowOutcomeValue
    flowVersion groupId journeyActionId journeyActionMapId journeyCustomerId journeyCustomerIdType
    journeyCustomerSessionId mediaCount mediaType messageType monitoredParticipantId
    outboundCampaignId     outboundContactId outboundContactListId participantName protocolCallId
    provider purpose queueId recording     remote remoteNameDisplayable requestedLanguageId
    requestedRouting requestedRoutingSkillId scoredAgentId     screenMonitoredUserId screenRecording
    scriptId segmentEnd segmentType sessionDnis sipResponseCode     skillExpressionId
    snippetRecording subject teamId transferTargetAddress transferTargetName transferType
    usedRouting userId wrapUpCode wrapUpNote
"""
_MEDIA_TYPES = """
         callback chat cobrowse email internalmessage message screenmonitoring screenshare unknown
    video voice
"""
CONVERSATION_DIMENSIONS = frozenset(_CONVERSATION.split())
SEGMENT_DIMENSIONS = frozenset(_SEGMENT.split())
_DIRECTIONS = frozenset({"inbound", "outbound"})
_VALUES = {
    "mediaType": frozenset(_MEDIA_TYPES.split()),
    "direction": _DIRECTIONS,
    "originatingDirection": _DIRECTIONS,
}

type Dimensions = Mapping[str, str]
type Test = Callable[[Dimensions], bool]


@dataclass(frozen=True, slots=True)
class Query:
    start: datetime
    end: datetime
    conversation_tests: tuple[Test, ...]
    segment_tests: tuple[Test, ...]
    order_by: str
    descending: bool
    limit: int | None

    def select(self, conversations: Iterable[Conversation], available_until: datetime) -> list[Conversation]:
        """The conversations that match and that analytics knows of already, in the order asked for."""
        chosen = [one for one in conversations if one.ended_at <= available_until and self.matches(one)]
        by_end = self.order_by.endswith("End")
        chosen.sort(
            key=lambda one: (one.ended_at if by_end else one.started_at, one.id), reverse=self.descending
        )
        return chosen[: self.limit]

    def matches(self, one: Conversation) -> bool:
        if not (one.started_at < self.end and one.ended_at > self.start):
            return False
        if not all(test(conversation_dimensions(one)) for test in self.conversation_tests):
            return False
        return not self.segment_tests or any(
            all(test(segment) for test in self.segment_tests) for segment in segment_dimensions(one)
        )


def parse_query(body: object, where: str = "") -> Query:
    """Raises: PlatformError 400, naming the field."""
    if not isinstance(body, dict):
        raise refused(where or "body", "a query object", type(body).__name__, "bad.request")
    prefix = f"{where}." if where else ""
    if unknown := sorted(set(body) - _FIELDS):
        raise refused(
            f"{prefix}{unknown[0]}", f"one of {', '.join(sorted(_FIELDS))}", unknown[0], "invalid.property"
        )
    for name in ("evaluationFilters", "surveyFilters", "resolutionFilters"):
        if body.get(name):
            raise PlatformError(501, "The simulator evaluates no {field}", params={"field": name})
    try:
        start, end = parse_interval(str(body.get("interval", "")))
    except ValueError as error:
        raise refused(f"{prefix}interval", "an ISO-8601 interval", error, "invalid.date") from error
    if body.get("startOfDayIntervalMatching"):
        start = datetime.combine(start.date(), time(), start.tzinfo)
    order = _one_of(body, "order", ("asc", "desc", "unordered"))
    order_by = _one_of(
        body, "orderBy", ("conversationStart", "conversationEnd", "segmentStart", "segmentEnd")
    )
    limit = body.get("limit")
    if limit is not None and (not isinstance(limit, int) or limit < 1):
        raise refused(f"{prefix}limit", "a number from 1", limit)
    return Query(
        start,
        end,
        _filters(body, "conversationFilters", CONVERSATION_DIMENSIONS),
        _filters(body, "segmentFilters", SEGMENT_DIMENSIONS),
        order_by,
        order == "desc",
        limit,
    )


def _one_of(body: Mapping[str, Any], name: str, allowed: tuple[str, ...]) -> str:
    value = body.get(name, allowed[0])
    if value not in allowed:
        raise refused(name, f"one of {', '.join(allowed)}", value)
    return str(value)


def _filters(body: Mapping[str, Any], name: str, dimensions: frozenset[str]) -> tuple[Test, ...]:
    return tuple(
        _group(entry, f"{name}[{number}]", dimensions, clauses=True)
        for number, entry in enumerate(_list(body, name, name))
    )


def _list(body: Mapping[str, Any], name: str, where: str) -> list[Any]:
    entries = body.get(name) or []
    if not isinstance(entries, list):
        raise refused(where, "a list", type(entries).__name__)
    return entries


def _group(entry: object, where: str, dimensions: frozenset[str], *, clauses: bool) -> Test:
    """A filter, or (without clauses of its own) a clause."""
    if not isinstance(entry, dict):
        raise refused(where, "an object", type(entry).__name__)
    allowed = {"type", "predicates"} | ({"clauses"} if clauses else set())
    if unknown := sorted(set(entry) - allowed):
        raise refused(
            f"{where}.{unknown[0]}", f"one of {', '.join(sorted(allowed))}", unknown[0], "invalid.property"
        )
    if entry.get("type") not in {"and", "or"}:
        raise refused(f"{where}.type", "and or or", entry.get("type"))
    tests = [
        _group(clause, f"{where}.clauses[{number}]", dimensions, clauses=False)
        for number, clause in enumerate(_list(entry, "clauses", f"{where}.clauses") if clauses else [])
    ]
    alternatives: dict[str, set[str]] = {}
    for number, predicate in enumerate(_list(entry, "predicates", f"{where}.predicates")):
        test = _predicate(predicate, f"{where}.predicates[{number}]", dimensions)
        if isinstance(test, _Equals) and entry["type"] == "or":
            # a hundred conversation ids are one look-up, not a hundred comparisons
            alternatives.setdefault(test.dimension, set()).add(test.value)
        else:
            tests.append(test)
    tests += [_OneOf(dimension, frozenset(values)) for dimension, values in alternatives.items()]
    if not tests:
        raise refused(where, "predicates or clauses", "none", "constraint.validation")
    join = all if entry["type"] == "and" else any
    return lambda values: join(test(values) for test in tests)


@dataclass(frozen=True, slots=True)
class _Equals:
    dimension: str
    value: str

    def __call__(self, values: Dimensions) -> bool:
        return values.get(self.dimension, "").casefold() == self.value


@dataclass(frozen=True, slots=True)
class _OneOf:
    dimension: str
    folded: frozenset[str]

    def __call__(self, values: Dimensions) -> bool:
        return values.get(self.dimension, "").casefold() in self.folded


def _predicate(entry: object, where: str, dimensions: frozenset[str]) -> Test:
    if not isinstance(entry, dict):
        raise refused(where, "an object", type(entry).__name__)
    kind = entry.get("type", "dimension")
    if kind == "metric":
        raise PlatformError(501, "The simulator evaluates no metrics: {field}", params={"field": where})
    if kind not in {"dimension", "property"}:
        raise refused(f"{where}.type", "dimension, property or metric", kind)
    operator = entry.get("operator", "matches")
    if operator not in {"matches", "exists", "notExists"}:
        raise refused(f"{where}.operator", "matches, exists or notExists", operator)
    if kind == "property":
        # the simulated flows set no attributes
        return lambda _: operator == "notExists"
    dimension = entry.get("dimension")
    if dimension not in dimensions:
        raise refused(f"{where}.dimension", "a known dimension", dimension)
    if operator != "matches":
        return lambda values: (dimension in values) == (operator == "exists")
    value = entry.get("value")
    if not isinstance(value, str) or not value:
        raise refused(f"{where}.value", "a value to match", value)
    folded = value.casefold()
    if dimension in _VALUES and folded not in _VALUES[dimension]:
        raise refused(f"{where}.value", f"one of {', '.join(sorted(_VALUES[dimension]))}", value)
    return _Equals(dimension, folded)


def conversation_dimensions(one: Conversation) -> Dimensions:
    values = {
        "conversationId": one.id,
        "originatingDirection": one.direction,
        "conversationInitiator": one.direction,
        "customerParticipation": "true",
    }
    return values | ({"externalTag": one.external_tag} if one.external_tag else {})


def segment_dimensions(one: Conversation) -> list[Dimensions]:
    """One segment of the customer, one of the queue, one of each agent."""
    session = {
        "mediaType": one.medium.value,
        "direction": one.direction,
        "provider": one.provider,
        "remote": one.address_other,
    }
    if one.message_type:
        session["messageType"] = one.message_type
    if one.address_self.startswith("tel:"):
        inbound = one.direction == "inbound"
        session["ani"], session["dnis"] = (
            (one.address_other, one.address_self) if inbound else (one.address_self, one.address_other)
        )
    spoken = any(recording.medium is not Medium.SCREEN for recording in one.recordings)
    screened = any(recording.medium is Medium.SCREEN for recording in one.recordings)
    if spoken:
        session["recording"] = "true"
    agent = {"purpose": "agent", "segmentType": "interact", "queueId": one.queue_id}
    if screened:
        agent["screenRecording"] = "true"
    return [
        session | {"purpose": "customer", "segmentType": "interact"},
        session | {"purpose": "acd", "segmentType": "interact", "queueId": one.queue_id},
        *(session | agent | {"userId": user_id} for user_id in one.user_ids),
    ]
