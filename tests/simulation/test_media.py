import email
import email.policy
import json
import struct
from typing import Any

import pytest

from local.genesys.media import media_file

JOBS = "/api/v2/recording/jobs"


def only_pair(world: Any) -> tuple[str, bytes, dict[str, Any]]:
    """Key and content of the one media object, and the sidecar."""
    world.export(world.client(), includeScreenRecordings=False)
    by_key = dict(world.bucket.versions)
    [key] = [key for key in by_key if not key.endswith("_metadata.json")]
    return key, by_key[key], json.loads(by_key[f"{key}_metadata.json"])


@pytest.mark.parametrize(
    ("medium", "extension", "told"),
    [
        ("voice", "opus", ("Call", "Trunk")),
        ("callback", "opus", ("Callback", "Trunk")),
        ("chat", "json", ("Chat", None)),
        ("message", "json", ("Message", None)),
        ("email", "eml", ("Email", None)),
    ],
)
def test_objects_lie_where_the_vendor_puts_them(
    make_world: Any, make_group: Any, medium: str, extension: str, told: tuple[str, str | None]
) -> None:
    interval = "2026-03-02T04:00:00Z/2026-03-02T05:00:00Z"
    world = make_world(make_group(1, medium, interval=interval))
    [conversation] = world.conversations
    [recording] = conversation.recordings

    key, _, sidecar = only_pair(world)

    assert key == (
        f"{world.organization.id}/year=2026/month=3/day=2/hour=4/conversation_id={conversation.id}/"
        f"{recording.id}.{extension}"
    )
    assert (sidecar["mediaType"], sidecar.get("mediaSubtype")) == told
    assert (sidecar["conversationId"], sidecar["recordingId"]) == (conversation.id, recording.id)
    assert sidecar["startTime"].startswith("2026-03-02T04:")
    assert sidecar["startTime"].endswith("+0000")


@pytest.mark.parametrize("medium", ["voice", "chat", "message", "email"])
@pytest.mark.parametrize("size_bytes", [0, 2_000, 300_000])
def test_sizes_are_at_least_what_was_asked_and_contents_never_alike(
    make_world: Any, make_group: Any, medium: str, size_bytes: int
) -> None:
    world = make_world(
        make_group(8, medium, size_bytes=size_bytes, screen=True, screen_size_bytes=size_bytes)
    )

    files = [media_file(7, one, recording) for one in world.conversations for recording in one.recordings]
    again = [media_file(7, one, recording) for one in world.conversations for recording in one.recordings]

    assert files == again
    assert len({file.content for file in files}) == 16
    assert all(size_bytes <= len(file.content) <= max(6_000, size_bytes * 1.5) for file in files)


@pytest.mark.parametrize("size_bytes", [2_000, 300_000])
def test_voice_is_ogg_with_valid_checksums_all_the_way(
    make_world: Any, make_group: Any, size_bytes: int
) -> None:
    _, content, _ = only_pair(make_world(make_group(1, size_bytes=size_bytes)))

    pages, position = [], 0
    while position < len(content):
        assert content[position : position + 4] == b"OggS"
        segments = content[position + 26]
        lacing = content[position + 27 : position + 27 + segments]
        end = position + 27 + segments + sum(lacing)
        page = content[position:end]
        assert struct.unpack_from("<I", page, 22)[0] == slow_crc(page[:22] + bytes(4) + page[26:])
        pages.append((page[5], struct.unpack_from("<I", page, 18)[0], page[27 + segments :]))
        position = end

    assert [number for _, number, _ in pages] == list(range(len(pages)))
    assert pages[0][0] == 2
    assert pages[0][2].startswith(b"OpusHead")
    assert pages[1][2].startswith(b"OpusTags")
    assert pages[-1][0] == 4


def slow_crc(page: bytes) -> int:
    """Bit by bit, as RFC 3533 describes it."""
    crc = 0
    for byte in page:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1) ^ (0x104C11DB7 if crc & 0x80000000 else 0)
    return crc


def test_chats_and_messages_are_transcripts_in_the_recording_model(make_world: Any, make_group: Any) -> None:
    _, chat, _ = only_pair(make_world(make_group(1, "chat")))
    _, message, _ = only_pair(make_world(make_group(1, "message")))

    said, written = json.loads(chat)["transcript"], json.loads(message)["messagingTranscript"]

    assert {"id", "body", "from", "to", "utc", "bodyType", "participantPurpose"} <= set(said[0])
    assert {"id", "messageText", "from", "to", "timestamp", "purpose"} <= set(written[0])
    assert {one["purpose"] for one in written} == {"agent", "customer"}
    assert all(one["from"].startswith("tel:+131755501") for one in written)


def test_an_email_is_one(make_world: Any, make_group: Any) -> None:
    _, content, _ = only_pair(make_world(make_group(1, "email")))

    letter = email.message_from_bytes(content, policy=email.policy.default)

    assert letter["From"].endswith("@example.invalid")
    assert letter["Date"].datetime.year == 2026
    assert [part.get_filename() for part in letter.iter_attachments()] == ["reference.txt"]
    assert not letter.defects


def test_a_screen_recording_is_webm_down_to_its_frame(make_world: Any, make_group: Any) -> None:
    world = make_world(make_group(1, screen=True))
    [conversation] = world.conversations
    screen = next(one for one in conversation.recordings if one.subtype == "Screen")

    content = media_file(7, conversation, screen).content
    top = elements(content)
    inside = dict(elements(top[1][1]))

    assert [name for name, _ in top] == ["1a45dfa3", "18538067"]
    assert dict(elements(top[0][1]))["4282"] == b"webm"
    assert dict(elements(dict(elements(inside["1654ae6b"]))["ae"]))["86"] == b"V_VP8"
    # a VP8 key frame starts with these three bytes (RFC 6386, section 9.1)
    assert dict(elements(inside["1f43b675"]))["a3"][7:10] == bytes.fromhex("9d012a")


def elements(content: bytes) -> list[tuple[str, bytes]]:
    """The EBML elements of one level, with sizes of eight bytes as the writer makes them."""
    found, position = [], 0
    while position < len(content):
        width = 9 - content[position].bit_length()
        name = content[position : position + width].hex()
        size = struct.unpack_from(">Q", content, position + width)[0] & (1 << 56) - 1
        position += width + 8
        found.append((name, content[position : position + size]))
        position += size
    return found
