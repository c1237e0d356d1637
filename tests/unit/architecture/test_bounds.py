"""However large a matter is, every workflow stays within the history and payload that Step Functions allows.

The bounds follow from the constants of the steps, the parameters of the template, and the assumptions below.
"""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import AfterValidator, BaseModel, Field, create_model

from holdfast.bootstrap import PAGE_SIZE
from holdfast.contracts.request import MAX_LISTED_IDS, DiscoveryRequest
from holdfast.contracts.steps import MatterName, MaxJson, Run
from holdfast.domain.ids import MatterId
from holdfast.domain.slices import MOST_AFTER_HALVING
from holdfast.domain.waits import poll_wait_s
from holdfast.genesys.budget import DEFAULT_ALLOWED
from holdfast.genesys.compliance.holds import LegalHolds
from holdfast.genesys.platform.holds import DeletionProtection
from holdfast.genesys.platform.retention import PAGE_SIZE as RETENTION_PAGE
from holdfast.steps.acquire_job_slot import slot_wait_s
from holdfast.steps.begin_release import LONGEST_WAIT_S
from holdfast.steps.confirm_holds import MAX_LOOKS
from holdfast.steps.end_claims import CHUNK as ENDED_AT_ONCE
from holdfast.steps.lift_holds import CHUNK as LIFTED_AT_ONCE
from holdfast.steps.lift_holds import LEASE
from holdfast.steps.place_holds import MAX_CHUNKS, MOST_CONFLICT_PAUSES
from holdfast.steps.plan_export_round import MAX_ROUNDS
from holdfast.steps.plan_release import PART_CONVERSATIONS as PLANNED_AT_ONCE
from holdfast.steps.preflight import LOOK_WAITS_S
from holdfast.steps.read_scope_pages import SELECTING_DEADLINE, query_wait_s
from holdfast.steps.reconcile import delivery_wait_s
from holdfast.steps.release_platform_holds import MAX_LOOKS as MAX_RELEASE_LOOKS
from holdfast.steps.seal_custody import PART_CONVERSATIONS
from holdfast.steps.seal_matter import SEGMENT_ENTRIES
from holdfast.steps.start_export_job import platform_slot_wait_s
from holdfast.steps.start_scope_query import LONGEST_DATA_WAIT_S
from tests.events import load_event
from tests.unit.architecture.bounds import (
    BYTES_OF_AN_ARN,
    HISTORY_LIMIT,
    PAYLOAD_LIMIT_BYTES,
    Loop,
    Size,
    Unbounded,
    history,
    payloads,
    polls,
    size_of,
    waits_in_loops,
)
from tests.unit.architecture.test_workflows import DEFINITIONS, ROOT, TEMPLATE, definition, surroundings
from tests.unit.architecture.workflows import STARTED_BY, Definition

# --- assumptions: what no constant says --------------------------------------------------------------------

# Conversations claimed or read back per second, in 32 threads: a quarter of what was measured.
LEDGER_PER_S = 100
# A page of a matter's claims is a megabyte of the ledger, a claim in it at least 100 bytes. A conversation
# with a recording has its claim, the media and the sidecar.
CLAIMS_A_PAGE, ENTRIES_A_CONVERSATION = 10_000, 3
# Calls: half of the platform's limit, the rest belongs to other runs.
PLATFORM_PER_S = DEFAULT_ALLOWED / 60 / 2
CONVERSATIONS_A_BATCH = 40  # on average, halves of what was split included
EVENT_BYTES = 150_000  # of a request event; what the contract accepts is smaller, see below
DATED_RECORDINGS = 10_000_000  # of the whole organisation, as old as the scope
HALVINGS = 10  # of a slice's length, from the longest to the shortest
THROTTLED_SHARE = 0.1  # of all rounds ask in vain: the minute's budget is spent, and the same is asked again
JOB_STARTS = 50  # a job is READY once; only an answer that was throttled or lost sends it there again

LEASE_WAITS = 20  # of lifters that died, one after the other

