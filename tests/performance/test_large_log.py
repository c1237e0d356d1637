"""A smaller sister of `make bench`: sealing and verifying need no more for a longer log."""

from pathlib import Path

import pytest

from tests.performance.large_log import ENTRIES_A_CONVERSATION, package, seal, verified

SLACK_BYTES = 1 << 18


def test_a_log_is_sealed_across_invocations_and_verified_in_no_more_memory_for_its_size(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("holdfast.steps.seal_matter.SEGMENT_ENTRIES", 400)
    monkeypatch.setattr("tests.performance.large_log.PAGE", 100)

    small, large = (seal(count, tmp_path / str(count), is_traced=True) for count in (800, 4_000))
    intact = [
        verified(package(tmp_path / str(count), tmp_path / f"package-{count}", one.log), is_traced=True)
        for count, one in ((800, small), (4_000, large))
    ]

    assert (large.log.size, large.log.sequence) == (4_000, 4_000 // 100 // ENTRIES_A_CONVERSATION)
    assert large.invocations > 2
    assert large.peak_bytes <= 1.5 * small.peak_bytes + SLACK_BYTES
    assert all(report.is_intact for report, *_ in intact)
    peaks = [peak for *_, peak in intact]
    assert peaks[1] <= 1.5 * peaks[0] + SLACK_BYTES
