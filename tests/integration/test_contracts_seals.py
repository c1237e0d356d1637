"""One suite for what is sealed and what signs: in memory, and as moto plays DynamoDB, S3 and KMS."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import botocore.session
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from moto import mock_aws
from moto.kms.utils import ECDSAPrivateKey

from holdfast.aws.claims import ClaimLedger, ReceiptLedger
from holdfast.aws.seals import MARKER_LEAVES, SealLedger
from holdfast.aws.signer import KmsSigner
from holdfast.domain.custody import Account, NamedFile, ObjectVersion, Receipt
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ExportJobId, MatterId, RequestId, batch_id
from holdfast.domain.merkle import leaf_hash
from holdfast.domain.seals import Folder, SealedLog
from holdfast.evidence.verifier import P256_ORDER
from holdfast.ports import Claim, ClaimBook, ReceiptBook, SealBook, Signer
from tests.fakes.clock import NOON
from tests.fakes.ledger import ConversationsInMemory
from tests.fakes.seals import SealsInMemory, SignerInMemory
from tests.fakes.story import ORGANIZATION, conversation_id, conversations, key_of, recording_id
from tests.tables import make_ledger

SESSION: Any = botocore.session.get_session()
REGION = "eu-central-1"
M, OTHER_M = MatterId("M-1"), MatterId("M-10")  # one name begins with the other
ONE = Folder.of_conversation(conversation_id(1))
JOB = ExportJobId("00000000-0000-4000-8000-00000000beef")


@dataclass(frozen=True)
class Books:
    """What is filed, and what is sealed of it."""

    claims: ClaimBook
    receipts: ReceiptBook
    seals: SealBook


@pytest.fixture(params=["in memory", "on DynamoDB"])
def books(request: pytest.FixtureRequest) -> Iterator[Books]:
    if request.param == "in memory":
        shelf = ConversationsInMemory()
        yield Books(shelf, shelf, SealsInMemory(shelf))
        return
    with mock_aws():
        client = SESSION.create_client("dynamodb", region_name=REGION)
        table = make_ledger(client)
        yield Books(ClaimLedger(table), ReceiptLedger(table), SealLedger(table))


def _claim(books: Books, matter_id: MatterId, conversation: int = 1) -> None:
    claim = Claim(matter_id, RequestId("R"), batch_id(1, 0), conversations(conversation)[0], NOON)
    books.claims.claim(claim)


def _receipt(books: Books, key: str) -> ObjectVersion:
    version = ObjectVersion("evidence", key, "v1", 5)
    parsed = EvidenceKey.parse(key)
    books.receipts.write(
        Receipt(version, parsed.role, NOON, NOON, "ab" * 32, parsed.conversation_id, parsed.recording_id)
    )
    return version


def _seal(books: Books, sequence: int, folder: Folder, entries: Sequence[bytes], of: MatterId = M) -> None:
    books.seals.mark(of, sequence, folder, [leaf_hash(entry) for entry in entries])


def test_a_log_begins_empty_and_grows_seal_by_seal(books: Books) -> None:
    first = SealedLog(1, 3, (b"a" * 32, b"b" * 32), "r1", "d1")
    second = SealedLog(2, 4, (b"c" * 32,), "r2", "d2")

    assert books.seals.log(M) == SealedLog()
    assert books.seals.extend(M, first)
    assert books.seals.log(M) == first
    assert books.seals.extend(M, second)
    assert books.seals.log(M) == second
    assert books.seals.log(OTHER_M) == SealedLog()


def test_a_log_does_not_fork_and_does_not_skip(books: Books) -> None:
    first = SealedLog(1, 1, (b"a" * 32,), "r1", "d1")
    books.seals.extend(M, first)

    assert not books.seals.extend(M, SealedLog(1, 1, (b"z" * 32,), "r", "d"))
    assert not books.seals.extend(M, SealedLog(3, 4, (b"z" * 32,), "r", "d"))
    assert not books.seals.extend(OTHER_M, SealedLog(2, 2, (b"z" * 32,), "r", "d"))
    assert books.seals.log(M) == first


def test_what_concerns_a_matter_is_unsealed_until_it_is_marked(books: Books) -> None:
    _claim(books, M)
    _claim(books, OTHER_M)
    _receipt(books, key_of(1, f"{recording_id(1)}.wav"))
    filed = books.claims.dossier(conversation_id(1)).entries
    ours = [entry.canonical for entry in filed if entry.matter_id in (None, M)]

    assert books.seals.unsealed(M, ONE) == ours
    assert len(ours) == 2
    _seal(books, 1, ONE, ours[:1])
    assert books.seals.unsealed(M, ONE) == ours[1:]
    _seal(books, 2, ONE, ours[1:])
    assert books.seals.unsealed(M, ONE) == []
    assert len(books.seals.unsealed(OTHER_M, ONE)) == 2


def test_marking_twice_changes_nothing(books: Books) -> None:
    _claim(books, M)
    entries = books.seals.unsealed(M, ONE)

    for _ in range(2):
        _seal(books, 1, ONE, entries)

    assert books.seals.unsealed(M, ONE) == []


def test_a_marker_may_be_longer_than_an_item(books: Books) -> None:
    _claim(books, M)
    entries = books.seals.unsealed(M, ONE)
    others = [str(number).encode() for number in range(MARKER_LEAVES)]

    _seal(books, 1, ONE, [*others, *entries])

    assert books.seals.unsealed(M, ONE) == []


def test_a_manifest_is_sealed_in_the_folder_of_its_job(books: Books) -> None:
    version = _receipt(books, f"{ORGANIZATION}/manifests/{JOB.upper()}.json")
    books.receipts.add_digest(version, "cd" * 32, NOON)

    assert len(books.seals.unsealed(M, Folder.of_job(JOB))) == 2


def test_a_fact_of_the_whole_matter_is_written_once_by_its_name(books: Books) -> None:
    fact = Account(
        M, RequestId("R:1"), 1, NOON, "PRESERVED", "ab" * 32, [NamedFile("x.jsonl", "cd" * 32, 3)], {"n": 1}
    )

    assert books.seals.add_fact(M, "ACCOUNT#R:1", fact)
    assert not books.seals.add_fact(M, "ACCOUNT#R:1", fact)

    folder = Folder.of_matter(M)
    (entry,) = books.seals.unsealed(M, folder)
    assert b'"files":[{"name":"x.jsonl","sha256":"cdcd' in entry
    assert b'"kind":"account"' in entry
    books.seals.extend(M, SealedLog(1, 1, (b"a" * 32,), "r", "d"))  # the head lies beside it
    _seal(books, 1, folder, [entry])
    assert books.seals.unsealed(M, folder) == []
    assert books.seals.unsealed(OTHER_M, Folder.of_matter(OTHER_M)) == []


# --- the key


def _is_a_digest(params: dict[str, Any], **_: Any) -> None:
    assert (params["MessageType"], params["SigningAlgorithm"]) == ("DIGEST", "ECDSA_SHA_256")


def _sign_digest(key: ECDSAPrivateKey, digest: bytes, _: str) -> bytes:
    """Sign as KMS does what comes as a DIGEST; moto takes it for a message."""
    return key.private_key.sign(digest, ECDSA(Prehashed(SHA256())))


@pytest.fixture(params=["in memory", "on KMS"])
def signer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Signer]:
    if request.param == "in memory":
        yield SignerInMemory()
        return
    monkeypatch.setattr(ECDSAPrivateKey, "sign", _sign_digest)
    with mock_aws():
        kms = SESSION.create_client("kms", region_name=REGION)
        kms.meta.events.register("provide-client-params.kms.Sign", _is_a_digest)
        key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        yield KmsSigner(kms, key_id=key["Arn"])


@pytest.mark.parametrize("size", [*range(20), 10_000])  # KMS itself takes no more than 4,096
def test_a_signature_is_over_the_sha256_of_the_message(signer: Signer, size: int) -> None:
    message = b"m" * size

    signature = signer.sign(message)

    key = load_pem_public_key(signer.public_key().pem)
    assert isinstance(key, EllipticCurvePublicKey)
    key.verify(signature, message, ECDSA(SHA256()))
    r, s = decode_dss_signature(signature)
    assert s <= P256_ORDER // 2
    assert signature == encode_dss_signature(r, s)


def test_a_key_is_known_by_the_hash_of_its_der(signer: Signer) -> None:
    key = signer.public_key()

    assert key.sha256 == hashlib.sha256(key.der).hexdigest()
    assert key.record_key == f"keys/{key.sha256}.pem"
    assert key.key_id.startswith("arn:aws:kms:")
