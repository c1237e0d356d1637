"""The documentation says what the program does: tables are compared with the code, links are followed."""

import ast
import inspect
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import rfc8785
from moto import mock_aws
from pydantic import ValidationError

from cli import doctor_page
from holdfast import ports
from holdfast.aws.claims import ClaimLedger, ReceiptLedger, read_receipt
from holdfast.aws.disposals import DisposalLedger
from holdfast.aws.drift import DriftLedger
from holdfast.aws.parking import ParkingLedger
from holdfast.aws.promises import ReleaseLedger
from holdfast.aws.releases import ReleaseRequestLedger
from holdfast.aws.requests import BatchLedger, RequestLedger
from holdfast.aws.resolutions import ResolutionLedger
from holdfast.aws.seals import SealLedger
from holdfast.aws.slots import SlotLedger
from holdfast.aws.standing import StandingLedger
from holdfast.aws.sweeps import SweepLedger
from holdfast.aws.table import Table, from_wire
from holdfast.contracts.request import MAX_LISTED_IDS, DiscoveryRequest
from holdfast.contracts.standing import StandingMatterOpened
from holdfast.doctor.checks import CHECKS
from holdfast.doctor.explain import explain
from holdfast.doctor.refusal import read_refusal
from holdfast.doctor.rules import OURS
from holdfast.domain.custody import (
    Account,
    CustodyEvent,
    DriftKind,
    EventType,
    NamedFile,
    ObjectVersion,
    Receipt,
    Released,
)
from holdfast.domain.decisions import Decision, Resolution
from holdfast.domain.evidence_key import Role
from holdfast.domain.ids import (
    BatchId,
    ConversationId,
    ExportJobId,
    MatterId,
    RecordingId,
    ReleaseId,
    RequestId,
    ResolutionId,
)
from holdfast.domain.media import Medium
from holdfast.domain.moments import Interval
from holdfast.domain.reconciliation import EXPLAINING, MEANINGS, Reason
from holdfast.domain.release import Approval
from holdfast.domain.reuse import ExportTerms, SecuredExport
from holdfast.domain.scope import Conversation, Scope
from holdfast.domain.seals import Folder, PublicKey, SealedLog
from holdfast.domain.standing import LONGEST, Course
from holdfast.domain.states import (
    RELEASE_MOVES,
    STANDING_MOVES,
    BatchState,
    PlatformHold,
    ReleaseState,
    RequestState,
)
from holdfast.errors import HoldfastError
from holdfast.evidence.report import MOST_ROWS, PRINTED_ROWS
from holdfast.evidence.seal import Segment, seal_statement
from holdfast.genesys.compliance.exports import ComplianceExportJobs
from holdfast.genesys.compliance.holds import LegalHolds
from holdfast.genesys.platform.exports import BulkExportJobs, RecordingMetadataCatalogue
from holdfast.genesys.platform.holds import DeletionProtection
from holdfast.genesys.platform.retention import RetentionSchedule
from holdfast.genesys.platform.scope import AnalyticsScope
from holdfast.genesys.platform.setup import OrganizationSetup
from holdfast.genesys.token import AccessToken
from holdfast.genesys.transport import Transport
from holdfast.ports import (
    BatchRecord,
    Claim,
    ClaimEnding,
    ExportSelection,
    ListingMark,
    ParkedKind,
    ParkedMessage,
    PlanRecord,
    RecordFile,
    ReleaseRecord,
    RequestRecord,
    ResolutionRecord,
    SlotOwner,
    StandingMatter,
    SweepSource,
)
from holdfast.steps import confirm_holds, place_holds
from holdfast.steps.pool import THREADS
from holdfast.steps.seal_custody import PART_CONVERSATIONS
from holdfast.steps.seal_matter import SEGMENT_ENTRIES
from local import permissions_page
from local.diagrams import redrawn
from local.genesys.access import FULL
from local.genesys.clock import ManualClock
from local.genesys.inprocess import InProcess
from local.genesys.scenario import parse_scenario
from local.genesys.server import Simulator
from local.template import read_template
from local.wiring_pictures import GENESYS as GENESYS_CLOUD
from local.wiring_pictures import Wiring
from tests.packages import sealed_matter
from tests.tables import make_ledger

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
GENESYS, ARCHITECTURE, CUSTODY, DOCTOR, DEPLOY, EVENTS, PACKAGE = (
    (ROOT / f"docs/{name}.md").read_text()
    for name in ("genesys", "architecture", "custody", "doctor", "deploy", "events", "package")
)
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
TEMPLATE = read_template(ROOT / "template.yaml")
ALL_PAGES = "".join(page.read_text() for page in PAGES)
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOME_ID = "0a6f0d1e-0000-4000-8000-000000000001"


def table(page: str, name: str) -> list[list[str]]:
    """Read the rows of the table between ``<!-- name -->`` and ``<!-- /name -->``, without its head."""
    rows = (
        page.split(f"<!-- {name} -->\n")[1].split(f"<!-- /{name} -->", maxsplit=1)[0].strip().splitlines()[2:]
    )
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


# --- every page
# --------------------------------------------------------------------------------------------------


