"""How the workers of `make test` share the tests."""

from functools import cache

from xdist.scheduler import LoadScopeScheduling

from local.emulator.process import ROOT

WORLDS = ("strict_world", "world")


class Worlds(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    """Gives each worker whole files, and what shares a world to one of them: a start takes a minute."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return shared_world(path) or path


@cache
def shared_world(path: str) -> str:
    """Name the fixture by which a file's tests share a world with those of others, if they do."""
    text = (ROOT / path).read_text()
    if "from local.world import World" not in text or "with World(" in text:
        return ""  # none, or one of its own
    return next((name for name in WORLDS if f"{name}: World" in text), "")
