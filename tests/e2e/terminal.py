"""A person at a terminal, who answers what a program asks."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_QUESTION = re.compile(r"[^\n]*\[[^\]\n]*\]:? *\Z")


def answered(
    command: Sequence[str | Path],
    answers: Callable[[str], str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    deadline_s: float = 180,
) -> tuple[int, str, list[str]]:
    """Run a command on a terminal of its own, and answer each question that ends in `[default]:`.

    Returns its exit code, all that was said, and the questions in their order.
    """
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    said, heard, ends_at = "", 0, time.monotonic() + deadline_s
    questions: list[str] = []
    try:
        while time.monotonic() < ends_at:
            is_speaking, _, _ = select.select([ours], [], [], 0.05)
            if is_speaking:
                try:
                    said += _COLOURS.sub("", os.read(ours, 65536).decode(errors="replace"))
                except OSError:  # they closed their end, which Linux tells as an error
                    return process.wait(), said, questions
            elif question := _QUESTION.search(said[heard:]):
                heard = len(said)
                questions.append(question[0].strip())
                os.write(ours, f"{answers(questions[-1])}\n".encode())
        raise TimeoutError(f"{command[0]} did not end. It said:\n{said[-2000:]}")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
