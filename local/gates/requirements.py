"""Requirements in step: what pyproject.toml wants, what is locked, and what is installed.

1. A requirement is locked to one version, by the SHA-256 of its archives.
2. What pyproject.toml wants, and what that needs in turn, is locked within the range it is wanted in.
3. What is locked is wanted by something.
4. What is locked is installed in that version.
5. What is shipped is what was tested: its versions are those of the tests.
6. Nothing is installed besides: no other lists of requirements, and no pip that asks for no hashes.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from local.gates import conclude, files

SHIPPED = "layers/dependencies/requirements.txt"
TESTED = "requirements/dev.txt"
# A lock is for every machine: what one of these needs, somebody needs.
MACHINES: Sequence[Mapping[str, str]] = (
    {},  # this one
    {"sys_platform": "win32", "os_name": "nt", "platform_system": "Windows", "platform_machine": "AMD64"},
    {"sys_platform": "darwin", "os_name": "posix", "platform_system": "Darwin", "platform_machine": "arm64"},
    {"sys_platform": "linux", "os_name": "posix", "platform_system": "Linux", "platform_machine": "aarch64"},
)
# uv brings itself; it only installs what is locked.
UNHASHED = {"Makefile": "pip install --quiet uv"}
_SCRIPTS = re.compile(r"(^|/)Makefile$|\.(sh|mk|ya?ml)$|^\.ci/")
_LISTS = re.compile(r"(^|/)(requirements|constraints)[^/]*\.(txt|in)$|^setup\.(py|cfg)$|(^|/)Pipfile$")
_PIN = re.compile(
    r"(?P<name>[\w.-]+)(\[[\w,.-]+\])?==(?P<version>[^\s;*,]+)"
    r"( ?; ?(?P<marker>.+?))?( --hash=sha256:[0-9a-f]{64})+"
)


@dataclass(frozen=True, slots=True)
class Installed:
    """What an environment has of a package."""

    version: str
    requires: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Pin:
    """What a lock says of a package; `is_here` if it is meant for this machine."""

    version: str
    is_here: bool = True


type Environment = Mapping[str, Installed]


def faults(lock: str, text: str, *, wanted: Iterable[Requirement], environment: Environment) -> Iterator[str]:
    """Name every requirement of a lock that is out of step with what is `wanted` or with its environment."""
    pins: dict[str, Pin] = {}
    for line in _logical_lines(text):
        if match := _PIN.fullmatch(line):
            is_here = not match["marker"] or Marker(match["marker"]).evaluate()
            pins[canonicalize_name(match["name"])] = Pin(match["version"], is_here)
        else:
            yield f"{lock}: {line.split(' --hash')[0]!r} is not name==version with its hashes"
    reached = set[str]()
    for by, requirement, is_here in _needs(wanted, environment):
        name: str = canonicalize_name(requirement.name)
        reached.add(name)
        if not is_here:
            continue
        if name not in pins:
            yield f"{lock}: {by} wants {requirement}, which is not locked: run make lock"
        elif not requirement.specifier.contains(pins[name].version, prereleases=True):
            yield f"{lock}: {by} wants {requirement}, locked is {pins[name].version}: run make lock"
    for name, pin in pins.items():
        if name not in reached:
            yield f"{lock}: {name}=={pin.version} is wanted by nothing: run make lock"
        has = environment.get(name)
        if pin.is_here and (has is None or has.version != pin.version):
            yield f"{lock}: {name}=={pin.version} is locked, installed is {has.version if has else 'none'}"


def versions(text: str) -> dict[str, str]:
    """Give the locked version of every package."""
    found = (_PIN.fullmatch(line) for line in _logical_lines(text))
    return {canonicalize_name(pin["name"]): pin["version"] for pin in found if pin}


def differences(shipped: str, tested: str) -> Iterator[str]:
    """Name every package that is shipped in another version than it is tested in."""
    known = versions(tested)
    for name, version in versions(shipped).items():
        if known.get(name) != version:
            yield f"{SHIPPED}: {name}=={version} is shipped, {known.get(name, 'none')} is tested"


def groups(project: Mapping[str, Any]) -> dict[str, list[Requirement]]:
    """Read what pyproject.toml wants in each lock, by the lock's path."""
    declared: dict[str, list[str | dict[str, str]]] = project["dependency-groups"]

    def of(group: str) -> Iterator[Requirement]:
        for one in declared[group]:
            if isinstance(one, str):
                yield Requirement(one)
            else:
                yield from of(one["include-group"])

    included = {
        one["include-group"] for listed in declared.values() for one in listed if isinstance(one, dict)
    }
    shipped = [Requirement(one) for one in project["project"]["dependencies"]]
    found = {f"requirements/{group}.txt": list(of(group)) for group in declared.keys() - included}
    return {**found, SHIPPED: shipped, TESTED: shipped + found[TESTED]}


