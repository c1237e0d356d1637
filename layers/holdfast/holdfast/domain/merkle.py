"""The Merkle tree of RFC 9162: a root over a growing list, and short proofs about it.

A root says what the whole list is. An *inclusion* path shows that one entry is in it, a *consistency* path
that an older root is over the beginning of the same list. Leaves and nodes are hashed with different first
bytes, so that no entry can pass for a node.

Source: RFC 9162, "Certificate Transparency Version 2.0", section 2.1, read 2026-11-21.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

type Range = tuple[int, int]
"""Leaves from the first number up to, not including, the second."""


def leaf_hash(entry: bytes) -> bytes:
    """Hash an entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees as their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that grows leaf by leaf and remembers no more than its peaks.

    `peaks` are the roots of the complete subtrees that the leaves fall into, from the left, at most one for
    each binary digit of `size`. They are all that is needed to go on: given to another `Tree`, it continues
    as this one would.
    """

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, found {len(peaks)}")
        self.size = size
        self.peaks = list(peaks)

    def add(self, leaf: bytes) -> None:
        """Append the hash of a leaf."""
        full, self.size = self.size, self.size + 1
        while full & 1:
            leaf, full = node_hash(self.peaks.pop(), leaf), full >> 1
        self.peaks.append(leaf)

    @property
    def root(self) -> bytes:
        """Give the root; that of nothing is the hash of nothing."""
        if not self.peaks:
            return hashlib.sha256().digest()
        *others, root = self.peaks
        for peak in reversed(others):
            root = node_hash(peak, root)
        return root


def inclusion_path(index: int, leaves: Iterable[bytes], size: int) -> list[bytes]:
    """Compute the path from a leaf to the root, reading the leaves once."""
    if not 0 <= index < size:
        raise IndexError(f"there is no leaf {index} among {size}")
    return _roots(list(_siblings(index, (0, size))), leaves)


def root_from_inclusion(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes | None:
    """Compute the root that a path leads to; None if a tree of that size has no such path."""
    sides = [start < index for start, _ in _siblings(index, (0, size))] if 0 <= index < size else None
    if sides is None or len(sides) != len(path):
        return None
    for sibling, is_left in zip(path, sides, strict=True):
        leaf = node_hash(sibling, leaf) if is_left else node_hash(leaf, sibling)
    return leaf


def consistency_path(earlier: int, leaves: Iterable[bytes], size: int) -> list[bytes]:
    """Compute what shows that a tree has grown out of its first `earlier` leaves, reading the leaves once."""
    if not 0 < earlier <= size:
        raise IndexError(f"a tree of {size} leaves has not grown out of {earlier}")
    return _roots([span for span, _ in _grown(earlier, (0, size), is_whole=True)], leaves)


def has_grown(earlier: int, earlier_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> bool:
    """Tell whether a consistency path shows that `root` is over the leaves of `earlier_root`, then more."""
    if not 0 < earlier <= size:
        return False
    spans = list(_grown(earlier, (0, size), is_whole=True))
    if len(spans) != len(path):
        return False
    # If the earlier tree is a subtree of the later one, its root is not in the path, being known.
    is_known = not any(is_earlier for _, is_earlier in spans)
    old = new = earlier_root if is_known else None
    for (_, is_earlier), node in zip(spans, path, strict=True):
        if old is None or new is None:
            old = new = node
        elif is_earlier:
            old, new = node_hash(node, old), node_hash(node, new)
        else:
            new = node_hash(new, node)
    return (old, new) == (earlier_root, root)


def _middle(span: Range) -> int:
    """Tell where a subtree is divided: the largest power of two below its size lies on the left."""
    start, end = span
    return start + (1 << ((end - start - 1).bit_length() - 1))


def _siblings(index: int, span: Range) -> Iterator[Range]:
    """Name the subtrees beside the way from a leaf to the root, from below."""
    if span[1] - span[0] == 1:
        return
    middle = _middle(span)
    near, far = ((span[0], middle), (middle, span[1]))[:: 1 if index < middle else -1]
    yield from _siblings(index, near)
    yield far


def _grown(earlier: int, span: Range, *, is_whole: bool) -> Iterator[tuple[Range, bool]]:
    """Name the subtrees of a consistency path, from below; with each, whether it belongs to the earlier tree.

    `is_whole`: the span begins where the earlier tree does.
    """
    if earlier == span[1]:
        if not is_whole:
            yield span, True
        return
    middle = _middle(span)
    if earlier <= middle:
        yield from _grown(earlier, (span[0], middle), is_whole=is_whole)
        yield (middle, span[1]), False
    else:
        yield from _grown(earlier, (middle, span[1]), is_whole=False)
        yield (span[0], middle), True


def _roots(spans: Sequence[Range], leaves: Iterable[bytes]) -> list[bytes]:
    """Compute the roots of subtrees that share no leaf, in one reading of the leaves."""
    trees = [Tree() for _ in spans]
    ordered = sorted(zip(spans, trees, strict=True), key=lambda pair: pair[0])
    reading, position = iter(leaves), 0
    for (start, end), tree in ordered:
        for leaf in islice(reading, start - position, end - position):
            tree.add(leaf)
        position = end
    return [tree.root for tree in trees]
