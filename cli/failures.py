"""The one way in which a command fails: a sentence, what was expected and found, what to do, an exit code."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cli.exits import Exit
from holdfast.doctor.explanation import Layer
from holdfast.errors import AwsRefused, HoldfastError, TransientError

# Who asks is not known, or not any more; what AWS says then names neither a person nor an action.
_CREDENTIALS: Mapping[str, str] = {
    "ExpiredToken": "log in to AWS again, then repeat the command",
    "ExpiredTokenException": "log in to AWS again, then repeat the command",
    "RequestExpired": "log in to AWS again; if that does not help, set this machine's clock",
    "InvalidClientTokenId": "log in to AWS again, or give --profile: these credentials are not known",
    "UnrecognizedClientException": "log in to AWS again, or give --profile: these credentials are not known",
    "InvalidAccessKeyId": "log in to AWS again, or give --profile: these credentials are not known",
    "SignatureDoesNotMatch": "check the secret of these credentials, and this machine's clock",
    "RequestTimeTooSkewed": "set this machine's clock: it is more than a few minutes off",
}
_DEBUG = "set HOLDFAST_TRACEBACK=1 to see where, and report it"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A failure as it is shown."""

    name: str
    message: str
    exit_code: Exit
    expected: str = ""
    found: str = ""
    advice: str = ""

    def document(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        told = {"expected": self.expected, "found": self.found, "advice": self.advice}
        return {
            "error": self.name,
            "message": self.message,
            "exit_code": int(self.exit_code),
            **{name: text for name, text in told.items() if text},
        }


class CommandFailed(Exception):
    """Raised by a command that cannot do what it was asked.

    Args:
        message: one sentence, without its full stop.
        exit_code: one of `cli.exits`.
        expected: what would have been right.
        found: what was there instead; never a secret.
        advice: what to do.
    """

    def __init__(
        self, message: str, exit_code: Exit, *, expected: str = "", found: str = "", advice: str = ""
    ) -> None:
        super().__init__(message)
        self.refusal = Refusal(type(self).__name__, message, exit_code, expected, found, advice)


class NotKnown(CommandFailed):
    """What was named is not in the ledger."""

    def __init__(self, message: str, **told: str) -> None:
        super().__init__(message, Exit.NOT_FOUND, **told)


class NotAccepted(CommandFailed):
    """What was given is invalid, or a rule forbids it."""

    def __init__(self, message: str, **told: str) -> None:
        super().__init__(message, Exit.REFUSED, **told)


class NotConnected(CommandFailed):
    """No deployed stack can be reached, or it denies access."""

    def __init__(self, message: str, **told: str) -> None:
        super().__init__(message, Exit.NOT_CONNECTED, **told)


def explain(failure: Exception) -> Refusal:
    """Say any failure in words for a person."""
    if isinstance(failure, CommandFailed):
        return failure.refusal
    if isinstance(failure, HoldfastError):
        return _of_the_program(failure)
    return _of_aws(failure) or Refusal(
        "Defect",
        f"{type(failure).__name__}: {failure}",
        Exit.DEFECT,
        advice=f"this is a defect; {_DEBUG}",
    )


def _of_the_program(failure: HoldfastError) -> Refusal:
    name = type(failure).__name__
    exit_code = (
        Exit.TRY_AGAIN
        if isinstance(failure, TransientError)
        else Exit.NOT_CONNECTED
        if isinstance(failure, AwsRefused)
        else Exit.REFUSED
    )
    # The rules are loaded where something failed, and not for every command.
    from holdfast.doctor.explain import explain_error

    told, faults = explain_error(name, str(failure)), getattr(failure, "faults", ())
    # The rules advise a function; here it is a person whose session has ended.
    login = next((advice for code, advice in _CREDENTIALS.items() if f": {code}: " in str(failure)), "")
    return Refusal(
        name,
        str(failure).partition(":")[0] if faults else str(failure),
        exit_code,
        found="\n".join(faults),
        advice=login or ("" if told.layer is Layer.UNKNOWN else told.advice),
    )


def _of_aws(failure: Exception) -> Refusal | None:
    """Read botocore's errors, if botocore is loaded at all: commands that need no AWS do not load it."""
    said = sys.modules.get("botocore.exceptions")
    if said is None:
        return None
    if isinstance(failure, said.ClientError):
        error = failure.response["Error"]
        code = error.get("Code", "unknown")
        status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        is_busy = status >= 500 or "Throttl" in code or code in {"SlowDown", "RequestLimitExceeded"}
        return Refusal(
            code,
            f"AWS refused {failure.operation_name}: {error.get('Message', code)}",
            Exit.TRY_AGAIN if is_busy else Exit.NOT_CONNECTED,
            advice="try again in a moment"
            if is_busy
            else _CREDENTIALS.get(
                code, "read who was denied which action on what; --profile chooses other credentials"
            ),
        )
    if isinstance(failure, said.EndpointConnectionError | said.HTTPClientError):
        return Refusal(
            type(failure).__name__,
            f"AWS did not answer: {failure}",
            Exit.TRY_AGAIN,
            advice="check the network and --region; an embedded world that ended is started with make up",
        )
    if isinstance(failure, said.BotoCoreError):
        return Refusal(
            type(failure).__name__,
            f"AWS cannot be reached: {failure}",
            Exit.NOT_CONNECTED,
            advice="give --region and --profile, or log in to AWS first",
        )
    return None
