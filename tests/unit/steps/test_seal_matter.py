import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from holdfast.contracts.steps import MatterSealed
from holdfast.domain.ids import ExportJobId, MatterId, RequestId
from holdfast.domain.manifest import Manifest
from holdfast.domain.merkle import Tree, leaf_hash
from holdfast.domain.seals import Folder, seal_key, segment_key, signature_key
from holdfast.errors import LedgerRuleBroken
from holdfast.ports import Claim
from tests.fakes.effects import Effects, Killed
from tests.fakes.house import MATTER, House, Patience
from tests.fakes.story import (
    conversation_id,
    conversations,
    deliver,
    held,
    leave_manifest,
    messages,
    upload,
)

OTHERS_JOB = ExportJobId("00000000-0000-4000-8000-00000000beef")
ONE, TWO = conversation_id(1), conversation_id(2)


def _judged(*numbers: int) -> House:
    house = held(*(numbers or (1, 2)))
    house.records.effects = house.effects
    assert house.seal_custody().done
    return house


def _seal(house: House) -> MatterSealed:
    answer = house.seal_matter()
    while not answer.done:
        answer = house.seal_matter(answer.cursor)
    return answer


def _segment(house: House, sequence: int) -> list[bytes]:
    return house.records.files[segment_key(MATTER, sequence)].splitlines()


def _log(house: House) -> list[bytes]:
    sequences = range(1, house.seals.log(MATTER).sequence + 1)
    return [line for sequence in sequences for line in _segment(house, sequence)]


def _ledger(house: House) -> list[bytes]:
    """Give every entry that is filed for the matter."""
    jobs = {f"JOB#{job_id.lower()}" for job_id in house.batches.jobs_of(MATTER)}
    return [
        entry.canonical
        for name, folder in sorted(house.conversations.folders.items())
        if MATTER in folder.claims or name in jobs | {f"LOG#{MATTER}"}
        for _, entry in sorted(folder.entries.items())
        if entry.matter_id in (None, MATTER)
    ]


