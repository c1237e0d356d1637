"""Files of every kind a recording can be: small, real, and each one unlike all others."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

from local.genesys.clock import iso
from local.genesys.ids import digest_of, uuid_for
from local.genesys.organisation import Conversation, Recording
from local.genesys.scenario import Fate, Medium

EXTENSIONS = {
    Medium.VOICE: "opus",
    Medium.CALLBACK: "opus",
    Medium.CHAT: "json",
    Medium.MESSAGE: "json",
    Medium.EMAIL: "eml",
    Medium.SCREEN: "webm",
}
CONTENT_TYPES = {
    "opus": "audio/ogg",
    "json": "application/json",
    "eml": "message/rfc822",
    "webm": "video/webm",
}
SIDECAR_MEDIA_TYPES = {
    Medium.VOICE: "Call",
    Medium.CALLBACK: "Callback",
    Medium.CHAT: "Chat",
    Medium.MESSAGE: "Message",
    Medium.EMAIL: "Email",
    Medium.SCREEN: "Screen",
}


@dataclass(frozen=True, slots=True)
class MediaFile:
    name: str
    content_type: str
    content: bytes


def media_file(seed: int, conversation: Conversation, recording: Recording) -> MediaFile:
    """The recording's file, at least `recording.size_bytes` long unless that is less than its kind needs."""
    extension = EXTENSIONS[recording.medium]
    match recording.medium:
        case Medium.VOICE | Medium.CALLBACK:
            content = _opus(seed, recording)
        case Medium.SCREEN:
            content = _webm(seed, recording)
        case Medium.EMAIL:
            content = _email(seed, conversation, recording)
        case _:
            content = _transcript(seed, conversation, recording)
    return MediaFile(media_name(recording), CONTENT_TYPES[extension], content)


def media_name(recording: Recording) -> str:
    suffix = " gr\u00fc\u00dfe+50%=a&b" if recording.fate is Fate.EXOTIC_KEY else ""
    return f"{recording.id}{suffix}.{EXTENSIONS[recording.medium]}"


def sidecar_file(conversation: Conversation, recording: Recording, media_name: str) -> MediaFile:
    """What the platform says of a recording, beside it: `{media}_metadata.json`."""

    def stamp(at: datetime) -> str:
        return iso(at)[:-1] + "+0000"

    fields: dict[str, Any] = {
        "mediaType": SIDECAR_MEDIA_TYPES[recording.medium],
        "provider": conversation.provider,
        "userIds": list(recording.user_ids),
        "conversationId": conversation.id,
        "recordingId": recording.id,
        "startTime": stamp(recording.started_at),
        "endTime": stamp(recording.ended_at),
        "durationMs": int((recording.ended_at - recording.started_at).total_seconds() * 1000),
        "initialDirection": conversation.direction,
    }
    if recording.subtype:
        fields["mediaSubtype"] = recording.subtype
    return MediaFile(f"{media_name}_metadata.json", "application/json", json.dumps(fields, indent=1).encode())


# Text is filled from a few neutral words: nobody says anything here that somebody could have said.
_WORDS = (
    "parcel",
    "number",
    "date",
    "copy",
    "order",
    "again",
    "checked",
    "sent",
    "agreed",
    "of",
    "the",
    "and",
)


def _sentences(seed: int, recording_id: str, size_bytes: int, around_bytes: int = 0) -> Iterator[str]:
    """Enough of them for the size, when each has so many bytes of form around it."""
    written, count = 0, 0
    while count < 2 or written < size_bytes:
        noise = digest_of(seed, "text", recording_id, count)
        words = [_WORDS[byte % len(_WORDS)] for byte in noise[:14]]
        sentence = f"{' '.join(words)} {noise[14:20].hex()}."
        yield sentence
        written += len(sentence) + around_bytes
        count += 1


def _transcript(seed: int, conversation: Conversation, recording: Recording) -> bytes:
    step = (recording.ended_at - recording.started_at) / 1000
    entries: list[dict[str, Any]] = []
    agent, customer = recording.user_ids[0], uuid_for(seed, "customer", conversation.id)
    for number, sentence in enumerate(_sentences(seed, recording.id, recording.size_bytes, 280)):
        from_agent, at = bool(number % 2), iso(recording.started_at + min(number, 1000) * step)
        message_id = uuid_for(seed, "message", recording.id, number)
        if recording.medium is Medium.CHAT:
            entries.append(
                {
                    "id": message_id,
                    "body": sentence,
                    "from": agent if from_agent else customer,
                    "to": conversation.id,
                    "utc": at,
                    "type": "message",
                    "bodyType": "STANDARD",
                    "participantPurpose": "agent" if from_agent else "customer",
                }
            )
        else:
            entries.append(
                {
                    "id": message_id,
                    "messageText": sentence,
                    "from": conversation.address_self if from_agent else conversation.address_other,
                    "to": conversation.address_other if from_agent else conversation.address_self,
                    "timestamp": at,
                    "purpose": "agent" if from_agent else "customer",
                    "participantId": uuid_for(
                        seed, "participant", conversation.id, "agent" if from_agent else "customer"
                    ),
                    "contentType": "Text",
                }
            )
    chat = recording.medium is Medium.CHAT
    whole = {
        "id": recording.id,
        "conversationId": conversation.id,
        "startTime": iso(recording.started_at),
        "endTime": iso(recording.ended_at),
        "media": "chat" if chat else "messaging",
        "sessionId": recording.session_id,
        "transcript" if chat else "messagingTranscript": entries,
    }
    return json.dumps(whole, indent=1).encode()


