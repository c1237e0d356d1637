"""The gates that are our own; `local.check` lists them all."""

import sys
from collections.abc import Iterable


def conclude(faults: Iterable[str]) -> None:
    """Print the faults, and end with 1 if there are any."""
    found = sorted(set(faults))
    for fault in found:
        print(fault)
    sys.exit(int(bool(found)))
