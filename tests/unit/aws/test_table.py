from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from holdfast.aws.table import from_wire, to_wire
from holdfast.domain.states import BatchState

SINGLE = st.text() | st.integers(-(10**37), 10**37) | st.booleans() | st.binary(min_size=1)
NESTED = st.recursive(
    SINGLE, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner), max_leaves=6
)


@given(st.dictionaries(st.text(), NESTED))
def test_what_is_written_is_read_as_it_was(item: dict[str, Any]) -> None:
    assert from_wire(to_wire(item)) == item


@given(st.dictionaries(st.text(), NESTED))
def test_it_is_written_as_the_vendors_own_library_would(item: dict[str, Any]) -> None:
    theirs = TypeSerializer()

    # Theirs wraps bytes in a class of its own, which compares equal to them.
    assert to_wire(item) == {name: theirs.serialize(value) for name, value in item.items()}


def test_what_is_absent_is_not_written() -> None:
    item = {"absent": None, "platform": {"state": "HELD", "reason": None}, "kept": (1,)}

    assert from_wire(to_wire(item)) == {"platform": {"state": "HELD"}, "kept": [1]}


def test_a_state_is_written_as_its_word() -> None:
    assert to_wire({"state": BatchState.READY}) == {"state": {"S": "READY"}}
    assert type(to_wire({"state": BatchState.READY})["state"]["S"]) is str


@pytest.mark.parametrize("value", [1.5, {"a set"}, object(), [None]])
def test_what_the_ledger_does_not_hold_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="the ledger holds no"):
        to_wire({"value": value})
