"""Makes a function a command: the options all share, one way to answer, one way to fail."""

import inspect
import os
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

from cli.exits import Exit
from cli.failures import NotConnected, explain
from cli.terminal import Answer, Terminal

type Action = Callable[..., Answer]
"""Answers. A parameter `terminal` is given the `Terminal`, a parameter `deployment` the stack to work on; all
others are the command's own arguments and options. With the default None, the command also works without one.
"""
type Connect = Callable[[str | None, str | None, str | None], Any]
"""Reaches a stack by name, region and profile; all may be None."""

_PANEL = "Which stack"
_JSON = ("json", bool, typer.Option("--json", help="Answer in JSON on the standard output."), False)
_CONNECTION = (
    (
        "stack",
        str | None,
        typer.Option(
            envvar="HOLDFAST_STACK", rich_help_panel=_PANEL,
            help="A deployed stack; left out, the embedded world that make up left running.",
        ),
        None,
    ),
    (
        "region",
        str | None,
        typer.Option(rich_help_panel=_PANEL, help="Its AWS region; left out, the profile's."),
        None,
    ),
    (
        "profile",
        str | None,
        typer.Option(rich_help_panel=_PANEL, help="The AWS profile to use."),
        None,
    ),
)  # fmt: skip


def command(app: typer.Typer, name: str | None = None) -> Callable[[Action], Action]:
    """Register a function with a Typer application."""

    def register(action: Action) -> Action:
        app.command(name)(_runnable(action))
        return action

    return register


def _runnable(action: Action) -> Callable[..., None]:
    parameters = inspect.signature(action).parameters
    needs_stack = "deployment" in parameters
    is_optional = needs_stack and parameters["deployment"].default is None

    @wraps(action)
    def run(context: typer.Context, **given: Any) -> None:
        terminal = Terminal(as_json=given.pop("json"))
        if "terminal" in parameters:
            given["terminal"] = terminal
        target = tuple(given.pop(name) for name, *_ in _CONNECTION) if needs_stack else ()
        try:
            if needs_stack:
                with terminal.progress("Reaching the stack"):
                    given["deployment"] = _deployment(context, target, is_optional=is_optional)
            answer = action(**given)
            terminal.show(answer)
        except Exception as failure:
            if isinstance(failure, typer.Exit | typer.Abort | BrokenPipeError) or _is_usage_error(failure):
                raise
            if os.environ.get("HOLDFAST_TRACEBACK"):
                raise
            refusal = explain(failure)
            terminal.refuse(refusal)
            raise typer.Exit(refusal.exit_code) from None
        raise typer.Exit(answer.exit_code)

    # Help is folded to the terminal's width, not to the source's.
    paragraphs = inspect.cleandoc(action.__doc__ or "").split("\n\n")
    run.__doc__ = "\n\n".join(" ".join(one.split()) for one in paragraphs)
    shared = [*(_CONNECTION if needs_stack else ()), _JSON]
    own = [one for name, one in parameters.items() if name not in {"terminal", "deployment"}]
    keyword = inspect.Parameter.KEYWORD_ONLY
    run.__signature__ = inspect.Signature(  # type: ignore[attr-defined] # what Typer reads
        [
            inspect.Parameter("context", keyword, annotation=typer.Context),
            *(one.replace(kind=keyword) for one in own),
            *(
                inspect.Parameter(option_name, keyword, default=default, annotation=Annotated[kind, option])
                for option_name, kind, option, default in shared
            ),
        ]
    )
    return run


def _deployment(context: typer.Context, target: tuple[str | None, ...], *, is_optional: bool) -> Any:
    """Reach the stack; a command that can do without one does, unless one was named."""
    stack, region, profile = target
    try:
        return _connector(context)(stack, region, profile)
    except NotConnected:
        if is_optional and not any(target):
            return None
        raise


def _connector(context: typer.Context) -> Connect:
    given: Connect | None = context.obj  # a test's own
    if given is not None:
        return given
    from cli.connection import connect as connect_to_aws

    return connect_to_aws


def _is_usage_error(failure: Exception) -> bool:
    return getattr(failure, "exit_code", None) == Exit.USAGE and hasattr(failure, "show")
