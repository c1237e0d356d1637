"""Whether the organisation is set up for the compliance dialect: scopes, and a matter's reference."""

from collections.abc import Iterator

from holdfast.contracts.compliance import TokenScopes
from holdfast.domain.ids import MatterId
from holdfast.genesys.compliance.holds import reference_of
from holdfast.genesys.platform.setup import OrganizationSetup
from holdfast.genesys.transport import Answer
from holdfast.ports import Finding

REQUIRED_SCOPES = (
    "analytics:report:read",
    "interaction:metadata:write",
    "interaction:write",
    "recording:export",
    "recording:metadata:write",
    "recordings:export:read",
)


class ComplianceSetup(OrganizationSetup):
    """Implements `ports.PlatformSetup`."""

    probes = (("analytics permission", "/api/v2/analytics/conversations/details/jobs/availability"),)
    needed = ("recording:recording:view",)

    def _of_dialect(self, me: Answer, matter_id: MatterId) -> Iterator[Finding]:
        authorized = me.read(TokenScopes).authorized_scope
        if authorized is None:
            yield Finding("scopes", "the platform does not say which scopes the token has", is_blocking=False)
        elif missing := [scope for scope in REQUIRED_SCOPES if scope not in authorized]:
            yield Finding("scopes", f"the OAuth client lacks {', '.join(missing)}; add them to it")
        if reference_of(matter_id) is None:
            yield Finding(
                "matter id",
                "the Compliance API takes 3 to 64 capital letters, digits and hyphens, no hyphen first, as"
                " a hold's reference; send the request under a matter id that fits, in either case",
            )
