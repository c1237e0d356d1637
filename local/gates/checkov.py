"""Checkov on the template as written, and as SAM translates it.

Checkov sees neither what SAM generates nor what a `DefinitionUri` points at, so the translation has the state
machines inlined.
"""

import subprocess
import sys
from pathlib import Path

_TEMPLATE = Path("template.yaml")
_TRANSLATED = Path("build/translated.json")
_CHECKOV = (
    ".venvs/checkov/bin/checkov",
    "--framework=cloudformation",
    "--quiet",
    "--compact",
    "--skip-download",
)


def translated() -> str:
    """Return the translated template, as JSON."""
    command: list[str | Path] = [".venvs/sam/bin/python", "-m", "local.translate", _TEMPLATE]
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> int:
    _TRANSLATED.parent.mkdir(exist_ok=True)
    _TRANSLATED.write_text(translated())
    command: list[str | Path] = [*_CHECKOV, "--file", _TEMPLATE, _TRANSLATED]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
