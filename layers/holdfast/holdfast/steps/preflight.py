"""Look for whatever would stop the run half-way, before anything moves.

Whether evidence would be secured is tried: a canary, which takes the way of all evidence, must have its
receipt. One a day is enough, unless the wiring has changed since; a run puts one at most.
"""

import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime

from holdfast.contracts.steps import MAX_FINDINGS, Preflighted, PreflightFinding, Preflighting
from holdfast.doctor.checks import told
from holdfast.doctor.explain import explain_error
from holdfast.doctor.wiring import wiring_digest, wiring_findings
from holdfast.domain.custody import Receipt
from holdfast.domain.evidence_key import CANARY_PREFIX
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.errors import AwsRefused, PreflightBlocked, SettingsInvalid
from holdfast.ports import Canaries, Clock, Counter, Finding, ReceiptBook, Telemetry, Wiring, WiringSource

type Check = Callable[[], Sequence[Finding]]

# An arrival is secured within seconds, if nothing is wrong and nothing else is arriving. Five minutes in all.
LOOK_WAITS_S = (2, 3, 5, 10, 20, 30, 60, 60, 120)
# What one instance of SecureObjects works off in that time at its slowest: with more, the queue is busy.
BUSY_BACKLOG = 10_000
SKEW_S = 60


def preflight(
    run: Preflighting,
    *,
    checks: Sequence[Check],
    wiring: WiringSource,
    canaries: Canaries,
    receipts: ReceiptBook,
    clock: Clock,
    telemetry: Telemetry,
) -> Preflighted:
    """Run every check and report everything at once; then wait until the canary of the day is secured.

    Raises:
        PreflightBlocked: names each blocking finding, its layer and its remedy.
    """
    findings, canary_key = [_finding(one) for one in run.findings], run.canary_key
    if not run.looks:
        seen = wiring.read()
        found = [finding for check in checks for finding in _findings(check)]
        found += [*_skew(clock.now(), seen), *wiring_findings(seen)]
        findings, canary_key = list(dict.fromkeys(found)), _canary_key(run, clock.now(), seen)
        for finding in findings:
            telemetry.warn("preflight_finding", check=finding.check)
    if any(finding.is_blocking for finding in findings):
        return _concluded(run, canary_key, findings, telemetry)
    if secured := receipts.of_canaries(canary_key.rpartition("/")[0] + "/"):
        return _concluded(run, canary_key, [*findings, *_of_receipts(secured)], telemetry)
    if not run.looks:
        try:
            canaries.put_once(canary_key, canary_key.encode())
        except AwsRefused as refused:
            return _concluded(run, canary_key, [*findings, _refused(refused)], telemetry)
    if run.looks == len(LOOK_WAITS_S):
        return _concluded(run, canary_key, [*findings, _silent(canary_key, wiring.backlog())], telemetry)
    return _answer(canary_key, findings, looks=run.looks + 1, wait_s=LOOK_WAITS_S[run.looks])


def _skew(now: datetime, wiring: Wiring) -> Sequence[Finding]:
    ahead_s = abs((wiring.told_at - now).total_seconds()) if wiring.told_at else 0
    if ahead_s <= SKEW_S:
        return ()
    return [Finding("clock", f"AWS's clock and ours are {ahead_s:.0f} s apart", is_blocking=False)]


def _canary_key(run: Preflighting, now: datetime, wiring: Wiring) -> str:
    """Name the canary of this run; before the last slash stands what the canary of any other run has in
    common with it, which then serves as well.
    """
    name = hashlib.sha256(f"{run.matter_id}/{run.request_id}/{run.execution_arn}".encode()).hexdigest()
    return f"{CANARY_PREFIX}{now.date().isoformat()}/{wiring_digest(wiring)}/{name[:16]}.txt"


def _of_receipts(receipts: Sequence[Receipt]) -> Sequence[Finding]:
    """Judge how canaries were secured: all bytes of one must have been read. Its content is its key."""
    if any(one.sha256 == hashlib.sha256(one.version.key.encode()).hexdigest() for one in receipts):
        return ()
    return [Finding("canary", "it was locked, and could not be read; evidence would have no digest")]


def _refused(refused: AwsRefused) -> Finding:
    """Explain why S3 does not take a canary, by the rules that explain every other refusal."""
    why = explain_error(type(refused).__name__, str(refused))
    evidence = ", ".join(why.evidence)
    return Finding(
        "canary", f"S3 does not take it [layer: {why.layer}]: {why.title} {evidence}; {why.advice}"
    )


def _silent(canary_key: str, backlog: int) -> Finding:
    """Judge a canary that was not secured in time: behind many other arrivals it may only be waiting."""
    said = f"{canary_key} has no receipt after {sum(LOOK_WAITS_S)} s"
    if backlog < BUSY_BACKLOG:
        return Finding("canary", said)
    return Finding("canary", f"{said}; some {backlog} arrivals wait before it", is_blocking=False)


def _concluded(
    run: Preflighting, canary_key: str, findings: Sequence[Finding], telemetry: Telemetry
) -> Preflighted:
    blocking = [finding for finding in findings if finding.is_blocking]
    if blocking and not run.report_only:
        telemetry.count(Counter.EXCEPTIONS, len(blocking))
        warnings = [finding for finding in findings if not finding.is_blocking]
        raise PreflightBlocked(told(blocking) + (f". Warnings: {told(warnings)}" if warnings else ""))
    return _answer(canary_key, findings)


def _answer(
    canary_key: str, findings: Sequence[Finding], *, looks: int = 0, wait_s: int = MIN_WAIT_S
) -> Preflighted:
    first = sorted(findings, key=lambda finding: not finding.is_blocking)[:MAX_FINDINGS]
    return Preflighted(
        done=not looks,
        looks=looks,
        wait_s=wait_s,
        canary_key=canary_key,
        findings=[
            PreflightFinding(check=one.check, message=one.message, is_blocking=one.is_blocking)
            for one in first
        ],
    )


def _finding(document: PreflightFinding) -> Finding:
    return Finding(document.check, document.message, document.is_blocking)


def _findings(check: Check) -> Sequence[Finding]:
    """Run one check; a setting it cannot work with is a finding like any other, and the other checks still
    run.
    """
    try:
        return check()
    except SettingsInvalid as invalid:
        return [Finding("settings", fault) for fault in invalid.faults]
