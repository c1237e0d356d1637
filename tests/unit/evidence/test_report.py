import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.domain.custody import EventType
from holdfast.evidence import report
from holdfast.evidence.report import in_script, report_chunks, visible
from tests.unit.evidence.sealed import CLAIMED, Story

HOSTILE = (
    "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>"
    "\u202eRTL\u2028\x07\U0001f468\u200d\U0001f469\u200d\U0001f467<!--"
)


class Reader(HTMLParser):
    """Reads a page as a browser does: elements with their attributes, and each script's text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self._within = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._within = tag
        if tag in self.raw:
            self.raw[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within in self.raw:
            self.raw[self._within][-1] += data
        else:
            self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(story: Story) -> str:
    return b"".join(report_chunks(story.matter())).decode()


def rows_of(reader: Reader) -> dict[str, Any]:
    rows: dict[str, Any] = json.loads(reader.raw["script"][0])
    return rows


def unpacked(column: Any) -> list[Any]:
    """Read a column as the page's script does."""
    if isinstance(column, list):
        return column
    if "of" in column:
        return [column["of"][at] for at in column["at"]]
    names, last = [], b""
    for shared, rest in zip(column["shared"], column["rest"], strict=True):
        last = last[: 2 * shared] + rest.encode("utf-16-le")
        names.append(last.decode("utf-16-le"))
    return names


def test_the_page_needs_nothing_from_anywhere() -> None:
    reader = Reader(page_of(Story(recordings=60)))

    loading = {"src", "srcset", "data", "action", "poster", "background", "style", "ping"}
    assert not [
        (tag, name)
        for tag, attributes in reader.elements
        for name in attributes
        if name in loading or name.startswith("on")
    ]
    assert {element["href"][:1] for element in reader.all("a") if element["href"]} == {"#"}
    assert not reader.all("link")
    assert "url(" not in reader.raw["style"][0]
    assert "@import" not in reader.raw["style"][0]


def test_its_policy_allows_its_own_style_and_script_and_nothing_else() -> None:
    reader = Reader(page_of(Story(recordings=6)))

    (policy,) = [
        element["content"] or ""
        for element in reader.all("meta")
        if element.get("http-equiv") == "Content-Security-Policy"
    ]

    allowed = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    digests = {
        name: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for name, text in (("style", reader.raw["style"][0]), ("script", reader.raw["script"][1]))
    }
    assert allowed == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digests['style']}'",
        "script-src": f"'sha256-{digests['script']}'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_no_name_becomes_markup() -> None:
    plain = Reader(page_of(Story(recordings=6)))

    hostile = Reader(page_of(Story(recordings=6, title=HOSTILE, requested_by=HOSTILE, odd_names=[HOSTILE])))

    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in plain.elements]
    assert hostile.raw["script"][1] == plain.raw["script"][1]
    assert "".join(hostile.text).count(visible(HOSTILE)) == 2
    assert any(key.endswith(HOSTILE) for key in unpacked(rows_of(hostile)["objects"]["key"]))


_NAMES = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=40)
_MEAN = st.sampled_from(
    ["</script>", "<!--", "]]>", "<rows>", "{{ 1 }}", "&lt;", "'\"", "\u202e", "\U0001f600", "\x00"]
)


@settings(max_examples=25)
@given(st.lists(st.one_of(_NAMES, st.tuples(_NAMES, _MEAN).map("".join)), min_size=1, max_size=4))
def test_whatever_objects_are_called_the_page_carries_it_and_stays_whole(names: list[str]) -> None:
    reader = Reader(page_of(Story(recordings=2, odd_names=names, title=names[0])))

    objects = rows_of(reader)["objects"]
    others = [
        key
        for key, role in zip(unpacked(objects["key"]), unpacked(objects["role"]), strict=True)
        if role == "other"
    ]
    assert sorted(key.split("/", 6)[6] for key in others) == sorted(names)
    assert len(reader.raw["script"]) == 2


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_in_a_script_ends_no_script_and_says_the_same(document: Any) -> None:
    written = in_script(document)

    assert not re.search(r"[<>&\u2028\u2029]", written)
    assert json.loads(written) == document


