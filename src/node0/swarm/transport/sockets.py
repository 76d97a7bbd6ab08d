# SPDX-License-Identifier: Apache-2.0
"""A directory for a peer's unix sockets, removed at exit.

Who owns a directory holds a lock on a file in it, which the kernel lets go when the owner dies, whatever
happens to process numbers since: the first process of a container has the same number every time.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from node0.errors import ConfigError
from node0.swarm.transport.guard import LOCK_NAME, PARENT_NAME, PARENT_PREFIX, discard

LONGEST = 60
"Bytes of a run's directory of sockets: with the longest member's name it is below LIMIT."

LIMIT = 80
"Bytes of a directory that leave room for a socket's name: the kernel takes 107 in all."

LIVING, DYING = 0.4, 20.0
"Seconds for which a lock that is held is tried: of a living owner, and of one whose guard clears up."

_WAIT = 0.02


def socket_directory(run_dir: Path, member: str) -> Path:
    """The directory of one member: inside the run, or in the temporary folder where that is too deep.

    All members of a run have theirs in one place, whatever the length of their names.
    """
    inside = run_dir.resolve() / PARENT_NAME
    if len(os.fsencode(inside)) <= LONGEST:
        return inside / member
    digest = hashlib.sha256(os.fsencode(run_dir.resolve())).hexdigest()[:12]
    return Path(tempfile.gettempdir()).resolve() / f"{PARENT_PREFIX}{digest}" / member


class Claim:
    """A socket directory that is ours until `release`, or until this process ends."""

    def __init__(self, directory: Path) -> None:
        """Make the directory, private; what a dead owner left in it is removed.

        Raises:
            ConfigError: a living process owns it, it is another user's, or it is too deep for sockets.
        """
        if len(os.fsencode(directory)) > LIMIT:
            raise ConfigError(
                f"{directory} is too deep for sockets; take a directory of {LIMIT} bytes at most"
            )
        self.directory = directory
        if directory.parent.parent == Path(tempfile.gettempdir()).resolve():
            _discard_left(directory.parent.parent)
        self._lock: int | None = _locked(directory)
        for path in directory.iterdir():
            if path.name != LOCK_NAME:
                _remove(path)
        os.truncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode("ascii"), 0)

    def release(self) -> None:
        """Remove the directory, and the run's directory of sockets when this was the last."""
        if self._lock is not None:
            discard(self.directory)
            os.close(self._lock)
            self._lock = None


def owner_of(directory: Path) -> int | None:
    """The living process that claimed the directory; None where there is none."""
    try:
        lock = os.open(directory / LOCK_NAME, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return last_owner_of(directory)
    else:
        return None
    finally:
        os.close(lock)


def last_owner_of(directory: Path) -> int | None:
    """The process that claimed the directory, living or not; None where nobody did."""
    try:
        return int((directory / LOCK_NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _discard_left(temporary: Path) -> None:
    """Remove directories of this user's whose owner and its guard were both killed, of any run."""
    for lock_file in temporary.glob(f"{PARENT_PREFIX}*/*/{LOCK_NAME}"):
        with suppress(OSError):
            lock = os.open(lock_file, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if os.fstat(lock).st_uid == os.geteuid() and _takes(lock, lock_file):
                    discard(lock_file.parent)
            finally:
                os.close(lock)


def _locked(directory: Path) -> int:
    """A descriptor that holds the directory's lock."""
    started, patience = time.monotonic(), LIVING
    while time.monotonic() - started < patience:
        _make_private(directory)
        # Another member that leaves may remove the directory at any moment.
        with suppress(FileNotFoundError):
            lock = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            if _takes(lock, directory / LOCK_NAME):
                return lock
            os.close(lock)
        patience = LIVING if _is_alive(last_owner_of(directory)) else DYING
        time.sleep(_WAIT)
    raise ConfigError(
        f"process {owner_of(directory)} already runs with {directory}; stop it, or start another member"
    )


def _is_alive(pid: int | None) -> bool:
    """Whether there is such a process, of whatever user."""
    if pid is None:
        return False
    with suppress(PermissionError):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
    return True


def _remove(path: Path) -> None:
    """Remove what a dead owner left; its daemon, which is ending, may be the first to do so."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _takes(lock: int, path: Path) -> bool:
    """Whether the lock is ours now, and of the file that is still there."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return path.stat().st_ino == os.fstat(lock).st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def _make_private(directory: Path) -> None:
    for path in (directory.parent, directory):
        with suppress(FileNotFoundError, FileExistsError):
            path.mkdir(parents=True, mode=0o700)
        with suppress(FileNotFoundError):
            found = path.lstat() if path == directory else path.stat()
            if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (0, os.getuid()):
                raise ConfigError(f"{path} is another user's or no directory; remove it, or move the run")
