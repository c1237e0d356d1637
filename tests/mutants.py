"""Defects that the gates must find, planted one by one in a copy of the repository.

`make mutants` makes sure that the copy is green, then plants each and runs the gate that should turn red.
ARGS="logs hosts" takes those gates' mutants alone.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from queue import Queue
from typing import Any

from local.gates import files

type Files = dict[str, str]
type Plant = Callable[[Files], None]
type Defect = tuple[str, str]  # the gate that must find it, and its name

AT_ONCE = 2
PROGRAM = "layers/holdfast/holdfast"
FUNCTION = "functions/preflight/app.py"
STEP = f"{PROGRAM}/steps/preflight.py"
BOOTSTRAP = f"{PROGRAM}/bootstrap.py"
OBSERVABILITY = f"{PROGRAM}/observability.py"
REGIONS = f"{PROGRAM}/genesys/regions.py"
TRANSPORT = f"{PROGRAM}/genesys/transport.py"
SCOPE = f"{PROGRAM}/genesys/platform/scope.py"
SHIPPED, TESTED = "layers/dependencies/requirements.txt", "requirements/dev.txt"


# --- how a defect is planted -------------------------------------------------------------------------------


def swap(path: str, old: str, new: str) -> Plant:
    """Replace the first match of a pattern."""

    def plant(planted: Files) -> None:
        planted[path], count = re.subn(old, new, planted[path], count=1)
        if not count:
            raise LookupError(f"{path}: {old!r} is no longer there; plant the defect elsewhere")

    return plant


def within(start: str, old: str, new: str, path: str = "template.yaml") -> Plant:
    """Replace the first match of a pattern after a line."""
    return swap(path, rf"(?ms)^({start}\n.*?){old}", rf"\g<1>{new}")


def add(path: str, text: str) -> Plant:
    """Write at the end of a file, which may be a new one."""

    def plant(planted: Files) -> None:
        planted[path] = planted.get(path, "") + text

    return plant


def states(name: str, change: Callable[[dict[str, Any]], object]) -> Plant:
    """Change the states of a workflow."""
    path = f"statemachines/{name}.asl.json"

    def plant(planted: Files) -> None:
        machine = json.loads(planted[path])
        change(machine["States"])
        planted[path] = json.dumps(machine, indent=2)

    return plant


def install(environment: str, package: str, licence: str) -> Plant:
    """Have a package in an environment, with a licence or none."""
    folder = f"{environment}/lib/python3.13/site-packages/{package}-1.0.dist-info"
    stated = f"License-Expression: {licence}\n" if licence else ""
    return add(f"{folder}/METADATA", f"Metadata-Version: 2.4\nName: {package}\nVersion: 1.0\n{stated}")


def both(*plants: Plant) -> Plant:
    """Plant several things that are one defect."""

    def plant(planted: Files) -> None:
        for one in plants:
            one(planted)

    return plant


def lock(path: str, *names: str) -> Plant:
    """Lock packages by version and hash, as `make lock` would."""
    return add(path, "".join(f"{name}==1.0 \\\n    --hash=sha256:{'0' * 64}\n" for name in names))


# --- the defects -------------------------------------------------------------------------------------------


def function(body: str) -> str:
    return f"\n\ndef planted(token, payload, event, telemetry):\n    {body}\n"


TASK, OTHER = "PlaceHolds", "ConfirmHolds"
HOLD = "apply_legal_hold"
MUTANTS: Mapping[str, Mapping[str, Plant]] = {
    "format": {
        "a file that nobody formatted": add("cli/why.py", "\nx  =  {  'a':1 }\n"),
    },
    "lint": {
        "eval": add(STEP, function("return eval(payload)")),
        "pickle": add("local/demo.py", "\n\nimport pickle\n\nloaded = pickle.loads(b'')\n"),
        "yaml.load": swap("local/template.py", "  # nosec B506 # noqa: S506[^\\n]*", ""),
        "a shell": add("local/demo.py", "\n\nsubprocess.run(f'ls {name}', shell=True)\n"),
        "a weak hash": add(STEP, "\n\nimport hashlib\n\nDIGEST = hashlib.md5(b'x')\n"),
        "a weak hash in a test": add("tests/events.py", "\n\nDIGEST = hashlib.sha1(b'x')\n"),
        "an import that nobody needs": add(STEP, "\n\nimport json\n"),
        "no verification of certificates": add("local/demo.py", "\n\nhttpx.get('x', verify=False)\n"),
    },
    "bandit": {
        "eval, with ruff told to be quiet": add("cli/why.py", "\n\nx = eval('1')  # noqa: S307\n"),
        "pickle, with ruff told to be quiet": add(
            "local/demo.py", "\n\nimport pickle  # noqa\n\nloaded = pickle.loads(b'')  # noqa\n"
        ),
        "a weak hash": add(STEP, "\n\nimport hashlib\n\nDIGEST = hashlib.md5(b'x')  # noqa\n"),
    },
    "types": {
        "a type that does not fit": add(STEP, "\n\nCOUNT: int = 'one'\n"),
        "a function without types": add("cli/why.py", "\n\ndef planted(name):\n    return name\n"),
    },
    "hosts": {
        "an address made of an event": add(FUNCTION, function("return f\"https://{event['host']}/x\"")),
        "an address joined from parts": add(STEP, function("return 'https://' + payload.host")),
        "a base URL out of a payload": swap(BOOTSTRAP, "base_url=hosts\\.api", "base_url=payload.host"),
        "a region out of an event": swap(
            BOOTSTRAP, "hosts_of\\(settings\\(\\)\\.text\\([^)]*\\)", "hosts_of(event['region']"
        ),
        "redirects that are followed": swap(
            BOOTSTRAP, "base_url=hosts\\.api,", "base_url=hosts.api, follow_redirects=True,"
        ),
        "certificates that nobody verifies": swap(
            BOOTSTRAP, "HTTPTransport\\(trust_env=False", "HTTPTransport(verify=False"
        ),
        "http where https belongs": swap(REGIONS, 'f"https://\\{api\\}"', 'f"http://{api}"'),
        "another vendor's host": swap(REGIONS, "api\\.cac1\\.pure\\.cloud", "api.pure-cloud.net"),
        "a host outside of regions.py": add(SCOPE, '\n\n_HOST = "api.mypurecloud.de"\n'),
        "a request to a path that was given": swap(
            SCOPE, '_transport\\.get\\(f\\"', '_transport.get(payload + f"'
        ),
        "another library that calls": add(STEP, "\n\nimport urllib.request\n"),
        "a scenario that names a host": add("local/demo.py", "\n\nURL = f'http://{scenario.host}:80/'\n"),
        "a deployment that names a host": within("  GenesysBaseUrl:", 'Default: ""', "Default: https://x.de"),
        "an address in a script": add("Makefile", "\nfetch:\n\tcurl https://company.example\n"),
        "a queue that a message names": swap(
            f"{PROGRAM}/aws/queues.py", "QueueUrl=self\\._queue_url", "QueueUrl=body"
        ),
    },
    "logs": {
        "a token, printed": add(STEP, function("print(token)")),
        "a logger of its own": add(FUNCTION, "\n\nimport logging\n\nlogging.getLogger().info('x')\n"),
        "a token, logged": add(OBSERVABILITY, function('logger.info(f"token {token}")')),
        "a token among the keys": add(OBSERVABILITY, function('logger.info("x", extra={"reason": token})')),
        "a token, told to telemetry": add(STEP, function('telemetry.note("x", reason=token.secret)')),
        "a phone number, told to telemetry": add(STEP, function("telemetry.note('x', reason=event['ani'])")),
        "a raw payload, told to telemetry": add(STEP, function("telemetry.warn('x', reason=str(payload))")),
        "a key that is on no list": add(STEP, function("telemetry.note('x', number=1)")),
        "a token in an error": add(STEP, function('raise ValueError(f"refused: {token}")')),
        "a token in the platform's error": swap(
            TRANSPORT, 'said = f"\\{method\\}', 'said = f"{token.secret} {method}'
        ),
    },
    "secrets": {
        "a password in a module": add("cli/why.py", '\n\nclient_secret = "q7ZxP2' + 'mV9rT4kLw8"\n'),
        "a token in a test": add("tests/events.py", "\n\naccess_tok" + 'en = "abcdefg12345"\n'),
        "a password in the template": within(
            "Parameters:", "", "  ClientSecret: {Default: q7ZxP2" + "mV9rT4kLw8}\n"
        ),
        "a key of AWS in a document": add("docs/custody.md", "\nAKI" + "AQWERTYUIOPASDFGH\n"),
        "a token in an event": add("events/x.json", '{"access_tok' + 'en": "q7ZxP2mV9rT4kLw8NbYs3HfJ"}\n'),
        "a known text that is gone": swap(
            "local/gates/known_texts.json", '\\"texts\\": \\[', '"texts": ["0-0",'
        ),
    },
    "licences": {
        "a GPL dependency among the tools": both(
            lock("requirements/aws.txt", "gnuish"), install(".venvs/aws", "gnuish", "GPL-3.0-only")
        ),
        "an AGPL dependency among the tools": both(
            lock("requirements/aws.txt", "agnuish"), install(".venvs/aws", "agnuish", "AGPL-3.0-or-later")
        ),
        "a dependency without a licence": both(
            lock("requirements/aws.txt", "mute"), install(".venvs/aws", "mute", "")
        ),
        "an LGPL dependency that is shipped": both(
            lock(SHIPPED, "lgnuish"), lock(TESTED, "lgnuish"), install(".venv", "lgnuish", "LGPL-3.0-only")
        ),
        "something GPL that was only installed": install(".venvs/aws", "gnuish", "GPL-2.0-or-later"),
        "an exemption that nobody needs": swap(
            "local/gates/licences.py", "EPL-2\\.0 OR GPL-2\\.0-or-later", "GPL-2.0-only"
        ),
    },
    "requirements": {
        "wanted, and not locked": swap(
            "pyproject.toml", '    "rfc8785', '    "text-unidecode",\n    "rfc8785'
        ),
        "locked, and no longer wanted": swap("pyproject.toml", '    "rfc8785[^\\n]*\\n', ""),
        "locked out of its range": swap("pyproject.toml", "httpx>=0\\.28,<0\\.29", "httpx>=0.29"),
        "locked by range": swap(TESTED, "\\nhttpx==", "\nhttpx>="),
        "locked without hashes": swap(TESTED, "(\\nhttpx==\\S+) (\\\\\\n +--hash\\S+ ?)+", "\\1"),
        "shipped and not tested": swap(SHIPPED, "\\nhttpx==0\\.28\\.1", "\nhttpx==0.28.0"),
        "a list of requirements besides": add("functions/preflight/requirements.txt", "rfc8785\n"),
        "an installation without hashes": swap("layers/dependencies/Makefile", "--require-hashes ", ""),
        "locked, and not installed": lock("requirements/aws.txt", "gnuish"),
    },
    "architecture": {
        "any action of a service": within(f"  {TASK}Role:", "dynamodb:GetItem", "'dynamodb:*'"),
        "any resource": within(f"  {TASK}Role:", "Resource: !GetAtt Ledger.Arn", 'Resource: "*"'),
        "a grant that nobody needs": within(
            f"  {TASK}Role:", "dynamodb:GetItem", "dynamodb:GetItem, dynamodb:Scan"
        ),
        "no time limit": states(HOLD, lambda s: s[TASK].pop("TimeoutSeconds")),
        "no Retry": states(HOLD, lambda s: s[TASK].pop("Retry")),
        "no Catch": states(HOLD, lambda s: s[TASK].pop("Catch")),
        "a state nobody goes to": states(HOLD, lambda s: s.update(Orphan={"Type": "Succeed"})),
        "a Catch that ends well": states(HOLD, lambda s: s["RecordFailure"].update(Next="Held")),
        "an error that does not exist": states(
            HOLD, lambda s: s[OTHER]["Retry"][0]["ErrorEquals"].append("Tired")
        ),
        "a Catch of an error that nothing raises": states(
            HOLD, lambda s: s[TASK]["Catch"].insert(0, {**s[TASK]["Catch"][0], "ErrorEquals": ["Tired"]})
        ),
        "a role that anybody may take": within(f"  {TASK}Role:", "Service: lambda.amazonaws.com", "AWS: '*'"),
        "a domain that knows AWS": add(f"{PROGRAM}/domain/tags.py", "\n\nimport boto3\n"),
        "a download address": swap("pyproject.toml", "\\[project\\]", "# pypi" + ".org/simple\n[project]"),
        "bandit, silenced altogether": add("cli/why.py", "\nx = 1  # no" + "sec\n"),
        "a home on somebody's machine": add("docs/custody.md", "\nSee /ho" + "me/somebody/holdfast.\n"),
    },
    "cfn-lint": {
        "a reference to nothing": within(f"  {TASK}Role:", "!GetAtt Ledger.Arn", "!GetAtt Nothing.Arn"),
        "a property that does not exist": within("  EvidenceBucket:", "ObjectLockEnabled:", "ObjectLocked:"),
    },
    "sam": {
        "a function's property that does not exist": within(f"  {TASK}:", "CodeUri:", "Code:"),
    },
    "checkov": {
        "a bucket that is open to everybody": within("  EvidenceBucket:", "BlockPublicAcls: true, ", ""),
        "a function's door to the world, which only the translation has": within(
            f"  {TASK}:", "      CodeUri:", "      FunctionUrlConfig: {AuthType: NONE}\\n      CodeUri:"
        ),
    },
}


# --- how they are tried ------------------------------------------------------------------------------------


class Copy:
    """A copy of the repository, with environments that packages can be put into."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = list(files())
        for name in self._names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(name, folder / name)
        (folder / ".venvs").mkdir()
        for environment in (Path(".venv"), *Path(".venvs").iterdir()):
            (folder / environment).symlink_to(environment.resolve())
        for command in ("init", "--quiet"), ("add", "."):
            subprocess.run(["git", *command], cwd=folder, check=True)

    def check(self, *gates: str) -> subprocess.CompletedProcess[str]:
        """Run gates on the copy."""
        command = [".venv/bin/python", "-m", "local.check", *gates]
        return subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=False)

    def finds(self, gate: str, plant: Plant) -> bool:
        """Plant a defect, tell whether the gate turned red, and take it out again."""
        before = texts(self._folder, self._names)
        planted = dict(before)
        plant(planted)
        changed = {name: text for name, text in planted.items() if before.get(name) != text}
        for name, text in changed.items():
            self._room_for(Path(name)).write_text(text)
        is_red = self.check(gate).returncode != 0
        for name in changed:
            if name in before:
                (self._folder / name).write_text(before[name])
            else:
                (self._folder / name).unlink()
        return is_red

    def _room_for(self, name: Path) -> Path:
        """Make the folders of a file; an environment that gets one is a copy from then on, of links."""
        for parent in reversed(name.parents):
            linked = self._folder / parent
            if linked.is_symlink():
                original = linked.resolve()
                linked.unlink()
                shutil.copytree(original, linked, symlinks=True, copy_function=os.link)
        (self._folder / name).parent.mkdir(parents=True, exist_ok=True)
        return self._folder / name


