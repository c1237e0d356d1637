import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.media import Medium, medium_of, principal_medium


@pytest.mark.parametrize(
    ("word", "medium"),
    [
        ("Call", Medium.VOICE),
        ("audio", Medium.VOICE),
        ("VOICE", Medium.VOICE),
        ("messaging", Medium.MESSAGE),
        ("Screen", Medium.SCREEN),
        ("screenshare", Medium.SCREEN),
        ("callback", Medium.CALLBACK),
        ("hologram", Medium.UNKNOWN),
        ("", Medium.UNKNOWN),
        (None, Medium.UNKNOWN),
    ],
)
def test_every_word_of_the_vendor_has_one_of_ours(word: str | None, medium: Medium) -> None:
    assert medium_of(word) is medium


@given(st.text())
def test_no_word_is_an_error(word: str) -> None:
    assert medium_of(word) in Medium


@pytest.mark.parametrize(
    ("media", "principal"),
    [
        ([Medium.SCREEN, Medium.VOICE, Medium.CHAT], Medium.VOICE),
        ([Medium.UNKNOWN, Medium.EMAIL], Medium.EMAIL),
        ([Medium.SCREEN], Medium.SCREEN),
        ([], Medium.UNKNOWN),
    ],
)
def test_a_conversation_is_counted_under_its_first_medium_that_is_no_screen(
    media: list[Medium], principal: Medium
) -> None:
    assert principal_medium(media) is principal
