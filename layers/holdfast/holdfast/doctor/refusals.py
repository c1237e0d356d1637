"""What to do about each error a workflow can end with.

A table of data: the error's class name, the layer that refused, and the remedy. The words reach the
execution's error and the announcement.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remedy:
    """Who refused, and what to do."""

    layer: str
    advice: str


UNKNOWN = Remedy("unknown", "read the failed function's log, and keep its request ids")

REMEDIES: Mapping[str, Remedy] = {
    "RequestRefused": Remedy("request_schema", "mend the named fields and send the event again"),
    "RequestIdConflict": Remedy("request_schema", "send the changed request under a new request id"),
    "StandingMatterConflict": Remedy(
        "request_schema",
        "compare with what is known of the matter, which the message tells, and send another event",
    ),
    "SettingsInvalid": Remedy("settings", "mend the named stack parameters and deploy again"),
    "PreflightBlocked": Remedy("preflight", "mend each finding, then send the same request again"),
    "CredentialsRefused": Remedy(
        "oauth_token",
        "put the OAuth client's id and secret into the Genesys secret, and check that it is enabled",
    ),
    "PermissionMissing": Remedy(
        "genesys_permission", "give the OAuth client a role with the named permissions in the right divisions"
    ),
    "SensitiveNotPermitted": Remedy(
        "genesys_permission",
        "give the OAuth client the named permission, then send the scope under a new request id",
    ),
    "PlatformRejected": Remedy(
        "request_schema", "look up the platform's code; the request itself was not accepted"
    ),
    "PlatformNotFound": Remedy(
        "not_found", "check that integration and conversations exist in this organisation"
    ),
    "PayloadTooLarge": Remedy("request_schema", "deploy with a smaller BatchSize"),
    "PlatformThrottled": Remedy(
        "rate_limit", "send the same request again later, or ask the vendor for a higher limit"
    ),
    "PlatformConflict": Remedy(
        "hold_conflict", "find out who else changes these conversations, then send again"
    ),
    "PlatformUnavailable": Remedy(
        "platform", "check the vendor's status page, then send the same request again"
    ),
    "PlatformAnswerLost": Remedy(
        "platform", "send the same request again; what took effect is found, not repeated"
    ),
    "TokenRefreshPending": Remedy("oauth_token", "check whether the token endpoint answers, then send again"),
    "UnknownPlatformState": Remedy("platform", "the vendor added a state; this program must learn it first"),
    "ScopeQueryFailed": Remedy("platform", "narrow the scope's interval, then send under a new request id"),
    "ConversationLifting": Remedy(
        "hold_conflict", "a release of the same conversations is under way; send again after"
    ),
    "LedgerContention": Remedy("ledger", "send the same request again"),
    "AwsRefused": Remedy(
        "aws", "read who was denied which action on what, and compare with the stack's template"
    ),
    "AwsUnavailable": Remedy("aws", "check the AWS Health Dashboard, then send the same request again"),
    "LedgerRuleBroken": Remedy(
        "ledger", "nothing was overwritten; this is a defect, report it with the error's text"
    ),
    "States.Timeout": Remedy("workflow", "a step took longer than it may; read its log"),
}


def remedy_for(error: str) -> Remedy:
    """Look up an error by its class name; what is not in the table is unknown, which is an honest answer."""
    return REMEDIES.get(error, UNKNOWN)