MATTERS = (1, 10_000, 1_000_000)


# --- how often each loop goes round ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Matter:
    """How large a matter is, and what follows from it."""

    conversations: int

    @property
    def batches(self) -> int:
        return math.ceil(self.conversations / CONVERSATIONS_A_BATCH)

    def rounds(self, program: str, per_s: float) -> int:
        """Count the invocations of a step that stops at half of its timeout, at a pace per second."""
        return math.ceil(self.conversations / per_s / (timeout_s(program) / 2))

    @property
    def parts(self) -> int:
        """Count the parts of a release's plan; one may be cut short once an invocation is half over."""
        return math.ceil(self.conversations / PLANNED_AT_ONCE)

    @property
    def held_chunks(self) -> int:
        """Count the calls that let go of the platform's holds."""
        return math.ceil(self.conversations / min(DeletionProtection.chunk_size, LegalHolds.chunk_size))

    @property
    def chunks(self) -> int:
        """Count the chunks of holds; every batch may end in two that are not full."""
        size = min(DeletionProtection.chunk_size, LegalHolds.chunk_size)
        return math.ceil(self.conversations / size) + 2 * self.batches


def timeout_s(program: str) -> int:
    """Read a program's timeout from the template; of several functions, the shortest."""
    resources, default_s = TEMPLATE["Resources"].values(), TEMPLATE["Globals"]["Function"]["Timeout"]
    return min(
        int(one["Properties"].get("Timeout", default_s))
        for one in resources
        if one["Type"] == "AWS::Serverless::Function"
        and one["Properties"]["CodeUri"] == f"functions/{program}"
    )


def most(parameter: str) -> int:
    """Read the largest value that a parameter of the template may have."""
    return int(TEMPLATE["Parameters"][parameter]["MaxValue"])


def a_job_at(percent: int) -> Callable[[float], int]:
    return lambda elapsed_s: poll_wait_s(elapsed_s, percent)


def a_query(selecting_s: float) -> int:
    return query_wait_s(timedelta(), timedelta(seconds=selecting_s))


