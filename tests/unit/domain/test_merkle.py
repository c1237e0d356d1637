"""The tree against the vectors of certificate transparency, and against its definition in the RFC.

Source: certificate-transparency's merkle tree tests (eight leaves, their roots and proofs), which every log
of today is tested with; RFC 9162, section 2.1.
"""

import hashlib
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.merkle import (
    Tree,
    consistency_path,
    has_grown,
    inclusion_path,
    leaf_hash,
    node_hash,
    root_from_inclusion,
)

ENTRIES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
LEAVES = [leaf_hash(entry) for entry in ENTRIES]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSIONS = {
    (0, 1): [],
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    (1, 5): [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
GROWTHS = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def tree_of(leaves: Sequence[bytes]) -> Tree:
    tree = Tree()
    for leaf in leaves:
        tree.add(leaf)
    return tree


def defined_root(leaves: Sequence[bytes]) -> bytes:
    """Give the root as section 2.1.1 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    power = max(one for one in (1 << bit for bit in range(64)) if one < len(leaves))
    return node_hash(defined_root(leaves[:power]), defined_root(leaves[power:]))


@pytest.mark.parametrize("size", range(9))
def test_roots_are_those_that_every_log_has(size: int) -> None:
    assert tree_of(LEAVES[:size]).root.hex() == ROOTS[size]


@pytest.mark.parametrize(("index", "size"), INCLUSIONS)
def test_inclusion_paths_are_those_that_every_log_has(index: int, size: int) -> None:
    path = inclusion_path(index, LEAVES[:size], size)

    assert [node.hex() for node in path] == INCLUSIONS[index, size]


@pytest.mark.parametrize(("earlier", "size"), GROWTHS)
def test_consistency_paths_are_those_that_every_log_has(earlier: int, size: int) -> None:
    path = consistency_path(earlier, LEAVES[:size], size)

    assert [node.hex() for node in path] == GROWTHS[earlier, size]


@given(st.integers(0, 200))
def test_a_root_is_what_the_rfc_defines(size: int) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]

    assert tree_of(leaves).root == defined_root(leaves)


@given(st.data(), st.integers(1, 100))
def test_every_leaf_has_a_path_and_no_other_leaf_place_or_size_fits_it(
    data: st.DataObject, size: int
) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    index = data.draw(st.integers(0, size - 1))
    path = inclusion_path(index, leaves, size)
    root = defined_root(leaves)

    assert root_from_inclusion(index, size, leaves[index], path) == root
    assert root_from_inclusion(index, size, leaf_hash(b"another"), path) != root
    for place in {0, index - 1, index + 1, size - 1} - {index}:
        assert root_from_inclusion(place, size, leaves[index], path) != root
    assert root_from_inclusion(index, size, leaves[index], [*path, root]) is None
    assert root_from_inclusion(size, size, leaves[index], path) is None


@given(st.data(), st.integers(1, 100))
def test_growth_is_shown_and_nothing_else_passes_for_it(data: st.DataObject, size: int) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    earlier = data.draw(st.integers(1, size))
    path = consistency_path(earlier, leaves, size)
    old, new = defined_root(leaves[:earlier]), defined_root(leaves)
    changed = defined_root([leaf_hash(b"changed"), *leaves[1:earlier]])

    assert has_grown(earlier, old, size, new, path)
    assert not has_grown(earlier, changed, size, new, path)
    assert not has_grown(earlier, old, size, leaf_hash(b"another"), path)
    assert not has_grown(earlier, old, size, new, [*path, new])
    for place in range(len(path)):
        bent = [*path[:place], leaf_hash(b"bent"), *path[place + 1 :]]
        assert not has_grown(earlier, old, size, new, bent)


def test_a_tree_goes_on_from_its_peaks_alone() -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(77)]
    for cut in range(78):
        first = tree_of(leaves[:cut])

        resumed = Tree(first.size, first.peaks)
        for leaf in leaves[cut:]:
            resumed.add(leaf)

        assert (resumed.size, resumed.root) == (77, defined_root(leaves))


def test_a_tree_of_a_million_remembers_twenty_hashes_at_most() -> None:
    peaks = [len(Tree(size, [b""] * size.bit_count()).peaks) for size in (999_999, 1_000_000, 1_048_575)]

    assert max(peaks) == 20


def test_peaks_that_do_not_fit_the_size_are_refused() -> None:
    with pytest.raises(ValueError, match="a tree of 3 leaves has 2 peaks, found 1"):
        Tree(3, [b"x"])


def test_no_proof_is_computed_for_what_is_not_there() -> None:
    with pytest.raises(IndexError, match="no leaf 3 among 3"):
        inclusion_path(3, LEAVES, 3)
    with pytest.raises(IndexError, match="3 leaves has not grown out of 4"):
        consistency_path(4, LEAVES, 3)

    assert not has_grown(4, LEAVES[0], 3, LEAVES[1], [])


def test_an_entry_cannot_pass_for_a_node() -> None:
    left, right = LEAVES[:2]

    assert all(one != two for one, two in pairwise([leaf_hash(left + right), node_hash(left, right)]))
