# SPDX-License-Identifier: Apache-2.0
"""The place of what a bench makes, which is gone however the bench is told to end."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node0.usage.scratch import scratch_directory
from node0.usage.termination import Terminated, heard_sigterm


@contextmanager
def temporary_place(bench: str) -> Iterator[Path]:
    """An empty directory, removed when the block ends, by SIGTERM or Ctrl-C too.

    What a killed bench of this name has left is removed as well. Processes that are forked in the block
    remove nothing at their end. The path is short, for sockets below it.

    Raises:
        SystemExit: SIGTERM came; with code 143, after what the block holds has ended in order.
    """
    try:
        with heard_sigterm(), scratch_directory(f"n0-{bench}-") as directory:
            place = directory / "b"
            place.mkdir()
            yield place
    except Terminated:
        raise SystemExit(128 + signal.SIGTERM) from None