LOOPS: Mapping[str, Callable[[Matter], Loop]] = {
    "AwaitCanary": lambda _: Loop(len(LOOK_WAITS_S)),
    "AwaitData": lambda _: Loop(1, LONGEST_DATA_WAIT_S, within_s=most("DataWaitSeconds")),
    # All queries' own time, and a start of each; then pages and claims.
    "AwaitScope": lambda matter: Loop(
        polls(a_query).rounds
        + MOST_AFTER_HALVING
        + HALVINGS
        + 2 * matter.rounds("read_scope_pages", LEDGER_PER_S),
        polls(a_query).longest_s,
        within_s=int(SELECTING_DEADLINE.total_seconds()),
    ),
    # Looking until the deadline, each pass over all that is open; then, at worst, reading every conversation.
    "AwaitDelivery": lambda matter: Loop(
        polls(delivery_wait_s).rounds
        + 2 * matter.rounds("reconcile", LEDGER_PER_S)
        + matter.rounds("reconcile", PLATFORM_PER_S),
        polls(delivery_wait_s).longest_s,
        within_s=most("DeliveryDeadlineSeconds"),
    ),
    # A part an invocation, if reading it takes more than half of the time.
    "AwaitAccounting": lambda matter: Loop(math.ceil(matter.conversations / PART_CONVERSATIONS)),
    # Reading every conversation, and marking it once.
    "AwaitSealing": lambda matter: Loop(2 * matter.rounds("seal_matter", LEDGER_PER_S)),
    "AwaitRound": lambda _: Loop(MAX_ROUNDS),
    # These three share the time that an export may last.
    "AwaitSlot": lambda _: polls(lambda waited_s: slot_wait_s(timedelta(seconds=waited_s))),
    "AwaitPlatformSlot": lambda _: polls(lambda tried_s: platform_slot_wait_s(timedelta(seconds=tried_s))),
    "AwaitJob": lambda _: polls(a_job_at(99)),
    # Every delete date of the organisation, then the accounts of all batches.
    "AwaitPlanning": lambda matter: Loop(
        math.ceil(DATED_RECORDINGS / RETENTION_PAGE / PLATFORM_PER_S / (timeout_s("plan_holds") / 2))
        + matter.rounds("plan_holds", LEDGER_PER_S)
    ),
    "AwaitPlacing": lambda matter: Loop(math.ceil(matter.chunks / MAX_CHUNKS) + MOST_CONFLICT_PAUSES),
    "AwaitConfirming": lambda matter: Loop(math.ceil(matter.chunks / MAX_CHUNKS) + MAX_LOOKS),
    # A part an invocation, of the plan and of its account.
    "AwaitPlanPart": lambda matter: Loop(matter.parts + matter.rounds("plan_release", LEDGER_PER_S)),
    "AwaitFinishing": lambda matter: Loop(matter.parts),
    "AwaitApproval": lambda _: Loop(
        polls(lambda waited_s: poll_wait_s(waited_s, longest_s=LONGEST_WAIT_S)).rounds,
        LONGEST_WAIT_S,
        within_s=most("ReleaseApprovalSeconds") + most("ReleaseCoolOffSeconds"),
    ),
    "AwaitNextPart": lambda matter: Loop(matter.parts),
    "AwaitEnding": lambda matter: Loop(matter.rounds("end_claims", LEDGER_PER_S)),
    "AwaitRevoking": lambda matter: Loop(
        math.ceil(2 * matter.held_chunks / PLATFORM_PER_S / (timeout_s("release_platform_holds") / 2))
        + matter.rounds("release_platform_holds", LEDGER_PER_S)
        + MAX_RELEASE_LOOKS
    ),
    # A lease that was left behind is waited for twice at most, as a wait has its longest.
    "AwaitLifting": lambda matter: Loop(matter.rounds("lift_holds", LEDGER_PER_S) + LEASE_WAITS),
}


SELDOM = {"ExecuteExportJob": JOB_STARTS}


def machines() -> Iterator[tuple[str, Definition, int]]:
    """Give every machine, and each Map's machine within, with the seconds that one execution may last."""
    for name in DEFINITIONS:
        machine = definition(name)
        yield name, machine, machine["TimeoutSeconds"]
        for inner_name, state in machine["States"].items():
            if "ItemProcessor" in state:
                yield f"{name}/{inner_name}", state["ItemProcessor"], machine["TimeoutSeconds"]


MACHINES = {name: (machine, lasts_s) for name, machine, lasts_s in machines()}


def _throttled(loop: Loop) -> Loop:
    return replace(loop, rounds=math.ceil(loop.rounds * (1 + THROTTLED_SHARE)))


def bound(name: str, conversations: int) -> int:
    machine, lasts_s = MACHINES[name]
    loops = {wait: _throttled(LOOPS[wait](Matter(conversations))) for wait in waits_in_loops(machine)}
    return history(machine, loops, SELDOM, lasts_s)


def test_every_loop_says_how_often_it_can_go_round() -> None:
    """A loop without an entry has no bound; an entry without a loop is a bound of nothing."""
    assert {wait for machine, _ in MACHINES.values() for wait in waits_in_loops(machine)} == set(LOOPS)


@pytest.mark.parametrize("conversations", MATTERS)
@pytest.mark.parametrize("name", MACHINES)
def test_a_history_ends_before_its_limit(name: str, conversations: int) -> None:
    assert bound(name, conversations) < HISTORY_LIMIT


# --- what is carried ---------------------------------------------------------------------------------------

NESTED: Size = {**size_of(Run), STARTED_BY: BYTES_OF_AN_ARN}
STARTS_WITH: Mapping[str, Size] = {
    "preserve_matter": EVENT_BYTES,
    "release_hold": EVENT_BYTES,
    "approve_release": EVENT_BYTES,
    "apply_legal_hold": {**size_of(Run), STARTED_BY: BYTES_OF_AN_ARN, "early": len("false"), "plan_key": 200},
}


