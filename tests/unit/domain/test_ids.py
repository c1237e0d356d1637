import re
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.ids import MATTER_ID_PATTERN, REQUEST_ID_PATTERN, batch_id, batch_prefix, is_uuid


@given(st.uuids())
def test_a_uuid_counts_in_lower_case_alone(uuid: UUID) -> None:
    text = str(uuid)

    assert is_uuid(text)
    assert not is_uuid(text + "\n")
    assert not is_uuid(text[:-1])
    assert is_uuid(text.upper()) == (text.upper() == text)


@given(st.lists(st.integers(0, 999_999), min_size=2))
def test_batch_names_sort_as_their_numbers_do(places: list[int]) -> None:
    names = [batch_id(1, place) for place in places]

    assert sorted(names) == [batch_id(1, place) for place in sorted(places)]


@given(st.integers(1, 99), st.integers(1, 99), st.integers(0, 999_999))
def test_batches_of_different_attempts_never_share_a_prefix(one: int, other: int, place: int) -> None:
    assert batch_id(one, place).startswith(batch_prefix(other)) == (one == other)


@given(st.text())
def test_no_id_carries_what_a_ledger_or_object_key_is_made_of(text: str) -> None:
    for pattern in (MATTER_ID_PATTERN, REQUEST_ID_PATTERN):
        if re.fullmatch(pattern, text):
            assert not set(text) & set("#/\\%\0\n ")
            assert text.strip(".") != ""
