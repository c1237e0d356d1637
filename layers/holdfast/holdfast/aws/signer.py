"""The sealing key, in KMS: its private half never leaves it."""

import hashlib
from typing import Any

from holdfast.domain.seals import PublicKey, in_lower_half


class KmsSigner:
    """Implements `ports.Signer`."""

    def __init__(self, client: Any, *, key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def public_key(self) -> PublicKey:
        """Ask for the public half."""
        return PublicKey(self._key_id, self._client.get_public_key(KeyId=self._key_id)["PublicKey"])

    def sign(self, message: bytes) -> bytes:
        """Have the digest signed, since a message may be longer than what KMS takes."""
        signature: bytes = self._client.sign(
            KeyId=self._key_id,
            Message=hashlib.sha256(message).digest(),
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )["Signature"]
        return in_lower_half(signature)
