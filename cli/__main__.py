"""Starts `holdfast` from a checkout: `python -m cli`, or the launcher that make writes."""

import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(_ROOT), str(_ROOT / "layers/holdfast")]

from cli.main import run  # noqa: E402 - only now can it be found

if __name__ == "__main__":
    run()
