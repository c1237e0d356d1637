"""Licences: what is shipped is free of copyleft, and the tools have none that nobody has looked at.

Every environment is read with pip-licenses. A package's licence is its SPDX expression, where it states one;
else its classifiers, all of which must be known, since they do not say whether all hold or one of them does.
"""

import json
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name

from local.gates import conclude
from local.gates.requirements import SHIPPED, environment_of, versions

# SPDX's names, and what packages say instead. MPL-2.0 asks for the sources of its own files alone.
KNOWN = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "CNRI-Python", "ISC", "MIT",
        "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
        "Apache Software License", "BSD License", "Freely Distributable", "ISC License (ISCL)", "MIT License",
        "MIT No Attribution License (MIT-0)", "Mozilla Public License 2.0 (MPL 2.0)", "Public Domain",
        "Python Software Foundation License",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exempt:
    """A tool that is used in spite of what its `licence` says; nothing of it is ever shipped."""

    licence: str
    reason: str


EXEMPT: Mapping[str, Exempt] = {
    "asyncssh": Exempt(
        "EPL-2.0 OR GPL-2.0-or-later", "taken under the EPL; one of the emulator's, and never changed"
    ),
    "axe-playwright-python": Exempt("UNKNOWN", "its archive holds the MIT licence, its metadata name none"),
    "cookiecutter": Exempt("UNKNOWN", "its archive holds the BSD licence, its metadata name none"),
    "docutils": Exempt(
        "BSD License; GNU General Public License (GPL); Public Domain; Python Software Foundation License",
        "of its own files one, an editor's mode, is under the GPL; the AWS CLI uses the others",
    ),
    "psycopg2-binary": Exempt(
        "GNU Library or Lesser General Public License (LGPL)",
        "the emulator's driver for a database that is not used here; the LGPL lets it be called",
    ),
    "text-unidecode": Exempt(
        "Artistic License; GNU General Public License (GPL); GNU General Public License v2 or later (GPLv2+)",
        "taken under the Artistic License; SAM's command line uses it to name new projects",
    ),
}


def faults(
    lock: str, text: str, licences: Mapping[str, str], *, exempt: Mapping[str, Exempt]
) -> Iterator[str]:
    """Name every package whose licence is not known to be free: `licences` are those of its environment."""
    for name, version in versions(text).items():
        if name not in licences:
            continue  # for another machine: that it is installed on this one, the gate of requirements holds
        if fault := _fault(licences[name], exempt.get(name)):
            yield f"{lock}: {name}=={version}: {fault}"


def strangers(environment: str, licences: Mapping[str, str], locks: Iterable[str]) -> Iterator[str]:
    """Name what is installed without being locked, if its licence is not known to be free."""
    locked = {name for text in locks for name in versions(text)}
    for name, licence in licences.items():
        if name not in locked and _fault(licence, None):
            yield f"{environment}: {name}: {_fault(licence, None)}, and no lock names it"


def idle(licences: Mapping[str, set[str]], exempt: Mapping[str, Exempt]) -> Iterator[str]:
    """Name every exemption that no package needs: `licences` are those of all environments, by package."""
    for name, one in exempt.items():
        if one.licence not in licences.get(name, ()):
            yield f"{name}: exempt with {one.licence!r}, which nothing here has: delete the exemption"


def stated(package: Mapping[str, str]) -> str:
    """Give the licence that a package states, as pip-licenses reads it."""
    said = (package[f"License-{kind}"] for kind in ("Expression", "Classifier", "Metadata"))
    return next((one for one in said if one not in {"UNKNOWN", "License", ""}), "UNKNOWN")


def is_free(licence: str) -> bool:
    """Tell whether all parts of a licence are known: of an OR one, of an AND and of classifiers all."""
    while inner := re.search(r"\(((?:[^()]+) (?:OR|AND) (?:[^()]+))\)", licence):
        licence = licence.replace(inner[0], "MIT" if is_free(inner[1]) else "none")
    return all(
        any(one.strip() in KNOWN for one in part.split(" OR ")) for part in re.split(r" AND |;", licence)
    )


def _fault(licence: str, exempt: Exempt | None) -> str:
    if is_free(licence) or (exempt is not None and exempt.licence == licence):
        return ""
    return f"its licence, {licence}, is not known to be free"


def read(environment: Path) -> dict[str, str]:
    """Read the licences of all that is installed in an environment."""
    command: Sequence[str] = (
        ".venv/bin/pip-licenses",
        f"--python={environment}/bin/python",
        "--with-system",
        "--from=all",
        "--format=json",
    )
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {canonicalize_name(package["Name"]): stated(package) for package in json.loads(said)}


def main() -> Iterator[str]:
    locks = {str(path): path.read_text() for path in [*Path("requirements").iterdir(), Path(SHIPPED)]}
    environments = sorted({environment_of(lock) for lock in locks})
    with ThreadPoolExecutor() as pool:
        licences = dict(zip(environments, pool.map(read, environments), strict=True))
    for lock, text in locks.items():
        exempt = {} if lock == SHIPPED else EXEMPT
        yield from faults(lock, text, licences[environment_of(lock)], exempt=exempt)
    for environment in environments:
        meant = [text for lock, text in locks.items() if environment_of(lock) == environment]
        yield from strangers(str(environment), licences[environment], meant)
    seen: dict[str, set[str]] = {}
    for found in licences.values():
        for name, licence in found.items():
            seen.setdefault(name, set()).add(licence)
    yield from idle(seen, EXEMPT)


if __name__ == "__main__":
    conclude(main())
