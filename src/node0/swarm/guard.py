# SPDX-License-Identifier: Apache-2.0
"""Keeps a libp2p daemon no longer than the process that uses it. Run as a program, without this package.

    python -I -S guard.py SOCKET_DIRECTORY DAEMON ARGUMENTS...

Whoever started the guard may be killed at any moment and then cleans nothing. The guard is told by the
kernel (Linux: PR_SET_PDEATHSIG; elsewhere it looks twice a second), ends the daemon, and removes the
sockets and their directory.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from types import FrameType

PR_SET_PDEATHSIG = 1
LOOK_EVERY = 0.5
"Seconds between looks at the parent."

GRACE = 2.0
"Seconds that the daemon has to end by itself."


class _Leave(Exception):
    """A signal asked to end."""


def main() -> None:
    """Run the daemon until it ends or the parent does."""
    directory, command = sys.argv[1], sys.argv[2:]
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    die_with_parent(signal.SIGTERM)
    daemon = subprocess.Popen(command, preexec_fn=_die_with_guard)
    try:
        while os.getppid() == parent and daemon.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                daemon.wait(LOOK_EVERY)
    except _Leave:
        pass
    finally:
        _end(daemon)
        shutil.rmtree(directory, ignore_errors=True)


def die_with_parent(number: int) -> None:
    """Ask the kernel to send this process a signal when its parent ends. Nothing happens elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def _die_with_guard() -> None:
    die_with_parent(signal.SIGKILL)
    # A Ctrl-C in the terminal is for the program, which then ends its daemon in order.
    os.setpgid(0, 0)


def _leave(number: int, frame: FrameType | None) -> None:
    raise _Leave


def _end(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    until = time.monotonic() + GRACE
    while daemon.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    daemon.kill()
    daemon.wait()


if __name__ == "__main__":
    main()
