import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.contracts.arrivals import QueuedMessage, read_arrivals
from holdfast.domain.custody import ObjectVersion, Receipt
from holdfast.domain.evidence_key import CANARY_PREFIX, EvidenceKey, Role
from holdfast.domain.media import Medium
from holdfast.domain.reconciliation import Reason, pair_up
from holdfast.errors import ObjectUnreadable
from holdfast.ports import Counter
from tests.events import load_event
from tests.fakes.buckets import CHUNK_BYTES, EvidenceInMemory, StoredVersion
from tests.fakes.effects import Killed
from tests.fakes.house import MATTER, House, Patience
from tests.fakes.ledger import ConversationsInMemory
from tests.fakes.story import (
    LAG,
    ORGANIZATION,
    conversation_id,
    deliver,
    key_of,
    messages,
    notification,
    plan,
    planned,
    recording_id,
    upload,
)


def _receipt(house: House, version: ObjectVersion) -> Receipt:
    (receipt,) = [one for one in house.conversations.all_receipts() if one.version == version]
    return receipt


def _everything() -> tuple[House, list[ObjectVersion]]:
    """A house with one object of every kind."""
    house = House()
    full = {f"theirs-{number}": "x" for number in range(10)}
    return house, [
        *upload(house, 1),
        *upload(house, 2, media=b""),
        house.evidence.put(key_of(1, f"{recording_id(1)}.wav"), b"a second version"),
        house.evidence.put(key_of(3, f"{recording_id(3)}.webm"), b"large", size_bytes=1_000_000),
        house.evidence.put(key_of(3, f"{recording_id(3)}.webm_metadata.json"), b"no JSON", tags=full),
        house.evidence.put(key_of(3, "notes.txt"), b"x", tags={"owner": "them"}),
        house.evidence.put("stray.bin", b"large", size_bytes=1_000_000),
        house.evidence.put("Ordner/ärger & mehr+100%=viel \N{CLAPPER BOARD}.wav", b"stray"),
        house.evidence.put(CANARY_PREFIX + "1", b"tweet"),
    ]


def test_an_arrival_is_locked_then_read_then_tagged_then_receipted() -> None:
    house = House()
    media, sidecar = upload(house, 1, media=b"sound" * CHUNK_BYTES)

    failed = house.secure_objects(messages(house, media, sidecar))

    assert failed == []
    for version in (media, sidecar):
        assert house.effects.of(f"{version.key}@v1") == ["lock", "read", "tag", "receipt"]
        assert house.evidence.at(version).is_locked
    assert house.evidence.at(media).tags == {
        "legal-hold": "on",
        "conversation-id": conversation_id(1),
        "recording-id": recording_id(1),
    }
    receipt = _receipt(house, media)
    assert receipt.sha256 == hashlib.sha256(b"sound" * CHUNK_BYTES).hexdigest()
    assert (receipt.role, receipt.conversation_id, receipt.recording_id) == (
        Role.MEDIA,
        conversation_id(1),
        recording_id(1),
    )
    assert (receipt.arrived_at, receipt.secured_at) == (house.clock.now() - LAG, house.clock.now())
    assert _receipt(house, sidecar).medium is Medium.VOICE
    assert house.telemetry.lags_s == [LAG.total_seconds()] * 2
    assert house.telemetry.counts[Counter.OBJECTS_SECURED] == 2


def test_the_whole_batch_is_locked_before_anything_is_read() -> None:
    house, versions = _everything()

    house.secure_objects(messages(house, *versions))

    kinds = [kind for kind, _ in house.effects.log]
    assert kinds[: len(versions)] == ["lock"] * len(versions)


def test_a_full_redelivery_writes_nothing() -> None:
    house, versions = _everything()
    house.secure_objects(messages(house, *versions))
    before, effects = house.observable(), len(house.effects.log)

    assert house.secure_objects(messages(house, *reversed(versions))) == []
    assert house.observable() == before
    assert len(house.effects.log) == effects


def _is_safe(house: House) -> bool:
    """A receipt never says more than is true: its version is locked and tagged."""
    stored = house.evidence.stored
    return all(
        stored[receipt.version.key, receipt.version.version_id].is_locked
        and stored[receipt.version.key, receipt.version.version_id].tags
        for receipt in house.conversations.all_receipts()
    )


def _in_order(house: House, versions: list[ObjectVersion]) -> Iterator[list[str]]:
    for version in versions:
        yield [kind for kind in house.effects.of(f"{version.key}@{version.version_id}") if kind != "read"]


