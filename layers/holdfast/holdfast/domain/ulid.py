"""ULIDs: 48 bits of milliseconds and 80 bits of randomness, in Crockford's base 32 (26 characters that sort
by time).

Source: the ULID specification, github.com/ulid/spec.
"""

from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LENGTH = 26
_TIME_BITS, _RANDOM_BITS = 48, 80


def ulid(at: datetime, randomness: bytes) -> str:
    """Compose a ULID.

    Args:
        at: an aware time.
        randomness: exactly 10 bytes.

    Raises:
        ValueError: if the randomness is not 80 bits, or the time is out of the format's range.
    """
    if len(randomness) * 8 != _RANDOM_BITS:
        raise ValueError(f"a ULID takes 10 random bytes, found {len(randomness)}")
    milliseconds = int(at.timestamp() * 1000)
    if not 0 <= milliseconds < 1 << _TIME_BITS:
        raise ValueError("a ULID holds times from 1970 to 10889")
    number = milliseconds << _RANDOM_BITS | int.from_bytes(randomness)
    return "".join(_ALPHABET[number >> 5 * place & 31] for place in reversed(range(_LENGTH)))
