"""Custody entries: the bytes that are stored, hashed and sealed.

An entry is its document in canonical JSON (RFC 8785). Each carries 16 random bytes, so that publishing its
hash tells nothing about what it says.
"""

import rfc8785

from holdfast.domain.custody import Fact

NONCE_BYTES = 16


def entry_bytes(fact: Fact, nonce: bytes) -> bytes:
    """Write a fact as its entry.

    Args:
        fact: what happened.
        nonce: exactly 16 random bytes.
    """
    if len(nonce) != NONCE_BYTES:
        raise ValueError(f"an entry takes {NONCE_BYTES} random bytes, found {len(nonce)}")
    return rfc8785.dumps(dict(fact.document(nonce.hex())))