def test_killed_between_any_two_effects_a_redelivery_finishes_the_rest() -> None:
    quiet, versions = _everything()
    quiet.secure_objects(messages(quiet, *versions))
    total = len(quiet.effects.log)

    for place in range(1, total + 1):
        house, versions = _everything()
        house.effects.crash_before = place
        with pytest.raises(Killed):
            house.secure_objects(messages(house, *versions))
        assert _is_safe(house)
        if place > len(versions):
            assert all(house.evidence.at(version).is_locked for version in versions)

        house.effects.crash_before = None
        assert house.secure_objects(messages(house, *versions)) == []

        assert _is_safe(house)
        assert house.evidence.stored == quiet.evidence.stored
        assert {one.version for one in house.conversations.all_receipts()} == set(versions)
        for kinds in _in_order(house, versions):
            assert kinds[0] == "lock"
            assert kinds.count("receipt") == 1
            assert kinds.index("tag") < kinds.index("receipt") == len(kinds) - 1


@given(st.permutations(range(11)), st.lists(st.integers(0, 10), max_size=5))
def test_neither_order_nor_repetition_of_records_changes_what_stands(
    order: list[int], repeated: list[int]
) -> None:
    quiet, versions = _everything()
    quiet.secure_objects(messages(quiet, *versions))
    house, versions = _everything()

    shuffled = [versions[place] for place in [*order, *repeated] if place < len(versions)]
    house.secure_objects(messages(house, *shuffled))

    assert house.evidence.stored == quiet.evidence.stored
    expected = {receipt.version.fingerprint: receipt for receipt in quiet.conversations.all_receipts()}
    found = {receipt.version.fingerprint: receipt for receipt in house.conversations.all_receipts()}
    assert found == expected
    assert house.effects.tally()["receipt"] == len(versions)


def test_objects_may_arrive_before_anybody_claims_them() -> None:
    early = House()
    early.open_request()
    deliver(early, 1)
    plan(early, (1,))
    late = planned((1,))
    deliver(late, 1)

    for house in (early, late):
        dossier = house.conversations.dossier(conversation_id(1))
        assert dossier.claimed_by == {MATTER}
        assert len(dossier.receipts) == 2
        assert all(stored.is_locked for stored in house.evidence.stored.values())


def test_foreign_tags_stay_and_ours_that_find_no_room_are_named() -> None:
    house = House()
    theirs = {f"theirs-{number}": "x" for number in range(10)}
    full = house.evidence.put(key_of(1, f"{recording_id(1)}.wav"), b"x", tags=theirs)
    some = house.evidence.put(key_of(2, f"{recording_id(2)}.wav"), b"x", tags={"owner": "them"})

    house.secure_objects(messages(house, full, some))

    assert house.evidence.at(full).tags == theirs
    assert _receipt(house, full).omitted_tags == ("legal-hold", "conversation-id", "recording-id")
    assert house.evidence.at(some).tags["owner"] == "them"
    assert _receipt(house, some).omitted_tags == ()


def test_a_large_object_is_receipted_now_and_hashed_later() -> None:
    house = House()
    limit = house.evidence.put(key_of(1, f"{recording_id(1)}.webm"), b"x", size_bytes=house.hash_limit_bytes)
    large = house.evidence.put(
        key_of(2, f"{recording_id(2)}.webm"), b"x", size_bytes=house.hash_limit_bytes + 1
    )

    house.secure_objects(messages(house, limit, large))

    assert _receipt(house, limit).sha256
    assert _receipt(house, large).sha256 is None
    assert house.hash_queue.waiting == [large]
    kinds = house.effects.of(f"{large.key}@v1")
    assert kinds.index("hash request") < kinds.index("receipt"), "a receipt without a digest to come"


def test_what_s3_does_not_let_read_is_held_tagged_and_receipted_and_hashed_later() -> None:
    house = House()
    media, sidecar = upload(house, 1)
    house.evidence.at(media).tags = {"owner": "them"}
    house.evidence.broken[media.key] = ObjectUnreadable("archived")

    assert house.secure_objects(messages(house, media, sidecar)) == []

    assert house.effects.of(f"{media.key}@v1") == ["lock", "tag", "hash request", "receipt"]
    assert house.evidence.at(media).tags.keys() == {"owner", "legal-hold", "conversation-id", "recording-id"}
    assert _receipt(house, media).sha256 is None
    assert house.hash_queue.waiting == [media]
    assert house.telemetry.events() == ["object_unreadable"]
    (delivery,) = pair_up(house.conversations.dossier(conversation_id(1)).receipts)
    assert delivery.flaw is Reason.HASH_PENDING


