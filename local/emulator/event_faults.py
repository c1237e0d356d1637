"""Loses and doubles S3's notifications, as S3 may; how many, it tells at `/_holdfast/events`.

`HOLDFAST_EVENT_FAULTS` is JSON: `seed`, and the shares `lose` and `double`, from 0 to 1. Which notifications
are struck follows from the seed and the object's key.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Callable

from ministack.services import s3

from local.emulator import calls

# Named after the day: a scenario would not end the same tomorrow.
_SPARED = "_holdfast/canary/"

_struck: Counter[str] = Counter(lost=0, doubled=0)


def install() -> None:
    """Stand between an object's creation and what is told about it."""
    calls.TOLD["/_holdfast/events"] = _struck
    faults = json.loads(os.environ["HOLDFAST_EVENT_FAULTS"])
    lose, double = faults["lose"], faults["lose"] + faults["double"]
    fire: Callable[..., None] = s3._fire_s3_event  # noqa: SLF001 - nothing public to hold on to

    def fire_or_not(bucket: str, key: str, event: str, *rest: object, **more: object) -> None:
        is_struck = event.startswith("s3:ObjectCreated:") and not key.startswith(_SPARED)
        place = _place(f"{faults['seed']}/{key}") if is_struck else 1.0
        if place < lose:
            _struck["lost"] += 1
            return
        fire(bucket, key, event, *rest, **more)
        if place < double:
            _struck["doubled"] += 1
            fire(bucket, key, event, *rest, **more)

    s3._fire_s3_event = fire_or_not  # noqa: SLF001


def _place(name: str) -> float:
    """Place a name between 0 and 1."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:6]) / 2**48
