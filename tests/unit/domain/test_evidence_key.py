from collections.abc import Callable
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.domain.evidence_key import CANARY_PREFIX, SIDECAR_SUFFIX, EvidenceKey, Role

FOLDER = (
    "2f8b9a34-6d1e-4c57-9a0b-8e3d5f7c1a26/year=2026/month=3/day=4/hour=9"
    "/conversation_id=0b6f0c1e-58b3-4b0f-9d8a-1f2e3d4c5b6a"
)
EXTENSIONS = st.from_regex(r"(\.[A-Za-z0-9]{1,5}){0,2}", fullmatch=True)


@given(st.text())
@example(FOLDER + "/\ud800.wav")
@example(FOLDER + "/" + "a" * 1024)
@example(FOLDER.upper() + "/x")
def test_any_text_has_a_role_and_keeps_its_key(key: str) -> None:
    parsed = EvidenceKey.parse(key)

    assert parsed.key == key
    assert parsed.role in Role


@given(st.tuples(st.uuids(), st.uuids(), st.uuids()), EXTENSIONS, st.booleans(), st.booleans())
def test_the_vendors_layout_says_whose_recording_it_is(
    uuids: tuple[UUID, UUID, UUID], extension: str, is_sidecar: bool, is_upper: bool
) -> None:
    organization, conversation, recording = uuids
    ids = [str(one).upper() if is_upper else str(one) for one in uuids]
    suffix = extension + (SIDECAR_SUFFIX if is_sidecar else "")
    key = f"{ids[0]}/year=2026/month=3/day=14/hour=0/conversation_id={ids[1]}/{ids[2]}{suffix}"

    parsed = EvidenceKey.parse(key)

    assert parsed.organization_id == str(organization)
    assert parsed.conversation_id == str(conversation)
    if recording != conversation:
        assert parsed.recording_id == str(recording)
        assert parsed.role is (Role.SIDECAR if is_sidecar else Role.MEDIA)


@pytest.mark.parametrize("shape", [str, str.upper])
def test_a_manifest_belongs_to_no_conversation_and_is_no_stray(shape: Callable[[str], str]) -> None:
    organization, job = FOLDER.split("/", maxsplit=1)[0], "c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f"

    parsed = EvidenceKey.parse(f"{shape(organization)}/manifests/{shape(job)}.json")

    assert (parsed.role, parsed.organization_id) == (Role.MANIFEST, organization)
    assert (parsed.conversation_id, parsed.recording_id, parsed.job_id) == (None, None, job)


@pytest.mark.parametrize("name", ["notes.json", "c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f.json.bak"])
def test_what_only_lies_among_the_manifests_is_a_stray(name: str) -> None:
    assert EvidenceKey.parse(f"{FOLDER.split('/', maxsplit=1)[0]}/manifests/{name}").role is Role.STRAY


@pytest.mark.parametrize(
    "file",
    [
        "0b6f0c1e-58b3-4b0f-9d8a-1f2e3d4c5b6a.wav",  # named after the conversation itself
        "0b6f0c1e-58b3-4b0f-9d8a-1f2e3d4c5b6a_metadata.json",
        "c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f-d5e2f8b9-3ca1-4046-9f72-1bac9d8e7f60.json",  # of two names
        "c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f_copy.wav",
        "notes.txt",
        "_metadata.json",
        "ärger & mehr+100%=viel.wav",
    ],
)
def test_a_file_named_after_no_recording_belongs_to_the_conversation_and_counts_as_none(file: str) -> None:
    parsed = EvidenceKey.parse(f"{FOLDER}/{file}")

    assert parsed.role is Role.OTHER
    assert parsed.conversation_id == "0b6f0c1e-58b3-4b0f-9d8a-1f2e3d4c5b6a"
    assert parsed.recording_id is None


@pytest.mark.parametrize(
    "key",
    [
        "",
        "report.csv",
        FOLDER,
        FOLDER + "/",
        FOLDER + "/deeper/c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f.wav",
        FOLDER.replace("year=2026", "year=26") + "/c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f.wav",
        " " + FOLDER + "/c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f.wav",
        FOLDER + "/c4d1e7a8-2b90-4f35-8e61-0a9b8c7d6e5f.wav/",
    ],
)
def test_a_key_outside_the_layout_is_a_stray(key: str) -> None:
    assert EvidenceKey.parse(key) == EvidenceKey(key, Role.STRAY)


def test_preflights_own_probe_is_a_canary_wherever_else_it_would_fit() -> None:
    assert EvidenceKey.parse(f"{CANARY_PREFIX}{FOLDER}/x").role is Role.CANARY