def _statements(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for sequence in count(1):
        if seal_key(MATTER, sequence) not in house.records.files:
            return found
        found.append(json.loads(house.records.files[seal_key(MATTER, sequence)]))
    raise AssertionError


def _assert_one_chain(house: House) -> None:
    """Every entry once, each seal over all so far and on top of the one before, each signed."""
    tree, previous = Tree(), None
    statements = _statements(house)
    for sequence, statement in enumerate(statements, 1):
        segment = house.records.files[segment_key(MATTER, sequence)]
        for line in segment.splitlines():
            tree.add(leaf_hash(line))
        assert statement["sequence"] == sequence
        assert statement["segment"]["sha256"] == hashlib.sha256(segment).hexdigest()
        assert statement["tree"] == {"size": tree.size, "root": tree.root.hex()}
        assert statement["previous"] == previous
        content = house.records.files[seal_key(MATTER, sequence)]
        key = load_pem_public_key(house.records.files[house.signer.public_key().record_key])
        assert isinstance(key, EllipticCurvePublicKey)
        key.verify(house.records.files[signature_key(MATTER, sequence)], content, ECDSA(SHA256()))
        previous = hashlib.sha256(content).hexdigest()
    log = house.seals.log(MATTER)
    assert (log.sequence, log.size, log.digest or None) == (len(statements), tree.size, previous)
    assert len(_log(house)) == len(set(_log(house)))


def test_the_log_is_the_ledgers_entries_of_this_matter_byte_for_byte() -> None:
    house = held(1, 2)
    others = Claim(
        MatterId("M-OTHER"), RequestId("R-9"), house.batch().batch_id, conversations(1)[0], house.clock.now()
    )
    house.conversations.claim(others)
    house.seal_custody()

    answer = _seal(house)

    assert sorted(_log(house)) == sorted(_ledger(house))
    content = b"".join(_log(house))
    assert b"M-OTHER" not in content
    assert content.count(b'"kind":"receipt"') == 4
    assert content.count(b'"type":"claimed"') == 2
    assert json.loads(_log(house)[-1])["kind"] == "account"  # it says what became of what stands before it
    assert (answer.seal.sequence, answer.seal.tree_size) == (1, len(_log(house)))


def test_a_seal_says_what_it_is_over_and_is_signed() -> None:
    house = _judged()

    answer = _seal(house)

    _assert_one_chain(house)
    (statement,) = _statements(house)
    assert statement["format"] == "holdfast-seal/1"
    assert statement["kinds"] == {"event": 4, "receipt": 4, "account": 1}
    assert statement["segment"]["entries"] == 9
    (account,) = statement["accounts"]
    assert (account["request_id"], account["verdict"]) == ("R-1", "PRESERVED")
    assert account["recordings"]["secured"] == 2
    content = house.records.files[answer.seal.key]
    assert answer.seal.sha256 == hashlib.sha256(content).hexdigest()
    assert answer.seal.root == statement["tree"]["root"]
    assert answer.headline == (
        f"Seal 1 of matter M-2026-001 covers 9 entries; its SHA-256 is {answer.seal.sha256}."
    )


def test_what_is_sealed_is_not_sealed_again() -> None:
    house = _judged()
    first = _seal(house)
    before = dict(house.records.files)

    second = _seal(house)

    assert second == first
    assert house.records.files == before


def test_what_came_later_is_in_the_next_seal_alone() -> None:
    house = _judged()
    _seal(house)
    deliver(house, 1, 7)

    answer = _seal(house)

    assert (answer.seal.sequence, len(_segment(house, 2))) == (2, 2)
    assert {json.loads(line)["conversation_id"] for line in _segment(house, 2)} == {ONE}
    assert sorted(_log(house)) == sorted(_ledger(house))
    _assert_one_chain(house)


def test_a_digest_that_comes_later_is_in_the_next_seal() -> None:
    house = _judged()
    large = upload(house, 1, 8, media=b"x" * (house.hash_limit_bytes + 1))[0]
    house.secure_objects(messages(house, large))
    _seal(house)
    house.conversations.add_digest(large, "ab" * 32, house.clock.now())

    _seal(house)

    (event,) = map(json.loads, _segment(house, 2))
    assert (event["type"], event["details"]["key"]) == ("digest_added", large.key)


def test_the_manifests_of_its_own_jobs_are_in_the_log_and_their_digests() -> None:
    house = _judged()
    job_id = house.batch().job_id
    assert job_id
    for job in (job_id, job_id, OTHERS_JOB):  # one was written twice, one is none of ours
        leave_manifest(house, job, Manifest())
    version, _ = (
        one.version for one in house.conversations.all_receipts() if f"/manifests/{job_id}" in one.version.key
    )

    _seal(house)
    house.conversations.add_digest(version, "ab" * 32, house.clock.now())
    _seal(house)

    manifests = [line for line in _log(house) if b"/manifests/" in line]
    assert sorted(json.loads(line)["kind"] for line in manifests) == ["event", "receipt", "receipt"]
    assert all(job_id.encode() in line for line in manifests)
    _assert_one_chain(house)


def test_another_matters_log_has_the_shared_receipts_too() -> None:
    house = _judged()
    _seal(house)
    other = house.for_request("M-OTHER", "R-9")
    other.open_request()
    other.conversations.claim(
        Claim(
            MatterId("M-OTHER"),
            RequestId("R-9"),
            house.batch().batch_id,
            conversations(1)[0],
            house.clock.now(),
        )
    )

    answer = other.seal_matter()

    assert (answer.done, answer.seal.sequence) == (True, 1)
    lines = house.records.files[segment_key(MatterId("M-OTHER"), 1)].splitlines()
    assert sum(b'"kind":"receipt"' in line for line in lines) == 2
    assert house.seals.log(MATTER).sequence == 1


def test_a_matter_of_which_nothing_is_known_gets_no_seal() -> None:
    house = House()

    answer = house.seal_matter()

    assert (answer.done, answer.seal.sequence) == (True, 0)
    assert house.records.files == {}


# --- killed, and two at once


def _effects_of_sealing() -> range:
    house = _judged()
    before = len(house.effects.log)
    _seal(house)
    return range(1, len(house.effects.log) - before + 1)


@pytest.mark.parametrize("effect", _effects_of_sealing())
def test_whoever_is_killed_before_any_effect_is_taken_over_and_the_chain_is_one(effect: int) -> None:
    house = _judged()
    house.effects.crash_before = len(house.effects.log) + effect
    with pytest.raises(Killed):
        _seal(house)
    house.effects.crash_before = None

    answer = _seal(house)

    assert answer.seal.sequence == 1
    assert sorted(_log(house)) == sorted(_ledger(house))
    _assert_one_chain(house)


@pytest.mark.parametrize("effect", _effects_of_sealing())
def test_what_comes_after_a_kill_is_in_a_seal_of_its_own(effect: int) -> None:
    house = _judged()
    house.effects.crash_before = len(house.effects.log) + effect
    with pytest.raises(Killed):
        _seal(house)
    house.effects.crash_before = None
    deliver(house, 2, 5)

    _seal(house)
    _seal(house)

    assert sorted(_log(house)) == sorted(_ledger(house))
    _assert_one_chain(house)


class Interrupted(Effects):
    """Lets something else happen just before the n-th effect."""

    def __init__(self, before: int, act: Callable[[], object]) -> None:
        super().__init__()
        self._left, self._act = before, act

    def happen(self, kind: str, subject: str) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()
        super().happen(kind, subject)


def _share(house: House, effects: Effects) -> None:
    house.effects = house.seals.effects = house.records.effects = house.signer.effects = effects


@pytest.mark.parametrize("effect", _effects_of_sealing())
@pytest.mark.parametrize("is_more_to_seal", [False, True])
def test_of_two_that_seal_at_once_both_end_well_and_nothing_is_sealed_twice(
    effect: int, *, is_more_to_seal: bool
) -> None:
    house = _judged()

    def rival() -> None:
        _share(house, Effects())
        if is_more_to_seal:
            deliver(house, 1, 7)
        _seal(house)

    _share(house, Interrupted(effect, rival))

    _seal(house)

    assert sorted(_log(house)) == sorted(_ledger(house))
    _assert_one_chain(house)


def test_a_seal_of_somebody_else_in_between_is_finished_and_ours_comes_after_it() -> None:
    """The rival has only written its segment: of other entries than ours would have had."""
    house = _judged()
    deliver(house, 1, 7)
    theirs = _ledger(house)[:3]

    def rival() -> None:
        house.records.files[segment_key(MATTER, 1)] = b"".join(line + b"\n" for line in theirs)

    _share(house, Interrupted(1, rival))

    answer = _seal(house)

    assert _segment(house, 1) == theirs
    assert answer.seal.sequence == 2
    assert sorted(_log(house)) == sorted(_ledger(house))
    _assert_one_chain(house)


def test_of_two_statements_for_one_seal_the_first_stands() -> None:
    house = _judged()
    house.effects.crash_before = len(house.effects.log) + 3  # segment and statement are there
    with pytest.raises(Killed):
        _seal(house)
    house.effects.crash_before = None
    first = house.records.files[seal_key(MATTER, 1)]
    house.clock.forward(timedelta(minutes=10))

    _seal(house)

    assert house.records.files[seal_key(MATTER, 1)] == first
    _assert_one_chain(house)


@pytest.mark.parametrize("name", ["tree", "previous"])
def test_a_seal_that_stands_over_another_log_is_not_built_upon(name: str) -> None:
    house = _judged()
    house.effects.crash_before = len(house.effects.log) + 4
    with pytest.raises(Killed):
        _seal(house)
    house.effects.crash_before = None
    forged = json.loads(house.records.files[seal_key(MATTER, 1)]) | {name: "another"}
    house.records.files[seal_key(MATTER, 1)] = json.dumps(forged).encode()

    with pytest.raises(LedgerRuleBroken, match="seal 1 of matter M-2026-001 stands over another log"):
        _seal(house)

    assert house.seals.log(MATTER).sequence == 0


# --- large matters


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("holdfast.steps.seal_matter.SEGMENT_ENTRIES", 8)


@pytest.mark.usefixtures("small_pages")
def test_a_large_matter_is_sealed_in_several_segments() -> None:
    house = _judged(1, 2, 3, 4, 5)
    house.conversations.page_size = 1

    answer = _seal(house)

    sizes = [len(_segment(house, number)) for number in range(1, answer.seal.sequence + 1)]
    assert sizes == [8, 8, 5]  # four entries a conversation, and the account
    assert sorted(_log(house)) == sorted(_ledger(house))
    _assert_one_chain(house)


def test_without_time_a_page_is_sealed_an_invocation_and_the_next_goes_on() -> None:
    house = _judged(1, 2, 3)
    house.conversations.page_size = 1
    house.patience = Patience(0)

    first = house.seal_matter()
    second = house.seal_matter(first.cursor)
    third = house.seal_matter(second.cursor)

    assert [one.done for one in (first, second, third)] == [False, False, True]
    assert [one.cursor for one in (first, second, third)] == [conversation_id(1), conversation_id(2), ""]
    assert [one.seal.sequence for one in (first, second, third)] == [1, 2, 3]
    assert (first.wait_s, first.matter_id) == (1, MATTER)
    assert sorted(_log(house)) == sorted(_ledger(house))
    _assert_one_chain(house)


def test_a_conversation_is_read_once_for_a_seal() -> None:
    house = _judged(1, 2, 3)
    read: list[Folder] = []
    unsealed = house.seals.unsealed

    def counting(matter_id: MatterId, folder: Folder) -> Sequence[bytes]:
        read.append(folder)
        return unsealed(matter_id, folder)

    house.seals.unsealed = counting  # type: ignore[method-assign] # to look on

    _seal(house)

    assert len(read) == len(set(read))
