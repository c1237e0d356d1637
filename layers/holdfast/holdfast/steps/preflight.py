"""Look for whatever would stop the run half-way, before anything moves."""

from collections.abc import Callable, Sequence

from holdfast.contracts.steps import Run
from holdfast.errors import PreflightBlocked, SettingsInvalid
from holdfast.ports import Counter, Finding, Telemetry

type Check = Callable[[], Sequence[Finding]]


def preflight(run: Run, *, checks: Sequence[Check], telemetry: Telemetry) -> Run:
    """Run every check and report everything at once.

    Raises:
        PreflightBlocked: names each blocking finding and its remedy.
    """
    findings = list(dict.fromkeys(finding for check in checks for finding in _findings(check)))
    for finding in findings:
        telemetry.warn("preflight_finding", check=finding.check)
    blocking = [finding for finding in findings if finding.is_blocking]
    if blocking:
        telemetry.count(Counter.EXCEPTIONS, len(blocking))
        raise PreflightBlocked("; ".join(f"{finding.check}: {finding.message}" for finding in blocking))
    return run


def _findings(check: Check) -> Sequence[Finding]:
    """Run one check; a setting it cannot work with is a finding like any other, and the other checks still
    run.
    """
    try:
        return check()
    except SettingsInvalid as invalid:
        return [Finding("settings", fault) for fault in invalid.faults]
