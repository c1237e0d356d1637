"""Runs MiniStack until its standard input closes. Started by `local.emulator.process`, in its environment."""

import importlib.metadata
import os
import shutil
import sys

from local.leash import end_with_starter

PINNED_VERSION = "1.5.33"


def main() -> None:
    found = importlib.metadata.version("ministack")
    if found != PINNED_VERSION:
        sys.exit(
            f"The emulator is mended for MiniStack {PINNED_VERSION} alone, and this is {found}: make clean"
        )
    end_with_starter(lambda: shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True))

    from ministack import app as gateway  # noqa: PLC0415 - reads its settings on import

    from local.emulator import (  # noqa: PLC0415 - import MiniStack
        accesses,
        action_names,
        alarms,
        calls,
        condition_keys,
        event_faults,
        function_errors,
        metrics,
        schedules,
        stack_types,
    )

    function_errors.install()
    action_names.install()
    condition_keys.install()
    schedules.install()
    event_faults.install()
    accesses.install()
    calls.install()
    stack_types.install()
    metrics.install()
    alarms.install()
    gateway.main()


if __name__ == "__main__":
    main()