def _anchors(page: Path) -> set[str]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text())

    targets = [(page.parent / path if path else page, anchor) for path, anchor in links]

    assert [str(target) for target, _ in targets if not target.exists()] == []
    assert [anchor for target, anchor in targets if anchor and anchor not in _anchors(target)] == []


# Words in the form of a name that are AWS's, or made up for an example.
NOT_OURS = {"CREATE_FAILED", "ROLLBACK_COMPLETE", "UpdateStateMachine", "VpcOnly"}
_NAME = re.compile(r"`([A-Z][a-z]+(?:[A-Z][a-z0-9]*)+|[A-Z]{3,}(?:_[A-Z0-9]+)*|[a-z]+(?:_[a-z0-9]+)+)`")


def test_every_name_that_is_quoted_is_one_of_the_programs() -> None:
    files = ("template.yaml", "Makefile", "samconfig.toml", ".github/workflows/*")
    documents = ("statemachines/*", "events/*", "local/*/*.json")
    programs = ("layers/holdfast/**/*.py", "functions/*/*.py", "cli/**/*.py", "local/**/*.py")
    sources = [path.read_text() for pattern in (*files, *documents, *programs) for path in ROOT.glob(pattern)]
    words = {word for text in sources for word in re.findall(r"\w+", text)}

    quoted = set(_NAME.findall(re.sub(r"```.*?```", "", ALL_PAGES, flags=re.DOTALL)))

    assert len(quoted) > 300
    assert quoted - words <= NOT_OURS


# Whom the documents send their readers to; no test calls them.
HOSTS = {
    "developer.genesys.cloud",
    "docs.aws.amazon.com",
    "github.com",
    "help.mypurecloud.com",
    "keepachangelog.com",
    "semver.org",
    "www.rfc-editor.org",
}


def test_every_outside_link_is_well_formed_and_leads_to_a_known_host_over_tls() -> None:
    links = re.findall(r"\bhttps?://[^\s)>`\"|]+", ALL_PAGES)
    addresses = [httpx.URL(link) for link in links if not link.startswith("http://127.0.0.1:")]

    assert {address.scheme for address in addresses} == {"https"}
    assert {address.host for address in addresses} == HOSTS
    assert [str(address) for address in addresses if address.userinfo or address.port] == []


def test_every_page_is_in_the_readers_index() -> None:
    pages = {str(page.relative_to(ROOT)) for page in PAGES} - {"README.md"}

    index = README.split("| You want to | Read |")[1].split("\n\n")[0]

    assert set(re.findall(r"\]\(([^)#]+)\)", index)) == pages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_named_exists(page: Path) -> None:
    folders = "cli|docs|events|functions|layers|local|statemachines|tests"
    rooms = "aws|contracts|doctor|domain|evidence|genesys|steps"
    named = re.findall(rf"`((?:{folders}|{rooms})/[\w./-]+)`", page.read_text())

    places = (ROOT, ROOT / "layers/holdfast/holdfast")
    assert [path for path in named if not any((place / path).exists() for place in places)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_command_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))

    commands = set(re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE))

    assert commands <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_scenario_that_is_shipped_by_name_exists(page: Path) -> None:
    scenarios = re.findall(r"SCENARIO=(local/[\w./-]+)", page.read_text())

    assert [path for path in scenarios if not (ROOT / path).is_file()] == []


def test_nothing_is_promised_that_no_program_can_keep() -> None:
    for page in PAGES:
        assert not re.search(r"\b(compliant|admissible)\b", page.read_text(), re.IGNORECASE), page


# --- README, docs/deploy.md, docs/events.md
# ------------------------------------------------------------------------------------------------------


def test_every_parameter_is_listed_with_its_default() -> None:

    listed = {code(name)[0]: code(default)[:1] for name, default, _ in table(DEPLOY, "parameters")}

    declared = {
        name: [str(given["Default"])] if given.get("Default") not in (None, "") else []
        for name, given in TEMPLATE["Parameters"].items()
    }
    assert listed == declared
    assert [*listed] == [*declared]  # as sam deploy --guided asks


def test_the_outputs_that_are_named_exist() -> None:

    used = set(re.findall(r"[oO]utputs? `(\w+)`", ALL_PAGES))

    assert used
    assert used <= TEMPLATE["Outputs"].keys()


def test_every_field_of_a_discovery_request_is_described() -> None:
    def fields(model: Any, prefix: str = "") -> Iterator[str]:
        for name, field in model.model_fields.items():
            if isinstance(field.annotation, type) and hasattr(field.annotation, "model_fields"):
                yield from fields(field.annotation, f"{prefix}{name}.")
            else:
                yield prefix + name

    listed = [code(row[0])[0] for row in table(EVENTS, "request")]

    assert listed == list(fields(DiscoveryRequest))


@pytest.mark.parametrize("field", ["matter_id", "request_id", "title", "requested_by"])
def test_a_text_of_a_request_may_be_as_long_as_is_said_and_no_longer(field: str) -> None:
    (row,) = (row for row in table(EVENTS, "request") if code(row[0]) == [field])
    most = int(re.findall(r"up to (\d+)", row[1])[0])
    detail = json.loads(blocks(README, "json")[0])

    DiscoveryRequest.model_validate({**detail, field: "a" * most})
    with pytest.raises(ValidationError):
        DiscoveryRequest.model_validate({**detail, field: "a" * (most + 1)})


