"""Builds the SAM application for this machine, and does nothing when nothing has changed."""

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SAM_ENVIRONMENT = ROOT / ".venvs/sam"
BUILT_TEMPLATE = ROOT / "build/sam/template.yaml"

_SOURCES = ("template.yaml", "functions", "layers", "statemachines", "local/build.py")
_STAMP = ROOT / "build/sam.stamp"
_LOG = ROOT / "build/sam.log"
_LOCK = ROOT / "build/sam.lock"


class BuildFailed(RuntimeError):
    """SAM refused; the message carries its own."""


def machine_architecture() -> str:
    """Return this machine's architecture under Lambda's name: the emulator runs functions natively."""
    return "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "x86_64"


def build() -> Path:
    """Build `template.yaml` with SAM and return the built template; two at once build it once.

    Raises:
        BuildFailed: with what SAM said.
    """
    _LOG.parent.mkdir(exist_ok=True)
    with _LOCK.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build()


def _build() -> Path:
    sources = _digest_of_sources()
    if BUILT_TEMPLATE.exists() and _STAMP.exists() and _STAMP.read_text() == sources:
        return BUILT_TEMPLATE
    _STAMP.unlink(missing_ok=True)
    architecture = machine_architecture()
    command: list[str | Path] = [
        SAM_ENVIRONMENT / "bin/sam",
        "build",
        "--cached",
        "--parallel",
        "--template-file",
        ROOT / "template.yaml",
        "--build-dir",
        BUILT_TEMPLATE.parent,
        "--cache-dir",
        ROOT / f"build/sam-cache-{architecture}",
        "--parameter-overrides",
        f"Architecture={architecture}",
    ]  # fmt: skip - a line each
    environment = {
        **os.environ,
        # SAM builds in a folder of its own, where no .python-version says which Python is meant.
        "PATH": f"{SAM_ENVIRONMENT / 'bin'}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "ARCHITECTURE": architecture,  # for the makefiles of the layers, which SAM does not tell
        "SAM_CLI_TELEMETRY": "0",
    }
    with _LOG.open("w+") as log:
        finished = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=False)
        if finished.returncode != 0:
            log.seek(0)
            raise BuildFailed(f"sam build failed. It said:\n{log.read()[-4000:]}")
    _STAMP.write_text(sources)
    return BUILT_TEMPLATE


def _digest_of_sources() -> str:
    digest = hashlib.sha256(machine_architecture().encode())
    for path in sorted(_source_files()):
        digest.update(f"{path.relative_to(ROOT)}\0{path.stat().st_mode}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files() -> list[Path]:
    roots = [ROOT / name for name in _SOURCES]
    files = [
        path for root in roots for path in (root.rglob("*") if root.is_dir() else [root]) if path.is_file()
    ]
    return [path for path in files if "__pycache__" not in path.parts]


if __name__ == "__main__":
    try:
        print(build().relative_to(ROOT))
    except BuildFailed as failure:
        sys.exit(str(failure))
