"""How a scope is asked for: the same document selects for analytics and for an export job."""

from collections.abc import Iterable

from holdfast.contracts.genesys import ConversationQuery, Filter, Predicate
from holdfast.domain.ids import ConversationId
from holdfast.domain.scope import Scope


def scope_query(scope: Scope) -> ConversationQuery:
    """Write a scope: its restrictions are joined by AND, the values of one restriction by OR."""
    return ConversationQuery(
        interval=str(scope.interval),
        conversation_filters=[
            *_any_of("conversationId", scope.conversation_ids),
            *_any_of("externalTag", [scope.external_tag] if scope.external_tag else []),
        ],
        segment_filters=[
            *_any_of("userId", scope.custodians),
            *_any_of("queueId", scope.queues),
            *_any_of("mediaType", scope.media_types),
        ],
    )


def conversations_query(conversation_ids: Iterable[ConversationId], scope: Scope) -> ConversationQuery:
    """Write a query for exactly these conversations, within the scope's interval."""
    return ConversationQuery(
        interval=str(scope.interval), conversation_filters=_any_of("conversationId", conversation_ids)
    )


def _any_of(dimension: str, values: Iterable[str]) -> list[Filter]:
    predicates = [Predicate(dimension=dimension, value=str(value)) for value in values]
    return [Filter(predicates=predicates)] if predicates else []
