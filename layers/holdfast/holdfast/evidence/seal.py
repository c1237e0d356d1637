"""The statements that are signed: a seal's, and a custody package's.

A statement is one canonical JSON document and a newline. What is signed is the file's bytes, and its digest
is the file's SHA-256, so that both can be checked with nothing but `openssl` and `sha256sum`. The first field
says what kind of statement it is, so that no signature can pass for another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import rfc8785

from holdfast.domain.ids import MatterId
from holdfast.domain.moments import to_text
from holdfast.domain.seals import PublicKey

SEAL_FORMAT = "holdfast-seal/1"
PACKAGE_FORMAT = "holdfast-package/1"


@dataclass(frozen=True, slots=True)
class Segment:
    """The file of the entries that a seal adds; `sha256` is hex."""

    entries: int
    sha256: str
    size_bytes: int


def seal_statement(
    *,
    matter_id: MatterId,
    sequence: int,
    sealed_at: datetime,
    previous: str,
    segment: Segment,
    kinds: Mapping[str, int],
    accounts: Sequence[Mapping[str, Any]],
    tree_size: int,
    root: str,
    key: PublicKey,
) -> bytes:
    """Write what a seal says.

    Args:
        matter_id: whose log it is.
        sequence: 1 for a matter's first seal.
        sealed_at: when.
        previous: the digest of the seal before, empty for the first.
        segment: the entries it adds.
        kinds: how many of these are of each kind.
        accounts: those entries among them that are accounts of requests.
        tree_size: how many entries the log has.
        root: the Merkle root over them, in hex.
        key: what it is signed with.
    """
    return _statement(
        {
            "format": SEAL_FORMAT,
            "matter_id": matter_id,
            "sequence": sequence,
            "sealed_at": to_text(sealed_at),
            "previous": previous or None,
            "segment": asdict(segment),
            "kinds": dict(kinds),
            "accounts": [
                {
                    "request_id": account["request_id"],
                    "verdict": account["verdict"],
                    "conversations": account["summary"]["conversations"],
                    "recordings": account["summary"]["recordings"],
                }
                for account in accounts
            ],
            "tree": {"size": tree_size, "root": root},
            "key": _named(key),
        }
    )


def package_statement(
    *,
    matter_id: MatterId,
    packaged_at: datetime,
    sequence: int,
    seal_sha256: str,
    tagmanifest_sha256: str,
    key: PublicKey,
) -> bytes:
    """Write what is signed of a custody package: up to which seal it goes, and the digest of the manifest
    that covers all its files.
    """
    return _statement(
        {
            "format": PACKAGE_FORMAT,
            "matter_id": matter_id,
            "packaged_at": to_text(packaged_at),
            "seal": {"sequence": sequence, "sha256": seal_sha256},
            "tagmanifest_sha256": tagmanifest_sha256,
            "key": _named(key),
        }
    )


def _named(key: PublicKey) -> dict[str, str]:
    return {"key_id": key.key_id, "public_key_sha256": key.sha256}


def _statement(document: dict[str, Any]) -> bytes:
    return rfc8785.dumps(document) + b"\n"