@pytest.mark.parametrize(
    ("sidecar", "medium"),
    [
        (b'{"mediaType": "Screen"}', Medium.SCREEN),
        (b'{"mediaType": 7}', Medium.UNKNOWN),
        (b'{"mediaType": null}', Medium.UNKNOWN),
        (b"{}", Medium.UNKNOWN),
        (b"[1]", None),
        (b"", None),
        (b"{", None),
        (b"\xff\xfe\x00", None),
        (b"[" * 60_000, None),
        (b'{"mediaType": "Call", "padding": "' + b"x" * 70_000 + b'"}', None),
    ],
)
def test_a_sidecar_is_evidence_whether_or_not_it_can_be_read(sidecar: bytes, medium: Medium | None) -> None:
    house = House(hash_limit_bytes=100_000)
    version = house.evidence.put(key_of(1, f"{recording_id(1)}.wav_metadata.json"), sidecar)

    assert house.secure_objects(messages(house, version)) == []
    assert _receipt(house, version).medium is medium
    assert _receipt(house, version).sha256 == hashlib.sha256(sidecar).hexdigest()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_key_is_locked_and_receipted_under_its_very_name(key: str) -> None:
    house = House()
    version = house.evidence.put(key)

    assert house.secure_objects(messages(house, version)) == []
    assert house.evidence.at(version).is_locked
    assert _receipt(house, version).version.key == key


def test_what_is_no_recording_is_secured_and_reported() -> None:
    house = House()
    note = house.evidence.put(key_of(1, "notes.txt"))
    stray = house.evidence.put("somewhere/else.csv")
    canary = house.evidence.put(CANARY_PREFIX + "1")

    house.secure_objects(messages(house, note, stray, canary))

    assert [_receipt(house, one).role for one in (note, stray, canary)] == [
        Role.OTHER,
        Role.STRAY,
        Role.CANARY,
    ]
    assert house.telemetry.counts[Counter.EXCEPTIONS] == 2


class _Overtaken(ConversationsInMemory):
    """Looked for receipts a moment before a neighbour wrote them."""

    def __init__(self, ledger: ConversationsInMemory) -> None:
        super().__init__(ledger.effects)
        self.folders = ledger.folders

    def have(self, versions: Sequence[ObjectVersion]) -> frozenset[str]:
        return frozenset()


def test_two_that_secure_the_same_version_at_once_write_one_receipt_and_report_it_once() -> None:
    house = House()
    versions = upload(house, 1)
    house.secure_objects(messages(house, *versions))
    before = house.conversations.all_receipts()
    house.conversations = _Overtaken(house.conversations)

    assert house.secure_objects(messages(house, *versions)) == []

    assert house.conversations.all_receipts() == before
    assert house.telemetry.counts[Counter.OBJECTS_SECURED] == 2


def test_one_bad_object_fails_alone_and_is_delivered_again() -> None:
    house = House()
    bad, good = upload(house, 1)
    house.evidence.broken[bad.key] = PermissionError("AccessDenied")

    failed = house.secure_objects(messages(house, bad, good))

    assert failed == ["message-0"]
    assert house.evidence.at(bad).is_locked, "locked even though it cannot be read"
    assert _receipt(house, good).sha256
    (_, event, ids) = house.telemetry.lines[0]
    assert (event, ids["failure"], ids["object_key"]) == ("object_not_secured", "PermissionError", bad.key)

    house.evidence.broken.clear()
    assert house.secure_objects(messages(house, bad)) == []
    assert _receipt(house, bad).sha256


def test_a_version_that_does_not_exist_fails_at_its_lock() -> None:
    house = House()
    gone = ObjectVersion(house.evidence.name, key_of(1, "x.wav"), "v9", 1)

    assert house.secure_objects(messages(house, gone)) == ["message-0"]
    assert house.effects.log == []


def test_every_message_that_bears_a_failed_version_is_delivered_again() -> None:
    house = House()
    bad, good = upload(house, 1)
    house.evidence.broken[bad.key] = OSError()
    together = QueuedMessage("both", notification(house, bad, good))

    failed = house.secure_objects([together, *messages(house, bad, good)])

    assert failed == ["both", "message-0"]


def test_when_time_runs_out_all_are_locked_and_the_rest_is_delivered_again() -> None:
    house = House(patience=Patience(1))
    versions = [*upload(house, 1), *upload(house, 2)]

    failed = house.secure_objects(messages(house, *versions))

    assert all(house.evidence.at(version).is_locked for version in versions)
    assert len(failed) == 3
    assert len(house.conversations.all_receipts()) == 1


