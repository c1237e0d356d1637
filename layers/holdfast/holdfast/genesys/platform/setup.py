"""Whether the organisation is set up for Holdfast: client, organisation, permissions, integration."""

import re
from collections.abc import Iterator, Mapping, Sequence

from holdfast.contracts.genesys import IntegrationConfig, IntegrationDocument, SubjectDocument, TokenOwner
from holdfast.domain.ids import MatterId
from holdfast.errors import (
    CredentialsRefused,
    PermissionMissing,
    PlatformNotFound,
    PlatformRejected,
    SettingsInvalid,
)
from holdfast.genesys.transport import Answer, Transport
from holdfast.ports import Finding

# Calls that change nothing and need the permissions the run will need.
_PROBES = (
    ("analytics permission", "/api/v2/analytics/conversations/details/jobs/availability"),
    ("recording job permission", "/api/v2/recording/jobs?pageSize=1"),
)
# What the probes have shown, when none of them finds anything.
_PROBED = ("analytics:conversationDetail:view",)
# What only a change would show, or a conversation that exists: the client's own roles tell.
_NEEDED = (
    "recording:job:add",
    "recording:job:edit",
    "recording:recording:editRetention",
    "recording:screenRecording:editRetention",
    "recording:snippetRecording:editRetention",
    "recording:recording:view",
    "recording:deletionProtection:apply",
)
_SKEW_S = 60
_ROLE = re.compile(r"arn:[\w-]+:iam::\d{12}:role/.+")


class OrganizationSetup:
    """Implements `ports.PlatformSetup`."""

    probes: Sequence[tuple[str, str]] = _PROBES
    needed: Sequence[str] = _NEEDED

    def __init__(
        self,
        transport: Transport,
        *,
        organization_id: str,
        integration_id: str,
        bucket: str,
        writer_role_arn: str,
    ) -> None:
        self._transport = transport
        self._organization_id = organization_id
        self._integration_id = integration_id
        self._bucket = bucket
        self._writer_role_arn = writer_role_arn

    def findings(self, matter_id: MatterId) -> Sequence[Finding]:
        """Run every check; without a token there is nothing else to see."""
        try:
            me = self._transport.get("/api/v2/tokens/me")
        except (CredentialsRefused, SettingsInvalid) as refused:
            return [Finding("OAuth client", str(refused))]
        return [
            *self._clock(me),
            *self._organization(me.read(TokenOwner)),
            *self._of_dialect(me, matter_id),
            *(probed := list(self._probed())),
            *([] if probed else self._granted()),
            *self._integration(),
            *self._destination(),
        ]

    def _clock(self, me: Answer) -> Iterator[Finding]:
        if me.ahead_s is not None and abs(me.ahead_s) > _SKEW_S:
            said = f"the platform's clock and ours are {abs(me.ahead_s):.0f} s apart"
            yield Finding("clock", said, is_blocking=False)

    def _of_dialect(self, _me: Answer, _matter_id: MatterId) -> Iterator[Finding]:
        """Check what only this dialect needs."""
        yield from ()

    def _organization(self, owner: TokenOwner) -> Iterator[Finding]:
        if owner.organization.id and owner.organization.id.lower() != self._organization_id:
            yield Finding(
                "organisation",
                "the OAuth client belongs to another organisation than GenesysOrganizationId; "
                "its exports would be refused by the writer role's ExternalId",
            )

    def _granted(self) -> Iterator[Finding]:
        """Look for the permissions that no reading needs, in the client's own roles.

        What the roles should say, since the probes have shown it, tells whether they say everything.
        """
        path = "/api/v2/authorization/subjects/me"
        try:
            subject = self._transport.get(path, {"includeFullRoles": "true"}).read(SubjectDocument)
        except (PermissionMissing, PlatformRejected):
            subject = SubjectDocument()
        if not all(subject.may(permission) for permission in _PROBED):
            yield Finding(
                "permissions",
                "the platform does not say which permissions the OAuth client has; one that is missing for a"
                " change shows when it is made",
                is_blocking=False,
            )
        elif missing := [permission for permission in self.needed if not subject.may(permission)]:
            yield Finding("permissions", f"the OAuth client lacks {', '.join(missing)}")

    def _probed(self) -> Iterator[Finding]:
        for check, path in self.probes:
            try:
                self._transport.get(path)
            except PermissionMissing as refused:
                yield Finding(check, str(refused))

    def _integration(self) -> Iterator[Finding]:
        path = f"/api/v2/integrations/{self._integration_id}"
        try:
            code = self._transport.get(path).read(IntegrationDocument).reported_state.code
        except PlatformNotFound:
            yield Finding("integration", "GenesysIntegrationId names no integration of this organisation")
        except PermissionMissing as refused:
            yield Finding("integration permission", str(refused), is_blocking=False)
        else:
            if code != "ACTIVE":
                yield Finding("integration", "the S3 integration is not ACTIVE; activate it in Genesys Cloud")

    def _destination(self) -> Iterator[Finding]:
        """Look where the integration writes. Which property says so is not published: a role is known by its
        form, a bucket by the property's name.
        """
        path = f"/api/v2/integrations/{self._integration_id}/config/current"
        try:
            properties = self._transport.get(path).read(IntegrationConfig).properties
        except (PermissionMissing, PlatformRejected):
            return  # whether there is such an integration, and whether we may see it, was said before
        entered = properties if isinstance(properties, Mapping) else {}
        told = {str(name): value for name, value in entered.items() if isinstance(value, str) and value}
        if any(_ROLE.fullmatch(value) and value != self._writer_role_arn for value in told.values()):
            yield Finding(
                "integration target",
                "it seems to name another role than the stack's output GenesysWriterRoleArn",
                is_blocking=False,
            )
        if any("bucket" in name.lower() and self._bucket not in value for name, value in told.items()):
            yield Finding(
                "integration target",
                "it seems to name another bucket than the stack's output EvidenceBucket",
                is_blocking=False,
            )
