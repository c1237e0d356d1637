"""What the field reports say that people did, and the sane order, as clients of the compliance dialect."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

import httpx

from local.genesys.clock import ManualClock
from local.genesys.compliance import BULK_EXPORT, HOLDS, JOBS
from local.genesys.inprocess import InProcess
from local.genesys.organisation import Conversation
from local.genesys.scenario import Medium
from local.genesys.server import Simulator

ENDED = {"FULFILLED", "FAILED", "CANCELLED"}
SPOKEN = {Medium.VOICE, Medium.CALLBACK}


@dataclass(frozen=True)
class Habit:
    """What an export asks for besides its conversations: at its creation, and when it is set going."""

    body: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    export_params: Mapping[str, str] = field(default_factory=dict)


# One for each report, by its file's name.
REPORTED: Mapping[str, Habit] = {
    # the default parameters, and nothing else
    "000_074e26f1f60d09b3": Habit(),
    # the tag that the Architect flow sets, as metadata of the upload
    "001_90eb4a0003936ed0": Habit({"metadata": {"x-amz-meta-legal-hold": "true"}, "include_metadata": False}),
    # all session details, "for audit trails"
    "002_8fae6a152d10733b": Habit({"manifest_version": "v2"}, export_params={"include_metadata": "true"}),
    # metadata attached before the export, by an account that may only export
    "003_ac7d20794258e87e": Habit({"manifest_version": "v2", "include_metadata": True}),
    # the hold as a query parameter
    "004_46e62ab6a1c73672": Habit({"include_metadata": False}, params={"legal_hold": "true"}),
}

VOICE = Habit({"manifest_version": "v2", "include_participant_id": True, "legal_hold_compliance": True})
DIGITAL = Habit({"manifest_version": "v2", "include_participant_id": True, "include_metadata": False})


class Refused(Exception):
    def __init__(self, response: httpx.Response) -> None:
        super().__init__(f"{response.request.method} {response.request.url.path}: {response.text}")
        self.status = response.status_code
        self.body: dict[str, Any] = response.json()


class Client:
    """Fetches its token once, as the reports did."""

    def __init__(self, simulator: Simulator, clock: ManualClock, role: str = "full") -> None:
        self._simulator = simulator
        self._clock = clock
        self._known = next(one for one in simulator.access.clients.values() if one.role == role)
        self._http = httpx.Client(transport=InProcess(simulator), base_url="http://127.0.0.1:1")
        self.log_in()

    def log_in(self) -> None:
        answer = self._http.post(
            "/oauth/token",
            auth=(self._known.id, self._known.secret),
            data={"grant_type": "client_credentials"},
        )
        if answer.is_error:
            raise Refused(answer)
        self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        self.token_ages_at = self._clock.now().timestamp() + answer.json()["expires_in"] / 2

    def ask(self, method: str, path: str, body: object = None, params: Mapping[str, str] = {}) -> Any:
        answer = self._http.request(method, path, json=body, params=dict(params))
        if answer.is_error:
            raise Refused(answer)
        return answer.json()

    def export(self, conversations: Sequence[Conversation], habit: Habit) -> dict[str, Any]:
        """One job to its end, and its objects, late ones apart. Raises: Refused."""
        organization = self._simulator.scenario.organization
        body = {
            "conversation_ids": [one.id for one in conversations],
            "interval": self._simulator.scenario.interval,
            "integration_id": organization.integration_id,
            "include_screen_recordings": True,
        }
        job = self.ask("POST", BULK_EXPORT, body | dict(habit.body), habit.params)
        path = f"{JOBS}/{job['id']}"
        if self._until(path, ENDED | {"READY"})["state"] == "READY":
            self.ask("POST", f"{path}/export", params=habit.export_params)
        ended = self._until(path, ENDED)
        self.wait(1)
        return ended

    def hold(self, conversations: Sequence[Conversation], reference: str, **more: object) -> Any:
        ids = [one.id for one in conversations]
        return self.ask("POST", HOLDS, {"conversation_ids": ids, "externalReferenceId": reference} | more)

    def wait(self, seconds: float) -> None:
        self._clock.pass_s(seconds)
        self._simulator.deliver_due()

    def _until(self, path: str, states: set[str]) -> dict[str, Any]:
        for _ in range(100):
            job: dict[str, Any] = self.ask("GET", path)
            if job["state"] in states:
                return job
            self.wait(0.5)
        raise AssertionError(f"{path} does not end")


class SaneClient(Client):
    """Moves first and holds second: no flag in any export, tokens renewed in time, refusals waited out."""

    def ask(self, method: str, path: str, body: object = None, params: Mapping[str, str] = {}) -> Any:
        if self._clock.now().timestamp() >= self.token_ages_at:
            self.log_in()
        return super().ask(method, path, body, params)

    def preserve(self, conversations: Iterable[Conversation], reference: str, batch: int) -> list[Any]:
        """Export, then hold, then read back; gives the jobs."""
        everything = list(conversations)
        spoken = [one for one in everything if one.medium in SPOKEN]
        digital = [one for one in everything if one.medium not in SPOKEN]
        jobs = [
            job
            for part, habit in ((spoken, VOICE), (digital, DIGITAL))
            for chunk in batched(part, batch, strict=False)
            for job in self._moved(chunk, habit)
        ]
        recorded = [one for one in everything if one.recordings]
        for chunk in batched(recorded, 50, strict=False):
            self._held(chunk, reference)
        return jobs

    def _moved(self, chunk: Sequence[Conversation], habit: Habit) -> Iterator[dict[str, Any]]:
        try:
            yield self.export(chunk, habit)
        except Refused as refused:
            if refused.status != 413:
                raise
            half = len(chunk) // 2
            yield from self._moved(chunk[:half], habit)
            yield from self._moved(chunk[half:], habit)

    def _held(self, chunk: Sequence[Conversation], reference: str) -> None:
        left = list(chunk)
        for _ in range(20):
            try:
                answer = self.hold(left, reference, legal_hold_acknowledgement=True)
            except Refused as refused:
                if refused.status not in {409, 429}:
                    raise
            else:
                left = [one for one in left if one.id not in answer["held"]]
            if not left:
                return
            self.wait(1)
        raise AssertionError(f"{len(left)} conversations cannot be held")


def manifest_of(objects: Iterable[tuple[str, bytes]], job: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest that a job names, from keys and contents."""
    found: dict[str, Any] = json.loads(dict(objects)[job["manifest_key"]])
    return found


def of_group(simulator: Simulator, *names: str) -> list[Conversation]:
    conversations = simulator.platform.organisation.conversations.values()
    return [one for one in conversations if one.group in names]
