"""The OAuth client in Secrets Manager, and the shared token in a table of its own, encrypted."""

import json
from base64 import b64decode, b64encode
from dataclasses import asdict
from datetime import datetime
from typing import Any

from holdfast.aws.table import Table
from holdfast.domain.moments import from_text, to_text
from holdfast.errors import SettingsInvalid
from holdfast.genesys.token import AccessToken, ClientCredentials, Failure

_PK, _SK = "TOKEN", "GENESYS"
_EXPECTED = (
    'the Genesys secret: expected {"client_id": "...", "client_secret": "..."}; put the OAuth client there'
)
_CONTEXT = {"purpose": "genesys-token"}


class SecretCredentials:
    """Reads the OAuth client each time a token is fetched, so that a rotated secret is picked up."""

    def __init__(self, client: Any, *, secret_arn: str) -> None:
        self._client = client
        self._secret_arn = secret_arn

    def __call__(self) -> ClientCredentials:
        """Read the current secret.

        Raises:
            SettingsInvalid: it is not ``{"client_id": ..., "client_secret": ...}``.
        """
        # Never AWSPENDING: the vendor does not know yet what a rotation has only prepared.
        answer = self._client.get_secret_value(SecretId=self._secret_arn, VersionStage="AWSCURRENT")
        text = answer.get("SecretString", "")
        try:
            document = json.loads(text)
            found = [document["client_id"], document["client_secret"]]
        except (ValueError, KeyError, TypeError):
            found = []
        match found:
            case [str(client_id), str(client_secret)] if client_id and client_secret:
                return ClientCredentials(client_id, client_secret, answer["VersionId"])
        raise SettingsInvalid([_EXPECTED])


class TokenTable:
    """Implements `genesys.token.TokenStore`: one item, whose token only KMS can read."""

    def __init__(self, table: Table, kms: Any, *, key_id: str) -> None:
        self._table = table
        self._kms = kms
        self._key_id = key_id

    def read(self) -> AccessToken | None:
        """Read and decrypt the token; an expired one keeps its place in the row."""
        item = self._table.get(_PK, _SK)
        if item is None or "ciphertext" not in item:
            return None
        answer = self._kms.decrypt(
            KeyId=self._key_id, CiphertextBlob=b64decode(item["ciphertext"]), EncryptionContext=_CONTEXT
        )
        return AccessToken(
            generation=item["generation"],
            issued_at=from_text(item["issued_at"]),
            expires_at=from_text(item["expires_at"]),
            secret=answer["Plaintext"].decode(),
        )

    def lease(self, generation: int, now: datetime, until: datetime) -> bool:
        """Take the lease on a generation that nobody has fetched and nobody is fetching."""
        return self._table.update(
            _PK,
            _SK,
            "SET lease_until = :until, lease_generation = :generation",
            "(attribute_not_exists(generation) OR generation < :generation)"
            " AND (attribute_not_exists(lease_until) OR lease_until < :now)",
            {":until": to_text(until), ":now": to_text(now), ":generation": generation},
        )

    def write(self, token: AccessToken) -> None:
        """Encrypt and store the token."""
        answer = self._kms.encrypt(
            KeyId=self._key_id, Plaintext=token.secret.encode(), EncryptionContext=_CONTEXT
        )
        self._table.update(
            _PK,
            _SK,
            "SET generation = :generation, ciphertext = :ciphertext,"
            " issued_at = :issued, expires_at = :expires"
            " REMOVE lease_until, lease_generation, last_failure",
            "attribute_not_exists(generation) OR generation < :generation",
            {
                ":generation": token.generation,
                ":ciphertext": b64encode(answer["CiphertextBlob"]).decode(),
                ":issued": to_text(token.issued_at),
                ":expires": to_text(token.expires_at),
            },
        )

    def end_lease(self, generation: int) -> None:
        """Remove the lease, if it is on this generation."""
        self._table.update(
            _PK,
            _SK,
            "REMOVE lease_until, lease_generation",
            "lease_generation = :generation",
            {":generation": generation},
        )

    def failure(self) -> Failure | None:
        """Read the failure that the token has not made good since."""
        last = (self._table.get(_PK, _SK) or {}).get("last_failure")
        return Failure(**last | {"until": from_text(last["until"])}) if last else None

    def put_off(self, generation: int, failure: Failure) -> None:
        """Let the lease stand for nobody until the failure's time is over."""
        until = to_text(failure.until)
        self._table.update(
            _PK,
            _SK,
            "SET lease_until = :until, last_failure = :failure REMOVE lease_generation",
            "lease_generation = :generation",
            {":generation": generation, ":until": until, ":failure": asdict(failure) | {"until": until}},
        )

    def forgive(self, failure: Failure) -> None:
        """Remove the pause with its reason, if they are this failure's."""
        until = to_text(failure.until)
        self._table.update(
            _PK,
            _SK,
            "REMOVE lease_until, last_failure",
            "lease_until = :until AND last_failure.client = :client",
            {":until": until, ":client": failure.client},
        )
