"""A smaller sister of `make bench`: the account is exact, and no step holds more for a larger matter."""

from collections import Counter

import pytest

from tests.performance.large_matter import Fate, LargeMatter, fate_of, recordings_of

CONVERSATIONS_A_BATCH = 100
SLACK_BYTES = 1 << 18


def _played(recordings: int) -> LargeMatter:
    matter = LargeMatter({}, recordings=recordings, batch_size=CONVERSATIONS_A_BATCH)
    matter.ended = matter.run()
    return matter


def test_a_matter_of_many_recordings_ends_balanced_and_its_steps_need_no_more_for_its_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What is bounded by a number has reached its bound in the smaller matter already.
    monkeypatch.setattr("holdfast.steps.seal_custody.PART_CONVERSATIONS", 2 * CONVERSATIONS_A_BATCH)
    monkeypatch.setattr("holdfast.steps.seal_matter.SEGMENT_ENTRIES", 500)
    monkeypatch.setattr("holdfast.evidence.register.INSERT_EVERY", 100)
    monkeypatch.setattr("holdfast.evidence.report.MOST_ROWS", 200)

    small, large = _played(500), _played(2_000)

    fates = Counter(fate_of(of, number) for of in range(1, 1_601) for number in recordings_of(of))
    explained = fates[Fate.FAILED] + fates[Fate.SKIPPED]
    secured = fates.total() - explained
    assert large.ended.verdict == "PRESERVED"
    assert large.ended.summary["recordings"] == {
        "expected": 2_000,
        "delivered": secured,
        "secured": secured,
        "explained": explained,
        "missing": 0,
    }
    assert min(fates[fate] for fate in Fate) > 5
    grown = {
        step: (small.peaks[step], peak)
        for step, peak in large.peaks.items()
        if peak > 1.5 * small.peaks[step] + SLACK_BYTES
    }
    assert grown == {}
