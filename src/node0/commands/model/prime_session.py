# SPDX-License-Identifier: Apache-2.0
"""Prime a session as gt does, and give the model of an agent of ours a short text in the place of gt's.

The real command is always run: it writes the session's start, and marks the agent as ready. Its own words
are printed, to the byte, wherever no model of ours is at work for the agent or anything of ours breaks.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING

from node0 import console
from node0.commands.lazy import when_called
from node0.errors import NotFound, RetriableError
from node0.town import Town, real_gt, session_agent

if TYPE_CHECKING:
    from node0.commands.model import prime_text
else:
    # What is ours is imported where it may break.
    prime_text = when_called("node0.commands.model.prime_text")

REDUCED: tuple[list[str], ...] = ([], ["--hook"])
"Ways to call it that print a prime for a model; the others are the real command's alone."

SECONDS = 8
"What is ours may take; a harness gives a hook a minute, of which gt takes seconds."


def prime(arguments: Sequence[str]) -> int:
    """Run the real `gt prime`, print its words or ours; its exit code.

    Raises:
        NotFound: there is no gt but ourselves.
    """
    gt = real_gt()
    if gt is None:
        raise NotFound("no gt on PATH: install it, or mend PATH")
    command = [str(gt), "prime", *arguments]
    agent = session_agent()
    if not agent.startswith("ft-") or list(arguments) not in REDUCED:
        return subprocess.run(command, check=False).returncode
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    said = done.stdout if done.returncode else _shortened(done.stdout, agent)
    sys.stdout.buffer.write(said)
    sys.stdout.flush()
    return done.returncode


def _shortened(full: bytes, agent: str) -> bytes:
    """Ours, or what the real command said."""
    try:
        with _within(SECONDS):
            return prime_text.text_for(full.decode(), agent, Town.locate()).encode()
    except Exception as error:  # noqa: BLE001  # whatever of ours breaks, the session begins as without us
        console.note(f"full prime for {agent}: {error or type(error).__name__}")
        return full


@contextmanager
def _within(seconds: int) -> Iterator[None]:
    """Raise `RetriableError` inside the block when it takes longer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise RetriableError(f"what is ours took more than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
