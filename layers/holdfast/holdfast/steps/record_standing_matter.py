"""Write down that a standing matter was opened or closed: once, whoever delivers it how often."""

from dataclasses import replace
from datetime import timedelta

from holdfast.contracts.standing import StandingMatterClosed, StandingMatterOpened, read_standing_event
from holdfast.contracts.steps import Opening, StandingRecorded
from holdfast.domain.ids import MatterId
from holdfast.domain.moments import to_text
from holdfast.domain.standing import Course
from holdfast.domain.states import StandingState
from holdfast.errors import LedgerContention, RequestRefused, StandingMatterConflict
from holdfast.ports import Clock, Counter, StandingBook, StandingMatter, Telemetry, WorkFiles
from holdfast.steps.files import quarantine

# Further back the platform exports nothing, and every interval would be a run for nothing.
REACH = timedelta(days=5 * 366)


def record_standing_matter(
    opening: Opening, *, standing: StandingBook, files: WorkFiles, clock: Clock, telemetry: Telemetry
) -> StandingRecorded:
    """Validate the event and write down what it says.

    An invalid event is kept in quarantine and refused. What was written down before changes nothing.

    Raises:
        StandingMatterConflict: it does not fit what is known of the matter; the event is kept in quarantine.
        LedgerContention: somebody else wrote at the same moment; the workflow repeats.
    """
    try:
        event = read_standing_event(opening.event)
        matter_id = MatterId(event.matter_id)
        known = standing.find(matter_id)
        if isinstance(event, StandingMatterOpened):
            wanted = _opened(event, known, clock)
        else:
            wanted = _closed(event, known)
    except RequestRefused as refused:
        quarantine_key = quarantine(opening.event, files)
        telemetry.count(Counter.REQUESTS_REFUSED)
        telemetry.warn("standing_matter_refused", quarantine_key=quarantine_key, faults=len(refused.faults))
        explanation = (
            f"standing matter refused: {'; '.join(refused.faults)}. The event is kept at {quarantine_key}; "
            "nothing was changed."
        )
        return StandingRecorded(outcome="REFUSED", faults=list(refused.faults), explanation=explanation)
    except StandingMatterConflict as conflict:
        kept = quarantine(opening.event, files)
        raise StandingMatterConflict(f"{conflict}. The event is kept at {kept}.") from None

    if wanted == known:
        telemetry.note("standing_matter_known", matter_id=matter_id, state=wanted.course.state)
        return StandingRecorded(outcome="KNOWN", matter_id=matter_id)
    is_opening = wanted.course.state is StandingState.OPEN
    if not (standing.open(wanted) if is_opening else standing.advance(wanted)):
        raise LedgerContention(f"standing matter {matter_id} was written by somebody else meanwhile")
    telemetry.note("standing_matter_recorded", matter_id=matter_id, state=wanted.course.state)
    return StandingRecorded(outcome="OPENED" if is_opening else "CLOSING", matter_id=matter_id)


def _opened(event: StandingMatterOpened, known: StandingMatter | None, clock: Clock) -> StandingMatter:
    """Say what shall stand after an opening: a new course, or what stands if the opening is known."""
    wanted = StandingMatter(
        matter_id=MatterId(event.matter_id),
        body=event.canonical(),
        body_sha256=event.body_sha256,
        course=Course.opening(event.starts_at, event.interval.to_domain(), event.ends_at),
    )
    if known is not None:
        if known.body_sha256 == wanted.body_sha256:
            return known
        if known.course.state is not StandingState.CLOSED:
            raise StandingMatterConflict(
                f"standing matter {event.matter_id} is open with another body; close it first, or use a new "
                "matter id"
            )
        if event.starts_at < known.course.high_water:
            raise StandingMatterConflict(
                f"standing matter {event.matter_id} is preserved until {to_text(known.course.high_water)}; "
                "expected starts_at no earlier than that"
            )
        wanted = replace(wanted, version=known.version + 1)
    if event.starts_at < clock.now() - REACH:
        raise RequestRefused(["starts_at: expected a time of the last five years: nothing older can be had"])
    return wanted


def _closed(event: StandingMatterClosed, known: StandingMatter | None) -> StandingMatter:
    """Say what shall stand after a closing; an end only ever comes earlier, in whatever order it is told."""
    if known is None:
        raise StandingMatterConflict(f"expected a standing matter {event.matter_id} to close, found none")
    course = known.course
    if course.state is not StandingState.OPEN and course.ends_at == event.ends_at:
        return known
    if course.state is StandingState.CLOSED:
        raise StandingMatterConflict(
            f"standing matter {event.matter_id} is closed, and preserved until {to_text(course.high_water)}"
        )
    if event.ends_at <= course.starts_at:
        raise StandingMatterConflict(
            f"standing matter {event.matter_id} begins at {to_text(course.starts_at)}; expected ends_at "
            "later than that"
        )
    if course.ends_at is not None and event.ends_at > course.ends_at:
        raise StandingMatterConflict(
            f"standing matter {event.matter_id} ends at {to_text(course.ends_at)}; expected no later "
            "ends_at: what comes after takes another opening, once the matter is closed"
        )
    return replace(
        known,
        course=course.closing(event.ends_at),
        version=known.version + 1,
        closed_by=event.requested_by,
    )
