"""Everything that looks random here is a function of the scenario's seed, so that two runs are alike."""

import hashlib
import uuid
from collections.abc import Iterable


def digest_of(seed: int, *parts: object) -> bytes:
    return hashlib.sha256("\x00".join(str(part) for part in (seed, *parts)).encode()).digest()


def uuid_for(seed: int, *parts: object) -> str:
    """A well-formed version 4 UUID."""
    return str(uuid.UUID(bytes=digest_of(seed, *parts)[:16], version=4))


def fraction_for(seed: int, *parts: object) -> float:
    """A number in [0, 1)."""
    return int.from_bytes(digest_of(seed, *parts)[:6]) / 2**48


def shuffled[T](seed: int, purpose: str, chosen_from: Iterable[tuple[str, T]]) -> list[T]:
    """The values in an order that depends on the seed, the purpose and each value's id, on nothing else."""
    keyed = [(digest_of(seed, purpose, key), value) for key, value in chosen_from]
    return [value for _, value in sorted(keyed, key=lambda pair: pair[0])]
