"""How long a throttled caller is asked to wait."""

import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from math import ceil

DEFAULT_S = 60  # the platform counts per minute
LONGEST_S = 900
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")  # whole ones by the RFC; servers say 0.5 all the same


def retry_after_s(headers: Mapping[str, str], now: datetime) -> int:
    """Read `Retry-After` (seconds or a date), else `inin-ratelimit-reset`; absent or absurd means a minute.

    Source: RFC 9110 section 10.2.3; the vendor's rate limit headers.
    """
    stated = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(stated):
        return _bounded(ceil(float(stated)))
    if stated:
        try:
            until = parsedate_to_datetime(stated)
        except (ValueError, OverflowError):
            return DEFAULT_S
        return _bounded((until - now).total_seconds() + 1) if until.tzinfo else DEFAULT_S
    reset = headers.get("inin-ratelimit-reset", "").strip()
    return _bounded(int(reset) + 1) if reset.isascii() and reset.isdigit() and len(reset) < 6 else DEFAULT_S


def _bounded(wait_s: float) -> int:
    return DEFAULT_S if wait_s > LONGEST_S else max(1, int(wait_s))
