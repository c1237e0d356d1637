"""The exit codes of every command, as a table."""

from collections.abc import Mapping
from enum import IntEnum


class Exit(IntEnum):
    """How a command ends."""

    DONE = 0
    NO = 1
    USAGE = 2
    NOT_FOUND = 3
    REFUSED = 4
    NOT_CONNECTED = 5
    TRY_AGAIN = 6
    DEFECT = 70
    INTERRUPTED = 130


MEANINGS: Mapping[Exit, str] = {
    Exit.DONE: "done, or the answer is yes",
    Exit.NO: "the answer is no: incomplete, not intact, something found; the output says what",
    Exit.USAGE: "the command line cannot be read",
    Exit.NOT_FOUND: "what was named is not known",
    Exit.REFUSED: "refused: what was given is invalid, or a rule forbids it; repeating is useless",
    Exit.NOT_CONNECTED: "no stack could be reached, or it denied access",
    Exit.TRY_AGAIN: "a service did not answer or is busy; the same command may succeed later",
    Exit.DEFECT: "a defect of this program",
    Exit.INTERRUPTED: "interrupted",
}
