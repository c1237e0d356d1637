"""What Preflight looks for: one entry per check, with the layer it is about and what mends it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.doctor.explanation import Layer, Origin
from holdfast.ports import Finding

_DEPLOY = "it was changed outside the stack, so deploy the stack again"


@dataclass(frozen=True, slots=True)
class Check:
    """A check: `needs` names the check without whose success it cannot be made."""

    layer: Layer | Origin
    remedy: str
    needs: str = ""


CHECKS: Mapping[str, Check] = {
    "settings": Check(Origin.SETTINGS, "mend the named stack parameters, or the secret, and deploy again"),
    "OAuth client": Check(
        Layer.OAUTH_TOKEN,
        "put the OAuth client's id and secret into the Genesys secret, and check that it is enabled",
    ),
    "organisation": Check(
        Layer.TENANT_MISMATCH,
        "use an OAuth client of the organisation that GenesysOrganizationId names",
        "OAuth client",
    ),
    "scopes": Check(Layer.GENESYS_PERMISSION, "give the OAuth client the named scopes", "OAuth client"),
    "matter id": Check(
        Layer.REQUEST_SCHEMA, "send the request under a matter id that fits, in either case", "OAuth client"
    ),
    "analytics permission": Check(
        Layer.GENESYS_PERMISSION, "give the OAuth client's role the named permission", "OAuth client"
    ),
    "recording job permission": Check(
        Layer.GENESYS_PERMISSION, "give the OAuth client's role the named permission", "OAuth client"
    ),
    "permissions": Check(
        Layer.GENESYS_PERMISSION,
        "give the OAuth client a role with the named permissions, in every division in scope",
        "OAuth client",
    ),
    "clock": Check(Origin.PLATFORM, "wait; if it stays, ask the vendor's support, or AWS's", "OAuth client"),
    "integration permission": Check(
        Layer.GENESYS_PERMISSION, "give the OAuth client's role integrations:integration:view", "OAuth client"
    ),
    "integration": Check(
        Layer.INTEGRATION_ROLE,
        "activate the integration in Genesys Cloud, or deploy with its id as GenesysIntegrationId",
        "OAuth client",
    ),
    "integration target": Check(
        Layer.INTEGRATION_ROLE,
        "enter the stack's outputs EvidenceBucket and GenesysWriterRoleArn into the integration",
        "OAuth client",
    ),
    "object lock": Check(Layer.OBJECT_LOCK, _DEPLOY),
    "default retention": Check(Layer.OBJECT_LOCK, "take the default retention off the evidence bucket"),
    "versioning": Check(Layer.OBJECT_LOCK, _DEPLOY),
    "encryption": Check(Layer.KMS, _DEPLOY),
    "key": Check(Layer.KMS, "enable the key again, or cancel its deletion"),
    "key policy": Check(Layer.KMS, _DEPLOY),
    "bucket policy": Check(
        Layer.BUCKET_POLICY,
        "take the named statement out of the evidence bucket's policy, or except the vendor's role from it:"
        " the vendor writes from outside of your networks. The template's own statements stay",
    ),
    "writer role": Check(Layer.INTEGRATION_ROLE, _DEPLOY),
    "writer role trust": Check(Layer.INTEGRATION_ROLE, _DEPLOY),
    "arrival wiring": Check(Origin.ARRIVAL_PATH, _DEPLOY),
    "arrival queue": Check(Origin.ARRIVAL_PATH, _DEPLOY),
    "arrival mapping": Check(Origin.ARRIVAL_PATH, _DEPLOY),
    "arrival function": Check(Origin.ARRIVAL_PATH, _DEPLOY),
    "arrival role": Check(Layer.IAM_IDENTITY, _DEPLOY),
    "canary": Check(
        Origin.ARRIVAL_PATH,
        "read the log of SecureObjects and the parked messages, mend what they name, then send again",
        "arrival wiring",
    ),
}


def told(findings: Sequence[Finding]) -> str:
    """Say findings with their layers, then what mends which."""
    found: list[str] = []
    mends: dict[str, list[str]] = {}
    for number, finding in enumerate(findings, 1):
        check = CHECKS[finding.check]
        found.append(f"({number}) {finding.check} [layer: {check.layer}]: {finding.message}.")
        mends.setdefault(check.remedy, []).append(str(number))
    remedies = "; ".join(f"({', '.join(numbers)}) {remedy}" for remedy, numbers in mends.items())
    return f"{' '.join(found)} What to do: {remedies}"