NUMBERS = count()
POISON = [
    "no JSON",
    "[]",
    "{}",
    '{"Records": []}',
    '{"Records": {}}',
    '{"Records": [null]}',
    '{"Records": [{"eventName": "ObjectCreated:Put"}]}',
    "[" * 100_000,
    '{"a":' * 100_000,
    '{"Records": [' + "9" * 5_000 + "]}",
]
FLAWS: list[dict[str, object]] = [
    {"eventName": "ObjectRemoved:Delete"},
    {"eventName": None},
    {"eventTime": "yesterday"},
    {"eventTime": "2026-04-01T12:00:00"},
    {"eventTime": "0001-01-01T00:00:00+10:00"},
    {"eventTime": 7},
    {"bucket": "another"},
    {"bucket": 7},
    {"key": ""},
    {"key": 7},
    {"key": "%FF.wav"},
    {"key": "\ud800.wav"},
    {"versionId": None},
    {"versionId": ""},
    {"versionId": "\udfff"},
    {"size": "large"},
    {"size": float("inf")},
    {"size": float("nan")},
    {"size": None},
]


def _flawed(flaw: dict[str, object]) -> str:
    record = json.loads(notification(House(), ObjectVersion("holdfast-evidence", "a.wav", "v1", 1)))
    (one,) = record["Records"]
    for name, value in flaw.items():
        if name == "bucket":
            one["s3"]["bucket"]["name"] = value
        else:
            (one if name.startswith("event") else one["s3"]["object"])[name] = value
    return json.dumps(record)


@pytest.mark.parametrize("body", [*POISON, *map(_flawed, FLAWS)], ids=lambda _: f"poison-{next(NUMBERS)}")
def test_a_poison_message_is_parked_at_once_and_fails_no_neighbour(body: str) -> None:
    house = House()
    good = upload(house, 1)

    failed = house.secure_objects([QueuedMessage("poison", body), *messages(house, *good)])

    assert failed == []
    (parked,) = house.parking.parked()
    assert (parked.message_id, parked.body) == ("poison", body)
    assert len(house.conversations.all_receipts()) == 2
    assert house.telemetry.counts[Counter.PARKED] == 1


@given(st.text(max_size=50) | st.from_type(dict[str, int]).map(json.dumps))
def test_no_message_whatsoever_raises(body: str) -> None:
    house = House()

    assert house.secure_objects([QueuedMessage("m", body)]) == []
    assert len(house.parking.messages) == 1


def test_an_object_without_a_size_is_read_like_an_empty_one() -> None:
    house = House()
    version = house.evidence.put("a.wav", b"")
    record = json.loads(notification(house, version))
    del record["Records"][0]["s3"]["object"]["size"]

    assert house.secure_objects([QueuedMessage("m", json.dumps(record))]) == []
    assert _receipt(house, version).version.size_bytes == 0


def test_a_lag_is_never_negative_even_where_clocks_disagree() -> None:
    house = House()
    (version, _) = upload(house, 1)
    ahead = house.clock.now() + timedelta(seconds=5)

    house.secure_objects([QueuedMessage("m", notification(house, version, arrived_at=ahead))])

    assert house.telemetry.lags_s == [0]


def test_the_real_payload_is_read_with_its_test_event() -> None:
    house = House(hash_limit_bytes=1_000_000)
    house.evidence = EvidenceInMemory(house.effects, name="holdfast-evidence-111122223333-eu-central-1")
    batch = QueuedMessage.all_in(load_event("secure_objects"))
    arrivals = [one for message in batch for one in read_arrivals(message.body, house.evidence.name)]
    for arrival in arrivals:
        house.evidence.stored[arrival.version.key, arrival.version.version_id] = StoredVersion(b"{}", {})

    for _ in range(2):
        assert house.secure_objects(batch) == []

    assert house.effects.tally() == {"lock": 2, "read": 2, "tag": 2, "receipt": 2}
    assert [EvidenceKey.parse(one.version.key).role for one in arrivals] == [Role.MEDIA, Role.SIDECAR]
    assert house.parking.messages == {}


def test_a_manifest_is_locked_and_receipted_and_no_exception() -> None:
    house = House()
    version = house.evidence.put(f"{ORGANIZATION}/manifests/{recording_id(1)}.json", b"{}")

    assert house.secure_objects(messages(house, version)) == []

    assert house.evidence.at(version).is_locked
    assert house.conversations.have([version]) == {version.fingerprint}
    assert house.telemetry.counts[Counter.EXCEPTIONS] == 0
