"""Coverage where it is judged, and nowhere else: tracing doubles the time of whatever runs under it.

`domain/` and `steps/` are to be covered by their own unit tests. What else reaches them counts for nothing,
so nothing else is traced: no other test, and no import but theirs.
"""

import pkgutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from coverage import Coverage

OF = ("domain", "steps")
BY = tuple(f"tests/unit/{part}/" for part in OF)


def import_measured() -> None:
    """Import all that is measured: definitions count where they are first read."""
    for part in OF:
        package = import_module(f"holdfast.{part}")
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            import_module(module.name)


@contextmanager
def unmeasured() -> Iterator[None]:
    """Pause the measuring, if any is under way; in a worker of xdist there are two."""
    paused = []
    while measuring := Coverage.current():
        measuring.stop()
        paused.append(measuring)
    try:
        yield
    finally:
        for measuring in reversed(paused):
            measuring.start()