def besides(texts: Mapping[str, str]) -> Iterator[str]:
    """Name what would be installed besides the locks: `texts` are all files by their paths."""
    for path, text in texts.items():
        if _LISTS.search(path) and path != SHIPPED:
            yield f"{path}: requirements stand in pyproject.toml, and are locked in requirements/"
        if not _SCRIPTS.search(path):
            continue
        for command in re.split(r"\n|&&|;|\|\|", text.replace("\\\n", " ")):
            is_allowed = "--require-hashes" in command or command.endswith(UNHASHED.get(path, "--require"))
            if re.search(r"pip3? install", command) and not is_allowed:
                yield f"{path}: {command.strip()[:60]}: installs what no hash vouches for"


def environment_of(lock: str) -> Path:
    """Tell where a lock is installed: what is shipped is tested in the environment of the tests."""
    return Path(".venv" if lock in {SHIPPED, TESTED} else f".venvs/{Path(lock).stem}")


def installed(environment: Path) -> dict[str, Installed]:
    """Read what is installed in an environment."""
    folders = [str(folder) for folder in environment.glob("lib/python3.*/site-packages")]
    return {
        canonicalize_name(one.name): Installed(one.version, tuple(one.requires or ()))
        for one in distributions(path=folders)
    }


def _logical_lines(text: str) -> Iterator[str]:
    for line in text.replace("\\\n", " ").splitlines():
        if stripped := re.sub(r"(^|\s)#.*", "", line).strip():
            yield re.sub(r"\s+", " ", stripped)


def _needs(
    wanted: Iterable[Requirement], environment: Environment
) -> Iterator[tuple[str, Requirement, bool]]:
    """Give every (who needs it, what, whether here), from what is wanted through all that needs in turn."""
    waiting = [("pyproject.toml", requirement, True) for requirement in wanted]
    seen = set[tuple[str, str, bool]]()
    while waiting:
        by, requirement, is_here = waiting.pop()
        yield by, requirement, is_here
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra, is_here) in seen or name not in environment:
                continue
            seen.add((name, extra, is_here))
            for text in environment[name].requires:
                inner = Requirement(text)
                answers = [_is_meant(inner, extra, machine) for machine in MACHINES]
                if any(answers):
                    waiting.append((name, inner, is_here and answers[0]))


def _is_meant(requirement: Requirement, extra: str, machine: Mapping[str, str]) -> bool:
    return requirement.marker is None or requirement.marker.evaluate({**machine, "extra": extra})


def main() -> Iterator[str]:
    project = tomllib.loads(Path("pyproject.toml").read_text())
    wanted = groups(project)
    yield from besides({name: Path(name).read_text(errors="replace") for name in files()})
    if optional := project["project"].get("optional-dependencies"):
        yield f"pyproject.toml: {', '.join(optional)}: optional, and so locked by nothing; use a group"
    there = {str(path) for path in [*Path("requirements").iterdir(), Path(SHIPPED)]}
    yield from (f"{lock}: no group of pyproject.toml asks for it" for lock in there - wanted.keys())
    yield from (f"{lock}: is missing: run make lock" for lock in wanted.keys() - there)
    for lock in sorted(there & wanted.keys()):
        environment = installed(environment_of(lock))
        yield from faults(lock, Path(lock).read_text(), wanted=wanted[lock], environment=environment)
    yield from differences(Path(SHIPPED).read_text(), Path(TESTED).read_text())


if __name__ == "__main__":
    conclude(main())
