"""Walk through the plan that was approved, part by part from the last to the first, in chunks.

A part is believed if its hash is the one that the part after it names, or the plan itself for the last.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from holdfast.contracts.steps import ReleaseCursor, ReleaseProgress
from holdfast.domain.release import PlannedConversation
from holdfast.domain.states import ReleaseState
from holdfast.domain.waits import MIN_WAIT_S
from holdfast.errors import LedgerRuleBroken
from holdfast.ports import PlanRecord, RecordFiles, ReleaseRecord, ReleaseRequests
from holdfast.steps.release_files import Part, Plan, ReleaseFiles


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a step stands: the release, its plan and its name, and the part of it that is under way."""

    cursor: ReleaseCursor
    release: ReleaseRecord
    record: PlanRecord
    plan: Plan
    part: Part[PlannedConversation]
    files: ReleaseFiles

    @classmethod
    def at(
        cls,
        cursor: ReleaseCursor,
        releases: ReleaseRequests,
        records: RecordFiles,
        state: ReleaseState = ReleaseState.RELEASING,
    ) -> "Walk":
        """Read what the cursor points at.

        Raises:
            LedgerRuleBroken: the release is not as far as expected.
            ReleasePlanChanged: what was approved is not what is there.
        """
        release = releases.read(cursor.matter_id, cursor.release_id)
        if release.state is not state or release.plan is None:
            raise LedgerRuleBroken(
                f"expected release {release.release_id} to be {state}, found {release.state}"
            )
        files = ReleaseFiles(records, release.matter_id, release.release_id)
        plan = files.read_plan(release.plan)
        is_last = cursor.number < 0
        number = plan.parts - 1 if is_last else cursor.number
        part = files.planned.expect(number, plan.last_part_sha256 if is_last else cursor.sha256)
        return cls(cursor, release, release.plan, plan, part, files)

    def chunks(self, size: int) -> Iterator[tuple[int, Sequence[PlannedConversation]]]:
        """Cut what is left of the part; each chunk with its place."""
        for offset in range(self.cursor.offset, len(self.part.lines), size):
            yield offset, self.part.lines[offset : offset + size]

    def again(self, offset: int, wait_s: int = MIN_WAIT_S, *, attempt: int = 0) -> ReleaseProgress:
        """Ask to be called again for a place in this part."""
        return self._progress("MORE", offset, attempt, wait_s)

    def through(self) -> ReleaseProgress:
        """Say that this part is done with, by this step."""
        return self._progress("PART", 0, 0, MIN_WAIT_S)

    def onward(self) -> ReleaseProgress:
        """Point at the part before this one, if there is one."""
        if not self.part.header.part:
            return self.through().model_copy(update={"status": "DONE"})
        before = {"number": self.part.header.part - 1, "sha256": self.part.header.previous_sha256}
        return self.through().model_copy(update=before)

    def _progress(self, status: str, offset: int, attempt: int, wait_s: int) -> ReleaseProgress:
        return ReleaseProgress.model_validate(
            {
                "status": status,
                "number": self.part.header.part,
                "sha256": self.part.sha256,
                "offset": offset,
                "attempt": attempt,
                "wait_s": wait_s,
            }
        )
