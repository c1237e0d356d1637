"""The gates that are our own; `local.check` lists them all."""

import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

# Who cannot ask git what belongs to the repository, leaves out what is made.
_MADE = {".git", ".venv", ".venvs", "build", ".aws-sam", "__pycache__"}


def files() -> Iterator[str]:
    """Name all files of the repository, also those that are not committed yet."""
    if Path(".git").exists():
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        listed = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split("\0")
    else:
        listed = [str(path) for path in Path().rglob("*") if not _MADE & set(path.parts)]
    return (name for name in listed if name and Path(name).is_file())


def conclude(faults: Iterable[str]) -> None:
    """Print the faults, and end with 1 if there are any."""
    found = sorted(set(faults))
    for fault in found:
        print(fault)
    sys.exit(int(bool(found)))
