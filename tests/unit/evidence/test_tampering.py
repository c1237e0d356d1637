"""Some hundreds of the changes that `make tamper` makes by the thousand."""

from pathlib import Path

import pytest

from tests.tampering import CHANGES, COVERS, trial

ROUNDS = 8


@pytest.mark.parametrize("with_media", [False, True])
def test_every_change_is_found_in_its_place_and_none_where_there_is_none(
    tmp_path: Path, *, with_media: bool
) -> None:
    start = with_media * ROUNDS * len(CHANGES)

    outcome = trial(range(start, start + ROUNDS * len(CHANGES)), tmp_path, with_media=with_media)

    assert outcome.complaints == []
    assert outcome.found == outcome.tried == ROUNDS * len(CHANGES)
    assert len(outcome.by_change) > 2 * len(CHANGES)  # with several covers each
    assert {name.split(", ")[1] for name in outcome.by_change} == {cover.__name__ for cover in COVERS}
