"""What must hold of locks, claims and verdicts: looked at with every effect and after every step.

The numbers are those of docs/custody.md. Nothing here asks the program what it thinks: locks and bytes are
read from the bucket, claims and entries from the ledger.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from holdfast.domain.custody import ObjectVersion
from holdfast.domain.evidence_key import EvidenceKey
from holdfast.domain.ids import ConversationId, MatterId, ReleaseId
from holdfast.domain.promise import HOLD_MOVES, Promise
from holdfast.domain.states import (
    RELEASE_MOVES,
    REQUEST_MOVES,
    HoldState,
    PlatformHold,
    ReleaseState,
    has_passed,
)
from holdfast.ports import HoldOwner, ReleaseRecord
from tests.fakes.buckets import StoredVersion
from tests.fakes.house import House
from tests.fakes.ledger import Folder
from tests.fakes.story import conversation_id, recording_id

# In whose name old writes come through.
GHOST = ReleaseId("ghost")

type Named = tuple[str, str]  # key and version id


class RuleBroken(AssertionError):
    """A rule does not hold; `rule` is its name, the message tells the story so far."""

    def __init__(self, rule: str, story: Sequence[str]) -> None:
        super().__init__("\n  ".join([rule, *story]))
        self.rule = rule


@dataclass
class _Seen:
    """What there was after the last step."""

    locks: dict[Named, bool] = field(default_factory=dict)
    promises: dict[str, Promise] = field(default_factory=dict)
    leases: dict[str, datetime | None] = field(default_factory=dict)
    active: dict[str, frozenset[MatterId]] = field(default_factory=dict)
    entries: dict[tuple[str, str], bytes] = field(default_factory=dict)
    requests: dict[Any, Any] = field(default_factory=dict)
    releases: dict[Any, Any] = field(default_factory=dict)


class Rules:
    """Looks on while a house is at work."""

    def __init__(self, house: House, *, pre_existing: frozenset[ConversationId]) -> None:
        self._house = house
        self._pre_existing = pre_existing
        self._arrived: dict[Named, tuple[bytes, dict[str, str]]] = {}
        self._tampered: set[Named] = set()
        self._ever_tampered: set[Named] = set()
        self._revoked: set[tuple[ConversationId, HoldOwner]] = set()
        self._planned: dict[str, set[Named]] = {}
        self._unlocked: set[Named] = set()
        self._begun: set[str] = set()
        self._broken: list[str] = []
        self._seen = _Seen()
        house.effects.watchers.append(self._look)

    # --- what the world tells

    def arrived(self, versions: Sequence[ObjectVersion]) -> None:
        """Remember what the vendor wrote, with a tag of its own."""
        for version in versions:
            stored = self._house.evidence.at(version)
            stored.tags["owner"] = "them"
            self._arrived[version.key, version.version_id] = (stored.content, dict(stored.tags))

    def tampered(self, named: Named) -> None:
        """Remember a lock that somebody outside takes off."""
        self._tampered.add(named)
        self._ever_tampered.add(named)

    def revoked(self, conversation_id_: ConversationId) -> None:
        """Remember a protection that somebody outside ends; what was there before us is not ours to keep."""
        owners = {owner for cid, owner in self._house.holds.references if cid == conversation_id_}
        self._revoked |= {(conversation_id_, owner) for owner in (None, *owners)}
        self._pre_existing -= {conversation_id_}

    # --- at every effect, just before it takes place

    def _look(self, kind: str, subject: str) -> None:
        looks = {
            "unlock": self._unlocks,
            "lock": self._locks,
            "receipt": self._receipts,
            "release": self._moves_release,
            "lift begun": self._begins_lift,
            "lifted": self._lifts,
            "relocked": self._keeps_again,
            "drift found": self._accuses,
            "claim": self._claims,
        }
        if kind in looks:
            looks[kind](subject)

    def _accuses(self, subject: str) -> None:
        if _named(subject) not in self._ever_tampered:
            self._breaks("6: somebody was said to have lifted a lock, and nobody had")

    def _locks(self, subject: str) -> None:
        self._tampered.discard(_named(subject))

    def _receipts(self, subject: str) -> None:
        stored = self._house.evidence.stored[_named(subject)]
        if not stored.is_locked or "legal-hold" not in stored.tags:
            self._breaks("1: a receipt was written before lock and tags were set")

    def _moves_release(self, subject: str) -> None:
        release_id, _, state = subject.partition(" ")
        if state == ReleaseState.OPEN:
            versions = {one for name in self._house.conversations.folders for one in self._versions(name)}
            self._planned[release_id] = {one for one in versions if self._stored(one).is_locked}

        is_begun = state == ReleaseState.RELEASING and release_id not in self._begun
        matters = {record.matter_id for (_, named), record in self._releases() if named == release_id}
        requests = self._house.requests.records.values()
        if is_begun and any(one.matter_id in matters and not one.state.is_terminal for one in requests):
            self._breaks("3: a release began while a request of its matter was open")
        self._begun |= {release_id} if is_begun else set()

    def _releases(self) -> Iterable[tuple[tuple[MatterId, ReleaseId], ReleaseRecord]]:
        return self._house.releases.records.items()

    def _claims(self, subject: str) -> None:
        folder = self._house.conversations.folders[f"CONV#{subject.partition(' by ')[0]}"]
        if folder.standing.state is HoldState.LIFTING:
            self._breaks("2: a claim was taken while the locks were being lifted")

    def _begins_lift(self, subject: str) -> None:
        folder = self._house.conversations.folders[f"CONV#{subject}"]
        has_lease = folder.lease_until is not None and folder.lease_until > self._house.clock.now()
        if folder.standing.state is HoldState.LIFTING and has_lease:
            self._breaks("2: a lift was overtaken while its lease ran")
        if folder.active:
            self._breaks("3: what somebody claims was about to be lifted")

    def _lifts(self, subject: str) -> None:
        conversation, _, release = subject.partition(" by ")
        left = {one for one in self._planned.get(release, ()) if _is_of(one, conversation)}
        if release == GHOST:
            self._breaks("6: an old write spoke for a lift that is somebody else's")
        if any(self._stored(one).is_locked for one in left):
            self._breaks("6: a conversation was called lifted while a lock of the plan was on")

    def _keeps_again(self, subject: str) -> None:
        if not all(self._stored(one).is_locked for one in self._versions(f"CONV#{subject}")):
            self._breaks("5: a promise was called kept again while a lock was off")

    def _unlocks(self, subject: str) -> None:
        named = _named(subject)
        conversation_id_ = EvidenceKey.parse(named[0]).conversation_id
        folder = self._house.conversations.folders.get(f"CONV#{conversation_id_}", Folder())
        if folder.standing.state is not HoldState.LIFTING or folder.active:
            self._breaks("2: a lock was lifted outside LIFTING, or while somebody claims the conversation")
        if folder.lease_until is None or folder.lease_until <= self._house.clock.now():
            self._breaks("2: a lock was lifted without a lease that runs")
        if not any(named in self._plan_of(record) for record in self._house.releases.records.values()):
            self._breaks("2: a lock was lifted that no approved plan names")
        self._unlocked.add(named)

    def _plan_of(self, record: ReleaseRecord) -> set[Named]:
        if record.state is not ReleaseState.RELEASING:
            return set()
        stem = f"releases/{record.matter_id}/{record.release_id}/plan-"
        parts = [content for key, content in self._house.records.files.items() if key.startswith(stem)]
        lines = [json.loads(line) for part in parts for line in part.splitlines()]
        return {(one["key"], one["version_id"]) for line in lines for one in line.get("versions", ())}

    def _breaks(self, rule: str) -> None:
        self._broken.append(rule)

    # --- after every step

    def check(self, story: Sequence[str]) -> None:
        """See whether everything holds.

        Raises:
            RuleBroken: it does not.
        """
        for name, folder in self._house.conversations.folders.items():
            self._check_folder(name, folder)
        self._check_bucket()
        self._check_forward()
        self._check_platform()
        if self._broken:
            raise RuleBroken(self._broken[0], story)
        self._remember()

    def _check_folder(self, name: str, folder: Folder) -> None:
        promise, active = folder.standing, folder.active
        if promise.active_claims != len(active):
            self._breaks("3: the count of claims is not the number of claims")
        if active and promise.state in (HoldState.LIFTING, HoldState.LIFTED):
            self._breaks("2: what is claimed is being lifted, or was")
        if promise.is_kept and not all(
            self._stored(one).is_locked for one in self._versions(name) - self._tampered
        ):
            self._breaks("5: what counts as kept is not locked")
        for matter_id in self._seen.active.get(name, frozenset()) - active:
            state = self._release_state(matter_id, folder.claims[matter_id].release_id)
            if state is not ReleaseState.RELEASING:
                self._breaks("3: a claim ended without a release of its matter under way")
        was = self._seen.promises.get(name)
        if was is not None:
            self._check_move(was, promise, has_new_lease=self._seen.leases.get(name) != folder.lease_until)

    def _release_state(self, matter_id: MatterId, release_id: ReleaseId | None) -> ReleaseState | None:
        record = self._house.releases.find(matter_id, release_id) if release_id else None
        return record.state if record else None

    def _check_move(self, was: Promise, now: Promise, *, has_new_lease: bool) -> None:
        if now.epoch < was.epoch or (now.state is not was.state and not _may_follow(was.state, now.state)):
            self._breaks("6: a promise or its epoch went back")
        is_another = now.state is not was.state or (now.state is HoldState.LIFTING and has_new_lease)
        is_end = (was.state, now.state) in (
            (HoldState.LIFTING, HoldState.LIFTED),
            (HoldState.RELOCKING, HoldState.HELD),
        )
        if is_another and not is_end and now.epoch == was.epoch:
            self._breaks("6: another may lift, or must lock, under an epoch that somebody had before")

    def _check_bucket(self) -> None:
        stored = self._house.evidence.stored
        for named, was_locked in self._seen.locks.items():
            if named not in stored:
                self._breaks("7: a version is gone")
            elif was_locked and not stored[named].is_locked and named not in self._unlocked | self._tampered:
                self._breaks("2: a lock went off, and nobody says why")
        for named, (content, tags) in self._arrived.items():
            if stored[named].content != content or not tags.items() <= stored[named].tags.items():
                self._breaks("7: bytes or foreign tags were changed")
        for name in self._house.conversations.folders:
            if any("legal-hold" not in stored[one].tags for one in self._versions(name)):
                self._breaks("1: what is receipted has no tag")

    def _check_forward(self) -> None:
        for key, record in self._house.requests.records.items():
            was = self._seen.requests.get(key, record)
            is_same = was.attempt == record.attempt and was.state is not record.state
            if is_same and not has_passed(REQUEST_MOVES, record.state, was.state):
                self._breaks("6: a request went back")
        for named, release in self._house.releases.records.items():
            before = self._seen.releases.get(named, release)
            is_moved = before.state is not release.state
            if is_moved and not has_passed(RELEASE_MOVES, release.state, before.state):
                self._breaks("6: a release went back")
        now = self._entries()
        if any(now.get(key) != content for key, content in self._seen.entries.items()):
            self._breaks("10: an entry was changed")

    def _check_platform(self) -> None:
        protected = self._house.holds.protected
        self._revoked = {one for one in self._revoked if not self._is_protected(*one)}
        if not self._pre_existing <= protected:
            self._breaks("3: what the platform protected before us was let go")
        for name, folder in self._house.conversations.folders.items():
            cid = ConversationId(name.removeprefix("CONV#"))
            for owner, hold in folder.platform.items():
                is_needed = owner in folder.active if owner else bool(folder.active)
                is_there = self._is_protected(cid, owner) or (cid, owner) in self._revoked
                if is_needed and hold.state is PlatformHold.HELD and not is_there:
                    self._breaks("3: the platform let go of what somebody claims")

    def _remember(self) -> None:
        folders = self._house.conversations.folders
        self._unlocked.clear()
        self._seen = _Seen(
            locks={named: stored.is_locked for named, stored in self._house.evidence.stored.items()},
            promises={name: folder.standing for name, folder in folders.items() if folder.promise},
            leases={name: folder.lease_until for name, folder in folders.items()},
            active={name: folder.active for name, folder in folders.items()},
            entries=self._entries(),
            requests=dict(self._house.requests.records),
            releases=dict(self._house.releases.records),
        )

    # --- when somebody is told

    def announced(self, house: House, numbers: Sequence[int], verdict: str) -> None:
        """See whether a verdict is true."""
        for number in numbers if verdict == "PRESERVED" else ():
            cid = conversation_id(number)
            folder = self._house.conversations.folders[f"CONV#{cid}"]
            parts = [one for one in folder.receipts.values() if one.recording_id == recording_id(number)]
            is_there = {one.role for one in parts} == {"media", "sidecar"}
            locked = all(
                self._stored(one).is_locked or one in self._tampered for one in self._versions(f"CONV#{cid}")
            )
            owner = house.run.matter_id if self._house.holds.is_per_matter else None
            is_protected = self._is_protected(cid, owner) or (cid, owner) in self._revoked
            is_held = is_protected and folder.standing.is_kept
            if not (is_there and locked and is_held and house.run.matter_id in folder.active):
                self._breaks("5: preserved was announced and is not true")

    def certified(self, record: Any) -> None:
        """See whether a certificate is true."""
        for folder in self._house.conversations.folders.values():
            claim = folder.claims.get(record.matter_id)
            is_of_it = claim is not None and claim.release_id == record.release_id
            if is_of_it and claim and claim.ended_at is None:
                self._breaks("6: a release was certified before its claims had ended")
            if is_of_it and folder.standing.state is HoldState.LIFTING:
                self._breaks("6: a release was certified before all of it was lifted")

    # --- in the end

    def settled(self, story: Sequence[str]) -> None:
        """See whether all has come to a good end.

        Raises:
            RuleBroken: it has not.
        """
        receipted = {one for name in self._house.conversations.folders for one in self._versions(name)}
        for named, stored in self._house.evidence.stored.items():
            conversation = EvidenceKey.parse(named[0]).conversation_id
            folder = self._house.conversations.folders.get(f"CONV#{conversation}", Folder())
            is_let_go = folder.standing.state is HoldState.LIFTED
            if named not in receipted or "legal-hold" not in stored.tags:
                self._breaks("1: an object was never receipted")
            if not (stored.is_locked or is_let_go):
                self._breaks("1: an object was never locked")
        self._check_promises()
        if self._broken:
            raise RuleBroken(self._broken[0], story)

    def _check_promises(self) -> None:
        for folder in self._house.conversations.folders.values():
            if folder.active and not folder.standing.is_kept:
                self._breaks("5: a claim was never secured")
            is_left = folder.promise is not None and not folder.active
            if is_left and folder.standing.state is not HoldState.LIFTED:
                self._breaks("6: what nobody claims was never let go")
            if any(hold.state is PlatformHold.RELEASING for hold in folder.platform.values()):
                self._breaks("6: the platform was asked to let go, and nobody says what came of it")
            held = [hold for owner, hold in folder.platform.items() if not owner or owner in folder.active]
            if folder.active and any(hold.state is PlatformHold.REVOKED for hold in held):
                self._breaks("3: a protection that somebody ended was never placed again")
        for cid, owner in self._revoked:
            folder = self._house.conversations.folders.get(f"CONV#{cid}", Folder())
            if owner in folder.platform and (owner in folder.active if owner else folder.active):
                self._breaks("3: a protection that somebody ended was never missed")

    def unchanged(self, before: object, after: object) -> None:
        """See whether a repeat changed nothing."""
        if before != after:
            self._breaks("4: a repeat changed something")

    # --- the world, in short

    def _is_protected(self, cid: ConversationId, owner: HoldOwner) -> bool:
        """Tell whether the platform protects it: for a matter, where holds are per matter, or for all."""
        holds = self._house.holds
        return (cid, owner) in holds.references if owner else cid in holds.protected

    def _versions(self, name: str) -> set[Named]:
        folder = self._house.conversations.folders[name]
        return {(one.version.key, one.version.version_id) for one in folder.receipts.values()}

    def _stored(self, named: Named) -> StoredVersion:
        return self._house.evidence.stored[named]

    def _entries(self) -> dict[tuple[str, str], bytes]:
        return {
            (name, key): entry.canonical
            for name, folder in self._house.conversations.folders.items()
            for key, entry in folder.entries.items()
        }


def _named(subject: str) -> Named:
    key, _, version_id = subject.rpartition("@")
    return key, version_id


def _is_of(named: Named, conversation: str) -> bool:
    return EvidenceKey.parse(named[0]).conversation_id == conversation


def _may_follow(was: HoldState, now: HoldState) -> bool:
    return has_passed(HOLD_MOVES, now, was)
