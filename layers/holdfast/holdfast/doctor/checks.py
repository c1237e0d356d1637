"""What Preflight looks for: one entry per check, with the layer it is about and what mends it."""

from collections.abc import Mapping
from dataclasses import dataclass

from holdfast.ports import Finding

_DEPLOY = "it was changed outside the stack; deploy the stack again"


@dataclass(frozen=True, slots=True)
class Check:
    """A check: `needs` names the check without whose success it cannot be made."""

    layer: str
    remedy: str
    needs: str = ""


CHECKS: Mapping[str, Check] = {
    "settings": Check("settings", "mend the named stack parameters, or the secret, and deploy again"),
    "OAuth client": Check(
        "oauth_token",
        "put the OAuth client's id and secret into the Genesys secret, and check that it is enabled",
    ),
    "organisation": Check(
        "tenant_mismatch",
        "use an OAuth client of the organisation that GenesysOrganizationId names",
        "OAuth client",
    ),
    "scopes": Check("genesys_permission", "give the OAuth client the named scopes", "OAuth client"),
    "matter id": Check(
        "request_schema", "send the request under a matter id that fits, in either case", "OAuth client"
    ),
    "analytics permission": Check(
        "genesys_permission", "give the OAuth client's role the named permission", "OAuth client"
    ),
    "recording job permission": Check(
        "genesys_permission", "give the OAuth client's role the named permission", "OAuth client"
    ),
    "integration permission": Check(
        "genesys_permission", "give the OAuth client's role integrations:integration:view", "OAuth client"
    ),
    "integration": Check(
        "integration_role",
        "activate the integration in Genesys Cloud, or deploy with its id as GenesysIntegrationId",
        "OAuth client",
    ),
    "object lock": Check("object_lock", _DEPLOY),
    "versioning": Check("object_lock", _DEPLOY),
    "arrival wiring": Check("arrival_path", _DEPLOY),
    "canary": Check(
        "arrival_path",
        "read the log of SecureObjects and the parked messages, mend what they name, then send again",
        "arrival wiring",
    ),
}


def told(finding: Finding) -> str:
    """Say a finding with its layer and its remedy, in one sentence."""
    check = CHECKS[finding.check]
    return f"{finding.check} [layer: {check.layer}]: {finding.message}. What to do: {check.remedy}"
