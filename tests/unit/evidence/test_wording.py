from typing import Any

import pytest

from holdfast.contracts.request import RequestedScope
from holdfast.domain.media import Medium
from holdfast.evidence.wording import (
    MEDIUM_NAMES,
    duration_in_words,
    scope_in_words,
    size_in_words,
    text_in_words,
)
from tests.unit.evidence.sealed import SCOPE


def _scope(**changes: Any) -> str:
    return " ".join(scope_in_words({**SCOPE, **changes}))


def test_a_scope_is_said_in_whole_sentences() -> None:
    assert scope_in_words(SCOPE) == [
        (
            "Conversations with any activity from 1 March 2026, 00:00 UTC,"
            " up to but not including 22 March 2026, 00:00 UTC."
        ),
        "Handled by any one of 2 custodians, listed below.",
        "Of these kinds: voice calls, chats, e-mails, messages and callbacks.",
        "Screen recordings were asked for.",
        "Recordings with sensitive data were not asked for.",
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"custodians": ["u-1"]}, "Handled by the custodian u-1."),
        ({"queues": ["q-1"]}, "In the queue q-1."),
        ({"queues": ["q-1", "q-2"]}, "In any one of 2 queues."),
        ({"media_types": []}, "Of every kind: voice, chat, e-mail, message and callback."),
        ({"media_types": ["voice"]}, "Of these kinds: voice calls."),
        ({"external_tag": "case 7"}, "Marked with the external tag “case 7”."),
        ({"conversation_ids": ["c"] * 1000}, "Among any one of 1,000 conversations named by id."),
        ({"include_screen": False}, "Screen recordings were not asked for."),
        ({"include_sensitive": True}, "Recordings with sensitive data were asked for."),
    ],
)
def test_each_restriction_is_named(changes: dict[str, Any], said: str) -> None:
    assert said in _scope(**changes)


def test_no_field_of_a_scope_is_passed_over() -> None:
    assert RequestedScope.model_fields.keys() == SCOPE.keys()


def test_every_medium_has_a_name() -> None:
    assert MEDIUM_NAMES.keys() == {medium.value for medium in Medium}


def test_times_are_said_in_utc() -> None:
    assert text_in_words("2026-03-01T01:30:00+02:00") == "28 February 2026, 23:30 UTC"


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1024, "1 KiB"),
        (1_500_000, "1.43 MiB"),
        (999 << 20, "999 MiB"),
        (5 << 50, "5 PiB"),
    ],
)
def test_sizes_have_three_digits(size_bytes: int, said: str) -> None:
    assert size_in_words(size_bytes) == said


@pytest.mark.parametrize(
    ("milliseconds", "said"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1_000, "1.0 s"),
        (90_000, "1.5 min"),
        (7_200_000, "2.0 h"),
        (100_000_000, "27.8 h"),
        (432_000_000, "5.0 days"),
    ],
)
def test_durations_have_the_unit_that_people_would_use(milliseconds: int, said: str) -> None:
    assert duration_in_words(milliseconds) == said
