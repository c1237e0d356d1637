"""A reader types what the documents show, page by page, on the embedded world; every command must do."""

import json
import re
import shutil
from typing import Any

import pytest

from local.world import World, description_of
from tests.documented import ROOT, Block, Typist, in_the_world, typed, upper_snake
from tests.e2e.runs import ledger, request_of, versions
from tests.events import load_event

pytestmark = pytest.mark.world

MATTER = "M-2026-701"  # the documents' matter, under an id that no other test uses

# Tools that a machine may lack, by what shows that a block needs them.
MADE_BY = {"jq ": "jq", "openssl ": "openssl", "public-key.pem": "openssl"}
# Where a command is shown, what it must answer.
SAYS = {
    "holdfast status M-2026-001": "PRESERVED",
    "holdfast why": "Held for",
    "openssl dgst": "Verified OK",
    "get-object-legal-hold": '"Status": "ON"',
    "put-events": '"FailedEntryCount": 0',
    "describe-stacks": "GenesysWriterRoleArn",
}


@pytest.fixture(scope="module")
def reader(world: World, tmp_path_factory: pytest.TempPathFactory) -> Typist:
    """Somebody with the files that the pages speak of, the stack's outputs, and what `make up` says."""
    folder = tmp_path_factory.mktemp("reader")
    scenario = json.loads(world.scenario_path.read_text())
    scenario["events"][0]["detail"]["matter_id"] = MATTER
    (folder / "local/scenarios").mkdir(parents=True)
    (folder / "local/scenarios/default.json").write_text(json.dumps(scenario))
    event = load_event("discovery_requested")
    shown = json.loads(re.findall(r"```json\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)[0])
    custodians = request_of(world)["scope"]["custodians"]
    event["detail"] = {**shown, "matter_id": MATTER, "request_id": "R-2"}
    event["detail"]["scope"] = {**shown["scope"], "custodians": custodians}
    (folder / "my-request.json").write_text(json.dumps(event))
    return Typist(
        folder,
        {
            **description_of(world)["environment"],
            **{upper_snake(name): value for name, value in world.outputs.items()},
            "HOLDFAST_STACK": world.stack.name,
            "AWS_REGION": description_of(world)["environment"]["AWS_DEFAULT_REGION"],
        },
        {
            "M-2026-001": lambda: MATTER,
            "49e78701-95b0-429a-8571-11497d559b12": lambda: _receipt(world)["conversation_id"],
            "BUCKET/KEY": lambda: f"{world.outputs['EvidenceBucket']}/{_receipt(world)['key']}",
            '"$KEY"': lambda: f'"{_receipt(world)["key"]}"',
            '"$VERSION"': lambda: f'"{_receipt(world)["version_id"]}"',
            '"$NEWEST_SEAL"': lambda: f'"{_newest_seal(world)}"',
        },
        # Other tests of this world leave parked messages, incomplete matters, failed runs, and drift.
        may_say_no=(
            "holdfast status",
            "holdfast why",
            "holdfast matters\n",
            "holdfast failures\n",
            "holdfast redrive",
            "holdfast sweep",
        ),
    )


def _receipt(world: World) -> dict[str, Any]:
    """The receipt of some recording that the matter claims and nobody has deleted, always the same."""
    items, there = ledger(world), {version["VersionId"] for version in versions(world)}
    claimed = {item["pk"] for item in items if item["sk"] == f"CLAIM#{MATTER}"}
    entries = [item["entry"] for item in items if item["pk"] in claimed and item["sk"].startswith("OBJ#")]
    receipts: list[dict[str, Any]] = [json.loads(bytes(entry)) for entry in entries]
    media = [one for one in receipts if one["role"] == "media" and one["version_id"] in there]
    return min(media, key=lambda one: str(one["version_id"]))


def _newest_seal(world: World) -> str:
    (head,) = (item for item in ledger(world) if (item["pk"], item["sk"]) == (f"LOG#{MATTER}", "HEAD"))
    return str(head["digest"])


@pytest.mark.parametrize("block", in_the_world(), ids=str)
def test_what_a_page_shows_does_what_it_says(block: Block, reader: Typist, world: World) -> None:
    client = world.genesys.clients["full"]
    credentials = {"client_id": client["id"], "client_secret": client["secret"]}

    commands = typed(block)
    for shown, tool in MADE_BY.items():
        if shown in commands and shutil.which(tool) is None:
            pytest.skip(f"needs {tool}, which this machine does not have")

    said = reader.type(commands, keyboard=json.dumps(credentials))

    assert [words for shown, words in SAYS.items() if shown in commands and words not in said] == []
