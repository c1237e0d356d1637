import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from hypothesis import given
from hypothesis import strategies as st

from holdfast.domain.ids import ConversationId, ExportJobId, MatterId
from holdfast.domain.seals import Folder, PublicKey, in_lower_half, seal_key, segment_key, signature_key
from tests.fakes.seals import SignerInMemory

ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
M = MatterId("M-1")
JOB = ExportJobId("0A6F0D1E-0000-4000-8000-000000000003")


@given(st.integers(1, ORDER - 1), st.integers(1, ORDER - 1))
def test_a_signature_has_one_form_whichever_of_its_two_came(r: int, s: int) -> None:
    forms = {in_lower_half(encode_dss_signature(r, one)) for one in (s, ORDER - s)}

    (form,) = forms
    assert decode_dss_signature(form) == (r, min(s, ORDER - s))
    assert form == encode_dss_signature(r, min(s, ORDER - s))


@pytest.mark.parametrize(
    ("document", "folder"),
    [
        ({"conversation_id": "c", "key": "k"}, Folder.of_conversation(ConversationId("c"))),
        ({"key": f"{JOB}/manifests/{JOB}.json"}, Folder.of_job(JOB)),
        ({"details": {"key": f"{JOB}/manifests/{JOB}.json"}}, Folder.of_job(JOB)),
        ({"kind": "account"}, Folder.of_matter(M)),
        ({"kind": "release", "key": "releases/x"}, Folder.of_matter(M)),
    ],
)
def test_an_entry_tells_where_it_is_filed(document: dict[str, object], folder: Folder) -> None:
    assert Folder.of_entry(document, M) == folder


def test_files_of_a_seal_lie_beside_each_other_by_number() -> None:
    assert [name(M, 7) for name in (segment_key, seal_key, signature_key)] == [
        "matters/M-1/segments/000007.jsonl",
        "matters/M-1/seals/000007.json",
        "matters/M-1/seals/000007.sig",
    ]


def test_a_key_is_written_as_openssl_reads_it() -> None:
    key = SignerInMemory().public_key()

    read = load_pem_public_key(key.pem)

    assert PublicKey("", key.der).sha256 == hashlib.sha256(key.der).hexdigest()
    assert read is not None
    assert key.pem.startswith(b"-----BEGIN PUBLIC KEY-----\n")
    assert max(map(len, key.pem.splitlines())) <= 64