def test_every_field_of_an_opening_is_described() -> None:
    listed = [name for row in table(EVENTS, "standing") for name in code(row[0])]

    assert listed == list(StandingMatterOpened.model_fields)


def test_the_examples_of_requests_are_accepted() -> None:
    examples = [json.loads(block) for block in blocks(README, "json") + blocks(EVENTS, "json")]

    requests = [example for example in examples if "matter_id" in example]

    assert requests
    for request in requests:
        (StandingMatterOpened if "starts_at" in request else DiscoveryRequest).model_validate(request)


def _announced(node: object) -> Iterator[tuple[str, set[str]]]:
    """Find every event that a workflow puts, with the fields of its detail."""
    match node:
        case {"DetailType": str(event), "Detail": dict(detail)}:
            yield event, {field.removesuffix(".$") for field in detail}
        case {"DetailType.$": _, "Detail": dict(detail)}:  # the one whose name is the verdict's
            for event in ("MatterPreserved", "MatterIncomplete"):
                yield event, {field.removesuffix(".$") for field in detail}
        case dict():
            yield from (found for part in node.values() for found in _announced(part))
        case list():
            yield from (found for part in node for found in _announced(part))


def test_the_announcements_are_those_of_the_workflows_with_all_their_fields() -> None:
    announced = defaultdict[str, set[str]](set)
    for path in (ROOT / "statemachines").glob("*.asl.json"):
        for event, fields in _announced(json.loads(path.read_text())):
            announced[event] |= fields

    documented = {code(event)[0]: set(code(detail)) for event, _, detail in table(EVENTS, "announcements")}

    documented["MatterIncomplete"] = documented["MatterPreserved"]  # "the same"
    assert documented == announced


def test_the_files_of_a_demo_are_those_that_somebody_writes() -> None:
    sources = "".join(path.read_text() for path in (ROOT / "local").rglob("*.py"))

    named = {name for row in table(README, "demo") for name in (*code(row[0]), *code(row[1]))}

    assert {name for name in named - {"data/report.html"} if f'"{name.strip("/")}"' not in sources} == set()


def test_every_file_of_a_package_is_described_and_every_description_has_its_file() -> None:
    house = sealed_matter()
    key = house.package_matter().package_key
    files = {name.removeprefix(f"{key}/") for name in house.records.files if name.startswith(f"{key}/")}
    files |= {
        "data/releases/REL-1/plan.json",
        "data/media/key",
    }  # of a matter that was released; brought along

    named = {name for row in table(PACKAGE, "files") for name in code(row[0])}

    assert {file for file in files if not any(file.startswith(name) for name in named)} == set()
    assert {name for name in named if not any(file.startswith(name) for file in files)} == set()


# --- docs/genesys.md: permissions
# --------------------------------------------------------------------------------


