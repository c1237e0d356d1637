"""The vendor's documents, as far as Holdfast reads and writes them (dialect `platform`).

What we read is lenient: unknown fields are ignored, absent ones have defaults, because the vendor adds fields
without notice. What we write is closed: an export request has no field in which a hold could travel.

Source: the vendor's official SDK, PureCloudPlatformClientV2 269.0.0, its `models` package.
"""

from datetime import datetime
from typing import Literal

from pydantic import AliasGenerator, BaseModel, ConfigDict, Field, RootModel
from pydantic.alias_generators import to_camel


class _Read(BaseModel):
    model_config = ConfigDict(
        extra="ignore",
        frozen=True,
        alias_generator=AliasGenerator(validation_alias=to_camel),
        populate_by_name=True,
    )


class _Write(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=AliasGenerator(serialization_alias=to_camel)
    )


class Predicate(_Write):
    """One condition of an analytics filter: a dimension matches a value."""

    type: Literal["dimension"] = "dimension"
    dimension: str
    operator: Literal["matches"] = "matches"
    value: str


class Filter(_Write):
    """Predicates joined by `type`; an analytics query joins its filters by AND."""

    type: Literal["and", "or"] = "or"
    predicates: list[Predicate]


class ConversationQuery(_Write):
    """AsyncConversationQuery: the same document selects for analytics and for an export job."""

    interval: str
    order: Literal["asc"] = "asc"
    order_by: Literal["conversationStart"] = "conversationStart"
    conversation_filters: list[Filter] = []
    segment_filters: list[Filter] = []


class ExportJobRequest(_Write):
    """RecordingJobsQuery for an export. The vendor's model has no hold flag, and neither has this one."""

    action: Literal["EXPORT"] = "EXPORT"
    action_date: str
    integration_id: str
    include_screen_recordings: bool
    include_recordings_with_sensitive_data: bool
    screen_recording_action_date: str | None = None
    conversation_query: ConversationQuery


class QuerySubmitted(_Read):
    """Answer to a new conversation-details job."""

    job_id: str


class QueryProgress(_Read):
    """State of a conversation-details job: QUEUED, PENDING, FULFILLED, FAILED, CANCELLED, EXPIRED."""

    state: str
    error_message: str | None = None


class SessionDocument(_Read):
    """One session of a participant."""

    media_type: str | None = None


class ParticipantDocument(_Read):
    """One participant; only the media of its sessions are read, never who it is."""

    sessions: list[SessionDocument] = []


class ConversationDocument(_Read):
    """One conversation of an analytics result."""

    conversation_id: str
    conversation_start: datetime
    conversation_end: datetime | None = None
    participants: list[ParticipantDocument] = []


class QueryPage(_Read):
    """One page of an analytics result."""

    conversations: list[ConversationDocument] = []
    cursor: str | None = None


class DataAvailability(_Read):
    """Until when conversations can be searched."""

    data_availability_date: datetime


class ExportJobDocument(_Read):
    """RecordingJob."""

    id: str
    state: str
    date_created: datetime | None = None
    total_recordings: int = 0
    total_skipped_recordings: int = 0
    total_failed_recordings: int = 0
    percent_progress: int | None = None
    error_message: str | None = None
    recording_jobs_query: dict[str, object] = Field(default_factory=dict)


class EntityReference(_Read):
    """A reference by id."""

    id: str


class ExportJobListing(_Read):
    """One page of the organisation's jobs."""

    entities: list[ExportJobDocument] = []
    page_count: int | None = None
    next_uri: str | None = None


class FailedRecordingDocument(_Read):
    """One recording that a job could not export; the vendor gives no reason."""

    conversation: EntityReference
    recording: EntityReference


class FailedRecordingListing(_Read):
    """One page of a job's failed recordings."""

    entities: list[FailedRecordingDocument] = []
    next_uri: str | None = None


class RecordingMetadata(_Read):
    """One recording of a conversation, without media."""

    id: str
    media: str | None = None
    file_state: str | None = None
    exported_date: datetime | None = None


class RecordingsOfConversation(RootModel[list[RecordingMetadata]]):
    """All recordings of a conversation."""


class RetentionDocument(_Read):
    """When the platform's retention does something to one recording."""

    conversation_id: str
    delete_date: datetime | None = None


class RetentionListing(_Read):
    """One page of the recordings to which retention does something soon; the cursor stands in `next_uri`."""

    entities: list[RetentionDocument] = []
    next_uri: str | None = None


class FailedProtection(_Read):
    """One conversation that could not be protected."""

    conversation: EntityReference
    error_code: str | None = None


class ProtectionResult(_Read):
    """ManageDeleteProtectionResult; older versions of the platform answer 204 without a body."""

    failed_updates: list[FailedProtection] = []


class ProtectedConversations(RootModel[list[EntityReference]]):
    """Those of the conversations asked about that are protected."""


class IntegrationState(_Read):
    """An integration's reported state: ACTIVE, ACTIVATING, INACTIVE, DEACTIVATING, ERROR."""

    code: str | None = None


class IntegrationDocument(_Read):
    """One integration."""

    id: str
    reported_state: IntegrationState = IntegrationState()


class IntegrationConfig(_Read):
    """What was entered into an integration; the names of the properties are not published."""

    properties: object = None


class TokenOrganization(_Read):
    """The organisation a token belongs to."""

    id: str | None = None


class TokenOwner(_Read):
    """Who a token speaks for."""

    organization: TokenOrganization = TokenOrganization()


class RolePolicy(_Read):
    """What a role may do with one kind of thing; `*` stands for every kind, or everything."""

    domain: str | None = None
    entity_name: str | None = None
    actions: list[str] | None = None


class SubjectRole(_Read):
    """A role, with its policies if they were asked for."""

    policies: list[RolePolicy] | None = None


class SubjectGrant(_Read):
    """A role given in one division."""

    role: SubjectRole | None = None


class SubjectDocument(_Read):
    """Roles and permissions of whoever asks."""

    grants: list[SubjectGrant] | None = None

    def may(self, permission: str) -> bool:
        """Tell whether some role has a permission, such as ``recording:job:add``."""
        domain, entity, action = permission.split(":")
        return any(
            policy.domain in {domain, "*"}
            and policy.entity_name in {entity, "*"}
            and {action, "*"} & set(policy.actions or ())
            for grant in self.grants or ()
            for policy in (grant.role.policies if grant.role else None) or ()
        )


class TokenGrant(BaseModel):
    """Answer of the token endpoint (snake case, as OAuth has it)."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    # Characters that a header can carry, and a lifetime that a clock can add.
    access_token: str = Field(repr=False, pattern=r"^[\x21-\x7e]+$")
    expires_in: int = Field(gt=0, le=100_000_000)


class ErrorDocument(_Read):
    """ErrorBody, as far as it helps to say who refused; never its free text."""

    code: str = ""
    message_params: dict[str, object] | None = None
    details: object = None
