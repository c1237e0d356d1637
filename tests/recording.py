"""What all embedded worlds of a test run used of what the template grants, held against the committed record.

Every world leaves `accesses.json` where it was told to leave its files. A run of all end-to-end tests must
show exactly what is recorded; a run of some may show less, and nothing else.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from holdfast.doctor.policy import Access, Effect, Policy, evaluate, read_policy
from local.grants import Grant, roles, shared, used, widest
from local.template import read_template
from local.unused import BY_CHANCE, NEVER

ROOT = Path(__file__).parents[1]
RECORD = ROOT / "tests/unit/architecture/used_grants.txt"
FOUND = ROOT / "build/used_grants.txt"
_END_TO_END = ROOT / "tests/e2e"
_TEMPLATE = ROOT / "template.yaml"
# What a policy of ours may ask, and a request may be without.
_ABSENT: Mapping[str, tuple[str, ...]] = {
    "dynamodb:leadingkeys": (),
    "kms:encryptioncontext:purpose": (),
    "kms:viaservice": (),
    "s3:object-lock-legal-hold": (),
}
# What a rehearsal sets in the ledger's place, so that a function fails; and the buckets that killed functions
# have receipts of, which a sweep then looks for.
_NOT_OURS = re.compile(r"table/no-such-table$|:::killed-[0-9a-f-]+(/|$)")
_CHOOSING = ("keyword", "markexpr", "deselect", "lf", "stepwise", "collectonly")


def recorded() -> set[Grant]:
    """Read the committed record."""
    return {Grant.read(line) for line in RECORD.read_text().splitlines()}


def is_whole(arguments: Iterable[str], option: Callable[[str], object]) -> bool:
    """Tell whether all end-to-end tests were asked for, by what pytest was given."""
    is_chosen = any(option(name) for name in _CHOOSING)
    return not is_chosen and any(_END_TO_END.is_relative_to((ROOT / one).resolve()) for one in arguments)


def refused(told: Mapping[str, Any]) -> Iterator[str]:
    """Say which accesses the deployed policies do not allow, evaluated as IAM does."""
    names = {physical.rpartition(":")[2]: logical for logical, physical in told["resources"].items()}
    of_bearers = roles(read_template(_TEMPLATE))
    policies: dict[str, Policy] = {}
    for access in told["accesses"]:
        bearer = names[access["who"]]
        if bearer not in policies:
            documents = told["policies"][told["resources"][of_bearers[bearer]]]
            read = [read_policy(one, f"a policy of {bearer}") for one in documents]
            policies[bearer] = Policy(tuple(one for policy in read for one in policy.statements))
        action = access["action"].partition(".")[0]
        values = {name.lower(): (value,) for name, value in access["conditions"].items()}
        asked = Access(action, access["resource"], values={**_ABSENT, **values})
        if evaluate(policies[bearer], asked).effect is not Effect.ALLOW:
            under = f" {access['conditions']}" if access["conditions"] else ""
            yield f"not allowed: {bearer} {action} {access['resource']}{under}"


def differences(seen: Iterable[Grant], record: set[Grant], *, whole: bool) -> Iterator[str]:
    """Say how a run differs from the record."""
    uses = set(seen)
    for grant in sorted(uses - record - BY_CHANCE.keys()):
        yield f"used, {'though an exception' if grant in NEVER else 'and not recorded'}: {grant}"
    if whole:
        yield from (f"recorded, and not used any more: {grant}" for grant in sorted(record - uses))


def hold_against_the_record(folder: Path, *, whole: bool) -> list[str]:
    """Compare what was noted below a folder; of a whole run, leave the record that it would make."""
    worlds = [json.loads(path.read_text()) for path in folder.rglob("accesses.json")]
    if not worlds:
        return []
    for told in worlds:
        told["accesses"] = [one for one in told["accesses"] if not _NOT_OURS.search(one["resource"])]
    tally: Counter[Grant] = Counter()
    for told in worlds:
        tally.update(used(told["accesses"], told["resources"]))
    uses = widest(shared(read_template(_TEMPLATE), tally))
    if whole:
        FOUND.parent.mkdir(exist_ok=True)
        FOUND.write_text("".join(f"{one}\n" for one in sorted(uses - BY_CHANCE.keys())))
    denied = sorted({one for told in worlds for one in refused(told)})
    return [*denied, *differences(uses, recorded(), whole=whole)]
