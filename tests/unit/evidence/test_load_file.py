import csv
import io
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.evidence.load_file import (
    BYTE_ORDER_MARK,
    EXCEPTION_FIELDS,
    FIELDS,
    csv_line,
    csv_lines,
    dat_line,
    dat_lines,
    exception_lines,
)
from holdfast.evidence.register import Row
from tests.unit.evidence.sealed import MATTER, Story

HOSTILE = 'a\x14þ®"b\r\n\u202e=1+1\u2028.json'


def _read_dat(content: bytes) -> list[list[str]]:
    """Read as a review platform does: byte order mark, CR LF, 0x14, þ, and þþ for one."""
    assert content.startswith(BYTE_ORDER_MARK)
    lines = content.removeprefix(BYTE_ORDER_MARK).decode().split("\r\n")
    assert lines.pop() == ""
    return [[field[1:-1].replace("þþ", "þ") for field in line.split("\x14")] for line in lines]


def _rows(story: Story) -> list[Row]:
    return list(story.register().rows())


def _loaded(story: Story) -> list[dict[str, str]]:
    names, *lines = _read_dat(b"".join(dat_lines(MATTER, _rows(story))))
    return [dict(zip(names, line, strict=True)) for line in lines]


def test_the_load_file_has_a_line_per_object_and_its_fields_first() -> None:
    story = Story(recordings=20)

    loaded = _loaded(story)

    assert len(loaded) == len(_rows(story)) > 0
    assert list(loaded[0]) == list(FIELDS)
    assert [line["BEGDOC"] for line in loaded[:2]] == ["M-2026-001-00000001", "M-2026-001-00000002"]


def test_a_line_says_what_the_receipt_says() -> None:
    story = Story(recordings=1)
    rows = _rows(story)

    media, sidecar = _loaded(story)

    assert (media["DOCTYPE"], sidecar["DOCTYPE"]) == ("media", "sidecar")
    assert media["MEDIUM"] == sidecar["MEDIUM"] == "voice"
    assert (media["SHA256"], media["FILESIZE"]) == (rows[0].sha256, str(rows[0].size_bytes))
    assert unquote(media["S3KEY"]) == rows[0].key
    assert media["DATEARRIVED"] == "2026-11-20T09:05:00.008Z"
    assert media["CONVERSATIONDATE"] == "2026-03-02"
    assert (media["LEGALHOLD"], media["PLATFORMHOLD"]) == ("ON", "held_at_platform")


def test_a_recording_and_its_sidecar_are_a_family() -> None:
    lines = _loaded(Story(recordings=10))

    families = {(line["BEGATTACH"], line["ENDATTACH"]) for line in lines}

    assert len(families) * 2 == len(lines)
    assert all(line["BEGATTACH"] <= line["BEGDOC"] <= line["ENDATTACH"] for line in lines)


def test_no_name_can_break_a_line_or_pass_for_a_delimiter() -> None:
    story = Story(recordings=2, odd_names=[HOSTILE])

    loaded = _loaded(story)

    (odd,) = [line for line in loaded if line["DOCTYPE"] == "other"]
    assert unquote(odd["FILENAME"]) == HOSTILE
    assert unquote(odd["S3KEY"]).endswith(HOSTILE)
    assert odd["S3KEY"].isascii()


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_stays_within_its_field_of_the_load_file(values: list[str]) -> None:
    line = BYTE_ORDER_MARK + dat_line([value.encode("utf-8", "replace").decode() for value in values])

    (read,) = _read_dat(line)

    assert len(read) == len(values)


def test_a_line_break_becomes_what_the_convention_has_for_it() -> None:
    assert dat_line(["a\r\nb", "þ\x14"]).decode() == "þa®bþ\x14þþþ þ\r\n"


def test_the_spreadsheet_has_the_same_lines() -> None:
    story = Story(recordings=6, odd_names=[HOSTILE])

    text = b"".join(csv_lines(MATTER, _rows(story))).decode("utf-8-sig")

    assert list(csv.DictReader(io.StringIO(text, newline=""))) == _loaded(story)


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1", "@a", "\tx", "\rx"])
def test_nothing_passes_for_a_formula(value: str) -> None:
    (read,) = csv.reader(io.StringIO(csv_line([value, "plain"]).decode(), newline=""))

    assert read == [f"'{value}", "plain"]


def test_exceptions_come_with_reason_and_meaning() -> None:
    story = Story(recordings=50)

    text = b"".join(exception_lines(story.register().exceptions())).decode("utf-8-sig")

    read = list(csv.DictReader(io.StringIO(text)))
    assert list(read[0]) == list(EXCEPTION_FIELDS)
    assert [line["reason"] for line in read] == [one["reason"] for one in story.exceptions]
    assert read[0]["meaning"] == "what failed_at_platform means"
