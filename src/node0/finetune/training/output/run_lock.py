# SPDX-License-Identifier: Apache-2.0
"""A lock that lets one process write to a run directory, and ends with that process."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from node0.errors import ConfigError, RunInUse
from node0.files import PRIVATE_FILE, existing_parent, narrow
from node0.finetune.run_dir import RunDirectory
from node0.swarm.run.run_file import is_run_of_swarm


@contextmanager
def hold(run_dir: Path) -> Iterator[None]:
    """Create `run_dir` and keep every other process out of it, and every other user.

    Directories that were created here and are still empty at the end are removed.

    Raises `RunInUse` when another process holds it, `ConfigError` when it cannot be written or holds
    something that is no run.
    """
    run, above = RunDirectory(run_dir), existing_parent(run_dir)
    _refuse_foreign(run)
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
        _leave_nothing(run, above)
        os.close(handle)


def refuse_unusable(run_dir: Path) -> None:
    """Raise as `hold` would, without writing anything."""
    parent = existing_parent(run_dir)
    if not parent.is_dir():
        raise _unwritable(run_dir, f"{parent} is not a directory")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise _unwritable(run_dir, "it is read-only")
    _refuse_foreign(RunDirectory(run_dir))
    lock = RunDirectory(run_dir).lock
    if lock.is_file():
        handle = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _lock(handle, run_dir)
        finally:
            os.close(handle)


def _refuse_foreign(run: RunDirectory) -> None:
    """Raise `ConfigError` for a directory with something in it that no run has left there."""
    if not run.root.is_dir() or run.is_run or is_run_of_swarm(run.root):
        return
    names = sorted(path.name for path in run.root.iterdir())
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise ConfigError(
            f"{run.root} is not empty and no run: it holds {', '.join(names[:3])}{more}; "
            "give a new or empty directory as --checkpoint-dir"
        )


def _leave_nothing(run: RunDirectory, above: Path) -> None:
    """Remove a directory that holds the lock alone, and its empty parents, up to what was there before."""
    if run.root == above or not run.root.is_dir() or list(run.root.iterdir()) != [run.lock]:
        return
    run.lock.unlink()
    for place in (run.root, *run.root.absolute().parents):
        if place == above.absolute() or any(place.iterdir()):
            return
        place.rmdir()


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