@pytest.mark.parametrize("conversations", MATTERS)
@pytest.mark.parametrize("name", DEFINITIONS)
def test_no_state_carries_more_than_it_may(name: str, conversations: int) -> None:
    found = payloads(
        definition(name), surroundings(name), STARTS_WITH.get(name, NESTED), Matter(conversations).batches
    )

    assert {state: size for state, size in found.by_state.items() if size > PAYLOAD_LIMIT_BYTES} == {}


def test_the_largest_request_fits_into_its_event() -> None:
    ids = [str(UUID(int=number)) for number in range(MAX_LISTED_IDS)]
    long = "\U0001f4de" * 256
    request = load_event("discovery_requested")
    request["detail"] |= {
        "matter_id": "M" * 64,
        "request_id": "R" * 128,
        "title": long[:200],
        "requested_by": long[:200],
    }
    request["detail"]["scope"] |= {
        "custodians": ids,
        "queues": ids,
        "conversation_ids": ids,
        "external_tag": long,
    }

    DiscoveryRequest.from_event(request)

    assert len(json.dumps(request, ensure_ascii=False).encode()) < EVENT_BYTES


class _Counted(BaseModel):
    count: int
    is_done: bool
    name: MatterName
    word: Literal["ONE", "SEVEN"] = "ONE"
    lines: Annotated[list[Annotated[str, Field(max_length=10)]], Field(max_length=3)]
    free: Annotated[dict[str, object], AfterValidator(MaxJson(100))]
    later: Annotated[str | None, Field(max_length=30)] = None


def test_the_size_of_a_contract_is_that_of_its_largest_json() -> None:
    assert size_of(_Counted) == {
        "count": 20,
        "is_done": 20,
        "name": 2 + 2 * 64,
        "word": 7,
        "lines": 2 + 3 * (1 + 2 + 4 * 10),
        "free": 100,
        "later": 2 + 4 * 30,
    }


@pytest.mark.parametrize(
    "annotation",
    [str, list[str], dict[str, object], object, MatterId, Annotated[list[str], Field(max_length=3)]],
)
def test_a_field_without_a_bound_is_found(annotation: Any) -> None:
    model = create_model("Answer", field=(annotation, ...))

    with pytest.raises(Unbounded, match=r"Answer\.field: .* needs a Field"):
        size_of(model)


# --- a machine to count by hand ----------------------------------------------------------------------------


def _looping() -> Definition:
    task = {
        "Type": "Task",
        "Resource": "${StepArn}",
        "ResultPath": "$.step",
        "Retry": [{"MaxAttempts": 4}],
        "Next": "IsDone",
    }
    return {
        "StartAt": "Step",
        "States": {
            "Step": task,
            "IsDone": {"Type": "Choice", "Choices": [{"Next": "Done"}], "Default": "Pause"},
            "Pause": {"Type": "Wait", "Next": "Step"},
            "Done": {"Type": "Succeed"},
        },
    }


@pytest.mark.parametrize(
    ("loop", "events"),
    [
        # start and end, one visit of each state, its share of failures, and all retries once
        (Loop(0), 2 + (5 + 0.75) + 2 + 2 + 2 + 4 * 3),
        (Loop(10), 25.75 + 10 * (5.75 + 2 + 2)),
        (Loop(10, longest_s=60, within_s=600), 25.75 + 20 * 9.75),
        (Loop(10, longest_s=60), 25.75 + (10 + 100) * 9.75),
    ],
)
def test_the_events_of_a_machine_are_those_of_its_visits(loop: Loop, events: float) -> None:
    assert history(_looping(), {"Pause": loop}, {}, lasts_s=6_000) == math.ceil(events)


def test_a_state_that_is_seldom_visited_does_not_count_every_round() -> None:
    events = 25.75 + 10 * 4 + 3 * 5.75

    assert history(_looping(), {"Pause": Loop(10)}, {"Step": 3}, lasts_s=0) == math.ceil(events)