class Gate:
    """An httpx transport that notes which calls were made, and which of them were refused with a 403."""

    def __init__(self, simulator: Simulator) -> None:
        self._endpoints = simulator.platform.endpoints()
        self._inner = InProcess(simulator)
        self.made: set[str] = set()
        self.refused: set[str] = set()

    def handle(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        endpoint = next(
            one
            for one in self._endpoints
            if one.method == request.method and one.match(request.url.path) is not None
        )
        call = f"{endpoint.method} {endpoint.template}"
        self.made.add(call)
        if response.status_code == httpx.codes.FORBIDDEN:
            self.refused.add(call)
        return response


class OneToken:
    """Gives out one token of the simulator's full client."""

    def __init__(self, simulator: Simulator, clock: ManualClock) -> None:
        client = next(one for one in simulator.access.clients.values() if one.role == "full")
        now = clock.now()
        value = simulator.access.token_request(client.id, client.secret, "client_credentials", now).value
        self._token = AccessToken(0, now, now + timedelta(days=1), value)

    def token(self) -> AccessToken:
        return self._token

    def replace(self, _: AccessToken) -> AccessToken:
        return self._token


type Use = Callable[[Transport, ManualClock, str], object]


def _selection(*, sensitive: bool = False) -> ExportSelection:
    interval = Interval(NOW - timedelta(days=60), NOW - timedelta(days=30))
    return ExportSelection([ConversationId(SOME_ID)], Scope(interval, include_sensitive=sensitive))


def _jobs(transport: Transport, clock: ManualClock, integration_id: str) -> BulkExportJobs:
    return BulkExportJobs(transport, clock, integration_id=integration_id)


def _create(transport: Transport, clock: ManualClock, integration_id: str) -> None:
    with suppress(HoldfastError):  # a job that is rejected makes it look for jobs under way
        _jobs(transport, clock, SOME_ID).create(_selection())
    _jobs(transport, clock, integration_id).create(_selection())


# Every method of every port of the platform, under the name that the steps give the port.
USES: Mapping[tuple[str, str], Use] = {
    ("scope_source", "available_until"): lambda t, *_: AnalyticsScope(t, page_size=9).available_until(),
    ("scope_source", "start_query"): lambda t, *_: AnalyticsScope(t, page_size=9).start_query(
        _selection().scope
    ),
    ("scope_source", "is_query_done"): lambda t, *_: AnalyticsScope(t, page_size=9).is_query_done(SOME_ID),
    ("scope_source", "read_page"): lambda t, *_: AnalyticsScope(t, page_size=9).read_page(SOME_ID, None),
    ("jobs", "lot_of"): lambda t, clock, integration: _jobs(t, clock, integration).lot_of(
        Conversation(ConversationId(SOME_ID), NOW, NOW, Medium.VOICE)
    ),
    ("jobs", "create"): _create,
    ("jobs", "find"): lambda t, clock, integration: _jobs(t, clock, integration).find(_selection(), NOW),
    ("jobs", "execute"): lambda t, clock, integration: _jobs(t, clock, integration).execute(
        ExportJobId(SOME_ID)
    ),
    ("jobs", "cancel"): lambda t, clock, integration: _jobs(t, clock, integration).cancel(
        ExportJobId(SOME_ID)
    ),
    ("jobs", "read"): lambda t, clock, integration: _jobs(t, clock, integration).read(ExportJobId(SOME_ID)),
    ("jobs", "failed_recordings"): lambda t, clock, integration: _jobs(
        t, clock, integration
    ).failed_recordings(ExportJobId(SOME_ID)),
    ("catalogue", "recordings_of"): lambda t, *_: RecordingMetadataCatalogue(t).recordings_of(
        ConversationId(SOME_ID)
    ),
    ("holds", "held_among"): lambda t, *_: DeletionProtection(t).held_among(
        [ConversationId(SOME_ID)], MatterId("M-1")
    ),
    ("holds", "place"): lambda t, *_: DeletionProtection(t).place([ConversationId(SOME_ID)], MatterId("M-1")),
    ("holds", "release"): lambda t, *_: DeletionProtection(t).release(
        [ConversationId(SOME_ID)], MatterId("M-1")
    ),
    ("deletions", "page"): lambda t, *_: RetentionSchedule(t).page(0, None),
    ("setup", "findings"): lambda t, _, integration: OrganizationSetup(
        t, organization_id=SOME_ID, integration_id=integration, bucket="evidence", writer_role_arn="arn"
    ).findings(MatterId("M-1")),
}
SENSITIVE: Use = lambda t, clock, integration: _jobs(t, clock, integration).create(  # noqa: E731
    _selection(sensitive=True)
)
PORTS = {
    "scope_source": ports.ScopeSource,
    "jobs": ports.ExportJobs,
    "catalogue": ports.RecordingCatalogue,
    "holds": ports.PlatformHolds,
    "deletions": ports.DeletionSchedule,
    "setup": ports.PlatformSetup,
}
ALWAYS_ALLOWED = {
    "GET /api/v2/authorization/subjects/me",
    "GET /api/v2/tokens/me",
    "POST /api/v2/recordings/deletionprotection",
}


def _gate(use: Use, permissions: set[str]) -> Gate:
    """Use the platform once as a client with exactly these permissions."""
    organization = {
        "clients": {"full": {"lacks": sorted(FULL - permissions)}},
        "conversations": [
            {
                "name": "one",
                "count": 1,
                "medium": "chat",
                "custodians": [SOME_ID],
                "interval": "2026-03-02T00:00:00Z/2026-03-03T00:00:00Z",
            }
        ],
    }
    clock = ManualClock(NOW)
    document = {"schema_version": 1, "name": "docs", "seed": 1, "organization": organization}
    simulator = Simulator(parse_scenario(document), None, clock)  # type: ignore[arg-type] # writes nothing
    gate = Gate(simulator)
    with httpx.Client(transport=httpx.MockTransport(gate.handle), base_url="http://127.0.0.1:1") as api:
        transport = Transport(api, OneToken(simulator, clock), clock)  # type: ignore[arg-type]
        with suppress(HoldfastError):  # what is asked about does not exist; only the 403s count here
            use(transport, clock, simulator.scenario.organization.integration_id)
    return gate


def _steps_using(port: str, method: str) -> set[str]:
    """Find the steps whose source calls a port's method, for example ``jobs.read(``."""
    if port == "setup":  # Preflight is handed its checks ready-made
        return {"Preflight"}
    found = set()
    for path in sorted((ROOT / "layers/holdfast/holdfast/steps").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr == method:
                owner = node.value
                name = owner.id if isinstance(owner, ast.Name) else getattr(owner, "attr", "")
                if name.removeprefix("_") == port:
                    found.add(path.stem.title().replace("_", ""))
    return found


def _named(call: str) -> str:
    return re.sub(r"\{\w+\}", "{id}", call)


DOCUMENTED = {
    code(permission)[0]: ({_named(call) for call in code(calls)}, set(code(steps)))
    for permission, calls, steps in table(GENESYS, "permissions")
}


def test_every_method_that_talks_to_the_platform_is_tried_for_its_permissions() -> None:
    methods = {
        (name, method)
        for name, port in PORTS.items()
        for method, _ in inspect.getmembers(port, inspect.isfunction)
        if not method.startswith("_")
    }

    assert USES.keys() == methods


def test_the_documented_permissions_suffice() -> None:
    for name, use in [*USES.items(), ("sensitive", SENSITIVE)]:
        assert _gate(use, set(DOCUMENTED)).refused == set(), name


@pytest.mark.parametrize("permission", sorted(DOCUMENTED))
def test_each_documented_permission_is_needed_by_the_documented_calls_and_steps(permission: str) -> None:
    calls, steps = set[str](), set[str]()
    for (port, method), use in USES.items():
        refused = _gate(use, set(DOCUMENTED) - {permission}).refused
        calls |= {_named(call) for call in refused}
        steps |= _steps_using(port, method) if refused else set()
    if not calls:  # needed by nothing but an export with sensitive recordings
        calls = {_named(call) for call in _gate(SENSITIVE, set(DOCUMENTED) - {permission}).refused}
        steps = _steps_using("jobs", "create")

    assert (calls, steps) == DOCUMENTED[permission]


def test_every_other_call_needs_no_permission() -> None:
    made = {call for use in USES.values() for call in _gate(use, set(DOCUMENTED)).made}
    with_permission = {call for calls, _ in DOCUMENTED.values() for call in calls}

    assert {call for call in made if _named(call) not in with_permission} == ALWAYS_ALLOWED
    assert all(f"`{call}`" in GENESYS for call in ALWAYS_ALLOWED)


def test_the_example_of_the_doctor_is_explained_as_it_is_shown() -> None:
    answer = explain(read_refusal(json.loads(blocks(DOCTOR, "json")[0])))

    assert f"{answer.layer}  {answer.title}" in blocks(DOCTOR, "text")[0]
    assert all(f" • {line}\n" in DOCTOR for line in answer.evidence)
    assert f"{answer.confidence} confidence, cause {answer.cause}" in DOCTOR


def test_the_causes_are_documented_as_the_rules_have_them() -> None:
    assert doctor_page.rewritten(DOCTOR) == DOCTOR, "run python -m cli.doctor_page"
    assert {code(name)[0]: layer for name, layer, _ in table(DOCTOR, "errors")[:-1]} == {
        cause.id: cause.layer for cause in OURS
    }


def test_every_check_of_preflight_is_documented() -> None:
    made = set()
    for path in (ROOT / "layers/holdfast/holdfast").rglob("*.py"):
        if path.name in {"setup.py", "wiring.py", "grants.py", "bootstrap.py", "preflight.py"}:
            text = path.read_text()
            made |= set(re.findall(r'Finding\(\s*"([^"]+)"', text)) | set(
                re.findall(r'(?:\(|: )"(\w[\w ]+)"(?:, "/api|,\n|\)\n)', text)
            )

    assert made >= CHECKS.keys()
    assert {name for row in table(GENESYS, "findings") for name in code(row[0])} == CHECKS.keys()


# --- docs/architecture.md
# ----------------------------------------------------------------------------------------


def test_the_pictures_of_workflows_and_template_are_up_to_date() -> None:
    wiring = Wiring(TEMPLATE)
    machines = [path.name.split(".")[0] for path in (ROOT / "statemachines").glob("*.asl.json")]

    assert sorted(re.findall(r"<!-- picture: (\w+) -->", ARCHITECTURE)) == sorted(machines)
    assert set(re.findall(r"<!-- wiring: (\w+) -->", ARCHITECTURE)) == {"overview", *wiring.members()}
    assert redrawn(ARCHITECTURE) == ARCHITECTURE, "run python -m local.diagrams"


def test_the_tables_of_what_roles_may_do_are_up_to_date() -> None:
    page = permissions_page.PAGE.read_text()

    assert permissions_page.rewritten(page) == page, "run python -m local.permissions_page"


def test_every_folder_is_in_the_map_of_the_house() -> None:
    shown = {place for row in table(ARCHITECTURE, "house") for place in code(row[0])}
    program = {place.strip("/") for row in table(ARCHITECTURE, "program") for place in code(row[0])}

    folders = {path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0].isalpha()}
    assert {place.split("/")[0] for place in shown - {"template.yaml"}} == folders - {"build"}
    house = ROOT / "layers/holdfast/holdfast"
    modules = {path.name for path in house.iterdir() if not re.match(r"__|py\.typed", path.name)}
    assert program == modules


def test_the_buckets_are_described_with_their_folders_and_their_writers() -> None:
    wiring = Wiring(TEMPLATE)

    for row in table(ARCHITECTURE, "buckets"):
        bucket = f"{row[0].capitalize()}Bucket"
        granted = re.findall(rf"\${{{bucket}\.Arn}}/([\w/]+/)\*", (ROOT / "template.yaml").read_text())
        named = code(row[1])
        assert {folder for folder in granted if not any(one.startswith(folder) for one in named)} == set()
        if row[2] != "the steps":
            assert set(code(row[2])) == wiring.writers(bucket) - {GENESYS_CLOUD}
        lifters = set(code(row[3])) & TEMPLATE["Resources"].keys()
        assert lifters == ({"LiftHolds"} if bucket == "EvidenceBucket" else set())


def _states(machine: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for state in machine["States"].values():
        yield state
        yield from _states(state.get("ItemProcessor", {"States": {}}))


def test_who_retries_what_is_what_workflows_queues_and_steps_say() -> None:
    machines = [json.loads(path.read_text()) for path in (ROOT / "statemachines").glob("*.asl.json")]
    retries = [retry for one in machines for state in _states(one) for retry in state.get("Retry", ())]
    arrivals = TEMPLATE["Resources"]["ArrivalQueue"]["Properties"]
    rows = table(ARCHITECTURE, "retries")
    hows = {trouble: re.findall(r"\d+", how) for trouble, _, how in rows}

    assert {
        (retry["MaxAttempts"], retry["IntervalSeconds"], retry["MaxDelaySeconds"]) for retry in retries
    } == {tuple(map(int, hows[row[0]])) for row in rows if row[1] == "the workflow's Retry"}
    assert {retry["BackoffRate"] for retry in retries} == {2, 1.5}
    assert arrivals["RedrivePolicy"]["maxReceiveCount"] == int(hows["an arrival that fails"][0])
    assert arrivals["VisibilityTimeout"] == 30 * 60
    assert hows["conflict while protecting"][0] == str(place_holds.MAX_CONFLICTS)
    assert hows["a protection that does not show"] == [
        str(confirm_holds.MAX_LOOKS), str(confirm_holds.LOOK_AGAIN_S)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("first", "moves", "anew"),
    [
        ("HoldReleaseRequested", RELEASE_MOVES, set()),
        ("StandingMatterOpened", STANDING_MOVES, {"CLOSED OPEN"}),
    ],
)
def test_the_pictures_of_states_are_the_tables_moves(
    first: str, moves: Mapping[str, Iterable[str]], anew: set[str]
) -> None:
    picture = next(block for block in blocks(ARCHITECTURE, "mermaid") if f"OPEN: {first}" in block)

    drawn = {" ".join(arrow) for arrow in re.findall(r"^ +(\w+) --> (\w+):", picture, re.MULTILINE)}

    assert drawn == {f"{state} {following}" for state, after in moves.items() for following in after} | anew


OTHER = ConversationId("0a6f0d1e-0000-4000-8000-000000000004")
CONVERSATION, RECORDING = ConversationId(SOME_ID), RecordingId("0a6f0d1e-0000-4000-8000-000000000002")
JOB = "0a6f0d1e-0000-4000-8000-000000000003"
KEY = f"{SOME_ID}/year=2026/month=3/day=2/hour=0/conversation_id={CONVERSATION}/{RECORDING}.opus"


ACCOUNT = Account(
    MatterId("{matter_id}"), RequestId("{request_id}"), 1, NOW, "PRESERVED", "0", [NamedFile("x", "0", 1)], {}
)


def _fill(table: Table) -> None:
    """Have every adapter write every kind of item once, with all that it can carry."""
    matter, batch, arn = MatterId("{matter_id}"), BatchId("{batch_id}"), "arn"
    request = RequestRecord(matter, RequestId("{request_id}"), RequestState.OPEN, b"{}", "0", arn, NOW)
    requests, batches, claims = RequestLedger(table), BatchLedger(table), ClaimLedger(table)
    requests.open(request, "title")
    requests.advance(request, RequestState.EXPORTED, exceptions=["unknown"], summary={})
    requests.fail(matter, request.request_id, arn, "explanation")
    record = BatchRecord(
        matter, request.request_id, batch, BatchState.FULFILLED, 1, ExportJobId("job"), NOW, NOW
    )
    batches.plan(replace(record, explanation="why", interrupted_at=NOW))
    batches.settle(record, "result")
    release = ReleaseRecord(
        matter,
        ReleaseId("{release_id}"),
        ReleaseState.OPEN,
        b"{}",
        "0",
        arn,
        NOW,
        requests=1,
        plan=PlanRecord("key", "0", NOW, 1, {}),
        approval=Approval("who", NOW, "event"),
        explanation="why",
        certificate=RecordFile("key", "0", 1),
    )
    ReleaseRequestLedger(table).open(release)
    for state in (ReleaseState.PLANNED, ReleaseState.APPROVED, ReleaseState.RELEASING, ReleaseState.RELEASED):
        was, release = release, replace(release, state=state)
        ReleaseRequestLedger(table).advance(was, release)
    disposals = DisposalLedger(table)
    (walk,) = disposals.walks()
    disposals.move(walk, replace(walk, walked_at=NOW))
    conversation = Conversation(CONVERSATION, NOW, NOW, Medium.VOICE)
    claims.claim(Claim(matter, request.request_id, batch, conversation, NOW))
    for whose in (None, matter):
        claims.mark_platform_hold([CONVERSATION], whose, PlatformHold.PLACING)
        claims.confirm_platform_hold(CONVERSATION, whose, NOW)
        claims.note_revoked(CONVERSATION, whose, PlatformHold.HELD, NOW)
    claims.claim(Claim(matter, request.request_id, batch, Conversation(OTHER, NOW, NOW, Medium.VOICE), NOW))
    claims.mark_platform_hold([OTHER], None, PlatformHold.PLACING)
    claims.confirm_platform_hold(OTHER, None, NOW)
    releases, another = ReleaseLedger(table), MatterId("{matter_id}.")
    claims.claim(Claim(another, request.request_id, batch, conversation, NOW))
    for one in (matter, another):
        releases.end_claim(ClaimEnding(one, CONVERSATION, ReleaseId("release"), "who", NOW, NOW, NOW))
    claims.claim(Claim(matter, request.request_id, batch, Conversation(OTHER, NOW, NOW, Medium.VOICE), NOW))
    terms = ExportTerms(matter, request.request_id, True, False, NOW)
    claims.note_secured(SecuredExport(CONVERSATION, {RECORDING: Medium.VOICE}, terms, 0))
    receipts = ReceiptLedger(table)
    media, stray = ObjectVersion("bucket", KEY, "v", 1), ObjectVersion("bucket", "stray", "v", 1)
    receipts.write(Receipt(media, Role.MEDIA, NOW, NOW, None, CONVERSATION, RECORDING))
    receipts.write(Receipt(stray, Role.STRAY, NOW, NOW, "0"))
    manifest = ObjectVersion("bucket", f"{CONVERSATION}/manifests/{JOB}.json", "v", 1)
    receipts.write(Receipt(manifest, Role.MANIFEST, NOW, NOW, "0"))
    for version in (media, stray):
        receipts.add_digest(version, "0", NOW)
    seals = SealLedger(table)
    seals.extend(matter, SealedLog(1, 1, (b"peak",), "root", "digest"))
    seals.add_fact(matter, "{name}", ACCOUNT)
    seals.mark(matter, 1, Folder.of_conversation(CONVERSATION), [b"leaf"])
    lifting = releases.hold(CONVERSATION).promise
    releases.lifted(CONVERSATION, lifting.epoch, release.release_id, NOW)
    lifted = releases.hold(CONVERSATION).promise
    epoch = disposals.begin_marking(CONVERSATION, lifted, now=NOW, lease_until=NOW)
    assert epoch is not None
    disposals.mark(media, release.release_id, epoch, NOW)
    slots, owner = (
        SlotLedger(table, organization_id="{organization_id}"),
        SlotOwner(matter, request.request_id, batch),
    )
    slots.acquire(owner, NOW)
    slots.run(owner, ExportJobId("job"))
    sweeps = SweepLedger(table)
    for source in (SweepSource.BUCKET, SweepSource.RECEIPTS):
        sweeps.move(sweeps.read("{prefix}", source), ListingMark("key", "version"), NOW)
    for version in (media, stray):
        DriftLedger(table).found(version, DriftKind.LOCK_LIFTED, 0, NOW)
    decision = Resolution(
        ResolutionId("{resolution_id}"), matter, request.request_id, Reason.PARKED, Decision.ACCEPTED,
        "who", "why", NOW, CONVERSATION, RECORDING, "message",
    )  # fmt: skip
    ResolutionLedger(table).record(ResolutionRecord(decision, "0", arn))
    course = replace(Course.opening(NOW, timedelta(days=1), NOW), until=NOW, asked_at=NOW)
    StandingLedger(table).open(StandingMatter(matter, b"{}", "0", course, closed_by="somebody"))
    parking = ParkingLedger(table)
    known = ParkedMessage("m-1", "reason", NOW, "body", ParkedKind.ARRIVAL, media)
    for message in (known, ParkedMessage("{message_id}", "reason", NOW, "body")):
        parking.park(message)
    parking.redriven(known, NOW)
    parking.close(known, NOW)


def _in_words(key: str) -> str:
    key = re.sub(r"^SEALED#.*", "SEALED#{matter_id}#{sequence}#{part}", key)
    key = re.sub(r"#CLAIMED#[0-9a-f]$", "#CLAIMED#{digit}", key).replace("{matter_id}.", "{matter_id}")
    key = (
        key.replace(OTHER, CONVERSATION)
        .replace(CONVERSATION, "{conversation_id}")
        .replace(JOB, "{export_job_id}")
    )
    key = re.sub(r"^DRIFT#\w+#.*", "DRIFT#{drift}#{fingerprint}", key).replace("RECEIPTS#", "{source}#")
    return re.sub(
        r"^(OBJ|EVENT|SLOT|ARRIVAL|DISPOSAL)#.*", lambda kind: f"{kind[1]}#{_NAMED_BY[kind[1]]}", key
    )


_NAMED_BY = {"EVENT": "{event_id}", "SLOT": "{slot}"} | dict.fromkeys(
    ("OBJ", "ARRIVAL", "DISPOSAL"), "{fingerprint}"
)


@mock_aws
def test_every_item_of_the_ledger_is_documented_with_its_key_and_attributes() -> None:
    client: Any = boto3.client(
        "dynamodb", region_name="eu-central-1", aws_access_key_id="-", aws_secret_access_key="-"
    )
    _fill(make_ledger(client))

    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for attributes in client.scan(TableName="ledger")["Items"]:
        written = from_wire(attributes)
        found[_in_words(written["pk"]), _in_words(written["sk"])] |= written.keys() - {"pk", "sk"}

    assert found == {
        (code(pk)[0], code(sk)[0]): set(code(attributes))
        for _, pk, sk, attributes in table(ARCHITECTURE, "ledger")
    }


# --- numbers in prose

HASHED_AT_ONCE_MIB = (
    int(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"]["HASH_LIMIT_BYTES"]) >> 20
)
# What a page says, with the number in its place, and where the number stands in the program.
NUMBERS = [
    (GENESYS, r"A job takes ([\d,]+) conversations at most", ComplianceExportJobs.most_conversations),
    (GENESYS, r"acknowledged, ([\d,]+) conversations a call", LegalHolds.chunk_size),
    (DEPLOY, r"conversations per export job, at most ([\d,]+)", BulkExportJobs.most_conversations),
    (EVENTS, r"Genesys user ids \(UUID, lower case\), at most ([\d,]+)", MAX_LISTED_IDS),
    (EVENTS, r"exactly these, at most ([\d,]+)", MAX_LISTED_IDS),
    (EVENTS, r"`hours`, 1 to ([\d,]+)", LONGEST // timedelta(hours=1)),
    (EVENTS, r"`days`, 1 to ([\d,]+)", LONGEST // timedelta(days=1)),
    (ARCHITECTURE, r"many chunks of ([\d,]+) per call", DeletionProtection.chunk_size),
    (ARCHITECTURE, r"receipts each, in ([\d,]+) threads", THREADS),
    (ARCHITECTURE, r"over ([\d,]+) MiB", HASHED_AT_ONCE_MIB),
    (CUSTODY, r"of more than some ([\d,]+) conversations", PART_CONVERSATIONS),
    (CUSTODY, r"several segments of some ([\d,]+) entries", SEGMENT_ENTRIES),
    (CUSTODY, r"absent if over ([\d,]+) MiB", HASHED_AT_ONCE_MIB),
    (PACKAGE, r"The report lists ([\d,]+) objects", MOST_ROWS),
    (PACKAGE, r"objects and prints ([\d,]+)", PRINTED_ROWS),
]


@pytest.mark.parametrize(("page", "said", "meant"), NUMBERS, ids=[said for _, said, _ in NUMBERS])
def test_a_number_in_prose_is_the_programs(page: str, said: str, meant: int) -> None:
    (number,) = re.findall(said, page)

    assert int(number.replace(",", "")) == meant


# --- docs/custody.md
# ---------------------------------------------------------------------------------------------


def test_every_reason_is_documented_with_its_meaning_and_standing() -> None:
    documented = {
        code(reason)[0]: (standing, meaning) for reason, standing, meaning in table(CUSTODY, "reasons")
    }

    assert documented == {
        reason.value: ("explained" if reason in EXPLAINING else "missing", MEANINGS[reason])
        for reason in Reason
    }


FULLEST = Receipt(
    version=ObjectVersion("bucket", "key", "version", 1),
    role=Role.SIDECAR,
    arrived_at=NOW,
    secured_at=NOW,
    sha256="0",
    conversation_id=ConversationId("c"),
    recording_id=RecordingId("r"),
    medium=Medium.CHAT,
    omitted_tags=("recording-id",),
).document("nonce")
EVENT = CustodyEvent(
    "id", EventType.CLAIMED, ConversationId("c"), NOW, MatterId("m"), RequestId("r"), {"key": "value"}
).document("nonce")


RELEASED = Released(MatterId("m"), ReleaseId("r"), NOW, "who", "who else", "0", [NamedFile("x", "0", 1)], {})
SEAL = json.loads(
    seal_statement(
        matter_id=MatterId("m"),
        sequence=1,
        sealed_at=NOW,
        previous="",
        segment=Segment(0, "", 0),
        kinds={},
        accounts=[],
        tree_size=0,
        root="",
        key=PublicKey("key", b""),
    )
)


@pytest.mark.parametrize(
    ("name", "document"),
    [
        ("receipt", FULLEST),
        ("event", EVENT),
        ("account", ACCOUNT.document("nonce")),
        ("release entry", RELEASED.document("nonce")),
        ("seal", SEAL),
    ],
)
def test_every_field_of_an_entry_is_documented(name: str, document: Mapping[str, Any]) -> None:
    assert {field for row in table(CUSTODY, name) for field in code(row[0])} == document.keys()


def test_the_examples_of_entries_are_canonical_and_can_be_read() -> None:
    entries = [block.strip().encode() for block in blocks(CUSTODY, "json")]
    kinds = defaultdict(list)
    for entry in entries:
        document = json.loads(entry)
        kinds[document["kind"]].append(document)

        assert rfc8785.dumps(document) == entry

    assert kinds.keys() == {"receipt", "event"}
    for receipt in kinds["receipt"]:
        assert read_receipt(rfc8785.dumps(receipt)).document(receipt["nonce"]) == receipt
        assert receipt.keys() <= FULLEST.keys()
    for event in kinds["event"]:
        assert event.keys() <= EVENT.keys()
        assert event["type"] in set(EventType)
