"""Whether the organisation is set up for Holdfast: client, organisation, permissions, integration."""

from collections.abc import Iterator, Sequence

from holdfast.contracts.genesys import IntegrationDocument, TokenOwner
from holdfast.domain.ids import MatterId
from holdfast.errors import CredentialsRefused, PermissionMissing, PlatformNotFound, SettingsInvalid
from holdfast.genesys.transport import Answer, Transport
from holdfast.ports import Finding

# Calls that change nothing and need the permissions the run will need. What only a change would show
# (creating a job, protecting) cannot be seen from here; such a refusal names its permission when it comes.
_PROBES = (
    ("analytics permission", "/api/v2/analytics/conversations/details/jobs/availability"),
    ("recording job permission", "/api/v2/recording/jobs?pageSize=1"),
)


class OrganizationSetup:
    """Implements `ports.PlatformSetup`."""

    probes: Sequence[tuple[str, str]] = _PROBES

    def __init__(self, transport: Transport, *, organization_id: str, integration_id: str) -> None:
        self._transport = transport
        self._organization_id = organization_id
        self._integration_id = integration_id

    def findings(self, matter_id: MatterId) -> Sequence[Finding]:
        """Run every check; without a token there is nothing else to see."""
        try:
            me = self._transport.get("/api/v2/tokens/me")
        except (CredentialsRefused, SettingsInvalid) as refused:
            return [Finding("OAuth client", str(refused))]
        return [
            *self._organization(me.read(TokenOwner)),
            *self._of_dialect(me, matter_id),
            *self._permissions(),
            *self._integration(),
        ]

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

    def _permissions(self) -> Iterator[Finding]:
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
