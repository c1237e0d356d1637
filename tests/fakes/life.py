"""A life of evidence: all that may happen to two matters and what they share, one step at a time.

The steps are the real ones, the world is in memory, and `tests.fakes.rules` looks on. Nothing here decides
anything by itself: which step comes next, what is lost, where a function is killed is the caller's choice.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from holdfast.contracts.arrivals import QueuedMessage
from holdfast.contracts.steps import ReleaseFinished, ReleaseProgress, ReleaseRun
from holdfast.domain.ids import ConversationId, MatterId, ReleaseId, RequestId
from holdfast.domain.media import Medium
from holdfast.domain.promise import PromiseBroken
from holdfast.domain.reconciliation import PlatformRecording
from holdfast.domain.release import NOBODY
from holdfast.domain.states import BatchState, ReleaseState
from holdfast.errors import LedgerRuleBroken, RefusedError, TransientError
from holdfast.ports import SweepSource
from holdfast.steps.files import BatchFiles
from tests.events import load_event
from tests.fakes.effects import Killed
from tests.fakes.house import House
from tests.fakes.rules import GHOST, RuleBroken, Rules
from tests.fakes.story import conversation_id, conversations, end_job, notification, recording_id, upload

CONVERSATIONS = (1, 2)
MATTERS = ("M-1", "M-2")
SOON = timedelta(minutes=30)
# What the organisation protected before anybody asked.
PROTECTED_BEFORE = conversation_id(2)


class Phase(StrEnum):
    """What a run does next."""

    SELECT = "select"
    EXPORT = "export"
    RECONCILE = "reconcile"
    HOLD = "hold"
    SEAL = "seal"
    OVER = "over"


class Letting(StrEnum):
    """What a release does next."""

    PLAN = "plan"
    APPROVE = "approve"
    BEGIN = "begin"
    END_CLAIMS = "end claims"
    PLATFORM = "platform"
    LIFT = "lift"
    FINISH = "finish"
    OVER = "over"


@dataclass
class Run:
    """One request, and how far its workflow has come."""

    house: House
    numbers: tuple[int, ...]
    phase: Phase = Phase.SELECT
    opening: Any = None
    verdict: str = ""


@dataclass
class Release:
    """One release, and how far its workflow has come; `progress` is what its last step answered."""

    house: House
    opening: Any
    phase: Letting = Letting.PLAN
    progress: ReleaseProgress | None = None
    finished: ReleaseFinished | None = None


@dataclass(frozen=True)
class Incident:
    """What happens in the middle of a story, just before one of its steps: the world does something, or the
    step is killed before its n-th effect.
    """

    before: Phase | Letting
    act: Callable[["Life"], None] | None = None
    crash: int | None = None

    def happens(self, life: "Life", step: Phase | Letting) -> int | None:
        """Let it happen if this is the step; answers where the step is to be killed."""
        if step is not self.before:
            return None
        if self.act:
            self.act(life)
        return self.crash


@dataclass
class Life:
    """The world, what is on its way in it, and who is at work."""

    house: House = field(default_factory=House)
    is_per_matter: bool = False
    rules: Rules = field(init=False)
    runs: dict[str, Run] = field(default_factory=dict)
    releases: dict[str, Release] = field(default_factory=dict)
    queue: list[QueuedMessage] = field(default_factory=list)
    done_with: list[QueuedMessage] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    drawn: int = 0
    is_over: bool = False

    def __post_init__(self) -> None:
        before = frozenset[ConversationId]() if self.is_per_matter else frozenset({PROTECTED_BEFORE})
        self.house.holds.protected |= before
        self.house.holds.cap, self.house.holds.is_per_matter = None, self.is_per_matter
        self.house.cool_off = SOON
        for number in CONVERSATIONS:
            known = PlatformRecording(recording_id(number), Medium.VOICE)
            self.house.catalogue.recordings[conversation_id(number)] = [known]
        self.rules = Rules(self.house, pre_existing=before)

    # --- people

    def ask(self, matter: str, numbers: tuple[int, ...] = CONVERSATIONS) -> None:
        """Ask to preserve conversations for a matter, one request of it at a time."""
        run = self.runs.get(matter)
        if run is not None and run.phase is not Phase.OVER:
            return
        request_id = f"R-{self._draw()}"
        event = load_event("discovery_requested")
        event["detail"] |= {"matter_id": matter, "request_id": request_id}
        house = self.house.for_request(MatterId(matter), RequestId(request_id))
        with self._step(f"{matter} asks for {numbers}"):
            answer = house.open_request(event, f"arn:execution:{request_id}")
            if answer.outcome == "OPENED":
                self.runs[matter] = Run(house, numbers, opening=event)

    def let_go(self, matter: str | None) -> None:
        """Ask for the release of a matter, or (None) of what nobody claims; one at a time."""
        name = matter or NOBODY
        release = self.releases.get(name)
        if release is not None and release.phase is not Letting.OVER:
            return
        release_id = f"L-{self._draw()}"
        event = load_event("hold_release_requested")
        scope = {"scope": "matter", "matter_id": matter} if matter else {"scope": "unclaimed"}
        event["detail"] = {
            "release_id": release_id,
            "requested_by": "counsel",
            "reason": "The matter was settled.",
        } | scope
        with self._step(f"release of {name} is asked for"):
            answer = self.house.open_release(event, f"arn:release:{release_id}")
            if answer.outcome == "OPENED" and answer.matter_id and answer.release_id:
                house = self.house.for_request(MatterId(name), RequestId("-"))
                house.release = ReleaseRun(matter_id=answer.matter_id, release_id=ReleaseId(release_id))
                self.releases[name] = Release(house, event)

    # --- the world

    def upload(self, number: int, recording: int = 0, *, is_lost: bool = False) -> None:
        """Let the vendor write a recording; its events may be lost."""
        with self._step(f"recording {recording} of {number} arrives{' and is lost' * is_lost}"):
            versions = upload(self.house, number, recording)
            self.rules.arrived(versions)
            for version in [] if is_lost else versions:
                self.queue.append(QueuedMessage(f"m-{self._draw()}", notification(self.house, version)))

    def tamper(self, which: int) -> None:
        """Let somebody outside lift a lock."""
        locked = [key for key, stored in sorted(self.house.evidence.stored.items()) if stored.is_locked]
        if locked:
            key = locked[which % len(locked)]
            with self._step(f"somebody unlocks {key[0][-30:]}"):
                self.rules.tampered(key)
                self.house.evidence.stored[key].is_locked = False

    def revoke(self, number: int) -> None:
        """Let somebody outside end the platform's protection."""
        cid, holds = conversation_id(number), self.house.holds
        with self._step(f"somebody ends the platform's protection of {number}"):
            if cid in holds.protected:
                self.rules.revoked(cid)
                holds.protected.discard(cid)
                holds.references -= {one for one in holds.references if one[0] == cid}

    def stick(self, which: int) -> None:
        """Let S3 say that a lock is off, and leave it on."""
        keys = sorted(self.house.evidence.stored)
        if keys:
            self.house.locks.stuck = {keys[which % len(keys)][0]}
            self.told.append("S3 sticks")

    def pass_time(self, by: timedelta) -> None:
        """Let time go by; S3 recovers."""
        with self._step(f"{by} go by"):
            self.house.locks.stuck = set()
            self.house.clock.forward(by)

    def late_write(self, number: int, epochs_ago: int) -> None:
        """Let a write come through that somebody sent long ago, and died: it speaks of an old epoch."""
        ledger, cid = self.house.conversations, conversation_id(number)
        epoch = ledger.hold(cid).promise.epoch - epochs_ago
        with self._step(f"somebody who died speaks of epoch {epoch} of {number}"):
            ledger.lifted(cid, epoch, GHOST, self.house.clock.now())
            ledger.relocked(cid, epoch, self.house.clock.now())

    # --- the arrival path

    def deliver(
        self, most: int, *, crash: int | None = None, duplicates: bool = False, newest: bool = False
    ) -> None:
        """Hand waiting messages to SecureObjects; those of a call that was killed are delivered again."""
        self.queue += [QueuedMessage(f"m-{self._draw()}", body) for body in self.house.arrival_queue.bodies]
        self.house.arrival_queue.bodies.clear()
        batch = self.queue[-most:] if newest else self.queue[:most]
        with self._step(f"{len(batch)} messages are handled", crash):
            failed = set(self.house.secure_objects(batch))
            self.done_with += [message for message in batch if message.message_id not in failed]
            if not duplicates:
                self.queue = [one for one in self.queue if one not in batch or one.message_id in failed]

    def again(self, which: int) -> None:
        """Let SQS deliver an old message once more."""
        if self.done_with:
            self.queue.append(self.done_with[which % len(self.done_with)])
            self.told.append("an old message comes again")

    def sweep(self, source: SweepSource, *, crash: int | None = None) -> None:
        """Search for what was lost, or changed by somebody else."""
        with self._step(f"the sweep goes by the {source}", crash):
            self.house.sweep_evidence(source=source)

    def watch(self, *, crash: int | None = None) -> None:
        """Look after the platform's protection, and let what that asks for be placed and read back."""
        runs = self.house.hold_runs.started
        with self._step("the platform's protection is looked after", crash):
            self.house.watch_protection()
            for name in list(runs):
                matter_id, request_id, plan_key = runs[name]
                run = self.house.for_request(matter_id, request_id)
                run.place_holds(plan_key=plan_key, early=True)
                run.confirm_holds(plan_key=plan_key, early=True)
                del runs[name]

    # --- the workflows

    def go_on(self, matter: str, crash: int | None = None) -> None:
        """Take the next step of a matter's run."""
        run = self.runs.get(matter)
        if run is None or run.phase is Phase.OVER:
            return
        with self._step(f"{matter} goes on: {run.phase}", crash):
            _RUN[run.phase](self, run)

    def _select(self, run: Run) -> None:
        run.house.scope_source.pages = [conversations(*run.numbers)]
        run.house.batch_size = 1
        answer = run.house.read_scope_pages()
        assert answer.status == "DONE"
        run.phase = Phase.EXPORT

    def _export(self, run: Run) -> None:
        house = run.house
        for index, batch in enumerate(house.batches.of_request(house.request)):
            if batch.state is BatchState.REUSED:
                continue
            numbers = [number for number in run.numbers if self._is_in(house, index, number)]
            end_job(house, index, total=len(numbers))
            for number in numbers:
                versions = upload(house, number)
                self.rules.arrived(versions)
                self.queue += [
                    QueuedMessage(f"m-{self._draw()}", notification(house, version)) for version in versions
                ]
        run.phase = Phase.RECONCILE

    def _is_in(self, house: House, index: int, number: int) -> bool:
        batch = house.batch(index)
        files = BatchFiles(house.files, batch.matter_id, batch.request_id, batch.batch_id)
        return conversation_id(number) in {one.conversation_id for one in files.conversations()}

    def _reconcile(self, run: Run) -> None:
        if run.house.reconcile().done:
            run.phase = Phase.HOLD

    def _hold(self, run: Run) -> None:
        plan = run.house.plan_holds()
        if plan.status != "PLANNED":
            return
        run.house.place_holds(plan_key=plan.plan_key)
        run.house.confirm_holds(plan_key=plan.plan_key)
        run.phase = Phase.SEAL

    def _seal(self, run: Run) -> None:
        sealed = run.house.seal_custody()
        run.verdict = sealed.verdict or ""
        self.rules.announced(run.house, run.numbers, run.verdict)
        run.phase = Phase.OVER

    def release_goes_on(self, name: str, crash: int | None = None) -> None:
        """Take the next step of a release."""
        release = self.releases.get(name)
        if release is None or release.phase is Letting.OVER:
            return
        with self._step(f"release of {name} goes on: {release.phase}", crash):
            _RELEASE[release.phase](self, release)

    def _plan(self, release: Release) -> None:
        part = 0
        while (answer := release.house.plan_release(part)).status == "MORE":
            part = answer.part
        release.phase = Letting.APPROVE

    def _approve(self, release: Release) -> None:
        record = self._record(release)
        assert record.plan is not None
        event = load_event("hold_release_approved")
        event["id"] = f"approval of {record.release_id}"
        event["detail"] = {
            "release_id": record.release_id,
            "plan_sha256": record.plan.sha256,
            "approved_by": "another",
        } | {key: value for key, value in release.opening["detail"].items() if key in ("matter_id", "scope")}
        event["detail"].pop("scope", None)
        answer = release.house.record_approval(event)
        release.phase = Letting.BEGIN
        assert answer.outcome in ("RECORDED", "KNOWN", "REFUSED"), answer

    def _begin(self, release: Release) -> None:
        status = release.house.begin_release().status
        if status == "BEGUN":
            release.phase = Letting.END_CLAIMS
        elif status != "WAIT":
            release.phase = Letting.OVER

    def _end_claims(self, release: Release) -> None:
        self._walk(release, release.house.end_claims, Letting.PLATFORM)

    def _platform(self, release: Release) -> None:
        self._walk(release, release.house.release_platform_holds, Letting.LIFT)

    def _lift(self, release: Release) -> None:
        progress = release.house.lift_holds(release.progress)
        if progress.status == "DONE":
            release.progress, release.phase = None, Letting.FINISH
        elif progress.status == "PART":
            release.progress, release.phase = progress, Letting.END_CLAIMS
        else:
            release.progress = progress

    def _walk(
        self, release: Release, step: Callable[[ReleaseProgress | None], ReleaseProgress], then: Letting
    ) -> None:
        progress = step(release.progress)
        release.progress = progress
        if progress.status != "MORE":
            release.phase = then

    def _finish(self, release: Release) -> None:
        finished = release.house.finish_release(release.finished)
        release.finished = finished
        if finished.status == "DONE":
            release.phase = Letting.OVER
            self.rules.certified(self._record(release))

    def _record(self, release: Release) -> Any:
        run = release.house.release
        return self.house.releases.read(run.matter_id, run.release_id)

    # --- whole stories

    def preserve(self, matter: str, incident: Incident | None = None, *, most: int = 50) -> None:
        """Let a matter's run, or a new one, come to its verdict; of each step's messages so many are handled,
        the newest first.
        """
        self.ask(matter)
        for phase in Phase:
            crash = incident.happens(self, phase) if incident else None
            self.go_on(matter, crash)
            self.deliver(most, newest=True)

    def release(self, name: str, incident: Incident | None = None) -> None:
        """Let a release, or a new one, come to its certificate."""
        self.let_go(None if name == NOBODY else name)
        for phase in (*Letting, Letting.LIFT, Letting.FINISH):
            if phase is Letting.BEGIN:
                self.pass_time(SOON)
            crash = incident.happens(self, phase) if incident else None
            self.release_goes_on(name, crash)

    # --- the end

    def settle(self) -> None:
        """Let everything that has begun come to its end, in calm weather, and find all as it should be."""
        if self.is_over:
            return
        for _ in range(12):
            self.pass_time(SOON)
            self._sweep_all()
            for _ in range(10):
                self.deliver(50)
                for matter in list(self.runs):
                    self.go_on(matter)
                for name in list(self.releases):
                    self.release_goes_on(name)
        self._sweep_all()
        self.deliver(500)
        self.rules.settled(self.told)
        with self._step("all is delivered again"):
            before = self.house.observable()
            self.house.secure_objects([one for one in self.done_with if "relock" not in one.body])
            for run in self.runs.values():
                run.house.open_request(run.opening, f"arn:execution:{run.house.run.request_id}")
                if run.phase is Phase.OVER:
                    run.house.seal_custody()
            for release in self.releases.values():
                house, own = release.house, release.house.release
                house.open_release(release.opening, f"arn:release:{own.release_id}")
                if self._record(release).state is ReleaseState.RELEASED:
                    house.finish_release()
            self.rules.unchanged(before, self.house.observable())

    def _sweep_all(self) -> None:
        for source in (SweepSource.BUCKET, SweepSource.RECEIPTS):
            self.sweep(source)
        self.watch()

    def _draw(self) -> int:
        self.drawn += 1
        return self.drawn

    @contextmanager
    def _step(self, name: str, crash: int | None = None) -> Iterator[None]:
        """Do something, perhaps only as far as its n-th effect, and see whether every rule still holds."""
        effects = self.house.effects
        effects.crash_before = None if crash is None else len(effects.log) + crash
        self.told.append(name if crash is None else f"{name}, killed before effect {crash}")
        try:
            yield
        except Killed:
            pass
        except (TransientError, RefusedError) as trouble:
            self.told.append(f"  which came to {type(trouble).__name__}")
        except (LedgerRuleBroken, PromiseBroken) as defect:
            self.is_over = True
            raise RuleBroken(f"6: the program found a defect of its own: {defect}", self.told) from defect
        finally:
            effects.crash_before = None
        try:
            self.rules.check(self.told)
        except RuleBroken:
            self.is_over = True
            raise


_RUN: dict[Phase, Callable[[Life, Run], None]] = {
    Phase.SELECT: Life._select,
    Phase.EXPORT: Life._export,
    Phase.RECONCILE: Life._reconcile,
    Phase.HOLD: Life._hold,
    Phase.SEAL: Life._seal,
}
_RELEASE: dict[Letting, Callable[[Life, Release], None]] = {
    Letting.PLAN: Life._plan,
    Letting.APPROVE: Life._approve,
    Letting.BEGIN: Life._begin,
    Letting.END_CLAIMS: Life._end_claims,
    Letting.PLATFORM: Life._platform,
    Letting.LIFT: Life._lift,
    Letting.FINISH: Life._finish,
}
