# SPDX-License-Identifier: Apache-2.0
"""A lock that lets one process write to a run directory, and ends with that process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node0.errors import ConfigError, RunInUse
from node0.files import PRIVATE_FILE, narrow
from node0.finetune.run_dir import RunDirectory


@contextmanager
def hold(run_dir: Path) -> Iterator[None]:
    """Create `run_dir` and keep every other process out of it, and every other user.

    A directory that was created here and is still empty at the end is removed.

    Raises `RunInUse` when another process holds it, `ConfigError` when it cannot be written.
    """
    run, is_new = RunDirectory(run_dir), not run_dir.exists()
    try:
        run.make()
        handle = os.open(run.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE)
        narrow(handle)
    except OSError as error:
        raise _unwritable(run_dir, error.strerror) from None
    try:
        _lock(handle, run_dir)
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        run.sweep()
        yield
    finally:
        if is_new and list(run_dir.iterdir()) == [run.lock]:
            run.lock.unlink()
            run_dir.rmdir()
        os.close(handle)


def refuse_unusable(run_dir: Path) -> None:
    """Raise as `hold` would, without writing anything."""
    parent = next(path for path in (run_dir, *run_dir.parents) if path.exists())
    if not parent.is_dir():
        raise _unwritable(run_dir, f"{parent} is not a directory")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise _unwritable(run_dir, "it is read-only")
    lock = RunDirectory(run_dir).lock
    if lock.is_file():
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _lock(handle, run_dir)
        finally:
            os.close(handle)


def _lock(handle: int, run_dir: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
        raise RunInUse(
            f"run directory {run_dir} is in use by process {holder}; "
            "wait for it or give another --checkpoint-dir"
        ) from None


def _unwritable(run_dir: Path, reason: str | None) -> ConfigError:
    return ConfigError(f"cannot write run directory {run_dir}: {reason}; give another --checkpoint-dir")
