from collections.abc import Mapping
from datetime import timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.genesys.retry_after import DEFAULT_S, LONGEST_S, retry_after_s
from tests.fakes.clock import NOON

IN_90_S = format_datetime(NOON + timedelta(seconds=90), usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 7 "}, 7),
        ({"Retry-After": "0"}, 1),
        ({"Retry-After": "0.5"}, 1),
        ({"Retry-After": "2.01"}, 3),
        ({"Retry-After": "900"}, 900),
        ({"Retry-After": IN_90_S}, 91),
        ({"Retry-After": format_datetime(NOON - timedelta(hours=1), usegmt=True)}, 1),
        ({"Retry-After": "Sunday, 06-Nov-94 08:49:37 GMT"}, 1),  # the obsolete form, long past
        ({"inin-ratelimit-reset": "12"}, 13),
        ({"Retry-After": "7", "inin-ratelimit-reset": "12"}, 7),
    ],
)
def test_what_the_platform_asked_for_is_obeyed(headers: Mapping[str, str], wait_s: int) -> None:
    assert retry_after_s(headers, NOON) == wait_s


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Retry-After": ""},
        {"Retry-After": "soon"},
        {"Retry-After": "-5"},
        {"Retry-After": "1e3"},
        {"Retry-After": "1."},
        {"Retry-After": "901"},
        {"Retry-After": "٣"},
        {"Retry-After": "9" * 4_000},
        {"Retry-After": format_datetime(NOON + timedelta(days=365), usegmt=True)},
        {"Retry-After": "Wed, 01 Apr 2026 12:00:10 -0000"},  # says that it knows no zone
        {"Retry-After": "Wed, 01 Apr 99999 12:00:10 GMT"},
        {"Retry-After": "Wed, 01 Apr 2026 12:00:10 +9999999999999999"},
        {"inin-ratelimit-reset": "a while"},
        {"inin-ratelimit-reset": "999999"},
        {"inin-ratelimit-reset": "-1"},
    ],
)
def test_what_is_absent_or_absurd_is_a_minute(headers: Mapping[str, str]) -> None:
    assert retry_after_s(headers, NOON) == DEFAULT_S


@given(st.text(), st.text())
def test_whatever_the_headers_say_the_wait_is_bounded(stated: str, reset: str) -> None:
    assert 1 <= retry_after_s({"Retry-After": stated, "inin-ratelimit-reset": reset}, NOON) <= LONGEST_S


@given(st.integers(-(10**12), 10**12), st.integers(-(10**12), 10**12))
def test_whatever_the_date_and_its_zone_the_wait_is_bounded(year: int, zone: int) -> None:
    assert 1 <= retry_after_s({"Retry-After": f"Wed, 01 Apr {year} 12:00:10 {zone:+}"}, NOON) <= LONGEST_S


def test_the_names_of_headers_have_no_case() -> None:
    assert retry_after_s(httpx.Headers({"retry-after": "7"}), NOON) == 7
