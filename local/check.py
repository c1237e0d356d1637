"""Checks the template: `sam validate --lint`, cfn-lint, and checkov on it as written and as translated.

Checkov sees neither what SAM generates nor what a `DefinitionUri` points at, so the translation has the state
machines inlined.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "template.yaml"
TRANSLATED = ROOT / "build/translated.json"
_REGION = "eu-central-1"


def translated() -> str:
    """Return the translated template, as JSON."""
    command: list[str | Path] = [ROOT / ".venvs/sam/bin/python", "-m", "local.translate", TEMPLATE]
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


def main() -> int:
    TRANSLATED.parent.mkdir(exist_ok=True)
    TRANSLATED.write_text(translated())
    checkov: list[str | Path] = [
        ROOT / ".venvs/checkov/bin/checkov",
        "--framework",
        "cloudformation",
        "--quiet",
        "--compact",
        "--skip-download",
    ]  # fmt: skip - an option a line
    commands: list[list[str | Path]] = [
        [ROOT / ".venvs/sam/bin/sam", "validate", "--lint", "--template-file", TEMPLATE, "--region", _REGION],
        [ROOT / ".venv/bin/cfn-lint", TEMPLATE],
        [*checkov, "--file", TEMPLATE],
        [*checkov, "--file", TRANSLATED],
    ]
    environment = {**os.environ, "SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": _REGION}
    failed = False
    for command in commands:
        shown = " ".join(str(part).removeprefix(f"{ROOT}/") for part in command)
        print(shown, flush=True)
        failed |= subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode != 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
