"""Ends a process with the one that started it, however that ends: by a close, an interrupt or a kill.

The starter keeps the other end of the process's standard input. `python -m local.leash MODULE ARGUMENTS...`
runs a module so.
"""

import os
import runpy
import signal
import sys
import threading
from collections.abc import Callable

STANDARD_INPUT = 0


def end_with_starter(clean_up: Callable[[], None] = lambda: None) -> None:
    """Watch standard input from now on; when it closes, end this process group: first all others, then this.

    Must be called from the main thread of the leader of the group.
    """
    # A handler, since children would inherit an ignored signal.
    signal.signal(signal.SIGHUP, lambda *_: None)
    threading.Thread(target=_watch, args=(clean_up,), daemon=True).start()


def _watch(clean_up: Callable[[], None]) -> None:
    while os.read(STANDARD_INPUT, 1024):
        pass
    os.killpg(os.getpgrp(), signal.SIGHUP)
    clean_up()
    os.killpg(os.getpgrp(), signal.SIGKILL)


if __name__ == "__main__":
    module = sys.argv[1]
    sys.argv = sys.argv[1:]
    end_with_starter()
    runpy.run_module(module, run_name="__main__", alter_sys=True)