def texts(folder: Path, names: Iterable[str]) -> Files:
    """Read what is text of some files."""
    found: Files = {}
    for name in names:
        with suppress(UnicodeDecodeError):
            found[name] = (folder / name).read_text()
    return found


def tried(defects: Iterable[Defect], copies: Sequence[Copy]) -> Iterator[tuple[Defect, bool, float]]:
    """Try defects, one in each copy at a time; give each with whether it was found, and in what time."""
    free: Queue[Copy] = Queue()
    for copy in copies:
        free.put(copy)

    def one(defect: Defect) -> tuple[Defect, bool, float]:
        gate, name = defect
        copy, started = free.get(), time.monotonic()
        try:
            return defect, copy.finds(gate, MUTANTS[gate][name]), time.monotonic() - started
        finally:
            free.put(copy)

    with ThreadPoolExecutor(len(copies)) as pool:
        yield from pool.map(one, defects)


def main(gates: Sequence[str]) -> int:
    defects = [(gate, name) for gate, planted in MUTANTS.items() for name in planted]
    defects = [one for one in defects if not gates or one[0] in gates]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="holdfast-mutants-") as folder:
        copies = [Copy(Path(folder) / str(number)) for number in range(AT_ONCE)]
        green = copies[0].check(*gates)
        print(green.stdout)
        if green.returncode:
            print("The copy is red before anything is planted in it.", file=sys.stderr)
            return 1
        for (gate, name), is_found, seconds in tried(defects, copies):
            missed += not is_found
            print(f"  {'found ' if is_found else 'MISSED'}  {gate:<13}{seconds:6.1f} s   {name}", flush=True)
    print(f"\n{len(defects) - missed} of {len(defects)} defects found")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
