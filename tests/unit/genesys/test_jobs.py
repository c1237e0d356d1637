"""What a job died of, in words that name nobody."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.genesys.jobs import MAX_ERROR, job_error


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (None, ""),
        ("The integration is disabled.", "The integration is disabled."),
        ("Role arn:aws:iam::123456789012:role/x denied", "Role ... denied"),
        ("call of +49 (30) 1234-5678 failed", "call of ... failed"),
        ("mail to jo.doe@example.com bounced", "mail to ... bounced"),
        ("Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIi", "Bearer ..."),
        ("line one\nline two\x00", "line one line two"),
        ("error 403: AccessDenied", "error 403: AccessDenied"),
    ],
)
def test_a_persons_words_are_kept_and_whatever_may_name_somebody_is_not(said: str | None, kept: str) -> None:
    assert job_error(said) == kept


@given(st.text(max_size=500))
def test_whatever_the_platform_says_becomes_one_short_plain_line(said: str) -> None:
    error = job_error(said)

    assert len(error) <= MAX_ERROR
    assert error.isascii()
    assert "@" not in error
    assert error == "" or error.isprintable()
