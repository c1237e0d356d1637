"""The media of the field, in one vocabulary.

The vendor has three: a session's `mediaType` (voice, chat, email, message, callback), a sidecar's `mediaType`
(Call, Chat, ..., Screen) and a recording's `media` (audio, chat, messaging, email, screen). Inside Holdfast
there is one.
"""

from enum import StrEnum


class Medium(StrEnum):
    """What kind of recording, or conversation, it is."""

    VOICE = "voice"
    CHAT = "chat"
    EMAIL = "email"
    MESSAGE = "message"
    CALLBACK = "callback"
    SCREEN = "screen"
    UNKNOWN = "unknown"


_VENDOR_WORDS = {
    "voice": Medium.VOICE,
    "call": Medium.VOICE,
    "audio": Medium.VOICE,
    "chat": Medium.CHAT,
    "email": Medium.EMAIL,
    "message": Medium.MESSAGE,
    "messaging": Medium.MESSAGE,
    "callback": Medium.CALLBACK,
    "screen": Medium.SCREEN,
    "screenshare": Medium.SCREEN,
    "screenmonitoring": Medium.SCREEN,
}


def medium_of(vendor_word: str | None) -> Medium:
    """Translate any of the vendor's words; a word not known is UNKNOWN, never an error."""
    return _VENDOR_WORDS.get((vendor_word or "").lower(), Medium.UNKNOWN)


def principal_medium(media: list[Medium]) -> Medium:
    """Choose the one medium under which a conversation is counted: its first that is not the screen."""
    spoken = [medium for medium in media if medium not in (Medium.SCREEN, Medium.UNKNOWN)]
    return (spoken or media or [Medium.UNKNOWN])[0]