def _email(seed: int, conversation: Conversation, recording: Recording) -> bytes:
    letter = EmailMessage()
    letter["From"] = conversation.address_other
    letter["To"] = conversation.address_self
    letter["Subject"] = f"Parcel {recording.id[:8]}"
    letter["Date"] = format_datetime(recording.started_at)
    letter["Message-ID"] = f"<{recording.id}@example.invalid>"
    letter.set_content("\n".join(_sentences(seed, recording.id, recording.size_bytes)) + "\n")
    letter.add_attachment(
        digest_of(seed, "attachment", recording.id).hex() + "\n", subtype="plain", filename="reference.txt"
    )
    letter.set_boundary(f"=-{recording.id}")  # the standard one is random
    return letter.as_bytes()


# --- Ogg with Opus (RFC 3533, RFC 7845) ----------------------------------------------------------

_SAMPLES_PER_PACKET = 960  # 20 ms at 48 kHz


def _opus(seed: int, recording: Recording) -> bytes:
    tag = f"RECORDING={recording.id}/{digest_of(seed, 'voice', recording.id).hex()}".encode()
    vendor = b"silence"
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", len(vendor)) + vendor + struct.pack("<II", 1, len(tag)) + tag
    start = _ogg_page(2, 0, 0, (head,)) + _ogg_page(0, 0, 1, (tags,))
    return start + _silence(max(0, recording.size_bytes - len(start)))


@lru_cache(maxsize=64)
def _silence(size_bytes: int) -> bytes:
    """Pages of silent packets that every recording of this size shares."""
    padding = 0 if size_bytes < 20_000 else 900  # large files: fewer, larger packets
    packet = _silent_packet(padding)
    packets = 10 if padding else 50
    page_bytes = 27 + packets * (len(packet) + len(_lacing(packet)))
    pages = max(1, -(-size_bytes // page_bytes))
    return b"".join(
        _ogg_page(
            4 if number == pages - 1 else 0,
            (number + 1) * packets * _SAMPLES_PER_PACKET,
            number + 2,
            (packet,) * packets,
        )
        for number in range(pages)
    )


def _silent_packet(padding: int) -> bytes:
    """One CELT frame of silence, 20 ms, mono; padded as RFC 6716 section 3.2.5 has it."""
    if not padding:
        return b"\xf8\xff\xfe"
    length = b"\xff" * (padding // 254) + bytes([padding % 254])
    return b"\xfb\x41" + length + b"\xff\xfe" + bytes(padding)


def _lacing(packet: bytes) -> bytes:
    return b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255])


def _ogg_page(flags: int, granule: int, sequence: int, packets: tuple[bytes, ...]) -> bytes:
    lacing = b"".join(map(_lacing, packets))
    head = b"OggS" + struct.pack("<BBqIII", 0, flags, granule, 0x48_46, sequence, 0) + bytes([len(lacing)])
    page = head + lacing + b"".join(packets)
    return page[:22] + struct.pack("<I", _ogg_crc(page)) + page[26:]


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        register = byte << 24
        for _ in range(8):
            register = (register << 1) ^ (0x04C11DB7 if register & 0x80000000 else 0)
        table.append(register & 0xFFFFFFFF)
    return tuple(table)


_CRC_TABLE = _crc_table()


def _ogg_crc(page: bytes) -> int:
    crc = 0
    for byte in page:
        crc = (crc << 8 & 0xFFFFFFFF) ^ _CRC_TABLE[crc >> 24 ^ byte]
    return crc


# --- WebM (RFC 8794, RFC 9559) with one VP8 key frame of 8 x 8 pixels ------------------------------

_VP8_FRAME = bytes.fromhex("3001009d012a0800080001402625a4000370 00fefcf40000".replace(" ", ""))


def _webm(seed: int, recording: Recording) -> bytes:
    title = f"{recording.id}/{digest_of(seed, 'screen', recording.id).hex()}".encode()
    head = _ebml(
        "1a45dfa3",
        _ebml("4286", b"\x01"), _ebml("42f7", b"\x01"), _ebml("42f2", b"\x04"), _ebml("42f3", b"\x08"),
        _ebml("4282", b"webm"), _ebml("4287", b"\x02"), _ebml("4285", b"\x02"),
    )  # fmt: skip
    about = _ebml(
        "1549a966",
        _ebml("2ad7b1", struct.pack(">I", 1_000_000)), _ebml("7ba9", title),
        _ebml("4d80", b"silence"), _ebml("5741", b"silence"), _ebml("4489", struct.pack(">d", 1000.0)),
    )  # fmt: skip
    track = _ebml(
        "ae",
        _ebml("d7", b"\x01"), _ebml("73c5", b"\x01"), _ebml("9c", b"\x00"), _ebml("86", b"V_VP8"),
        _ebml("83", b"\x01"), _ebml("e0", _ebml("b0", b"\x08"), _ebml("ba", b"\x08")),
    )  # fmt: skip
    cluster = _ebml("1f43b675", _ebml("e7", b"\x00"), _ebml("a3", b"\x81\x00\x00\x80" + _VP8_FRAME))
    body = about + _ebml("1654ae6b", track) + cluster
    missing = recording.size_bytes - len(head) - len(body) - 21
    return head + _ebml("18538067", body, _ebml("ec", bytes(max(0, missing))))


def _ebml(element: str, *content: bytes) -> bytes:
    body = b"".join(content)
    return bytes.fromhex(element) + struct.pack(">Q", len(body) | 1 << 56) + body
