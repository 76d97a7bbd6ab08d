# SPDX-License-Identifier: Apache-2.0
"""A program that ends a libp2p daemon when the process that uses it ends.

    python -I -S guard.py SOCKET_DIRECTORY PARENT DAEMON ARGUMENTS...

Whoever started the guard may be killed at any moment and then cleans nothing. The guard is told by the
kernel (Linux: PR_SET_PDEATHSIG; elsewhere it looks twice a second), ends the daemon, and removes the
sockets and their directory, unless another process has claimed it since.
"""

import ctypes
import fcntl
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

LOCK_NAME = "owner.pid"
"In a socket directory; its owner holds a lock on it."

PARENT_NAME, PARENT_PREFIX = ".sockets", "node0-"
"Names of directories that hold socket directories and nothing else."

PR_SET_PDEATHSIG = 1
LOOK_EVERY = 0.5
"Seconds between looks at the parent."

GRACE = 2.0
"Seconds that the daemon has to end by itself."

LEFT_AFTER = 4.0
"Seconds that a parent which dies may take to let its lock go: its threads end one after the other."

TOLD_AFTER = 0.5
"Seconds in which the kernel tells of a parent that died, where the daemon was the first to see it."

_ASKED = (signal.SIGTERM, signal.SIGINT)
_ORPHANED = signal.SIGUSR1
"From the kernel alone, when the parent, or only its thread that started this, has ended."


def main() -> None:
    """Run the daemon until it ends or the parent does."""
    directory, parent, command = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    # A Ctrl-C in the terminal is for the program, which then ends its daemon in order.
    os.setpgid(0, 0)
    woken, told = _signals(*_ASKED, _ORPHANED)
    daemon = None
    try:
        die_with_parent(_ORPHANED)
        daemon = subprocess.Popen(command, preexec_fn=_die_with_guard)
        while not told and os.getppid() == parent and daemon.poll() is None:
            if select.select([woken], [], [], LOOK_EVERY)[0]:
                os.read(woken, 512)
    finally:
        if daemon is not None:
            _end(daemon)
        _discard_unowned(directory, parent, told)


def _signals(*numbers: int) -> tuple[int, list[int]]:
    """What can be read when one of these, or a child's end, came; and which of these have come.

    No handler raises: a `Popen` that is left while it holds its lock can never be waited for again.
    """
    told: list[int] = []
    for number in numbers:
        signal.signal(number, lambda number, _: told.append(number))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    return woken, told


def die_with_parent(number: int) -> None:
    """Ask the kernel to send this process a signal when its parent ends. Nothing happens elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


def discard(directory: Path) -> None:
    """Remove a socket directory, and the one above it when it holds nothing else."""
    shutil.rmtree(directory, ignore_errors=True)
    above = directory.parent
    if above.name == PARENT_NAME or above.name.startswith(PARENT_PREFIX):
        with suppress(OSError):
            above.rmdir()


def _discard_unowned(directory: Path, parent: int, told: Sequence[int]) -> None:
    """Remove the directory unless it is in use: a parent that dies lets its lock go in a while."""
    try:
        lock = os.open(directory / LOCK_NAME, os.O_RDWR)
    except OSError:
        return
    started = time.monotonic()
    while not _takes(lock):
        passed = time.monotonic() - started
        if passed > _patience(parent, told) or os.pread(lock, 20, 0).strip() != b"%d" % parent:
            return
        time.sleep(0.02)
    discard(directory)


def _patience(parent: int, told: Sequence[int]) -> float:
    """Seconds to wait for the parent's lock, by what is known of the parent now."""
    if _ORPHANED in told or os.getppid() != parent:
        return LEFT_AFTER
    return 0.0 if set(_ASKED) & set(told) else TOLD_AFTER


def _takes(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _die_with_guard() -> None:
    die_with_parent(signal.SIGKILL)
    for number in (*_ASKED, _ORPHANED):
        signal.signal(number, signal.SIG_DFL)


def _end(daemon: "subprocess.Popen[bytes]") -> None:
    daemon.terminate()
    until = time.monotonic() + GRACE
    while daemon.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    daemon.kill()
    daemon.wait()


if __name__ == "__main__":
    main()
