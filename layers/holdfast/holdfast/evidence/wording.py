"""A scope, and numbers, in words that a lawyer reads."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from holdfast.domain.moments import from_text

_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_MEDIA = {
    "voice": "voice calls",
    "chat": "chats",
    "email": "e-mails",
    "message": "messages",
    "callback": "callbacks",
    "screen": "screen recordings",
    "unknown": "of unknown medium",
}
MEDIUM_NAMES = {
    "voice": "Voice",
    "chat": "Chat",
    "email": "E-mail",
    "message": "Message",
    "callback": "Callback",
    "screen": "Screen",
    "unknown": "Unknown",
}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def moment_in_words(at: datetime) -> str:
    """Write a time, for example ``2 March 2026, 14:05 UTC``."""
    return f"{day_in_words(at)}, {at:%H:%M} UTC"


def day_in_words(at: datetime) -> str:
    """Write a day, for example ``2 March 2026``."""
    return f"{at.day} {_MONTHS[at.month - 1]} {at.year}"


def text_in_words(text: str) -> str:
    """Write a time that is given as text."""
    return moment_in_words(from_text(text))


def size_in_words(size_bytes: int) -> str:
    """Write a size with three digits, for example ``1.25 MiB``."""
    size, unit = float(size_bytes), 0
    while size >= 999.5 and unit < len(_UNITS) - 1:
        size, unit = size / 1024, unit + 1
    return f"{size:.3g} {_UNITS[unit]}" if unit else f"{size_bytes} bytes"


def duration_in_words(milliseconds: int) -> str:
    """Write a duration, for example ``850 ms``, ``2.4 s``, ``3.5 min``, ``2.1 h`` or ``4.2 days``."""
    for unit, length_ms in (("days", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        if milliseconds >= length_ms * (1 if unit != "days" else 2):
            return f"{milliseconds / length_ms:.1f} {unit}"
    return f"{milliseconds} ms"


def scope_in_words(scope: Mapping[str, Any]) -> list[str]:
    """Say in sentences what a scope asked for; all of them held at once."""
    start, end = (text_in_words(scope["interval"][side]) for side in ("start", "end"))
    return [
        sentence
        for sentence in (
            f"Conversations with any activity from {start}, up to but not including {end}.",
            _any_of(scope.get("custodians", ()), "Handled by {}.", "custodian", "custodians, listed below"),
            _any_of(scope.get("queues", ()), "In {}.", "queue", "queues"),
            f"Of these kinds: {_listed([_MEDIA[medium] for medium in scope['media_types']])}."
            if scope.get("media_types")
            else "Of every kind: voice, chat, e-mail, message and callback.",
            f"Marked with the external tag “{scope['external_tag']}”." if scope.get("external_tag") else "",
            _any_of(
                scope.get("conversation_ids", ()), "Among {}.", "conversation", "conversations named by id"
            ),
            "Screen recordings were asked for."
            if scope.get("include_screen", True)
            else "Screen recordings were not asked for.",
            "Recordings with sensitive data were asked for."
            if scope.get("include_sensitive", False)
            else "Recordings with sensitive data were not asked for.",
        )
        if sentence
    ]


def _any_of(ids: Sequence[str], sentence: str, one: str, several: str) -> str:
    if not ids:
        return ""
    return sentence.format(f"the {one} {ids[0]}" if len(ids) == 1 else f"any one of {len(ids):,} {several}")


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
