"""What is sealed, and the sealing key, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from holdfast.domain.custody import Fact
from holdfast.domain.ids import MatterId
from holdfast.domain.merkle import leaf_hash
from holdfast.domain.seals import Folder, PublicKey, SealedLog, in_lower_half
from holdfast.evidence.entries import entry_bytes
from holdfast.ports import Entry
from tests.fakes.effects import Effects
from tests.fakes.ledger import ConversationsInMemory
from tests.fakes.ledger import Folder as Filed


class SealsInMemory:
    """Implements `ports.SealBook` on the folders of a ledger in memory."""

    def __init__(self, conversations: ConversationsInMemory, effects: Effects | None = None) -> None:
        self.conversations = conversations
        self.effects = effects or Effects()
        self.logs: dict[MatterId, SealedLog] = {}
        self.markers: dict[tuple[MatterId, Folder], dict[int, frozenset[bytes]]] = {}

    def log(self, matter_id: MatterId) -> SealedLog:
        return self.logs.get(matter_id, SealedLog())

    def extend(self, matter_id: MatterId, log: SealedLog) -> bool:
        self.effects.happen("log extended", matter_id)
        if self.log(matter_id).sequence != log.sequence - 1:
            return False
        self.logs[matter_id] = log
        return True

    def unsealed(self, matter_id: MatterId, folder: Folder) -> Sequence[bytes]:
        sealed = frozenset[bytes]().union(*self.markers.get((matter_id, folder), {}).values())
        filed = self.conversations.folders.get(f"{folder.kind}#{folder.name}", Filed())
        return [
            entry.canonical
            for _, entry in sorted(filed.entries.items())
            if entry.matter_id in (None, matter_id) and leaf_hash(entry.canonical) not in sealed
        ]

    def mark(self, matter_id: MatterId, sequence: int, folder: Folder, leaves: Sequence[bytes]) -> None:
        self.effects.happen("sealed entries marked", folder.name)
        self.markers.setdefault((matter_id, folder), {}).setdefault(sequence, frozenset(leaves))

    def add_fact(self, matter_id: MatterId, name: str, fact: Fact) -> bool:
        folder = self.conversations.folders.setdefault(f"LOG#{matter_id}", Filed())
        if f"ENTRY#{name}" in folder.entries:
            return False
        self.effects.happen("fact", name)
        nonce = len(folder.entries).to_bytes(16)
        folder.entries[f"ENTRY#{name}"] = Entry(entry_bytes(fact, nonce), matter_id)
        return True


@dataclass(slots=True)
class SignerInMemory:
    """Implements `ports.Signer`; keys differ by `secret`."""

    secret: int = 1
    effects: Effects = field(default_factory=Effects)

    @property
    def _private(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(self.secret, ec.SECP256R1())

    def public_key(self) -> PublicKey:
        public = self._private.public_key()
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return PublicKey(f"arn:aws:kms:eu-central-1:000000000000:key/{self.secret}", der)

    def sign(self, message: bytes) -> bytes:
        self.effects.happen("signed", "")
        return in_lower_half(self._private.sign(message, ec.ECDSA(SHA256())))
