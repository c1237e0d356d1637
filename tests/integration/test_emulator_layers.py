"""What the build ships must suffice: the emulator's workers see more than Lambda has."""

import importlib.util
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from local.build import ROOT, build

# Lambda's Python runtime brings these along; everything else must come with the layers.
IN_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")

IMPORT_EVERYTHING = """
import importlib.util, pathlib, pkgutil, sys
layers, runtime, functions = sys.argv[1].split(":"), sys.argv[2], pathlib.Path(sys.argv[3])
sys.path = [path for path in sys.path if "site-packages" not in path] + layers + [runtime]
import holdfast
for module in pkgutil.walk_packages(holdfast.__path__, "holdfast."):
    importlib.import_module(module.name)
for app in sorted(functions.glob("*/app.py")):
    spec = importlib.util.spec_from_file_location("app", app)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert callable(module.handler), app
print("imported", holdfast.__file__)
"""


@pytest.fixture(scope="module")
def built() -> Path:
    return build().parent


def test_the_layers_bring_everything_that_the_functions_import(built: Path, tmp_path: Path) -> None:
    for name in IN_THE_RUNTIME:
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        place = Path(found.origin)
        place = place.parent if place.name == "__init__.py" else place
        (tmp_path / place.name).symlink_to(place)
    layers = ":".join(str(built / layer / "python") for layer in ("DependenciesLayer", "HoldfastLayer"))

    command: list[str | Path] = [
        sys.executable,
        "-I",
        "-S",
        "-c",
        IMPORT_EVERYTHING,
        layers,
        tmp_path,
        ROOT / "functions",
    ]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    assert str(built) in finished.stdout


def test_native_modules_are_of_the_architecture_that_was_asked_for(built: Path) -> None:
    machine = platform.machine().lower().replace("arm64", "aarch64")

    natives = [path.name for path in built.rglob("*.so")]

    assert natives
    assert all(f"cpython-313-{machine}-linux-gnu" in name for name in natives)


def test_every_module_of_the_layers_is_compiled_for_good(built: Path) -> None:
    modules = [path for layer in built.glob("*Layer") for path in layer.rglob("*.py")]

    for module in modules:
        compiled = Path(importlib.util.cache_from_source(str(module)))
        assert compiled.exists(), module
        # Flags of PEP 552: compiled by hash, and the hash is not checked: no clock can make it stale.
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", module
    assert any("holdfast" in module.parts for module in modules)