def test_what_cannot_be_seen_is_spelled_out() -> None:
    assert visible("a\u202eb\x00c\u200f") == "a⟨U+202E⟩b⟨U+0000⟩c⟨U+200F⟩"
    assert visible("ä \U0001f468\u200d\U0001f469") == "ä \U0001f468\u200d\U0001f469"


def test_the_numbers_are_those_of_the_sealed_lines() -> None:
    story = Story(recordings=500)

    text = " ".join("".join(Reader(page_of(story)).text).split())

    assert "Recordings expected500" in text
    counts = story.summary["recordings"]
    for name in ("secured", "explained", "missing"):
        assert f"{name.capitalize()}{counts[name]}" in text.replace(" ", "")


def test_keys_that_share_what_is_no_ascii_come_back_as_they_were() -> None:
    names = ["ä\U0001f600録-1.json", "ä\U0001f600録-2.json", "ä\U0001f601.json"]

    rows = rows_of(Reader(page_of(Story(recordings=2, odd_names=names))))["objects"]

    assert {key.rpartition("/")[2] for key in unpacked(rows["key"])} >= set(names)


def test_every_object_and_every_exception_is_on_the_page() -> None:
    story = Story(recordings=120)

    rows = rows_of(Reader(page_of(story)))

    register = list(story.register().rows())
    for name in (
        "key",
        "path",
        "sha256",
        "version_id",
        "recording_id",
        "conversation_id",
        "medium",
        "size_bytes",
    ):
        assert unpacked(rows["objects"][name]) == [getattr(row, name) for row in register]
    assert unpacked(rows["exceptions"]["reason"]) == [one["reason"] for one in story.exceptions]


def test_a_page_takes_no_more_rows_than_a_browser_does_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MOST_ROWS", 10)

    reader = Reader(page_of(Story(recordings=60)))

    assert len(rows_of(reader)["objects"]["number"]) == 10
    assert "This page lists the first 10" in " ".join("".join(reader.text).split())


def test_a_matter_with_nothing_in_it_has_a_page_all_the_same() -> None:
    reader = Reader(page_of(Story(recordings=0)))

    assert rows_of(reader)["objects"]["number"] == []
    assert "None is recorded." in "".join(reader.text)


@pytest.mark.parametrize(("recordings", "word"), [(20, "Preserved"), (500, "Incomplete")])
def test_the_verdict_is_that_of_the_requests(recordings: int, word: str) -> None:
    assert f'<p class="word">{word}</p>' in page_of(Story(recordings=recordings))


def test_interference_and_decisions_are_told_with_their_details() -> None:
    story = Story(recordings=4)
    story.event(EventType.DRIFT_FOUND, None, CLAIMED, drift="lock_lifted", key="a<b>")
    story.event(EventType.EXCEPTION_RESOLVED, None, CLAIMED, decided_by="counsel\u202e", explanation=HOSTILE)

    text = "".join(Reader(page_of(story)).text)

    assert "drift: lock_lifted, key: a<b>" in text
    assert f"decided by: counsel⟨U+202E⟩, explanation: {visible(HOSTILE)}" in text


def test_what_was_let_go_is_said() -> None:
    story = Story(recordings=4)
    held = page_of(story)

    story.event(EventType.LIFTED, story._conversation(0), CLAIMED)

    assert "a release has lifted the lock" not in held
    assert "Of 4 of them a release has lifted the lock since" in page_of(story)


def test_the_same_seals_make_the_same_page() -> None:
    assert page_of(Story(recordings=30)) == page_of(Story(recordings=30))


def test_ids_are_used_once_and_what_refers_to_them_finds_them() -> None:
    reader = Reader(page_of(Story(recordings=60)))

    ids = [attributes["id"] for _, attributes in reader.elements if attributes.get("id")]
    targets = [(element["href"] or "")[1:] for element in reader.all("a")]
    labels = [
        name
        for _, attributes in reader.elements
        for name in (attributes.get("aria-labelledby") or "").split()
    ]
    assert len(ids) == len(set(ids))
    assert {*targets, *labels} <= set(ids)


def test_it_promises_nothing_that_no_program_can_keep() -> None:
    text = "".join(Reader(page_of(Story(recordings=20))).text).lower()

    assert "compliant" not in text
    assert "admissible" not in text