def test_a_poll_that_grows_has_few_rounds_before_its_longest() -> None:
    assert polls(lambda elapsed_s: 10 if elapsed_s < 100 else 60) == Loop(10, 60)


# Conversations that a step handles between two looks at the clock, at most.
A_ROUND = {
    "read_scope_pages": PAGE_SIZE + most("BatchSize"),
    "reconcile": most("BatchSize"),
    "plan_holds": most("BatchSize"),
    "place_holds": DeletionProtection.chunk_size,
    "confirm_holds": DeletionProtection.chunk_size,
    "plan_release": PLANNED_AT_ONCE,
    "end_claims": ENDED_AT_ONCE,
    "release_platform_holds": DeletionProtection.chunk_size,
    "lift_holds": LIFTED_AT_ONCE,
    "seal_custody": PART_CONVERSATIONS + most("BatchSize"),
    "seal_matter": CLAIMS_A_PAGE + SEGMENT_ENTRIES / ENTRIES_A_CONVERSATION,  # read; then marked
}


@pytest.mark.parametrize("program", A_ROUND)
def test_what_is_begun_at_half_of_the_time_ends_in_the_other_half(program: str) -> None:
    assert A_ROUND[program] / LEDGER_PER_S < timeout_s(program) / 2


def test_a_lifter_is_dead_before_its_lease_has_ended() -> None:
    assert LEASE.total_seconds() > timeout_s("lift_holds")


def test_every_step_that_looks_at_the_clock_says_what_it_does_in_between() -> None:
    steps = {step.program for name in DEFINITIONS for step in surroundings(name).steps.values()}
    looking = {one for one in steps if "half_time" in (ROOT / f"functions/{one}/app.py").read_text()}

    assert looking == set(A_ROUND)


@pytest.mark.parametrize("name", ["AwaitScope", "AwaitDelivery", "AwaitAccounting", "AwaitSealing"])
def test_a_larger_matter_goes_round_more_often(name: str) -> None:
    rounds = [LOOPS[name](Matter(conversations)).rounds for conversations in MATTERS]

    assert rounds == sorted(rounds)
    assert rounds[0] < rounds[-1]


def test_a_wait_that_stands_in_no_loop_needs_no_entry() -> None:
    machine = _looping()
    machine["States"]["Pause"]["Next"] = "Done"

    assert waits_in_loops(machine) == set()


def test_what_a_map_answers_grows_with_its_batches() -> None:
    name = "export_recordings"
    sizes = [
        payloads(definition(name), surroundings(name), NESTED, batches).by_state["ExportBatches"]
        for batches in (1, 100_000)
    ]

    assert sizes[0] < PAYLOAD_LIMIT_BYTES < sizes[1]


# --- what the documentation says of it ---------------------------------------------------------------------


def _limits() -> list[str]:
    """Write the table of docs/architecture.md: bounds, rounded up."""
    lines = [
        f"| Workflow | {' | '.join(f'{size:,}' for size in MATTERS)} | largest payload |",
        f"|---|{'---|' * (len(MATTERS) + 1)}",
    ]
    for name in sorted(MACHINES):
        events = " | ".join(f"{math.ceil(bound(name, size) / 1_000) * 1_000:,}" for size in MATTERS)
        carried = f"{_largest(name):,} KB" if name in DEFINITIONS else "within"
        lines.append(f"| {name} | {events} | {carried} |")
    return lines


def _largest(name: str) -> int:
    starts_with, batches = STARTS_WITH.get(name, NESTED), Matter(MATTERS[-1]).batches
    found = payloads(definition(name), surroundings(name), starts_with, batches).by_state
    return math.ceil(max(found.values()) / 10_240) * 10


def test_the_documented_limits_are_the_computed_ones() -> None:
    written = (ROOT / "docs/architecture.md").read_text()
    between = written.partition("<!-- limits -->\n")[2].partition("\n<!-- /limits -->")[0]

    assert between.splitlines() == _limits()
