"""How properties are tried: the same examples on every machine, and no clock that could fail a slow one."""

from hypothesis import settings

settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
settings.load_profile("repeatable")
