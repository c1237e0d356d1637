from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.ids import MatterId, RequestId
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval
from holdfast.domain.reconciliation import Delivery, Finding, Reason
from holdfast.domain.reuse import ExportTerms, SecuredExport, missing_proof, secured_exports
from holdfast.domain.scope import DATA_LAG, Conversation, Scope
from tests.fakes.story import conversation_id, recording_id

ONE, TWO = conversation_id(1), conversation_id(2)
A, B = recording_id(1, 0), recording_id(1, 1)
JOB_AT = datetime(2026, 4, 1, 12, tzinfo=UTC)
TERMS = ExportTerms(MatterId("M-1"), RequestId("R-1"), True, False, JOB_AT)
SCOPE = Scope(Interval(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 8, tzinfo=UTC)))
ENDED = Conversation(ONE, datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 2, 1, tzinfo=UTC), Medium.VOICE)
BOTH = SecuredExport(ONE, {A: Medium.VOICE, B: Medium.SCREEN}, TERMS, 0)

FLAWS = st.none() | st.sampled_from(list(Reason))
FINDINGS = st.lists(
    st.builds(
        Finding,
        st.none() | st.sampled_from([recording_id(1, number) for number in range(6)]),
        st.none() | st.sampled_from([conversation_id(number) for number in range(3)]),
        st.sampled_from(Medium),
        st.booleans(),
        FLAWS,
    ),
    max_size=8,
)


def _delivered(recording: str, flaw: Reason | None = None) -> Delivery:
    return Delivery(recording, ONE, Medium.VOICE, JOB_AT, JOB_AT, flaw)  # type: ignore[arg-type] # a recording's id


def _finding(recording: int | None, conversation: int | None, reason: Reason | None = None) -> Finding:
    return Finding(
        None if recording is None else recording_id(1, recording),
        None if conversation is None else conversation_id(conversation),
        Medium.VOICE,
        reason is None,
        reason,
    )


@given(
    earlier_screen=st.booleans(),
    earlier_sensitive=st.booleans(),
    screen=st.booleans(),
    sensitive=st.booleans(),
    ended=st.none() | st.timedeltas(timedelta(days=-5), timedelta(days=5)),
    media=st.lists(st.sampled_from([Medium.VOICE, Medium.SCREEN]), max_size=3),
)
def test_an_export_serves_only_what_it_was_asked_for_of_what_was_complete_by_then(
    *,
    earlier_screen: bool,
    earlier_sensitive: bool,
    screen: bool,
    sensitive: bool,
    ended: timedelta | None,
    media: list[Medium],
) -> None:
    terms = replace(TERMS, include_screen=earlier_screen, include_sensitive=earlier_sensitive)
    export = SecuredExport(ONE, {recording_id(1, n): medium for n, medium in enumerate(media)}, terms, 0)
    conversation = replace(ENDED, ended_at=None if ended is None else JOB_AT - DATA_LAG + ended)
    scope = replace(SCOPE, include_screen=screen, include_sensitive=sensitive)

    serves = export.serves(conversation, scope)

    asks_for_more = (screen and not earlier_screen) or (sensitive and not earlier_sensitive)
    is_complete = ended is not None and ended <= timedelta()
    has_any = Medium.VOICE in media or (screen and Medium.SCREEN in media)
    assert serves == (not asks_for_more and is_complete and has_any)


def test_data_that_was_just_complete_serves_and_a_moment_later_does_not() -> None:
    at_the_last = replace(ENDED, ended_at=JOB_AT - DATA_LAG)
    too_late = replace(ENDED, ended_at=JOB_AT - DATA_LAG + timedelta(milliseconds=1))

    assert (BOTH.serves(at_the_last, SCOPE), BOTH.serves(too_late, SCOPE)) == (True, False)


@given(FINDINGS, st.lists(st.sampled_from([conversation_id(number) for number in range(3)]), unique=True))
def test_only_conversations_of_which_everything_is_named_and_secured_are_remembered(
    findings: list[Finding], read: list[str]
) -> None:
    epochs = {conversation_id(number): number for number in range(3) if conversation_id(number) in read}

    found = secured_exports(findings, TERMS, epochs)

    unnamed = [one for one in findings if one.recording_id is None or one.conversation_id is None]
    assert not (unnamed and found)
    for export in found:
        theirs = [one for one in findings if one.conversation_id == export.conversation_id]
        assert theirs
        assert all(one.reason is None for one in theirs)
        assert export.recordings.keys() == {one.recording_id for one in theirs}
        assert export.epoch == epochs[export.conversation_id]
    whole = {one.conversation_id for one in findings} - {
        one.conversation_id for one in findings if one.reason
    }
    assert unnamed or {export.conversation_id for export in found} == whole & epochs.keys()


@pytest.mark.parametrize("reason", sorted(Reason))
def test_no_reason_is_good_enough_to_call_a_conversation_secured(reason: Reason) -> None:
    findings = [_finding(0, 1), _finding(1, 1, reason), _finding(2, 2)]

    found = secured_exports(findings, TERMS, {ONE: 0, TWO: 3})

    assert [(export.conversation_id, export.epoch) for export in found] == [(TWO, 3)]


@given(st.dictionaries(st.sampled_from([A, B, recording_id(1, 2)]), FLAWS), st.booleans())
def test_what_is_re_used_is_proven_recording_by_recording(
    flaws: dict[str, Reason | None], include_screen: bool
) -> None:
    deliveries = [_delivered(recording, flaw) for recording, flaw in flaws.items()]

    findings = BOTH.findings(deliveries, include_screen=include_screen)

    wanted = [A, B] if include_screen else [A]
    assert [one.recording_id for one in findings] == wanted
    expected = [flaws.get(recording, Reason.REUSE_UNPROVEN) for recording in wanted]
    assert [one.reason for one in findings] == expected
    assert BOTH.is_proven(deliveries, include_screen=include_screen) == (expected == [None] * len(wanted))


def test_a_recording_that_is_gone_is_not_delivered_and_missing() -> None:
    (finding,) = BOTH.findings([], include_screen=False)

    assert (finding.is_delivered, finding.standing) == (False, "missing")
    assert missing_proof(ENDED).standing == "missing"
    assert missing_proof(ENDED).conversation_id == ONE
