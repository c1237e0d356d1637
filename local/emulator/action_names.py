"""The IAM actions of Lambda that the emulator takes for others, which a role then lacks."""

import re

from ministack.core import iam_actions

_ACTIONS = (
    (re.compile(r"/event-source-mappings/[^/]+/?$"), "GetEventSourceMapping"),
    (re.compile(r"/functions/[^/]+/concurrency/?$"), "GetFunctionConcurrency"),
)


def install() -> None:
    """Check reading one mapping, and a function's concurrency, as what they are."""
    of_lambda = iam_actions._lambda_action  # noqa: SLF001

    def named(method: str, path: str) -> str | None:
        found = (action for shape, action in _ACTIONS if shape.search(path) and method == "GET")
        action: str | None = next(found, None) or of_lambda(method, path)
        return action

    iam_actions._lambda_action = named  # noqa: SLF001
