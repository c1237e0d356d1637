"""Every error Holdfast raises on purpose.

Class names are part of the workflows' API: `ErrorEquals` names them, so a rename is a breaking change.

    HoldfastError
    ├── TransientError               the workflow repeats the step, with growing pauses
    │   ├── PlatformUnavailable      no answer, or 408, 5xx
    │   │   └── PlatformAnswerLost   the request may have taken effect: read back before repeating
    │   ├── PlatformThrottled        429; carries `retry_after_s`
    │   ├── PlatformConflict         409
    │   ├── TokenRefreshPending      another function is fetching the token
    │   ├── AwsUnavailable           an AWS service throttled us or did not answer
    │   ├── ConversationLifting      the last other claim is being released right now
    │   └── LedgerContention         a conditional write lost against a neighbour too often
    ├── RefusedError                 somebody must change something; repeating is useless
    │   ├── SettingsInvalid          what was deployed cannot work
    │   ├── RequestRefused           the discovery request names faults by field
    │   ├── RequestIdConflict        a known request id came with another body
    │   ├── MatterReleasing          its claims are being ended; requests wait for the end of that
    │   ├── ReleasePlanChanged       a plan is not what was approved
    │   ├── StandingMatterConflict   an opening or closing does not fit the standing matter that is known
    │   ├── PreflightBlocked         something is missing before anything moves
    │   ├── CredentialsRefused       the platform does not know the client, or rejects a fresh token
    │   ├── PermissionMissing        the client lacks a permission; carries their names
    │   │   └── SensitiveNotPermitted    it may not export recordings with sensitive content
    │   ├── PlatformRejected         any other 4xx; carries status and code
    │   │   ├── PlatformNotFound     404
    │   │   ├── TooManyJobs          the organisation's job slots are taken
    │   │   └── PayloadTooLarge      413
    │   ├── AwsRefused               an AWS service said no: its operation, code and words
    │   ├── ObjectUnreadable         S3 keeps an object's bytes to itself: archived, or its key denied
    │   ├── UnknownPlatformState     the platform said a word this program does not know
    │   └── ScopeQueryFailed         the platform gave up on selecting the scope
    └── LedgerRuleBroken             a state would have moved backwards: a defect, never retried

Messages say what was expected, what was found and what to do. They carry ids, never secrets or payloads.
"""

from collections.abc import Sequence


class HoldfastError(Exception):
    """Base of everything raised on purpose."""


class TransientError(HoldfastError):
    """May succeed when repeated; the workflow owns the repetition."""


class PlatformUnavailable(TransientError):
    """The platform did not answer, or answered 408 or 5xx."""


class PlatformAnswerLost(PlatformUnavailable):
    """A request that is not idempotent was sent and no answer came: it may have taken effect."""


class PlatformThrottled(TransientError):
    """The platform asked for patience.

    Args:
        message: what was being asked.
        retry_after_s: seconds to wait before the next call.
    """

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class PlatformConflict(TransientError):
    """409: somebody else is changing the same thing."""


class TokenRefreshPending(TransientError):
    """Another function holds the lease to fetch the next token."""


class AwsUnavailable(TransientError):
    """An AWS service throttled us or did not answer, after botocore's own retries."""


class ConversationLifting(TransientError):
    """The conversation's lock is being lifted; a new claim must wait for the end of that."""


class LedgerContention(TransientError):
    """A conditional write was overtaken too many times in a row."""


class RefusedError(HoldfastError):
    """Repeating is useless until somebody changes something."""


class SettingsInvalid(RefusedError):
    """Deployed settings are missing or malformed; the message lists all of them at once."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("settings: " + "; ".join(faults))
        self.faults = tuple(faults)


class RequestRefused(RefusedError):
    """A discovery request is invalid; the message names every fault by field, never by value."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("discovery request refused: " + "; ".join(faults))
        self.faults = tuple(faults)


class RequestIdConflict(RefusedError):
    """The request id is known, with a different body."""


class MatterReleasing(RefusedError):
    """The matter is being released: what was asked for would be let go in the same breath."""


class ReleasePlanChanged(RefusedError):
    """A release's plan, or a part of it, is missing or is not the one whose hash was approved."""


class StandingMatterConflict(RefusedError):
    """An opening or closing does not fit what is known of the standing matter."""


class PreflightBlocked(RefusedError):
    """Preflight found something that would stop the run half-way; the message lists every finding."""


class CredentialsRefused(RefusedError):
    """The platform rejects the OAuth client, or a token it has just issued."""


class PermissionMissing(RefusedError):
    """The OAuth client's roles lack something.

    Args:
        message: which call was refused.
        permissions: the names the platform gave, for example ``("recording:job:add",)``.
    """

    def __init__(self, message: str, *, permissions: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.permissions = tuple(permissions)


class SensitiveNotPermitted(PermissionMissing):
    """The client may export recordings, but not those with sensitive content, which were asked for."""


class PlatformRejected(RefusedError):
    """The platform understood the request and rejects it (a 4xx not named elsewhere).

    Args:
        message: which call was rejected, and the platform's code.
        status: the HTTP status.
        code: the vendor's error code, for example ``"bad.request"``.
    """

    def __init__(self, message: str, *, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class PlatformNotFound(PlatformRejected):
    """404."""


class TooManyJobs(PlatformRejected):
    """The organisation already has its maximum of export jobs under way."""


class PayloadTooLarge(PlatformRejected):
    """413: the request body is over the platform's limit."""


class AwsRefused(RefusedError):
    """An AWS service refused an operation; its own words name role, action and resource."""


class ObjectUnreadable(RefusedError):
    """S3 does not give the bytes of an object that is there; the message says what to do."""


class UnknownPlatformState(RefusedError):
    """The platform reported a state this program does not know; guessing could lose recordings."""


class ScopeQueryFailed(RefusedError):
    """The platform ended the query that selects conversations without a result."""


class LedgerRuleBroken(HoldfastError):
    """A write would have moved a state backwards or overwritten an immutable item."""
