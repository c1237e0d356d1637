"""What a matter's log is made of: folders that entries are filed in, and the seals over them.

The log of a matter is append-only. Each seal adds one segment, the entries that no seal had before, and
states the size and root of the Merkle tree over all entries so far, and the digest of the seal before it.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, ExportJobId, MatterId


class FolderKind(StrEnum):
    """What entries are filed under."""

    CONVERSATION = "CONV"
    JOB = "JOB"
    LOG = "LOG"  # the matter itself: accounts of its requests, certificates of its releases


@dataclass(frozen=True, slots=True)
class Folder:
    """Where entries are filed."""

    kind: FolderKind
    name: str

    @classmethod
    def of_conversation(cls, conversation_id: ConversationId) -> "Folder":
        """Name the folder of a conversation."""
        return cls(FolderKind.CONVERSATION, conversation_id)

    @classmethod
    def of_job(cls, job_id: ExportJobId) -> "Folder":
        """Name the folder of an export job's manifest."""
        return cls(FolderKind.JOB, job_id.lower())

    @classmethod
    def of_matter(cls, matter_id: MatterId) -> "Folder":
        """Name the folder of what concerns a matter as a whole."""
        return cls(FolderKind.LOG, matter_id)

    @classmethod
    def of_entry(cls, document: Mapping[str, Any], matter_id: MatterId) -> "Folder":
        """Tell where an entry of a matter's log is filed."""
        if "conversation_id" in document:
            return cls.of_conversation(document["conversation_id"])
        job_id = EvidenceKey.parse((document | document.get("details", {})).get("key", "")).job_id
        return cls.of_job(job_id) if job_id else cls.of_matter(matter_id)


def segment_key(matter_id: MatterId, sequence: int) -> str:
    """Name the file of a segment in the records bucket."""
    return f"matters/{matter_id}/segments/{sequence:06d}.jsonl"


def seal_key(matter_id: MatterId, sequence: int) -> str:
    """Name the file of a seal in the records bucket."""
    return f"matters/{matter_id}/seals/{sequence:06d}.json"


def signature_key(matter_id: MatterId, sequence: int) -> str:
    """Name the file of a seal's signature in the records bucket."""
    return f"matters/{matter_id}/seals/{sequence:06d}.sig"


@dataclass(frozen=True, slots=True)
class SealedLog:
    """How far a matter's log is sealed; `peaks` as in `domain.merkle`, `digest` is the last seal's (hex)."""

    sequence: int = 0
    size: int = 0
    peaks: tuple[bytes, ...] = ()
    root: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of the sealing key; `der` is its SubjectPublicKeyInfo."""

    key_id: str
    der: bytes

    @property
    def sha256(self) -> str:
        """Give the key's fingerprint: SHA-256 of `der`, in hex."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def pem(self) -> bytes:
        """Write the key as OpenSSL and the verifier read it."""
        return b"-----BEGIN PUBLIC KEY-----\n%b-----END PUBLIC KEY-----\n" % _in_lines(self.der)

    @property
    def record_key(self) -> str:
        """Name the key's file in the records bucket."""
        return f"keys/{self.sha256}.pem"


_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256's group


def in_lower_half(signature: bytes) -> bytes:
    """Write an ECDSA signature (DER, P-256) in the one of its two forms whose second number is the smaller.

    From (r, s) anybody can make (r, order - s), which is as valid. Without a rule which of them it is, a
    signature could be changed and nothing would show it.
    """
    r_length = signature[3]
    r, s = signature[4 : 4 + r_length], int.from_bytes(signature[6 + r_length :])
    second = min(s, _ORDER - s)
    # A leading zero byte where the number would pass for a negative one.
    s_bytes = second.to_bytes(second.bit_length() // 8 + 1)
    numbers = b"\x02" + bytes([len(r)]) + r + b"\x02" + bytes([len(s_bytes)]) + s_bytes
    return b"\x30" + bytes([len(numbers)]) + numbers


def _in_lines(der: bytes) -> bytes:
    text = base64.b64encode(der)
    return b"".join(text[start : start + 64] + b"\n" for start in range(0, len(text), 64))
