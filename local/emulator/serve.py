"""Runs MiniStack until its standard input closes. Started by `local.emulator.process`, in its environment.

The starter holds the other end of standard input, so that the emulator and all its workers end with the
starter, however that ends: by a close, an interrupt or a kill.
"""

import importlib.metadata
import os
import shutil
import signal
import sys
import threading
from pathlib import Path

PINNED_VERSION = "1.5.33"


def main() -> None:
    found = importlib.metadata.version("ministack")
    if found != PINNED_VERSION:
        sys.exit(
            f"The emulator is mended for MiniStack {PINNED_VERSION} alone, and this is {found}: make clean"
        )

    # A handler, since workers would inherit an ignored signal.
    signal.signal(signal.SIGHUP, lambda *_: None)
    threading.Thread(target=_end_with_starter, daemon=True).start()

    from ministack import app as gateway  # noqa: PLC0415 - reads its settings on import

    from local.emulator import calls, function_errors  # noqa: PLC0415 - import MiniStack

    function_errors.install()
    calls.install()
    gateway.main()


def _end_with_starter() -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    # All share one process group: first the workers, then what they unpacked, then the emulator itself.
    os.killpg(os.getpgrp(), signal.SIGHUP)
    shutil.rmtree(Path(os.environ["TMPDIR"]), ignore_errors=True)
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    main()
